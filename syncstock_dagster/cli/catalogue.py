"""Articles, categories and locations, and changes of articles that wait: bare they list, ``set`` changes.

Define a command here when it changes what evidence is about. Keep out evidence itself: a catalogue file comes in with
``load``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED, NEEDS_PERSON
from syncstock_dagster.cli.session import find_article, open_db

if TYPE_CHECKING:
    from syncstock_dagster.catalog.staging import StagingResult

app = typer.Typer()
products_app = typer.Typer(invoke_without_command=True)
locations_app = typer.Typer(invoke_without_command=True)
categories_app = typer.Typer(invoke_without_command=True)
staging_app = typer.Typer(invoke_without_command=True)
app.add_typer(products_app, name="products")
app.add_typer(categories_app, name="categories")
app.add_typer(staging_app, name="staging")
app.add_typer(locations_app, name="locations")

Sku = Annotated[str, typer.Argument(metavar="SKU", help="The article: SKU, id or another code.")]
StagingIds = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="From `syncstock staging`.")]
OfOperation = Annotated[
    str | None, typer.Option("--operation", metavar="UUID", help="All that this operation staged.")
]


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
    unit: Annotated[
        str | None, typer.Option("--unit", help="In which its stock is kept: each, kg, ...")
    ] = None,
    style: Annotated[str | None, typer.Option("--style", help="What its variants have in common.")] = None,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", metavar="SYSTEM=CODE", help="gtin, barcode, zoho, ...; can be given again."),
    ] = None,
    pack: Annotated[
        list[str] | None,
        typer.Option(
            "--pack", metavar="UNIT=AMOUNT", help="How much one holds, as pack=12; can be given again."
        ),
    ] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive")] = None,
    inventory_id: Annotated[
        int | None, typer.Option("--inventory-id", help="The id by which other systems know it.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Enter an article or change what is said of it, and post what waited for it. What is not said stays."""
    codes: dict[str, list[str]] = {}
    for system, value in _pairs("--code", code):
        codes.setdefault(system, []).append(value)
    said: dict[str, Any] = {
        "name": name, "category": category, "price": price, "cost": cost, "unit": unit, "style": style,
        "is_active": active, "inventory_id": inventory_id, "identifiers": codes or None,
        "units": dict(_pairs("--pack", pack)) or None,
    }  # fmt: skip
    row = {"sku": sku, **{key: value for key, value in said.items() if value is not None}}
    db = open_db()
    result = db.change_products([row], dry_run=dry_run)
    if dry_run:
        output.say("Dry run: nothing was kept.")
        shown = [row]
    else:
        shown = output.records(db.products([sku]))
        if result.released:
            output.say(f"{result.released} rows left quarantine.")
    output.show(
        shown, output.columns("sku", "name", "category", "price", "cost", "inventory_id"), as_json=as_json
    )
    if result.left or result.conflicts:
        output.say("Not all of it could be done: `syncstock staging` and `syncstock conflicts` say why.")
        raise typer.Exit(NEEDS_PERSON)


@products_app.command("show")
def show_product(sku: Sku, as_json: options.AsJson = False) -> None:
    """All that is known of an article: codes, units, lock, and when it was synced."""
    db = open_db()
    (row,) = output.records(db.product_states([find_article(db, sku).inventory_id]))
    state = row.pop("state")
    if as_json:
        output.print_json({**row, "state": state})
    else:
        output.print_facts(
            [*state.items(), *((k.replace("_", " "), v) for k, v in row.items() if v is not None)]
        )


@products_app.command("versions")
def product_versions(sku: Sku, as_json: options.AsJson = False) -> None:
    """Every state that an article ever had, oldest first."""
    db = open_db()
    rows = output.records(db.product_versions(find_article(db, sku).inventory_id))
    wanted = output.columns(
        "version", "change_type", "changed_fields", "change_source", "changed_by", "recorded_at", "state",
        numbers=("version",),
    )  # fmt: skip
    output.show(rows, wanted, as_json=as_json)


@products_app.command("restore")
def restore_product(
    sku: Sku,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="From `products versions`.")],
    reason: options.Reason,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Give an article the state of an earlier version, as a new one."""
    db = open_db()
    article = find_article(db, sku)
    changes = db.restore_product(article.inventory_id, version, reason=reason, dry_run=dry_run)
    rows = [{"field": name, **values} for name, values in changes.items()]
    output.show(
        rows, output.columns("field", "old", "new"), as_json=as_json, nothing="It is in that state already."
    )
    if dry_run:
        output.say("Dry run: nothing was kept.")


@products_app.command("lock")
def lock_product(
    sku: Sku,
    minutes: Annotated[int | None, typer.Option("--minutes", min=1, help="How long.")] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Keep others' changes of an article from being committed, for a while. Stock goes on."""
    db = open_db()
    rows = db.lock_products([find_article(db, sku).inventory_id], minutes=minutes, dry_run=dry_run)
    output.show(rows, output.columns("sku", "sync_locked_by", "sync_locked_until"), as_json=as_json)


@products_app.command("unlock")
def unlock_product(
    sku: Sku,
    force: Annotated[bool, typer.Option("--force", help="Also somebody else's lock.")] = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Give a lock back."""
    db = open_db()
    number = db.unlock_products([find_article(db, sku).inventory_id], force=force, dry_run=dry_run)
    if as_json:
        output.print_json({"unlocked": number})
    else:
        typer.echo("It is unlocked." if number else "There was no lock of yours on it.")


@categories_app.callback()
def categories(ctx: typer.Context, as_json: options.AsJson = False) -> None:
    """The categories; `categories set` enters or changes one."""
    if ctx.invoked_subcommand is None:
        wanted = output.columns(
            "name", "parent", "is_active", "articles", "version", numbers=("articles", "version")
        )
        output.show(
            output.records(open_db().categories()), wanted, as_json=as_json, nothing="There is no category."
        )


@categories_app.command("set")
def set_category(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME")] = None,
    parent: Annotated[
        str | None, typer.Option("--parent", metavar="NAME", help="The one above it; an empty name: none.")
    ] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive")] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Enter a category, rename it, or put it below another."""
    db = open_db()
    db.set_category(name, new_name=rename, parent=parent, is_active=active, dry_run=dry_run)
    if dry_run:
        output.say("Dry run: nothing was kept.")
    rows = [row for row in output.records(db.categories()) if row["name"] == (rename or name)]
    output.show(rows, output.columns("name", "parent", "is_active"), as_json=as_json)


@categories_app.command("versions")
def category_versions(
    name: Annotated[str, typer.Argument(metavar="NAME")], as_json: options.AsJson = False
) -> None:
    """Every state of the category that has or had this name."""
    wanted = output.columns("version", "change_type", "changed_fields", "changed_by", "recorded_at", "state")
    output.show(output.records(open_db().category_versions(name)), wanted, as_json=as_json)


@staging_app.callback()
def staging(
    ctx: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Also what was committed, rejected or replaced.")
    ] = False,
    source: Annotated[str | None, typer.Option("--source", help="Only of this source.")] = None,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """Changes of articles that wait.

    `staging stage` brings them, `approve` or `reject` decides, `commit` does it.
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = output.records(
        open_db().staged(None if every else ("staged", "approved"), source, limit or 1_000_000)
    )
    wanted = output.columns(
        "staging_id", "sku", "source", "change_type", "status", "has_conflicts", "change", "problem", "staged_by",
        numbers=("staging_id",),
    )  # fmt: skip
    if not as_json:
        for row in rows:
            row["change"] = "; ".join(
                f"{name} {_word(said['old'])} -> {_word(said['new'])}"
                for name, said in row["change_data"].items()
            )
    output.show(rows, wanted, as_json=as_json, nothing="No change waits.")


@staging_app.command("stage")
def stage(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A catalogue file.")
    ],
    source: Annotated[str, typer.Option("--source", help="Who says so.")] = "products",
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare a catalogue file with what is here, and stage what differs."""
    from syncstock_dagster.sources import parse_file

    db = open_db()
    policy = db.policies.for_source(source, "products")
    parsed = parse_file(path.read_bytes(), str(path), "products", source, policy)
    output.print_errors(parsed.errors)
    rows = [] if parsed.products is None else parsed.products.to_pylist()
    changes = [
        {name: value for name, value in row.items() if value is not None and name != "position"}
        for row in rows
    ]
    result = db.stage_products(changes, source=source, note=path.name, dry_run=dry_run)
    _end(result, as_json, FAILED if parsed.rejected else NEEDS_PERSON if parsed.errors else 0)


@staging_app.command("approve")
def approve_staged(
    reason: options.Reason,
    staging_ids: StagingIds = None,
    operation: OfOperation = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Approve staged changes; `staging commit` commits them."""
    result = open_db().approve_staged(
        staging_ids or None, operation_uuid=operation, reason=reason, dry_run=dry_run
    )
    _end(result, as_json, 0)


@staging_app.command("reject")
def reject_staged(
    reason: options.Reason,
    staging_ids: StagingIds = None,
    operation: OfOperation = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Reject staged changes: what is here stands until the source says something else again."""
    result = open_db().reject_staged(
        staging_ids or None, operation_uuid=operation, reason=reason, dry_run=dry_run
    )
    _end(result, as_json, 0)


@staging_app.command("commit")
def commit_staged(
    staging_ids: StagingIds = None,
    operation: OfOperation = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Commit what is approved, in one transaction."""
    result = open_db().commit_staged(staging_ids or None, operation_uuid=operation, dry_run=dry_run)
    _end(result, as_json, 0)


def _end(result: StagingResult, as_json: bool, code: int) -> None:
    if as_json:
        output.print_json({**asdict(result), "needs_person": result.needs_person})
    else:
        output.print_facts(
            (name.replace("_", " "), value)
            for name, value in asdict(result).items()
            if value and name != "is_dry_run" and not (name == "operation_uuid" and result.is_dry_run)
        )
        if result.is_dry_run:
            output.say("Dry run: nothing was kept.")
    raise typer.Exit(code or (NEEDS_PERSON if result.needs_person else 0))


def _word(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _pairs(option: str, given: list[str] | None) -> list[tuple[str, str]]:
    pairs = [tuple(one.split("=", 1)) for one in given or []]
    if wrong := [one for one in pairs if len(one) != 2 or not all(one)]:
        raise typer.BadParameter(f"{'='.join(wrong[0])!r} is not NAME=VALUE.", param_hint=option)
    return pairs  # type: ignore[return-value]


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
