"""What every test may ask for: the server, a database of its own, and how many examples of a property.

Put here the fixtures that more than one folder of tests needs. Keep out fakes and builders; they lie beside
the tests that use them.

Tests run on the server that ``SYNCSTOCK_TEST_DATABASE_URL`` or ``SYNCSTOCK_DATABASE_URL`` names, else on the
embedded one of this checkout (``SYNCSTOCK_HOME`` or ``.syncstock``). Only databases whose names begin with
``syncstock_test_`` are made, used and dropped; the role must be allowed to make them (``createdb``).
"""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from syncstock_dagster.settings import without_secrets

if TYPE_CHECKING:
    import dagster as dg

    from syncstock_dagster import SyncStockDB
    from syncstock_dagster_tests.shop import Shop

REPOSITORY = Path(__file__).resolve().parents[1]

# Random in every run, so that the suite keeps looking; a failure prints what reproduces it. The parent is
# named, because hypothesis takes another one where the variable CI is set.
_COMMON: dict[str, Any] = {
    "parent": hypothesis_settings.get_profile("default"),
    "deadline": None,
    "print_blob": True,
    # A history is long, and each example talks to a database.
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
# The suite tries the same examples every time, so that red means that something changed; `make prove` looks for
# new ones.
hypothesis_settings.register_profile(
    "ci", max_examples=15, stateful_step_count=25, derandomize=True, database=None, **_COMMON
)
hypothesis_settings.register_profile(
    "prove", max_examples=2000, stateful_step_count=50, derandomize=False, **_COMMON
)
# `make prove` names the other one on the command line, which is read after this file.
hypothesis_settings.load_profile("ci")


def _given_url() -> str | None:
    """The server that the environment names; an empty variable names none."""
    return os.environ.get("SYNCSTOCK_TEST_DATABASE_URL") or os.environ.get("SYNCSTOCK_DATABASE_URL") or None


def _home() -> Path:
    return Path(os.environ.get("SYNCSTOCK_HOME") or REPOSITORY / ".syncstock")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Files made for a test hold the time of their making; every worker must find the same names of tests."""
    return argname if isinstance(val, bytes) else None


def pytest_report_header() -> list[str]:
    """Say on what the tests run, so that a log explains itself."""
    url = _given_url()
    return [
        f"database: {without_secrets(url) if url else f'embedded, in {_home()}'}",
        f"examples of a property: {hypothesis_settings().max_examples}",
    ]


@pytest.fixture(scope="session")
def server_url() -> str:
    """A database on the server under test; not one to write to, but one whose role may make others."""
    from syncstock_dagster.store.connection import libpq_url
    from syncstock_dagster.store.embedded import EmbeddedServer

    return libpq_url(_given_url() or EmbeddedServer(_home()).ensure_running())


class Databases:
    """The databases of one test session: made by name or from a template, all dropped at the end.

    Each session holds an advisory lock on its name as long as it lives, so what a killed session left behind
    is known and dropped by the next one, and what a living one uses is not, wherever it runs.
    """

    def __init__(self, server_url: str) -> None:
        """Connect, and drop what dead sessions left."""
        self._server_url = server_url
        self._session = f"syncstock_test_{os.getpid()}_{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)
        self._admin = psycopg.connect(server_url, autocommit=True)
        self._admin.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [self._session])
        self._drop_leftovers()

    def __call__(self, template: str | None = None) -> str:
        """Make a database, empty or a copy of the one at the URL `template`, and return its URL."""
        name = f"{self._session}_{next(self._numbers)}"
        source = urlsplit(template).path.lstrip("/") if template else "template1"
        # Copying through the log takes half of the time of copying files, which waits for two checkpoints.
        self._admin.execute(
            sql.SQL("create database {} template {} strategy wal_log").format(
                sql.Identifier(name), sql.Identifier(source)
            )
        )
        return urlunsplit(urlsplit(self._server_url)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        """Remove the database at `url`, and whoever is still connected to it."""
        name = urlsplit(url).path.lstrip("/")
        assert name.startswith("syncstock_test_"), f"{name} was not made by a test"
        command = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        for patience in range(40, -1, -1):
            try:
                self._admin.execute(command)
                return
            except psycopg.errors.InsufficientPrivilege:
                # The server's own vacuum is in it, which an ordinary role may not end; it is done in a moment.
                if not patience:
                    raise
                time.sleep(0.25)

    def close(self) -> None:
        """Remove all that is left of this session."""
        self._drop_all_of(self._session)
        self._admin.close()

    def _drop_leftovers(self) -> None:
        sessions = self._admin.execute(
            r"select distinct substring(datname from '^syncstock_test_\d+_[0-9a-f]+') from pg_database "
            r"where datname ~ '^syncstock_test_\d+_[0-9a-f]+_'"
        ).fetchall()
        for (session,) in sessions:
            lock = "hashtextextended(%s, 0)"
            row = self._admin.execute(f"select pg_try_advisory_lock({lock})", [session]).fetchone()
            if row and row[0]:
                self._drop_all_of(session)
                self._admin.execute(f"select pg_advisory_unlock({lock})", [session])

    def _drop_all_of(self, session: str) -> None:
        names = self._admin.execute(
            "select datname from pg_database where starts_with(datname, %s)", [f"{session}_"]
        ).fetchall()
        for (name,) in names:
            self.drop(urlunsplit(urlsplit(self._server_url)._replace(path=f"/{name}")))


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Iterator[Databases]:
    """Call it for the URL of a new, empty database; ``make_database.drop(url)`` removes it before the end."""
    databases = Databases(server_url)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def _template_url(make_database: Databases) -> str:
    """A database with the newest schema that nobody connects to, so that it can be copied."""
    from syncstock_dagster.store import schema

    url = make_database()
    schema.upgrade(url)
    return url


@pytest.fixture(scope="session")
def database_url(make_database: Databases, _template_url: str) -> str:
    """One database with the newest schema for all tests: for those that bring their own articles."""
    return make_database(template=_template_url)


class FreshDatabases:
    """Copies of the template, each used once. The next one is made while the test before it runs.

    A copy is exact whatever a test did to the schema. Making it takes about 0.1 s, more than truncating the
    few tables a test has filled, but nothing when a thread does it meanwhile.
    """

    def __init__(self, databases: Databases, template_url: str) -> None:
        """Begin with the first copy."""
        self._databases = databases
        self._template_url = template_url
        # One thread: the server copies a template for one connection at a time.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="fresh-databases")
        self._next = self._make()

    def _make(self) -> Future[str]:
        return self._worker.submit(self._databases, self._template_url)

    def take(self) -> str:
        """The URL of a database that nothing was ever written to."""
        url = self._next.result()
        self._next = self._make()
        return url

    def give_back(self, url: str) -> None:
        """Remove a used one, in the background."""
        self._worker.submit(self._databases.drop, url)

    def close(self) -> None:
        """Wait for what is under way."""
        self._worker.shutdown(wait=True)


@pytest.fixture(scope="session")
def fresh_databases(make_database: Databases, _template_url: str) -> Iterator[FreshDatabases]:
    """Empty databases with the newest schema, for tests that need several: one an example, for instance."""
    fresh = FreshDatabases(make_database, _template_url)
    yield fresh
    fresh.close()


@pytest.fixture
def empty_database_url(fresh_databases: FreshDatabases) -> Iterator[str]:
    """A database with the newest schema and nothing in it, for this test alone."""
    url = fresh_databases.take()
    yield url
    fresh_databases.give_back(url)


@pytest.fixture
def db(empty_database_url: str) -> SyncStockDB:
    """The Python interface on an empty schema, for this test alone."""
    from syncstock_dagster import SyncStockDB

    return SyncStockDB(empty_database_url)


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    """One instance of Dagster in memory for all tests: starting another one costs more than most tests."""
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Call it with a configuration file's text, and by name the texts of modules that it names, to put it in effect."""
    from syncstock_dagster.settings import get_settings

    def configure(text: str, **modules: str) -> Path:
        for name, code in modules.items():
            (tmp_path / f"{name}.py").write_text(code)
        config = tmp_path / "syncstock.toml"
        config.write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("SYNCSTOCK_CONFIG", str(config))
        get_settings.cache_clear()
        return config

    return configure


@pytest.fixture
def shop(
    db: SyncStockDB, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    """A shop in Dagster, for this test alone but for Dagster's history."""
    from syncstock_dagster import settings
    from syncstock_dagster_tests.shop import Shop

    # Files in tests are old; nobody waits for them longer than it takes to look twice.
    monkeypatch.setenv("SYNCSTOCK_SETTLE_SECONDS", "0.1")
    settings.get_settings.cache_clear()
    instance.wipe()
    yield Shop(db, tmp_path / "drop", instance)
    settings.get_settings.cache_clear()
