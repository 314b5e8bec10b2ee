"""Restated days: what late evidence changed after it was published is said, and measured again.

What belongs here: one tick. What does not: noticing the change, which the posting does (law L12).

The cursor says up to which restatement all is done. It moves on when the run that was asked for has succeeded.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import dagster as dg

from syncstock_dagster.jobs import refresh_snapshots
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.sensors.asking import (
    ASKED_BY,
    UNFINISHED,
    existing,
    few_stretches,
    request,
    sensor_status,
)
from syncstock_dagster.settings import get_settings

_NAME = "restated_days"
_UP_TO = "syncstock/restatements"
_VERSION = 1

#: Of one tick: changes that are looked at, days that are said one by one, and attempts at the same days.
_MOST_CHANGES = 20_000
_MOST_SAID = 100
_MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far restatements are done, and up to which a run was asked for, how often."""

    version: int = _VERSION
    done: int = 0
    asked: int = 0
    attempts: int = 0

    @classmethod
    def read(cls, text: str | None) -> _Cursor:
        """What the sensor left; from the beginning where it cannot be read, which only measures days again."""
        try:
            told = cls(**json.loads(text or "{}"))
            return (
                told if told.version == _VERSION and min(told.done, told.asked, told.attempts) >= 0 else cls()
            )
        except (TypeError, ValueError):
            return cls()

    def write(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))


@dg.sensor(
    name=_NAME,
    job=refresh_snapshots,
    minimum_interval_seconds=2 * get_settings().look_every_seconds,
    default_status=sensor_status(),
    description="Published days that late evidence has changed: each gets an observation on daily_snapshot, and "
    "ledger and snapshots of those days are measured again by refresh_snapshots, in at most ten runs a tick.",
)
def restated_days(context: dg.SensorEvaluationContext, syncstock: SyncStock) -> dg.SensorResult:
    """One tick."""
    from syncstock_dagster.stock import days as business_days

    cursor = _Cursor.read(context.cursor)
    is_again = False
    if cursor.asked > cursor.done:
        states = _runs(context.instance, cursor)
        if any(state in UNFINISHED for state in states):
            return _quiet("The days restated last are being measured.", cursor)
        if states and all(state == dg.DagsterRunStatus.SUCCESS for state in states):
            cursor = _Cursor(done=cursor.asked)
        elif cursor.attempts >= _MOST_ATTEMPTS:
            told = f"The days of restatements {cursor.done + 1} to {cursor.asked} were tried {_MOST_ATTEMPTS} times: "
            return _quiet(f"{told}see their last run. Going on behind them.", _Cursor(done=cursor.asked))
        else:
            is_again = True
    found = business_days.restated(syncstock.db().url, cursor.done, _MOST_CHANGES)
    if found.newest is None:
        return _quiet("No published day has changed since the last look.", cursor)
    days = existing(found.days)
    attempts = cursor.attempts + 1 if is_again else 1
    cursor = replace(cursor, asked=found.newest, attempts=attempts)
    if not days:
        return _quiet("Only days outside of the calendar have changed.", _Cursor(done=found.newest))
    requests = [
        request(
            stretch,
            asked_by=_NAME,
            about=[f"restated:{found.newest}:{attempts}"],
            tags={_UP_TO: _key(cursor)},
        )
        for stretch in few_stretches(days)
    ]
    events = [
        dg.AssetObservation(
            "daily_snapshot",
            partition=day.isoformat(),
            description="Late evidence has changed this published day.",
            metadata={"changes_up_to": found.newest},
        )
        for day in sorted(days)[-_MOST_SAID:]
    ]
    return dg.SensorResult(
        run_requests=requests, cursor=cursor.write(), asset_events=[] if is_again else events
    )


def _key(cursor: _Cursor) -> str:
    return f"{cursor.asked}/{cursor.attempts}"


def _runs(instance: dg.DagsterInstance, cursor: _Cursor) -> list[dg.DagsterRunStatus]:
    records = instance.get_run_records(dg.RunsFilter(tags={ASKED_BY: _NAME, _UP_TO: _key(cursor)}), limit=100)
    return [record.dagster_run.status for record in records]


def _quiet(why: str, cursor: _Cursor) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=why, cursor=cursor.write())
