"""Opening ordinary workbooks: .xlsx, .xlsm, .xlsb, .xls and .ods.

What belongs here: cells as the text that a person reads off the sheet, with their kinds. What does not:
looking into the XML (``cell_marks``), and the traps of hostile or broken workbooks.

All cells pass as what the file stores: text stays text (``00123``), whole numbers lose nothing (``123``),
date cells become ISO 8601 local times.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import python_calamine as calamine

from syncstock_dagster.workbooks.cell_marks import Mark, Marks, look_inside
from syncstock_dagster.workbooks.headers import Header, Vocabulary, find_header
from syncstock_dagster.workbooks.numbers import number_text
from syncstock_dagster.workbooks.sheets import (
    HEADER_WITHIN_ROWS,
    Cell,
    Digest,
    NearestHeader,
    Opened,
    Sheet,
    UnreadableFileError,
    blank_rows,
    digest_table,
)
from syncstock_dagster.workbooks.values import matches

READER = f"workbook 1 (python-calamine {version('python-calamine')})"

_KIND: dict[type, Cell] = {
    str: Cell.TEXT,
    int: Cell.NUMBER,
    float: Cell.NUMBER,
    bool: Cell.BOOLEAN,
    date: Cell.DATE,
    datetime: Cell.DATETIME,
    time: Cell.TIME,
    timedelta: Cell.TIME,
}
#: Of a fraction. A serial number of today with thirteen digits tells milliseconds apart.
_FINGERPRINT_DIGITS = 13
_DAY_MICROSECONDS = 86_400_000_000
_SERIAL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a cell's date has no zone


def open_workbook(content: bytes, words: Vocabulary) -> Opened:
    """Open a workbook; each visible sheet with a recognised table becomes a ``Sheet``.

    Raises:
        UnreadableFileError: it is damaged, protected by a password, or not a workbook that can be read.
    """
    marks = look_inside(content)
    digest = Digest()
    sheets: list[Sheet] = []
    notes: list[str] = []
    nearest: NearestHeader | None = None
    for name, visible, rows in _grids(content):
        if not any(any(cell != "" for cell in row) for row in rows):
            continue
        digest.words("sheet", name)
        header = find_header(([_text(cell) for cell in row] for row in rows[:HEADER_WITHIN_ROWS]), words)
        if header is None or not header.complete:
            _digest_grid(digest, rows)
            nearest = _nearer(nearest, name, rows, header)
            notes.append(f"Sheet {name!r} was not read: {_why_not(header)}.")
            continue
        sheet, canonical = _sheet(name, rows, header, marks or Marks())
        digest_table(digest, sheet.above, sheet.headers, canonical)
        if not visible:
            notes.append(f"Sheet {name!r} is hidden and was not read.")
            continue
        sheets.append(sheet)
    if marks is None:
        notes.append(
            "In this format error cells cannot be told from blank ones; save it as .xlsx if it has formulas."
        )
    return Opened(sheets, READER, digest.result(), notes, nearest=None if sheets else nearest)


def _grids(content: bytes) -> Iterable[tuple[str, bool, list[list[Any]]]]:
    """The name, visibility and cells of each worksheet, from cell A1 on."""
    try:
        workbook = calamine.load_workbook(io.BytesIO(content))
        for meta in workbook.sheets_metadata:
            if meta.typ == calamine.SheetTypeEnum.WorkSheet:
                rows = workbook.get_sheet_by_name(meta.name).to_python(skip_empty_area=False)
                yield meta.name, meta.visible == calamine.SheetVisibleEnum.Visible, rows
    except calamine.PasswordError as error:
        raise UnreadableFileError(
            "a workbook protected by a password",
            "a workbook without a password",
            "Save it without a password.",
        ) from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise _damaged(error) from error
    except BaseException as error:
        # A panic inside the reader is no Exception; it means the same: this file cannot be read.
        if type(error).__name__ == "PanicException":
            raise _damaged(error) from error
        raise


def _damaged(error: BaseException) -> UnreadableFileError:
    return UnreadableFileError(
        "a damaged workbook", "a complete workbook", f"Open it, save it again and send that ({error})."
    )


def _why_not(header: Header | None) -> str:
    if header is None:
        return "no header was recognised in its first 30 rows"
    if header.ambiguous:
        return "; ".join(header.ambiguous)
    return "no column for " + " and ".join(" or ".join(group) for group in header.missing)


def _nearer(
    best: NearestHeader | None, name: str, rows: list[list[Any]], header: Header | None
) -> NearestHeader:
    """Of the sheets without a table the one that came closest, for the error message."""
    if header is None:
        if best is not None:
            return best
        index = next(index for index, row in enumerate(rows) if any(cell != "" for cell in row))
        return NearestHeader(name, index + 1, [_text(cell) for cell in rows[index]], ())
    if best is not None and best.missing and len(best.missing) <= len(header.missing):
        return best
    cells = [_text(cell) for cell in rows[header.index]]
    return NearestHeader(name, header.index + 1, cells, header.missing, header.ambiguous)


# --- cells


def _text(value: Any) -> str:
    """What a person reads in the cell."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)


def _serial_text(value: Any) -> str:
    """The same for the fingerprint, where a date is its serial number, formatted or not."""
    if isinstance(value, datetime):
        return _fingerprint_text((value - _SERIAL_ZERO) / timedelta(days=1))
    if isinstance(value, date):
        return number_text((value - _SERIAL_ZERO.date()).days)
    if isinstance(value, time):
        since_midnight = datetime.combine(date.min, value) - datetime.min  # noqa: DTZ901
        return _fingerprint_text(since_midnight / timedelta(days=1))
    if isinstance(value, timedelta):
        return _fingerprint_text(value / timedelta(days=1))
    if type(value) is float:
        return _fingerprint_text(value)
    return _text(value)


def _fingerprint_text(value: float) -> str:
    """A number in so many digits that a time survives the way from a fraction to milliseconds and back."""
    return number_text(value if value.is_integer() else float(f"{value:.{_FINGERPRINT_DIGITS}g}"))


def _sheet(name: str, rows: list[list[Any]], header: Header, marks: Marks) -> tuple[Sheet, list[pa.Array]]:
    """The sheet under ``header``, and its columns for the fingerprint."""
    top = header.index + 1
    headers = [_text(cell).strip() for cell in rows[header.index]]
    body = list(zip(*rows[top:], strict=True)) or [()] * len(headers)
    sheet_marks: dict[int, dict[int, Mark]] = {}
    for (row, column), mark in marks.cells.get(name, {}).items():
        if row >= top:
            sheet_marks.setdefault(column, {})[row - top] = mark
    columns, kinds, canonical = [], [], []
    for index, values in enumerate(body):
        texts, kind, fingerprint = _column(values, sheet_marks.get(index, {}))
        columns.append(texts)
        kinds.append(kind)
        canonical.append(fingerprint)
    numbers = np.arange(top + 1, len(rows) + 1, dtype=np.int32)
    keep = ~blank_rows(columns, len(numbers))
    if not keep.all():
        mask = pa.array(keep)
        columns = [column.filter(mask) for column in columns]
        canonical = [column.filter(mask) for column in canonical]
        kinds = [None if kind is None else kind[keep] for kind in kinds]
        numbers = numbers[keep]
    above = [[_text(cell) for cell in row] for row in rows[: header.index]]
    sheet = Sheet(
        name=name,
        above=above,
        headers=headers,
        fields=header.fields,
        columns=columns,
        kinds=kinds,
        rows=numbers,
        last_row=len(rows),
        serial_epoch=marks.serial_epoch,
    )
    return sheet, canonical


def _column(
    values: Sequence[Any], marks: Mapping[int, Mark]
) -> tuple[pa.Array, npt.NDArray[np.uint8] | None, pa.Array]:
    """The texts, the kinds (None: all text) and the texts for the fingerprint of one column."""
    types = set(map(type, values))
    if types <= {str} and not marks:
        texts = pa.array(values, pa.string())
        return texts, None, texts
    kinds = np.fromiter(map(_KIND.__getitem__, map(type, values)), np.uint8, len(values))
    if types <= {datetime, date}:
        texts, fingerprint = _dates(values, kinds)
    else:
        texts = _each(values, types, _text)
        as_shown = types.isdisjoint({date, datetime, time, timedelta}) and not matches(texts, r"\.").any()
        fingerprint = texts if as_shown else _each(values, types, _serial_text)
    if marks:
        texts, fingerprint = _marked(texts, kinds, marks), _marked(fingerprint, kinds, marks)
    return texts, kinds, fingerprint


def _marked(texts: pa.Array, kinds: npt.NDArray[np.uint8], marks: Mapping[int, Mark]) -> pa.Array:
    shown = texts.to_pylist()
    for row, mark in marks.items():
        if row < len(shown):
            shown[row], kinds[row] = mark.shown, mark.kind
    return pa.array(shown, pa.string())


def _dates(values: Sequence[Any], kinds: npt.NDArray[np.uint8]) -> tuple[pa.Array, pa.Array]:
    """The texts and serial numbers of a column of nothing but dates, ten times faster than one by one."""
    moments = np.array(values, dtype="datetime64[us]")
    texts = pa.array(moments).cast(pa.string())
    is_date = pa.array(kinds == Cell.DATE)
    texts = pc.if_else(is_date, pc.utf8_slice_codeunits(texts, 0, 10), texts)
    since_zero = (moments - np.datetime64(_SERIAL_ZERO)).astype(np.int64)
    if not ((since_zero >= 10_000 * _DAY_MICROSECONDS) & (since_zero < 100_000 * _DAY_MICROSECONDS)).all():
        return texts, pa.array([_serial_text(value) for value in values], pa.string())
    # Five digits before the point and eight after it are the thirteen of the fingerprint.
    days, rest = np.divmod(since_zero, _DAY_MICROSECONDS)
    fraction = (rest // 1_000 * 10**8 + _DAY_MICROSECONDS // 2_000) // (_DAY_MICROSECONDS // 1_000)
    days, fraction = days + fraction // 10**8, fraction % 10**8
    decimals = pc.utf8_lpad(pa.array(fraction).cast(pa.string()), 8, padding="0")
    serials = pc.binary_join_element_wise(pa.array(days).cast(pa.string()), decimals, ".")
    return texts, pc.replace_substring_regex(serials, r"\.?0+$", "")


def _each(values: Sequence[Any], types: set[type], convert: Any) -> pa.Array:
    """``convert`` of each value, computed once for each distinct one."""
    if bool in types:  # True equals 1: as keys they would be one
        return pa.array([convert(value) for value in values], pa.string())
    known = {value: convert(value) for value in set(values)}
    return pa.array([known[value] for value in values], pa.string())


def _digest_grid(digest: Digest, rows: list[list[Any]]) -> None:
    for row in rows:
        cells = [_serial_text(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            digest.words(*cells)
