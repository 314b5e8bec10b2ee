"""The demo of other systems: stand-ins on loopback know the demo's articles, are pulled from and set right.

What belongs here: asking them, and telling what came out. What does not: the stand-ins and what they hold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from syncstock_dagster.accounts import Accounts
from syncstock_dagster.catalog.policy import AutoCommit, SourceChanges
from syncstock_dagster.channels.shopify.client import Credentials, ShopifyClient
from syncstock_dagster.channels.shopify.policy import ShopifyPolicy
from syncstock_dagster.channels.shopify.sync import Channel, apply, plan
from syncstock_dagster.demo.vendors import served
from syncstock_dagster.demo.vendors.stocked import (
    ZOHO_LOCATION,
    Named,
    stocked_rms,
    stocked_shop,
    stocked_xorosoft,
    stocked_zoho,
)
from syncstock_dagster.sources.asking import rules_of
from syncstock_dagster.sources.protocol import Ask, Source
from syncstock_dagster.sources.pull import PullResult, Rules, pull
from syncstock_dagster.sources.rms import PRESET
from syncstock_dagster.sources.sql_levels import SqlSource, SqlTable
from syncstock_dagster.sources.vendors import Context, read_table
from syncstock_dagster.sources.xorosoft import Xorosoft, XorosoftTable
from syncstock_dagster.sources.zoho import Zoho, ZohoTable
from syncstock_dagster.store.connection import connect

if TYPE_CHECKING:
    from syncstock_dagster import SyncStockDB

ARTICLES = 1_500
_ZOHO_PLACE, _XOROSOFT_PLACE, _RMS_PLACE = "london", "cairo", "newyork"
_SHOP = "syncstock-demo.myshopify.com"
#: By how much the other system is off, for which of the articles: within tolerance, to review, to hold.
_OFF = {7: 3, 17: -4, 30: 40, 70: 250}

_SHOWN = (
    ("api_calls", "calls or queries"),
    ("items", "articles seen"),
    ("levels_changed", "levels that differ from what it said last"),
    ("counts_new", "counts taken"),
    ("counts_applied", "counts applied"),
    ("counts_review", "counts applied, to review"),
    ("counts_held", "counts held for a decision"),
    ("counts_advisory", "counts compared only"),
    ("committed", "changes of articles committed"),
)
_SHOWN_OF_SHOP = (
    ("products_found", "products without the day's tag"),
    ("variants_checked", "variants looked at"),
    ("already_right", "levels that were right"),
    ("variants_updated", "variants set right"),
    ("skipped", "levels left, because our stock does not say a whole number"),
    ("deletions_waiting", "variants without stock, to be deleted if somebody approves"),
    ("errors", "products with an error"),
)


def show_vendors(
    db: SyncStockDB, console: Console, *, articles: int = ARTICLES, calls_a_minute: float = 60
) -> tuple[list[PullResult], dict[str, Any]]:
    """Pull from stand-ins of Zoho, Xorosoft and RMS, and set a shop at Shopify right; what came of each."""
    products = db.products().sort_values("sku").head(articles)
    named = [(str(row.sku), str(row.name or row.sku)) for row in products.itertuples(index=False)]
    rules = rules_of(db)
    auto = SourceChanges(auto_commit=AutoCommit(max_changes=Decimal(2 * articles)))
    catalogue = rules.catalogue.model_copy(
        update={"sources": {**rules.catalogue.sources, **dict.fromkeys(("zoho", "xorosoft", "rms"), auto)}}
    )
    rules = Rules(rules.policies, catalogue, rules.default_location)
    results = []
    zoho = stocked_zoho(named, _stock(db, "zoho", _ZOHO_PLACE))
    with served(zoho.app) as address:
        accounts = Accounts(
            zoho_client_id=zoho.client_id,
            zoho_client_secret=SecretStr(zoho.client_secret),
            zoho_refresh_token=SecretStr(zoho.refresh_token),
            zoho_organization_id=zoho.organisation,
            zoho_url=address,
        )
        table = ZohoTable(
            by_location=True, locations={ZOHO_LOCATION: _ZOHO_PLACE}, calls_a_minute=calls_a_minute
        )
        source: Source = Zoho(table, Context(db.url, "zoho", accounts))
        results.append(_pull(db, source, rules, console, "Zoho: everything"))
        sold = next(iter(zoho.items.values()))
        zoho.set_stock(sold.item_id, str(Decimal(sold.stock[ZOHO_LOCATION]) - 1))
        results.append(_pull(db, source, rules, console, "Zoho: again, after it sold one piece"))
        source.close()
    xorosoft = stocked_xorosoft(named, _stock(db, "xorosoft", _XOROSOFT_PLACE))
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
    with TemporaryDirectory(prefix="syncstock-rms-") as folder:
        rms = stocked_rms(Path(folder) / "rms.sqlite", named, _stock(db, "rms", _RMS_PLACE))
        asked = read_table("rms", SqlTable, {**PRESET, "location": _RMS_PLACE})
        source = SqlSource("rms", asked, rms.url, Context(db.url, "rms"))
        results.append(
            _pull(db, source, rules, console, "RMS: everything out of its database, compared only")
        )
        source.close()
    return results, _sync_shop(db, named, console)


def _stock(db: SyncStockDB, source: str, place: str) -> dict[str, Decimal]:
    """What the other system has: what it said last; before that ours, but for some articles."""
    with connect(db.url) as connection:
        said = connection.execute(
            "select sku, quantity from source_levels where source = %s and location = %s", (source, place)
        ).fetchall()
    if said:
        return dict(said)
    ours = _ours(db, place)
    return {sku: ours[sku] + _OFF.get(place_of, 0) for place_of, sku in enumerate(sorted(ours))}


def _ours(db: SyncStockDB, place: str) -> dict[str, Decimal]:
    frame = db.on_hand(locations=[place]).merge(db.products()[["inventory_id", "sku"]], on="inventory_id")
    return dict(zip(frame["sku"], frame["on_hand"], strict=True))


def _of_shop(db: SyncStockDB) -> dict[str, Decimal]:
    """What the shop has: what is right where it was set right before; else more of every fifth article."""
    ours = _ours(db, _ZOHO_PLACE)
    with connect(db.url) as connection:
        known = connection.execute(
            "select from shopify_variants where shop = %s limit 1", (_SHOP,)
        ).fetchone()
    return ours if known else {sku: ours[sku] + 2 * (n % 5 == 0) for n, sku in enumerate(sorted(ours))}


def _sync_shop(db: SyncStockDB, named: Named, console: Console) -> dict[str, Any]:
    """Find the products that the day's sync has missed, look at the plan, and carry it out."""
    policy = ShopifyPolicy()
    today = datetime.now(UTC).date()
    fake = stocked_shop(named, _of_shop(db), f"{policy.tag_prefix}{today:%y-%m-%d}")
    (place,) = fake.locations
    with served(fake.app) as address:
        client = ShopifyClient(_SHOP, Credentials(SecretStr(fake.token)), version="2026-10", address=address)
        policy = policy.model_copy(update={"locations": {place: (_ZOHO_PLACE,)}})
        channel = Channel(db.url, client, policy)
        with console.status("Shopify ..."):
            planned = plan(channel, day=today)
            report = apply(channel, planned["sync_id"])
        client.close()
    numbers = report["report"]["statistics"]
    _print(
        console,
        "Shopify: products that the day's sync has missed",
        [(numbers[name], words) for name, words in _SHOWN_OF_SHOP],
        report["report"]["duration_seconds"],
    )
    return report


def _pull(db: SyncStockDB, source: Source, rules: Rules, console: Console, title: str) -> PullResult:
    with console.status(f"{title} ..."):
        result = pull(db.url, source, Ask(), rules)
    _print(console, title, [(getattr(result, name), words) for name, words in _SHOWN], result.took)
    return result


def _print(console: Console, title: str, numbers: list[tuple[int, str]], seconds: float) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for number, words in numbers:
        if number:
            table.add_row(f"{number:,}", words)
    table.add_row(f"{seconds:,.1f}", "seconds")
    console.print(table)
