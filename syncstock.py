"""The names of ``syncstock_dagster`` under the short name that people know: ``from syncstock import SyncStockDB``."""

from syncstock_dagster import (
    BadInput,
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    SyncResult,
    SyncStockDB,
    TransferRecord,
    run_syncstock,
)

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
