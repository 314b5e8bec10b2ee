"""Options that several commands share, so that they are spelled and explained alike.

What belongs here: annotated types. What does not: options of a single command.
"""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="Plain JSON: quantities as text, times in UTC, all rows.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; nothing of it is kept.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in a few words. It stays on record.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Rows of the table; 0 shows all.")]
Location = Annotated[str | None, typer.Option("--location", help="Only this location.")]
KnownAt = Annotated[
    str | None,
    typer.Option(
        "--known-at", metavar="INSTANT", help="As it was known then, for example 2026-03-01T18:00:00Z."
    ),
]
