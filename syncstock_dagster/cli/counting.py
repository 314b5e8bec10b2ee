"""Counting well: classes, accuracy, shrinkage, the variances of a day; and plans and recounts, as parts of ``counts``.

Define a command here when it is about how well is counted, or about who counts what. Keep out sheets (``counts``) and
decisions on counts (``decisions``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.counts import counts_app
from syncstock_dagster.cli.session import day as parsed_day
from syncstock_dagster.cli.session import find_article, find_location, instant, open_db, zones

if TYPE_CHECKING:
    from datetime import date

app = typer.Typer()

From = Annotated[
    str | None, typer.Option("--from", metavar="DAY", help="The first day; without it, from the beginning.")
]
To = Annotated[str | None, typer.Option("--to", metavar="DAY", help="The last day; without it, up to now.")]
Counters = Annotated[
    list[str] | None, typer.Option("--counter", metavar="NAME", help="Who counts; can be given again.")
]
PlanId = Annotated[int, typer.Argument(metavar="ID", help="From `syncstock counts plans`.")]

_WHY = {
    "negative": "below zero",
    "zero": "at zero",
    "misses": "missed before",
    "never_counted": "never counted",
    "due": "due",
}


@app.command()
def abc(
    location: options.Location = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DAY", help="By what moved up to then.")
    ] = None,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """Articles by the value that moved, in classes.

    A, B and C, of one location or of all together.
    """
    when = _day("--as-of", as_of)
    db = open_db()
    rows = output.records(db.abc_classes(when, find_location(db, location)))
    wanted = output.columns(
        "abc", "sku", "name", "category", "quantity", "value", "share", numbers=("quantity", "value", "share")
    )
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing="Nothing is known.")


@app.command()
def accuracy(
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="Tell these apart: day, month, location, category or class; can be given again.",
        ),
    ] = None,
    first: From = None,
    last: To = None,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """How right the books were where somebody counted.

    The share of counts within tolerance, never netted.

    Openings are left out. Held counts stand as they are.
    """
    begin, end = _day("--from", first), _day("--to", last)
    rows = output.records(open_db().accuracy(begin, end, by or ()))
    numbers = (
        "counts", "within", "held", "accuracy", "net_units", "absolute_units", "net_value", "absolute_value",
        "without_cost",
    )  # fmt: skip
    wanted = output.columns("day", "month", "location", "category", "class", *numbers, numbers=numbers)
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing="Nobody counted.")


@app.command()
def shrinkage(
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="Tell these apart: reason (the default), day, month, location, category or class; can be given again.",
        ),
    ] = None,
    first: From = None,
    last: To = None,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """What was lost and found.

    By movements with a reason, and by counts; openings are left out.
    """
    begin, end = _day("--from", first), _day("--to", last)
    rows = output.records(open_db().shrinkage(begin, end, by or ("reason",)))
    numbers = ("lines", "lost", "found", "net", "lost_value", "found_value", "net_value", "without_cost")
    wanted = output.columns(
        "day", "month", "location", "category", "class", "reason", *numbers, numbers=numbers
    )
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing="Nothing was lost or found.")


@app.command()
def variances(
    day: Annotated[str, typer.Option("--day", metavar="DAY", help="The business day.")],
    as_json: options.AsJson = False,
) -> None:
    """What the counts of a day found.

    How many of which tier, accuracy, and the largest variances.
    """
    when = parsed_day("--day", day)
    db = open_db()
    report = db.variance_report(when)
    if as_json:
        output.print_json(report.as_dict())
        return
    output.print_facts(
        [
            ("day", report.day),
            ("counts", report.counts),
            ("openings", report.openings),
            ("accuracy", "nobody counted" if report.accuracy is None else f"{report.accuracy * 100:.1f} %"),
            *((name, number) for name, number in report.tiers.items() if number),
            ("net", f"{report.net_units:+f} units, {report.net_value:+f} at cost"),
            ("absolute", f"{report.absolute_units:f} units, {report.absolute_value:f} at cost"),
        ]
    )
    if report.without_cost:
        output.say(f"{report.without_cost} variances have no value: nobody says what their article costs.")
    wanted = output.columns(
        "location", "sku", "name", "counted_at", "counted", "expected", "variance", "value", "is_held", "count_id",
        numbers=("counted", "expected", "variance", "value", "count_id"),
    )  # fmt: skip
    if report.largest:
        typer.echo("")
        output.print_table(report.largest, wanted, zones=zones(db))


@counts_app.command()
def plan(
    location: Annotated[str, typer.Option("--location", help="The location to be counted.")],
    day: Annotated[
        str | None, typer.Option("--day", metavar="DAY", help="The first day; by default today.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="How many days.")] = 1,
    counter: Counters = None,
    lines: Annotated[
        int | None,
        typer.Option("--lines", min=1, help="Lines a day; by default what the configuration says."),
    ] = None,
    guided: Annotated[bool, typer.Option("--guided", help="Its sheets say what the books expect.")] = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Plan who counts what.

    First what is below zero or at zero, was missed before, or is due by its class.
    """
    from datetime import datetime

    db = open_db()
    find_location(db, location)
    first = _day("--day", day) or datetime.now(zones(db)[location]).date()
    planned = db.plan_counts(
        location, first, days=days, counters=counter, lines_a_day=lines, is_blind=not guided, dry_run=dry_run
    )
    if as_json:
        output.print_json({"plans": planned.plans, "lines": planned.lines, "dry_run": dry_run})
    elif not planned.lines:
        typer.echo("Nothing is due that is not planned already.")
    else:
        _show_lines(planned.lines, db)
    if dry_run:
        output.say("Dry run: nothing was kept.")


@counts_app.command()
def plans(
    number: Annotated[int | None, typer.Argument(metavar="ID", help="Show the lines of this plan.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are done.")] = False,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """Count plans, and how far they are. A count fulfils its line by being there, whatever sheet it came on."""
    db = open_db()
    if number is not None:
        rows = output.records(db.plan_lines(number))
        if as_json:
            output.print_json(rows)
        else:
            _show_lines(rows, db)
        return
    numbers = ("plan_id", "lines", "planned", "counted", "skipped")
    wanted = output.columns(
        "plan_id", "day", "location", "counter", "is_blind", *numbers[1:], "created_by", numbers=numbers
    )
    output.show(
        output.records(db.count_plans(every)),
        wanted,
        as_json=as_json,
        limit=limit,
        nothing="No plan is open.",
    )


@counts_app.command()
def skip(
    number: PlanId,
    reason: options.Reason,
    sku: Annotated[
        list[str] | None, typer.Option("--sku", help="Only this article; can be given again.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Give up lines of a plan that nobody counts.

    All that are open, or some.
    """
    db = open_db()
    ids = [find_article(db, word).inventory_id for word in sku] if sku else None
    skipped = db.skip_lines(number, ids, reason=reason, dry_run=dry_run)
    _told({"plan_id": number, "skipped": skipped}, as_json, dry_run)


@counts_app.command("blind-recount")
def blind_recount(
    reason: options.Reason,
    count: Annotated[
        list[int] | None,
        typer.Option("--count", metavar="ID", help="Have this count made again; can be given again."),
    ] = None,
    sku: Annotated[
        list[str] | None, typer.Option("--sku", help="Or have this article counted by two people.")
    ] = None,
    location: options.Location = None,
    counter: Counters = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="INSTANT", help="With --sku: counts before it are not meant; default today."
        ),
    ] = None,
    tolerance: Annotated[
        str | None,
        typer.Option("--tolerance", metavar="UNITS", help="How far two people may differ and agree."),
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Have something counted blind by two people.

    Neither knows of the other's number. To have a held count made again by anybody, use syncstock recount.

    The second number is compared with the first moved by what was recorded in between. Where they agree, counts that
    are held are applied.
    """
    from decimal import Decimal, InvalidOperation

    try:
        units = None if tolerance is None else Decimal(tolerance)
    except InvalidOperation:
        raise typer.BadParameter(f"{tolerance!r} is no number", param_hint="--tolerance") from None
    begin = instant("--since", since)
    db = open_db()
    find_location(db, location)
    ids = [find_article(db, word).inventory_id for word in sku or ()]
    numbers = db.request_blind_recount(
        count_ids=count or (), inventory_ids=ids, location=location, counters=counter or (), since=begin,
        tolerance=units, reason=reason, dry_run=dry_run,
    )  # fmt: skip
    _told({"recounts": numbers}, as_json, dry_run)


@counts_app.command("blind-recounts")
def blind_recounts(
    number: Annotated[int | None, typer.Argument(metavar="ID", help="Only this recount.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are done.")] = False,
    cancel: Annotated[
        str | None,
        typer.Option("--cancel", metavar="REASON", help="Wait no longer for recount ID, and say why."),
    ] = None,
    limit: options.Limit = 100,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Blind recounts: who agrees, and where a third must count.

    What was counted is shown once nobody has to count any more.
    """
    db = open_db()
    if cancel is not None:
        if number is None:
            raise typer.BadParameter("say which recount is cancelled", param_hint="ID")
        _told(
            {
                "recount_id": number,
                "cancelled": db.cancel_blind_recount(number, reason=cancel, dry_run=dry_run),
            },
            as_json,
            dry_run,
        )
        return
    rows = output.records(db.blind_recounts(every or number is not None))
    rows = [row for row in rows if number in (None, row["recount_id"])]
    if not as_json:
        for row in rows:
            found = row["found"] or ()
            row["waits_for"] = ", ".join(row["waits_for"] or ()) or None
            row["counted"] = ", ".join(f"{one['counter'] or '?'} {one['quantity']}" for one in found) or None
    wanted = output.columns(
        "recount_id", "location", "sku", "name", "state", "rounds", "waits_for", "counted", "agreed", "reason",
        numbers=("recount_id", "rounds", "agreed"),
    )  # fmt: skip
    output.show(
        rows, wanted, as_json=as_json, limit=limit, nothing="No blind recount is open.", zones=zones(db)
    )


# -- plumbing ----------------------------------------------------------------------------------------------------------


def _show_lines(rows: list[dict[str, Any]], db: Any) -> None:
    shown = [{**row, "why": _WHY[row["why"]]} for row in rows]
    wanted = output.columns(
        "plan_id", "day", "location", "counter", "priority", "sku", "name", "abc", "why", "last_counted_at", "status",
        "counted_at", "counted_by", numbers=("plan_id", "priority"),
    )  # fmt: skip
    output.print_table(shown, wanted, zones=zones(db))


def _told(facts: dict[str, Any], as_json: bool, dry_run: bool) -> None:
    if as_json:
        output.print_json(facts | {"dry_run": dry_run})
    else:
        output.print_facts(list(facts.items()))
    if dry_run:
        output.say("Dry run: nothing was kept.")


def _day(option: str, text: str | None) -> date | None:
    return None if text is None else parsed_day(option, text)
