"""Gates and explanations of 50,000 counts on a million ledger entries."""

from __future__ import annotations

import io
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.database import fresh_database, settle
from benchmarks.history import LOCATIONS, make_history, post, sku_of
from benchmarks.measure import Figure, Report
from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources import parse_file
from syncstock_dagster.stock import days
from syncstock_dagster.stock.policy import Gate, Policies, SourcePolicy

ENTRIES, ARTICLES, CATEGORIES = 1_000_000, 25_000, 200
COUNTS = ARTICLES * len(LOCATIONS)
LIMIT_SECONDS = 10.0

#: Limits in all measures, with categories and articles that have their own.
GATE = {
    "percent": {"hold_above": 50},
    "value": {"hold_above": 5000},
    "categories": {f"Category {n}": {"hold_above": 80} for n in range(0, CATEGORIES, 10)},
    "articles": {sku_of(n): {"hold_above": 60} for n in range(1, ARTICLES, 50)},
}
POLICIES = Policies(
    sources={"excel": SourcePolicy(kind="counts", trust="gated", gate=Gate.model_validate(GATE))}
)


def run(*, full: bool) -> Report:
    """Every article is counted at both locations, far from the books for the most part; then all is explained."""
    del full
    report = Report(
        "reconciliation",
        f"gates and explanations of {COUNTS:,} counts on {ENTRIES:,} ledger entries, {ARTICLES:,} articles",
    )
    rng = np.random.default_rng(5)
    with fresh_database() as url:
        db = SyncStockDB(url, policies=POLICIES)
        with report.stage("make the history"):
            last_day = make_history(db, ENTRIES, articles=ARTICLES, seed=5)
            _categories(db)
        settle(url)
        sheets = [_receive(db, rng, last_day, location) for location in LOCATIONS]
        with report.stage("post the sheets"):
            results = post(db, sheets)
        settle(url)
        day = last_day + timedelta(days=1)
        with report.stage("evaluate the gates"):
            verdicts = days.verdicts(db.url, db.policies, (day, day))
        with report.stage("explain"):
            causes = db.explain_variances(day=day)
        assert db.audit() == {}
    assert verdicts.counts == COUNTS, verdicts.counts
    report.facts["counts held"] = sum(result.counts_held for result in results)
    report.facts["counts to review"] = sum(result.counts_review for result in results)
    report.facts["counts with a candidate cause"] = int(causes["count_id"].nunique())
    report.facts["candidate causes"] = len(causes)
    spent = report.stages["evaluate the gates"] + report.stages["explain"]
    posted = report.stages["post the sheets"]
    report.figures.append(Figure("seconds to evaluate and explain", spent, "s", LIMIT_SECONDS))
    report.figures.append(Figure("of the time of posting these counts", spent / posted, "x", 2.0, 1.0))
    return report


def _categories(db: SyncStockDB) -> None:
    db.upsert_products(
        {"sku": sku_of(n), "category": f"Category {n % CATEGORIES}", "cost": n % 97 + 1}
        for n in range(1, ARTICLES + 1)
    )


def _receive(db: SyncStockDB, rng: np.random.Generator, last_day: date, location: str) -> int:
    """A sheet of every article, of which one in six is right and the others are wrong in ways that people are."""
    books = db.on_hand(locations=[location]).set_index("inventory_id")["on_hand"]
    book = np.array([int(books.get(n, 0)) for n in range(1, ARTICLES + 1)])
    wrong = rng.integers(0, 6, ARTICLES)
    counted = np.select(
        [wrong == 0, wrong == 1, wrong == 2, wrong == 3, wrong == 4],
        [
            book,
            book + 12 * rng.integers(-10, 11, ARTICLES),
            book * 10,
            book + rng.integers(-200, 200, ARTICLES),
            book // 12,
        ],
        book + rng.integers(-20, 20, ARTICLES),
    )
    sink = io.BytesIO()
    pq.write_table(
        pa.table(
            {
                "inventory_id": np.arange(1, ARTICLES + 1),
                "location": np.repeat(location, ARTICLES),
                "counted": counted,
                "counted_at": np.repeat(f"{last_day + timedelta(days=1)}T18:00:00+00:00", ARTICLES),
            }
        ),
        sink,
    )
    policy = db.policies.for_source("excel", "counts")
    parsed = parse_file(sink.getvalue(), f"counts/{location}.parquet", "counts", "excel", policy)
    receipt = db.receive(parsed)
    assert receipt.counts == ARTICLES, receipt
    return receipt.delivery_id
