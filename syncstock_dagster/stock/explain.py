"""Why the stock of an article is what it is: the count it starts from, what moved since, and what is in doubt.

What belongs here: gathering that story for one article from one snapshot of the database, as plain values. What does
not: telling it to a person (the faces do, in their words), and deciding anything.

At each location ``on_hand`` = ``last_count.counted`` + the sum of ``since``; without a count, the sum alone (law L1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from psycopg import Connection
from psycopg.rows import dict_row

from syncstock_dagster.stock.causes import OF_INTEREST, Difference, differences
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

#: How many movements, late rows and restatements of a location are listed; the totals are of all.
NEWEST = 10

Row = dict[str, Any]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class LastCount:
    """The last count in force: the stock starts from it."""

    count_id: int
    counted_at: datetime
    counted: Decimal
    expected: Decimal
    variance: Decimal
    #: flagged: it was applied, and late rows have since moved its variance past what the gate lets pass.
    status: Literal["opening", "applied", "review", "flagged"]
    source: str
    delivery: str
    received_at: datetime
    session: str | None
    #: How many rooms were summed; 0 where none is named.
    rooms: int
    counters: str | None
    #: What they wrote beside it.
    remarks: str | None
    counted_from: datetime | None
    day_grain: bool
    #: In which it was decided on: opening, tolerance, review, held, critical, rule. None: its source is authoritative.
    tier: str | None
    decided_by: str | None
    decision_reason: str | None
    decided_at: datetime | None
    #: When a count at this instant first came into force.
    first_recorded: datetime
    #: Of one that is to be reviewed or flagged.
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class ReasonTotal:
    """All movements of one reason since the last count."""

    reason: str
    movements: int
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Moved:
    """One document line that moved the stock since the last count."""

    effective_at: datetime
    reason: str
    source: str | None
    document: str | None
    quantity: Decimal
    recorded_at: datetime
    #: Known only by its day.
    day_grain: bool | None


@dataclass(frozen=True, slots=True)
class LateRow:
    """A document line that came, or was withdrawn, after the count that it stands before."""

    effective_at: datetime
    reason: str
    source: str | None
    document: str | None
    quantity: Decimal
    recorded_at: datetime
    #: The count whose variance it changed.
    counted_at: datetime


@dataclass(frozen=True, slots=True)
class Restated:
    """A published value that late evidence changed."""

    kind: Literal["snapshot", "variance"]
    first_day: date
    last_day: date
    counted_at: datetime | None
    old_value: Decimal | None
    new_value: Decimal | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class HeldCount:
    """A count that waits for a person; it does not touch the stock."""

    count_id: int
    counted_at: datetime
    counted: Decimal
    expected: Decimal
    variance: Decimal
    source: str
    #: What a gate rule said, where one held it.
    reason: str | None
    recount_asked_by: str | None
    #: What whoever counted wrote beside it.
    remarks: str | None
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """Two contents of one fact; ``local_value`` is in force."""

    conflict_id: int
    kind: str
    source: str | None
    document: str | None
    line: str | None
    local_value: Any
    remote_value: Any
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of evidence in quarantine that names the article."""

    quarantine_id: int
    kind: Literal["movement", "count"]
    reason: Literal["unknown_sku", "unknown_location", "future_date"]
    source: str
    sku: str | None
    #: As delivered; it need not be a location.
    location: str | None
    delivery: str
    position: int
    not_before: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """The article at one location."""

    location: str
    location_name: str | None
    timezone: str
    on_hand: Decimal
    #: Some evidence is in force; where none is, 0 means that nothing is known.
    is_known: bool
    version: int
    #: Set where the stock is below zero: since when without a break.
    negative_since: datetime | None
    last_count: LastCount | None
    since: tuple[ReasonTotal, ...]
    movements: tuple[Moved, ...]
    late_rows: int
    late: tuple[LateRow, ...]
    restatements: int
    restated: tuple[Restated, ...]
    held: tuple[HeldCount, ...]
    conflicts: tuple[OpenConflict, ...]

    @property
    def moved_since(self) -> Decimal:
        """What all movements since the last count add up to."""
        return sum((total.quantity for total in self.since), Decimal(0))

    @property
    def needs_person(self) -> bool:
        """Whether a decision about the article waits here."""
        is_doubtful = self.last_count is not None and self.last_count.status == "flagged"
        return bool(self.held or self.conflicts or is_doubtful)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that explains the stock of one article."""

    inventory_id: int
    sku: str
    name: str | None
    #: Known only because evidence named it.
    is_placeholder: bool
    places: tuple[Place, ...]
    quarantined: tuple[Waiting, ...]

    @property
    def needs_person(self) -> bool:
        """Whether something about the article waits for a decision or a mapping."""
        return bool(self.quarantined) or any(place.needs_person for place in self.places)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dicts and sequences; quantities stay ``Decimal``, times stay aware."""
        explained = asdict(self)
        for place, told in zip(self.places, explained["places"], strict=True):
            told |= {"moved_since": place.moved_since, "needs_person": place.needs_person}
        return explained | {"needs_person": self.needs_person}


def explain(
    url: str, policies: Policies, inventory_id: int, location: str | None = None, *, newest: int = NEWEST
) -> Explanation:
    """Explain the stock of an article, at one location or at all, from one snapshot of the database.

    Raises:
        LookupError: there is no such article.
    """
    values: Row = {"inventory_id": inventory_id, "location": location, "newest": newest}
    with connect(url) as connection, connection.transaction():
        # The parts must add up, whatever is posted meanwhile.
        connection.execute("set transaction isolation level repeatable read")
        article = _article(connection, inventory_id)
        sources = connection.execute("select name from sources").fetchall()
        values["gates"] = policies.gates(name for (name,) in sources)
        places = _rows(connection, "explain_places", values)
        parts = {
            name: _by_location(connection, f"explain_{name}", values)
            for name in ("counts", "since", "movements", "late", "restatements", "held", "conflicts")
        }
        waiting = _rows(connection, "explain_quarantine", values | {"sku": article["sku"]})
        doubtful = [row for rows in parts["counts"].values() for row in rows if row["status"] in OF_INTEREST]
        doubtful += [row for rows in parts["held"].values() for row in rows]
        found = differences(connection, policies, [row["count_id"] for row in doubtful])
        for row in doubtful:
            row["difference"] = found.get(row["count_id"])
    return Explanation(
        **article,
        places=tuple(_place(row, parts) for row in places),
        quarantined=tuple(Waiting(**row) for row in waiting),
    )


def _place(row: Row, parts: Mapping[str, Mapping[str, list[Row]]]) -> Place:
    def here(name: str) -> list[Row]:
        return parts[name].get(row["location"], [])

    counts = here("counts")
    late_rows, late = _newest(here("late"))
    restatements, restated = _newest(here("restatements"))
    return Place(
        **row,
        last_count=LastCount(**counts[0]) if counts else None,
        since=_each(ReasonTotal, here("since")),
        movements=_each(Moved, here("movements")),
        late_rows=late_rows,
        late=_each(LateRow, late),
        restatements=restatements,
        restated=_each(Restated, restated),
        held=_each(HeldCount, here("held")),
        conflicts=_each(OpenConflict, here("conflicts")),
    )


def _each(part: type[Part], rows: list[Row]) -> tuple[Part, ...]:
    return tuple(part(**row) for row in rows)


def _newest(rows: list[Row]) -> tuple[int, list[Row]]:
    """How many there are in all, and those that were read."""
    in_all = rows[0]["in_all"] if rows else 0
    return in_all, [{name: value for name, value in row.items() if name != "in_all"} for row in rows]


def _article(connection: Connection[Any], inventory_id: int) -> Row:
    rows = _select(
        connection,
        b"select inventory_id, sku, name, is_placeholder from products where inventory_id = %(inventory_id)s",
        {"inventory_id": inventory_id},
    )
    if not rows:
        raise LookupError(f"There is no article {inventory_id}.")
    return rows[0]


def _by_location(connection: Connection[Any], name: str, values: Row) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in _rows(connection, name, values):
        found.setdefault(row.pop("location"), []).append(row)
    return found


def _rows(connection: Connection[Any], name: str, values: Row) -> list[Row]:
    return _select(connection, statement(f"reading/{name}"), values)


def _select(connection: Connection[Any], query: bytes, values: Row) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()
