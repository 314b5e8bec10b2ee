"""The tables of ``[vendors.*]``: the examples of the documents are valid, and a wrong key is named."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from syncstock_dagster.accounts import Accounts
from syncstock_dagster.errors import BadInput
from syncstock_dagster.sources import vendors
from syncstock_dagster.sources.sql_levels import SqlTable
from syncstock_dagster.stock.policy import ConfigError, load_policies, resolve_callable
from syncstock_dagster_tests.conftest import REPOSITORY

BLOCKS = re.findall(
    r"^```toml\n(.*?)^```$", (REPOSITORY / "docs" / "sources.md").read_text(), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_examples_are_valid(tmp_path: Path, block: str) -> None:
    path = tmp_path / "syncstock.toml"
    path.write_text(block, encoding="utf-8")
    assert set(vendors.check(path, Accounts())) == {"zoho", "xorosoft", "rms"}
    load_policies(path)
    for name, table in vendors.tables(path).items():
        if (opener := table.pop("opener", None)) is not None:
            assert resolve_callable(opener)
            assert vendors.read_table(name, SqlTable, table).query


@pytest.mark.parametrize("opener", vendors.OPENERS.values())
def test_what_opens_a_source_exists(opener: str) -> None:
    assert resolve_callable(opener)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vendors = 5", "is a table"),
        ("[vendors]\nzoho = 5", "is a table"),
        ("[[vendors.zoho]]\napi = 'books'", "is a table"),
        ("[vendors.nobody]\nx = 1", r"\[vendors.nobody\] opener"),
        ("[vendors.zoho]\nopener = 5", r"\[vendors.zoho\] opener"),
        ("[vendors.zoho]\nopener = '.x:y'", "package.module:function"),
        ("[vendors.zoho]\nlocation = ''", "location"),
        ("[vendors.zoho]\nlocation = '\\u0000'".replace("'", '"'), "location"),
        ("[vendors.zoho]\nlocations = { Here = ' ' }", "locations.Here"),
        ("[vendors.zoho]\ncalls_a_minute = 1e-300", "calls_a_minute"),
        ("[vendors.zoho]\ncalls_a_minute = nan", "calls_a_minute"),
        ("[vendors.zoho]\ncalls_a_day = 3_000_000_000", "calls_a_day"),
        ("[vendors.zoho]\noverlap_minutes = 1_000_000_000_000", "overlap_minutes"),
        ("[vendors.zoho]\nsort_column = ''", "sort_column"),
        ("[vendors.xorosoft]\ncost_field = ''", "cost_field"),
        ("[vendors.xorosoft]\ncolumns = { sku = 'A', quantity = 'A' }", "columns"),
        ("[vendors.rms]\nquery = ' '", "query"),
        ("[vendors.rms]\nchanged_query = 'select 1'", ":since"),
        ("[vendors.rms]\nstyles_query = 'select 1'", ":ccods"),
        ("[vendors.rms]\ncolumns = { sku = 'A', quantity = 'A' }", "cannot be both"),
        ("[vendors.rms]\nlocation_columns = { Exis00 = '' }", "location_columns"),
        ("[vendors.rms]\nurl_variable = 'WMS_URL'", "url_variable"),
        (
            "[vendors.wms]\nopener = 'syncstock_dagster.sources.sql_levels:open_source'\nquery = 'select 1'\n"
            "url_variable = 'A B'",
            "url_variable",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_told_before_anything_is_asked(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "syncstock.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        vendors.check(path, Accounts())


def test_a_source_that_comes_along_may_be_opened_by_another(tmp_path: Path) -> None:
    path = tmp_path / "syncstock.toml"
    path.write_text("[vendors.zoho]\nopener = 'builtins:dict'\nanything = 5\n", encoding="utf-8")
    assert "zoho" in vendors.check(path, Accounts())


@pytest.mark.parametrize(
    ("value", "sku"),
    [("00123", "00123"), (" a ", " a "), (17, "17"), (Decimal("17"), "17")]
    + [(none, None) for none in (None, "", "  ", True, b"17", 17.0, [], {})],
)
def test_a_sku_is_what_stands_there_and_only_text_or_a_whole_number(value: object, sku: str | None) -> None:
    assert vendors.exact_sku(value) == sku


def test_nothing_that_is_shown_holds_a_password() -> None:
    address = "https://reader:s3cret@there"
    accounts = Accounts(zoho_url=address, xorosoft_url=address, shopify_url=address, rms_url=address)  # type: ignore[arg-type]
    assert "s3cret" not in repr(vendors.Context("postgresql://reader:s3cret@there/stock", "zoho", accounts))


def test_a_wrong_key_or_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "syncstock.toml"
    path.write_text('[vendors.zoho]\nstok = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[vendors.zoho\] stok"):
        vendors.check(path, Accounts())
    with (
        pytest.raises(BadInput, match="rms, xorosoft, zoho"),
        vendors.opened("nobody", None, vendors.Context("postgresql://nowhere")),
    ):
        pass
