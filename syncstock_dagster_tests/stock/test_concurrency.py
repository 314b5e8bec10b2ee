"""Several clients at once: whatever the order in which they get through, the stock is the same (L4, L10).

What belongs here: writers beside writers, stopped at each of their round trips; the same delivery or document from two
sides; readers beside a writer. What does not: accidents (``test_exactly_once``).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import psycopg
import pytest
from hypothesis import settings

from syncstock_dagster import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    SyncStockDB,
    TransferRecord,
)
from syncstock_dagster_tests.stock.compare import disagreements, rows, stock
from syncstock_dagster_tests.stock.conftest import Clone
from syncstock_dagster_tests.stock.model import Model, Pair
from syncstock_dagster_tests.stock.wire import Trip, Wire

DAY = date(2024, 3, 4)
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RECEIVED = NOON + timedelta(days=10)
DAYS = (DAY - timedelta(days=1), DAY + timedelta(days=3))

#: Every n-th round trip in the ordinary run, every one in the long run.
LONG = settings().max_examples > 100
STRIDE = 1 if LONG else 4
ROUNDS = 60 if LONG else 12


class Paused:
    """A writer that is stopped before one of its requests until it is let go."""

    def __init__(self, url: str, number: int) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()
        self._number = number
        self._wire = Wire(url, self._hook)
        self.db = SyncStockDB(url)
        self.db.url = self._wire.url

    def __enter__(self) -> Paused:
        return self

    def __exit__(self, *error: object) -> None:
        self.let_go.set()
        self._wire.__exit__(None, None, None)

    @property
    def trips(self) -> list[str]:
        return self._wire.trips

    def _hook(self, trip: Trip) -> Literal["go on", "cut"]:
        if (trip.number, trip.phase) == (self._number, "request"):
            self.reached.set()
            self.let_go.wait(60)
        return "go on"


def wait_until_done_or_blocked(url: str, work: Future[Any]) -> None:
    """Wait until the other writer is through, or waits for a lock."""
    with psycopg.connect(url, autocommit=True) as admin:
        for _ in range(600):
            if work.done():
                return
            row = admin.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            ).fetchone()
            if row and row[0]:
                return
            time.sleep(0.01)
    pytest.fail("the second writer is neither through nor waiting for a lock")


def side_by_side(
    url: str, number: int, first: Callable[[SyncStockDB], Any], second: Callable[[SyncStockDB], Any]
) -> tuple[Any, Any]:
    """Run ``second`` while ``first`` is stopped before its n-th request; what they returned."""
    with Paused(url, number) as paused, ThreadPoolExecutor(2) as threads:
        one = threads.submit(first, paused.db)
        while not paused.reached.wait(0.01) and not one.done():
            pass
        two = threads.submit(second, SyncStockDB(url))
        wait_until_done_or_blocked(url, two)
        paused.let_go.set()
        return one.result(60), two.result(60)


def trips_of(url: str, first: Callable[[SyncStockDB], Any]) -> int:
    """How many round trips a piece of work takes when nobody disturbs it."""
    with Paused(url, 0) as free:
        first(free.db)
        return len(free.trips)


# -------------------------------------------------------------------- two syncs


#: What was there before: articles 1 to 4, two places.
BASE: dict[str, Any] = {
    "purchases": [PurchaseRecord(1, 50, day=DAY), PurchaseRecord(2, 10, at=NOON, ref="po")],
    "sales": [SalesRecord(1, 4, at=NOON, ref="till", line="2")],
    "pos_counts": [POSRecord(2, 100, NOON + HOUR), POSRecord(3, 500, NOON)],
    "recorded_at": RECEIVED,
}

#: Two deliveries that meet in everything: articles old and new, a total, a line, a count's slot, a source, a place.
ONE: dict[str, Any] = {
    "purchases": [PurchaseRecord(1, 60, day=DAY), PurchaseRecord(9, 5, at=NOON, ref="new")],
    "sales": [
        SalesRecord(1, 3, at=NOON, ref="till", line="1"),
        SalesRecord(2, 1, at=NOON, ref="x", source="new source"),
    ],
    "pos_counts": [
        POSRecord(2, 90, NOON + HOUR),
        POSRecord(4, 7, NOON, location="B"),
        POSRecord(3, 480, NOON + HOUR),
    ],
    "movements": [TransferRecord(2, 5, NOON, "main", "B", "T-1", arrives_at=NOON + 2 * HOUR)],
    "recorded_at": RECEIVED + HOUR,
}
TWO: dict[str, Any] = {
    "purchases": [PurchaseRecord(9, 6, at=NOON, ref="new"), PurchaseRecord(1, 70, day=DAY)],
    "sales": [
        SalesRecord(3, 8, at=NOON + HOUR / 2, ref="late"),
        SalesRecord(1, 3, at=NOON, ref="till", line="1"),
        SalesRecord(2, 1, at=NOON + HOUR / 2, ref="y", source="new source"),
    ],
    "pos_counts": [
        POSRecord(3, 470, NOON + HOUR),
        POSRecord(4, 8, NOON, location="B"),
        POSRecord(2, 95, NOON + HOUR),
    ],
    "movements": [TransferRecord(2, 6, NOON, "main", "B", "T-1", arrives_at=NOON + 2 * HOUR)],
    "recorded_at": RECEIVED + 2 * HOUR,
}


@pytest.fixture(scope="module")
def base(base_url: str) -> str:
    """A database in which something happened before; it is only copied."""
    db = SyncStockDB(base_url)
    db.upsert_locations([{"code": "B", "timezone": "Africa/Cairo"}])
    db.run_sync(**BASE)
    return base_url


def model_of(*calls: dict[str, Any]) -> Model:
    """The model after these deliveries; their order is in their recorded times."""
    model = Model(zones={"main": "UTC", "B": "Africa/Cairo"})
    for call in (BASE, *calls):
        model.deliver(**call)
    return model


def assert_agrees(url: str, model: Model, where: str) -> None:
    db = SyncStockDB(url)
    assert disagreements(db, model, days=DAYS) == [], where
    assert db.audit() == {}, where
    assert db.get_status()["status"] == "OK", where


@pytest.mark.prove
def test_two_syncs_of_the_same_articles_end_alike_wherever_one_overtakes_the_other(
    base: str, clone: Clone
) -> None:
    """The first is stopped before each of its requests while the second runs as far as it can."""
    total = trips_of(clone(base), lambda db: db.run_sync(**ONE))
    for number in range(1, total + 1, STRIDE):
        url = clone(base)
        side_by_side(url, number, lambda db: db.run_sync(**ONE), lambda db: db.run_sync(**TWO))
        assert_agrees(url, model_of(ONE, TWO), f"the first stopped at trip {number} of {total}")


@pytest.mark.prove
def test_the_one_received_earlier_may_be_overtaken_too(base: str, clone: Clone) -> None:
    """The same with the parts exchanged."""
    total = trips_of(clone(base), lambda db: db.run_sync(**TWO))
    for number in range(1, total + 1, 2 * STRIDE):
        url = clone(base)
        side_by_side(url, number, lambda db: db.run_sync(**TWO), lambda db: db.run_sync(**ONE))
        assert_agrees(url, model_of(ONE, TWO), f"the second stopped at trip {number} of {total}")


@pytest.mark.prove
def test_a_sync_beside_a_rollback_of_what_it_builds_on(base: str, clone: Clone) -> None:
    """ONE is being rolled back while TWO, with its duplicates and corrections, comes in."""
    prepared = clone(base)
    operation = SyncStockDB(prepared).run_sync(**ONE).operation_uuid
    model = model_of(ONE, TWO)
    model.withdraw(model.deliveries[1])

    def roll_back(db: SyncStockDB) -> Any:
        return db.rollback(operation, reason="wrong")

    def send(db: SyncStockDB) -> Any:
        return db.run_sync(**TWO)

    for first, second in ((roll_back, send), (send, roll_back)):
        total = trips_of(clone(prepared), first)
        for number in range(1, total + 1, 2 * STRIDE):
            url = clone(prepared)
            side_by_side(url, number, first, second)
            assert_agrees(url, model, f"{first.__name__} stopped at trip {number} of {total}")


@pytest.mark.prove
def test_two_rollbacks_of_one_operation_withdraw_it_once(base: str, clone: Clone) -> None:
    """Two managers press the same button."""
    prepared = clone(base)
    operation = SyncStockDB(prepared).run_sync(**ONE).operation_uuid

    def roll_back(db: SyncStockDB) -> Any:
        return db.rollback(operation, reason="wrong")

    total = trips_of(clone(prepared), roll_back)
    for number in range(1, total + 1, 2 * STRIDE):
        url = clone(prepared)
        side_by_side(url, number, roll_back, roll_back)
        assert_agrees(url, model_of(), f"stopped at trip {number} of {total}")


@pytest.mark.prove
def test_a_sync_beside_the_mapping_of_the_location_it_names(base: str, clone: Clone) -> None:
    """Evidence of an unknown place comes in while the place is made known: nothing of it is left waiting."""
    call: dict[str, Any] = {
        "sales": [SalesRecord(1, 3, at=NOON, ref="c", location="C")],
        "recorded_at": RECEIVED + 3 * HOUR,
    }
    later: dict[str, Any] = {
        "pos_counts": [POSRecord(1, 30, NOON + HOUR, location="C")],
        "recorded_at": RECEIVED + 4 * HOUR,
    }
    prepared = clone(base)
    SyncStockDB(prepared).run_sync(**call)

    def make_known(db: SyncStockDB) -> Any:
        return db.upsert_locations([{"code": "C", "timezone": "America/Havana"}])

    def send(db: SyncStockDB) -> Any:
        return db.run_sync(**later)

    for first, second in ((make_known, send), (send, make_known)):
        total = trips_of(clone(prepared), first)
        for number in range(1, total + 1, 2 * STRIDE):
            url = clone(prepared)
            side_by_side(url, number, first, second)
            SyncStockDB(url).release()
            model = model_of(call, later)
            model.add_location("C", "America/Havana")
            assert_agrees(url, model, f"{first.__name__} stopped at trip {number} of {total}")


# -------------------------------------------------------------------- the same thing from two sides


@pytest.mark.prove
def test_the_same_key_from_two_workers_is_posted_once(base: str, clone: Clone) -> None:
    """One waits and is told that it was received already."""

    def send(db: SyncStockDB) -> str:
        return db.run_sync(**ONE, idempotency_key="the file").status

    total = trips_of(clone(base), send)
    for number in range(1, total + 1, STRIDE):
        url = clone(base)
        statuses = side_by_side(url, number, send, send)
        assert sorted(statuses) == ["already received", "posted"], f"stopped at trip {number} of {total}"
        assert_agrees(url, model_of(ONE), f"stopped at trip {number} of {total}")


@pytest.mark.prove
def test_one_line_from_two_sides_with_different_content_is_in_force_once_and_one_conflict(
    base: str, clone: Clone
) -> None:
    """3 pieces say the one, 4 the other: one of them is in force, the other is asked about."""

    def send(qty: int) -> Callable[[SyncStockDB], Any]:
        return lambda db: db.run_sync(sales=[SalesRecord(7, qty, at=NOON, ref="till", line="9")])

    total = trips_of(clone(base), send(3))
    for number in range(1, total + 1, STRIDE):
        url = clone(base)
        side_by_side(url, number, send(3), send(4))
        db = SyncStockDB(url)
        assert stock(db)[Pair(7, "main")] in {Decimal(-3), Decimal(-4)}
        assert len(rows(db.conflicts())) == 1
        assert db.audit() == {}


@pytest.mark.prove
def test_many_rounds_of_many_writers_end_in_the_right_stock_without_a_deadlock(
    db: SyncStockDB,
) -> None:
    """Four writers at a time on overlapping articles in different orders, starting at the same instant."""
    shuffled = random.Random(20240304)
    db.upsert_locations([{"code": "B", "timezone": "Africa/Cairo"}])
    model = Model(zones={"main": "UTC", "B": "Africa/Cairo"})
    writers = 4
    barrier = threading.Barrier(writers)
    for number in range(ROUNDS):
        calls = []
        for writer in range(writers):
            articles = shuffled.sample(range(1, 13), 8)
            at = [NOON + timedelta(minutes=shuffled.randrange(600)) for _ in articles]
            calls.append(
                {
                    "purchases": [PurchaseRecord(n, shuffled.randrange(50), day=DAY) for n in articles[:4]],
                    "sales": [
                        SalesRecord(
                            n, shuffled.randrange(9), at=t, ref=f"till-{shuffled.randrange(6)}", line=str(n)
                        )
                        for n, t in zip(articles, at, strict=True)
                    ],
                    "pos_counts": [
                        POSRecord(n, shuffled.randrange(90), t, location=shuffled.choice([None, "B"]))
                        for n, t in zip(articles[5:], at, strict=False)
                    ],
                    "movements": [
                        TransferRecord(
                            articles[-1], 2, at[0], "main", "B", f"T-{number}-{shuffled.randrange(2)}", "1"
                        ),
                        MovementRecord(articles[0], 1, at=at[1], ref=f"{number}-{writer}", location="B"),
                    ],
                    "recorded_at": RECEIVED
                    + timedelta(minutes=10 * number + shuffled.choice([1, 2, 3, 4]) + writer),
                }
            )
        received = [call["recorded_at"] for call in calls]
        for n, call in enumerate(calls):  # the order of receipt must not depend on who wins
            call["recorded_at"] += (
                timedelta(seconds=n) if received.count(call["recorded_at"]) > 1 else timedelta(0)
            )

        def send(call: dict[str, Any]) -> Any:
            own = SyncStockDB(db.url)
            barrier.wait(30)
            return own.run_sync(**call)

        with ThreadPoolExecutor(writers) as threads:
            assert [result.status for result in threads.map(send, calls)] == ["posted"] * writers
        for call in calls:
            model.deliver(**call)
    assert disagreements(db, model, days=DAYS) == []
    assert db.audit() == {}


# -------------------------------------------------------------------- readers


def read_everything(url: str) -> dict[Pair, Decimal]:
    """Every question there is, on a connection of its own; the stock in return."""
    reader = SyncStockDB(url)
    seen = stock(reader)
    reader.ledger()
    reader.variances()
    reader.daily(*DAYS)
    reader.on_hand(as_of=NOON, known_at=datetime.now(UTC))
    reader.conflicts()
    reader.quarantine()
    reader.restatements()
    reader.products()
    reader.locations()
    reader.get_watermarks()
    assert reader.get_status()["status"] in {"OK", "RUNNING"}
    assert reader.audit() == {}
    reader.close()
    return seen


@pytest.mark.prove
def test_reads_are_never_blocked_by_a_sync(base: str, clone: Clone) -> None:
    """With a sync open at any of its round trips, every question is answered, and from before it."""
    total = trips_of(clone(base), lambda db: db.run_sync(**ONE))
    for number in sorted({*range(1, total + 1, 2 * STRIDE), total - 1, total}):
        url = clone(base)
        before = stock(SyncStockDB(url))
        with Paused(url, number) as paused, ThreadPoolExecutor(1) as threads:
            work = threads.submit(paused.db.run_sync, **ONE)
            assert paused.reached.wait(30)
            with ThreadPoolExecutor(1) as another:
                seen = another.submit(read_everything, url).result(20)
            assert seen == before or number >= total - 1
            paused.let_go.set()
            assert work.result(60).status == "posted"
        assert_agrees(url, model_of(ONE), f"read at trip {number}")


def test_a_sync_is_not_held_up_by_a_reader_in_a_long_transaction(base: str, clone: Clone) -> None:
    """A report that takes an hour does not stop the tills."""
    url = clone(base)
    with psycopg.connect(url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select sum(delta) from syncstock.ledger_entries").fetchone()
        reader.execute("select * from syncstock.item_stock").fetchall()
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(SyncStockDB(url).run_sync, **ONE).result(10).status == "posted"
    assert_agrees(url, model_of(ONE), "a reader beside it")
