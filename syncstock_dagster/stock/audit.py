"""The audit: for each law that shows in stored data, the rows that break it (``store/sql/audit``).

What belongs here: running those queries over one snapshot of the database. What does not: mending (``rebuild``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Connection

from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import names, statement

if TYPE_CHECKING:
    import pandas as pd

#: What follows from the evidence alone, in the order in which one needs the other.
EXPECTED = ("expected_points", "expected_entries", "expected_ranges")


def expect(connection: Connection[Any]) -> None:
    """Compute from the evidence alone what ledger, counts and snapshots must be, into temporary tables."""
    for name in EXPECTED:
        connection.execute(statement(f"rebuild/{name}"))
        connection.execute(f"analyze {name}".encode())


def audit(url: str) -> dict[str, pd.DataFrame]:
    """Law to the rows that break it; empty when every law holds. Reads one snapshot and blocks nobody."""
    import pandas as pd

    offences: dict[str, pd.DataFrame] = {}
    with connect(url) as connection, connection.transaction():
        # Reading only: no row lock is taken, so one early snapshot is what is wanted here.
        connection.execute("set transaction isolation level repeatable read")
        expect(connection)
        for name in names("audit"):
            cursor = connection.execute(statement(name))
            rows = cursor.fetchall()
            if rows and cursor.description:
                columns = [column.name for column in cursor.description]
                offences[name.removeprefix("audit/")] = pd.DataFrame(rows, columns=columns)
    return offences
