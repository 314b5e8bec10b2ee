"""Search: ``search WORDS``, ``search rebuild``, ``search status``.

Define a command here when it asks the search index or cares for it. Keep out how articles are found (``search.find``).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED
from syncstock_dagster.cli.session import open_db


class _AskingGroup(TyperGroup):
    """A group whose command is ``for`` where none is named: ``search red heart`` is ``search for red heart``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["for", *args]
        return super().parse_args(ctx, args)


app = typer.Typer()
search_app = typer.Typer(
    cls=_AskingGroup,
    no_args_is_help=True,
    help="Articles by what they are called: search red heart.",
)
app.add_typer(search_app, name="search")


@search_app.command("for")
def search_for(
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS...", help="Words, parts of words, a code or a barcode.")
    ],
    category: Annotated[str | None, typer.Option("--category", help="Only this category.")] = None,
    location: options.Location = None,
    in_stock: Annotated[bool, typer.Option("--in-stock", help="Only what is on hand.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many articles at most.")] = 10,
    as_json: options.AsJson = False,
) -> None:
    """What fits best, and its stock now. `for` may be left out."""
    answer = open_db().search(
        " ".join(words), limit=limit, category=category, location=location, in_stock=in_stock
    )
    for notice in answer.notices:
        output.say(f"Note: {notice}")
    rows = [asdict(article) for article in answer.articles]
    if not as_json:
        for row in rows:
            row["where"] = ", ".join(f"{place} {quantity:f}" for place, quantity in row["stock"].items())
    wanted = output.columns("sku", "name", "category", "on_hand", "where", numbers=("on_hand",))
    output.show(rows, wanted, as_json=as_json, nothing="Nothing fits.")


@search_app.command("rebuild")
def rebuild(dry_run: options.DryRun = False, as_json: options.AsJson = False) -> None:
    """Make the search index anew. Search goes on meanwhile."""
    db = open_db()
    if dry_run:
        _show_status(db.url, as_json=as_json)
        output.say("Dry run: nothing was kept.")
        return
    with output.working("Building the search index ..."):
        report = db.update_search(rebuild=True)
    if report.notice:
        output.say(f"Note: {report.notice}")
    told = asdict(report)
    if as_json:
        output.print_json(told)
    else:
        output.print_facts((name.replace("_", " "), told[name]) for name in ("documents", "embedding"))
        output.print_facts([("seconds", f"{report.seconds:.1f}")])


@search_app.command("status")
def status(as_json: options.AsJson = False) -> None:
    """Compare the search index with the catalogue; exit code 1 where they differ."""
    if not _show_status(open_db().url, as_json=as_json):
        raise typer.Exit(FAILED)


def _show_status(url: str, *, as_json: bool) -> bool:
    """Tell how the index stands; whether it equals the catalogue."""
    from syncstock_dagster.search.update import check_index

    found = check_index(url)
    if as_json:
        output.print_json({**asdict(found), "is_right": found.is_right})
    else:
        output.print_facts((name.replace("_", " "), value) for name, value in asdict(found).items())
    return found.is_right
