"""Who knows what should be there: SyncStock's own stock, or a system that is asked by style codes.

What belongs here: reading the truth, and looking a SKU up in it. What does not: what follows from it (``deciding``).

Missing is not zero: what a truth does not name is not known. A truth that cannot be read raises, and whoever asked
leaves his products alone. A SKU is matched as it is written; else, whatever its case, where exactly one candidate
exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from syncstock_dagster.channels.shopify.clock import Clock
from syncstock_dagster.stock.policy import resolve_callable
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

#: The location of a truth that knows of one place only.
_ONE_PLACE = "main"


class Level(NamedTuple):
    """What the truth says of one article at one of its locations."""

    sku: str
    style_code: str | None
    location: str
    quantity: Decimal
    updated_at: datetime | None = None


class Asked(NamedTuple):
    """One article that is asked for."""

    style_code: str | None
    sku: str


class Truth(Protocol):
    """Somebody who knows."""

    name: str
    #: Whether articles are found by the style code of their product.
    needs_style_code: bool

    def read(self, asked: Sequence[Asked]) -> Iterable[Level]:
        """All that is known of the articles; more does no harm. Raises whatever keeps it from being known."""


class OwnStock:
    """SyncStock's stock, as it is now."""

    name = "own"
    needs_style_code = False

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self, asked: Sequence[Asked]) -> Iterable[Level]:
        """Every pair of which something is known."""
        with connect(self._url) as connection:
            rows = connection.execute(
                statement("shopify/own_stock"), {"skus": sorted({one.sku for one in asked})}
            ).fetchall()
        return [Level(*row) for row in rows]


class StyleCodeTruth:
    """A system that is asked by style codes: ``read_levels(style_codes)`` yields what ``Level`` is made of."""

    needs_style_code = True

    def __init__(self, name: str, read_levels: Callable[[Sequence[str]], Iterable[Any]]) -> None:
        self.name = name
        self._read_levels = read_levels

    def read(self, asked: Sequence[Asked]) -> Iterable[Level]:
        """All levels of the style codes."""
        codes = sorted({one.style_code for one in asked if one.style_code})
        return [_level(row) for row in self._read_levels(codes)]


def _level(row: Any) -> Level:
    names = Level._fields
    if isinstance(row, Mapping):
        values = [row[name] for name in names]
    elif isinstance(row, tuple):
        values = list(row)
    else:
        values = [getattr(row, name) for name in names]
    given = values[names.index("quantity")]
    if isinstance(given, float):
        raise TypeError(f"a quantity is exact, {given!r} is a float")
    return Level(*values)._replace(quantity=Decimal(given))


def truth_of(name: str, url: str) -> Truth:
    """The truth that the policy names.

    Raises:
        ConfigError: there is no such function.
    """
    if name == "own":
        return OwnStock(url)
    return StyleCodeTruth(name, _rms_levels if name == "rms" else resolve_callable(name))


def _rms_levels(style_codes: Sequence[str]) -> Iterator[Level]:
    """What RMS says of these styles; a row without a quantity says nothing."""
    from syncstock_dagster.sources.rms import read_levels

    for one in read_levels(style_codes=style_codes):
        if one.quantity is not None:
            yield Level(one.sku, one.style_code, one.location or _ONE_PLACE, one.quantity, one.updated_at)


@dataclass(frozen=True, slots=True)
class Found:
    """One SKU in the truth: its quantity at each of the truth's locations, or why it is not known."""

    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    problem: str | None = None


class Reading:
    """What a truth said at one time."""

    def __init__(self, levels: Iterable[Level], read_at: datetime, *, by_style: bool) -> None:
        self.read_at = read_at
        self._by_style = by_style
        self._exact: dict[tuple[str, str], dict[str, Decimal]] = {}
        self._twice: set[tuple[str, str]] = set()
        self._folded: dict[tuple[str, str], set[str]] = {}
        for level in levels:
            style = (level.style_code or "").casefold() if by_style else ""
            key = (style, level.sku)
            known = self._exact.setdefault(key, {})
            if level.location in known:
                self._twice.add(key)
            known[level.location] = level.quantity
            self._folded.setdefault((style, level.sku.strip().casefold()), set()).add(level.sku)

    def find(self, style_code: str | None, sku: str) -> Found:
        """What is known of a SKU."""
        style = (style_code or "").casefold() if self._by_style else ""
        if (style, sku) not in self._exact:
            candidates = self._folded.get((style, sku.strip().casefold()), set())
            if not candidates:
                return Found(problem="missing in the truth, which is not zero")
            if len(candidates) > 1:
                return Found(problem=f"may be {' or '.join(map(repr, sorted(candidates)))} in the truth")
            (sku,) = candidates
        if (style, sku) in self._twice:
            return Found(problem="stands twice in the truth")
        return Found(self._exact[style, sku])


def read_truth(truth: Truth, asked: Sequence[Asked], clock: Clock) -> Reading:
    """Read; the time of a reading is before it, so that what happened since is not taken for known.

    Raises:
        Exception: whatever the truth raises: an error is not an empty answer.
    """
    read_at = clock.now()
    return Reading(truth.read(asked), read_at, by_style=truth.needs_style_code)
