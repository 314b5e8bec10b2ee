"""Days of trouble: whatever happens between and during pulls, the last whole one ends with what the vendor has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from random import Random

import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.demo.vendors.zoho import ZohoItem, ZohoStandIn
from syncstock_dagster.sources import hints
from syncstock_dagster.sources.protocol import SourceError
from syncstock_dagster.sources.pull import newest_change
from syncstock_dagster_tests.sources import vendors
from syncstock_dagster_tests.sources.test_contract import count_of, stock
from syncstock_dagster_tests.sources.vendors import Vendor

_FAULTS = (
    "500",
    "html",
    "cut",
    "timeout",
    "429/43",
    "429/44",
    "429/45",
    "429/1070",
    "401/14",
    "401/57",
    "200/9",
)
_PLACE = "460000000038080"


class _Trouble:
    """One vendor, and everything that may happen to it. Remembers every quantity that was ever true."""

    def __init__(self, db: SyncStockDB, vendor: Vendor, fake: ZohoStandIn, chance: Random) -> None:
        self.db, self.vendor, self.fake, self.chance = db, vendor, fake, chance
        self.rules = vendors.rules(db, trust="authoritative")
        self.made = 0

    def sell(self) -> None:
        item = self.chance.choice(list(self.fake.items))
        self.fake.set_stock(item, str(self.chance.randrange(0, 50)))

    def add(self) -> None:
        self.made += 1
        item = ZohoItem(
            f"4600000002{self.made:05}", f"N{self.made}", "New", {_PLACE: "7"}, modified_at=self.fake.now()
        )
        self.fake.put([item])

    def switch_off(self) -> None:
        self.fake.items[self.chance.choice(list(self.fake.items))].status = "inactive"

    def break_in(self) -> None:
        healthy = [None] * self.chance.randrange(0, 4)
        self.fake.faults.next(*healthy, *self.chance.choices(_FAULTS, k=self.chance.randrange(1, 7)))

    def meanwhile(self) -> None:
        call = len(self.fake.faults.calls) + self.chance.randrange(1, 6)
        self.fake.faults.before_call[call] = self.chance.choice((self.sell, self.add, self.switch_off))

    def pull(self) -> None:
        with suppress(SourceError):
            self.vendor.pull(self.db, self.rules)

    def pull_changes(self) -> None:
        if (since := newest_change(self.db.url, "zoho")) is not None:
            with suppress(SourceError):
                self.vendor.pull(self.db, self.rules, since=since)

    def hint(self) -> None:
        hints.receive(self.db.url, "zoho", self.chance.sample(list(self.fake.items), 2))
        self.vendor.clock.pass_by(minutes=1)
        with suppress(SourceError):
            hints.work_off(self.db.url, self.vendor.source, self.rules)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_last_whole_pull_ends_with_what_the_vendor_has(
    db: SyncStockDB, seed: int
) -> None:
    vendor, fake = vendors.zoho(db.url, 40)
    trouble = _Trouble(db, vendor, fake, Random(seed))
    steps: tuple[Callable[[], None], ...] = (
        trouble.sell, trouble.sell, trouble.add, trouble.switch_off, trouble.break_in, trouble.meanwhile,
        trouble.pull, trouble.pull, trouble.pull_changes, trouble.hint,
    )  # fmt: skip
    for _ in range(14):
        trouble.chance.choice(steps)()
    fake.faults.heal()
    vendor.clock.pass_by(hours=2)
    for _ in range(2):  # the first may go on with an older one
        assert vendor.pull(db, trouble.rules).status == "complete"
    active = {
        item.sku: Decimal(item.stock[_PLACE]) for item in fake.items.values() if item.status == "active"
    }
    assert {sku: quantity for sku, quantity in stock(db).items() if sku in active} == active
    assert count_of(db, "pulled_levels") == count_of(db, "pulled_items") == 0
    quiet = vendor.pull(db, trouble.rules)
    assert (quiet.levels_changed, quiet.items_changed) == (0, 0)
    assert db.audit() == {}
