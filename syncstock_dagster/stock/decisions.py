"""People's decisions: on held counts, and on conflicts. Each is an operation, and evidence like any other (L9).

What belongs here: approve, reject, resolve. What does not: the gate's own verdicts (``stock.posting``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from syncstock_dagster.catalog.conflicts import settle_staged
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.evidence import BadInput
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.statements import statement


def decide_counts(
    url: str,
    count_ids: Sequence[int],
    decision: Literal["applied", "rejected"],
    policies: Policies,
    *,
    reason: str,
    default_location: str,
    who: str | None = None,
    dry_run: bool = False,
) -> SyncResult:
    """Apply or reject held counts. A count that was decided so before stays as it is.

    Raises:
        BadInput: no reason is given, or a count is not held (unknown, withdrawn, applied or rejected).
    """
    _need_reason(reason)
    ids = sorted({int(count_id) for count_id in count_ids})

    def work(operation: Operation) -> Statistics:
        wrong = operation.connection.execute(
            statement("decisions/undecided"), {"count_ids": ids, "allowed": ["held", decision]}
        ).fetchall()
        if wrong:
            raise BadInput(
                "Only held counts can be decided on: "
                + "; ".join(f"count {i} is {state}" for i, state in wrong)
            )
        posting = _posting(operation, policies, default_location)
        return posting.take_decision(ids, decision, ["held"], operation.who, reason)

    kind = "approve" if decision == "applied" else "reject"
    outcome = run_operation(
        url, f"{kind}: {reason}", kind, work, who=who, is_rollbackable=True, dry_run=dry_run
    )
    return SyncResult.of(outcome, reason)


def resolve_conflict(
    url: str,
    conflict_id: int,
    keep: Literal["new", "old"],
    policies: Policies,
    *,
    reason: str,
    default_location: str,
    who: str | None = None,
    dry_run: bool = False,
) -> SyncResult:
    """Choose which content of a conflict is in force. A conflict that is closed already stays as it is.

    Raises:
        BadInput: no reason is given, or there is no such conflict.
    """
    _need_reason(reason)
    if keep not in ("new", "old"):
        raise BadInput(f"keep is 'new' or 'old', not {keep!r}.")

    def work(operation: Operation) -> Statistics:
        row = operation.connection.execute(
            "select conflict_type, status, staging_id is not null or field_name is not null "
            "from sync_conflicts where conflict_id = %s for update",
            (conflict_id,),
        ).fetchone()
        if row is None:
            raise BadInput(f"There is no conflict {conflict_id}.")
        if row[1] != "open":
            return {}
        close = {
            "conflict_id": conflict_id,
            "operation_id": operation.operation_id,
            "who": operation.who,
            "reason": reason,
            "strategy": "remote_wins" if keep == "new" else "local_wins",
        }
        operation.connection.execute(statement("decisions/close_conflict"), close)
        if row[2]:
            settle_staged(operation, conflict_id, keep, reason)
            return {}
        posting = _posting(operation, policies, default_location)
        return _RESOLVERS[row[0]](posting, operation, conflict_id, keep, reason)

    outcome = run_operation(
        url, f"resolve conflict {conflict_id}: keep {keep}", "resolve", work,
        who=who, is_rollbackable=True, dry_run=dry_run,
    )  # fmt: skip
    return SyncResult.of(outcome, reason)


def _resolve_movement(
    posting: Posting, operation: Operation, conflict_id: int, keep: str, reason: str
) -> Statistics:
    posting.take_identities("decisions/find_conflict", "decisions/choose", conflict_id=conflict_id, keep=keep)
    return posting.finish()


def _resolve_counts(
    posting: Posting, operation: Operation, conflict_id: int, keep: str, reason: str
) -> Statistics:
    rows = operation.connection.execute(
        statement("decisions/counts_of_conflict"), {"conflict_id": conflict_id, "keep": keep}
    )
    return posting.take_decision([row[0] for row in rows], "rejected", ["applied"], operation.who, reason)


def _resolve_advisory(
    posting: Posting, operation: Operation, conflict_id: int, keep: str, reason: str
) -> Statistics:
    if keep == "old":
        return {}
    row = operation.connection.execute(
        "select count_id from sync_conflicts where conflict_id = %s", (conflict_id,)
    ).fetchone()
    assert row is not None
    return posting.take_decision([row[0]], "applied", ["advisory"], operation.who, reason)


_RESOLVERS: dict[str, Callable[[Posting, Operation, int, str, str], dict[str, Any]]] = {
    "exists_with_different_content": _resolve_movement,
    "counts_disagree": _resolve_counts,
    "advisory_difference": _resolve_advisory,
}


def _posting(operation: Operation, policies: Policies, default_location: str) -> Posting:
    return Posting(operation.connection, operation.operation_id, policies, default_location=default_location)


def _need_reason(reason: str) -> None:
    if not reason or not reason.strip():
        raise BadInput("A decision needs a reason: say in a few words why.")
