"""Looking into a workbook's own XML for what its reader does not tell.

What belongs here: error cells and formulas without a result (both of which the reader returns as blank
cells), the base of serial dates, and cells so far out that reading the sheet would end the process. What does
not: values.

Only .xlsx/.xlsm and .ods can be looked into; .xls and .xlsb are binary.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from xml.etree import (
    ElementTree,  # expat bounds entity expansion itself; every part is bounded in size before
)

from syncstock_dagster.workbooks.sheets import Cell, UnreadableFileError

#: Parts together, unpacked. A real sheet of 500,000 rows is a tenth of it.
_UNPACKED_LIMIT = 2 * 1024**3
#: The reader allocates the whole rectangle up to the last cell, 32 bytes a cell; the last cell a sheet can
#: have (XFD1048576) makes that 550 GB, which ends the process without an exception.
_AREA_LIMIT = 16_000_000

_PREFIX = rb"(?:\w+:)?"
# These two run over hundreds of megabytes: a literal beginning makes them five times faster.
_WIDE_CELL = re.compile(rb' r="([A-Z]{2,3})\d')
_ANY_CELL = re.compile(rb' r="([A-Z]{1,3})\d')
_ROW = re.compile(rb"<" + _PREFIX + rb'row\b[^>]*?\br="(\d+)"')
_ADDRESS = re.compile(rb'\br="([A-Z]{1,3})(\d+)"')
_ERROR_CELL = re.compile(rb"<" + _PREFIX + rb'c\b([^>]*\bt="e"[^>]*)>')
_VALUE = re.compile(rb"<" + _PREFIX + rb"v[^>]*>([^<]*)<")
_HOLLOW_FORMULA = re.compile(
    rb"<(?P<p>"
    + _PREFIX
    + rb")c\b(?P<attributes>[^>]*)>\s*<(?P=p)f\b(?:[^>]*/>|[^>]*>[^<]*</(?P=p)f>)\s*"
    + rb"(?:<(?P=p)v\s*/>|<(?P=p)v>(?P<value>0?)</(?P=p)v>)?\s*</(?P=p)c>"
)

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_ODS_KIND = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}value-type"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a cell is that its reader calls blank, and what a person sees in it."""

    kind: Cell
    shown: str


@dataclass(slots=True)
class Marks:
    """What was seen inside one workbook."""

    #: Sheet name -> (row, column), both from 0 -> mark.
    cells: dict[str, dict[tuple[int, int], Mark]] = field(default_factory=dict)
    #: The day that a date's serial number counts from; None where the format does not say.
    serial_epoch: date | None = None


def look_inside(content: bytes) -> Marks | None:
    """The marks of an .xlsx or .ods workbook; None for a format that cannot be looked into.

    Raises:
        UnreadableFileError: it is damaged, far too large, or has cells far away from its table.
    """
    if not content.startswith(b"PK"):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _UNPACKED_LIMIT:
                raise UnreadableFileError(
                    "a workbook of more than 2 GB unpacked",
                    "an ordinary workbook",
                    "Send the table alone, as CSV.",
                )
            names = set(archive.namelist())
            if "xl/workbook.xml" in names:
                return _look_into_xlsx(archive)
            if "content.xml" in names:
                return Marks(cells=_look_into_ods(archive))
            return None
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        ElementTree.ParseError,
        KeyError,
        NotImplementedError,
    ) as error:
        raise UnreadableFileError(
            "a damaged workbook", "a complete workbook", f"Open it, save it again and send that ({error})."
        ) from error


# --- xlsx


def _look_into_xlsx(archive: zipfile.ZipFile) -> Marks:
    workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
    # By local name: a workbook saved as "Strict Open XML" has other namespaces.
    properties = workbook.find("{*}workbookPr")
    is_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    calculation = workbook.find("{*}calcPr")
    # Set by programs that write formulas but cannot calculate them; Excel removes it when it saves.
    uncalculated = calculation is not None and calculation.get("fullCalcOnLoad") in ("1", "true")
    marks = Marks(serial_epoch=date(1904, 1, 1) if is_1904 else date(1899, 12, 30))
    for name, part in _sheet_parts(archive, workbook):
        xml = archive.read(part)
        _refuse_far_cells(name, xml)
        marks.cells[name] = dict(_marked_cells(name, xml, zero_is_hollow=uncalculated))
    return marks


def _sheet_parts(archive: zipfile.ZipFile, workbook: ElementTree.Element) -> Iterator[tuple[str, str]]:
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    parts = set(archive.namelist())
    for sheet in workbook.findall("{*}sheets/{*}sheet"):
        identifier = next((value for name, value in sheet.items() if name.endswith("}id")), None)
        target = targets.get(identifier, "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in parts:
            yield sheet.get("name", ""), part


def _refuse_far_cells(name: str, xml: bytes) -> None:
    last_row = _last_row(xml)
    if last_row * 26 <= _AREA_LIMIT and not _WIDE_CELL.search(xml):
        return
    widest = max((_column_number(match[1]) for match in _ANY_CELL.finditer(xml)), default=1)
    if last_row * widest > _AREA_LIMIT:
        raise UnreadableFileError(
            f"sheet {name!r} with cells out to row {last_row} and column {widest}",
            "a table without stray cells far away from it",
            "In the spreadsheet press Ctrl+End, delete the stray rows and columns there, and save.",
        )


def _last_row(xml: bytes) -> int:
    """The number of the last row: rows stand in order."""
    start = max(xml.rfind(b"<row"), xml.rfind(b":row"))
    numbers = [int(match[1]) for match in _ROW.finditer(xml, max(0, start - 64))]
    return numbers[-1] if numbers else xml.count(b"<row")


def _marked_cells(name: str, xml: bytes, *, zero_is_hollow: bool) -> Iterator[tuple[tuple[int, int], Mark]]:
    if b't="e"' in xml:
        for match in _ERROR_CELL.finditer(xml):
            value = _VALUE.search(xml, match.end(), match.end() + 4096)
            shown = value[1].decode("utf-8", "replace") if value else "#N/A"
            yield _address(name, match[1]), Mark(Cell.ERROR, shown)
    if any(start in xml for start in (b"<f>", b"<f ", b":f>", b":f ")):
        for match in _HOLLOW_FORMULA.finditer(xml):
            attributes = match["attributes"]
            if match["value"] == b"0" and not zero_is_hollow:
                continue
            if b't="str"' in attributes and match["value"] != b"0":
                continue  # a formula whose result is the empty text
            yield _address(name, attributes), Mark(Cell.FORMULA, "a formula without its result")


def _address(name: str, attributes: bytes) -> tuple[int, int]:
    found = _ADDRESS.search(attributes)
    if found is None:
        raise UnreadableFileError(
            f"error cells without an address in sheet {name!r}",
            "cells that say where they are",
            "Open the workbook in a spreadsheet program, save it again and send that.",
        )
    return int(found[2]) - 1, _column_number(found[1]) - 1


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


# --- ods


def _look_into_ods(archive: zipfile.ZipFile) -> dict[str, dict[tuple[int, int], Mark]]:
    xml = archive.read("content.xml")
    marks: dict[str, dict[tuple[int, int], Mark]] = {}
    if b'value-type="error"' not in xml:
        return marks
    for table in ElementTree.fromstring(xml).iter(f"{_TABLE}table"):  # noqa: S314
        marks[table.get(f"{_TABLE}name", "")] = dict(_marked_ods_cells(table))
    return marks


def _marked_ods_cells(table: ElementTree.Element) -> Iterator[tuple[tuple[int, int], Mark]]:
    row = 0
    for line in table.iter(f"{_TABLE}table-row"):
        column = 0
        for cell in line:
            repeated = _repeats(cell.attrib, "columns")
            if cell.get(_ODS_KIND) == "error":
                shown = "".join(text for part in cell.iter(f"{_TEXT}p") for text in part.itertext())
                for index in range(column, column + min(repeated, 1000)):
                    yield (row, index), Mark(Cell.ERROR, shown or "#N/A")
            column += repeated
        row += _repeats(line.attrib, "rows")


def _repeats(attributes: Mapping[str, str], what: str) -> int:
    return int(attributes.get(f"{_TABLE}number-{what}-repeated", "1"))
