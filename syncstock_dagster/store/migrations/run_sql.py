"""How a version of the schema runs its SQL files. Not for anything but migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import context, op

VERSIONS = Path(__file__).parent / "versions"


def run_folder(name: str) -> None:
    """Run every SQL file of a version's folder, in the order of the file names."""
    for path in sorted((VERSIONS / name).glob("*.sql")):
        statements = path.read_text(encoding="utf-8")
        if context.is_offline_mode():
            op.get_context().impl.static_output(f"-- {name}/{path.name}\n{statements}")
        else:
            # Without parameters psycopg uses the simple protocol, which takes a whole script at once.
            op.get_bind().execution_options(no_parameters=True).exec_driver_sql(statements)
