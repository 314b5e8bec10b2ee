"""Orders: deducted at once or not at all, once by their reference, and never more than there is."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from syncstock_dagster import BadInput, MovementRecord, POSRecord, PurchaseRecord, SyncStockDB
from syncstock_dagster.stock.orders.answers import OrderResult
from syncstock_dagster.store.connection import close_idle

NOW = datetime.now(UTC)


def stock(db: SyncStockDB) -> dict[str, Decimal]:
    """What is on hand, by SKU."""
    found = db.on_hand().merge(db.products()[["inventory_id", "sku"]])
    return dict(zip(found["sku"], found["on_hand"], strict=True))


def article(db: SyncStockDB, sku: str) -> int:
    return int(db.products([sku])["inventory_id"].iloc[0])


def counted(db: SyncStockDB, sku: str, quantity: int, at: datetime, source: str = "excel"):
    return db.run_sync(pos_counts=[POSRecord(article(db, sku), quantity, at, source=source)])


def test_an_order_deducts_all_lines_and_says_what_is_left(selling: SyncStockDB) -> None:
    done = selling.order([("A", 30), {"sku": "b", "quantity": Decimal("2.5"), "unit_price": 3}], ref="web-1")
    assert (done.status, done.is_done) == ("posted", True)
    assert [(one.sku, one.quantity, one.on_hand, one.available) for one in done.lines] == [
        ("A", 30, 70, 70), ("B", Decimal("2.5"), Decimal("7.5"), Decimal("7.5")),
    ]  # fmt: skip
    assert stock(selling) == {"A": 70, "B": Decimal("7.5"), "C": 0}
    ledger = selling.ledger(article(selling, "B"))
    assert (ledger["source"].iloc[-1], ledger["ref"].iloc[-1], ledger["delta"].iloc[-1]) == (
        "orders", "web-1", Decimal("-2.5"),
    )  # fmt: skip
    shown = selling.operation(str(done.operation_uuid))
    assert (shown["type"], shown["status"]) == ("order", "completed")
    assert [one["event_type"] for one in shown["events"]] == ["order.completed"]
    assert selling.audit() == {}


def test_all_lines_or_nothing_and_the_refusal_says_which(selling: SyncStockDB) -> None:
    refused = selling.order([("A", 1), ("B", 6), ("B", 5), ("C", 1)], ref="web-1")
    assert refused.status == "refused"
    assert [(one.sku, one.why, one.available) for one in refused.lines] == [
        ("A", None, 100), ("B", "not enough", 10), ("B", "not enough", 10), ("C", "not enough", 0),
    ]  # fmt: skip
    assert stock(selling) == {"A": 100, "B": 10, "C": 0}
    # Nothing was kept of it: the reference is free.
    assert selling.order([("A", 1)], ref="web-1").status == "posted"
    unknown = selling.order([("A", 1), ("nothing", 1)])
    assert [one.why for one in unknown.lines] == [None, "there is no such article"]
    nowhere = selling.order([("A", 1)], location="moon")
    assert (nowhere.status, nowhere.lines[0].why) == ("refused", "there is no such location")
    assert selling.audit() == {}


def test_the_same_reference_again_is_answered_as_before_and_another_content_is_refused(
    selling: SyncStockDB,
) -> None:
    first = selling.order([("A", 3), ("B", 1)], ref="web-1")
    again = selling.order([("B", Decimal("1.0")), ("A", 3)], ref="web-1")
    assert again.status == "already received" and again.is_done
    assert (again.operation_uuid, again.lines, again.at) == (first.operation_uuid, first.lines, first.at)
    other = selling.order([("A", 4), ("B", 1)], ref="web-1")
    assert (other.status, [one.quantity for one in other.lines], [one.quantity for one in other.asked]) == (
        "refused", [3, 1], [4, 1],
    )  # fmt: skip
    assert stock(selling) == {"A": 97, "B": 9, "C": 0}


def test_a_rehearsal_keeps_nothing(selling: SyncStockDB) -> None:
    tried = selling.order([("A", 3)], ref="web-1", dry_run=True)
    assert (tried.status, tried.dry_run, tried.lines[0].on_hand) == ("posted", True, 97)
    assert stock(selling)["A"] == 100
    assert selling.reserve([("A", 3)], ref="r", dry_run=True).status == "reserved"
    assert len(selling.reservations()) == 0


#: What nobody can sell, and why the answer is words and not a traceback.
NO_ORDERS: list[list] = [
    [], [("A", 0)], [("A", -1)], [("A", 1.5)], [("A", True)], [("A", "1")], [{"quantity": 1}], ["A"],
    [{"sku": "A", "inventory_id": 1, "quantity": 1}], [{"sku": "A", "quantity": 1, "colour": "red"}],
    [{"sku": "A", "quantity": Decimal("NaN")}], [{"sku": "A\0", "quantity": 1}], [("A", Decimal("1e19"))],
    [{"inventory_id": "1", "quantity": 1}], [{"sku": "A", "quantity": 1, "unit_price": -1}],
]  # fmt: skip


def test_what_is_no_order_is_refused_in_words(selling: SyncStockDB) -> None:
    for lines in NO_ORDERS:
        with pytest.raises(BadInput):
            selling.order(lines)
    for ref in (" ", "x" * 201, "a\0", 7):
        with pytest.raises(BadInput):
            selling.order([("A", 1)], ref=ref)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        selling.order()
    with pytest.raises(BadInput):
        selling.reserve([("A", 1)], lasting=timedelta(0))
    with pytest.raises(BadInput):
        selling.order([("A", 1)], who="\ud800")
    assert stock(selling)["A"] == 100


def at_once(db: SyncStockDB, clients: int, work) -> list:
    """The same work of many clients, begun together."""
    barrier, answers, errors = threading.Barrier(clients), [], []

    def client(number: int) -> None:
        try:
            barrier.wait()
            answers.append(work(number))
        except Exception as error:
            errors.append(error)
        finally:
            close_idle(db.url)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return answers


def test_32_clients_that_order_the_last_10_pieces_get_exactly_10(selling: SyncStockDB) -> None:
    answers = at_once(selling, 32, lambda n: selling.order([("B", 1)], ref=f"web-{n}"))
    assert sorted(one.status for one in answers) == ["posted"] * 10 + ["refused"] * 22
    assert stock(selling)["B"] == 0
    left = sorted(one.lines[0].on_hand for one in answers if one.is_done)
    assert left == list(range(10))
    assert selling.audit() == {}


def test_orders_over_several_articles_in_any_order_never_wait_in_a_circle(selling: SyncStockDB) -> None:
    lines = [[("A", 1), ("B", 1)], [("B", 1), ("A", 1)]]
    answers = at_once(selling, 16, lambda n: selling.order(lines[n % 2], ref=f"web-{n}"))
    assert sum(one.is_done for one in answers) == 10
    assert stock(selling) == {"A": 90, "B": 0, "C": 0}
    assert selling.audit() == {}


def test_clients_that_send_one_order_at_once_make_one(selling: SyncStockDB) -> None:
    answers = at_once(selling, 8, lambda _: selling.order([("B", 3)], ref="web-1"))
    assert sorted(one.status for one in answers) == ["already received"] * 7 + ["posted"]
    other = at_once(selling, 8, lambda n: selling.order([("A", n + 1)], ref="web-2"))
    assert sorted(one.status for one in other) == ["posted"] + ["refused"] * 7
    assert stock(selling)["B"] == 7
    assert selling.audit() == {}


def test_orders_counts_and_syncs_at_the_same_instant_keep_every_law(selling: SyncStockDB) -> None:
    """Whoever comes first: the count is the balance at its instant, and every order after it is deducted."""
    ids = {sku: article(selling, sku) for sku in "AB"}

    def work(number: int) -> OrderResult | None:
        if number % 4 == 0:
            at = datetime.now(UTC)
            selling.run_sync(pos_counts=[POSRecord(ids["A"], 90, at), POSRecord(ids["B"], 10, at)])
        elif number % 4 == 1:
            at = datetime.now(UTC)
            selling.run_sync([PurchaseRecord(ids["A"], 2, at=at, ref=f"p{number}")])
        else:
            return selling.order([("A", 1), ("B", 1)], ref=f"web-{number}")
        return None

    answers = [one for one in at_once(selling, 24, work) if one is not None]
    assert any(one.is_done for one in answers)
    assert selling.audit() == {}
    for sku, inventory_id in ids.items():
        ledger = selling.ledger(inventory_id)
        assert ledger["delta"].sum() == stock(selling)[sku]
        assert stock(selling)[sku] >= 0


def test_an_order_stands_after_every_count_that_was_known_when_it_was_made(selling: SyncStockDB) -> None:
    """A count known only by its day stands at its end. Orders before midnight would vanish in it, and sell for ever."""
    tonight = datetime.now(UTC).replace(hour=23, minute=59, second=59, microsecond=999_999)
    counted(selling, "A", 50, tonight, source="pos")
    assert stock(selling)["A"] == 50
    assert selling.order([("A", 30)]).is_done
    assert not selling.order([("A", 30)]).is_done
    assert stock(selling)["A"] == 20
    # It is in the report of today, with the day on which it was sold.
    (line,) = [one for one in selling.evening_report(tonight.date()).items if one.sku == "A"]
    assert (line.sold, line.remaining) == (30, 20)
    # Held ones, too: approving it later leaves the order where it is.
    selling.run_sync(pos_counts=[POSRecord(article(selling, "B"), 500, tonight, source="excel")])
    assert selling.order([("B", 4)]).is_done
    (held,) = [one for one in selling.variances().to_dict("records") if one["status"] == "held"]
    selling.approve(held["count_id"], reason="found a pallet")
    assert stock(selling)["B"] == 496
    assert selling.audit() == {}


def test_what_is_only_on_its_way_is_not_sold(selling: SyncStockDB) -> None:
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    selling.run_sync([PurchaseRecord(article(selling, "B"), 5, at=tomorrow, ref="PO")])
    refused = selling.order([("B", 11)])
    assert (refused.lines[0].on_hand, refused.lines[0].incoming, refused.lines[0].available) == (15, 5, 10)
    assert selling.order([("B", 10)]).is_done
    assert selling.audit() == {}


def test_an_order_on_a_published_day_is_a_restatement(selling: SyncStockDB) -> None:
    """A shop may close its day in the evening, and sell once more."""
    selling.close_day(datetime.now(UTC).date())
    selling.order([("A", 1), ("B", 2)], ref="web-1")
    restated = selling.restatements()
    assert sorted(zip(restated["old_value"], restated["new_value"], strict=True)) == [(10, 8), (100, 99)]
    assert selling.audit() == {}


def test_closing_balances_that_become_equal_again_are_one_range(selling: SyncStockDB) -> None:
    a = article(selling, "A")
    early = datetime.now(UTC) - timedelta(days=3)
    selling.run_sync([PurchaseRecord(a, 7, at=early, ref="P1")])
    selling.run_sync(movements=[MovementRecord(a, 4, at=datetime.now(UTC), ref="found", reason="found")])
    selling.order([("A", 4)])
    selling.order([("A", 1)])
    selling.order([("A", 2)])
    assert selling.audit() == {}


# -- reservations ------------------------------------------------------------------------------------------------------


def expire(db: SyncStockDB, ref: str) -> None:
    """Let time pass: the clock is the database's."""
    with psycopg.connect(db.url, autocommit=True) as connection:
        connection.execute(
            "update syncstock.reservations set expires_at = clock_timestamp() - interval '1 second' where ref = %s",
            (ref,),
        )


def test_what_is_reserved_is_not_sold_to_others_and_becomes_an_order(selling: SyncStockDB) -> None:
    held = selling.reserve([("B", 7)], ref="cart-1")
    assert held.status == "reserved" and held.expires_at is not None
    assert timedelta(minutes=14) < held.expires_at - datetime.now(UTC) <= timedelta(minutes=15)
    assert selling.reserve([("B", 7)], ref="cart-1").status == "already reserved"
    assert selling.reserve([("B", 8)], ref="cart-1").status == "refused"
    refused = selling.order([("B", 4)])
    assert (refused.lines[0].reserved, refused.lines[0].available) == (7, 3)
    assert selling.reserve([("B", 4)], ref="cart-2").status == "refused"
    done = selling.order(ref="cart-1")
    assert (done.status, done.lines[0].on_hand) == ("posted", 3)
    assert selling.order(ref="cart-1").status == "already received"
    assert selling.release_reservation("cart-1").status == "committed"
    assert selling.reserve([("B", 7)], ref="cart-1").status == "committed"
    assert len(selling.reservations()) == 0
    assert set(selling.reservations(every=True)["state"]) == {"committed"}
    assert selling.audit() == {}


def test_an_expired_reservation_frees_itself_and_may_still_become_an_order(selling: SyncStockDB) -> None:
    selling.reserve([("B", 7)], ref="cart-1")
    expire(selling, "cart-1")
    assert len(selling.reservations()) == 0
    assert selling.order([("B", 4)]).is_done
    late = selling.order(ref="cart-1")
    assert (late.status, late.lines[0].available) == ("refused", 6)
    # Reserved anew under the same reference, it holds again.
    assert selling.reserve([("B", 7)], ref="cart-1").status == "refused"
    selling.reserve([("B", 2)], ref="cart-2", lasting=timedelta(seconds=1))
    expire(selling, "cart-2")
    assert selling.reserve([("B", 2)], ref="cart-2").status == "reserved"
    assert selling.order(ref="cart-2").is_done


def test_a_released_reservation_is_free_at_once(selling: SyncStockDB) -> None:
    selling.reserve([("B", 7)], ref="cart-1")
    assert selling.release_reservation("cart-1").status == "released"
    assert selling.release_reservation("cart-1").status == "released"
    assert selling.order([("B", 10)]).is_done
    assert selling.order(ref="cart-1").status == "refused"
    assert selling.release_reservation("never").status == "refused"


def test_clients_that_reserve_and_order_at_once_promise_every_piece_once(selling: SyncStockDB) -> None:
    def work(number: int) -> OrderResult:
        if number % 2:
            return selling.order([("B", 1)], ref=f"o{number}")
        return selling.reserve([("B", 1)], ref=f"r{number}")

    answers = at_once(selling, 24, work)
    assert sum(one.is_done for one in answers) == 10
    for one in answers:
        if one.status == "reserved":
            assert selling.order(ref=one.ref).is_done
    assert stock(selling)["B"] == 0
    assert selling.audit() == {}


# -- newer evidence ----------------------------------------------------------------------------------------------------


def drop_purchase(folder: Path, name: str, sku: str, quantity: int) -> None:
    (folder / "purchases").mkdir(exist_ok=True)
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    (folder / "purchases" / name).write_text(
        f"document,line,sku,location,quantity,effective_at\n{name},1,{sku},main,{quantity},{at}\n",
        encoding="utf-8",
    )


def test_where_there_is_not_enough_newer_evidence_is_looked_for_first(
    selling: SyncStockDB, drop_folder: Path
) -> None:
    drop_purchase(drop_folder, "today.csv", "B", 5)
    assert selling.order([("B", 12)], ref="web-1", sync=False).status == "refused"
    done = selling.order([("B", 12)], ref="web-1")
    assert (done.status, done.synced, done.lines[0].on_hand) == ("posted", ("purchases/today.csv",), 3)
    assert selling.order([("B", 12)], ref="web-2").status == "refused"
    assert selling.audit() == {}


def test_a_rehearsal_takes_nothing_in(selling: SyncStockDB, drop_folder: Path) -> None:
    drop_purchase(drop_folder, "today.csv", "B", 5)
    tried = selling.order([("B", 12)], ref="web-1", dry_run=True)
    assert (tried.status, tried.synced) == ("refused", ())
    assert stock(selling)["B"] == 10


def test_an_article_that_nobody_looked_at_for_long_is_synced_before_it_is_sold(
    selling: SyncStockDB, drop_folder: Path
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    d = selling.upsert_products([{"sku": "D"}])["inventory_id"].iloc[0]
    selling.run_sync(pos_counts=[POSRecord(int(d), 9, long_ago)])
    drop_purchase(drop_folder, "first.csv", "D", 5)
    # A and B were counted just now; nobody looks.
    assert selling.order([("A", 1)]).synced == ()
    done = selling.order([("D", 1)])
    assert (done.synced, done.lines[0].on_hand) == (("purchases/first.csv",), 13)
    drop_purchase(drop_folder, "second.csv", "D", 5)
    # That was a look at everything; for the next hours it is enough.
    assert selling.order([("D", 1)]).synced == ()


# -- cancelling --------------------------------------------------------------------------------------------------------


def test_a_cancelled_order_is_as_if_it_had_never_been(selling: SyncStockDB) -> None:
    selling.order([("A", 3), ("B", 1)], ref="web-1")
    assert selling.cancel_order("web-1", reason="changed their mind", dry_run=True).status == "cancelled"
    assert stock(selling)["A"] == 97
    done = selling.cancel_order("web-1", reason="changed their mind")
    assert (done.status, [one.quantity for one in done.lines]) == ("cancelled", [3, 1])
    assert stock(selling) == {"A": 100, "B": 10, "C": 0}
    assert len(selling.pending_updates()) == 0
    assert selling.cancel_order("web-1", reason="twice").status == "cancelled"
    assert selling.order([("A", 3), ("B", 1)], ref="web-1").status == "cancelled"
    assert stock(selling)["A"] == 100
    assert selling.audit() == {}
    for wrong in ("never", "web-1"):
        with pytest.raises(BadInput):
            selling.cancel_order(wrong, reason="" if wrong == "web-1" else "why")


def test_after_a_count_somebody_says_whether_the_goods_come_back(selling: SyncStockDB) -> None:
    selling.order([("A", 3)], ref="left")
    selling.order([("B", 3)], ref="never left")
    counted(selling, "A", 97, datetime.now(UTC))
    counted(selling, "B", 10, datetime.now(UTC))
    assert stock(selling) == {"A": 97, "B": 10, "C": 0}
    with pytest.raises(BadInput, match="counted since"):
        selling.cancel_order("left", reason="returned")
    assert selling.cancel_order("left", reason="returned", returned=True).status == "cancelled"
    assert selling.cancel_order("left", reason="returned", returned=True).status == "cancelled"
    assert selling.cancel_order("never left", reason="not picked", returned=False).status == "cancelled"
    assert stock(selling) == {"A": 100, "B": 10, "C": 0}
    assert selling.audit() == {}


# -- what the sheets do not show yet ----------------------------------------------------------------------------------


def pending(db: SyncStockDB) -> list[tuple[str, str, int]]:
    return [(one.order_ref, one.sku, int(one.deducted)) for one in db.pending_updates().itertuples()]


def test_a_pending_update_is_closed_by_a_later_count_that_agrees_and_by_nothing_else(
    selling: SyncStockDB,
) -> None:
    selling.order([("A", 30), ("B", 1)], ref="web-1")
    assert pending(selling) == [("web-1", "A", 30), ("web-1", "B", 1)]
    # An older count, a till's count, and one that only a review would settle: none of them is a sheet that agrees.
    counted(selling, "A", 100, datetime.now(UTC) - timedelta(minutes=5))
    counted(selling, "A", 70, datetime.now(UTC), source="pos")
    assert ("web-1", "A", 30) in pending(selling)
    counted(selling, "A", 85, datetime.now(UTC))
    assert ("web-1", "A", 30) in pending(selling)
    agreeing = counted(selling, "A", 85, datetime.now(UTC))
    assert pending(selling) == [("web-1", "B", 1)]
    assert len(selling.pending_updates(every=True)) == 2
    # That sheet is withdrawn: what it showed is open again.
    selling.rollback(agreeing.operation_uuid, reason="the wrong file")
    assert ("web-1", "A", 30) in pending(selling)
    assert selling.audit() == {}


def test_staff_who_subtract_a_sale_themselves_subtract_nothing_twice(selling: SyncStockDB) -> None:
    selling.order([("A", 30)], ref="web-1")
    counted(selling, "A", 70, datetime.now(UTC))
    assert stock(selling)["A"] == 70 and pending(selling) == []
    # The same sheet once more, and an order after it.
    counted(selling, "A", 70, datetime.now(UTC))
    selling.order([("A", 5)], ref="web-2")
    assert stock(selling)["A"] == 65 and pending(selling) == [("web-2", "A", 5)]


def test_a_held_count_closes_nothing_until_somebody_approves_it(selling: SyncStockDB) -> None:
    selling.order([("A", 10)], ref="web-1")
    counted(selling, "A", 400, datetime.now(UTC))
    assert pending(selling) == [("web-1", "A", 10)] and stock(selling)["A"] == 90
    (held,) = [one for one in selling.variances().to_dict("records") if one["status"] == "held"]
    selling.approve(held["count_id"], reason="a pallet was found")
    assert pending(selling) == [] and stock(selling)["A"] == 400


def test_what_came_in_as_evidence_under_the_same_document_is_not_sold_again(selling: SyncStockDB) -> None:
    selling.run_sync(
        movements=[MovementRecord(article(selling, "A"), -2, at=NOW, ref="web-9", line="1", source="orders")]
    )
    with pytest.raises(BadInput, match="web-9"):
        selling.order([("A", 2)], ref="web-9")
    assert stock(selling)["A"] == 98


def test_where_two_people_are_needed_the_first_only_asks(selling: SyncStockDB) -> None:
    from syncstock_dagster.catalog.policy import OperationsPolicy

    selling.operations_policy = OperationsPolicy(second_person=("order",))
    selling.order([("A", 3)], ref="web-1")
    asked = selling.cancel_order("web-1", reason="changed their mind", who="ann")
    assert (asked.status, stock(selling)["A"]) == ("refused", 97)
    assert selling.cancel_order("web-1", reason="so it is", who="ben").status == "cancelled"
    assert stock(selling)["A"] == 100
