"""Shopify: plans, what was sent of them and what was answered, and variants that may go."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create the work record of the channel."""
    run_folder("v0010_shopify")
