"""The original files, byte for byte: for whoever asks later what really came.

What belongs here: keeping them, once however often they come, and forgetting old ones. What does not: what they say,
which is evidence and never forgotten.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.copy import compress


def keep_upload(connection: Connection[Any], content: bytes) -> None:
    """Keep a file with the transaction; one that came before is kept from now on."""
    connection.execute(
        "insert into uploads (content_sha256, size, content) values (%s, %s, %s) "
        "on conflict (content_sha256) do update set received_at = now()",
        (hashlib.sha256(content).digest(), len(content), compress(content)),
    )


def prune_uploads(url: str, days: int, *, who: str | None = None, dry_run: bool = False) -> int:
    """Delete files that came last more than so many days ago; how many. No operation where there are none."""
    before = datetime.now(UTC) - timedelta(days=days)

    def work(operation: Operation) -> Statistics:
        deleted = operation.connection.execute("delete from uploads where received_at < %s", (before,))
        return {"files_deleted": deleted.rowcount}

    with connect(url) as connection:
        found = connection.execute(
            "select 1 from uploads where received_at < %s limit 1", (before,)
        ).fetchone()
    if found is None:
        return 0
    name = f"files older than {days} days"
    outcome = run_operation(url, name, "prune", work, who=who, dry_run=dry_run)
    return int(outcome.statistics["files_deleted"])
