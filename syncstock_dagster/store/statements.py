"""SQL files by name. One file is one statement; its first comment states its grain and what it guarantees."""

from __future__ import annotations

from functools import cache
from pathlib import Path

SQL = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> bytes:
    """The SQL of ``store/sql/<name>.sql``; parameters are ``%(name)s``, a literal per cent sign is doubled."""
    return (SQL / f"{name}.sql").read_bytes()


def names(folder: str) -> list[str]:
    """The statements in a folder, in the order of their file names."""
    return [f"{folder}/{path.stem}" for path in sorted((SQL / folder).glob("*.sql"))]
