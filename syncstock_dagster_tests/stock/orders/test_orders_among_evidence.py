"""Orders among everything else that happens: whatever came before and after them, every law holds in what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncstock_dagster import BadInput, MovementRecord, POSRecord, SyncStockDB
from syncstock_dagster_tests.stock.conftest import OpenDatabase

ARTICLES = st.sampled_from([1, 2])
#: Before, now and after; in days.
WHEN = st.sampled_from([-2.0, -1.0, -0.01, 0.0, 0.4, 1.0])
SMALL = st.integers(1, 8)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.lists(st.tuples(ARTICLES, SMALL), min_size=1, max_size=3)),
        st.tuples(st.just("move"), ARTICLES, st.integers(-8, 20).filter(bool), WHEN),
        st.tuples(st.just("count"), ARTICLES, st.integers(0, 200), WHEN, st.sampled_from(["pos", "excel"])),
        st.tuples(st.just("reserve"), st.lists(st.tuples(ARTICLES, SMALL), min_size=1, max_size=2)),
        st.tuples(st.just("commit")),
        st.tuples(st.just("cancel"), st.booleans()),
        st.tuples(st.just("undo")),
        st.tuples(st.just("close"), st.sampled_from([-1, 0])),
    ),
    min_size=4,
    max_size=14,
)


class Life:
    """One database, and what was done in it."""

    def __init__(self, db: SyncStockDB) -> None:
        self.db = db
        self.orders: list[str] = []
        self.carts: list[str] = []
        self.operations: list[str] = []
        self.number = 0

    def step(self, what: str, *given: object) -> None:
        self.number += 1
        getattr(self, what)(f"{what}-{self.number}", *given)

    def available(self) -> dict[int, Decimal]:
        found = self.db.check(1, 1).places, self.db.check(2, 1).places
        return {n: places[0].available if places else Decimal(0) for n, places in enumerate(found, 1)}

    def order(self, ref: str, lines: list[tuple[int, int]]) -> None:
        before = self.available()
        wanted = {n: sum(quantity for one, quantity in lines if one == n) for n, _ in lines}
        done = self.db.order(lines, ref=ref, sync=False)
        assert done.is_done == all(quantity <= before[n] for n, quantity in wanted.items()), (done, before)
        after = self.available()
        assert after == {n: before[n] - (wanted.get(n, 0) if done.is_done else 0) for n in before}
        if done.is_done:
            self.orders.append(ref)
            self.operations.append(str(done.operation_uuid))

    def move(self, ref: str, article: int, quantity: int, days: float) -> None:
        at = datetime.now(UTC) + timedelta(days=days)
        done = self.db.run_sync(movements=[MovementRecord(article, quantity, at=at, ref=ref, reason="found")])
        self.operations.append(done.operation_uuid)

    def count(self, ref: str, article: int, quantity: int, days: float, source: str) -> None:
        at = datetime.now(UTC) + timedelta(days=days)
        done = self.db.run_sync(pos_counts=[POSRecord(article, quantity, at, source=source)])
        self.operations.append(done.operation_uuid)

    def reserve(self, ref: str, lines: list[tuple[int, int]]) -> None:
        if self.db.reserve(lines, ref=ref, sync=False).is_done:
            self.carts.append(ref)

    def commit(self, _: str) -> None:
        if self.carts:
            self.db.order(ref=self.carts.pop(), sync=False)

    def cancel(self, _: str, returned: bool) -> None:
        if self.orders:
            ref = self.orders.pop()
            try:
                self.db.cancel_order(ref, reason="test")
            except BadInput:
                self.db.cancel_order(ref, reason="test", returned=returned)

    def undo(self, _: str) -> None:
        if self.operations:
            self.db.rollback(self.operations.pop(len(self.operations) // 2), reason="test")

    def close(self, _: str, days: int) -> None:
        self.db.close_day((datetime.now(UTC) + timedelta(days=days)).date())


@pytest.mark.prove
@settings(suppress_health_check=[*HealthCheck], max_examples=settings().max_examples // 2 + 1)
@given(steps=STEPS)
def test_an_order_is_filled_exactly_where_there_is_enough_and_every_law_holds(
    open_database: OpenDatabase, steps: list[tuple]
) -> None:
    db = open_database()
    db.upsert_products([{"inventory_id": n, "sku": f"article {n}"} for n in (1, 2)])
    life = Life(db)
    life.step("count", 1, 30, -0.02, "pos")
    for what, *given_ in steps:
        life.step(what, *given_)
    assert db.audit() == {}
    rows = db.pending_updates(every=True)
    closed = set(rows["closed_by"].dropna())
    in_force = set(db.variances()["count_id"])
    assert closed <= in_force
    db.close()
