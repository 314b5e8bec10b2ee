"""A shop in Dagster for tests: a stock database, a drop folder and the code location over both.

What belongs here: what tests of assets, checks, sensors and schedules share. What does not: what they try.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from syncstock_dagster import SyncStockDB
from syncstock_dagster.definitions import build_defs
from syncstock_dagster.resources import SyncStock

MOVEMENT_COLUMNS = ("document", "line", "sku", "location", "quantity", "effective_at")
COUNT_COLUMNS = ("sku", "counted", "location", "counted_at")

Rows = Sequence[Sequence[object]]


class Shop:
    """One database, one folder, one instance of Dagster."""

    def __init__(self, db: SyncStockDB, folder: Path, instance: dg.DagsterInstance) -> None:
        """Open it, with two articles and one location in London."""
        self.db, self.folder, self.instance = db, folder, instance
        folder.mkdir(parents=True, exist_ok=True)
        self.resource = SyncStock(database_url=db.url, drop_folder=str(folder))
        self.defs = build_defs(resource_overrides={"syncstock": self.resource})
        db.upsert_locations([{"code": "london", "timezone": "Europe/London"}])
        db.upsert_products([{"sku": "A"}, {"sku": "B"}])

    # -- files -------------------------------------------------------------------------------------------------

    def drop(self, name: str, header: Sequence[str], rows: Rows, *, age: float = 3600) -> Path:
        """Drop a CSV that was last changed `age` seconds ago."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])
        changed = time.time() - age
        os.utime(path, (changed, changed))
        return path

    def sell(self, name: str, rows: Rows, **more: Any) -> Path:
        """Drop sales: ``(document, sku, quantity, local time)``."""
        lines = [(document, 1, sku, "london", quantity, at) for document, sku, quantity, at in rows]
        return self.drop(f"sales/{name}", MOVEMENT_COLUMNS, lines, **more)

    def buy(self, name: str, rows: Rows, **more: Any) -> Path:
        """Drop purchases: ``(document, sku, quantity, local time)``."""
        lines = [(document, 1, sku, "london", quantity, at) for document, sku, quantity, at in rows]
        return self.drop(f"purchases/{name}", MOVEMENT_COLUMNS, lines, **more)

    def count(self, name: str, rows: Rows, **more: Any) -> Path:
        """Drop a count sheet: ``(sku, quantity, local time)``."""
        lines = [(sku, quantity, "london", at) for sku, quantity, at in rows]
        return self.drop(f"counts/{name}", COUNT_COLUMNS, lines, **more)

    # -- Dagster -----------------------------------------------------------------------------------------------

    def run(
        self, job: str, day: str | None = None, last: str | None = None, config: dict | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run a job on a day, on a range of days, or without any."""
        tags, key = {}, day
        if last is not None:
            tags = {"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": last}
            key = None
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=key, tags=tags, run_config=config, raise_on_error=False
        )

    def materialise(
        self, *assets: str, day: str | None = None, last: str | None = None, config: dict | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialise some assets, as the button in the UI does."""
        tags, key = {}, day
        if last is not None:
            tags = {"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": last}
            key = None
        job = dg.define_asset_job("some", selection=dg.AssetSelection.assets(*assets).without_checks())
        return (
            dg.Definitions.merge(self.defs, dg.Definitions(jobs=[job]))
            .resolve_job_def("some")
            .execute_in_process(
                instance=self.instance, partition_key=key, tags=tags, run_config=config, raise_on_error=False
            )
        )

    def sensor(self, name: str, cursor: str | None = None) -> Any:
        """One tick of a sensor, as the daemon evaluates it."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=cursor,
            resources={"syncstock": self.resource},
            repository_def=self.defs.get_repository_def(),
            sensor_name=name,
        ) as context:
            return self.defs.resolve_sensor_def(name).evaluate_tick(context)

    def metadata(self, result: dg.ExecuteInProcessResult, asset: str) -> dict[str | None, dict[str, Any]]:
        """What a run said of an asset, by partition."""
        return {
            event.partition: {
                name: value.value
                for name, value in event.step_materialization_data.materialization.metadata.items()
            }
            for event in result.all_events
            if event.is_step_materialization and event.asset_key == dg.AssetKey(asset)
        }

    def verdicts(self, result: dg.ExecuteInProcessResult) -> dict[str, bool]:
        """What the checks of a run said, as ``asset:check``."""
        return {
            f"{found.asset_key.to_user_string()}:{found.check_name}": found.passed
            for found in result.get_asset_check_evaluations()
        }

    def stock(self) -> dict[str, int]:
        """What is on hand, by SKU."""
        stock = self.db.on_hand().merge(self.db.products()[["inventory_id", "sku"]])
        return {sku: int(on_hand) for sku, on_hand in zip(stock["sku"], stock["on_hand"], strict=True)}


def why_red(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What every red step of a run says."""
    return {
        event.step_key: (event.step_failure_data.user_failure_data.description or "")
        if event.step_failure_data.user_failure_data
        else event.step_failure_data.error.message
        for event in result.all_events
        if event.is_step_failure
    }
