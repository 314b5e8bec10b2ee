"""Workbooks in binary formats: what their reader hides is found in their records.

No library here writes them, so the records are written by hand: an .xls in its container, an .xlsb in its archive.
"""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from syncstock_dagster_tests.workbooks.builders import parse, real_file, said, with_part


class Old:
    """A formula with this result, as versions before the format of the file wrote it."""

    def __init__(self, result: float) -> None:
        self.result = result


class Failed:
    """A cell that is an error of this number."""

    def __init__(self, number: int, by_formula: bool = False) -> None:
        self.number, self.by_formula = number, by_formula


ROWS = [("sku", "count"), ("A", 1.0), ("B", Failed(0x2A)), ("C", Failed(0x07, by_formula=True)), ("D", 4.0)]


# --- xls


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def xls_cell(row: int, column: int, value) -> bytes:
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, str):
        return record(0x0204, place + struct.pack("<HB", len(value), 0) + value.encode("latin-1"))
    if isinstance(value, Failed) and value.by_formula:
        result = bytes([2, 0, value.number, 0, 0, 0, 0xFF, 0xFF])
        return record(0x0006, place + result + struct.pack("<HIH", 0, 0, 3) + b"\x1e\x01\x00")
    if isinstance(value, Failed):
        return record(0x0205, place + bytes([value.number, 1]))
    if isinstance(value, Old):
        return record(0x0406, place + struct.pack("<dHIH", value.result, 0, 0, 3) + b"\x1e\x01\x00")
    return record(0x0203, place + struct.pack("<d", value))


def xls(rows, hidden=(), hidden_column=None, sheet_type=0, protected=False, beside=()) -> bytes:
    """A workbook of one sheet in the container of the time before archives."""

    def begin(kind: int) -> bytes:
        return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))

    name = b"S"
    head = begin(5) + (record(0x002F, b"\x00" * 6) if protected else b"")
    head += record(0x0042, struct.pack("<H", 1200)) + record(0x0022, b"\x00\x00")
    sheet_at = len(head) + 4 + 8 + len(name) + 4
    head += record(0x0085, struct.pack("<IBBBB", sheet_at, 0, sheet_type, len(name), 0) + name) + record(
        0x000A, b""
    )
    assert len(head) == sheet_at
    body = begin(0x10) + record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, len(rows[0]), 0))
    if hidden_column is not None:
        body += record(0x007D, struct.pack("<HHHHHH", hidden_column, hidden_column, 2000, 15, 1, 0))
    for row in range(len(rows)):
        options = 0x20 if row in hidden else 0
        body += record(
            0x0208,
            struct.pack("<HHHHHHI", row, 0, len(rows[0]), 255, 0, 0, 0x100 | options)[:12]
            + struct.pack("<I", 0x100 | options),
        )
    for row, cells in enumerate(rows):
        body += b"".join(xls_cell(row, column, value) for column, value in enumerate(cells))
    return container(head + body + record(0x000A, b""), beside)


def container(stream: bytes, beside=()) -> bytes:
    """A container of one stream, and of a storage that holds empty streams of the names ``beside``."""
    size = 512
    stream = stream.ljust(max(4096, -(-len(stream) // size) * size), b"\x00")
    sectors = len(stream) // size
    fat = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, sectors + 2), 0xFFFFFFFE]
    fat += [0xFFFFFFFF] * (128 - len(fat))

    none = 0xFFFFFFFF

    def entry(name: str, kind: int, child: int, first: int, length: int, right: int = none) -> bytes:
        text = name.encode("utf-16-le")
        return (
            text.ljust(64, b"\x00")
            + struct.pack("<HBBIII", len(text) + 2, kind, 1, none, right, child)
            + b"\x00" * 36
            + struct.pack("<IQ", first, length)
        )

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0)
    directory += entry("Workbook", 2, none, 2, len(stream), 2 if beside else none)
    if beside:
        directory += entry("MBD0001", 1, 3, 0, 0) + entry(beside[0], 2, none, 0xFFFFFFFE, 0)
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + b"\x00" * 16
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + b"\x00" * 6
        + struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
        + struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    )
    return header + struct.pack("<128I", *fat) + directory.ljust(size, b"\x00") + stream


# --- xlsb


def part(kind: int, body: bytes) -> bytes:
    number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    length, rest = b"", len(body)
    while True:
        length += bytes([rest & 0x7F | (0x80 if rest > 0x7F else 0)])
        rest >>= 7
        if not rest:
            return number + length + body


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb_cell(column: int, value) -> bytes:
    place = struct.pack("<II", column, 0)
    if isinstance(value, str):
        return part(6, place + wide(value))
    if isinstance(value, Failed):
        rest = struct.pack("<HI", 0, 2) + b"\x1c\x2a" + struct.pack("<I", 0) if value.by_formula else b""
        return part(11 if value.by_formula else 3, place + bytes([value.number]) + rest)
    return part(5, place + struct.pack("<d", value))


def xlsb(rows, hidden_column=None) -> bytes:
    sheet = (
        part(129, b"")
        + part(148, struct.pack("<IIII", 0, len(rows) - 1, 0, len(rows[0]) - 1))
        + (
            part(390, b"")
            + part(60, struct.pack("<IIIIH", hidden_column, hidden_column, 2000, 0, 1))
            + part(391, b"")
            if hidden_column is not None
            else b""
        )
        + part(145, b"")
    )
    for row, cells in enumerate(rows):
        sheet += part(0, struct.pack("<IIHBBBI", row, 0, 300, 0, 0, 0, 0))
        sheet += b"".join(xlsb_cell(column, value) for column, value in enumerate(cells))
    sheet += part(146, b"") + part(130, b"")
    book = part(131, b"") + part(143, b"") + part(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("S"))
    book += part(144, b"") + part(132, b"")
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        made.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        )
        made.writestr("xl/workbook.bin", book)
        made.writestr(
            "xl/_rels/workbook.bin.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="rId1" Type="{relation}/worksheet" Target="worksheets/sheet1.bin"/></Relationships>',
        )
        made.writestr("xl/worksheets/sheet1.bin", sheet)
    return data.getvalue()


@pytest.mark.parametrize(("content", "ending"), [(xls(ROWS), "xls"), (xlsb(ROWS), "xlsb")])
def test_error_cells_of_binary_workbooks_are_errors(content, ending):
    parsed = parse(content, f"counts/2026-03-01.{ending}", "counts")
    assert [(row["sku"], row["quantity"]) for row in said(parsed.evidence.counts)] == [("A", "1"), ("D", "4")]
    assert [(error.row, error.found) for error in parsed.errors] == [(3, "#N/A"), (4, "#DIV/0!")]
    assert not any("cannot be told" in note for note in parsed.notes)


def test_hidden_rows_of_an_old_workbook_are_left_out_and_named():
    parsed = parse(
        xls([("sku", "count"), ("A", 1.0), ("B", 2.0)], hidden=(1,)), "counts/2026-03-01.xls", "counts"
    )
    assert parsed.evidence.counts["sku"].to_pylist() == ["B"]
    assert [(list(left.rows), left.why) for left in parsed.preview.left_out] == [([2], "the row is hidden")]


@pytest.mark.parametrize(
    ("content", "ending"), [(xls(ROWS, hidden_column=1), "xls"), (xlsb(ROWS, hidden_column=1), "xlsb")]
)
def test_a_hidden_column_of_quantities_is_doubted(content, ending):
    parsed = parse(content, f"counts/2026-03-01.{ending}", "counts")
    assert "is hidden" in str(parsed.preview)


def test_a_sheet_of_macros_of_the_time_before_vba_is_named():
    parsed = parse(xls(ROWS, sheet_type=1), "counts/2026-03-01.xls", "counts")
    assert any("macros" in note for note in [*parsed.notes, *map(str, parsed.errors)])


def test_an_old_workbook_with_a_password_is_refused_for_that():
    parsed = parse(xls(ROWS, protected=True), "counts/2026-03-01.xls", "counts")
    assert "password" in str(parsed.errors[0])


@pytest.mark.parametrize("inner", ["WordDocument", "EncryptedPackage", "Workbook"])
def test_a_document_within_a_workbook_does_not_make_it_another_document(inner):
    rows = [("sku", "count"), ("A", 1.0), ("B", 2.0)]
    parsed = parse(xls(rows, hidden=(1,), beside=(inner,)), "counts/2026-03-01.xls", "counts")
    assert parsed.evidence.counts["sku"].to_pylist() == ["B"]


def test_the_name_of_the_stream_may_be_in_capitals():
    plain, capital = (name.encode("utf-16-le") for name in ("Workbook", "WORKBOOK"))
    content = xls([("sku", "count"), ("A", 1.0), ("B", 2.0)], hidden=(1,)).replace(plain, capital)
    parsed = parse(content, "counts/2026-03-01.xls", "counts")
    assert parsed.evidence.counts["sku"].to_pylist() == ["B"]


def test_formulas_of_an_older_form_count_with_their_results():
    rows = [("sku", "count"), ("A", 1.0), ("B", Old(2.5)), ("C", Old(3.0))]
    parsed = parse(xls(rows), "counts/2026-03-01.xls", "counts")
    assert parsed.evidence.counts["quantity"].to_pylist() == ["1", "2.5", "3"]


def test_a_container_whose_records_cannot_be_followed_is_refused_or_says_so():
    content = xls(ROWS)
    for cut in range(600, len(content), 200):
        parsed = parse(content[:cut], "counts/2026-03-01.xls", "counts")
        codes = parsed.evidence.counts["sku"].to_pylist()
        assert (
            parsed.rejected
            or set(codes) <= {"A", "D"}
            or any("cannot be told" in note for note in parsed.notes)
        )


def test_the_error_cells_of_a_real_xls_can_be_told():
    parsed = parse(real_file("workbooks/itest_inventory.xls"), "counts/2026-03-01.xls", "counts")
    assert not any("cannot be told" in note for note in parsed.notes)


def test_a_far_cell_of_a_binary_workbook_ends_its_reader_and_nothing_else():
    """Its rectangle would be 550 GB; the reader does not ask before it takes them."""
    far = [("sku", "count"), ("A", 1.0)]
    content = xlsb(far)
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        sheet = made.read("xl/worksheets/sheet1.bin")
    stray = part(0, struct.pack("<IIHBBBI", 1_048_575, 0, 300, 0, 0, 0, 0)) + xlsb_cell(16_383, 1.0)
    end = part(146, b"")
    parsed = parse(
        with_part(content, "xl/worksheets/sheet1.bin", lambda _: sheet.replace(end, stray + end)),
        "counts/2026-03-01.xlsb",
        "counts",
    )
    assert parsed.rejected
    assert any(words in str(parsed.errors[0]) for words in ("crashes", "MB of memory", "damaged"))
    assert not parse(content, "counts/2026-03-01.xlsb", "counts").errors
