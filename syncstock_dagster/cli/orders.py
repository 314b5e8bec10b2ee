"""The day's work with stock: ``order``, ``reservations``, ``check``, ``report``.

Define a command here when it sells, promises, or tells staff what to do in the evening. Keep out evidence that comes in
(``evidence``) and decisions on it (``decisions``).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED, NEEDS_PERSON
from syncstock_dagster.cli.session import day as day_of
from syncstock_dagster.cli.session import find_location, open_db, read_settings, zones

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.stock.orders.answers import OrderResult
    from syncstock_dagster.stock.orders.checking import Check

app = typer.Typer()


@app.command()
def order(
    lines: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SKU QTY]...", help="What is ordered: codes and quantities."),
    ] = None,
    ref: Annotated[
        str | None,
        typer.Option("--ref", help="The order's own reference: the same one again changes nothing."),
    ] = None,
    location: Annotated[str | None, typer.Option("--location", help="Where it is taken from.")] = None,
    reserve: Annotated[
        bool, typer.Option("--reserve", help="Only promise it; --commit makes an order of it.")
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.01, help="How long a reservation holds; by default as configured."),
    ] = None,
    commit: Annotated[
        str | None, typer.Option("--commit", metavar="REF", help="Make an order of what is reserved.")
    ] = None,
    release: Annotated[
        str | None, typer.Option("--release", metavar="REF", help="Give back what is reserved.")
    ] = None,
    cancel: Annotated[
        str | None, typer.Option("--cancel", metavar="REF", help="Take an order back; needs --reason.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is cancelled.")] = None,
    returned: Annotated[
        bool | None,
        typer.Option(
            "--returned/--not-returned",
            help="Of a cancelled order whose articles were counted since: its goods come back now, or never left.",
        ),
    ] = None,
    sync: Annotated[
        bool, typer.Option("--sync/--no-sync", help="Look for newer evidence where the answer depends on it.")
    ] = True,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Sell: all lines at once, or none and why.

    A refusal ends with 3. `syncstock order A-1 5 B-2 1 --ref web-17`
    """
    asked = [
        name for name, ref_ in (("--commit", commit), ("--release", release), ("--cancel", cancel)) if ref_
    ]
    if len(asked) + bool(lines) != 1:
        raise typer.BadParameter("say either what is ordered, or one of --commit, --release and --cancel")
    if reserve and not lines:
        raise typer.BadParameter("goes with what is to be reserved", param_hint="--reserve")
    if (cancel is None) != (reason is None):
        raise typer.BadParameter("--cancel and --reason go together")
    parsed = _lines(lines or [])
    db = open_db()
    find_location(db, location)
    if commit is not None:
        result = db.order(ref=commit, sync=sync, dry_run=dry_run)
    elif release is not None:
        result = db.release_reservation(release, dry_run=dry_run)
    elif cancel is not None:
        result = db.cancel_order(cancel, reason=reason or "", returned=returned, dry_run=dry_run)
    elif reserve:
        lasting = None if minutes is None else timedelta(minutes=minutes)
        result = db.reserve(parsed, ref=ref, location=location, lasting=lasting, sync=sync, dry_run=dry_run)
    else:
        result = db.order(parsed, ref=ref, location=location, sync=sync, dry_run=dry_run)
    _tell(result, as_json, db)
    if not (result.is_done or (cancel is not None and result.status == "cancelled")):
        raise typer.Exit(NEEDS_PERSON)


@app.command()
def reservations(
    every: Annotated[bool, typer.Option("--all", help="Also those that expired or ended.")] = False,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """What is promised, to whom, and until when."""
    db = open_db()
    rows = output.records(db.reservations(every))
    wanted = output.columns(
        "ref", "sku", "location", "quantity", "expires_at", "state", "created_by", numbers=("quantity",)
    )
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing="Nothing is reserved.", zones=zones(db))


@app.command()
def check(
    sku: Annotated[
        str, typer.Argument(metavar="SKU", help="SKU, inventory_id or another code of an article.")
    ],
    quantity: Annotated[str, typer.Argument(metavar="QTY", help="How many are needed.")],
    location: options.Location = None,
    as_json: options.AsJson = False,
) -> None:
    """Is there enough? Every source is asked.

    Ends with 0 for yes, 1 for no, and 3 where a person has to look.
    """
    wanted = _quantity(quantity)
    db = open_db()
    found = db.check(sku, wanted, location=location)
    if as_json:
        output.print_json(found.as_dict())
    else:
        _tell_check(found)
    if found.answer != "yes":
        raise typer.Exit(FAILED if found.answer == "no" else NEEDS_PERSON)


@app.command()
def report(
    day: Annotated[
        str | None, typer.Option("--day", metavar="DAY", help="Of which day, for example 2026-03-01; today.")
    ] = None,
    form: Annotated[
        Literal["xlsx", "html", "text"], typer.Option("--format", help="In which form.")
    ] = "text",
    path: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to; text is printed without it.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """What staff must change in Excel this evening.

    And what differs, what waits for approval, and what was not found. Reading it changes nothing.
    """
    from zoneinfo import ZoneInfo

    from syncstock_dagster.workbooks.evening_files import rendered, write_whole

    when = None if day is None else day_of("--day", day)
    db = open_db()
    found = db.evening_report(when)
    if as_json:
        output.print_json(found.as_dict())
        return
    content = rendered(found, form, ZoneInfo(read_settings().timezone))
    if path is None and form == "text":
        for line in content.decode().splitlines():
            typer.echo(output.printable(line))
        return
    if path is None:
        ending = "xlsx" if form == "xlsx" else "html"
        path = read_settings().home / "reports" / str(found.day) / f"excel-update-{found.day}.{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    typer.echo(str(path))


def _lines(words: list[str]) -> list[tuple[str, Decimal]]:
    if len(words) % 2:
        raise typer.BadParameter("give pairs of a code and a quantity: A-1 5 B-2 1")
    return [(sku, _quantity(quantity)) for sku, quantity in zip(words[::2], words[1::2], strict=True)]


def _quantity(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is no quantity") from None


def _tell(result: OrderResult, as_json: bool, db: SyncStockDB) -> None:
    if as_json:
        output.print_json(result.as_dict())
        return
    facts: list[tuple[str, Any]] = [("order", result.ref), ("status", result.status)]
    if result.why:
        facts.append(("why", result.why))
    if result.expires_at is not None:
        facts.append(("holds until", result.expires_at.isoformat(timespec="seconds")))
    facts += [("taken in first", name) for name in result.synced]
    output.print_facts(facts)
    wanted = output.columns(
        "sku", "location", "quantity", "on_hand", "reserved", "available", "why",
        numbers=("quantity", "on_hand", "reserved", "available"),
    )  # fmt: skip
    if result.lines:
        output.print_table(result.as_dict()["lines"], wanted, zones=zones(db))
    if result.dry_run:
        output.say("Dry run: nothing was kept.")


def _tell_check(found: Check) -> None:
    name = f"  {found.name}" if found.name else ""
    typer.echo(output.printable(f"{found.answer.upper()}: {found.quantity:f} of {found.sku}{name}"))
    for why in found.why:
        typer.echo(output.printable(f"  {why}"))
    rows = [
        {
            "location": place.location,
            "source": said.source,
            "quantity": said.quantity,
            "age": _age(said.age),
            "told": said.told,
        }
        for place in found.places
        for said in place.sources
    ]
    rows += [
        {
            "location": place.location,
            "source": "to sell",
            "quantity": place.available,
            "age": None,
            "told": f"{place.reserved:f} reserved, {place.incoming:f} on the way, "
            f"{place.pending:f} sold and not on a sheet",
        }
        for place in found.places
    ]
    if rows:
        output.print_table(
            rows, output.columns("location", "source", "quantity", "age", "told", numbers=("quantity",))
        )
    for waiting in found.waiting:
        typer.echo(output.printable(f"Waits: {waiting}"))


def _age(age: timedelta | None) -> str | None:
    if age is None:
        return None
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
