"""Recounts: two people, two blind numbers, and what was sold in between."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.errors import BadInput
from syncstock_dagster.sources.files import parse_file
from syncstock_dagster.stock.records import POSRecord, PurchaseRecord, SalesRecord
from syncstock_dagster.workbooks.blank_sheets import write_sheet
from syncstock_dagster_tests.stock.compare import rows

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def shop(db: SyncStockDB) -> SyncStockDB:
    """Of A the books expect 500 on Tuesday; Ann counts 380, which the gate holds."""
    db.upsert_products([{"sku": "A"}, {"sku": "B"}])
    db.run_sync(
        pos_counts=[POSRecord(article(db, "A"), 500, MONDAY), POSRecord(article(db, "B"), 50, MONDAY)]
    )
    count(db, DAY, 380, "Ann")
    return db


def article(db: SyncStockDB, sku: str = "A") -> int:
    return next(row["inventory_id"] for row in rows(db.products()) if row["sku"] == sku)


def count(
    db: SyncStockDB, after: timedelta, quantity: int, counter: str | None, sku: str = "A", **fields: Any
) -> str:
    record = POSRecord(article(db, sku), quantity, MONDAY + after, source="excel", counter=counter, **fields)
    return db.run_sync(pos_counts=[record]).operation_uuid


def sell(db: SyncStockDB, after: timedelta, quantity: int) -> None:
    db.run_sync(sales=[SalesRecord(article(db), quantity, at=MONDAY + after, ref=str(after))])


def held(db: SyncStockDB) -> list[int]:
    return [int(row["count_id"]) for row in rows(db.variances()) if row["status"] == "held"]


def state(db: SyncStockDB) -> tuple[str, int]:
    (line,) = rows(db.blind_recounts(every=True))
    return line["state"], line["rounds"]


def stock(db: SyncStockDB) -> Decimal:
    return next(row["on_hand"] for row in rows(db.on_hand()) if row["inventory_id"] == article(db))


def test_two_who_agree_after_the_sales_in_between_are_believed(shop: SyncStockDB) -> None:
    """380, then 4 sold, then 376: the same shelf. Both counts are applied, and the stock follows."""
    shop.request_blind_recount(count_ids=held(shop), counters=["Ben"], reason="120 short")
    assert state(shop) == ("waiting", 1)
    sell(shop, DAY + HOUR, 4)
    count(shop, DAY + 2 * HOUR, 376, "Ben")
    (line,) = rows(shop.blind_recounts(every=True))
    assert (line["state"], line["agreed"], line["is_settled"]) == ("agreed", 376, True)
    assert [(one["target"], one["moved"], one["difference"]) for one in line["found"]] == [
        ("380", "0", "0"),
        ("376", "-4", "0"),
    ]
    assert held(shop) == []
    assert [(row["variance"], row["status"]) for row in rows(shop.variances())][1:3] == [
        (-120, "applied"),
        (0, "applied"),
    ]
    assert stock(shop) == 376
    assert shop.audit() == {}


def test_who_has_counted_is_not_waited_for(shop: SyncStockDB) -> None:
    shop.request_blind_recount(inventory_ids=[article(shop, "B")], location="main", counters=["Cleo", "Ben"],
                               since=MONDAY + DAY, reason="class A")  # fmt: skip
    (line,) = rows(shop.blind_recounts())
    assert (line["state"], line["waits_for"]) == ("waiting", ["Cleo", "Ben"])
    count(shop, DAY + HOUR, 48, " cleo ", "B")
    (line,) = rows(shop.blind_recounts())
    assert (line["state"], line["counters"], line["waits_for"]) == ("waiting", ["Cleo", "Ben"], ["Ben"])
    count(shop, DAY + 2 * HOUR, 48, "Ben", "B")
    (line,) = rows(shop.blind_recounts(every=True))
    assert (line["state"], line["waits_for"]) == ("agreed", None)


def test_sales_that_come_late_move_the_target(shop: SyncStockDB) -> None:
    """376 is a contradiction until the tills have told of the four."""
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    count(shop, DAY + 2 * HOUR, 376, "Ben")
    assert (state(shop), len(held(shop)), stock(shop)) == (("third", 2), 2, 500)
    sell(shop, DAY + HOUR, 4)
    assert (state(shop), held(shop), stock(shop)) == (("agreed", 2), [], 376)
    assert shop.audit() == {}


def test_of_three_two_decide_and_otherwise_a_person(shop: SyncStockDB) -> None:
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    count(shop, DAY + HOUR, 300, "Ben")
    count(shop, DAY + 2 * HOUR, 250, "Cleo")
    assert (state(shop), stock(shop)) == (("person", 3), 500)
    count(shop, DAY + 3 * HOUR, 380, "Dan")
    assert state(shop) == ("agreed", 2)
    # Nobody agreed with Ben and Cleo.
    assert [row["counted"] for row in rows(shop.variances()) if row["status"] == "rejected"] == [300, 250]
    assert (held(shop), stock(shop)) == ([], 380)
    assert shop.audit() == {}


@pytest.mark.parametrize("decide", ["approve", "reject"])
def test_what_a_person_decides_after_three_who_do_not_agree_ends_it(shop: SyncStockDB, decide: str) -> None:
    """Nobody is asked to count once more, also where the count that was rejected is no round any more."""
    first = held(shop)
    shop.request_blind_recount(count_ids=first, reason="120 short")
    count(shop, DAY + HOUR, 300, "Ben")
    count(shop, DAY + 2 * HOUR, 250, "Cleo")
    getattr(shop, decide)(first, reason="I looked")
    assert rows(shop.blind_recounts()) == []
    assert state(shop)[0] == "decided"
    assert shop.audit() == {}


def test_nobody_counts_his_own_count_again(shop: SyncStockDB) -> None:
    with pytest.raises(BadInput, match="is by Ann, who must not count it again"):
        shop.request_blind_recount(count_ids=held(shop), counters=[" ann"], reason="120 short")
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    count(shop, DAY + HOUR, 380, " ANN")
    count(shop, DAY + 2 * HOUR, 380, None)
    assert (state(shop), stock(shop)) == (("waiting", 1), 500)


def test_people_may_differ_by_the_tolerance_with_either_sign(shop: SyncStockDB) -> None:
    shop.request_blind_recount(count_ids=held(shop), tolerance=2, reason="120 short")
    count(shop, DAY + HOUR, 383, "Ben")
    assert state(shop) == ("third", 2)
    count(shop, DAY + 2 * HOUR, 378, "Cleo")
    (line,) = rows(shop.blind_recounts(every=True))
    assert (line["state"], line["agreed"]) == ("agreed", 378)
    assert stock(shop) == 378


def test_what_was_found_is_not_told_while_somebody_still_has_to_count(shop: SyncStockDB) -> None:
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    (line,) = rows(shop.blind_recounts())
    assert (line["found"], line["agreed"]) == (None, None)
    assert not any(value in (380, "380", 500, "500") for value in line.values())


def test_articles_are_counted_twice_from_the_beginning(shop: SyncStockDB) -> None:
    """Two blind counts of B; counts before the recount, or by one person, are not meant."""
    b = article(shop, "B")
    shop.request_blind_recount(
        inventory_ids=[b], location="main", counters=["Ann", "Ben"], since=MONDAY + 2 * DAY, reason="class A"
    )
    count(shop, DAY, 50, "Cleo", "B")
    assert state(shop) == ("waiting", 0)
    count(shop, 2 * DAY, 49, "Ann", "B")
    count(shop, 2 * DAY + HOUR, 49, "Ann", "B")
    assert state(shop) == ("waiting", 1)
    count(shop, 2 * DAY + 2 * HOUR, 49, "Ben", "B")
    assert state(shop) == ("agreed", 2)
    assert shop.audit() == {}


def test_two_sheets_of_one_instant_are_two_counts(shop: SyncStockDB) -> None:
    """Nobody wrote the hour down: both stand at the end of the day, and neither replaces the other."""
    (number,) = shop.request_blind_recount(
        inventory_ids=[article(shop)], location="main", since=MONDAY + 2 * DAY, tolerance=1, reason="class A"
    )
    sheets = {
        name: write_sheet(shop.url, recount_id=number, counter=name).content for name in ("Ben", "Cleo")
    }
    for counter, quantity in (("Ben", 500), ("Cleo", 499)):
        parsed = parse_file(
            filled(sheets[counter], quantity), f"counts/{counter}.xlsx", "counts", "excel",
            shop.policies.for_source("excel", "counts"),
        )  # fmt: skip
        assert parsed.errors == ()
        (row,) = parsed.evidence.counts.to_pylist()
        assert (row["counter"], row["session"]) == (counter, f"recount {number} {counter}")
        shop.post_received([shop.receive(parsed).delivery_id])
    assert state(shop) == ("agreed", 2)
    with pytest.raises(BadInput, match="Nothing of recount"):
        write_sheet(shop.url, recount_id=number)
    assert shop.audit() == {}


def filled(content: bytes, quantity: int) -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(content))
    page = book["Count"]
    page["B3"].value = datetime(2026, 3, 4)
    page["D7"].value = quantity
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def test_the_sheet_of_a_recount_holds_neither_the_book_nor_the_first_number(shop: SyncStockDB) -> None:
    (number,) = shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    book = openpyxl.load_workbook(
        io.BytesIO(write_sheet(shop.url, recount_id=number, is_blind=False, counter="Ben").content)
    )
    cells = [cell.value for page in book for row in page for cell in row if cell.value is not None]
    assert "Expected" not in cells
    assert not any("380" in str(value) or "500" in str(value) for value in cells)
    assert [book["Count"][place].value for place in ("B4", "A5", "B5", "A7")] == [
        "Ben", "Session", f"recount {number} Ben", "A",
    ]  # fmt: skip


def test_an_agreement_goes_and_comes_with_the_count_that_made_it(shop: SyncStockDB) -> None:
    """Ben's count is withdrawn: Ann's is held again. It is given back: both are applied again."""
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    operation = count(shop, DAY + HOUR, 380, "Ben")
    assert (state(shop), stock(shop)) == (("agreed", 2), 380)
    undone = shop.rollback(operation, reason="it was the wrong shelf").operation_uuid
    assert (state(shop), len(held(shop)), stock(shop)) == (("waiting", 1), 1, 500)
    assert shop.audit() == {}
    shop.rollback(undone, reason="it was the right one")
    sell(shop, DAY + 2 * HOUR, 1)
    assert (state(shop), held(shop), stock(shop)) == (("agreed", 2), [], 379)
    assert shop.audit() == {}


def test_an_agreement_by_late_sales_goes_with_them(shop: SyncStockDB) -> None:
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    count(shop, DAY + 2 * HOUR, 376, "Ben")
    late = shop.run_sync(sales=[SalesRecord(article(shop), 4, at=MONDAY + DAY + HOUR, ref="late")])
    assert stock(shop) == 376
    shop.rollback(late.operation_uuid, reason="another shop's")
    assert (state(shop), len(held(shop)), stock(shop)) == (("third", 2), 2, 500)
    assert shop.audit() == {}


def test_the_result_says_that_nobody_is_needed_any_more(shop: SyncStockDB) -> None:
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    record = POSRecord(article(shop), 380, MONDAY + DAY + HOUR, source="excel", counter="Ben")
    rehearsed = shop.run_sync(pos_counts=[record], dry_run=True)
    assert (state(shop), stock(shop)) == (("waiting", 1), 500)
    result = shop.run_sync(pos_counts=[record])
    assert rehearsed.numbers() == result.numbers()
    assert (result.counts_new, result.counts_applied, result.counts_held) == (1, 1, 0)
    assert not result.needs_person


def test_a_count_long_after_an_agreement_is_no_part_of_it(shop: SyncStockDB) -> None:
    """A third person finds something else in summer: the gate holds it, as any other."""
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    count(shop, DAY + HOUR, 380, "Ben")
    count(shop, 100 * DAY, 10, "Cleo")
    assert len(held(shop)) == 1


def test_a_withdrawn_count_is_no_word(shop: SyncStockDB) -> None:
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    operation = count(shop, DAY + HOUR, 300, "Ben")
    assert state(shop) == ("third", 2)
    shop.rollback(operation, reason="wrong article")
    assert state(shop) == ("waiting", 1)


def test_a_recount_that_cannot_be_is_refused(shop: SyncStockDB) -> None:
    (first,) = held(shop)
    for how, told in (
        ({}, "say one of them"),
        ({"count_ids": [first], "inventory_ids": [1]}, "say one of them"),
        ({"inventory_ids": [1]}, "at which location"),
        ({"inventory_ids": [1], "location": "main", "counters": ["Ann"]}, "takes two people"),
        ({"count_ids": [first], "tolerance": -1}, "zero or more"),
        ({"count_ids": [999]}, "there is no such count"),
        ({"inventory_ids": [article(shop)], "location": "moon"}, "no location 'moon'"),
    ):
        with pytest.raises(BadInput, match=told):
            shop.request_blind_recount(reason="x", **how)
    with pytest.raises(BadInput, match="why"):
        shop.request_blind_recount(count_ids=[first], reason="")
    assert shop.request_blind_recount(count_ids=[first], reason="x", dry_run=True)
    assert rows(shop.blind_recounts(every=True)) == []
    (number,) = shop.request_blind_recount(count_ids=[first], reason="x")
    with pytest.raises(BadInput, match="is in recount"):
        shop.request_blind_recount(count_ids=[first], reason="x")
    assert shop.cancel_blind_recount(number, reason="the shelf is empty now") == 1
    assert rows(shop.blind_recounts()) == []
    count(shop, DAY + HOUR, 380, "Ben")
    assert (state(shop)[0], len(held(shop))) == ("cancelled", 2)


def test_purchases_in_between_raise_the_target(shop: SyncStockDB) -> None:
    shop.request_blind_recount(count_ids=held(shop), reason="120 short")
    shop.run_sync(purchases=[PurchaseRecord(article(shop), 20, at=MONDAY + DAY + HOUR, ref="P")])
    count(shop, DAY + 2 * HOUR, 400, "Ben")
    assert (state(shop), stock(shop)) == (("agreed", 2), 400)


def test_two_rooms_by_two_people_are_one_word(db: SyncStockDB) -> None:
    """Ann counts the cellar and Ben the shop: 120 in all, and so says Cleo alone."""
    db.upsert_products([{"sku": "A"}])
    db.run_sync(pos_counts=[POSRecord(article(db), 500, MONDAY)])
    rooms = (("cellar", 100, "Ann"), ("shop", 20, "Ben"))
    db.run_sync(
        pos_counts=[
            POSRecord(
                article(db), quantity, MONDAY + DAY, source="excel", session="S", room=room, counter=counter
            )
            for room, quantity, counter in rooms
        ]
    )
    first = min(held(db))
    db.request_blind_recount(count_ids=[first], reason="380 short")
    assert state(db) == ("waiting", 1)
    count(db, DAY + HOUR, 120, "Cleo")
    assert (state(db), held(db), stock(db)) == (("agreed", 2), [], 120)
    assert db.audit() == {}


def test_the_last_words_of_two_recounts_at_once_settle_both(shop: SyncStockDB) -> None:
    """Two deliveries, each with the second count of both articles: neither waits for the other in a circle."""
    count(shop, DAY, 10, "Ann", "B")
    count(shop, DAY, 380, "Ann")
    ids = [article(shop), article(shop, "B")]
    shop.request_blind_recount(inventory_ids=ids, location="main", since=MONDAY + DAY, reason="both")

    def bring(name: str) -> None:
        shop.run_sync(
            pos_counts=[
                POSRecord(ids[0], 380, MONDAY + DAY + HOUR, source="excel", counter=name, session=name),
                POSRecord(ids[1], 10, MONDAY + DAY + HOUR, source="excel", counter=name, session=name),
            ]
        )

    with ThreadPoolExecutor(2) as workers:
        list(workers.map(bring, ("Ben", "Cleo")))
    assert {row["state"] for row in rows(shop.blind_recounts(every=True))} == {"agreed"}
    assert stock(shop) == 380
    assert shop.audit() == {}
