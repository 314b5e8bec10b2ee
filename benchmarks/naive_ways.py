"""The naive ways on the same rows in the same run: their time, and their wrong stocks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.data import write_bare_rows, write_files, write_part, year_rows
from benchmarks.database import bare_copy, fresh_database, median
from benchmarks.loading import load_year
from benchmarks.measure import Report, in_own_process, timed
from benchmarks.naive import Upload, load_row_by_row, load_with_pandas, wrong_when_applied_at_upload
from syncstock_dagster_tests.real_year import WEEKS, make_counts

#: Rows for the ways that would take minutes or hours with all of them; their time is scaled to all.
SOME = 20_000
_SEED = 5


def run(*, full: bool) -> Report:
    """Times by row, so that a part and the whole can be compared."""
    del full
    report = Report("naive", "other ways to keep the stock of the same year")
    rows, origin = year_rows()
    counts = make_counts(rows, np.random.default_rng(11))
    part = rows.iloc[:SOME]
    of_part = counts[counts["counted_at"] <= part["InvoiceDate"].iloc[-1]]
    of_part = of_part[of_part["sku"].isin(part["StockCode"])]
    some = len(part) + len(of_part)
    with TemporaryDirectory() as folder, fresh_database() as url:
        bare = Path(folder, "bare.csv")
        everything = write_bare_rows(bare)
        copy = median(bare_copy(url, bare))
        _add(report, "COPY into a bare table", everything, copy, everything, copy)
        year, _ = write_files(Path(folder, "year"), weeks=WEEKS)
        seconds = in_own_process(load_year, url, year).seconds
        _add(report, "SyncStock, the whole year", everything, seconds, everything, copy)
        with fresh_database() as another:
            year = write_part(part, of_part, Path(folder, "part"))
            seconds = in_own_process(load_year, another, year).seconds
        _add(report, "SyncStock, the part", some, seconds, everything, copy)
        with fresh_database() as another:
            seconds = timed(lambda: load_with_pandas(another, part, of_part))
            _add(report, "pandas merge and to_sql, a day at a time", some, seconds, everything, copy)
            seconds = timed(lambda: load_row_by_row(another, part, of_part))
            _add(report, "row by row through the ORM", some, seconds, everything, copy)
    delays = Upload()
    wrong, articles = wrong_when_applied_at_upload(rows, counts, delays, _SEED)
    report.facts["stocks wrong at year end, counts applied when they are uploaded"] = (
        f"{wrong:,} of {articles:,} ({wrong / articles:.1%})"
    )
    report.notes += [
        origin,
        f"ways measured on {some:,} rows are scaled to {everything:,}",
        f"wrong stocks: {delays}; SyncStock's are none, by the test of the real year",
    ]
    return report


def _add(report: Report, way: str, rows: int, seconds: float, everything: int, copy: float) -> None:
    whole = seconds * everything / rows
    report.table.append(
        {
            "way": way,
            "rows": f"{rows:,}",
            "seconds": f"{seconds:.2f}",
            "rows a second": f"{rows / seconds:,.0f}",
            "the year, seconds": f"{whole:,.1f}",
            "against COPY": f"{whole / copy:,.1f}x",
        }
    )
