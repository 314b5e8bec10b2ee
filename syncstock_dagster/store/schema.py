"""The schema's version: bring a database up to date, say which version it has, print it as plain SQL.

What belongs here: the door to Alembic. What does not: the tables themselves (``migrations/versions``).
Alembic and SQLAlchemy are imported when they are needed: they are slow, and most runs need no upgrade.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import psycopg

from syncstock_dagster.store.connection import close_idle, connect, sqlalchemy_url

_MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaError(RuntimeError):
    """The database's schema is not the one this version of SyncStock needs."""


def newest_version() -> str:
    """The schema version that this package needs: the greatest number among its migrations."""
    return max(
        match[1] for path in _MIGRATIONS.glob("versions/v*.py") if (match := re.match(r"v(\d+)_", path.name))
    )


def current_version(url: str) -> str | None:
    """The schema version of a database; None where it has no SyncStock schema."""
    with connect(url) as connection:
        try:
            row = connection.execute("select version_num from syncstock.alembic_version").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return None
    return row[0] if row else None


def upgrade(url: str) -> None:
    """Bring a database to ``newest_version``; safe from several processes at once, and does nothing when done.

    Raises:
        SchemaError: the database is newer than this package.
    """
    version = current_version(url)
    if version == newest_version():
        return
    if version is not None and version > newest_version():
        raise SchemaError(
            f"The database has schema version {version}, this SyncStock knows {newest_version()} at most: "
            "update SyncStock."
        )
    import sqlalchemy
    from alembic import command

    # The connection kept for this thread would be in the way of whoever copies the database as a template.
    close_idle(url)
    engine = sqlalchemy.create_engine(sqlalchemy_url(url), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def ensure(url: str) -> None:
    """Create the schema in a database that has none; refuse one of another version.

    Raises:
        SchemaError: the schema is older or newer than this package needs.
    """
    version = current_version(url)
    if version is None:
        upgrade(url)
    elif version != newest_version():
        raise SchemaError(
            f"The database has schema version {version}, this SyncStock needs {newest_version()}: "
            "run `syncstock db upgrade`."
        )


def plain_sql() -> str:
    """The whole schema as one SQL script, for people who run migrations themselves."""
    from alembic import command

    out = io.StringIO()
    config = _alembic_config()
    config.output_buffer = out
    command.upgrade(config, "head", sql=True)
    return out.getvalue()


def _alembic_config() -> Any:
    from alembic.config import Config

    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_path_separator", "newline")
    return config
