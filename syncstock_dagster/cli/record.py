"""The record: how it stands, what came in, what was done, how fast, and what failed for good.

Define a command here when it reads the record of the system itself. Keep out stock (``questions``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED, NEEDS_PERSON
from syncstock_dagster.cli.session import open_db

if TYPE_CHECKING:
    from syncstock_dagster.operations.log import Outcome

app = typer.Typer()
operations_app = typer.Typer(invoke_without_command=True)
letters_app = typer.Typer(invoke_without_command=True)
events_app = typer.Typer(invoke_without_command=True)
app.add_typer(operations_app, name="operations")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(events_app, name="events")

OperationStatus = Literal["pending", "in_progress", "completed", "partly", "failed", "rolled_back"]
#: What the database records of orders, many times an hour.
_OF_ORDERS = ("order", "reserve", "unreserve")

Newest = Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")]

#: What of the status means that somebody has something to do.
_WAITS_FOR_PERSON = (
    "open_conflicts", "held_counts", "quarantined", "staged_changes", "dead_letters", "requested_rollbacks",
)  # fmt: skip


@app.command()
def status(as_json: options.AsJson = False) -> None:
    """How it stands.

    Exit code 0: in order; 1: the last run failed; 3: something waits for a person.
    """
    db = open_db()
    told = db.get_status() | db.waiting()
    day = {f"last_day_{name}": value for name, value in db.activity().items()}
    if as_json:
        output.print_json(told | day)
    else:
        output.print_facts(
            (name.replace("_", " "), round(value, 2) if isinstance(value, float) else value)
            for name, value in (told | day).items()
        )
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


@operations_app.callback()
def operations(
    ctx: typer.Context,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only these: sync, load, pull, push, commit, ...; can be given again."),
    ] = None,
    status: Annotated[OperationStatus | None, typer.Option("--status", help="Only those in it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also every order and reservation.")] = False,
    limit: Newest = 50,
    as_json: options.AsJson = False,
) -> None:
    """What was done; `operations show` tells all of one.

    `operations kinds` counts it.

    Orders and reservations are left out, unless they are asked for: a busy shop has hundreds a day.
    """
    if ctx.invoked_subcommand is not None:
        return
    without = None if every or types else _OF_ORDERS
    statuses = None if status is None else [status]
    found = open_db().operations(limit, types=types or None, without=without, statuses=statuses)
    rows = output.records(found)
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
        "items_processed",
        "items_per_second",
        "bottleneck_stage",
        numbers=("seconds", "items_processed", "items_per_second"),
    )
    if as_json:
        for row in rows:
            del row["seconds"]
    nothing = "Nothing was done yet."
    if types or statuses:
        nothing = "Nothing like that was done; `syncstock operations kinds` shows what was."
    output.show(rows, wanted, as_json=as_json, nothing=nothing)


@operations_app.command("kinds")
def operation_kinds(
    days: Annotated[int, typer.Option("--days", min=1, help="How far back.")] = 30,
    as_json: options.AsJson = False,
) -> None:
    """How much was done, by type and status, and the last of each."""
    wanted = output.columns(
        "type", "status", "operations", "items", "last_at", "last_uuid", "last_error",
        numbers=("operations", "items"),
    )  # fmt: skip
    rows = output.records(open_db().operation_kinds(days))
    output.show(rows, wanted, as_json=as_json, nothing="Nothing was done.")


@operations_app.command("show")
def show_operation(
    operation: Annotated[str, typer.Argument(metavar="UUID", help="Its first characters are enough.")],
    as_json: options.AsJson = False,
) -> None:
    """All about one operation: how long each stage took, and everything that hangs on it."""
    told = open_db().operation(operation)
    if as_json:
        output.print_json(told)
        return
    lists = {name: value for name, value in told.items() if isinstance(value, list)}
    output.print_facts((name.replace("_", " "), value) for name, value in told.items() if name not in lists)
    for name, rows in lists.items():
        if rows:
            typer.echo()
            output.print_table(rows, output.columns(*rows[0]), title=name)


@app.command()
def performance(
    days: Annotated[int, typer.Option("--days", min=1, help="How far back.")] = 30,
    operation_type: Annotated[
        str | None, typer.Option("--type", help="Only this type: sync, load, pull, push, ...")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """How operations did, day by day.

    How often, how many failed, how long, how much, and where the time goes.
    """
    rows = output.records(open_db().performance(days, operation_type))
    if not as_json:
        for row in rows:
            row |= {
                name: None if row[name] is None or row[name] != row[name] else f"{row[name]:.2f}"
                for name in ("median_seconds", "p95_seconds", "waited_seconds")
            }
    wanted = output.columns(
        "day", "type", "runs", "failed", "failed_percent", "median_seconds", "p95_seconds", "items",
        "items_per_second", "calls", "bytes", "waited_seconds", "bottleneck_stage",
        numbers=("runs", "failed", "failed_percent", "median_seconds", "p95_seconds", "items", "items_per_second",
                 "calls", "bytes", "waited_seconds"),
    )  # fmt: skip
    output.show(rows, wanted, as_json=as_json, nothing="Nothing was done yet.")


@events_app.callback()
def events(
    ctx: typer.Context,
    after: Annotated[
        str, typer.Option("--after", metavar="POSITION", help="Go on from where an earlier call ended.")
    ] = "0-0-0",
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only these, as sync.* or count.held; can be given again."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    as_json: options.AsJson = False,
) -> None:
    """What happened, as a stream.

    Each event at least once, in order for each article, count or operation. `events prune` deletes old ones.
    """
    if ctx.invoked_subcommand is not None:
        return
    rows, position = open_db().events(after, types=types, limit=limit)
    if as_json:
        output.print_json({"events": rows, "position": position})
        return
    wanted = output.columns("event_id", "event_type", "entity_type", "entity_id", "occurred_at", "payload")
    output.show(rows, wanted, as_json=False, nothing="Nothing happened since.")
    output.say(f"Go on with --after {position}")


@events_app.command("prune")
def prune_events(
    days: Annotated[
        int | None,
        typer.Option(
            "--days", min=1, help="Older ones go. By default what [operations] keep_events_days says."
        ),
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Delete old events. Whoever reads on from before them is told so."""
    number = open_db().prune_events(days, dry_run=dry_run)
    if as_json:
        output.print_json({"deleted": number, "is_dry_run": dry_run})
        return
    typer.echo(f"{number} events {'would be' if dry_run else 'were'} deleted.")


@letters_app.callback()
def dead_letters(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that were replayed or discarded.")] = False,
    limit: Newest = 100,
    as_json: options.AsJson = False,
) -> None:
    """Rows and calls that failed for good.

    `dead-letters fix` mends one, `replay` does it once more, `discard` gives it up.
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = output.records(open_db().dead_letters(every, limit))
    wanted = output.columns(
        "dead_letter_id", "source", "kind", "state", "attempts", "reason", "payload", "last_failed_at",
        numbers=("dead_letter_id", "attempts"),
    )  # fmt: skip
    output.show(rows, wanted, as_json=as_json, nothing="Nothing failed for good.")


Letter = Annotated[int, typer.Argument(metavar="ID", help="From `syncstock dead-letters`.")]


@letters_app.command("fix")
def fix_letter(
    letter: Letter,
    values: Annotated[
        list[str], typer.Option("--set", metavar="NAME=VALUE", help="JSON or text; can be given again.")
    ],
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Mend what failed, field by field."""
    import json

    given = {}
    for value in values:
        name, _, text = value.partition("=")
        try:
            # Numbers stay text: a quantity is exact, and 00123 is no number.
            given[name] = json.loads(text) if text[:1] in ("{", "[", "n") else text
        except json.JSONDecodeError:
            given[name] = text
    payload = open_db().fix_letter(letter, given, dry_run=dry_run)
    output.print_json(payload) if as_json else output.print_facts(payload.items())
    if dry_run:
        output.say("Dry run: nothing was kept.")


@letters_app.command("replay")
def replay_letter(letter: Letter, dry_run: options.DryRun = False, as_json: options.AsJson = False) -> None:
    """Do once more what failed, as it is mended. Twice is once."""
    _tell(open_db().replay_letter(letter, dry_run=dry_run), as_json)


@letters_app.command("discard")
def discard_letter(
    letter: Letter,
    reason: options.Reason,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Give one up."""
    _tell(open_db().discard_letter(letter, reason=reason, dry_run=dry_run), as_json)


def _tell(outcome: Outcome, as_json: bool) -> None:
    told = {"operation_uuid": outcome.uuid, **outcome.statistics, "is_dry_run": outcome.is_dry_run}
    if as_json:
        output.print_json(told)
        return
    output.print_facts((name.replace("_", " "), value) for name, value in told.items() if value)
    if outcome.is_dry_run:
        output.say("Dry run: nothing was kept.")


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
