"""Sensors: what is noticed by looking, and which runs are asked for then.

What belongs here: one module a sensor, and in ``asking`` how runs are asked for. What does not: how files are told
apart and read (``sources.arrivals``), and what a run does (``assets``).
"""

from __future__ import annotations

import dagster as dg

from syncstock_dagster.sensors.file_arrivals import file_arrivals
from syncstock_dagster.sensors.lost_runs import lost_runs
from syncstock_dagster.sensors.restated_days import restated_days
from syncstock_dagster.sensors.run_failures import run_failures


def build_sensors() -> list[dg.SensorDefinition]:
    """All sensors."""
    return [file_arrivals, restated_days, lost_runs, run_failures]
