"""Stock: received evidence is posted, and what follows is shown.

Define an asset here when it is derived from posted evidence. Keep out reading of files.
"""

# No postponed annotations here: Dagster reads the types of `context` and `config` while it decorates.
from collections import Counter
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from syncstock_dagster.assets.failing import told_failures
from syncstock_dagster.assets.intake import (
    excel_counts,
    operational_deltas,
    pos_counts,
    product_catalog,
    purchases,
    sales,
)
from syncstock_dagster.assets.sources import PULLED
from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.partitions import (
    FIRST_DAY,
    ONE_RUN,
    STOCK_DAYS,
    days_of_run,
    newest_day,
    plain,
    tell_each_day,
)
from syncstock_dagster.resources import SyncStock, on_behalf_of


class ReconcileConfig(dg.Config):
    """What is posted."""

    everything: bool = Field(
        default=False,
        description="Post every delivery that waits, also those without a row on the days of the run.",
    )
    rebuild: bool = Field(
        default=False,
        description="Afterwards recompute everything from the evidence: caches are rewritten, the ledger is verified "
        "and mended by new entries only.",
    )


@dg.asset(
    group_name="stock",
    kinds={"postgres"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[purchases, sales, operational_deltas, excel_counts, pos_counts, product_catalog, *PULLED],
    metadata=table_metadata("movements"),
)
def reconciled_stock(
    context: dg.AssetExecutionContext, config: ReconcileConfig, syncstock: SyncStock
) -> dg.MaterializeResult:
    """Received deliveries with a row on these days are posted, each in one transaction.

    Evidence becomes ledger, stock, variances and snapshots together, and the gate decides on counts. A delivery is
    posted once, whole, with all its days; days in any order end in the same stock. One that cannot be posted holds up
    nothing: it stays received, is tried again, and makes the check every_delivery_posted red. What other systems say
    of their stock is posted page by page as it is pulled; numbers and checks here count it too. Grain: delivery. Unit:
    the articles' own.
    """
    from syncstock_dagster.sources.intake import post
    from syncstock_dagster.stock import days as business_days
    from syncstock_dagster.stock.deliveries import waiting_deliveries

    db = syncstock.db()
    days = days_of_run(context)
    span = (days[0], days[-1])
    # What lies before the calendar belongs to its first day, what lies ahead (a wrong clock) to its newest.
    covered = (
        date.min if span[0] == FIRST_DAY else span[0],
        date.max if span[1] >= newest_day() else span[1],
    )
    waiting = waiting_deliveries(db.url, None if config.everything else covered)
    context.log.info(f"{len(waiting)} deliveries wait to be posted.")
    with on_behalf_of(context) as who:
        results, failures = post(db, waiting, who=who)
    totals: Counter[str] = Counter()
    for result in results:
        totals.update(result.numbers())
    if results:
        context.log.info(
            f"Posted {len(results)}: {', '.join(f'{n} {name}' for name, n in totals.items() if n)}."
        )
        tags = {"syncstock/operation": results[-1].operation_uuid, "syncstock/posted": str(len(results))}
        context.instance.add_run_tags(context.run.run_id, tags)
    metadata: dict[str, Any] = {"this_run": {"deliveries": len(results), **totals}}
    if failures:
        context.log.error(told_failures([(failure.what, failure.error) for failure in failures]))
        metadata["this_run_not_posted"] = len(failures)
    if config.rebuild:
        with on_behalf_of(context) as who:
            report = db.rebuild(who=who)
        metadata["rebuild"] = "everything was right" if report.found_nothing else f"mended: {report}"
        context.log.info(f"Rebuilt from the evidence: {metadata['rebuild']}.")
    found = business_days.counted(db.url, span)
    nothing = {"counts": 0, "applied": 0, "held": 0, "rejected": 0}
    facts = {day: {name: found.get(day, nothing)[name] for name in nothing} for day in days}
    tell_each_day(context, days, facts)
    if len(days) == 1:
        offending = business_days.verdicts(db.url, db.policies, span).offending
        metadata["largest_variances"] = variances_table(offending)
    return dg.MaterializeResult(metadata=metadata)


@dg.asset(
    group_name="stock",
    kinds={"postgres"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[reconciled_stock],
    metadata=table_metadata("inventory_ledger", {"delta": ("reconciled_stock", "quantity")}),
)
def inventory_ledger(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """The ledger of these days: every movement, and for every count the adjustment that it made.

    It only grows, and at every instant it sums to the stock. Written by the posting; measured here. Grain: entry.
    Unit: the articles' own.
    """
    from syncstock_dagster.stock import days as business_days

    db = syncstock.db()
    days = days_of_run(context)
    found = business_days.ledger(db.url, (days[0], days[-1]))
    names = ("entries", "adjustments", "articles", "units_in", "units_out", "adjusted")
    facts: dict[date, dict[str, Any]] = {}
    for day in days:
        row = found.get(day, {})
        facts[day] = {name: row.get(name, 0) for name in names}
        facts[day]["dagster/partition_row_count"] = facts[day]["entries"]
    context.log.info(f"{sum(fact['entries'] for fact in facts.values())} entries on {len(days)} days.")
    tell_each_day(context, days, facts)
    return dg.MaterializeResult()


@dg.asset(
    group_name="stock",
    kinds={"postgres"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[inventory_ledger],
    metadata=table_metadata("item_stock_daily", {"on_hand": ("inventory_ledger", "delta")}),
)
def daily_snapshot(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """Closing stock of these days, dense: every article and location from its first event on.

    Late evidence changes it; what changes after a day was published is a restatement. Value at present cost. Grain:
    day, article, location.
    """
    from syncstock_dagster.stock import days as business_days

    db = syncstock.db()
    days = days_of_run(context)
    found = business_days.snapshots(db.url, (days[0], days[-1]))
    names = ("articles", "on_hand", "negative", "value", "without_cost", "restated")
    facts = {day: {name: found[day][name] for name in names} for day in days}
    for fact in facts.values():
        fact["dagster/partition_row_count"] = fact["articles"]
    last = facts[days[-1]]
    context.log.info(f"{days[-1]} closes with {plain(last['on_hand'])} units of {last['articles']} articles.")
    tell_each_day(context, days, facts)
    return dg.MaterializeResult()


@dg.asset(
    group_name="stock",
    kinds={"postgres"},
    owners=["team:stock"],
    deps=[inventory_ledger],
    metadata=table_metadata("item_stock", {"on_hand": ("inventory_ledger", "delta")}),
)
def item_stock(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """Present stock: the sum of the ledger. Grain: article and location. Unit: the articles' own."""
    from syncstock_dagster.stock import days as business_days

    now = business_days.present(syncstock.db().url)
    context.log.info(
        f"{plain(now['on_hand'])} units of {now['articles']} articles and locations, {now['negative']} below zero."
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": now["articles"],
            "on_hand": plain(now["on_hand"]),
            "negative": now["negative"],
            "locations": now["locations"],
        }
    )


def variances_table(offending: Any, most: int = 20) -> dg.TableMetadataValue:
    """Counts that are far from the books, the farthest first."""
    names = ("day", "location", "sku", "counted", "expected", "variance", "status", "count_id")
    kinds = {"counted": "float", "expected": "float", "variance": "float", "count_id": "int"}
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kinds.get(name, "string")) for name in names])
    records = [dg.TableRecord({name: _cell(row[name]) for name in names}) for row in list(offending)[:most]]
    return dg.MetadataValue.table(records=records, schema=schema)


def _cell(value: Any) -> Any:
    value = plain(value)
    return value if isinstance(value, int | float) else str(value)
