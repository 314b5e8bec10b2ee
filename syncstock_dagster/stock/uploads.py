"""The original files, byte for byte: for whoever asks later what really came.

What belongs here: keeping them, once however often they come, and forgetting old ones. What does not: what they say,
which is evidence and never forgotten.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from syncstock_dagster.operations.pruning import prune
from syncstock_dagster.store.copy import compress


def keep_upload(connection: Connection[Any], content: bytes, content_sha256: bytes) -> None:
    """Keep a file with the transaction, under its SHA-256; one that came before is kept from now on."""
    connection.execute(
        "insert into uploads (content_sha256, size, content) values (%s, %s, %s) "
        "on conflict (content_sha256) do update set received_at = now()",
        (content_sha256, len(content), compress(content)),
    )


def prune_uploads(url: str, days: int, *, who: str | None = None, dry_run: bool = False) -> int:
    """Delete files that came last more than so many days ago; how many. No operation where there are none."""
    return prune(
        url,
        "files",
        days,
        find=b"select 1 from uploads where received_at < %(before)s limit 1",
        delete=b"with gone as (delete from uploads where received_at < %(before)s returning 1) "
        b"select count(*) from gone",
        who=who,
        dry_run=dry_run,
    )
