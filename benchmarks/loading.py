"""The year from files to stock, measured: what several benchmarks load, in a process of its own.

What belongs here: loading the files of a folder with a clock beside. What does not:
what the times are compared with.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.measure import peak_memory
from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources import list_drop
from syncstock_dagster.sources.intake import load
from syncstock_dagster.stock.policy import DEFAULTS, Policies
from syncstock_dagster.store.connection import libpq_url
from syncstock_dagster_tests.real_year import LOCATION, RealYear

#: As in the test of the real year: its counts are applied whatever their variance.
POLICIES = Policies(sources={"excel": DEFAULTS["excel"].model_copy(update={"trust": "authoritative"})})


@dataclass(slots=True)
class Loaded:
    """How a load went."""

    #: From the first file opened to the last transaction committed.
    seconds: float = 0.0
    #: What of it is posting, by stage; while it lasts, the next file is read.
    posting: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    ledger_entries: int = 0
    snapshot_rows: int = 0
    peak_memory_before: float = 0.0
    peak_memory: float = 0.0


def load_year(url: str, year: RealYear) -> Loaded:
    """Load all files into the empty database at ``url``; products and the location first, which is not timed."""
    db = SyncStockDB(url, policies=POLICIES)
    db.upsert_locations([LOCATION])
    loaded = Loaded(rows=sum(file.rows for file in year.files))
    dropped = {file.name: file for file in list_drop(year.folder)}
    loaded.peak_memory_before = peak_memory()
    began = time.perf_counter()
    done = load(db, [dropped[file.path] for file in year.files])
    loaded.seconds = time.perf_counter() - began
    assert [receipt.state for receipt in done.receipts] == ["received"] * len(year.files), done.receipts
    assert not done.failures, done.failures
    loaded.peak_memory = peak_memory()
    with psycopg.connect(libpq_url(url)) as connection:
        _look_inside(connection, loaded)
    return loaded


def _look_inside(connection: psycopg.Connection[tuple], loaded: Loaded) -> None:
    for stage, seconds in connection.execute("select stage, seconds from syncstock.operation_stages"):
        loaded.posting[stage] = loaded.posting.get(stage, 0.0) + float(seconds)
    loaded.ledger_entries = _count(connection, "syncstock.ledger_entries")
    loaded.snapshot_rows = _count(connection, "syncstock.stock_ranges")


def _count(connection: psycopg.Connection[tuple], table: str) -> int:
    row = connection.execute(f"select count(*) from {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def folder_of(parent: Path, name: str) -> Path:
    """A new folder."""
    folder = parent / name
    folder.mkdir()
    return folder
