"""Schedules: what happens by the clock of the shops.

What belongs here: when, and for which business days. What does not: what is done (``jobs``).

A schedule's time is local: where the clock is put forward over it, it comes with the jump; where the clock is put back
over it, it comes once.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from syncstock_dagster.accounts import read_accounts
from syncstock_dagster.assets.shopify import reverse_stock_sync
from syncstock_dagster.jobs import daily_sync, end_of_day, housekeeping, nightly_close
from syncstock_dagster.partitions import FIRST_DAY
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.sensors.asking import existing, few_stretches, request, schedule_status
from syncstock_dagster.settings import get_settings

_MOST_WAITING = 1_000


def _cron(at: time) -> str:
    return f"{at.minute} {at.hour} * * *"


def _local_day(context: dg.ScheduleEvaluationContext) -> date:
    zone = ZoneInfo(get_settings().timezone)
    return context.scheduled_execution_time.astimezone(zone).date()


def _key(context: dg.ScheduleEvaluationContext) -> str:
    return datetime.isoformat(context.scheduled_execution_time)


@dg.schedule(
    name="morning_sync",
    job=daily_sync,
    cron_schedule=_cron(get_settings().morning_sync),
    execution_timezone=get_settings().timezone,
    default_status=schedule_status(),
    description="Every morning what has come in over night: yesterday and today, and the days of whatever waits to be "
    "posted.",
)
def morning_sync(context: dg.ScheduleEvaluationContext, syncstock: SyncStock) -> list[dg.RunRequest]:
    """One morning."""
    from syncstock_dagster.stock.deliveries import waiting_with_days

    today = _local_day(context)
    days = {today - timedelta(days=1), today}
    for delivery in waiting_with_days(syncstock.db().url, _MOST_WAITING):
        days |= set(delivery.days)
    return [
        request(stretch, asked_by="morning_sync", about=[_key(context)], tags={})
        for stretch in few_stretches(existing(days))
    ]


@dg.schedule(
    name="evening_report",
    job=end_of_day,
    cron_schedule=_cron(get_settings().evening_report),
    execution_timezone=get_settings().timezone,
    default_status=schedule_status(),
    description="Every evening today is synced once more, and staff get the report of what to change in Excel.",
)
def evening_report(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One evening."""
    (today,) = existing([_local_day(context)])
    return request((today, today), asked_by="evening_report", about=[_key(context)], tags={})


@dg.schedule(
    name="close_yesterday",
    job=nightly_close,
    cron_schedule=_cron(get_settings().nightly_close),
    execution_timezone=get_settings().timezone,
    default_status=schedule_status(),
    description="Every night yesterday is synced once more, every law is checked, and the day is published, unless a "
    "blocking check fails. What changes it from then on is a restatement.",
)
def close_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One night."""
    yesterday = _local_day(context) - timedelta(days=1)
    if yesterday < FIRST_DAY:
        return dg.SkipReason(f"{yesterday} lies before the first day of the calendar.")
    return request((yesterday, yesterday), asked_by="close_yesterday", about=[_key(context)], tags={})


def _some_minutes_later(at: time) -> time:
    minutes = get_settings().reverse_sync_delay_minutes
    return (datetime.combine(FIRST_DAY, at) + timedelta(minutes=minutes)).time()


@dg.schedule(
    name="reverse_stock_sync_schedule",
    job=reverse_stock_sync,
    cron_schedule=_cron(_some_minutes_later(get_settings().morning_sync)),
    execution_timezone=get_settings().timezone,
    default_status=schedule_status(),
    description="Some minutes after the morning's sync (REVERSE_SYNC_DELAY_MINUTES): products in Shopify that it "
    "missed get their stock. Says why not where no shop is configured.",
)
def reverse_stock_sync_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One morning."""
    if not read_accounts().has_shopify:
        return dg.SkipReason("No shop is configured: SYNCSTOCK_SHOPIFY_SHOP and SYNCSTOCK_SHOPIFY_TOKEN.")
    if not get_settings().enable_reverse_stock_sync:
        return dg.SkipReason("ENABLE_REVERSE_STOCK_SYNC is false.")
    today = _local_day(context)
    return request((today, today), asked_by="reverse_stock_sync_schedule", about=[_key(context)], tags={})


nightly_housekeeping = dg.ScheduleDefinition(
    name="nightly_housekeeping",
    job=housekeeping,
    cron_schedule=_cron(get_settings().nightly_close),
    execution_timezone=get_settings().timezone,
    default_status=schedule_status(),
    description="Every night what is kept for a while only is forgotten: events, by `keep_events_days`, and "
    "original files, by `keep_files_days`.",
)


def build_schedules() -> list[dg.ScheduleDefinition]:
    """All schedules."""
    return [morning_sync, evening_report, close_yesterday, nightly_housekeeping, reverse_stock_sync_schedule]
