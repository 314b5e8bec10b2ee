"""What Dagster adds to the engine: a year's backfill in one run, a day's run, loading, memory over many ticks."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from benchmarks.data import write_files
from benchmarks.database import fresh_database, median
from benchmarks.loading import load_year
from benchmarks.measure import Figure, Report, in_own_process, peak_memory, timed
from syncstock_dagster_tests.real_year import LOCATION, WEEKS

FIRST, DAYS = date(2010, 11, 30), 376
TICKS = 500

#: As in the test of the real year: its counts are applied whatever their variance.
_CONFIG = '[sources.excel]\nkind = "counts"\ntrust = "authoritative"\n'


def run(*, full: bool) -> Report:
    """The real year by the engine alone, and the same year as one run over all of its days."""
    del full
    report = Report(
        "orchestration", f"a backfill of {DAYS} days of all assets in one run, against the engine alone"
    )
    with (
        TemporaryDirectory() as folder,
        fresh_database() as plain,
        fresh_database() as stock,
        fresh_database() as own,
    ):
        year, origin = in_own_process(write_files, Path(folder, "year"), weeks=WEEKS)
        report.notes.append(origin)
        alone = in_own_process(load_year, plain, year)
        measured = in_own_process(_dagster, stock, own, Path(folder), year.folder)
    assets = int(measured.pop("assets"))
    report.stages |= {"the engine alone": alone.seconds}
    report.stages |= {name: seconds for name, seconds in measured.items() if name[0] != "_"}
    # Posting, most of the engine's time, is taken from the same run: what else the machine does counts in both.
    intake = alone.seconds - sum(alone.posting.values())
    beyond = measured["the backfill"] - measured["posting in the backfill"] - intake
    report.figures += [
        Figure("beyond the engine", beyond, "s", 60.0),
        Figure("beyond the engine, an asset and day", beyond / assets / DAYS * 1000, "ms", 15.0),
        Figure(
            "a day's run beyond the engine",
            measured["a day's run"] - measured["a day by the engine"],
            "s",
            2.0,
        ),
        Figure(f"memory that {TICKS} ticks add", measured["_memory"], "MB", 50.0),
    ]
    imports = median([timed(lambda: _python("import dagster")) for _ in range(3)])
    loads = median([timed(lambda: _python("import syncstock_dagster.definitions")) for _ in range(3)])
    validates = median([timed(_validate) for _ in range(3)])
    report.facts["seconds to import dagster, and our code location"] = f"{imports:.2f}, {loads:.2f}"
    report.figures.append(Figure("dagster definitions validate", validates, "s", 2.5))
    return report


def _dagster(stock: str, own: str, folder: Path, drop: Path) -> dict[str, float]:
    """In a process of its own: a run worker is one, too."""
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "100"
    os.environ["SYNCSTOCK_CONFIG"] = str(folder / "syncstock.toml")
    (folder / "syncstock.toml").write_text(_CONFIG)
    logging.disable(logging.INFO)
    import dagster as dg

    from syncstock_dagster import SyncStockDB
    from syncstock_dagster.definitions import build_defs
    from syncstock_dagster.resources import SyncStock
    from syncstock_dagster.sensors.asking import request
    from syncstock_dagster.service import home as dagster_home
    from syncstock_dagster.settings import Settings

    db = SyncStockDB(stock)
    db.upsert_locations([LOCATION])
    settings = Settings(home=folder / "home", database_url=stock, dagster_database_url=own)
    home = dagster_home.prepare(settings, stock)
    resource = SyncStock(database_url=stock, drop_folder=str(drop))
    defs = build_defs(resource_overrides={"syncstock": resource})
    job = defs.resolve_job_def("daily_sync")
    measured: dict[str, float] = {"assets": sum(1 for _ in job.asset_layer.selected_asset_keys)}
    with psycopg.connect(own, autocommit=True) as connection:  # as `up` makes it
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set synchronous_commit = off").format(name))
    with dg.DagsterInstance.from_config(str(home)) as instance:

        def work(first: date, days: int) -> None:
            # As a sensor, a schedule and the launchpad ask: for one day by its key, for several by a range.
            asked = request((first, first + timedelta(days - 1)), asked_by="benchmark", about=(), tags={})
            assert job.execute_in_process(
                instance=instance, partition_key=asked.partition_key, tags=asked.tags
            ).success

        measured["the backfill"] = timed(lambda: work(FIRST, DAYS))
        assert len(db.deliveries(state="received")) == 0
        with psycopg.connect(stock) as connection:
            row = connection.execute(
                "select sum((stage ->> 'seconds')::numeric) from syncstock.sync_performance_logs as p, "
                "jsonb_array_elements(p.stages) as stage"
            ).fetchone()
        assert row is not None
        measured["posting in the backfill"] = float(row[0])
        measured["the backfill again, nothing new"] = timed(lambda: work(FIRST, DAYS))
        day = FIRST + timedelta(days=DAYS)
        spent: dict[str, list[float]] = {"run": [], "engine": []}
        for number in range(3):
            _write_day(drop, day + timedelta(days=2 * number))
            spent["run"].append(timed(lambda n=number: work(day + timedelta(days=2 * n), 1)))
            _write_day(drop, day + timedelta(days=2 * number + 1))
            spent["engine"].append(timed(lambda: _engine_day(db, drop)))
        measured["a day's run"] = median(spent["run"])
        measured["a day by the engine"] = median(spent["engine"])
        measured["_memory"] = _ticks(defs, resource, instance)
    return measured


def _write_day(drop: Path, day: date) -> None:
    """A day of sales of articles of the year; old enough to be complete."""
    path = drop / "sales" / f"{day}.csv"
    lines = [f"NEW-{day},{n},{21000 + n % 1000},{LOCATION['code']},1,{day} 12:00" for n in range(1500)]
    path.write_text("\n".join(["document,line,sku,location,quantity,effective_at", *lines]) + "\n")
    os.utime(path, (time.time() - 60,) * 2)


def _engine_day(db: object, drop: Path) -> None:
    from syncstock_dagster.sources.drop_folder import list_drop
    from syncstock_dagster.sources.intake import Taking, receive

    sales = [file for file in list_drop(str(drop)) if file.kind == "sales"]
    receipts = [one.receipt for one in receive(db, sales, Taking(skip_known=True))]  # type: ignore[arg-type]
    new = [receipt.delivery_id for receipt in receipts if receipt.state == "received"]
    assert len(new) == 1
    db.post_received(new)  # type: ignore[attr-defined]


def _ticks(defs: object, resource: object, instance: object) -> float:
    """How much the process grows over many ticks of the sensor, the first ones aside."""
    import dagster as dg

    sensor = defs.resolve_sensor_def("file_arrivals")  # type: ignore[attr-defined]
    repository = defs.get_repository_def()  # type: ignore[attr-defined]
    cursor, before = None, 0.0
    for number in range(TICKS + 50):
        if number == 50:
            before = peak_memory()
        with dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"syncstock": resource}, repository_def=repository,
            sensor_name="file_arrivals",
        ) as context:  # fmt: skip
            cursor = sensor.evaluate_tick(context).cursor
    return peak_memory() - before


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def _validate() -> None:
    # The command itself, without the launcher script around it.
    command = [
        sys.executable,
        "-m",
        "dagster",
        "definitions",
        "validate",
        "-m",
        "syncstock_dagster.definitions",
    ]
    subprocess.run(command, check=True, capture_output=True)
