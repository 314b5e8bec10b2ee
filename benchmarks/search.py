"""How well and how fast articles are found: hybrid search against each of its ways alone.

What belongs here: recall on the real catalogue, and time, memory and updates on larger ones. The machine may be
shared, so beside the wall clock stands the processor time of this process and of the server's process together.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import fresh_database, server_url, settle
from benchmarks.measure import Figure, Report, in_own_process, peak_memory, timed
from syncstock_dagster import SyncStockDB
from syncstock_dagster.demo.catalogue import make_articles
from syncstock_dagster.search import find
from syncstock_dagster.search.update import update_index
from syncstock_dagster.settings import get_settings
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import connect
from syncstock_dagster_tests.real_year import real_data
from syncstock_dagster_tests.search.questions import (
    PROMISED,
    SPOILING,
    TEN,
    more_names,
    questions,
    real_names,
    recall,
)

_SEED = 9
_QUESTIONS = 300
_TIMED = 200
_CHANGED = 1_000
_LARGE, _SMALL = 100_000, 10_000
_PROMISED_RECALL = 0.95


def run(*, full: bool) -> Report:
    """Quality first, then speed."""
    del full
    report = Report("search", "articles found by what people type; recall among the first ten")
    source = real_data()
    if source is None:
        names = [article.name for article in make_articles(_SEED, 4_000)]
        report.notes.append("SYNCSTOCK_REAL_DATA is not set: a made-up catalogue of 4,000 articles")
    else:
        names = list(real_names(source).values())
        report.notes.append(f"the real catalogue: {len(names):,} articles of Online Retail")
    with _home():
        _quality(report, names)
        for count, limit in ((_SMALL, 30.0), (_LARGE, 120.0)):
            _speed(report, more_names(names, count, _SEED), limit)
    return report


def _quality(report: Report, names: Sequence[str]) -> None:
    """Recall of each kind of question, by everything together and by each way alone."""
    with fresh_database() as url:
        place_of = _fill(url, names)
        update_index(url)
        for kind in SPOILING:
            asked = questions(names, kind, _QUESTIONS, _SEED)
            found = {question.text: _every_way(url, question.text, place_of) for question in asked}
            shares = {}
            for way in ("hybrid", "vectors", "trigrams", "words"):
                first = {text: ways[way][:TEN] for text, ways in found.items()}
                shares[way] = recall(asked, first.__getitem__)
            report.table.append({"recall@10": kind, **{way: f"{share:.3f}" for way, share in shares.items()}})
            if kind in PROMISED:
                missed = Figure(f"answers missed, {kind}", 1 - shares["hybrid"], "of 1", 1 - _PROMISED_RECALL)
                report.figures.append(missed)


def _every_way(url: str, text: str, place_of: dict[int, int]) -> dict[str, list[int]]:
    """What hybrid search answers, and each way alone."""
    hybrid = [article.inventory_id for article in find.search(url, text, limit=TEN).articles]
    with connect(url) as connection:
        values = {
            "question": text,
            "width": TEN,
            "few": None,
            "category": None,
            "location": None,
            "in_stock": False,
        }
        lists, notices = find.each_way(connection, values)
    assert not notices, notices
    return {way: [place_of[found] for found in ids] for way, ids in {"hybrid": hybrid, **lists}.items()}


def _speed(report: Report, names: Sequence[str], limit: float) -> None:
    """A rebuild, an update and questions on so many articles."""
    count = f"{len(names):,}"
    with fresh_database() as url:
        _fill(url, names)
        settle(url)
        seconds, used, memory = in_own_process(_rebuild, url)
        report.stages[f"rebuild of {count}"] = seconds
        report.stages[f"rebuild of {count}, processor"] = used
        if len(names) == _LARGE:
            report.figures.append(Figure(f"rebuild of {count}", seconds, "s", 300.0))
            report.figures.append(Figure(f"its peak memory, {count}", memory, "MB", 1_500.0))
        wall, cpu = _ask(url, names)
        report.figures.append(Figure(f"question p95, {count}, wall clock", _p95(wall) * 1e3, "ms", limit))
        report.figures.append(Figure(f"question p95, {count}, processor", _p95(cpu) * 1e3, "ms", limit))
        report.facts[f"question median, {count}, wall clock and processor"] = (
            f"{sorted(wall)[len(wall) // 2] * 1e3:.1f} and {sorted(cpu)[len(cpu) // 2] * 1e3:.1f} ms"
        )
        changes = [{"sku": f"A{place:06}", "name": f"{names[place]} NEW"} for place in range(_CHANGED)]
        SyncStockDB(url, policies=Policies()).upsert_products(changes)
        used = time.process_time()
        updated = timed(lambda: update_index(url))
        used = time.process_time() - used
        report.figures.append(Figure(f"update of {_CHANGED:,} in {count}, wall clock", updated, "s", 5.0))
        report.figures.append(Figure(f"update of {_CHANGED:,} in {count}, processor", used, "s", 5.0))
        report.facts[f"update of {_CHANGED:,} against rebuild, {count}"] = f"{updated / seconds:.3f}"


def _rebuild(url: str) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, and peak memory, of a rebuild in a process of its own."""
    report = update_index(url, rebuild=True)
    return report.seconds, time.process_time(), peak_memory()


def _ask(url: str, names: Sequence[str]) -> tuple[list[float], list[float]]:
    """Seconds of each of many questions: by the clock, and of this process and the server's together."""
    asked = [question.text for kind in PROMISED for question in questions(names, kind, _TIMED // 4, _SEED)]
    for text in asked[:20]:
        find.search(url, text)
    with connect(url) as connection:
        server = connection.info.backend_pid  # this thread keeps its connection
    wall, cpu = [], []
    for text in asked:
        began, used = time.perf_counter(), time.process_time() + _used_by(server)
        find.search(url, text)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() + _used_by(server) - used)
    return wall, cpu


def _used_by(pid: int) -> float:
    """Seconds of processor time of another process's main thread; nothing where the server is elsewhere."""
    path = Path(f"/proc/{pid}/schedstat")
    return int(path.read_text().split()[0]) / 1e9 if path.exists() else 0.0


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


def _fill(url: str, names: Sequence[str]) -> dict[int, int]:
    """A catalogue of these names; inventory_id to the place of its name."""
    db = SyncStockDB(url, policies=Policies())
    db.upsert_products(
        {"sku": f"A{place:06}", "inventory_id": place + 1, "name": name} for place, name in enumerate(names)
    )
    return {place + 1: place for place in range(len(names))}


@contextmanager
def _home() -> Iterator[None]:
    """Indexes go into a folder that is thrown away; the server stays the one that runs."""
    before = {name: os.environ.get(name) for name in ("SYNCSTOCK_HOME", "SYNCSTOCK_DATABASE_URL")}
    with TemporaryDirectory() as folder:
        os.environ |= {"SYNCSTOCK_DATABASE_URL": server_url(), "SYNCSTOCK_HOME": folder}
        get_settings.cache_clear()
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            get_settings.cache_clear()
