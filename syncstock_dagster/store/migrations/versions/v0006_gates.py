"""Gates: limits in units, percent and value by source, category and article; recounts; lists that staff keep."""

from syncstock_dagster.store.migrations.run_sql import run_folder

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the functions of the gate, and what is recorded beside its verdicts."""
    run_folder("v0006_gates")
