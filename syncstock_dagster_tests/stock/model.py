"""Stock computed the slow and obvious way, straight from the definitions of laws L1, L3, L5, L6, L8 and L9.

What belongs here: every piece of evidence that was ever delivered, and functions that compute from all of it, each
time from scratch, what must be true. What does not: anything clever. There is no incremental rule, no cache of a
result and no SQL in this module; where a loop is simpler than a formula, it loops.

The one thing that is kept and not computed is the decision on a gated count: the laws say that it is evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from syncstock_dagster.stock.records import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    TransferRecord,
)

MICROSECOND = timedelta(microseconds=1)

#: Sums of the greatest quantities that are taken need more digits than Python's default context keeps.
EXACT = Context(prec=80)


class Pair(NamedTuple):
    """An article at a location: the grain of stock."""

    inventory_id: int
    location: str


class Leg(NamedTuple):
    """What one movement does to one location."""

    location: str
    quantity: Decimal
    at: datetime


class Receipt(NamedTuple):
    """Where a row stands in the order in which evidence was received."""

    at: datetime
    delivery: int
    position: int


class Variance(NamedTuple):
    """What a count found against what was expected, and what became of it."""

    counted: Decimal
    expected: Decimal
    variance: Decimal
    status: str


class CountKey(NamedTuple):
    """A count as a person can name it: the pair, the instant, and who says so."""

    pair: Pair
    at: datetime
    source: str
    session: str | None


@dataclass
class Delivery:
    """One delivery as it came, and whether it has been withdrawn since."""

    number: int
    received_at: datetime
    key: str | None
    movements: list[Any]
    counts: list[POSRecord]
    withdrawn: bool = False


class Moved(NamedTuple):
    """A movement row of one delivery, understood."""

    receipt: Receipt
    identity: tuple[Any, ...]
    content: tuple[Any, ...]
    inventory_id: int
    legs: tuple[Leg, ...]
    is_day_total: bool


class Counted(NamedTuple):
    """A count row of one delivery, understood."""

    receipt: Receipt
    source: str
    session: str | None
    room: str | None
    pair: Pair
    quantity: Decimal
    at: datetime

    @property
    def key(self) -> CountKey:
        return CountKey(self.pair, self.at, self.source, self.session)


@cache
def local_day_bounds(zone: str, day: date) -> tuple[datetime, datetime] | None:
    """First and last instant whose local date is ``day``, found by looking at every minute around it.

    None where the zone left the day out. Zones of the years tested here change on whole minutes.
    """
    tz = ZoneInfo(zone)
    minute = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=30)
    found = [
        m for m in (minute + timedelta(minutes=n) for n in range(84 * 60)) if m.astimezone(tz).date() == day
    ]
    if not found:
        return None
    return found[0], found[-1] + timedelta(minutes=1) - MICROSECOND


def instant(value: datetime, zone: str) -> datetime:
    """The instant of a datetime; a naive one is local to the zone."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(zone))
    return value.astimezone(UTC)


class Limits(NamedTuple):
    """From where a variance is listed for review, and above which it is held, in each measure; None: never."""

    units: tuple[int, int] = (10, 100)
    percent: tuple[int, int] | None = None
    value: tuple[int, int] | None = None


def tier(
    variance: Decimal, expected: Decimal = Decimal(0), limits: Limits | None = None, cost: int | None = None
) -> str:
    """What the gate makes of a variance: the highest tier that any measure gives."""
    limits = limits or Limits()
    size = abs(Fraction(variance))
    measured: list[tuple[Fraction, tuple[int, int]]] = [(size, limits.units)]
    if limits.percent is not None and expected:
        measured.append((size * 100 / abs(Fraction(expected)), limits.percent))
    if limits.value is not None and cost is not None:
        measured.append((size * cost, limits.value))
    if any(how_much > hold_above for how_much, (_, hold_above) in measured):
        return "held"
    return "review" if any(how_much >= review_from for how_much, (review_from, _) in measured) else "applied"


def exact_sum(quantities: Iterable[Decimal]) -> Decimal:
    """A sum that loses no digit."""
    with localcontext(EXACT):
        return sum(quantities, Decimal(0))


def exact_difference(counted: Decimal, expected: Decimal) -> Decimal:
    """Counted minus expected, without losing a digit."""
    with localcontext(EXACT):
        return counted - expected


TIERS = ("applied", "review", "held")


@dataclass
class Model:
    """All evidence, and what follows from it.

    Args:
        gated: sources whose counts pass the gate.
        advisory: sources whose counts are only compared.
        restating: sources whose changed documents are restated without asking.
        after_counts: sources whose movements known only by their day stand at its end.
        zones: locations that are known.
        limits: of articles that have their own.
        costs: of articles that have one.
    """

    gated: frozenset[str] = frozenset({"excel"})
    advisory: frozenset[str] = frozenset()
    restating: frozenset[str] = frozenset()
    after_counts: frozenset[str] = frozenset()
    zones: dict[str, str] = field(default_factory=lambda: {"main": "UTC"})
    #: Of articles that have limits of their own, and what they cost.
    limits: dict[int, Limits] = field(default_factory=dict)
    costs: dict[int, int] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    #: Per document line: the contents that a person or a rule chose, the last one last.
    chosen: dict[tuple[Any, ...], list[tuple[Any, ...]]] = field(default_factory=dict)
    #: Per pair and instant: the group of counts (source, session) that a person chose, the last one last.
    chosen_groups: dict[tuple[Pair, datetime], list[tuple[str, str | None]]] = field(default_factory=dict)
    #: Per gated count row: (decision, who); decision is opening, applied, review, held, approved or rejected.
    decisions: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)

    # ---------------------------------------------------------------- what can happen

    def deliver(
        self,
        purchases: Iterable[PurchaseRecord] = (),
        sales: Iterable[SalesRecord] = (),
        pos_counts: Iterable[POSRecord] = (),
        movements: Iterable[MovementRecord | TransferRecord] = (),
        *,
        key: str | None = None,
        again: bool = False,
        recorded_at: datetime | None = None,
    ) -> Delivery | None:
        """Take a delivery in; None where its key is known already."""
        if not again and self.answer_to_key(key) is not None:
            return None
        delivery = Delivery(
            number=len(self.deliveries),
            received_at=recorded_at or datetime.now(UTC),
            key=key,
            movements=[*purchases, *sales, *movements],
            counts=list(pos_counts),
        )
        self.deliveries.append(delivery)
        self.gate()
        return delivery

    def answer_to_key(self, key: str | None) -> str | None:
        """What a delivery under this key is told when it is not wanted again."""
        known = [delivery for delivery in self.deliveries if key is not None and delivery.key == key]
        if not known:
            return None
        return "rolled back" if known[-1].withdrawn else "already received"

    def withdraw(self, delivery: Delivery) -> None:
        """Roll the delivery's operation back."""
        delivery.withdrawn = True
        self.gate()

    def reinstate(self, delivery: Delivery) -> None:
        """Roll that rollback back."""
        delivery.withdrawn = False
        self.gate()

    def add_location(self, code: str, zone: str) -> None:
        """Make a location known; whatever waited for it takes its place in the order in which it was received."""
        self.zones[code] = zone
        self.gate()

    def choose(self, identity: tuple[Any, ...], content: tuple[Any, ...]) -> None:
        """Decide which content of a document line counts."""
        self.chosen.setdefault(identity, []).append(content)
        self.gate()

    def choose_group(self, pair: Pair, at: datetime, group: tuple[str, str | None]) -> None:
        """Decide which of several disagreeing counts of one instant counts."""
        self.chosen_groups.setdefault((pair, at), []).append(group)
        self.gate()

    def approve(self, count: Counted, who: str = "person") -> None:
        """A person lets a held count through."""
        self._decide(count, "approved", who)

    def reject(self, count: Counted, who: str = "person") -> None:
        """A person turns a held count down."""
        self._decide(count, "rejected", who)

    def _decide(self, count: Counted, decision: str, who: str) -> None:
        for same in self.counted():
            if same.key == count.key and same.room == count.room and same.quantity == count.quantity:
                self.decisions[_row(same)] = (decision, who)
        self.gate()

    def take_back(self, who: str) -> None:
        """A person's decision is undone for every copy of its count: the question is open again."""
        self.decisions = {
            row: ("held", "gate") if decided_by == who else (decision, decided_by)
            for row, (decision, decided_by) in self.decisions.items()
        }
        self.gate()

    # ---------------------------------------------------------------- L5: what the evidence says

    def rows(self) -> Iterator[Moved]:
        """Every movement row that is not withdrawn and whose locations are known, in order of receipt."""
        found = []
        for delivery in self.deliveries:
            if delivery.withdrawn:
                continue
            ordinals: dict[tuple[str, str, int], int] = {}
            for position, record in enumerate(delivery.movements):
                row = self._understood(delivery, position, record, ordinals)
                if row is not None:
                    found.append(row)
        return iter(sorted(found, key=lambda row: row.receipt))

    def _understood(
        self, delivery: Delivery, position: int, record: Any, ordinals: dict[tuple[str, str, int], int]
    ) -> Moved | None:
        receipt = Receipt(delivery.received_at, delivery.number, position)
        source = record.source or _default_source(record)
        reason = _reason(record)
        line: Any = record.line
        if record.ref is not None and line is None:
            of_article = (source, record.ref, record.inventory_id)
            ordinals[of_article] = ordinals.get(of_article, 0) + 1
            line = (record.inventory_id, ordinals[of_article])
        if isinstance(record, TransferRecord):
            ends = (
                (record.from_location, Decimal(record.qty).copy_negate(), record.at),
                (record.to_location, Decimal(record.qty), record.arrives_at or record.at),
            )
            if any((location or "main") not in self.zones for location, _, _ in ends):
                return None
            legs = tuple(
                Leg(location or "main", quantity, instant(at, self.zones[location or "main"]))
                for location, quantity, at in ends
            )
            content = (record.inventory_id, legs, False, reason)
            return Moved(receipt, (source, record.ref, line), content, record.inventory_id, legs, False)
        location = record.location or "main"
        if location not in self.zones:
            return None
        quantity = Decimal(record.qty)
        if isinstance(record, SalesRecord):
            quantity = quantity.copy_negate()
        by_day = record.day is not None
        at = (
            self._instant_of_day(source, location, record.day)
            if by_day
            else instant(record.at, self.zones[location])
        )
        legs = (Leg(location, quantity, at),)
        if record.ref is None:
            identity: tuple[Any, ...] = (source, record.inventory_id, location, reason, record.day)
            return Moved(receipt, identity, (), record.inventory_id, legs, True)
        content = (record.inventory_id, legs, by_day, reason)
        return Moved(receipt, (source, record.ref, line), content, record.inventory_id, legs, False)

    def _instant_of_day(self, source: str, location: str, day: date) -> datetime:
        bounds = local_day_bounds(self.zones[location], day)
        assert bounds is not None, f"{day} does not exist in {self.zones[location]}"
        return bounds[1] if source in self.after_counts else bounds[0]

    def contents(self) -> dict[tuple[Any, ...], list[Moved]]:
        """Per document line: its rows in order of receipt."""
        lines: dict[tuple[Any, ...], list[Moved]] = {}
        for row in self.rows():
            if not row.is_day_total:
                lines.setdefault(row.identity, []).append(row)
        return lines

    def document_line_in_force(self, identity: tuple[Any, ...], rows: list[Moved]) -> Moved:
        """The row of a document line that counts: the chosen content, else the first received."""
        if identity[0] in self.restating:
            return rows[-1]
        for content in reversed(self.chosen.get(identity, [])):
            for row in rows:
                if row.content == content:
                    return row
        return rows[0]

    def movements_in_force(self) -> list[tuple[int, Leg]]:
        """What moves stock: (article, leg)."""
        moving: list[tuple[int, Leg]] = []
        for identity, rows in self.contents().items():
            row = self.document_line_in_force(identity, rows)
            moving += [(row.inventory_id, leg) for leg in row.legs]
        totals: dict[tuple[Any, ...], dict[int, list[Moved]]] = {}
        for row in self.rows():
            if row.is_day_total:
                totals.setdefault(row.identity, {}).setdefault(row.receipt.delivery, []).append(row)
        for by_delivery in totals.values():
            last = max(by_delivery.values(), key=lambda rows: rows[0].receipt)
            leg = last[0].legs[0]
            moving.append(
                (last[0].inventory_id, leg._replace(quantity=exact_sum(r.legs[0].quantity for r in last)))
            )
        return moving

    # ---------------------------------------------------------------- L1: counts

    def counted(self) -> list[Counted]:
        """Every count row that is not withdrawn and whose location is known, in order of receipt."""
        found = []
        for delivery in self.deliveries:
            if delivery.withdrawn:
                continue
            for position, record in enumerate(delivery.counts):
                location = record.location or "main"
                if location in self.zones:
                    found.append(
                        Counted(
                            Receipt(delivery.received_at, delivery.number, position),
                            record.source or "pos",
                            record.session,
                            record.room,
                            Pair(record.inventory_id, location),
                            Decimal(record.stock_count),
                            instant(record.counted_at, self.zones[location]),
                        )
                    )
        return sorted(found, key=lambda count: count.receipt)

    def accepted(self, count: Counted) -> bool:
        """Whether a count row may take part: never from an advisory source, and past the gate where there is one."""
        if count.source in self.advisory:
            return False
        if count.source not in self.gated:
            return True
        return self.decisions.get(_row(count), ("held", ""))[0] not in {"held", "rejected"}

    def groups(self) -> dict[tuple[Pair, datetime], dict[tuple[str, str | None], list[Counted]]]:
        """Per pair and instant, per (source, session), the rows in force of its rooms; groups by order of receipt."""
        found: dict[tuple[Pair, datetime], dict[tuple[str, str | None], dict[str | None, Counted]]] = {}
        for count in self.counted():
            if self.accepted(count):
                groups = found.setdefault((count.pair, count.at), {})
                groups.setdefault((count.source, count.session), {})[count.room] = count
        return {
            slot: {group: list(rooms.values()) for group, rooms in groups.items()}
            for slot, groups in found.items()
        }

    def group_in_force(
        self, slot: tuple[Pair, datetime], groups: dict[tuple[str, str | None], list[Counted]]
    ) -> tuple[str, str | None]:
        """The group that counts at this instant: the chosen one, else the one received first."""
        for group in reversed(self.chosen_groups.get(slot, [])):
            if group in groups:
                return group
        return next(iter(groups))

    def counts_in_force(self) -> dict[tuple[Pair, datetime], list[Counted]]:
        """Per pair and instant: the rows (one per room) whose sum is the count in force."""
        return {slot: groups[self.group_in_force(slot, groups)] for slot, groups in self.groups().items()}

    # ---------------------------------------------------------------- L1: stock

    def history(self) -> History:
        """The evidence in force, by pair, from which stock is defined."""
        counts: dict[Pair, dict[datetime, Decimal]] = {}
        for (pair, at), rows in self.counts_in_force().items():
            counts.setdefault(pair, {})[at] = exact_sum(row.quantity for row in rows)
        movements: dict[Pair, list[tuple[datetime, Decimal]]] = {}
        for inventory_id, leg in self.movements_in_force():
            movements.setdefault(Pair(inventory_id, leg.location), []).append((leg.at, leg.quantity))
        return History(counts, movements, dict(self.zones))

    def on_hand(self, pair: Pair, at: datetime | None = None) -> Decimal:
        """The stock of a pair by definition (L1)."""
        return self.history().on_hand(pair, at)

    # ---------------------------------------------------------------- L9: the gate

    def gate(self) -> None:
        """Decide on counts nobody has decided on, and let go what the gate itself holds for no reason any more.

        In order of their instants, because a count that is let through changes what the next is expected to be.
        The same count delivered again is no new question: the decision on it holds for every copy. Nor is one that
        a later one of its slot has replaced, unless that one was rejected: nobody decides on it while it is replaced.
        """
        gated = [count for count in self.counted() if count.source in self.gated]
        last_received = {(count.key, count.room): count for count in gated if not self._is_rejected(count)}
        for count in sorted(last_received.values(), key=lambda count: (count.at, count.receipt)):
            if self.decisions.get(_row(count), ("held", "gate")) != ("held", "gate"):
                continue
            answered = [
                self.decisions[_row(same)]
                for same in gated
                if (same.key, same.room, same.quantity) == (count.key, count.room, count.quantity)
                and self.decisions.get(_row(same), ("held", "gate")) != ("held", "gate")
            ]
            if answered:
                self.decisions[_row(count)] = answered[0]
                continue
            history = self.history()
            opening = not any(at < count.at for at in history.counts.get(count.pair, {}))
            expected = history.expected(count.pair, count.at)
            decision = "opening" if opening else self._tier(count.pair, count.quantity, expected)
            self.decisions[_row(count)] = (decision, "gate")

    def _tier(self, pair: Pair, counted: Decimal, expected: Decimal) -> str:
        number = pair.inventory_id
        variance = exact_difference(counted, expected)
        return tier(variance, expected, self.limits.get(number), self.costs.get(number))

    def variance_of(self, history: History, count: Counted) -> Decimal:
        """Counted minus expected of one count row."""
        return exact_difference(count.quantity, history.expected(count.pair, count.at))

    def held(self) -> list[Counted]:
        """Gated counts that wait for a person."""
        standing = [count for count in self.counted() if not self._is_rejected(count)]
        last_received = {(count.key, count.room): count for count in standing}
        return [
            count
            for count in last_received.values()
            if count.source in self.gated and self.decisions[_row(count)][0] == "held"
        ]

    def rejected(self) -> list[Counted]:
        """Counts that a person turned down and nobody has counted again."""
        last_received = {(count.key, count.room): count for count in self.counted()}
        return [count for count in last_received.values() if self._is_rejected(count)]

    def _is_rejected(self, count: Counted) -> bool:
        return self.decisions.get(_row(count), ("held", ""))[0] == "rejected"

    # ---------------------------------------------------------------- what a reader sees

    def variances(self) -> dict[tuple[Pair, datetime], Variance]:
        """Per count in force: what was counted, expected, the difference and its status."""
        history = self.history()
        found = {}
        for (pair, at), rows in self.counts_in_force().items():
            counted, expected = history.counts[pair][at], history.expected(pair, at)
            variance = exact_difference(counted, expected)
            opening = at == min(history.counts[pair])
            tier_now = self._tier(pair, counted, expected)
            found[pair, at] = Variance(counted, expected, variance, self._status(rows, tier_now, opening))
        return found

    def _status(self, rows: list[Counted], tier_now: str, opening: bool) -> str:
        if opening:
            return "opening"
        if rows[0].source not in self.gated:
            return "applied"
        decided = [self.decisions[_row(row)][0] for row in rows]
        if "approved" in decided:  # somebody has looked at it
            return "applied"
        allowed = max(TIERS.index("review" if decision == "opening" else decision) for decision in decided)
        if TIERS.index(tier_now) > allowed:
            return "flagged"
        return tier_now


@dataclass(frozen=True)
class History:
    """The evidence in force at one time; a copy of it is what was known then."""

    counts: dict[Pair, dict[datetime, Decimal]]
    movements: dict[Pair, list[tuple[datetime, Decimal]]]
    zones: dict[str, str]

    def pairs(self) -> set[Pair]:
        """Every pair with evidence in force."""
        return {*self.counts, *self.movements}

    def instants(self, pair: Pair) -> list[datetime]:
        """Every instant at which something happened to a pair."""
        return sorted({*self.counts.get(pair, {}), *(at for at, _ in self.movements.get(pair, []))})

    def on_hand(self, pair: Pair, at: datetime | None = None) -> Decimal:
        """L1: the last count at or before ``at``, and the movements after it; without a count, all movements."""
        upto = [counted_at for counted_at in self.counts.get(pair, {}) if at is None or counted_at <= at]
        start = max(upto, default=None)
        moved = exact_sum(
            quantity
            for effective_at, quantity in self.movements.get(pair, [])
            if (start is None or effective_at > start) and (at is None or effective_at <= at)
        )
        return moved if start is None else exact_sum([self.counts[pair][start], moved])

    def expected(self, pair: Pair, counted_at: datetime) -> Decimal:
        """The stock at a count's instant as if that count had not been made."""
        others = {at: quantity for at, quantity in self.counts.get(pair, {}).items() if at != counted_at}
        return History({pair: others}, self.movements, self.zones).on_hand(pair, counted_at)

    def daily(self, first: date, last: date) -> dict[tuple[date, Pair], Decimal]:
        """The stock of every pair at the end of each local day, from the day of its first event in force on.

        A day that a zone left out has no end and does not appear.
        """
        found = {}
        for pair in self.pairs():
            zone = self.zones[pair.location]
            day = max(first, min(at.astimezone(ZoneInfo(zone)).date() for at in self.instants(pair)))
            while day <= last:
                bounds = local_day_bounds(zone, day)
                if bounds is not None:
                    found[day, pair] = self.on_hand(pair, bounds[1])
                day += timedelta(days=1)
        return found


def _row(count: Counted) -> tuple[int, int]:
    return count.receipt.delivery, count.receipt.position


def _default_source(record: Any) -> str:
    return {
        PurchaseRecord: "purchases",
        SalesRecord: "sales",
        MovementRecord: "movements",
        TransferRecord: "transfers",
    }[type(record)]


def _reason(record: Any) -> str:
    if isinstance(record, TransferRecord):
        return "transfer"
    return record.reason or {PurchaseRecord: "purchase", SalesRecord: "sale"}.get(type(record), "adjustment")
