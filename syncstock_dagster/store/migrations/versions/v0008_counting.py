"""Counting: who counts what when, counts that are made twice, and what counts say about the books."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create plans, recounts, and what is read of counts."""
    run_folder("v0008_counting")
