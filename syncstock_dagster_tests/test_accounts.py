"""Accounts: secrets from the environment or from files, shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncstock_dagster.accounts import read_accounts
from syncstock_dagster.stock.policy import ConfigError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SYNCSTOCK_")]:
        monkeypatch.delenv(name)


def test_a_secret_comes_from_the_environment_or_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from a file\n", encoding="utf-8")
    monkeypatch.setenv("SYNCSTOCK_ZOHO_CLIENT_SECRET", "from the environment")
    monkeypatch.setenv("SYNCSTOCK_ZOHO_REFRESH_TOKEN_FILE", str(tmp_path / "token"))
    accounts = read_accounts()
    assert accounts.zoho_client_secret is not None and accounts.zoho_refresh_token is not None
    assert accounts.zoho_client_secret.get_secret_value() == "from the environment"
    assert accounts.zoho_refresh_token.get_secret_value() == "from a file"
    assert "from" not in repr(accounts)
    assert accounts.missing("zoho_client_id", "zoho_client_secret") == ["SYNCSTOCK_ZOHO_CLIENT_ID"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SYNCSTOCK_ZOHO_DATA_CENTRE", "evil.example"),
        ("SYNCSTOCK_ZOHO_URL", "http://example.com"),
        ("SYNCSTOCK_ZOHO_URL", "http://127.0.0.1.example.com"),
        ("SYNCSTOCK_XOROSOFT_URL", "ftp://example.com"),
        ("SYNCSTOCK_RMS_URL_FILE", "/there/is/no/such/file"),
    ],
)
def test_a_value_that_cannot_be_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as wrong:
        read_accounts()
    assert variable in str(wrong.value)
    assert value not in str(wrong.value)
