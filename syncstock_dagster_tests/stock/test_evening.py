"""The numbers of the evening: every line adds up, and everything that a person has to know is on one of the pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from syncstock_dagster import MovementRecord, POSRecord, PurchaseRecord, SalesRecord, SyncStockDB
from syncstock_dagster.sources.files import parse_file
from syncstock_dagster.stock.evening import open_facts
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster.workbooks.evening_files import rendered, write_files

DAY = date(2026, 3, 3)
UTC_ZONE = ZoneInfo("UTC")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def three_days(db: SyncStockDB) -> SyncStockDB:
    """A sheet on the 2nd; a purchase, sales, a return, damage and a count on the 3rd; more on the 4th."""
    db.upsert_products([{"inventory_id": n, "sku": sku} for n, sku in enumerate(("A", "@B", "C"), 1)])
    db.run_sync(pos_counts=[POSRecord(n, 100, at(2, 8), source="excel") for n in (1, 2, 3)])
    db.run_sync(
        [PurchaseRecord(1, 40, at=at(3, 9), ref="P1")],
        [SalesRecord(1, 30, at=at(3, 10), ref="R1"), SalesRecord(1, -2, at=at(3, 11), ref="R2", reason="return"),
         SalesRecord(2, 25, at=at(3, 10), ref="R3"), SalesRecord(1, 7, at=at(4, 10), ref="R4")],
        [POSRecord(1, 105, at(3, 18))],
        movements=[MovementRecord(1, -1, at=at(3, 12), ref="D1", reason="damage")],
    )  # fmt: skip
    return db


def test_every_line_adds_up_and_is_beside_what_the_sheet_says(three_days: SyncStockDB) -> None:
    report = three_days.evening_report(DAY)
    lines = {one.sku: one for one in report.items}
    a = lines["A"]
    # 100 + 40 - 28 - 1 = 111, and a till counted 105.
    assert (a.previous, a.received, a.sold, a.adjusted, a.remaining, a.sheet_says) == (
        100,
        40,
        28,
        -7,
        105,
        100,
    )
    assert a.to_do == "Change 100 to 105."
    b = lines["@B"]
    assert (b.previous, b.received, b.sold, b.adjusted, b.remaining, b.sheet_says) == (100, 0, 25, 0, 75, 100)
    assert set(lines) == {"A", "@B"}
    assert [sku for sku, _ in report.most_sold] == ["A", "@B"]
    # The day after, as the days before left it.
    after = {one.sku: one for one in three_days.evening_report(DAY + timedelta(days=1)).items}
    assert (after["A"].previous, after["A"].sold, after["A"].remaining) == (105, 7, 98)
    assert (after["@B"].previous, after["@B"].sold, after["@B"].remaining) == (75, 0, 75)
    for day in range(1, 6):
        for one in three_days.evening_report(date(2026, 3, day)).items:
            assert one.previous + one.received - one.sold + one.adjusted == one.remaining


def test_a_sheet_that_shows_it_needs_no_change(three_days: SyncStockDB) -> None:
    three_days.run_sync(
        pos_counts=[POSRecord(1, 105, at(3, 19), source="excel"), POSRecord(2, 75, at(3, 19), source="excel")]
    )
    assert three_days.evening_report(DAY).items == ()


def test_a_difference_that_is_what_was_sold_says_so(three_days: SyncStockDB) -> None:
    """The same list sent in the evening as in the morning: 100 on the sheet, 75 in the books, 25 sold."""
    three_days.run_sync(pos_counts=[POSRecord(2, 100, at(3, 19), source="excel")])
    (difference,) = three_days.evening_report(DAY).differences
    assert (difference.sku, difference.tier, difference.variance) == ("@B", "review", 25)
    assert difference.explanation.startswith("The count is what the book said before")
    assert "the -25 that moved since are missing" in difference.explanation
    assert "reject it or count again" in difference.to_do


def test_what_waits_and_what_differs_is_listed_with_what_to_do(three_days: SyncStockDB) -> None:
    three_days.run_sync(pos_counts=[POSRecord(3, 900, at(3, 19), source="excel")])
    report = three_days.evening_report(DAY)
    (waiting,) = report.undecided
    assert (waiting.sku, waiting.counted, waiting.expected, waiting.variance) == ("C", 900, 100, 800)
    assert f"approve {waiting.count_id}" in waiting.to_do
    assert {one.tier for one in report.differences} == {"held"}
    # It is no line to be changed: nobody knows yet to what.
    assert "C" not in {one.sku for one in report.items}
    facts = open_facts(three_days.url, three_days.policies, today=DAY, timezone="UTC")
    assert [(one.fact, one.tier) for one in facts] == [(f"held {waiting.count_id}", "alert")]


def test_what_a_complete_sheet_leaves_out_and_what_nobody_knows_is_not_found(
    db: SyncStockDB, tmp_path: Path
) -> None:
    policy = SourcePolicy(kind="counts", trust="gated", unknown_sku="quarantine", not_listed="critical")
    db = SyncStockDB(db.url, policies=Policies(sources={"excel": policy}))
    db.upsert_products([{"inventory_id": n, "sku": sku} for n, sku in enumerate(("A", "B"), 1)])
    db.run_sync(pos_counts=[POSRecord(n, 50, at(2, 8), source="excel") for n in (1, 2)])
    from syncstock_dagster.workbooks.catalogue import known_to

    sheet = b"sku,counted,location,counted_at\nA,50,main,2026-03-03 08:00\n=cmd,7,main,2026-03-03 08:00\n"
    parsed = parse_file(sheet, "counts/all.csv", "counts", "excel", policy, known=known_to(db.url, "main"))
    db.receive(parsed)
    db.post_received()
    report = db.evening_report(DAY)
    found = {(one.kind, one.sku, one.location) for one in report.missing}
    assert found == {("not listed", "B", "main"), ("unknown code", "=cmd", "main")}
    db.run_sync(sales=[SalesRecord(1, 2, location="popup", at=at(3, 9), ref="S-1", line="1")])
    (place,) = (one for one in db.evening_report(DAY).missing if one.location == "popup")
    assert (place.kind, place.sku) == ("unknown location", "1")
    assert (place.told, "locations set" in place.to_do) == (
        "unknown location, from sales: 1 row(s) wait",
        True,
    )
    db.rollback(db.operations(limit=1)["operation_uuid"][0], reason="only to see it told")
    facts = open_facts(db.url, db.policies, today=DAY, timezone="UTC")
    assert [(one.fact, one.tier) for one in facts] == [
        ("not listed B@main", "critical"), ("unknown =cmd@main", "unknown"),
    ]  # fmt: skip
    # Written as text in every form, and replaced whole.
    files = write_files(report, tmp_path, UTC_ZONE)
    assert write_files(report, tmp_path, UTC_ZONE) == files
    assert sorted(path.name for path in (tmp_path / "2026-03-03").iterdir()) == sorted(
        p.name for p in files.values()
    )
    page = openpyxl.load_workbook(files["xlsx"])["Not found"]
    codes = {row[1].value: row[1].data_type for row in page.iter_rows(min_row=2)}
    assert codes == {"B": "s", "=cmd": "s"}
    assert db.audit() == {}


def test_what_could_be_markup_is_text(db: SyncStockDB) -> None:
    db.upsert_products([{"inventory_id": 1, "sku": "<b>&", "name": "<script>alert(1)</script>"}])
    db.run_sync(sales=[SalesRecord(1, Decimal("2.5"), at=at(3, 10), ref="R1")])
    page = rendered(db.evening_report(DAY), "html", UTC_ZONE).decode()
    assert "<script>" not in page and "&lt;script&gt;" in page and "&lt;b&gt;&amp;" in page
    assert "-2.5" in page


def test_a_count_that_late_rows_make_doubtful_is_told_once_it_is(three_days: SyncStockDB) -> None:
    three_days.run_sync(pos_counts=[POSRecord(3, 100, at(3, 19), source="excel")])
    assert open_facts(three_days.url, three_days.policies, today=DAY, timezone="UTC") == []
    three_days.run_sync([PurchaseRecord(3, 500, at=at(3, 12), ref="late")])
    (fact,) = open_facts(three_days.url, three_days.policies, today=DAY, timezone="UTC")
    assert fact.fact.startswith("flagged ") and fact.tier == "alert"
    (difference,) = three_days.evening_report(DAY).differences
    assert "500" in difference.explanation
