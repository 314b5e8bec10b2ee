"""Candidate causes of a variance: each told as a story whose cause is known, and none where there is nothing to tell.

What belongs here: what ``explain_variances`` and ``variance_facts`` find. What does not: how fast (``benchmarks``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncstock_dagster import MovementRecord, POSRecord, PurchaseRecord, SalesRecord, SyncStockDB
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster_tests.stock.compare import rows

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
HOUR = timedelta(hours=1)
EVENING = TUESDAY + 10 * HOUR

POLICIES = Policies(
    sources={
        "sales": SourcePolicy(kind="sales"),
        "late": SourcePolicy(kind="sales"),
    }
)


def counted(number: int, quantity: Any, at: datetime = EVENING, **fields: Any) -> POSRecord:
    return POSRecord(number, quantity, at, source="excel", **fields)


def sold(number: int, quantity: Any, at: datetime, ref: str) -> SalesRecord:
    return SalesRecord(number, quantity, at=at, ref=f"{ref}-{number}")


def bought(number: int, quantity: Any, at: datetime, ref: str) -> PurchaseRecord:
    return PurchaseRecord(number, quantity, at=at, ref=f"{ref}-{number}")


Story = Callable[[SyncStockDB, int], None]


def before_the_sales_were_written_off(db: SyncStockDB, n: int) -> None:
    """300 in the morning, 117 and 30 sold on two hours, the sheet still says 300."""
    db.run_sync(sales=[sold(n, 117, TUESDAY, "a"), sold(n, 30, TUESDAY + HOUR, "b")])
    db.run_sync(pos_counts=[counted(n, 300)])


def with_what_came_in_and_without_what_went_out(db: SyncStockDB, n: int) -> None:
    db.run_sync([bought(n, 200, TUESDAY, "a")], [sold(n, 130, TUESDAY + HOUR, "b")])
    db.run_sync(pos_counts=[counted(n, 500)])


def later_than_it_says(db: SyncStockDB, n: int) -> None:
    db.run_sync(sales=[sold(n, 120, EVENING + HOUR, "a"), sold(n, 14, EVENING + 2 * HOUR, "b")])
    db.run_sync(pos_counts=[counted(n, 166)])


def with_rows_that_came_late(db: SyncStockDB, n: int) -> None:
    """296 counted and applied; 150 sold before it come on the next day, dated wrong."""
    db.run_sync(pos_counts=[counted(n, 300)])
    db.run_sync(sales=[SalesRecord(n, 150, at=TUESDAY, ref=f"late-{n}", source="late")])


def while_the_counting_went_on(db: SyncStockDB, n: int) -> None:
    db.run_sync(sales=[sold(n, 140, EVENING - HOUR, "a")])
    db.run_sync(pos_counts=[counted(n, 300, counted_from=EVENING - 2 * HOUR)])


def with_sales_known_by_the_day(db: SyncStockDB, n: int) -> None:
    db.run_sync(sales=[SalesRecord(n, 140, day=EVENING.date())])
    db.run_sync(pos_counts=[counted(n, 300)])


def and_as_many_too_many_elsewhere(db: SyncStockDB, n: int) -> None:
    db.run_sync(pos_counts=[POSRecord(n, 50, MONDAY, location="east")])
    db.run_sync(pos_counts=[counted(n, 163), counted(n, 187, location="east")])


def and_a_sibling_has_them(db: SyncStockDB, n: int) -> None:
    """137 red candles are missing, 137 blue ones are too many."""
    db.upsert_products(
        [{"sku": str(one), "inventory_id": one, "category": "Candles"} for one in (n, n + 1000)]
    )
    db.run_sync(pos_counts=[POSRecord(n + 1000, 20, MONDAY)])
    db.run_sync(pos_counts=[counted(n, 163), counted(n + 1000, 157)])


def in_packs(db: SyncStockDB, n: int) -> None:
    db.change_products([{"sku": str(n), "units": {"box": 20}}])
    db.run_sync(pos_counts=[counted(n, 15)])


def where_a_whole_pallet_is_missing(db: SyncStockDB, n: int) -> None:
    db.change_products([{"sku": str(n), "units": {"pallet": 108}}])
    db.run_sync(pos_counts=[counted(n, 192)])


def with_two_digits_swapped(db: SyncStockDB, n: int) -> None:
    db.run_sync([bought(n, 141, MONDAY + HOUR, "a"), bought(n, 9, MONDAY + 2 * HOUR, "b")])
    db.run_sync(pos_counts=[counted(n, 540)])


def with_a_digit_too_few(db: SyncStockDB, n: int) -> None:
    db.run_sync(pos_counts=[counted(n, 30)])


def counted_by_two_people(db: SyncStockDB, n: int) -> None:
    db.run_sync(pos_counts=[counted(n, 600)])


def written_as_none(db: SyncStockDB, n: int) -> None:
    db.run_sync(pos_counts=[counted(n, 0)])


def with_a_document_in_conflict(db: SyncStockDB, n: int) -> None:
    db.run_sync(sales=[sold(n, 10, TUESDAY, "a")])
    db.run_sync(sales=[sold(n, 141, TUESDAY, "a")])
    db.run_sync(pos_counts=[counted(n, 159)])


def with_a_document_in_quarantine(db: SyncStockDB, n: int) -> None:
    db.run_sync(sales=[SalesRecord(n, 141, at=TUESDAY, ref=f"q-{n}", location="nowhere")])
    db.run_sync(pos_counts=[counted(n, 159)])


def with_a_document_withdrawn(db: SyncStockDB, n: int) -> None:
    wrong = db.run_sync(sales=[sold(n, 141, TUESDAY, "w")])
    db.rollback(wrong.operation_uuid, reason="thought it was a test")
    db.run_sync(pos_counts=[counted(n, 159)])


def with_a_document_entered_twice(db: SyncStockDB, n: int) -> None:
    db.run_sync([bought(n, 150, TUESDAY, "po-1"), bought(n, 150, TUESDAY + HOUR, "1")])
    db.run_sync(sales=[sold(n, 11, TUESDAY + 2 * HOUR, "s")])
    db.run_sync(pos_counts=[counted(n, 439)])


def with_a_delivery_that_never_came(db: SyncStockDB, n: int) -> None:
    db.run_sync([bought(n, 150, MONDAY + HOUR, "po")], [sold(n, 3, TUESDAY, "s")])
    db.run_sync(pos_counts=[counted(n, 297)])


def that_repeats_the_one_before(db: SyncStockDB, n: int) -> None:
    moved = [MovementRecord(n, -111 - i, at=TUESDAY + i * HOUR, ref=f"m-{n}-{i}") for i in range(2)]
    db.run_sync(movements=moved)
    db.run_sync(pos_counts=[counted(n, 300)])


STORIES: list[tuple[str, Story]] = [
    ("not_written_off", before_the_sales_were_written_off),
    ("not_written_off", with_what_came_in_and_without_what_went_out),
    ("counted_later", later_than_it_says),
    ("late_rows", with_rows_that_came_late),
    ("counting_time", while_the_counting_went_on),
    ("day_rows", with_sales_known_by_the_day),
    ("opposite_location", and_as_many_too_many_elsewhere),
    ("opposite_article", and_a_sibling_has_them),
    ("packs", in_packs),
    ("packs", where_a_whole_pallet_is_missing),
    ("digits_swapped", with_two_digits_swapped),
    ("digit_slipped", with_a_digit_too_few),
    ("counted_twice", counted_by_two_people),
    ("counted_as_none", written_as_none),
    ("document_in_conflict", with_a_document_in_conflict),
    ("document_in_quarantine", with_a_document_in_quarantine),
    ("document_withdrawn", with_a_document_withdrawn),
    ("document_twice", with_a_document_entered_twice),
    ("document_alone", with_a_delivery_that_never_came),
    ("repeated_count", that_repeats_the_one_before),
]


@pytest.fixture(scope="module")
def told(base_url: str) -> Iterator[dict[int, list[dict[str, Any]]]]:
    """All stories in one shop, each of its own article, which began with 300; its causes by article."""
    db = SyncStockDB(base_url, policies=POLICIES)
    db.upsert_locations([{"code": "east", "timezone": "UTC"}])
    numbers = range(1, len(STORIES) + 1)
    db.upsert_products([{"sku": str(n), "inventory_id": n} for n in numbers])
    db.run_sync(pos_counts=[POSRecord(n, 300, MONDAY) for n in numbers])
    for n, (_, story) in zip(numbers, STORIES, strict=True):
        story(db, n)
    of_article = {
        row["count_id"]: row["inventory_id"] for row in rows(db.variances()) if row["location"] == "main"
    }
    found: dict[int, list[dict[str, Any]]] = {n: [] for n in numbers}
    for row in rows(db.explain_variances()):
        found.setdefault(of_article.get(row["count_id"], -1), []).append(row)
    assert db.audit() == {}
    yield found
    db.close()


@pytest.mark.parametrize(("number", "cause"), [(n, cause) for n, (cause, _) in enumerate(STORIES, 1)])
def test_the_cause_of_a_story_is_among_the_first(
    told: dict[int, list[dict[str, Any]]], number: int, cause: str
) -> None:
    """The true cause is one of the three likeliest, in words, with something to check."""
    found = told[number]
    assert [row["rank"] for row in found] == list(range(1, len(found) + 1))
    (mine,) = [row for row in found if row["cause"] == cause]
    assert mine["rank"] <= 3, [(row["cause"], row["score"]) for row in found]
    assert mine["says"] and mine["check"]
    assert "{" not in mine["says"] + mine["check"]
