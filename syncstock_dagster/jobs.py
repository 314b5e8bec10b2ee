"""Jobs: the few selections that people, sensors and schedules run by name.

What belongs here: named jobs. What does not: when they run (``schedules``, ``sensors``).
"""

# No postponed annotations here: Dagster reads the types of `context` and of resources while it decorates.
import dagster as dg

from syncstock_dagster.assets.stock import ReconcileConfig
from syncstock_dagster.resources import SyncStock, on_behalf_of

_FLOW = dg.AssetSelection.groups("intake", "stock")
#: Recomputes everything from the evidence, which is for the night.
_AUDIT = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("item_stock"), "laws_hold"))
_COUNTS = dg.AssetSelection.assets("excel_counts", "pos_counts")
#: Never in one run with the report, which tells the same things itself.
_ALERTS = dg.AssetSelection.assets("stock_alerts")
_REVIEW = dg.AssetSelection.assets("variance_report", "inventory_accuracy", "sync_performance")
_DERIVED = dg.AssetSelection.assets("inventory_ledger", "daily_snapshot")

daily_sync = dg.define_asset_job(
    "daily_sync",
    selection=(_FLOW - _AUDIT) | _ALERTS,
    description="Take in what the drop folder holds and the readers yield, post it, show the stock that follows, and "
    "tell people what needs them.",
)

ingest_counts = dg.define_asset_job(
    "ingest_counts",
    selection=((_COUNTS | dg.AssetSelection.assets("reconciled_stock", "item_stock") | _DERIVED) - _AUDIT)
    | _ALERTS,
    description="Take in count sheets and the counts of the tills only, post what waits for these days, and show what "
    "follows: after a stocktake, without waiting for anything else.",
)

rebuild_history = dg.define_asset_job(
    "rebuild_history",
    selection=(dg.AssetSelection.assets("reconciled_stock", "item_stock") | _DERIVED),
    config=dg.RunConfig(ops={"reconciled_stock": ReconcileConfig(everything=True, rebuild=True)}),
    description="Post everything that waits, recompute everything from the evidence, check every law, and measure the "
    "days anew. Choose the days as a range; the recomputation covers all of history.",
)

end_of_day = dg.define_asset_job(
    "end_of_day",
    selection=(_FLOW - _AUDIT) | dg.AssetSelection.assets("excel_update_report"),
    description="Sync once more, then write and send the report of the day: what staff must change in Excel, what "
    "differs, what waits for approval, and what was not found.",
)

nightly_close = dg.define_asset_job(
    "nightly_close",
    selection=_FLOW | dg.AssetSelection.groups("publishing") | _REVIEW,
    description="The whole flow for a day that is over, with the audit of every law; then the day is published and "
    "reported on, unless a blocking check fails.",
)

refresh_snapshots = dg.define_asset_job(
    "refresh_snapshots",
    selection=_DERIVED,
    description="Measure ledger and snapshots of days again that late evidence has restated.",
)

checks_only = dg.define_asset_job(
    "checks_only",
    selection=dg.AssetSelection.all_asset_checks(),
    description="Judge everything as it is now, over all days, and change nothing.",
)


@dg.op(description="Delete events that are older than `keep_events_days` of `[operations]` says.")
def prune_events(context: dg.OpExecutionContext, syncstock: SyncStock) -> None:
    """What is too old to be told."""
    with on_behalf_of(context) as who:
        context.log.info(f"{syncstock.db().prune_events(who=who)} events were deleted.")


@dg.op(description="Delete original files that came before what `keep_files_days` of `[operations]` says.")
def prune_files(context: dg.OpExecutionContext, syncstock: SyncStock) -> None:
    """What is too old to be shown; what it said is evidence and stays."""
    with on_behalf_of(context) as who:
        context.log.info(f"{syncstock.db().prune_files(who=who)} original files were deleted.")


@dg.job(
    description="Forget what is kept for a while only: events and original files older than the shop keeps them. "
    "Whoever reads on from before the events is told so.",
)
def housekeeping() -> None:
    """Every night."""
    prune_events()
    prune_files()


def build_jobs() -> "list[dg.UnresolvedAssetJobDefinition | dg.JobDefinition]":
    """All jobs."""
    return [
        daily_sync,
        ingest_counts,
        rebuild_history,
        end_of_day,
        nightly_close,
        refresh_snapshots,
        checks_only,
        housekeeping,
    ]
