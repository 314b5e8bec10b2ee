"""RMS and any SQL database: the same view on PostgreSQL and SQLite; missing is not zero, an error no empty answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources import rms
from syncstock_dagster.sources.protocol import Ask, RefusedError, UnreachableError
from syncstock_dagster.sources.sql_levels import MOST_PARAMETERS, SqlSource, SqlTable, open_source
from syncstock_dagster.sources.vendors import Context, NotConfiguredError, read_table
from syncstock_dagster.stock.policy import ConfigError
from syncstock_dagster_tests.sources import vendors
from syncstock_dagster_tests.sources.test_contract import stock
from syncstock_dagster_tests.sources.vendors import Vendor

There = tuple[str, Callable[..., Any]]


@pytest.fixture(params=["postgresql", "sqlite"])
def there(request: pytest.FixtureRequest, tmp_path: Path, make_database: Any) -> Iterator[There]:
    with vendors.database_of(request.param, tmp_path, make_database) as found:
        yield found


@pytest.fixture
def vendor(db: SyncStockDB, there: There) -> Iterator[Vendor]:
    made = vendors.sql(db.url, *there)
    yield made
    made.source.close()


def source_of(vendor: Vendor) -> SqlSource:
    assert isinstance(vendor.source, SqlSource)
    return vendor.source


def test_stock_of_names_what_is_missing(vendor: Vendor, there: There) -> None:
    there[1]("insert into shop_items values ('ST0', 'unsaid', 'No quantity', null, 1, null, null, null)")
    source = source_of(vendor)
    found = rms.stock_of(skus=["r00001", "R00002", "nowhere", "unsaid"], source=source)
    assert found.missing == {"nowhere", "unsaid"}
    assert found.quantities("r00001") == {None: 7}
    assert found.levels["r00001", None].sku == "R00001"
    assert found.levels["R00002", None].style_code == "ST0"
    styles = rms.stock_of(style_codes=["ST1", "ST404"], source=source)
    assert {sku for sku, _ in styles.levels} == {"R00003", "R00004", "R00005"}
    assert styles.missing == {"ST404"}


def test_a_sku_that_fits_two_is_missing_unless_one_is_exact(vendor: Vendor, there: There) -> None:
    for sku, quantity in (("Twin", 1), ("TWIN", 2)):
        there[1]("insert into shop_items values ('T', %s, 'x', %s, 1, 0, 0, null)", sku, quantity)
    source = source_of(vendor)
    assert rms.stock_of(skus=["twin"], source=source).missing == {"twin"}
    assert rms.stock_of(skus=["TWIN"], source=source).quantities("TWIN") == {None: 2}


def test_codes_go_in_batches_below_the_limit_of_sql_server(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(vendor)
    asked: list[int] = []
    select = source._select

    def watched(statement: Any, binds: Any) -> Any:
        asked.append(sum(len(value) for value in binds.values()))
        return select(statement, binds)

    monkeypatch.setattr(source, "_select", watched)
    found = rms.stock_of(skus=[f"R{n:05}" for n in range(2_500)], source=source)
    assert asked == [1_000, 1_000, 500]
    assert max(asked) <= MOST_PARAMETERS < 2_100
    assert len(found.levels) == 45
    assert len(found.missing) == 2_455


def test_an_error_is_no_empty_answer(db: SyncStockDB, vendor: Vendor, there: There) -> None:
    there[1]("drop view view_items")
    with pytest.raises((RefusedError, UnreachableError)):
        rms.stock_of(skus=["R00001"], source=source_of(vendor))
    with pytest.raises((RefusedError, UnreachableError)):
        list(rms.read_levels(source=source_of(vendor)))
    with pytest.raises((RefusedError, UnreachableError)):
        vendor.pull(db)
    assert db.operations().iloc[0]["status"] == "failed"


def test_a_database_that_is_not_there_tells_no_password(db: SyncStockDB) -> None:
    url = "postgresql://reader:s3cret@127.0.0.1:1/rms"
    source = SqlSource("rms", read_table("rms", SqlTable, rms.PRESET), url, Context(db.url, "rms"))
    with pytest.raises(UnreachableError) as failed:
        list(source.pages(Ask(), None))
    assert "s3cret" not in str(failed.value)
    table = read_table("rms", SqlTable, rms.PRESET)
    for url, expected in (
        ("nonsense", "no SQLAlchemy URL"),
        ("nonsense://reader:s3cret@there/rms", "no SQLAlchemy URL"),
        ("oracle+cx_oracle://reader:s3cret@there/rms", "driver of rms's database is not installed"),
    ):
        with pytest.raises(RefusedError, match=expected) as failed_to_open:
            SqlSource("rms", table, url, Context(db.url, "rms"))
        assert "s3cret" not in str(failed_to_open.value)


def test_a_query_may_end_in_a_comment_and_a_bind_that_is_not_known_is_named(
    db: SyncStockDB, there: There
) -> None:
    vendor = vendors.sql(db.url, *there, count=3, query="select * from view_items -- all of them")
    assert vendor.pull(db).items == 3
    vendor = vendors.sql(db.url, *there, count=3, query="select * from view_items where ccod = :style")
    with pytest.raises(RefusedError, match="'style'"):
        vendor.pull(db)


def test_a_column_for_each_store(db: SyncStockDB, there: There) -> None:
    db.upsert_locations([{"code": "north", "timezone": "Europe/London"}])
    vendor = vendors.sql(db.url, *there, count=3, location_columns={"Exis00": "main", "Exis57": "north"})
    vendor.pull(db)
    frame = db.on_hand()
    assert set(zip(frame["location"], frame["on_hand"], strict=True)) == {("main", 1), ("north", 2)}
    assert len(frame) == 6


def test_what_changed_since_is_asked_for_with_a_bind(db: SyncStockDB, there: There) -> None:
    changed = "select * from View_Items where last_updated >= :since"
    columns = {**rms.PRESET["columns"], "updated_at": "last_updated"}
    vendor = vendors.sql(db.url, *there, changed_query=changed, columns=columns)
    vendor.pull(db)
    there[1](
        "update shop_items set quantity = 33, changed = '2026-02-01 00:00:00' where c_articulo = 'R00009'"
    )
    result = vendor.pull(db, since=datetime(2026, 1, 15, tzinfo=UTC))
    assert (result.scope, result.items, result.levels_changed) == ("changed", 1, 1)
    assert stock(db)["R00009"] == 33


def test_what_is_not_exact_or_not_there_is_told(db: SyncStockDB, there: There) -> None:
    query = (
        "select c_articulo, ccod, description, price, "
        "case when c_articulo = 'R00001' then 'many' else '2' end as quantity from view_items"
    )
    vendor = vendors.sql(db.url, *there, count=3, query=query)
    result = vendor.pull(db)
    assert (result.refused, result.levels) == (1, 2)
    assert "no exact amount" in db.dead_letters().iloc[0]["reason"]
    lacking = SqlSource(
        "rms", read_table("rms", SqlTable, {"query": "select 1 as one"}), there[0], Context(db.url, "rms")
    )
    with pytest.raises(RefusedError, match="no column quantity, sku"):
        list(lacking.read_levels())


def test_names_of_columns_are_plain_and_zones_exist(db: SyncStockDB) -> None:
    with pytest.raises(ConfigError, match=r"timezone: .* an IANA time zone"):
        read_table("rms", SqlTable, {"query": "select 1", "timezone": "Europe/Londn"})
    with pytest.raises(ConfigError, match="no plain column name"):
        read_table("rms", SqlTable, {"query": "select 1", "columns": {"sku": "sku; drop table x"}})
    with pytest.raises(NotConfiguredError, match="WMS_URL"):
        open_source({"query": "select 1", "url_variable": "WMS_URL"}, Context(db.url, "wms"))


def test_quantities_stay_exact(db: SyncStockDB, there: There) -> None:
    vendor = vendors.sql(db.url, *there, count=1)
    there[1]("insert into shop_items values ('T', 'WEIGHED', 'Tea', 1.125, 1, 0, 0, null)")
    if there[0].startswith("sqlite"):  # which keeps a binary fraction: refused, not rounded
        with pytest.raises(RefusedError, match="no exact amount"):
            list(rms.read_levels(source=source_of(vendor)))
        return
    levels = {one.sku: one.quantity for one in rms.read_levels(source=source_of(vendor))}
    assert levels["WEIGHED"] == Decimal("1.125")


def test_columns_of_two_stores_that_are_one_of_ours_are_added_up(db: SyncStockDB, there: There) -> None:
    vendor = vendors.sql(db.url, *there, count=3, location_columns={"Exis00": "main", "Exis57": "main"})
    there[1]("update shop_items set exis57 = null where c_articulo = 'R00002'")
    vendor.pull(db)
    assert stock(db) == {"R00000": 3, "R00001": 3}, "a part that is not said leaves the sum unknown"
    assert rms.stock_of(skus=["R00002"], source=source_of(vendor)).missing == {"R00002"}


def test_a_sku_that_stands_twice_in_one_place_is_told_and_not_chosen_from(
    db: SyncStockDB, vendor: Vendor, there: There
) -> None:
    there[1]("insert into shop_items values ('ST0', 'R00001', 'x', 7, 1, 0, 0, null)")
    result = vendor.pull(db)
    assert result.refused == 2
    assert "stands twice" in db.dead_letters().iloc[0]["reason"]
    assert "R00001" not in stock(db) and len(stock(db)) == 44
    assert rms.stock_of(skus=["R00001", "R00002"], source=source_of(vendor)).missing == {"R00001"}
    assert "R00001" not in {
        sku for sku, _ in rms.stock_of(style_codes=["ST0"], source=source_of(vendor)).levels
    }


def test_rows_of_two_places_cannot_be_one_of_ours(db: SyncStockDB, there: There) -> None:
    with pytest.raises(ConfigError, match="add them up in the query"):
        read_table("wms", SqlTable, {"query": "select 1", "locations": {"A": "main", "B": "main"}})
    query = (
        "select c_articulo, ccod, description, price, quantity, "
        "case when c_articulo = 'R00001' then 'main' else 'A' end as place from view_items"
    )
    columns = {**rms.PRESET["columns"], "location": "place"}
    vendor = vendors.sql(db.url, *there, count=3, query=query, columns=columns, locations={"A": "main"})
    assert vendor.pull(db).refused == 1
    assert set(stock(db)) == {"R00000", "R00002"}


def test_a_blank_makes_another_sku_and_is_looked_past_where_one_fits(
    db: SyncStockDB, vendor: Vendor, there: There
) -> None:
    for sku, quantity in (("R00001 ", 70), ("padded    ", 5)):
        there[1]("insert into shop_items values ('T', %s, 'x', %s, 1, 0, 0, null)", sku, quantity)
    assert vendor.pull(db).refused == 0
    found = stock(db)
    assert (found["R00001"], found["R00001 "], found["padded    "]) == (7, 70, 5)
    asked = rms.stock_of(skus=["R00001", "padded", " r00001"], source=source_of(vendor))
    assert asked.quantities("R00001") == {None: 7}
    assert asked.quantities("padded") == {None: 5}
    assert asked.missing == {" r00001"}
    assert db.audit() == {}


def test_no_position_is_lost_behind_rows_without_a_sku(db: SyncStockDB, vendor: Vendor, there: There) -> None:
    """They come first in one database and last in another, and may fill a page."""
    for _ in range(12):
        there[1]("insert into shop_items values ('T', null, 'x', 1, 1, 0, 0, null)")
    there[1]("insert into shop_items values ('T', 'A1', 'x', 1, 1, 0, 0, null)")
    source, ask = source_of(vendor), Ask(batch_size=10)
    pages = [({item.code for item in page.items}, page.position) for page in source.pages(ask, None)]
    assert sum(len(codes) for codes, _ in pages) == 46
    for number, (_, position) in enumerate(pages[:-1], 1):
        behind = {item.code for page in source.pages(ask, position) for item in page.items}
        assert behind >= set().union(*(codes for codes, _ in pages[number:])), position
    result = vendor.pull(db)
    assert (result.refused, len(stock(db))) == (12, 46)
