"""What a run came to, in the form that its readers know.

What belongs here: the report of a run, from its record. What does not: printing it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from syncstock_dagster.channels.shopify import record
from syncstock_dagster.channels.shopify.client import ShopifyClient
from syncstock_dagster.channels.shopify.record import Sync

_MOST_SHOWN = 1_000
_WORDS = {"reverse": "Reverse sync", "push": "Push"}


def report_of(
    connection: Connection[Any], sync: Sync, client: ShopifyClient, *, seconds: float, is_plan: bool
) -> dict[str, Any]:
    """``success``, ``message``, ``sync_id`` and ``report`` with statistics, performance and details."""
    numbers = {
        name: int(value)
        for name, value in record.rows_of(connection, "report", sync_id=sync.sync_id)[0].items()
    }
    errors = numbers["errors"]
    share = 1 - errors / max(numbers["products_found"], 1)
    is_open = numbers["products_open"] > 0 and not is_plan
    word = "Dry run" if sync.is_dry_run else "Plan" if is_plan else _WORDS[sync.kind]
    ending = "completed successfully"
    if is_open:
        ending = "went as far as it could; apply it again"
    elif errors:
        ending = f"completed with {errors} error(s)"
    return {
        "success": not is_open and share >= LOWEST_SUCCESS,
        "message": f"{word} {ending} - {share:.1%} success rate",
        "sync_id": sync.name,
        "sync_uuid": sync.sync_uuid,
        "report": {
            "timestamp": client.clock.now().isoformat(timespec="seconds"),
            "duration_seconds": round(seconds, 2),
            "statistics": {**numbers, "success_rate": round(share, 4)},
            "performance": _performance(numbers, sync, seconds, client),
            "details": _details(connection, sync),
        },
    }


#: The share of products without error below which a run is no success.
LOWEST_SUCCESS = 0.95


def _performance(
    numbers: Mapping[str, int], sync: Sync, seconds: float, client: ShopifyClient
) -> dict[str, Any]:
    products, variants = numbers["products_checked"], numbers["variants_checked"]
    budget = client.budget
    possible = budget.rate * seconds
    return {
        "throughput_products_per_second": round(products / seconds, 2) if seconds else None,
        "throughput_variants_per_second": round(variants / seconds, 2) if seconds else None,
        "avg_time_per_product_seconds": round(seconds / products, 3) if products else None,
        "max_concurrent_workers": sync.options.max_concurrent,
        "parallel_processing_enabled": sync.options.max_concurrent > 1,
        "batch_operations_enabled": True,
        "calls": client.calls,
        "cost_points": round(budget.points),
        "seconds_waited_for_points": round(budget.waited, 1),
        "times_throttled": budget.throttled,
        "points_per_second": budget.rate,
        # What was in the bucket at the start comes on top, so that a short run may be above one.
        "share_of_limit": round(budget.points / possible, 3) if possible else None,
    }


def _details(connection: Connection[Any], sync: Sync) -> dict[str, Any]:
    def rows(name: str, **values: Any) -> list[dict[str, Any]]:
        return record.rows_of(connection, name, sync_id=sync.sync_id, limit=_MOST_SHOWN, **values)

    updated = rows("updated")
    deleted = rows("deletions", states=["deleted"])
    kept = rows("deletions", states=["kept"])
    waiting = rows("deletions", states=["proposed", "approved"])
    return {
        "updated": [
            {
                "sku": one["sku"],
                "old_qty": one["old_qty"],
                "new_qty": one["new_qty"],
                "location": one["location"],
            }
            for one in updated
        ],
        "deleted": [{"sku": one["sku"], "reason": one["reason"]} for one in deleted],
        "deletions_waiting": [{"sku": one["sku"], "reason": one["reason"]} for one in waiting],
        "errors": rows("left_out", states=["failed", "planned"], line_states=["failed"]),
        "left": rows("left_out", states=["skipped", "done"], line_states=["skipped"]),
        "rollbacks": _undone(connection, sync, "done"),
        "rollback_failures": _undone(connection, sync, "skipped") + _undone(connection, sync, "failed"),
        "deletion_validation_failures": [{"sku": one["sku"], "reason": one["reason"]} for one in kept],
    }


def _undone(connection: Connection[Any], sync: Sync, state: str) -> int:
    row = connection.execute(
        "select count(*) from shopify_writes where sync_id = %s and undoes is not null and state = %s",
        (sync.sync_id, state),
    ).fetchone()
    assert row is not None
    return int(row[0])
