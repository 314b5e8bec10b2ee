"""Accounts: secrets from the environment or from files, shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncstock_dagster.accounts import read_accounts, read_secret
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


def test_a_shop_needs_its_name_and_a_way_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush", encoding="utf-8")
    monkeypatch.setenv("SYNCSTOCK_SHOPIFY_SHOP", "my-shop.myshopify.com")
    monkeypatch.setenv("SYNCSTOCK_SHOPIFY_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    assert not read_accounts().has_shopify
    monkeypatch.setenv("SYNCSTOCK_SHOPIFY_CLIENT_ID", "app")
    accounts = read_accounts()
    assert accounts.has_shopify
    assert "hush" not in repr(accounts)


def test_a_secret_of_another_name_is_read_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert read_secret("WMS_URL") is None
    monkeypatch.setenv("WMS_URL_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="WMS_URL_FILE names a file that cannot be read"):
        read_secret("WMS_URL")
    (tmp_path / "none").write_text("sqlite://\n", encoding="utf-8")
    assert read_secret("WMS_URL") == "sqlite://"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SYNCSTOCK_ZOHO_DATA_CENTRE", "evil.example"),
        ("SYNCSTOCK_ZOHO_URL", "http://example.com"),
        ("SYNCSTOCK_ZOHO_URL", "http://127.0.0.1.example.com"),
        ("SYNCSTOCK_XOROSOFT_URL", "ftp://example.com"),
        ("SYNCSTOCK_RMS_URL_FILE", "/there/is/no/such/file"),
        ("SYNCSTOCK_SHOPIFY_TOKEN_FILE", "/there/is/no/such/file"),
        ("SYNCSTOCK_SHOPIFY_URL", "http://shop.example.com"),
        ("SYNCSTOCK_SHOPIFY_SHOP", "https://my-shop.myshopify.com"),
        ("SYNCSTOCK_SHOPIFY_SHOP", "evil.example.com"),
        ("SYNCSTOCK_SHOPIFY_VERSION", "2026-03"),
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
