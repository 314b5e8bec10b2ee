"""Each law of stock as a story that a store manager could tell; its name says what must hold.

What belongs here: one or a few readable examples of every law, with numbers small enough to check in the head.
What does not: random histories (``test_model``), failures and rivals (``test_exactly_once``, ``test_concurrency``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import psycopg
import pytest

from syncstock_dagster import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    SyncStockDB,
    TransferRecord,
    run_syncstock,
)
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster_tests.stock.compare import IN_FORCE, balances, daily, ledger, rows, stock
from syncstock_dagster_tests.stock.conftest import OpenDatabase
from syncstock_dagster_tests.stock.model import MICROSECOND, Pair
from syncstock_dagster_tests.stock.wire import Wire

SHOP = Pair(1001, "main")
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
DAY = NOON.date()
HOUR = timedelta(hours=1)


def bought(qty: Any, at: datetime, ref: str, **fields: Any) -> PurchaseRecord:
    return PurchaseRecord(1001, qty, at=at, ref=ref, **fields)


def sold(qty: Any, at: datetime, ref: str, **fields: Any) -> SalesRecord:
    return SalesRecord(1001, qty, at=at, ref=ref, **fields)


def counted(qty: Any, at: datetime, **fields: Any) -> POSRecord:
    return POSRecord(1001, qty, at, **fields)


def on_hand(db: SyncStockDB, pair: Pair = SHOP, **when: Any) -> Decimal:
    return stock(db, **when).get(pair, Decimal(0))


def variance(db: SyncStockDB, at: datetime, **when: Any) -> dict[str, Any]:
    (row,) = [row for row in rows(db.variances(**when)) if row["counted_at"] == at]
    return row


def told(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["counted"], row["expected"], row["variance"], row["status"]


@pytest.fixture(autouse=True)
def audit_is_empty(db: SyncStockDB) -> Iterator[None]:
    """Whatever a test did, every law that can be seen in stored data holds afterwards."""
    yield
    assert db.audit() == {}


# -------------------------------------------------------------------- the mission's example


def test_the_usage_example_runs_as_it_is_written(db: SyncStockDB, capsys: pytest.CaptureFixture[str]) -> None:
    """Naive times, articles nobody announced, a day total and a count of the same day: the count is the stock."""
    example = f"""
from datetime import date, datetime
from syncstock import SyncStockDB, PurchaseRecord, SalesRecord, POSRecord, run_syncstock

# Connect to database
db = SyncStockDB({db.url!r})

# Prepare data
purchases = [
    PurchaseRecord(inventory_id=1001, qty=50, day=date.today()),
    PurchaseRecord(inventory_id=1002, qty=25, day=date.today()),
]

sales = [
    SalesRecord(inventory_id=1001, qty=10, day=date.today()),
    SalesRecord(inventory_id=1002, qty=5, day=date.today()),
]

pos_counts = [
    POSRecord(inventory_id=1001, stock_count=45, counted_at=datetime.now()),
    POSRecord(inventory_id=1002, stock_count=20, counted_at=datetime.now()),
]

# Run sync
result = run_syncstock(db, purchases, sales, pos_counts, "Daily sync")
print(f"Sync completed: {{result}}")

# Alternative: Call the database function directly
result = db.run_sync(purchases, sales, pos_counts, "Manual sync")

# Check current status
status = db.get_status()
print(f"Current status: {{status}}")

# Check watermarks
watermarks = db.get_watermarks()
for wm in watermarks:
    print(f"{{wm['source_type']}}: {{wm['last_processed_at']}}")
"""
    names: dict[str, Any] = {}
    exec(compile(example, "example", "exec"), names)  # noqa: S102 (the example of the documentation)
    assert stock(db) == {Pair(1001, "main"): 45, Pair(1002, "main"): 20}
    printed = capsys.readouterr().out
    assert "Sync completed" in printed
    assert {line.split(":")[0] for line in printed.splitlines()} >= {"purchases", "sales", "pos"}
    assert db.get_status()["status"] == "OK"


# -------------------------------------------------------------------- L1


def test_L1_a_count_is_applied_at_the_instant_it_was_counted_and_not_when_it_is_uploaded(
    db: SyncStockDB,
) -> None:
    """Counted 100 at noon, 7 sold at one, the sheet arrives at six: 93 are there, not 100."""
    db.run_sync(sales=[sold(7, NOON + HOUR, "till-1")], recorded_at=NOON + 2 * HOUR)
    db.run_sync(pos_counts=[counted(100, NOON)], recorded_at=NOON + 6 * HOUR)
    assert on_hand(db) == 93
    assert on_hand(db, as_of=NOON) == 100


def test_L1_a_movement_at_exactly_the_counted_instant_is_inside_the_count(db: SyncStockDB) -> None:
    """3 sold at noon sharp are in noon's count; 4 sold a microsecond later are not."""
    db.run_sync(
        sales=[sold(3, NOON, "at"), sold(4, NOON + MICROSECOND, "after")], pos_counts=[counted(100, NOON)]
    )
    assert on_hand(db, as_of=NOON) == 100
    assert on_hand(db) == 96
    assert told(variance(db, NOON))[:3] == (100, -3, 103)


def test_L1_without_a_count_stock_is_the_sum_of_the_movements(db: SyncStockDB) -> None:
    """50 bought, 8 sold: 42; before the sale 50, before the purchase nothing."""
    db.run_sync([bought(50, NOON, "po")], [sold(8, NOON + HOUR, "till")])
    assert [on_hand(db, as_of=at) for at in (NOON - MICROSECOND, NOON, NOON + HOUR)] == [0, 50, 42]


def test_L1_of_two_counts_of_one_instant_from_one_source_the_one_received_last_is_in_force(
    db: SyncStockDB,
) -> None:
    """90 was a slip of the pen; 99 is sent for the same instant. In one list, the later row wins too."""
    db.run_sync(pos_counts=[counted(90, NOON)])
    db.run_sync(pos_counts=[counted(99, NOON)])
    assert on_hand(db) == 99
    db.run_sync(pos_counts=[counted(5, NOON + HOUR), counted(6, NOON + HOUR)])
    assert on_hand(db) == 6
    assert len([row for row in rows(db.variances()) if row["status"] in IN_FORCE]) == 2


def test_L1_rooms_of_one_session_are_summed(db: SyncStockDB) -> None:
    """12 in the cellar and 30 in the shop make 42, also when the two sheets arrive apart."""
    db.run_sync(pos_counts=[counted(12, NOON, session="stocktake", room="cellar")])
    db.run_sync(pos_counts=[counted(30, NOON, session="stocktake", room="shop")])
    assert on_hand(db) == 42
    assert told(variance(db, NOON))[:1] == (42,)


def test_L1_two_sources_that_disagree_at_one_instant_are_a_conflict_and_the_first_received_stays(
    db: SyncStockDB,
) -> None:
    """The till says 42, the handheld 44: 42 stays until a person says otherwise; then 44."""
    db.run_sync(pos_counts=[counted(42, NOON)])
    result = db.run_sync(pos_counts=[counted(44, NOON, source="handheld")])
    assert on_hand(db) == 42
    assert result.counts_conflict == 1
    (conflict,) = rows(db.conflicts())
    db.resolve(conflict["conflict_id"], keep="new", reason="the handheld was right")
    assert on_hand(db) == 44
    assert rows(db.conflicts()) == []


def test_L1_two_sources_that_agree_at_one_instant_are_no_conflict(db: SyncStockDB) -> None:
    """42 and 42: nothing to ask."""
    db.run_sync(pos_counts=[counted(42, NOON), counted(42, NOON, source="handheld")])
    assert on_hand(db) == 42
    assert rows(db.conflicts()) == []


def test_L1_an_advisory_source_never_touches_stock(
    open_database: OpenDatabase,
) -> None:
    """A master system says 500 where 42 were counted: a difference to look at, no stock."""
    db = open_database(Policies(sources={"master": SourcePolicy(kind="counts", trust="advisory")}))
    db.run_sync(pos_counts=[counted(42, NOON)])
    result = db.run_sync(pos_counts=[counted(500, NOON + HOUR, source="master")])
    assert (on_hand(db), result.counts_advisory) == (42, 1)
    assert len(rows(db.conflicts())) == 1
    assert db.audit() == {}


# -------------------------------------------------------------------- L2


def test_L2_yesterdays_report_can_be_reprinted_as_it_was(db: SyncStockDB) -> None:
    """Monday's report said 50 and 0 variance; a sale of Monday that arrives on Tuesday does not change the reprint."""
    db.run_sync([bought(50, NOON, "po")], recorded_at=NOON + HOUR)
    db.run_sync(pos_counts=[counted(50, NOON + 2 * HOUR)], recorded_at=NOON + 3 * HOUR)
    monday_evening = NOON + 8 * HOUR
    report = (stock(db), daily(db, DAY, DAY), rows(db.variances()), ledger(db))
    db.run_sync(sales=[sold(5, NOON + 3 * HOUR, "late")], recorded_at=NOON + 24 * HOUR)
    db.run_sync(sales=[sold(2, NOON + HOUR, "later")], recorded_at=NOON + 25 * HOUR)
    assert on_hand(db) == 45
    assert told(variance(db, NOON + 2 * HOUR))[:3] == (50, 48, 2)
    known = {"known_at": monday_evening}
    assert stock(db, **known) == report[0]
    assert daily(db, DAY, DAY, **known) == report[1]
    assert told(variance(db, NOON + 2 * HOUR, **known)) == told(report[2][0])
    assert {
        (row["effective_at"], row["delta"], row["running"])
        for row in rows(db.ledger(known_at=monday_evening))
    } == {(row["effective_at"], row["delta"], row["running"]) for row in report[3][SHOP]}


def test_L2_as_of_and_known_at_are_two_questions(db: SyncStockDB) -> None:
    """What did we think on Tuesday that we had on Monday? And what do we think now?"""
    db.run_sync([bought(10, NOON, "po")], recorded_at=NOON + HOUR)
    db.run_sync(sales=[sold(4, NOON + MICROSECOND, "late")], recorded_at=NOON + 24 * HOUR)
    assert on_hand(db, as_of=NOON + HOUR, known_at=NOON + 23 * HOUR) == 10
    assert on_hand(db, as_of=NOON + HOUR, known_at=NOON + 24 * HOUR) == 6
    assert on_hand(db, as_of=NOON, known_at=NOON + 48 * HOUR) == 10


def test_L2_a_recorded_time_in_the_past_is_raised_above_the_last_stamp_of_the_article_and_location(
    db: SyncStockDB,
) -> None:
    """Replayed history that goes back in time keeps its order of posting, and only for the articles concerned."""
    db.run_sync([bought(10, NOON, "a")], recorded_at=NOON + 5 * HOUR)
    db.run_sync([bought(1, NOON, "b"), PurchaseRecord(2002, 1, at=NOON, ref="c")], recorded_at=NOON + HOUR)
    stamps = {pair: [entry["recorded_at"] for entry in entries] for pair, entries in ledger(db).items()}
    assert min(stamps[SHOP]) == NOON + 5 * HOUR < max(stamps[SHOP])
    assert stamps[Pair(2002, "main")] == [NOON + HOUR]
    assert on_hand(db, known_at=NOON + 5 * HOUR) == 10


def test_L2_precedence_goes_by_the_order_of_receipt_and_not_of_arrival(db: SyncStockDB) -> None:
    """Tuesday's restatement was replayed before Monday's total: Tuesday's stays. Likewise a corrected count."""
    db.run_sync([PurchaseRecord(1001, 60, day=DAY)], recorded_at=NOON + 24 * HOUR)
    db.run_sync([PurchaseRecord(1001, 50, day=DAY)], recorded_at=NOON)
    assert on_hand(db) == 60
    db.run_sync(pos_counts=[counted(8, NOON)], recorded_at=NOON + 24 * HOUR)
    db.run_sync(pos_counts=[counted(7, NOON)], recorded_at=NOON + HOUR)
    assert on_hand(db) == 8


def test_L2_the_content_received_first_is_in_force_also_when_it_arrives_last(db: SyncStockDB) -> None:
    """A document line replayed out of order: what was received first counts, the other is the conflict."""
    db.run_sync([bought(5, NOON, "D", line="1")], recorded_at=NOON + 24 * HOUR)
    db.run_sync([bought(4, NOON, "D", line="1")], recorded_at=NOON + HOUR)
    assert on_hand(db) == 4
    assert len(rows(db.conflicts())) == 1


# -------------------------------------------------------------------- L3


def test_L3_a_late_sale_before_a_count_changes_the_variance_and_not_the_stock(db: SyncStockDB) -> None:
    """100 in, 90 counted: 10 are missing. 8 sold before the count turn up: 2 are missing, 90 are there."""
    db.run_sync([bought(100, NOON, "po")], pos_counts=[counted(90, NOON + 2 * HOUR)])
    assert told(variance(db, NOON + 2 * HOUR))[:3] == (90, 100, -10)
    db.run_sync(sales=[sold(8, NOON + HOUR, "late")])
    assert on_hand(db) == 90
    assert told(variance(db, NOON + 2 * HOUR))[:3] == (90, 92, -2)
    assert on_hand(db, as_of=NOON + HOUR) == 92


def test_L3_a_late_sale_after_a_count_changes_the_stock_and_not_the_variance(db: SyncStockDB) -> None:
    """The same sale an hour after the count: 82 are there, 10 are still missing."""
    db.run_sync([bought(100, NOON, "po")], pos_counts=[counted(90, NOON + 2 * HOUR)])
    db.run_sync(sales=[sold(8, NOON + 3 * HOUR, "late")])
    assert on_hand(db) == 82
    assert told(variance(db, NOON + 2 * HOUR))[:3] == (90, 100, -10)


def test_L3_a_late_movement_is_neutralised_at_the_next_count_only(db: SyncStockDB) -> None:
    """Of three counts only the first after the late sale is explained otherwise."""
    at = [NOON + n * HOUR for n in (1, 3, 5)]
    db.run_sync(pos_counts=[counted(n, t) for n, t in zip((100, 80, 60), at, strict=True)])
    db.run_sync(sales=[sold(20, NOON + 2 * HOUR, "late")])
    assert [told(variance(db, t))[2] for t in at[1:]] == [0, -20]
    assert on_hand(db) == 60


def test_L3_a_backdated_count_splits_what_the_next_one_has_to_explain(db: SyncStockDB) -> None:
    """100, then 80: 20 missing. A forgotten count of 95 in between: 5 missing there and 15 after it."""
    db.run_sync(pos_counts=[counted(100, NOON), counted(80, NOON + 4 * HOUR)])
    db.run_sync(pos_counts=[counted(95, NOON + 2 * HOUR)])
    assert told(variance(db, NOON + 2 * HOUR))[:3] == (95, 100, -5)
    assert told(variance(db, NOON + 4 * HOUR))[:3] == (80, 95, -15)
    assert on_hand(db) == 80


def test_L3_a_withdrawn_count_takes_all_adjustments_of_its_instant_with_it(db: SyncStockDB) -> None:
    """Counted 90, then 8 late sales neutralised there; the count is withdrawn: 92 by the movements alone."""
    db.run_sync([bought(100, NOON, "po")])
    count = db.run_sync(pos_counts=[counted(90, NOON + 2 * HOUR)])
    db.run_sync(sales=[sold(8, NOON + HOUR, "late")])
    db.rollback(count.operation_uuid, reason="wrong shelf")
    assert on_hand(db) == 92
    assert rows(db.variances()) == []


def test_L3_a_withdrawn_movement_before_a_count_changes_its_variance_only(db: SyncStockDB) -> None:
    """The late sale was another shop's: rolled back, 10 are missing again and 90 are there."""
    db.run_sync([bought(100, NOON, "po")], pos_counts=[counted(90, NOON + 2 * HOUR)])
    late = db.run_sync(sales=[sold(8, NOON + HOUR, "late")])
    db.rollback(late.operation_uuid, reason="another shop's")
    assert on_hand(db) == 90
    assert told(variance(db, NOON + 2 * HOUR))[:3] == (90, 100, -10)


def test_L3_the_ledger_sums_to_the_stock_at_every_instant(db: SyncStockDB) -> None:
    """Corrections, late rows and withdrawals later, the entries up to t still sum to the stock at t."""
    db.run_sync([bought(100, NOON, "po")], pos_counts=[counted(90, NOON + 2 * HOUR)])
    db.run_sync(sales=[sold(8, NOON + HOUR, "late"), sold(1, NOON + 3 * HOUR, "t")])
    db.run_sync(pos_counts=[counted(91, NOON + 2 * HOUR)])
    at = [NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
    assert [balances(ledger(db)[SHOP], t) for t in at] == [100, 92, 91, 90]
    assert [on_hand(db, as_of=t) for t in at] == [100, 92, 91, 90]
    assert ledger(db)[SHOP][-1]["running"] == 90


@pytest.mark.parametrize(
    "statement",
    [
        "update syncstock.ledger_entries set delta = 0",
        "delete from syncstock.ledger_entries",
        "truncate syncstock.ledger_entries",
        "truncate syncstock.ledger_entries cascade",
    ],
)
def test_L3_the_ledger_refuses_to_be_changed(db: SyncStockDB, statement: str) -> None:
    """Not even the owner of the table can update, delete or truncate."""
    db.run_sync([bought(100, NOON, "po")])
    with psycopg.connect(db.url) as connection, pytest.raises(psycopg.Error):
        connection.execute(statement)
    assert on_hand(db) == 100


def test_L3_no_entry_is_changed_or_lost_by_what_comes_later(db: SyncStockDB) -> None:
    """Every entry that was ever read is still there, as it was."""
    seen: list[dict[str, Any]] = []
    first = db.run_sync([bought(100, NOON, "po")], pos_counts=[counted(90, NOON + 2 * HOUR)])
    for step in (
        lambda: db.run_sync(sales=[sold(8, NOON + HOUR, "late")]),
        lambda: db.run_sync(pos_counts=[counted(95, NOON + 2 * HOUR)]),
        lambda: db.rollback(first.operation_uuid, reason="r"),
    ):
        before = ledger(db)[SHOP]
        step()
        after = ledger(db)[SHOP]
        plain = [{k: v for k, v in row.items() if k != "running"} for row in after]
        seen = [{k: v for k, v in row.items() if k != "running"} for row in before]
        assert all(row in plain for row in seen)


# -------------------------------------------------------------------- L4


def test_L4_four_deliveries_in_any_order_end_in_the_same(db: SyncStockDB) -> None:
    """A purchase, a count, a sale before it and a correction of the count, in all 24 orders of arrival."""
    for article, order in enumerate(permutations(range(4))):
        steps: list[dict[str, Any]] = [
            {"purchases": [PurchaseRecord(article, 100, at=NOON, ref=f"po-{article}")]},
            {"pos_counts": [POSRecord(article, 90, NOON + 2 * HOUR)]},
            {"sales": [SalesRecord(article, 8, at=NOON + HOUR, ref=f"late-{article}")]},
            {"pos_counts": [POSRecord(article, 91, NOON + 2 * HOUR)]},
        ]
        for n in order:
            db.run_sync(**steps[n], recorded_at=NOON + (10 + n) * HOUR)
        pair = Pair(article, "main")
        assert on_hand(db, pair) == 91, order
        (row,) = [row for row in rows(db.variances()) if row["inventory_id"] == article]
        assert told(row) == (91, 92, -1, "opening"), order
        tomorrow = DAY + timedelta(days=1)
        snapshot = {day: value for (day, p), value in daily(db, DAY, tomorrow).items() if p == pair}
        assert snapshot == {DAY: 91, tomorrow: 91}, order


def test_L4_a_backfill_equals_the_history_as_it_came(db: SyncStockDB, open_database: OpenDatabase) -> None:
    """Thirty days told day by day, and told backwards in one call per day: the same stock and snapshots."""
    days = [
        {
            "purchases": [bought(10 + n, NOON + timedelta(days=n), f"po-{n}")],
            "sales": [sold(n, NOON + timedelta(days=n, hours=1), f"till-{n}")],
            "pos_counts": [counted(7 * n, NOON + timedelta(days=n, hours=2))] if n % 7 == 6 else [],
            "recorded_at": NOON + timedelta(days=n, hours=8),
        }
        for n in range(30)
    ]
    for day in days:
        db.run_sync(**day)
    backfilled = open_database()
    for day in reversed(days):
        backfilled.run_sync(**day)
    last = DAY + timedelta(days=31)
    assert stock(backfilled) == stock(db)
    assert daily(backfilled, DAY, last) == daily(db, DAY, last)
    assert [told(row) for row in rows(backfilled.variances())] == [told(row) for row in rows(db.variances())]


def test_L4_a_rebuild_changes_nothing(db: SyncStockDB) -> None:
    """The caches computed anew from the ledger are what they were, and no entry is added."""
    db.run_sync([bought(100, NOON, "po")], pos_counts=[counted(90, NOON + 2 * HOUR)])
    db.run_sync(sales=[sold(8, NOON + HOUR, "late")])
    before = (stock(db), ledger(db), daily(db, DAY, DAY), rows(db.variances()))
    db.rebuild()
    assert (stock(db), ledger(db), daily(db, DAY, DAY), rows(db.variances())) == before


# -------------------------------------------------------------------- L5


def test_L5_day_totals_of_50_and_60_and_50_end_at_50(db: SyncStockDB) -> None:
    """A later total restates the day; it does not add up."""
    for total in (50, 60, 50):
        db.run_sync([PurchaseRecord(1001, total, day=DAY)])
        assert on_hand(db) == total


def test_L5_contributions_to_a_day_total_in_one_delivery_are_summed(db: SyncStockDB) -> None:
    """Two tills report 30 and 20 in one call: 50; tomorrow's restatement says 45 in one row: 45."""
    db.run_sync([PurchaseRecord(1001, 30, day=DAY), PurchaseRecord(1001, 20, day=DAY)])
    assert on_hand(db) == 50
    db.run_sync([PurchaseRecord(1001, 45, day=DAY)])
    assert on_hand(db) == 45


def test_L5_totals_and_documents_of_one_day_add_up(db: SyncStockDB) -> None:
    """The total of a day and a document of that day are two pieces of evidence."""
    db.run_sync([PurchaseRecord(1001, 50, day=DAY), bought(5, NOON, "po")])
    assert on_hand(db) == 55


def test_L5_totals_of_another_day_source_place_or_reason_are_other_totals(db: SyncStockDB) -> None:
    """Each of the four tells totals apart."""
    db.upsert_locations([{"code": "B", "timezone": "UTC"}])
    db.run_sync([PurchaseRecord(1001, 1, day=DAY)])
    db.run_sync([PurchaseRecord(1001, 10, day=DAY + timedelta(days=1))])
    db.run_sync([PurchaseRecord(1001, 100, day=DAY, source="wms")])
    db.run_sync([PurchaseRecord(1001, 1000, day=DAY, location="B")])
    db.run_sync([PurchaseRecord(1001, 10000, day=DAY, reason="found")])
    assert stock(db) == {SHOP: 10111, Pair(1001, "B"): 1000}


def test_L5_a_document_line_seen_again_with_the_same_content_is_ignored(db: SyncStockDB) -> None:
    """The same till line in two files is one sale."""
    for expected in (1, 0):
        result = db.run_sync(sales=[sold(3, NOON, "till-1", line="7")])
        assert (result.movements_new, result.movements_duplicate) == (expected, 1 - expected)
    assert on_hand(db) == -3


def test_L5_honest_rows_that_look_the_same_all_count(db: SyncStockDB) -> None:
    """Three times one piece on one receipt, without line numbers, are three pieces; sent again they stay three."""
    for _ in range(2):
        db.run_sync(sales=[sold(1, NOON, "receipt")] * 3)
        assert on_hand(db) == -3
    db.run_sync(sales=[sold(1, NOON, "receipt")] * 4)
    assert on_hand(db) == -4


def test_L5_a_changed_line_is_a_conflict_until_a_person_chooses(db: SyncStockDB) -> None:
    """3 became 4: nothing happens by itself; 'new' withdraws the 3 and posts the 4."""
    db.run_sync(sales=[sold(3, NOON, "till-1", line="7")])
    result = db.run_sync(sales=[sold(4, NOON, "till-1", line="7")])
    assert (result.movements_conflict, on_hand(db)) == (1, -3)
    assert result.needs_person
    (conflict,) = rows(db.conflicts())
    assert (conflict["source"], conflict["document"], conflict["line"]) == ("sales", "till-1", "7")
    db.resolve(conflict["conflict_id"], keep="new", reason="typing error")
    assert on_hand(db) == -4
    assert rows(db.conflicts()) == []


def test_L5_a_conflict_resolved_for_the_old_content_stays_resolved(db: SyncStockDB) -> None:
    """'old' keeps the 3; the same 4 sent once more asks nobody again."""
    db.run_sync(sales=[sold(3, NOON, "till-1", line="7")])
    db.run_sync(sales=[sold(4, NOON, "till-1", line="7")])
    (conflict,) = rows(db.conflicts())
    db.resolve(conflict["conflict_id"], keep="old", reason="3 is right")
    db.run_sync(sales=[sold(4, NOON, "till-1", line="7")])
    assert on_hand(db) == -3
    assert rows(db.conflicts()) == []


def test_L5_a_content_is_chosen_though_the_delivery_that_raised_the_conflict_is_withdrawn(
    db: SyncStockDB,
) -> None:
    """8 and then 5 in one file, sent twice, the first one rolled back: the 5 of the second can still be chosen."""
    file = [sold(8, NOON, "D", line="1"), sold(5, NOON, "D", line="1")]
    first = db.run_sync(sales=file)
    db.run_sync(sales=file)
    db.rollback(first.operation_uuid, reason="sent twice")
    (conflict,) = rows(db.conflicts())
    db.resolve(conflict["conflict_id"], keep="new", reason="five, says the receipt")
    assert on_hand(db) == -5
    assert db.audit() == {}


def test_L5_a_source_may_restate_without_asking(open_database: OpenDatabase) -> None:
    """``on_change = restate``: 3, then 4, then 3 again ends at 3, and no conflict is raised."""
    db = open_database(Policies(sources={"wms": SourcePolicy(on_change="restate")}))
    for qty in (3, 4, 3):
        db.run_sync(movements=[MovementRecord(1001, qty, at=NOON, ref="D", line="1", source="wms")])
        assert on_hand(db) == qty
    assert rows(db.conflicts()) == []
    assert db.audit() == {}


def test_L5_a_key_used_twice_answers_already_received_and_changes_nothing(db: SyncStockDB) -> None:
    """The caller's key is the identity of its delivery."""
    first = run_syncstock(db, [PurchaseRecord(1001, 50, day=DAY)], idempotency_key="monday")
    second = run_syncstock(db, [PurchaseRecord(1001, 60, day=DAY)], idempotency_key="monday")
    assert (first.status, second.status) == ("posted", "already received")
    assert on_hand(db) == 50


def test_L5_an_answer_names_the_operation_that_posted_the_delivery(db: SyncStockDB) -> None:
    """Who lost the first answer gets the operation from the second: it can be looked up and rolled back."""
    call = {"sales": [sold(3, NOON, "till-1")], "idempotency_key": "monday"}
    first = db.run_sync(**call)
    answer = db.run_sync(**call)
    assert answer.operation_uuid == first.operation_uuid
    assert db.rollback(answer.operation_uuid, reason="r").status == "rolled back"
    assert on_hand(db) == 0


def test_L5_an_old_delivery_sent_again_does_not_beat_the_correction_made_after_it(db: SyncStockDB) -> None:
    """50, corrected to 60; the old file turns up again: 60. Asked for again explicitly it is a new delivery: 50."""
    call = {"purchases": [PurchaseRecord(1001, 50, day=DAY)], "idempotency_key": "monday"}
    db.run_sync(**call)
    db.run_sync([PurchaseRecord(1001, 60, day=DAY)])
    assert db.run_sync(**call).status == "already received"
    assert on_hand(db) == 60
    assert db.run_sync(**call, again=True).status == "posted"
    assert on_hand(db) == 50


def test_L5_what_was_rolled_back_says_so_when_it_is_sent_again_and_comes_back_only_when_asked(
    db: SyncStockDB,
) -> None:
    """Rolled back, sent again under its key: 'rolled back'. With again: in force."""
    call = {"sales": [sold(3, NOON, "till-1")], "idempotency_key": "monday"}
    first = db.run_sync(**call)
    db.rollback(first.operation_uuid, reason="test data")
    assert on_hand(db) == 0
    assert db.run_sync(**call).status == "rolled back"
    assert on_hand(db) == 0
    assert db.run_sync(**call, again=True).status == "posted"
    assert on_hand(db) == -3


def test_L5_after_a_withdrawal_the_earliest_remaining_delivery_takes_over(db: SyncStockDB) -> None:
    """A, A again (a duplicate), then B (a conflict); the first A is withdrawn: the second A is in force, then B."""
    first, second, _ = (
        db.run_sync(sales=[sold(qty, NOON, "till-1", line="7")]).operation_uuid for qty in (3, 3, 9)
    )
    assert on_hand(db) == -3
    db.rollback(first, reason="r")
    assert on_hand(db) == -3
    db.rollback(second, reason="r")
    assert on_hand(db) == -9


def test_L5_a_withdrawn_restatement_of_a_day_leaves_the_total_before_it(db: SyncStockDB) -> None:
    """50, then 60; the 60 is withdrawn: 50."""
    db.run_sync([PurchaseRecord(1001, 50, day=DAY)])
    second = db.run_sync([PurchaseRecord(1001, 60, day=DAY)])
    db.rollback(second.operation_uuid, reason="r")
    assert on_hand(db) == 50


def test_L5_a_withdrawn_correction_of_a_count_leaves_the_count_before_it(db: SyncStockDB) -> None:
    """90, corrected to 99, the correction withdrawn: 90."""
    db.run_sync(pos_counts=[counted(90, NOON)])
    second = db.run_sync(pos_counts=[counted(99, NOON)])
    db.rollback(second.operation_uuid, reason="r")
    assert on_hand(db) == 90


def test_L5_rolled_back_twice_is_rolled_back_once_and_a_rollback_can_be_rolled_back(db: SyncStockDB) -> None:
    """Withdrawal is a fact about a delivery, not an entry that adds up."""
    sale = db.run_sync(sales=[sold(3, NOON, "till-1")])
    rollback = db.rollback(sale.operation_uuid, reason="r")
    db.rollback(sale.operation_uuid, reason="r")
    assert on_hand(db) == 0
    db.rollback(rollback.operation_uuid, reason="it was right")
    assert on_hand(db) == -3


def test_L5_a_transfer_has_two_legs_and_one_identity(db: SyncStockDB) -> None:
    """5 leave A at noon and reach B at three; in between they are at neither; sent again they are the same 5."""
    db.upsert_locations([{"code": "A", "timezone": "UTC"}, {"code": "B", "timezone": "Africa/Cairo"}])
    transfer = TransferRecord(1001, 5, NOON, "A", "B", "T-17", line="1", arrives_at=NOON + 3 * HOUR)
    for _ in range(2):
        db.run_sync(movements=[transfer])
        a, b = Pair(1001, "A"), Pair(1001, "B")
        assert [(on_hand(db, a, as_of=t), on_hand(db, b, as_of=t)) for t in (NOON, NOON + 3 * HOUR)] == [
            (-5, 0),
            (-5, 5),
        ]


def test_L5_a_changed_arrival_of_a_transfer_is_one_conflict_about_the_whole(db: SyncStockDB) -> None:
    """6 instead of 5: neither leg changes; chosen, both do."""
    db.upsert_locations([{"code": "A", "timezone": "UTC"}, {"code": "B", "timezone": "UTC"}])
    a, b = Pair(1001, "A"), Pair(1001, "B")
    for qty in (5, 6):
        db.run_sync(movements=[TransferRecord(1001, qty, NOON, "A", "B", "T-17", line="1")])
        assert (on_hand(db, a), on_hand(db, b)) == (-5, 5)
    (conflict,) = rows(db.conflicts())
    db.resolve(conflict["conflict_id"], keep="new", reason="six were packed")
    assert (on_hand(db, a), on_hand(db, b)) == (-6, 6)


# -------------------------------------------------------------------- L6


def test_L6_negative_stock_and_negative_counts_are_accepted_and_flagged(db: SyncStockDB) -> None:
    """5 sold that nobody had, a count of minus two: shown as they are, with the instant stock went below zero."""
    db.run_sync(sales=[sold(5, NOON, "till")])
    assert on_hand(db) == -5
    db.run_sync(pos_counts=[counted(-2, NOON + HOUR)])
    assert on_hand(db) == -2
    with psycopg.connect(db.url) as connection:
        negative = connection.execute(
            "select on_hand, negative_since from syncstock.negative_stock"
        ).fetchall()
    assert negative == [(Decimal(-2), NOON)]


def test_L6_an_unknown_location_waits_and_is_replayed_in_its_place_once_it_is_known(db: SyncStockDB) -> None:
    """Restated totals of an unknown shop: once it is known, the later of the two received is the total."""
    result = db.run_sync([PurchaseRecord(1001, 50, day=DAY, location="new shop")])
    assert (result.quarantined, stock(db)) == (1, {})
    db.run_sync([PurchaseRecord(1001, 60, day=DAY, location="new shop")])
    db.run_sync(pos_counts=[counted(58, NOON, location="new shop")])
    assert len(rows(db.quarantine())) == 3
    db.upsert_locations([{"code": "new shop", "timezone": "Africa/Cairo"}])
    pair = Pair(1001, "new shop")
    assert on_hand(db, pair) == 58
    assert told(variance(db, NOON))[:3] == (58, 60, -2)
    assert rows(db.quarantine()) == []
    assert ledger(db)[pair][0]["effective_at"] == datetime(2024, 3, 3, 22, tzinfo=UTC)


def test_L6_what_waited_for_its_location_is_first_when_it_was_received_first(db: SyncStockDB) -> None:
    """The line's first delivery named an unknown shop; known, it is in force, and the second is the conflict."""
    db.run_sync(sales=[sold(3, NOON, "D", line="1", location="new shop")])
    db.run_sync(sales=[sold(4, NOON, "D", line="1")])
    assert stock(db) == {SHOP: -4}
    db.upsert_locations([{"code": "new shop", "timezone": "UTC"}])
    assert {pair: value for pair, value in stock(db).items() if value} == {Pair(1001, "new shop"): -3}
    assert len(rows(db.conflicts())) == 1


def test_L6_withdrawn_evidence_does_not_come_out_of_quarantine(db: SyncStockDB) -> None:
    """The delivery was rolled back while it waited: nothing is replayed. Reinstated, it is."""
    sale = db.run_sync(sales=[sold(3, NOON, "D", location="new shop")])
    rollback = db.rollback(sale.operation_uuid, reason="r")
    db.upsert_locations([{"code": "new shop", "timezone": "UTC"}])
    assert not any(stock(db).values())
    db.rollback(rollback.operation_uuid, reason="right after all")
    assert on_hand(db, Pair(1001, "new shop")) == -3


def test_L6_evidence_dated_beyond_tomorrow_waits(db: SyncStockDB) -> None:
    """A till with a wrong clock: next year's sale waits; tomorrow's is taken."""
    now = datetime.now(UTC)
    result = db.run_sync(sales=[sold(3, now + timedelta(days=365), "wrong"), sold(4, now + HOUR, "soon")])
    assert result.quarantined == 1
    assert [row["delta"] for entries in ledger(db).values() for row in entries] == [-4]


def test_L6_an_article_nobody_announced_becomes_a_placeholder(db: SyncStockDB) -> None:
    """Its SKU is the text of its number."""
    db.run_sync([bought(1, NOON, "po")])
    (product,) = [row for row in rows(db.products()) if row["inventory_id"] == 1001]
    assert product["sku"] == "1001"


# -------------------------------------------------------------------- L7


def test_L7_quantities_are_exact(db: SyncStockDB) -> None:
    """A tenth ten times is one; eighteen digits before the point and twelve after it are kept, bought or sold."""
    db.run_sync([bought(Decimal("0.1"), NOON, "po", line=str(n)) for n in range(10)])
    assert on_hand(db) == 1
    big = Decimal("123456789012345678.123456789012")
    db.run_sync([PurchaseRecord(7, big, at=NOON, ref="a")], [SalesRecord(8, big, at=NOON, ref="b")])
    assert on_hand(db, Pair(7, "main")) == big
    assert on_hand(db, Pair(8, "main")) == big.copy_negate()
    db.run_sync([PurchaseRecord(7, Decimal("1E-12"), at=NOON, ref="c")])
    assert str(on_hand(db, Pair(7, "main"))) == "123456789012345678.123456789013"


def test_L7_a_naive_time_is_local_to_the_location(db: SyncStockDB) -> None:
    """Nine in the morning in Cairo is seven in UTC in winter."""
    db.upsert_locations([{"code": "Cairo", "timezone": "Africa/Cairo"}])
    db.run_sync(pos_counts=[counted(5, datetime(2024, 1, 10, 9), location="Cairo")])
    assert rows(db.variances())[0]["counted_at"] == datetime(2024, 1, 10, 7, tzinfo=UTC)


def test_L7_a_zone_is_fixed_once_a_location_has_evidence(db: SyncStockDB) -> None:
    """Before it may be corrected; after it never."""
    db.upsert_locations([{"code": "X", "timezone": "Africa/Cairo"}])
    db.upsert_locations([{"code": "X", "timezone": "Europe/London"}])
    db.run_sync([bought(1, NOON, "po", location="X")])
    with pytest.raises(Exception, match=r"X.*zone|zone.*X"):
        db.upsert_locations([{"code": "X", "timezone": "Africa/Cairo"}])
    (location,) = [row for row in rows(db.locations()) if row["code"] == "X"]
    assert location["timezone"] == "Europe/London"


def test_L7_codes_are_compared_exactly(db: SyncStockDB) -> None:
    """'a', 'A' and ' a' are three articles, and three places."""
    made = db.upsert_products([{"sku": sku, "name": "n"} for sku in ("a", "A", " a")])
    assert made["inventory_id"].nunique() == 3
    db.upsert_locations([{"code": code, "timezone": "UTC"} for code in ("a", "A", " a")])
    db.run_sync([bought(n, NOON, f"po-{n}", location=code) for n, code in ((1, "a"), (2, "A"), (3, " a"))])
    assert {pair.location: value for pair, value in stock(db).items()} == {"a": 1, "A": 2, " a": 3}


# -------------------------------------------------------------------- L8


def test_L8_a_movement_known_by_its_day_stands_before_the_counts_of_that_day(db: SyncStockDB) -> None:
    """The default: a count made on the day is final for it."""
    db.run_sync([PurchaseRecord(1001, 50, day=DAY)], pos_counts=[counted(45, NOON)])
    assert on_hand(db) == 45
    assert told(variance(db, NOON))[:3] == (45, 50, -5)


def test_L8_a_source_may_say_that_its_days_stand_after_the_counts(open_database: OpenDatabase) -> None:
    """``after_counts``: the day's last microsecond, so that the count of noon does not contain it."""
    db = open_database(Policies(sources={"sales": SourcePolicy(kind="sales", day_grain="after_counts")}))
    db.run_sync(sales=[SalesRecord(1001, 5, day=DAY)], pos_counts=[counted(45, NOON)])
    assert on_hand(db) == 40
    assert on_hand(db, as_of=datetime(2024, 3, 4, 23, 59, 59, 999998, tzinfo=UTC)) == 45
    assert daily(db, DAY, DAY) == {(DAY, SHOP): 40}
    assert db.audit() == {}


def test_L8_a_movement_while_the_counting_went_on_bounds_the_variance(db: SyncStockDB) -> None:
    """Counted from eleven to noon, 4 sold at half past: the count may have seen them or not; the variance says so."""
    db.run_sync([bought(100, NOON - 5 * HOUR, "po")])
    db.run_sync(sales=[sold(4, NOON - HOUR / 2, "till")])
    db.run_sync(pos_counts=[counted(96, NOON, counted_from=NOON - HOUR)])
    row = variance(db, NOON)
    assert told(row)[:3] == (96, 96, 0)
    bounds = sorted(value for name, value in row.items() if name in {"low", "high"})
    assert bounds == [-4, 0]


# -------------------------------------------------------------------- L9


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("difference", "status"),
    [(9, "applied"), (10, "review"), (11, "review"), (99, "review"), (100, "review"), (101, "held")],
)
def test_L9_the_gate_decides_by_the_absolute_variance(
    db: SyncStockDB, difference: int, status: str, sign: int
) -> None:
    """Below 10 applied; 10 to 100 applied and listed for review; above 100 held, and stock untouched."""
    db.run_sync(pos_counts=[counted(500, NOON, source="excel")])
    result = db.run_sync(pos_counts=[counted(500 + sign * difference, NOON + HOUR, source="excel")])
    row = variance(db, NOON + HOUR)
    assert told(row) == (500 + sign * difference, 500, sign * difference, status)
    assert on_hand(db) == (500 if status == "held" else 500 + sign * difference)
    assert (result.counts_held, result.counts_review) == (int(status == "held"), int(status == "review"))


def test_L9_the_first_count_of_an_article_at_a_location_is_its_opening_whatever_it_says(
    db: SyncStockDB,
) -> None:
    """No book to differ from: 5000 is applied, with the status opening."""
    db.run_sync(pos_counts=[counted(5000, NOON, source="excel")])
    assert on_hand(db) == 5000
    assert variance(db, NOON)["status"] == "opening"


def test_L9_a_held_count_does_not_touch_stock_until_a_person_approves(db: SyncStockDB) -> None:
    """300 where 500 should be: held; approved, it is applied at the instant it was counted."""
    db.run_sync(pos_counts=[counted(500, NOON, source="excel")])
    db.run_sync(pos_counts=[counted(300, NOON + HOUR, source="excel")])
    db.run_sync(sales=[sold(7, NOON + 2 * HOUR, "till")])
    assert on_hand(db) == 493
    db.approve([variance(db, NOON + HOUR)["count_id"]], reason="counted twice", who="Mona")
    assert on_hand(db) == 293
    assert variance(db, NOON + HOUR)["status"] in {"applied", "review"}


def test_L9_a_rejected_count_stays_rejected(db: SyncStockDB) -> None:
    """Whatever comes late, whatever is rebuilt: a person said no."""
    db.run_sync(pos_counts=[counted(500, NOON, source="excel")])
    db.run_sync(pos_counts=[counted(300, NOON + 2 * HOUR, source="excel")])
    db.reject([variance(db, NOON + 2 * HOUR)["count_id"]], reason="wrong shelf", who="Mona")
    db.run_sync(sales=[sold(200, NOON + HOUR, "late")])
    db.rebuild()
    assert variance(db, NOON + 2 * HOUR)["status"] == "rejected"
    assert on_hand(db) == 300
    db.run_sync(sales=[sold(1, NOON + HOUR, "later")])
    assert on_hand(db) == 299


@pytest.mark.parametrize(("decide", "stock"), [("approve", 300), ("reject", 500)])
def test_L9_the_same_count_again_takes_its_decision_over_and_loses_it_with_it(
    db: SyncStockDB, decide: str, stock: int
) -> None:
    """The sheet comes a second time after somebody has decided: no new question, until the decision is undone."""
    again = [counted(300, NOON + 2 * HOUR, source="excel")]
    db.run_sync(pos_counts=[counted(500, NOON, source="excel")])
    db.run_sync(pos_counts=again)
    held = variance(db, NOON + 2 * HOUR)["count_id"]
    decision = getattr(db, decide)([held], reason="looked at the shelf", who="Mona")
    db.run_sync(pos_counts=again)
    assert on_hand(db) == stock
    assert "held" not in set(db.variances()["status"])
    db.rollback(decision.operation_uuid, reason="it was the other shelf")
    assert on_hand(db) == 500
    assert variance(db, NOON + 2 * HOUR)["status"] == "held"
    assert db.audit() == {}


def test_L9_a_count_let_through_where_somebody_spoke_first_explains_no_later_one(db: SyncStockDB) -> None:
    """The till said 500 at one, so a sheet's 450 for one is a conflict, and its 360 for two still lacks 140."""
    db.run_sync(pos_counts=[counted(500, NOON), counted(500, NOON + HOUR)])
    db.run_sync(
        pos_counts=[
            counted(450, NOON + HOUR, source="excel"),
            counted(360, NOON + 2 * HOUR, source="excel"),
        ]
    )
    assert on_hand(db) == 500
    assert told(variance(db, NOON + 2 * HOUR)) == (360, 500, -140, "held")
    assert db.audit() == {}


def test_L9_a_hold_of_the_gate_ends_by_itself_when_late_rows_explain_the_difference(db: SyncStockDB) -> None:
    """300 where 500 should be; the 195 sold in between arrive: 5 are missing, and the count is applied."""
    db.run_sync(pos_counts=[counted(500, NOON, source="excel")])
    db.run_sync(pos_counts=[counted(300, NOON + 2 * HOUR, source="excel")])
    db.run_sync(sales=[sold(195, NOON + HOUR, "late")])
    assert on_hand(db) == 300
    assert told(variance(db, NOON + 2 * HOUR)) == (300, 305, -5, "applied")


def test_L9_an_applied_count_is_not_gated_again_but_flagged_when_its_variance_grows(db: SyncStockDB) -> None:
    """Applied with 5 missing; a forgotten delivery of 300 makes 305 missing: flagged, and 495 stay."""
    db.run_sync(pos_counts=[counted(500, NOON, source="excel")])
    db.run_sync(pos_counts=[counted(495, NOON + 2 * HOUR, source="excel")])
    db.run_sync([bought(300, NOON + HOUR, "forgotten")])
    db.rebuild()
    assert told(variance(db, NOON + 2 * HOUR)) == (495, 800, -305, "flagged")
    assert on_hand(db) == 495


def test_L9_a_decision_is_recorded_with_who_why_and_what_was_decided_on(db: SyncStockDB) -> None:
    """The gate's hold and Mona's approval are both there."""
    db.run_sync(pos_counts=[counted(500, NOON, source="excel")])
    db.run_sync(pos_counts=[counted(300, NOON + HOUR, source="excel")])
    db.approve([variance(db, NOON + HOUR)["count_id"]], reason="counted twice", who="Mona")
    with psycopg.connect(db.url) as connection:
        decisions = connection.execute(
            "select decision, counted, expected, decided_by, reason, digest <> '', decided_at is not null"
            " from syncstock.decisions where counted = 300 order by decision_id"
        ).fetchall()
    assert decisions[0][:4] == ("held", 300, 500, "gate")
    assert decisions[-1] == ("applied", 300, 500, "Mona", "counted twice", True, True)


# -------------------------------------------------------------------- L10


def test_L10_a_sync_that_fails_leaves_nothing_but_a_note(db: SyncStockDB) -> None:
    """The database refuses in the middle: no row of the call is kept, the status says ERROR, and the next run works."""
    db.run_sync([bought(1, NOON, "before")])
    with psycopg.connect(db.url, autocommit=True) as connection:
        connection.execute(
            "create function syncstock.refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'the disk is full, say'; end $$"
        )
        connection.execute(
            "create trigger refuse before insert or update on syncstock.item_stock"
            " for each statement execute function syncstock.refuse()"
        )
        call = {
            "purchases": [bought(5, NOON, "po"), PurchaseRecord(7, 50, day=DAY)],
            "pos_counts": [counted(4, NOON)],
            "idempotency_key": "k",
        }
        with pytest.raises(Exception, match="disk is full"):
            db.run_sync(**call)
        assert stock(db) == {SHOP: 1}
        assert len(ledger(db)[SHOP]) == 1
        status = db.get_status()
        assert status["status"] == "ERROR"
        assert "disk is full" in status["notes"]
        left = connection.execute(
            "select relname from pg_class where relpersistence = 't' and relkind = 'r'"
        ).fetchall()
        assert left == []
        connection.execute("drop function syncstock.refuse cascade")
    assert db.run_sync(**call).status == "posted"
    assert stock(db) == {SHOP: 4, Pair(7, "main"): 50}
    assert db.get_status()["status"] == "OK"


def test_L10_a_dry_run_tells_what_would_happen_and_changes_nothing(db: SyncStockDB) -> None:
    """The same figures as the run itself, and no trace."""
    call = {"purchases": [bought(5, NOON, "po")], "pos_counts": [counted(4, NOON)], "idempotency_key": "k"}
    dry = db.run_sync(**call, dry_run=True)
    assert dry.status == "dry run"
    assert (stock(db), ledger(db), db.get_watermarks()) == ({}, {}, [])
    real = db.run_sync(**call)
    assert real.status == "posted"
    assert (dry.movements_new, dry.counts_new, dry.ledger_entries) == (
        real.movements_new,
        real.counts_new,
        real.ledger_entries,
    )


def test_L10_the_version_rises_by_one_per_operation_that_changes_the_row(db: SyncStockDB) -> None:
    """Five rows in one call are one step; a duplicate is none; another article's sync is none."""

    def version() -> int:
        with psycopg.connect(db.url) as connection:
            row = connection.execute(
                "select version from syncstock.item_stock where inventory_id = 1001"
            ).fetchone()
        assert row is not None
        return int(row[0])

    db.run_sync([bought(n, NOON, f"po-{n}") for n in range(1, 5)], pos_counts=[counted(3, NOON)])
    first = version()
    db.run_sync([bought(1, NOON, "po-1")])
    db.run_sync([PurchaseRecord(2002, 1, day=DAY)])
    assert version() == first
    sale = db.run_sync(sales=[sold(1, NOON + HOUR, "a"), sold(1, NOON + 2 * HOUR, "b")])
    assert version() == first + 1
    db.rollback(sale.operation_uuid, reason="r")
    assert version() == first + 2


# -------------------------------------------------------------------- L11


def test_L11_a_sync_takes_as_many_round_trips_for_a_thousand_articles_as_for_two(db: SyncStockDB) -> None:
    """No loop over articles: the number of statements does not depend on how many there are."""
    trips = []
    with Wire(db.url) as wire:
        through = SyncStockDB(wire.url)
        for articles, ref in ((range(2), "warm"), (range(10, 12), "few"), (range(100, 1100), "many")):
            before = len(wire.trips)
            through.run_sync(
                [PurchaseRecord(n, 5, at=NOON, ref=ref) for n in articles],
                [SalesRecord(n, 1, day=DAY) for n in articles],
                [POSRecord(n, 7, NOON + HOUR) for n in articles],
            )
            # From a certain size on the planner is told once per table what the run holds.
            trips.append([sql for sql in wire.trips[before:] if not sql.startswith("analyze")])
        through.close()
    assert trips[2] == trips[1]


def test_L11_watermarks_follow_recorded_time_and_never_decide_what_is_applied(db: SyncStockDB) -> None:
    """A sale that is older than every watermark is applied all the same; after a reset nothing is applied twice."""
    before = datetime.now(UTC)
    db.run_sync([PurchaseRecord(1001, 50, day=DAY)], [sold(5, NOON, "a")])
    marks = {row["source_type"]: row["last_processed_at"] for row in db.get_watermarks()}
    assert marks.keys() == {"purchases", "sales"}
    assert all(mark >= before - timedelta(seconds=5) for mark in marks.values())
    db.run_sync(sales=[sold(1, NOON - timedelta(days=300), "old")])
    assert on_hand(db) == 44
    db.reset_watermarks()
    assert all(row["last_processed_at"] is None for row in db.get_watermarks())
    db.run_sync(sales=[sold(5, NOON, "a"), sold(1, NOON - timedelta(days=300), "old")])
    assert on_hand(db) == 44


# -------------------------------------------------------------------- L12


def test_L12_a_published_day_that_changes_is_logged_once_with_its_old_and_new_value(db: SyncStockDB) -> None:
    """Four days published at 50; a sale of the first turns up: one restatement from 50 to 45 for the whole range."""
    db.run_sync([bought(50, NOON, "po")])
    db.close_day(DAY + timedelta(days=3))
    result = db.run_sync(sales=[sold(5, NOON + HOUR, "late")])
    (row,) = rows(db.restatements())
    assert result.restatements == 1
    assert (row["kind"], row["first_day"], row["last_day"]) == ("snapshot", DAY, DAY + timedelta(days=3))
    assert (row["old_value"], row["new_value"]) == (50, 45)
    assert row["caused_by"] is not None and len(row["caused_by"]) == 1


def test_L12_only_the_changed_range_up_to_the_next_count_is_restated(db: SyncStockDB) -> None:
    """A count on the third day ends what the late sale changes; the variance of that count is restated too."""
    third = NOON + timedelta(days=2)
    db.run_sync([bought(50, NOON, "po")], pos_counts=[counted(44, third)])
    db.close_day(DAY + timedelta(days=5))
    db.run_sync(sales=[sold(5, NOON + HOUR, "late")])
    restated = {row["kind"]: row for row in rows(db.restatements())}
    assert len(rows(db.restatements())) == 2
    snapshot, change = restated["snapshot"], restated["variance"]
    assert (snapshot["first_day"], snapshot["last_day"]) == (DAY, DAY + timedelta(days=1))
    assert (snapshot["old_value"], snapshot["new_value"]) == (50, 45)
    assert (change["counted_at"], change["old_value"], change["new_value"]) == (third, -6, -1)


def test_L12_what_changes_before_publication_or_changes_nothing_is_not_logged(db: SyncStockDB) -> None:
    """A day nobody published, a duplicate, and a sale that a return outweighs on the same day."""
    db.run_sync([bought(50, NOON, "po")])
    db.run_sync(sales=[sold(5, NOON, "a")])
    db.close_day(DAY)
    db.run_sync(sales=[sold(5, NOON, "a")])
    db.run_sync(sales=[sold(5, NOON + HOUR, "b"), sold(-5, NOON + 2 * HOUR, "c")])
    db.run_sync(sales=[sold(1, NOON + timedelta(days=1), "d")])
    assert rows(db.restatements()) == []
