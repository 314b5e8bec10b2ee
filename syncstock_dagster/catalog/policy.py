"""How changes of the catalogue are judged: which commit themselves, and who wins where two sides disagree.

What belongs here: the typed form of ``syncstock.toml``'s ``[catalogue]`` table. What does not: applying it
(``catalog.staging``), and the policies of evidence (``stock.policy``).
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from syncstock_dagster.catalog.changes import FIELDS
from syncstock_dagster.operations.pruning import MOST_DAYS
from syncstock_dagster.stock.policy import ConfigError, Limit

#: Nobody works on an article for longer than a year.
MOST_LOCK_MINUTES = 525_600
#: ``newest`` compares when the source changed its value with when ours was said; ``highest_trust`` goes by the order
#: of ``trust``. Where they cannot tell, a person is asked, as with ``manual``. Anything with a colon is a rule.
STRATEGIES = ("manual", "local_wins", "remote_wins", "newest", "highest_trust")
Strategy = str

_FIELDS = frozenset({"sku", *FIELDS})
_KINDS = frozenset({"field_mismatch", "identifier_taken", "case_twin", "exists_with_different_content"})


def _field(name: str) -> str:
    if name not in _FIELDS:
        raise ValueError(f"{name!r} is no field of an article; there are {', '.join(sorted(_FIELDS))}")
    return name


FieldOfArticle = Annotated[str, AfterValidator(_field)]


class AutoCommit(BaseModel):
    """Which staged changes of a source commit themselves. By default none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: At most so many changes in one delivery; more than that look like a mistake.
    max_changes: Limit = Decimal(0)
    #: New articles, and values where none was known, are counted by themselves: at most so many. None: as changes.
    max_additions: Limit | None = None
    #: Only changes of these fields; None: of any.
    fields: tuple[FieldOfArticle, ...] | None = None
    creates: bool = True
    deletes: bool = False


class SourceChanges(BaseModel):
    """The policy of one source of changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    auto_commit: AutoCommit = AutoCommit()


class CataloguePolicy(BaseModel):
    """The whole ``[catalogue]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Field, kind of conflict, or ``*``, to a strategy. Default: manual.
    conflicts: dict[str, Strategy] = Field(default_factory=dict)
    #: Sources from the most trusted on, for ``highest_trust``; ``people`` are who changes it by hand.
    trust: tuple[str, ...] = ("people",)
    sources: dict[str, SourceChanges] = Field(default_factory=dict)
    #: Catalogue files of sources that are not named above. A first load of everything commits itself; a file that
    #: changes hundreds of known articles waits for somebody.
    files: SourceChanges = SourceChanges(
        auto_commit=AutoCommit(max_changes=Decimal(500), max_additions=Decimal("inf"))
    )
    lock_minutes: int = Field(default=30, gt=0, le=MOST_LOCK_MINUTES)

    @field_validator("conflicts")
    @classmethod
    def _known(cls, conflicts: dict[str, str]) -> dict[str, str]:
        for name, strategy in conflicts.items():
            if name != "*" and name not in _KINDS:
                _field(name.partition(".")[0])
            if strategy not in STRATEGIES and ":" not in strategy:
                raise ValueError(
                    f"{name}: {strategy!r} is none of {', '.join(STRATEGIES)} and no 'package.module:function'"
                )
        return conflicts

    @cached_property
    def rules(self) -> dict[str, str]:
        """The strategies that are callables of the shop's own, by the field or kind they decide on."""
        return {name: strategy for name, strategy in self.conflicts.items() if ":" in strategy}

    def for_source(self, name: str) -> SourceChanges:
        """The policy of source ``name``."""
        return self.sources.get(name) or SourceChanges()

    def for_files(self, name: str) -> SourceChanges:
        """The policy of the catalogue files of source ``name``."""
        return self.sources.get(name) or self.files


#: The types of operations that have something to roll back.
CanBeRolledBack = Literal[
    "sync", "load", "order", "pull", "stage", "commit", "restore", "replay", "approve", "reject", "resolve",
    "catalogue", "rollback",
]  # fmt: skip


class OperationsPolicy(BaseModel):
    """The ``[operations]`` table: what needs a second person, and what is kept how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: A rollback of these types of operations is asked for by one person and done by another.
    second_person: tuple[CanBeRolledBack, ...] = ()
    #: So long events can be read; 0: for ever.
    keep_events_days: int = Field(default=90, ge=0, le=MOST_DAYS)
    #: So long original files are kept after they came last, ten years by default; 0: for ever.
    keep_files_days: int = Field(default=3650, ge=0, le=MOST_DAYS)


def load_catalogue_policy(path: Path | None) -> CataloguePolicy:
    """The ``[catalogue]`` table of a TOML file; no file means the defaults.

    Raises:
        ConfigError: the file is not TOML, or a key or value is not known.
    """
    return load_table(path, "catalogue", CataloguePolicy)


def load_operations_policy(path: Path | None) -> OperationsPolicy:
    """The ``[operations]`` table of a TOML file; no file means the defaults.

    Raises:
        ConfigError: the file is not TOML, or a key or value is not known.
    """
    return load_table(path, "operations", OperationsPolicy)


def load_table(path: Path | None, table: str, model: Any) -> Any:
    """One table of the configuration file, in its typed form.

    Raises:
        ConfigError: the file is not TOML, or a key or value is not known.
    """
    if path is None:
        return model()
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8")).get(table, {})
        return model.model_validate(given)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: [{table}] {what}") from error
