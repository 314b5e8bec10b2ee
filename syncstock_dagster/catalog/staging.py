"""Staging: changes of articles wait beside the catalogue until they are approved, and are committed together.

What belongs here: stage, decide, commit. What does not: the form of a change (``catalog.changes``), and settling a
conflict by hand (``catalog.conflicts``). Readers of the catalogue never wait for any of it.

For other rooms: a source that pulls articles calls ``stage`` with all that it knows, every time; what has not
changed since is no change. Inside an operation of its own it calls ``take_changes``, and ``commit_trusted`` at the end.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from syncstock_dagster.catalog.changes import Changes, changes_table, is_id
from syncstock_dagster.catalog.identifiers import LONGEST_CODE
from syncstock_dagster.catalog.policy import AutoCommit, CataloguePolicy
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.dead_letters import Handler, Letter, bury
from syncstock_dagster.operations.log import Operation, Outcome, Statistics, run_operation
from syncstock_dagster.stock.policy import Policies, resolve_callable
from syncstock_dagster.stock.release import replay_known
from syncstock_dagster.store.copy import copy_table
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd

#: Changes that a person makes by hand; they are no system that could say something else tomorrow.
PEOPLE = "people"

_CHECK = ("lock_categories", "lock_articles", "check", "refuse", "moved_conflicts", "forget_done")
_APPLY = (
    "create_categories", "create_articles", "name_articles", "free_skus", "change_articles", "forget_codes",
    "enter_codes", "forget_units", "enter_units", "find_restated", "write_versions", "restate_versions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StagingResult:
    """What staging, deciding or committing did. All numbers are changes, one an article."""

    operation_uuid: str
    staged: int = 0
    unchanged: int = 0
    committed: int = 0
    left: int = 0  # could not be committed; each says why
    decided: int = 0
    conflicts: int = 0
    conflicts_settled: int = 0
    unknown: int = 0  # about nobody knows what; in the dead letters
    released: int = 0  # rows of evidence that left quarantine
    is_dry_run: bool = False

    @property
    def needs_person(self) -> bool:
        """Whether something waits for a decision."""
        return bool(self.conflicts or self.left or self.unknown or self.staged > self.committed)

    @classmethod
    def of(cls, outcome: Outcome) -> StagingResult:
        """The result of an operation, from its statistics."""
        names = {
            "staged", "unchanged", "committed", "left", "decided", "conflicts", "conflicts_settled", "unknown",
            "released",
        }  # fmt: skip
        numbers = {name: int(value) for name, value in outcome.statistics.items() if name in names}
        return cls(outcome.uuid, **numbers, is_dry_run=outcome.is_dry_run)


def stage(
    url: str,
    changes: Changes | pa.Table,
    policy: CataloguePolicy,
    policies: Policies,
    *,
    source: str,
    default_location: str,
    commit: bool = False,
    note: str = "",
    who: str | None = None,
    dry_run: bool = False,
) -> StagingResult:
    """Stage changes of one source; what its policy trusts, or all of it with ``commit``, is committed with it.

    Raises:
        BadInput: a change cannot be understood, or the source has no name; nothing was staged.
    """
    if not source or len(source) > LONGEST_CODE:
        raise BadInput(f"A source has a name of at most {LONGEST_CODE} characters.")
    table = changes_table(changes)

    def work(operation: Operation) -> Statistics:
        statistics = take_changes(operation, table, policy, source=source)
        if commit:
            ids = _stored(operation)
            statistics |= commit_rows(
                operation, source, ["staged"], "committed with it", rows=len(ids), staging_ids=ids
            )
        else:
            statistics |= commit_trusted(operation, source, policy.for_source(source).auto_commit)
        return _with_release(operation, statistics, policies, default_location)

    name = note or f"{len(table)} change(s) of {source}"
    outcome = run_operation(url, name, "stage", work, who=who, is_rollbackable=True, dry_run=dry_run)
    return StagingResult.of(outcome)


def take_changes(
    operation: Operation, changes: pa.Table, policy: CataloguePolicy, *, source: str
) -> Statistics:
    """Stage changes in the caller's operation; ``changes`` as ``changes_table`` gives them. Nothing is committed."""
    connection, performance = operation.connection, operation.performance
    connection.execute(statement("staging/temp_tables"))
    values = {
        "source": source,
        "operation_id": operation.operation_id,
        "who": operation.who,
        "strategies": json.dumps(policy.conflicts),
        "trust": json.dumps(policy.trust),
    }
    with performance.stage("copy", rows=len(changes)):
        copy_table(connection, "raw_changes", changes)
        connection.execute("analyze raw_changes (sku, inventory_id)")
        unknown = connection.execute(statement("staging/unknown"), values).fetchall()
        bury(
            operation, source, "product",
            [(payload, "neither a SKU nor a code that is known") for _, payload in unknown],
        )  # fmt: skip
    with performance.stage("compare", rows=len(changes)):
        connection.execute(statement("staging/find_articles"), values)
        connection.execute("analyze run_changes (position, inventory_id, sku, change_type)")
    with performance.stage("conflicts"):
        found = connection.execute(statement("staging/find_conflicts"), values).rowcount
        if found:
            connection.execute(statement("staging/judge_conflicts"), values)
            _ask_rules(operation, policy)
        if source != PEOPLE:
            connection.execute(statement("staging/agree"), values)
        connection.execute(statement("staging/drop_lost"))
    with performance.stage("stage"):
        for name in ("want", "supersede", "keep", "store"):
            connection.execute(statement(f"staging/{name}"), values)
        if found:
            connection.execute(statement("staging/store_conflicts"), values)
    cursor = connection.execute(statement("staging/numbers"))
    row = cursor.fetchone()
    assert row is not None and cursor.description is not None
    statistics: Statistics = {
        column.name: int(value) for column, value in zip(cursor.description, row, strict=True)
    }
    statistics["unknown"] = len(unknown)
    return statistics


def commit_trusted(operation: Operation, source: str, auto: AutoCommit) -> Statistics:
    """Commit what the caller's operation has staged of a source so far and its policy trusts; empty without any."""
    if not auto.max_changes and not auto.max_additions:
        return {}
    rows = operation.connection.execute(
        statement("staging/fit_policy"),
        {
            "operation_id": operation.operation_id,
            "source": source,
            "max_changes": auto.max_changes,
            "max_additions": auto.max_additions,
            "fields": None if auto.fields is None else list(auto.fields),
            "creates": auto.creates,
            "deletes": auto.deletes,
        },
    ).fetchall()
    if not rows:
        return {}
    ids = [row[0] for row in rows]
    return commit_rows(operation, source, ["staged"], "by policy", rows=len(ids), staging_ids=ids)


def decide_staged(
    url: str,
    decision: Literal["approved", "rejected"],
    *,
    staging_ids: Sequence[int] | None = None,
    operation_uuid: str | None = None,
    reason: str,
    who: str | None = None,
    dry_run: bool = False,
) -> StagingResult:
    """Approve or reject staged changes, by their ids or all of one staging operation.

    Raises:
        BadInput: no reason, neither ids nor an operation, or nothing of it waits.
    """
    _need(reason, staging_ids, operation_uuid)

    def work(operation: Operation) -> Statistics:
        values = {
            "decision": decision,
            "who": operation.who,
            "reason": reason,
            "staging_ids": None if staging_ids is None else list(staging_ids),
            "uuid": operation_uuid,
        }
        row = operation.connection.execute(statement("staging/decide"), values).fetchone()
        assert row is not None
        decided, rejected = row
        if not decided:
            raise BadInput("None of these changes waits: they are committed, rejected or replaced already.")
        if rejected is not None:
            operation.connection.execute(
                statement("staging/agree_rejected"), {**values, "staging_ids": rejected}
            )
        return {"decided": decided}

    kind = "approve" if decision == "approved" else "reject"
    return StagingResult.of(run_operation(url, f"{kind}: {reason}", kind, work, who=who, dry_run=dry_run))


def commit_staged(
    url: str,
    policies: Policies,
    *,
    default_location: str,
    staging_ids: Sequence[int] | None = None,
    operation_uuid: str | None = None,
    reason: str = "",
    who: str | None = None,
    dry_run: bool = False,
) -> StagingResult:
    """Commit what is approved, all of it or what is named, in one transaction.

    What cannot be committed any more is left, with its problem, and the operation is then ``partly`` done.

    Raises:
        BadInput: an id cannot be one.
    """
    _need_ids(staging_ids)

    def work(operation: Operation) -> Statistics:
        # What is approved is open, too, which is said because the index of what waits is by that.
        approved = operation.connection.execute(
            "select s.source, count(*) from products_staging as s "
            "join sync_operations as o on o.operation_id = s.sync_operation_id "
            "where s.status = 'approved' and s.is_open "
            "and (%(ids)s::bigint[] is null or s.staging_id = any(%(ids)s::bigint[])) "
            "and (%(uuid)s::text is null or o.operation_uuid::text = %(uuid)s::text) "
            "group by s.source order by s.source",
            {"ids": None if staging_ids is None else list(staging_ids), "uuid": operation_uuid},
        ).fetchall()
        operation.connection.execute(statement("staging/temp_tables"))
        total: Statistics = {"committed": 0, "left": 0}
        for source, rows in approved:
            done = commit_rows(
                operation, source, ["approved"], reason or None,
                rows=rows, staging_ids=staging_ids, operation_uuid=operation_uuid,
            )  # fmt: skip
            total = {name: total[name] + done[name] for name in total}
            operation.connection.execute("truncate run_commit, run_parts, run_restated")
        total["partly"] = total["left"] > 0
        return _with_release(operation, total, policies, default_location)

    outcome = run_operation(
        url, f"commit: {reason}" if reason else "commit", "commit", work,
        who=who, is_rollbackable=True, dry_run=dry_run,
    )  # fmt: skip
    return StagingResult.of(outcome)


def commit_rows(
    operation: Operation,
    source: str,
    statuses: list[str],
    reason: str | None,
    *,
    rows: int,
    staging_ids: Sequence[int] | None = None,
    operation_uuid: str | None = None,
) -> Statistics:
    """Commit staged rows of one source, in the caller's operation; the tables of staging are there.

    Args:
        operation: the commit.
        source: whose rows.
        statuses: the rows that stand at one of these.
        reason: why.
        rows: how many there may be, for the performance record.
        staging_ids: only some of them; None: all.
        operation_uuid: only those that one operation has staged.
    """
    connection = operation.connection
    values = {
        "source": source,
        "staging_ids": None if staging_ids is None else list(staging_ids),
        "uuid": operation_uuid,
        "statuses": statuses,
        "operation_id": operation.operation_id,
        "who": operation.who,
        "reason": reason,
    }
    with operation.performance.stage("commit", rows=rows):
        chosen = connection.execute(statement("staging/choose"), values).rowcount
        connection.execute(statement("staging/part_fields"), values)
        connection.execute(
            "analyze run_commit (staging_id, inventory_id, sku, change_type), run_parts (staging_id, field)"
        )
        for name in _CHECK:
            connection.execute(statement(f"staging/{name}"), values)
        apply_changes(operation, source)
        committed = connection.execute(statement("staging/close_committed"), values).rowcount
        if source != PEOPLE:
            connection.execute(statement("staging/agree_committed"), values)
    return {"committed": committed, "left": chosen - committed}


def apply_changes(operation: Operation, source: str | None = None) -> None:
    """Bring what is in ``run_commit`` without a problem into the catalogue, with one version an article."""
    connection = operation.connection
    values = {
        "operation_id": operation.operation_id,
        "is_system": source is not None and source != PEOPLE,
    }
    connection.execute(
        "select set_config('syncstock.change_source', %s, true), set_config('syncstock.versions', 'later', true)",
        (source or "",),
    )
    for name in _APPLY:
        connection.execute(statement(f"staging/{name}"), values)
    connection.execute(
        "select set_config('syncstock.change_source', '', true), set_config('syncstock.versions', '', true)"
    )


def staged(
    url: str,
    *,
    statuses: Sequence[str] | None = ("staged", "approved"),
    source: str | None = None,
    operation_uuid: str | None = None,
    limit: int = 1000,
) -> pd.DataFrame:
    """Changes that wait (or had other ends), newest first, with old and new of each field."""
    from syncstock_dagster.stock.reading import query

    return query(
        url, "staged", statuses=None if statuses is None else list(statuses), source=source,
        operation=operation_uuid, limit=limit,
    )  # fmt: skip


def letter_handler(policy: CataloguePolicy) -> Handler:
    """What replays dead letters of kind ``product``: the mended change is staged."""

    def stage_again(operation: Operation, letter: Letter) -> Statistics:
        fields = dict(letter.payload.get("fields", {}))
        change: dict[str, Any] = {
            name: value
            for name, value in letter.payload.items()
            if name not in ("fields", "where") and value is not None
        }
        for name, value in fields.items():
            group, _, part = name.partition(".")
            if part:
                change.setdefault(group, {})[part] = value
            else:
                change[name] = value
        statistics = take_changes(operation, changes_table([change]), policy, source=letter.source)
        return statistics | commit_trusted(
            operation, letter.source, policy.for_source(letter.source).auto_commit
        )

    return stage_again


def _ask_rules(operation: Operation, policy: CataloguePolicy) -> None:
    """Let the shop's own rules decide on conflicts that are theirs."""
    if not policy.rules:
        return
    import pandas as pd  # takes long to load, and most shops have no such rule

    connection = operation.connection
    cursor = connection.execute(statement("staging/ask_rules"))
    assert cursor.description is not None
    conflicts = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
    for strategy, group in conflicts.groupby("strategy", sort=True):
        sides = list(resolve_callable(str(strategy))(group.reset_index(drop=True)))
        told = [
            {
                "position": int(str(row.position)),
                "conflict_type": row.conflict_type,
                "field": row.field,
                "side": side,
            }
            for row, side in zip(group.itertuples(), sides, strict=True)
            if side is not None
        ]
        if wrong := {one["side"] for one in told} - {"local", "remote"}:
            raise BadInput(f"The rule {strategy} answers {wrong}; it may answer 'local', 'remote' or None.")
        connection.execute(statement("staging/take_rules"), {"told": json.dumps(told)})


def _stored(operation: Operation) -> list[int]:
    rows = operation.connection.execute("select staging_id from run_stored order by 1")
    return [row[0] for row in rows]


def _with_release(
    operation: Operation, statistics: Statistics, policies: Policies, default_location: str
) -> Statistics:
    """New articles and codes may be what evidence in quarantine waits for."""
    if not statistics.get("committed"):
        return statistics
    with operation.performance.stage("release"):
        released = replay_known(operation, policies, default_location=default_location)
    return released | statistics | {"released": released["movements_new"] + released["counts_new"]}


def _need(reason: str, staging_ids: Sequence[int] | None, operation_uuid: str | None) -> None:
    if not reason or not reason.strip():
        raise BadInput("A decision needs a reason: say in a few words why.")
    if staging_ids is None and operation_uuid is None:
        raise BadInput("Say which changes: their ids, or the operation that staged them.")
    _need_ids(staging_ids)


def _need_ids(staging_ids: Sequence[int] | None) -> None:
    for one in staging_ids or ():
        if not hasattr(one, "__index__") or not is_id(operator.index(one)):
            raise BadInput(f"{one!r} is no id of a staged change.")
