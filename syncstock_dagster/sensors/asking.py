"""Asking for runs: about which days, under which key, and which of them exist.

What belongs here: what sensors and schedules share. What does not: what made them ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from syncstock_dagster.partitions import FIRST_DAY, newest_day, stretches
from syncstock_dagster.settings import get_settings

#: Says which sensor or schedule wanted a run.
ASKED_BY = "syncstock/asked_by"

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

#: Runs that one tick asks for at most.
MOST_RUNS = 10


def sensor_status() -> dg.DefaultSensorStatus:
    """Whether sensors run without somebody switching them on."""
    return dg.DefaultSensorStatus.RUNNING if get_settings().automation else dg.DefaultSensorStatus.STOPPED


def schedule_status() -> dg.DefaultScheduleStatus:
    """Whether schedules run without somebody switching them on."""
    return dg.DefaultScheduleStatus.RUNNING if get_settings().automation else dg.DefaultScheduleStatus.STOPPED


def existing(days: Iterable[date]) -> set[date]:
    """The partitions that days belong to; asking for one that does not exist fails the whole tick.

    What lies before the calendar belongs to its first day, what lies ahead to its newest.
    """
    newest = newest_day()
    return {min(max(day, FIRST_DAY), newest) for day in days}


def few_stretches(days: Iterable[date], most: int = MOST_RUNS) -> list[tuple[date, date]]:
    """Stretches that cover the days, at most so many: of more, those are joined that lie closest together."""
    found = stretches(days)
    while len(found) > most:
        gaps = [later[0] - earlier[1] for earlier, later in pairwise(found)]
        narrowest = gaps.index(min(gaps))
        found[narrowest : narrowest + 2] = [(found[narrowest][0], found[narrowest + 1][1])]
    return found


def request(
    stretch: tuple[date, date],
    *,
    asked_by: str,
    about: Iterable[str],
    tags: Mapping[str, str],
    job: str | None = None,
) -> dg.RunRequest:
    """A run over some days; the same ``about`` gives the same key, and Dagster launches a key once."""
    first, last = stretch
    key = hashlib.sha256(repr((first, last, sorted(about))).encode()).hexdigest()[:32]
    told = {ASKED_BY: asked_by, **{name: _short(value) for name, value in tags.items() if value}}
    if first == last:
        return dg.RunRequest(run_key=key, job_name=job, partition_key=first.isoformat(), tags=told)
    told |= {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
    }
    return dg.RunRequest(run_key=key, job_name=job, tags=told)


def runs_under_way(instance: dg.DagsterInstance, asked_by: str) -> int:
    """How many runs of a sensor or schedule have not ended."""
    return len(
        instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED, tags={ASKED_BY: asked_by}), limit=100)
    )


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:197]}..."
