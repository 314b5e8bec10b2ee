"""How the shop counts: classes, how often, how much a day, and what is exact enough.

What belongs here: the typed form of ``syncstock.toml``'s ``[counting]`` table. What does not: applying it, and the
gate, which decides on a count and not on how well is counted (``stock.policy``).
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from syncstock_dagster.catalog.policy import load_table

AbcClass = Literal["A", "B", "C"]

#: Goods that come and go in trade are not lost.
TRADE = frozenset({"sale", "purchase", "return", "transfer"})


class Classes(BaseModel):
    """Where the classes begin, as shares of the value that moved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a_until: Decimal = Field(default=Decimal("0.80"), gt=0, le=1)
    b_until: Decimal = Field(default=Decimal("0.95"), gt=0, le=1)
    #: How many days of movements are looked at.
    window_days: int = Field(default=365, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Classes:
        if self.a_until > self.b_until:
            raise ValueError("a_until must not be greater than b_until")
        return self


class EveryDays(BaseModel):
    """After how many days an article of a class is counted again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    A: int = Field(default=30, gt=0)
    B: int = Field(default=90, gt=0)
    C: int = Field(default=180, gt=0)


class Tolerance(BaseModel):
    """A variance up to the greater of both is no error of the record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    units: Decimal = Field(default=Decimal(0), ge=0)
    #: Of what the book said; a book of zero allows none.
    percent: Decimal = Field(default=Decimal(1), ge=0)


class CountingPolicy(BaseModel):
    """The whole ``[counting]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: Classes = Classes()
    every_days: EveryDays = EveryDays()
    tolerance: Tolerance = Tolerance()
    #: An article that was missed so often within the window is counted as often as one of class A.
    misses: int = Field(default=2, gt=0)
    #: Lines that are planned for one day at one location.
    lines_a_day: int = Field(default=50, gt=0)
    #: The same by location, where it differs.
    lines_a_day_at: dict[str, int] = Field(default_factory=dict)
    #: Who counts, by location; elsewhere whoever has time.
    counters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Units by which two people may differ and still agree.
    recount_tolerance: Decimal = Field(default=Decimal(0), ge=0)
    #: Reasons of movements by which goods are lost, without regard to case.
    shrinkage_reasons: tuple[str, ...] = (
        "damage", "theft", "loss", "expired", "spoilage", "waste", "scrap", "shrinkage",
    )  # fmt: skip

    @field_validator("lines_a_day_at")
    @classmethod
    def _some_lines(cls, given: dict[str, int]) -> dict[str, int]:
        for location, lines in given.items():
            if lines <= 0:
                raise ValueError(f"{location}: at least one line a day")
        return given

    @field_validator("counters")
    @classmethod
    def _named(cls, given: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for location, names in given.items():
            folded = {name.strip().casefold() for name in names}
            if "" in folded or len(folded) < len(names):
                raise ValueError(f"{location}: each counter once, by a name")
        return given

    @field_validator("shrinkage_reasons")
    @classmethod
    def _not_trade(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        folded = tuple(reason.strip().lower() for reason in given)
        if trade := TRADE & set(folded):
            raise ValueError(f"{', '.join(sorted(trade))}: goods that are traded or carried are not lost")
        return folded

    def capacity(self, location: str) -> int:
        """How many lines a day are planned at a location."""
        return self.lines_a_day_at.get(location, self.lines_a_day)


def load_counting_policy(path: Path | None) -> CountingPolicy:
    """The ``[counting]`` table of a TOML file; no file means the defaults.

    Raises:
        ConfigError: the file is not TOML, or a key or value is not known.
    """
    policy: CountingPolicy = load_table(path, "counting", CountingPolicy)
    return policy
