"""Rollback: an operation's evidence leaves force, and stock follows (law L3). Entries are never mirrored.

What belongs here: undoing one operation, which may itself be a rollback. What does not: how stock follows.
"""

from __future__ import annotations

from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.evidence import BadInput
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.statements import statement


def roll_back(
    url: str,
    operation_uuid: str,
    policies: Policies,
    *,
    reason: str,
    default_location: str,
    who: str | None = None,
    dry_run: bool = False,
) -> SyncResult:
    """Withdraw what an operation brought, and bring back what it withdrew. Twice is once.

    Raises:
        BadInput: no reason is given, there is no such operation, or it cannot be rolled back.
    """
    if not reason or not reason.strip():
        raise BadInput("A rollback needs a reason: say in a few words why.")

    def work(operation: Operation) -> Statistics:
        connection = operation.connection
        row = connection.execute(
            "select operation_id, status::text, is_rollbackable, operation_type from sync_operations "
            "where operation_uuid::text = %s for update",
            (str(operation_uuid),),
        ).fetchone()
        if row is None:
            raise BadInput(f"There is no operation {operation_uuid}.")
        requested_id, status, is_rollbackable, operation_type = row
        if status == "rolled_back":
            return {"already": True}
        if status != "completed" or not is_rollbackable:
            raise BadInput(f"Operation {operation_uuid} ({operation_type}, {status}) cannot be rolled back.")
        target = connection.execute(
            statement("rollback/find_target"), {"requested_id": requested_id}
        ).fetchone()
        assert target is not None
        values = {
            "requested_id": requested_id,
            "target_id": target[0],
            "operation_id": operation.operation_id,
            "who": operation.who,
            "reason": reason,
        }
        posting = Posting(connection, operation.operation_id, policies, default_location=default_location)
        posting.take_identities("rollback/find_movements", "rollback/change_movements", **values)
        change_counts = posting.take_counts("rollback/find_counts", "rollback/change_counts")
        statistics = posting.finish(change_counts)
        for name in ("change_deliveries", "change_quarantine", "record"):
            connection.execute(statement(f"rollback/{name}"), values)
        # What came back into quarantine may be known by now.
        posting = Posting(
            connection,
            operation.operation_id,
            policies,
            default_location=default_location,
            counts_like="counts",
            is_second=True,
        )
        posting.release()
        released = posting.finish()
        return {name: value + released[name] for name, value in statistics.items()}

    outcome = run_operation(
        url, f"rollback: {reason}", "rollback", work, who=who, is_rollbackable=True, dry_run=dry_run
    )
    status = "rolled back" if not outcome.is_dry_run else None
    return SyncResult.of(outcome, reason, status)
