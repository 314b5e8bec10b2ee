"""Orders and reservations, interrupted at every round trip in every way: after a retry it was done once (L10).

What belongs here: lost connections before and after the server did its part, killed processes, and lost answers. What
does not: two clients at once (``test_orders``).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import psycopg
import pytest
from hypothesis import settings

from syncstock_dagster import POSRecord, SyncStockDB
from syncstock_dagster.stock.orders.answers import OrderResult
from syncstock_dagster.store.connection import close_idle
from syncstock_dagster_tests.stock.conftest import Clone
from syncstock_dagster_tests.stock.wire import Hook, Trip, Wire, cut_once

LINES = [("A", 3), ("B", 2)]
Phase = Literal["request", "answer"]

#: Of a long operation every n-th round trip in the ordinary run, every one in the long run.
_STRIDE = 1 if settings().max_examples > 100 else 40


@pytest.fixture(scope="module")
def base(base_url: str) -> str:
    """Two articles, ten pieces each; it is only copied."""
    db = SyncStockDB(base_url)
    db.upsert_products([{"inventory_id": n, "sku": sku} for n, sku in enumerate("AB", 1)])
    ids = db.products()["inventory_id"]
    at = datetime.now(UTC) - timedelta(minutes=5)
    db.run_sync(pos_counts=[POSRecord(int(one), 10, at) for one in ids])
    db.close()
    return base_url


def stock(db: SyncStockDB) -> list[Decimal]:
    return db.on_hand()["on_hand"].tolist()


def assert_taken_once(url: str, where: str) -> None:
    """The order is in the books once, with one record of everything, and nothing is open or inconsistent."""
    db = SyncStockDB(url)
    again = db.order(LINES, ref="web-1", sync=False)
    assert again.status == "already received", where
    assert stock(db) == [7, 8], where
    assert len(db.pending_updates()) == 2, where
    with psycopg.connect(url) as connection:
        operations = connection.execute(
            "select count(*) from syncstock.sync_operations where operation_type = 'order'"
        ).fetchone()
    assert operations == (1,), where
    assert db.audit() == {}, where
    db.close()


def _trips(url: str) -> list[str]:
    db = SyncStockDB(url)
    with Wire(url) as wire:
        db.url = wire.url
        db.order(LINES, ref="web-1", sync=False)
        return list(wire.trips)


@pytest.mark.parametrize("phase", ["request", "answer"])
def test_a_connection_lost_at_any_round_trip_leaves_an_order_that_was_taken_once(
    phase: Phase, base: str, clone: Clone
) -> None:
    """Lost before the server heard it, or after it did it: the client asks again by itself, and is answered once."""
    trips = _trips(clone(base))
    assert any("place_order" in sql for sql in trips)
    for number in range(1, len(trips) + 1):
        url = clone(base)
        db = SyncStockDB(url)
        where = f"{phase} of trip {number}: {trips[number - 1][:60]!r}"
        with Wire(url, cut_once(number, phase)) as wire:
            db.url = wire.url
            done = db.order(LINES, ref="web-1", sync=False)
        assert done.is_done, where
        assert stock(SyncStockDB(url)) == [7, 8], where
        assert_taken_once(url, where)


def test_a_backend_that_is_ended_in_the_middle_of_an_order_leaves_nothing_of_it(
    base: str, clone: Clone, server_url: str
) -> None:
    """The server itself says goodbye; the client asks another backend."""
    trips = _trips(clone(base))
    for number in range(1, len(trips) + 1):
        url = clone(base)

        def terminate(trip: Trip, number: int = number) -> Literal["go on", "cut"]:
            if (trip.number, trip.phase) == (number, "request"):
                with psycopg.connect(server_url, autocommit=True) as admin:
                    admin.execute("select pg_terminate_backend(%s, 5000)", (trip.backend_pid,))
            return "go on"

        db = SyncStockDB(url)
        with Wire(url, terminate) as wire:
            db.url = wire.url
            assert db.order(LINES, ref="web-1", sync=False).is_done
        assert_taken_once(url, f"terminated at trip {number}")


def _killing(phase: Phase, number: int, worker: list[Any]) -> Hook:
    def kill(trip: Trip) -> Literal["go on", "cut"]:
        if (trip.number, trip.phase) != (number, phase):
            return "go on"
        os.kill(worker[0].pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            while True:
                os.kill(worker[0].pid, 0)
                time.sleep(0.001)
        return "cut"

    return kill


def _order_in_a_process(url: str, wire_url: str) -> None:
    db = SyncStockDB(url)
    db.url = wire_url
    db.order(LINES, ref="web-1", sync=False)


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """Processes that start quickly and share no connection and no thread with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    yield context


@pytest.mark.parametrize("phase", ["request", "answer"])
def test_a_process_killed_at_any_round_trip_leaves_an_order_that_was_taken_once(
    phase: Phase, base: str, clone: Clone, processes: Any
) -> None:
    """kill -9 of the client; another one sends the same order."""
    trips = _trips(clone(base))
    for number in range(1, len(trips) + 1):
        url = clone(base)
        worker: list[Any] = []

        with Wire(url, _killing(phase, number, worker)) as wire:
            worker.append(processes.Process(target=_order_in_a_process, args=(url, wire.url)))
            worker[0].start()
            worker[0].join(60)
        assert worker[0].exitcode == -signal.SIGKILL
        db = SyncStockDB(url)
        assert stock(db) in ([10, 10], [7, 8])
        assert db.order(LINES, ref="web-1", sync=False).is_done
        assert_taken_once(url, f"kill -9 at the {phase} of trip {number}")
        close_idle(url)


class Act(NamedTuple):
    """What is done to an order or a reservation, and what must be true once it was done."""

    do: Callable[[SyncStockDB], OrderResult]
    answers: set[str]
    operation: str
    stock: list[int]
    promised: int = 0
    pending: int = 0
    before: Callable[[SyncStockDB], OrderResult] | None = None


def _reserve(db: SyncStockDB) -> OrderResult:
    return db.reserve(LINES, ref="web-1", lasting=timedelta(hours=1), sync=False)


def _order(db: SyncStockDB) -> OrderResult:
    return db.order(LINES, ref="web-1", sync=False)


ACTS = {
    "reserve": Act(_reserve, {"reserved", "already reserved"}, "reserve", [10, 10], promised=5),
    "commit": Act(
        lambda db: db.order(ref="web-1", sync=False), {"posted", "already received"}, "order", [7, 8], pending=2,
        before=_reserve,
    ),
    "release": Act(
        lambda db: db.release_reservation("web-1"), {"released"}, "unreserve", [10, 10], before=_reserve
    ),
    "cancel": Act(
        lambda db: db.cancel_order("web-1", reason="changed their mind"), {"cancelled"}, "rollback", [10, 10],
        before=_order,
    ),
    "bring back": Act(
        lambda db: db.cancel_order("web-1", reason="sent back", returned=True), {"cancelled"}, "sync", [10, 10],
        pending=2, before=_order,
    ),
}  # fmt: skip


def _prepared(url: str, act: Act) -> SyncStockDB:
    db = SyncStockDB(url)
    if act.before is not None:
        assert act.before(db).is_done
    return db


def _operations(url: str, kind: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select count(*) from syncstock.sync_operations where operation_type = %s and status = 'completed'",
            (kind,),
        ).fetchone()
    assert row is not None
    return int(row[0])


def _assert_done_once(url: str, act: Act, done_before: int, where: str) -> None:
    db = SyncStockDB(url)
    assert _operations(url, act.operation) == done_before + 1, where
    answer = act.do(db)
    assert answer.status in act.answers, (where, answer)
    assert _operations(url, act.operation) == done_before + 1, where
    assert stock(db) == act.stock, where
    assert db.reservations()["quantity"].sum() == act.promised, where
    assert len(db.pending_updates()) == act.pending, where
    assert db.audit() == {}, where
    db.close()


def _chosen(trips: list[str]) -> list[int]:
    """All of an order's few round trips; of a long operation some and its end, where its effect begins to be kept."""
    last = len(trips)
    stride = 1 if last <= 10 else _STRIDE
    return sorted({*range(1, last + 1, stride), *range(max(1, last - 3), last + 1)})


def _trips_of(url: str, act: Act) -> list[str]:
    db = _prepared(url, act)
    with Wire(url) as wire:
        db.url = wire.url
        assert act.do(db).status in act.answers
        return list(wire.trips)


@pytest.mark.prove
@pytest.mark.parametrize("phase", ["request", "answer"])
@pytest.mark.parametrize("name", list(ACTS))
def test_what_is_done_to_an_order_is_done_once_wherever_the_connection_is_lost(
    name: str, phase: Phase, base: str, clone: Clone
) -> None:
    """Reserving, committing, releasing and cancelling: before the server heard it, and with its answer lost."""
    act = ACTS[name]
    trips = _trips_of(clone(base), act)
    for number in _chosen(trips):
        where = f"{phase} of trip {number} of {len(trips)}: {trips[number - 1][:60]!r}"
        url = clone(base)
        db = _prepared(url, act)
        done_before = _operations(url, act.operation)
        with Wire(url, cut_once(number, phase)) as wire:
            db.url = wire.url
            # What only reads is not asked again by itself; a person does.
            with suppress(psycopg.OperationalError):
                assert act.do(db).status in act.answers, where
        assert act.do(SyncStockDB(url)).status in act.answers, where
        _assert_done_once(url, act, done_before, where)


def _act_in_a_process(name: str, url: str, wire_url: str) -> None:
    db = SyncStockDB(url)
    db.url = wire_url
    ACTS[name].do(db)


@pytest.mark.prove
@pytest.mark.parametrize("name", list(ACTS))
def test_what_is_done_to_an_order_is_done_once_wherever_the_client_is_killed(
    name: str, base: str, clone: Clone, processes: Any
) -> None:
    """kill -9 once the server has done what a round trip says; another client does it."""
    act = ACTS[name]
    trips = _trips_of(clone(base), act)
    for number in _chosen(trips):
        url = clone(base)
        db = _prepared(url, act)
        done_before = _operations(url, act.operation)
        worker: list[Any] = []
        with Wire(url, _killing("answer", number, worker)) as wire:
            worker.append(processes.Process(target=_act_in_a_process, args=(name, url, wire.url)))
            worker[0].start()
            worker[0].join(60)
        assert worker[0].exitcode == -signal.SIGKILL
        assert act.do(db).status in act.answers
        _assert_done_once(url, act, done_before, f"kill -9 at trip {number} of {len(trips)}")
        close_idle(url)
