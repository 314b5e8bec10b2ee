"""A day's sync on a short and on a long history: the work grows with what is new, not with what is stored."""

from __future__ import annotations

from datetime import date, timedelta

from benchmarks.database import fresh_database, median, settle
from benchmarks.history import make_history, post, receive_day
from benchmarks.measure import Figure, Report, timed
from syncstock_dagster import SyncStockDB
from syncstock_dagster.stock.policy import Policies

MOVEMENTS, COUNTS, ARTICLES = 50_000, 10_000, 20_000
LIMIT, AIM = 1.6, 1.3
DAYS = 5


def run(*, full: bool) -> Report:
    """The same days on both, by turns; the short history is a fresh copy for each, so that it stays short."""
    short, long = (1_000_000, 10_000_000) if full else (100_000, 1_000_000)
    report = Report(
        "day_on_history",
        f"a day of {MOVEMENTS:,} movements and {COUNTS:,} counts on {short:,} and on {long:,} ledger entries",
    )
    spent: dict[str, list[float]] = {"short": [], "long": []}
    with fresh_database() as short_url, fresh_database() as long_url:
        with report.stage(f"make {short:,} entries"):
            last_day = make_history(_open(short_url), short, articles=ARTICLES, seed=1)
        with report.stage(f"make {long:,} entries"):
            make_history(_open(long_url), long, articles=ARTICLES, seed=1)
        _forget(short_url)
        settle(short_url)
        settle(long_url)
        _sync(long_url, last_day, -1)
        for number in range(DAYS):
            with fresh_database(template=short_url) as copy:
                # A day before the one that is timed, for a copy begins with nothing in memory.
                _sync(copy, last_day, -1 - number)
                turns = [("short", copy), ("long", long_url)]
                for name, url in turns[:: -1 if number % 2 else 1]:
                    spent[name].append(_sync(url, last_day, number))
                _forget(copy)
        audit = _open(long_url).audit()
        assert audit == {}, audit
    shorter, longer = median(spent["short"]), median(spent["long"])
    for name, seconds in spent.items():
        report.facts[f"seconds of each day, {name} history"] = ", ".join(f"{s:.2f}" for s in seconds)
    report.facts["seconds of a day (median), short and long"] = f"{shorter:.2f}, {longer:.2f}"
    report.figures.append(
        Figure("a day on the long history against the short", longer / shorter, "x", LIMIT, AIM)
    )
    return report


def _sync(url: str, last_day: date, number: int) -> float:
    """Seconds of posting one day that was received; days before 0 are for warming up."""
    db = _open(url)
    day = last_day + timedelta(days=20 + number)
    seed = 1000 + number
    deliveries = receive_day(db, day, movements=MOVEMENTS, counts=COUNTS, articles=ARTICLES, seed=seed)
    return timed(lambda: post(db, deliveries))


def _open(url: str) -> SyncStockDB:
    return SyncStockDB(url, policies=Policies())


def _forget(url: str) -> None:
    """Let go of the database, so that it can be copied or dropped."""
    from syncstock_dagster.store.connection import close_idle, libpq_url

    close_idle(libpq_url(url))
