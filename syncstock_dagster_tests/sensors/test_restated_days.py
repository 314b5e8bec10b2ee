"""Restated days: noticed, measured again, done when that has succeeded, and not for ever."""

from __future__ import annotations

import json
from datetime import date

import dagster as dg
import pytest

from syncstock_dagster_tests.shop import Shop

NAME = "restated_days"


@pytest.fixture
def restated(shop: Shop) -> Shop:
    """Published up to the fifth, then a late row of the third."""
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    shop.run("daily_sync", "2026-03-02")
    shop.db.close_day(date(2026, 3, 5))
    shop.sell("late.csv", [("R2", "A", 1, "2026-03-03 12:00")])
    shop.run("daily_sync", "2026-03-03")
    return shop


def under(shop: Shop, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """A run that was asked for, in a state."""
    job = shop.defs.resolve_job_def("refresh_snapshots")
    shop.instance.create_run_for_job(job, tags=request.tags, status=status)


def test_without_restatements_it_is_quiet(shop: Shop) -> None:
    assert shop.sensor(NAME).skip_message == "No published day has changed since the last look."


def test_restated_days_are_observed_and_asked_for_once(restated: Shop) -> None:
    tick = restated.sensor(NAME)
    (request,) = tick.run_requests
    assert request.tags["dagster/asset_partition_range_start"] == "2026-03-03"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-03-05"
    assert [event.partition for event in tick.asset_events] == ["2026-03-03", "2026-03-04", "2026-03-05"]
    under(restated, request, dg.DagsterRunStatus.STARTED)
    assert restated.sensor(NAME, tick.cursor).skip_message == "The days restated last are being measured."


def test_it_is_done_when_the_run_has_succeeded_and_not_before(restated: Shop) -> None:
    tick = restated.sensor(NAME)
    assert json.loads(tick.cursor)["done"] == 0
    under(restated, tick.run_requests[0], dg.DagsterRunStatus.SUCCESS)
    after = restated.sensor(NAME, tick.cursor)
    assert not after.run_requests
    assert json.loads(after.cursor)["done"] == json.loads(tick.cursor)["asked"]


def test_a_run_that_failed_is_asked_for_again_a_bounded_number_of_times(restated: Shop) -> None:
    cursor, keys = None, []
    for _ in range(3):
        tick = restated.sensor(NAME, cursor)
        (request,) = tick.run_requests
        keys.append(request.run_key)
        under(restated, request, dg.DagsterRunStatus.FAILURE)
        cursor = tick.cursor
    assert len(set(keys)) == 3
    tick = restated.sensor(NAME, cursor)
    assert not tick.run_requests
    assert "were tried 3 times" in tick.skip_message
    assert (
        restated.sensor(NAME, tick.cursor).skip_message == "No published day has changed since the last look."
    )


@pytest.mark.parametrize(
    "cursor", ["", "x", "[]", '{"version": 7}', '{"done": "x"}', '{"done": -4}', '{"other": 1}']
)
def test_a_broken_cursor_only_measures_days_again(restated: Shop, cursor: str) -> None:
    assert len(restated.sensor(NAME, cursor).run_requests) == 1


def test_what_is_asked_for_measures_the_days(restated: Shop) -> None:
    (request,) = restated.sensor(NAME).run_requests
    result = restated.defs.resolve_job_def("refresh_snapshots").execute_in_process(
        instance=restated.instance, tags=request.tags
    )
    assert restated.metadata(result, "daily_snapshot")["2026-03-04"]["restated"] == 1
