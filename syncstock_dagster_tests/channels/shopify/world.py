"""A shop at Shopify, a truth that is asked by style codes, and the channel between them, all under one clock.

Put here what several tests of the channel build. Keep out the rules they prove.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from syncstock_dagster.channels.shopify import sync
from syncstock_dagster.channels.shopify.client import Credentials, ShopifyClient
from syncstock_dagster.channels.shopify.policy import Options, ShopifyPolicy
from syncstock_dagster.channels.shopify.truth import StyleCodeTruth
from syncstock_dagster.demo.vendors.clock import SimulatedClock
from syncstock_dagster.demo.vendors.shopify import Product, Shop, Variant

_numbers = itertools.count(1)


class Killed(BaseException):
    """A process dies at this call; ``is_after``: when the shop has carried it out."""

    def __init__(self, *, is_after: bool = False) -> None:
        self.is_after = is_after


@dataclass
class World:
    """All of it. ``truth`` is style code to SKU to location to quantity."""

    url: str
    policy: ShopifyPolicy = field(default_factory=ShopifyPolicy)
    version: str = "2026-10"
    index_lag: float = 30
    truth: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)  # style codes of which reading fails
    readings: int = 0
    name: str = field(default_factory=lambda: f"shop-{next(_numbers)}.myshopify.com")

    def __post_init__(self) -> None:
        self.clock = SimulatedClock()
        self.shop = Shop(clock=self.clock, index_lag=self.index_lag, latency=0.1)
        self.main = self.shop.add_location("Main")

    def add(
        self, style: str | None, levels: dict[str, Any], truth: dict[str, Any] | None = None, **values: Any
    ) -> Product:
        """A product: SKUs to what is available in the shop's first location; and what the truth says of them."""
        metafields = {} if style is None else {"rms.ccod": style}
        product = self.shop.add_product(f"Product {style}", metafields=metafields, **values)
        for sku, level in levels.items():
            places = level if isinstance(level, dict) and self.main in level else {self.main: level}
            self.shop.add_variant(product, sku, places)
        if style is not None and truth is not None:
            known = {sku: row if isinstance(row, dict) else {"main": row} for sku, row in truth.items()}
            self.truth.setdefault(style, {}).update(known)
        self.clock.sleep(self.index_lag + 1)
        return product

    def variant(self, sku: str) -> Variant:
        """The variant of a SKU."""
        return next(one for one in self.shop.variants.values() if one.sku == sku)

    def level(self, sku: str, name: str = "on_hand", location: str | None = None) -> int:
        """A quantity in the shop."""
        return self.variant(sku).quantity(location or self.main, name)

    def read_levels(self, style_codes: Sequence[str]) -> list[tuple[Any, ...]]:
        """What the truth's system answers."""
        self.readings += 1
        if self.broken & set(style_codes):
            raise ConnectionError("the truth's server does not answer; password=hush")
        return [
            (sku, style, location, Decimal(quantity), None)
            for style in style_codes
            for sku, places in self.truth.get(style, {}).items()
            for location, quantity in places.items()
        ]

    def channel(self) -> sync.Channel:
        """A process of ours, from its start: nothing is known but what is on record."""
        client = ShopifyClient(
            self.name, Credentials(SecretStr(self.shop.token)), version=self.version, clock=self.clock,
            transport=self.shop.transport,
        )  # fmt: skip
        return sync.Channel(self.url, client, self.policy, StyleCodeTruth("rms", self.read_levels))

    def run(self, **given: Any) -> dict[str, Any]:
        """One run."""
        values = {"max_concurrent": 1} | given
        kind = values.pop("kind", "reverse")
        return sync.execute(self.channel(), kind, options=Options(**values))

    def wait(self, **given: float) -> None:
        """Time passes."""
        self.clock.sleep(timedelta(**given).total_seconds())
