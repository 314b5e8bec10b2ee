"""``python -m benchmarks [--full] [--only NAME ...]``: run, print tables, keep the numbers as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    count_sheet,
    day_on_history,
    naive_ways,
    orchestration,
    orders,
    real_year,
    reconciliation,
    record,
    search,
    shopify,
    snapshots,
    sources,
    workbooks,
)
from benchmarks.measure import Report

BENCHMARKS: dict[str, Callable[..., Report]] = {
    "real_year": real_year.run,
    "weekly_year": real_year.run_weekly,
    "day_on_history": day_on_history.run,
    "count_sheet": count_sheet.run,
    "workbooks": workbooks.run,
    "snapshots": snapshots.run,
    "search": search.run,
    "reconciliation": reconciliation.run,
    "record": record.run,
    "orders": orders.run,
    "sources": sources.run,
    "shopify": shopify.run,
    "naive": naive_ways.run,
    "orchestration": orchestration.run,
}
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if a promise was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("--full", action="store_true", help="the long histories too: ten million entries")
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS)
    )
    asked = parser.parse_args(arguments)
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 130)
    reports = []
    for name in asked.only or BENCHMARKS:
        console.print(f"[bold]{name}[/bold] ...")
        report = BENCHMARKS[name](full=asked.full)
        _print(console, report)
        _keep(report, full=asked.full)
        reports.append(report)
    missed = [report.name for report in reports if not report.passed]
    console.print(f"missed: {', '.join(missed)}" if missed else "every promise kept")
    return 1 if missed else 0


def _print(console: Console, report: Report) -> None:
    console.print(f"{report.name}: {report.what}")
    if report.stages:
        table = Table("stage", "seconds", box=None)
        table.columns[1].justify = "right"
        for stage, seconds in report.stages.items():
            table.add_row(stage, f"{seconds:.2f}")
        console.print(table)
    if report.table:
        table = Table(*report.table[0], box=None)
        for row in report.table:
            table.add_row(*row.values())
        for column in table.columns[1:]:
            column.justify = "right"
        console.print(table)
    for fact, value in report.facts.items():
        console.print(
            f"  {fact}: {value:,}" if isinstance(value, int) else f"  {fact}: {value}", highlight=False
        )
    for figure in report.figures:
        aim = "" if figure.aim is None else f", aim {figure.aim:g}"
        line = f"  {figure.name}: {figure.value:,.2f} {figure.unit} (limit {figure.limit:g}{aim}): {figure.verdict}"
        console.print(line, style="green" if figure.passed else "bold red", highlight=False)
    for note in report.notes:
        console.print(f"  {note}", style="dim", highlight=False)
    console.print()


def _keep(report: Report, *, full: bool) -> None:
    """One file a benchmark, replaced each time; the folder is not part of the project."""
    RESULTS.mkdir(exist_ok=True)
    about = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "full": full,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "passed": report.passed,
    }
    name = f"{report.name}{'_full' if full else ''}.json"
    (RESULTS / name).write_text(
        json.dumps(about | asdict(report), indent=1, default=str) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
