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


def codes_of(url: str, system: str, inventory_ids: Iterable[int]) -> dict[int, str]:
    """``inventory_id`` to the article's code in a system; the first where it has several."""
    with connect(url) as connection:
        return dict(
            connection.execute(
                "select inventory_id, min(identifier) from product_identifiers "
                "where system = %s and inventory_id = any(%s::bigint[]) group by inventory_id",
                (system, sorted(set(inventory_ids))),
            ).fetchall()
        )


def unit_factors(url: str, pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Decimal]:
    """``(inventory_id, unit)`` to how many of the article's base unit one is; exact, always.

    A pair that is not in the answer cannot be converted exactly: the unit is unknown, or of another dimension.
    """
    wanted = sorted(set(pairs))
    values = {"ids": [one[0] for one in wanted], "units": [one[1] for one in wanted]}
    with connect(url) as connection:
        rows = connection.execute(statement("lookup/units"), values).fetchall()
    return {(inventory_id, unit): factor for inventory_id, unit, factor in rows}
