"""Runs whose worker is gone are ended, so that they are done again and block nobody.

What belongs here: one tick. What does not: how a worker shows that it lives (``resources``).

Dagster notices a killed worker by the code server that started it. When that is gone too, as after a power cut, the run
would count as running for hours. A worker holds a lock in PostgreSQL as long as it lives, however it ends.
"""

from __future__ import annotations

import time

import dagster as dg

from syncstock_dagster.resources import SyncStock
from syncstock_dagster.sensors.asking import sensor_status

#: A run begins before its worker has opened the database.
_GRACE_SECONDS = 60.0
_BEGUN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dg.sensor(
    name="lost_runs",
    minimum_interval_seconds=60,
    default_status=sensor_status(),
    description="A run whose worker was killed together with the code server that watched it is ended as failed; "
    "Dagster then does it again. What it had posted is kept, and nothing is posted twice.",
)
def lost_runs(context: dg.SensorEvaluationContext, syncstock: SyncStock) -> dg.SkipReason:
    """One tick."""
    now = time.time()
    records = context.instance.get_run_records(dg.RunsFilter(statuses=_BEGUN), limit=100)
    old = [record for record in records if record.start_time and now - record.start_time > _GRACE_SECONDS]
    if not old:
        return dg.SkipReason(f"{len(records)} run(s) under way, none for long.")
    alive = syncstock.living_runs([record.dagster_run.run_id for record in old])
    lost = [record.dagster_run for record in old if record.dagster_run.run_id not in alive]
    for run in lost:
        if run.status == dg.DagsterRunStatus.CANCELING:
            context.instance.report_run_canceled(run, "Its worker is gone.")
        else:
            context.instance.report_run_failed(
                run, "Its worker is gone: it was killed, or the machine went down."
            )
        context.log.info(f"Run {run.run_id} has no worker any more; it was ended.")
    return dg.SkipReason(f"{len(old)} run(s) under way for long, {len(lost)} of them lost and ended.")
