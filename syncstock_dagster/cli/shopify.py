"""Shopify: ``shopify run``, ``plan``, ``apply``, ``dry-run``, ``status``, ``deletions``, ``approve``, ``rollback``...

Define a command here when it speaks to the shop or shows what was said. Keep out the work (``channels.shopify``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED, NEEDS_PERSON
from syncstock_dagster.cli.session import open_db, read_settings

if TYPE_CHECKING:
    from syncstock_dagster.operations.log import Outcome

app = typer.Typer()
shopify_app = typer.Typer(no_args_is_help=True, help="Stock in Shopify: plan, apply, look, take back.")
app.add_typer(shopify_app, name="shopify")

Push = Annotated[
    bool, typer.Option("--push", help="All articles whose stock changed, not only products that were missed.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only so many products.")]
Zero = Annotated[
    bool | None,
    typer.Option(
        "--delete-zero-stock/--keep-zero-stock", help="Propose to delete variants without stock, or not."
    ),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, max=250, help="Products that are worked on together.")
]
Workers = Annotated[
    int | None, typer.Option("--max-concurrent", min=1, max=50, help="Workers beside each other.")
]
Which = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="Its name, or the first characters of its uuid; default: the last."),
]
Skus = Annotated[list[str] | None, typer.Option("--sku", help="Only this one; can be given again.")]
Kind = Literal["reverse", "push"]

_DETAILS = {
    "updated": ("sku", "old_qty", "new_qty", "location"),
    "deleted": ("sku", "reason"),
    "deletions_waiting": ("sku", "reason"),
    "errors": ("product_id", "sku", "state", "reason"),
    "left": ("product_id", "sku", "state", "reason"),
    "deletion_validation_failures": ("sku", "reason"),
}


@shopify_app.command("run")
def run(
    push: Push = False,
    limit: Limit = None,
    delete_zero_stock: Zero = None,
    batch_size: BatchSize = None,
    max_concurrent: Workers = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Find what is wrong in the shop and set it right; what an earlier run left comes first."""
    db = open_db()
    given: dict[str, Any] = {
        "limit": limit, "delete_zero_stock": delete_zero_stock, "batch_size": batch_size,
        "max_concurrent": max_concurrent,
    }  # fmt: skip
    with output.working("Speaking to the shop ..."):
        if dry_run:
            report = db.plan_shopify(_kind(push), dry_run=True, **given)
        else:
            report = db.sync_shopify(_kind(push), **given)
    _tell(report, as_json)


@shopify_app.command("plan")
def plan(
    push: Push = False,
    limit: Limit = None,
    delete_zero_stock: Zero = None,
    batch_size: BatchSize = None,
    max_concurrent: Workers = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Find out what is wrong in the shop and keep it as a plan; nothing is sent."""
    db = open_db()
    given: dict[str, Any] = {
        "limit": limit, "delete_zero_stock": delete_zero_stock, "batch_size": batch_size,
        "max_concurrent": max_concurrent,
    }  # fmt: skip
    with output.working("Looking at the shop ..."):
        report = db.plan_shopify(_kind(push), dry_run=dry_run, **given)
    _tell(report, as_json)


@shopify_app.command("dry-run")
def dry_run(
    push: Push = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many products.")] = 10,
    delete_zero_stock: Zero = None,
    batch_size: BatchSize = None,
    max_concurrent: Workers = None,
    as_json: options.AsJson = False,
) -> None:
    """What a run would do with a few products. It cannot be applied."""
    db = open_db()
    given: dict[str, Any] = {
        "limit": limit, "delete_zero_stock": delete_zero_stock, "batch_size": batch_size,
        "max_concurrent": max_concurrent,
    }  # fmt: skip
    with output.working("Looking at the shop ..."):
        report = db.plan_shopify(_kind(push), dry_run=True, **given)
    _tell(report, as_json)


@shopify_app.command("apply")
def apply(which: Which = None, dry_run: options.DryRun = False, as_json: options.AsJson = False) -> None:
    """Carry out a plan, deletions that were approved included, or go on where a run was interrupted.

    Twice is once.
    """
    db = open_db()
    if dry_run:
        _show(db.shopify_status(which), as_json)
        output.say("Dry run: nothing was sent.")
        return
    with output.working("Speaking to the shop ..."):
        report = db.apply_shopify(which)
    _tell(report, as_json)


@shopify_app.command("status")
def status(which: Which = None, as_json: options.AsJson = False) -> None:
    """How the last run stands, and what it did."""
    _show(open_db().shopify_status(which), as_json)


@shopify_app.command("config")
def config(as_json: options.AsJson = False) -> None:
    """What is in effect. Secrets are not shown."""
    from syncstock_dagster.channels.shopify.sync import config as in_effect

    told = in_effect(read_settings())
    if as_json:
        output.print_json(told)
    else:
        output.print_facts((name.replace("_", " "), value) for name, value in told.items())


@shopify_app.command("deletions")
def deletions(which: Which = None, as_json: options.AsJson = False) -> None:
    """Variants without stock: which wait for a decision, which went, which stay and why."""
    rows = open_db().shopify_deletions(which)
    wanted = output.columns("sku", "title", "state", "reason", "decided_by", "decided_because", "deleted_at")
    output.show(rows, wanted, as_json=as_json, nothing="No variant without stock.")


@shopify_app.command("approve")
def approve(
    reason: options.Reason,
    which: Which = None,
    sku: Skus = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Approve deletions that wait; `shopify apply` then carries them out, after it has looked once more."""
    _decided(
        open_db().decide_shopify_deletions("approved", which, skus=sku, reason=reason, dry_run=dry_run),
        as_json,
    )


@shopify_app.command("reject")
def reject(
    reason: options.Reason,
    which: Which = None,
    sku: Skus = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Reject deletions that wait."""
    _decided(
        open_db().decide_shopify_deletions("rejected", which, skus=sku, reason=reason, dry_run=dry_run),
        as_json,
    )


@shopify_app.command("rollback")
def rollback(
    reason: options.Reason,
    which: Which = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take back what a run sent, where the shop still has it; deleted variants are made again."""
    db = open_db()
    if dry_run:
        _preview(db.preview_shopify_rollback(which), as_json)
        return
    with output.working("Speaking to the shop ..."):
        report = db.rollback_shopify(which, reason=reason)
    _tell(report, as_json)


@shopify_app.command("pull")
def pull(dry_run: options.DryRun = False, as_json: options.AsJson = False) -> None:
    """Stage what the shop says of its articles; `staging` lists what waits."""
    from dataclasses import asdict

    db = open_db()
    with output.working("Reading the shop's articles ..."):
        result = db.pull_shopify_products(dry_run=dry_run)
    if as_json:
        output.print_json(asdict(result))
    else:
        output.print_facts((name.replace("_", " "), value) for name, value in asdict(result).items() if value)
    raise typer.Exit(NEEDS_PERSON if result.needs_person else 0)


@shopify_app.command("push-fields")
def push_fields(dry_run: options.DryRun = False, as_json: options.AsJson = False) -> None:
    """Send what was changed here of articles since both sides agreed: SKU, price, cost, name, category, status."""
    db = open_db()
    with output.working("Speaking to the shop ..."):
        result = db.push_shopify_products(dry_run=dry_run)
    rows = [{**row, "reason": "sent"} for row in result.sent] + result.left
    if dry_run:
        rows = [{**row, "reason": "to send"} for row in result.sent] + result.left
        output.say("Dry run: nothing was sent.")
    wanted = output.columns("sku", "field", "old", "new", "reason")
    output.show(rows, wanted, as_json=as_json, nothing="Nothing was changed here.")
    raise typer.Exit(NEEDS_PERSON if result.left else 0)


def _preview(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(told)
        return
    wanted = output.columns(
        "sku", "location", "was", "wrote", "now", "goes_back", "reason", numbers=("was", "wrote", "now")
    )
    output.show(told["levels"], wanted, as_json=False, nothing=f"{told['sync_id']} has set no level.")
    if told["variants"]:
        typer.echo()
        output.print_table(
            told["variants"], output.columns("sku", "levels"), title="variants that would be made again"
        )
    output.say("Dry run: nothing was sent.")


def _kind(push: bool) -> Kind:
    return "push" if push else "reverse"


def _show(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(told)
        return
    output.print_facts((name.replace("_", " "), value) for name, value in told.items() if name != "result")
    if told["result"]:
        typer.echo()
        _print(told["result"])


def _tell(report: Mapping[str, Any], as_json: bool) -> None:
    """A report, and the exit code that goes with it."""
    if as_json:
        output.print_json(report)
    else:
        _print(report)
    if not report["success"]:
        raise typer.Exit(FAILED)
    numbers = (report["report"] or {}).get("statistics", {})
    if numbers.get("deletions_waiting") or numbers.get("errors"):
        raise typer.Exit(NEEDS_PERSON)


def _print(report: Mapping[str, Any]) -> None:
    typer.echo(report["message"])
    for name in report.get("resumed", ()):
        typer.echo(f"Before it, {name} was brought to its end: `syncstock shopify status {name}`.")
    told = report["report"]
    if told is None:
        return
    output.print_facts([("run", report["sync_id"])])
    output.print_facts((name.replace("_", " "), value) for name, value in told["statistics"].items())
    output.print_facts((name.replace("_", " "), value) for name, value in told["performance"].items())
    for name, keys in _DETAILS.items():
        if rows := told["details"][name]:
            typer.echo()
            shown = rows[:50]
            output.print_table(shown, output.columns(*keys), title=name.replace("_", " "))
            if len(shown) < len(rows):
                output.say(f"{len(shown)} of {len(rows)} rows; --json shows more.")


def _decided(outcome: Outcome, as_json: bool) -> None:
    told = {"operation_uuid": outcome.uuid, **outcome.statistics, "is_dry_run": outcome.is_dry_run}
    if as_json:
        output.print_json(told)
        return
    typer.echo(
        f"{told['decided']} deletion(s) decided; `syncstock shopify apply` carries out what is approved."
    )
    if outcome.is_dry_run:
        output.say("Dry run: nothing was kept.")
