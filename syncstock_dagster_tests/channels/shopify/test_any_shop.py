"""Any shop, any truth, any faults, against what must hold at the end; and death at every call.

What must hold: each level is what the truth says, or a reason is on record; a write never erases a sale that was made
after the shop was looked at; no call takes effect twice; no variant goes that a rule protects.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster.channels.shopify import sync
from syncstock_dagster.channels.shopify.errors import ShopifyError
from syncstock_dagster.channels.shopify.policy import Options, ShopifyPolicy
from syncstock_dagster.demo.vendors.shopify import Variant
from syncstock_dagster_tests.channels.shopify.world import Killed, World

QUANTITIES = st.integers(0, 6)
TRUTHS = st.one_of(QUANTITIES, st.just(0), st.integers(-2, -1), st.just(None), st.just("1.5"))
FAULTS = st.sampled_from(
    [
        "drop",
        "after:drop",
        "500",
        "html",
        "429",
        "cut",
        "after:cut",
        "throttled",
        "error",
        "kill",
        "kill after",
        "dead",
    ]
)


@dataclass(frozen=True)
class Sku:
    """One variant of an example."""

    level: int
    truth: Any
    is_tracked: bool
    incoming: int
    was_sold: bool


SKUS = st.builds(
    Sku, QUANTITIES, TRUTHS, st.sampled_from([True] * 7 + [False]), st.sampled_from([0] * 6 + [2]),
    st.sampled_from([False] * 5 + [True]),
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A shop, what goes wrong at which call, and what is sold at which call."""

    products: list[list[Sku]]
    has_style: list[bool]
    faults: dict[int, str]
    sales: dict[int, int]  # call to the number of the variant
    truth_knows: bool
    batch_size: int
    version: str


EXAMPLES = st.builds(
    Example,
    st.lists(st.lists(SKUS, min_size=1, max_size=4), min_size=1, max_size=4),
    st.lists(st.sampled_from([True] * 6 + [False]), min_size=4, max_size=4),
    st.dictionaries(st.integers(2, 14), FAULTS, max_size=4),
    st.dictionaries(st.integers(3, 12), st.integers(0, 15), max_size=6),
    st.booleans(),
    st.sampled_from([1, 2, 50]),
    st.sampled_from(["2026-04", "2026-10"]),
)


class Trial:
    """An example at work, with everything it does looked at as it happens."""

    def __init__(self, url: str, example: Example) -> None:
        self.example = example
        policy = ShopifyPolicy(deletions="automatic", lock_seconds=0.1)
        self.world = world = World(url, policy, version=example.version, index_lag=5)
        self.problems: list[str] = []
        self.sold: dict[
            str, int
        ] = {}  # item to how many writes there were when it was sold, unknown to the truth
        for number, skus in enumerate(example.products):
            style = f"C{number}" if example.has_style[number] else None
            product = world.add(style, {})
            for position, sku in enumerate(skus):
                code = f"{number}-{position}"
                levels = {world.main: {"available": sku.level, "incoming": sku.incoming}}
                variant = world.shop.add_variant(product, code, levels, tracked=sku.is_tracked)
                if sku.truth is not None and style is not None:
                    world.truth.setdefault(style, {})[code] = {"main": sku.truth}
                if sku.was_sold:
                    variant.levels[world.main]["available"] += 1
                    world.shop.sell(variant, world.main, 1)
        self._watch_deletions()
        world.shop.before_call = self._sell
        world.shop.fault = self._fault
        self._variants = list(world.shop.variants.values())
        self._dead_until = 0
        self._done: set[int] = set()

    def truth_of(self, variant: Variant) -> Any:
        """What the truth says now; None where it says nothing."""
        style = variant.product.metafields.get("rms.ccod", "")
        return self.world.truth.get(style, {}).get(variant.sku or "", {}).get("main")

    def run(self) -> None:
        """Processes come and die until one gets to its end and nothing is open."""
        for _ in range(12):
            try:
                report = sync.execute(
                    self.world.channel(),
                    options=Options(max_concurrent=1, batch_size=self.example.batch_size),
                )
            except Killed:
                continue
            except ShopifyError:
                continue
            if not report["report"]["statistics"]["products_open"]:
                return
        raise AssertionError("it does not come to an end")

    def _fault(self, number: int, name: str) -> str | BaseException | None:
        if number <= self._dead_until:
            return "drop"
        fault = self.example.faults.get(number)
        if fault is None or number in self._done:
            return None
        self._done.add(number)
        if fault == "dead":
            self._dead_until = number + 8
            return "drop"
        if fault.startswith("kill"):
            return Killed(is_after=fault == "kill after")
        return fault

    def _sell(self, name: str) -> None:
        """Just before a call: what was looked at earlier is outdated by it."""
        number = self.world.shop._number
        if name not in ("SetQuantities", "ReadLevels", "AddTags") or number not in self.example.sales:
            return
        variant = self._variants[self.example.sales[number] % len(self._variants)]
        if variant.id not in self.world.shop.variants or variant.levels[self.world.main]["available"] < 1:
            return
        known = self.truth_of(variant)
        self.world.shop.sell(variant, self.world.main, 1)
        if self.example.truth_knows and known is not None:
            style = variant.product.metafields["rms.ccod"]
            self.world.truth[style][variant.sku or ""]["main"] = Decimal(known) - 1
        elif not self.example.truth_knows:
            self.sold[variant.item_id] = len(self.world.shop.writes)

    def _watch_deletions(self) -> None:
        shop, remove = self.world.shop, self.world.shop.remove_variant

        def watched(variant: Variant) -> None:
            known = self.truth_of(variant)
            if known is None or Decimal(known) != 0:
                self.problems.append(f"{variant.sku} went, and the truth says {known}")
            if any(quantity for level in variant.levels.values() for quantity in level.values()):
                self.problems.append(f"{variant.sku} went with {variant.levels}")
            if not variant.tracked or any(sku == variant.sku for sku, _ in shop.orders):
                self.problems.append(f"{variant.sku} went, which a rule protects")
            if len(variant.product.variants) == 1:
                self.problems.append(f"{variant.sku} went, the last one")
            remove(variant)

        shop.remove_variant = watched  # type: ignore[method-assign]


def reasons(url: str, shop: str) -> tuple[set[str], set[str]]:
    """Variants and products of which something is on record that explains them."""
    with psycopg.connect(url) as connection:
        variants = connection.execute(
            "select w.variant_id from syncstock.shopify_writes as w join syncstock.shopify_syncs as s using (sync_id) "
            "where s.shop = %s and w.reason is not null and w.state in ('skipped', 'failed')",
            (shop,),
        ).fetchall()
        products = connection.execute(
            "select p.product_id from syncstock.shopify_products as p "
            "join syncstock.shopify_syncs as s using (sync_id) "
            "where s.shop = %s and p.reason is not null and p.state in ('skipped', 'failed')",
            (shop,),
        ).fetchall()
    return {row[0] for row in variants}, {row[0] for row in products}


def check(trial: Trial) -> None:
    """What must hold at the end."""
    world = trial.world
    assert trial.problems == []
    explained, products = reasons(world.url, world.name)
    for variant in world.shop.variants.values():
        known = trial.truth_of(variant)
        level = variant.quantity(world.main, "on_hand")
        is_right = known is not None and "." not in str(known) and level == max(0, int(known))
        is_sold_late = trial.sold.get(variant.item_id) is not None
        assert is_right or variant.id in explained or variant.product.id in products or is_sold_late, (
            variant.sku, level, known,
        )  # fmt: skip
    seen = [(write.key, write.item_id, write.location) for write in world.shop.writes]
    assert len(seen) == len(set(seen)), "a call took effect twice"


@pytest.mark.prove
@given(EXAMPLES)
def test_at_the_end_each_level_is_the_truth_or_has_its_reason(database_url: str, example: Example) -> None:
    trial = Trial(database_url, example)
    trial.run()
    check(trial)


@pytest.mark.prove
@given(EXAMPLES)
def test_no_write_is_older_than_a_sale(database_url: str, example: Example) -> None:
    """Where the truth learns of each sale at once, whatever is written is what the truth says at that very instant."""
    example = Example(**{**vars(example), "truth_knows": True, "products": [
        [Sku(sku.level, sku.truth, True, 0, False) for sku in skus] for skus in example.products
    ]})  # fmt: skip
    trial = Trial(database_url, example)
    shop = trial.world.shop
    once = shop.once

    def watched(key: str | None, arguments: Any, change: Any) -> dict[str, Any]:
        count = len(shop.writes)
        answer = once(key, arguments, change)
        for write in shop.writes[count:]:
            known = trial.truth_of(shop.items[write.item_id])
            if known is None or write.after != max(0, int(Decimal(known))):
                late.append(write)
        return answer

    late: list[Any] = []
    shop.once = watched  # type: ignore[method-assign]
    trial.run()
    assert late == []


@pytest.mark.prove
@given(EXAMPLES)
def test_a_sale_that_the_truth_does_not_know_is_never_written_over_by_the_same_run(
    database_url: str, example: Example
) -> None:
    example = Example(**{**vars(example), "truth_knows": False, "faults": {}, "batch_size": 50})
    trial = Trial(database_url, example)
    trial.run()
    writes = trial.world.shop.writes
    for item, count in trial.sold.items():
        assert item not in {write.item_id for write in writes[count:]}
    check(trial)


@pytest.mark.parametrize("is_after", [False, True])
def test_killed_at_every_call_it_goes_on_and_ends_the_same(database_url: str, is_after: bool) -> None:
    """Each call is the last one of a process once, before or after the shop has carried it out."""
    rows = [
        [Sku(5, 3, True, 0, False), Sku(2, 2, True, 0, False)],
        [Sku(1, 4, True, 0, False), Sku(3, 0, True, 0, False)],
    ]
    kind = "kill after" if is_after else "kill"
    for number in itertools.count(1):
        trial = Trial(database_url, Example(rows, [True] * 4, {number: kind}, {}, True, 1, "2026-10"))
        trial.run()
        check(trial)
        levels = {
            variant.sku: variant.quantity(trial.world.main, "on_hand")
            for variant in trial.world.shop.variants.values()
        }
        assert levels == {"0-0": 3, "0-1": 2, "1-0": 4}
        assert [variant.sku for variant in trial.world.shop.deleted] == ["1-1"]
        effects = [(write.item_id, write.before, write.after) for write in trial.world.shop.writes]
        assert len(effects) == len(set(effects)) == 3
        assert all("RMS-SYNC-26-03-02" in product.tags for product in trial.world.shop.products.values())
        if not trial._done:
            assert number > 8
            return
