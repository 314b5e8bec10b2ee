"""The code location: everything Dagster shows of SyncStock, wired together.

What belongs here: collecting definitions. What does not: their content, and anything that opens a file or a
connection; loading must cost nothing but imports.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

# Backfill policies and partition mappings are in beta; a warning per asset in every process says nothing new.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from syncstock_dagster import checks, jobs, schedules, sensors  # noqa: E402 - the filter comes first
from syncstock_dagster.assets import (  # noqa: E402
    evening,
    intake,
    publishing,
    reports,
    search,
    shopify,
    sources,
    stock,
    vendors,
)
from syncstock_dagster.resources import SyncStock  # noqa: E402


def build_defs(*, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions, with resources replaced where a test or the demo brings its own."""
    return dg.Definitions(
        assets=[
            sources.DROP_FOLDER,
            sources.TILL_SYSTEM,
            *dg.load_assets_from_modules(
                [intake, stock, publishing, evening, reports, search, vendors, shopify]
            ),
        ],
        asset_checks=checks.build_checks(),
        jobs=[
            *jobs.build_jobs(),
            search.search_index_job,
            vendors.pull_sources_job,
            shopify.reverse_stock_sync,
            shopify.stock_push,
        ],
        sensors=[
            *sensors.build_sensors(),
            search.search_index_sensor,
            vendors.source_hints,
            shopify.stock_push_sensor,
        ],
        schedules=[*schedules.build_schedules(), vendors.nightly_pull, vendors.pull_changes],
        resources={"syncstock": SyncStock(), **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
