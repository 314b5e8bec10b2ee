"""Stock: received evidence is posted, and what follows is shown.

Define an asset here when it is derived from posted evidence. Keep out reading of files.
"""

# No postponed annotations here: Dagster reads the type of `context` while it decorates.
from collections import Counter

import dagster as dg

from syncstock_dagster.assets.intake import (
    excel_counts,
    operational_deltas,
    product_catalog,
    purchases,
    sales,
)
from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS
from syncstock_dagster.resources import SyncStock


@dg.asset(
    group_name="stock",
    kinds={"postgres"},
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[purchases, sales, operational_deltas, excel_counts, product_catalog],
)
def reconciled_stock(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """Received deliveries with a row on these days, each posted in one transaction. Grain: delivery.

    Ledger, stock, variances and snapshots follow together.
    """
    days = sorted(context.partition_keys)
    results = syncstock.db().post_received(days=(days[0], days[-1]))
    totals: Counter[str] = Counter()
    for result in results:
        totals.update(result.numbers())
    return dg.MaterializeResult(metadata={"deliveries": len(results), **totals})


@dg.asset(group_name="stock", kinds={"postgres"}, deps=[reconciled_stock])
def item_stock(syncstock: SyncStock) -> dg.MaterializeResult:
    """Present stock: the sum of the ledger. Grain: article and location."""
    db = syncstock.db()
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(db.on_hand()), "negative": len(db.negative_stock())}
    )
