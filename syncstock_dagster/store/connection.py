"""The one place that opens connections to PostgreSQL.

What belongs here: URLs and their drivers, and what every connection of ours has set. What does not: statements.
Connections run at READ COMMITTED: under a snapshot taken before a row lock, every first attempt would fail.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus

#: A run's own tables and sorts stay in memory: with 32 MB for its tables a hundred thousand changed articles took 5 %
#: longer. temp_buffers is not larger still, because each commit looks through all of them (a millisecond).
#: random_page_cost says that pages are in memory or on flash, or a day's sync would scan what is stored.
_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "search_path": "syncstock,public",
        "timezone": "UTC",
        "jit": "off",
        "temp_buffers": "128MB",
        "work_mem": "128MB",
        "random_page_cost": "1.1",
    }.items()
)
#: Databases to which a thread keeps a connection; one is the rule, tests and benchmarks go from one to the next.
_KEPT = 4
_local = threading.local()
_inherited: list[dict[str, Any]] = []

_PREFIXES = ("postgresql+psycopg://", "postgresql+psycopg2://", "postgresql://", "postgres://")


def libpq_url(url: str) -> str:
    """A URL as libpq takes it: any SQLAlchemy driver name is dropped.

    Raises:
        ValueError: the URL is not one of PostgreSQL.
    """
    for prefix in _PREFIXES:
        if url.startswith(prefix):
            return "postgresql://" + url.removeprefix(prefix)
    raise ValueError(
        "The database URL must begin with postgresql:// (it is not shown here: it may hold a password)."
    )


def sqlalchemy_url(url: str) -> str:
    """A URL for SQLAlchemy with psycopg 3 named: bare ``postgresql://`` means different drivers in 2.0 and 2.1."""
    return "postgresql+psycopg://" + libpq_url(url).removeprefix("postgresql://")


@contextmanager
def connect(url: str) -> Iterator[Connection[tuple[Any, ...]]]:
    """A connection in schema ``syncstock`` and UTC; transactions are begun explicitly.

    A thread's last connection to a database is kept for its next call: a fresh session would plan every statement
    with cold caches. One whose call failed is never used again.
    """
    connection = _take_idle(url) or psycopg.connect(
        libpq_url(url),
        autocommit=True,
        application_name="syncstock",
        options=_OPTIONS,
        prepare_threshold=None,  # a plan made for a small run is wrong for a large one
    )
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    is_clean = connection.info.transaction_status == TransactionStatus.IDLE
    idle = _idle()
    if not is_clean or idle.setdefault(url, connection) is not connection:
        connection.close()
    elif len(idle) > _KEPT:
        idle.pop(next(iter(idle))).close()  # the one that was not asked for the longest


def close_idle(url: str) -> None:
    """Close the connection that this thread keeps for ``url``, if any."""
    if (connection := _idle().pop(url, None)) is not None:
        connection.close()


def _take_idle(url: str) -> Connection[tuple[Any, ...]] | None:
    connection = _idle().pop(url, None)
    if connection is None:
        return None
    try:
        connection.execute("select 1")
    except psycopg.Error:  # the server ended it meanwhile
        connection.close()
        return None
    return connection


def _idle() -> dict[str, Connection[tuple[Any, ...]]]:
    """This thread's kept connections by URL; a forked child begins with none, for they are its parent's."""
    if getattr(_local, "pid", None) != os.getpid():
        _inherited.append(getattr(_local, "idle", {}))  # closing them would end the parent's sessions
        _local.pid, _local.idle = os.getpid(), {}
    idle: dict[str, Connection[tuple[Any, ...]]] = _local.idle
    return idle
