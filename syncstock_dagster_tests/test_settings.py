"""What the environment may say, what it defaults to, and that no password is ever shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from syncstock_dagster.settings import Settings, get_settings, without_secrets


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("SYNCSTOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)


def test_without_environment_or_configuration_everything_lies_in_the_users_folder(tmp_path: Path) -> None:
    settings = Settings()

    assert settings.database_url is None
    assert settings.config_file is None
    assert settings.home == tmp_path / "user/.local/share/syncstock"
    assert settings.drop_folder == str(settings.home / "drop")
    assert (settings.timezone, settings.log_format) == ("UTC", "console")
    assert settings.shown_database_url == "embedded"


def test_the_nearest_configuration_above_the_current_folder_decides_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "syncstock.toml").touch()
    shop = tmp_path / "a shop"
    (shop / "deep" / "er").mkdir(parents=True)
    (shop / "syncstock.toml").touch()
    monkeypatch.chdir(shop / "deep" / "er")

    settings = Settings()

    assert settings.config_file == shop / "syncstock.toml"
    assert settings.home == shop / ".syncstock"
    assert settings.drop_folder == str(shop / ".syncstock" / "drop")


def test_the_environment_wins_over_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "syncstock.toml").touch()
    (tmp_path / "other.toml").touch()
    monkeypatch.setenv("SYNCSTOCK_CONFIG", "other.toml")
    monkeypatch.setenv("SYNCSTOCK_HOME", "~/stock")
    monkeypatch.setenv("SYNCSTOCK_DROP_FOLDER", "incoming files")
    monkeypatch.setenv("SYNCSTOCK_TIMEZONE", "Africa/Cairo")
    monkeypatch.setenv("SYNCSTOCK_LOG_FORMAT", "json")
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", "postgresql://me@server/stock")

    settings = Settings()

    assert settings.config_file == tmp_path / "other.toml"
    assert settings.home == tmp_path / "user" / "stock"
    assert settings.drop_folder == str(tmp_path / "incoming files")
    assert (settings.timezone, settings.log_format) == ("Africa/Cairo", "json")
    assert settings.database_url == "postgresql://me@server/stock"


def test_an_empty_variable_means_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", "")
    monkeypatch.setenv("SYNCSTOCK_CONFIG", "")

    assert Settings().database_url is None
    assert Settings().config_file is None


def test_a_drop_folder_may_be_any_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCSTOCK_DROP_FOLDER", "s3://bucket/incoming")

    assert Settings().drop_folder == "s3://bucket/incoming"


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("SYNCSTOCK_DATABASE_URL", "mysql://me:geheim@server/stock", "postgresql://"),
        ("SYNCSTOCK_TIMEZONE", "Mars/Olympus", "IANA"),
        ("SYNCSTOCK_TIMEZONE", "../../etc/passwd", "IANA"),
        ("SYNCSTOCK_CONFIG", "missing.toml", "does not exist"),
        ("SYNCSTOCK_LOG_FORMAT", "xml", "console"),
    ],
)
def test_an_unusable_value_is_refused_with_its_remedy_and_without_its_secret(
    variable: str, value: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ValidationError, match=remedy) as raised:
        Settings()

    assert "geheim" not in str(raised.value)


def test_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SYNCSTOCK_DATABASE_URL", "postgresql://me:geheim@server:5433/stock?sslpassword=geheim2"
    )

    settings = Settings()

    assert "geheim" not in repr(settings)
    assert "geheim" not in str(settings)
    assert settings.shown_database_url == "postgresql://me:***@server:5433/stock?sslpassword=***"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://syncstock@/syncstock?host=/tmp/syncstock-1-ab&port=5432",
        "postgresql://server/stock",
        "postgresql+psycopg://me@[::1]:5433/stock",
    ],
)
def test_a_url_without_secrets_is_shown_as_it_is(url: str) -> None:
    assert without_secrets(url) == url


def test_a_password_with_an_at_sign_is_hidden_whole() -> None:
    assert without_secrets("postgresql://me:a@b:c@server/stock") == "postgresql://me:***@server/stock"


def test_settings_are_read_once_until_the_cache_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    get_settings.cache_clear()
    try:
        first = get_settings()
        monkeypatch.setenv("SYNCSTOCK_TIMEZONE", "Asia/Tokyo")
        assert get_settings() is first
        get_settings.cache_clear()
        assert get_settings().timezone == "Asia/Tokyo"
    finally:
        get_settings.cache_clear()


def test_settings_do_not_change_after_they_were_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().timezone = "Asia/Tokyo"  # type: ignore[misc]


def test_importing_the_settings_imports_no_heavy_library() -> None:
    heavy = "pandas dagster sqlalchemy psycopg pyarrow"
    code = f"import sys, syncstock_dagster.settings; print(*({{*'{heavy}'.split()}} & {{*sys.modules}}))"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == ""
