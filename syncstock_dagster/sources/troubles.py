"""What people are told about intake: files that are refused, deliveries that cannot be posted, and silent readers.

What belongs here: these as facts for an alert. What does not: finding them (``arrivals``, ``readers``,
``stock.deliveries``) and telling people (``operations.alerts``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncstock_dagster.errors import RowError
from syncstock_dagster.operations.alerts import Fact
from syncstock_dagster.sources.arrivals import refused
from syncstock_dagster.sources.readers import readers, silent
from syncstock_dagster.stock.deliveries import unpostable

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB


def intake_facts(db: SyncStockDB) -> list[Fact]:
    """Each file as it lies there, each delivery, and each time that a reader began to fail, is a fact of its own."""
    facts = []
    for row in refused(db):
        where = ("sheet", "row", "column", "found", "expected", "remedy")
        first = RowError(row["file"], **{name: row[name] for name in where})
        more = f" (and {row['errors'] - 1} more)" if row["errors"] > 1 else ""
        facts.append(Fact(f"refused {row['file']} {row['version']}", "refused", f"{first}{more}"))
    facts += [
        Fact(f"unpostable {one.delivery_id}", "refused", f"{one.name} could not be posted: {one.error}")
        for one in unpostable(db.url)
    ]
    facts += [
        Fact(f"silent {one.operation_id}", "refused", f"The reader of {one.source} failed: {one.error}")
        for one in silent(db, list(readers(db)))
    ]
    return facts
