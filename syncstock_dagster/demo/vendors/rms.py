"""A stand-in for RMS: a database with the view that is asked, in a file of SQLite.

What belongs here: RMS's side, as far as its view is known. It knows nothing of ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

# SQLite has no exact decimals: as text they stay what they are.
_SCHEMA = """
create table Item (
  CCOD text, C_ARTICULO text primary key, Description text, Quantity text, Price text, LastUpdated text);
create view View_Items as
select 'Demo' as Familia, CCOD, C_ARTICULO, Description, Quantity, Price, Quantity as Exis00, LastUpdated from Item;
"""


class RmsStandIn:
    """The database of one shop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_SCHEMA)

    @property
    def url(self) -> str:
        """Where it is, for SQLAlchemy."""
        return f"sqlite:///{self._path}"

    def put(self, items: Iterable[tuple[str, str, str, str]]) -> None:
        """Add items: style code, SKU, name and quantity."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.executemany(
                "insert into Item values (?, ?, ?, ?, '9.90', '2026-01-01 00:00:00')", items
            )
