"""The end of a run: what went out is put on record, with the report, in one operation.

What belongs here: the operations of type ``push`` and ``rollback`` that end a run or its taking back. What does not:
the work before it, and the numbers (``report``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from psycopg import Connection

from syncstock_dagster.channels.shopify import record
from syncstock_dagster.channels.shopify.applying import Work
from syncstock_dagster.channels.shopify.report import report_of
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.operations.pushes import record_pushes

#: Under this name the shop is known in pushes, identifiers and staging.
SYSTEM = "shopify"
_SHOWN = ("products_checked", "variants_updated", "variants_deleted", "errors", "rollbacks")


def end_run(
    work: Work,
    url: str,
    connection: Connection[Any],
    operation_type: Literal["push", "rollback"],
    seconds: float,
    *,
    who: str | None,
    reason: str = "",
) -> dict[str, Any]:
    """Put on record what went out and was not on record yet; the report, with the operation's uuid."""
    sync, client = work.sync, work.client
    report = report_of(connection, sync, client, seconds=seconds, is_plan=False)
    numbers = report["report"]["statistics"]
    if operation_type == "rollback":
        report["message"] = (
            f"{sync.name} was taken back: {numbers['rollbacks']} level(s) put back, "
            f"{numbers['rollback_failures']} left as they are, "
            f"{numbers['variants_deleted']} deleted variant(s) not made again"
        )
    is_through = operation_type == "rollback" or not numbers["products_open"]

    def close(operation: Operation) -> Statistics:
        values = {"sync_id": sync.sync_id}
        operation.connection.execute(
            "select from shopify_syncs where sync_id = %(sync_id)s for update", values
        )
        undone = [row["operation_id"] for row in record.rows_of(operation.connection, "pushed_in", **values)]
        rows = record.rows_of(operation.connection, "to_record", **values)
        pushed = record_pushes(operation, SYSTEM, [_sent(work, row) for row in rows if row["inventory_id"]])
        operation.connection.execute(
            "update shopify_writes set operation_id = %s where write_id = any(%s)",
            (operation.operation_id, [row["write_id"] for row in rows]),
        )
        operation.connection.execute(
            "update shopify_syncs set report = %s, finished_at = %s, state = %s where sync_id = %s",
            (
                json.dumps(report, default=str), client.clock.now(), "finished" if is_through else "applying",
                sync.sync_id,
            ),
        )  # fmt: skip
        if operation_type == "rollback":
            _record_rollback(operation, undone, reason, numbers)
        operation.performance.count(
            "shop",
            rows=numbers["variants_checked"],
            calls=client.calls,
            waited=client.budget.waited,
            seconds=seconds,
        )
        partly = bool(numbers["errors"] or numbers["products_open"] or numbers["rollback_failures"])
        partly |= operation_type == "rollback" and numbers["variants_deleted"] > 0
        return {
            "pushed": pushed,
            "sync": sync.name,
            **{one: numbers[one] for one in _SHOWN},
            "partly": partly,
        }

    name = (
        f"Shopify: {sync.name}" if operation_type == "push" else f"Shopify: take {sync.name} back: {reason}"
    )
    outcome = run_operation(url, name[:500], operation_type, close, who=who, direction="up")
    return report | {"operation_uuid": outcome.uuid}


def _sent(work: Work, row: Mapping[str, Any]) -> dict[str, Any]:
    """A level that went out; its location is ours where the shop's has the stock of one."""
    codes = work.places.get(row["location"], ())
    return {
        "inventory_id": row["inventory_id"],
        "location": codes[0] if len(codes) == 1 else None,
        "what": {
            "quantity": row["quantity"], "quantity_name": row["quantity_name"],
            "shopify_variant": row["variant_id"], "shopify_location": row["location"],
        },
        "before": {"quantity": row["change_from"]},
    }  # fmt: skip


def _record_rollback(
    operation: Operation, undone: Iterable[int], reason: str, numbers: Mapping[str, int]
) -> None:
    status = "partly" if numbers["rollback_failures"] or numbers["variants_deleted"] else "rolled_back"
    result = json.dumps({name: numbers[name] for name in ("rollbacks", "rollback_failures")})
    for original in undone:
        operation.connection.execute(
            "insert into sync_rollbacks (original_operation_id, rollback_operation_id, rollback_type, reason, "
            "created_by, result, status, done_at) values (%s, %s, 'full', %s, %s, %s, 'done', clock_timestamp())",
            (original, operation.operation_id, reason, operation.who, result),
        )
        operation.connection.execute(
            "update sync_operations set status = %s::operation_status where operation_id = %s",
            (status, original),
        )
