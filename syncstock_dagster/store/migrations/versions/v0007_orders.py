"""Orders: deducting in one step, reservations, what staff must write into their sheets, and what was told to whom."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables and functions of orders, and the record of alerts."""
    run_folder("v0007_orders")
