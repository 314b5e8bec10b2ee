"""Asking the sources of this installation: plain functions for the command line, Dagster and a web app.

What belongs here: opening a source by its name, and starting a pull, reading certain articles, working off hints, and
statistics. What does not: what a pull does (``sources.pull``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncstock_dagster.settings import get_settings
from syncstock_dagster.sources import hints
from syncstock_dagster.sources.protocol import Ask, Source, SourceError
from syncstock_dagster.sources.pull import PullResult, Rules, Told, newest_change, open_ask, pull
from syncstock_dagster.sources.vendors import Context, opened
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    from datetime import datetime

    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.sources.xorosoft_files import Exported

#: Seconds for which statistics are not asked for again.
_KEPT_FOR = 60.0
_kept: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
_keeping = threading.Lock()


def rules_of(db: SyncStockDB) -> Rules:
    """What the shop says about what sources bring."""
    return Rules(db.policies, db.catalogue_policy, db.default_location)


@contextmanager
def opened_source(db: SyncStockDB, name: str, context: Context | None = None) -> Iterator[Source]:
    """A source of this installation.

    Raises:
        BadInput: there is no such source, or (``NotConfiguredError``) its account is not set.
    """
    with opened(name, get_settings().config_file, context or Context(db.url)) as source:
        yield source


def start_pull(
    db: SyncStockDB,
    name: str,
    ask: Ask | None = None,
    *,
    changed_only: bool = False,
    dry_run: bool = False,
    who: str | None = None,
    told: Told | None = None,
    context: Context | None = None,
) -> PullResult:
    """Pull a source now, or go on where its last pull was stopped.

    ``changed_only`` asks for what changed since the last finished pull, where the source can say so and there is one. A
    pull that was stopped goes first: it may be the nightly one of everything, which a limit takes days for.
    """
    wanted = ask or Ask()
    with opened_source(db, name, context) as source:
        if changed_only and (stopped := open_ask(db.url, name)) is not None:
            wanted = stopped
        elif changed_only and source.can.incremental and (since := newest_change(db.url, name)) is not None:
            wanted = replace(wanted, since=since)
        try:
            result = pull(db.url, source, wanted, rules_of(db), who=who, dry_run=dry_run, told=told)
        except SourceError as error:
            _log_failure(db, name, wanted, error)
            raise
        finally:
            forget_statistics()
    return result


def read_ids(
    db: SyncStockDB,
    name: str,
    ids: Iterable[str],
    *,
    dry_run: bool = False,
    who: str | None = None,
    told: Told | None = None,
    context: Context | None = None,
) -> PullResult:
    """Read certain articles of a source again, by its own codes."""
    ask = Ask(ids=tuple(dict.fromkeys(ids)), active_only=False)
    with opened_source(db, name, context) as source:
        try:
            return pull(db.url, source, ask, rules_of(db), who=who, dry_run=dry_run, told=told)
        finally:
            forget_statistics()


def work_off_hints(
    db: SyncStockDB, name: str, *, who: str | None = None, context: Context | None = None
) -> PullResult | None:
    """Read again what hints name; None where none waits."""
    with opened_source(db, name, context) as source:
        try:
            return hints.work_off(db.url, source, rules_of(db), who=who)
        finally:
            forget_statistics()


def statistics(db: SyncStockDB, name: str, *, fresh: bool = False) -> dict[str, Any]:
    """How a source stands: articles, levels, last and open pull, what waits. Kept for a minute."""
    key = (db.url, name)
    now = time.monotonic()
    with _keeping:
        known = _kept.get(key)
    if known is not None and not fresh and now - known[0] < _KEPT_FOR:
        return dict(known[1])
    with connect(db.url) as connection:
        cursor = connection.execute(statement("sources/statistics"), {"source": name})
        row = cursor.fetchone()
        assert row is not None and cursor.description is not None
        told = {"source": name, **{c.name: v for c, v in zip(cursor.description, row, strict=True)}}
    with _keeping:
        _kept[key] = (now, told)
    return dict(told)


def forget_statistics() -> None:
    """The next question is answered anew."""
    with _keeping:
        _kept.clear()


def import_xorosoft(
    db: SyncStockDB,
    path: Path,
    counted_at: datetime,
    *,
    dry_run: bool = False,
    who: str | None = None,
) -> PullResult:
    """Take in a file that Xorosoft exported at an instant."""
    from syncstock_dagster.sources.xorosoft_files import XorosoftFile

    content = path.read_bytes()
    source = XorosoftFile(content, path.name, _xorosoft_table(), counted_at)
    ask = Ask(active_only=False, document=sha256(content).hexdigest())
    return pull(db.url, source, ask, rules_of(db), name=f"xorosoft: {path.name}", who=who, dry_run=dry_run)


def export_xorosoft(
    db: SyncStockDB, path: Path, *, dry_run: bool = False, who: str | None = None
) -> Exported:
    """Write our stock as a file for Xorosoft."""
    from syncstock_dagster.sources.xorosoft_files import export

    return export(db.url, _xorosoft_table(), path, who=who, dry_run=dry_run)


def _xorosoft_table() -> Any:
    from syncstock_dagster.sources.vendors import read_table, tables
    from syncstock_dagster.sources.xorosoft import NAME, XorosoftTable

    return read_table(NAME, XorosoftTable, tables(get_settings().config_file).get(NAME, {}))


def _log_failure(db: SyncStockDB, name: str, ask: Ask, error: Exception) -> None:
    if name != "xorosoft":
        return
    from syncstock_dagster.sources.xorosoft import log_failure

    with connect(db.url) as connection:
        log_failure(connection, ask, error)
