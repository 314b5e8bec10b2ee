"""Questions to the stock, each one statement: as of any instant, as known at any other.

What belongs here: reading, as DataFrames with exact quantities (``Decimal``) and aware times (UTC).
What does not: anything that writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from syncstock_dagster.stock.evidence import BadInput
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd

_CLOCK_SKEW = timedelta(minutes=5)


def query(url: str, name: str, **values: Any) -> pd.DataFrame:
    """The rows of ``store/sql/reading/<name>.sql``, or of another room's ``<room>/<name>``, as a DataFrame."""
    import pandas as pd  # takes long to load, and a run of assets does without

    columns, rows = _ask(url, name, values)
    frame = pd.DataFrame(
        {name: pd.Series([row[i] for row in rows], dtype=object) for i, name in enumerate(columns)}
    )
    return frame.astype(
        {
            name: "int64"
            for name in ("inventory_id", "count_id")
            if name in columns and len(rows) and not frame[name].isna().any()
        }
    )


def records(url: str, name: str, **values: Any) -> list[dict[str, Any]]:
    """The same rows, each by the names of its columns."""
    columns, rows = _ask(url, name, values)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def on_hand(
    url: str,
    as_of: datetime | date | None = None,
    known_at: datetime | None = None,
    inventory_ids: Sequence[int] | None = None,
    locations: Sequence[str] | None = None,
) -> pd.DataFrame:
    """``inventory_id, location, on_hand``; a naive ``as_of`` is local to each location, a date is its day's end."""
    only = {
        "inventory_ids": None if inventory_ids is None else [int(i) for i in inventory_ids],
        "locations": None if locations is None else list(locations),
    }
    if as_of is None and known_at is None:
        return query(url, "present_stock", **only)
    instant: datetime | None = as_of if isinstance(as_of, datetime) else None
    return query(
        url,
        "on_hand",
        as_of=instant if instant is not None and instant.tzinfo is not None else None,
        as_of_local=instant if instant is not None and instant.tzinfo is None else None,
        as_of_day=None if isinstance(as_of, datetime) else as_of,
        known_at=aware("known_at", known_at),
        **only,
    )


def ledger(
    url: str, inventory_id: int | None = None, location: str | None = None, known_at: datetime | None = None
) -> pd.DataFrame:
    """``inventory_id, location, effective_at, reason, source, ref, delta, running, recorded_at, ...``."""
    return query(
        url,
        "ledger",
        inventory_id=None if inventory_id is None else int(inventory_id),
        location=location,
        known_at=aware("known_at", known_at),
    )


def daily(url: str, first: date, last: date, known_at: datetime | None = None) -> pd.DataFrame:
    """``day, inventory_id, location, on_hand``: closing balances from ``first`` to ``last``, both included."""
    if known_at is None:
        return query(url, "daily", first=first, last=last)
    return query(url, "daily_known_at", first=first, last=last, known_at=aware("known_at", known_at))


class Which(TypedDict, total=False):
    """What counts may have in common."""

    tier: str | None
    source: str | None
    location: str | None
    session: str | None


def variances(
    url: str, policies: Policies, known_at: datetime | None = None, *, held_only: bool = False
) -> pd.DataFrame:
    """``inventory_id, location, counted_at, counted, expected, variance, status, count_id, source, ...``.

    ``low`` and ``high`` bound the variance where movements are ambiguous (law L8). ``tier`` is what the gate makes of
    it: opening, tolerance, review, held, critical or rule; None where no gate looks at it. ``value`` is the variance at
    cost, else at price. ``digest`` names what is shown of the count, for a decision on just that; ``recount`` says
    whether one is wanted or answered.
    """
    with connect(url) as connection:
        gates = policies.gates(row[0] for row in connection.execute("select name from sources"))
    values = {"known_at": aware("known_at", known_at), "gates": gates, "held_only": held_only}
    return query(url, "variances", **values)


def held(url: str, policies: Policies, **which: Unpack[Which]) -> pd.DataFrame:
    """The variances of held counts, of those that fit.

    Raises:
        BadInput: counts have no such thing in common.
    """
    found = variances(url, policies, held_only=True)
    if unknown := set(which) - set(Which.__annotations__):
        raise BadInput(f"Counts are chosen by {', '.join(Which.__annotations__)}, not {', '.join(unknown)}.")
    for name, value in which.items():
        if value is not None:
            found = found[found[name] == value]
    return found.reset_index(drop=True)


def not_listed(url: str, policies: Policies, days: tuple[date, date] | None = None) -> list[dict[str, Any]]:
    """Stocked articles that the last complete sheet (``not_listed = "critical"``) lacks, of some days or all."""
    return records(url, "not_listed", **not_listed_of(url, policies, days))


def not_listed_of(url: str, policies: Policies, days: tuple[date, date] | None) -> dict[str, Any]:
    """What the statement ``not_listed`` asks about."""
    with connect(url) as connection:
        names = [row[0] for row in connection.execute("select name from sources")]
    complete = [name for name in names if policies.for_source(name, "counts").not_listed == "critical"]
    first, last = days or (None, None)
    return {"sources": complete, "first": first, "last": last}


def replay_time(recorded_at: datetime | None) -> datetime | None:
    """A recorded time given for replaying history: aware, and not in the future but for a skew of clocks.

    Raises:
        BadInput: it has no zone, or lies ahead: whatever comes later would then count as received before it.
    """
    aware("recorded_at", recorded_at)
    if recorded_at is not None and recorded_at > datetime.now(UTC) + _CLOCK_SKEW:
        raise BadInput(
            f"recorded_at lies in the future ({recorded_at}); it is for replaying what was recorded."
        )
    return recorded_at


def aware(name: str, instant: datetime | None) -> datetime | None:
    """An instant on the recorded axis, which has no location to take a zone from.

    Raises:
        BadInput: it has no zone.
    """
    if instant is not None and (not isinstance(instant, datetime) or instant.tzinfo is None):
        raise BadInput(f"{name} needs a datetime with a zone: it is an instant of the database's clock.")
    return instant


def _ask(url: str, name: str, values: dict[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
    limit = values.get("limit", 1)
    if not isinstance(limit, int) or not 1 <= limit < 2**63:
        raise BadInput(f"limit is {limit!r}: it is how many rows there may be at most, one or more.")
    with connect(url) as connection:
        cursor = connection.execute(statement(name if "/" in name else f"reading/{name}"), values or None)
        assert cursor.description is not None
        return [column.name for column in cursor.description], cursor.fetchall()
