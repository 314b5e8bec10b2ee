"""A count sheet of 50,000 lines beside its bare reader, previewed and loaded; and what 500 sheets leave behind."""

from __future__ import annotations

import gc
import io
import os
from pathlib import Path

import python_calamine
import xlsxwriter

from benchmarks.database import fresh_database, median
from benchmarks.measure import Figure, Report, in_own_process, timed
from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources import parse_file
from syncstock_dagster.stock.policy import DEFAULTS, Policies
from syncstock_dagster.workbooks.catalogue import known_to
from syncstock_dagster.workbooks.opening import Wording
from syncstock_dagster.workbooks.reader_process import read_book

LINES, ROUNDS, FILES = 50_000, 7, 500
RATIO_LIMIT, LOAD_LIMIT_SECONDS, GROWTH_LIMIT_MB = 1.5, 3.0, 50.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


def run(*, full: bool) -> Report:
    """Ratios within one run; each round reads with both, so that other work on the machine hits both."""
    del full
    report = Report("workbooks", f"a count sheet of {LINES:,} lines, and {FILES} small ones")
    content = _sheet(LINES)
    read_book(content, Wording())
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(timed(lambda: _bare(content)))
        ours.append(timed(lambda: read_book(content, Wording())))
    ratio = median([mine / theirs for mine, theirs in zip(ours, bare, strict=True)])
    report.facts["seconds of the bare reader"] = f"{median(bare):.3f}"
    report.facts["seconds of reading"] = f"{median(ours):.3f}"
    report.figures.append(Figure("reading against the bare reader", ratio, "x", RATIO_LIMIT))
    _load(report, content)
    growth, a_file = in_own_process(_growth)
    report.figures.append(Figure(f"memory that {FILES} files leave", growth, "MB", GROWTH_LIMIT_MB))
    report.facts["milliseconds a small sheet"] = f"{a_file * 1000:.1f}"
    return report


def _bare(content: bytes) -> None:
    workbook = python_calamine.load_workbook(io.BytesIO(content))
    workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)


def _load(report: Report, content: bytes) -> None:
    with fresh_database() as url:
        db = SyncStockDB(url, policies=Policies())
        known = known_to(db.url, db.default_location)
        policy = db.policies.for_source("excel", "counts")

        def preview() -> None:
            nonlocal parsed
            parsed = parse_file(content, "counts/2026-03-01.xlsx", "counts", "excel", policy, known=known)

        parsed = parse_file(_sheet(1), "counts/2026-02-01.xlsx", "counts", "excel", policy, known=known)
        previewed = timed(preview)
        assert len(parsed.evidence.counts) == LINES, parsed.errors
        preview_again = timed(preview)
        receiving = timed(lambda: db.receive(parsed))
        posting = timed(lambda: db.post_received())
        report.stages |= {
            "preview": previewed,
            "load: read": preview_again,
            "load: receive": receiving,
            "post": posting,
        }
        report.figures.append(
            Figure(
                "preview and load (received whole)",
                previewed + preview_again + receiving,
                "s",
                LOAD_LIMIT_SECONDS,
            )
        )


def _growth() -> tuple[float, float]:
    """MB by which the process that asks has grown, and seconds a file."""
    sheets = [_sheet(20, first=number) for number in range(20)]

    def read(number: int) -> None:
        name = f"counts/sheet {number}.xlsx"
        parse_file(sheets[number % len(sheets)], name, "counts", "excel", DEFAULTS["excel"])

    for number in range(50):
        read(number)
    gc.collect()
    before = _resident()
    spent = timed(lambda: [read(number) for number in range(FILES)])
    gc.collect()
    return max(_resident() - before, 0.0), spent / FILES


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1024**2


def _sheet(lines: int, first: int = 0) -> bytes:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        page = book.add_worksheet("Count")
        page.write_row(0, 0, ("Location", "main"))
        page.write_row(1, 0, ("Counted at", "2026-03-01 18:00"))
        page.write_row(3, 0, ("SKU", "Description", "Room", "Price", "Expected", "Counted", "Remark"))
        for row in range(lines):
            number = first * lines + row
            page.write_row(
                row + 4,
                0,
                (
                    f"SKU-{number:06}",
                    f"Article number {number}",
                    "Cellar",
                    number % 997 / 100,
                    number % 89,
                    number % 97,
                ),
            )
    return sink.getvalue()
