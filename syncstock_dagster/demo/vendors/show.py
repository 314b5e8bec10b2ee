"""The demo of systems that are asked: stand-ins on loopback know the demo's articles, and are pulled from.

What belongs here: what the stand-ins hold, pulling, and telling what came out. What does not: the stand-ins.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from syncstock_dagster.accounts import Accounts
from syncstock_dagster.catalog.policy import AutoCommit, SourceChanges
from syncstock_dagster.demo.vendors import served
from syncstock_dagster.demo.vendors.xorosoft import XorosoftItem, XorosoftStandIn
from syncstock_dagster.demo.vendors.zoho import ZohoStandIn, make_items
from syncstock_dagster.sources.asking import rules_of
from syncstock_dagster.sources.protocol import Ask, Source
from syncstock_dagster.sources.pull import PullResult, Rules, pull
from syncstock_dagster.sources.vendors import Context
from syncstock_dagster.sources.xorosoft import Xorosoft, XorosoftTable
from syncstock_dagster.sources.zoho import Zoho, ZohoTable
from syncstock_dagster.store.connection import connect

if TYPE_CHECKING:
    from syncstock_dagster import SyncStockDB

ARTICLES = 1_500
_ZOHO_PLACE, _XOROSOFT_PLACE = "london", "cairo"
_ZOHO_LOCATION = "460000000038080"
#: By how much the other system is off, for which of the articles: within tolerance, to review, to hold.
_OFF = {7: 3, 17: -4, 30: 40, 70: 250}

_SHOWN = (
    ("api_calls", "calls"),
    ("items", "articles seen"),
    ("levels_changed", "levels that differ from what it said last"),
    ("counts_new", "counts taken"),
    ("counts_applied", "counts applied"),
    ("counts_review", "counts applied, to review"),
    ("counts_held", "counts held for a decision"),
    ("counts_advisory", "counts compared only"),
    ("committed", "changes of articles committed"),
)


def show_vendors(
    db: SyncStockDB, console: Console, *, articles: int = ARTICLES, calls_a_minute: float = 60
) -> list[PullResult]:
    """Pull from stand-ins of Zoho and Xorosoft: everything first, and what changed afterwards."""
    products = db.products().sort_values("sku").head(articles)
    named = [(str(row.sku), str(row.name or row.sku)) for row in products.itertuples(index=False)]
    rules = rules_of(db)
    auto = SourceChanges(auto_commit=AutoCommit(max_changes=Decimal(2 * articles)))
    catalogue = rules.catalogue.model_copy(
        update={"sources": {**rules.catalogue.sources, "zoho": auto, "xorosoft": auto}}
    )
    rules = Rules(rules.policies, catalogue, rules.default_location)
    results = []
    zoho = _zoho(named, _stock(db, "zoho", _ZOHO_PLACE))
    with served(zoho.app) as address:
        accounts = Accounts(
            zoho_client_id=zoho.client_id,
            zoho_client_secret=SecretStr(zoho.client_secret),
            zoho_refresh_token=SecretStr(zoho.refresh_token),
            zoho_organization_id=zoho.organisation,
            zoho_url=address,
        )
        table = ZohoTable(
            by_location=True, locations={_ZOHO_LOCATION: _ZOHO_PLACE}, calls_a_minute=calls_a_minute
        )
        source: Source = Zoho(table, Context(db.url, "zoho", accounts))
        results.append(_pull(db, source, rules, console, "Zoho: everything"))
        sold = next(iter(zoho.items.values()))
        zoho.set_stock(sold.item_id, str(Decimal(sold.stock[_ZOHO_LOCATION]) - 1))
        results.append(_pull(db, source, rules, console, "Zoho: again, after it sold one piece"))
        source.close()
    xorosoft = _xorosoft(named, _stock(db, "xorosoft", _XOROSOFT_PLACE))
    with served(xorosoft.app) as address:
        accounts = Accounts(
            xorosoft_key=SecretStr(xorosoft.key),
            xorosoft_secret=SecretStr(xorosoft.secret),
            xorosoft_url=f"{address}/api/xerp/",
        )
        given = XorosoftTable(locations={"Cairo": _XOROSOFT_PLACE}, calls_a_minute=calls_a_minute)
        source = Xorosoft(given, Context(db.url, "xorosoft", accounts))
        results.append(_pull(db, source, rules, console, "Xorosoft: everything, compared only"))
        source.close()
    return results


def _stock(db: SyncStockDB, source: str, place: str) -> dict[str, Decimal]:
    """What the other system has: what it said last; before that ours, but for some articles."""
    with connect(db.url) as connection:
        said = connection.execute(
            "select sku, quantity from source_levels where source = %s and location = %s", (source, place)
        ).fetchall()
    if said:
        return dict(said)
    frame = db.on_hand(locations=[place]).merge(db.products()[["inventory_id", "sku"]], on="inventory_id")
    ours = dict(zip(frame["sku"], frame["on_hand"], strict=True))
    skus = sorted(ours)
    return {sku: ours[sku] + _OFF.get(place_of, 0) for place_of, sku in enumerate(skus)}


def _zoho(named: list[tuple[str, str]], stock: Mapping[str, Decimal]) -> ZohoStandIn:
    fake = ZohoStandIn(locations={_ZOHO_LOCATION: "London"})
    items = make_items(len(named), named)
    for item in items:
        item.stock = {_ZOHO_LOCATION: f"{stock.get(item.sku, 0):f}"}
        item.category = None
    fake.put(items)
    return fake


def _xorosoft(named: list[tuple[str, str]], stock: Mapping[str, Decimal]) -> XorosoftStandIn:
    fake = XorosoftStandIn(page_size=200)
    fake.put(
        XorosoftItem(f"{n}", sku, name, {"Cairo": f"{stock.get(sku, 0):f}"})
        for n, (sku, name) in enumerate(named)
    )
    return fake


def _pull(db: SyncStockDB, source: Source, rules: Rules, console: Console, title: str) -> PullResult:
    with console.status(f"{title} ..."):
        result: Any = pull(db.url, source, Ask(), rules)
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for name, words in _SHOWN:
        if number := getattr(result, name):
            table.add_row(f"{number:,}", words)
    table.add_row(f"{result.took:,.1f}", "seconds")
    console.print(table)
    return result
