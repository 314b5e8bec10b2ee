"""Random evidence that is unkind on purpose, for the property tests of the engine.

What belongs here: the pools that histories are drawn from (few articles, instants and documents, so that rows collide)
and strategies for records. What does not: what must follow from the evidence (``model``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from syncstock_dagster.stock.policy import Gate, Override, Policies, SourcePolicy
from syncstock_dagster.stock.records import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    TransferRecord,
)
from syncstock_dagster_tests.stock.model import MICROSECOND, Limits, Model, local_day_bounds

#: The least and the greatest article a BIGINT can name, and an ordinary one.
ARTICLES = (1001, 2**63 - 1, -7)

LONDON = "L'don; drop table syncstock.item_stock; --"
CAIRO = "القاهرة"
HAVANA = "  Habana\t"
APIA = 'Ap"ia\\%s{0}$1' + "z" * 180

#: Known from the start; None is the default location, whose zone is UTC.
LOCATIONS = {LONDON: "Europe/London", CAIRO: "Africa/Cairo", HAVANA: "America/Havana", APIA: "Pacific/Apia"}

#: Not known at first: what is dated there waits. It differs from a known one by a blank only.
UNKNOWN_LOCATION = "Habana"
UNKNOWN_ZONE = "America/Havana"


def _override(limits: Limits) -> Override:
    """The same limits as the engine takes them."""
    measures: dict[str, Any] = {
        name: {"review_from": pair[0], "hold_above": pair[1]}
        for name, pair in (("percent", limits.percent), ("value", limits.value))
        if pair is not None
    }
    return Override.model_validate(
        {"review_from": limits.units[0], "hold_above": limits.units[1], **measures}
    )


SOURCE_AT_DAYS_END = "at the day's end"
SOURCE_RESTATING = 'restates"; --'
SOURCE_ADVISORY = "advisory"
SOURCE_HOSTILE = "wms'; delete from syncstock.inventory_ledger; --"

#: An article that is judged by units and percent of its own, and one that is judged by its value, too.
COSTS = {1001: 4}
LIMITS = {
    -7: Limits(units=(5, 40), percent=(10, 60)),
    1001: Limits(value=(100, 300)),
}

POLICIES = Policies(
    sources={
        "excel": SourcePolicy(
            kind="counts",
            trust="gated",
            unknown_sku="create",
            gate=Gate(articles={str(number): _override(limits) for number, limits in LIMITS.items()}),
        ),
        SOURCE_AT_DAYS_END: SourcePolicy(kind="movements", day_grain="after_counts"),
        SOURCE_RESTATING: SourcePolicy(kind="movements", on_change="restate"),
        SOURCE_ADVISORY: SourcePolicy(kind="counts", trust="advisory"),
    }
)

#: Articles that are in the catalogue from the start.
PRODUCTS = [{"sku": str(number), "inventory_id": number, "cost": cost} for number, cost in COSTS.items()]

KEYS = ("monday", "Monday", "key'; --" + "k" * 200)


def new_model() -> Model:
    """A model that knows the same policies and locations as ``POLICIES`` and ``LOCATIONS``."""
    return Model(
        gated=frozenset({"excel"}),
        advisory=frozenset({SOURCE_ADVISORY}),
        restating=frozenset({SOURCE_RESTATING}),
        after_counts=frozenset({SOURCE_AT_DAYS_END}),
        zones={"main": "UTC", **LOCATIONS},
        limits=LIMITS,
        costs=COSTS,
    )


def location_rows(zones: dict[str, str]) -> list[dict[str, str]]:
    """The argument of ``upsert_locations``."""
    return [{"code": code, "timezone": zone} for code, zone in zones.items()]


@dataclass(frozen=True)
class Theatre:
    """A few days on which a clock is changed somewhere, the instants on them that matter, and who plays there."""

    name: str
    days: tuple[date, ...]
    instants: tuple[datetime, ...]
    first: date
    last: date
    articles: tuple[int, ...] = ARTICLES
    locations: tuple[str | None, ...] = (None, *LOCATIONS)
    #: ``ref`` and ``line``; with a line or without one, never both ways in one document.
    documents: tuple[tuple[str, str | None], ...] = ()
    sources: tuple[str | None, ...] = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How a failing example names it."""
        printer.text(f"<{self.name}>")


def _theatre(name: str, zone: str, changes: date, *days: date) -> Theatre:
    noon = datetime(changes.year, changes.month, changes.day, 12, tzinfo=UTC)
    instants = {noon, noon + timedelta(hours=5), noon - timedelta(days=1), noon + timedelta(days=3)}
    for day in days:
        bounds = local_day_bounds(zone, day)
        assert bounds is not None
        first, last = bounds
        instants |= {first - MICROSECOND, first, first + MICROSECOND, last}
    return Theatre(
        name, days, tuple(sorted(instants)), min(days) - timedelta(days=2), max(days) + timedelta(days=5)
    )


THEATRES = (
    _theatre(
        "Cairo leaves midnight out", "Africa/Cairo", date(2023, 4, 28), date(2023, 4, 27), date(2023, 4, 28)
    ),
    _theatre(
        "Cairo has 23 o'clock twice",
        "Africa/Cairo",
        date(2023, 10, 26),
        date(2023, 10, 26),
        date(2023, 10, 27),
    ),
    _theatre(
        "Havana has midnight twice", "America/Havana", date(2023, 11, 5), date(2023, 11, 4), date(2023, 11, 5)
    ),
    _theatre(
        "Apia leaves a day out", "Pacific/Apia", date(2011, 12, 29), date(2011, 12, 29), date(2011, 12, 31)
    ),
    _theatre(
        "London goes to summer time", "Europe/London", date(2024, 3, 31), date(2024, 3, 30), date(2024, 3, 31)
    ),
)

#: ``ref`` and ``line``; with a line or without one, never both ways in one document.
DOCUMENTS = (
    *((ref, line) for ref in ("D-1", " D-1", "Ünïçøde ☃ '\"\\", "x" * 300) for line in ("1", "01", "1 ")),
    *((ref, None) for ref in ("U-1", "u-1", "U'); --")),
)
SOURCES = (None, SOURCE_HOSTILE, SOURCE_AT_DAYS_END, SOURCE_RESTATING)


def _few(of: tuple[Any, ...], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """A few of many, so that what is drawn from them meets."""
    return st.lists(st.sampled_from(of), min_size=1, max_size=most, unique=True).map(tuple)


@st.composite
def theatres(draw: st.DrawFn) -> Theatre:
    """One of the theatres with a small cast: few articles, places, documents and instants."""
    theatre = draw(st.sampled_from(THEATRES))
    return replace(
        theatre,
        instants=tuple(sorted(draw(_few(theatre.instants, 6)))),
        articles=draw(_few(ARTICLES, 2)),
        locations=draw(_few((None, *LOCATIONS), 2)),
        documents=draw(_few(DOCUMENTS, 3)),
        sources=draw(_few(SOURCES, 2)),
    )


quantities = st.one_of(
    st.integers(-12, 130),
    st.integers(-3000, 3000).map(lambda n: Decimal(n) / 1000),
    st.sampled_from(
        [0, 10**17, Decimal("1E-12"), Decimal("-12345678901234567.123456789012"), Decimal("1E+3")]
    ),
)
#: What is sent from here to there is not less than nothing.
sent_quantities = quantities.map(abs)
#: Mostly around the limits of the gate, so that counts are applied, listed and held about equally often.
counted_quantities = st.one_of(st.integers(-15, 150), st.sampled_from([9, 10, 11, 99, 100, 101]), quantities)


def locations(theatre: Theatre) -> st.SearchStrategy[str | None]:
    """Mostly a place of the theatre, sometimes the one that nobody has announced."""
    return st.sampled_from([*theatre.locations] * 3 + [UNKNOWN_LOCATION])


@st.composite
def movements(draw: st.DrawFn, theatre: Theatre) -> PurchaseRecord | SalesRecord | MovementRecord:
    """A line of a document, at an instant or known by its day; or a contribution to a day's total."""
    kind = draw(st.sampled_from([PurchaseRecord, SalesRecord, MovementRecord]))
    fields: dict[str, Any] = {
        "inventory_id": draw(st.sampled_from(theatre.articles)),
        "qty": draw(quantities),
        "location": draw(locations(theatre)),
        "source": draw(st.sampled_from(theatre.sources)),
    }
    shape = draw(st.sampled_from(["instant", "instant", "instant", "day of document", "day total"]))
    if shape == "day total":
        fields |= {"day": draw(st.sampled_from(theatre.days))}
    else:
        fields["ref"], fields["line"] = draw(st.sampled_from(theatre.documents))
        if shape == "instant":
            fields["at"] = draw(st.sampled_from(theatre.instants))
        else:
            fields["day"] = draw(st.sampled_from(theatre.days))
    if kind is MovementRecord:
        fields["reason"] = draw(st.sampled_from([None, "damage", "d'amage; --"]))
    return kind(**fields)


@st.composite
def transfers(draw: st.DrawFn, theatre: Theatre) -> TransferRecord:
    """Goods on their way, at once or for a while."""
    start = draw(st.sampled_from(theatre.locations))
    end = draw(st.sampled_from([place for place in (None, *LOCATIONS) if place != start]))
    at = draw(st.sampled_from(theatre.instants))
    later = [instant for instant in theatre.instants if instant >= at]
    ref, line = draw(st.sampled_from(theatre.documents))
    return TransferRecord(
        inventory_id=draw(st.sampled_from(theatre.articles)),
        qty=draw(sent_quantities),
        at=at,
        from_location=start,
        to_location=end,
        arrives_at=draw(st.one_of(st.none(), st.sampled_from(later))),
        ref=ref,
        line=line,
    )


@st.composite
def counts(draw: st.DrawFn, theatre: Theatre, sources: tuple[str | None, ...] = (None, "excel")) -> POSRecord:
    """A count; from an authoritative source also one room of a session."""
    source = draw(st.sampled_from(sources))
    fields: dict[str, Any] = {}
    if source is None and draw(st.booleans()):
        fields = {
            "session": draw(st.sampled_from([None, "stocktake"])),
            "room": draw(st.sampled_from([None, "cellar", "shop'"])),
        }
    return POSRecord(
        inventory_id=draw(st.sampled_from(theatre.articles)),
        stock_count=draw(counted_quantities),
        counted_at=draw(st.sampled_from(theatre.instants)),
        location=draw(locations(theatre)),
        source=source,
        **fields,
    )


@st.composite
def deliveries(draw: st.DrawFn, theatre: Theatre) -> dict[str, list[Any]]:
    """The arguments of one sync."""
    moved = draw(st.lists(movements(theatre), max_size=5))
    return {
        "purchases": [r for r in moved if isinstance(r, PurchaseRecord)],
        "sales": [r for r in moved if isinstance(r, SalesRecord)],
        "movements": [r for r in moved if isinstance(r, MovementRecord)]
        + draw(st.lists(transfers(theatre), max_size=1)),
        "pos_counts": draw(
            st.lists(counts(theatre, (None, None, "excel", "excel", SOURCE_ADVISORY)), max_size=3)
        ),
    }


@st.composite
def receipts(draw: st.DrawFn, theatre: Theatre) -> datetime | None:
    """When a delivery says that it was recorded: mostly unsaid, else in any order, also before what it tells of."""
    if draw(st.booleans()):
        return None
    day = datetime(theatre.last.year, theatre.last.month, theatre.last.day, tzinfo=UTC)
    return day + timedelta(days=draw(st.integers(-20, 30)))
