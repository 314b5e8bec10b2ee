"""What business days hold: facts of each day, all days of a run asked for by one statement.

What belongs here: reading day by day, for people and programs that look at days (``store/sql/days``). What does not:
questions as of an instant (``reading``), the audit of every law (``audit``), and anything that writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

Row = dict[str, Any]
#: First and last day, both included; None where all days are meant.
Span = tuple[date, date] | None


def intake(url: str, kind: str, span: tuple[date, date]) -> dict[date, list[Row]]:
    """``source, files, row_count`` of files of a kind, for each day that has any."""
    by_day: dict[date, list[Row]] = defaultdict(list)
    for row in _rows(url, "intake", kind=kind, first=span[0], last=span[1]):
        by_day[row["day"]].append(row)
    return by_day


def counted(url: str, span: tuple[date, date]) -> dict[date, Row]:
    """``counts, applied, held, rejected`` of each day on which somebody counted."""
    return _by_day(_rows(url, "counted", first=span[0], last=span[1]))


def ledger(url: str, span: tuple[date, date]) -> dict[date, Row]:
    """``entries, adjustments, articles, units_in, units_out, adjusted`` of each day with an entry."""
    return _by_day(_rows(url, "ledger", first=span[0], last=span[1]))


def snapshots(url: str, span: tuple[date, date]) -> dict[date, Row]:
    """``articles, on_hand, negative, value, without_cost, restated`` at the end of every day of the span."""
    return _by_day(_rows(url, "snapshots", first=span[0], last=span[1]))


def snapshot_differs(url: str, span: Span) -> list[Row]:
    """Where a closing balance is not the sum of the ledger: ``sku, location, day, snapshot_change, ledger_change``."""
    first, last = span or (None, None)
    return _rows(url, "snapshot_differs", first=first, last=last)


def stock_differs(url: str) -> list[Row]:
    """Where present stock is not the sum of its ledger entries (law L3)."""
    with connect(url) as connection:
        return _named(connection.execute(statement("audit/L03_ledger_sums_to_stock")))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the gate thinks of the counts of some days."""

    counts: int
    #: review, flagged, held, rejected and so on: how many.
    by_status: Mapping[str, int]
    #: Those that are far from the books, the farthest first.
    offending: tuple[Row, ...]


def verdicts(url: str, policies: Policies, span: Span, *, count_ids: Sequence[int] | None = None) -> Verdicts:
    """How the counts of some days compare with the books, or ``count_ids`` of them."""
    with connect(url) as connection:
        gates = policies.gates(row[0] for row in connection.execute("select name from sources"))
    first, last = span or (None, None)
    only = None if count_ids is None else list(count_ids)
    rows = _rows(url, "verdicts", first=first, last=last, gates=gates, count_ids=only)
    by_status = {row["status"]: row["of_status"] for row in rows}
    far = tuple(row for row in rows if row["status"] in ("review", "flagged", "held", "rejected"))
    return Verdicts(rows[0]["counts"] if rows else 0, by_status, far)


def held(url: str, policies: Policies) -> tuple[Row, ...]:
    """The counts of all days that wait for a decision, as ``verdicts`` tells them: the farthest first."""
    with connect(url) as connection:
        waiting = [count_id for (count_id,) in connection.execute(statement("days/held"))]
    if not waiting:
        return ()
    return tuple(
        row for row in verdicts(url, policies, None, count_ids=waiting).offending if row["status"] == "held"
    )


def unusual(
    url: str, kind: str, sources: Collection[str], span: tuple[date, date], *, least: str, most: str
) -> list[Row]:
    """``day, row_count, usual, least, most, is_unusual`` of every day that can be judged by the weeks before."""
    return _rows(
        url, "unusual",
        kind=kind, sources=sorted(sources), first=span[0], last=span[1], least=least, most=most,
    )  # fmt: skip


def sources_of(url: str, kind: str) -> list[str]:
    """The sources from which files of a kind came."""
    with connect(url) as connection:
        rows = connection.execute(
            "select distinct source from deliveries where kind = %s order by 1", (kind,)
        )
        return [source for (source,) in rows if source is not None]


def missing_sources(url: str, kind: str, day: date) -> dict[str, bool]:
    """Sources that are expected on a day, and whether they are there."""
    return {row["source"]: row["is_there"] for row in _rows(url, "missing_sources", kind=kind, day=day)}


@dataclass(frozen=True, slots=True)
class Restated:
    """Days whose published values have changed."""

    newest: int | None
    days: tuple[date, ...]
    changes: int


def restated(url: str, after: int, limit: int) -> Restated:
    """What changed after the restatement of that number, from so many changes at most."""
    (row,) = _rows(url, "restated", after=after, limit=limit)
    return Restated(row["newest"], tuple(row["days"]), row["changes"])


def calendar(url: str) -> tuple[date, date | None]:
    """The last day that is over at every location, and the last one that is published at every location."""
    (row,) = _rows(url, "calendar")
    return row["over"], row["published"]


def present(url: str) -> Row:
    """``articles, on_hand, negative, locations, products, placeholders`` as they are now."""
    (row,) = _rows(url, "present")
    return row


def waiting_articles(url: str) -> list[Row]:
    """What waits in quarantine for an article or a location: ``reason, kind, source, sku, location, rows``."""
    with connect(url) as connection:
        return _named(connection.execute(statement("days/waiting_articles")))


def _by_day(rows: list[Row]) -> dict[date, Row]:
    return {row["day"]: row for row in rows}


def _rows(url: str, name: str, **values: Any) -> list[Row]:
    with connect(url) as connection:
        return _named(connection.execute(statement(f"days/{name}"), values or None))


def _named(cursor: Any) -> list[Row]:
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
