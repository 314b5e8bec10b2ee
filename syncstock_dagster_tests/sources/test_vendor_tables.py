"""The tables of ``[vendors.*]``: the examples of the documents are valid, and a wrong key is named."""

from __future__ import annotations

import re
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
