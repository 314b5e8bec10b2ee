"""The outbox as a stream: what happened, at least once, in order for each entity.

What belongs here: reading events, remembering how far, and pruning old ones. What does not: writing them, which the
transaction of their effect does (``operations.log``, the triggers of the catalogue), and delivering them to somebody.

``event_id`` deduplicates. A position is a text that only this module understands. Events of a transaction that is
still running may have smaller ids than those that can be seen; so only what is older than every running
transaction is given out, and nothing can come in before it later.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.pruning import prune
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

START = "0-0-0"
#: Three numbers that the database can hold.
_POSITION = re.compile(r"[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,18}")
_CHANNEL = "syncstock_events"


def read_events(
    url: str, position: str = START, *, types: list[str] | None = None, limit: int = 1000
) -> tuple[list[dict[str, Any]], str]:
    """Events after a position, at most ``limit`` of them, and the position after them.

    ``types`` names event types, also with an asterisk at the end: ``sync.*``. Read on from the returned position
    also where no event came: it may have moved on past other types.

    Raises:
        BadInput: this is no position, what happened after it was pruned, or the limit is no number above zero.
    """
    if limit < 1:
        raise BadInput(f"{limit} events cannot be read: ask for one at least.")
    with connect(url) as connection:
        return _read(connection, position, types, limit)


def position_of(url: str, consumer: str) -> str:
    """How far a consumer has read; the beginning for a new one."""
    with connect(url) as connection:
        row = connection.execute(
            "select position from event_consumers where name = %s", (consumer,)
        ).fetchone()
    return START if row is None else str(row[0])


def acknowledge(url: str, consumer: str, position: str) -> None:
    """Remember that a consumer has done everything up to a position; what it did not acknowledge comes again."""
    _parsed(position)
    with connect(url) as connection:
        connection.execute(
            "insert into event_consumers (name, position) values (%s, %s) "
            "on conflict (name) do update set position = excluded.position, updated_at = clock_timestamp()",
            (consumer, position),
        )


def follow(
    url: str, consumer: str, *, types: list[str] | None = None, idle_seconds: float | None = None
) -> Iterator[dict[str, Any]]:
    """Every event from where the consumer stands, then new ones as they come.

    A batch is acknowledged when the event after it is asked for. Ends after ``idle_seconds`` without an event;
    never, where that is None.
    """
    position = position_of(url, consumer)
    with connect(url) as connection:
        connection.execute(f"listen {_CHANNEL}".encode())
        last = time.monotonic()
        while True:
            events, after = _read(connection, position, types, 1000)
            yield from events
            position = after
            if events:
                acknowledge(url, consumer, position)
                last = time.monotonic()
                continue
            if idle_seconds is not None and time.monotonic() - last >= idle_seconds:
                connection.execute(f"unlisten {_CHANNEL}".encode())
                return
            # A notice may come before its events are complete, so silence is not trusted for long.
            wait = 1.0 if idle_seconds is None else min(1.0, idle_seconds)
            next(connection.notifies(timeout=wait, stop_after=1), None)


def prune_events(url: str, days: int, *, who: str | None = None, dry_run: bool = False) -> int:
    """Delete events that are older than so many days; how many there were. No operation where there are none."""
    return prune(
        url,
        "events",
        days,
        find=b"select 1 from sync_events where occurred_at < %(before)s limit 1",
        delete=statement("events/prune"),
        who=who,
        dry_run=dry_run,
    )


def _read(
    connection: Connection[Any], position: str, types: list[str] | None, limit: int
) -> tuple[list[dict[str, Any]], str]:
    asked = done, window, last = _parsed(position)
    if window <= done:
        row = connection.execute("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchone()
        assert row is not None
        window, last = int(row[0]), 0
    patterns = None if types is None else [one.replace("_", r"\_").replace("*", "%") for one in types]
    cursor = connection.execute(
        statement("events/read"),
        {"from_xid": str(done), "to_xid": str(window), "last": last, "types": patterns, "limit": limit},
    )
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    events = [dict(zip(names, row, strict=True)) for row in cursor]
    if position != START:
        _refuse_pruned(
            connection, position, *asked
        )  # after reading: what was there then was not pruned before
    if len(events) < limit:
        return events, f"{window}-{window}-0"
    return events, f"{done}-{window}-{events[-1]['event_id']}"


def _refuse_pruned(connection: Connection[Any], position: str, done: int, window: int, last: int) -> None:
    row = connection.execute("select up_to_xid::text::bigint, up_to_id, before from events_pruned").fetchone()
    if row is None:
        return
    up_to_xid, up_to_id, before = row
    if done <= up_to_xid and not (window > up_to_xid and last >= up_to_id):
        raise BadInput(
            f"Events before {before:%Y-%m-%d %H:%M %Z} were pruned, and position {position} lies before their end: "
            "what happened in between is not told any more. Compare what you hold with how it stands now, and go on "
            f"from {START!r}, which is now the oldest event that is kept."
        )


def _parsed(position: str) -> tuple[int, int, int]:
    if not _POSITION.fullmatch(position):
        raise BadInput(f"{position!r} is no position in the events; {START!r} is the beginning.")
    done, window, last = (int(part) for part in position.split("-"))
    return done, window, last
