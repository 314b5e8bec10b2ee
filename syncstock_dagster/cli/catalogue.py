"""Articles and locations: ``products``, ``locations``; bare they list, ``set`` changes.

Define a command here when it changes what evidence is about. Keep out evidence itself: a catalogue file comes in with
``load``.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import NEEDS_PERSON
from syncstock_dagster.cli.session import open_db

app = typer.Typer()
products_app = typer.Typer(invoke_without_command=True)
locations_app = typer.Typer(invoke_without_command=True)
app.add_typer(products_app, name="products")
app.add_typer(locations_app, name="locations")


@products_app.callback()
def products(ctx: typer.Context, limit: options.Limit = 100, as_json: options.AsJson = False) -> None:
    """The articles; `products set` enters or changes one."""
    if ctx.invoked_subcommand is not None:
        return
    wanted = output.columns(
        "sku", "name", "category", "price", "cost", "is_placeholder", "inventory_id", "version",
        numbers=("price", "cost", "inventory_id", "version"),
    )  # fmt: skip
    output.show(
        output.records(open_db().products()),
        wanted,
        as_json=as_json,
        limit=limit,
        nothing="There is no article.",
    )


@products_app.command("set")
def set_product(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="Exactly as it is: 00123 is not 123.")],
    name: Annotated[str | None, typer.Option("--name")] = None,
    category: Annotated[str | None, typer.Option("--category")] = None,
    price: Annotated[str | None, typer.Option("--price", metavar="AMOUNT")] = None,
    cost: Annotated[str | None, typer.Option("--cost", metavar="AMOUNT")] = None,
    inventory_id: Annotated[
        int | None, typer.Option("--inventory-id", help="The id by which other systems know it.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Enter an article or change what is said of it, and post what waited for it. What is not said stays."""
    said: dict[str, Any] = {
        "name": name, "category": category, "price": price, "cost": cost, "inventory_id": inventory_id,
    }  # fmt: skip
    row = {"sku": sku, **{key: value for key, value in said.items() if value is not None}}
    db = open_db()
    waiting = len(db.quarantine())
    if dry_run:
        db.upsert_products([row], dry_run=True)
        output.say("Dry run: nothing was kept.")
        shown = [row]
    else:
        db.upsert_products([row])
        shown = output.records(db.products([sku]))
        if released := waiting - len(db.quarantine()):
            output.say(f"{released} rows left quarantine.")
    output.show(
        shown, output.columns("sku", "name", "category", "price", "cost", "inventory_id"), as_json=as_json
    )


@locations_app.callback()
def locations(ctx: typer.Context, as_json: options.AsJson = False) -> None:
    """The locations; `locations set` enters or changes one."""
    if ctx.invoked_subcommand is None:
        output.show(
            output.records(open_db().locations()), output.columns("code", "name", "timezone"), as_json=as_json
        )


@locations_app.command("set")
def set_location(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Exactly as evidence names it.")],
    timezone: Annotated[
        str,
        typer.Option(
            "--timezone", help="Its IANA zone, for example Europe/London. Fixed by its first evidence."
        ),
    ],
    name: Annotated[str | None, typer.Option("--name")] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Enter a location or change it, and post what waited for it."""
    row = {"code": code, "timezone": timezone, **({} if name is None else {"name": name})}
    result = open_db().upsert_locations([row], dry_run=dry_run)
    output.print_result(result, as_json=as_json)
    raise typer.Exit(NEEDS_PERSON if result.needs_person else 0)
