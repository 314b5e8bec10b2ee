"""Finding out what a file is, by its content and not by its name, and opening it.

What belongs here: the signatures of formats, unpacking ``.gz``, and what to say about files that are
something else. What does not: the formats themselves (``text_files``, ``parquet_files``, ``excel_files``), and
finding tables in what was opened (``tables``).

This runs in a process of its own (``reader_process``); nothing here is trusted to survive a file.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from syncstock_dagster.workbooks.sheets import Book, UnreadableFileError

if TYPE_CHECKING:
    from syncstock_dagster.workbooks.mappings import Mapping

_UNPACKED_LIMIT = 1024**3
_NOTHING = b"\x00 \t\r\n"
_SEND_A_TABLE = "Save the table as CSV UTF-8 or as an .xlsx workbook and send that."
_SAVE_AS_XLSX = "Open it in a spreadsheet and save it as .xlsx."


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What the sender says about a file that the file does not say itself. None: nothing is said."""

    #: Python's name of a text file's encoding.
    encoding: str | None = None
    delimiter: str | None = None
    decimal_mark: Literal[".", ","] | None = None
    #: Count sheets: when the count was made. A naive datetime is local to the location; a date is a day.
    counted_at: datetime | date | None = None
    #: Count sheets: when counting began; the interval up to ``counted_at``.
    counted_from: datetime | None = None
    #: Count sheets: the code of the location that was counted.
    location: str | None = None
    #: Count sheets: which column is what, as a person confirmed it.
    mapping: Mapping | None = None
    #: Count sheets: a person has seen the preview and says that it is right.
    confirmed: bool = False
    #: Count sheets: a person says that this version of a sheet holds, whatever its stamp says.
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """What helps to cut a text file: the words that its header may use."""

    family: Literal["movements", "counts", "products"] = "counts"
    #: Headers that a confirmed mapping names.
    headers: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    #: A file of further words (``headers.extended_by``).
    words_file: str | None = None


def open_file(content: bytes, wording: Wording) -> Book:
    """Open a file of any known format.

    Raises:
        UnreadableFileError: it is no table file, or cannot be opened; the exception says what it is.
    """
    if content.startswith(b"\x1f\x8b"):
        content = _unpacked(content)
    if not content[:4096].strip(_NOTHING) and not content.strip(_NOTHING):
        raise UnreadableFileError("an empty file", "a table with a header", "Send the file again.")
    if content.startswith(b"PAR1"):
        from syncstock_dagster.workbooks.parquet_files import open_parquet

        return open_parquet(content)
    if content.startswith(b"PK"):
        from syncstock_dagster.workbooks.archives import open_archive
        from syncstock_dagster.workbooks.excel_files import open_workbook

        return open_workbook(content, open_archive(content))
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _open_container(content)
    if content[:2] in (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08"):
        raise UnreadableFileError("a workbook of Excel 4 or older", "an ordinary workbook", _SAVE_AS_XLSX)
    page = _markup(content)
    if page is not None:
        return page
    _refuse_other_format(content)
    from syncstock_dagster.workbooks.text_files import open_text

    return open_text(content, wording)


def _open_container(content: bytes) -> Book:
    """A file of the time before zip archives: .xls, and what else is kept in the same container."""
    from syncstock_dagster.workbooks.archives import HAS_MACROS
    from syncstock_dagster.workbooks.binary_marks import is_encrypted
    from syncstock_dagster.workbooks.containers import BROKEN, opened
    from syncstock_dagster.workbooks.excel_files import open_workbook

    try:
        names = frozenset(opened(content).entries)
    except BROKEN:  # what it was meant to be can still be said
        names = frozenset(name for name in _TELLING_STREAMS if name.encode("utf-16-le") in content)
    if "EncryptedPackage" in names or is_encrypted(content):
        raise UnreadableFileError(
            "a workbook protected by a password",
            "a workbook without a password",
            "Save it without a password.",
        )
    if foreign := next((what for name, what in _TELLING_STREAMS.items() if what and name in names), None):
        raise UnreadableFileError(foreign, "a table", _SEND_A_TABLE)
    book = open_workbook(content, None)
    if "_VBA_PROJECT_CUR" in names and HAS_MACROS not in book.notes:
        book = Book(book.grids, book.reader, book.digest, [*book.notes, HAS_MACROS])
    return book


#: What a container holds by the name of a stream at its root; nothing: a workbook, with more to say of it.
_TELLING_STREAMS = {
    "EncryptedPackage": None,
    "_VBA_PROJECT_CUR": None,
    "WordDocument": "a Word document",
    "PowerPoint Document": "a presentation",
    "__properties_version1.0": "an Outlook message",
}


def _unpacked(content: bytes) -> bytes:
    """The content of a .gz, which may have several members."""
    parts: list[bytes] = []
    size = 0
    try:
        while content:
            unpacker = zlib.decompressobj(wbits=31)
            part = unpacker.decompress(content, _UNPACKED_LIMIT - size + 1)
            size += len(part)
            if size > _UNPACKED_LIMIT:
                raise UnreadableFileError(
                    "more than 1 GB unpacked", "a smaller file", "Send it in several files."
                )
            if not unpacker.eof:
                raise UnreadableFileError(
                    "a .gz file that ends too early", "a complete file", "Send it again."
                )
            parts.append(part)
            content = unpacker.unused_data.lstrip(b"\x00")
    except zlib.error as error:
        raise UnreadableFileError(
            "a damaged .gz file", "a complete file", f"Send it again ({error})."
        ) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _start_of(content: bytes) -> bytes:
    """The beginning in lower case, also of UTF-16."""
    start = content[:8192]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        start = start.decode("utf-16", "ignore").encode()
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()


def _markup(content: bytes) -> Book | None:
    """Web pages and XML workbooks, which till programs save as .xls."""
    from syncstock_dagster.workbooks.markup_files import open_page, open_xml_workbook

    start = _start_of(content)
    if start.startswith(b"<?xml") and b"urn:schemas-microsoft-com:office:spreadsheet" in start:
        return open_xml_workbook(content)
    if start.startswith(
        (b"<html", b"<!doctype html", b"<table", b"<head", b"<body", b"<style", b"<meta")
    ) or (start.startswith((b"<?xml", b"<!--")) and b"<html" in start):
        return open_page(content)
    return None


def _refuse_other_format(content: bytes) -> None:
    start = _start_of(content)
    for signature, what in (
        (b"%pdf", "a PDF document"),
        (b"{\\rtf", "a text document (RTF)"),
        (b"mime-version:", "a web archive"),
        (b"\x89png", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"gif8", "a picture"),
        (b"<?xml", "an XML document"),
        (b"{", "a JSON document"),
        (b"[{", "a JSON document"),
        (b"rar!", "a RAR archive"),
        (b"7z\xbc\xaf", "a 7z archive"),
        (b"sqlite format 3", "a database"),
    ):
        if start.startswith(signature):
            raise UnreadableFileError(what, "a table file", _SEND_A_TABLE)
