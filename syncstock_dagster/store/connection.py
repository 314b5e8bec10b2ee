"""The one place that opens connections to PostgreSQL.

What belongs here: URLs and their drivers, and what every connection of ours has set. What does not: statements.
Connections run at READ COMMITTED: under a snapshot taken before a row lock, every first attempt would fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

_PREFIXES = ("postgresql+psycopg://", "postgresql+psycopg2://", "postgresql://", "postgres://")


def libpq_url(url: str) -> str:
    """A URL as libpq takes it: any SQLAlchemy driver name is dropped.

    Raises:
        ValueError: the URL is not one of PostgreSQL.
    """
    for prefix in _PREFIXES:
        if url.startswith(prefix):
            return "postgresql://" + url.removeprefix(prefix)
    raise ValueError("The database URL must begin with postgresql:// (it is not shown here: it may hold a password).")


def sqlalchemy_url(url: str) -> str:
    """A URL for SQLAlchemy with psycopg 3 named: bare ``postgresql://`` means different drivers in 2.0 and 2.1."""
    return "postgresql+psycopg://" + libpq_url(url).removeprefix("postgresql://")


@contextmanager
def connect(url: str, *, autocommit: bool = True, **options: Any) -> Iterator[Connection[tuple[Any, ...]]]:
    """A connection in schema ``syncstock`` and UTC, closed at the end; transactions are begun explicitly."""
    connection = psycopg.connect(
        libpq_url(url),
        autocommit=autocommit,
        application_name="syncstock",
        options="-c search_path=syncstock,public -c timezone=UTC -c jit=off",
        **options,
    )
    try:
        yield connection
    finally:
        connection.close()
