"""What other rooms ask the catalogue while they work, in one statement for any number of codes.

What belongs here: code to article, and unit to factor. What does not: guessing what a person may mean
(``reading/find_article.sql``). SQL joins ``product_identifiers`` and the view ``article_units`` instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement


def find_articles(url: str, codes: Iterable[str], system: str | None = None) -> dict[str, int]:
    """Code to ``inventory_id``: the exact SKU, else the one article that has the code in ``system`` (None: in any).

    A GTIN is found with more or fewer zeros in front. What is unknown, or means two articles, is not in the answer.
    """
    wanted = sorted(set(codes))
    with connect(url) as connection:
        return dict(
            connection.execute(statement("lookup/articles"), {"codes": wanted, "system": system}).fetchall()
        )


def pack_factors(url: str, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Decimal]:
    """``(code, unit as somebody wrote it)`` to how many of the article's base unit one is; exact, always.

    The unit's own name goes first, then the same but for case and blanks, then a plural or singular of it. A pair that
    is not in the answer means no article, or no unit of it, or units of several sizes.
    """
    pairs = sorted(set(asked))
    articles = find_articles(url, (code for code, _ in pairs))
    rows = [
        (place, articles[code], spelling, rank)
        for place, (code, unit) in enumerate(pairs)
        if code in articles
        for rank, spellings in enumerate(_spellings(unit))
        for spelling in spellings
    ]
    if not rows:
        return {}
    columns = [list(column) for column in zip(*rows, strict=True)]
    values = dict(zip(("places", "ids", "spellings", "ranks"), columns, strict=True))
    with connect(url) as connection:
        found = connection.execute(statement("lookup/units_as_written"), values).fetchall()
    return {pairs[place]: factor for place, factor in found}


def _spellings(unit: str) -> tuple[set[str], set[str], set[str]]:
    """How the catalogue may write a unit, the nearest first."""
    plain = " ".join(unit.lower().rstrip(".").split())
    endings = ("es", "en", "s", "n", "e")
    others = {plain.removesuffix(ending) for ending in endings} | {plain + ending for ending in endings}
    return {unit}, {plain}, {other for other in others if len(other) > 1} - {plain}
