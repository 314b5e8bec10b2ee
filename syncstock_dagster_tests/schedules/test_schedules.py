"""Schedules: which business days they ask for, and what the change of clocks does to them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest

from syncstock_dagster.partitions import newest_day
from syncstock_dagster.schedules import close_yesterday, evening_report, morning_sync
from syncstock_dagster_tests.shop import Shop


def test_the_night_closes_yesterday(shop: Shop) -> None:
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 3, 3, 2, tzinfo=UTC),
        repository_def=shop.defs.get_repository_def(),
    )
    (request,) = close_yesterday.evaluate_tick(context).run_requests
    assert request.partition_key == "2026-03-02"
    assert request.tags["syncstock/asked_by"] == "close_yesterday"


def test_the_morning_syncs_yesterday_and_today_and_whatever_waits(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 1, "2026-01-10 12:00")])
    shop.materialise("sales", day="2026-01-10")
    today = newest_day()
    at = datetime(today.year, today.month, today.day, 9, tzinfo=UTC)
    context = dg.build_schedule_context(
        instance=shop.instance,
        scheduled_execution_time=at,
        resources={"syncstock": shop.resource},
        repository_def=shop.defs.get_repository_def(),
    )
    with context:
        waiting, usual = morning_sync.evaluate_tick(context).run_requests
    assert waiting.partition_key == "2026-01-10"
    assert usual.tags["dagster/asset_partition_range_end"] == today.isoformat()


def test_the_evening_reports_today(shop: Shop) -> None:
    today = newest_day()
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(today.year, today.month, today.day, 17, tzinfo=UTC),
        repository_def=shop.defs.get_repository_def(),
    )
    (request,) = evening_report.evaluate_tick(context).run_requests
    assert request.partition_key == today.isoformat()
    assert evening_report.cron_schedule == "0 17 * * *"


def test_one_tick_evaluated_twice_gives_one_run(shop: Shop) -> None:
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 3, 3, 2, tzinfo=UTC),
        repository_def=shop.defs.get_repository_def(),
    )
    keys = {close_yesterday.evaluate_tick(context).run_requests[0].run_key for _ in range(2)}
    assert len(keys) == 1


_TICKS = """
import sys
from itertools import islice
from datetime import datetime, UTC
import dagster as dg
from dagster._utils.schedules import schedule_execution_time_iterator
from syncstock_dagster.definitions import defs
from syncstock_dagster.schedules import close_yesterday as it
start = datetime.fromisoformat(sys.argv[1]).timestamp()
repository = defs.get_repository_def()
for at in islice(schedule_execution_time_iterator(start, it.cron_schedule, it.execution_timezone, True), 3):
    context = dg.build_schedule_context(scheduled_execution_time=at, repository_def=repository)
    (request,) = it.evaluate_tick(context).run_requests
    print(at.astimezone(UTC).isoformat(), request.partition_key)
"""


@pytest.mark.parametrize(
    ("zone", "start", "at", "expected"),
    [
        # Clocks go from 01:00 to 02:00: half past one does not exist.
        ("Europe/London", "2026-03-28T00:00:00+00:00", "01:30", ["2026-03-27", "2026-03-28", "2026-03-29"]),
        # Clocks go from 02:00 back to 01:00: half past one comes twice.
        ("Europe/London", "2026-10-24T00:00:00+00:00", "01:30", ["2026-10-23", "2026-10-24", "2026-10-25"]),
        # Midnight itself does not exist on the last Friday of April.
        ("Africa/Cairo", "2026-04-22T20:00:00+00:00", "00:30", ["2026-04-22", "2026-04-23", "2026-04-24"]),
        (
            "America/New_York",
            "2026-03-07T00:00:00+00:00",
            "02:30",
            ["2026-03-06", "2026-03-07", "2026-03-08"],
        ),
        (
            "America/New_York",
            "2026-10-31T00:00:00+00:00",
            "01:30",
            ["2026-10-30", "2026-10-31", "2026-11-01"],
        ),
    ],
)
def test_every_night_closes_one_day_whatever_the_clocks_do(
    zone: str, start: str, at: str, expected: list[str]
) -> None:
    """In a process of its own, for zone and time are read when the code location is loaded."""
    environment = {"SYNCSTOCK_TIMEZONE": zone, "SYNCSTOCK_NIGHTLY_CLOSE": at, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _TICKS, start], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == expected, done.stdout
    instants = [line.split()[0] for line in done.stdout.splitlines()]
    assert len(set(instants)) == len(instants)


def test_the_times_are_those_of_the_settings() -> None:
    assert (morning_sync.cron_schedule, close_yesterday.cron_schedule) == ("0 9 * * *", "0 2 * * *")
    assert {morning_sync.execution_timezone, close_yesterday.execution_timezone} == {"UTC"}


def test_every_night_old_events_and_files_are_forgotten(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 1, "2026-01-10 12:00")])
    shop.materialise("sales", day="2026-01-10")
    with psycopg.connect(shop.db.url) as connection:
        connection.execute(
            "insert into syncstock.sync_events (event_type, entity_type, entity_id, occurred_at) "
            "values ('a', 'x', '1', now() - interval '100 days')"
        )
        connection.execute("update syncstock.uploads set received_at = now() - interval '3651 days'")
    assert shop.defs.resolve_job_def("housekeeping").execute_in_process(instance=shop.instance).success
    pruned = shop.db.operations(2)
    assert set(pruned["name"]) == {"events older than 90 days", "files older than 3650 days"}
    assert set(pruned["status"]) == {"completed"}
    assert pruned["created_by"][0].startswith("Dagster run")
