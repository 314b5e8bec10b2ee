"""Codes and units: check digits, what a code means, and conversions that are exact or not there.

Put here what other rooms ask the catalogue. Keep out changes (``test_staging``).
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster import SyncStockDB
from syncstock_dagster.catalog.identifiers import check_digit, what_is_wrong
from syncstock_dagster.catalog.lookup import find_articles, pack_factors
from syncstock_dagster.catalog.policy import load_catalogue_policy, load_operations_policy
from syncstock_dagster.stock.policy import ConfigError
from syncstock_dagster_tests.conftest import REPOSITORY
from syncstock_dagster_tests.test_docs import RECORD, blocks


@pytest.mark.parametrize("code", ["4006381333931", "036000291452", "96385074", "00012345600012"])
def test_a_real_gtin_is_one(code: str) -> None:
    assert what_is_wrong("gtin", code) is None
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    assert "check digit" in str(what_is_wrong("gtin", wrong))


@given(
    digits=st.sampled_from([7, 11, 12, 13]).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n))
)
def test_one_wrong_digit_or_two_swapped_neighbours_are_noticed(digits: str) -> None:
    code = digits + str(check_digit(digits))
    assert what_is_wrong("gtin", code) is None
    for n in range(len(code)):
        wrong = code[:n] + str((int(code[n]) + 3) % 10) + code[n + 1 :]
        assert what_is_wrong("gtin", wrong) is not None


def test_the_database_agrees_about_check_digits(database_url: str) -> None:
    codes = [
        "4006381333931",
        "4006381333932",
        "036000291452",
        "96385074",
        "",
        "x",
        "４００６３８１３３３９３１",
        "1",
    ]
    with psycopg.connect(database_url) as connection:
        for code in codes:
            (says,) = connection.execute("select syncstock.gtin_is_valid(%s)", [code]).fetchone() or (None,)
            assert says == (what_is_wrong("gtin", code) is None), code


def test_a_code_is_found_where_it_means_one_article(db: SyncStockDB) -> None:
    db.change_products(
        [
            {
                "sku": "A",
                "inventory_id": 1,
                "identifiers": {"zoho": "7", "gtin": "036000291452", "barcode": "A2"},
            },
            {"sku": "B", "inventory_id": 2, "identifiers": {"shopify": "7"}},
            {"sku": "7up", "inventory_id": 3, "identifiers": {"barcode": "A"}},
        ]
    )
    found = find_articles(db.url, ["A", "7", "0036000291452", "A2", "nothing", "7up"])
    assert found == {"A": 1, "0036000291452": 1, "A2": 1, "7up": 3}  # 7 means two of them
    assert find_articles(db.url, ["7"], "zoho") == {"7": 1}


@pytest.mark.parametrize(
    ("word", "skus"),
    [
        ("A", ["A"]),
        (" a ", ["A", "a "]),
        ("17", ["17"]),  # a SKU goes before an id
        ("018", []),
        (18, ["B"]),
        ("0036000291452", ["A"]),
        ("036000291452", ["A"]),
        ("00036000291452", ["A"]),
        ("36000291452", ["A"]),
        ("same", ["B"]),  # of two systems, and one article
        ("", []),
        ("a\x00", []),
        ("\ud800", []),
        ("9" * 30, []),
    ],
)
def test_a_word_finds_what_it_means(db: SyncStockDB, word: Any, skus: list[str]) -> None:
    db.upsert_products([{"inventory_id": 17, "sku": "A"}, {"inventory_id": 18, "sku": "B"}])
    db.upsert_products([{"inventory_id": 19, "sku": "17"}, {"inventory_id": 20, "sku": "a "}])
    db.change_products([{"sku": "A", "identifiers": {"gtin": "036000291452"}}])
    db.change_products([{"sku": "B", "identifiers": {"zoho": "same", "xorosoft": "same"}}])
    assert db.find_article(word)["sku"].to_list() == skus


def test_units_convert_exactly_or_not_at_all(db: SyncStockDB) -> None:
    db.change_products(
        [
            {"sku": "egg", "inventory_id": 1, "units": {"tray": 30}},
            {"sku": "flour", "inventory_id": 2, "unit": "kg", "units": {"sack": "12.5"}},
            {"sku": "nut", "inventory_id": 3, "unit": "g"},
            {"sku": "cheese", "inventory_id": 4, "unit": "lb"},
            {"sku": "wine", "inventory_id": 5, "unit": "bottle", "units": {"dozen": 11}},
        ]
    )
    asked = [
        ("egg", "each"), ("egg", "tray"), ("egg", "dozen"), ("egg", "kg"), ("flour", "g"), ("flour", "sack"),
        ("flour", "lb"), ("nut", "kg"), ("cheese", "kg"), ("wine", "dozen"), ("wine", "each"), ("salt", "each"),
    ]  # fmt: skip
    assert pack_factors(db.url, asked) == {
        ("egg", "each"): 1, ("egg", "tray"): 30, ("egg", "dozen"): 12, ("flour", "g"): Decimal("0.001"),
        ("flour", "sack"): Decimal("12.5"), ("flour", "lb"): Decimal("0.45359237"), ("nut", "kg"): 1000,
        ("wine", "dozen"): 11,
    }  # fmt: skip


def test_the_configuration_of_the_documents_is_valid(tmp_path: Path) -> None:
    texts = [block.text for block in blocks("toml", RECORD)]
    assert texts
    for text in (*texts, (REPOSITORY / "syncstock.toml").read_text(encoding="utf-8")):
        path = tmp_path / "syncstock.toml"
        path.write_text(text, encoding="utf-8")
        assert load_catalogue_policy(path).sources
        load_operations_policy(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[catalogue]\nconflict = {}", "conflict"),
        ("[catalogue.conflicts]\nprice = 'whoever'", "whoever"),
        ("[catalogue.conflicts]\nprize = 'newest'", "'prize' is no field"),
        ("[catalogue.sources.zoho]\nauto_commit = { fields = ['prize'] }", "'prize' is no field"),
        ("[catalogue]\nlock_minutes = 9_999_999_999_999", "lock_minutes"),
        ("[catalogue.sources.zoho]\nauto_commit = { max_changes = -1 }", "max_changes"),
        ("[operations]\nsecond = []", "second"),
        ("[operations]\nsecond_person = ['synk']", "second_person"),  # or nobody would be asked
        ("[operations]\nkeep_events_days = 9_999_999_999", "keep_events_days"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "syncstock.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        load_catalogue_policy(path)
        load_operations_policy(path)


def test_a_unit_is_found_as_people_write_it(db: SyncStockDB) -> None:
    """Exactly, else without case, else in the plural or singular; where that means two sizes it means nothing."""
    db.change_products(
        [
            {"sku": "A", "units": {"box": 24, "Kiste": "12.5"}},
            {"sku": "B", "unit": "kg", "units": {"Box": 2, "BOX": 3}},
            {"sku": "C", "units": {"cases": 6, "pair": 2}},
            {"sku": "SHOE"},
        ]
    )
    asked = [
        ("A", "Boxes"), ("A", " box "), ("A", "kisten"), ("A", "pallet"), ("A", "dozen"), ("A", "kg"), ("B", "Box"),
        ("B", "box"), ("B", "g"), ("B", "KG"), ("C", "case"), ("C", "pairs"), ("SHOE", "pairs"), ("Z", "box"),
    ]  # fmt: skip
    assert pack_factors(db.url, asked) == {
        ("A", "Boxes"): 24,
        ("A", " box "): 24,
        ("A", "kisten"): Decimal("12.5"),
        ("A", "dozen"): 12,
        ("B", "Box"): 2,
        ("B", "g"): Decimal("0.001"),
        ("B", "KG"): 1,
        ("C", "case"): 6,
        ("C", "pairs"): 2,
    }
    assert pack_factors(db.url, []) == {}
