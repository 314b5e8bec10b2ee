"""Ordinary workbooks: what the cells say, what the reader hides, and what is refused before it does harm."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime

import openpyxl
import pytest

from syncstock_dagster_tests.workbooks.builders import parse, real_file, said, with_part, workbook

SHEET = "xl/worksheets/sheet1.xml"
ROWS = [("sku", "quantity", "day"), ("A", 1, date(2026, 3, 1)), ("B", 2.5, date(2026, 3, 2))]


def test_a_table_that_does_not_begin_in_the_first_cell_is_read_with_its_own_row_numbers():
    rows = [(), (), *[("", "", *row) for row in ROWS]]
    parsed = parse(workbook({"S": rows}))
    assert parsed.evidence.movements["position"].to_pylist() == [4, 5]


def test_a_workbook_saved_by_another_program_is_the_same_document():
    content = workbook({"S": [*ROWS, ("C", 0.1 + 0.2, datetime(2026, 3, 1))]})
    saved = io.BytesIO()
    openpyxl.load_workbook(io.BytesIO(content)).save(saved)
    first, second = parse(content), parse(saved.getvalue())
    assert first.content_sha256 != second.content_sha256
    assert first.identity_sha256 != second.identity_sha256
    assert first.canonical_sha256 == second.canonical_sha256
    assert first.evidence.movements.equals(second.evidence.movements)


@pytest.mark.parametrize("moment", [date(2026, 3, 1), datetime(2026, 3, 1, 18, 37, 11)])
def test_a_date_that_lost_its_format_is_the_same_date(moment):
    """Seen in the wild: a program dropped the styles of a workbook when it saved it."""
    field = "effective_at" if isinstance(moment, datetime) else "day"
    content = workbook({"S": [("document", "sku", "quantity", field), ("R", "A", 1, moment)]})
    plain = with_part(
        content,
        SHEET,
        lambda xml: xml.replace(b'<c r="D2" s="1">', b'<c r="D2">').replace(
            b'<c r="D2" s="2">', b'<c r="D2">'
        ),
    )
    assert plain != content
    formatted, bare = parse(content), parse(plain)
    assert not bare.errors
    assert bare.evidence.movements.equals(formatted.evidence.movements)
    assert bare.canonical_sha256 == formatted.canonical_sha256
    assert any("read as the dates they stand for" in note for note in bare.notes)


def test_a_plain_number_counts_from_the_workbooks_own_epoch():
    days_since_1904 = (date(2026, 3, 1) - date(1904, 1, 1)).days
    rows = [("sku", "quantity", "day"), ("A", 1, days_since_1904)]
    (row,) = said(parse(workbook({"S": rows}, date_1904=True)).evidence.movements)
    assert row["day"] == date(2026, 3, 1)
    rows = [("sku", "quantity", "day"), ("A", 1, date(2026, 3, 1))]
    (row,) = said(parse(workbook({"S": rows}, date_1904=True)).evidence.movements)
    assert row["day"] == date(2026, 3, 1)


@pytest.mark.parametrize("number", [2026, 20260301, 0.5, 80_000])
def test_a_number_that_is_no_likely_date_is_refused(number):
    (error,) = parse(workbook({"S": [("sku", "quantity", "day"), ("A", 1, number)]})).errors
    assert error.column == "day"


def test_an_error_cell_in_a_column_that_is_not_read_does_not_matter():
    def spoil(book, pages):
        pages["S"].write_formula(1, 3, "=1/0", None, "#DIV/0!")
        pages["S"].write_formula(1, 3, "=1/0", None, "#DIV/0!")

    rows = [(*ROWS[0], "margin"), *ROWS[1:]]
    assert not parse(workbook({"S": rows}, spoil)).errors


def test_cells_far_away_from_the_table_are_refused_before_they_end_the_process():
    def stray(book, pages):
        pages["S"].write(1_048_575, 16_383, "x")

    (error,) = parse(workbook({"S": ROWS}, stray)).errors
    assert "row 1048576 and column 16384" in error.found
    assert "Ctrl+End" in error.remedy


def test_a_wide_but_short_sheet_is_read():
    def stray(book, pages):
        pages["S"].write(0, 800, "far")

    assert len(parse(workbook({"S": ROWS}, stray)).evidence.movements) == 2


def test_a_strict_workbook_hides_neither_errors_nor_far_cells():
    def spoil(book, pages):
        pages["S"].write_formula(1, 1, "=1/0", None, "#DIV/0!")

    def stray(book, pages):
        pages["S"].write(1_048_575, 16_383, "x")

    (error,) = parse(strict(workbook({"S": ROWS}, spoil)), bad_rows="reject_rows").errors
    assert (error.row, error.found) == (2, "#DIV/0!")
    (error,) = parse(strict(workbook({"S": ROWS}, stray))).errors
    assert "column 16384" in error.found


def strict(content):
    """The workbook with the namespaces of ISO 29500 Strict."""
    for part in ("xl/workbook.xml", SHEET, "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml"):
        for old, new in (
            (
                b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
                b"http://purl.oclc.org/ooxml/spreadsheetml/main",
            ),
            (
                b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
                b"http://purl.oclc.org/ooxml/officeDocument/relationships",
            ),
        ):
            content = with_part(content, part, lambda xml, old=old, new=new: xml.replace(old, new))
    return content


def test_an_error_cell_without_an_address_stands_behind_the_one_before():
    def spoil(book, pages):
        pages["S"].write_formula(1, 1, "=1/0", None, "#DIV/0!")

    content = with_part(workbook({"S": ROWS}, spoil), SHEET, lambda xml: xml.replace(b' r="B2"', b""))
    (error,) = parse(content, bad_rows="reject_rows").errors
    assert (error.row, error.column, error.found) == (2, "quantity", "#DIV/0!")


@pytest.mark.parametrize("part", [1, 30, 300, -1, -30, -300])
def test_a_truncated_workbook_is_refused(part):
    content = workbook({"S": ROWS})
    parsed = parse(content[:part], "file.xlsx")
    assert parsed.rejected
    assert parsed.errors


def test_a_sheet_whose_xml_is_broken_is_refused():
    parsed = parse(with_part(workbook({"S": ROWS}), SHEET, lambda xml: xml[:-200]))
    assert parsed.rejected


def test_a_workbook_without_a_table_says_which_row_came_closest():
    sheets = {"Cover": [("Stock of 2026",)], "Data": [(), ("sku", "quantity"), ("A", 1)]}
    parsed = parse(workbook(sheets))
    (error,) = parsed.errors
    assert (error.sheet, error.row, error.found) == ("Data", 2, "sku, quantity")
    assert error.expected == "a column for effective_at or day"


ODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" office:version="1.3">
<office:body><office:spreadsheet><table:table table:name="S">
{rows}
</table:table></office:spreadsheet></office:body></office:document-content>"""


def ods_cell(value):
    if value == "#N/A":
        return (
            '<table:table-cell office:value-type="string" office:string-value="" calcext:value-type="error">'
            "<text:p>#N/A</text:p></table:table-cell>"
        )
    if isinstance(value, str):
        return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
    return f'<table:table-cell office:value-type="float" office:value="{value}"/>'


def ods(rows):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        body = "".join(
            '<table:table-row table:number-rows-repeated="2"><table:table-cell/></table:table-row>'
            if row is None
            else f"<table:table-row>{''.join(map(ods_cell, row))}</table:table-row>"
            for row in rows
        )
        archive.writestr("content.xml", ODS.format(rows=body))
    return data.getvalue()


def test_an_ods_workbook_is_read_and_its_error_cells_are_errors():
    content = ods([("sku", "count"), ("00123", 2), None, ("B", "#N/A"), ("C", 1.5)])
    parsed = parse(content, "2026-03-01.ods", "counts")
    assert [(row["sku"], row["quantity"]) for row in said(parsed.evidence.counts)] == [
        ("00123", "2"),
        ("C", "1.5"),
    ]
    (error,) = parsed.errors
    assert (error.row, error.found) == (5, "#N/A")


# --- real files


def test_the_same_real_document_saved_twice_has_one_identity():
    """Two files of one document; the second program dropped the format of the dates."""
    first, second = (
        parse(real_file(f"workbooks/{name}.xlsx"), f"purchases/{name}.xlsx", "purchases")
        for name in ("64508", "64667")
    )
    assert first.content_sha256 != second.content_sha256
    assert first.canonical_sha256 == second.canonical_sha256
    assert not first.errors
    assert first.evidence.movements.equals(second.evidence.movements)
    assert said(first.evidence.movements)[0] == {
        "document": "04656-2020",
        "line": "1",
        "leg": 0,
        "sku": "0630996510285",
        "quantity": "2",
        "day": date(2020, 6, 8),
        "reason": "purchase",
    }


def test_the_same_real_document_is_one_count_sheet_for_each_day_it_is_named_after():
    first, second = (
        parse(real_file(f"workbooks/{file}.xlsx"), f"counts/{day}.xlsx", "counts")
        for file, day in (("64508", "2026-03-01"), ("64667", "2026-03-01"))
    )
    other = parse(real_file("workbooks/64667.xlsx"), "counts/2026-03-02.xlsx", "counts")
    assert len(first.evidence.counts) == 4
    assert first.canonical_sha256 == second.canonical_sha256 != other.canonical_sha256


def test_the_lots_of_a_real_xls_are_summed_by_room():
    parsed = parse(real_file("workbooks/itest_inventory.xls"), "counts/2026-03-01.xls", "counts")
    assert not parsed.errors
    assert [(row["sku"], row["room"], row["quantity"]) for row in said(parsed.evidence.counts)] == [
        ("00001", "Salle 1", "36420"),
        ("00002", "Salle 1", "385"),
        ("00002", "Salle 2", "300"),
        ("00003", "Salle 2", "6102"),
    ]


def test_a_real_template_with_instructions_on_its_first_sheet_is_read():
    parsed = parse(real_file("workbooks/template_inventory.xls"), "counts/2026-03-01.xls", "counts")
    assert [(row["sku"], row["room"], row["quantity"]) for row in said(parsed.evidence.counts)] == [
        ("10088", "CS6", "200")
    ]
