"""RMS: the stock of Microsoft Dynamics RMS out of its database, as a source and as the truth for a channel.

What belongs here: the preset of RMS's view, and asking for the stock of certain articles. What does not: reading a
database in general (``sources.sql_levels``).

For other rooms, two plain functions; both read the account from ``SYNCSTOCK_RMS_URL`` and ``[vendors.rms]`` unless a
``source`` (``sql_levels.SqlSource``) is given:

    read_levels(*, skus=None, style_codes=None, source=None) -> Iterator[SqlLevel]

streams ``SqlLevel(sku, style_code, location, quantity, updated_at)``, one for each SKU and location; all of them where
neither SKUs nor style codes are named. ``quantity`` is a Decimal, or None where the database says nothing: not zero.

    stock_of(*, skus=(), style_codes=(), source=None) -> Stock

is the answer as a mapping, with what is missing named. Both raise ``RefusedError`` or ``UnreachableError``
(``sources.protocol``) where there is no answer: an error is never an empty one, and missing is never zero. Who acts on
the answer must leave alone what is missing.

View and columns are those seen in public code; nothing was tried against a live RMS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from syncstock_dagster.settings import get_settings
from syncstock_dagster.sources.sql_levels import SqlLevel, SqlSource, SqlTable
from syncstock_dagster.sources.vendors import Context, NotConfiguredError, read_table, tables

NAME = "rms"

#: CCOD is the code that the colours and sizes of one style share; C_ARTICULO the SKU. ExisNN is the stock of store NN:
#: ``location_columns = { Exis57 = "north" }`` reads those.
PRESET: Mapping[str, Any] = {
    "query": "select * from View_Items",
    "columns": {
        "sku": "C_ARTICULO",
        "style_code": "CCOD",
        "quantity": "Quantity",
        "name": "Description",
        "price": "Price",
    },
}


class RmsTable(SqlTable):
    """``[vendors.rms]``."""

    #: Its URL is an account of its own: ``SYNCSTOCK_RMS_URL``.
    url_variable: None = None


def open_source(table: Mapping[str, Any], context: Context) -> SqlSource:
    """RMS as it is configured here.

    Raises:
        NotConfiguredError: the URL of its database is not set.
    """
    url = context.accounts.rms_url
    if url is None:
        raise NotConfiguredError(
            "RMS is not configured: set SYNCSTOCK_RMS_URL to the SQLAlchemy URL of its database "
            "(mssql+pymssql://reader:...@host/database; pip install 'syncstock-dagster[rms]')."
        )
    rules = read_table(NAME, RmsTable, {**PRESET, **table})
    return SqlSource(NAME, rules, url.get_secret_value(), context)


@dataclass(frozen=True, slots=True)
class Stock:
    """The stock of what was asked for."""

    #: SKU as it was asked for (or as the database has it, for styles) and location, to the row.
    levels: dict[tuple[str, str | None], SqlLevel]
    #: SKUs and style codes that the database does not know, or of which it says nothing. They are not zero.
    missing: frozenset[str]

    def quantities(self, sku: str) -> dict[str | None, Any]:
        """Location to quantity of one SKU; empty where it is missing."""
        return {location: level.quantity for (known, location), level in self.levels.items() if known == sku}


def read_levels(
    *,
    skus: Iterable[str] | None = None,
    style_codes: Iterable[str] | None = None,
    source: SqlSource | None = None,
) -> Iterator[SqlLevel]:
    """Rows of stock of some SKUs (case and blanks do not matter) or styles, or of everything, streamed."""
    with _opened(source) as asked:
        yield from asked.read_levels(skus=skus, style_codes=style_codes)


def stock_of(
    *, skus: Iterable[str] = (), style_codes: Iterable[str] = (), source: SqlSource | None = None
) -> Stock:
    """The stock of some SKUs and styles. A SKU is found whatever its case and blanks around it, where exactly one fits.

    One that stands twice in one location is missing: which row is right is not known.
    """
    wanted, styles = list(dict.fromkeys(skus)), list(dict.fromkeys(style_codes))
    exact: dict[str, list[SqlLevel]] = {}
    folded: dict[str, set[str]] = {}
    levels: dict[tuple[str, str | None], SqlLevel] = {}
    said: set[str] = set()
    twice: set[str] = set()
    with _opened(source) as asked:
        for level in asked.read_levels(skus=wanted) if wanted else ():
            if level.quantity is not None:
                if any(level.location == known.location for known in exact.get(level.sku, ())):
                    twice.add(level.sku)
                exact.setdefault(level.sku, []).append(level)
                folded.setdefault(level.sku.strip().casefold(), set()).add(level.sku)
        for level in asked.read_levels(style_codes=styles) if styles else ():
            if level.quantity is not None:
                if (level.sku, level.location) in levels:
                    twice.add(level.sku)
                levels[level.sku, level.location] = level
                said.add(str(level.style_code))
    for sku in wanted:
        twins = folded.get(sku.strip().casefold(), set())
        known = sku if sku in exact else next(iter(twins)) if len(twins) == 1 else None
        if known is not None and known not in twice:
            said.add(sku)
            levels |= {(sku, level.location): level for level in exact[known]}
    levels = {key: level for key, level in levels.items() if level.sku not in twice}
    return Stock(levels, frozenset({*wanted, *styles} - said))


@contextmanager
def _opened(source: SqlSource | None) -> Iterator[SqlSource]:
    if source is not None:
        yield source
        return
    found = open_source(tables(get_settings().config_file).get(NAME, {}), Context("", NAME))
    try:
        yield found
    finally:
        found.close()


__all__ = ["NAME", "NotConfiguredError", "SqlLevel", "Stock", "open_source", "read_levels", "stock_of"]
