"""Every change is an operation: on record before it begins, closed in the transaction of its effect.

What belongs here: opening, closing and retrying operations. What does not: what they do.

Exactly once (law L10): the operation's uuid is its identity. A worker holds a session lock on it while it lives,
so a retry waits until the lost attempt's backend is gone, and then either finds it completed or does it anew.

Types of operations: ``sync``, ``load``, ``pull`` and ``push`` bring evidence or carry it out, and set the status;
``approve``, ``reject``, ``recount``, ``resolve``, ``rollback``, ``stage``, ``commit``, ``restore`` and ``replay`` are
people's; ``catalogue``, ``release``, ``close``, ``rebuild``, ``prune`` and ``plan`` (which begins a run of a channel)
are care; ``count_sheet`` and ``count_plan`` prepare counts. ``order``, ``reserve`` and ``unreserve`` are recorded by
the database itself, in the transaction of their effect (``stock.orders``).
"""

from __future__ import annotations

import getpass
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg
import stamina
from psycopg import Connection

from syncstock_dagster.errors import BadInput, told_error
from syncstock_dagster.operations.performance import Performance
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable, storable, storable_json

_ATTEMPTS = 6

Statistics = dict[str, Any]


class _DryRun(Exception):  # noqa: N818 - control flow: undoes the transaction and carries its statistics out
    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation at work, inside its transaction."""

    connection: Connection[Any]
    operation_id: int
    uuid: str
    who: str
    performance: Performance = field(default_factory=Performance)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended. ``statistics`` is what its work returned."""

    uuid: str
    statistics: Statistics
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Acting:
    who: str | None = None
    dagster_run_id: str | None = None
    performance: Performance | None = None


_acting: ContextVar[_Acting] = ContextVar("acting", default=_Acting())  # noqa: B039 - it is frozen


@contextmanager
def acting(
    *, who: str | None = None, dagster_run_id: str | None = None, performance: Performance | None = None
) -> Iterator[None]:
    """On whose behalf operations begin from here on: a person, a Dagster run, a reader that has measured its part.

    ``performance`` goes to the first operation within.
    """
    now = _acting.get()
    token = _acting.set(
        _Acting(who or now.who, dagster_run_id or now.dagster_run_id, performance or now.performance)
    )
    try:
        yield
    finally:
        _acting.reset(token)


def run_operation(
    url: str,
    name: str,
    operation_type: str,
    work: Callable[[Operation], Statistics],
    *,
    who: str | None = None,
    is_rollbackable: bool = False,
    dry_run: bool = False,
    direction: Literal["up", "down", "bidirectional"] = "down",
    delivery_id: int | None = None,
) -> Outcome:
    """Run ``work`` in one transaction, exactly once, and record it; ``delivery_id`` is what a load posts.

    ``work`` may be called again after a failure that can pass; what the earlier call did was undone. What it
    returns is kept as the operation's statistics. Two names in it have a meaning here: ``seconds`` (by stage) goes
    to the performance log, and a true ``partly`` says that something of what was asked was left.

    Raises:
        BadInput: the name or who cannot be stored.
        Exception: whatever ``work`` raised last; the operation is then on record as failed, and nothing of it is kept.
    """
    for text in (name, who):
        if text is not None and not is_storable(text):
            raise BadInput(f"{text[:80]!r} cannot be stored: it holds a NUL or a lone surrogate.")
    operation_uuid = str(uuid.uuid4())
    on_behalf = _acting.get()
    values = {
        "uuid": operation_uuid,
        "name": name or operation_type,
        "type": operation_type,
        "direction": direction,
        "who": who or on_behalf.who or operating_system_user(),
        "dagster_run_id": on_behalf.dagster_run_id,
        "is_rollbackable": is_rollbackable,
        "delivery_id": delivery_id,
    }
    if dry_run:
        return _rehearse(url, values, work)
    performance = on_behalf.performance or Performance()
    if on_behalf.performance is not None:
        _acting.set(replace(on_behalf, performance=None))
    try:
        for attempt in stamina.retry_context(
            on=can_pass, attempts=_ATTEMPTS, timeout=60, wait_initial=0.05, wait_max=2
        ):
            with attempt:
                return _attempt(url, values, work, performance)
    except Exception as error:
        _record_failure(url, operation_uuid, error)
        raise
    raise AssertionError("unreachable: a retry ends with a result or an exception")


def operating_system_user() -> str:
    """Who acts when nobody says so: the account of this process, named as such."""
    try:
        return f"{getpass.getuser()} (operating system)"
    except (KeyError, OSError):
        return "unknown (operating system)"


def current_actor(who: str | None = None) -> tuple[str, str | None]:
    """Who acts here and now, and the Dagster run on whose behalf."""
    now = _acting.get()
    return who or now.who or operating_system_user(), now.dagster_run_id


def can_pass(error: Exception) -> bool:
    """Whether trying again can help: a lost connection, a deadlock, or a row that another writer made meanwhile."""
    if isinstance(error, psycopg.errors.UniqueViolation):
        return error.diag.schema_name == "syncstock"
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _attempt(
    url: str, values: dict[str, Any], work: Callable[[Operation], Statistics], performance: Performance
) -> Outcome:
    with connect(url) as connection:
        (operation_id,) = _one(connection, "operations/open", values)
        connection.execute("select pg_advisory_lock(operation_lock(%s))", (operation_id,))
        started = connection.execute(
            statement("operations/start"), values | {"operation_id": operation_id}
        ).fetchone()
        if started is None:  # an earlier attempt committed, and only its answer was lost
            (statistics,) = _one(
                connection,
                "select statistics from sync_operations where operation_id = %(operation_id)s",
                {"operation_id": operation_id},
            )
            return Outcome(values["uuid"], statistics)
        with connection.transaction():
            statistics = work(Operation(connection, operation_id, values["uuid"], values["who"], performance))
            _complete(connection, operation_id, statistics, performance)
        connection.execute(
            "select pg_advisory_unlock(operation_lock(%s)), set_config('syncstock.operation_id', '', false)",
            (operation_id,),
        )
        return Outcome(values["uuid"], statistics)


def _rehearse(url: str, values: dict[str, Any], work: Callable[[Operation], Statistics]) -> Outcome:
    """The same work in a transaction that is always undone, with its record."""
    try:
        with connect(url) as connection, connection.transaction():
            (operation_id,) = _one(connection, "operations/open", values)
            connection.execute("select set_config('syncstock.operation_id', %s::text, true)", (operation_id,))
            raise _DryRun(work(Operation(connection, operation_id, values["uuid"], values["who"])))
    except _DryRun as rehearsed:
        return Outcome(values["uuid"], rehearsed.statistics, is_dry_run=True)


def _complete(
    connection: Connection[Any], operation_id: int, statistics: Statistics, performance: Performance
) -> None:
    for stage, seconds in statistics.pop("seconds", {}).items():
        performance.count(stage, seconds=seconds)
    summary = performance.summary(statistics)
    connection.execute(
        statement("operations/complete"),
        {
            **summary,
            "stages": json.dumps(summary["stages"]),
            "operation_id": operation_id,
            "status": "partly" if statistics.get("partly") else "completed",
            "statistics": storable_json(statistics),
        },
    )


def _record_failure(url: str, operation_uuid: str, error: Exception) -> None:
    # The server may be what failed; then the operation is found dead and closed by the next one.
    with suppress(psycopg.Error), connect(url) as connection:
        connection.execute(
            statement("operations/fail"), {"uuid": operation_uuid, "error": storable(told_error(error))}
        )


def _one(connection: Connection[Any], query: str, values: dict[str, Any]) -> tuple[Any, ...]:
    text = query.encode() if " " in query else statement(query)
    row = connection.execute(text, values).fetchone()
    assert row is not None, query
    return row
