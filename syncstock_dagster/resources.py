"""Resources: what assets are given to work with.

What belongs here: the way from Dagster to ``SyncStockDB`` and the drop folder. What does not: settings, which come
from the environment, and any work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB


class SyncStock(dg.ConfigurableResource):
    """The stock database and the drop folder; unset values come from the environment (``SYNCSTOCK_...``)."""

    database_url: str | None = None
    drop_folder: str | None = None

    def db(self) -> SyncStockDB:
        """The database, its server started where it is the embedded one."""
        from syncstock_dagster.database import SyncStockDB

        return SyncStockDB(self.database_url)

    def folder(self) -> str:
        """The drop folder: a path or an fsspec URL."""
        from syncstock_dagster.settings import get_settings

        return self.drop_folder or get_settings().drop_folder
