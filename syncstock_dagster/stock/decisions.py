"""People's decisions: on held counts, and on conflicts. Each is an operation, and evidence like any other (L9).

What belongs here: approve, reject, ask for a recount, resolve. What does not: the gate's own verdicts
(``stock.posting``), and which counts fit a selection (``stock.reading``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from psycopg import Connection

from syncstock_dagster.catalog.conflicts import settle_staged
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.evidence import BadInput
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd

    from syncstock_dagster.stock.reading import Which

#: Tiers in which a count is approved by somebody else than who delivered it, by the gate's ``second_person``.
_SECOND_PERSON = {
    "held": ["tolerance", "review", "held", "critical"],  # a rule of the shop's own may hold what is small
    "critical": ["critical"],
    "never": [],
}


def asked_counts(
    count_ids: int | Sequence[int] | None,
    digest: str | Mapping[int, str] | None,
    which: Which,
    held: Callable[[], pd.DataFrame],
) -> tuple[list[int], dict[int, str]]:
    """The counts that somebody means, and the digests under which they were looked at.

    Counts that are chosen by what they have in common are decided on as they are found now.

    Raises:
        BadInput: nobody says which, both ways are used at once, nothing fits, or it is unclear whose the digest is.
    """
    if any(which.values()):
        if count_ids is not None or digest is not None:
            raise BadInput("Name counts, or say what they have in common; not both.")
        found = held()
        if not len(found):
            raise BadInput("No held count fits: " + ", ".join(f"{k} {v}" for k, v in which.items() if v))
        return found["count_id"].tolist(), dict(zip(found["count_id"], found["digest"], strict=True))
    ids = [count_ids] if isinstance(count_ids, int) else [int(one) for one in count_ids or ()]
    if not ids:
        raise BadInput("Say which counts: their count_id stands in the variances.")
    if isinstance(digest, str):
        if len(ids) != 1:
            raise BadInput("Of several counts each needs its own digest: give a mapping from count_id.")
        digest = {ids[0]: digest}
    return ids, {int(count_id): one for count_id, one in (digest or {}).items()}


def decide_counts(
    url: str,
    count_ids: Sequence[int],
    decision: Literal["applied", "rejected"],
    policies: Policies,
    *,
    reason: str,
    default_location: str,
    digests: Mapping[int, str] | None = None,
    who: str | None = None,
    dry_run: bool = False,
) -> SyncResult:
    """Apply or reject held counts, all of them or none. A count that was decided so before stays as it is.

    ``digests`` are those of the counts as they were looked at (``db.variances()``): what is different now is refused.

    Raises:
        BadInput: no reason is given; a count is not held (unknown, withdrawn, applied or rejected, perhaps by somebody
            else a moment ago), or has changed since it was looked at; or it needs somebody else to approve it.
    """
    _need_reason(reason)
    ids = sorted({int(count_id) for count_id in count_ids})

    def work(operation: Operation) -> Statistics:
        connection = operation.connection

        def check() -> None:
            _refuse_undecidable(connection, ids, ["held", decision])
            _refuse_changed(connection, digests or {})
            if decision == "applied":
                _refuse_own(connection, policies, operation.who)

        _refuse_undecidable(connection, ids, ["held", decision])
        posting = _posting(operation, policies, default_location)
        return posting.take_decision(ids, decision, ["held"], operation.who, reason, check)

    kind = "approve" if decision == "applied" else "reject"
    outcome = run_operation(
        url, f"{kind}: {reason}", kind, work, who=who, is_rollbackable=True, dry_run=dry_run
    )
    return SyncResult.of(outcome, reason)


def ask_recount(
    url: str,
    count_ids: Sequence[int],
    policies: Policies,
    *,
    reason: str,
    default_location: str,
    who: str | None = None,
    dry_run: bool = False,
) -> SyncResult:
    """Ask for held counts to be counted again. They stay held; ``db.wanted_recounts()`` lists them.

    Raises:
        BadInput: no reason is given, or a count is not held.
    """
    _need_reason(reason)
    ids = sorted({int(count_id) for count_id in count_ids})

    def work(operation: Operation) -> Statistics:
        values = {
            "count_ids": ids, "operation_id": operation.operation_id, "who": operation.who, "reason": reason,
        }  # fmt: skip
        posting = _posting(operation, policies, default_location)
        ask = posting.take_counts("decisions/find_keys", "decisions/ask_recount", **values)

        def ask_under_lock() -> None:
            _refuse_undecidable(operation.connection, ids, ["held"])
            ask()

        return posting.finish(ask_under_lock)

    outcome = run_operation(url, f"recount: {reason}", "recount", work, who=who, dry_run=dry_run)
    return SyncResult.of(outcome, reason)


def _refuse_undecidable(connection: Connection[Any], ids: list[int], allowed: list[str]) -> None:
    values = {"count_ids": ids, "allowed": allowed}
    wrong = connection.execute(statement("decisions/undecided"), values).fetchall()
    if wrong:
        raise BadInput(
            "Only held counts can be decided on: "
            + "; ".join(f"count {i} is {state}{f' by {by}' if by else ''}" for i, state, by in wrong)
        )


def _refuse_changed(connection: Connection[Any], digests: Mapping[int, str]) -> None:
    if not digests:
        return
    asked = [{"count_id": int(count_id), "digest": digest} for count_id, digest in digests.items()]
    changed = connection.execute(statement("decisions/changed"), {"digests": json.dumps(asked)}).fetchall()
    if changed:
        raise BadInput(
            "Changed since it was looked at; look again: "
            + "; ".join(
                f"count {i} (counted {counted:f}): the book said "
                f"{'something else' if then is None else f'{then:f}'}, now {expected:f}"
                for i, counted, expected, then in changed
            )
        )


def _refuse_own(connection: Connection[Any], policies: Policies, who: str) -> None:
    sources = connection.execute("select distinct name from run_asked join sources using (source_id)")
    rules = [
        {"source": name, "tiers": _SECOND_PERSON[policies.for_source(name, "counts").gate.second_person]}
        for (name,) in sources
    ]
    values = {"second_person": json.dumps(rules), "who": who}
    own = connection.execute(statement("decisions/own"), values).fetchall()
    if own:
        raise BadInput(
            f"Somebody else than {who}, who delivered them, has to approve: "
            + "; ".join(f"count {count_id} ({tier})" for count_id, tier in own)
        )


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
    """Choose which content of a conflict is in force. Choosing the same twice is once.

    Raises:
        BadInput: no reason is given, there is no such conflict, or somebody has chosen the other content.
    """
    _need_reason(reason)
    if keep not in ("new", "old"):
        raise BadInput(f"keep is 'new' or 'old', not {keep!r}.")

    def work(operation: Operation) -> Statistics:
        row = operation.connection.execute(
            "select conflict_type, status, staging_id is not null or field_name is not null, resolution_strategy, "
            "resolved_by from sync_conflicts where conflict_id = %s for update",
            (conflict_id,),
        ).fetchone()
        if row is None:
            raise BadInput(f"There is no conflict {conflict_id}.")
        strategy = "remote_wins" if keep == "new" else "local_wins"
        if row[1] == "resolved" and row[3] in ("remote_wins", "local_wins") and row[3] != strategy:
            chosen = "old" if keep == "new" else "new"
            raise BadInput(
                f"Conflict {conflict_id} is settled already: {row[4]} has chosen the {chosen} content."
            )
        if row[1] != "open":
            return {}
        close = {
            "conflict_id": conflict_id,
            "operation_id": operation.operation_id,
            "who": operation.who,
            "reason": reason,
            "strategy": strategy,
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
