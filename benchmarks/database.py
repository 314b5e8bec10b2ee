"""Fresh databases to measure in, and the bare COPY that loading is measured against.

What belongs here: making and dropping databases, and COPY without anything of ours around it. What does not:
the engine.
"""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from syncstock_dagster.settings import Settings
from syncstock_dagster.store.connection import libpq_url
from syncstock_dagster.store.embedded import EmbeddedServer

#: The rows of a movement file, typed as the ledger needs them, without an index and without a check.
_BARE_TABLE = """
create table public.bare (
  source text, document text, line text, inventory_id bigint, location text, quantity numeric,
  effective_at timestamptz, reason text, unit_price numeric
)
"""


@contextmanager
def fresh_database(template: str | None = None) -> Iterator[str]:
    """The URL of an empty database, or of a copy of the one at URL ``template``; it is dropped at the end."""
    name = f"syncstock_bench_{os.getpid()}_{secrets.token_hex(4)}"
    server = server_url()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("set client_min_messages = warning")
        if template is None:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        else:
            # FILE_COPY: the copy costs a checkpoint and no WAL.
            original = urlsplit(template).path.lstrip("/")
            statement = sql.SQL("create database {} template {} strategy file_copy")
            admin.execute(statement.format(sql.Identifier(name), sql.Identifier(original)))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        _drop(server, name)


def _drop(server: str, name: str) -> None:
    """The server's own vacuum may be in it, which an ordinary role may not end; it is done in a while."""
    command = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    with psycopg.connect(server, autocommit=True) as admin:
        for patience in range(120, -1, -1):
            try:
                admin.execute(command)
                return
            except psycopg.errors.InsufficientPrivilege:
                if not patience:
                    raise
                time.sleep(0.5)


def server_url() -> str:
    """The server that is measured on."""
    settings = Settings()
    if settings.database_url:
        return libpq_url(settings.database_url)
    return libpq_url(EmbeddedServer(settings.home).ensure_running())


def settle(url: str) -> None:
    """Let the server finish what an earlier part left to do, so that the next one does not pay for it."""
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute("vacuum (analyze)")
        # A checkpoint is the administrator's; without it the measurement is only a bit noisier.
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("checkpoint")


def bare_copy(url: str, rows: Path, *, times: int = 5) -> list[float]:
    """Seconds of each of several COPYs of a CSV file in the table's columns into an empty logged table."""
    seconds = []
    data = rows.read_bytes()
    with psycopg.connect(libpq_url(url)) as connection:
        for _ in range(times):
            connection.execute("drop table if exists public.bare")
            connection.execute(_BARE_TABLE.encode())
            connection.commit()
            began = time.perf_counter()
            with connection.cursor().copy("copy public.bare from stdin with (format csv)") as copy:
                for start in range(0, len(data), 1 << 20):
                    copy.write(data[start : start + (1 << 20)])
            connection.commit()
            seconds.append(time.perf_counter() - began)
        connection.execute("drop table public.bare")
        connection.commit()
    return seconds


def median(seconds: list[float]) -> float:
    """The middle one."""
    return statistics.median(seconds)
