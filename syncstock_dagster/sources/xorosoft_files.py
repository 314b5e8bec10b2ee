"""Xorosoft's files: an export of Xorosoft comes in as if it had been asked for, and our stock goes out as its import.

What belongs here: the columns of both (``[vendors.xorosoft.columns]``). What does not: opening a file, which happens in
a process of its own (``workbooks.reader_process``), and what becomes of a level.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from syncstock_dagster.errors import BadInput, RowError
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.sources.protocol import Ask, Can, Item, Level, Meter, Page
from syncstock_dagster.sources.staged_pages import STANDS_TWICE
from syncstock_dagster.sources.vendors import exact_sku, our_location
from syncstock_dagster.sources.xorosoft import (
    NAME,
    FileColumns,
    XorosoftTable,
    exact,
    keep_products,
    log,
    text,
)
from syncstock_dagster.stock.uploads import keep_upload
from syncstock_dagster.store.statements import statement
from syncstock_dagster.workbooks.opening import Wording
from syncstock_dagster.workbooks.reader_process import read_book
from syncstock_dagster.workbooks.sheets import Cell, Grid, UnreadableFileError

_PAGE = 2_000
_HEADER_WITHIN = 30
_NAMING = ("sku", "warehouse")
_AMOUNTS = {"available": "stock_available", "allocated": "stock_allocated", "on_order": "stock_on_order"}


class XorosoftFile:
    """One file, as a source of the name ``xorosoft``."""

    name = NAME
    can = Can(by_location=True)

    def __init__(self, content: bytes, file: str, table: XorosoftTable, counted_at: datetime) -> None:
        self.meter = Meter()
        self._content, self._file, self._table, self._counted_at = content, file, table, counted_at
        self._grid, self._header, self._places = _opened(content, file, table.columns)
        # Its pages are ours: two lines of one article stand in one file, however far apart.
        self._times = Counter(
            tuple(
                self._cell(place, self._places[field]) if field in self._places else None for field in _NAMING
            )
            for place in range(self._header + 1, len(self._grid))
        )

    def close(self) -> None:
        """Nothing is open."""

    def keep(self, operation: Operation, pull_id: int, ask: Ask, statistics: Statistics) -> None:
        """``xorosoft_products``, the file itself, and a line in ``xorosoft_sync_logs``."""
        keep_products(operation, pull_id)
        keep_upload(operation.connection, self._content, sha256(self._content).digest())
        log(
            operation.connection, "file_import", statistics,
            operation_id=operation.operation_id, import_file=self._file,
        )  # fmt: skip

    def pages(self, ask: Ask, position: str | None) -> Iterator[Page]:
        """Some thousand lines each."""
        begin = int(position or self._header + 1)
        last = len(self._grid)
        while True:
            end = min(begin + _PAGE, last)
            yield self._page(range(begin, end), str(end) if end < last else None)
            begin = end
            if begin >= last:
                return

    def _page(self, places: range, position: str | None) -> Page:
        items: list[Item] = []
        levels: list[Level] = []
        refused: list[tuple[Mapping[str, Any], str]] = []
        for place in places:
            cells = {field: self._cell(place, column) for field, column in self._places.items()}
            row = int(self._grid.rows[place])
            try:
                if any(self._is_error(place, column) for column in self._places.values()):
                    raise ValueError("a cell with an error, which is not zero")
                item, level = self._understood(cells)
                if self._times[item.code, cells.get("warehouse")] > 1:
                    raise ValueError(STANDS_TWICE)
            except ValueError as error:
                told = {**cells, "file": self._file, "sheet": self._grid.name, "line": row}
                refused.append(({"id": cells.get("sku"), "row": told}, str(error)))
                continue
            items.append(item)
            if level is not None:
                levels.append(level)
        return Page(tuple(items), tuple(levels), self._counted_at, position, tuple(refused))

    def _understood(self, cells: Mapping[str, str | None]) -> tuple[Item, Level | None]:
        sku = cells["sku"]
        if sku is None:
            raise ValueError("a line without an item number")
        change: dict[str, Any] = {"sku": sku}
        if cells.get("name"):
            change["name"] = cells["name"]
        if cells.get("xorosoft_id"):
            change["identifiers"] = {NAME: cells["xorosoft_id"]}
        for field in ("price", "cost"):
            if (amount := exact(cells.get(field), field)) is not None:
                change[field] = amount
        item = Item(sku, change)
        quantity = exact(cells["quantity"], "the quantity")
        if quantity is None:  # blank: not counted
            return item, None
        store = cells.get("warehouse")
        details: dict[str, Any] = {
            "xorosoft_id": cells.get("xorosoft_id") or sku,
            "warehouse_code": store or "",
            "name": cells.get("name"),
            "stock_on_hand": f"{quantity:f}",
        }
        for field, column in _AMOUNTS.items():
            if (amount := exact(cells.get(field), field)) is not None:
                details[column] = f"{amount:f}"
        place = our_location(self._table.locations, store) if store else None
        return item, Level(sku, quantity, sku, place, details=details)

    def _cell(self, place: int, column: int) -> str | None:
        found = self._grid.columns[column][place].as_py()
        return exact_sku(found) if column == self._places["sku"] else text(found)

    def _is_error(self, place: int, column: int) -> bool:
        kinds = self._grid.kinds[column]
        return kinds is not None and kinds[place] in (Cell.ERROR, Cell.FORMULA)


def _opened(content: bytes, file: str, columns: FileColumns) -> tuple[Grid, int, dict[str, int]]:
    """The sheet with the header, the place of its row, and the place of each column."""
    wanted = {field: header for field, header in columns.model_dump().items() if header is not None}
    try:
        book = read_book(content, Wording(headers=tuple(wanted.values())))
    except UnreadableFileError as error:
        told = RowError(file, None, None, error.found, error.expected, error.remedy)
        raise BadInput("The file cannot be read:", (told,)) from None
    for grid in book.grids:
        for place in range(min(_HEADER_WITHIN, len(grid))):
            texts = [cell.strip().casefold() for cell in grid.texts(place)]
            places = {
                field: texts.index(header.casefold())
                for field, header in wanted.items()
                if header.casefold() in texts
            }
            if {"sku", "quantity"} <= set(places):
                return grid, place, places
    needed = f"a header with {columns.sku} and {columns.quantity}"
    told = RowError(file, None, None, None, needed, "Name the file's headers in [vendors.xorosoft.columns].")
    raise BadInput("The file has no header that is known:", (told,))


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written."""

    path: str
    rows: int
    is_dry_run: bool = False


def export(
    url: str, table: XorosoftTable, path: Path, *, who: str | None = None, dry_run: bool = False
) -> Exported:
    """Write our stock as a file that Xorosoft takes: CSV or XLSX by its ending, with the headers of the column map.

    Raises:
        BadInput: the file's ending is another.
    """
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise BadInput(f"{path.name!r}: a .csv or an .xlsx can be written.")
    columns = table.columns
    headers = [
        (header, field)
        for header, field in (
            (columns.xorosoft_id, "xorosoft_id"),
            (columns.sku, "sku"),
            (columns.name, "name"),
            (columns.warehouse, "warehouse_code"),
            (columns.quantity, "quantity"),
        )
        if header is not None
    ]
    count = 0

    def work(operation: Operation) -> Statistics:
        nonlocal count
        cursor = operation.connection.execute(
            statement("xorosoft/export"), {"locations": json.dumps(table.locations)}
        )
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        count = len(rows)
        lines = [[row[field] for _, field in headers] for row in rows]
        if not dry_run:
            _write(path, [header for header, _ in headers], lines)
        statistics: Statistics = {"pushed": count}
        log(
            operation.connection, "file_export", statistics,
            operation_id=operation.operation_id, export_file=path.name,
        )  # fmt: skip
        return statistics

    run_operation(url, f"export to {path.name}", "push", work, who=who, dry_run=dry_run, direction="up")
    return Exported(str(path), count, dry_run)


def _write(path: Path, headers: Sequence[str], lines: Sequence[Sequence[Any]]) -> None:
    """The whole file, or none: written beside, then renamed."""
    beside = path.with_name(f".{path.name}.part{path.suffix}")
    if path.suffix.lower() == ".csv":
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(headers)
            writer.writerows(["" if cell is None else str(cell) for cell in line] for line in lines)
    else:
        import xlsxwriter

        with xlsxwriter.Workbook(
            str(beside), {"strings_to_formulas": False, "strings_to_urls": False}
        ) as book:
            sheet = book.add_worksheet("Stock")
            for place, line in enumerate([headers, *lines]):
                for column, cell in enumerate(line):
                    # Codes and quantities stay text: leading zeros and decimals survive.
                    sheet.write_string(place, column, "" if cell is None else str(cell))
    beside.replace(path)
