"""Publishing days: from its close on, every change of a day is a restatement (law L12).

What belongs here: closing. What does not: noticing the changes (``posting/restate_snapshots.sql``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.evidence import BadInput
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.statements import statement


def close_day(
    url: str,
    day: date,
    locations: Sequence[str] | None = None,
    *,
    who: str | None = None,
    dry_run: bool = False,
) -> SyncResult:
    """Publish the days up to and including ``day`` at ``locations`` (default: all). Twice is once.

    Raises:
        BadInput: a location is unknown, or the day lies in its future.
    """

    def work(operation: Operation) -> Statistics:
        values = {
            "day": day,
            "locations": None if locations is None else list(locations),
            "operation_id": operation.operation_id,
        }
        # Postings hold this lock shared: none is under way while days are published.
        operation.connection.execute("select pg_advisory_xact_lock(hashtext('syncstock publishing'))")
        open_days = operation.connection.execute(statement("closing/not_over"), values).fetchall()
        if open_days:
            raise BadInput("Cannot close: " + "; ".join(f"{code}: {why}" for code, why in open_days))
        operation.connection.execute(statement("closing/close"), values)
        return {}

    return SyncResult.of(run_operation(url, f"close {day}", "close", work, who=who, dry_run=dry_run))
