"""Questions about stock: ``stock``, ``ledger``, ``explain``, what sheets lack, and the list of ``counts``.

Define a command here when it only reads what follows from the evidence. Keep out the record of what was done
(``record``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.session import find_article, find_location, instant, instant_or_day, open_db, zones

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

app = typer.Typer()

Sku = Annotated[str, typer.Argument(metavar="SKU", help="SKU, inventory_id or another code of an article.")]
MaybeSku = Annotated[
    str | None, typer.Argument(metavar="SKU", help="SKU, inventory_id or another code of an article.")
]


@app.command()
def stock(
    sku: MaybeSku = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="A day (its end), an instant, or a local time; otherwise all that is known.",
        ),
    ] = None,
    known_at: options.KnownAt = None,
    location: options.Location = None,
    negative: Annotated[
        bool, typer.Option("--negative", help="Only what is below zero today, with since when.")
    ] = False,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """What is on hand, now or at any instant.

    As it is known now, or as it was known at any other.
    """
    when, known = instant_or_day("--as-of", as_of), instant("--known-at", known_at)
    if negative and (when or known):
        raise typer.BadParameter("tells of today; leave --as-of and --known-at", param_hint="--negative")
    db = open_db()
    only = None if sku is None else find_article(db, sku)
    find_location(db, location)
    if negative:
        rows = output.records(db.negative_stock())
        rows = [row for row in rows if location in (None, row["location"])]
        rows = [row for row in rows if only is None or row["inventory_id"] == only.inventory_id]
        wanted = output.columns("sku", "location", "on_hand", "negative_since", numbers=("on_hand",))
        nothing = "Nothing is below zero."
    else:
        rows = _with_sku(
            db,
            output.records(
                db.on_hand(
                    when,
                    known,
                    None if only is None else [only.inventory_id],
                    None if location is None else [location],
                )
            ),
        )
        wanted = output.columns("sku", "name", "location", "on_hand", numbers=("on_hand",))
        nothing = "Nothing is known."
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing=nothing, zones=zones(db))


@app.command()
def ledger(
    sku: Sku,
    known_at: options.KnownAt = None,
    location: options.Location = None,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """Every entry of an article, with its balance."""
    known = instant("--known-at", known_at)
    db = open_db()
    article = find_article(db, sku)
    rows = output.records(db.ledger(article.inventory_id, find_location(db, location), known))
    wanted = output.columns(
        "location", "effective_at", "reason", "source", "ref", "delta", "running", "recorded_at",
        numbers=("delta", "running"),
    )  # fmt: skip
    output.show(
        rows,
        wanted,
        as_json=as_json,
        limit=limit,
        last=True,
        nothing="The ledger has no entry.",
        zones=zones(db),
    )


@app.command()
def explain(
    sku: Sku,
    location: options.Location = None,
    as_json: options.AsJson = False,
) -> None:
    """Why the stock of an article is what it is.

    Its last count, what moved since, what came late, what was restated, and what is in doubt.
    """
    from syncstock_dagster.cli.telling import tell
    from syncstock_dagster.stock.explain import explain as explained

    db = open_db()
    article = find_article(db, sku)
    explanation = explained(db.url, db.policies, article.inventory_id, find_location(db, location))
    if as_json:
        output.print_json(output.explained(explanation))
    else:
        tell(explanation)


def counts(
    sku: MaybeSku = None,
    held: Annotated[bool, typer.Option("--held", help="Only those that wait for approve or reject.")] = False,
    known_at: options.KnownAt = None,
    location: options.Location = None,
    limit: options.Limit = 100,
    as_json: options.AsJson = False,
) -> None:
    """Counts, and what the book said at their instant.

    The last column bounds a variance that is in doubt: some movements are known only by the day of the count.
    """
    known = instant("--known-at", known_at)
    db = open_db()
    only = None if sku is None else find_article(db, sku).inventory_id
    find_location(db, location)
    found = db.held() if held and known is None else db.variances(known)
    rows = [
        row
        for row in output.records(found)
        if (not held or row["status"] == "held")
        and only in (None, row["inventory_id"])
        and location in (None, row["location"])
    ]
    rows = _with_sku(db, rows)
    names = [
        "count_id",
        "sku",
        "location",
        "counted_at",
        "counted",
        "expected",
        "variance",
        "status",
        "tier",
        "source",
    ]
    if not as_json:
        for row in rows:
            is_sure = row["low"] == row["high"] == row["variance"]
            row["between"] = None if is_sure else f"{row['low']:f} .. {row['high']:f}"
        if held and known is None:
            _with_causes(db, rows[: limit or None])
            names += ["recount", "may_be"]
    if any(row["remarks"] for row in rows):
        names.append("remarks")
    wanted = output.columns(*names, "between", numbers=("count_id", "counted", "expected", "variance"))
    nothing = "No count is held." if held else "Nothing was counted."
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing=nothing, zones=zones(db))


@app.command("not-written-off")
def not_written_off(
    location: options.Location = None, limit: options.Limit = 100, as_json: options.AsJson = False
) -> None:
    """What lists that staff keep still lack.

    Of sources with sheet = "list": lines that are not what the books say, and are no counts. Whoever keeps the list
    writes them in.
    """
    db = open_db()
    find_location(db, location)
    rows = [row for row in output.records(db.not_written_off()) if location in (None, row["location"])]
    wanted = output.columns(
        "sku", "name", "location", "source", "listed_at", "listed", "book", "difference", "since", "is_explained",
        numbers=("listed", "book", "difference"),
    )  # fmt: skip
    nothing = "Every list says what the books say."
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing=nothing, zones=zones(db))


@app.command("not-listed")
def not_listed(
    location: options.Location = None, limit: options.Limit = 100, as_json: options.AsJson = False
) -> None:
    """Stocked articles that no complete sheet lists.

    Of sources with not_listed = "critical": what the last sheet does not name, and nobody has counted since. Its stock
    stays as it is.
    """
    db = open_db()
    find_location(db, location)
    rows = [row for row in output.records(db.not_listed()) if location in (None, row["location"])]
    wanted = output.columns(
        "sku", "name", "location", "on_hand", "value", "source", "file", "counted_at", numbers=("on_hand", "value")
    )  # fmt: skip
    nothing = "Every stocked article is listed."
    output.show(rows, wanted, as_json=as_json, limit=limit, nothing=nothing, zones=zones(db))


def _with_causes(db: SyncStockDB, rows: list[dict[str, Any]]) -> None:
    """What may explain each best."""
    causes = output.records(db.explain_variances([row["count_id"] for row in rows])) if rows else []
    best = {row["count_id"]: row["says"] for row in causes if row["rank"] == 1}
    for row in rows:
        row["may_be"] = best.get(row["count_id"])


def _with_sku(db: SyncStockDB, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the SKU and name of their article."""
    if not rows:
        return rows
    named = {row["inventory_id"]: row for row in output.records(db.products())}
    return [
        {
            "inventory_id": row["inventory_id"],
            "sku": named.get(row["inventory_id"], {}).get("sku"),
            "name": named.get(row["inventory_id"], {}).get("name"),
            **row,
        }
        for row in rows
    ]
