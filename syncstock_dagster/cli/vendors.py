"""Sources that are asked: ``zoho``, ``xorosoft``, ``rms``.

Define a command here when it pulls from another system or shows how that stands. Keep out pulling (``sources``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED, NEEDS_PERSON
from syncstock_dagster.cli.session import instant, open_db
from syncstock_dagster.errors import BadInput

if TYPE_CHECKING:
    from syncstock_dagster.sources.protocol import Ask
    from syncstock_dagster.sources.pull import PullResult, Told

app = typer.Typer()
zoho_app = typer.Typer(no_args_is_help=True, help="Zoho Inventory or Books: pull items and stock.")
xorosoft_app = typer.Typer(no_args_is_help=True, help="Xorosoft: pull items and stock, or exchange files.")
rms_app = typer.Typer(no_args_is_help=True, help="RMS, or another SQL database: pull stock.")
app.add_typer(zoho_app, name="zoho")
app.add_typer(xorosoft_app, name="xorosoft")
app.add_typer(rms_app, name="rms")

Verbose = Annotated[bool, typer.Option("--verbose", help="A line for each page.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Rows asked for in one call.")]
ActiveOnly = Annotated[bool, typer.Option("--active-only/--all", help="Only active items, or all.")]
WithStockOnly = Annotated[
    bool, typer.Option("--with-stock-only", help="Leave out what has no stock and had none before.")
]
LogFile = Annotated[Path | None, typer.Option("--log-file", help="Write progress and result there, too.")]
Category = Annotated[str | None, typer.Option("--category", help="Only this category.")]
Changed = Annotated[bool, typer.Option("--changed", help="Only what changed since the last finished pull.")]

_WORDS = {
    "pages": "pages",
    "items": "articles seen",
    "levels": "levels seen",
    "items_changed": "articles that differ",
    "levels_changed": "levels that differ",
    "repeated": "articles on two pages",
    "gone": "articles gone",
    "missing": "codes not known there",
    "refused": "rows in the dead letters",
    "unknown": "changes about nobody knows what",
    "staged": "changes of articles staged",
    "committed": "changes of articles committed",
    "conflicts": "conflicts of articles",
    "counts_new": "counts taken",
    "counts_applied": "counts applied",
    "counts_review": "counts applied, to review",
    "counts_held": "counts held for a decision",
    "counts_advisory": "counts compared only",
    "counts_conflict": "counts in conflict",
    "quarantined": "rows quarantined",
    "dropped_from": "articles of the whole pull before",
    "api_calls": "calls",
    "seconds_waited": "seconds waited for limits",
}


@zoho_app.command("pull")
def zoho_pull(
    changed: Changed = False,
    batch_size: BatchSize = None,
    active_only: ActiveOnly = True,
    with_stock_only: WithStockOnly = False,
    category: Category = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Only this brand.")] = None,
    location: options.Location = None,
    verbose: Verbose = False,
    log_file: LogFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Pull items and stock, or go on where the last pull was stopped."""
    from syncstock_dagster.sources.protocol import Ask

    ask = Ask(
        active_only=active_only,
        with_stock_only=with_stock_only,
        category=category,
        brand=brand,
        location=location,
        batch_size=batch_size,
    )
    _pull("zoho", ask, changed, verbose, log_file, dry_run, as_json)


@xorosoft_app.command("pull")
def xorosoft_pull(
    what: Annotated[
        Literal["full", "stock", "price"], typer.Option("--what", help="Items and stock, or one of them.")
    ] = "full",
    changed: Changed = False,
    with_stock_only: WithStockOnly = False,
    location: options.Location = None,
    verbose: Verbose = False,
    log_file: LogFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Pull items and stock, or go on where the last pull was stopped."""
    from syncstock_dagster.sources.protocol import Ask

    ask = Ask(what=what, with_stock_only=with_stock_only, location=location)
    _pull("xorosoft", ask, changed, verbose, log_file, dry_run, as_json)


@rms_app.command("pull")
def rms_pull(
    changed: Changed = False,
    batch_size: BatchSize = None,
    with_stock_only: WithStockOnly = False,
    category: Category = None,
    location: options.Location = None,
    verbose: Verbose = False,
    log_file: LogFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Pull stock, or go on where the last pull was stopped."""
    from syncstock_dagster.sources.protocol import Ask

    ask = Ask(with_stock_only=with_stock_only, category=category, location=location, batch_size=batch_size)
    _pull("rms", ask, changed, verbose, log_file, dry_run, as_json)


Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Codes of the other system.")]


def _add_commands(vendor: typer.Typer, name: str, code: str) -> None:
    """What every source has: ``specific`` by its codes, and ``stats``."""

    @vendor.command("specific", help=f"Read certain articles again, by their {code}.")
    def specific(
        ids: Ids,
        verbose: Verbose = False,
        log_file: LogFile = None,
        dry_run: options.DryRun = False,
        as_json: options.AsJson = False,
    ) -> None:
        from syncstock_dagster.sources.asking import read_ids

        db = open_db()
        with _telling(name, verbose, log_file) as (told, ended):
            result = ended(read_ids(db, name, ids, dry_run=dry_run, told=told))
        _show(result, as_json)

    @vendor.command("stats")
    def stats(as_json: options.AsJson = False) -> None:
        """How it stands: articles, levels, the last pull, what waits."""
        _stats(name, as_json)


_add_commands(zoho_app, "zoho", "item_id")
_add_commands(xorosoft_app, "xorosoft", "number")
_add_commands(rms_app, "rms", "SKU")


@xorosoft_app.command("import")
def xorosoft_import(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV or workbook.", exists=True, dir_okay=False)
    ],
    counted_at: Annotated[
        str,
        typer.Option("--counted-at", metavar="INSTANT", help="When Xorosoft wrote it: 2026-03-01T18:00:00Z."),
    ],
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take in a file that Xorosoft exported."""
    from syncstock_dagster.sources.asking import import_xorosoft

    moment = instant("--counted-at", counted_at)
    assert moment is not None
    _show(import_xorosoft(open_db(), path, moment, dry_run=dry_run), as_json)


@xorosoft_app.command("export")
def xorosoft_export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or an .xlsx.")],
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Write our stock as a file that Xorosoft takes."""
    from dataclasses import asdict

    from syncstock_dagster.sources.asking import export_xorosoft

    written = export_xorosoft(open_db(), path, dry_run=dry_run)
    if as_json:
        output.print_json(asdict(written))
        return
    output.print_facts([("file", written.path), ("rows", written.rows)])
    if dry_run:
        output.say("Dry run: nothing was written.")


def _pull(
    name: str,
    ask: Ask,
    changed: bool,
    verbose: bool,
    log_file: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    from syncstock_dagster.sources.asking import start_pull

    db = open_db()
    with _telling(name, verbose, log_file) as (told, ended):
        result = ended(start_pull(db, name, ask, changed_only=changed, dry_run=dry_run, told=told))
    _show(result, as_json)


def _stats(name: str, as_json: bool) -> None:
    from syncstock_dagster.sources.asking import statistics

    told = statistics(open_db(), name, fresh=True)
    if as_json:
        output.print_json(told)
    else:
        output.print_facts(
            (what.replace("_", " "), value) for what, value in told.items() if value is not None
        )


@contextmanager
def _telling(
    name: str, verbose: bool, log_file: Path | None
) -> Iterator[tuple[Told, Callable[[PullResult], PullResult]]]:
    """A line for each page, and how it ended: on standard error where it is asked for, and into the file."""
    from datetime import UTC, datetime

    try:
        log = None if log_file is None else log_file.open("a", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"--log-file {log_file} cannot be written: {error.strerror}.") from None

    def write(line: str) -> None:
        if log is not None:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
            log.flush()

    def told(pages: int, items: int, levels: int) -> None:
        line = f"page {pages}: {items:,} articles, {levels:,} levels"
        if verbose:
            output.say(line)
        write(line)

    def ended(result: PullResult) -> PullResult:
        for what, value in _facts(result):
            write(f"{what}: {value}")
        return result

    try:
        with output.working(f"Pulling from {name} ..."):
            yield told, ended
    except Exception as error:
        write(f"failed: {error}")
        raise
    finally:
        if log is not None:
            log.close()


def _facts(result: PullResult) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [("source", result.source), ("status", result.status)]
    if result.reason:
        facts.append(("reason", result.reason))
    if result.status != "dry run":
        facts.append(("operation", result.operation_uuid))
    numbers = ((words, getattr(result, name)) for name, words in _WORDS.items())
    return [
        *facts,
        *((words, number) for words, number in numbers if number),
        ("seconds", f"{result.took:.1f}"),
    ]


def _show(result: PullResult, as_json: bool) -> None:
    """Print what a pull did, and leave with the exit code that says how it went."""
    from dataclasses import asdict

    for note in result.notes:
        output.say(f"Note: {output.printable(note)}")
    if as_json:
        output.print_json({**asdict(result), "needs_person": result.needs_person})
    else:
        output.print_facts(_facts(result))
        if result.differences:
            wanted = ("sku", "location", "ours", "theirs", "difference")
            output.print_table(
                list(result.differences)[:20],
                output.columns(*wanted, numbers=wanted[2:]),
                title=f"{result.differences_in_all:,} levels differ from our stock",
            )
    if result.status == "dry run":
        output.say("Dry run: nothing was kept.")
    if result.status == "busy":
        raise typer.Exit(FAILED)
    raise typer.Exit(NEEDS_PERSON if result.needs_person or result.status == "partly" else 0)
