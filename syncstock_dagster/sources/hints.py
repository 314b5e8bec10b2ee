"""Hints: somebody says that an article changed at a source. Only the code is believed; the article is read again.

What belongs here: receiving hints, and working them off. What does not: checking who sent one (whoever receives it).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation
from syncstock_dagster.sources.protocol import Ask, Source
from syncstock_dagster.sources.pull import Answered, PullResult, Rules, pull
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.storable import is_storable

#: Of one run.
_MOST = 500
#: A hint that fails so often is given up; the next whole pull reads the article anyway.
_ATTEMPTS = 5
_LONGEST_CODE = 200


def receive(url: str, source: str, codes: Iterable[str], *, event_key: str | None = None) -> int:
    """Keep hints; how many are new. The same event again, or a code that waits already, is none.

    A code that is just being read is a new one: it may have been read before it changed.

    Raises:
        BadInput: a code or the key of the event cannot be one.
    """
    wanted = set(codes)
    if not all(_is_code(code) for code in wanted):
        raise BadInput(f"A code is text of 1 to {_LONGEST_CODE} characters.")
    if event_key is not None and not is_storable(event_key):
        raise BadInput("The key of an event holds no NUL and no lone surrogate.")
    with connect(url) as connection:
        return connection.execute(
            "insert into source_hints (source, code, event_key) "
            "select %(source)s, c.code, %(key)s::text || '/' || c.code from unnest(%(codes)s::text[]) as c (code) "
            "where not exists (select from source_hints as h "
            "  where h.source = %(source)s and h.code = c.code and h.worked_at is null and h.attempts = 0) "
            "on conflict (event_key) do nothing",
            {"source": source, "codes": sorted(wanted), "key": event_key},
        ).rowcount


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many hints of a source wait, the newest of them, and how often all of them were tried."""

    count: int
    newest: int
    attempts: int


def waiting(url: str) -> dict[str, Waiting]:
    """The hints that wait, by source."""
    with connect(url) as connection:
        rows = connection.execute(
            "select source, count(*), max(hint_id), sum(attempts) from source_hints where worked_at is null "
            "group by source"
        ).fetchall()
    return {source: Waiting(*numbers) for source, *numbers in rows}


def work_off(url: str, source: Source, rules: Rules, *, who: str | None = None) -> PullResult | None:
    """Read again what hints name, and close them in the same operation; None where none waits."""
    with connect(url) as connection:
        rows = connection.execute(
            "select hint_id, code, attempts from source_hints where source = %s and worked_at is null "
            "order by hint_id limit %s",
            (source.name, _MOST),
        ).fetchall()
        hopeless = [row[0] for row in rows if row[2] >= _ATTEMPTS]
        _close(connection, hopeless, "given up")
        rows = [row for row in rows if row[2] < _ATTEMPTS]
        if not rows:
            return None
        connection.execute(
            "update source_hints set attempts = attempts + 1 where hint_id = any(%s)",
            ([row[0] for row in rows],),
        )

    def close(operation: Operation, answered: Answered) -> None:
        gone, left = set(answered.missing), set(answered.left)
        read = [row[0] for row in rows if row[1] not in gone | left]
        _close(operation.connection, read, "read")
        _close(operation.connection, [row[0] for row in rows if row[1] in gone], "missing")
        # A limit that is used up is no attempt: these wait until it is not.
        operation.connection.execute(
            "update source_hints set attempts = attempts - 1 where hint_id = any(%s)",
            ([row[0] for row in rows if row[1] in left],),
        )

    ask = Ask(ids=tuple(dict.fromkeys(row[1] for row in rows)), active_only=False)
    return pull(url, source, ask, rules, name=f"{source.name}: hints", who=who, then=close)


def _is_code(code: object) -> bool:
    return isinstance(code, str) and 0 < len(code) <= _LONGEST_CODE and is_storable(code)


def _close(connection: Any, hint_ids: list[int], outcome: str) -> None:
    if hint_ids:
        connection.execute(
            "update source_hints set worked_at = clock_timestamp(), outcome = %s where hint_id = any(%s)",
            (outcome, hint_ids),
        )
