"""Which column of a sheet is what, as a person confirmed it, remembered for the next sheet of its kind.

What belongs here: the mapping, and keeping it in the database per source and pattern of file names. What does not:
finding columns without one (``tables``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Pairs
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    from syncstock_dagster.operations.log import Operation, Outcome

#: Fields that a person can say the column of.
FIELDS = (
    "sku", "inventory_id", "quantity", "location", "counted_at", "counted_time", "counted_from", "room", "lot",
    "expiry", "unit", "session", "counter", "remark", "expected", "name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mapping:
    """Field -> header of its column, or its letter: ``@C``."""

    columns: Pairs[str, str] = field(default_factory=dict)
    decimal_mark: str | None = None
    #: Who said so: shown in the preview.
    said_by: str = "the sender"

    def checked(self) -> Mapping:
        """The same.

        Raises:
            BadInput: a field is not known, or the two that a count needs are not there.
        """
        unknown = [name for name in self.columns if name not in FIELDS]
        if unknown:
            raise BadInput(f"{unknown[0]!r} is no field; the fields are {', '.join(FIELDS)}.")
        if "quantity" not in self.columns or not {"sku", "inventory_id"} & set(self.columns):
            raise BadInput(
                "A mapping names the column of the quantity and that of the code (sku or inventory_id)."
            )
        return self


def pattern_of(name: str) -> str:
    """What files of one kind have in common: their name without numbers, months and copies."""
    stem = PurePosixPath(name).name.casefold()
    stem = re.sub(r"\s*\(\d+\)|\s*-\s*(?:copy|kopie|copie|copia)", "", stem)
    return re.sub(r"\d+(?:[-._ :h]*\d+)*", "#", stem)


def find_mapping(url: str, source: str, name: str) -> Mapping | None:
    """The mapping that was confirmed for files like this one."""
    with connect(url) as connection:
        row = connection.execute(
            statement("workbooks/find_mapping"), {"source": source, "pattern": pattern_of(name)}
        ).fetchone()
    if row is None:
        return None
    columns, decimal_mark, confirmed_by, confirmed_at = row
    return Mapping(columns, decimal_mark, f"{confirmed_by} on {confirmed_at:%Y-%m-%d}")


def list_mappings(url: str) -> list[dict[str, Any]]:
    """The mappings in use."""
    with connect(url) as connection:
        cursor = connection.execute(statement("workbooks/list_mappings"))
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def save_mapping(
    url: str, source: str, name: str, mapping: Mapping, *, who: str | None = None, dry_run: bool = False
) -> Outcome:
    """Remember a mapping for files like this one; an earlier one is kept on record and no longer used."""
    from psycopg.types.json import Jsonb

    from syncstock_dagster.operations.log import run_operation

    mapping.checked()
    pattern = pattern_of(name)

    def work(operation: Operation) -> dict[str, Any]:
        operation.connection.execute(
            statement("workbooks/save_mapping"),
            {
                "source": source,
                "pattern": pattern,
                "columns": Jsonb(dict(mapping.columns)),
                "decimal_mark": mapping.decimal_mark,
                "who": operation.who,
                "operation_id": operation.operation_id,
            },
        )
        return {"mappings": 1, "pattern": pattern}

    return run_operation(url, f"mapping for {source}/{pattern}", "mapping", work, who=who, dry_run=dry_run)


def forget_mapping(url: str, mapping_id: int, *, who: str | None = None, dry_run: bool = False) -> Outcome:
    """Use a mapping no longer.

    Raises:
        BadInput: there is none of this number in use.
    """
    from syncstock_dagster.operations.log import run_operation

    def work(operation: Operation) -> dict[str, Any]:
        done = operation.connection.execute(
            statement("workbooks/forget_mapping"),
            {"mapping_id": mapping_id, "operation_id": operation.operation_id},
        )
        if not done.rowcount:
            raise BadInput(
                f"There is no mapping {mapping_id} in use; `syncstock counts mappings` lists them."
            )
        return {"mappings": 1}

    return run_operation(url, f"mapping {mapping_id} forgotten", "mapping", work, who=who, dry_run=dry_run)
