"""A real year, from files to stock, against the definition of stock computed a second way in plain Python.

541,909 rows of a UK online shop with openings and weekly counts made from them, delivered a fortnight at a
time with plausible delays: sheets wait for days, adjustments for weeks, and one file of sales in six is late.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources import list_drop, parse_drop_file
from syncstock_dagster.stock.policy import DEFAULTS, Policies
from syncstock_dagster_tests.real_year import (
    LOCATION,
    ZONE,
    RealYear,
    RightStock,
    read_year,
    real_data,
    write_real_year,
)

SOURCE = real_data()
needs_real_data = pytest.mark.skipif(
    SOURCE is None, reason="SYNCSTOCK_REAL_DATA does not name a folder with the real year (online_retail)"
)

#: What the shop counts is so. Under the gate the right stock would depend on what a person says to large
#: variances.
POLICIES = Policies(sources={"excel": DEFAULTS["excel"].model_copy(update={"trust": "authoritative"})})


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> RealYear:
    assert SOURCE is not None
    return write_real_year(SOURCE, tmp_path_factory.mktemp("real year"), weeks=2)


@pytest.fixture(scope="module")
def right(year: RealYear) -> RightStock:
    assert SOURCE is not None
    return RightStock(SOURCE, year)


@pytest.fixture(scope="module")
def year_db(year: RealYear, fresh_databases: object) -> Iterator[SyncStockDB]:
    """The year loaded once, delivery after delivery, each recorded as at the moment it came."""
    url = fresh_databases.take()  # type: ignore[attr-defined]
    db = SyncStockDB(url, policies=POLICIES)
    db.upsert_locations([LOCATION])
    dropped = {file.name: file for file in list_drop(year.folder)}
    assert dropped.keys() == {file.path for file in year.files}
    for file in year.files:
        parsed = parse_drop_file(dropped[file.path], db.policies)
        assert parsed.errors == ()
        receipt = db.receive(parsed, recorded_at=file.delivered_at)
        assert receipt.state == "received"
        assert receipt.movements + receipt.counts + receipt.products == file.rows
        db.post_received([receipt.delivery_id], recorded_at=file.delivered_at)
    yield db
    fresh_databases.give_back(url)  # type: ignore[attr-defined]


def _by_sku(db: SyncStockDB, stock: pd.DataFrame) -> dict[str, Decimal]:
    skus = db.products().set_index("inventory_id")["sku"]
    return dict(zip(stock["inventory_id"].map(skus), stock["on_hand"], strict=True))


@needs_real_data
def test_the_adapter_takes_every_row_of_the_year_once(year: RealYear) -> None:
    rows = {
        kind: sum(file.rows for file in year.files if file.kind == kind) for kind in ("sales", "movements")
    }
    assert rows["sales"] + rows["movements"] == 541_909
    assert rows["movements"] == 2_093  # the shop's own adjustments
    counts = sum(file.rows for file in year.files if file.kind == "counts")
    assert 16_000 < counts < 17_000


@needs_real_data
def test_honest_rows_that_look_the_same_all_count(year: RealYear) -> None:
    """5,268 rows repeat another one exactly; none of them is a duplicate of a document line."""
    assert SOURCE is not None
    given = read_year(SOURCE)
    columns = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "Country"]
    assert int(given.duplicated(columns).sum()) == 5_268


@needs_real_data
def test_the_year_ends_in_the_right_stock_for_every_article(year_db: SyncStockDB, right: RightStock) -> None:
    stock = _by_sku(year_db, year_db.on_hand())
    assert len(stock) == 4_070
    assert stock == right.on_hand()
    assert len(year_db.conflicts()) == 0
    assert len(year_db.quarantine()) == 0


@needs_real_data
def test_the_ledger_sums_to_the_stock_and_the_audit_is_empty(year_db: SyncStockDB, right: RightStock) -> None:
    assert year_db.audit() == {}
    counts = year_db.variances()
    assert (counts["status"] == "opening").sum() == 4_070


@needs_real_data
@pytest.mark.parametrize("seed", range(6))
def test_stock_as_of_an_instant_of_the_year(year_db: SyncStockDB, right: RightStock, seed: int) -> None:
    """Any minute of the year, among them the very minutes of counts."""
    rng = random.Random(seed)
    counted = year_db.variances()["counted_at"]
    at = counted.iloc[rng.randrange(len(counted))].astimezone(ZONE).replace(tzinfo=None)
    if seed % 2:
        at += timedelta(minutes=rng.randrange(-600, 600))
    assert _by_sku(year_db, year_db.on_hand(as_of=at)) == right.on_hand(as_of=at)


@needs_real_data
@pytest.mark.parametrize("known", [date(2011, 1, 20), date(2011, 5, 4), date(2011, 10, 12)])
def test_stock_as_it_was_known(year_db: SyncStockDB, right: RightStock, known: date) -> None:
    """Yesterday's report can be printed again as it was: late deliveries do not show in it."""
    known_at = datetime.combine(known, time(12), ZONE)
    stock = _by_sku(year_db, year_db.on_hand(known_at=known_at))
    assert stock == right.on_hand(known_at=known_at)
    assert stock != right.on_hand(as_of=known_at.replace(tzinfo=None)), "nothing was late: a weak example"


@needs_real_data
@pytest.mark.parametrize(
    "first", [date(2010, 11, 29), date(2011, 3, 26), date(2011, 10, 29), date(2011, 12, 8)]
)
def test_daily_snapshots(year_db: SyncStockDB, right: RightStock, first: date) -> None:
    """The closing balance of each day is the stock as of its last instant, also where the clocks change."""
    daily = year_db.daily(first, first + timedelta(days=2))
    for days in range(3):
        day = first + timedelta(days=days)
        of_day = daily[daily["day"] == day]
        end = datetime.combine(day, time.max)
        assert _by_sku(year_db, of_day) == right.on_hand(as_of=end), day
