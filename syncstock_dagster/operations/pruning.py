"""Forgetting what is kept for a while only.

What belongs here: that it is an operation where there is something to forget, and nothing where there is not. What
does not: what is forgotten, and when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.store.connection import connect

#: A hundred years.
MOST_DAYS = 36_500


def prune(
    url: str,
    what: str,
    days: int,
    *,
    find: bytes,
    delete: bytes,
    who: str | None = None,
    dry_run: bool = False,
) -> int:
    """Delete what is older than so many days; how many there were. No operation where there are none.

    Args:
        url: the database.
        what: names it in the record, for example events.
        days: how long it is kept.
        find: a statement that gives a row if anything is older than ``before``.
        delete: the statement that deletes it and tells how many there were.
        who: on whose behalf.
        dry_run: tell how many only.

    Raises:
        BadInput: that is no number of days to keep it.
    """
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MOST_DAYS:
        raise BadInput(f"Keep {what} for 1 to {MOST_DAYS:,} days, not for {days!r}.")
    values = {"before": datetime.now(UTC) - timedelta(days=days)}
    counted = f"{what}_deleted"

    def work(operation: Operation) -> Statistics:
        row = operation.connection.execute(delete, values).fetchone()
        assert row is not None
        return {counted: int(row[0])}

    with connect(url) as connection:
        if connection.execute(find, values).fetchone() is None:
            return 0
    outcome = run_operation(url, f"{what} older than {days} days", "prune", work, who=who, dry_run=dry_run)
    return int(outcome.statistics[counted])
