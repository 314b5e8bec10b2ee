"""The two forms of a table: a grid of cells as a file holds them, and a sheet under a recognised header.

What belongs here: those forms, the kinds of cells that are more than text, the fingerprint of a document's
content, and the exception of a file that cannot be opened. What does not: any file format (they make grids),
finding tables (``tables`` makes sheets out of grids), any meaning of a column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Rows = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


class Cell(IntEnum):
    """What a workbook says a cell is. Text files have only text."""

    TEXT = 0
    NUMBER = 1
    DATE = 2
    DATETIME = 3
    TIME = 4
    BOOLEAN = 5
    ERROR = 6
    FORMULA = 7  # a formula that was stored without its result


class UnreadableFileError(ValueError):
    """The file cannot be opened as a table at all."""

    def __init__(self, found: str | None, expected: str, remedy: str) -> None:
        super().__init__(f"found {found}, expected {expected}. {remedy}")
        self.found, self.expected, self.remedy = found, expected, remedy


@dataclass(frozen=True, slots=True, eq=False)
class BrokenRow:
    """A row that does not fit the table's columns and therefore is in none of them."""

    row: int
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Span:
    """A rectangle of merged cells: rows as a person numbers them, columns from 0, both ends included."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The cells of one sheet, as text with their kinds. All columns have the same length.

    Rows without any text are left out.
    """

    #: None where the format has no sheets.
    name: str | None
    columns: Sequence[pa.Array]
    #: Per column: a ``Cell`` for each row, or None where all cells are text.
    kinds: Sequence[npt.NDArray[np.uint8] | None]
    #: The number of each row as a person sees it: 1-based, blank rows counted.
    rows: Rows
    #: Whether a person who opens the file sees the sheet.
    visible: bool = True
    #: Numbers of rows, and indices of columns, that a person does not see.
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    merged: Sequence[Span] = ()
    broken: Sequence[BrokenRow] = ()
    #: The number of the last row, for numbering across several sheets.
    last_row: int = 0
    #: The day that serial numbers of dates count from; None where the file does not say.
    serial_epoch: date | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def texts(self, index: int) -> list[str]:
        """The cells of one row."""
        return [column[index].as_py() for column in self.columns]


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """What came out of one file."""

    grids: Sequence[Grid]
    #: Name and version of what read it, recorded with the delivery.
    reader: str
    #: SHA-256 over the cells, whatever the bytes around them: a workbook saved again has the same.
    digest: bytes
    notes: Sequence[str] = ()
    #: The text was not UTF-8 and its true encoding is not known: letters beyond ASCII cannot be relied on.
    doubtful_text: bool = False
    #: What the document says of itself: ``modified``, ``modified_by``; of a sheet that we wrote ``sheet_id``; of a
    #: text file its ``delimiter``.
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A table with a recognised header. All columns have the same length; wholly blank rows are left out."""

    #: None where the format has no sheets.
    name: str | None
    #: The rows above the header, as text; labelled cells stand there.
    above: Sequence[Sequence[str]]
    headers: Sequence[str]
    #: Recognised field -> index into ``columns``.
    fields: Mapping[str, int]
    columns: Sequence[pa.Array]
    #: Per column: a ``Cell`` for each row, or None where all cells are text.
    kinds: Sequence[npt.NDArray[np.uint8] | None]
    #: The number of each row as a person sees it: 1-based, the header and blank rows counted.
    rows: Rows
    broken: Sequence[BrokenRow] = ()
    #: The number of the last row, for numbering across several sheets.
    last_row: int = 0
    #: The day that serial numbers of dates count from; None where the file does not say.
    serial_epoch: date | None = None
    #: The numbers of the header's rows; nothing where the columns have names of their own.
    header_rows: Sequence[int] = ()
    #: How sure it is that each field is the column it was taken for, from 0 to 1.
    certainty: Mapping[str, float] = field(default_factory=dict)
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    merged: Sequence[Span] = ()
    #: What a block of several within one sheet is called, and the numbers of the rows above its header.
    title: str | None = None
    above_rows: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The tables of one file."""

    sheets: Sequence[Sheet]
    book: Book
    notes: Sequence[str] = ()
    #: For a file without any recognised table: what stood where a header was looked for.
    nearest: NearestHeader | None = None
    #: Sheets and rows that were left out, with the reason.
    left_out: Sequence[LeftOut] = ()
    #: Reasons for a person to look at it -> the confidence that is left.
    doubts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A sheet, or rows of one, that nothing was read from."""

    sheet: str | None
    #: Numbers of rows; nothing for a whole sheet.
    rows: Sequence[int]
    why: str


@dataclass(frozen=True, slots=True)
class NearestHeader:
    """The row that came closest to a header, for the error that explains what is missing."""

    sheet: str | None
    row: int
    headers: Sequence[str]
    missing: Sequence[Sequence[str]]
    ambiguous: Sequence[str] = ()


@dataclass(slots=True)
class Digest:
    """Fingerprint of what a document says: sheet names, text above, headers and cells, in order.

    Blank rows, blank trailing columns and everything that is not a cell (styles, dates of saving,
    compression) are outside it. A date is digested as its serial number, because saving may turn one into the
    other.
    """

    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def words(self, *words: str) -> None:
        """Add a row of words; each is framed by its length, so that no two rows look alike."""
        for word in words:
            data = word.encode("utf-8", "surrogatepass")
            self._hash.update(b"w%d:" % len(data))
            self._hash.update(data)
        self._hash.update(b".")

    def column(self, column: pa.Array) -> None:
        """Add a string array without nulls."""
        lengths = pc.binary_length(column)
        self._hash.update(b"c%d:" % len(column))
        self._hash.update(np.ascontiguousarray(lengths.to_numpy(zero_copy_only=False), dtype="<i4").data)
        if len(column):
            offsets = np.frombuffer(column.buffers()[1], dtype="<i4")[
                column.offset : column.offset + len(column) + 1
            ]
            data = column.buffers()[2]
            if data is not None:
                self._hash.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])

    def result(self) -> bytes:
        """The SHA-256."""
        return self._hash.digest()


def blank_rows(columns: Iterable[pa.Array], length: int) -> Mask:
    """Which rows have no text in any column."""
    blank = np.ones(length, dtype=np.bool_)
    for column in columns:
        blank &= pc.equal(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        if not blank.any():
            break
    return blank


def digest_grid(digest: Digest, name: str | None, columns: Sequence[pa.Array]) -> None:
    """Add the columns of one grid, its blank rows already removed, to the fingerprint."""
    if name is not None:
        digest.words("sheet", name)
    used = [pc.any(pc.greater(pc.binary_length(column), 0)).as_py() for column in columns]
    width = max((index + 1 for index, is_used in enumerate(used) if is_used), default=0)
    for column in columns[:width]:
        digest.column(column)
