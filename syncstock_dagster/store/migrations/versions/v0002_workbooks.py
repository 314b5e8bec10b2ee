"""Count sheets: confirmed mappings, versions of documents, and sheets that were written."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of the workbooks."""
    run_folder("v0002_workbooks")
