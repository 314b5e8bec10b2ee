"""Count plans: what is planned first, for whom, and that a count fulfils its line by being there."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import openpyxl
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.errors import BadInput
from syncstock_dagster.stock.count_plans import plan_counts
from syncstock_dagster.stock.counting_policy import CountingPolicy
from syncstock_dagster.stock.records import POSRecord, SalesRecord
from syncstock_dagster.workbooks.blank_sheets import write_sheet
from syncstock_dagster_tests.stock.compare import rows

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)
#: Everything was counted on the first Monday; the plans are for this day.
PLANNED = date(2026, 3, 20)


@pytest.fixture
def shop(db: SyncStockDB) -> SyncStockDB:
    """Six articles, counted on Monday: of each 100, and no ZERO. FAST makes up most of the trade."""
    skus = ("FAST", "ZERO", "MINUS", "MISSED", "SLOW", "LAZY")
    db.upsert_products([{"sku": sku, "name": f"={sku}", "cost": 1} for sku in skus])
    count(db, MONDAY, **dict.fromkeys(skus, 100) | {"ZERO": 0})
    sell(db, MONDAY + DAY, FAST=60, MINUS=103)
    for n in (2, 3):
        count(db, MONDAY + n * DAY, MISSED=100 - 5 * n)
    return db


def ids(db: SyncStockDB) -> dict[str, int]:
    return {row["sku"]: row["inventory_id"] for row in rows(db.products())}


def count(
    db: SyncStockDB, at: datetime, source: str | None = None, counter: str | None = None, **found: int
) -> str:
    known = ids(db)
    records = [POSRecord(known[sku], n, at, source=source, counter=counter) for sku, n in found.items()]
    return db.run_sync(pos_counts=records).operation_uuid


def sell(db: SyncStockDB, at: datetime, **sold: int) -> None:
    known = ids(db)
    db.run_sync(sales=[SalesRecord(known[sku], n, at=at, ref=f"{sku} {at}") for sku, n in sold.items()])


def planned(db: SyncStockDB, day: date = PLANNED, **how: Any) -> list[tuple[str, str]]:
    return [(line["sku"], line["why"]) for line in db.plan_counts("main", day, **how).lines]


def states(db: SyncStockDB, plan_id: int) -> dict[str, str]:
    return {row["sku"]: row["status"] for row in rows(db.plan_lines(plan_id))}


def test_what_is_below_zero_or_at_zero_or_was_missed_is_planned_before_what_is_due(shop: SyncStockDB) -> None:
    """MINUS is 3 below zero; ZERO and FAST (class A, 30 days) are not due in March yet, MISSED is class C and so
    would be due in autumn, but was missed twice."""
    assert planned(shop, dry_run=True) == [("MINUS", "negative")]
    in_april = date(2026, 4, 4)
    assert planned(shop, in_april, dry_run=True) == [
        ("MINUS", "negative"),
        ("MISSED", "misses"),
        ("FAST", "due"),
    ]
    in_autumn = date(2026, 9, 1)
    assert planned(shop, in_autumn) == [
        ("MINUS", "negative"),
        ("ZERO", "zero"),
        ("MISSED", "misses"),
        ("FAST", "due"),
        ("LAZY", "due"),
        ("SLOW", "due"),
    ]
    assert planned(shop, in_autumn) == []  # all of it waits for a count already


def test_a_day_takes_so_many_lines_and_its_counters_share_them(shop: SyncStockDB) -> None:
    found = shop.plan_counts("main", date(2026, 9, 1), days=2, counters=["Ann", "Ben"], lines_a_day=4)
    assert [(row["day"].day, row["counter"], row["lines"]) for row in found.plans] == [
        (1, "Ann", 2),
        (1, "Ben", 2),
        (2, "Ann", 1),
        (2, "Ben", 1),
    ]
    assert {line["sku"] for line in found.lines if line["day"].day == 1} == {
        "MINUS",
        "ZERO",
        "MISSED",
        "FAST",
    }
    shop.upsert_products([{"sku": "NEW"}])
    count(shop, MONDAY, NEW=1)
    more = shop.plan_counts("main", date(2026, 9, 1), days=2, counters=[], lines_a_day=4)
    assert [(row["day"].day, row["counter"], row["lines"]) for row in more.plans] == [(2, None, 1)]


def test_the_policy_says_how_much_and_who(shop: SyncStockDB) -> None:
    policy = CountingPolicy(lines_a_day_at={"main": 1}, counters={"main": ("Ann",)})
    found = plan_counts(shop.url, policy, "main", date(2026, 9, 1))
    assert [(row["counter"], row["lines"]) for row in found.plans] == [("Ann", 1)]


def test_two_who_plan_at_once_plan_nothing_twice(shop: SyncStockDB) -> None:
    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(lambda _: planned(shop, date(2026, 9, 1)), range(4)))
    assert sorted(map(len, found)) == [0, 0, 0, 6]


def test_a_count_fulfils_its_line_and_a_rejected_or_withdrawn_one_does_not(shop: SyncStockDB) -> None:
    planned(shop, date(2026, 9, 1))
    september = datetime(2026, 9, 1, 9, tzinfo=UTC)
    (plan,) = rows(shop.count_plans())
    number = plan["plan_id"]
    assert (plan["lines"], plan["planned"], plan["counted"]) == (6, 6, 0)
    count(shop, september - 2 * DAY, SLOW=100)  # before the plan's day: not meant
    assert states(shop, number)["SLOW"] == "planned"
    first = count(shop, september, SLOW=100, LAZY=99)
    assert [states(shop, number)[sku] for sku in ("SLOW", "LAZY")] == ["counted", "counted"]
    count(shop, september, LAZY=98)  # corrected: the line stays counted, by the other one
    (line,) = (row for row in rows(shop.plan_lines(number)) if row["sku"] == "LAZY")
    corrected = line["count_id"]
    shop.rollback(first, reason="wrong day")
    assert [states(shop, number)[sku] for sku in ("SLOW", "LAZY")] == ["planned", "counted"]
    assert corrected == next(
        row["count_id"] for row in rows(shop.variances()) if row["counted"] == 98 and row["variance"] == -2
    )
    count(shop, september, source="excel", FAST=500)
    assert states(shop, number)["FAST"] == "counted"  # held, but somebody was there
    held = next(row["count_id"] for row in rows(shop.variances()) if row["status"] == "held")
    shop.reject(int(held), reason="impossible")
    assert states(shop, number)["FAST"] == "planned"
    assert shop.audit() == {}


def test_what_nobody_counts_is_given_up_and_can_be_planned_again(shop: SyncStockDB) -> None:
    planned(shop, date(2026, 9, 1))
    (plan,) = rows(shop.count_plans())
    number, slow = plan["plan_id"], ids(shop)["SLOW"]
    assert shop.skip_lines(number, [slow], reason="scaffolding", dry_run=True) == 1
    assert shop.skip_lines(number, [slow], reason="scaffolding") == 1
    assert states(shop, number)["SLOW"] == "skipped"
    assert planned(shop, date(2026, 9, 2)) == [("SLOW", "due")]
    assert shop.skip_lines(number, reason="holidays") == 5
    assert number not in {row["plan_id"] for row in rows(shop.count_plans())}
    assert number in {row["plan_id"] for row in rows(shop.count_plans(every=True))}
    with pytest.raises(BadInput, match="no count plan 99"):
        shop.skip_lines(99, reason="x")
    with pytest.raises(BadInput, match="why"):
        shop.skip_lines(number, reason=" ")


def test_a_dry_run_plans_nothing(shop: SyncStockDB) -> None:
    assert len(planned(shop, date(2026, 9, 1), dry_run=True)) == 6
    assert rows(shop.count_plans(every=True)) == []


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"days": 0}, "days takes"),
        ({"lines_a_day": 0}, "lines_a_day takes"),
        ({"counters": ["Ann", "ann "]}, "Name each counter once"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(shop: SyncStockDB, how: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        shop.plan_counts("main", PLANNED, **how)
    with pytest.raises(BadInput, match="no location 'moon'"):
        shop.plan_counts("moon", PLANNED)


def test_the_sheet_of_a_plan_lists_its_open_lines_and_no_book(shop: SyncStockDB) -> None:
    shop.plan_counts("main", date(2026, 9, 1), counters=["Ann"], lines_a_day=3)
    (plan,) = rows(shop.count_plans())
    count(shop, datetime(2026, 9, 1, 9, tzinfo=UTC), ZERO=0)
    written = write_sheet(shop.url, plan_id=plan["plan_id"])
    book = openpyxl.load_workbook(io.BytesIO(written.content))
    page = book["Count"]
    assert [page["B2"].value, page["B4"].value, page["A5"].value] == ["main", "Ann", None]
    assert [page["A7"].value, page["A8"].value, page["A9"].value] == ["MINUS", "MISSED", None]
    assert [cell.value for cell in page[6]] == ["SKU", "Name", "Category", "Counted", "Remark"]
    numbers = [
        cell.value for sheet in book for row in sheet for cell in row if isinstance(cell.value, int | float)
    ]
    assert numbers == []
    guided = shop.plan_counts("main", date(2026, 9, 2), is_blind=False)
    page = openpyxl.load_workbook(
        io.BytesIO(write_sheet(shop.url, plan_id=guided.plans[0]["plan_id"]).content)
    )["Count"]
    assert "Expected" in [cell.value for cell in page[6]]
    with pytest.raises(BadInput, match="say one of them"):
        write_sheet(shop.url, "main", plan_id=plan["plan_id"])
    with pytest.raises(BadInput, match="say themselves"):
        write_sheet(shop.url, plan_id=plan["plan_id"], abc="A")
    with pytest.raises(BadInput, match="There is no plan 99"):
        write_sheet(shop.url, plan_id=99)
    shop.skip_lines(plan["plan_id"], reason="done")
    with pytest.raises(BadInput, match="Nothing of plan"):
        write_sheet(shop.url, plan_id=plan["plan_id"])
