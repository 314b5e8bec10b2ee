"""Publishing: what leaves the house. Nothing here runs while a blocking check of what it depends on fails.

Define an asset here when people or systems outside act on it. Keep out computing what is published.
"""

# No postponed annotations here: Dagster reads the types of `context` and `config` while it decorates.
import dagster as dg
from pydantic import Field

from syncstock_dagster.assets.stock import daily_snapshot, item_stock
from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS, days_of_run, tell_each_day
from syncstock_dagster.resources import SyncStock, on_behalf_of


class PublishConfig(dg.Config):
    """What is published."""

    locations: list[str] = Field(
        default=[], description="Codes of the locations to publish; empty: all of them."
    )


@dg.asset(
    group_name="publishing",
    kinds={"postgres"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[daily_snapshot, item_stock],
    metadata=table_metadata("day_closes", {"day": ("daily_snapshot", "day")}),
)
def published_days(
    context: dg.AssetExecutionContext, config: PublishConfig, syncstock: SyncStock
) -> dg.MaterializeResult:
    """Days are published: whatever changes them later is a restatement, with old value, new value and cause.

    Publishing a day publishes all days before; twice is once; a day that is not over everywhere is left for later.
    Grain: location and day.
    """
    from syncstock_dagster.stock import days as business_days

    db = syncstock.db()
    days = days_of_run(context)
    over, _ = business_days.calendar(db.url)
    last = min(days[-1], over)
    if last >= days[0]:
        with on_behalf_of(context) as who:
            db.close_day(last, config.locations or None, who=who)
        context.log.info(f"Published up to {last}.")
    else:
        context.log.warning(f"Nothing to publish: {days[0]} is not over at every location.")
    tell_each_day(context, days, {day: {"published": int(day <= last)} for day in days})
    return dg.MaterializeResult()
