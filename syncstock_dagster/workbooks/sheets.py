"""The one form every table file is opened into: a sheet of text cells under a recognised header.

What belongs here: that form, the kinds of cells that are more than text, the fingerprint of a document's
content, and the exception of a file that cannot be opened. What does not: any file format, any meaning of a
column.
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

#: The header of an ordinary table stands within this many rows.
HEADER_WITHIN_ROWS = 30


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

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """What came out of one file."""

    sheets: Sequence[Sheet]
    #: Name and version of what read it, recorded with the delivery.
    reader: str
    #: SHA-256 over the cells, whatever the bytes around them: a workbook saved again has the same.
    digest: bytes
    notes: Sequence[str] = ()
    #: The text was not UTF-8 and its true encoding is not known: letters beyond ASCII cannot be relied on.
    doubtful_text: bool = False
    #: For a file without any recognised table: what stood where a header was looked for.
    nearest: NearestHeader | None = None


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


def digest_table(
    digest: Digest, above: Iterable[Sequence[str]], headers: Sequence[str], columns: Sequence[pa.Array]
) -> None:
    """Add one table, its blank rows already removed, to the fingerprint."""
    for row in above:
        words = strip_right(row)
        if words:
            digest.words(*words)
    width = len(strip_right(headers))
    for index in range(width, len(columns)):
        if pc.any(pc.greater(pc.binary_length(columns[index]), 0)).as_py():
            width = index + 1
    digest.words(*headers[:width])
    for column in columns[:width]:
        digest.column(column)


def strip_right(row: Sequence[str]) -> Sequence[str]:
    """The row without its blank trailing cells."""
    end = len(row)
    while end and not row[end - 1]:
        end -= 1
    return row[:end]
