"""Looking at a workbook's archive before anything opens it: sizes, names, tricks, and what it carries along.

What belongs here: the zip container of .xlsx, .xlsm, .xlsb and .ods, which of them it is, its parts one by one, and
what a document says of itself. What does not: cells (``cell_marks``, ``binary_marks``).

The archive is never unpacked to disk, nothing in it is run, and nothing that it names is fetched.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree  # parts with a document type are refused before, so no entity is expanded

from syncstock_dagster.workbooks.sheets import UnreadableFileError

#: An ordinary workbook has some dozens of parts.
_MOST_PARTS = 5_000
#: Unpacked. A sheet of half a million rows and ten columns is a third of it.
_MOST_BYTES = 400 * 1024**2
#: XML of cells packs 5 to 40 times; what packs better was made to be large.
_MOST_RATIO = 250
#: Below it a ratio does not matter.
_SMALL = 8 * 1024**2

_SEND_A_TABLE = "Save the table as CSV UTF-8 or as an .xlsx workbook and send that."
HAS_MACROS = "The workbook has macros; they were not run."
_SAVE_AGAIN = "Open it in a spreadsheet program, save it again and send that."
_DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Archive:
    """A workbook's archive that may be opened."""

    kind: Literal["xlsx", "xlsb", "ods"]
    parts: Mapping[str, zipfile.ZipInfo]
    file: zipfile.ZipFile
    #: What a person should know of it: macros, links.
    notes: list[str] = field(default_factory=list)

    def read(self, part: str) -> bytes:
        """One part, unpacked.

        Raises:
            UnreadableFileError: it is not there or damaged, or it is XML with a trick.
        """
        try:
            content = self.file.read(self.parts[part])
        except (zipfile.BadZipFile, EOFError, OSError, KeyError, NotImplementedError, ValueError) as error:
            raise _damaged(str(error)) from error
        except Exception as error:  # the decompressor's own kinds of errors
            raise _damaged(f"{type(error).__name__}: {error}") from error
        if part.endswith((".xml", ".rels")):
            # What is large is not parsed here, and its reader knows no entities: the beginning tells enough.
            _refuse_tricks(part, content if len(content) < _SMALL else content[:65_536])
        return content

    def xml(self, part: str) -> ElementTree.Element:
        """One part as a tree; for small parts."""
        try:
            return ElementTree.fromstring(self.read(part))  # noqa: S314
        except ElementTree.ParseError as error:
            raise _damaged(f"{part}: {error}") from error


def open_archive(content: bytes) -> Archive:
    """Look at an archive and say what it is.

    Raises:
        UnreadableFileError: it is no workbook, or not one that may be opened.
    """
    try:
        file = zipfile.ZipFile(io.BytesIO(content))
        entries = file.infolist()
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFileError(
            "a damaged workbook or archive", "a complete workbook", f"Send it again ({error})."
        ) from error
    _refuse_bombs(entries)
    _refuse_names(entries)
    parts = {entry.filename.replace("\\", "/"): entry for entry in entries if not entry.is_dir()}
    kind = _kind(file, parts)
    archive = Archive(kind, parts, file)
    archive.notes.extend(_carried_along(archive))
    return archive


def properties_of(archive: Archive) -> dict[str, str]:
    """When the document was last saved and by whom, as it says itself."""
    part = "docProps/core.xml" if archive.kind != "ods" else "meta.xml"
    if part not in archive.parts:
        return {}
    names = {"modified": "modified", "date": "modified", "lastModifiedBy": "modified_by"}
    if archive.kind == "ods":
        names["creator"] = "modified_by"
    said: dict[str, str] = {}
    for element in archive.xml(part).iter():
        name = element.tag.rpartition("}")[2]
        if name in names and element.text and element.text.strip():
            said.setdefault(names[name], element.text.strip()[:200])
    return said


def _damaged(why: str) -> UnreadableFileError:
    return UnreadableFileError("a damaged workbook", "a complete workbook", f"{_SAVE_AGAIN} ({why})")


def _refuse_bombs(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST_PARTS:
        raise UnreadableFileError(
            f"an archive of {len(entries)} parts", f"a workbook of at most {_MOST_PARTS}", _SEND_A_TABLE
        )
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > _MOST_BYTES:
        raise UnreadableFileError(
            f"a workbook of {unpacked // 1024**2} MB unpacked",
            f"at most {_MOST_BYTES // 1024**2} MB",
            "Send the table alone, as CSV.",
        )
    for entry in entries:
        if entry.file_size > _SMALL and entry.file_size > _MOST_RATIO * max(entry.compress_size, 1):
            raise UnreadableFileError(
                f"a part ({entry.filename[:80]}) that unpacks to "
                f"{entry.file_size // max(entry.compress_size, 1)} times its size",
                "a workbook that was not made to fill the memory",
                "Copy the table into a new workbook and send that.",
            )
    _refuse_overlaps(entries)


def _refuse_overlaps(entries: list[zipfile.ZipInfo]) -> None:
    """Entries that share their bytes unpack to far more than all sizes tell."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise _damaged("its parts overlap")
        end = entry.header_offset + 30 + entry.compress_size


def _refuse_names(entries: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/") or "\x00" in name:
            raise UnreadableFileError(
                f"a part named {name[:80]!r}, which leads out of the archive",
                "an ordinary workbook",
                _SAVE_AGAIN,
            )
        if name.lower() in seen:
            raise _damaged(f"it holds {name[:80]!r} twice")
        seen.add(name.lower())
        if entry.flag_bits & 0x1:
            raise UnreadableFileError(
                "an archive protected by a password",
                "a workbook without a password",
                "Save it without a password.",
            )


def _kind(file: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo]) -> Literal["xlsx", "xlsb", "ods"]:
    if "xl/workbook.xml" in parts:
        return "xlsx"
    if "xl/workbook.bin" in parts:
        return "xlsb"
    if "content.xml" in parts and "mimetype" in parts and parts["mimetype"].file_size < 200:
        mimetype = file.read(parts["mimetype"])
        if mimetype.startswith(b"application/vnd.oasis.opendocument.spreadsheet"):
            _refuse_encrypted_ods(file, parts)
            return "ods"
        if mimetype.startswith(b"application/vnd.oasis.opendocument"):
            raise UnreadableFileError("an OpenDocument file that is no spreadsheet", "a table", _SEND_A_TABLE)
    for prefix, what in (
        ("word/", "a Word document"),
        ("ppt/", "a presentation"),
        ("Index/", "a Numbers or Pages document"),
    ):
        if any(name.startswith(prefix) for name in parts):
            raise UnreadableFileError(what, "a table", _SEND_A_TABLE)
    if any(name.startswith("xl/") for name in parts):
        raise _damaged("it has no list of sheets")
    raise UnreadableFileError("a zip archive", "a table", "Unpack it and send the files in it one by one.")


def _refuse_encrypted_ods(file: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo]) -> None:
    manifest = parts.get("META-INF/manifest.xml")
    if manifest is not None and b"encryption-data" in file.read(manifest):
        raise UnreadableFileError(
            "a workbook protected by a password",
            "a workbook without a password",
            "Save it without a password.",
        )


def _refuse_tricks(part: str, content: bytes) -> None:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in content[:4]:
        raise UnreadableFileError(
            f"XML in UTF-16 ({part})", "a workbook as spreadsheet programs write it", _SAVE_AGAIN
        )
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnreadableFileError(
            f"a document type with entities in {part}",
            "a workbook as spreadsheet programs write it",
            _SAVE_AGAIN,
        )


def _carried_along(archive: Archive) -> list[str]:
    """What is in the workbook beside cells. None of it is run or fetched."""
    notes = []
    names = archive.parts
    if any(name.lower().endswith("vbaproject.bin") for name in names) or any(
        name.startswith(("xl/macrosheets/", "Basic/", "Scripts/")) for name in names
    ):
        notes.append(HAS_MACROS)
    links = [name for name in names if re.fullmatch(r"xl/externalLinks/[^/]+\.xml", name)]
    if links:
        is_dde = any(b"ddeLink" in archive.read(name) or b"oleLink" in archive.read(name) for name in links)
        what = "links to other programs (DDE)" if is_dde else "links to other files"
        notes.append(
            f"The workbook has {what}; nothing was fetched, the values are those it was last saved with."
        )
    if any(name.startswith("xl/connections") for name in names):
        notes.append("The workbook has queries of its own; none was run, the values are those last saved.")
    return notes
