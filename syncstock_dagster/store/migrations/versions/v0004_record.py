"""The record: versions, staging, locks and units of the catalogue; performance, events, dead letters, rollbacks."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables of the record, and the first version of every article that is there."""
    run_folder("v0004_record")
