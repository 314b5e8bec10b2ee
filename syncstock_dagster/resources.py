"""Resources: what assets, checks and sensors are given to work with.

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
        """The drop folder: a path or an fsspec URL. The default one is made where it is missing."""
        from pathlib import Path

        from syncstock_dagster.settings import get_settings

        settings = get_settings()
        folder = self.drop_folder or settings.drop_folder
        if folder == str(settings.home / "drop"):
            # A share that is not mounted must not look like an empty folder, so only our own is made.
            Path(folder).mkdir(parents=True, exist_ok=True)
        return folder
