"""Resources: what assets, checks and sensors are given to work with.

What belongs here: the way from Dagster to ``SyncStockDB`` and the drop folder. What does not: settings, which come
from the environment, and any work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from pydantic import PrivateAttr

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB


class SyncStock(dg.ConfigurableResource):
    """The stock database and the drop folder; unset values come from the environment (``SYNCSTOCK_...``)."""

    database_url: str | None = None
    drop_folder: str | None = None
    _db: Any = PrivateAttr(default=None)
    _alive: Any = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """A run has one database and one configuration. Its worker holds a lock until it ends, however it ends."""
        if context.run is not None:
            import psycopg

            _keep_connections(context.instance)
            self._db = self.db()
            self._alive = psycopg.connect(self._db.url, autocommit=True, application_name="syncstock run")
            self._alive.execute(
                "select pg_advisory_lock_shared(hashtextextended(%s, 0))", (context.run.run_id,)
            )

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """The worker's work is done."""
        if self._alive is not None:
            self._alive.close()
            self._alive = self._db = None

    def living_runs(self, run_ids: Collection[str]) -> set[str]:
        """Those of the runs whose worker lives."""
        from syncstock_dagster.store.connection import connect

        with connect(self.db().url) as connection:
            rows = connection.execute(
                "select run_id from unnest(%s::text[]) as run_id where exists ("
                "  select from pg_locks as l where l.locktype = 'advisory' and l.granted"
                "    and l.database = (select d.oid from pg_database as d where d.datname = current_database())"
                "    and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(run_id, 0))",
                (list(run_ids),),
            )
            return {run_id for (run_id,) in rows}

    def db(self) -> SyncStockDB:
        """The database, its server started where it is the embedded one."""
        if self._db is not None:
            return cast("SyncStockDB", self._db)
        from syncstock_dagster.database import SyncStockDB

        return SyncStockDB(self.database_url)

    def folder(self) -> str:
        """The drop folder: a path or an fsspec URL. The default one is made where it is missing."""
        from pathlib import Path

        from syncstock_dagster.settings import get_settings

        settings = get_settings()
        folder = self.drop_folder or settings.drop_folder
        if folder == str(settings.home / "drop"):
            # A share that is not mounted must not look like an empty folder, so only our own is made.
            Path(folder).mkdir(parents=True, exist_ok=True)
        return folder


def _keep_connections(instance: dg.DagsterInstance | None) -> None:
    """Let Dagster keep its connections during a run, as it does in its webserver.

    Otherwise it opens one for every event, which was a third of the time of a backfill: 2,356 connections for a hundred
    days of eleven assets.
    """
    if instance is not None:
        hour = 3600
        instance.optimize_for_webserver(statement_timeout=hour * 1000, pool_recycle=hour, max_overflow=4)


@contextmanager
def on_behalf_of(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Iterator[str]:
    """Operations within are on record as this run's, and are found by it; yields who acts."""
    from syncstock_dagster.operations.log import acting

    who = f"Dagster run {context.run.run_id}"
    with acting(who=who, dagster_run_id=context.run.run_id):
        yield who
