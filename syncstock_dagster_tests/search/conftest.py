"""An installation of its own for each test of search: its indexes lie in the test's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncstock_dagster.settings import get_settings


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The home of this test; what it sets in the environment is read after ``get_settings.cache_clear()``."""
    for name in ("SYNCSTOCK_DATABASE_URL", "SYNCSTOCK_SEARCH_URL", "SYNCSTOCK_SEARCH_EMBEDDING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNCSTOCK_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield tmp_path / "home"
    get_settings.cache_clear()
