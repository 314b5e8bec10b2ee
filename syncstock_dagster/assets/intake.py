"""Intake: files of the drop folder are read and stored whole, in state ``received``. Nothing is posted here.

Define an asset here when a new folder of evidence is read. A file is taken in whole with the first of its days;
the other days then find nothing new.
"""

from __future__ import annotations

import dagster as dg

from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.stock.policy import Kind


def _intake(name: str, kind: Kind, what: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        group_name="intake",
        kinds={"python", "postgres"},
        partitions_def=STOCK_DAYS,
        backfill_policy=ONE_RUN,
        description=f"{what} from `{kind}/` of the drop folder, read and stored whole. Grain: file.",
    )
    def files(syncstock: SyncStock) -> dg.MaterializeResult:
        from syncstock_dagster.sources.intake import receive_drop_folder

        receipts = receive_drop_folder(syncstock.db(), syncstock.folder(), kinds=(kind,))
        states = [receipt.state for receipt in receipts]
        return dg.MaterializeResult(
            metadata={
                "files": len(receipts),
                "received": states.count("received"),
                "already_received": states.count("already received"),
                "rejected": states.count("rejected"),
                "rows": sum(receipt.movements + receipt.counts for receipt in receipts),
            }
        )

    return files


purchases = _intake("purchases", "purchases", "Goods received")
sales = _intake("sales", "sales", "Sales and returns")
operational_deltas = _intake("operational_deltas", "movements", "Transfers, damage and other movements")
excel_counts = _intake("excel_counts", "counts", "Count sheets")


@dg.asset(group_name="intake", kinds={"python", "postgres"})
def product_catalog(syncstock: SyncStock) -> dg.MaterializeResult:
    """The catalogue: files from `products/` of the drop folder, upserted by SKU. Grain: product."""
    from syncstock_dagster.sources.intake import receive_drop_folder

    db = syncstock.db()
    kinds: tuple[Kind] = ("products",)
    receipts = receive_drop_folder(db, syncstock.folder(), kinds=kinds)
    db.post_received([receipt.delivery_id for receipt in receipts if receipt.state == "received"])
    return dg.MaterializeResult(metadata={"files": len(receipts), "dagster/row_count": len(db.products())})
