"""Looking into the records of binary workbooks for error cells, which their reader returns as blank cells.

What belongs here: the records of .xls (BIFF8 in an OLE container) and .xlsb (BIFF12) that say: an error, a hidden
row or column, a sheet of macros, a password. What does not: values (the reader has them), the container
(``containers``), and other formats (``cell_marks``).

A file whose records cannot be followed is not refused here: the reader decides whether it is damaged, and a note
says that error cells could not be told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import date

from syncstock_dagster.workbooks.archives import HAS_MACROS, Archive
from syncstock_dagster.workbooks.cell_marks import Mark, Marks, SheetMarks
from syncstock_dagster.workbooks.containers import BROKEN, opened
from syncstock_dagster.workbooks.numbers import number_text
from syncstock_dagster.workbooks.sheets import Cell

_ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
_NOT_TOLD = "In this file error cells cannot be told from blank ones; save it as .xlsx if it has formulas."

# Records of .xls.
_BOF, _EOF, _BOUNDSHEET, _DATEMODE, _FORMULA, _BOOLERR, _ROW, _COLINFO, _PASSWORD = (
    0x0809, 0x000A, 0x0085, 0x0022, 0x0006, 0x0205, 0x0208, 0x007D, 0x002F,
)  # fmt: skip
#: Formulas as older versions wrote them; some programs still do, and the reader skips them.
_OLD_FORMULAS = (0x0206, 0x0406)
_MACRO_SHEET = 1
# Records of .xlsb.
_XLSB_ROW, _XLSB_ERROR, _XLSB_FORMULA_ERROR, _XLSB_COLUMNS, _XLSB_SHEET = 0, 3, 11, 60, 156
#: A record may name as many columns as it likes; a sheet has no more.
_COLUMNS = 16_384


def look_into_xls(content: bytes) -> Marks:
    """The error cells and hidden rows of an .xls workbook."""
    try:
        return _marks_of_stream(_workbook_stream(content))
    except BROKEN:
        return Marks(notes=[_NOT_TOLD])


def is_encrypted(content: bytes) -> bool:
    """Whether an .xls workbook is protected by a password; of a damaged one nobody knows."""
    try:
        stream = _workbook_stream(content)
        position = 0
        while position + 4 <= len(stream):
            kind, length = struct.unpack_from("<HH", stream, position)
            if kind in (_PASSWORD, _EOF, _BOUNDSHEET):
                return kind == _PASSWORD
            position += 4 + length
    except BROKEN:
        pass
    return False


def _workbook_stream(content: bytes) -> bytes:
    """The stream of the workbook's records."""
    container = opened(content)
    # Names are the same in capitals, as some programs write them.
    named = {name.casefold(): name for name in container.entries}
    return container.stream(named.get("workbook") or named.get("book") or "Workbook")


def look_into_xlsb(archive: Archive) -> Marks:
    """The error cells of an .xlsb workbook."""
    marks = Marks()
    try:
        for name, part in _xlsb_sheets(archive):
            marks.sheets[name] = _marks_of_xlsb(archive.read(part))
    except (struct.error, IndexError, ValueError):
        return Marks(notes=[_NOT_TOLD])
    return marks


# --- xls


def _marks_of_stream(stream: bytes) -> Marks:
    marks = Marks(serial_epoch=date(1899, 12, 30))
    names: dict[int, str] = {}
    sheet: SheetMarks | None = None
    position, depth = 0, 0
    if struct.unpack_from("<H", stream, 4)[0] != 0x0600:
        return Marks(notes=[_NOT_TOLD])  # Excel 5 or 95, with other records
    while position + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, position)
        body = position + 4
        if kind == _BOF:
            depth += 1
            if depth == 1 and position in names:
                sheet = marks.sheets.setdefault(names[position], SheetMarks())
        elif kind == _EOF:
            depth -= 1
            if depth == 0:
                sheet = None
        elif kind == _BOUNDSHEET:
            place, _, sheet_type, count, is_wide = struct.unpack_from("<IBBBB", stream, body)
            if sheet_type == _MACRO_SHEET and HAS_MACROS not in marks.notes:
                marks.notes.append(HAS_MACROS)
            raw = stream[body + 8 : body + 8 + (2 * count if is_wide & 1 else count)]
            names[place] = raw.decode("utf-16-le" if is_wide & 1 else "latin-1")
        elif kind == _DATEMODE and struct.unpack_from("<H", stream, body)[0]:
            marks.serial_epoch = date(1904, 1, 1)
        elif sheet is not None and depth == 1:
            _look_at_record(stream, kind, body, sheet)
        position = body + length
    return marks


def _look_at_record(stream: bytes, kind: int, body: int, sheet: SheetMarks) -> None:
    if kind == _BOOLERR:
        row, column, _, value, is_error = struct.unpack_from("<HHHBB", stream, body)
        if is_error:
            sheet.cells[row, column] = Mark(Cell.ERROR, _ERRORS.get(value, "#N/A"))
    elif kind == _FORMULA or kind in _OLD_FORMULAS:
        row, column = struct.unpack_from("<HH", stream, body)
        result = stream[body + 6 : body + 14]
        if result[6:8] != b"\xff\xff":
            if kind in _OLD_FORMULAS:
                sheet.cells[row, column] = Mark(Cell.NUMBER, number_text(struct.unpack("<d", result)[0]))
        elif result[0] == 2:
            sheet.cells[row, column] = Mark(Cell.ERROR, _ERRORS.get(result[2], "#N/A"))
        elif kind in _OLD_FORMULAS:
            sheet.cells[row, column] = Mark(Cell.FORMULA, "a formula")
    elif kind == _ROW:
        (row,) = struct.unpack_from("<H", stream, body)
        (options,) = struct.unpack_from("<H", stream, body + 12)
        if options & 0x20:
            sheet.hidden_rows.add(row + 1)
    elif kind == _COLINFO:
        first, last, _, _, options = struct.unpack_from("<HHHHH", stream, body)
        if options & 1:
            sheet.hidden_columns.update(range(first, min(last, _COLUMNS) + 1))


# --- xlsb


def _xlsb_sheets(archive: Archive) -> Iterator[tuple[str, str]]:
    targets = {
        relation.get("Id"): relation.get("Target", "")
        for relation in archive.xml("xl/_rels/workbook.bin.rels")
    }
    for kind, body in _xlsb_records(archive.read("xl/workbook.bin")):
        if kind != _XLSB_SHEET:
            continue
        identifier, after = _xlsb_text(body, 8)
        name, _ = _xlsb_text(body, after)
        target = targets.get(identifier, "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in archive.parts:
            yield name, part


def _xlsb_text(body: bytes, offset: int) -> tuple[str, int]:
    (count,) = struct.unpack_from("<I", body, offset)
    end = offset + 4 + 2 * count
    return body[offset + 4 : end].decode("utf-16-le"), end


def _xlsb_records(content: bytes) -> Iterator[tuple[int, bytes]]:
    position, end = 0, len(content)
    while position < end:
        kind = content[position]
        position += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | (content[position] & 0x7F) << 7
            position += 1
        length = shift = 0
        while True:
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80 or shift > 21:
                break
        yield kind, content[position : position + length]
        position += length


def _marks_of_xlsb(content: bytes) -> SheetMarks:
    found = SheetMarks()
    row = 0
    for kind, body in _xlsb_records(content):
        if kind == _XLSB_ROW:
            (row,) = struct.unpack_from("<I", body)
            if len(body) > 11 and body[11] & 0x10:
                found.hidden_rows.add(row + 1)
        elif kind == _XLSB_COLUMNS:
            first, last, _, _, options = struct.unpack_from("<IIIIH", body)
            if options & 1:
                found.hidden_columns.update(range(first, min(last, _COLUMNS) + 1))
        elif kind in (_XLSB_ERROR, _XLSB_FORMULA_ERROR):
            (column,) = struct.unpack_from("<I", body)
            found.cells[row, column] = Mark(Cell.ERROR, _ERRORS.get(body[8], "#N/A"))
    return found
