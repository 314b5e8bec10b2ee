"""Opening web pages and XML workbooks (Excel 2003), which till programs save under the name .xls.

What belongs here: cutting their tables into grids of text. What does not: deciding that a file is one (``opening``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa

from syncstock_dagster.workbooks.sheets import (
    Book,
    Cell,
    Digest,
    Grid,
    UnreadableFileError,
    blank_rows,
    digest_grid,
)

_READER = "markup 1"
_MOST_COLUMNS = 1_000
_MOST_CELLS = 5_000_000
_XML = "{urn:schemas-microsoft-com:office:spreadsheet}"
_KINDS = {"Number": Cell.NUMBER, "DateTime": Cell.DATETIME, "Boolean": Cell.BOOLEAN, "Error": Cell.ERROR}


def open_page(content: bytes) -> Book:
    """Each table of a web page, as text.

    Raises:
        UnreadableFileError: it has no table.
    """
    page = _Page()
    page.feed(_decoded(content))
    page.close()
    grids = [
        grid
        for number, rows in enumerate(page.tables, start=1)
        if (grid := _grid(f"Table {number}", rows)) is not None
    ]
    if not grids:
        raise UnreadableFileError(
            "a web page without a table", "a table", "Save the table as .xlsx or CSV UTF-8 and send that."
        )
    return _book(grids, "The file is a web page, whatever its name says; its tables were read.")


def open_xml_workbook(content: bytes) -> Book:
    """Each sheet of an XML workbook.

    Raises:
        UnreadableFileError: it is damaged, or has a document type.
    """
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnreadableFileError(
            "a document type with entities", "an ordinary workbook", "Save it as .xlsx and send that."
        )
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise UnreadableFileError(
            "a damaged XML workbook", "a complete workbook", f"Save it as .xlsx ({error})."
        ) from error
    grids = []
    for sheet in root.iter(f"{_XML}Worksheet"):
        rows: list[list[str]] = []
        kinds: dict[tuple[int, int], Cell] = {}
        for line in sheet.iter(f"{_XML}Row"):
            _skip_to(rows, line.get(f"{_XML}Index"))
            rows.append(_xml_cells(line, len(rows), kinds))
            _refuse_large(rows)
        grid = _grid(sheet.get(f"{_XML}Name", "Sheet"), rows, kinds)
        if grid is not None:
            grids.append(grid)
    return _book(grids, "The file is an XML workbook of Excel 2003, whatever its name says.")


def _book(grids: Sequence[Grid], note: str) -> Book:
    digest = Digest()
    for grid in grids:
        digest_grid(digest, grid.name, grid.columns)
    return Book(grids, _READER, digest.result(), [note])


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    said = re.search(rb"charset\s*=\s*[\"']?([\w-]+)", content[:4096], re.IGNORECASE)
    for encoding in (said[1].decode() if said else "utf-8", "utf-8", "cp1252"):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("cp1252", "replace")


def _refuse_large(rows: Sequence[Sequence[str]]) -> None:
    if len(rows) > 1_048_576:
        raise UnreadableFileError(
            "more than 1,048,576 rows", "an ordinary table", "Send it in several files, as CSV."
        )


def _grid(name: str, rows: list[list[str]], kinds: dict[tuple[int, int], Cell] | None = None) -> Grid | None:
    width = max((len(row) for row in rows), default=0)
    if not width:
        return None
    if width * len(rows) > _MOST_CELLS:
        raise UnreadableFileError(
            f"a table of {len(rows)} rows and {width} columns",
            "an ordinary table",
            "Send the table alone, as CSV.",
        )
    padded = [row + [""] * (width - len(row)) for row in rows]
    columns = [pa.array(column, pa.string()) for column in zip(*padded, strict=True)]
    keep = ~blank_rows(columns, len(rows))
    if not keep.any():
        return None
    marked: list[np.ndarray | None] = [None] * width
    for (row, column), kind in (kinds or {}).items():
        found = marked[column]
        if found is None:
            found = marked[column] = np.zeros(len(rows), np.uint8)
        found[row] = kind
    mask = pa.array(keep)
    return Grid(
        name=name,
        columns=[column.filter(mask) for column in columns],
        kinds=[None if kind is None else kind[keep] for kind in marked],
        rows=np.arange(1, len(rows) + 1, dtype=np.int32)[keep],
        last_row=len(rows),
    )


def _skip_to(rows: list[list[str]], index: str | None) -> None:
    if index and index.isdigit():
        while len(rows) < min(int(index) - 1, 1_048_576):
            rows.append([])


def _xml_cells(line: ElementTree.Element, row: int, kinds: dict[tuple[int, int], Cell]) -> list[str]:
    cells: list[str] = []
    for cell in line.iter(f"{_XML}Cell"):
        index = cell.get(f"{_XML}Index")
        if index and index.isdigit():
            cells += [""] * (min(int(index) - 1, _MOST_COLUMNS) - len(cells))
        data = cell.find(f"{_XML}Data")
        text = "" if data is None else "".join(data.itertext())
        if data is not None:
            kind = _KINDS.get(data.get(f"{_XML}Type", ""), Cell.TEXT)
            if kind is Cell.DATETIME:
                text = text.removesuffix(".000")
                text, kind = (text[:10], Cell.DATE) if text.endswith("T00:00:00") else (text, kind)
            elif kind is Cell.BOOLEAN:
                text = "TRUE" if text == "1" else "FALSE"
            if kind is not Cell.TEXT and text:
                kinds[row, len(cells)] = kind
        elif cell.get(f"{_XML}Formula"):
            text = "a formula without its result"
            kinds[row, len(cells)] = Cell.FORMULA
        cells.append(text)
        if len(cells) > _MOST_COLUMNS:
            raise UnreadableFileError(
                f"more than {_MOST_COLUMNS} columns", "an ordinary table", "Send the table alone, as CSV."
            )
    return cells


class _Page(HTMLParser):
    """The tables of a page. Cells that span rows or columns are filled once, and blank beyond."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self._open: list[list[list[str]]] = []
        self._spans: list[dict[int, int]] = []
        self._cell: list[str] | None = None
        self._width = 1

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell."""
        if tag == "table":
            self._end_cell()
            self._open.append([])
            self._spans.append({})
            self.tables.append(self._open[-1])
        elif tag == "tr" and self._open:
            self._end_cell()
            self._open[-1].append([])
            _refuse_large(self._open[-1])
        elif tag in ("td", "th") and self._open:
            self._end_cell()
            if not self._open[-1]:
                self._open[-1].append([])
            said = dict(attributes)
            self._begin_cell(_count(said.get("colspan")), _count(said.get("rowspan")))
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """End a cell or a table."""
        if tag in ("td", "th", "tr"):
            self._end_cell()
        elif tag == "table" and self._open:
            self._end_cell()
            self._open.pop()
            self._spans.pop()

    def handle_data(self, data: str) -> None:
        """Text of the open cell."""
        if self._cell is not None:
            self._cell.append(data)

    def _begin_cell(self, width: int, height: int) -> None:
        row, spans = self._open[-1][-1], self._spans[-1]
        while spans.get(len(row), 0) > 0:
            spans[len(row)] -= 1
            row.append("")
        for column in range(len(row), len(row) + width):
            spans[column] = height - 1
        self._cell, self._width = [], width

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        text = " ".join("".join(self._cell).replace("\xa0", " ").split())
        row = self._open[-1][-1]
        row += [text, *[""] * (self._width - 1)]
        if len(row) > _MOST_COLUMNS:
            raise UnreadableFileError(
                f"more than {_MOST_COLUMNS} columns", "an ordinary table", "Send the table alone, as CSV."
            )
        self._cell = None


def _count(text: str | None) -> int:
    return min(int(text), _MOST_COLUMNS) if text and text.isdigit() and len(text) < 6 and int(text) else 1
