"""Locks on articles: while somebody works on one, nobody else's change of it is committed. A lock ends by itself.

What belongs here: taking and giving back. What does not: respecting them, which committing does
(``staging/check.sql``). Stock is never locked: evidence is true whoever works on the catalogue.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from syncstock_dagster.catalog.changes import is_id
from syncstock_dagster.catalog.policy import MOST_LOCK_MINUTES
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import current_actor
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement


def lock_products(
    url: str, inventory_ids: Sequence[int], *, minutes: int, who: str | None = None, dry_run: bool = False
) -> list[dict[str, Any]]:
    """Lock articles, all or none; one's own lock is prolonged.

    Raises:
        BadInput: one of them is locked by somebody else, or is not there; or nobody locks for so long.
    """
    if not is_id(minutes) or not 0 <= minutes <= MOST_LOCK_MINUTES:
        raise BadInput(f"A lock is for 0 to {MOST_LOCK_MINUTES:,} minutes, not for {minutes!r}.")
    wanted = _ids(inventory_ids)
    values = {"inventory_ids": wanted, "who": current_actor(who)[0], "minutes": minutes}
    with connect(url) as connection, connection.transaction(force_rollback=dry_run):
        rows = connection.execute(statement("locks/look"), values).fetchall()
        if missing := set(wanted) - {row[0] for row in rows}:
            raise BadInput(f"There is no article {', '.join(map(str, sorted(missing)))}.")
        if held := [(sku, by) for _, sku, by in rows if by is not None]:
            raise BadInput("Locked already: " + "; ".join(f"{sku} by {by}" for sku, by in held))
        cursor = connection.execute(statement("locks/take"), values)
        return [
            {"inventory_id": row[0], "sku": row[1], "sync_locked_by": row[2], "sync_locked_until": row[3]}
            for row in cursor
        ]


def unlock_products(
    url: str,
    inventory_ids: Sequence[int],
    *,
    who: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> int:
    """Give locks back, with ``force`` also those of others; how many there were."""
    values = {
        "inventory_ids": _ids(inventory_ids),
        "who": current_actor(who)[0],
        "force": force,
    }
    with connect(url) as connection, connection.transaction(force_rollback=dry_run):
        return connection.execute(statement("locks/give_back"), values).rowcount


def _ids(inventory_ids: Sequence[int]) -> list[int]:
    """Ids in key order, whatever kind of whole number they are."""
    try:
        found = sorted({operator.index(one) for one in inventory_ids})
    except TypeError as error:
        raise BadInput(f"The id of an article is a whole number: {error}") from None
    if wrong := [one for one in found if not is_id(one)]:
        raise BadInput(f"There is no article {wrong[0]}.")
    return found
