"""The engine: catalogue, record, evidence, ledger, stock and the functions that psql users know."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables of the engine."""
    run_folder("v0001_engine")
