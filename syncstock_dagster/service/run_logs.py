"""The log of Dagster's runs, which Dagster itself keeps for ever.

What belongs here: forgetting how old runs went, step by step. What does not: that they were, and what they
materialised, observed and checked; that stays, for the pages of assets and partitions live from it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster_postgres import PostgresEventLogStorage


def forget(instance: dg.DagsterInstance, days: int) -> int:
    """Delete what runs told of their steps more than so many days ago; how many events that were.

    Nothing where Dagster keeps its history in files.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, PostgresEventLogStorage):
        return 0
    event = SqlEventLogStorageTable.c
    kind = event.dagster_event_type
    of_assets_or_of_the_run = kind.like(r"ASSET\_%") | kind.like(r"PIPELINE\_%")
    # Dagster stores naive times in UTC.
    since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    with storage.index_connection() as connection:
        old_steps = sa.delete(SqlEventLogStorageTable).where(
            event.timestamp < since, kind.is_(None) | sa.not_(of_assets_or_of_the_run)
        )
        return int(connection.execute(old_steps).rowcount)
