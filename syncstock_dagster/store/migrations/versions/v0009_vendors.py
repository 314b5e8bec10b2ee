"""Sources that are asked: pulls, what each source said last, shared limits and tokens, hints, and Xorosoft's tables."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the tables of pulls, and those that keep what Xorosoft knows."""
    run_folder("v0009_vendors")
