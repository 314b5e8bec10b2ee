"""Leaving quarantine: evidence whose article, location or date became known is replayed as it was received.

What belongs here: that replay, alone or after a change of the catalogue. What does not: what put it there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import Connection

from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.results import SyncResult


def release(
    url: str,
    policies: Policies,
    *,
    default_location: str,
    name: str = "Release quarantine",
    first: Callable[[Connection[Any]], int] | None = None,
    dry_run: bool = False,
    who: str | None = None,
) -> SyncResult:
    """Replay what can be replayed, after ``first`` changed the catalogue in the same transaction."""

    def work(operation: Operation) -> Statistics:
        changed = 0 if first is None else first(operation.connection)
        return replay_known(operation, policies, default_location=default_location) | {"products": changed}

    kind = "release" if first is None else "catalogue"
    outcome = run_operation(
        url, name, kind, work, who=who, is_rollbackable=first is not None, dry_run=dry_run
    )
    return SyncResult.of(outcome, name)


def replay_known(operation: Operation, policies: Policies, *, default_location: str) -> Statistics:
    """The replay, inside an operation that may have made known what evidence waits for."""
    posting = Posting(
        operation.connection,
        operation.operation_id,
        policies,
        default_location=default_location,
        counts_like="counts",
    )
    posting.release()
    return posting.finish()
