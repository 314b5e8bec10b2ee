"""Business days where clocks are changed, held against zoneinfo.

What belongs here: which day an instant belongs to, where a day begins and ends, and what a wall-clock time means, in
zones that skip or double their midnight, change by half hours or leave a day out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from syncstock_dagster import MovementRecord, POSRecord, SyncStockDB
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster_tests.stock.compare import daily, ledger, rows, stock
from syncstock_dagster_tests.stock.conftest import OpenDatabase
from syncstock_dagster_tests.stock.model import MICROSECOND, Model, Pair, local_day_bounds

#: Zone, and days around a change of its clocks.
CHANGES = [
    ("Africa/Cairo", date(2023, 4, 28), "midnight is skipped"),
    ("Africa/Cairo", date(2023, 10, 27), "the last hour of the day before is doubled"),
    ("America/Havana", date(2023, 3, 12), "midnight is skipped"),
    ("America/Havana", date(2023, 11, 5), "midnight is doubled"),
    ("America/Sao_Paulo", date(2018, 11, 4), "midnight is skipped"),
    ("America/Sao_Paulo", date(2018, 2, 18), "the last hour of the day before is doubled"),
    ("Asia/Beirut", date(2022, 3, 27), "midnight is skipped"),
    ("Asia/Beirut", date(2022, 10, 30), "the last hour of the day before is doubled"),
    ("America/St_Johns", date(2010, 3, 14), "one minute after midnight an hour is skipped"),
    ("America/St_Johns", date(2010, 11, 7), "one minute after midnight the day before comes back"),
    ("Pacific/Apia", date(2011, 12, 30), "the day is left out"),
    ("Europe/London", date(2024, 3, 31), "an hour is skipped in the night"),
    ("Europe/London", date(2024, 10, 27), "an hour is doubled in the night"),
    ("Australia/Lord_Howe", date(2024, 4, 7), "half an hour is doubled"),
    ("Asia/Kathmandu", date(2024, 1, 1), "the offset is no whole hour"),
    ("UTC", date(2024, 2, 29), "nothing happens"),
]
CHANGE = pytest.mark.parametrize(
    ("zone", "day"),
    [(zone, day) for zone, day, _ in CHANGES],
    ids=[f"{z} {d}: {why}" for z, d, why in CHANGES],
)

POLICIES = Policies(
    sources={
        "before": SourcePolicy(kind="movements", day_grain="before_counts"),
        "after": SourcePolicy(kind="movements", day_grain="after_counts"),
    }
)


def days_around(day: date) -> list[date]:
    return [day + timedelta(days=n) for n in (-2, -1, 0, 1, 2)]


@pytest.fixture(scope="module")
def world(base_url: str) -> Iterator[SyncStockDB]:
    """One database for all tests; each brings a place of its own."""
    db = SyncStockDB(base_url, policies=POLICIES)
    yield db
    assert db.audit() == {}
    db.close()


@pytest.fixture
def shop(world: SyncStockDB, zone: str, request: pytest.FixtureRequest) -> str:
    """The code of a new place in the zone of the test."""
    code = request.node.name[:200]
    world.upsert_locations([{"code": code, "timezone": zone}])
    return code


def of_place(snapshot: dict[tuple[date, Pair], Decimal], code: str) -> dict[tuple[date, Pair], Decimal]:
    return {(day, pair): value for (day, pair), value in snapshot.items() if pair.location == code}


@CHANGE
def test_a_day_begins_and_ends_where_zoneinfo_says(
    world: SyncStockDB, shop: str, zone: str, day: date
) -> None:
    """Movements known by their day stand at the first or at the last instant that zoneinfo puts on that day."""
    bounds = {d: local_day_bounds(zone, d) for d in days_around(day)}
    exists = [d for d in bounds if bounds[d] is not None]
    world.run_sync(
        movements=[
            MovementRecord(article, 1, day=d, ref=f"{shop} {d}", location=shop, source=source)
            for article, source in ((1, "before"), (2, "after"))
            for d in exists
        ]
    )
    entries = ledger(world)
    for article, which in ((1, 0), (2, 1)):
        placed = [entry["effective_at"] for entry in entries[Pair(article, shop)]]
        assert placed == [bounds[d][which] for d in exists]  # type: ignore[index]


@CHANGE
def test_an_instant_belongs_to_its_local_date(world: SyncStockDB, shop: str, zone: str, day: date) -> None:
    """The first and last instants of a day, and their neighbours, are in the snapshot of the day they belong to."""
    model = Model(zones={shop: zone, "main": "UTC"})
    records = []
    for d in days_around(day):
        bounds = local_day_bounds(zone, d)
        if bounds is not None:
            first, last = bounds
            records += [
                MovementRecord(1, 10 ** (len(records) % 15), at=at, ref=f"{shop} {d} {n}", location=shop)
                for n, at in enumerate((first - MICROSECOND, first, last, last + MICROSECOND))
            ]
    world.run_sync(movements=records)
    model.deliver(movements=records)
    first_day, last_day = days_around(day)[0] - timedelta(days=1), days_around(day)[-1] + timedelta(days=1)
    told = of_place(daily(world, first_day, last_day), shop)
    expected = model.history().daily(first_day, last_day)
    assert {slot: told.get(slot) for slot in expected} == expected
    # A day that never was may be listed, with the balance of the day before, or not.
    for d, pair in told.keys() - expected.keys():
        assert local_day_bounds(zone, d) is None
        assert told[d, pair] == expected[d - timedelta(days=1), pair]


@CHANGE
def test_a_count_without_a_zone_is_made_when_the_clock_on_the_wall_says_so(
    world: SyncStockDB, shop: str, zone: str, day: date
) -> None:
    """Every half hour from the evening before to the next noon; doubled and skipped ones as zoneinfo takes them."""
    start = datetime.combine(day, datetime.min.time()) - timedelta(hours=6)
    clock = [start + timedelta(minutes=30 * n) for n in range(36)]
    world.run_sync(pos_counts=[POSRecord(n, 1, at, location=shop) for n, at in enumerate(clock)])
    found = {
        row["inventory_id"]: row["counted_at"] for row in rows(world.variances()) if row["location"] == shop
    }
    assert found == {n: at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for n, at in enumerate(clock)}


@pytest.mark.parametrize("zone", ["Europe/London"])
def test_the_second_pass_of_a_doubled_hour_can_be_named_with_fold(
    world: SyncStockDB, shop: str, zone: str
) -> None:
    """Half past one comes twice on 27 October 2024; ``fold=1`` means the second."""
    half_past_one = datetime(2024, 10, 27, 1, 30)
    world.run_sync(pos_counts=[POSRecord(n, 1, half_past_one.replace(fold=n), location=shop) for n in (0, 1)])
    found = {
        row["inventory_id"]: row["counted_at"] for row in rows(world.variances()) if row["location"] == shop
    }
    assert found == {
        0: datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        1: datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
    }


@pytest.mark.parametrize("zone", ["Pacific/Apia"])
def test_a_movement_on_a_day_that_never_was_stands_at_the_jump(
    world: SyncStockDB, shop: str, zone: str
) -> None:
    """Nobody in Apia lived through 30 December 2011: what is dated so stands where the 29th became the 31st."""
    world.run_sync(
        movements=[MovementRecord(1, 5, day=date(2011, 12, 30), ref=shop, location=shop, source="before")]
    )
    (entry,) = ledger(world)[Pair(1, shop)]
    assert entry["effective_at"] == datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert of_place(daily(world, date(2011, 12, 31), date(2011, 12, 31)), shop) == {
        (date(2011, 12, 31), Pair(1, shop)): Decimal(5)
    }


@CHANGE
def test_a_count_at_a_days_first_instant_contains_what_is_known_by_that_day(
    world: SyncStockDB, shop: str, zone: str, day: date
) -> None:
    """Before counts: it is in the count at the first instant, and not in the one a microsecond earlier."""
    bounds = local_day_bounds(zone, day)
    if bounds is None:
        bounds = local_day_bounds(zone, day + timedelta(days=1))
        day += timedelta(days=1)
    assert bounds is not None
    movement = [MovementRecord(n, 7, day=day, ref=shop, location=shop, source="before") for n in (1, 2)]
    world.run_sync(
        movements=movement,
        pos_counts=[
            POSRecord(1, 100, bounds[0], location=shop),
            POSRecord(2, 100, bounds[0] - MICROSECOND, location=shop),
        ],
    )
    assert {pair: value for pair, value in stock(world).items() if pair.location == shop} == {
        Pair(1, shop): 100,
        Pair(2, shop): 107,
    }


def test_places_in_different_zones_keep_their_own_days(open_database: OpenDatabase) -> None:
    """One instant is Monday in Havana and Tuesday in Apia; each snapshot shows it on its own day."""
    db = open_database()
    zones = {"Havana": "America/Havana", "Apia": "Pacific/Apia", "London": "Europe/London"}
    db.upsert_locations([{"code": code, "timezone": zone} for code, zone in zones.items()])
    at = datetime(2024, 3, 5, 2, tzinfo=UTC)
    db.run_sync(movements=[MovementRecord(1, 5, at=at, ref=code, location=code) for code in zones])
    found = daily(db, date(2024, 3, 1), date(2024, 3, 5))
    assert {pair.location: min(d for d, p in found if p == pair) for _, pair in found} == {
        code: at.astimezone(ZoneInfo(zone)).date() for code, zone in zones.items()
    }
    assert db.audit() == {}
