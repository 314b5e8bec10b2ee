"""Conflicts of the catalogue, settled by hand: a field that both sides moved, or a doubt about which article is meant.

What belongs here: what a choice does to the staged change that waits for it. What does not: finding conflicts and
settling them by policy (``catalog.staging``), and conflicts of stock (``stock.decisions``).
"""

from __future__ import annotations

from typing import Literal

from syncstock_dagster.operations.log import Operation
from syncstock_dagster.store.statements import statement


def settle_staged(operation: Operation, conflict_id: int, keep: Literal["new", "old"], reason: str) -> None:
    """Let the staged change go on with the new value, or without it; the conflict is closed by the caller."""
    values = {
        "conflict_id": conflict_id,
        "side": "remote" if keep == "new" else "local",
        "who": operation.who,
        "reason": reason,
    }
    operation.connection.execute(statement("conflicts/settle_staged"), values)
    if keep == "old":
        operation.connection.execute(statement("conflicts/agree_local"), values)
