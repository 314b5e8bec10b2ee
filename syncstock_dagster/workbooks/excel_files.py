"""Opening ordinary workbooks: .xlsx, .xlsm, .xlsb, .xls and .ods, sheet by sheet into grids.

What belongs here: cells as the text that a person reads off the sheet, with their kinds. What does not:
looking into the file before it is opened (``archives``, ``cell_marks``, ``binary_marks``), finding tables.

All cells pass as what the file stores: text stays text (``00123``), whole numbers lose nothing (``123``),
date cells become ISO 8601 local times.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import python_calamine as calamine

from syncstock_dagster.workbooks.archives import Archive, properties_of
from syncstock_dagster.workbooks.binary_marks import look_into_xls, look_into_xlsb
from syncstock_dagster.workbooks.cell_marks import Marks, SheetMarks, look_inside
from syncstock_dagster.workbooks.numbers import number_text
from syncstock_dagster.workbooks.sheets import (
    Book,
    Cell,
    Digest,
    Grid,
    Span,
    UnreadableFileError,
    blank_rows,
    digest_grid,
)

READER = f"workbook 2 (python-calamine {version('python-calamine')})"

#: The hidden sheet by which a count sheet that we wrote says which one it is; it is no part of what it says.
IDENTITY_SHEET = "_syncstock"

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
#: Rows that are Python objects at one time.
_CHUNK_ROWS = 20_000


def open_workbook(content: bytes, archive: Archive | None) -> Book:
    """Open a workbook; each worksheet with any text becomes a grid. ``archive`` is None for an .xls.

    Raises:
        UnreadableFileError: it is damaged, protected by a password, or not a workbook that can be read.
    """
    with ThreadPoolExecutor(1) as beside:
        if archive is None or archive.kind == "xlsb":
            # The reader works while this looks: neither needs the other, and the reader lets Python go on.
            looking = beside.submit(_look_into_binary, content, archive)
        else:
            # Far cells have to be refused before the reader meets them.
            marks = look_inside(archive)
            looking = beside.submit(marks.complete)
        workbook = _loaded(content)
        digest = Digest()
        grids: list[Grid] = []
        notes: list[str] = list(archive.notes) if archive else []
        properties = dict(properties_of(archive)) if archive else {}
        for meta, sheet in _sheets(workbook):
            found = looking.result().sheets.get(meta.name, SheetMarks())
            grid, canonical = _grid(meta, sheet, found, looking.result())
            if grid is None:
                continue
            if meta.name == IDENTITY_SHEET:
                properties |= _identity(grid)
                continue
            digest_grid(digest, meta.name, canonical)
            grids.append(grid)
    notes += looking.result().notes
    return Book(grids, READER, digest.result(), notes, properties=properties)


def _look_into_binary(content: bytes, archive: Archive | None) -> Marks:
    return look_into_xls(content) if archive is None else look_into_xlsb(archive)


def _loaded(content: bytes) -> calamine.CalamineWorkbook:
    with _told_in_words():
        return calamine.load_workbook(io.BytesIO(content))


def _sheets(workbook: Any) -> Iterator[tuple[Any, Any]]:
    for meta in workbook.sheets_metadata:
        if meta.typ == calamine.SheetTypeEnum.WorkSheet:
            with _told_in_words():
                sheet = workbook.get_sheet_by_name(meta.name)
            yield meta, sheet


class _told_in_words:  # noqa: N801 - used like a function
    """Whatever the reader raises means the same: this file cannot be read."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, calamine.PasswordError):
            raise UnreadableFileError(
                "a workbook protected by a password",
                "a workbook without a password",
                "Save it without a password.",
            ) from error
        # A panic inside the reader is no Exception.
        if (
            isinstance(error, (calamine.CalamineError, OSError, ValueError))
            or type(error).__name__ == "PanicException"
        ):
            raise UnreadableFileError(
                "a damaged workbook",
                "a complete workbook",
                f"Open it, save it again and send that ({error}).",
            ) from error


def _identity(grid: Grid) -> dict[str, str]:
    """The pairs of name and value in the hidden sheet."""
    return {row[0]: row[1] for row in (grid.texts(index) for index in range(len(grid))) if len(row) > 1}


# --- grids


def _grid(meta: Any, sheet: Any, found: SheetMarks, marks: Marks) -> tuple[Grid | None, list[pa.Array]]:
    """The grid of one sheet, and its columns for the fingerprint."""
    if sheet.start is None:
        return None, []
    left = sheet.start[1]
    height = sheet.end[0] + 1
    columns, kinds, canonical = _columns(sheet)
    nothing = pa.repeat(pa.scalar(""), height)
    columns, canonical = [nothing] * left + columns, [nothing] * left + canonical
    kinds = [*[None] * left, *kinds]
    _mark(columns, kinds, canonical, found, height)
    numbers = np.arange(1, height + 1, dtype=np.int32)
    keep = ~blank_rows(columns, height)
    if not keep.any():
        return None, []
    if not keep.all():
        mask = pa.array(keep)
        columns = [column.filter(mask) for column in columns]
        canonical = [column.filter(mask) for column in canonical]
        kinds = [None if kind is None else kind[keep] for kind in kinds]
        numbers = numbers[keep]
    spans = [
        Span(first[0] + 1, first[1], last[0] + 1, last[1]) for first, last in (sheet.merged_cell_ranges or [])
    ] + list(found.merged)
    grid = Grid(
        name=meta.name,
        columns=columns,
        kinds=kinds,
        rows=numbers,
        visible=meta.visible == calamine.SheetVisibleEnum.Visible,
        hidden_rows=frozenset(found.hidden_rows),
        hidden_columns=frozenset(found.hidden_columns),
        merged=spans,
        last_row=height,
        serial_epoch=marks.serial_epoch,
    )
    return grid, canonical


def _columns(
    sheet: Any,
) -> tuple[list[pa.Array], list[npt.NDArray[np.uint8] | None], list[pa.Array]]:
    """Texts, kinds and fingerprint texts of all columns, some rows at a time: Python's objects are large."""
    rows = sheet.iter_rows()
    parts: list[list[tuple[pa.Array, npt.NDArray[np.uint8] | None, pa.Array]]] = []
    with _told_in_words():
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            parts.append([_column(values) for values in zip(*chunk, strict=True)])
    columns: list[pa.Array] = []
    kinds: list[npt.NDArray[np.uint8] | None] = []
    canonical: list[pa.Array] = []
    for pieces in zip(*parts, strict=True):
        columns.append(_joined([piece[0] for piece in pieces]))
        canonical.append(_joined([piece[2] for piece in pieces]))
        if all(piece[1] is None for piece in pieces):
            kinds.append(None)
        else:
            kinds.append(
                np.concatenate(
                    [np.zeros(len(texts), np.uint8) if kind is None else kind for texts, kind, _ in pieces]
                )
            )
    return columns, kinds, canonical


def _joined(pieces: list[pa.Array]) -> pa.Array:
    return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)


def _mark(
    columns: list[pa.Array],
    kinds: list[npt.NDArray[np.uint8] | None],
    canonical: list[pa.Array],
    found: SheetMarks,
    height: int,
) -> None:
    """Put what was seen inside the file into the cells that the reader calls blank, or shows otherwise."""
    by_column: dict[int, dict[int, tuple[Cell, str]]] = {}
    for (row, column), mark in found.cells.items():
        if row < height and column < len(columns):
            by_column.setdefault(column, {})[row] = (mark.kind, mark.shown)
    for column, marked in by_column.items():
        kind = kinds[column]
        kind = np.zeros(height, np.uint8) if kind is None else kind
        at = np.fromiter(marked, np.int64, len(marked))
        kind[at] = [seen.value for seen, _ in marked.values()]
        kinds[column] = kind
        mask = np.zeros(height, np.bool_)
        mask[at] = True
        order = np.argsort(at)
        shown = [text for _, text in marked.values()]
        texts = pa.array([shown[index] for index in order], pa.string())
        columns[column] = pc.replace_with_mask(columns[column], pa.array(mask), texts)
        canonical[column] = pc.replace_with_mask(canonical[column], pa.array(mask), texts)


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


def _column(values: Sequence[Any]) -> tuple[pa.Array, npt.NDArray[np.uint8] | None, pa.Array]:
    """The texts, the kinds (None: all text) and the texts for the fingerprint of one column."""
    types = set(map(type, values))
    if types == {str}:
        texts = pa.array(values, pa.string())
        return texts, None, texts
    kinds = np.fromiter(map(_KIND.__getitem__, map(type, values)), np.uint8, len(values))
    if types <= {float, int, str}:
        texts, fingerprint = _numbers_and_texts(values, kinds == Cell.NUMBER, str in types)
    elif types <= {datetime, date}:
        texts, fingerprint = _dates(values, kinds)
    else:
        texts = _each(values, types, _text)
        fingerprint = _each(values, types, _serial_text)
    return texts, kinds, fingerprint


def _numbers_and_texts(
    values: Sequence[Any], is_number: npt.NDArray[np.bool_], has_texts: bool
) -> tuple[pa.Array, pa.Array]:
    """The texts of a column of numbers, perhaps among texts, ten times faster than one by one."""
    if not has_texts:
        return _numbers(np.array(values, dtype=np.float64))
    texts = pa.array([value if type(value) is str else "" for value in values], pa.string())
    shown, fingerprint = _numbers(np.array([value for value in values if type(value) is not str], np.float64))
    mask = pa.array(is_number)
    return pc.replace_with_mask(texts, mask, shown), pc.replace_with_mask(texts, mask, fingerprint)


def _numbers(numbers: npt.NDArray[np.float64]) -> tuple[pa.Array, pa.Array]:
    """Numbers as a person reads them, and for the fingerprint."""
    is_plain = np.abs(numbers) < 1e15
    if is_plain.all() and (numbers == np.rint(numbers)).all():
        whole = pa.array(numbers.astype(np.int64)).cast(pa.string())
        return whole, whole
    shortest = pa.array(numbers).cast(pa.string())
    # With so few digits the shortest text is exact and what the sheet shows; the others are looked at one by one.
    is_short = pc.match_substring_regex(shortest, r"^-?[0-9]{1,6}(\.[0-9]{1,6})?$").to_numpy(
        zero_copy_only=False
    )
    texts = pc.replace_substring_regex(shortest, r"\.0$", "")
    if is_short.all():
        return texts, texts
    rest = pa.array(~is_short)
    others = numbers[~is_short].tolist()
    return (
        pc.replace_with_mask(texts, rest, pa.array([number_text(value) for value in others], pa.string())),
        pc.replace_with_mask(
            texts, rest, pa.array([_fingerprint_text(value) for value in others], pa.string())
        ),
    )


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
    known: Mapping[Any, str] = {value: convert(value) for value in set(values)}
    return pa.array([known[value] for value in values], pa.string())
