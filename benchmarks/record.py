"""The record: 100,000 changes of articles, a rollback of 50,000 entries, and what bookkeeping adds to a sync."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from benchmarks.database import fresh_database, median, settle
from benchmarks.measure import Figure, Report, timed
from syncstock_dagster import PurchaseRecord, SyncStockDB
from syncstock_dagster.operations.log import run_operation
from syncstock_dagster.stock.policy import Policies

CHANGES, ENTRIES, ARTICLES = 100_000, 50_000, 20_000
STAGE_LIMIT, ROLLBACK_LIMIT, BOOKKEEPING_LIMIT = 10.0, 5.0, 5.0
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def run(*, full: bool) -> Report:
    """Each on a database of its own."""
    del full
    report = Report(
        "record", f"{CHANGES:,} changes of articles, a rollback of {ENTRIES:,} entries, bookkeeping"
    )
    with fresh_database() as url:
        _catalogue(SyncStockDB(url, policies=Policies()), report)
    with fresh_database() as url:
        _rollback(SyncStockDB(url, policies=Policies()), report)
    return report


def _catalogue(db: SyncStockDB, report: Report) -> None:
    """New articles with codes and packs, then as many changes; staged, approved and committed."""
    said = [
        {
            "sku": f"SKU-{n:06}", "name": f"Article {n}", "category": f"Category {n % 50}", "price": n % 997,
            "identifiers": {"zoho": str(460_000_000_000 + n)}, "units": {"pack": 12},
        }
        for n in range(CHANGES)
    ]  # fmt: skip
    for word, changes in (
        ("new", said),
        ("changed", [{**one, "price": one["price"] + 1, "name": f"{one['name']}!"} for one in said]),
        ("changed again", [{**one, "price": one["price"] + 2} for one in said]),
    ):
        settle(db.url)
        began = time.perf_counter()
        with report.stage(f"{word}: stage"):
            result = db.stage_products(changes, source="zoho")
        with report.stage(f"{word}: approve"):
            db.approve_staged(operation_uuid=result.operation_uuid, reason="all of it")
        with report.stage(f"{word}: commit"):
            done = db.commit_staged(operation_uuid=result.operation_uuid)
        spent = time.perf_counter() - began
        assert (result.staged, done.committed) == (CHANGES, CHANGES), (result, done)
        for one in (result, done):
            for stage in db.operation(one.operation_uuid)["stages"]:
                report.stages[f"{word}: of it {stage['stage']}"] = float(stage["seconds"])
        report.figures.append(
            Figure(f"seconds to stage, approve and commit, {word}", spent, "s", STAGE_LIMIT)
        )
    with report.stage("unchanged: stage"):
        assert db.stage_products(changes, source="zoho").unchanged == CHANGES
    assert db.audit() == {}


def _rollback(db: SyncStockDB, report: Report) -> None:
    """Entries of one sync among those of another, withdrawn and given back; and what a sync spends on its record."""
    batches = [
        [
            PurchaseRecord(n % ARTICLES + 1, 3, at=AT, ref=f"{word}-{n}", line="1")
            for n in range(ENTRIES)
        ]
        for word in ("first", "second", "third")
    ]  # fmt: skip
    for batch in batches:
        settle(db.url)
        began = time.perf_counter()
        result = db.run_sync(batch)
        spent = time.perf_counter() - began
        assert result.ledger_entries == ENTRIES
    report.stages["sync"] = spent
    # An operation that does nothing is all bookkeeping: its row, its lock, its performance and its events.
    empty = median([timed(lambda: run_operation(db.url, "nothing", "sync", lambda _: {})) for _ in range(20)])
    report.facts["milliseconds of an operation that does nothing"] = f"{1000 * empty:.1f}"
    report.figures.append(
        Figure(f"bookkeeping of a sync of {ENTRIES:,} rows", 100 * empty / spent, "%", BOOKKEEPING_LIMIT)
    )
    settle(db.url)
    began = time.perf_counter()
    undone = db.rollback(result.operation_uuid, reason="benchmark")
    report.figures.append(
        Figure(f"seconds to roll back {ENTRIES:,} entries", time.perf_counter() - began, "s", ROLLBACK_LIMIT)
    )
    assert undone.ledger_entries == ENTRIES
    with report.stage("roll back the rollback"):
        db.rollback(undone.operation_uuid, reason="benchmark")
    with report.stage("preview"):
        db.preview_rollback(result.operation_uuid)
    assert db.audit() == {}
