"""What waits for a person, and the decisions: counts, conflicts, quarantine, rollback, closing days.

Define a command here when a person decides something that stays on record. Keep out what the gate decides alone.
"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import NEEDS_PERSON
from syncstock_dagster.cli.session import day, find_article, open_db, operating_system_user, zones
from syncstock_dagster.errors import BadInput

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.stock.reading import Which

app = typer.Typer()

CountIds = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="Count ids, from `syncstock counts --held`.")
]
Tier = Annotated[
    str | None, typer.Option("--tier", help="All held counts of this tier: held, critical or rule.")
]
Source = Annotated[str | None, typer.Option("--source", help="All held counts of this source.")]
AtLocation = Annotated[str | None, typer.Option("--location", help="All held counts at this location.")]
Session = Annotated[str | None, typer.Option("--session", help="All held counts of this session.")]
Expected = Annotated[
    str | None,
    typer.Option(
        "--expected", metavar="NUMBER", help="What the book said when you looked; otherwise nothing is done."
    ),
]


@app.command()
def approve(
    reason: options.Reason,
    count_ids: CountIds = None,
    tier: Tier = None,
    source: Source = None,
    location: AtLocation = None,
    session: Session = None,
    expected: Expected = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Apply held counts.

    Those named, or all that have something in common. What is shown is what is applied; whatever changes meanwhile is
    refused. Critical ones are approved by somebody else than who delivered them.
    """
    db = open_db()
    which: Which = {"tier": tier, "source": source, "location": location, "session": session}
    digests = _looked_at(db, count_ids, which, expected, as_json)
    _end(db.approve([*digests], digest=digests, reason=reason, dry_run=dry_run), as_json)


@app.command()
def reject(
    reason: options.Reason,
    count_ids: CountIds = None,
    tier: Tier = None,
    source: Source = None,
    location: AtLocation = None,
    session: Session = None,
    expected: Expected = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Reject held counts for good.

    Those named, or all that have something in common.
    """
    db = open_db()
    which: Which = {"tier": tier, "source": source, "location": location, "session": session}
    digests = _looked_at(db, count_ids, which, expected, as_json)
    _end(db.reject([*digests], digest=digests, reason=reason, dry_run=dry_run), as_json)


@app.command()
def recount(
    reason: options.Reason,
    count_ids: CountIds = None,
    tier: Tier = None,
    source: Source = None,
    location: AtLocation = None,
    session: Session = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Ask for held counts to be counted again.

    They stay held; a later count of the article, by anybody, answers. Two people who count without knowing of each
    other's number: syncstock counts blind-recount.
    """
    db = open_db()
    which: Which = {"tier": tier, "source": source, "location": location, "session": session}
    digests = _looked_at(db, count_ids, which, None, as_json)
    _end(db.ask_recount([*digests], reason=reason, dry_run=dry_run), as_json)


@app.command()
def recounts(
    every: Annotated[bool, typer.Option("--all", help="Also those that a later count has answered.")] = False,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """Held counts that are to be counted again."""
    db = open_db()
    wanted = output.columns(
        "count_id", "sku", "name", "location", "counted_at", "counted", "expected", "reason", "asked_by", "answered_by",
        "counted_again", numbers=("count_id", "counted", "expected", "answered_by", "counted_again"),
    )  # fmt: skip
    rows = output.records(db.wanted_recounts(every))
    nothing = "No recount is wanted."
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing=nothing, zones=zones(db))


@app.command()
def conflicts(
    every: Annotated[bool, typer.Option("--all", help="Also those that are resolved or obsolete.")] = False,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """Evidence that contradicts other evidence.

    What was received first is in force until `resolve`.
    """
    db = open_db()
    rows = output.records(db.conflicts(open_only=not every))
    for row in rows:
        row["in_force"], row["instead"] = differing(row["local_value"], row["remote_value"])
    wanted = output.columns(
        "conflict_id", "kind", "severity", "status", "sku", "field", "location", "source", "document", "line",
        "in_force", "instead",
        numbers=("conflict_id",),
    )  # fmt: skip
    if as_json:
        for row in rows:
            del row["in_force"], row["instead"]
            row |= {side: output.exact(row[side]) for side in ("local_value", "remote_value")}
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing="No conflict is open.", zones=zones(db))


@app.command()
def resolve(
    conflict_id: Annotated[int, typer.Argument(metavar="ID", help="From `syncstock conflicts`.")],
    keep: Annotated[Literal["new", "old"], typer.Option("--keep", help="Which content is to be in force.")],
    reason: options.Reason,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Choose which side of a conflict is in force."""
    _end(open_db().resolve(conflict_id, keep=keep, reason=reason, dry_run=dry_run), as_json)


@app.command()
def quarantine(limit: options.Limit = 100, as_json: options.AsJson = False) -> None:
    """Evidence that waits to be understood.

    Its article or location is not known, or its date is in the future.

    Enter the article (`products set`) or the location (`locations set`), and it is posted as it was received.
    """
    rows = [
        {**row, "payload": output.exact(row["payload"])} for row in output.records(open_db().quarantine())
    ]
    wanted = output.columns(
        "quarantine_id", "reason", "kind", "source", "sku", "location", "delivery", "position", "not_before",
        numbers=("quarantine_id", "position"),
    )  # fmt: skip
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing="Nothing is in quarantine.")


@app.command()
def rollback(
    operation: Annotated[str, typer.Argument(metavar="UUID", help="From `syncstock operations`.")],
    reason: options.Reason,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Only movements, counts or products; can be given again."),
    ] = None,
    location: Annotated[
        list[str] | None, typer.Option("--location", help="Only this location; can be given again.")
    ] = None,
    article: Annotated[
        list[str] | None,
        typer.Option("--article", metavar="SKU", help="Only this article; can be given again."),
    ] = None,
    include_dependents: Annotated[
        bool, typer.Option("--include-dependents", help="Take back later changes of the same fields, too.")
    ] = False,
    digest: Annotated[
        str | None, typer.Option("--digest", help="From a dry run: do exactly that, or nothing.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Withdraw what an operation brought, all of it or a part.

    Of a rollback: give back what it withdrew. A dry run shows what would change, what depends on it, and what went out
    of the house already. Where the configuration asks for a second person, the first call only asks for it.
    """
    db = open_db()
    chosen: dict[str, Any] = {
        "tables": table or None,
        "locations": location or None,
        "inventory_ids": [find_article(db, word).inventory_id for word in article] if article else None,
    }
    if dry_run:
        preview = db.preview_rollback(operation, **chosen)
        if as_json:
            output.print_json(asdict(preview))
        else:
            output.print_facts(
                [
                    ("digest", preview.digest),
                    *((k.replace("_", " "), v) for k, v in preview.numbers.items() if v),
                ]
            )
            for title in ("stock", "products", "outside"):
                rows = getattr(preview, title)
                if rows:
                    typer.echo()
                    output.print_table(rows, output.columns(*rows[0]), title=title)
            for uuid in preview.dependents:
                output.say(f"Operation {uuid} changed the same fields later.")
            output.say("Dry run: nothing was kept.")
        return
    result = db.rollback(
        operation, reason=reason, include_dependents=include_dependents, digest=digest, **chosen
    )
    if result.status == "requested":
        output.say(
            f"Asked for by {operating_system_user()}. Somebody else has to say the same; "
            "`syncstock rollbacks` lists what waits."
        )
        output.print_result(result, as_json=as_json)
        raise typer.Exit(NEEDS_PERSON)
    output.say(f"Done by {operating_system_user()}.")
    _end(result, as_json)


@app.command()
def rollbacks(
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50, as_json: options.AsJson = False
) -> None:
    """Rollbacks, done and asked for, newest first."""
    wanted = output.columns(
        "rollback_id", "operation_uuid", "name", "type", "status", "reason", "requested_by", "created_by",
        "created_at", "digest", numbers=("rollback_id",),
    )  # fmt: skip
    output.show(
        output.records(open_db().rollbacks(limit)),
        wanted,
        as_json=as_json,
        nothing="Nothing was rolled back.",
    )


@app.command("refuse-rollback")
def refuse_rollback(
    operation: Annotated[str, typer.Argument(metavar="UUID", help="From `syncstock rollbacks`.")],
    reason: options.Reason,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Refuse a rollback that somebody asked for."""
    number = open_db().refuse_rollback(operation, reason=reason, dry_run=dry_run)
    if as_json:
        output.print_json({"refused": number})
    else:
        typer.echo(f"{number} requests were refused.")


@app.command()
def close(
    last_day: Annotated[str, typer.Argument(metavar="DAY", help="The last day to publish, as 2026-03-01.")],
    location: Annotated[
        list[str] | None, typer.Option("--location", help="Only this location; can be given again.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Publish all days up to a day.

    Whatever changes them later is logged as a restatement.
    """
    _end(open_db().close_day(day("DAY", last_day), location or None, dry_run=dry_run), as_json)


def _looked_at(
    db: SyncStockDB, count_ids: list[int] | None, which: Which, expected: str | None, as_json: bool
) -> dict[int, str]:
    """The counts that are meant, shown, with the digests of what is shown; a named one may not be held any more."""
    given = {name: value for name, value in which.items() if value is not None}
    if bool(count_ids) == bool(given):
        raise BadInput("Name counts (`syncstock counts --held`), or say what they have in common; not both.")
    found = output.records(db.held(**which))
    rows = [row for row in found if not count_ids or row["count_id"] in count_ids]
    if given and not rows:
        raise BadInput("No held count fits: " + ", ".join(f"{name} {value}" for name, value in given.items()))
    if expected is not None:
        _refuse_other_book(rows, expected)
    if rows and not as_json:
        skus = {row["inventory_id"]: row["sku"] for row in output.records(db.products())}
        wanted = output.columns(
            "count_id", "sku", "location", "counted_at", "counted", "expected", "variance", "tier", "delivered_by",
            numbers=("count_id", "counted", "expected", "variance"),
        )  # fmt: skip
        shown = [{**row, "sku": skus.get(row["inventory_id"])} for row in rows]
        output.print_table(shown, wanted, zones=zones(db))
    digests = {int(row["count_id"]): str(row["digest"]) for row in rows}
    # Of one that is not held nothing is shown; deciding on it says why not.
    return digests | {count_id: "" for count_id in count_ids or () if count_id not in digests}


def _refuse_other_book(rows: list[dict[str, Any]], expected: str) -> None:
    try:
        number = Decimal(expected)
    except InvalidOperation:
        raise BadInput(f"--expected takes a number, not {expected!r}.") from None
    if len(rows) != 1:
        raise BadInput("--expected goes with one held count.")
    if rows[0]["expected"] != number:
        raise BadInput(
            f"Changed since it was looked at; look again: count {rows[0]['count_id']} (counted "
            f"{rows[0]['counted']:f}): the book said {number:f}, now {rows[0]['expected']:f}"
        )


def differing(local: Any, remote: Any) -> tuple[str, str]:
    """What two contents do not have in common, each in words."""
    ours, theirs = (_flat(value) for value in (local, remote))
    names = [name for name in dict.fromkeys([*ours, *theirs]) if ours.get(name) != theirs.get(name)]
    told = [", ".join(f"{name} {side[name]}" for name in names if name in side) for side in (ours, theirs)]
    return told[0], told[1]


def _flat(value: Any) -> dict[str, Any]:
    """A content as one dict: the second leg of a transfer has its own names."""
    if not isinstance(value, list):
        return dict(value or {})
    flat: dict[str, Any] = {}
    for number, leg in enumerate(value):
        flat |= {name if number == 0 else f"{name} ({number + 1})": part for name, part in leg.items()}
    return flat


def _end(result: Any, as_json: bool) -> None:
    output.print_result(result, as_json=as_json)
    raise typer.Exit(NEEDS_PERSON if result.needs_person else 0)
