"""Looking into a workbook's own XML for what its reader does not tell.

What belongs here: error cells and formulas without a result (both of which the reader returns as blank cells),
numbers that a format shows with leading zeros, hidden rows and columns, the base of serial dates, and cells so far
out that reading the sheet would end the process. What does not: values, and binary formats (``binary_marks``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from xml.etree import ElementTree
from xml.parsers import expat

from syncstock_dagster.workbooks.archives import Archive
from syncstock_dagster.workbooks.sheets import Cell, Span, UnreadableFileError

#: The reader allocates the whole rectangle up to the last cell, 32 bytes a cell; the last cell a sheet can
#: have (XFD1048576) makes that 550 GB, which ends the process without an exception.
_AREA_LIMIT = 12_000_000

_PREFIX = rb"(?:\w+:)?"
# These run over hundreds of megabytes: a literal beginning makes them five times faster.
_FAR_CELL = re.compile(rb' r="[A-Z](?:[A-Z]{1,2}[0-9]|[0-9]{6})')
_ANY_CELL = re.compile(rb' r="([A-Z]{1,3})([0-9]{1,7})"')
_ERROR_CELL = re.compile(rb"<" + _PREFIX + rb'c\b([^>]*\bt="e"[^>]*)>')
_ERROR_VALUE = re.compile(rb"<" + _PREFIX + rb"v[^>]*>([^<]*)<")
_ADDRESS = re.compile(rb'\br="([A-Z]{1,3})(\d+)"')
_HOLLOW_FORMULA = re.compile(
    rb"<(?P<p>"
    + _PREFIX
    + rb")c\b(?P<attributes>[^>]*)>\s*<(?P=p)f\b(?:[^>]*/>|[^>]*>[^<]*</(?P=p)f>)\s*"
    + rb"(?:<(?P=p)v\s*/>|<(?P=p)v>(?P<value>0?)</(?P=p)v>)?\s*</(?P=p)c>"
)
_HIDDEN_ROW = re.compile(rb"<" + _PREFIX + rb'row\b(?=[^>]*\bhidden="(?:1|true)")[^>]*?\br="(\d+)"')
_HIDDEN_COLUMNS = re.compile(rb"<" + _PREFIX + rb'col\b(?=[^>]*\bhidden="(?:1|true)")([^>]*)>')
#: Signs of legal XML that no spreadsheet program writes; the patterns above would not see what it says. They also
#: stand in formulas, which costs time and nothing else.
_UNUSUAL = (b"='", b" =", b"= ", b"\t=", b"=\t", b"\n=", b"=\n", b"<![CDATA[", b"\nr=", b"\tr=")
_LOOKED_AT = 64 * 1024
_ZEROS = re.compile(r'(?:"[^"]*"|\\.)?(0{2,20})(?:;@)?')

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_ODS_KIND = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}value-type"

Cells = dict[tuple[int, int], "Mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a cell is that its reader calls blank or shows otherwise, and what a person sees in it."""

    kind: Cell
    shown: str


@dataclass(slots=True)
class SheetMarks:
    """What was seen inside one sheet: cells by (row, column) from 0, rows by their number, columns from 0."""

    cells: Cells = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    merged: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class Marks:
    """What was seen inside one workbook."""

    sheets: dict[str, SheetMarks] = field(default_factory=dict)
    #: The day that a date's serial number counts from; None where the format does not say.
    serial_epoch: date | None = None
    notes: list[str] = field(default_factory=list)


class Look:
    """A look in two steps: what must be known before the reader opens the file, and the rest."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.marks = Marks()
        self._sheets: list[tuple[str, bytes]] = []
        self._uncalculated = False
        self._padded: Mapping[str, int] = {}
        if archive.kind == "xlsx":
            self._before_xlsx()
        else:
            self.marks.sheets.update(_look_into_ods(archive))

    def complete(self) -> Marks:
        """The marks of all sheets."""
        for name, xml in self._sheets:
            self.marks.sheets[name] = _marks_of_sheet(
                xml, zero_is_hollow=self._uncalculated, padded=self._padded
            )
        self._sheets = []
        return self.marks

    def _before_xlsx(self) -> None:
        workbook = self.archive.xml("xl/workbook.xml")
        # By local name: a workbook saved as "Strict Open XML" has other namespaces.
        properties = workbook.find("{*}workbookPr")
        is_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        calculation = workbook.find("{*}calcPr")
        # Set by programs that write formulas but cannot calculate them; Excel removes it when it saves.
        self._uncalculated = calculation is not None and calculation.get("fullCalcOnLoad") in ("1", "true")
        self.marks.serial_epoch = date(1904, 1, 1) if is_1904 else date(1899, 12, 30)
        self._padded = _padded_styles(self.archive)
        for name, part in _sheet_parts(self.archive, workbook):
            xml = self.archive.read(part)
            _refuse_far_cells(name, xml)
            self._sheets.append((name, xml))


def look_inside(archive: Archive) -> Look:
    """Look into an .xlsx or .ods workbook.

    Raises:
        UnreadableFileError: it is damaged, or has cells far away from its table.
    """
    return Look(archive)


# --- xlsx


def _sheet_parts(archive: Archive, workbook: ElementTree.Element) -> Iterator[tuple[str, str]]:
    if "xl/_rels/workbook.xml.rels" not in archive.parts:
        raise UnreadableFileError(
            "a workbook that does not say where its sheets are", "a complete workbook", "Save it again."
        )
    targets = {
        relation.get("Id"): relation.get("Target", "").replace("\\", "/")
        for relation in archive.xml("xl/_rels/workbook.xml.rels")
    }
    for sheet in workbook.findall("{*}sheets/{*}sheet"):
        identifier = next((value for name, value in sheet.items() if name.endswith("}id")), None)
        target = targets.get(identifier, "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in archive.parts and part.endswith(".xml") and "sheets/" in part:
            yield sheet.get("name", ""), part


def _padded_styles(archive: Archive) -> Mapping[str, int]:
    """Style -> digits, of styles that show a number with leading zeros: 00000 shows 123 as 00123."""
    if "xl/styles.xml" not in archive.parts:
        return {}
    styles = archive.xml("xl/styles.xml")
    formats: dict[str | None, int] = {}
    for number_format in styles.iterfind("{*}numFmts/{*}numFmt"):
        found = _ZEROS.fullmatch(number_format.get("formatCode", ""))
        if found:
            formats[number_format.get("numFmtId")] = len(found[1])
    if not formats:
        return {}
    return {
        str(index): formats[style.get("numFmtId")]
        for index, style in enumerate(styles.iterfind("{*}cellXfs/{*}xf"))
        if style.get("numFmtId") in formats
    }


def _is_unusual(xml: bytes) -> bool:
    """A program writes all cells in one way, so its first and last ones are enough to look at."""
    ends = xml[:_LOOKED_AT] + xml[-_LOOKED_AT:]
    return any(sign in ends for sign in _UNUSUAL)


def _refuse_far_cells(name: str, xml: bytes) -> None:
    if not _FAR_CELL.search(xml) and not _is_unusual(xml):
        return
    last_row = widest = 1
    addresses = _ANY_CELL.findall(xml)
    if _is_unusual(xml):
        addresses += re.findall(rb"\sr\s*=\s*[\"']\s*([A-Z]{1,3})([0-9]{1,7})\s*[\"']", xml)
    if addresses:
        widest = max(map(_column_number, {letters for letters, _ in addresses}))
        last_row = max(int(row) for _, row in addresses)
    if last_row * widest > _AREA_LIMIT:
        raise UnreadableFileError(
            f"sheet {name!r} with cells out to row {last_row} and column {widest}",
            "a table without stray cells far away from it",
            "In the spreadsheet press Ctrl+End, delete the stray rows and columns there, and save.",
        )


def _marks_of_sheet(xml: bytes, *, zero_is_hollow: bool, padded: Mapping[str, int]) -> SheetMarks:
    if _is_unusual(xml):
        return _Slowly(zero_is_hollow, padded).look(xml)
    found = SheetMarks()
    if b't="e"' in xml:
        for match in _ERROR_CELL.finditer(xml):
            value = _ERROR_VALUE.search(xml, match.end(), match.end() + 4096)
            shown = value[1].decode("utf-8", "replace") if value else "#N/A"
            address = _ADDRESS.search(match[1])
            if address is None:  # legal: a cell without an address follows the one before
                return _Slowly(zero_is_hollow, padded).look(xml)
            found.cells[_place(address)] = Mark(Cell.ERROR, shown or "#N/A")
    if b"<f" in xml or b":f>" in xml[-_LOOKED_AT:] or b":f " in xml[:_LOOKED_AT]:
        for match in _HOLLOW_FORMULA.finditer(xml):
            attributes = match["attributes"]
            if match["value"] == b"0" and not zero_is_hollow:
                continue
            if b't="str"' in attributes and match["value"] != b"0":
                continue  # a formula whose result is the empty text
            address = _ADDRESS.search(attributes)
            if address is None:
                return _Slowly(zero_is_hollow, padded).look(xml)
            found.cells[_place(address)] = _HOLLOW
    if b'hidden="' in xml:
        found.hidden_rows = {int(match[1]) for match in _HIDDEN_ROW.finditer(xml)}
        for match in _HIDDEN_COLUMNS.finditer(xml):
            _add_columns(found, match[1].decode("ascii", "replace"))
    if padded:
        _add_padded(found, xml, padded)
    return found


def _add_columns(found: SheetMarks, attributes: str) -> None:
    ends = {
        name: int(value) for name, value in re.findall(r"\b(min|max)\s*=\s*[\"'](\d{1,6})[\"']", attributes)
    }
    if "min" in ends:
        found.hidden_columns.update(range(ends["min"] - 1, min(ends.get("max", ends["min"]), 16_384)))


def _add_padded(found: SheetMarks, xml: bytes, padded: Mapping[str, int]) -> None:
    """Numbers as their format shows them."""
    styles = "|".join(padded).encode()
    pattern = re.compile(
        rb"<" + _PREFIX + rb'c\b(?=[^>]*\br="([A-Z]{1,3})(\d+)")(?=[^>]*\bs="(' + styles + rb')")'
        rb'(?![^>]*\bt="(?!n"))[^>]*>(?:<' + _PREFIX + rb"f\b[^>]*(?:/>|>[^<]*</" + _PREFIX + rb"f>))?"
        rb"<" + _PREFIX + rb"v>(\d{1,15})<"
    )
    for match in pattern.finditer(xml):
        digits = padded[match[3].decode()]
        place = (int(match[2]) - 1, _column_number(match[1]) - 1)
        if len(match[4]) < digits:
            found.cells.setdefault(place, Mark(Cell.TEXT, match[4].decode().zfill(digits)))


_HOLLOW = Mark(Cell.FORMULA, "a formula without its result")


def _place(address: re.Match[bytes]) -> tuple[int, int]:
    return int(address[2]) - 1, _column_number(address[1]) - 1


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


class _Slowly:
    """The same marks from a parser, for XML that is written in an unusual way."""

    def __init__(self, zero_is_hollow: bool, padded: Mapping[str, int]) -> None:
        self.found = SheetMarks()
        self._zero_is_hollow, self._padded = zero_is_hollow, padded
        self._row = self._column = -1
        self._kind = self._style = ""
        self._has_formula = self._in_value = False
        self._value: list[str] = []

    def look(self, xml: bytes) -> SheetMarks:
        """Parse the sheet.

        Raises:
            UnreadableFileError: it is not XML.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(xml, True)
        except expat.ExpatError as error:
            raise UnreadableFileError(
                "a damaged workbook", "a complete workbook", f"Save it again and send that ({error})."
            ) from error
        return self.found

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name == "row":
            self._row = int(attributes["r"]) - 1 if attributes.get("r", "").isdigit() else self._row + 1
            self._column = -1
            if attributes.get("hidden") in ("1", "true"):
                self.found.hidden_rows.add(self._row + 1)
        elif name == "col" and attributes.get("hidden") in ("1", "true"):
            _add_columns(self.found, f'min="{attributes.get("min")}" max="{attributes.get("max")}"')
        elif name == "c":
            address = re.fullmatch(r"([A-Z]{1,3})(\d{1,7})", attributes.get("r", "").strip())
            self._column = _column_number(address[1].encode()) - 1 if address else self._column + 1
            if address:
                self._row = int(address[2]) - 1
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._has_formula, self._value = False, []
        elif name == "f":
            self._has_formula = True
        elif name == "v":
            self._in_value = True

    def _text(self, text: str) -> None:
        if self._in_value:
            self._value.append(text)

    def _end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        if name == "v":
            self._in_value = False
        elif name == "c":
            value = "".join(self._value)
            place = (self._row, self._column)
            if self._kind == "e":
                self.found.cells[place] = Mark(Cell.ERROR, value or "#N/A")
            elif self._has_formula and (
                (not value and self._kind != "str") or (value == "0" and self._zero_is_hollow)
            ):
                self.found.cells[place] = _HOLLOW
            elif self._kind == "n" and value.isdigit() and len(value) < self._padded.get(self._style, 0):
                self.found.cells[place] = Mark(Cell.TEXT, value.zfill(self._padded[self._style]))


# --- ods


def _look_into_ods(archive: Archive) -> dict[str, SheetMarks]:
    """Marks of each table; refuses repeated cells that would fill the memory."""
    sheets: dict[str, SheetMarks] = {}
    root = archive.xml("content.xml")
    for table in root.iter(f"{_TABLE}table"):
        found = SheetMarks()
        name = table.get(f"{_TABLE}name", "")
        row = area = 0
        widest = 1
        for line in table.iter(f"{_TABLE}table-row"):
            repeated = _repeats(line.attrib, "rows")
            if line.get(f"{_TABLE}visibility") in ("collapse", "filter"):
                found.hidden_rows.update(range(row + 1, row + min(repeated, 1000) + 1))
            width = _look_into_line(line, row, found)
            row += repeated
            if width:
                widest = max(widest, width)
                area = row * widest
        if area > _AREA_LIMIT:
            raise UnreadableFileError(
                f"sheet {name!r} with cells out to row {row} and column {widest}",
                "a table without stray cells far away from it",
                "In the spreadsheet press Ctrl+End, delete the stray rows and columns there, and save.",
            )
        sheets[name] = found
    return sheets


def _look_into_line(line: ElementTree.Element, row: int, found: SheetMarks) -> int:
    """Marks of one line of cells; the width up to its last cell with a value."""
    column = width = 0
    for cell in line:
        repeated = _repeats(cell.attrib, "columns")
        if cell.get(f"{_OFFICE}value-type"):
            width = column + repeated
        if cell.get(_ODS_KIND) == "error":
            shown = "".join(text for part in cell.iter(f"{_TEXT}p") for text in part.itertext())
            for index in range(column, column + min(repeated, 1000)):
                found.cells[row, index] = Mark(Cell.ERROR, shown or "#N/A")
        elif cell.get(f"{_TABLE}formula") and not cell.get(f"{_OFFICE}value-type"):
            found.cells[row, column] = _HOLLOW
        spans = [int(cell.get(f"{_TABLE}number-{what}-spanned", "1") or 1) for what in ("rows", "columns")]
        if max(spans) > 1:
            found.merged.append(Span(row + 1, column, row + spans[0], column + spans[1] - 1))
        column += repeated
    return width


def _repeats(attributes: Mapping[str, str], what: str) -> int:
    text = attributes.get(f"{_TABLE}number-{what}-repeated", "1")
    return int(text) if text.isdigit() and len(text) < 9 else 1
