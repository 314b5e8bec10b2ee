"""The real year from files to ledger, stock and snapshots, against bare COPYs of the same rows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.data import write_bare_rows, write_files
from benchmarks.database import bare_copy, fresh_database, median
from benchmarks.loading import Loaded, load_year
from benchmarks.measure import Figure, Report, in_own_process
from syncstock_dagster_tests.real_year import WEEKS

LIMIT, AIM = 20.0, 10.0
MEMORY_LIMIT_MB = 1024.0


def run(*, full: bool) -> Report:
    """One file a kind, which is how a year is loaded at once."""
    del full
    report, loaded, copy = _measure(
        "real_year", "the year, one file a kind, from files to snapshots", weeks=WEEKS
    )
    report.figures.append(
        Figure("time against one COPY of the same rows", loaded.seconds / copy, "x", LIMIT, AIM)
    )
    report.figures.append(
        Figure("peak memory of the Python process", loaded.peak_memory, "MB", MEMORY_LIMIT_MB)
    )
    return report


def run_weekly(*, full: bool) -> Report:
    """The same year as it comes in life, some 160 deliveries; for the cost of a delivery, without a promise."""
    del full
    report, loaded, copy = _measure(
        "weekly_year", "the year as weekly files, each posted on its own", weeks=1
    )
    files = report.facts["files"]
    report.facts["against one COPY of the same rows"] = f"{loaded.seconds / copy:.1f}x"
    report.facts["milliseconds a file"] = round(loaded.seconds / files * 1000)
    return report


def _measure(name: str, what: str, *, weeks: int) -> tuple[Report, Loaded, float]:
    report = Report(name, what)
    with TemporaryDirectory() as folder, fresh_database() as url:
        bare = Path(folder, "bare.csv")
        # Made in other processes, so that their memory is not taken for the loader's.
        year, origin = in_own_process(_write, Path(folder, "year"), weeks)
        rows = in_own_process(write_bare_rows, bare)
        # Some before and some after: what else the machine does meanwhile shows in both.
        copies = bare_copy(url, bare, times=3)
        loaded = in_own_process(load_year, url, year)
        copies += bare_copy(url, bare, times=2)
    report.notes.append(origin)
    report.stages |= {f"post: {stage}": seconds for stage, seconds in loaded.posting.items()}
    report.stages["reading and receiving, as far as posting waits for it"] = loaded.seconds - sum(
        loaded.posting.values()
    )
    report.facts |= {
        "files": len(year.files),
        "rows": rows,
        "ledger entries": loaded.ledger_entries,
        "snapshot rows": loaded.snapshot_rows,
        "seconds": round(loaded.seconds, 2),
        "seconds of COPY (five, median)": f"{', '.join(f'{s:.2f}' for s in copies)} ({median(copies):.2f})",
        "memory before and at peak, MB": f"{loaded.peak_memory_before:.0f}, {loaded.peak_memory:.0f}",
    }
    return report, loaded, median(copies)


def _write(folder: Path, weeks: int) -> tuple:
    return write_files(folder, weeks=weeks)
