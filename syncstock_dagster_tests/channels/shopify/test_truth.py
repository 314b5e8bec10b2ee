"""Truths: SyncStock's own stock, and a table of another system that is asked by style codes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from syncstock_dagster import POSRecord, SalesRecord, SyncStockDB
from syncstock_dagster.channels.shopify.deciding import is_zero, target
from syncstock_dagster.channels.shopify.policy import ShopifyPolicy, load_shopify_policy
from syncstock_dagster.channels.shopify.truth import (
    Asked,
    OwnStock,
    Reading,
    StyleCodeTruth,
    read_truth,
    truth_of,
)
from syncstock_dagster.demo.vendors.clock import SimulatedClock
from syncstock_dagster.stock.policy import ConfigError
from syncstock_dagster_tests.channels.shopify.world import World
from syncstock_dagster_tests.conftest import REPOSITORY

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def asked(truth: Any, *skus: str, style: str | None = None) -> Reading:
    """What a truth says of SKUs."""
    return read_truth(truth, [Asked(style, sku) for sku in skus], SimulatedClock())


def test_our_own_stock_knows_what_is_known_and_says_nothing_of_the_rest(db: SyncStockDB) -> None:
    db.upsert_locations([{"code": "cairo", "timezone": "Africa/Cairo"}])
    rows = db.upsert_products([{"sku": one} for one in ("A", "none", "Twin", "TWIN")])
    ids = dict(rows.itertuples(index=False))
    db.run_sync(pos_counts=[
        POSRecord(ids["A"], 5, NOON), POSRecord(ids["A"], 0, NOON, location="cairo"), POSRecord(ids["Twin"], 1, NOON),
        POSRecord(ids["TWIN"], 2, NOON),
    ])  # fmt: skip
    result = db.run_sync(sales=[SalesRecord(ids["none"], 3, at=NOON, ref="till/1")])
    db.rollback(result.operation_uuid, reason="a mistake")  # nothing is known again; that is no stock of zero

    reading = asked(OwnStock(db.url), "a", "none", "twin", "Twin", "other")

    assert reading.find(None, "a").quantities == {"main": 5, "cairo": 0}
    assert reading.find(None, "none").problem == "missing in the truth, which is not zero"
    assert reading.find(None, "twin").problem == "may be 'TWIN' or 'Twin' in the truth"
    assert reading.find(None, "Twin").quantities == {"main": 1}
    assert reading.find(None, "other").problem == "missing in the truth, which is not zero"


class Row(NamedTuple):
    """A row of another system."""

    sku: str
    style_code: str
    location: str
    quantity: Decimal
    updated_at: datetime | None = None


@pytest.fixture
def table(db: SyncStockDB) -> Iterator[tuple[str, StyleCodeTruth]]:
    """A table as a till system has it: one column a store."""
    with psycopg.connect(db.url, autocommit=True) as connection:
        connection.execute(
            'create table public."View_Items" ("CCOD" text, "C_ARTICULO" text, "Exis00" int, "Exis57" int)'
        )
        connection.execute(
            "insert into public.\"View_Items\" values ('24X104', '24X104-37', 3, 0), ('24X104', '24X104-38', 0, 0)"
        )

        def read_levels(style_codes: Sequence[str]) -> list[Row]:
            found = connection.execute(
                'select "C_ARTICULO", "CCOD", s.store, s.level from public."View_Items", '
                'lateral (values (\'00\', "Exis00"), (\'57\', "Exis57")) as s (store, level) where "CCOD" = any(%s)',
                (list(style_codes),),
            ).fetchall()
            return [Row(sku, code, store, Decimal(level)) for sku, code, store, level in found]

        yield db.url, StyleCodeTruth("till", read_levels)


def test_a_table_that_is_asked_by_style_codes_is_a_truth(table: tuple[str, StyleCodeTruth]) -> None:
    url, truth = table
    world = World(url)
    world.policy = ShopifyPolicy(locations={world.main: ("00", "57")})
    world.add("24X104", {"24x104-37": 5, "24X104-38": 4, "24X104-39": 2})
    channel = world.channel()
    channel.truth = truth

    from syncstock_dagster.channels.shopify import sync

    report = sync.execute(channel)

    assert [world.level(sku) for sku in ("24x104-37", "24X104-38", "24X104-39")] == [3, 0, 2]
    assert report["report"]["details"]["deletions_waiting"] == [{"sku": "24X104-38", "reason": "zero_stock"}]


def test_a_sku_of_another_style_is_not_taken() -> None:
    truth = StyleCodeTruth("t", lambda codes: [("A", "C1", "main", 5, None), ("A", "C2", "main", 9, None)])
    reading = asked(truth, "A", style="c1")
    assert reading.find("c1", "A").quantities == {"main": 5}
    assert reading.find("C3", "A").problem == "missing in the truth, which is not zero"


def test_a_sku_padded_with_blanks_is_found_where_one_fits() -> None:
    truth = StyleCodeTruth("t", lambda codes: [("A1  ", "C", "main", 5, None), ("a1", "D", "main", 9, None)])
    assert asked(truth, "A1", style="C").find("C", "A1").quantities == {"main": 5}


def test_one_level_twice_is_a_doubt_and_a_float_an_error() -> None:
    twice = StyleCodeTruth("t", lambda codes: [("A", "C", "main", 5, None), ("A", "C", "main", 5, None)])
    assert asked(twice, "A", style="C").find("C", "A").problem == "stands twice in the truth"
    with pytest.raises(TypeError, match="exact"):
        asked(StyleCodeTruth("t", lambda codes: [("A", "C", "main", 5.0, None)]), "A", style="C")


def test_rows_may_be_mappings_or_objects() -> None:
    row = {"sku": "A", "style_code": "C", "location": "main", "quantity": 5, "updated_at": None}
    assert asked(StyleCodeTruth("t", lambda codes: [row]), "A", style="C").find("C", "A").quantities == {
        "main": 5
    }


@pytest.mark.parametrize(
    ("quantities", "wanted", "zero"),
    [
        ({"a": Decimal(2), "b": Decimal(3)}, 5, False),
        ({"a": Decimal(0), "b": Decimal(0)}, 0, True),
        ({"a": Decimal(-3), "b": Decimal(3)}, 0, False),
        ({"a": Decimal(-3), "b": Decimal(0)}, 0, False),
        ({"a": Decimal(0)}, None, False),
        ({"a": Decimal("0.5"), "b": Decimal(0)}, None, False),
        ({"a": Decimal(2_000_000_000), "b": Decimal(0)}, None, False),
        ({"a": Decimal("NaN"), "b": Decimal(0)}, None, False),
        ({"a": Decimal(0), "b": Decimal(0), "elsewhere": Decimal(1)}, 0, False),
    ],
)
def test_what_a_place_should_have(quantities: dict[str, Decimal], wanted: int | None, zero: bool) -> None:
    from syncstock_dagster.channels.shopify.truth import Found

    found = Found(quantities)
    assert target(found, ("a", "b"))[0] == wanted
    assert is_zero(found, {"gid": ("a", "b")}) is zero


def test_the_truth_is_named_in_the_configuration(tmp_path: Any) -> None:
    path = tmp_path / "syncstock.toml"
    path.write_text('[shopify]\ntruth = "json:loads"\n[shopify.locations]\n12 = ["a"]\n', encoding="utf-8")
    policy = load_shopify_policy(path)
    assert policy.locations == {"gid://shopify/Location/12": ("a",)}
    assert truth_of(policy.truth, "").needs_style_code
    for wrong in (
        'truth = "oracle"',
        'quantity = "incoming"',
        'metafields = ["ccod"]',
        "nonsense = 1",
        'locations = {x = ["a"]}',
    ):
        path.write_text(f"[shopify]\n{wrong}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="shopify"):
            load_shopify_policy(path)
    with pytest.raises(ConfigError):
        truth_of("no_such_module:read", "")


def test_the_configuration_of_the_checkout_is_the_default() -> None:
    assert load_shopify_policy(REPOSITORY / "syncstock.toml") == ShopifyPolicy()


def test_rms_is_asked_by_style_code_and_a_quantity_that_it_does_not_say_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view of RMS in a database of another kind; its account comes from the environment."""
    database = tmp_path / "rms.db"
    with closing(sqlite3.connect(database)) as rms:
        rms.execute("create table View_Items (C_ARTICULO, CCOD, Description, Price, Quantity)")
        rows = [
            ("ST17-R", "ST17", "Shirt", 9, 4),
            ("ST17-B", "ST17", "Shirt", 9, None),
            ("X", "ST18", "Hat", 5, 7),
        ]
        rms.executemany("insert into View_Items values (?, ?, ?, ?, ?)", rows)
        rms.commit()
    monkeypatch.setenv("SYNCSTOCK_RMS_URL", f"sqlite:///{database}")

    reading = asked(truth_of("rms", "unused"), "st17-r", "ST17-B", "X", style="ST17")

    assert reading.find("ST17", "st17-r").quantities == {"main": 4}
    assert reading.find("ST17", "ST17-B").problem == "missing in the truth, which is not zero"
    assert reading.find("ST17", "X").problem == "missing in the truth, which is not zero"
