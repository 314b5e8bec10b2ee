"""Dagster's home: the folder with its configuration, and the database with its history.

What belongs here: making both ready. What does not: the processes that use them (``processes``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from string import Template
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from syncstock_dagster.settings import Settings
from syncstock_dagster.store.connection import libpq_url

DATABASE = "syncstock_dagster"

#: Sensors' cursors and switches hang on the name of the location, so it never changes.
WORKSPACE = """\
load_from:
  - python_module:
      module_name: syncstock_dagster.definitions
      location_name: syncstock
"""


class HomeError(RuntimeError):
    """Dagster's home cannot be made; the message says what to do."""


def home_of(settings: Settings) -> Path:
    """Dagster's home within the home of this installation."""
    return settings.home / "dagster"


def prepare(settings: Settings, stock_url: str) -> Path:
    """Make the folder and the database, write the configuration, and return the folder.

    Raises:
        HomeError: the database does not exist and cannot be made.
    """
    home = home_of(settings)
    home.mkdir(parents=True, exist_ok=True)
    write(home, storage_url(settings, stock_url))
    return home


def storage_url(settings: Settings, stock_url: str) -> str:
    """The database of Dagster's own tables, made if need be, with its driver named.

    Raises:
        HomeError: it does not exist and cannot be made.
    """
    if settings.dagster_database_url is not None:
        url = libpq_url(settings.dagster_database_url)
    else:
        parts = urlsplit(libpq_url(stock_url))
        name = DATABASE if settings.database_url is None else f"{parts.path.lstrip('/')}_dagster"
        url = urlunsplit(parts._replace(path=f"/{name}"))
        _ensure_database(libpq_url(stock_url), name)
    return f"postgresql+psycopg2://{url.removeprefix('postgresql://')}"


def write(home: Path, storage: str) -> None:
    """Write the configuration that Dagster reads; it may hold a password, so it is for this account alone."""
    template = Template((Path(__file__).parent / "dagster.yaml").read_text(encoding="utf-8"))
    for name, text in {
        "dagster.yaml": template.substitute(STORAGE_URL=json.dumps(storage)),
        "workspace.yaml": WORKSPACE,
    }.items():
        fresh = home / f".{name}.new"
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(home / name)


def environment(settings: Settings, home: Path) -> dict[str, str]:
    """The environment of Dagster's processes."""
    return {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "SYNCSTOCK_HOME": str(settings.home),
        # 365 events of a backfill take a third of the time.
        "DAGSTER_EVENT_BATCH_SIZE": "100",
        "PYTHONUNBUFFERED": "1",
    }


def _ensure_database(stock_url: str, name: str) -> None:
    with psycopg.connect(stock_url, autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            return
        try:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            # The last moment of Dagster's history may go with a power cut; a commit for every event need not wait for
            # the disk. Evidence is in the other database.
            connection.execute(
                sql.SQL("alter database {} set synchronous_commit = off").format(sql.Identifier(name))
            )
        except psycopg.errors.DuplicateDatabase:
            return
        except psycopg.errors.InsufficientPrivilege as error:
            raise HomeError(
                f"Dagster needs a database of its own, and the role may not make {name}. Make it, or name another "
                "one with SYNCSTOCK_DAGSTER_DATABASE_URL."
            ) from error
