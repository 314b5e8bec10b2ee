"""Deliveries: what came in, recognised by its identity, stored whole, and posted exactly once.

What belongs here: the identity of a delivery (law L5), calls with records, and files between intake and posting.
What does not: reading a file (``sources``, ``workbooks``) and what posting does (``stock.posting``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
from psycopg import Connection

from syncstock_dagster.catalog.products import upsert_rows
from syncstock_dagster.operations.log import Operation, Statistics, operating_system_user, run_operation
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, MOVEMENT_SCHEMA, Evidence, RowError
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.copy import compress, from_bytes, to_bytes
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


def deliver_records(
    url: str,
    evidence: Evidence,
    policies: Policies,
    *,
    note: str = "",
    default_location: str,
    idempotency_key: str | None = None,
    recorded_at: datetime | None = None,
    again: bool = False,
    dry_run: bool = False,
    who: str | None = None,
) -> SyncResult:
    """Post the records of one call as one delivery, with its identity, operation and watermarks, or not at all.

    Without a key every call is a delivery of its own; with one, the second use changes nothing.
    """
    identities = [] if idempotency_key is None else [f"key:{idempotency_key}"]

    def work(operation: Operation) -> Statistics:
        connection = operation.connection
        delivery_id, known = _claim(
            connection,
            identities,
            again,
            name=note or "call",
            kind="call",
            source=None,
            state="posted",
            recorded_at=recorded_at,
            content_sha256=None,
            reader=None,
            row_count=len(evidence),
            errors="[]",
            who=operation.who,
            operation_id=operation.operation_id,
        )
        if known is not None:
            return {"answered": known}
        posting = Posting(
            connection,
            operation.operation_id,
            policies,
            default_location=default_location,
            recorded_at=recorded_at,
        )
        posting.take_evidence(evidence, delivery_id)
        statistics = posting.finish()
        connection.execute(
            "update deliveries set posted_at = clock_timestamp() where delivery_id = %s", (delivery_id,)
        )
        return statistics | {"seconds": posting.seconds}

    outcome = run_operation(url, note or "Sync", "sync", work, who=who, is_rollbackable=True, dry_run=dry_run)
    return SyncResult.of(outcome, note)


def receive_file(
    url: str,
    parsed: ParsedFile,
    *,
    again: bool = False,
    recorded_at: datetime | None = None,
    who: str | None = None,
) -> Receipt:
    """Store a file whole, once: the upload itself and the evidence read from it. Nothing is posted yet."""
    scope = f"{parsed.kind}/{parsed.source}"
    identities = [
        f"bytes:{scope}:{parsed.content_sha256.hex()}",
        f"content:{scope}:{parsed.canonical_sha256.hex()}",
    ]
    product_rows = 0 if parsed.products is None else len(parsed.products)
    evidence = parsed.evidence
    with connect(url) as connection, connection.transaction():
        delivery_id, known = _claim(
            connection,
            identities,
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
            state = {"withdrawn": "rolled back"}.get(known["state"], "already received")
            return Receipt(known["delivery_id"], state, parsed.name)
        connection.execute(
            "insert into uploads (content_sha256, size, content) values (%s, %s, %s) on conflict do nothing",
            (parsed.content_sha256, len(parsed.original), compress(parsed.original)),
        )
        if not parsed.rejected:
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
        "rejected" if parsed.rejected else "received",
        parsed.name,
        len(evidence.movements),
        len(evidence.counts),
        product_rows,
        parsed.errors,
    )


def waiting_deliveries(url: str) -> list[int]:
    """Deliveries that are received and not yet posted, in receipt order."""
    with connect(url) as connection:
        rows = connection.execute(
            "select delivery_id from deliveries where state = 'received' order by received_at, delivery_id"
        )
        return [row[0] for row in rows]


def post_deliveries(
    url: str,
    delivery_ids: Sequence[int],
    policies: Policies,
    *,
    default_location: str,
    recorded_at: datetime | None = None,
    who: str | None = None,
    progress: Callable[[int, SyncResult], None] | None = None,
) -> list[SyncResult]:
    """Post received deliveries, each in one transaction with its state; one that is posted already is left alone."""
    results = []
    for delivery_id in delivery_ids:
        result = _post_delivery(
            url, delivery_id, policies, default_location=default_location, recorded_at=recorded_at, who=who
        )
        if result is not None:
            results.append(result)
            if progress is not None:
                progress(delivery_id, result)
    return results


def _post_delivery(
    url: str,
    delivery_id: int,
    policies: Policies,
    *,
    default_location: str,
    recorded_at: datetime | None,
    who: str | None,
) -> SyncResult | None:
    with connect(url) as connection:
        row = connection.execute(
            "select name from deliveries where delivery_id = %s", (delivery_id,)
        ).fetchone()
    if row is None:
        raise LookupError(f"There is no delivery {delivery_id}.")
    name = str(row[0])

    def work(operation: Operation) -> Statistics:
        connection = operation.connection
        delivery = connection.execute(
            "select state::text, kind from deliveries where delivery_id = %s for update", (delivery_id,)
        ).fetchone()
        if delivery is None or delivery[0] != "received":
            return {"nothing": True}
        payload = connection.execute(
            "delete from delivery_payloads where delivery_id = %s returning movements, counts, products",
            (delivery_id,),
        ).fetchone()
        assert payload is not None, "a received delivery has its payload"
        movements, counts, products = (None if part is None else from_bytes(part) for part in payload)
        product_rows = 0 if products is None else upsert_rows(connection, products)
        posting = Posting(
            connection,
            operation.operation_id,
            policies,
            default_location=default_location,
            counts_like="counts",
            recorded_at=recorded_at,
        )
        posting.take_evidence(Evidence(movements, counts), delivery_id)
        statistics = posting.finish()
        connection.execute(
            "update deliveries set state = 'posted', posted_at = clock_timestamp(), operation_id = %s "
            "where delivery_id = %s",
            (operation.operation_id, delivery_id),
        )
        return statistics | {"products": product_rows, "seconds": posting.seconds}

    outcome = run_operation(url, name, "load", work, who=who, is_rollbackable=True)
    return None if outcome.statistics.get("nothing") else SyncResult.of(outcome, name)


def _claim(
    connection: Connection[Any], identities: Iterable[str], again: bool, **values: Any
) -> tuple[int, dict[str, Any] | None]:
    """A new delivery with these identities; or, where one is known already, what is known and no new delivery."""
    wanted = list(identities)
    known = _known(connection, wanted)
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
    return (delivery_id, None) if is_ours else (0, _known(connection, wanted))


def _may_replace(known: dict[str, Any], values: dict[str, Any]) -> bool:
    """A refused file may come again: the rules or the catalogue may have changed since."""
    return bool(known["state"] == "rejected" and values["state"] != "rejected")


def _known(connection: Connection[Any], identities: list[str]) -> dict[str, Any] | None:
    if not identities:
        return None
    row = connection.execute(statement("deliveries/known"), {"identities": identities}).fetchone()
    if row is None:
        return None
    names = ("delivery_id", "state", "errors", "row_count", "operation_uuid", "statistics", "name")
    return dict(zip(names, row, strict=True))


def _store_days(connection: Connection[Any], delivery_id: int, evidence: Evidence) -> None:
    """The span of days a delivery's rows may touch, a day wider than any zone can make it."""
    import pyarrow.compute as pc

    first, last = [], []
    for table, names in (
        (evidence.movements, ("effective_at", "effective_local", "day")),
        (evidence.counts, ("counted_at", "counted_local", "day")),
    ):
        for name in names:
            column = table[name]
            if column.null_count < len(column):
                days = (
                    column
                    if pa.types.is_date(column.type)
                    else pc.cast(pc.floor_temporal(column, unit="day"), pa.date32())
                )
                span = pc.min_max(days).as_py()
                first.append(span["min"])
                last.append(span["max"])
    if first:
        connection.execute(
            "update deliveries set days = daterange(%s::date - 1, %s::date + 2) where delivery_id = %s",
            (min(first), max(last), delivery_id),
        )
