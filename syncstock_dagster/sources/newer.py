"""Newer evidence than what is posted: looked for at once, where an answer depends on it.

What belongs here: taking in and posting what lies in the drop folder or was received, now. What does not: who needs to
know (orders), the regular syncs, and readers, which may take long: those come with the next sync.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncstock_dagster.sources.arrivals import take_in
from syncstock_dagster.sources.drop_folder import list_drop
from syncstock_dagster.sources.intake import post
from syncstock_dagster.stock.deliveries import waiting_deliveries
from syncstock_dagster.store.connection import connect

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Look:
    began: float
    brought: tuple[str, ...]


_looking = threading.Lock()
_last: dict[tuple[str, str], _Look] = {}


def look_for_newer(
    db: SyncStockDB, folder: str, *, settle_seconds: float, who: str | None = None
) -> tuple[str, ...]:
    """Take in and post everything that has arrived; the names of the deliveries that were posted.

    Whoever asks while another thread looks is told what the next look finds: many who ask at once look once. A folder
    that cannot be read is logged, and what was received is posted all the same.
    """
    asked = time.monotonic()
    with _looking:
        last = _last.get((db.url, folder))
        if last is None or last.began < asked:
            began = time.monotonic()
            last = _last[(db.url, folder)] = _Look(began, _look(db, folder, settle_seconds, who))
        return last.brought


def note_look(db: SyncStockDB) -> None:
    """Everything that has arrived was looked at: for a while no order looks again."""
    with connect(db.url) as connection:
        connection.execute("update meta set looked_at = clock_timestamp()")


def waiting_files(db: SyncStockDB, folder: str) -> list[str]:
    """Names of files in the drop folder that were not read as they are now; none where there is no folder."""
    try:
        files = list_drop(folder)
    except (OSError, ImportError, ValueError):
        return []
    with connect(db.url) as connection:
        known = {
            (name, size, modified_at)
            for name, size, modified_at in connection.execute(
                "select name, size, modified_at from drop_files"
            )
        }
    return [file.name for file in files if (file.name, file.size, file.modified_at) not in known]


def _look(db: SyncStockDB, folder: str, settle_seconds: float, who: str | None) -> tuple[str, ...]:
    try:
        taken = take_in(db, folder, settle_seconds=settle_seconds, who=who)
    except FileNotFoundError:
        pass  # nobody has made it yet
    except (OSError, ImportError, ValueError):
        _log.warning("The drop folder %s cannot be read; going by what was received", folder, exc_info=True)
    else:
        for receipt in taken.refused:
            _log.warning(
                "%s could not be taken in: %s", receipt.file, "; ".join(map(str, receipt.errors[:3]))
            )
    results, failures = post(db, waiting_deliveries(db.url), who=who)
    for failure in failures:
        _log.error("%s could not be posted", failure.what, exc_info=failure.error)
    note_look(db)
    return tuple(result.note for result in results)
