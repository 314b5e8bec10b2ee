"""Xorosoft: its envelope, its own tables, its kinds of updates, and its files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest
from psycopg.rows import dict_row

from syncstock_dagster import SyncStockDB
from syncstock_dagster.demo.vendors.xorosoft import XorosoftItem, XorosoftStandIn
from syncstock_dagster.errors import BadInput
from syncstock_dagster.settings import get_settings
from syncstock_dagster.sources import asking
from syncstock_dagster.sources.protocol import RefusedError
from syncstock_dagster.sources.vendors import read_table
from syncstock_dagster.sources.xorosoft import XorosoftTable
from syncstock_dagster.stock.policy import ConfigError
from syncstock_dagster_tests.sources import vendors
from syncstock_dagster_tests.sources.test_contract import agrees, stock
from syncstock_dagster_tests.sources.vendors import Vendor


@pytest.fixture
def pair(db: SyncStockDB) -> tuple[Vendor, XorosoftStandIn]:
    return vendors.xorosoft(db.url)


def rows(db: SyncStockDB, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(db.url, row_factory=dict_row) as connection:
        connection.execute("set search_path = syncstock")
        return connection.execute(query.encode()).fetchall()


def test_what_passes_is_tried_again(db: SyncStockDB, pair: tuple[Vendor, XorosoftStandIn]) -> None:
    vendor, fake = pair
    fake.faults.next(None, "500", None, "html", None, "cut", None, "timeout", None, "429")
    result = vendor.pull(db)
    assert (result.status, result.api_calls) == ("complete", 15)
    assert agrees(db, vendor)
    assert db.audit() == {}


@pytest.mark.parametrize("field", ["number", "description", "item_id", "store"])
def test_a_row_that_cannot_be_stored_spoils_no_other(
    db: SyncStockDB, pair: tuple[Vendor, XorosoftStandIn], field: str
) -> None:
    vendor, fake = pair
    item = next(iter(fake.items.values()))
    if field == "store":
        item.stock["Ma\x00in"] = "3"
    else:
        setattr(item, field, "a\x00b")
    result = vendor.pull(db)
    assert (result.status, result.refused > 0) == ("complete", True)
    assert len(stock(db)) >= 44
    assert "\ufffd" in str(db.dead_letters()["payload"].to_list())


def test_http_200_may_say_no(db: SyncStockDB, pair: tuple[Vendor, XorosoftStandIn]) -> None:
    vendor, fake = pair
    fake.faults.next(*[None] * 7, "no")
    with pytest.raises(RefusedError, match="The page is not available"):
        vendor.pull(db)
    assert stock(db) == {}
    result = vendor.pull(db)
    assert (result.status, result.resumed, result.pages) == ("complete", True, 3)
    assert agrees(db, vendor)


def test_a_wrong_key_is_told(db: SyncStockDB, pair: tuple[Vendor, XorosoftStandIn]) -> None:
    vendor, fake = pair
    fake.secret = "changed"
    with pytest.raises(RefusedError, match="SYNCSTOCK_XOROSOFT_KEY"):
        vendor.pull(db)


def test_its_tables_keep_what_it_says(db: SyncStockDB, pair: tuple[Vendor, XorosoftStandIn]) -> None:
    vendor, fake = pair
    vendor.pull(db)
    kept = rows(db, "select * from xorosoft_products order by sku")
    assert len(kept) == 45
    third = kept[3]
    assert (third["xorosoft_id"], third["sku"], third["warehouse_code"]) == ("id-3", "X00003", "Main")
    assert (third["stock_on_hand"], third["stock_on_order"], third["cost_price"]) == (21, 2, Decimal("3.25"))
    assert third["inventory_id"] is not None
    fake.set_stock("X00003", "80")
    assert vendor.pull(db, what="stock").levels_changed == 1
    assert stock(db)["X00003"] == 80
    fake.items["X00003"].cost = "9.75"
    price = vendor.pull(db, what="price")
    assert (price.levels, price.items_changed, price.committed) == (0, 1, 1)
    (after,) = rows(db, "select * from xorosoft_products where sku = 'X00003'")
    assert (after["stock_on_hand"], after["cost_price"]) == (80, Decimal("9.75"))
    assert db.products(["X00003"]).iloc[0]["cost"] == Decimal("9.75")
    logs = rows(
        db, "select sync_type, status, statistics, operation_id from xorosoft_sync_logs order by log_id"
    )
    assert [one["sync_type"] for one in logs] == ["full_sync", "stock_update", "price_update"]
    assert logs[1]["statistics"]["levels_changed"] == 1
    assert all(one["operation_id"] for one in logs)
    assert db.audit() == {}


def test_a_pull_that_fails_is_in_its_log(
    db: SyncStockDB, pair: tuple[Vendor, XorosoftStandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, fake = pair
    fake.faults.next("no")

    @contextmanager
    def this_one(*_: Any) -> Any:
        yield vendor.source

    monkeypatch.setattr(asking, "opened_source", this_one)
    with pytest.raises(RefusedError):
        asking.start_pull(db, "xorosoft")
    (log,) = rows(db, "select * from xorosoft_sync_logs")
    assert (log["status"], "not available" in log["error"]) == ("failed", True)


def test_changed_items_are_asked_for_in_its_zone(db: SyncStockDB) -> None:
    vendor, fake = vendors.xorosoft(db.url, timezone="America/New_York")
    vendor.pull(db)
    fake.set_stock("X00003", "79")
    vendor.pull(db, since=datetime(2026, 3, 2, 12, tzinfo=UTC))
    asked = next(call for call in fake.faults.calls if "updated_at_min" in call[1])
    assert asked[1]["updated_at_min"] == "03/02/2026 07:00:00 AM"
    assert agrees(db, vendor)


HEADERS = ["ItemNumber", "StoreName", "OnHandQty", "ItemId", "ItemDescription"]
MOMENT = datetime(2026, 3, 1, 18, tzinfo=UTC)


@pytest.fixture
def trusting(db: SyncStockDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncStockDB]:
    path = tmp_path / "syncstock.toml"
    path.write_text(
        '[sources.xorosoft]\ntrust = "authoritative"\n[catalogue.sources.xorosoft]\n'
        'auto_commit = { max_changes = 100 }\n[vendors.xorosoft]\nlocations = { "Main WH" = "main" }\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("SYNCSTOCK_CONFIG", str(path))
    get_settings.cache_clear()
    yield SyncStockDB(db.url)
    get_settings.cache_clear()


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_file_comes_in_as_if_it_had_been_asked_for(
    trusting: SyncStockDB, tmp_path: Path, ending: str
) -> None:
    lines = [
        ["00017", "Main WH", "12", "id-17", "Mug"],
        ["00018", "Main WH", "0", "id-18", "Cup"],
        ["00019", "Main WH", "", "id-19", "Blank"],
        ["00020", "Main WH", "many", "id-20", "Wrong"],
    ]
    path = tmp_path / f"stock.{ending}"
    if ending == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADERS, *lines])
    else:
        book = openpyxl.Workbook()
        for line in [["Export of Xorosoft"], HEADERS, *lines]:
            book.active.append(line)
        book.save(path)
    rehearsed = asking.import_xorosoft(trusting, path, MOMENT, dry_run=True)
    assert (rehearsed.status, rehearsed.differences_in_all) == ("dry run", 2)
    result = asking.import_xorosoft(trusting, path, MOMENT)
    assert (result.counts_new, result.refused) == (2, 1)
    assert stock(trusting) == {"00017": 12, "00018": 0}  # a blank is not zero
    assert "many" in trusting.dead_letters().iloc[0]["reason"]
    again = asking.import_xorosoft(trusting, path, MOMENT)
    assert again.counts_new == 0
    (log, _) = rows(trusting, "select * from xorosoft_sync_logs order by log_id")
    assert (log["sync_type"], log["import_file"]) == ("file_import", path.name)
    assert len(rows(trusting, "select content_sha256 from uploads")) == 1
    kept = rows(trusting, "select * from xorosoft_products order by sku")
    assert [(one["sku"], one["stock_on_hand"]) for one in kept] == [("00017", 12), ("00018", 0)]
    assert trusting.audit() == {}


def test_an_older_file_does_not_beat_what_is_known(trusting: SyncStockDB, tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    for quantity, moment in (("5", MOMENT), ("9", MOMENT.replace(hour=6))):
        path.write_text(f"ItemNumber,StoreName,OnHandQty\n17,Main WH,{quantity}\n", encoding="utf-8")
        asking.import_xorosoft(trusting, path, moment)
    assert stock(trusting) == {"17": 5}


def test_a_file_without_its_columns_is_refused(trusting: SyncStockDB, tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(BadInput, match="header"):
        asking.import_xorosoft(trusting, path, MOMENT)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_our_stock_goes_out_and_never_below_zero(trusting: SyncStockDB, tmp_path: Path, ending: str) -> None:
    source = tmp_path / "in.csv"
    source.write_text(
        "ItemNumber,StoreName,OnHandQty,ItemId\n00017,Main WH,-4,id-17\n00018,Main WH,2.5,id-18\n",
        encoding="utf-8",
    )
    asking.import_xorosoft(trusting, source, MOMENT)
    path = tmp_path / f"out.{ending}"
    assert asking.export_xorosoft(trusting, path, dry_run=True).rows == 2
    assert not path.exists()
    asking.export_xorosoft(trusting, path)
    if ending == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    else:
        cells = list(openpyxl.load_workbook(path).active.iter_rows(values_only=True))
        lines = [dict(zip(cells[0], line, strict=True)) for line in cells[1:]]
    assert [(one["ItemNumber"], one["OnHandQty"]) for one in lines] == [("00017", "0"), ("00018", "2.5")]
    log = rows(trusting, "select * from xorosoft_sync_logs order by log_id desc limit 1")[0]
    assert (log["sync_type"], log["export_file"]) == ("file_export", path.name)


def test_two_of_its_stores_cannot_be_one_of_ours(db: SyncStockDB) -> None:
    """Stores of an item may stand on different pages, so that a part could be taken for the whole."""
    with pytest.raises(ConfigError, match="each to its own"):
        read_table("xorosoft", XorosoftTable, {"locations": {"A": "main", "B": "main"}})
    vendor, fake = vendors.xorosoft(db.url, 2, locations={"Main": "main", "B": "other"})
    for item in fake.items.values():
        item.stock = {"Main": "3", "main": "4"}
    done = vendor.pull(db)
    assert done.refused == 2
    assert set(stock(db).values()) == {Decimal(3)}


def test_an_item_that_stands_twice_in_one_store_is_told_and_not_chosen_from(db: SyncStockDB) -> None:
    vendor, fake = vendors.xorosoft(db.url, 5)
    fake.items["a twin"] = XorosoftItem("id-9", "X00003", "A twin", {"Main": "50"})
    done = vendor.pull(db)
    assert (done.refused, done.levels) == (2, 4)
    assert "stands twice" in db.dead_letters().iloc[0]["reason"]
    assert "X00003" not in stock(db)
    assert {one["sku"] for one in rows(db, "select sku from xorosoft_products")} == set(stock(db))
    del fake.items["a twin"]
    vendor.pull(db)
    assert agrees(db, vendor)


def test_an_item_that_stands_twice_in_a_file_is_told_however_far_apart(
    trusting: SyncStockDB, tmp_path: Path
) -> None:
    path = tmp_path / "stock.csv"
    lines = [f"{number:05},Main WH,{number % 7 + 1}" for number in (*range(2_500), 3)]
    path.write_text("\n".join(["ItemNumber,StoreName,OnHandQty", *lines]), encoding="utf-8")
    done = asking.import_xorosoft(trusting, path, MOMENT)
    assert done.refused == 2
    assert sorted(letter["row"]["line"] for letter in trusting.dead_letters()["payload"]) == [5, 2502]
    assert "00003" not in stock(trusting)


def test_a_blank_makes_another_item(trusting: SyncStockDB, tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text('ItemNumber,StoreName,OnHandQty\nA1,Main WH,5\n"A1 ",Main WH,7\n', encoding="utf-8")
    assert asking.import_xorosoft(trusting, path, MOMENT).refused == 0
    assert stock(trusting) == {"A1": 5, "A1 ": 7}


def test_a_blank_makes_another_item_of_the_interface_too(db: SyncStockDB) -> None:
    vendor, fake = vendors.xorosoft(db.url, 2)
    for item, number in zip(fake.items.values(), ("A1", "A1 "), strict=True):
        item.number = number
    vendor.pull(db)
    assert agrees(db, vendor) and set(stock(db)) == {"A1", "A1 "}


def test_its_numbers_of_pages_may_be_text_and_wrong(
    db: SyncStockDB, pair: tuple[Vendor, XorosoftStandIn]
) -> None:
    vendor, fake = pair
    fake.is_odd = True
    result = vendor.pull(db)
    assert (result.status, result.pages) == ("complete", 10)
    assert agrees(db, vendor)
