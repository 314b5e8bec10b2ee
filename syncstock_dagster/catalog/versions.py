"""Every state that an article or a category ever had: read it, as of a time, and go back to one.

What belongs here: reading versions and restoring one. What does not: writing them, which triggers do on every change
(``v0004_record``), so that none is forgotten.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncstock_dagster.catalog.staging import apply_changes
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, Outcome, Statistics, run_operation
from syncstock_dagster.stock.reading import aware, query
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd


def product_versions(url: str, inventory_id: int) -> pd.DataFrame:
    """All versions of an article, oldest first, with the whole state and the fields that changed."""
    return query(url, "product_versions", inventory_id=int(inventory_id))


def category_versions(url: str, name: str) -> pd.DataFrame:
    """All versions of the category that has or had this name, oldest first."""
    return query(url, "category_versions", category=name)


def products_as_of(url: str, known_at: datetime) -> pd.DataFrame:
    """The catalogue as it was at an instant: ``inventory_id, sku, version, state``."""
    return query(url, "products_as_of", known_at=aware("known_at", known_at))


def restore_version(
    url: str,
    inventory_id: int,
    version: int,
    *,
    reason: str,
    who: str | None = None,
    dry_run: bool = False,
) -> tuple[Outcome, dict[str, Any]]:
    """Give an article the state of one of its versions again, as a new version; what changed, field by field.

    Raises:
        BadInput: no reason, there is no such version, the article is locked by somebody else, or its SKU or a code
            belongs to another article by now.
    """
    if not reason or not reason.strip():
        raise BadInput("Restoring needs a reason: say in a few words why.")
    changes: dict[str, Any] = {}

    def work(operation: Operation) -> Statistics:
        connection = operation.connection
        connection.execute(statement("staging/temp_tables"))
        connection.execute("select 1 from products where inventory_id = %s for update", (inventory_id,))
        values = {"inventory_id": inventory_id, "version": version}
        row = connection.execute(statement("versions/difference"), values).fetchone()
        if row is None:
            raise BadInput(f"Article {inventory_id} has no version {version}.")
        changes.clear()
        changes.update(row[0])
        apply_prepared(operation, "versions/prepare", **values)
        return {"restored": int(bool(changes))}

    outcome = run_operation(
        url, f"restore version {version} of {inventory_id}: {reason}", "restore", work,
        who=who, is_rollbackable=True, dry_run=dry_run,
    )  # fmt: skip
    return outcome, changes


def apply_prepared(operation: Operation, prepare: str, **values: Any) -> int:
    """Bring changes that ``prepare`` puts into ``run_commit`` into the catalogue; how many articles they change.

    Raises:
        BadInput: one of them cannot be done; nothing is then.
    """
    connection = operation.connection
    values |= {"operation_id": operation.operation_id, "who": operation.who}
    connection.execute("truncate run_commit, run_parts")
    number = connection.execute(statement(prepare), values).rowcount
    if not number:
        return 0
    for name in ("part_fields", "lock_categories", "lock_articles", "check"):
        connection.execute(statement(f"staging/{name}"), values)
    problems = connection.execute(
        "select sku, problem from run_commit where problem is not null order by sku limit 20"
    ).fetchall()
    if problems:
        raise BadInput("Cannot be done: " + "; ".join(f"{sku}: {problem}" for sku, problem in problems))
    apply_changes(operation)
    return number
