"""The record as tables: one operation with all that hangs on it, and how operations do over time.

What belongs here: questions about what was done. What does not: doing it.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd


def show_operation(url: str, operation_uuid: str) -> dict[str, Any]:
    """One operation: its row, its performance, and under their names the lists of what hangs on it.

    Raises:
        BadInput: there is no such operation; the first characters of its uuid are enough where they are its alone.
    """
    with connect(url) as connection:
        found = _rows(connection, "operations/find", uuid=str(operation_uuid))
        if len(found) != 1:
            raise BadInput(
                f"There is no operation {operation_uuid}."
                if not found
                else f"{operation_uuid} may mean {len(found)} operations; give more of the uuid."
            )
        (operation,) = found
        operation_id = operation.pop("operation_id")
        for name in ("stages", "deliveries", "changes", "pushes", "rollbacks", "conflicts", "events"):
            operation[name] = _rows(connection, f"operations/show_{name}", operation_id=operation_id)
    return operation


def performance(url: str, days: int = 30, operation_type: str | None = None) -> pd.DataFrame:
    """Per day and type: how often, how many failed, how long, how much, how fast, and where the time goes."""
    from syncstock_dagster.stock.reading import query

    return query(url, "performance", days=days, type=operation_type)


def performance_of_days(url: str, first: date, last: date, timezone: str) -> dict[date, dict[str, Any]]:
    """How operations did on each business day, by the clock of one zone; a day without any is not in it."""
    values = {"first": first, "last": last, "timezone": timezone}
    with connect(url) as connection:
        return {row["day"]: row for row in _rows(connection, "days/performance", **values)}


def activity(url: str) -> dict[str, Any]:
    """The last day at a glance, of syncs, loads, pulls and pushes: frequency, time, volume, errors."""
    with connect(url) as connection:
        (row,) = _rows(connection, "operations/activity")
    return row


def waiting(url: str) -> dict[str, int]:
    """What of the record waits for a person: staged changes, dead letters, rollbacks that were asked for."""
    with connect(url) as connection:
        (row,) = _rows(connection, "operations/waiting")
    return row


def _rows(connection: Any, name: str, **values: Any) -> list[dict[str, Any]]:
    cursor = connection.execute(statement(name), values or None)
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
