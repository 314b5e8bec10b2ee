"""Shopify: what leaves for the shop, its jobs, and what asks for them.

Define here what Dagster shows of Shopify. Keep out the work (``channels.shopify``). Where no shop is configured
everything says so and is green.
"""

# No postponed annotations here: Dagster reads the types of `context` while it decorates.
from typing import Any

import dagster as dg

from syncstock_dagster.assets.stock import item_stock
from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS, days_of_run, newest_day, tell_each_day
from syncstock_dagster.resources import SyncStock, on_behalf_of
from syncstock_dagster.sensors.asking import ASKED_BY, sensor_status

_MOST_ROWS = 20
_RETRY = dg.RetryPolicy(max_retries=2, delay=60)


@dg.asset(
    group_name="channels",
    kinds={"shopify", "postgres"},
    owners=["team:shops"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[item_stock],
    metadata=table_metadata("shopify_syncs"),
    retry_policy=_RETRY,
)
def shopify_reverse_sync(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """Products in Shopify that today's sync has missed get the stock they should have. Grain: run.

    A partition is a day, whose tag marks what is done. Variants without stock are proposed for deletion. Stock is
    that of now, so only today's partition does anything. What an interrupted run left comes first.
    """
    days = days_of_run(context)
    facts: dict[Any, dict[str, Any]] = {day: {"products_checked": 0} for day in days}
    today = newest_day()
    if today in facts:
        report = _run(context, syncstock, "reverse", day=today)
        facts[today] = _facts(report)
    else:
        context.log.warning(f"{days[-1]} is over: the shop gets the stock of now, under the tag of today.")
    tell_each_day(context, days, facts)
    return dg.MaterializeResult()


@dg.asset(
    group_name="channels",
    kinds={"shopify", "postgres"},
    owners=["team:shops"],
    deps=[item_stock],
    metadata=table_metadata("shopify_syncs"),
    retry_policy=_RETRY,
)
def shopify_push(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """Levels in Shopify of every article whose stock changed since they were last right. Grain: run.

    What changed is told by SyncStock's stock; the first time all of the shop is looked at.
    """
    return dg.MaterializeResult(metadata=_facts(_run(context, syncstock, "push")))


def _run(context: dg.AssetExecutionContext, syncstock: SyncStock, kind: Any, **given: Any) -> dict[str, Any]:
    from syncstock_dagster.channels.shopify.errors import ShopifyError
    from syncstock_dagster.errors import BadInput

    try:
        with on_behalf_of(context) as who:
            report = syncstock.db().sync_shopify(kind, who=who, **given)
    except ShopifyError as error:
        raise dg.Failure(description=str(error)) from error
    except BadInput as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    context.log.info(report["message"])
    return report


def _facts(report: dict[str, Any]) -> dict[str, Any]:
    """A report as metadata: numbers become plots."""
    told: dict[str, Any] = {"message": report["message"]}
    if report["report"] is None:
        return told
    numbers = report["report"]["statistics"]
    performance = {
        name: value
        for name, value in report["report"]["performance"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    details = report["report"]["details"]
    told |= {
        "sync_id": report["sync_id"],
        "dagster/row_count": numbers["variants_updated"],
        **numbers,
        **performance,
    }
    for name in ("updated", "errors", "left", "deletions_waiting", "deleted", "deletion_validation_failures"):
        if details[name]:
            told[name] = dg.MetadataValue.json(details[name][:_MOST_ROWS])
    return told


reverse_stock_sync = dg.define_asset_job(
    "reverse_stock_sync",
    selection=dg.AssetSelection.assets(shopify_reverse_sync),
    description="Products in Shopify without today's tag get the stock they should have; variants without stock are "
    "proposed for deletion.",
)

stock_push = dg.define_asset_job(
    "stock_push",
    selection=dg.AssetSelection.assets(shopify_push),
    description="Send the stock of every article that changed to Shopify, each level only where it still is what was "
    "read.",
)


@dg.asset_sensor(
    asset_key=item_stock.key,
    job=stock_push,
    name="stock_push_sensor",
    default_status=sensor_status(),
    description="Asks for a push to Shopify whenever stock was posted; says why not where no shop is configured.",
)
def stock_push_sensor(context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry) -> Any:
    """One event, one run: Dagster launches a key once."""
    from syncstock_dagster.accounts import read_accounts

    if not read_accounts().has_shopify:
        return dg.SkipReason("No shop is configured: SYNCSTOCK_SHOPIFY_SHOP and SYNCSTOCK_SHOPIFY_TOKEN.")
    return dg.RunRequest(run_key=f"{asset_event.run_id}", tags={ASKED_BY: "stock_push_sensor"})
