"""SyncStock: stock that follows from counts and movements, explained and carried to where it is needed.

The public names; everything behind them is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB, run_syncstock
    from syncstock_dagster.errors import BadInput
    from syncstock_dagster.stock.records import (
        MovementRecord,
        POSRecord,
        PurchaseRecord,
        SalesRecord,
        TransferRecord,
    )
    from syncstock_dagster.stock.results import SyncResult

__all__ = [
    "BadInput",
    "MovementRecord",
    "POSRecord",
    "PurchaseRecord",
    "SalesRecord",
    "SyncResult",
    "SyncStockDB",
    "TransferRecord",
    "run_syncstock",
]

_HOMES = {
    "SyncStockDB": "database",
    "run_syncstock": "database",
    "BadInput": "errors",
    "SyncResult": "stock.results",
}


def __getattr__(name: str) -> Any:
    # Importing the package must cost nothing: Dagster loads it in every process.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'stock.records')}"), name)
