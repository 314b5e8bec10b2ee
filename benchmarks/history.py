"""Made-up histories of any length, and one more day on top of them.

What belongs here: evidence as Parquet files, posted through the engine in bulk, so that the state is a legal
one. What does not: measuring.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from syncstock_dagster import SyncResult, SyncStockDB
from syncstock_dagster.sources import parse_file

LOCATIONS = ("north", "south")
ZONE = "UTC"

_FIRST_DAY = date(2024, 1, 1)
_DAYS = 360
_BULK = 1_000_000
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
    openings = _counts(np.arange(pairs), np.full(pairs, start), rng.integers(20, 200, pairs))
    post(db, [receive(db, "counts", "openings", openings)])
    left, parts = entries - pairs, max(-(-(entries - pairs) // _BULK), 1)
    for part in range(parts):
        size = left // (parts - part)
        left -= size
        begin, end = (start + 1 + (_DAYS * _DAY) * n // parts for n in (part, part + 1))
        _post_stretch(db, rng, size, pairs, begin, end, f"H{part}")
    return _FIRST_DAY + timedelta(days=_DAYS - 1)


def receive_day(
    db: SyncStockDB, day: date, *, movements: int, counts: int, articles: int, seed: int
) -> list[int]:
    """Deliver one day, not yet posted: movements from opening to closing, some late by weeks, and counts."""
    rng = np.random.default_rng(seed)
    pairs = articles * len(LOCATIONS)
    midnight = _microseconds(day)
    at = midnight + rng.integers(8 * 3600, 20 * 3600, movements) * 1_000_000
    late = rng.random(movements) < 0.02
    at[late] -= rng.integers(1, 30, int(late.sum())) * _DAY
    counted = rng.choice(pairs, counts, replace=False)
    counted_at = midnight + rng.integers(9 * 3600, 21 * 3600, counts) * 1_000_000
    name = f"D{day:%y%m%d}"
    return [
        receive(db, "movements", name, _movements(rng, rng.integers(0, pairs, movements), at, name)),
        receive(db, "counts", name, _counts(counted, counted_at, rng.integers(0, 200, counts))),
    ]


def receive(db: SyncStockDB, kind: Literal["movements", "counts"], name: str, table: pa.Table) -> int:
    """Take a table in as a Parquet file; returns the delivery."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    source = {"movements": "movements", "counts": "pos"}[kind]
    policy = db.policies.for_source(source, kind)
    parsed = parse_file(sink.getvalue(), f"{kind}/{name}.parquet", kind, source, policy)
    receipt = db.receive(parsed)
    assert receipt.state == "received", receipt
    assert receipt.movements + receipt.counts == len(table), receipt
    return receipt.delivery_id


def post(db: SyncStockDB, deliveries: Sequence[int]) -> list[SyncResult]:
    """Post what was received."""
    results = db.post_received(deliveries)
    assert len(results) == len(deliveries)
    return results


def _post_stretch(
    db: SyncStockDB, rng: np.random.Generator, entries: int, pairs: int, begin: int, end: int, name: str
) -> None:
    counts = entries // _COUNT_EVERY
    moves = entries - counts
    moved_at = begin + np.sort(rng.integers(0, (end - begin) // 1_000_000, moves)) * 1_000_000
    counted_at = begin + np.sort(rng.integers(0, (end - begin) // 1_000_000, counts)) * 1_000_000
    # Two counts of one pair in one microsecond would be one slot; a stray part of a second keeps the number
    # exact.
    counted_at += np.arange(counts) % 1_000_000
    moved = _movements(rng, rng.integers(0, pairs, moves), moved_at, name)
    counted = _counts(rng.integers(0, pairs, counts), counted_at, rng.integers(0, 200, counts))
    post(db, [receive(db, "movements", name, moved), receive(db, "counts", name, counted)])


def _movements(rng: np.random.Generator, pair: np.ndarray, at: np.ndarray, name: str) -> pa.Table:
    size = len(pair)
    number = np.arange(size)
    # Three sales for each purchase of three times the size: the stock stays where it is.
    bought = number % 4 == 0
    quantity = np.where(bought, 3 * rng.integers(1, 4, size), -rng.integers(1, 4, size))
    return pa.table(
        {
            "document": np.char.add(f"{name}-", (number // 4).astype(str)),
            "line": (number % 4).astype(str),
            "inventory_id": pair // len(LOCATIONS) + 1,
            "location": np.array(LOCATIONS)[pair % len(LOCATIONS)],
            "quantity": quantity,
            "effective_at": _instants(at),
            "reason": np.where(bought, "purchase", "sale"),
        }
    )


def _counts(pair: np.ndarray, at: np.ndarray, counted: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "inventory_id": pair // len(LOCATIONS) + 1,
            "location": np.array(LOCATIONS)[pair % len(LOCATIONS)],
            "counted": counted,
            "counted_at": _instants(at),
        }
    )


def _instants(microseconds: np.ndarray) -> pa.Array:
    return pa.array(microseconds.astype("datetime64[us]"), pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


def _microseconds(day: date) -> int:
    return int(np.datetime64(day, "us").astype("int64"))
