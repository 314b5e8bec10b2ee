"""The work record: what a run plans, sends and hears, each in a short transaction of its own.

What belongs here: reading and writing the tables of the channel, and its locks. What does not: deciding and sending.

A run's calls to the shop take minutes, and no transaction is open meanwhile. What is about to be sent is committed
first; so whoever finds the record after a crash knows what may have happened.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection

from syncstock_dagster.channels.shopify.deciding import HARMLESS
from syncstock_dagster.channels.shopify.policy import Options
from syncstock_dagster.channels.shopify.shop import UserError
from syncstock_dagster.errors import BadInput
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

_MOST_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Sync:
    """One run."""

    sync_id: int
    sync_uuid: str
    name: str
    kind: str
    state: str
    is_dry_run: bool
    shop: str
    tag: str
    options: Options
    started_at: datetime
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One level on record."""

    write_id: int
    product_id: str
    variant_id: str
    item_id: str
    sku: str
    location: str
    quantity_name: str
    change_from: int
    quantity: int
    attempt: int
    undoes: int | None
    call_key: str | None
    position: int | None
    style_code: str | None


def find_sync(url: str, which: str | None = None) -> Sync:
    """A run by its name or the beginning of its uuid; by default the newest.

    Raises:
        BadInput: there is none, or several are meant.
    """
    with connect(url) as connection:
        rows = _rows(connection, "find", which=which)
    if not rows:
        raise BadInput(
            "There was no run to Shopify yet." if which is None else f"There is no run {which!r} to Shopify."
        )
    if which is not None and len(rows) > 1:
        raise BadInput(f"{which!r} may mean several runs; give more of its uuid.")
    row = rows[0]
    return Sync(
        row["sync_id"], row["sync_uuid"], row["name"], row["kind"], row["state"], row["is_dry_run"], row["shop"],
        row["tag"], Options.from_record(row["options"]), row["started_at"], row["report"],
    )  # fmt: skip


def unfinished(url: str, shop: str, kind: str) -> list[str]:
    """Uuids of runs that were begun and did not come to their end, oldest first."""
    with connect(url) as connection:
        return [row["sync_uuid"] for row in _rows(connection, "unfinished", shop=shop, kind=kind)]


@contextmanager
def sync_held(connection: Connection[Any], sync_id: int) -> Iterator[bool]:
    """Whether this process, and no other, works on the run within."""
    lock = f"shopify sync {sync_id}"
    row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (lock,)).fetchone()
    is_held = bool(row and row[0])
    try:
        yield is_held
    finally:
        if is_held and not connection.closed:
            connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (lock,))


@contextmanager
def products_held(
    connection: Connection[Any], shop: str, products: Sequence[str], seconds: float
) -> Iterator[list[str]]:
    """Those of the products that are ours within; for the others we waited so long. A lost worker holds nothing."""
    wanted = sorted(products)
    held = [row["product_id"] for row in _rows(connection, "try_locks", shop=shop, products=wanted)]
    try:
        for product_id in sorted(set(wanted) - set(held)):
            if _wait_for(connection, shop, product_id, seconds):
                held.append(product_id)
            else:
                seconds = 0  # the time is up for all of them
        yield sorted(held)
    finally:
        if not connection.closed:
            _rows(connection, "unlock", shop=shop, products=held)


def _wait_for(connection: Connection[Any], shop: str, product_id: str, seconds: float) -> bool:
    if seconds <= 0:
        return False
    try:
        with connection.transaction():
            milliseconds = max(1, round(seconds * 1000))  # 0 would be for ever
            connection.execute("select set_config('lock_timeout', %s, true)", (f"{milliseconds}ms",))
            connection.execute(
                "select pg_advisory_lock(hashtextextended('shopify ' || %s || ' ' || %s, 0))",
                (shop, product_id),
            )
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):  # two runs wait for each other
        return False
    return True


def set_state(connection: Connection[Any], sync_id: int, state: str) -> None:
    """How far a run is."""
    connection.execute("update shopify_syncs set state = %s where sync_id = %s", (state, sync_id))


def store_found(
    connection: Connection[Any], sync: Sync, rows: Iterable[tuple[str, int]], *, only_missed: bool
) -> None:
    """Products that the run is about."""
    found = [{"product_id": product_id, "size": size} for product_id, size in rows]
    values = {"sync_id": sync.sync_id, "shop": sync.shop, "tag": sync.tag, "only_missed": only_missed}
    connection.execute(statement("shopify/found"), values | {"rows": json.dumps(found)})


def waiting_products(connection: Connection[Any], sync_id: int) -> dict[str, int]:
    """Products that are not through, with their sizes, small ones first."""
    return {row["product_id"]: row["size"] for row in _rows(connection, "waiting", sync_id=sync_id)}


def leave(connection: Connection[Any], sync_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Products that are not worked on any further: ``product_id``, ``state``, ``reason``, and what is known."""
    if rows:
        values = {"sync_id": sync_id, "rows": json.dumps(list(rows), default=str)}
        connection.execute(statement("shopify/leave"), values)


def store_plan(
    connection: Connection[Any], sync: Sync, name: str, **tables: Sequence[Mapping[str, Any]]
) -> None:
    """Plans of products, in one transaction: ``products``, ``variants``, ``lines``, ``deletions``."""
    rows = {table: json.dumps(list(values), default=str) for table, values in tables.items()}
    connection.execute(
        statement("shopify/plan"), {"sync_id": sync.sync_id, "shop": sync.shop, "name": name, **rows}
    )


def lines_in(
    connection: Connection[Any], sync_id: int, products: Sequence[str], state: str
) -> list[StoredLine]:
    """Lines of products in a state, in their order."""
    rows = _rows(connection, "lines", sync_id=sync_id, products=list(products), state=state)
    return [StoredLine(**row) for row in rows]


def open_call(
    connection: Connection[Any],
    sync: Sync,
    purpose: str,
    given: Mapping[str, Any],
    lines: Sequence[StoredLine],
    now: datetime,
) -> str:
    """Store a call before it is sent; its key."""
    key = str(uuid.uuid4())
    done = connection.execute(
        statement("shopify/open_call"),
        {
            "key": key, "sync_id": sync.sync_id, "purpose": purpose, "input": json.dumps(given), "now": now,
            "lines": [line.write_id for line in lines],
        },
    ).rowcount  # fmt: skip
    assert done == len(lines), "each line is sent by one call"
    return key


def open_calls(connection: Connection[Any], sync_id: int) -> list[dict[str, Any]]:
    """Calls without an answer."""
    return _rows(connection, "open_calls", sync_id=sync_id)


def call_lines(connection: Connection[Any], key: str) -> list[StoredLine]:
    """The lines of a call that has no answer."""
    return [StoredLine(**row) for row in _rows(connection, "call_lines", key=key)]


def close_call(
    connection: Connection[Any],
    key: str,
    errors: Sequence[UserError],
    lines: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    state: str = "answered",
) -> None:
    """What a call came to: for each line ``write_id``, ``state`` and, where it is not done, ``reason``."""
    answer = [{"code": one.code, "message": one.message, "line": one.line} for one in errors]
    connection.execute(
        statement("shopify/close_call"),
        {
            "key": key,
            "state": state,
            "answer": json.dumps(answer),
            "lines": json.dumps(list(lines)),
            "now": now,
        },
    )


def settle_stale(connection: Connection[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Stale lines after another look: ``write_id`` with a new plan, or with a reason."""
    connection.execute(statement("shopify/settle_stale"), {"lines": json.dumps(list(rows))})


def standing(connection: Connection[Any], sync_id: int, products: Sequence[str]) -> list[dict[str, Any]]:
    """How products stand after what was sent."""
    return _rows(connection, "standing", sync_id=sync_id, products=list(products), harmless=sorted(HARMLESS))


def plan_undo(connection: Connection[Any], sync_id: int, products: Sequence[str]) -> int:
    """Lines that take back what was done with products; how many."""
    values = {"sync_id": sync_id, "products": list(products)}
    return connection.execute(statement("shopify/plan_undo"), values).rowcount


def close_products(connection: Connection[Any], sync: Sync, rows: Sequence[Mapping[str, Any]]) -> None:
    """Products that are through: ``product_id``, ``state``, ``reason``."""
    if rows:
        connection.execute(
            statement("shopify/close_products"),
            {"sync_id": sync.sync_id, "shop": sync.shop, "rows": json.dumps(list(rows))},
        )


def mark(connection: Connection[Any], sync_id: int, product_id: str) -> None:
    """A product has the tag."""
    connection.execute(
        "update shopify_products set is_marked = true where sync_id = %s and product_id = %s",
        (sync_id, product_id),
    )


def changed_products(connection: Connection[Any], shop: str) -> dict[str, int] | None:
    """Products of which our stock changed since they were settled; None where the shop was never looked at."""
    row = connection.execute("select from shopify_variants where shop = %s limit 1", (shop,)).fetchone()
    if row is None:
        return None
    return {row["product_id"]: row["size"] for row in _rows(connection, "changed", shop=shop)}


def deletions_due(connection: Connection[Any], sync_id: int, states: Sequence[str]) -> list[dict[str, Any]]:
    """Products with variants to delete."""
    return _rows(connection, "deletions_due", sync_id=sync_id, states=list(states))


def settle_deletions(connection: Connection[Any], rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """What became of deletions: ``deletion_id``, ``state``; ``reason``, ``variant``, ``restored_as`` where known."""
    if rows:
        values = {"rows": json.dumps(list(rows), default=str), "now": now}
        connection.execute(statement("shopify/settle_deletions"), values)


def deletions(url: str, sync_id: int, states: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Variants that may go, went or stay."""
    with connect(url) as connection:
        return _rows(
            connection,
            "deletions",
            sync_id=sync_id,
            states=None if states is None else list(states),
            limit=_MOST_SHOWN,
        )


def rows_of(connection: Connection[Any], name: str, **values: Any) -> list[dict[str, Any]]:
    """The rows of ``store/sql/shopify/<name>.sql``."""
    return _rows(connection, name, **values)


def _rows(connection: Connection[Any], name: str, **values: Any) -> list[dict[str, Any]]:
    cursor = connection.execute(statement(f"shopify/{name}"), values)
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
