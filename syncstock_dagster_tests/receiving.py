"""Receiving files for tests: what paths mean, or what is new in a drop folder.

What belongs here: short calls of ``sources.intake``. What does not: expectations.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources.drop_folder import list_drop
from syncstock_dagster.sources.intake import Taking, find_files, receive
from syncstock_dagster.stock.deliveries import Receipt
from syncstock_dagster.stock.policy import Kind
from syncstock_dagster.workbooks.opening import FileSettings


def receive_paths(
    db: SyncStockDB,
    *paths: str | Path,
    kind: Kind | None = None,
    settings: FileSettings | None = None,
    again: bool = False,
) -> list[Receipt]:
    """Receive the files of some paths."""
    files = find_files([str(path) for path in paths], kind=kind)
    return [received.receipt for received in receive(db, files, Taking(settings, again=again))]


def receive_drop_folder(
    db: SyncStockDB, folder: str | Path, kinds: Collection[Kind] | None = None
) -> list[Receipt]:
    """Receive what is new in a drop folder, or in its folders of some kinds."""
    files = [file for file in list_drop(str(folder)) if kinds is None or file.kind in kinds]
    return [received.receipt for received in receive(db, files, Taking(skip_known=True))]
