"""One order, interrupted at every round trip in every way: after a retry it was taken once (L10).

What belongs here: lost connections before and after the server did its part, killed processes, and lost answers. What
does not: two clients at once (``test_orders``).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import psycopg
import pytest

from syncstock_dagster import POSRecord, SyncStockDB
from syncstock_dagster.store.connection import close_idle
from syncstock_dagster_tests.stock.conftest import Clone
from syncstock_dagster_tests.stock.wire import Hook, Trip, Wire, cut_once

LINES = [("A", 3), ("B", 2)]
Phase = Literal["request", "answer"]


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

        def kill(trip: Trip, number: int = number, worker: list[Any] = worker) -> Literal["go on", "cut"]:
            if (trip.number, trip.phase) != (number, phase):
                return "go on"
            os.kill(worker[0].pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                while True:
                    os.kill(worker[0].pid, 0)
                    time.sleep(0.001)
            return "cut"

        hook: Hook = kill
        with Wire(url, hook) as wire:
            worker.append(processes.Process(target=_order_in_a_process, args=(url, wire.url)))
            worker[0].start()
            worker[0].join(60)
        assert worker[0].exitcode == -signal.SIGKILL
        db = SyncStockDB(url)
        assert stock(db) in ([10, 10], [7, 8])
        assert db.order(LINES, ref="web-1", sync=False).is_done
        assert_taken_once(url, f"kill -9 at the {phase} of trip {number}")
        close_idle(url)
