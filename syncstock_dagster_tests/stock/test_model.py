"""The engine held against a plain model of the laws, on histories that nobody would think of.

First the model is checked on histories computed by hand, so that two errors cannot agree with each other.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from syncstock_dagster.database import SyncStockDB
from syncstock_dagster.stock import express
from syncstock_dagster.stock.records import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    TransferRecord,
)
from syncstock_dagster_tests.stock import strategies as some
from syncstock_dagster_tests.stock.compare import (
    Memory,
    balances,
    daily,
    disagreements,
    ledger,
    pair_of,
    rows,
    stock,
    variances,
)
from syncstock_dagster_tests.stock.conftest import OpenDatabase
from syncstock_dagster_tests.stock.model import Delivery, Model, Moved, Pair, local_day_bounds

MONDAY = datetime(2024, 3, 4, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAIR = Pair(1, "main")
ZONES = {"main": "UTC", **some.LOCATIONS, some.UNKNOWN_LOCATION: some.UNKNOWN_ZONE}
EXAMPLES = settings.default.max_examples


def sold(qty: int, at: datetime, ref: str, line: str | None = None) -> SalesRecord:
    return SalesRecord(1, qty, at=at, ref=ref, line=line)


def count(qty: int, at: datetime, **fields: Any) -> POSRecord:
    return POSRecord(1, qty, at, **fields)


# -------------------------------------------------------------------- the model, by hand


def test_model_a_count_contains_the_movement_at_its_instant_and_not_the_one_after() -> None:
    """100 counted at ten; 3 sold at ten are in it, 4 sold a microsecond later are not."""
    model = Model()
    ten = MONDAY + HOUR
    model.deliver(
        pos_counts=[count(100, ten)],
        sales=[sold(3, ten, "a"), sold(4, ten + timedelta(microseconds=1), "b"), sold(5, MONDAY, "c")],
    )
    assert model.on_hand(PAIR) == 96
    assert model.on_hand(PAIR, ten) == 100
    assert model.on_hand(PAIR, MONDAY) == -5
    assert model.variances()[PAIR, ten][:3] == (100, -8, 108)


def test_model_a_day_total_is_restated_and_not_added() -> None:
    """50, then 60, then 50 for one day ends at 50; two rows of one delivery are summed; a document adds up."""
    model = Model()
    for total in (50, 60, 50):
        model.deliver(purchases=[PurchaseRecord(1, total, day=MONDAY.date())])
    assert model.on_hand(PAIR) == 50
    model.deliver(
        purchases=[PurchaseRecord(1, 1, day=MONDAY.date()), PurchaseRecord(1, 2, day=MONDAY.date())]
    )
    assert model.on_hand(PAIR) == 3
    model.deliver(purchases=[PurchaseRecord(1, 10, at=MONDAY, ref="D")])
    assert model.on_hand(PAIR) == 13


def test_model_the_first_received_content_of_a_line_stays_until_another_is_chosen() -> None:
    """A changed line changes nothing; chosen, it replaces; withdrawn, the first comes back."""
    model = Model()
    model.deliver(sales=[sold(3, MONDAY, "D", "1")])
    changed = model.deliver(sales=[sold(4, MONDAY, "D", "1")])
    assert model.on_hand(PAIR) == -3
    ((identity, (_, other)),) = model.contents().items()
    model.choose(identity, other.content)
    assert model.on_hand(PAIR) == -4
    assert changed is not None
    model.withdraw(changed)
    assert model.on_hand(PAIR) == -3
    model.reinstate(changed)
    assert model.on_hand(PAIR) == -4


def test_model_the_earliest_remaining_delivery_takes_over() -> None:
    """Of three deliveries of one line the first is withdrawn: the second is in force, a duplicate until then."""
    model = Model()
    first = model.deliver(sales=[sold(3, MONDAY, "D")])
    model.deliver(sales=[sold(3, MONDAY, "D")])
    model.deliver(sales=[sold(9, MONDAY, "D")])
    assert first is not None
    model.withdraw(first)
    assert model.on_hand(PAIR) == -3


def test_model_rooms_of_a_session_are_summed_and_a_recount_of_a_room_replaces_it() -> None:
    """Cellar 5 and shop 7 make 12; the cellar counted again for the same instant, 6, makes 13."""
    model = Model()
    model.deliver(
        pos_counts=[
            count(5, MONDAY, session="s", room="cellar"),
            count(7, MONDAY, session="s", room="shop"),
        ]
    )
    assert model.on_hand(PAIR) == 12
    model.deliver(pos_counts=[count(6, MONDAY, session="s", room="cellar")])
    assert model.on_hand(PAIR) == 13
    model.deliver(pos_counts=[count(99, MONDAY)])
    assert model.on_hand(PAIR) == 13


@pytest.mark.parametrize(
    ("variance", "status"),
    [(9, "applied"), (10, "review"), (11, "review"), (99, "review"), (100, "review"), (101, "held")],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_model_the_gate_has_its_limits_at_ten_and_a_hundred(variance: int, status: str, sign: int) -> None:
    """Below ten applied, ten to a hundred listed for review, above it held."""
    model = Model()
    model.deliver(pos_counts=[count(500, MONDAY, source="excel")])
    model.deliver(pos_counts=[count(500 + sign * variance, MONDAY + HOUR, source="excel")])
    if status == "held":
        assert [held.quantity for held in model.held()] == [500 + sign * variance]
        assert model.on_hand(PAIR) == 500
    else:
        assert model.variances()[PAIR, MONDAY + HOUR].status == status
        assert model.on_hand(PAIR) == 500 + sign * variance


def test_model_a_hold_of_the_gate_ends_when_late_sales_explain_it() -> None:
    """500 counted, 300 counted later and held; the 195 sold in between arrive late: the count is applied."""
    model = Model()
    model.deliver(pos_counts=[count(500, MONDAY, source="excel")])
    model.deliver(pos_counts=[count(300, MONDAY + 2 * HOUR, source="excel")])
    assert model.on_hand(PAIR) == 500
    model.deliver(sales=[sold(195, MONDAY + HOUR, "late")])
    assert model.on_hand(PAIR) == 300
    assert model.variances()[PAIR, MONDAY + 2 * HOUR] == (300, 305, -5, "applied")


def test_model_what_waits_for_its_location_keeps_its_place_in_the_order_of_receipt() -> None:
    """The first delivery of a line names an unknown place; once the place is known, that delivery is in force."""
    model = Model()
    model.deliver(sales=[SalesRecord(1, 3, at=MONDAY, ref="D", location="later")])
    model.deliver(sales=[sold(4, MONDAY, "D")])
    assert model.on_hand(PAIR) == -4
    model.add_location("later", "UTC")
    assert model.on_hand(PAIR) == 0
    assert model.on_hand(Pair(1, "later")) == -3


def test_model_the_days_of_a_zone_are_found_by_looking() -> None:
    """Havana's doubled midnight begins the day at its first pass; Cairo's skipped one at one o'clock."""
    assert local_day_bounds("America/Havana", date(2023, 11, 5)) == (
        datetime(2023, 11, 5, 4, tzinfo=UTC),
        datetime(2023, 11, 6, 4, 59, 59, 999999, tzinfo=UTC),
    )
    assert local_day_bounds("Africa/Cairo", date(2023, 4, 28)) == (
        datetime(2023, 4, 27, 22, tzinfo=UTC),
        datetime(2023, 4, 28, 20, 59, 59, 999999, tzinfo=UTC),
    )
    assert local_day_bounds("Pacific/Apia", date(2011, 12, 30)) is None


def test_model_the_snapshot_begins_on_the_day_of_the_first_event_in_force() -> None:
    """One row a day from the first event on, the balance at the day's end."""
    model = Model()
    model.deliver(sales=[sold(3, MONDAY, "a"), sold(4, MONDAY + 48 * HOUR, "b")])
    first = MONDAY.date()
    assert model.history().daily(first - timedelta(days=2), first + timedelta(days=3)) == {
        (first, PAIR): -3,
        (first + timedelta(days=1), PAIR): -3,
        (first + timedelta(days=2), PAIR): -7,
        (first + timedelta(days=3), PAIR): -7,
    }


# -------------------------------------------------------------------- the engine against the model


class StockMachine(RuleBasedStateMachine):
    """Everything that can happen to evidence, in any order; after each step the engine and the model agree."""

    def __init__(self, database: SyncStockDB) -> None:
        super().__init__()
        self.db = database
        self.db.upsert_locations(some.location_rows(some.LOCATIONS))
        self.db.upsert_products(some.PRODUCTS)
        self.model = some.new_model()
        self.memory = Memory()
        self.calls: list[dict[str, list[Any]]] = []
        self.operations: list[tuple[Delivery, str]] = []
        self.rollbacks: dict[int, str] = {}
        self.decisions: list[str] = []
        self.patch = pytest.MonkeyPatch()
        self.open_conflicts: dict[int, tuple[Any, Moved]] = {}

    @initialize(theatre=some.theatres(), is_express=st.booleans())
    def begin(self, theatre: some.Theatre, is_express: bool) -> None:
        """Choose the days on which it plays, and whether deliveries are large enough for the express lane."""
        self.theatre = theatre
        self.patch.setattr(express, "EXPRESS_ROWS", 1 if is_express else 1_000_000)

    # ---- deliveries

    @rule(data=st.data(), key=st.sampled_from([None, None, *some.KEYS]))
    def deliver(self, data: st.DataObject, key: str | None) -> None:
        """Anything, from any source, late or early."""
        self.calls.append(data.draw(some.deliveries(self.theatre), label="delivery"))
        self._deliver(
            self.calls[-1], key=key, recorded_at=data.draw(some.receipts(self.theatre), label="recorded_at")
        )

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), key=st.sampled_from([None, *some.KEYS]), again=st.booleans())
    def deliver_an_old_one_again(self, data: st.DataObject, key: str | None, again: bool) -> None:
        """The same rows, perhaps under a key that was used, perhaps wanted again."""
        call = data.draw(st.sampled_from(self.calls), label="delivery")
        self._deliver(
            call,
            key=key,
            again=again,
            recorded_at=data.draw(some.receipts(self.theatre), label="recorded_at"),
        )

    @precondition(lambda self: any(any(call.values()) for call in self.calls))
    @rule(data=st.data())
    def deliver_a_changed_row(self, data: st.DataObject) -> None:
        """One row of an old delivery with another quantity or instant: a conflict, a restatement or a correction."""
        kind, record = data.draw(
            st.sampled_from(
                [(kind, r) for call in self.calls for kind, given_ in call.items() for r in given_]
            ),
            label="row",
        )
        changes: dict[str, Any] = {}
        if isinstance(record, POSRecord):
            changes["stock_count"] = data.draw(some.counted_quantities)
        elif isinstance(record, TransferRecord):
            changes["qty"] = data.draw(some.sent_quantities)
        else:
            changes["qty"] = data.draw(some.quantities)
            if record.at is not None and data.draw(st.booleans()):
                changes["at"] = data.draw(st.sampled_from(self.theatre.instants))
        changed = _with(record, **changes)
        call = {"purchases": [], "sales": [], "movements": [], "pos_counts": [], kind: [changed]}
        self.calls.append(call)
        self._deliver(call, recorded_at=data.draw(some.receipts(self.theatre), label="recorded_at"))

    def _deliver(self, call: dict[str, list[Any]], **how: Any) -> None:
        answer = None if how.get("again") else self.model.answer_to_key(how.get("key"))
        known = {row["conflict_id"] for row in rows(self.db.conflicts(open_only=False))}
        delivery = self.model.deliver(**call, **how)
        result = self.db.run_sync(
            call["purchases"],
            call["sales"],
            call["pos_counts"],
            "step",
            movements=call["movements"],
            idempotency_key=how.get("key"),
            recorded_at=how.get("recorded_at"),
            again=how.get("again", False),
        )
        assert result.status == (answer or "posted")
        if delivery is not None:
            self.operations.append((delivery, result.operation_uuid))
            raised = [
                row
                for row in rows(self.db.conflicts())
                if row["conflict_id"] not in known and row["document"]
            ]
            self._note_conflicts(delivery, raised)

    def _note_conflicts(self, delivery: Delivery, raised: list[dict[str, Any]]) -> None:
        """Remember the conflicts that can be told apart: one line of a document, two contents."""
        for identity, lines in self.model.contents().items():
            if identity[0] in self.model.restating or delivery.number not in {
                r.receipt.delivery for r in lines
            }:
                continue
            in_force = self.model.document_line_in_force(identity, lines)
            others = {row.content: row for row in lines if row.content != in_force.content}
            about_it = [row for row in raised if _is_about(row, identity)]
            says_news = any(
                row.receipt.delivery == delivery.number
                and all(
                    row.content != one.content for one in lines if one.receipt.delivery != delivery.number
                )
                for row in lines
            )
            if len(others) == 1 and len(about_it) == 1 and len(raised) == 1 and says_news:
                (other,) = others.values()
                self.open_conflicts[raised[0]["conflict_id"]] = (identity, other)

    # ---- withdrawal

    @precondition(lambda self: any(not delivery.withdrawn for delivery, _ in self.operations))
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """Withdraw what an operation brought; once more changes nothing."""
        standing = [(d.number, uuid) for d, uuid in self.operations if not d.withdrawn]
        number, uuid = data.draw(st.sampled_from(standing), label="operation")
        self.rollbacks[number] = self.db.rollback(uuid, reason="wrong file").operation_uuid
        self.model.withdraw(self.model.deliveries[number])
        if data.draw(st.booleans(), label="twice"):
            self.db.rollback(uuid, reason="wrong file, twice")

    @precondition(lambda self: any(delivery.withdrawn for delivery, _ in self.operations))
    @rule(data=st.data())
    def roll_a_rollback_back(self, data: st.DataObject) -> None:
        """What was withdrawn is in force again, at its old place."""
        number = data.draw(
            st.sampled_from([d.number for d, _ in self.operations if d.withdrawn]), label="delivery"
        )
        self.db.rollback(self.rollbacks[number], reason="it was right after all")
        self.model.reinstate(self.model.deliveries[number])

    # ---- decisions

    @precondition(lambda self: self.open_conflicts)
    @rule(data=st.data(), keep=st.sampled_from(["new", "old"]))
    def resolve(self, data: st.DataObject, keep: str) -> None:
        """A person says which content of a document line is right."""
        conflict_id = data.draw(st.sampled_from(sorted(self.open_conflicts)), label="conflict")
        identity, other = self.open_conflicts.pop(conflict_id)
        if conflict_id not in {row["conflict_id"] for row in rows(self.db.conflicts())}:
            return
        in_force = self.model.document_line_in_force(identity, self.model.contents()[identity])
        self.db.resolve(conflict_id, keep=keep, reason="looked it up")
        self.model.choose(identity, (other if keep == "new" else in_force).content)

    @precondition(lambda self: self.model.held())
    @rule(data=st.data(), approve=st.booleans())
    def decide_on_a_held_count(self, data: st.DataObject, approve: bool) -> None:
        """A person lets a held count through, or not."""
        held = data.draw(st.sampled_from(self.model.held()), label="count")
        (count_id,) = [
            row["count_id"]
            for row in rows(self.db.variances())
            if row["status"] == "held" and (pair_of(row), row["counted_at"]) == (held.pair, held.at)
        ]
        if approve:
            decision = self.db.approve([count_id], reason="counted twice").operation_uuid
            self.model.approve(held, decision)
        else:
            decision = self.db.reject([count_id], reason="wrong shelf").operation_uuid
            self.model.reject(held, decision)
        self.decisions.append(decision)

    @precondition(lambda self: self.model.held())
    @rule(data=st.data())
    def ask_for_a_recount(self, data: st.DataObject) -> None:
        """A wish changes nothing but the list of wishes."""
        waiting = [row["count_id"] for row in rows(self.db.held())]
        count_id = data.draw(st.sampled_from(sorted(waiting)), label="count")
        self.db.ask_recount(count_id, reason="not sure")
        assert count_id in {row["count_id"] for row in rows(self.db.wanted_recounts(every=True))}

    @precondition(lambda self: self.decisions)
    @rule(data=st.data())
    def take_a_decision_back(self, data: st.DataObject) -> None:
        """The count is a question again, and so is every copy of it."""
        decision = data.draw(st.sampled_from(self.decisions), label="decision")
        self.decisions.remove(decision)
        self.db.rollback(decision, reason="asked the wrong person")
        self.model.take_back(decision)

    @precondition(lambda self: some.UNKNOWN_LOCATION not in self.model.zones)
    @rule()
    def make_the_location_known(self) -> None:
        """What waited for it is replayed."""
        self.db.upsert_locations(some.location_rows({some.UNKNOWN_LOCATION: some.UNKNOWN_ZONE}))
        self.model.add_location(some.UNKNOWN_LOCATION, some.UNKNOWN_ZONE)

    # ---- what must hold

    @precondition(lambda self: self.memory.stamps())
    @rule(data=st.data())
    def ask_what_was_known(self, data: st.DataObject) -> None:
        """The past is told as it was."""
        known_at = data.draw(st.sampled_from(self.memory.stamps()), label="known_at")
        as_of = data.draw(st.sampled_from([None, *self.theatre.instants]), label="as_of")
        days = (self.theatre.first, self.theatre.last)
        assert self.memory.disagreements(self.db, known_at, as_of, days) == []

    @invariant()
    def engine_and_model_agree(self) -> None:
        """Stock now and at an instant, the ledger's balances, the snapshot and the variances are the model's."""
        if not self.calls:
            return
        instants = self.theatre.instants[len(self.calls) % len(self.theatre.instants) :][:1]
        found = disagreements(
            self.db, self.model, days=(self.theatre.first, self.theatre.last), instants=instants
        )
        assert not found, "\n".join(found)
        self.memory.remember(self.db, self.model)

    def teardown(self) -> None:
        """The audit finds nothing, and every stamp still tells what was known then."""
        try:
            if not self.calls:
                return
            offences = {law: rows(found) for law, found in self.db.audit().items()}
            assert offences == {}, offences
            assert self.db.get_status()["status"] == "OK"
            for known_at in self.memory.stamps()[:: max(1, len(self.memory.stamps()) // 6)]:
                assert (
                    self.memory.disagreements(
                        self.db, known_at, None, (self.theatre.first, self.theatre.last)
                    )
                    == []
                )
        finally:
            self.patch.undo()
            self.db.close()


def _is_about(conflict: dict[str, Any], identity: tuple[Any, ...]) -> bool:
    """Whether a conflict is about this line of a document; lines without a number are told apart by nothing."""
    source, document, line = identity
    named = line if isinstance(line, str) else None
    return (conflict["source"], conflict["document"], conflict["line"]) == (source, document, named)


def _with(record: Any, **changes: Any) -> Any:
    fields = {name: getattr(record, name) for name in type(record).__dataclass_fields__}
    return type(record)(**{**fields, **changes})


# -------------------------------------------------------------------- L4, directly


@st.composite
def histories(draw: st.DrawFn) -> tuple[some.Theatre, list[dict[str, list[Any]]], list[int], int]:
    """Deliveries that mean the same in any cut, which of them are withdrawn, and a seed for the order.

    Two kinds of rows mean something else in another cut, by definition, and occur once each: the total of a day
    (summed within a delivery, restated by the next) and lines without a number (numbered within a delivery).
    """
    theatre = draw(some.theatres())
    seen: set[Any] = set()
    deliveries = []
    for _ in range(draw(st.integers(2, 6))):
        moved: list[Any] = []
        for record in draw(st.lists(st.one_of(some.movements(theatre), some.transfers(theatre)), max_size=4)):
            if not isinstance(record, TransferRecord):
                record = MovementRecord(
                    **{name: getattr(record, name) for name in MovementRecord.__dataclass_fields__}
                )
            once = None
            if record.line is None:
                once = (record.source, record.ref, record.inventory_id, isinstance(record, TransferRecord))
            if record.ref is None:
                once = (record.source, record.inventory_id, record.location, record.reason, record.day)
            if once is None or once not in seen:
                seen.add(once)
                moved.append(record)
        counted = draw(st.lists(some.counts(theatre, (None, None, "handheld")), max_size=2))
        deliveries.append({"movements": moved, "pos_counts": counted})
    withdrawn = draw(st.lists(st.integers(0, len(deliveries) - 1), max_size=2, unique=True))
    return theatre, deliveries, withdrawn, draw(st.integers(0, 2**32))


class Telling:
    """One way of telling a history to an empty database."""

    def __init__(self, db: SyncStockDB) -> None:
        self.db = db
        db.upsert_locations(some.location_rows(some.LOCATIONS))

    def deliver(self, delivery: dict[str, list[Any]], received: int) -> str:
        return self.db.run_sync(
            pos_counts=delivery["pos_counts"],
            movements=delivery["movements"],
            recorded_at=datetime(2024, 6, 1, tzinfo=UTC) + timedelta(minutes=received),
        ).operation_uuid

    def decide(self) -> None:
        """The same decisions, whoever asks first: of two contents the one received later is right."""
        self.db.upsert_locations(some.location_rows({some.UNKNOWN_LOCATION: some.UNKNOWN_ZONE}))
        waiting = [row for row in rows(self.db.conflicts()) if row["document"]]
        lines = [(row["source"], row["document"], row["line"]) for row in waiting]
        for row, line in zip(waiting, lines, strict=True):
            if lines.count(line) == 1:
                self.db.resolve(row["conflict_id"], keep="new", reason="the later one")

    def seen(self, theatre: some.Theatre) -> dict[str, Any]:
        """Everything that must not depend on the order; entry ids, stamps and versions may."""
        assert self.db.audit() == {}
        at = {instant: observed_stock(self.db, instant) for instant in theatre.instants}
        by_pair = ledger(self.db)
        found = {
            "stock": observed_stock(self.db, None),
            "as of": at,
            "balances": {
                (pair, instant): value
                for pair, entries in by_pair.items()
                for instant in theatre.instants
                if (value := balances(entries, instant))
            },
            "daily": {
                (day, pair): value
                for (day, pair), value in daily(self.db, theatre.first, theatre.last).items()
                if local_day_bounds(ZONES[pair.location], day) is not None
            },
            "variances": {
                slot: (row["counted"], row["expected"], row["variance"], row["status"])
                for slot, row in variances(self.db).items()
            },
        }
        self.db.close()
        return found


def observed_stock(db: SyncStockDB, at: datetime | None) -> dict[Pair, Decimal]:
    told = stock(db) if at is None else stock(db, as_of=at)
    return {pair: value for pair, value in told.items() if value}


def expected_of(deliveries: list[dict[str, list[Any]]], theatre: some.Theatre) -> dict[str, Any]:
    """What ``Telling.seen`` must find, by the model."""
    model = some.new_model()
    for received, delivery in enumerate(deliveries):
        model.deliver(**delivery, recorded_at=datetime(2024, 6, 1, tzinfo=UTC) + timedelta(minutes=received))
    model.add_location(some.UNKNOWN_LOCATION, some.UNKNOWN_ZONE)
    for identity, lines in model.contents().items():
        in_force = model.document_line_in_force(identity, lines)
        others = {row.content for row in lines} - {in_force.content}
        if len(others) == 1 and identity[0] not in model.restating:
            model.choose(identity, *others)
    history = model.history()

    def at(instant: datetime | None) -> dict[Pair, Decimal]:
        return {pair: value for pair in history.pairs() if (value := history.on_hand(pair, instant))}

    return {
        "stock": at(None),
        "as of": {instant: at(instant) for instant in theatre.instants},
        "balances": {
            (pair, instant): value for instant in theatre.instants for pair, value in at(instant).items()
        },
        "daily": history.daily(theatre.first, theatre.last),
        "variances": {slot: tuple(variance) for slot, variance in model.variances().items()},
    }


@pytest.mark.prove
def test_L4_order_cuts_and_repetition_do_not_matter(open_database: OpenDatabase) -> None:
    """A history told in one go, in any order and cut, and each delivery twice, ends in what the model says."""

    @settings(max_examples=EXAMPLES // 2)
    @given(history=histories())
    def check(history: tuple[some.Theatre, list[dict[str, list[Any]]], list[int], int]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            tell(history, patch)

    def tell(
        history: tuple[some.Theatre, list[dict[str, list[Any]]], list[int], int], patch: pytest.MonkeyPatch
    ) -> None:
        theatre, deliveries, withdrawn, seed = history
        shuffled = random.Random(seed)
        standing = [delivery for n, delivery in enumerate(deliveries) if n not in withdrawn]

        in_one_go = Telling(open_database(some.POLICIES))
        in_one_go.deliver(
            {
                name: [record for delivery in standing for record in delivery[name]]
                for name in ("movements", "pos_counts")
            },
            0,
        )
        in_one_go.decide()
        seen = in_one_go.seen(theatre)
        assert seen == expected_of(standing, theatre)

        patch.setattr(express, "EXPRESS_ROWS", 1)
        in_any_order = Telling(open_database(some.POLICIES))
        order = list(range(len(deliveries)))
        shuffled.shuffle(order)
        operations = {}
        for n in order:
            operations[n] = in_any_order.deliver(deliveries[n], n)
            gone = [w for w in withdrawn if w in operations]
            if gone and shuffled.random() < 0.5:
                in_any_order.db.rollback(operations[shuffled.choice(gone)], reason="withdrawn")
        for n in withdrawn:
            in_any_order.db.rollback(operations[n], reason="withdrawn")
        in_any_order.decide()
        assert in_any_order.seen(theatre) == seen

        twice = Telling(open_database(some.POLICIES))
        operations_twice = [
            (n, twice.deliver(deliveries[n], n)) for n in range(len(deliveries)) for _ in range(2)
        ]
        for n, operation in operations_twice:
            if n in withdrawn:
                twice.db.rollback(operation, reason="withdrawn")
        twice.decide()
        assert twice.seen(theatre) == seen

    check()


@pytest.mark.prove
def test_any_history_of_evidence_and_decisions_agrees_with_the_model(
    open_database: OpenDatabase,
) -> None:
    """Whatever happens in whatever order, what a reader sees is what the definitions say."""
    run_state_machine_as_test(
        lambda: StockMachine(open_database(some.POLICIES)),
        settings=settings(max_examples=EXAMPLES, stateful_step_count=12),
    )
