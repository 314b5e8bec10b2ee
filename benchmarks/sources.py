"""How fast other systems are asked: against a stand-in that takes 200 ms for an answer, and our own part alone.

What belongs here: the time of a pull against the least that the limit of calls allows, articles a second of our own
processing, and memory. What does not: the vendors' real speed, which nobody here knows.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.database import fresh_database
from benchmarks.measure import Figure, Report, in_own_process, peak_memory
from syncstock_dagster import SyncStockDB
from syncstock_dagster.accounts import Accounts
from syncstock_dagster.catalog.policy import AutoCommit, CataloguePolicy, SourceChanges
from syncstock_dagster.demo.vendors import served
from syncstock_dagster.demo.vendors.zoho import ZohoStandIn, make_items
from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.sources.clock import Clock
from syncstock_dagster.sources.protocol import Ask, Can, Item, Level, Meter, Page
from syncstock_dagster.sources.pull import PullResult, Rules, pull
from syncstock_dagster.sources.vendors import Context
from syncstock_dagster.sources.zoho import Zoho, ZohoTable
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster.store.connection import connect

_LATENCY = 0.2
_ITEMS, _PAGE = 10_000, 200
_SMALL, _LARGE = 1_000, 100_000


def run(*, full: bool) -> Report:
    """Against the stand-in first, then alone."""
    del full
    report = Report("sources", "articles and levels pulled from another system")
    _against_limit(report)
    for name, count, commits in (
        ("first pull, articles wait for review", 20_000, False),
        ("first pull, articles and levels posted", 20_000, True),
    ):
        seconds, again, _, used = in_own_process(_alone, count, commits)
        report.stages[f"{name}, {count:,}"] = seconds
        report.stages[f"the same again, nothing changed, {count:,}"] = again
        report.facts[f"articles a second, {name}"] = int(count / seconds)
        report.facts[f"articles a second, nothing changed after: {name}"] = int(count / again)
        # Half a millisecond is two thousand a second. The machine may be shared, hence the processor's time as well.
        for how, spent in (("wall clock", seconds), ("processor", used)):
            figure = Figure(f"an article, {name}, {how}", spent * 1e3 / count, "ms", 0.5)
            report.figures.append(figure)
    small, large = (in_own_process(_alone, count, True)[2] for count in (_SMALL, _LARGE))
    report.facts[f"peak memory, {_SMALL:,} and {_LARGE:,} articles"] = f"{small:.0f} and {large:.0f} MB"
    report.figures.append(Figure("more memory for 100 times the articles", large - small, "MB", 50.0))
    return report


def _against_limit(report: Report) -> None:
    """The stand-in in a process of its own, one call a second, 50 pages."""
    with _standing(_ITEMS) as address, fresh_database() as url:
        db = _opened(url)
        known = ZohoStandIn()
        accounts = Accounts(
            zoho_client_id=known.client_id,
            zoho_client_secret=known.client_secret,
            zoho_refresh_token=known.refresh_token,
            zoho_organization_id=known.organisation,
            zoho_url=address,
        )
        source = Zoho(ZohoTable(calls_a_minute=60), Context(url, "zoho", accounts))
        began = time.perf_counter()
        result = pull(db.url, source, Ask(), _rules(commits=True))
        seconds = time.perf_counter() - began
    assert (result.items, result.status) == (_ITEMS, "complete"), result
    pages = _ITEMS // _PAGE
    assert result.api_calls == pages
    bound = (pages - 1) * 1.0 + _LATENCY
    report.stages[f"{_ITEMS:,} articles, {pages} calls of {_LATENCY * 1e3:.0f} ms"] = seconds
    report.facts["least time that one call a second allows"] = f"{bound:.1f} s"
    report.facts["waited for the limit"] = f"{result.seconds_waited:.1f} s"
    report.figures.append(Figure("time against the least", seconds / bound, "x", 1.3))


def _alone(count: int, commits: bool) -> tuple[float, float, float, float]:
    """Seconds of a first and a second pull of a source that answers at once, peak memory, and processor seconds.

    The processor's time is that of the first pull: of this process and of the server's processes that worked for it.
    """
    with fresh_database() as url:
        db = _opened(url)
        source, seconds, used = _AtOnce(count), [], []
        for _ in range(2):
            began, before = time.perf_counter(), time.process_time() + _used_by_server(url)
            result: PullResult = pull(db.url, source, Ask(), _rules(commits=commits))
            seconds.append(time.perf_counter() - began)
            used.append(time.process_time() + _used_by_server(url) - before)
            assert result.items == count, result
    return seconds[0], seconds[1], peak_memory(), used[0]


def _used_by_server(url: str) -> float:
    """Seconds of processor time of the server's processes in this database; nothing where the server is elsewhere."""
    with connect(url) as connection:
        rows = connection.execute(
            "select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend'"
        )
        paths = [Path(f"/proc/{pid}/schedstat") for (pid,) in rows]
    return sum(int(path.read_text().split()[0]) / 1e9 for path in paths if path.exists())


class _AtOnce:
    """A source of so many articles that makes up each page when it is asked for."""

    name = "zoho"
    can = Can()

    def __init__(self, count: int) -> None:
        self.meter = Meter()
        self._count = count
        self._clock = Clock()

    def pages(self, ask: Ask, position: str | None) -> Iterator[Page]:
        """Two hundred articles each."""
        del ask
        for begin in range(int(position or 0), self._count, _PAGE):
            numbers = range(begin, min(begin + _PAGE, self._count))
            items = tuple(
                Item(
                    f"{n}",
                    {
                        "sku": f"S{n:07}",
                        "name": f"Article {n}",
                        "price": Decimal(n % 90),
                        "identifiers": {"zoho": f"{n}"},
                    },
                )
                for n in numbers
            )
            levels = tuple(Level(f"{n}", Decimal(n % 90), f"S{n:07}") for n in numbers)
            rest = begin + _PAGE
            yield Page(items, levels, self._clock.now(), str(rest) if rest < self._count else None)

    def keep(self, operation: Operation, pull_id: int, ask: Ask, statistics: Statistics) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _opened(url: str) -> SyncStockDB:
    from syncstock_dagster.store import schema

    schema.upgrade(url)
    return SyncStockDB(url, policies=Policies())


def _rules(*, commits: bool) -> Rules:
    auto = SourceChanges(auto_commit=AutoCommit(max_changes=1_000_000 if commits else 0))
    policies = Policies(sources={"zoho": SourcePolicy(kind="counts", trust="authoritative")})
    return Rules(policies, CataloguePolicy(sources={"zoho": auto}), "main")


@contextmanager
def _standing(count: int) -> Iterator[str]:
    """The address of a stand-in in another process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, count), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(10)


def _serve(pipe: Any, count: int) -> None:
    fake = ZohoStandIn()
    fake.put(make_items(count))
    fake.faults.latency = _LATENCY
    with served(fake.app) as address:
        pipe.send(address)
        pipe.recv()
