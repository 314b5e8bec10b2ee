"""Lists that staff keep (``sheet = "list"``): only changed lines are counts, and what is not written off is listed.

What belongs here: the mission's first scenario and what may happen around it. What does not: the report of the evening.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from syncstock_dagster import POSRecord, PurchaseRecord, SalesRecord, SyncStockDB
from syncstock_dagster.sources import parse_file
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster_tests.stock.compare import rows
from syncstock_dagster_tests.stock.conftest import OpenDatabase

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MUG, BOWL = 1, 2
POLICIES = Policies(
    sources={"excel": SourcePolicy(kind="counts", trust="gated", unknown_sku="create", sheet="list")}
)


@pytest.fixture
def db(open_database: OpenDatabase) -> Iterator[SyncStockDB]:
    """A shop that keeps a list: 1,000 mugs and 50 bowls on Monday morning. Every law must hold at the end."""
    database = open_database(POLICIES)
    write(database, MONDAY, {MUG: 1000, BOWL: 50})
    yield database
    assert database.audit() == {}


def write(db: SyncStockDB, at: datetime, lines: dict[int, Any]) -> Any:
    """The list as staff send it at a time."""
    return db.run_sync(
        pos_counts=[POSRecord(n, quantity, at, source="excel") for n, quantity in lines.items()]
    )


def sell(db: SyncStockDB, quantity: Any, at: datetime, article: int = MUG) -> None:
    db.run_sync(sales=[SalesRecord(article, quantity, at=at, ref=f"till-{article}-{at}")])


def stock(db: SyncStockDB) -> dict[int, Decimal]:
    return {row["inventory_id"]: row["on_hand"] for row in rows(db.on_hand())}


def lacking(db: SyncStockDB) -> dict[int, tuple[Any, ...]]:
    return {
        row["inventory_id"]: (
            row["listed"],
            row["book"],
            row["difference"],
            row["moved"],
            row["is_explained"],
        )
        for row in rows(db.not_written_off())
    }


def test_what_is_not_written_off_is_listed_and_never_applied(db: SyncStockDB) -> None:
    """Excel says 1000, the system 800, 200 were sold today: nothing is applied. Written off, it is closed, once."""
    sell(db, 200, MONDAY + 4 * HOUR)
    result = write(db, MONDAY + DAY, {MUG: 1000, BOWL: 50})
    assert (result.counts_listed, result.counts_applied, result.counts_held) == (2, 0, 0)
    assert stock(db) == {MUG: 800, BOWL: 50}
    assert lacking(db) == {MUG: (1000, 800, 200, -200, True)}
    assert len(db.held()) == 0
    write(db, MONDAY + DAY + 8 * HOUR, {MUG: 800, BOWL: 50})
    assert stock(db) == {MUG: 800, BOWL: 50}
    assert lacking(db) == {}


def test_a_list_that_was_brought_up_to_date_some_time_ago_is_no_count(db: SyncStockDB) -> None:
    """At five 200 were written off; until the list comes at seven, 30 more are sold: 770 stay, 30 are listed."""
    sell(db, 200, MONDAY + 4 * HOUR)
    sell(db, 30, MONDAY + 9 * HOUR)
    result = write(db, MONDAY + 10 * HOUR, {MUG: 800})
    assert result.counts_listed == 1
    assert stock(db)[MUG] == 770
    assert lacking(db) == {MUG: (800, 770, 30, -230, True)}


def test_a_list_with_what_came_in_and_without_what_went_out_is_no_count(db: SyncStockDB) -> None:
    """100 came and were written in at once, 200 sold were not: 900 stay, and nothing is added twice."""
    db.run_sync([PurchaseRecord(MUG, 100, at=MONDAY + HOUR, ref="po")])
    sell(db, 200, MONDAY + 4 * HOUR)
    write(db, MONDAY + 10 * HOUR, {MUG: 1100})
    assert stock(db)[MUG] == 900
    assert lacking(db) == {MUG: (1100, 900, 200, -100, True)}


@pytest.mark.parametrize(("counted", "held"), [(793, False), (600, True)])
def test_a_changed_line_that_no_movement_explains_is_a_count(
    db: SyncStockDB, counted: int, held: bool
) -> None:
    """Somebody counted seven fewer than the books say: the gate judges it, as any count."""
    sell(db, 200, MONDAY + 4 * HOUR)
    write(db, MONDAY + DAY, {MUG: counted})
    assert stock(db)[MUG] == (800 if held else counted)
    assert len(db.held()) == held
    assert lacking(db) == {}


def test_an_unchanged_line_is_no_count_and_shown_where_nothing_explains_it(db: SyncStockDB) -> None:
    """The till counted 40 bowls meanwhile; the list still says 50, and nothing was sold: 40 stay."""
    db.run_sync(pos_counts=[POSRecord(BOWL, 40, MONDAY + 2 * HOUR)])
    write(db, MONDAY + DAY, {MUG: 1000, BOWL: 50})
    assert stock(db)[BOWL] == 40
    assert lacking(db)[BOWL][:3] == (50, 40, 10)


def test_days_go_by_and_sales_pile_up(db: SyncStockDB) -> None:
    """Nobody writes anything off for three days: each morning lists all that was sold since the line was written."""
    for day in range(1, 4):
        sell(db, 10, MONDAY + day * DAY - HOUR)
        write(db, MONDAY + day * DAY, {MUG: 1000})
        assert lacking(db) == {MUG: (1000, 1000 - 10 * day, 10 * day, -10 * day, True)}
    assert stock(db)[MUG] == 970


def test_a_late_sale_joins_what_is_not_written_off(db: SyncStockDB) -> None:
    """5 sold on Monday come on Tuesday, after the list: 205 are to be written off."""
    sell(db, 200, MONDAY + 4 * HOUR)
    write(db, MONDAY + DAY, {MUG: 1000})
    sell(db, 5, MONDAY + 5 * HOUR)
    assert lacking(db) == {MUG: (1000, 795, 205, -205, True)}
    assert stock(db)[MUG] == 795


def test_a_line_whose_earlier_version_is_withdrawn_is_a_question_again(db: SyncStockDB) -> None:
    """Tuesday's list repeats Monday's; Monday's was of another shop and is rolled back: Tuesday's is the count."""
    first = db.operations()["operation_uuid"].iloc[-1]
    first = next(
        row["operation_uuid"]
        for row in rows(db.operations())
        if row["type"] == "sync" and row["name"] == "Sync"
    )
    assert write(db, MONDAY + DAY, {MUG: 1000, BOWL: 50}).counts_listed == 2
    rollback = db.rollback(first, reason="another shop's list")
    assert stock(db) == {MUG: 1000, BOWL: 50}
    assert {(row["counted_at"], row["status"]) for row in rows(db.variances())} == {(MONDAY + DAY, "opening")}
    db.rollback(rollback.operation_uuid, reason="it was ours")
    assert stock(db) == {MUG: 1000, BOWL: 50}


def test_the_same_list_at_the_same_time_again_changes_nothing(db: SyncStockDB) -> None:
    """Sent twice, and once more with a correction at the same time: the correction is a count of that time."""
    assert write(db, MONDAY, {MUG: 1000, BOWL: 50}).ledger_entries == 0
    write(db, MONDAY, {MUG: 1000, BOWL: 45})
    assert stock(db) == {MUG: 1000, BOWL: 45}


def test_rooms_of_a_list_are_compared_together(open_database: OpenDatabase) -> None:
    """30 in the shop and 70 in the cellar; 10 are carried up, 20 are sold: the sum of 100 is not written off."""
    db = open_database(POLICIES)

    def rooms(at: datetime, shop: int, cellar: int) -> Any:
        counts = [("shop", shop), ("cellar", cellar)]
        return db.run_sync(
            pos_counts=[
                POSRecord(MUG, quantity, at, source="excel", session="list", room=room)
                for room, quantity in counts
            ]
        )

    rooms(MONDAY, 30, 70)
    sell(db, 20, MONDAY + HOUR)
    assert rooms(MONDAY + DAY, 40, 60).counts_listed == 2
    assert stock(db) == {MUG: 80}
    assert lacking(db) == {MUG: (100, 80, 20, -20, True)}
    rooms(MONDAY + 2 * DAY, 20, 60)
    assert (stock(db), lacking(db)) == ({MUG: 80}, {})
    assert db.audit() == {}


def test_a_file_of_a_list_is_taken_like_a_call(db: SyncStockDB) -> None:
    """Tuesday's file names both articles; one line is changed, and is the only count."""
    db.upsert_products([{"sku": "1", "inventory_id": MUG}, {"sku": "2", "inventory_id": BOWL}])
    text = "sku,counted,counted_at\n1,1000,2026-03-03T09:00:00Z\n2,48,2026-03-03T09:00:00Z\n"
    policy = db.policies.for_source("excel", "counts")
    parsed = parse_file(text.encode(), "counts/list.csv", "counts", "excel", policy)
    (result,) = db.post_received([db.receive(parsed).delivery_id])
    assert (result.counts_listed, result.counts_applied) == (1, 1)
    assert stock(db) == {MUG: 1000, BOWL: 48}


def test_an_authoritative_list_is_refused() -> None:
    """Whose counts are applied unseen cannot be compared with the books."""
    with pytest.raises(ValueError, match='needs trust = "gated"'):
        SourcePolicy(kind="counts", sheet="list")
