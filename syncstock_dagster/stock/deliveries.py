"""Deliveries: what came in, recognised by its identity (law L5), and files stored whole until they are posted.

What belongs here: identity and intake. What does not: reading a file (``sources``, ``workbooks``), and posting
(``stock.sync``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Connection

from syncstock_dagster.operations.log import current_actor
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, MOVEMENT_SCHEMA, Evidence, RowError
from syncstock_dagster.stock.uploads import keep_upload
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.copy import to_bytes
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    from syncstock_dagster.sources.files import ParsedFile


@dataclass(frozen=True, slots=True)
class Receipt:
    """What intake answers to a file."""

    delivery_id: int
    state: str  # received | already received | rolled back | rejected
    file: str
    movements: int = 0
    counts: int = 0
    products: int = 0
    errors: tuple[RowError, ...] = ()
    #: What a person should know that is not wrong: how it differs from the version before.
    notes: tuple[str, ...] = ()


def receive_file(
    url: str,
    parsed: ParsedFile,
    *,
    default_location: str,
    again: bool = False,
    recorded_at: datetime | None = None,
    who: str | None = None,
) -> Receipt:
    """Store a file whole, once: the upload itself and the evidence read from it. Nothing is posted yet."""
    with connect(url) as connection, connection.transaction():
        return receive(
            connection,
            parsed,
            default_location=default_location,
            again=again,
            recorded_at=recorded_at,
            who=who,
        )


def receive(
    connection: Connection[Any],
    parsed: ParsedFile,
    *,
    default_location: str,
    again: bool = False,
    recorded_at: datetime | None = None,
    who: str | None = None,
) -> Receipt:
    """``receive_file`` in the caller's transaction."""
    from syncstock_dagster.workbooks import versions

    scope = f"{parsed.kind}/{parsed.source}"
    identities = [
        f"bytes:{scope}:{parsed.identity_sha256.hex()}",
        f"content:{scope}:{parsed.canonical_sha256.hex()}",
    ]
    version: versions.Version | None = None
    notes: tuple[str, ...] = ()
    if again or find_known(connection, identities) is None:
        parsed, version, notes = versions.judged(
            connection, replace(parsed, is_newest=parsed.is_newest or again)
        )
    product_rows = 0 if parsed.products is None else len(parsed.products)
    evidence = parsed.evidence
    delivery_id, known = claim(
        connection,
        identities,
        again,
        name=parsed.name,
        kind=parsed.kind,
        source=parsed.source,
        state="rejected" if parsed.rejected else "received",
        recorded_at=recorded_at,
        content_sha256=parsed.content_sha256,
        reader=parsed.reader,
        row_count=len(evidence) + product_rows,
        errors=json.dumps([error.as_dict() for error in parsed.errors]),
        who=current_actor(who)[0],
        operation_id=None,
    )
    if known is not None:
        state = {"withdrawn": "rolled back", "rejected": "rejected"}.get(known["state"], "already received")
        return Receipt(known["delivery_id"], state, parsed.name, errors=parsed.errors)
    keep_upload(connection, parsed.original, parsed.content_sha256)
    if parsed.rejected:
        return Receipt(delivery_id, "rejected", parsed.name, errors=parsed.errors)
    connection.execute(
        "insert into delivery_payloads (delivery_id, movements, counts, products) values (%s, %s, %s, %s)",
        (
            delivery_id,
            to_bytes(evidence.movements.cast(MOVEMENT_SCHEMA)),
            to_bytes(evidence.counts.cast(COUNT_SCHEMA)),
            None if parsed.products is None else to_bytes(parsed.products),
        ),
    )
    _store_days(connection, delivery_id, evidence, default_location)
    if version is not None:
        versions.record(connection, delivery_id, version)
    return Receipt(
        delivery_id,
        "received",
        parsed.name,
        len(evidence.movements),
        len(evidence.counts),
        product_rows,
        parsed.errors,
        notes,
    )


def waiting_deliveries(
    url: str, days: tuple[date | str, date | str] | None = None, *, among: Sequence[int] | None = None
) -> list[int]:
    """Deliveries that are received and not yet posted, in the order in which they are best posted.

    Args:
        url: the database.
        days: only those with a row on these days, both included; one without dated rows (a catalogue) belongs to all.
        among: only some of these.
    """
    first, last = days or (None, None)
    asked = {"first": first, "last": last, "among": None if among is None else list(among)}
    with connect(url) as connection:
        rows = connection.execute(statement("deliveries/waiting"), asked)
        return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that is received and not posted, and the days on which its rows stand."""

    delivery_id: int
    name: str
    days: tuple[date, ...]


def waiting_with_days(url: str, limit: int) -> list[Waiting]:
    """The oldest deliveries that wait to be posted."""
    with connect(url) as connection:
        rows = connection.execute(statement("deliveries/waiting_days"), {"limit": limit})
        return [Waiting(delivery_id, name, tuple(days)) for delivery_id, name, days in rows]


@dataclass(frozen=True, slots=True)
class Unpostable:
    """A delivery that is received and could not be posted when that was last tried. It stays as it is."""

    delivery_id: int
    name: str
    days: tuple[date, ...]
    since: datetime
    times: int
    error: str


def unpostable(url: str) -> list[Unpostable]:
    """What waits although its posting was tried, the oldest first."""
    with connect(url) as connection:
        rows = connection.execute(statement("deliveries/unpostable"))
        return [Unpostable(number, name, tuple(days), *more) for number, name, days, *more in rows]


def claim(
    connection: Connection[Any], identities: Iterable[str], again: bool, **values: Any
) -> tuple[int, dict[str, Any] | None]:
    """A new delivery with these identities; or, where one is known already, what is known and no new delivery.

    ``values`` are those of ``deliveries/insert``. A delivery without identities is always new.
    """
    wanted = list(identities)
    known = find_known(connection, wanted)
    if known is not None and not again and not _may_replace(known, values):
        return 0, known
    is_ours = True
    with connection.transaction() as savepoint:
        row = connection.execute(statement("deliveries/insert"), values).fetchone()
        assert row is not None
        delivery_id = int(row[0])
        names = {"delivery_id": delivery_id, "identities": wanted}
        if known is not None:
            connection.execute(statement("deliveries/take_over"), names)
        elif wanted:
            claimed = connection.execute(statement("deliveries/claim"), names).fetchall()
            if len(claimed) < len(wanted):
                if not again:  # another worker came first, between our look and our claim
                    is_ours = False
                    raise psycopg.Rollback(savepoint)
                connection.execute(statement("deliveries/take_over"), names)
    return (delivery_id, None) if is_ours else (0, find_known(connection, wanted))


def _may_replace(known: dict[str, Any], values: dict[str, Any]) -> bool:
    """A refused file may come again: the rules or the catalogue may have changed since."""
    return bool(known["state"] == "rejected" and values["state"] != "rejected")


def find_known(connection: Connection[Any], identities: list[str]) -> dict[str, Any] | None:
    """The newest delivery under any of these identities, with the operation that posted it."""
    if not identities:
        return None
    row = connection.execute(statement("deliveries/known"), {"identities": identities}).fetchone()
    if row is None:
        return None
    names = ("delivery_id", "state", "errors", "row_count", "operation_uuid", "statistics", "name")
    return dict(zip(names, row, strict=True))


def days_of(connection: Connection[Any], evidence: Evidence, default_location: str) -> dict[date, int]:
    """The business days on which rows stand, each in the zone of its location, with the number of rows."""
    parts = [
        *_moments(evidence.movements, ("effective_at", "effective_local", "day"), default_location),
        *_moments(evidence.counts, ("counted_at", "counted_local", "day"), default_location),
    ]
    if not parts:
        return {}
    locations, instants, local_days, row_counts = (list(column) for column in zip(*parts, strict=True))
    rows = connection.execute(
        statement("deliveries/days_of"),
        {"locations": locations, "instants": instants, "local_days": local_days, "row_counts": row_counts},
    )
    return dict(rows.fetchall())


def _moments(
    table: pa.Table, columns: tuple[str, str, str], default_location: str
) -> Iterator[tuple[str, datetime | None, date | None, int]]:
    """Location, instant (to a quarter of an hour) or local day, and how many rows have them."""
    if len(table) == 0:
        return
    at, local, day = (table[name] for name in columns)
    # Every offset from UTC that a business day knows is a multiple of a quarter of an hour.
    quarter = pc.floor_temporal(at, 15, unit="minute", calendar_based_origin=True)
    local_day = pc.coalesce(
        day.cast(pa.date32()), local.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    )
    moments = pa.table(
        {"location": pc.fill_null(table["location"], default_location), "at": quarter, "day": local_day}
    ).group_by(["location", "at", "day"])
    for row in moments.aggregate([([], "count_all")]).to_pylist():
        yield row["location"], row["at"], row["day"], row["count_all"]


def _store_days(
    connection: Connection[Any], delivery_id: int, evidence: Evidence, default_location: str
) -> None:
    days = days_of(connection, evidence, default_location)
    if days:
        values = {"delivery_id": delivery_id, "days": list(days), "row_counts": list(days.values())}
        connection.execute(statement("deliveries/store_days"), values)
