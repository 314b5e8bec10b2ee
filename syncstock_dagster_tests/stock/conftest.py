"""Databases for histories: many empty ones for one test, and copies of one in which something has happened.

What belongs here: fixtures that only the tests of the engine need. What does not: expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import close_idle
from syncstock_dagster_tests.conftest import Databases, FreshDatabases

OpenDatabase = Callable[..., SyncStockDB]
Clone = Callable[[str], str]


@pytest.fixture
def open_database(fresh_databases: FreshDatabases) -> Iterator[OpenDatabase]:
    """Call it for the interface to another empty database; ``close()`` gives the database back."""
    taken: list[str] = []

    def give_back(url: str) -> None:
        if url in taken:
            taken.remove(url)
            fresh_databases.give_back(url)

    class OwnDatabase(SyncStockDB):
        def close(self) -> None:
            super().close()
            give_back(self.url)

    def take(policies: Policies | None = None) -> SyncStockDB:
        taken.append(fresh_databases.take())
        return OwnDatabase(taken[-1], policies=policies)

    yield take
    while taken:
        give_back(taken[0])


@pytest.fixture(scope="module")
def base_url(fresh_databases: FreshDatabases) -> Iterator[str]:
    """An empty database for the tests of one module, to be filled once and then only copied."""
    url = fresh_databases.take()
    yield url
    fresh_databases.give_back(url)


@pytest.fixture
def clone(make_database: Databases) -> Iterator[Clone]:
    """Call it for a copy of a database; all but the last few copies are dropped meanwhile."""
    with ThreadPoolExecutor(1) as worker:
        made: list[str] = []
        copied: set[str] = set()

        def drop(url: str) -> None:
            close_idle(url)
            worker.submit(make_database.drop, url)

        def copy(url: str) -> str:
            close_idle(url)  # a database that somebody is connected to cannot be copied
            copied.add(url)
            made.append(make_database(template=url))
            if len(made) > 3:
                oldest = next(n for n, one in enumerate(made) if one not in copied)
                drop(made.pop(oldest))
            return made[-1]

        yield copy
        for url in made:
            drop(url)
