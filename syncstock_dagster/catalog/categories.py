"""Categories: a name and, where there is one, the category above it. Every state is kept, as of articles.

What belongs here: changing categories. What does not: which article is in which (a field of the article).
"""

from __future__ import annotations

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, Outcome, Statistics, run_operation
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable

_LONGEST_NAME = 200


def set_category(
    url: str,
    name: str,
    *,
    new_name: str | None = None,
    parent: str | None = None,
    is_active: bool | None = None,
    who: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Enter a category, rename it, or put it below another; what is not said stays. ``parent=""`` puts it on top.

    Raises:
        BadInput: a name cannot be taken, the parent is not there, or lies below the category itself.
    """
    for text in (name, new_name):
        if text is not None and (not text.strip() or len(text) > _LONGEST_NAME or not is_storable(text)):
            raise BadInput(f"A category has a name of at most {_LONGEST_NAME} characters.")

    def work(operation: Operation) -> Statistics:
        connection = operation.connection
        connection.execute(
            "lock table categories in share row exclusive mode"
        )  # a circle is made of two changes
        values = {"name": name, "new_name": new_name, "parent": parent, "is_active": is_active}
        if (
            parent
            and not connection.execute("select 1 from categories where name = %s", (parent,)).fetchone()
        ):
            raise BadInput(f"There is no category {parent!r}.")
        if (
            new_name is not None
            and new_name != name
            and connection.execute("select 1 from categories where name = %s", (new_name,)).fetchone()
        ):
            raise BadInput(f"There is a category {new_name!r} already.")
        if parent and connection.execute(statement("catalogue/is_above"), values).fetchone():
            raise BadInput(f"{parent!r} lies below {name!r}: they cannot be above each other.")
        connection.execute(
            "insert into categories (name) values (%(name)s) on conflict do nothing", {"name": name}
        )
        return {"categories": connection.execute(statement("catalogue/set_category"), values).rowcount}

    return run_operation(url, f"category {name}", "catalogue", work, who=who, dry_run=dry_run)
