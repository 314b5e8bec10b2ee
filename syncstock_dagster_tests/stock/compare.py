"""Hold what the engine answers against what the model says.

What belongs here: reading everything a reader can see of a database through the public interface, and listing where it
differs from the model. What does not: expectations of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pandas as pd

from syncstock_dagster.database import SyncStockDB
from syncstock_dagster_tests.stock.model import (
    MICROSECOND,
    History,
    Model,
    Pair,
    exact_difference,
    exact_sum,
    local_day_bounds,
)

#: Statuses of counts that touch stock.
IN_FORCE = {"opening", "applied", "review", "flagged"}


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A DataFrame as plain rows, with aware datetimes in UTC and missing values as None."""
    found = []
    for row in frame.astype(object).to_dict("records"):
        plain = {}
        for name, value in row.items():
            if isinstance(value, pd.Timestamp):
                value = value.to_pydatetime().astimezone(UTC)
            elif not isinstance(value, Decimal) and pd.api.types.is_scalar(value) and pd.isna(value):
                value = None
            plain[str(name)] = value
        found.append(plain)
    return found


def pair_of(row: dict[str, Any]) -> Pair:
    """The article and location of a row."""
    return Pair(int(row["inventory_id"]), row["location"])


def stock(db: SyncStockDB, **when: Any) -> dict[Pair, Decimal]:
    """``on_hand`` as a dictionary; every quantity is a Decimal."""
    found: dict[Pair, Decimal] = {}
    for row in rows(db.on_hand(**when)):
        assert isinstance(row["on_hand"], Decimal), row
        assert pair_of(row) not in found, f"{pair_of(row)} is listed twice"
        found[pair_of(row)] = row["on_hand"]
    return found


def ledger(db: SyncStockDB) -> dict[Pair, list[dict[str, Any]]]:
    """The whole ledger by pair."""
    found: dict[Pair, list[dict[str, Any]]] = {}
    for row in rows(db.ledger()):
        found.setdefault(pair_of(row), []).append(row)
    return found


def balances(entries: Iterable[dict[str, Any]], at: datetime) -> Decimal:
    """L3: the sum of the entries effective up to an instant."""
    return exact_sum(entry["delta"] for entry in entries if entry["effective_at"] <= at)


def variances(db: SyncStockDB, **when: Any) -> dict[tuple[Pair, datetime], dict[str, Any]]:
    """The variances of counts in force, one per pair and instant."""
    found: dict[tuple[Pair, datetime], dict[str, Any]] = {}
    for row in rows(db.variances(**when)):
        if row["status"] in IN_FORCE:
            slot = (pair_of(row), row["counted_at"])
            assert slot not in found, f"two variances for one count: {found[slot]} and {row}"
            found[slot] = row
    return found


def daily(db: SyncStockDB, first: date, last: date, **when: Any) -> dict[tuple[date, Pair], Decimal]:
    """The dense snapshot as a dictionary."""
    found: dict[tuple[date, Pair], Decimal] = {}
    for row in rows(db.daily(first, last, **when)):
        day = row["day"].date() if isinstance(row["day"], datetime) else row["day"]
        assert (day, pair_of(row)) not in found, f"{day} of {pair_of(row)} is listed twice"
        found[day, pair_of(row)] = row["on_hand"]
    return found


def disagreements(
    db: SyncStockDB, model: Model, *, days: tuple[date, date] | None = None, instants: Iterable[datetime] = ()
) -> list[str]:
    """Every difference between the engine and the model, in words; empty when they agree."""
    history = model.history()
    return [
        *_stock(db, history, instants),
        *_ledger(db, history),
        *_variances(db, model),
        *_waiting(db, model),
        *(_daily(db, history, *days) if days else []),
    ]


def _stock(db: SyncStockDB, history: History, instants: Iterable[datetime]) -> list[str]:
    found = []
    for at in [None, *instants]:
        told = stock(db) if at is None else stock(db, as_of=at)
        for pair in sorted({*told, *history.pairs()}):
            expected = history.on_hand(pair, at)
            if told.get(pair, Decimal(0)) != expected:
                found.append(f"on_hand as of {at}: {pair} is {told.get(pair)}, not {expected}")
    return found


def _ledger(db: SyncStockDB, history: History) -> list[str]:
    found = []
    by_pair = ledger(db)
    for pair in sorted({*by_pair, *history.pairs()}):
        entries = by_pair.get(pair, [])
        for before, after in pairwise(entries):
            assert before["effective_at"] <= after["effective_at"], "the ledger is not in effective order"
        running = Decimal(0)
        for entry in entries:
            running = exact_sum([running, entry["delta"]])
            if entry["running"] != running:
                found.append(f"ledger: running of {pair} is {entry['running']}, not {running}: {entry}")
        found.extend(
            f"ledger: balance of {pair} at {at} is {balances(entries, at)}, not {history.on_hand(pair, at)}"
            for at in sorted({*(entry["effective_at"] for entry in entries), *history.instants(pair)})
            if balances(entries, at) != history.on_hand(pair, at)
        )
    return found


def _variances(db: SyncStockDB, model: Model) -> list[str]:
    found = []
    told, expected = variances(db), model.variances()
    for slot in sorted({*told, *expected}):
        if slot not in told:
            found.append(f"variances: the count {slot} is in force and not listed: {expected[slot]}")
        elif slot not in expected:
            found.append(f"variances: the count {slot} is listed and not in force: {told[slot]}")
        else:
            row = told[slot]
            is_told = tuple(row[name] for name in ("counted", "expected", "variance", "status"))
            if is_told != tuple(expected[slot]):
                found.append(f"variances: {slot} is {is_told}, not {tuple(expected[slot])}")
    return found


def _waiting(db: SyncStockDB, model: Model) -> list[str]:
    """Held and rejected counts; what a held one is measured against follows from the evidence in force too."""
    found = []
    history = model.history()
    told = rows(db.variances())
    for status, expected in (("held", model.held()), ("rejected", model.rejected())):
        listed = sorted(
            (pair_of(row), row["counted_at"], row["counted"], row["variance"] if status == "held" else None)
            for row in told
            if row["status"] == status
        )
        wanted = sorted(
            (
                count.pair,
                count.at,
                count.quantity,
                model.variance_of(history, count) if status == "held" else None,
            )
            for count in expected
        )
        if listed != wanted:
            found.append(f"{status} counts: {listed}, not {wanted}")
    return found


def _daily(db: SyncStockDB, history: History, first: date, last: date) -> list[str]:
    told, expected = daily(db, first, last), history.daily(first, last)
    # A day that the zone of a location left out may be listed or not.
    left_out = {
        (day, pair)
        for day, pair in told
        if (day, pair) not in expected and local_day_bounds(history.zones[pair.location], day) is None
    }
    return [
        f"daily: {slot} is {told.get(slot)}, not {expected.get(slot)}"
        for slot in sorted({*told, *expected} - left_out)
        if told.get(slot) != expected.get(slot)
    ]


class Memory:
    """What was true at each stamp of each pair, to ask the engine later what it knew then (L2).

    The stamps are the ledger's own; they rise per pair in the order of the operations, whatever order they tell of.
    """

    def __init__(self) -> None:
        self._known: dict[Pair, list[tuple[datetime, History]]] = {}

    def remember(self, db: SyncStockDB, model: Model) -> None:
        """Note the stamps that the last operation gave, and what is true since."""
        history = model.history()
        for pair, entries in ledger(db).items():
            known = self._known.setdefault(pair, [])
            last = max(entry["recorded_at"] for entry in entries)
            if not known or known[-1][0] < last:
                known.append((last, history))
            else:
                assert known[-1][0] == last, f"a stamp of {pair} went back from {known[-1][0]} to {last}"

    def stamps(self) -> list[datetime]:
        """Every stamp, and the last instant before it."""
        stamps = {stamp for known in self._known.values() for stamp, _ in known}
        return sorted(stamps | {stamp - MICROSECOND for stamp in stamps})

    def then(self, pair: Pair, known_at: datetime) -> History | None:
        """What was known of a pair; None before anything was."""
        found = None
        for stamp, history in self._known.get(pair, []):
            if stamp <= known_at:
                found = history
        return found

    def disagreements(
        self, db: SyncStockDB, known_at: datetime, as_of: datetime | None, days: tuple[date, date]
    ) -> list[str]:
        """Where the engine tells the past otherwise than it was."""
        return [
            *self._stock(db, known_at, as_of),
            *self._daily(db, known_at, days),
            *self._variances(db, known_at),
        ]

    def _stock(self, db: SyncStockDB, known_at: datetime, as_of: datetime | None) -> list[str]:
        told = stock(db, known_at=known_at) if as_of is None else stock(db, known_at=known_at, as_of=as_of)
        found = []
        for pair in sorted({*told, *self._known}):
            then = self.then(pair, known_at)
            expected = Decimal(0) if then is None else then.on_hand(pair, as_of)
            if told.get(pair, Decimal(0)) != expected:
                found.append(
                    f"on_hand as of {as_of} known at {known_at}: {pair} is {told.get(pair)}, not {expected}"
                )
        return found

    def _daily(self, db: SyncStockDB, known_at: datetime, days: tuple[date, date]) -> list[str]:
        told = daily(db, *days, known_at=known_at)
        expected: dict[tuple[date, Pair], Decimal] = {}
        zones: dict[str, str] = {}
        for pair in self._known:
            then = self.then(pair, known_at)
            if then is not None:
                zones |= then.zones
                expected |= {slot: value for slot, value in then.daily(*days).items() if slot[1] == pair}
        return [
            f"daily known at {known_at}: {slot} is {told.get(slot)}, not {expected.get(slot)}"
            for slot in sorted({*told, *expected})
            if told.get(slot) != expected.get(slot)
            and not (
                slot not in expected and local_day_bounds(zones.get(slot[1].location, "UTC"), slot[0]) is None
            )
        ]

    def _variances(self, db: SyncStockDB, known_at: datetime) -> list[str]:
        told = {
            slot: (row["counted"], row["expected"], row["variance"])
            for slot, row in variances(db, known_at=known_at).items()
        }
        expected = {}
        for pair in self._known:
            then = self.then(pair, known_at)
            for at, counted in then.counts.get(pair, {}).items() if then else ():
                was_expected = then.expected(pair, at)
                expected[pair, at] = (counted, was_expected, exact_difference(counted, was_expected))
        return [
            f"variances known at {known_at}: {slot} is {told.get(slot)}, not {expected.get(slot)}"
            for slot in sorted({*told, *expected})
            if told.get(slot) != expected.get(slot)
        ]
