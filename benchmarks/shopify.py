"""How near the channel to Shopify comes to what the shop allows, and what it costs us.

What belongs here: a day's reverse sync of 2,000 products with 5 variants each, under a simulated clock and a Standard
plan's bucket; hours of waiting pass in the time that the work takes. The shop's own processor time is taken out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from decimal import Decimal

from pydantic import SecretStr

from benchmarks.database import fresh_database
from benchmarks.measure import Figure, Report
from syncstock_dagster import SyncStockDB
from syncstock_dagster.channels.shopify import sync
from syncstock_dagster.channels.shopify.client import Credentials, ShopifyClient
from syncstock_dagster.channels.shopify.policy import Options
from syncstock_dagster.channels.shopify.truth import StyleCodeTruth
from syncstock_dagster.demo.vendors.clock import SimulatedClock
from syncstock_dagster.demo.vendors.shopify import Shop
from syncstock_dagster.stock.policy import Policies

_PRODUCTS, _VARIANTS = 2_000, 5
_RATE, _BUCKET = 100.0, 2_000.0  # a Standard plan
_LATENCY = 0.25
_SEED = 4


def run(*, full: bool) -> Report:
    """One run over the whole shop: a third of the levels are wrong."""
    del full
    report = Report(
        "shopify", f"a reverse sync of {_PRODUCTS:,} products with {_VARIANTS} variants, {_RATE:g} points/s"
    )
    clock = SimulatedClock()
    shop = Shop(clock=clock, rate=_RATE, maximum=_BUCKET, latency=_LATENCY, index_lag=30)
    truth = _fill(shop)
    clock.sleep(60)
    with fresh_database() as url:
        SyncStockDB(url, policies=Policies())
        client = ShopifyClient(
            "bench.myshopify.com", Credentials(SecretStr(shop.token)), version="2026-10", clock=clock,
            transport=shop.transport,
        )  # fmt: skip

        def read_levels(style_codes: Sequence[str]) -> list[tuple[str, str, str, Decimal, None]]:
            return [
                (sku, style, "main", level, None)
                for style in style_codes
                for sku, level in truth[style].items()
            ]

        channel = sync.Channel(url, client, truth=StyleCodeTruth("bench", read_levels))
        began, used = clock.monotonic(), time.process_time()
        wall = time.perf_counter()
        told = sync.execute(channel, options=Options(delete_zero_stock=False))
        used = time.process_time() - used - shop.seconds_inside
        report.stages["wall clock of the simulation"] = time.perf_counter() - wall
        seconds = clock.monotonic() - began
    _right(shop, truth)
    numbers, performance = told["report"]["statistics"], told["report"]["performance"]
    # The bucket is full at the start; what follows comes in at the rate.
    ideal = (shop.points - _BUCKET) / _RATE
    report.figures = [
        Figure("time over what the limit allows", seconds / ideal, "of 1", 1 / 0.9),
        Figure("processor time of ours a product", used * 1e3 / _PRODUCTS, "ms", 10.0),
    ]
    report.facts = {
        "share of the theoretical rate": f"{ideal / seconds:.3f}",
        "products a second (simulated)": f"{_PRODUCTS / seconds:.2f}",
        "variants updated": numbers["variants_updated"],
        "points": round(shop.points),
        "points a product": f"{shop.points / _PRODUCTS:.1f}",
        "calls": performance["calls"],
        "times throttled": shop.throttled,
        "seconds (simulated)": f"{seconds:.0f}",
    }
    return report


def _fill(shop: Shop) -> dict[str, dict[str, Decimal]]:
    chance = random.Random(_SEED)
    main = shop.add_location("Main")
    truth: dict[str, dict[str, Decimal]] = {}
    for number in range(_PRODUCTS):
        style = f"24X{number:04}"
        product = shop.add_product(style, metafields={"rms.ccod": style})
        truth[style] = {}
        for size in range(36, 36 + _VARIANTS):
            level = chance.randint(0, 20)
            shop.add_variant(product, f"{style}-{size}", {main: level})
            truth[style][f"{style}-{size}"] = Decimal(
                chance.randint(0, 20) if chance.random() < 1 / 3 else level
            )
    return truth


def _right(shop: Shop, truth: dict[str, dict[str, Decimal]]) -> None:
    """A fast run that is wrong is not fast."""
    (main,) = shop.locations
    for variant in shop.variants.values():
        style = variant.product.metafields["rms.ccod"]
        assert variant.quantity(main, "on_hand") == truth[style][variant.sku or ""], variant.sku
