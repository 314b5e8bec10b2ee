"""Opening CSV and its relatives: comma, semicolon, tab or bar between cells; UTF-8, UTF-16 or as stated.

What belongs here: encodings, finding the delimiter and the header, and reading all cells as text. What does
not: deciding that a file is text (``opening``), and understanding the cells (``values``).
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from syncstock_dagster.workbooks.headers import Header, Vocabulary, find_header
from syncstock_dagster.workbooks.sheets import (
    HEADER_WITHIN_ROWS,
    BrokenRow,
    Digest,
    NearestHeader,
    Opened,
    Sheet,
    UnreadableFileError,
    blank_rows,
    digest_table,
)

READER = f"csv 1 (pyarrow {pa.__version__})"

_DELIMITERS = (",", ";", "\t", "|")
#: The header and what stands above it are looked for in this much of the file.
_HEAD_BYTES = 256 * 1024
#: One row must fit into a block; a quote that is never closed makes the rest of the file one row.
_BLOCK_BYTES = 8 * 1024 * 1024


def open_text(
    content: bytes, words: Vocabulary, *, encoding: str | None = None, delimiter: str | None = None
) -> Opened:
    """Open a text file as one sheet; every cell is text, exactly as it was written.

    Raises:
        UnreadableFileError: the text cannot be decoded or cut into rows.
    """
    text, doubtful, notes = _as_utf8(content, encoding)
    head = _read_head(text, words, delimiter)
    digest = Digest()
    header = head.header
    if header is None and b"\x00" in text[:_HEAD_BYTES]:
        raise _binary()
    if header is None or not header.complete:
        nearest = _nearest(head)
        digest.words("text without a table", hashlib.sha256(text).hexdigest())
        return Opened((), READER, digest.result(), notes, doubtful, nearest)
    sheet = _read_body(text, head, header)
    digest_table(digest, sheet.above, sheet.headers, sheet.columns)
    for broken in sheet.broken:
        digest.words("broken", broken.found)
    return Opened((sheet,), READER, digest.result(), notes, doubtful)


# --- encoding


def _as_utf8(content: bytes, encoding: str | None) -> tuple[bytes, bool, tuple[str, ...]]:
    """The content as UTF-8 without a byte order mark, whether its letters are doubtful, and a note on it."""
    if encoding is not None:
        return _recode(content, encoding), False, (f"Read as {encoding}, as stated by the sender.",)
    if content.startswith(codecs.BOM_UTF8):
        content = content[len(codecs.BOM_UTF8) :]
    elif content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _recode(content, "utf-16"), False, ()
    if _is_utf8(content):
        return content, False, ()
    if b"\x00" in content[:_HEAD_BYTES]:
        raise _binary()
    # Windows' Western European code page is only likely. Digits and plain letters are the same in all of
    # them, so the file can be read; the cells whose letters depend on the guess are refused one by one.
    recoded = content.decode("cp1252", errors="replace").encode("utf-8")
    note = (
        "The file is not UTF-8; letters beyond plain Latin ones were read as Windows-1252 and not relied on."
    )
    return recoded, True, (note,)


def _binary() -> UnreadableFileError:
    return UnreadableFileError(
        "binary data", "a text file", "Save the table as CSV UTF-8 or as an .xlsx workbook and send that."
    )


def _recode(content: bytes, encoding: str) -> bytes:
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except LookupError as error:
        raise UnreadableFileError(
            encoding, "the name of an encoding", "Use a name like utf-8, cp1252, cp1250 or utf-16."
        ) from error
    except UnicodeError as error:
        raise UnreadableFileError(
            f"bytes that are not {encoding}",
            f"text in {encoding}",
            "Save the file as CSV UTF-8 and send it again.",
        ) from error


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(
            0, len(content), 1 << 20
        ):  # in pieces: the decoded text of all would cost fourfold
            decoder.decode(content[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


# --- header


@dataclass(frozen=True, slots=True)
class _Head:
    """The beginning of a text file, cut with one delimiter."""

    delimiter: str
    rows: Sequence[Sequence[str]]
    #: Where each row ends, in bytes.
    ends: Sequence[int]
    header: Header | None

    @property
    def score(self) -> tuple[bool, int, int]:
        """A complete header is better than many recognised words, and those than many cells."""
        if self.header is None:
            return False, 0, max((len(row) for row in self.rows), default=0)
        return not self.header.missing, len(self.header.fields), len(self.rows[self.header.index])


def _read_head(text: bytes, words: Vocabulary, delimiter: str | None) -> _Head:
    candidates = (delimiter,) if delimiter else _DELIMITERS
    beginning = text[:_HEAD_BYTES].decode("utf-8", errors="ignore")
    heads = [_cut(beginning, candidate, words) for candidate in candidates]
    return max(heads, key=lambda head: head.score)  # of equals the first: the comma


def _cut(beginning: str, delimiter: str, words: Vocabulary) -> _Head:
    position = 0

    def lines() -> Iterator[str]:
        nonlocal position
        for line in io.StringIO(beginning, newline=""):
            position += len(line.encode("utf-8"))
            yield line

    rows: list[list[str]] = []
    ends: list[int] = []
    try:
        for row in csv.reader(lines(), delimiter=delimiter):
            rows.append(row)
            ends.append(position)
            if len(rows) == HEADER_WITHIN_ROWS:
                break
    except csv.Error:  # a cell of more than 128 kB: whatever stands below is no header
        pass
    return _Head(delimiter, rows, ends, find_header(rows, words))


def _nearest(head: _Head) -> NearestHeader:
    if head.header is None:
        for number, row in enumerate(head.rows, start=1):
            if any(cell.strip() for cell in row):
                return NearestHeader(None, number, row, ())
        return NearestHeader(None, 1, (), ())
    header = head.header
    return NearestHeader(None, header.index + 1, head.rows[header.index], header.missing, header.ambiguous)


# --- body


def _read_body(text: bytes, head: _Head, header: Header) -> Sheet:
    index = header.index
    headers = head.rows[index]
    body = pa.py_buffer(text).slice(head.ends[index])
    table, broken = _parse(body, len(headers), head.delimiter, quoted=b'"' in text)
    numbers = np.arange(1, len(table) + len(broken) + 1, dtype=np.int32)
    last_row = index + 1 + len(numbers)
    if broken:
        numbers = np.delete(numbers, [row.number - 1 for row in broken])
    columns = [
        column.combine_chunks() if column.num_chunks != 1 else column.chunk(0) for column in table.columns
    ]
    blank = blank_rows(columns, len(numbers))
    if blank.any():
        keep = pa.array(~blank)
        columns = [column.filter(keep) for column in columns]
        numbers = numbers[~blank]
    return Sheet(
        name=None,
        above=head.rows[:index],
        headers=[cell.strip() for cell in headers],
        fields=header.fields,
        columns=columns,
        kinds=[None] * len(columns),
        rows=(numbers + np.int32(index + 1)).astype(np.int32),
        broken=[_broken(row, index + 1) for row in broken],
        last_row=last_row,
    )


def _parse(body: pa.Buffer, width: int, delimiter: str, *, quoted: bool) -> tuple[pa.Table, list[Any]]:
    """All cells as text, and the rows whose number of cells is not that of the header."""
    names = [str(column) for column in range(width)]
    broken: list[Any] = []

    def keep(row: Any) -> str:
        broken.append(row)
        return "skip"

    def read(*, use_threads: bool) -> pa.Table:
        broken.clear()
        return pa_csv.read_csv(
            pa.BufferReader(body),
            read_options=pa_csv.ReadOptions(
                column_names=names, use_threads=use_threads, block_size=_BLOCK_BYTES
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=quoted,
                ignore_empty_lines=False,  # they count as rows for whoever looks for row 17
                invalid_row_handler=keep,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )

    if body.size == 0:
        return pa.table({name: pa.array([], pa.string()) for name in names}), []
    try:
        table = read(use_threads=True)
        if broken:  # only a single thread knows their numbers
            table = read(use_threads=False)
    except pa.ArrowInvalid as error:
        raise UnreadableFileError(
            "text that cannot be cut into rows",
            f"rows of {width} cells",
            f"Look for a quotation mark that is never closed ({error}).",
        ) from error
    return table, list(broken)


def _broken(row: Any, above: int) -> BrokenRow:
    return BrokenRow(
        row.number + above,
        row.text,
        f"{row.expected_columns} cells, as in the header, not {row.actual_columns}",
    )
