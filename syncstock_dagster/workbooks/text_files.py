"""Opening CSV and its relatives: comma, semicolon, tab or bar between cells, in the encoding that makes sense.

What belongs here: encodings, finding the delimiter and the width of the table, and reading all cells as text into a
grid. What does not: deciding that a file is text (``opening``), finding tables, and understanding cells.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from syncstock_dagster.workbooks.headers import Vocabulary, normalised, vocabulary
from syncstock_dagster.workbooks.opening import Wording
from syncstock_dagster.workbooks.sheets import (
    Book,
    BrokenRow,
    Digest,
    Grid,
    Mask,
    UnreadableFileError,
    blank_rows,
    digest_grid,
)

READER = f"csv 3 (pyarrow {pa.__version__})"

_DELIMITERS = (",", ";", "\t", "|")
#: Tried in this order where the text is not UTF-8; a file of a count sheet or a till is in one of these.
_ENCODINGS = (
    "cp1252", "cp1250", "cp1251", "cp1254", "cp1256", "gb18030", "cp932", "cp949", "big5", "cp1253", "cp1255",
    "koi8-r", "cp866", "euc-jp", "cp850", "mac-roman",
)  # fmt: skip
#: The header and what stands above it are looked for in this much of the file, and in so many rows.
_HEAD_BYTES = 256 * 1024
_HEAD_ROWS = 200
#: One row must fit into a block; a quote that is never closed makes the rest of the file one row.
_BLOCK_BYTES = 8 * 1024 * 1024


def open_text(content: bytes, wording: Wording) -> Book:
    """Open a text file as one grid; every cell is text, exactly as it was written.

    Raises:
        UnreadableFileError: the text cannot be decoded or cut into rows.
    """
    words = vocabulary(wording.family, wording.words_file)
    own = frozenset(map(normalised, wording.headers))
    text, doubtful, notes = _as_utf8(content, wording, words)
    text, delimiter = _stated_delimiter(text, wording.delimiter)
    head = _read_head(text, words, own, delimiter)
    if not head.known and b"\x00" in text[:_HEAD_BYTES]:
        raise _binary()
    grid = _read_grid(text, head)
    digest = Digest()
    digest_grid(digest, None, grid.columns)
    for broken in grid.broken:
        digest.words("broken", broken.found)
    return Book([grid], READER, digest.result(), notes, doubtful, properties={"delimiter": head.delimiter})


def _stated_delimiter(text: bytes, delimiter: str | None) -> tuple[bytes, str | None]:
    """The line ``sep=;`` that spreadsheet programs understand is not part of the table."""
    first, end, rest = text[:64].partition(b"\n")
    said = first.strip().lower()
    if end and said.startswith(b"sep=") and len(said) == 5:
        return b"\n" + rest + text[64:], delimiter or chr(said[4])
    if end and first.strip(b"\r") == b"sep=\t":
        return b"\n" + rest + text[64:], delimiter or "\t"
    return text, delimiter


# --- encoding


def _as_utf8(content: bytes, wording: Wording, words: Vocabulary) -> tuple[bytes, bool, tuple[str, ...]]:
    """The content as UTF-8 without a byte order mark, whether its letters are doubtful, and a note on it."""
    encoding = wording.encoding
    if encoding is not None:
        return _recode(content, encoding), False, (f"Read as {encoding}, as stated by the sender.",)
    if content.startswith(codecs.BOM_UTF8):
        content = content[len(codecs.BOM_UTF8) :]
    elif content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _recode(content, "utf-16"), False, ()
    if (wide := _wide_encoding(content)) is not None:
        return _recode(content, wide), False, (f"Read as {wide}, by the look of it.",)
    if _is_utf8(content):
        return content, False, ()
    if b"\x00" in content[:_HEAD_BYTES]:
        raise _binary()
    if (found := _sensible_encoding(content, words)) is not None:
        return _recode(content, found), False, (f"Read as {found}: only so its header makes sense.",)
    # Windows' Western European code page is only likely. Digits and plain letters are the same in all of
    # them, so the file can be read; the cells whose letters depend on the guess are refused one by one.
    recoded = content.decode("cp1252", errors="replace").encode("utf-8")
    note = (
        "The file is not UTF-8; letters beyond plain Latin ones were read as Windows-1252 and not relied on."
    )
    return recoded, True, (note,)


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of plain text is zero."""
    head = content[:4096]
    if b"\x00" not in head or len(head) < 8 or len(content) % 2:
        return None
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if zeros.count(0) > 0.6 * len(zeros) and head.count(0) < 0.55 * len(head):
            return encoding
    return None


def _sensible_encoding(content: bytes, words: Vocabulary) -> str | None:
    """The one encoding in which the header has the most known words with letters of their own; None: no one."""
    head = content[: 64 * 1024]
    best: dict[str, int] = {}
    for encoding in _ENCODINGS:
        try:
            content.decode(encoding)
            text = head.decode(encoding, errors="ignore")
        except (UnicodeDecodeError, LookupError):
            continue
        telling = {
            cell
            for line in text.splitlines()[:_HEAD_ROWS]
            if not line.isascii()
            for cell in re.split(r"[,;\t|]", line.replace('"', ""))
            if cell and len(cell) < 60 and not cell.isascii() and words.exact(cell)
        }
        if telling:
            best[encoding] = len(telling)
    leaders = [encoding for encoding, known in best.items() if known == max(best.values())]
    # Where several agree on the header they may still differ further down.
    return leaders[0] if leaders and len({content.decode(name) for name in leaders}) == 1 else None


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
    #: The row by whose width the table is cut, and how many known headers it has.
    index: int
    known: int

    @property
    def is_drawn(self) -> bool:
        """Whether blanks stand between the bars and the cells, for the eye."""
        header = self.rows[self.index]
        return self.delimiter == "|" and any(cell != cell.strip() for cell in header)

    @property
    def score(self) -> tuple[int, float, int]:
        """Known headers are better than many rows of one width, and those than many cells."""
        widths = [len(row) for row in self.rows if any(cell.strip() for cell in row)]
        width = len(self.rows[self.index]) if self.rows else 0
        alike = sum(found == width for found in widths) / max(len(widths), 1) if width > 1 else 0.0
        return self.known, alike, width


def _read_head(text: bytes, words: Vocabulary, own: frozenset[str], delimiter: str | None) -> _Head:
    candidates = (delimiter,) if delimiter else _DELIMITERS
    beginning = text[:_HEAD_BYTES].decode("utf-8", errors="ignore")
    heads = [_cut(beginning, candidate, words, own) for candidate in candidates]
    return max(heads, key=lambda head: head.score)  # of equals the first: the comma


def _cut(beginning: str, delimiter: str, words: Vocabulary, own: frozenset[str]) -> _Head:
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
            if len(rows) == _HEAD_ROWS:
                break
    except csv.Error:  # a cell of more than 128 kB: whatever stands below is no header
        pass
    index, known = _header_of(rows, words, own)
    return _Head(delimiter, rows, ends, index, known)


def _header_of(rows: Sequence[Sequence[str]], words: Vocabulary, own: frozenset[str]) -> tuple[int, int]:
    """The row with the most known headers, and how many; where there is none, the first of the usual width."""
    counts = [_known_headers(row, words, own) for row in rows]
    best = max(counts, default=(False, 0))
    if best[0] or best[1] >= 2:
        return counts.index(best), best[1] + 10 * best[0]
    widths = Counter(len(row) for row in rows if len(row) > 1)
    usual = max(widths, key=lambda width: (widths[width], width), default=0)
    return next((index for index, row in enumerate(rows) if len(row) == usual), 0), best[1]


def _known_headers(row: Sequence[str], words: Vocabulary, own: frozenset[str]) -> tuple[bool, int]:
    """Whether a row names all that a table needs, and how many known headers it has."""
    claims = [claim for cell in row if (claim := words.claim(cell.strip())) and claim.field != "other"]
    fields = {claim.field for claim in claims}
    needed = all(any(name in fields for name in group) for group in words.required)
    known = len(fields) + sum(normalised(cell) in own for cell in row if 0 < len(cell) <= 80)
    return needed and all(claim.certainty > 0.8 for claim in claims), known


# --- body


@dataclass(slots=True)
class _Rows:
    """Rows as columns of text."""

    columns: list[pa.Array]
    #: Their numbers in the file, from 1.
    numbers: npt.NDArray[np.int32]

    def keep(self, wanted: Mask) -> None:
        """Forget the others."""
        if not wanted.all():
            self.columns = [column.filter(pa.array(wanted)) for column in self.columns]
            self.numbers = self.numbers[wanted]


def _read_grid(text: bytes, head: _Head) -> Grid:
    """All rows: those down to the header as they are, those below cut to its width."""
    if not head.rows:
        return _nothing()
    width = _width(head)
    table, unfit = _parse(
        pa.py_buffer(text).slice(head.ends[head.index]), width, head.delimiter, quoted=b'"' in text
    )
    numbers = np.arange(1, len(table) + len(unfit) + 1, dtype=np.int32) + head.index + 1
    last_row = head.index + 1 + len(numbers)
    rows = _Rows([column.combine_chunks() for column in table.columns], numbers)
    broken = _put_back(rows, unfit, head, width) if unfit else []
    broken += _take_out_wider(rows, head)
    if b'"' in text:
        broken += _take_out_swallowing(rows, head.delimiter)
    _put_above(rows, head)
    if b'="' in text:
        rows.columns = [pc.replace_substring_regex(column, _KEPT_AS_TEXT, r"\1") for column in rows.columns]
    if head.is_drawn:
        trimmed = [pc.utf8_trim_whitespace(column) for column in rows.columns]
        rows.columns = _without_rules(trimmed, len(rows.numbers))
    rows.keep(~blank_rows(rows.columns, len(rows.numbers)))
    return Grid(
        name=None,
        columns=rows.columns,
        kinds=[None] * len(rows.columns),
        rows=rows.numbers,
        broken=broken,
        last_row=last_row,
    )


def _put_back(rows: _Rows, unfit: Sequence[Any], head: _Head, width: int) -> list[BrokenRow]:
    """Rows with another number of cells that lose nothing by it come back to their places; the rest is told."""
    mended, broken = _mended(unfit, head, width)
    numbers = np.concatenate(
        [np.delete(rows.numbers, [row.number - 1 for row in unfit]), np.array([*mended], np.int32)]
    )
    order = np.argsort(numbers)
    added = [pa.array([cells[place] for cells in mended.values()], pa.string()) for place in range(width)]
    rows.columns = [
        pa.concat_arrays([column, more]).take(pa.array(order))
        for column, more in zip(rows.columns, added, strict=True)
    ]
    rows.numbers = numbers[order]
    return broken


def _take_out_wider(rows: _Rows, head: _Head) -> list[BrokenRow]:
    """Rows with something beyond the last header: 1,234 without quotation marks is no 1."""
    needed, width = len(head.rows[head.index]), len(rows.columns)
    if not width > needed > 0:
        return []
    beyond = ~blank_rows(rows.columns[needed:], len(rows.numbers))
    expected = f"{needed} cells, as in the header, not {width}"
    broken = [
        BrokenRow(
            int(rows.numbers[row]),
            head.delimiter.join(column[int(row)].as_py() for column in rows.columns),
            expected,
        )
        for row in np.flatnonzero(beyond)
    ]
    rows.keep(~beyond)
    return broken


def _take_out_swallowing(rows: _Rows, delimiter: str) -> list[BrokenRow]:
    """Rows with a cell that holds whole lines of the table: its quotation mark closed much further down."""
    width = len(rows.columns)
    if width < 2:
        return []
    inside, columns_of_a_line = re.escape(delimiter), min(width - 1, 20)
    pattern = rf"\n(?:[^\n]*{inside}){{{columns_of_a_line}}}|(?:{inside}[^\n]*){{{columns_of_a_line}}}\n"
    found = np.zeros(len(rows.numbers), dtype=np.bool_)
    for column in rows.columns:
        if pc.any(pc.match_substring(column, "\n")).as_py():  # many times faster to say, and hardly ever so
            found |= pc.match_substring_regex(column, pattern).to_numpy(zero_copy_only=False)
    broken = [
        BrokenRow(
            int(rows.numbers[row]),
            " ".join(column[int(row)].as_py() for column in rows.columns)[:200],
            _ONE_LINE,
        )
        for row in np.flatnonzero(found)
    ]
    rows.keep(~found)
    return broken


def _put_above(rows: _Rows, head: _Head) -> None:
    """The header and what stands above it."""
    above = head.rows[: head.index + 1]
    widest = max(len(rows.columns), *(len(row) for row in above))
    nothing = pa.repeat(pa.scalar(""), len(rows.numbers))
    below = [*rows.columns, *[nothing] * (widest - len(rows.columns))]
    rows.columns = [
        pa.concat_arrays(
            [pa.array([row[place] if place < len(row) else "" for row in above], pa.string()), column]
        )
        for place, column in enumerate(below)
    ]
    rows.numbers = np.concatenate([np.arange(1, head.index + 2), rows.numbers]).astype(np.int32)


#: So that a spreadsheet does not make a number of it: ="00123".
_KEPT_AS_TEXT = r'^="([^"]*)"$'
#: A line that is drawn between rows.
_RULE = re.compile(r"[-+=:_|*\s]+")


def _width(head: _Head) -> int:
    """How many cells a row has: as many as the header, or a few blank ones more; one below a blank line."""
    width = max(len(head.rows[head.index]), 1)
    longer = Counter(
        len(row)
        for row in head.rows[head.index + 1 :]
        if len(row) > width and not any(map(str.strip, row[width:]))
    )
    return longer.most_common(1)[0][0] if longer else width


def _mended(unfit: Sequence[Any], head: _Head, width: int) -> tuple[dict[int, list[str]], list[BrokenRow]]:
    """By number the rows that lose nothing by having as many cells as the others, and the rest."""
    needed = len(head.rows[head.index])
    mended: dict[int, list[str]] = {}
    broken: list[BrokenRow] = []
    for row in unfit:
        number = row.number + head.index + 1
        cells = next(csv.reader(io.StringIO(row.text, newline=""), delimiter=head.delimiter), [])
        # (A quotation mark that is never closed makes one cell of many lines.)
        is_remark = len(cells) == 1 and '"' not in row.text and re.search(r"\S\s+\S|:\s*$", row.text)
        if len(cells) == 1 and _RULE.fullmatch(cells[0]):
            mended[number] = [""] * width
        elif is_remark or (len(cells) >= needed and not any(map(str.strip, cells[needed:]))):
            mended[number] = [*cells[:width], *[""] * (width - len(cells))]
        else:
            expected = f"{needed} cells, as in the header, not {row.actual_columns}"
            broken.append(BrokenRow(number, row.text, expected))
    return mended, broken


def _without_rules(columns: Sequence[pa.Array], length: int) -> list[pa.Array]:
    """The columns of a drawn table, the lines between its rows made blank."""
    is_rule = np.ones(length, dtype=np.bool_)
    for column in columns:
        is_rule &= pc.match_substring_regex(column, r"^[-+=:_]*$").to_numpy(zero_copy_only=False)
    rule = pa.array(is_rule)
    return [pc.if_else(rule, "", column) for column in columns]


_ONE_LINE = (
    "cells that end within their line (a quotation mark is not closed, and took the lines below along)"
)


def _nothing() -> Grid:
    return Grid(None, [], [], np.array([], np.int32))


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
