"""``syncstock``: everything that SyncStock does, from a shell.

Define a command in the module of its group beside this one; a new group is added to ``_GROUPS``. Keep out work: a
command opens the database, calls one thing of the domain, and prints. Modules here import the standard library and
typer at their top and everything else when it is used: ``syncstock --help`` has to be quick.

Exit codes: 0 done; 1 failed; 2 wrong usage or bad input; 3 done, but something needs a person.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from syncstock_dagster.cli import (
    care,
    catalogue,
    counting,
    counts,
    decisions,
    evidence,
    orders,
    questions,
    record,
    search,
    shopify,
    up,
    vendors,
)
from syncstock_dagster.cli.errors import Reporting

_GROUPS = (
    evidence, questions, orders, search, counts, counting, decisions, catalogue, vendors, shopify, record, care, up,
)  # fmt: skip

app = typer.Typer(
    name="syncstock",
    cls=Reporting,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(metadata.version("syncstock-dagster"))
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 done; 1 failed; 2 wrong usage or bad input; 3 done, but something needs a person."
)
def _syncstock(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Stock that follows from counts and movements, with every difference explained."""


for _group in _GROUPS:
    app.add_typer(_group.app)


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # A name in a script that the terminal does not know must not end a listing.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app()
