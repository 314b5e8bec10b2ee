"""Orchestration: which days a delivery touches, what lies in the drop folder, and what runs were asked for."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create what the file-arrival sensor and the assets ask."""
    run_folder("v0003_orchestration")
