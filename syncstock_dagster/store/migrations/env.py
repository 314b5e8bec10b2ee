"""Alembic's entry: one schema, one transaction, one upgrade at a time."""

from alembic import context
from sqlalchemy import text

SCHEMA = "syncstock"


def _run() -> None:
    with context.begin_transaction():
        context.execute(f"create schema if not exists {SCHEMA}")
        context.execute(f"set local search_path = {SCHEMA}")
        context.run_migrations()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, version_table_schema=SCHEMA)
    _run()
else:
    connection = context.config.attributes["connection"]
    connection.execute(text("select pg_advisory_xact_lock(hashtext('syncstock schema upgrade'))"))
    # Alembic looks for its own table before it runs ours, so the schema comes first.
    connection.execute(text(f"create schema if not exists {SCHEMA}"))
    connection.execute(text(f"set local search_path = {SCHEMA}"))
    context.configure(connection=connection, version_table_schema=SCHEMA, transactional_ddl=True)
    context.run_migrations()
