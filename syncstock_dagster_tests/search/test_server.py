"""Search with a Chroma server: a real one, started for these tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.search.find import search
from syncstock_dagster.search.places import PlaceUnreachableError
from syncstock_dagster.search.update import check_index, look, update_index
from syncstock_dagster.settings import get_settings

GOODS = [{"sku": f"S{place:03}", "name": f"red heart {place}"} for place in range(100)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Chroma server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("chroma")
    program = Path(sys.executable).with_name("chroma")
    process = subprocess.Popen(
        [program, "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(folder)],
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/api/v2/heartbeat", timeout=5) as answer:  # noqa: S310 - our own
            return answer.status == 200
    except (URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture
def shop(db: SyncStockDB, server: str, monkeypatch: pytest.MonkeyPatch) -> SyncStockDB:
    """A catalogue whose index is to lie on the server."""
    monkeypatch.setenv("SYNCSTOCK_SEARCH_URL", server)
    get_settings.cache_clear()
    db.upsert_products(GOODS)
    return db


def test_an_index_on_a_server_is_built_updated_and_asked(shop: SyncStockDB, home: Path) -> None:
    """An update changes the collection in place; a rebuild makes another and removes the old one."""
    first = update_index(shop.url)
    assert first.written == 100
    shop.upsert_products([{"sku": "S001", "name": "purple elephant"}, {"sku": "T", "name": "orange tiger"}])
    changed = update_index(shop.url)
    assert (changed.written, changed.removed, changed.index_name) == (2, 1, first.index_name)
    assert check_index(shop.url).is_right
    answer = search(shop.url, "purple elefant")
    assert (answer.articles[0].sku, answer.notices) == ("S001", ())
    assert "vectors" in answer.articles[0].found_by
    rebuilt = update_index(shop.url, rebuild=True)
    assert rebuilt.index_name != first.index_name
    assert "vectors" in search(shop.url, "purple elefant").articles[0].found_by
    with psycopg.connect(shop.url) as connection:
        rows = connection.execute("select index_name, state from syncstock.search_indexes").fetchall()
    assert rows == [(rebuilt.index_name, "current")]
    assert not (home / "search").exists()


def test_a_collection_that_somebody_deleted_is_built_anew(shop: SyncStockDB, server: str) -> None:
    import chromadb

    lost = update_index(shop.url)
    chromadb.HttpClient(port=int(server.rpartition(":")[2])).delete_collection(str(lost.index_name))
    assert search(shop.url, "red heart").articles
    assert look(shop.url).reason
    assert update_index(shop.url).rebuilt_because
    assert check_index(shop.url).is_right


def test_a_server_that_does_not_answer_is_no_reason_to_rebuild(shop: SyncStockDB) -> None:
    """PostgreSQL answers meanwhile, with a notice; nothing is put in doubt."""
    update_index(shop.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNCSTOCK_SEARCH_URL", "http://127.0.0.1:9")
        get_settings.cache_clear()
        with psycopg.connect(shop.url) as connection:
            connection.execute("update syncstock.search_indexes set place = 'http://127.0.0.1:9'")
        answer = search(shop.url, "red heart")
        assert answer.articles
        assert "does not answer" in answer.notices[0]
        for ask in (update_index, check_index):
            with pytest.raises(PlaceUnreachableError):
                ask(shop.url)
        with psycopg.connect(shop.url) as connection:
            (doubt,) = connection.execute("select doubt from syncstock.search_indexes").fetchone() or ("?",)
        assert doubt is None
