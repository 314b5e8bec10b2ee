"""Orders: 300 a second by 32 clients over 1,000 articles, as many as there can be, and all of them on one article.

The clients are threads of two processes, as workers of a web server are. At a given rate each order has its instant,
and its time is counted from there: a client that is late because of the one before is slow, too.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

from benchmarks.database import fresh_database, median, settle
from benchmarks.measure import Figure, Report, timed
from syncstock_dagster import PurchaseRecord, SalesRecord, SyncStockDB
from syncstock_dagster.stock.policy import Policies

ARTICLES, CLIENTS, PROCESSES, RATE, SECONDS = 1_000, 32, 2, 300, 20
P99_LIMIT, RATE_LIMIT = 100.0, 300.0


def run(*, full: bool) -> Report:
    """Each part goes on where the one before it ended."""
    report = Report("orders", f"{RATE} orders a second by {CLIENTS} clients over {ARTICLES:,} articles")
    seconds = SECONDS * (3 if full else 1)
    with fresh_database() as url:
        db = SyncStockDB(url, policies=Policies())
        at = datetime(2026, 3, 2, tzinfo=UTC)
        db.run_sync([PurchaseRecord(n, 1_000_000, at=at, ref=f"P{n}") for n in range(1, ARTICLES + 1)])
        settle(url)
        _alone(db, report)
        paced = _orders(url, "paced", ARTICLES, seconds, RATE)
        _told(report, f"{RATE} a second", paced, seconds)
        report.figures.append(Figure("p99 at that rate", 1000 * _part(paced, 0.99), "ms", P99_LIMIT))
        rate = len(paced) / (max(ended for _, ended in paced) - min(ended - spent for spent, ended in paced))
        report.figures.append(
            Figure("orders a second that were asked and not done", max(0.0, RATE * 0.98 - rate), "", 0.0)
        )
        most = _orders(url, "most", ARTICLES, seconds / 2, None)
        _told(report, "as many as there can be", most, seconds / 2)
        hot = _orders(url, "hot", 1, seconds / 2, None)
        _told(report, "all on one article, as many as there can be", hot, seconds / 2)
        paced_hot = _orders(url, "paced hot", 1, seconds / 2, RATE)
        _told(report, f"all on one article, {RATE} a second", paced_hot, seconds / 2)
        assert db.audit() == {}
    return report


def _alone(db: SyncStockDB, report: Report) -> None:
    """One client: an order, and the same as a sync of one sale."""
    order = [
        timed(lambda n=n: db.order([(n % ARTICLES + 1, 1)], ref=f"alone-{n}", sync=False)) for n in range(200)
    ]
    sync = [
        timed(
            lambda n=n: db.run_sync(
                sales=[SalesRecord(n % ARTICLES + 1, 1, at=datetime.now(UTC), ref=f"s{n}")]
            )
        )
        for n in range(20)
    ]
    report.facts["milliseconds of an order, one client"] = f"{1000 * median(order):.1f}"
    report.facts["milliseconds of the same as a sync"] = f"{1000 * median(sync):.1f}"


def _told(report: Report, what: str, done: list[tuple[float, float]], seconds: float) -> None:
    report.table.append(
        {
            "what": what,
            "orders": f"{len(done):,}",
            "a second": f"{len(done) / seconds:,.0f}",
            "p50 ms": f"{1000 * _part(done, 0.5):.1f}",
            "p99 ms": f"{1000 * _part(done, 0.99):.1f}",
            "max ms": f"{1000 * _part(done, 1):.1f}",
        }
    )


def _part(done: list[tuple[float, float]], part: float) -> float:
    spent = sorted(one for one, _ in done)
    return spent[min(len(spent) - 1, int(len(spent) * part))]


def _orders(
    url: str, name: str, articles: int, seconds: float, rate: float | None
) -> list[tuple[float, float]]:
    """Seconds that each order took, and when it ended."""
    context = multiprocessing.get_context("spawn")
    begin = time.time() + 3  # all interpreters are up by then
    each = CLIENTS // PROCESSES
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        parts = [
            pool.submit(
                _clients, url, f"{name}-{n}", articles, each, seconds, rate and rate / PROCESSES, begin
            )
            for n in range(PROCESSES)
        ]
        return [one for part in parts for one in part.result()]


def _clients(
    url: str, name: str, articles: int, clients: int, seconds: float, rate: float | None, begin: float
) -> list[tuple[float, float]]:
    db = SyncStockDB(url, policies=Policies())
    done: list[tuple[float, float]] = []

    def client(number: int) -> None:
        rng = random.Random(f"{name}-{number}")
        db.order([(1, 1)], dry_run=True, sync=False)  # connected, as the workers of a server are
        every = clients / rate if rate else 0.0
        due = begin + every * number / clients
        turn = 0
        while due < begin + seconds:
            time.sleep(max(0.0, due - time.time()))
            began = due if rate else time.time()
            answer = db.order([(rng.randint(1, articles), 1)], ref=f"{name}-{number}-{turn}", sync=False)
            ended = time.time()
            assert answer.status == "posted", answer
            done.append((ended - began, ended))
            turn += 1
            due = due + every if rate else ended
        db.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done
