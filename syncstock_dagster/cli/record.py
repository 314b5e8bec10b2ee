"""The record: how it stands, what came in and what was done: ``status``, ``watermarks``, ``operations``, ...

Define a command here when it reads the record of the system itself. Keep out stock (``questions``).
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED, NEEDS_PERSON
from syncstock_dagster.cli.session import open_db

app = typer.Typer()

Newest = Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")]

#: What of the status means that somebody has something to do.
_WAITS_FOR_PERSON = ("open_conflicts", "held_counts", "quarantined")


@app.command()
def status(as_json: options.AsJson = False) -> None:
    """How it stands.

    Exit code 0: in order; 1: the last run failed; 3: something waits for a person.
    """
    told = open_db().get_status()
    if as_json:
        output.print_json(told)
    else:
        output.print_facts((name.replace("_", " "), value) for name, value in told.items())
    if told["status"] == "ERROR":
        raise typer.Exit(FAILED)
    raise typer.Exit(NEEDS_PERSON if any(told[name] for name in _WAITS_FOR_PERSON) else 0)


@app.command()
def watermarks(as_json: options.AsJson = False) -> None:
    """How far each source was read.

    And how late it has ever been, by which the next reading overlaps.
    """
    wanted = output.columns("source_type", "last_processed_at", "lateness", "cursor", "updated_at")
    output.show(open_db().get_watermarks(), wanted, as_json=as_json, nothing="No source was read yet.")


@app.command("reset-watermarks")
def reset_watermarks(as_json: options.AsJson = False) -> None:
    """Forget how far each source was read.

    The next sync reads everything, and applies what is new.
    """
    number = open_db().reset_watermarks()
    if as_json:
        output.print_json({"reset": number})
    else:
        typer.echo(f"{number} watermarks were reset.")


@app.command()
def operations(limit: Newest = 50, as_json: options.AsJson = False) -> None:
    """What was done, newest first."""
    rows = output.records(open_db().operations(limit))
    for row in rows:
        row["seconds"] = (
            f"{(row['finished_at'] - row['started_at']).total_seconds():.1f}" if row["finished_at"] else None
        )
    wanted = output.columns(
        "operation_uuid",
        "type",
        "status",
        "name",
        "created_by",
        "started_at",
        "seconds",
        numbers=("seconds",),
    )
    if as_json:
        for row in rows:
            del row["seconds"]
    output.show(rows, wanted, as_json=as_json, nothing="Nothing was done yet.")


@app.command()
def deliveries(
    state: Annotated[
        Literal["received", "posted", "rejected", "withdrawn"] | None,
        typer.Option("--state", help="Only those in this state."),
    ] = None,
    limit: Newest = 50,
    as_json: options.AsJson = False,
) -> None:
    """What came in, newest first.

    `--state rejected` says what was wrong.
    """
    rows = output.records(open_db().deliveries(state, limit))
    wanted = output.columns(
        "delivery_id", "name", "kind", "source", "state", "row_count", "errors", "received_at", "posted_at",
        numbers=("delivery_id", "row_count", "errors"),
    )  # fmt: skip
    errors = [error for row in rows for error in row["errors"]]
    if not as_json:
        for row in rows:
            row["errors"] = len(row["errors"]) or None
    output.show(rows, wanted, as_json=as_json, nothing="Nothing came in yet.")
    if state == "rejected" and not as_json:
        from syncstock_dagster.stock.evidence import RowError

        output.print_errors([RowError(**error) for error in errors])
