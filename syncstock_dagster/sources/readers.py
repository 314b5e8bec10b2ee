"""Configured readers: plain callables that bring evidence when ``syncstock sync`` runs (docs/extending.md).

What belongs here: calling them and posting what they yield. What does not: any particular system (a module of its
own beside this one, or outside the package), and files (``intake``).

What is wrong with one reader is told, and on record as a failed operation; it does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from syncstock_dagster.errors import told_error
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.sources.intake import STOPS_EVERYTHING, Failure
from syncstock_dagster.stock.evidence import BadInput, Evidence
from syncstock_dagster.stock.policy import SourcePolicy, resolve_callable
from syncstock_dagster.stock.records import POSRecord, PurchaseRecord, SalesRecord
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

_NAMED = (PurchaseRecord, SalesRecord, POSRecord)


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """What a configured reader brought."""

    source: str
    results: tuple[SyncResult, ...]
    failure: Failure | None = None


def readers(db: SyncStockDB) -> dict[str, SourcePolicy]:
    """The sources that have a reader, by name."""
    return {name: policy for name, policy in sorted(db.policies.named().items()) if policy.reader}


def run_readers(
    db: SyncStockDB,
    *,
    only: Collection[str] | None = None,
    dry_run: bool = False,
    who: str | None = None,
    told: Callable[[ReaderReport], None] | None = None,
) -> list[ReaderReport]:
    """Ask each configured reader (or only some) for what is new; each thing it yields is one delivery.

    A reader is called with the instant from which to read (None: everything) and yields ``Evidence`` or lists of
    records, whose source is its own. What it yielded before it failed is kept: reading from there again is safe,
    because whatever is read twice is recognised (law L5).
    """
    reports = []
    for source, policy in readers(db).items():
        if only is not None and source not in only:
            continue
        results: list[SyncResult] = []
        failure = None
        for given in _read(db, source, policy):
            try:
                result = given if isinstance(given, Failure) else _deliver(db, source, given, dry_run, who)
            except STOPS_EVERYTHING:
                raise
            except Exception as error:
                result = Failure(_name(source), error)
            if isinstance(result, Failure):
                failure = result
                break
            if result is not None:
                results.append(result)
        if not dry_run:
            _record(db, source, failure, who)
        reports.append(ReaderReport(source, tuple(results), failure))
        if told is not None:
            told(reports[-1])
    return reports


def _read(db: SyncStockDB, source: str, policy: SourcePolicy) -> Iterator[Any]:
    """What a reader yields; last its failure, whatever it is: it may well have a database of its own."""
    begin = read_from(db, source)
    try:
        assert policy.reader is not None
        yield from resolve_callable(policy.reader)(begin)
    except Exception as error:
        yield Failure(_name(source), error)


def read_from(db: SyncStockDB, source: str) -> datetime | None:
    """From which instant a source is to be read: its watermark, less the greatest lateness it ever had (law L11)."""
    for row in db.get_watermarks():
        if row["source_type"] == source and row["last_processed_at"] is not None:
            return cast(datetime, row["last_processed_at"] - row["lateness"])
    return None


class ReaderError(Exception):
    """What a reader raised, as an operation's error that trying again does not mend."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A reader that failed when it was last asked."""

    source: str
    operation_id: int
    since: datetime
    error: str


def silent(db: SyncStockDB, sources: Collection[str]) -> list[Silent]:
    """Those of the sources whose reader failed when it was last asked."""
    names = {_name(source): source for source in sources}
    with connect(db.url) as connection:
        rows = connection.execute(statement("operations/failed_readers"), {"names": list(names)})
        return [Silent(names[name], number, since, error) for name, number, since, error in rows]


def _record(db: SyncStockDB, source: str, failure: Failure | None, who: str | None) -> None:
    """Put it on record that a reader failed, once for as long as it fails alike, and that it answers again."""
    before = silent(db, [source])

    def work(_: Operation) -> Statistics:
        if failure is not None:
            raise ReaderError(told_error(failure.error))
        return {}

    if failure is not None:
        # What failed in the database is on record already.
        if not any(one.error.endswith(told_error(failure.error)) for one in before):
            with suppress(ReaderError):
                run_operation(db.url, _name(source), "pull", work, who=who)
    elif before:
        run_operation(db.url, _name(source), "pull", work, who=who)


def _name(source: str) -> str:
    return f"reader of {source}"


def _deliver(db: SyncStockDB, source: str, given: Any, dry_run: bool, who: str | None) -> SyncResult | None:
    """Post one thing that a reader yielded; None where there is nothing in it."""
    note = _name(source)
    if isinstance(given, Evidence):
        if given.errors:
            raise BadInput(f"The reader of {source} brought rows that cannot be taken:", given.errors)
        tables = (given.movements, given.counts)
        _only_its_own(source, {name for table in tables for name in table["source"].unique().to_pylist()})
        return db.deliver(given, note=note, dry_run=dry_run, who=who) if len(given) else None
    if not isinstance(given, list | tuple):
        raise BadInput(
            f"The reader of {source} yielded {type(given).__name__}: it yields Evidence, or lists of records."
        )
    records = [replace(record, source=record.source or source) for record in given]
    _only_its_own(source, {record.source for record in records})
    if not records:
        return None
    return db.run_sync(
        purchases=[record for record in records if isinstance(record, PurchaseRecord)],
        sales=[record for record in records if isinstance(record, SalesRecord)],
        pos_counts=[record for record in records if isinstance(record, POSRecord)],
        movements=[record for record in records if not isinstance(record, _NAMED)],
        note=note,
        dry_run=dry_run,
        who=who,
    )


def _only_its_own(source: str, named: set[str]) -> None:
    """Else one source could speak with the trust of another."""
    if others := named - {source}:
        raise BadInput(
            f"The reader of {source} brought rows of {', '.join(sorted(map(repr, others)))}: its rows name "
            f"{source!r} as their source, or none."
        )
