"""One sync, interrupted at every round trip in every way: after a retry it ran once (L10).

What belongs here: lost connections before and after the server did its part, terminated backends, killed processes, and
lost answers to COMMIT. What does not: two clients at once (``test_concurrency``).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
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
from syncstock_dagster.store.connection import close_idle
from syncstock_dagster_tests.conftest import Databases
from syncstock_dagster_tests.stock.conftest import Clone
from syncstock_dagster_tests.stock.wire import Hook, Trip, Wire, cut_once

DAY = date(2024, 3, 4)
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

Way = Literal["before the request", "after the answer", "terminated before", "terminated after"]

#: Every n-th round trip in the ordinary run, every one in the long run.
STRIDE = 1 if settings().max_examples > 100 else 7


def sync(db: SyncStockDB) -> str:
    """One sync with something of everything: new, duplicate, changed, restated, held, corrected, unknown."""
    return db.run_sync(
        [PurchaseRecord(1, 60, day=DAY), PurchaseRecord(9, 5, at=NOON, ref="new article")],
        [SalesRecord(1, 3, at=NOON, ref="till", line="1"), SalesRecord(1, 5, at=NOON, ref="till", line="2")],
        [
            POSRecord(2, 90, NOON + HOUR),
            POSRecord(3, 200, NOON + 3 * HOUR, source="excel"),
            POSRecord(4, 55, NOON + 3 * HOUR, source="excel"),
        ],
        "the sync",
        movements=[
            TransferRecord(2, 5, NOON, "main", "B", "T-1", arrives_at=NOON + 2 * HOUR),
            MovementRecord(2, -1, at=NOON, ref="later", location="unknown yet"),
            MovementRecord(4, -2, at=NOON + 2 * HOUR, ref="late", source="a new source"),
        ],
        idempotency_key="the sync",
    ).status


@pytest.fixture(scope="module")
def base(base_url: str) -> str:
    """A database in which something happened before; it is only copied."""
    db = SyncStockDB(base_url)
    db.upsert_locations([{"code": "B", "timezone": "Africa/Cairo"}])
    db.run_sync(
        [PurchaseRecord(1, 50, day=DAY)],
        [SalesRecord(1, 3, at=NOON, ref="till", line="1"), SalesRecord(1, 4, at=NOON, ref="till", line="2")],
        [
            POSRecord(2, 100, NOON + HOUR),
            POSRecord(3, 500, NOON, source="excel"),
            POSRecord(4, 60, NOON, source="excel"),
        ],
    )
    db.close_day(DAY + timedelta(days=1))
    db.close()
    return base_url


#: Numbers that the database gives out, and readings of its clock; what is left is what the evidence says.
_GIVEN_OUT = {
    "recorded_at", "recorded_from", "recorded_to", "received_at", "posted_at", "created_at", "updated_at",
    "decided_at", "started_at", "finished_at", "raised_at", "resolved_at", "closed_at", "last_synced",
    "last_processed_at", "lateness", "conflict_uuid", "operation_uuid", "caused_by", "fact", "withdrawn_by",
    "chosen_by", "released_by",
}  # fmt: skip
#: What is told of attempts, and how long they took, differs where there were several.
_NO_EVIDENCE = {
    "sync_operations", "meta", "alembic_version", "sources", "delivery_payloads", "sync_events",
    "sync_performance_logs",
}  # fmt: skip


def content(url: str) -> dict[str, list[str]]:
    """Every stored row of every table, without numbers given out and readings of the clock."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        columns: dict[str, list[str]] = {}
        for table, column in connection.execute(
            "select c.table_name, c.column_name from information_schema.columns as c"
            " join information_schema.tables as t using (table_schema, table_name)"
            " where c.table_schema = 'syncstock' and t.table_type = 'BASE TABLE' order by c.ordinal_position"
        ):
            if column not in _GIVEN_OUT and (not column.endswith("_id") or column in {"inventory_id"}):
                columns.setdefault(table, []).append(column)
        for table in columns.keys() - _NO_EVIDENCE:
            listed = ", ".join(f'"{column}"' for column in columns[table])
            found[table] = sorted(
                row
                for (row,) in connection.execute(
                    f"select row({listed})::text from syncstock.{table}".encode()
                )
            )
        found["operations"] = sorted(
            str(row)
            for row in connection.execute(
                "select operation_type, name, status from syncstock.sync_operations where status = 'completed'"
            )
        )
    return found


def assert_ran_once(url: str, expected: dict[str, list[str]], where: str) -> None:
    """The content is the one of an undisturbed run; nothing is left running, open or inconsistent."""
    found = content(url)
    for table in expected:
        assert found[table] == expected[table], f"{table} after {where}"
    db = SyncStockDB(url)
    assert db.audit() == {}, where
    assert db.get_status()["status"] == "OK", where


def assert_all_or_nothing(
    url: str, before: dict[str, list[str]], after: dict[str, list[str]], where: str
) -> None:
    """Between the accident and the retry a reader sees the old state or the new one, and no run that never ends."""
    found = content(url)
    stock_tables = (
        "item_stock",
        "ledger_entries",
        "movements",
        "stock_counts",
        "stock_ranges",
        "count_points",
    )
    assert any(all(found[t] == whole[t] for t in stock_tables) for whole in (before, after)), where
    status = ""
    for _ in range(100):
        status = SyncStockDB(url).get_status()["status"]
        if status != "RUNNING":
            return
        time.sleep(0.1)
    pytest.fail(f"the status is still {status} after {where}")


@pytest.fixture(scope="module")
def undisturbed(
    base: str, make_database: Databases
) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """The content before and after a run that nothing happens to, and its round trips."""
    close_idle(base)
    url = make_database(template=base)
    before = content(url)
    db = SyncStockDB(url)
    with Wire(url) as wire:
        db.url = wire.url
        assert sync(db) == "posted"
        trips = list(wire.trips)
    assert any("commit" in sql.lower() for sql in trips), (
        "the proxy sees no COMMIT: it would not test its loss"
    )
    return before, content(url), trips


def _accident(way: Way, number: int, server_url: str) -> Hook:
    if way == "before the request":
        return cut_once(number, "request")
    if way == "after the answer":
        return cut_once(number, "answer")
    phase = "request" if way == "terminated before" else "answer"

    def terminate(trip: Trip) -> Literal["go on", "cut"]:
        if (trip.number, trip.phase) == (number, phase):
            with psycopg.connect(server_url, autocommit=True) as admin:
                admin.execute("select pg_terminate_backend(%s, 5000)", (trip.backend_pid,))
        return "go on"

    return terminate


@pytest.mark.prove
@pytest.mark.parametrize(
    "way", ["before the request", "after the answer", "terminated before", "terminated after"]
)
def test_a_connection_lost_at_any_round_trip_leaves_a_sync_that_ran_once(
    way: Way,
    base: str,
    clone: Clone,
    undisturbed: tuple[dict[str, list[str]], dict[str, list[str]], list[str]],
) -> None:
    """Lost before the server heard it, or after it did it: a retry under the same key ends as if it ran once."""
    before, expected, trips = undisturbed
    last = len(trips)
    #: The end of a run is where its effect begins to be kept: there every trip is taken.
    chosen = sorted({*range(1, last + 1, STRIDE), *range(max(1, last - 5), last + 1)})
    for number in chosen:
        where = f"trip {number} of {last}, {way}: {trips[number - 1][:80]!r}"
        url = clone(base)
        db = SyncStockDB(url)
        with Wire(url, _accident(way, number, url)) as wire:
            db.url = wire.url
            try:
                sync(db)
            except psycopg.OperationalError:
                assert_all_or_nothing(url, before, expected, where)
                assert sync(SyncStockDB(url)) in {"posted", "already received"}
        assert_ran_once(url, expected, where)


@pytest.mark.prove
def test_a_lost_answer_to_commit_is_answered_already_received(
    base: str, clone: Clone, undisturbed: tuple[dict[str, list[str]], dict[str, list[str]], list[str]]
) -> None:
    """The server committed and the client never learned: whatever the client is told, a retry changes nothing."""
    _, expected, trips = undisturbed
    # The retries are on record, as operations that did nothing.
    expected = {table: lines for table, lines in expected.items() if table != "operations"}
    commits = [number for number, sql in enumerate(trips, 1) if "commit" in sql.lower()]
    for number in commits:
        url = clone(base)
        db = SyncStockDB(url)
        with Wire(url, cut_once(number, "answer")) as wire:
            db.url = wire.url
            with contextlib.suppress(psycopg.OperationalError):
                sync(db)
            sync(db)
        assert sync(SyncStockDB(url)) == "already received"
        assert_ran_once(url, expected, f"lost answer to COMMIT, trip {number}")


def _sync_in_a_process(server_url: str, wire_url: str) -> None:
    db = SyncStockDB(server_url)
    db.url = wire_url
    sync(db)


@pytest.mark.prove
@pytest.mark.parametrize("phase", ["request", "answer"])
def test_a_process_killed_at_any_round_trip_leaves_a_sync_that_ran_once(
    phase: Literal["request", "answer"],
    base: str,
    clone: Clone,
    undisturbed: tuple[dict[str, list[str]], dict[str, list[str]], list[str]],
    processes: Any,
) -> None:
    """kill -9 of the worker; another worker sends the same delivery."""
    before, expected, trips = undisturbed
    last = len(trips)
    for number in sorted({*range(1, last + 1, 2 * STRIDE), *range(max(1, last - 3), last + 1)}):
        where = f"kill -9 at trip {number} of {last}, {phase}: {trips[number - 1][:80]!r}"
        url = clone(base)
        worker: list[Any] = []

        def kill(trip: Trip, number: int = number, worker: list[Any] = worker) -> Literal["go on", "cut"]:
            if (trip.number, trip.phase) == (number, phase):
                os.kill(worker[0].pid, signal.SIGKILL)
                # Not join(): the main thread is in it, and only one of two learns the exit code.
                with contextlib.suppress(ProcessLookupError):
                    while True:
                        os.kill(worker[0].pid, 0)
                        time.sleep(0.001)
                return "cut"
            return "go on"

        with Wire(url, kill) as wire:
            worker.append(processes.Process(target=_sync_in_a_process, args=(url, wire.url)))
            worker[0].start()
            worker[0].join(60)
            assert worker[0].exitcode == -signal.SIGKILL, where
        assert_all_or_nothing(url, before, expected, where)
        assert sync(SyncStockDB(url)) in {"posted", "already received"}
        assert_ran_once(url, expected, where)


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """Processes that start quickly and share no connection and no thread with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["syncstock_dagster_tests.stock.test_exactly_once"])
    yield context


def test_a_connection_that_the_server_ended_between_two_calls_is_replaced(base: str, clone: Clone) -> None:
    """A restart of the server, or an administrator, may end what a client keeps open; the next call does not mind."""
    url = clone(base)
    db = SyncStockDB(url)
    db.run_sync([PurchaseRecord(5, 1, day=DAY)])
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert sync(db) == "posted"
    assert sync(db) == "already received"
    assert db.audit() == {}


def _sync_in_a_child(url: str) -> None:
    os._exit(0 if sync(SyncStockDB(url)) == "posted" else 1)


def test_a_forked_child_does_not_use_its_parents_connection(base: str, clone: Clone) -> None:
    """Two processes on one connection would read each other's answers."""
    url = clone(base)
    db = SyncStockDB(url)
    db.run_sync([PurchaseRecord(5, 1, day=DAY)])
    child = multiprocessing.get_context("fork").Process(target=_sync_in_a_child, args=(url,))
    child.start()
    for n in range(5):
        db.run_sync([PurchaseRecord(5, n, day=DAY)])
    child.join(60)
    assert child.exitcode == 0
    assert sync(db) == "already received"
    assert db.audit() == {}
