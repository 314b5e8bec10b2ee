"""Count sheets as people make them: what is in each, and what has to come of it.

Put here what a sheet looks like and its outcome. Keep out how it is checked (``test_corpus``).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from syncstock_dagster.sources import FileSettings
from syncstock_dagster.workbooks.catalogue import NOTHING_KNOWN, Known
from syncstock_dagster.workbooks.mappings import Mapping
from syncstock_dagster_tests.workbooks.builders import csv_file, workbook

NAME = "counts/2026-03-01.xlsx"


@dataclass(frozen=True)
class Case:
    """One file, and the outcome it must have."""

    name: str
    content: bytes
    #: "sku@room" or "sku" -> quantity, in order.
    counts: dict[str, str]
    #: Words of errors, each in one of them; nothing: there is none.
    errors: tuple[str, ...] = ()
    rejected: bool = False
    #: Words of what was left out, each in one reason.
    left_out: tuple[str, ...] = ()
    below: float = 1.01
    file: str = NAME
    known: Known = NOTHING_KNOWN
    settings: FileSettings = field(default_factory=FileSettings)
    policy: dict[str, Any] = field(default_factory=dict)


def _csv(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding)


def _merged(*ranges: tuple[int, int, int, int, str]) -> Callable[[Any, Any], None]:
    def change(book: Any, pages: Any) -> None:
        for first_row, first, last_row, last, text in ranges:
            next(iter(pages.values())).merge_range(first_row, first, last_row, last, text)

    return change


def _formula(row: int, column: int, shown: Any) -> Callable[[Any, Any], None]:
    return lambda book, pages: pages["S"].write_formula(row, column, "=1/0", None, shown)


def _hidden_row(book: Any, pages: Any) -> None:
    pages["S"].set_row(2, None, None, {"hidden": True})


def _hidden_sheet(book: Any, pages: Any) -> None:
    pages["Old"].hide()


def _zeros(book: Any, pages: Any) -> None:
    pages["S"].write_number(1, 0, 123, book.add_format({"num_format": "00000"}))


def _knowing(
    *codes: str, locations: tuple[str, ...] = (), packs: dict[tuple[str, str], Any] | None = None
) -> Known:
    return Known(
        True,
        dict.fromkeys(locations),
        codes=lambda asked: {
            word: [code for code in codes if code == word or code.lstrip("0") == word]
            for word in asked
            if any(code == word or code.lstrip("0") == word for code in codes)
        },
        packs=lambda asked: {pair: (packs or {})[pair] for pair in asked if pair in (packs or {})},
    )


SIMPLE = [("sku", "count"), ("A", 1), ("B", 2), ("C", 3)]
ABC = {"A": "1", "B": "2", "C": "3"}
ROOMS = {
    "Cellar": [("sku", "count"), ("A", 1), ("B", 2), ("C", 3)],
    "Shop": [("sku", "count"), ("A", 4), ("D", 5)],
}
ALL = [("sku", "count"), ("A", 5), ("B", 2), ("C", 3), ("D", 5)]
IN_ROOMS = {"A@Cellar": "1", "B@Cellar": "2", "C@Cellar": "3", "A@Shop": "4", "D@Shop": "5"}


def _text_xls() -> bytes:
    return _csv("Code\tQty\nA\t1\nB\t2\nC\t3\n")


def _html_xls() -> bytes:
    return (
        b"<html><body><table><tr><th>Code</th><th>Qty</th></tr><tr><td>A</td><td>1</td></tr>"
        b"<tr><td>B<td>2</tr></table></body></html>"
    )


def _xml_2003() -> bytes:
    rows = "".join(
        f'<Row><Cell><Data ss:Type="String">{code}</Data></Cell>'
        f'<Cell><Data ss:Type="{kind}">{value}</Data></Cell></Row>'
        for code, kind, value in (("sku", "String", "count"), ("A", "Number", "1"), ("B", "Error", "#N/A"))
    )
    return (
        '<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" '
        'xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">'
        f'<Worksheet ss:Name="S"><Table>{rows}</Table></Worksheet></Workbook>'
    ).encode()


def _macro_book() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook({"S": SIMPLE}))) as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("xl/vbaProject.bin", b"macro")
    return data.getvalue()


CASES = [
    Case("plain", workbook({"S": SIMPLE}), ABC),
    Case(
        "columns in another order",
        workbook({"S": [("Counted", "Remark", "Item Code"), (1, "x", "A"), (2, "", "B")]}),
        {"A": "1", "B": "2"},
    ),
    Case(
        "titles and labels above",
        workbook(
            {"S": [("Stock count of the shop",), (), ("Counted by:", "Ann"), ("Item Code", "Qty"), ("A", 1)]}
        ),
        {"A": "1"},
    ),
    Case("header far down", workbook({"S": [*[("note",)] * 60, *SIMPLE]}), ABC),
    Case("header after a thousand rows of notes", workbook({"S": [*[("note",)] * 1000, *SIMPLE]}), ABC),
    Case("table to the right", workbook({"S": [("", "", "", *row) for row in SIMPLE]}), ABC),
    Case(
        "two rows of header",
        workbook(
            {
                "S": [
                    ("Item", "", "Quantity", ""),
                    ("Code", "Name", "Expected", "Counted"),
                    ("A", "x", 9, 1),
                    ("B", "y", 9, 2),
                ]
            },
            _merged((0, 2, 0, 3, "Quantity"), (0, 0, 0, 1, "Item")),
        ),
        {"A": "1", "B": "2"},
    ),
    Case(
        "two rows of header, the first whole",
        workbook(
            {
                "S": [
                    ("Code", "Name", "Quantity", ""),
                    ("", "", "System", "Counted"),
                    ("A", "x", 9, 1),
                    ("B", "y", 9, 2),
                ]
            },
            _merged((0, 2, 0, 3, "Quantity")),
        ),
        {"A": "1", "B": "2"},
    ),
    Case(
        "two rows of header in a text file",
        _csv("Code,Name,Quantity,\n,,Book,Counted\nA,x,9,1\nB,y,9,2\n"),
        {"A": "1", "B": "2"},
    ),
    Case(
        "two rows of header, the upper one says which quantity",
        workbook(
            {
                "S": [
                    ("No", "Goods", "", "Book", "", "Physical", ""),
                    ("", "Name", "Code", "Quantity", "Value", "Quantity", "Value"),
                    (1, "x", "A", 9, 18, 1, 2),
                    (2, "y", "B", 9, 18, 2, 4),
                ]
            },
            _merged((0, 1, 0, 2, "Goods"), (0, 3, 0, 4, "Book"), (0, 5, 0, 6, "Physical")),
        ),
        {"A": "1", "B": "2"},
    ),
    Case(
        "two rows of header, the lower one says that the first quantity is the book's",
        workbook(
            {
                "S": [
                    ("Code", "Quantity", ""),
                    ("", "System", "Before lunch"),
                    ("A", 9, 1),
                    ("B", 9, 2),
                ]
            },
            _merged((0, 1, 0, 2, "Quantity")),
        ),
        {},
        ("'Quantity Before lunch' was taken for",),
        True,
        below=0.7,
    ),
    Case(
        "the same header twice, and nobody says which",
        csv_file([("sku", "qty", "price", "qty"), ("A", "1", "2", "3")]),
        {},
        ("'qty' (column B) and 'qty' (column D) both mean quantity",),
        True,
    ),
    Case(
        "one header for two places",
        csv_file([("sku", "In stock [North]", "Low", "In stock [South]"), ("A", "1", "0", "2")]),
        {},
        ("both mean quantity",),
        True,
    ),
    Case(
        "codes merged over several lots",
        workbook(
            {"S": [("code", "lot", "count"), ("A", "L1", 1), ("", "L2", 2), ("B", "L1", 3)]},
            _merged((1, 0, 2, 0, "A")),
        ),
        {"A": "3", "B": "3"},
    ),
    Case(
        "blank codes on lines of further lots",
        _csv("code,lot,count\nA,L1,1\n,L2,2.5\nB,L1,3\n"),
        {"A": "3.5", "B": "3"},
    ),
    Case(
        "blank codes on lines of further rooms",
        _csv("code,room,count\nA,Cellar,1\n,Shop,2\nB,Shop,3\n"),
        {"A@Cellar": "1", "A@Shop": "2", "B@Shop": "3"},
    ),
    Case(
        "a blank code that continues nothing",
        _csv("code,count\nA,1\n,7\n"),
        {"A": "1"},
        ("code of an article",),
    ),
    Case("sheets are rooms", workbook(ROOMS), IN_ROOMS),
    Case("a summary first", workbook({"Summary": ALL, **ROOMS}), IN_ROOMS, left_out=("a summary",)),
    Case(
        "a summary last, by another name",
        workbook({**ROOMS, "Sheet3": ALL}),
        IN_ROOMS,
        left_out=("a summary",),
    ),
    Case(
        "a summary that says something else",
        workbook({"Summary": [*ALL[:-1], ("D", 6)], **ROOMS}),
        {},
        ("summary of 'Cellar', 'Shop'",),
        True,
    ),
    Case(
        "a copy of a sheet",
        workbook({"Count": SIMPLE, "Count (2)": SIMPLE}),
        {},
        ("each of its 3 articles",),
        True,
    ),
    Case(
        "a list of stock beside the sheet that was counted",
        workbook({"Count": SIMPLE, "Stock": [("sku", "Name", "Stock"), ("A", "x", 5), ("D", "y", 6)]}),
        {},
        ("'Stock', which may be the book's",),
        True,
    ),
    Case(
        "sheets of two weeks",
        workbook({"This week": SIMPLE, "Last week": [("sku", "count"), ("A", 5), ("B", 4)]}),
        {},
        ("A in 'This week' and 'Last week', which are named after times",),
        True,
    ),
    Case(
        "sheets of months",
        workbook({"Jan 2026": SIMPLE, "März": [("sku", "count"), ("C", 5)]}),
        {},
        ("named after times",),
        True,
    ),
    Case(
        "sheets of days on which parts were counted",
        workbook({"Mon": SIMPLE, "Tue": [("sku", "count"), ("D", 5)]}),
        {"A@Mon": "1", "B@Mon": "2", "C@Mon": "3", "D@Tue": "5"},
    ),
    Case(
        "sheets of two days, each with its own time",
        workbook(
            {
                "2026-02-01": [("Counted at:", "2026-02-01 18:00"), ("sku", "count"), ("A", 1)],
                "2026-03-01": [("Counted at:", "2026-03-01 18:00"), ("sku", "count"), ("A", 2)],
            }
        ),
        {"A@2026-02-01": "1", "A@2026-03-01": "2"},
    ),
    Case(
        "sheets are locations",
        workbook(ROOMS),
        {"A": "1", "B": "2", "C": "3", "A#2": "4", "D": "5"},
        known=_knowing(locations=("Cellar", "Shop")),
    ),
    Case(
        "blocks below each other",
        workbook({"S": [("Cellar",), *SIMPLE, (), ("Shop",), ("sku", "count"), ("A", 4)]}),
        {"A@Cellar": "1", "B@Cellar": "2", "C@Cellar": "3", "A@Shop": "4"},
    ),
    Case(
        "pages that repeat the header",
        workbook({"S": [*SIMPLE, ("sku", "count"), ("D", 4)]}),
        {**ABC, "D": "4"},
    ),
    Case(
        "an article on two pages",
        workbook({"S": [*SIMPLE, ("sku", "count"), ("A", 4)]}),
        {"B": "2", "C": "3"},
        ("each article once", "each article once"),
    ),
    Case(
        "blocks beside each other",
        workbook({"S": [("code", "count", "", "code", "count"), ("A", 1, "", "C", 3), ("B", 2)]}),
        ABC,
    ),
    Case(
        "blocks beside each other, remarks in the last one only",
        _csv("name,code,qty,,name,code,qty,Remark\nx,A,1,,z,C,3,wet\ny,B,2,,,,,\n"),
        ABC,
    ),
    Case(
        "blocks beside each other at different distances",
        _csv("code,qty,,,code,qty,,code,qty\nA,1,,,B,2,,C,3\n"),
        ABC,
    ),
    Case(
        "blocks beside each other, and one column that may be of all",
        _csv("code,qty,,code,qty,Location\nA,1,,C,3,L1\nB,2,,,,\n"),
        {},
        ("'code' (column A) and 'code' (column D) both mean sku", "both mean quantity"),
        True,
    ),
    Case(
        "blocks beside each other, each with a name above",
        workbook(
            {
                "S": [
                    ("Fridge", "", "", "Shelf"),
                    ("code", "count", "", "code", "count"),
                    ("A", 1, "", "A", 3),
                    ("B", 2),
                ]
            }
        ),
        {"A@Fridge": "1", "B@Fridge": "2", "A@Shelf": "3"},
    ),
    Case(
        "a program's status beside the 0 that it writes where nobody counted",
        _csv("sku,count,Status\nA,1,Counted\nB,0,Not counted\nC,0,Counted\n"),
        {"A": "1", "C": "0"},
        left_out=("says that nobody counted",),
    ),
    Case(
        "Odoo's zero beside its word that nobody counted",
        _csv("default_code,inventory_quantity,inventory_quantity_set\nA,1,True\nB,0.0,False\nC,0.0,True\n"),
        {"A": "1", "C": "0"},
        left_out=("says that nobody counted",),
    ),
    Case(
        "a column that asks whether it was counted",
        _csv("sku,qty,Counted?\nA,1,y\nB,0,n\nC,3,no\n"),
        {"A": "1"},
        left_out=("says that nobody counted",),
    ),
    Case(
        "the date in the header of the quantity",
        _csv("Artikelnummer;Bestand 28.02.2026\nA;1\n"),
        {"A": "1"},
        file="counts/x.csv",
    ),
    Case(
        "a date in the header that may be two",
        _csv("sku,Count 03/04/2026\nA,1\n"),
        {},
        ("two ways",),
        True,
        file="counts/x.csv",
    ),
    Case(
        "a pivot table",
        _csv("Row Labels,Sum of Counted\nA,1\nB,2\nGrand Total,3\n"),
        {},
        ("'Sum of Counted' was taken for",),
        True,
        left_out=("a sum",),
        below=0.7,
    ),
    Case(
        "marks in the codes that nobody sees",
        _csv("رمز الصنف,الكمية الفعلية\n\u200fA,1\nB\u200b,2\n\u202bC\u202c,3\n"),
        {"A": "1", "B": "2", "\u202bC\u202c": "3"},
        known=_knowing("A", "B"),
    ),
    Case(
        "the numbers of the columns below the header",
        workbook(
            {
                "S": [
                    ("No", "Item Code", "Name", "Book", "Counted"),
                    (1, 2, 3, 4, 5),
                    (1, "A", "x", 9, 1),
                    (2, "B", "y", 9, 2),
                ]
            }
        ),
        {"A": "1", "B": "2"},
        left_out=("the numbers of the columns",),
    ),
    Case(
        "numbers of columns after a letter, in brackets",
        _csv("Name;Code;Book;Counted;Value\nA;(1);(2);(3);(4)\nx;A1;9;1;5\n"),
        {"A1": "1"},
        left_out=("the numbers of the columns",),
    ),
    Case(
        "an article that looks like three columns' numbers",
        _csv("code,book,counted\n1,2,3\n2,3,4\n"),
        {"1": "3", "2": "4"},
    ),
    Case(
        "who counted, below the table",
        workbook(
            {
                "S": [
                    *SIMPLE,
                    ("Counted by:", "Ann"),
                    ("Date", date(2026, 3, 1)),
                    ("Checked by:", "________"),
                    ("Signature", "________"),
                ]
            }
        ),
        ABC,
        left_out=("a remark below", "not counted"),
    ),
    Case(
        "a word that is no remark",
        _csv("sku,count\nA,1\nB,lots\nC,3\nD,many\n"),
        {"A": "1", "C": "3"},
        ("Write digits only", "Write digits only"),
    ),
    Case(
        "places that stand once for several lines",
        _csv("bin,code,count\nA1,A,1\n,B,2\nA2,A,3\n,C,4\n"),
        {"A@A1": "1", "B@A1": "2", "A@A2": "3", "C@A2": "4"},
    ),
    Case(
        "places in merged cells",
        workbook(
            {
                "S": [
                    ("bin", "code", "count"),
                    ("A1", "A", 1),
                    ("", "B", 2),
                    ("", "C", 3),
                    ("A1", "D", 4),
                    ("", "E", 5),
                ]
            },
            _merged((1, 0, 2, 0, "A1")),
        ),
        {"A@A1": "1", "B@A1": "2", "C": "3", "D@A1": "4", "E": "5"},
    ),
    Case(
        "names of rooms alone in their lines",
        _csv("sku,name,count\nShelf 1,,\nA,x,1\nSHELF 2,,\nA,x,2\nB,y,3\n"),
        {"A@Shelf 1": "1", "A@SHELF 2": "2", "B@SHELF 2": "3"},
    ),
    Case(
        "sums named after what they sum",
        _csv("sku,count\nA,1\nB,2\nDrinks total,3\nC,3\nFood Total,3\nGrand total,6\n"),
        ABC,
        left_out=("a sum", "a sum"),
    ),
    Case(
        "sums named after what they sum, in the column of names",
        _csv("sku,name,count\nA,x,1\nB,y,2\n,Drinks total,3\nC,z,3\n,Food subtotal,3\n"),
        ABC,
        left_out=("a sum",),
    ),
    Case(
        "an article that is named like a sum",
        _csv("sku,count,note\nA,1,\nColgate Total,7,blue\n"),
        {"A": "1", "Colgate Total": "7"},
    ),
    Case(
        "a line that is named like a sum and is none",
        _csv("sku,count\nA,1\nB,2\nDrinks total,4\n"),
        {},
        ("is not the sum of those above it",),
        True,
        below=0.7,
    ),
    Case(
        "labels between the lines",
        _csv("sku,count\nRoom: Cellar,\nA,1\nRoom: Shop,\nA,2\nB,3\n"),
        {"A@Cellar": "1", "A@Shop": "2", "B@Shop": "3"},
    ),
    Case(
        "subtotals and a total",
        _csv("sku,count\nA,1\nB,2\nSubtotal,3\nC,3\nSubtotal,3\nGrand total,6\n"),
        ABC,
        left_out=("a sum",),
    ),
    Case(
        "a total in the column of names",
        _csv("sku,name,count\nA,x,1\nB,y,2\n,Total,3\n"),
        {"A": "1", "B": "2"},
        left_out=("a sum",),
    ),
    Case("a sum without a word", workbook({"S": [*SIMPLE, ("", 6)]}), ABC, left_out=("without a word",)),
    Case(
        "a total that does not agree",
        _csv("sku,count\nA,1\nTotal,5\n"),
        {"A": "1"},
        left_out=("a sum",),
        below=0.8,
    ),
    Case(
        "an error cell",
        workbook({"S": SIMPLE}, _formula(2, 1, "#N/A")),
        {"A": "1", "C": "3"},
        ("error of the spreadsheet",),
    ),
    Case("a boolean", workbook({"S": [*SIMPLE, ("D", True)]}), ABC, ("truth value",)),
    Case(
        "a date in the quantity", workbook({"S": [*SIMPLE, ("D", date(2026, 1, 2))]}), ABC, ("holds a date",)
    ),
    Case(
        "a time in the quantity",
        workbook({"S": [*SIMPLE, ("D", datetime(2026, 1, 2, 3, 4))]}),
        ABC,
        ("holds a date",),
    ),
    Case(
        "blank is not zero",
        workbook({"S": [("sku", "count"), ("A", None), ("B", 0)]}),
        {"B": "0"},
        left_out=("not counted",),
    ),
    Case(
        "blank is an error where the policy says so",
        workbook({"S": [("sku", "count"), ("A", None), ("B", 0)]}),
        {"B": "0"},
        ("or 0 if there was none",),
        policy={"blank": "error"},
        left_out=("not counted",),
    ),
    Case("a hidden row", workbook({"S": SIMPLE}, _hidden_row), {"A": "1", "C": "3"}, left_out=("hidden",)),
    Case(
        "a hidden row that is to be read",
        workbook({"S": SIMPLE}, _hidden_row),
        ABC,
        policy={"hidden": "read"},
    ),
    Case(
        "a hidden sheet",
        workbook({"S": SIMPLE, "Old": [("sku", "count"), ("Z", 9)]}, _hidden_sheet),
        ABC,
        left_out=("hidden",),
    ),
    Case("an empty workbook", workbook({"S": []}), {}, ("header row",), True),
    Case("a workbook of remarks", workbook({"S": [("Hello",), ("there",)]}), {}, ("header row",), True),
    Case("a header without lines", workbook({"S": SIMPLE[:1]}), {}, ("0 lines and no count",), True),
    Case(
        "a sheet that nobody filled in",
        workbook({"S": [("sku", "count"), ("A", None), ("B", None)]}),
        {},
        ("2 lines and no count",),
        True,
    ),
    Case(
        "packs in the header",
        csv_file([("sku", "Qty (boxes)"), ("A", "2"), ("B", "3")]),
        {"A": "48"},
        ("how many pieces one 'boxes' holds",),
        known=_knowing("A", "B", packs={("A", "boxes"): 24}),
    ),
    Case(
        "blanks and apostrophes around codes",
        csv_file([("sku", "count"), (" A", "1"), ("'007", "2"), ("10088.0", "3")]),
        {"A": "1", "007": "2", "10088": "3"},
        known=_knowing("A", "007", "10088"),
    ),
    Case(
        "two tables without a room",
        workbook({"S": [*SIMPLE, (), ("Item Code", "Qty"), ("A", 4)]}),
        {},
        ("1 articles in several tables",),
        True,
    ),
    Case(
        "a hidden column of quantities",
        workbook({"S": SIMPLE}, lambda book, pages: pages["S"].set_column(1, 1, 10, None, {"hidden": True})),
        {},
        ("is hidden",),
        True,
        below=0.7,
    ),
    Case(
        "two counts",
        csv_file([("sku", "Count 1", "Count 2"), ("A", "1", "2")]),
        {},
        ("both mean quantity",),
        True,
    ),
    Case(
        "a count from nine to twelve",
        _csv("Date:,2026-03-01\nTime:,09:00 - 12:00\nsku,count\nA,1\n"),
        {"A": "1"},
        file="counts/x.csv",
    ),
    Case(
        "German",
        _csv(
            "Artikel-Nr.;Bezeichnung;Sollbestand;Gezählte Menge\n00123;Äpfel;1.200;1.234,5\n4;Birnen;2;0,25\n"
        ),
        {"00123": "1234.5", "4": "0.25"},
    ),
    Case(
        "German, from Windows",
        _csv("Artikel-Nr.;Bezeichnung;Gezählte Menge\n123;Apfel;1.234,5\n", "cp1252"),
        {"123": "1234.5"},
    ),
    Case(
        "Russian, from Windows",
        _csv("Артикул;Наименование;Фактическое количество\nA1;Яблоко;5\n", "cp1251"),
        {"A1": "5"},
    ),
    Case("Chinese, from Windows", _csv("商品编码,商品名称,实盘数量\nA1,苹果,5\n", "gb18030"), {"A1": "5"}),
    Case("Japanese, from Windows", _csv("商品コード,商品名,実棚数\nA1,りんご,5\n", "cp932"), {"A1": "5"}),
    Case("Korean, from Windows", _csv("상품코드,상품명,실사수량\nA1,사과,5\n", "cp949"), {"A1": "5"}),
    Case(
        "Arabic, with its own digits",
        _csv("رمز الصنف,الكمية الفعلية\nA1,١٢\nB2,٣٫٥\n"),
        {"A1": "12", "B2": "3.5"},
    ),
    Case("Russian, from DOS", _csv("Артикул;Наименование;Количество\nA1;Яблоко;5\n", "cp866"), {"A1": "5"}),
    Case("Japanese, from Unix", _csv("商品コード,商品名,実地数量\nA1,りんご,5\n", "euc-jp"), {"A1": "5"}),
    Case("lines with more cells than the header", _csv("sku,count\nA,1,\nB,2,,\nC,3\n"), ABC),
    Case(
        "lines with too many cells",
        _csv("sku,count\nA,1,x\nB,2,\nC,3\n"),
        {"B": "2", "C": "3"},
        ("2 cells, as in the header, not 3",),
    ),
    Case(
        "remarks below a text table, and a line that was cut",
        _csv("sku,name,count\nA,x,1\nB\n\nNotes: all fine\nCounted by Ann\n=====\n"),
        {"A": "1"},
        ("3 cells, as in the header, not 1",),
        left_out=("not counted",),
    ),
    Case(
        "a quotation mark that is never closed",
        _csv('sku,count\nA,1\n"B b,2\nC,3\n'),
        {"A": "1"},
        ("2 cells, as in the header, not 1",),
    ),
    Case("a text file that begins with a blank line", _csv("\n0.1\n0.2\n"), {}, ("a header row",), True),
    Case(
        "codes kept as text in a text file",
        _csv('sku,count\n="00123",1\n"=""0045""",2\n'),
        {"00123": "1", "0045": "2"},
    ),
    Case(
        "a list as SAP prints it",
        _csv(
            "-----------------------\n|Material |Counted qty|\n-----------------------\n"
            "|100-1    |      4    |\n|100-2    |   1.5     |\n-----------------------\n"
        ),
        {"100-1": "4", "100-2": "1.5"},
    ),
    Case(
        "a table as PostgreSQL prints it",
        _csv(" sku | name | qty \n-----+------+-----\n A-1 | x y  |   1\n B-2 |      |  -2\n(2 rows)\n"),
        {"A-1": "1", "B-2": "-2"},
        left_out=("not counted",),
    ),
    Case(
        "a table of Markdown",
        _csv("| sku | qty |\n|:---|----:|\n| A | 1 |\n| B | 2 |\n"),
        {"A": "1", "B": "2"},
    ),
    Case("blanks around codes between bars", _csv("sku|qty\n A|1\nB |2\n"), {" A": "1", "B ": "2"}),
    Case("UTF-16 without a mark", "sku\tcount\nA\t1\nB\t2\nC\t3\n".encode("utf-16-le"), ABC),
    Case("the line sep= of a spreadsheet", _csv("sep=;\nsku;count\nA;1\nB;2\nC;3\n"), ABC),
    Case(
        "Swiss and French thousands", _csv("code;compte\nA;1'234,5\nB;2 345\n"), {"A": "1234.5", "B": "2345"}
    ),
    Case(
        "Indian thousands",
        csv_file([("code", "qty"), ("A", "1,23,456"), ("B", "1,234")]),
        {"A": "123456", "B": "1234"},
    ),
    Case(
        "a number in two ways",
        csv_file([("code", "qty"), ("A", "1,234"), ("B", "5")], ";"),
        {"B": "5"},
        ("one way only, not as 1.234 or 1234",),
    ),
    Case(
        "the same, settled by another line",
        csv_file([("code", "qty"), ("A", "1,234"), ("B", "5.5")], ";"),
        {"A": "1234", "B": "5.5"},
    ),
    Case(
        "the same, settled by another column",
        csv_file([("code", "qty", "price"), ("A", "1.234", "1,99")], ";"),
        {"A": "1234"},
    ),
    Case(
        "the same, settled by the commas between the columns",
        csv_file([("code", "qty"), ("A", "1,234"), ("B", "1.250")]),
        {"A": "1234", "B": "1.25"},
    ),
    Case(
        "the same, settled by the sender",
        csv_file([("code", "qty"), ("A", "1,234")]),
        {"A": "1.234"},
        settings=FileSettings(decimal_mark=","),
    ),
    Case(
        "codes that lost their zeros",
        workbook({"S": [("sku", "count"), (123, 1), (45, 2)]}),
        {"00123": "1", "45": "2"},
        known=_knowing("00123", "45"),
    ),
    Case(
        "a code that may be two",
        workbook({"S": [("sku", "count"), (123, 1), ("B", 2)]}),
        {"B": "2"},
        ("one of the codes 00123, 123",),
        known=_knowing("00123", "123"),
    ),
    Case("a code shown with zeros", workbook({"S": [("sku", "count"), (123, 1)]}, _zeros), {"00123": "1"}),
    Case("a code in exponents", _csv("sku,count\n4.00581E+12,1\nB,2\n"), {"B": "2"}, ("written out",)),
    Case(
        "a code that became a date",
        workbook({"S": [("sku", "count"), (date(2026, 3, 4), 1), ("B", 2)]}),
        {"B": "2"},
        ("turned the code into a date",),
    ),
    Case("units behind numbers", _csv("sku,count\nA,12 pcs\nB,3 kg\n"), {"A": "12", "B": "3"}),
    Case(
        "packs that the catalogue knows",
        _csv("sku,count,unit\nA,2,box\nB,3,pcs\n"),
        {"A": "48", "B": "3"},
        known=_knowing("A", "B", packs={("A", "box"): 24}),
    ),
    Case(
        "packs behind numbers, and measures of another size",
        _csv("sku,count\nA,12 boxes\nB,1500 g\nC,2 kg\n"),
        {"A": "288", "B": "1.5", "C": "2"},
        known=_knowing(
            "A", "B", "C", packs={("A", "boxes"): 24, ("B", "g"): Decimal("0.001"), ("C", "kg"): 1}
        ),
    ),
    Case(
        "a pack that is more exact than a quantity can be",
        _csv("sku,count,unit\nA,0.5,oz\nB,1,oz\n"),
        {"B": "0.028349523125"},
        ("own unit holds exactly",),
        known=_knowing("A", "B", packs={(code, "oz"): Decimal("0.028349523125") for code in "AB"}),
    ),
    Case(
        "packs that nobody knows",
        _csv("sku,count,unit\nA,2,box\nB,3,pcs\n"),
        {"B": "3"},
        ("how many pieces one 'box' holds",),
    ),
    Case(
        "a column of boxes beside one of pieces",
        _csv("sku,boxes,pieces\nA,2,5\nB,1,0\n"),
        {},
        ("another unit",),
        True,
        below=0.6,
    ),
    Case(
        "a column of cases beside one of pieces, the units in brackets",
        _csv("sku,Count 1 (case),Count 2 (each)\nA,2,5\nB,1,0\n"),
        {},
        ("another unit",),
        True,
        below=0.6,
    ),
    Case(
        "cases in brackets that the quantity holds",
        _csv("sku,Count (case),Units per case,Count (each)\nA,2,12,24\nB,1,6,6\n"),
        {"A": "24", "B": "6"},
    ),
    Case(
        "the unit of Business Central",
        _csv(
            "Item No.,Bin Code,Qty. (Calculated),Qty. (Phys. Inventory),Unit of Measure Code\nA,W1,9,2,BOX\n"
        ),
        {"A@W1": "24"},
        known=_knowing("A", packs={("A", "BOX"): Decimal(12)}),
    ),
    Case(
        "a count of the shelf beside one of the backroom",
        _csv("sku,Shelf count,Backroom count\nA,2,3\nB,1,5\n"),
        {},
        ("'Backroom count' may be a part of the count",),
        True,
        below=0.7,
    ),
    Case(
        "a count beside a second one that agrees where somebody made it",
        _csv("sku,Count,2nd count\nA,2,2\nB,1,\n"),
        {"A": "2", "B": "1"},
    ),
    Case(
        "a final count beside those before it",
        _csv("sku,1st Count,2nd Count,Final Count\nA,2,3,3\nB,1,,1\n"),
        {"A": "3", "B": "1"},
    ),
    Case(
        "counts of rooms beside their sum",
        _csv("sku,Count front,Count back,Counted\nA,2,3,5\nB,1,,1\n"),
        {"A": "5", "B": "1"},
    ),
    Case("names and no codes", _csv("Product,Qty\nApple,2\n"), {}, ("only of names",), True, below=0.6),
    Case(
        "names that the catalogue knows",
        _csv("Product,Qty\nApple,2\n"),
        {"00123": "2"},
        known=Known(True, named=lambda asked: {"Apple": ["00123"]}),
    ),
    Case(
        "words within a longer header",
        _csv("Item code as printed there,Physical count before lunch\nA,1\n"),
        {},
        ("was taken for",),
        True,
        below=0.7,
    ),
    Case(
        "no header, columns by letter",
        _csv("A;x;1\nB;y;2\nC;z;3\n"),
        ABC,
        settings=FileSettings(mapping=Mapping({"sku": "@A", "quantity": "@C"})),
    ),
    Case(
        "a confirmed sheet without the column of remarks this time",
        _csv("Nr,Neu da\nA,1\n"),
        {"A": "1"},
        settings=FileSettings(mapping=Mapping({"sku": "Nr", "quantity": "Neu da", "remark": "Notiz"})),
    ),
    Case(
        "expected and variance beside the count", _csv("sku,expected,count,variance\nA,5,1,-4\n"), {"A": "1"}
    ),
    Case(
        "a level of stock beside a variance from something unknown",
        _csv("sku,stock,laid eyes on,difference\nA,5,1,-4\n"),
        {},
        ("which may be the book's",),
        True,
        below=0.7,
    ),
    Case(
        "an article twice, at two positions of the list",
        _csv("position,sku,count\n1,A,5\n2,B,1\n3,A,6\n"),
        {"B": "1"},
        ("each article once", "each article once"),
    ),
    Case(
        "two columns that may both be it",
        _csv("sku,qty,quantity\nA,1,2\n"),
        {},
        ("both mean quantity",),
        True,
    ),
    Case(
        "Odoo's quantities by their technical names: the book's and the count",
        _csv("product_id,product_id/default_code,inventory_quantity,quantity\nChair,A,8,10\n"),
        {},
        ("'inventory_quantity' and 'quantity' both mean quantity",),
        True,
    ),
    Case(
        "Odoo's technical name of the code",
        _csv("product_id,product_id/default_code,inventory_quantity\nChair,A,8\n"),
        {"A": "8"},
    ),
    Case(
        "codes in brackets before the names, as Odoo writes them",
        _csv("Location,Product,Counted Quantity\nL1,[A-1] Office Chair,8\nL1,[B] Cabinet,250\nL1,Apple,3\n"),
        {"A-1": "8", "B": "250", "00123": "3"},
        known=Known(True, named=lambda asked: {"Apple": ["00123"]}),
        below=0.9,
    ),
    Case(
        "brackets before the names that are no codes",
        _csv("Product,Counted\n[NEW] Chair,8\n[NEW] Cabinet,250\n"),
        {},
        ("only of names",),
        True,
        below=0.7,
    ),
    Case(
        "what is on hand beside what is available",
        _csv("SKU,Location,Committed,Available,On hand\nA,L1,2,8,10\n"),
        {"A": "10"},
        below=0.9,
    ),
    Case("nothing but what is available", _csv("SKU,Available\nA,8\n"), {"A": "8"}, below=0.9),
    Case(
        "words for what was not counted",
        _csv("sku,count\nA,1\nB,not stocked\nC,Not counted.\n"),
        {"A": "1"},
        left_out=("says that nobody counted",),
    ),
    Case("a text file named .xls", _text_xls(), ABC, file="counts/2026-03-01.xls"),
    Case("a web page named .xls", _html_xls(), {"A": "1", "B": "2"}, file="counts/2026-03-01.xls"),
    Case(
        "an XML workbook named .xls",
        _xml_2003(),
        {"A": "1"},
        ("error of the spreadsheet",),
        file="counts/2026-03-01.xls",
    ),
    Case("macros that are not run", _macro_book(), ABC, file="counts/2026-03-01.xlsm"),
    Case(
        "day first, settled by another line",
        _csv("sku,count,counted at\nA,1,03/04/2026\nB,2,25/03/2026\n"),
        {"A": "1", "B": "2"},
    ),
    Case(
        "a day that may be two",
        _csv("sku,count,counted at\nA,1,03/04/2026\nB,2,05/06/2026\n"),
        {},
        ("two ways", "two ways"),
        True,
    ),
    Case(
        "a date by name", _csv("Counted on: 1 March 2026\nsku,count\nA,1\n"), {"A": "1"}, file="counts/x.csv"
    ),
    Case(
        "a local date in the file's name",
        _csv("sku,count\nA,1\n"),
        {"A": "1"},
        file="counts/Inventur 31.12.2025.csv",
    ),
    Case("nobody says when", _csv("sku,count\nA,1\n"), {}, ("time of the count",), True, file="counts/x.csv"),
]
