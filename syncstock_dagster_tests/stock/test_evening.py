"""The numbers of the evening: every line adds up, and everything that a person has to know is on one of the pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from syncstock_dagster import MovementRecord, POSRecord, PurchaseRecord, SalesRecord, SyncStockDB
from syncstock_dagster.sources.files import parse_file
from syncstock_dagster.stock.evening import EveningReport, open_facts
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster.workbooks.catalogue import known_to
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


def test_what_somebody_wrote_beside_a_count_is_in_its_explanation(three_days: SyncStockDB) -> None:
    counts = [POSRecord(3, 900, at(3, 19), source="excel", remark="new delivery?"),
              POSRecord(2, 50, at(3, 19), source="excel", remark="=torn")]  # fmt: skip
    three_days.run_sync(pos_counts=counts)
    report = three_days.evening_report(DAY)
    told = {one.sku: one.explanation for one in report.differences}
    assert [one.reason for one in report.undecided] == ["Remark: new delivery?"]
    assert told["C"].endswith(" Remark: new delivery?") and told["@B"].endswith(" Remark: =torn")


def test_what_a_complete_sheet_leaves_out_and_what_nobody_knows_is_not_found(
    db: SyncStockDB, tmp_path: Path
) -> None:
    policy = SourcePolicy(kind="counts", trust="gated", unknown_sku="quarantine", not_listed="critical")
    db = SyncStockDB(db.url, policies=Policies(sources={"excel": policy}))
    db.upsert_products([{"inventory_id": n, "sku": sku} for n, sku in enumerate(("A", "B"), 1)])
    db.run_sync(pos_counts=[POSRecord(n, 50, at(2, 8), source="excel") for n in (1, 2)])
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


def test_a_first_sheet_is_one_line_and_a_later_one_names_what_it_brings(db: SyncStockDB) -> None:
    policy = SourcePolicy(kind="counts", trust="gated", unknown_sku="create", not_listed="critical")
    db = SyncStockDB(db.url, policies=Policies(sources={"excel": policy}))
    today = datetime.now(UTC)

    def send(name: str, skus: list[str], when: datetime) -> EveningReport:
        lines = "".join(f"{sku},5,main,{when:%Y-%m-%d %H:%M}\n" for sku in skus)
        parsed = parse_file(
            f"sku,counted,location,counted_at\n{lines}".encode(), name, "counts", "excel", policy,
            known=known_to(db.url, "main"),
        )  # fmt: skip
        db.receive(parsed)
        db.post_received()
        return db.evening_report(today.date())

    midnight = datetime.combine(today.date(), time(), UTC)
    first = send("counts/first.csv", [f"A-{n:03d}" for n in range(120)], midnight)
    (line,) = first.missing
    assert (line.kind, line.sku, line.articles) == ("new from a sheet", None, 120)
    assert line.told == "entered from counts/first.csv: A-000, A-001, A-002, A-003, A-004 and others"
    assert first.numbers["not_found"] == 120
    # The next one lists a few, of which one is misspelt.
    second = send("counts/second.csv", ["A-000", "A-0001"], midnight + timedelta(minutes=1))
    assert [(one.kind, one.sku, one.articles) for one in second.missing] == [
        ("not listed", None, 119), ("new from a sheet", None, 120), ("new from a sheet", "A-0001", 1),
    ]  # fmt: skip
    assert "counts/second.csv" in second.missing[2].told
    assert "syncstock not-listed" in second.missing[0].to_do
    assert second.numbers["not_found"] == 240
    text = rendered(second, "text", UTC_ZONE).decode()
    assert "not in counts/second.csv: " in text


def test_an_earlier_count_is_in_the_report_of_the_day_that_made_it_doubtful(three_days: SyncStockDB) -> None:
    """And not in those of the days after, nor one that only came to be better explained."""
    now = datetime.now(UTC)
    counted, today = now - timedelta(days=3), now.date()
    early = now - timedelta(days=3, hours=-1)
    three_days.run_sync(
        pos_counts=[
            POSRecord(3, 100, counted - timedelta(days=1), source="excel"),
            POSRecord(3, 100, counted, source="excel"),
        ],
        recorded_at=early,
    )
    assert three_days.evening_report(today).differences == ()
    late = PurchaseRecord(3, 500, at=counted - timedelta(hours=1), ref="late")
    three_days.run_sync([late])
    (difference,) = three_days.evening_report(today).differences
    assert (difference.sku, difference.tier, difference.counted_at) == ("C", "flagged", counted)
    assert [one.tier for one in three_days.evening_report(counted.date()).differences] == ["flagged"]
    assert three_days.evening_report(today - timedelta(days=1)).differences == ()
    facts = open_facts(three_days.url, three_days.policies, today=today, timezone="UTC")
    assert [one.fact.split()[0] for one in facts] == ["flagged"], "told though it was counted days ago"


def test_a_sheet_that_comes_the_next_morning_is_in_that_days_report(three_days: SyncStockDB) -> None:
    """The shop counts after the report was sent, and the sheet is uploaded the day after."""
    now = datetime.now(UTC)
    evening = datetime.combine(now.date() - timedelta(days=1), time(20, 30), UTC)
    three_days.run_sync(pos_counts=[POSRecord(3, 130, evening, source="excel")])
    (difference,) = three_days.evening_report(now.date()).differences
    assert (difference.sku, difference.tier, difference.variance) == ("C", "review", 30)


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
