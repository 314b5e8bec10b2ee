"""The examples of docs/extending.md do what the page says: the very text of the page is what runs here.

Put here what the page promises. Keep out other ways to extend; they would have to be on the page first.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from syncstock_dagster import POSRecord, PurchaseRecord, SyncStockDB
from syncstock_dagster.sources.intake import post, waiting_of
from syncstock_dagster.sources.readers import ReaderReport, run_readers
from syncstock_dagster.stock.explain import explain
from syncstock_dagster.stock.policy import load_policies, resolve_callable
from syncstock_dagster_tests.conftest import REPOSITORY
from syncstock_dagster_tests.receiving import receive_paths

PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

Extended = Callable[..., SyncStockDB]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def extended(tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Extended]:
    """Call it with the names of sources for a database with the configuration that the page gives them."""
    for block in blocks("python"):
        path = tmp_path / block.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    def open_database(*sources: str) -> SyncStockDB:
        config = tmp_path / "syncstock.toml"
        config.write_text("\n".join(block for block in blocks("toml") if f"[sources.{sources[0]}]" in block))
        return SyncStockDB(empty_database_url, policies=load_policies(config))

    yield open_database
    for name in [name for name in sys.modules if name.split(".")[0] == "my_shop"]:
        del sys.modules[name]


def stock_of(db: SyncStockDB, inventory_id: int) -> Decimal:
    (on_hand,) = db.on_hand(inventory_ids=[inventory_id])["on_hand"]
    return on_hand


def test_everything_that_the_page_configures_exists(extended: Extended) -> None:
    extended("till")
    named = re.findall(r'"(my_shop\.\w+:\w+)"', "".join(blocks("toml")))
    assert len(named) == 4
    for name in named:
        assert resolve_callable(name)


def test_the_validation_rule_rejects_the_file_with_the_row(extended: Extended, tmp_path: Path) -> None:
    db = extended("purchases")
    db.upsert_products([{"sku": "00123"}])
    purchases = tmp_path / "purchases" / "march.csv"
    purchases.parent.mkdir()
    purchases.write_text(
        "document,line,sku,location,quantity,effective_at\n"
        "N-1,1,00123,main,5000,2026-03-02T08:00:00Z\n"
        "N-1,2,00123,main,5012345678900,2026-03-02T08:00:00Z\n"
    )
    (receipt,) = receive_paths(db, purchases)
    assert receipt.state == "rejected"
    (error,) = receipt.errors
    assert (error.row, error.column, error.found) == (3, "quantity", "5012345678900")
    assert "delivery note" in error.remedy

    purchases.write_text(purchases.read_text().replace("5012345678900", "12"))
    receipts = receive_paths(db, purchases)
    post(db, waiting_of(receipts))
    assert db.on_hand()["on_hand"].tolist() == [Decimal(5012)]


def test_the_gate_rule_holds_an_empty_shelf_and_gives_its_reason(extended: Extended) -> None:
    db = extended("excel")
    db.run_sync(
        purchases=[PurchaseRecord(1, 9, at=NOON, ref="N-1"), PurchaseRecord(2, 9, at=NOON, ref="N-2")],
        pos_counts=[POSRecord(article, 9, NOON + HOUR, source="excel") for article in (1, 2)],
    )
    result = db.run_sync(
        pos_counts=[
            POSRecord(article, counted, NOON + 2 * HOUR, source="excel")
            for article, counted in ((1, 0), (2, 8))
        ]
    )
    assert (result.counts_held, result.counts_applied) == (1, 1)
    assert (stock_of(db, 1), stock_of(db, 2)) == (9, 8)
    (held,) = explain(db.url, db.policies, 1).places[0].held
    assert held.reason == "counted none, the book says 9"

    db.approve([held.count_id], reason="it was stolen")
    assert stock_of(db, 1) == 0


def test_the_reader_of_records_brings_sales_and_counts_once(
    extended: Extended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = extended("till")
    monkeypatch.setenv("MY_SHOP_TILL", str(tmp_path / "till.db"))
    with closing(sqlite3.connect(tmp_path / "till.db")) as till, till:
        till.execute("create table lines (inventory_id, qty, sold_at, receipt, line, written_at)")
        till.execute("create table counts (inventory_id, qty, counted_at, written_at)")
        till.execute(
            "insert into counts values (1, 50, '2026-03-02T08:00:00+00:00', '2026-03-02T08:00:00+00:00')"
        )
        till.executemany(
            "insert into lines values (1, 1, ?, ?, 1, ?)",
            [
                (f"2026-03-02T09:{n % 60:02}:00+00:00", f"R-{n}", "2026-03-02T10:00:00+00:00")
                for n in range(1200)
            ],
        )
    (report,) = run_readers(db)
    assert report.failure is None
    assert [result.movements_new for result in report.results] == [1000, 200, 0]
    assert stock_of(db, 1) == 50 - 1200

    (report,) = run_readers(db)
    assert sum(result.movements_new for result in report.results) == 0
    assert stock_of(db, 1) == 50 - 1200
    assert db.audit() == {}


def test_the_reader_of_tables_knows_articles_by_their_sku(extended: Extended) -> None:
    db = extended("scales")
    ids = db.upsert_products([{"sku": "00123"}])
    report: ReaderReport
    (report,) = run_readers(db)
    assert (report.source, report.failure) == ("scales", None)
    assert stock_of(db, int(ids["inventory_id"][0])) == Decimal("41.5")
