"""Count sheets with one column of quantities for each location: each column is read as a table of that location.

What belongs here: recognising such columns where no table was found. What does not: headers of other kinds
(``tables``), and columns by date: those may as well be the sales of the days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster.workbooks.sheets import Grid, Opened, Sheet
from syncstock_dagster.workbooks.tables import SEARCHED_ROWS, Finding, Header, header_at, sheets_of

#: As sure as one is of a column that is named after a place and not after what it holds.
_CERTAINTY = 0.9


def by_location(opened: Opened, finding: Finding, known: Known) -> Opened:
    """A file without any table, once more: columns that are named after two or more locations are quantities there."""
    sheets: list[Sheet] = []
    read: set[str | None] = set()
    notes: list[str] = []
    for grid in opened.book.grids:
        if not grid.visible and not finding.read_hidden:
            continue
        found = _header(grid, finding, known)
        if found is not None:
            header, places = found
            sheets += _tables(grid, header, places)
            read.add(grid.name)
            notes.append(f"{len(places)} columns were read as locations: {', '.join(places.values())}.")
    if not sheets:
        return opened
    return replace(
        opened,
        sheets=sheets,
        nearest=None,
        notes=[*opened.book.notes, *notes],
        left_out=[left for left in opened.left_out if left.sheet not in read],
    )


def _header(grid: Grid, finding: Finding, known: Known) -> tuple[Header, Mapping[int, str]] | None:
    """The first row with a column for the article and two or more for locations, and those by their place."""
    if not grid.columns:
        return None
    for index in range(min(len(grid), SEARCHED_ROWS)):
        header = header_at(grid, index, finding)
        lacks_quantity_only = bool(header.missing) and all("quantity" in group for group in header.missing)
        if not lacks_quantity_only or header.ambiguous or "location" in header.fields:
            continue
        taken = set(header.fields.values())
        places = {
            place: code
            for place, text in enumerate(header.texts)
            if text and place not in taken and (code := known.location(text)) is not None
        }
        if len(places) >= 2 and len(set(places.values())) == len(places):
            return header, places
    return None


def _tables(grid: Grid, header: Header, places: Mapping[int, str]) -> list[Sheet]:
    """One table a location: the same lines, with its column as the quantity and its code in a cell above."""
    tables = []
    for place, code in places.items():
        whole = replace(
            header,
            fields={**header.fields, "quantity": place},
            certainty={**header.certainty, "quantity": _CERTAINTY},
            missing=(),
        )
        (sheet,) = sheets_of(grid, [whole])
        others = places.keys() - {place}
        tables.append(
            replace(
                sheet,
                headers=["" if n in others else text for n, text in enumerate(sheet.headers)],
                above=[*sheet.above, ("Location", code)],
                above_rows=[*sheet.above_rows, int(grid.rows[header.first])],
                title=None,
            )
        )
    return tables
