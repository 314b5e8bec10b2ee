"""Deliveries: what came in, recognised by its identity (law L5), and files stored whole until they are posted.

What belongs here: identity and intake. What does not: reading a file (``sources``, ``workbooks``), and posting
(``stock.sync``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Connection

from syncstock_dagster.operations.log import operating_system_user
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, MOVEMENT_SCHEMA, Evidence, RowError
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.copy import compress, to_bytes
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    from syncstock_dagster.sources.files import ParsedFile


@dataclass(frozen=True, slots=True)
class Receipt:
    """What intake answers to a file."""

    delivery_id: int
    state: str  # received | already received | rolled back | rejected
    file: str
    movements: int = 0
    counts: int = 0
    products: int = 0
    errors: tuple[RowError, ...] = ()


def receive_file(
    url: str,
    parsed: ParsedFile,
    *,
    again: bool = False,
    recorded_at: datetime | None = None,
    who: str | None = None,
) -> Receipt:
    """Store a file whole, once: the upload itself and the evidence read from it. Nothing is posted yet."""
    with connect(url) as connection, connection.transaction():
        return receive(connection, parsed, again=again, recorded_at=recorded_at, who=who)


def receive(
    connection: Connection[Any],
    parsed: ParsedFile,
    *,
    again: bool = False,
    recorded_at: datetime | None = None,
    who: str | None = None,
) -> Receipt:
    """``receive_file`` in the caller's transaction."""
    scope = f"{parsed.kind}/{parsed.source}"
    product_rows = 0 if parsed.products is None else len(parsed.products)
    evidence = parsed.evidence
    delivery_id, known = claim(
        connection,
        [
            f"bytes:{scope}:{parsed.identity_sha256.hex()}",
            f"content:{scope}:{parsed.canonical_sha256.hex()}",
        ],
        again,
        name=parsed.name,
        kind=parsed.kind,
        source=parsed.source,
        state="rejected" if parsed.rejected else "received",
        recorded_at=recorded_at,
        content_sha256=parsed.content_sha256,
        reader=parsed.reader,
        row_count=len(evidence) + product_rows,
        errors=json.dumps([error.as_dict() for error in parsed.errors]),
        who=who or operating_system_user(),
        operation_id=None,
    )
    if known is not None:
        state = {"withdrawn": "rolled back", "rejected": "rejected"}.get(known["state"], "already received")
        return Receipt(known["delivery_id"], state, parsed.name, errors=parsed.errors)
    connection.execute(
        "insert into uploads (content_sha256, size, content) values (%s, %s, %s) on conflict do nothing",
        (parsed.content_sha256, len(parsed.original), compress(parsed.original)),
    )
    if parsed.rejected:
        return Receipt(delivery_id, "rejected", parsed.name, errors=parsed.errors)
    connection.execute(
        "insert into delivery_payloads (delivery_id, movements, counts, products) values (%s, %s, %s, %s)",
        (
            delivery_id,
            to_bytes(evidence.movements.cast(MOVEMENT_SCHEMA)),
            to_bytes(evidence.counts.cast(COUNT_SCHEMA)),
            None if parsed.products is None else to_bytes(parsed.products),
        ),
    )
    _store_days(connection, delivery_id, evidence)
    return Receipt(
        delivery_id,
        "received",
        parsed.name,
        len(evidence.movements),
        len(evidence.counts),
        product_rows,
        parsed.errors,
    )


def waiting_deliveries(url: str, days: tuple[date | str, date | str] | None = None) -> list[int]:
    """Deliveries that are received and not yet posted, in receipt order; with a row on ``days``, both included.

    A delivery without dated rows (a catalogue) belongs to every day.
    """
    first, last = days or (None, None)
    with connect(url) as connection:
        rows = connection.execute(statement("deliveries/waiting"), {"first": first, "last": last})
        return [row[0] for row in rows]


def claim(
    connection: Connection[Any], identities: Iterable[str], again: bool, **values: Any
) -> tuple[int, dict[str, Any] | None]:
    """A new delivery with these identities; or, where one is known already, what is known and no new delivery.

    ``values`` are those of ``deliveries/insert``. A delivery without identities is always new.
    """
    wanted = list(identities)
    known = find_known(connection, wanted)
    if known is not None and not again and not _may_replace(known, values):
        return 0, known
    is_ours = True
    with connection.transaction() as savepoint:
        row = connection.execute(statement("deliveries/insert"), values).fetchone()
        assert row is not None
        delivery_id = int(row[0])
        names = {"delivery_id": delivery_id, "identities": wanted}
        if known is not None:
            connection.execute(statement("deliveries/take_over"), names)
        elif wanted:
            claimed = connection.execute(statement("deliveries/claim"), names).fetchall()
            if len(claimed) < len(wanted):
                if not again:  # another worker came first, between our look and our claim
                    is_ours = False
                    raise psycopg.Rollback(savepoint)
                connection.execute(statement("deliveries/take_over"), names)
    return (delivery_id, None) if is_ours else (0, find_known(connection, wanted))


def _may_replace(known: dict[str, Any], values: dict[str, Any]) -> bool:
    """A refused file may come again: the rules or the catalogue may have changed since."""
    return bool(known["state"] == "rejected" and values["state"] != "rejected")


def find_known(connection: Connection[Any], identities: list[str]) -> dict[str, Any] | None:
    """The newest delivery under any of these identities, with the operation that posted it."""
    if not identities:
        return None
    row = connection.execute(statement("deliveries/known"), {"identities": identities}).fetchone()
    if row is None:
        return None
    names = ("delivery_id", "state", "errors", "row_count", "operation_uuid", "statistics", "name")
    return dict(zip(names, row, strict=True))


def _store_days(connection: Connection[Any], delivery_id: int, evidence: Evidence) -> None:
    """The span of days a delivery's rows may touch, a day wider than any zone can make it."""
    spans = [
        pc.min_max(column if pa.types.is_date(column.type) else column.cast(pa.timestamp("us"))).as_py()
        for table, names in (
            (evidence.movements, ("effective_at", "effective_local", "day")),
            (evidence.counts, ("counted_at", "counted_local", "day")),
        )
        for name in names
        if (column := table[name]).null_count < len(column)
    ]
    if spans:
        days = [
            value.date() if isinstance(value, datetime) else value
            for span in spans
            for value in span.values()
        ]
        connection.execute(
            "update deliveries set days = daterange(%s::date - 1, %s::date + 2) where delivery_id = %s",
            (min(days), max(days), delivery_id),
        )
