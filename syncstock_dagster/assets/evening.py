"""Reports and alerts: what staff get at the end of the day, and what people are told when a sync has found something.

Define an asset here when it tells people. Keep out what it tells (``stock.evening``) and its form (``workbooks``).
"""

# No postponed annotations here: Dagster reads the types of `context` and `config` while it decorates.
import base64
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from syncstock_dagster.assets.stock import daily_snapshot, item_stock, reconciled_stock
from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS, days_of_run, newest_day, plain, tell_each_day
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.settings import get_settings

#: A backfill of more days than this writes the reports of the newest ones only.
_MOST_REPORTS = 14


@dg.asset(
    group_name="reports",
    kinds={"python", "excel"},
    owners=["team:stock"],
    partitions_def=STOCK_DAYS,
    backfill_policy=ONE_RUN,
    deps=[daily_snapshot, item_stock],
    metadata=table_metadata("pending_excel_updates"),
)
def excel_update_report(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """The sheet of the evening: what to change in Excel, what differs, what waits for approval, what was not found.

    Written below `reports/` as workbook, page and text, and sent, once for each day, to whom SYNCSTOCK_ALERT_URLS
    names. Writing it changes nothing: a sale is written off when a later sheet agrees. Of long ranges the newest 14
    days are written. Grain: day. Unit: the articles' own.
    """
    from syncstock_dagster.operations.alerts import Fact, tell_once
    from syncstock_dagster.workbooks.evening_files import picture, write_files
    from syncstock_dagster.workbooks.evening_text import as_text

    db, settings = syncstock.db(), get_settings()
    zone = ZoneInfo(settings.timezone)
    days = days_of_run(context)
    facts: dict[date, dict[str, object]] = {}
    for day in days[-_MOST_REPORTS:]:
        report = db.evening_report(day)
        files = write_files(report, settings.home / "reports", zone)
        image = base64.b64encode(picture(report)).decode()
        facts[day] = {
            **{name: plain(number) for name, number in report.numbers.items()},
            "dagster/partition_row_count": len(report.items),
            "workbook": dg.MetadataValue.path(str(files["xlsx"])),
            "page": dg.MetadataValue.path(str(files["html"])),
            "picture": dg.MetadataValue.md(f"![{day}](data:image/png;base64,{image})"),
            "report": dg.MetadataValue.md(f"```\n{as_text(report, zone, most_rows=20)}```"),
        }
        context.log.info(f"{files['xlsx']}: {len(report.items)} item(s) to update in Excel.")
    if days[-1] == newest_day():
        told = [Fact(f"report {days[-1]}", "info", f"Stock on {days[-1]}: what to update in Excel")]
        told += _open_facts(db, days[-1])
        page = as_text(report, zone, most_rows=10)
        sent = tell_once(db.url, told, more=lambda: page, attached=[files["xlsx"]])
        context.log.info(f"Told to {sent} address(es).")
    tell_each_day(context, days, {day: facts.get(day, {}) for day in days})
    return dg.MaterializeResult()


@dg.asset(
    group_name="reports",
    kinds={"python"},
    owners=["team:stock"],
    deps=[reconciled_stock],
    metadata=table_metadata("alerts"),
)
def stock_alerts(context: dg.AssetExecutionContext, syncstock: SyncStock) -> dg.MaterializeResult:
    """People are told what a sync has found: files refused, articles not listed, counts held or to review, and so on.

    In one message, by tier, with the report of today; each thing once to each of SYNCSTOCK_ALERT_URLS. An address that
    cannot be reached is tried again with the next run, and never makes this red. Grain: fact and address.
    """
    from syncstock_dagster.operations.alerts import TIERS, tell_once
    from syncstock_dagster.workbooks.evening_text import as_text

    db, settings = syncstock.db(), get_settings()
    zone = ZoneInfo(settings.timezone)
    today = datetime.now(zone).date()
    facts = _open_facts(db, today)
    sent = tell_once(db.url, facts, more=lambda: as_text(db.evening_report(today), zone, most_rows=10))
    by_tier = {tier: sum(fact.tier == tier for fact in facts) for tier in TIERS if tier != "info"}
    context.log.info(f"{len(facts)} thing(s) are open; {sent} address(es) took a message.")
    return dg.MaterializeResult(metadata={**by_tier, "messages": sent})


def _open_facts(db: Any, today: date) -> list[Any]:
    """What a person should know by now, of stock and of intake."""
    from syncstock_dagster.sources.troubles import intake_facts
    from syncstock_dagster.stock.evening import open_facts

    return [
        *open_facts(db.url, db.policies, today=today, timezone=get_settings().timezone),
        *intake_facts(db),
    ]
