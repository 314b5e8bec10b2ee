"""Stand-ins with a range of goods in them: the same articles at Zoho, Xorosoft and RMS and in a shop at Shopify.

What belongs here: what the stand-ins hold, made from SKUs, names and quantities. What does not: how they behave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from syncstock_dagster.channels.shopify.clock import SystemClock
from syncstock_dagster.demo.vendors.rms import RmsStandIn
from syncstock_dagster.demo.vendors.shopify import Shop
from syncstock_dagster.demo.vendors.xorosoft import XorosoftItem, XorosoftStandIn
from syncstock_dagster.demo.vendors.zoho import ZohoStandIn, make_items

#: SKU and name.
Named = Sequence[tuple[str, str]]
ZOHO_LOCATION = "460000000038080"
_VARIANTS = 3


def stocked_zoho(named: Named, stock: Mapping[str, Decimal]) -> ZohoStandIn:
    """Zoho with all of it in London."""
    fake = ZohoStandIn(locations={ZOHO_LOCATION: "London"})
    items = make_items(len(named), named)
    for item in items:
        item.stock = {ZOHO_LOCATION: f"{stock.get(item.sku, 0):f}"}
        item.category = None
    fake.put(items)
    return fake


def stocked_xorosoft(named: Named, stock: Mapping[str, Decimal]) -> XorosoftStandIn:
    """Xorosoft with all of it in Cairo."""
    fake = XorosoftStandIn(page_size=200)
    fake.put(
        XorosoftItem(f"{n}", sku, name, {"Cairo": f"{stock.get(sku, 0):f}"})
        for n, (sku, name) in enumerate(named)
    )
    return fake


def stocked_rms(path: Path, named: Named, stock: Mapping[str, Decimal]) -> RmsStandIn:
    """RMS with all of it in one store, three articles a style."""
    fake = RmsStandIn(path)
    fake.put(
        (f"ST{n // _VARIANTS:05}", sku, name, f"{stock.get(sku, 0):f}") for n, (sku, name) in enumerate(named)
    )
    return fake


def stocked_shop(named: Named, stock: Mapping[str, Decimal], tag: str) -> Shop:
    """A shop on Shopify's larger plan, three articles a product; every other product has the day's tag."""
    shop = Shop(clock=SystemClock(), versions=("2026-04", "2026-07", "2026-10"), maximum=20_000, rate=1_000)
    london = shop.add_location("London")
    for number in range(0, len(named), _VARIANTS):
        group = named[number : number + _VARIANTS]
        product = shop.add_product(group[0][1], tags=[tag] if number % (2 * _VARIANTS) else [])
        for sku, _ in group:
            shop.add_variant(product, sku, {london: max(0, int(stock.get(sku, 0)))})
    return shop
