"""How commands speak: tables for people, JSON for programs, progress for the patient.

What belongs here: the form of what is printed. Results go to standard output; errors, notes and progress to standard
error. What does not: what is printed.

On a terminal tables have rules and progress has bars; anywhere else all is plain lines.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import typer

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from rich.console import Console

    from syncstock_dagster.stock.evidence import RowError
    from syncstock_dagster.stock.explain import Explanation
    from syncstock_dagster.stock.results import SyncResult

Rows = Sequence[Mapping[str, Any]]

#: Wider than any row of ours.
_FULL_WIDTH = 10_000
_MOST_ERRORS = 50

#: Embeddings, overrides and isolates of text direction.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_RESULT_WORDS = {
    "products": "products written",
    "products_waiting": "products staged for review",
    "movements_new": "movements taken",
    "movements_duplicate": "movements seen before",
    "movements_restated": "movements restated",
    "movements_conflict": "movements in conflict",
    "counts_new": "counts taken",
    "counts_applied": "counts applied",
    "counts_review": "counts applied, to review",
    "counts_held": "counts held for a decision",
    "counts_conflict": "counts in conflict",
    "counts_duplicate": "counts superseded or repeated",
    "counts_advisory": "counts compared only",
    "counts_listed": "lines of lists that are no counts",
    "quarantined": "rows quarantined",
    "ledger_entries": "ledger entries",
    "articles": "articles and locations touched",
    "restatements": "published values restated",
}


class Column(NamedTuple):
    """One column of a table: which value, under which heading."""

    key: str
    heading: str
    is_number: bool = False


def columns(*keys: str, numbers: Iterable[str] = ()) -> list[Column]:
    """Columns whose headings are their keys in words; ``numbers`` stand to the right."""
    right = frozenset(numbers)
    return [Column(key, key.replace("_", " "), key in right) for key in keys]


def records(frame: Any) -> list[dict[str, Any]]:
    """The rows of a DataFrame."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def show(
    rows: Rows,
    wanted: Sequence[Column],
    *,
    as_json: bool,
    limit: int = 0,
    last: bool = False,
    nothing: str = "Nothing.",
    zones: Mapping[str, ZoneInfo] | None = None,
) -> None:
    """Print rows: all of their values as JSON, or the wanted columns as a table.

    Args:
        rows: what was found.
        wanted: the columns of the table.
        as_json: print JSON instead.
        limit: how many rows the table shows; 0: all.
        last: show the last ones instead of the first ones.
        nothing: what to say where there is no row.
        zones: show the times of a row that names a location in its zone.
    """
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        typer.echo(nothing)
        return
    shown = rows if not limit else rows[-limit:] if last else rows[:limit]
    print_table(shown, wanted, zones=zones)
    if len(shown) < len(rows):
        say(f"{len(shown):,} of {len(rows):,} rows; --limit 0 shows all.")


def print_json(value: Any) -> None:
    """Print a value as JSON, in ASCII, which every shell takes."""
    typer.echo(json.dumps(value, default=_plain, indent=2, allow_nan=False))


def print_table(
    rows: Rows,
    wanted: Sequence[Column],
    *,
    title: str | None = None,
    zones: Mapping[str, ZoneInfo] | None = None,
    indent: int = 0,
    to: TextIO | None = None,
) -> None:
    """Print the wanted columns of rows as a table."""
    from rich import box
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    out = console(to)
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if out.is_terminal else None,
        show_edge=False,
        pad_edge=False,
    )
    cells = [
        [printable(row.get(column.key), (zones or {}).get(row.get("location") or "")) for column in wanted]
        for row in rows
    ]
    # A column without any value only takes room.
    used = [index for index in range(len(wanted)) if any(row[index] for row in cells)]
    for index in used:
        table.add_column(wanted[index].heading, justify="right" if wanted[index].is_number else "left")
    for row_cells in cells:
        # Text and not str: a SKU may look like markup.
        table.add_row(*(Text(row_cells[index]) for index in used))
    out.print(Padding(table, (0, 0, 0, indent), expand=False))


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one to a line."""
    told = [(name, printable(value)) for name, value in facts]
    width = max((len(name) for name, _ in told), default=0)
    for name, value in told:
        typer.echo(f"{name:<{width}}  {value}".rstrip())


def print_errors(errors: Sequence[RowError]) -> None:
    """Print what is wrong with rows of evidence, for the person who can mend it."""
    if not errors:
        return
    rows = [error.as_dict() for error in errors[:_MOST_ERRORS]]
    wanted = [
        column
        for column in columns(
            "file", "sheet", "row", "column", "found", "expected", "remedy", numbers=("row",)
        )
        if column.key in ("found", "expected", "remedy") or any(row[column.key] is not None for row in rows)
    ]
    print_table(rows, wanted, to=sys.stderr)
    if len(errors) > _MOST_ERRORS:
        say(f"... and {len(errors) - _MOST_ERRORS:,} more errors.")


def explained(explanation: Explanation) -> dict[str, Any]:
    """An explanation for JSON."""
    told = explanation.as_dict()
    for place in told["places"]:
        for conflict in place["conflicts"]:
            conflict |= {side: exact(conflict[side]) for side in ("local_value", "remote_value")}
    return told


def result_dict(result: SyncResult) -> dict[str, Any]:
    """What an operation did, with whether it needs a person."""
    return {**asdict(result), "needs_person": result.needs_person}


def print_result(result: SyncResult, *, as_json: bool) -> None:
    """Print what one operation did."""
    if as_json:
        print_json(result_dict(result))
        return
    is_dry_run = result.status == "dry run"
    facts = [("status", result.status)]
    if not is_dry_run and result.operation_uuid:
        facts.append(("operation", result.operation_uuid))
    print_facts([*facts, *result_numbers([result])])
    if is_dry_run:
        say("Dry run: nothing was kept.")


def result_numbers(results: Iterable[SyncResult]) -> list[tuple[str, int]]:
    """What operations did together, in words; what is zero is left out."""
    done = list(results)
    sums = ((words, sum(getattr(result, name) for result in done)) for name, words in _RESULT_WORDS.items())
    return [(words, number) for words, number in sums if number]


def exact(content: Any) -> Any:
    """A content out of the record, written like all else in JSON: quantities as text, times in UTC with Z."""
    if isinstance(content, list):
        return [exact(part) for part in content]
    if not isinstance(content, dict):
        return content
    return {
        name: str(value)
        if name == "quantity" and value is not None
        else value.replace("+00:00", "Z")
        if name.endswith(("_at", "_from")) and isinstance(value, str)
        else value
        for name, value in content.items()
    }


def say(message: str) -> None:
    """A note, beside the result."""
    typer.echo(message, err=True)


def printable(value: Any, zone: ZoneInfo | None = None) -> str:
    """A value as a table shows it; what could steer a terminal is made visible."""
    if value is None or value != value:  # NaN and NaT are not equal to themselves
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        moment = value.astimezone(zone or UTC)
        return moment.isoformat(sep=" ", timespec="seconds" if moment.second else "minutes")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, default=_plain, ensure_ascii=False)
    return "".join(_visible(character) for character in str(value))


def console(to: TextIO | None = None, *, folding: bool = False) -> Console:
    """Where tables go, one row on one line: a folded table is harder to read than a long line.

    With ``folding`` the terminal's width is kept to, as what moves on it must.
    """
    from rich.console import Console

    file = to or sys.stdout
    width = None if folding and file.isatty() else _FULL_WIDTH
    return Console(file=file, highlight=False, markup=False, emoji=False, width=width)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something without countable steps is under way."""
    if not sys.stderr.isatty():
        yield
        return
    with console(sys.stderr, folding=True).status(what):
        yield


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Count steps: a bar on a terminal, a line a step elsewhere. Call what it gives with the step that is done."""
    if sys.stderr.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*parts, console=console(sys.stderr, folding=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda _: bar.advance(task)
        return
    done = 0

    def tell(step: str) -> None:
        nonlocal done
        done += 1
        say(f"{what} {done}/{total}: {printable(step)}")

    yield tell


def _plain(value: Any) -> Any:
    """A value that JSON does not know: quantities as text, times in UTC, lengths of time in ISO 8601."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        if value != value:
            return None
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"PT{format(Decimal(value // timedelta(microseconds=1)) / 1_000_000, 'f')}S"
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    return str(value)


def _visible(character: str) -> str:
    """Characters that steer a terminal or turn text around are somebody's mistake, or an attack on the reader."""
    if unicodedata.category(character) in ("Cc", "Zl", "Zp") or character in _TURNING:
        return f"\\u{ord(character):04x}"
    return character
