"""What each source may do: its trust, its gate and its rules for what is unknown, changed or dated by day only.

What belongs here: the typed form of ``syncstock.toml``'s ``[sources.*]`` tables, its defaults, and the look-up of
a source's policy. What does not: addresses and secrets (``settings``) and applying a policy (posting, intake).
"""

from __future__ import annotations

import importlib
import json
import tomllib
from collections.abc import Callable, Iterable
from datetime import time
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Kind = Literal["purchases", "sales", "movements", "counts", "products"]


#: Of an absolute variance; ``inf`` is no limit.
Limit = Annotated[Decimal, Field(ge=0, allow_inf_nan=True)]


class ConfigError(ValueError):
    """The configuration file cannot be used; the message names the key and what it takes."""


class Limits(BaseModel):
    """Limits of the absolute variance in one measure; one that is left out does not exist, as does ``inf``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    review_from: Limit | None = None
    hold_above: Limit | None = None
    critical_above: Limit | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        given = [(name, getattr(self, name)) for name in _TIERS if getattr(self, name) is not None]
        for (lower, low), (higher, high) in pairwise(given):
            if low > high:
                raise ValueError(f"{lower} must not be greater than {higher}")
        return self

    def __str__(self) -> str:
        return " / ".join("-" if value is None else f"{value:f}" for value in self._given())

    def _given(self) -> list[Decimal | None]:
        values = [getattr(self, name) for name in _TIERS]
        return values if values[-1] is not None else values[:-1]


_TIERS = ("review_from", "hold_above", "critical_above")


class Override(Limits):
    """Limits of a category or an article: in units, percent of the book, and value. What is left out is inherited."""

    percent: Limits = Limits()
    value: Limits = Limits()

    def fields(self) -> dict[str, str]:
        """The limits that are given, by their names in the database's type ``gate_limits``."""
        measures = {"units": self, "percent": self.percent, "value": self.value}
        return {
            f"{name.partition('_')[0]}_{measure}": str(limit)
            for measure, limits in measures.items()
            for name in _TIERS
            if (limit := getattr(limits, name)) is not None
        }

    def __str__(self) -> str:
        told = {"units": self, "percent": self.percent, "value": self.value}
        parts = [
            f"{measure} {Limits.__str__(limits)}"
            for measure, limits in told.items()
            if any(limit is not None for limit in limits._given())
        ]
        return ", ".join(parts) or "as above"


class Gate(Override):
    """The gate of one source. Below ``review_from``: applied; above ``hold_above``: held; of limits the highest tier.

    Units always have limits. ``categories`` (with those below them) and ``articles`` (by SKU) override them.
    """

    review_from: Limit = Decimal(10)
    hold_above: Limit = Decimal(100)
    #: From which tier on a count is approved by somebody else than who delivered it.
    second_person: Literal["held", "critical", "never"] = "critical"
    categories: dict[str, Override] = Field(default_factory=dict)
    articles: dict[str, Override] = Field(default_factory=dict)

    def told(self) -> dict[str, str]:
        """The limits in words: of all articles, and of those that have their own."""
        return {
            "all": str(self),
            **{f"category {name}": str(own) for name, own in self.categories.items()},
            **{f"article {sku}": str(own) for sku, own in self.articles.items()},
        }


class SourcePolicy(BaseModel):
    """The policy of one source. Every field has a default, so that a source needs no configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = "movements"
    #: ``authoritative``: counts are applied. ``gated``: the gate decides. ``advisory``: compared only.
    trust: Literal["authoritative", "gated", "advisory"] = "authoritative"
    gate: Gate = Gate()
    #: A document line seen again with another content: a conflict for a person, or restated at once.
    on_change: Literal["conflict", "restate"] = "conflict"
    unknown_sku: Literal["create", "quarantine"] = "quarantine"
    #: Where a movement known only by its day stands relative to counts made on that day.
    day_grain: Literal["before_counts", "after_counts"] = "before_counts"
    #: Local time at which a count known only by its day was made.
    count_time: time = time(23, 59, 59, 999999)
    #: What one bad row does to its file.
    bad_rows: Literal["reject_file", "reject_rows"] = "reject_file"
    #: Count sheets: whether hidden sheets and rows are read. They are named in the report either way.
    hidden: Literal["skip", "read"] = "skip"
    #: Count sheets: a line with an article and no quantity was not counted, or is an error. It is never zero.
    blank: Literal["not_counted", "error"] = "not_counted"
    #: Count sheets: a stocked article that a sheet does not list. ``critical`` is for sheets that list everything.
    not_listed: Literal["ignore", "critical"] = "ignore"
    #: Count sheets: ``count``: every line is a count. ``list``: staff keep it, and only changed lines are counts.
    sheet: Literal["count", "list"] = "count"
    #: Count sheets: below this confidence a person confirms what was understood.
    confirm_below: Decimal = Field(default=Decimal("0.7"), ge=0, le=1)
    #: Plain callables named ``package.module:function``; see docs/extending.md.
    validation_rules: tuple[str, ...] = ()
    gate_rules: tuple[str, ...] = ()
    #: A callable that yields evidence when ``syncstock sync`` runs.
    reader: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> SourcePolicy:
        if self.count_time.tzinfo is not None:
            raise ValueError("count_time is a local time without an offset")
        if self.sheet == "list" and self.trust == "authoritative":
            raise ValueError('sheet = "list" needs trust = "gated": a list is compared with the books')
        return self


#: The sources that exist without any configuration; a new source inherits the one of its kind.
DEFAULTS: dict[str, SourcePolicy] = {
    "purchases": SourcePolicy(kind="purchases"),
    "sales": SourcePolicy(kind="sales"),
    "movements": SourcePolicy(kind="movements"),
    "transfers": SourcePolicy(kind="movements"),
    "pos": SourcePolicy(kind="counts", bad_rows="reject_rows"),
    "excel": SourcePolicy(kind="counts", trust="gated", unknown_sku="create", bad_rows="reject_rows"),
    "products": SourcePolicy(kind="products", bad_rows="reject_rows"),
    # Levels that other systems report. Of several, at most one should be believed for a location.
    "zoho": SourcePolicy(kind="counts", trust="gated"),
    "xorosoft": SourcePolicy(kind="counts", trust="advisory"),
    "rms": SourcePolicy(kind="counts", trust="advisory"),
}

_BY_KIND: dict[str, str] = {
    "purchases": "purchases",
    "sales": "sales",
    "movements": "movements",
    "counts": "excel",
    "pos": "pos",
    "products": "products",
}


class Policies(BaseModel):
    """All policies: the defaults, overridden by the configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, SourcePolicy] = Field(default_factory=dict)

    def for_source(self, name: str, kind: Kind | Literal["pos"] = "movements") -> SourcePolicy:
        """The policy of source ``name``; a name nobody configured behaves like the default source of its ``kind``.

        Counts that come as files are of kind ``counts`` and like ``excel``; those of a call are like ``pos``.
        """
        return self._all.get(name) or DEFAULTS[_BY_KIND[kind]]

    def sheet_sources(self, names: Iterable[str]) -> list[str]:
        """Those of some sources whose counts people write into sheets: not tills, and not master systems."""
        return [name for name in names if name == "excel" or self.for_source(name, "counts").trust == "gated"]

    @cached_property
    def _all(self) -> dict[str, SourcePolicy]:
        return {**DEFAULTS, **self.sources}

    def gates(
        self, names: Iterable[str], kind: Kind | Literal["pos"] = "counts", *, gated_only: bool = True
    ) -> str:
        """The gates of these sources and of the default ones, as the function ``gates_in_effect`` takes them."""
        rows = []
        for name in sorted({*names, *self._all}):
            policy = self.for_source(name, kind)
            if policy.trust == "gated" or not gated_only:
                gate = policy.gate
                row = {"source": name, "limits": gate.fields()}
                row |= {
                    what: {key: own.fields() for key, own in overrides.items()}
                    for what, overrides in (("categories", gate.categories), ("articles", gate.articles))
                    if overrides
                }
                rows.append(row)
        return json.dumps(rows)

    def named(self) -> dict[str, SourcePolicy]:
        """Every source with a policy of its own, defaults included."""
        return dict(self._all)


def load_policies(path: Path | None) -> Policies:
    """Read the ``[sources.*]`` tables of a TOML file; no file means the defaults.

    A table that says nothing about a field keeps the default of the source of that name, or of its ``kind``.

    Raises:
        ConfigError: the file is not TOML, or a key or value is not known.
    """
    if path is None:
        return Policies()
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("sources", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    sources: dict[str, SourcePolicy] = {}
    for name, table in tables.items():
        base = DEFAULTS.get(name) or DEFAULTS[_BY_KIND.get(table.get("kind", "movements"), "movements")]
        try:
            sources[name] = SourcePolicy.model_validate({**base.model_dump(), **table})
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ConfigError(f"{path}: [sources.{name}] {what}") from error
    return Policies(sources=sources)


def resolve_callable(name: str) -> Callable[..., Any]:
    """The callable named ``package.module:function``.

    Raises:
        ConfigError: there is no such module or function, or it cannot be called.
    """
    module_name, _, function_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"{name!r} is not 'package.module:function': {error}") from error
    if not callable(found):
        raise ConfigError(f"{name!r} cannot be called")
    return found
