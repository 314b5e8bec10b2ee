"""The index is a cache that equals the catalogue, whatever happened to either.

Put here what happens to the index: changes, kills, damage, two writers, other settings. Keep out what is found in it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import psycopg
import pytest
from hypothesis import settings

from syncstock_dagster import SyncStockDB
from syncstock_dagster.search import places
from syncstock_dagster.search.find import search
from syncstock_dagster.search.places import IndexUnusableError
from syncstock_dagster.search.update import check_index, look, update_index
from syncstock_dagster.settings import get_settings
from syncstock_dagster_tests.conftest import Databases, FreshDatabases

WORDS = "red blue green heart star tea light holder mug lantern cushion bunting clock garden wooden".split()  # noqa: SIM905

#: Sequences of what may happen: some in the ordinary run, many in the long one.
SEQUENCES = 60 if settings().max_examples > 100 else 2


def fill(db: SyncStockDB, count: int, seed: int = 1) -> None:
    """So many articles of made-up names."""
    random = Random(seed)
    db.upsert_products(
        {"sku": f"S{place:05}", "name": f"{' '.join(random.sample(WORDS, 3))} {place}"}
        for place in range(count)
    )


def folders(home: Path) -> set[str]:
    """The indexes that lie in a home."""
    return {path.name for path in (home / "search").iterdir() if path.is_dir()}


def assert_right(db: SyncStockDB, home: Path) -> None:
    """The index equals the catalogue, answers without a notice, and nothing lies about."""
    found = check_index(db.url)
    assert found.is_right, found
    assert search(db.url, "red heart").notices == ()
    assert folders(home) == {found.index_name}
    with psycopg.connect(db.url) as connection:
        rows = connection.execute("select index_name, state from syncstock.search_indexes").fetchall()
    assert rows == [(found.index_name, "current")]


def test_an_update_writes_what_changed_and_removes_what_is_gone(db: SyncStockDB, home: Path) -> None:
    fill(db, 50)
    first = update_index(db.url)
    assert (first.documents, first.written, first.rebuilt_because) == (50, 50, "there is none")
    again = update_index(db.url)
    assert (again.written, again.removed, again.index_name) == (0, 0, first.index_name)

    db.upsert_products([{"sku": "S00001", "name": "purple elephant"}, {"sku": "new", "name": "orange tiger"}])
    with psycopg.connect(db.url) as connection:
        connection.execute("update syncstock.products set is_active = false where sku = 'S00002'")
    assert check_index(db.url).missing == 2
    assert check_index(db.url).surplus == 2
    changed = update_index(db.url)
    assert (changed.written, changed.removed, changed.rebuilt_because) == (2, 2, None)
    assert_right(db, home)
    assert [found.sku for found in search(db.url, "elefant purple", limit=1).articles] == ["S00001"]


def test_a_price_is_no_change_and_a_category_is(db: SyncStockDB) -> None:
    fill(db, 10)
    update_index(db.url)
    db.upsert_products([{"sku": "S00001", "price": "3.50"}])
    assert update_index(db.url).written == 0
    db.upsert_products([{"sku": "S00001", "category": "Kitchen"}])
    assert update_index(db.url).written == 1


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_small_catalogue_has_an_index_too(db: SyncStockDB, home: Path, count: int) -> None:
    """One document is below what ChromaDB writes at once."""
    fill(db, count)
    assert update_index(db.url).documents == count
    assert_right(db, home)
    assert_right(db, home)  # nothing was changed by reading
    db.upsert_products([{"sku": "one more", "name": "red heart"}])
    update_index(db.url)
    assert_right(db, home)
    assert "vectors" in search(db.url, "red heart").articles[0].found_by


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_the_index_equals_the_catalogue_after_any_sequence(db: SyncStockDB, home: Path, seed: int) -> None:
    """Changes, removals, updates, rebuilds, damage, and writers that die or are killed anywhere, in any order."""
    print(f"seed {seed}")
    random = Random(seed)
    fill(db, 40, seed)
    for _ in range(10):
        _change(db, random)
        step = random.choice(["update", "update", "rebuild", "die", "die", "kill", "damage"])
        if step == "die":
            with pytest.MonkeyPatch.context() as patch:
                _die_at(patch, random.choice(["create", "seal", "open", "drop"]))
                with suppress(_Died):  # the first one has nothing to drop
                    update_index(db.url, rebuild=True)
        elif step == "kill":
            _kill_a_writer(db, after=random.uniform(0, 0.2), rebuild=random.random() < 0.5)
        else:
            if step == "damage":
                _damage(home, random)
            update_index(db.url, rebuild=step == "rebuild")
            assert_right(db, home)
        assert search(db.url, "red heart").articles
    update_index(db.url)
    assert_right(db, home)


def _change(db: SyncStockDB, random: Random) -> None:
    """Up to three articles are new, renamed, gone or back."""
    for _ in range(random.randint(0, 3)):
        sku = f"S{random.randrange(60):05}"
        if random.random() < 0.7:
            db.upsert_products([{"sku": sku, "name": " ".join(random.sample(WORDS, 4))}])
        else:
            with psycopg.connect(db.url) as connection:
                query = "update syncstock.products set is_active = not is_active where sku = %s"
                connection.execute(query, (sku,))


_WRITER = """
import sys
import chromadb
from syncstock_dagster.search.update import update_index
print("ready", flush=True)
sys.stdin.readline()
update_index(sys.argv[1], rebuild=sys.argv[2] == "True")
"""


def _kill_a_writer(db: SyncStockDB, *, after: float, rebuild: bool) -> None:
    """SIGKILL for a writer in a process of its own, so many seconds after it began."""
    command = [sys.executable, "-c", _WRITER, db.url, str(rebuild)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        writer.stdin.write("\n")
        writer.stdin.flush()
        time.sleep(after)
        writer.kill()


class _Died(BaseException):
    """Not an Exception: nothing of ours may catch it, as nothing catches a kill."""


def _die_at(patch: pytest.MonkeyPatch, step: str) -> None:
    """The next writer dies after this step of its work at the place."""
    original = getattr(places.FolderPlace, step)

    def dying(self: places.FolderPlace, *arguments: object) -> None:
        original(self, *arguments)
        raise _Died

    patch.setattr(places.FolderPlace, step, dying)


def _damage(home: Path, random: Random) -> None:
    """Something happens to a file of an index."""
    paths = sorted(path for path in (home / "search").rglob("*") if path.is_file() and path.name != "id")
    if not paths:
        return
    path = random.choice(paths)
    content = path.read_bytes()
    what = random.choice(["gone", "cut", "garbled"])
    if what == "gone":
        path.unlink()
    elif what == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + random.randbytes(min(5_000, middle)) + content[middle + 5_000 :])


def test_a_writer_that_is_killed_leaves_search_as_it_was(db: SyncStockDB, home: Path) -> None:
    """SIGKILL while a rebuild writes; the next writer removes what was left."""
    fill(db, 3_000)
    before = update_index(db.url)
    program = (
        "import sys; from syncstock_dagster.search.update import *; update_index(sys.argv[1], rebuild=True)"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, db.url])
    try:
        deadline = time.monotonic() + 60
        while len(folders(home)) < 2:
            assert time.monotonic() < deadline
            assert writer.poll() is None
            time.sleep(0.005)
        writer.send_signal(signal.SIGKILL)
    finally:
        writer.kill()
        writer.wait()
    assert len(folders(home)) == 2
    answer = search(db.url, "red heart")
    assert answer.notices == ()
    assert any("vectors" in found.found_by for found in answer.articles)
    assert check_index(db.url).index_name == before.index_name
    update_index(db.url)
    assert_right(db, home)


FILES = [
    "chroma.sqlite3",
    "data_level0.bin",
    "header.bin",
    "length.bin",
    "link_lists.bin",
    "index_metadata.pickle",
]


@pytest.mark.parametrize(
    ("name", "what"),
    [*((name, "garbled") for name in FILES), ("header.bin", "gone"), ("chroma.sqlite3", "cut")],
)
def test_a_damaged_file_is_noticed_and_the_index_built_anew(
    db: SyncStockDB, home: Path, name: str, what: str
) -> None:
    """Asked in a new process, as by the command line: search answers with a notice and does not crash."""
    fill(db, 300)
    broken = update_index(db.url)
    (path,) = (home / "search").rglob(name)
    content = path.read_bytes()
    if what == "gone":
        path.unlink()
    elif what == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(Random(3).randbytes(len(content)))
    answer = search(db.url, "red heart")
    assert answer.articles
    assert len(answer.notices) == 1
    assert check_index(db.url).problem
    assert look(db.url).reason
    mended = update_index(db.url)
    assert mended.rebuilt_because
    assert mended.index_name != broken.index_name
    assert_right(db, home)


def test_a_folder_that_is_gone_is_built_anew(db: SyncStockDB, home: Path) -> None:
    """The whole folder, or one index; anybody may throw the cache away."""
    fill(db, 20)
    update_index(db.url)
    shutil.rmtree(home / "search")
    assert "search rebuild" in search(db.url, "red heart").notices[0]
    update_index(db.url)
    assert check_index(db.url).is_right
    for name in folders(home):
        shutil.rmtree(home / "search" / name)
    assert search(db.url, "red heart").articles
    assert update_index(db.url).rebuilt_because
    assert check_index(db.url).is_right


def test_two_writers_queue_and_the_second_finds_it_done(db: SyncStockDB, home: Path) -> None:
    fill(db, 500)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: update_index(db.url), range(4)))
    assert sorted(report.written for report in reports) == [0, 0, 0, 500]
    assert len({report.index_name for report in reports}) == 1
    assert_right(db, home)


def test_search_goes_on_while_others_write(db: SyncStockDB, home: Path) -> None:
    """Readers always get vectors, whatever is swapped in meanwhile."""
    fill(db, 400)
    update_index(db.url)

    def write(turns: Sequence[int]) -> None:
        for turn in turns:
            db.upsert_products([{"sku": f"S{turn:05}", "name": f"red heart {turn}"}])
            update_index(db.url, rebuild=turn % 3 == 0)

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, range(6)), pool.submit(write, range(6, 12))]
        answers = 0
        while not all(writer.done() for writer in writers) or not answers:
            answer = search(db.url, "red heart")
            assert answer.notices == ()
            assert "vectors" in answer.articles[0].found_by
            answers += 1
        for writer in writers:
            writer.result()
    assert_right(db, home)


def test_indexes_of_databases_that_are_gone_are_removed_and_others_stay(
    db: SyncStockDB, home: Path, make_database: Databases, fresh_databases: FreshDatabases
) -> None:
    fill(db, 5)
    gone, other = SyncStockDB(fresh_databases.take()), SyncStockDB(fresh_databases.take())
    for one in (gone, other):
        one.upsert_products([{"sku": "A", "name": "red heart"}])
        update_index(one.url)
    (home / "search" / "mine").mkdir()  # who knows what it is
    lying = folders(home)
    gone.close()
    make_database.drop(gone.url)
    update_index(db.url)
    kept = {check_index(one.url).index_name for one in (db, other)}
    assert None not in kept
    assert folders(home) == {"mine", *kept}
    assert len(lying - folders(home)) == 1
    fresh_databases.give_back(other.url)


def test_a_second_home_has_an_index_of_its_own(
    db: SyncStockDB, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines on one database: neither takes the other's away."""
    fill(db, 20)
    first = update_index(db.url)
    monkeypatch.setenv("SYNCSTOCK_HOME", str(tmp_path / "elsewhere"))
    get_settings.cache_clear()
    assert update_index(db.url).rebuilt_because == "there is none"
    monkeypatch.setenv("SYNCSTOCK_HOME", str(home))
    get_settings.cache_clear()
    assert check_index(db.url).is_right
    assert update_index(db.url).index_name == first.index_name


def by_length(texts: Sequence[str]) -> list[list[float]]:
    """An embedding of one's own: the lengths of texts and of their first words."""
    return [[float(len(text)), float(len(text.partition(" ")[0])), 1.0] for text in texts]


def test_another_embedding_or_version_is_another_index(
    db: SyncStockDB, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(db, 20)
    update_index(db.url)
    monkeypatch.setenv("SYNCSTOCK_SEARCH_EMBEDDING", f"{__name__}:by_length")
    get_settings.cache_clear()
    assert "by_length/1 is set" in search(db.url, "red heart").notices[0]
    report = update_index(db.url)
    assert report.embedding == f"{__name__}:by_length/1"
    assert "pieces-384/1" in str(report.rebuilt_because)
    assert_right(db, home)
    monkeypatch.setattr(by_length, "version", 2, raising=False)
    assert look(db.url).reason
    assert update_index(db.url).embedding.endswith("by_length/2")
    assert_right(db, home)


def test_a_look_reads_the_catalogue_only_after_operations(db: SyncStockDB) -> None:
    fill(db, 10)
    assert look(db.url).reason == "there is none"
    update_index(db.url)
    right = look(db.url)
    assert right.reason is None
    with psycopg.connect(db.url) as connection:  # past every operation: noticed with the next one
        connection.execute("update syncstock.products set name = 'else' where sku = 'S00001'")
    assert look(db.url, right.operations).reason is None
    db.upsert_products([{"sku": "S00002", "price": "1"}])
    assert look(db.url, right.operations).reason == "the catalogue changed"


def test_without_the_extra_nothing_is_built_and_that_is_said(
    db: SyncStockDB, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncstock_dagster.search.update.is_installed", lambda: False)
    fill(db, 10)
    report = update_index(db.url)
    assert report.index_name is None
    assert "syncstock-dagster[search]" in str(report.notice)
    assert check_index(db.url).is_right
    assert look(db.url).reason is None
    assert not home.joinpath("search").exists()


def test_an_index_that_cannot_be_made_is_an_error(db: SyncStockDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new index is looked at before it is trusted."""
    fill(db, 50)
    monkeypatch.setattr(places.Vectors, "nearest", lambda self, vectors, limit: [[] for _ in vectors])
    with pytest.raises(IndexUnusableError, match="does not find"):
        update_index(db.url)
    monkeypatch.undo()
    assert check_index(db.url).problem == "there is none"
