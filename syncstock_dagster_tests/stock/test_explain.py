"""Why the stock of an article is what it is: the explanation adds up, and it leaves nothing out.

Put here what an explanation says. Keep out how it is printed (``test_cli``).
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from syncstock_dagster import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    SyncStockDB,
    TransferRecord,
)
from syncstock_dagster.stock.explain import Explanation, Place, explain
from syncstock_dagster.stock.policy import Policies, SourcePolicy

NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def told(db: SyncStockDB, inventory_id: int = 1, location: str | None = None, **more: Any) -> Explanation:
    return explain(db.url, db.policies, inventory_id, location, **more)


def at_main(db: SyncStockDB, inventory_id: int = 1) -> Place:
    (place,) = told(db, inventory_id, "main").places
    return place


def sold(qty: Any, at: datetime, ref: str, **fields: Any) -> SalesRecord:
    return SalesRecord(1, qty, at=at, ref=ref, **fields)


def bought(qty: Any, at: datetime, ref: str, **fields: Any) -> PurchaseRecord:
    return PurchaseRecord(1, qty, at=at, ref=ref, **fields)


def counted(qty: Any, at: datetime, **fields: Any) -> POSRecord:
    return POSRecord(1, qty, at, **fields)


def test_the_last_count_and_what_moved_since_add_up_to_the_stock(db: SyncStockDB) -> None:
    db.run_sync([bought(50, NOON, "P1")], (), [counted(45, NOON + HOUR, counter="Anna")], "morning")
    db.run_sync(
        (), [sold(3, NOON + 2 * HOUR, "S1"), sold(2, NOON + 3 * HOUR, "S2"), sold(-1, NOON + 4 * HOUR, "R1")]
    )
    place = at_main(db)
    assert place.on_hand == 41
    assert place.last_count is not None
    assert (place.last_count.counted, place.last_count.expected, place.last_count.variance) == (45, 50, -5)
    assert (place.last_count.source, place.last_count.counters, place.last_count.delivery) == (
        "pos",
        "Anna",
        "morning",
    )
    assert (place.last_count.status, place.last_count.decided_by) == ("opening", None)
    assert [(total.reason, total.movements, total.quantity) for total in place.since] == [("sale", 3, -4)]
    assert [(row.document, row.quantity) for row in place.movements] == [("R1", 1), ("S2", -2), ("S1", -3)]
    assert place.moved_since == -4
    assert not place.needs_person


def test_without_a_count_everything_that_moved_is_the_stock(db: SyncStockDB) -> None:
    db.run_sync([bought(Decimal("2.5"), NOON, "P1")], [SalesRecord(1, 1, day=date(2024, 3, 5))])
    place = at_main(db)
    assert place.last_count is None
    assert (place.on_hand, place.moved_since) == (Decimal("1.5"), Decimal("1.5"))
    assert [(row.reason, row.document, row.day_grain) for row in place.movements] == [
        ("sale", None, True),
        ("purchase", "P1", False),
    ]


def test_a_late_row_is_listed_with_the_count_it_stands_before(db: SyncStockDB) -> None:
    """It changed the variance of that count, and not the stock; a row in good time is not listed."""
    db.run_sync((), [sold(1, NOON - HOUR, "S0")], [counted(10, NOON), counted(8, NOON + DAY)])
    db.run_sync((), [sold(2, NOON + HOUR, "S1")])
    db.run_sync((), [sold(4, NOON + DAY + HOUR, "S2")])
    place = at_main(db)
    assert place.on_hand == 4
    assert place.late_rows == 1
    (late,) = place.late
    assert (late.document, late.quantity, late.counted_at) == ("S1", -2, NOON + DAY)
    assert late.recorded_at > place.last_count.first_recorded  # type: ignore[union-attr]
    assert place.last_count.variance == 0  # type: ignore[union-attr]


def test_a_row_that_was_withdrawn_after_the_count_is_late_news_too(db: SyncStockDB) -> None:
    result = db.run_sync((), [sold(2, NOON, "S1")])
    db.run_sync((), (), [counted(10, NOON - DAY), counted(8, NOON + HOUR)])
    db.rollback(result.operation_uuid, reason="another shop's file")
    place = at_main(db)
    assert [(late.reason, late.quantity) for late in place.late] == [("sale withdrawn", 2)]


def test_what_was_withdrawn_or_corrected_since_is_not_listed_twice(db: SyncStockDB) -> None:
    db.run_sync((), (), [counted(10, NOON)])
    result = db.run_sync((), [sold(2, NOON + HOUR, "S1"), sold(1, NOON + 2 * HOUR, "S2")])
    db.run_sync((), [sold(5, NOON + HOUR, "S1")])
    (conflict,) = at_main(db).conflicts
    db.resolve(conflict.conflict_id, keep="new", reason="the till says so")
    place = at_main(db)
    assert [(row.document, row.quantity) for row in place.movements] == [("S2", -1), ("S1", -5)]
    assert [(total.movements, total.quantity) for total in place.since] == [(2, -6)]
    assert place.conflicts == ()

    db.rollback(result.operation_uuid, reason="wrong")
    assert [(row.document, row.quantity) for row in at_main(db).movements] == [("S1", -5)]


def test_what_waits_for_a_person_is_there_with_the_ids_to_decide(db: SyncStockDB) -> None:
    db.run_sync((), (), [counted(42, NOON)])
    db.run_sync((), [sold(3, NOON + HOUR, "S1")])
    db.run_sync((), [sold(7, NOON + HOUR, "S1")], [counted(445, NOON + 2 * HOUR, source="excel")])
    db.run_sync((), [sold(1, NOON, "S9", location="nowhere")])
    explanation = told(db)
    (place,) = explanation.places
    (held,) = place.held
    assert (held.counted, held.expected, held.variance, held.source) == (445, 39, 406, "excel")
    (conflict,) = place.conflicts
    assert (conflict.document, conflict.source) == ("S1", "sales")
    assert (conflict.local_value[0]["quantity"], conflict.remote_value[0]["quantity"]) == (-3, -7)
    (waiting,) = explanation.quarantined
    assert (waiting.reason, waiting.location, waiting.kind) == ("unknown_location", "nowhere", "movement")
    assert explanation.needs_person
    assert place.needs_person

    db.approve([held.count_id], reason="found the other pallet")
    db.resolve(conflict.conflict_id, keep="old", reason="typing error")
    db.upsert_locations([{"code": "nowhere", "timezone": "UTC"}])
    explanation = told(db)
    assert [place.location for place in explanation.places] == ["main", "nowhere"]
    assert not explanation.needs_person
    (main,) = told(db, location="main").places
    assert main.last_count is not None
    assert main.last_count.decision_reason == "found the other pallet"
    assert main.last_count.decided_by is not None


def test_an_approved_count_far_from_the_book_is_not_flagged_but_one_that_drifted_is(db: SyncStockDB) -> None:
    """As the variances say: a person's approval is of that variance, the gate's of its tier."""
    db.run_sync((), (), [counted(100, NOON, source="excel"), counted(95, NOON + HOUR, source="excel")])
    assert at_main(db).last_count.status == "applied"  # type: ignore[union-attr]
    db.run_sync([bought(150, NOON + HOUR / 2, "P1")])
    place = at_main(db)
    assert place.last_count is not None
    assert (place.last_count.status, place.last_count.variance) == ("flagged", -155)
    assert (place.last_count.tier, place.last_count.decided_by) == ("tolerance", "gate")
    assert place.needs_person
    assert place.on_hand == 95


def test_the_status_is_the_one_of_the_variances(db: SyncStockDB) -> None:
    counts = [
        counted(100, NOON),
        counted(101, NOON + HOUR, source="excel"),
        counted(70, NOON + DAY, source="excel"),
    ]
    for count in counts:
        db.run_sync((), (), [count])
        (row,) = db.variances().tail(1).to_dict("records")
        last = at_main(db).last_count
        assert last is not None
        assert (last.count_id, last.status, last.variance) == (
            row["count_id"],
            row["status"],
            row["variance"],
        )


def test_published_values_that_changed_are_told(db: SyncStockDB) -> None:
    db.run_sync((), (), [counted(10, NOON)])
    db.close_day(date(2024, 3, 6))
    db.run_sync((), [sold(4, NOON + DAY, "S1")])
    place = at_main(db)
    assert place.restatements == 1
    (restated,) = place.restated
    assert (restated.kind, restated.old_value, restated.new_value) == ("snapshot", 10, 6)
    assert (restated.first_day, restated.last_day) == (date(2024, 3, 5), date(2024, 3, 6))


def test_below_zero_is_told_with_the_instant_since_which(db: SyncStockDB) -> None:
    db.run_sync((), [sold(4, NOON + HOUR, "S1"), sold(4, NOON + DAY, "S2")], [counted(3, NOON)])
    place = at_main(db)
    assert (place.on_hand, place.negative_since) == (-5, NOON + HOUR)


def test_rooms_are_one_count(db: SyncStockDB) -> None:
    rooms = [
        counted(4, NOON, session="march", room="shop", counter="Ben"),
        counted(6, NOON, session="march", room="cellar", counter="Anna"),
    ]
    db.run_sync((), (), rooms)
    last = at_main(db).last_count
    assert last is not None
    assert (last.counted, last.rooms, last.counters, last.session) == (10, 2, "Anna, Ben", "march")


def test_remarks_stand_beside_the_counts_that_they_are_about(db: SyncStockDB) -> None:
    rooms = [
        counted(4, NOON, session="march", room="shop", remark="two wet"),
        counted(6, NOON, session="march", room="cellar", remark="one open"),
        POSRecord(2, 900, NOON, source="excel"),
    ]
    db.run_sync((), (), rooms)
    db.run_sync((), (), [POSRecord(2, 100, NOON + HOUR, source="excel", remark="rest is in the van")])
    last, other = at_main(db).last_count, at_main(db, 2)
    assert last is not None and last.remarks == "one open; two wet"
    assert other.last_count is not None and other.last_count.remarks is None
    assert [held.remarks for held in other.held] == ["rest is in the van"]
    found = db.variances().sort_values(["inventory_id", "counted_at"])["remarks"]
    assert list(found.where(found.notna(), None)) == ["one open; two wet", None, "rest is in the van"]
    assert list(db.held()["remarks"]) == ["rest is in the van"]


def test_only_the_newest_are_listed_and_all_are_added_up(db: SyncStockDB) -> None:
    db.run_sync((), (), [counted(100, NOON), counted(100, NOON + DAY)])
    db.run_sync((), [sold(1, NOON + n * HOUR, f"S{n}") for n in range(1, 50)])
    (place,) = told(db, newest=3).places
    assert [row.document for row in place.movements] == ["S49", "S48", "S47"]
    assert [(total.movements, total.quantity) for total in place.since] == [(25, -25)]
    assert (place.late_rows, len(place.late)) == (24, 3)


def test_each_location_has_its_own_story(db: SyncStockDB) -> None:
    db.upsert_locations([{"code": "cairo", "timezone": "Africa/Cairo", "name": "Cairo shop"}])
    db.run_sync((), (), [counted(10, NOON)])
    db.run_sync(movements=[TransferRecord(1, 4, NOON + HOUR, "main", "cairo", "T1")])
    main, cairo = sorted(told(db).places, key=lambda place: place.location, reverse=True)
    assert (main.on_hand, cairo.on_hand) == (6, 4)
    assert (cairo.timezone, cairo.location_name, cairo.last_count) == ("Africa/Cairo", "Cairo shop", None)
    assert [place.location for place in told(db, location="cairo").places] == ["cairo"]
    assert told(db, location="nowhere").places == ()


def test_an_article_without_evidence_is_explained_by_that(db: SyncStockDB) -> None:
    (inventory_id,) = db.upsert_products([{"sku": "00123", "name": "Mug"}])["inventory_id"]
    explanation = told(db, int(inventory_id))
    assert (explanation.sku, explanation.name, explanation.places) == ("00123", "Mug", ())
    with pytest.raises(LookupError, match="no article 7"):
        told(db, 7)


def test_a_held_opening_is_known_nowhere_yet(db: SyncStockDB) -> None:
    """Advisory counts and held ones leave the stock unknown, which is not zero."""
    policies = Policies(sources={"master": SourcePolicy(kind="counts", trust="advisory")})
    other = SyncStockDB(db.url, policies=policies)
    other.run_sync((), (), [counted(5, NOON, source="master")])
    for place in told(other).places:
        assert not place.is_known
        assert place.last_count is None
        assert place.since == ()


def test_the_explanation_in_plain_values_keeps_quantities_exact(db: SyncStockDB) -> None:
    db.run_sync([bought(Decimal("0.1"), NOON, "P1"), bought(Decimal("0.2"), NOON, "P2")])
    (place,) = told(db).as_dict()["places"]
    assert place["on_hand"] == place["moved_since"] == Decimal("0.3")
    assert list(place["since"]) == [{"reason": "purchase", "movements": 2, "quantity": Decimal("0.3")}]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happened_it_adds_up(db: SyncStockDB, seed: int) -> None:
    """Random histories with late rows, conflicts, corrections and rollbacks."""
    rng = random.Random(seed)
    done = []
    for step in range(14):
        at = NOON + rng.randrange(100) * HOUR
        movement = MovementRecord(
            rng.randint(1, 2), rng.randint(-9, 9), at=at, ref=f"D{rng.randrange(9)}", reason="use"
        )
        total = SalesRecord(rng.randint(1, 2), rng.randint(1, 9), day=at.date())
        count = POSRecord(rng.randint(1, 2), rng.randint(0, 50), at, source=rng.choice(["pos", "excel"]))
        match rng.randrange(6):
            case 0 if done:
                db.rollback(rng.choice(done), reason="test")
            case 1 if len(db.conflicts()):
                conflict = int(db.conflicts()["conflict_id"].iloc[0])
                db.resolve(conflict, keep=rng.choice(["new", "old"]), reason="test")
            case 2:
                db.close_day((NOON + step * 8 * HOUR).date())
            case _:
                done.append(db.run_sync((), [total], [count], movements=[movement]).operation_uuid)
    for inventory_id in db.products()["inventory_id"]:
        for place in told(db, int(inventory_id)).places:
            begin = place.last_count.counted if place.last_count else Decimal(0)
            assert begin + place.moved_since == place.on_hand
            assert sum((row.quantity for row in place.movements), Decimal(0)) == place.moved_since or (
                sum(total.movements for total in place.since) > len(place.movements)
            )
