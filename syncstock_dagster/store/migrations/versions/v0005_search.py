"""Search: what finds articles in PostgreSQL itself, and which index of vectors is the current one."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the indexes and functions of search, and the record of its vector indexes."""
    run_folder("v0005_search")
