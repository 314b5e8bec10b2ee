"""The sources that can be asked, by name: opening them, and what to set where one is not configured.

What belongs here: the registry, and the ``[vendors.*]`` tables of ``syncstock.toml``. What does not: any vendor, and
what a pull does (``sources.pull``).
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from syncstock_dagster.accounts import Accounts, read_accounts
from syncstock_dagster.errors import BadInput
from syncstock_dagster.sources.clock import Clock
from syncstock_dagster.sources.protocol import Source
from syncstock_dagster.stock.policy import ConfigError, resolve_callable
from syncstock_dagster.store.storable import is_storable

#: What opens each source that comes along; ``opener`` in its table names another, or that of a new source.
OPENERS = {
    "zoho": "syncstock_dagster.sources.zoho:open_source",
    "xorosoft": "syncstock_dagster.sources.xorosoft:open_source",
    "rms": "syncstock_dagster.sources.rms:open_source",
}

#: What each needs of its account.
_NEEDED = {
    "zoho": ("zoho_client_id", "zoho_client_secret", "zoho_refresh_token", "zoho_organization_id"),
    "xorosoft": ("xorosoft_key", "xorosoft_secret"),
    "rms": ("rms_url",),
}

Model = TypeVar("Model", bound=BaseModel)


def _can_be_a_code(text: str) -> str:
    if not is_storable(text) or not text.strip():
        raise ValueError("must be a location's code")
    return text


#: A code of one of our locations.
LocationCode = Annotated[str, Field(max_length=200), AfterValidator(_can_be_a_code)]
#: How often a vendor is called, from all processes together.
CallsAMinute = Annotated[float, Field(ge=0.01, le=6_000)]
CallsADay = Annotated[int, Field(gt=0, le=100_000_000)]
#: The name of a column or field at a vendor.
FieldName = Annotated[str, Field(min_length=1)]


class NotConfiguredError(BadInput):
    """The source has no account here. The message names what to set."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a source is opened with."""

    #: The stock database: limits and tokens are shared through it.
    url: str = field(repr=False)
    #: The name of the source that is opened.
    name: str = ""
    accounts: Accounts = field(default_factory=read_accounts)
    clock: Clock = field(default_factory=Clock)
    #: Stands in for the network in tests.
    transport: Any = None


def tables(config_file: Path | None) -> dict[str, dict[str, Any]]:
    """The ``[vendors.*]`` tables; none without a file.

    Raises:
        ConfigError: the file is not TOML, or says something else than tables.
    """
    if config_file is None:
        return {}
    try:
        found = tomllib.loads(config_file.read_text(encoding="utf-8")).get("vendors", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{config_file}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(table, dict) for table in found.values()):
        raise ConfigError(f"{config_file}: what begins with vendors. is a table: [vendors.zoho]")
    return {name: dict(table) for name, table in found.items()}


def read_table(name: str, model: type[Model], table: Mapping[str, Any]) -> Model:
    """A source's table in its typed form.

    Raises:
        ConfigError: a key or value is not known.
    """
    try:
        return model.model_validate(dict(table))
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"[vendors.{name}] {what}") from error


def ours_twice(locations: Mapping[str, str]) -> str | None:
    """One of our locations that several of theirs are mapped to, if there is one."""
    return next((ours for ours, times in Counter(locations.values()).items() if times > 1), None)


def our_location(locations: Mapping[str, str], *theirs: str) -> str:
    """Our location of one that they call so, or so; one that is not named keeps its first name.

    Raises:
        ValueError: it would keep the name of a location that is another one's.
    """
    found = next((locations[name] for name in theirs if name in locations), None)
    if found is None and theirs[0] in locations.values():
        raise ValueError(f"its location {theirs[0]!r} is not mapped, and another one is mapped to that name")
    return found or theirs[0]


def exact_sku(value: object) -> str | None:
    """A SKU as it stands there, for blanks around it make it another one; None where there is none.

    Bytes are no text, and of a binary fraction nobody knows how it is written.
    """
    if value is None or isinstance(value, dict | list | bool | bytes | float):
        return None
    return str(value) if str(value).strip() else None


def names(config_file: Path | None) -> list[str]:
    """Every source that can be asked, configured or not."""
    return sorted({*OPENERS, *tables(config_file)})


def check(config_file: Path | None, accounts: Accounts) -> dict[str, str]:
    """Each source that comes along, to ``configured`` or what to set; all tables are checked.

    Raises:
        ConfigError: a table cannot be used.
    """
    from syncstock_dagster.sources import rms, sql_levels, xorosoft, zoho

    models: dict[Any, tuple[type[BaseModel], Mapping[str, Any]]] = {
        zoho.open_source: (zoho.ZohoTable, {}),
        xorosoft.open_source: (xorosoft.XorosoftTable, {}),
        rms.open_source: (rms.RmsTable, rms.PRESET),
        sql_levels.open_source: (sql_levels.SqlTable, {}),
    }
    found = tables(config_file)
    for name in names(config_file):
        table = found.get(name, {})
        if (known := models.get(_opener(name, table))) is not None:
            read_table(name, known[0], {**known[1], **table})
    return {
        name: f"set {', '.join(missing)}" if (missing := accounts.missing(*_NEEDED[name])) else "configured"
        for name in OPENERS
    }


def configured(accounts: Accounts) -> list[str]:
    """The sources that come along and have an account here."""
    return [name for name in OPENERS if not accounts.missing(*_NEEDED[name])]


def _opener(name: str, table: dict[str, Any]) -> Callable[..., Any]:
    """What opens a source; it is taken out of its table."""
    opener = table.pop("opener", OPENERS.get(name))
    if not isinstance(opener, str):
        raise ConfigError(f"[vendors.{name}] opener: name what opens it, as 'package.module:function'")
    return resolve_callable(opener)


@contextmanager
def opened(name: str, config_file: Path | None, context: Context) -> Iterator[Source]:
    """A source, ready to be asked.

    Raises:
        BadInput: there is no such source.
        NotConfiguredError: something of its account is not set.
        ConfigError: its table cannot be used.
    """
    if name not in names(config_file):
        raise BadInput(f"There is no source {name!r} to ask; there are {', '.join(names(config_file))}.")
    table = tables(config_file).get(name, {})
    source: Source = _opener(name, table)(table, replace(context, name=name))
    try:
        yield source
    finally:
        source.close()
