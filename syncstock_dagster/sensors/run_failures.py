"""Red runs are told to the people whom the settings name.

What belongs here: the words of an alert about a run. What does not: sending it (``operations.alerts``).
"""

from __future__ import annotations

import dagster as dg

from syncstock_dagster.sensors.asking import sensor_status


@dg.run_failure_sensor(
    name="run_failures",
    default_status=sensor_status(),
    minimum_interval_seconds=30,
    description="A run that failed is told to whom SYNCSTOCK_ALERT_URLS names, with what every red step says. "
    "Without such addresses it is only logged.",
)
def run_failures(context: dg.RunFailureSensorContext) -> None:
    """One failed run."""
    from syncstock_dagster.operations.alerts import alert

    run = context.dagster_run
    steps = []
    for event in context.get_step_failure_events():
        told, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
        why = told.description if told is not None else None
        if not why and error is not None:
            # What an asset did not turn into words of its own is wrapped by Dagster, which only names the step.
            why = (error.cause or error).message
        steps.append(f"{event.step_key}: {(why or '').strip()}")
    text = "\n".join(steps) or context.failure_event.message or "No step says why."
    sent = alert(f"SyncStock: run of {run.job_name} failed", f"{text}\n\nRun {run.run_id}")
    context.log.info(f"Run {run.run_id} failed; told to {sent} address(es).")
