"""The demo from nothing to right stock: files, locations, posting day by day, and what is left for a person.

What belongs here: running the generated folder through the public interface and telling what came out. What
does not: anything that a real installation would need too.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from syncstock_dagster.demo.generate import DemoFile, generate_drop_folder, read_manifest
from syncstock_dagster.demo.history import NIGHT_ENDS
from syncstock_dagster.sources import list_drop, parse_drop_file

if TYPE_CHECKING:
    from syncstock_dagster import SyncResult, SyncStockDB

_STATES = (
    ("received", "posted"),
    ("already received", "received before"),
    ("rolled back", "rolled back before"),
    ("rejected", "rejected"),
)
_TOTALS = (
    ("movements_new", "movements taken"),
    ("movements_duplicate", "movements seen before"),
    ("movements_restated", "day totals restated"),
    ("counts_new", "counts taken"),
    ("ledger_entries", "ledger entries written"),
    ("restatements", "published values restated"),
)


def run_demo(db: SyncStockDB, folder: Path, console: Console) -> None:
    """Generate the folder unless it is there, post what is new in it, and print what happened.

    Every file is recorded as at the moment of its delivery, so that one can ask afterwards what was known
    when.
    """
    began = time.perf_counter()
    manifest = read_manifest(folder)
    if manifest is None:
        with console.status("Making up sixty days in three shops ..."):
            generate_drop_folder(folder)
        manifest = read_manifest(folder)
    assert manifest is not None
    files, locations = manifest
    db.upsert_locations(locations)
    db.post_received()  # what a run that was killed had received and not posted
    states, totals = _take(db, folder, files, console)
    _print_done(console, states, totals, time.perf_counter() - began)
    _print_open(console, db)


def business_days(folder: Path) -> tuple[str, ...]:
    """From the evening before the first day, on which everything was counted, to the day of the last delivery."""
    manifest = read_manifest(folder)
    assert manifest is not None, "the demo was run"
    first, last = (manifest[0][place].delivered_at.date() for place in (0, -1))
    return tuple((first + timedelta(days=n)).isoformat() for n in range(-1, (last - first).days + 1))


def _take(
    db: SyncStockDB, folder: Path, files: tuple[DemoFile, ...], console: Console
) -> tuple[Counter[str], Counter[str]]:
    """Receive and post file after file in the order of delivery, closing each day when its night has come."""
    states: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    dropped = {file.name: file for file in list_drop(folder)}
    files = tuple(
        file for file in files if file.path in dropped
    )  # somebody may have taken one away to look at it
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Posting files", total=len(files))
        closed: date | None = None
        for file in files:
            delivered_at = file.delivered_at.replace(tzinfo=UTC)
            yesterday = (delivered_at - timedelta(days=1, hours=NIGHT_ENDS)).date()
            parsed = parse_drop_file(dropped[file.path], db.policies)
            receipt = db.receive(parsed, recorded_at=delivered_at)
            states[receipt.state] += 1
            if receipt.state == "received":
                if closed is None or yesterday > closed:
                    db.close_day(yesterday)
                    closed = yesterday
                for result in db.post_received([receipt.delivery_id], recorded_at=delivered_at):
                    _add(totals, result)
            progress.advance(task)
        if states["received"]:
            db.close_day(files[-1].delivered_at.date() - timedelta(days=1))
    return states, totals


def _add(totals: Counter[str], result: SyncResult) -> None:
    for name, _ in _TOTALS:
        totals[name] += getattr(result, name)


def _print_done(console: Console, states: Counter[str], totals: Counter[str], seconds: float) -> None:
    table = Table(title="What was done", title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    did = [(states[state], f"files {words}") for state, words in _STATES]
    did += [(totals[name], words) for name, words in _TOTALS]
    for count, words in did:
        if count:
            table.add_row(f"{count:,}", words)
    table.add_row(f"{seconds:,.1f}", "seconds")
    console.print(table)


def _print_open(console: Console, db: SyncStockDB) -> None:
    """What the engine does not decide alone. Asked of the database, so that a second run says the same."""
    verdicts = db.variances()["status"].value_counts()
    conflicts, quarantine, negative = db.conflicts(), db.quarantine(), db.negative_stock()
    rejected = db.deliveries(state="rejected")
    rows = (
        (len(conflicts), "conflicts", "a document line came again with another content; the first one holds"),
        (int(verdicts.get("held", 0)), "counts held", "more than 100 from the books: approve or reject"),
        (int(verdicts.get("flagged", 0)), "counts flagged", "late rows made an applied count look wrong"),
        (int(verdicts.get("review", 0)), "counts to review", "applied, 10 to 100 from the books"),
        (len(quarantine), "rows in quarantine", "unknown article or location, or dated in the future"),
        (len(negative), "articles below zero", "something came in that nobody wrote down"),
        (len(rejected), "files rejected", "bad rows; corrected, they can come again"),
    )
    table = Table(title="What needs a person", title_justify="left")
    for heading, justify in (("How many", "right"), ("What", "left"), ("Why", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for count, what, why in rows:
        table.add_row(f"{count:,}", what, why)
    console.print(table)
