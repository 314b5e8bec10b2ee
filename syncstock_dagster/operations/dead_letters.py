"""Dead letters: rows and calls that failed for good, kept until somebody mends, replays or discards them.

What belongs here: their life. What does not: retrying what may pass (whoever calls), and what a kind of letter does
when it is replayed: each room registers a
handler for its kinds, or hands it over (``handlers``) where it needs policies.

    @handles("shopify.push")
    def push_again(operation: Operation, letter: Letter) -> None: ...

A handler works in the transaction that closes the letter: either both happen, or neither. Where it calls an outside
system, ``letter.uuid`` is the idempotency key to send along.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, Outcome, Statistics, run_operation
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import storable_json


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter at its replay."""

    dead_letter_id: int
    uuid: str
    source: str
    kind: str
    payload: dict[str, Any]


Handler = Callable[[Operation, Letter], Any]
_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Register what replays letters of a kind."""

    def register(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return register


def bury(
    operation: Operation,
    source: str,
    kind: str,
    failures: Iterable[tuple[Mapping[str, Any], str]],
    *,
    delivery_id: int | None = None,
    attempts: int = 1,
) -> int:
    """Keep what failed for good, payload and reason each, in the caller's transaction; how many are new.

    What cannot be stored of it is shown as U+FFFD. The same payload of one source and kind again is another attempt,
    and wakes no letter that was discarded.
    """
    rows = [{"payload": dict(payload), "reason": reason[:10_000]} for payload, reason in failures]
    if not rows:
        return 0
    written = operation.connection.execute(
        statement("dead_letters/bury"),
        {
            "source": source,
            "kind": kind,
            "rows": storable_json(rows),
            "attempts": attempts,
            "operation_id": operation.operation_id,
            "delivery_id": delivery_id,
        },
    ).fetchall()
    return sum(1 for (is_new,) in written if is_new)


def fix(
    url: str,
    dead_letter_id: int,
    values: Mapping[str, Any],
    *,
    who: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Mend fields of a waiting letter's payload; None takes a field out. Returns the payload as it is now.

    Raises:
        BadInput: there is no such letter, it does not wait any more, or what mends it cannot be stored.
    """
    if json.dumps(dict(values), default=str) != storable_json(dict(values)):
        raise BadInput(
            "What mends a letter holds a NUL, a lone surrogate or no number, which cannot be stored."
        )
    mended: dict[str, Any] = {}

    def work(operation: Operation) -> Statistics:
        letter = _waiting(operation, dead_letter_id)
        mended.update({**letter.payload, **values})
        for name in [name for name, value in values.items() if value is None]:
            del mended[name]
        operation.connection.execute(
            "update dead_letters set payload = %s::jsonb, mended_by = %s where dead_letter_id = %s",
            (json.dumps(mended, default=str), operation.who, dead_letter_id),
        )
        return {}

    run_operation(url, f"mend dead letter {dead_letter_id}", "fix", work, who=who, dry_run=dry_run)
    return mended


def replay(
    url: str,
    dead_letter_id: int,
    *,
    handlers: Mapping[str, Handler] | None = None,
    reason: str = "",
    who: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Do once more what failed, as it is mended; exactly once. One that is replayed already stays so.

    Raises:
        BadInput: there is no such letter, it was discarded, nobody handles its kind, or it fails again: then it waits
            as before.
    """

    def work(operation: Operation) -> Statistics:
        letter = _waiting(operation, dead_letter_id, or_else="replayed")
        if letter is None:
            return {"already": True}
        known = {**_handlers, **(handlers or {})}
        handler = known.get(letter.kind)
        if handler is None:
            raise BadInput(
                f"Nobody replays letters of kind {letter.kind!r}; known are {', '.join(sorted(known))}."
            )
        done = handler(operation, letter)
        again = operation.connection.execute(
            statement("dead_letters/failed_again"),
            {"operation_id": operation.operation_id, "dead_letter_id": dead_letter_id},
        ).fetchone()
        if again is not None:
            raise BadInput(
                f"It fails again: {again[0]}. Mend dead letter {dead_letter_id} first, or discard it."
            )
        _settle(operation, dead_letter_id, "replayed", reason)
        return {"replayed": 1, **(done if isinstance(done, dict) else {})}

    name = f"replay dead letter {dead_letter_id}"
    return run_operation(url, name, "replay", work, who=who, is_rollbackable=True, dry_run=dry_run)


def discard(
    url: str, dead_letter_id: int, *, reason: str, who: str | None = None, dry_run: bool = False
) -> Outcome:
    """Give a letter up, with a reason. One that is discarded already stays so.

    Raises:
        BadInput: no reason, or there is no such letter, or it was replayed.
    """
    if not reason or not reason.strip():
        raise BadInput("Discarding needs a reason: say in a few words why.")

    def work(operation: Operation) -> Statistics:
        if _waiting(operation, dead_letter_id, or_else="discarded") is None:
            return {"already": True}
        _settle(operation, dead_letter_id, "discarded", reason)
        return {"discarded": 1}

    return run_operation(url, f"discard: {reason}", "discard", work, who=who, dry_run=dry_run)


def _waiting(operation: Operation, dead_letter_id: int, or_else: str | None = None) -> Any:
    row = operation.connection.execute(
        "select dead_letter_id, dead_letter_uuid::text, source, kind, payload, state from dead_letters "
        "where dead_letter_id = %s for update",
        (dead_letter_id,),
    ).fetchone()
    if row is None:
        raise BadInput(f"There is no dead letter {dead_letter_id}.")
    if row[5] == or_else:
        return None
    if row[5] != "waiting":
        raise BadInput(f"Dead letter {dead_letter_id} is {row[5]} already.")
    return Letter(*row[:5])


def _settle(operation: Operation, dead_letter_id: int, state: str, reason: str) -> None:
    operation.connection.execute(
        statement("dead_letters/settle"),
        {
            "dead_letter_id": dead_letter_id,
            "state": state,
            "who": operation.who,
            "reason": reason or None,
            "operation_id": operation.operation_id,
        },
    )
