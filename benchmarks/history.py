"""Made-up histories of any length, and one more day on top of them.

What belongs here: evidence as Arrow tables, posted through the engine in bulk, so that the state is a legal
one. What does not: measuring.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from syncstock_dagster import SyncResult, SyncStockDB
from syncstock_dagster.database import DEFAULT_LOCATION
from syncstock_dagster.stock.deliveries import deliver_records
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, MOVEMENT_SCHEMA, Evidence

LOCATIONS = ("north", "south")
ZONE = "UTC"

_FIRST_DAY = date(2024, 1, 1)
_DAYS = 360
_BULK = 500_000
#: One ledger entry in so many is a count's.
_COUNT_EVERY = 20
_DAY = 86_400_000_000  # microseconds


def sku_of(article: int) -> str:
    """The code of an article. The last digit is a letter, so that nothing takes it for a number."""
    return f"{article:06d}N"


def make_history(db: SyncStockDB, entries: int, *, articles: int, seed: int) -> date:
    """Post about ``entries`` ledger entries over a year, openings first; returns the last day."""
    rng = np.random.default_rng(seed)
    db.upsert_locations({"code": code, "timezone": ZONE} for code in LOCATIONS)
    db.upsert_products(
        {"sku": sku_of(n), "name": f"Article number {n}", "inventory_id": n} for n in range(1, articles + 1)
    )
    pairs = articles * len(LOCATIONS)
    start = _microseconds(_FIRST_DAY)
    every = np.arange(pairs)
    deliver(
        db, Evidence(counts=_counts(every, np.full(pairs, start), rng.integers(20, 200, pairs))), "openings"
    )
    left, parts = entries - pairs, max(-(-(entries - pairs) // _BULK), 1)
    for part in range(parts):
        size = left // (parts - part)
        left -= size
        begin, end = (start + 1 + (_DAYS * _DAY) * n // parts for n in (part, part + 1))
        deliver(db, _stretch(rng, size, pairs, begin, end, f"H{part}"), f"history {part + 1} of {parts}")
    return _FIRST_DAY + timedelta(days=_DAYS - 1)


def a_day(rng: np.random.Generator, day: date, *, movements: int, counts: int, articles: int) -> Evidence:
    """One day: sales from opening to closing, a few of them late by up to a month, and counts at any hour."""
    pairs = articles * len(LOCATIONS)
    midnight = _microseconds(day)
    at = midnight + rng.integers(8 * 3600, 20 * 3600, movements) * 1_000_000
    late = rng.random(movements) < 0.02
    at[late] -= rng.integers(1, 30, int(late.sum())) * _DAY
    counted = rng.choice(pairs, counts, replace=False)
    counted_at = midnight + rng.integers(9 * 3600, 21 * 3600, counts) * 1_000_000
    return Evidence(
        _movements(rng, rng.integers(0, pairs, movements), at, f"D{day:%y%m%d}"),
        _counts(counted, counted_at, rng.integers(0, 200, counts)),
    )


def deliver(db: SyncStockDB, evidence: Evidence, note: str) -> SyncResult:
    """Post evidence as one delivery; the same as ``run_sync`` with records, without making records of it."""
    return deliver_records(db.url, evidence, db.policies, note=note, default_location=DEFAULT_LOCATION)


def _stretch(rng: np.random.Generator, entries: int, pairs: int, begin: int, end: int, name: str) -> Evidence:
    counts = entries // _COUNT_EVERY
    moves = entries - counts
    moved_at = begin + np.sort(rng.integers(0, (end - begin) // 1_000_000, moves)) * 1_000_000
    counted_at = begin + np.sort(rng.integers(0, (end - begin) // 1_000_000, counts)) * 1_000_000
    # Two counts of one pair in one microsecond would be one slot; a stray half second keeps the number exact.
    counted_at += np.arange(counts) % 1_000_000
    return Evidence(
        _movements(rng, rng.integers(0, pairs, moves), moved_at, name),
        _counts(rng.integers(0, pairs, counts), counted_at, rng.integers(0, 200, counts)),
    )


def _movements(rng: np.random.Generator, pair: np.ndarray, at: np.ndarray, name: str) -> pa.Table:
    size = len(pair)
    number = np.arange(size)
    # Three sales for each purchase of three times the size: the stock stays where it is.
    bought = number % 4 == 0
    quantity = np.where(bought, 3 * rng.integers(1, 4, size), -rng.integers(1, 4, size))
    columns = {
        "position": number,
        "source": np.where(bought, "purchases", "sales"),
        "document": np.char.add(f"{name}-", (number // 4).astype(str)),
        "line": (number % 4).astype(str),
        "leg": np.zeros(size, "int16"),
        "inventory_id": pair // len(LOCATIONS) + 1,
        "location": np.array(LOCATIONS)[pair % len(LOCATIONS)],
        "quantity": quantity.astype(str),
        "effective_at": at.astype("datetime64[us]"),
        "reason": np.where(bought, "purchase", "sale"),
    }
    return _table(columns, MOVEMENT_SCHEMA, size)


def _counts(pair: np.ndarray, at: np.ndarray, counted: np.ndarray) -> pa.Table:
    size = len(pair)
    columns = {
        "position": np.arange(size),
        "source": np.full(size, "pos"),
        "inventory_id": pair // len(LOCATIONS) + 1,
        "location": np.array(LOCATIONS)[pair % len(LOCATIONS)],
        "quantity": counted.astype(str),
        "counted_at": at.astype("datetime64[us]"),
    }
    return _table(columns, COUNT_SCHEMA, size)


def _table(columns: dict[str, np.ndarray], schema: pa.Schema, size: int) -> pa.Table:
    """The columns in ``schema``; those that are not given are null."""
    arrays = []
    for column in schema:
        if column.name not in columns:
            arrays.append(pa.nulls(size, column.type))
        elif pa.types.is_timestamp(column.type):
            arrays.append(pa.array(columns[column.name], pa.timestamp("us")).cast(column.type))
        else:
            arrays.append(pa.array(columns[column.name]).cast(column.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _microseconds(day: date) -> int:
    return int(np.datetime64(day, "us").astype("int64"))
