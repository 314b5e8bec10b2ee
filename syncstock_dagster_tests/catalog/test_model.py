"""The catalogue against a simple model: stage, approve, commit, conflict, roll back, restore, in any order.

Put here the state machine. Keep out single cases (``test_staging``).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from syncstock_dagster import SyncStockDB
from syncstock_dagster.catalog.policy import CataloguePolicy
from syncstock_dagster.errors import BadInput
from syncstock_dagster_tests.conftest import FreshDatabases

SKUS = st.sampled_from(["A", "B"])
PRICES = st.integers(1, 4)
SOURCES = st.sampled_from(["zoho", "xorosoft"])
#: The id of an article that there never is.
UNKNOWN = 424_242
State = dict[str, int]
Said = dict[tuple[str, str], tuple[int, int]]


class Catalogue(RuleBasedStateMachine):
    """Prices of two articles, as people and two sources see them."""

    fresh: FreshDatabases

    @initialize()
    def begin(self) -> None:
        """An empty catalogue."""
        self.url = self.fresh.take()
        self.db = SyncStockDB(self.url)
        self.db.__dict__["catalogue_policy"] = CataloguePolicy()
        self.prices: State = {}
        # What a source said last, and what we had then: by source and SKU.
        self.said: Said = {}
        #: Source and SKU to the price that waits, and whether it is contested.
        self.waiting: dict[tuple[str, str], tuple[int | None, int, bool]] = {}
        # Operation, prices before and after, and what the sources had said before and after.
        self.history: list[tuple[str, State, State, Said, Said]] = []
        self.versions: dict[str, list[int]] = {}

    def teardown(self) -> None:
        """The audit is empty, and the versions are the prices that there ever were."""
        if not hasattr(self, "db"):
            return
        assert self.db.audit() == {}
        self.db.close()
        self.fresh.give_back(self.url)

    def check(self) -> None:
        """The catalogue is the model's."""
        frame = self.db.products()
        assert {
            sku: int(price)
            for sku, price in zip(frame["sku"], frame["price"], strict=True)
            if sku in self.prices
        } == self.prices
        waiting = {
            (row["source"], row["sku"]): (
                row["change_data"]["price"]["old"], row["change_data"]["price"]["new"], bool(row["has_conflicts"])
            )
            for row in self.db.staged().to_dict("records")
        }  # fmt: skip
        assert waiting == self.waiting
        for sku, prices in self.versions.items():
            states = self.db.product_versions(self.article(sku))["state"]
            assert [int(one["price"]) for one in states] == prices

    def article(self, sku: str) -> int:
        """Its id."""
        return int(self.db.products([sku])["inventory_id"][0])

    def moved(self, sku: str, price: int) -> None:
        """An article has another price: a version."""
        if self.prices.get(sku) != price:
            self.versions.setdefault(sku, []).append(price)
        self.prices[sku] = price

    @rule(sku=SKUS, price=PRICES)
    def somebody_changes_a_price(self, sku: str, price: int) -> None:
        before = dict(self.prices)
        result = self.db.change_products([{"sku": sku, "price": price}])
        self.moved(sku, price)
        self.history.append((result.operation_uuid, before, dict(self.prices), {}, {}))
        self.check()

    @rule(sku=SKUS, price=PRICES, source=SOURCES)
    def a_source_says_a_price(self, sku: str, price: int, source: str) -> None:
        self.db.stage_products([{"sku": sku, "price": price}], source=source)
        self.heard(sku, price, source)

    @rule(sku=SKUS, price=PRICES, source=SOURCES)
    def what_nobody_understood_is_mended_and_replayed(self, sku: str, price: int, source: str) -> None:
        """It is as if the source had said it right, and said it when it was replayed; twice is once."""
        self.db.stage_products([{"inventory_id": UNKNOWN, "price": price}], source=source)
        self.check()
        (letter,) = self.db.dead_letters()["dead_letter_id"]
        self.db.fix_letter(int(letter), {"sku": sku})
        self.db.replay_letter(int(letter))
        self.heard(sku, price, source)
        self.db.replay_letter(int(letter))
        self.check()

    def heard(self, sku: str, price: int, source: str) -> None:
        """What a source says waits, unless it is known."""
        now = self.prices.get(sku)
        key = (source, sku)
        remote, agreed = self.said.get(key, (None, None))
        self.waiting.pop(key, None)
        if now == price:
            self.said[key] = (price, now)
        elif remote != price:
            self.waiting[key] = (now, price, remote is not None and agreed != now)
        self.check()

    @precondition(lambda self: any(not contested for *_, contested in self.waiting.values()))
    @rule()
    def everything_that_can_is_committed(self) -> None:
        before = dict(self.prices)
        rows = self.db.staged()
        self.db.approve_staged(rows["staging_id"].to_list(), reason="fine")
        done = self.db.commit_staged()
        committed = 0
        heard_before = dict(self.said)
        # Sources are committed in the order of their names; whoever comes second finds the article moved.
        for key in sorted(self.waiting):
            old, new, contested = self.waiting[key]
            sku = key[1]
            if contested:
                continue
            now = self.prices.get(sku)
            if old is None and now is not None:
                continue  # it exists by now: a person looks
            if old is not None and now not in (old, new):
                self.waiting[key] = (old, new, True)
                continue
            self.moved(sku, new)
            self.said[key] = (new, new)
            del self.waiting[key]
            committed += 1
        assert done.committed == committed
        self.history.append((done.operation_uuid, before, dict(self.prices), heard_before, dict(self.said)))
        self.check()

    @precondition(lambda self: any(contested for *_, contested in self.waiting.values()))
    @rule(keep=st.sampled_from(["new", "old"]))
    def a_person_settles_a_conflict(self, keep: Any) -> None:
        conflicts = self.db.conflicts()
        row = conflicts.to_dict("records")[0]
        key = (row["source"], row["sku"])
        if key not in self.waiting or self.waiting[key][1] != int(row["remote_value"]["value"]):
            return  # of a change that was replaced meanwhile
        self.db.resolve(int(row["conflict_id"]), keep=keep, reason="looked")
        _, new, _ = self.waiting[key]
        if keep == "old":
            del self.waiting[key]
            self.said[key] = (new, self.prices[key[1]])
        else:
            self.waiting[key] = (int(row["local_value"]["value"]), new, False)
        self.check()

    @precondition(lambda self: bool(self.history))
    @rule(data=st.data())
    def an_operation_is_rolled_back(self, data: st.DataObject) -> None:
        uuid, before, after, heard_before, heard = self.history[-1]
        changed = {sku for sku in after if before.get(sku) != after[sku]}
        created = {sku for sku in changed if sku not in before}
        if created or not changed:
            return
        undone = self.db.rollback(uuid, reason="wrong")
        for sku in changed:
            self.moved(sku, before[sku])
        self.unsay(heard, heard_before)
        self.check()
        if data.draw(st.booleans()):
            self.db.rollback(undone.operation_uuid, reason="was right")
            for sku in changed:
                self.moved(sku, after[sku])
            self.unsay(heard_before, heard)
            self.check()
        else:
            self.history.pop()
            # The change is undone, and so is its commit: the row is no longer waiting either way.
        self.history = [one for one in self.history if one[2] == self.prices][-1:]

    def unsay(self, now: Said, then: Said) -> None:
        """What sources said in an operation is withdrawn with it, unless they have said something else since."""
        for key in now.keys() | then.keys():
            if now.get(key) == then.get(key) or self.said.get(key, (None,))[0] != now.get(key, (None,))[0]:
                continue
            if key in then:
                self.said[key] = then[key]
            else:
                del self.said[key]

    @precondition(lambda self: any(len(prices) > 1 for prices in self.versions.values()))
    @rule(data=st.data())
    def a_version_is_restored(self, data: st.DataObject) -> None:
        sku = data.draw(
            st.sampled_from(sorted(sku for sku, prices in self.versions.items() if len(prices) > 1))
        )
        number = data.draw(st.integers(1, len(self.versions[sku])))
        self.db.restore_product(self.article(sku), number, reason="back")
        self.moved(sku, self.versions[sku][number - 1])
        self.history.clear()
        self.check()

    @rule(sku=SKUS)
    def nonsense_changes_nothing(self, sku: str) -> None:
        with pytest.raises(BadInput):
            self.db.stage_products([{"sku": sku, "price": "a lot"}], source="zoho")
        self.check()


def test_the_catalogue_does_what_its_model_does(fresh_databases: FreshDatabases) -> None:
    """A few short histories; `make prove` tries many long ones."""
    _run(fresh_databases, examples=6, steps=14)


@pytest.mark.prove
def test_the_catalogue_does_what_its_model_does_at_length(fresh_databases: FreshDatabases) -> None:
    """Many histories in `make prove`; in the suite a few."""
    thorough = settings().max_examples > 100
    _run(fresh_databases, examples=300 if thorough else 2, steps=40 if thorough else 20)


def _run(fresh_databases: FreshDatabases, examples: int, steps: int) -> None:
    machine = type("Machine", (Catalogue,), {"fresh": fresh_databases})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine, settings=settings(settings(), max_examples=examples, stateful_step_count=steps)
    )
