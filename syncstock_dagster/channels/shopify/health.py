"""What checks ask of the record.

What belongs here: reading. What does not: judging (``checks.shopify``).
"""

from __future__ import annotations

from typing import Any

from syncstock_dagster.channels.shopify.record import rows_of
from syncstock_dagster.store.connection import connect


def last_finished(url: str) -> dict[str, Any] | None:
    """The last reverse sync that came to its end: ``name``, ``finished_at``, ``report``."""
    with connect(url) as connection:
        rows = rows_of(connection, "last_finished")
    return rows[0] if rows else None


def unexplained_deletions(url: str) -> list[dict[str, Any]]:
    """Variants that went, of which reason, decision or content is not on record."""
    with connect(url) as connection:
        return rows_of(connection, "unexplained")
