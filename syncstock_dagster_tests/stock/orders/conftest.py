"""What tests of orders share: a drop folder of their own, and stock to sell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncstock_dagster import POSRecord, SyncStockDB
from syncstock_dagster.settings import get_settings

Stocked = Callable[..., SyncStockDB]


@pytest.fixture
def drop_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty drop folder that orders look into, and nobody waits for files in it."""
    folder = tmp_path / "drop"
    folder.mkdir()
    monkeypatch.setenv("SYNCSTOCK_DROP_FOLDER", str(folder))
    monkeypatch.setenv("SYNCSTOCK_SETTLE_SECONDS", "0.1")
    get_settings.cache_clear()
    yield folder
    get_settings.cache_clear()


@pytest.fixture
def selling(db: SyncStockDB, drop_folder: Path) -> SyncStockDB:
    """Articles A (100), B (10) and C (none), counted a quarter of an hour ago."""
    db.upsert_products([{"sku": sku, "name": f"Article {sku}"} for sku in "ABC"])
    ids = db.products().set_index("sku")["inventory_id"]
    now = datetime.now(UTC) - timedelta(minutes=15)
    db.run_sync(pos_counts=[POSRecord(int(ids[sku]), n, now) for sku, n in (("A", 100), ("B", 10), ("C", 0))])
    return db
