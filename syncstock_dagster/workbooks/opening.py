"""Finding out what a file is, by its content and not by its name, and opening it.

What belongs here: the signatures of formats, unpacking ``.gz``, and what to say about files that are
something else. What does not: the formats themselves (``text_files``, ``parquet_files``, ``excel_files``).
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from typing import Literal

from syncstock_dagster.workbooks.excel_files import open_workbook
from syncstock_dagster.workbooks.headers import Vocabulary
from syncstock_dagster.workbooks.parquet_files import open_parquet
from syncstock_dagster.workbooks.sheets import Opened, UnreadableFileError
from syncstock_dagster.workbooks.text_files import open_text

_UNPACKED_LIMIT = 2 * 1024**3
_NOTHING = b"\x00 \t\r\n"
_SEND_A_TABLE = "Save the table as CSV UTF-8 or as an .xlsx workbook and send that."


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What the sender says about a file that the file does not say itself. None: nothing is said."""

    #: Python's name of a text file's encoding.
    encoding: str | None = None
    delimiter: str | None = None
    decimal_mark: Literal[".", ","] = "."
    #: Count sheets: when the count was made. A naive datetime is local to the location; a date is a day.
    counted_at: datetime | date | None = None
    #: Count sheets: the code of the location that was counted.
    location: str | None = None


def open_table_file(content: bytes, words: Vocabulary, settings: FileSettings) -> Opened:
    """Open a file of any known format.

    Raises:
        UnreadableFileError: it is no table file, or cannot be opened; the exception says what it is.
    """
    if content.startswith(b"\x1f\x8b"):
        content = _unpacked(content)
    if not content[:4096].strip(_NOTHING) and not content.strip(_NOTHING):
        raise UnreadableFileError("an empty file", "a table with a header", "Send the file again.")
    if content.startswith(b"PAR1"):
        return open_parquet(content, words)
    if content.startswith(b"PK"):
        _refuse_other_zip(content)
        return open_workbook(content, words)
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return open_workbook(content, words)
    if content[:2] in (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08"):
        raise UnreadableFileError(
            "a workbook of Excel 5 or older",
            "an ordinary workbook",
            "Open it in a spreadsheet and save it as .xlsx.",
        )
    _refuse_other_format(content)
    return open_text(content, words, encoding=settings.encoding, delimiter=settings.delimiter)


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
                    "more than 2 GB unpacked", "a smaller file", "Send it in several files."
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


def _refuse_other_zip(content: bytes) -> None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = archive.namelist()
            is_ods = "content.xml" in names and archive.read("mimetype").startswith(
                b"application/vnd.oasis.opendocument.spreadsheet"
            )
    except (zipfile.BadZipFile, EOFError, OSError, KeyError) as error:
        raise UnreadableFileError(
            "a damaged workbook or archive", "a complete workbook", f"Send it again ({error})."
        ) from error
    if is_ods or any(name.startswith("xl/workbook.") for name in names):
        return
    for part, what in (("word/", "a Word document"), ("ppt/", "a presentation")):
        if any(name.startswith(part) for name in names):
            raise UnreadableFileError(what, "a table", _SEND_A_TABLE)
    raise UnreadableFileError("a zip archive", "a table", "Unpack it and send the files in it one by one.")


def _refuse_other_format(content: bytes) -> None:
    start = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, what in (
        (b"%pdf", "a PDF document"),
        (b"\x89png", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"gif8", "a picture"),
        (b"<html", "a web page"),
        (b"<!doctype html", "a web page"),
        (b"<table", "a web page"),
        (b"<?xml", "an XML document"),
        (b"{", "a JSON document"),
        (b"[{", "a JSON document"),
    ):
        if start.startswith(signature):
            raise UnreadableFileError(what, "a table file", _SEND_A_TABLE)
