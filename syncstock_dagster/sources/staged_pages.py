"""Pages on their way into PostgreSQL: checked, and staged with the position behind them.

What belongs here: one page. What does not: asking for it, and the end of the run (``sources.pull``,
``sources.taking``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from syncstock_dagster.catalog.changes import changes_table
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.dead_letters import bury
from syncstock_dagster.operations.log import Operation
from syncstock_dagster.sources.protocol import Ask, Item, Level, Page
from syncstock_dagster.stock.records import canonical_decimal
from syncstock_dagster.store.copy import copy_table
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable, storable_json

#: The kind of dead letters that are rows of a source; they are replayed by asking the source again.
ROW = "source.row"
#: Why neither of two rows is taken.
STANDS_TWICE = "stands twice in one location, and which row is right is not known: mend it there"
_LONGEST_CODE = 200

_LEVELS = pa.schema(
    [
        pa.field("position", pa.int32()),
        pa.field("code", pa.string()),
        pa.field("location", pa.string()),
        pa.field("sku", pa.string()),
        pa.field("quantity", pa.string()),
        pa.field("counted_at", pa.timestamp("us", tz="UTC")),
        pa.field("details", pa.string()),
    ]
)

Refusals = list[tuple[Mapping[str, Any], str]]


@dataclass(frozen=True, slots=True)
class Staged:
    """What became of one page."""

    items: int
    levels: int
    #: Articles that an earlier page had.
    repeated: int
    refused: int


def stage_page(
    operation: Operation,
    source: str,
    pull_id: int,
    number: int,
    ask: Ask,
    page: Page,
    default_location: str,
) -> Staged:
    """Stage a page in the transaction of ``operation.connection``; what cannot be taken becomes dead letters."""
    connection = operation.connection
    refusals: Refusals = list(page.refused)
    items = _wanted_items(page, ask)
    table, taken = _changes(items, refusals)
    levels = _levels(page, ask, items, default_location, refusals)
    values = {
        "pull_id": pull_id,
        "page": number,
        "source": source,
        "with_stock_only": ask.with_stock_only,
    }
    copy_table(connection, "raw_pulled_items", table)
    there = connection.execute(statement("sources/stage_items"), values).fetchall() if taken else []
    copy_table(connection, "raw_pulled_levels", levels)
    if len(levels):
        connection.execute(statement("sources/stage_levels"), values)
    connection.execute("delete from raw_pulled_items")
    connection.execute("delete from raw_pulled_levels")
    bury(operation, source, ROW, refusals)
    return Staged(taken, len(levels), sum(1 for (was_there,) in there if was_there), len(refusals))


def _wanted_items(page: Page, ask: Ask) -> list[Item]:
    """The articles that pass the filters of the ask."""
    items: Iterable[Item] = page.items
    for wanted, name in ((ask.category, "category"), (ask.brand, "brand")):
        if wanted is not None:
            items = [one for one in items if (getattr(one, name) or "").casefold() == wanted.casefold()]
    if ask.with_stock_only and page.levels:
        stocked = {level.code for level in page.levels if level.quantity}
        items = [one for one in items if one.code in stocked]
    return list(items)


def _changes(items: list[Item], refusals: Refusals) -> tuple[pa.Table, int]:
    """Articles as rows of ``raw_pulled_items``; one with a value that cannot be taken is refused alone."""
    good = items
    while True:
        try:
            table = changes_table(one.change for one in good)
            break
        except BadInput as error:
            wrong: dict[int, str] = {}
            for told in error.errors:
                wrong.setdefault(int(str(told.row)), str(told))
            refusals += [
                ({"id": good[place].code, "row": dict(good[place].change)}, reason)
                for place, reason in wrong.items()
            ]
            good = [one for place, one in enumerate(good) if place not in wrong]
    codes = pa.array([one.code for one in good], type=pa.string())
    columns = ("position", "sku", "fields", "modified_at")
    named = {name: table[name] for name in columns} | {"code": codes}
    return pa.table(named), len(good)


def _levels(page: Page, ask: Ask, items: list[Item], default_location: str, refusals: Refusals) -> pa.Table:
    """Levels as rows of ``raw_pulled_levels``. Of two of one article and location on one page neither is taken."""
    is_filtered = ask.category is not None or ask.brand is not None
    wanted = {one.code for one in items} if is_filtered else None
    placed = [
        one if one.location is not None else replace(one, location=default_location) for one in page.levels
    ]
    times = Counter((one.code, one.location) for one in placed)
    rows: list[dict[str, Any]] = []
    for position, level in enumerate(placed):
        if (wanted is not None and level.code not in wanted) or ask.location not in (None, level.location):
            continue
        reason = STANDS_TWICE if times[level.code, level.location] > 1 else _what_is_wrong(level)
        if reason is not None:
            told = {"sku": level.sku, "location": level.location, "quantity": str(level.quantity)}
            refusals.append(({"id": level.code, "row": told}, reason))
            continue
        rows.append(
            {
                "position": position,
                "code": level.code,
                "location": level.location,
                "sku": level.sku,
                "quantity": canonical_decimal(level.quantity),
                "counted_at": level.counted_at or page.answered_at,
                "details": storable_json(level.details),
            }
        )
    return pa.Table.from_pylist(rows, schema=_LEVELS)


def _what_is_wrong(level: Level) -> str | None:
    texts = (level.code, level.location, level.sku)
    if any(text is not None and (len(text) > _LONGEST_CODE or not is_storable(text)) for text in texts):
        return f"a code of more than {_LONGEST_CODE} characters, or one that cannot be stored"
    if not level.quantity.is_finite() or canonical_decimal(level.quantity) is None:
        return "a quantity of more than 18 digits before or 12 after the point"
    if level.counted_at is not None and level.counted_at.tzinfo is None:
        return "a time without a zone"
    return None
