"""Reports: what people read of the days, with numbers that become plots and pictures that need no other page.

Define an asset here when its result is a report for people. Keep out what computes (``stock``), and what changes or
leaves anything.
"""

# No postponed annotations here: Dagster reads the types of `context` and `config` while it decorates.
from datetime import date
from typing import Any

import dagster as dg

from syncstock_dagster.assets.stock import inventory_ledger, reconciled_stock
from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS, days_of_run, plain, tell_each_day
from syncstock_dagster.resources import SyncStock

#: A picture takes a tenth of a second and some ten thousand characters; of a longer range the last days have one.
PICTURES = 31


@dg.asset(
    group_name="reports",
    kinds={"postgres", "matplotlib"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[inventory_ledger],
    metadata=table_metadata("counted_variances", {"variance": ("inventory_ledger", "delta")}),
)
def inventory_accuracy(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """How right the books were where somebody counted, and what was lost.

    Accuracy is the share of counts within tolerance and never netted; shrinkage is what movements with a reason and
    counts took away, positive when it is lost. Openings are left out of both. Measured anew whenever it runs. Grain:
    day, of all locations; `syncstock accuracy` and `syncstock shrinkage` tell them apart. Units: the articles' own;
    value at present cost.
    """
    from syncstock_dagster.operations.pictures import markdown_image

    db = syncstock.db()
    days = days_of_run(context)
    span = (days[0], days[-1])
    exact = {row["day"]: row for row in db.accuracy(*span, by=["day"]).to_dict("records")}
    lost = {row["day"]: row for row in db.shrinkage(*span, by=["day"]).to_dict("records")}
    facts = {day: _accuracy_facts(exact.get(day, {}), lost.get(day, {})) for day in days}
    tell_each_day(context, days, facts)
    context.log.info(f"{sum(fact['counts'] for fact in facts.values())} counts on {len(days)} days.")
    if len(days) == 1:
        return dg.MaterializeResult()
    picture = markdown_image(
        _accuracy_picture(days, facts), f"Accuracy and shrinkage, {days[0]} to {days[-1]}"
    )
    return dg.MaterializeResult(metadata={"this_run_picture": dg.MetadataValue.md(picture)})


@dg.asset(
    group_name="reports",
    kinds={"postgres", "matplotlib"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[inventory_ledger],
    metadata=table_metadata("counted_variances", {"variance": ("inventory_ledger", "delta")}),
)
def variance_report(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """What the counts of a day found: tiers, accuracy, the largest variances with both values, and the last 30 days.

    With a picture and a table; `syncstock variances --day` says the same. Held counts stand as they are, openings are
    left out. Measured anew whenever it runs. Grain: day, of all locations. Units: the articles' own; value at present
    cost.
    """
    from syncstock_dagster.stock.variance_report import variance_reports

    db = syncstock.db()
    days = days_of_run(context)
    reports = variance_reports(db.url, db.policies, db.counting_policy, (days[0], days[-1]))
    tell_each_day(context, days, {day: _variance_facts(reports[day]) for day in days})
    for day in days[-PICTURES:]:
        context.add_asset_metadata(_shown(reports[day]), partition_key=day.isoformat())
    last = reports[days[-1]]
    told = (
        "nobody counted"
        if last.accuracy is None
        else f"{plain(last.accuracy * 100):g} % of {last.counts} counts"
    )
    context.log.info(f"{days[-1]}: {told}.")
    return dg.MaterializeResult()


@dg.asset(
    group_name="reports",
    kinds={"postgres", "matplotlib"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[reconciled_stock],
    metadata=table_metadata("sync_performance_logs"),
)
def sync_performance(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """How long syncs, loads, pulls, pushes and decisions took, for how much, and how many failed.

    Of the operations that began on a day, whatever days their evidence is about; `syncstock performance` tells their
    types apart, `syncstock operations show` the stages of one. Measured anew whenever it runs. Grain: day. Units:
    seconds; items are rows and articles.
    """
    from syncstock_dagster.operations.pictures import markdown_image
    from syncstock_dagster.operations.reading import performance_of_days
    from syncstock_dagster.settings import get_settings

    days = days_of_run(context)
    found = performance_of_days(syncstock.db().url, days[0], days[-1], get_settings().timezone)
    facts = {day: _performance_facts(found.get(day, {})) for day in days}
    tell_each_day(context, days, facts)
    context.log.info(f"{sum(fact['operations'] for fact in facts.values())} operations on {len(days)} days.")
    if len(days) == 1:
        return dg.MaterializeResult()
    picture = markdown_image(_performance_picture(days, facts), f"Operations, {days[0]} to {days[-1]}")
    return dg.MaterializeResult(metadata={"this_run_picture": dg.MetadataValue.md(picture)})


def _performance_facts(found: Any) -> dict[str, Any]:
    names = ("operations", "failed", "failed_percent", "items", "seconds", "calls", "bytes", "waited_seconds")
    facts = {name: found.get(name, 0) for name in names}
    facts["dagster/partition_row_count"] = facts["operations"]
    # Where nothing ran the plot has a gap, and no zero.
    rates = ("items_per_second", "p95_seconds", "slowest_type", "slowest_stage")
    return facts | {name: found[name] for name in rates if found.get(name) is not None}


def _performance_picture(days: list[date], facts: dict[date, dict[str, Any]]) -> bytes:
    from syncstock_dagster.operations.pictures import draw_trend, figure, png

    drawn, (seconds, items, failed) = figure(8.4, 2.4, 3)
    draw_trend(seconds, days, [float(facts[day]["seconds"]) for day in days], "Seconds")
    rates = [float(facts[day].get("items_per_second", "nan")) for day in days]
    draw_trend(items, days, rates, "Items a second")
    draw_trend(failed, days, [float(facts[day]["failed_percent"]) for day in days], "Failed, %", most=105)
    return png(drawn)


def _accuracy_facts(exact: Any, lost: Any) -> dict[str, Any]:
    names = ("counts", "within", "held", "net_units", "absolute_units", "net_value", "absolute_value")
    facts = {name: exact.get(name, 0) for name in names}
    facts |= {
        f"shrinkage_{name}": lost.get(name, 0) for name in ("lost", "found", "net", "lost_value", "net_value")
    }
    facts["dagster/partition_row_count"] = facts["counts"]
    if facts["counts"]:  # where nobody counted the plot has a gap, and no zero
        facts["accuracy"] = exact["accuracy"]
    return facts


def _accuracy_picture(days: list[date], facts: dict[date, dict[str, Any]]) -> bytes:
    from syncstock_dagster.operations.pictures import draw_trend, figure, png

    drawn, (accuracy, lost) = figure(8.4, 2.4, 2)
    shares = [float(facts[day]["accuracy"]) * 100 if "accuracy" in facts[day] else None for day in days]
    draw_trend(accuracy, days, shares, "Accuracy, %", most=105)
    draw_trend(lost, days, [float(facts[day]["shrinkage_lost"]) for day in days], "Lost, units")
    return png(drawn)


def _variance_facts(report: Any) -> dict[str, Any]:
    names = (
        "counts", "openings", "articles", "within", "net_units", "absolute_units", "net_value", "absolute_value",
        "without_cost",
    )  # fmt: skip
    facts = {name: getattr(report, name) for name in names}
    facts |= {f"counts_{tier}": number for tier, number in report.tiers.items()}
    facts["dagster/partition_row_count"] = report.counts
    if report.accuracy is not None:
        facts["accuracy"] = report.accuracy
    return facts


def _shown(report: Any) -> dict[str, Any]:
    from syncstock_dagster.operations.pictures import markdown_image, variance_picture

    picture = markdown_image(variance_picture(report), f"Variances of {report.day}")
    return {"picture": dg.MetadataValue.md(picture), "largest": dg.MetadataValue.md(_largest_table(report))}


def _largest_table(report: Any) -> str:
    """The largest variances as a Markdown table; whatever a name holds, it stays in its cell."""
    if not report.largest:
        return "No count differs from the books."
    head = (
        "| Location | SKU | Name | Counted | Book | Variance | Value | |\n|---|---|---|--:|--:|--:|--:|---|"
    )
    lines = [
        "| {} | {} | {} | {:f} | {:f} | {:+f} | {} | {} |".format(
            _cell(row["location"]), _cell(row["sku"]), _cell(row["name"]), row["counted"], row["expected"],
            row["variance"], "" if row["value"] is None else f"{row['value']:+.2f}", "held" if row["is_held"] else "",
        )
        for row in report.largest
    ]  # fmt: skip
    return "\n".join([head, *lines])


def _cell(text: Any) -> str:
    """Words of others inside of Markdown: nothing of them is markup."""
    if text is None:
        return ""
    shown = "".join(character if character.isprintable() else " " for character in str(text))
    return "".join(
        f"&#{ord(character)};" if character in r"\`*_{}[]()<>#+-!|&~$" else character for character in shown
    )
