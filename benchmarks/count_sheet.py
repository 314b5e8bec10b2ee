"""A workbook of 5,000 counted lines, from the file's bytes to posted."""

from __future__ import annotations

import io
from datetime import datetime, timedelta

import numpy as np
import xlsxwriter

from benchmarks.database import fresh_database, median, settle
from benchmarks.history import LOCATIONS, make_history, sku_of
from benchmarks.measure import Figure, Report, timed
from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources import parse_file
from syncstock_dagster.stock.policy import Policies

LINES, SHEETS = 5_000, 5
LIMIT_SECONDS = 2.0


def run(*, full: bool) -> Report:
    """Several sheets, one after another, on articles with a history."""
    del full
    report = Report("count_sheet", f"a workbook of {LINES:,} counted lines, file to posted")
    rng = np.random.default_rng(3)
    seconds: list[float] = []
    with fresh_database() as url:
        db = SyncStockDB(url, policies=Policies())
        last_day = make_history(db, 100_000, articles=LINES, seed=3)
        settle(url)
        on_hand = db.on_hand(locations=[LOCATIONS[0]]).set_index("inventory_id")["on_hand"]
        books = np.array([int(on_hand.get(article, 0)) for article in range(1, LINES + 1)])
        for sheet in range(SHEETS + 1):
            counted = books + rng.choice([0, 0, 0, 0, 0, 0, 1, -1, -2, 3], LINES)
            at = datetime.combine(last_day, datetime.min.time()) + timedelta(days=1, hours=18 + sheet)
            content = _workbook(counted, at)
            spent = timed(
                lambda content=content, sheet=sheet: _load(db, content, f"counts/sheet-{sheet}.xlsx", report)
            )
            seconds.append(spent)
            books = counted
    report.stages = {stage: spent / (SHEETS + 1) for stage, spent in report.stages.items()}
    report.facts["seconds of each sheet, the first one unheated"] = ", ".join(f"{s:.2f}" for s in seconds)
    report.figures.append(Figure("seconds a sheet (median)", median(seconds[1:]), "s", LIMIT_SECONDS))
    report.notes.append("published for the same: ERPNext 10 to 15 minutes, Odoo about 6 minutes")
    return report


def _load(db: SyncStockDB, content: bytes, name: str, report: Report) -> None:
    with report.stage("parse"):
        parsed = parse_file(content, name, "counts", "excel", db.policies.for_source("excel", "counts"))
    with report.stage("receive"):
        receipt = db.receive(parsed)
    assert receipt.counts == LINES, receipt
    with report.stage("post"):
        (result,) = db.post_received([receipt.delivery_id])
    assert result.counts_applied == LINES, result


def _workbook(counted: np.ndarray, at: datetime) -> bytes:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        page = book.add_worksheet("Count")
        page.write_row(0, 0, ("Location", LOCATIONS[0]))
        page.write_row(1, 0, ("Counted at", f"{at:%Y-%m-%d %H:%M}"))
        page.write_row(3, 0, ("SKU", "Description", "Counted"))
        for row, quantity in enumerate(counted.tolist()):
            page.write_string(row + 4, 0, sku_of(row + 1))
            page.write_string(row + 4, 1, f"Article number {row + 1}")
            page.write_number(row + 4, 2, quantity)
    return sink.getvalue()
