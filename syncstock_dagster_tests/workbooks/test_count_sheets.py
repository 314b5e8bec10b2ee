"""Count sheets: what is a count, when and where it was made, and what is never taken for one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from syncstock_dagster.sources import FileSettings
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, RowError
from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster_tests.workbooks.builders import csv_file, said, with_part, workbook
from syncstock_dagster_tests.workbooks.builders import parse as parse_any

LOCAL = datetime(2026, 3, 1, 18, 0)
DAY = date(2026, 3, 1)
SHEET = "xl/worksheets/sheet1.xml"


def parse(content, name="counts/2026-03-01.csv", **more):
    return parse_any(content, name, "counts", **more)


def counts(parsed):
    assert not parsed.errors, [str(error) for error in parsed.errors]
    return said(parsed.evidence.counts)


# --- lines


def test_a_line_is_a_count_in_the_schema():
    parsed = parse(
        "sku,quantity,location,counted_at,room,session,counter,counted_from\n"
        "00123,5,L1,2026-03-01T18:00Z,back,S1,Ann,2026-03-01T17:00Z\n"
    )
    instant = LOCAL.replace(tzinfo=UTC)
    assert counts(parsed) == [
        {
            "session": "S1",
            "room": "back",
            "counter": "Ann",
            "sku": "00123",
            "location": "L1",
            "quantity": "5",
            "counted_at": instant,
            "counted_from": instant - timedelta(hours=1),
        }
    ]
    assert parsed.evidence.counts.schema == COUNT_SCHEMA
    assert parsed.evidence.counts["source"].to_pylist() == ["excel"]
    assert len(parsed.evidence.movements) == 0


def test_a_sheet_with_a_title_and_other_columns_is_read():
    rows = [
        ("Stock count of the shop in Oxford Street",),
        (),
        ("Item Code", "Item name", "Price", "Qty counted", "Remark"),
        ("A", "Apple", 1.5, 3, "ok"),
        ("B", "Pear", 2, 0, ""),
    ]
    for content in (workbook({"Count": rows}), csv_file([[*row, *[""] * (5 - len(row))] for row in rows])):
        parsed = parse(content)
        assert [(row["sku"], row["quantity"]) for row in counts(parsed)] == [("A", "3"), ("B", "0")]
        assert parsed.evidence.counts["position"].to_pylist() == [4, 5]
        assert (
            "Columns of sheet 'Count' that are not read: Price." in parsed.notes
            or "Columns that are not read: Price." in parsed.notes
        )


def test_codes_that_are_numbers_are_whole():
    rows = counts(parse(workbook({"S": [("code", "count"), (123.0, 1), ("00123", 2), (4005808, 3)]})))
    assert [row["sku"] for row in rows] == ["123", "00123", "4005808"]


def test_negative_counts_are_accepted():
    assert counts(parse("sku,count\nA,-2\n"))[0]["quantity"] == "-2"


def test_a_blank_quantity_is_not_counted_and_never_zero():
    parsed = parse("sku,count\nA,\nB,0\nC,  \nD,1\n")
    assert [(row["sku"], row["quantity"]) for row in counts(parsed)] == [("B", "0"), ("D", "1")]
    assert "Lines without a quantity were not counted: 2." in parsed.notes


def test_what_is_wrong_in_a_line_that_was_not_counted_does_not_matter():
    assert len(counts(parse("sku,count,counted_at\nA,,whenever\nB,1,2026-03-01\nTotal,,\n"))) == 1


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("n/a", "digits only"),
        ("none", "digits only"),
        ("#N/A", "error"),
        ("1.500", "can be read in one way"),
        ("TRUE", "digits"),
        ("2026-03-01", "digits"),
        # A ledger writes what is below zero so, and a person a number that is not sure.
        ("(3)", "Write 3, or -3 if"),
        ("3-", "Write 3, or -3 if"),
        ("2.5 –", "Write 2.5, or -2.5 if"),
    ],
)
def test_what_is_no_number_is_an_error_and_the_other_lines_count(quantity, words):
    parsed = parse(csv_file([("sku", "count"), ("A", quantity), ("B", "2")], ";"))
    (error,) = parsed.errors
    assert (error.row, error.column, error.found) == (2, "count", quantity)
    assert words in f"{error.expected} {error.remedy}"
    assert parsed.evidence.counts["sku"].to_pylist() == ["B"]
    assert not parsed.rejected


@pytest.mark.parametrize("quantity", [True, date(2026, 3, 1), LOCAL, "n/a"])
def test_cells_that_are_no_numbers_are_errors(quantity):
    parsed = parse(workbook({"S": [("sku", "count"), ("A", quantity), ("B", 2)]}))
    (error,) = parsed.errors
    assert (error.sheet, error.row, error.column) == ("S", 2, "count")
    assert parsed.evidence.counts["sku"].to_pylist() == ["B"]


@pytest.mark.parametrize("shown", ["#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?"])
def test_error_cells_are_errors_though_the_reader_calls_them_blank(shown):
    def spoil(book, pages):
        pages["S"].write_formula(1, 1, "=1/0", None, shown)

    parsed = parse(workbook({"S": [("sku", "count"), ("A", 1), ("B", 2)]}, spoil))
    (error,) = parsed.errors
    assert (error.row, error.found) == (2, shown)
    assert "correct its formula" in error.remedy
    assert parsed.evidence.counts["sku"].to_pylist() == ["B"]


def test_an_error_cell_in_the_code_is_an_error():
    def spoil(book, pages):
        pages["S"].write_formula(1, 0, "=1/0", None, "#N/A")

    (error,) = parse(workbook({"S": [("sku", "count"), ("A", 1), ("B", 2)]}, spoil)).errors
    assert (error.row, error.column, error.found) == (2, "sku", "#N/A")


@pytest.mark.parametrize("stored", [b"", b"<v></v>", b"<v/>", b"<v>0</v>"])
def test_a_formula_that_was_never_calculated_is_no_zero(stored):
    def formula(book, pages):
        pages["S"].write_formula(1, 1, "=2+3", None, 0)

    content = workbook({"S": [("sku", "count"), ("A", 1), ("B", 2)]}, formula)
    content = with_part(content, SHEET, lambda xml: xml.replace(b"</f><v>0</v>", b"</f>" + stored))
    (error,) = parse(content).errors
    assert (error.row, error.column) == (2, "count")
    assert "save it again" in error.remedy


def test_a_formula_with_its_result_counts():
    def formula(book, pages):
        pages["S"].write_formula(1, 1, "=2+3", None, 5)
        pages["S"].write_formula(2, 1, '=IF(1,"","")', None, "")

    content = workbook({"S": [("sku", "count"), ("A", 1), ("B", 2)]}, formula)
    # How a spreadsheet program marks a formula whose result is the empty text.
    content = with_part(content, SHEET, lambda xml: xml.replace(b'<c r="B3"><f>', b'<c r="B3" t="str"><f>'))
    parsed = parse(content)
    assert counts(parsed)[0]["quantity"] == "5"
    assert "Sheet 'S': lines without a quantity were not counted: 1." in parsed.notes


def test_an_article_listed_twice_is_refused_in_both_places():
    parsed = parse("sku,count\nA,1\nB,2\nA,3\nC,1\nA,3\n")
    assert [(error.row, error.expected) for error in parsed.errors] == [
        (2, "each article once; rows 4, 6 have it too"),
        (4, "each article once; rows 2, 6 have it too"),
        (6, "each article once; rows 2, 4 have it too"),
    ]
    assert parsed.evidence.counts["sku"].to_pylist() == ["B", "C"]


@pytest.mark.parametrize("column", ["room", "location", "session", "counted_at"])
def test_one_article_in_two_rooms_locations_sessions_or_instants_is_two_counts(column):
    values = ("2026-03-01", "2026-03-02") if column == "counted_at" else ("x", "y")
    assert len(counts(parse(f"sku,count,{column}\nA,1,{values[0]}\nA,2,{values[1]}\n"))) == 2


def test_codes_that_differ_in_case_or_blanks_are_different_articles():
    assert len(counts(parse("sku,count\nA,1\na,2\nA ,3\n"))) == 3


def test_a_line_that_was_not_counted_is_no_second_one():
    assert len(counts(parse("sku,count\nA,1\nA,\n"))) == 1


@pytest.mark.parametrize("word", ["Total", "GRAND TOTAL", "Summe:", "合计", "Subtotal Cellar", "Итого"])
def test_a_sum_is_no_article_and_is_named(word):
    parsed = parse(f"sku,count\nA,1\nB,2\n{word},3\n")
    assert [row["sku"] for row in counts(parsed)] == ["A", "B"]
    (left,) = parsed.preview.left_out
    assert (list(left.rows), left.why) == ([4], "a sum of the lines above")
    assert parsed.preview.confidence == 1


@pytest.mark.parametrize(
    "line",
    [
        "Items: 2,,9", "2 items,,9", ",Items: 2,9", "Items,2,9", "Lines counted,2,9", "Artikel: 2,,9",
        "Articles : 2,,9", "Позиций: 2,,9", "Positionen,,9",
    ],
)  # fmt: skip
def test_a_sum_may_count_the_lines(line):
    parsed = parse(f"sku,name,count\nA,x,4\nB,y,5\n{line}\n")
    assert [row["sku"] for row in counts(parsed)] == ["A", "B"]
    (left,) = parsed.preview.left_out
    assert (list(left.rows), left.why) == ([4], "a sum of the lines above")
    assert parsed.preview.confidence == 1


@pytest.mark.parametrize("code", ["Item 2", "Items", "Pieces", "Article 7"])
def test_an_article_may_be_called_as_lines_are(code):
    """A number behind the word, without a colon, is a name; a word alone is a sum only if its quantity is one."""
    parsed = parse(f"sku,name,count\nA,x,4\nB,y,5\n{code},z,7\n")
    assert [row["sku"] for row in counts(parsed)] == ["A", "B", code]


def test_a_sum_that_is_not_one_of_what_was_read_is_told():
    parsed = parse("sku,count\nA,1\nB,2\nTotal,7\n")
    assert any("row 4 says 7, the lines above sum to 3" in note for note in parsed.notes)
    assert parsed.preview.confidence < 1


def test_an_article_whose_code_is_a_word_for_a_sum_is_one_if_the_catalogue_says_so():
    known = Known(True, codes=lambda asked: {code: [code] for code in asked if code == "TOTAL"})
    parsed = parse("sku,count\nA,1\nTOTAL,5\n", known=known)
    assert [row["sku"] for row in counts(parsed)] == ["A", "TOTAL"]


def test_a_quantity_without_a_code_is_an_error():
    (error,) = parse("sku,count\nA,1\n,7\n").errors
    assert (error.row, error.column, error.found) == (3, "sku", None)


def test_inventory_ids_may_stand_for_codes():
    (row,) = counts(parse("inventory_id,count\n17,1\n"))
    assert row["inventory_id"] == 17


# --- when


def label(text):
    return f"{text}\n\nsku,count\nA,1\n"


@pytest.mark.parametrize(
    ("content", "name", "field", "value"),
    [
        # the line's own cell first
        (
            "Counted at: 2026-01-01,,\nsku,count,counted at\nA,1,2026-03-01 18:00\n",
            "2026-02-02.csv",
            "counted_local",
            LOCAL,
        ),
        ("sku,count,counted at\nA,1,2026-03-01T18:00Z\n", "x.csv", "counted_at", LOCAL.replace(tzinfo=UTC)),
        ("sku,count,count date\nA,1,2026-03-01\n", "x.csv", "day", DAY),
        # then a labelled cell
        (label("Counted at: 2026-03-01 18:00"), "2026-02-02.csv", "counted_local", LOCAL),
        (label("Counted at:,2026-03-01 18:00"), "x.csv", "counted_local", LOCAL),
        (label("Counted at,,2026-03-01T18:00Z"), "x.csv", "counted_at", LOCAL.replace(tzinfo=UTC)),
        (label("DATE: 2026-03-01"), "x.csv", "day", DAY),
        (label("Shop,Oxford Street,Date:,2026-03-01,Time:,18:00"), "x.csv", "counted_local", LOCAL),
        (label("Datum：2026-03-01"), "x.csv", "day", DAY),
        # then the file's name
        ("sku,count\nA,1\n", "2026-03-01.csv", "day", DAY),
        ("sku,count\nA,1\n", "counts/L1/Store 20260301.csv.gz", "day", DAY),
        ("sku,count\nA,1\n", "count_2026-03-01T18-00.csv", "counted_local", LOCAL),
        ("sku,count\nA,1\n", "count 2026-03-01 1800.csv", "counted_local", LOCAL),
        ("sku,count\nA,1\n", "20260301T180000.csv", "counted_local", LOCAL),
        ("sku,count\nA,1\n", "20260301_18.00.csv", "counted_local", LOCAL),
        ("sku,count\nA,1\n", "count-2026-03-01-18-00.csv", "counted_local", LOCAL),
        ("sku,count\nA,1\n", "export-2026-03-01T18_00_00Z.csv", "counted_at", LOCAL.replace(tzinfo=UTC)),
        ("sku,count\nA,1\n", "20260301T200000+0200 (1).csv", "counted_at", LOCAL.replace(tzinfo=UTC)),
        ("sku,count\nA,1\n", "2026-03-01T18-00 Zone 3.csv", "counted_local", LOCAL),
        ("sku,count\nA,1\n", "2026-03-01 (2).csv", "day", DAY),
        ("sku,count\nA,1\n", "2026-03-01-2.csv", "day", DAY),
        ("sku,count\nA,1\n", "4711-2026-03-01-room 3.csv", "day", DAY),
    ],
)  # fmt: skip
def test_when_a_count_was_made_is_said_by_its_line_a_label_or_the_files_name(content, name, field, value):
    settings = FileSettings(counted_at=date(1999, 1, 1))  # the sender's word comes last
    (row,) = counts(parse(content, name, settings=settings))
    assert {key: row[key] for key in row if key in ("counted_at", "counted_local", "day")} == {field: value}


@pytest.mark.parametrize(
    ("said_by_sender", "field", "value"),
    [
        (LOCAL, "counted_local", LOCAL),
        (DAY, "day", DAY),
        (
            LOCAL.replace(tzinfo=timezone(timedelta(hours=2))),
            "counted_at",
            datetime(2026, 3, 1, 16, 0, tzinfo=UTC),
        ),
    ],
)
def test_the_sender_may_say_it_where_nothing_else_does(said_by_sender, field, value):
    parsed = parse("sku,count\nA,1\n", "count 17.csv", settings=FileSettings(counted_at=said_by_sender))
    assert counts(parsed)[0][field] == value
    assert any("according to the sender" in note for note in parsed.notes)


def test_a_title_that_begins_like_a_label_is_a_title():
    assert counts(parse("Data,Stock of the shop\nsku,count\nA,1\n"))[0]["day"] == DAY


def test_real_date_cells_say_it_too():
    (row,) = counts(parse(workbook({"S": [("Counted at", LOCAL), ("sku", "count"), ("A", 1)]}), "x.xlsx"))
    assert row["counted_local"] == LOCAL
    rows = [("sku", "count", "counted at"), ("A", 1, LOCAL), ("B", 1, DAY)]
    first, second = counts(parse(workbook({"S": rows}), "x.xlsx"))
    assert (first["counted_local"], second["day"]) == (LOCAL, DAY)


def test_lines_without_a_time_of_their_own_take_that_of_the_sheet():
    first, second = counts(parse("sku,count,counted_at\nA,1,2026-02-01\nB,1,\n"))
    assert (first["day"], second["day"]) == (date(2026, 2, 1), DAY)


def test_nothing_said_refuses_the_file_and_says_how_to_say_it():
    parsed = parse("sku,count\nA,1\nB,x\n", "count.csv")
    assert parsed.rejected
    assert len(parsed.errors) == 2
    assert parsed.errors[0].expected == "the time of the count"
    assert "name the file after the day" in parsed.errors[0].remedy


def test_nothing_said_for_a_line_refuses_the_line():
    parsed = parse("sku,count,counted_at\nA,1,2026-03-01\nB,1,\n", "count.csv")
    (error,) = parsed.errors
    assert (error.row, error.column) == (3, "counted_at")
    assert not parsed.rejected


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (label("Counted at: 01/03/2026"), "2026-03-01.csv", "two ways"),
        (label("Counted at: yesterday"), "2026-03-01.csv", "year first"),
        (label("Date: 2026-03-01,Time: evening"), "x.csv", "hours and minutes"),
        ("sku,count\nA,1\n", "2026-03-01 to 2026-03-07.csv", "the day of the count alone"),
        ("sku,count\nA,1\n", "2026-03-01_0002.csv", "two ways"),
        ("sku,count\nA,1\n", "2026-03-01 9999.csv", "two ways"),
    ],
)
def test_what_can_be_read_in_two_ways_refuses_the_file(content, name, words):
    parsed = parse(content, name, settings=FileSettings(counted_at=DAY))
    assert parsed.rejected
    (error,) = parsed.errors
    assert words in error.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("01/03/2026 18:00", "two ways"),
        ("15/03/26", "two ways"),
        ("15/03/2026 18:00 CET", "instead of the zone's name"),
        ("2026-03-01 18:00 UTC", "instead of the zone's name"),
        ("31/02/2026", "check that the day exists"),
    ],
)
def test_a_date_that_is_not_read_is_refused_for_the_right_reason(text, words):
    (error,) = parse(f"sku,count,counted at\nA,1,{text}\n", "x.csv").errors
    assert words in error.remedy


@pytest.mark.parametrize("name", ["count 03-04-2026.csv", "Stock 14-03-26.csv"])
def test_a_date_in_the_name_that_may_be_two_is_said_to_be_there(name):
    (error,) = parse("sku,count\nA,1\n", name).errors
    assert error.found in name and "two ways" in error.remedy
    assert not parse("sku,count\nA,1\n", name, settings=FileSettings(counted_at=DAY)).rejected


@pytest.mark.parametrize("name", ["20261301.csv", "count 4202603015.csv", "1234-56-78.csv", "01-03-2026.csv"])
def test_other_numbers_in_a_name_are_no_dates(name):
    assert parse("sku,count\nA,1\n", name).rejected


@pytest.mark.parametrize(
    "above",
    [
        "Date:,2026-03-01\nTime:,09:00 - 12:00",
        "Date: 2026-03-01\nStart: 09:00\nEnd: 12:00",
        "Datum,01.03.2026\nBeginn,9:00 Uhr\nEnde,12:00 Uhr",
        "Counted from,9 am,Date,1 March 2026,Finished,12 pm",
    ],
)
def test_a_count_that_took_from_nine_to_twelve_keeps_its_interval(above):
    (row,) = counts(parse(f"{above}\nsku,count\nA,1\n", "x.csv"))
    assert row["counted_from_local"] == datetime(2026, 3, 1, 9, 0)
    assert row["counted_local"] == datetime(2026, 3, 1, 12, 0)


def test_the_sender_may_say_when_counting_began():
    settings = FileSettings(counted_at=LOCAL, counted_from=LOCAL - timedelta(hours=3))
    (row,) = counts(parse("sku,count\nA,1\n", "x.csv", settings=settings))
    assert (row["counted_from_local"], row["counted_local"]) == (LOCAL - timedelta(hours=3), LOCAL)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("01.03.2026 18:00", LOCAL),
        ("1. März 2026 18:00 Uhr", LOCAL),
        ("March 1, 2026 6:00 PM", LOCAL),
        ("1 mars 2026", DAY),
        ("1 de marzo de 2026", DAY),
        ("2026年3月1日", DAY),
        ("2026년 3월 1일", DAY),
        ("2026/03/01 18:00", LOCAL),
        ("2026/3/1 下午6:00", LOCAL),
        ("2026年3月1日 18时00分", LOCAL),
        ("2026. 3. 1. 오후 6:00:00", LOCAL),
        ("15/3/2026 6:00 p. m.", LOCAL.replace(day=15)),
        ("2026/03/01 06:00 م", LOCAL),
        ("1-Mar-26", DAY),
        ("1-mars-26 18:00", LOCAL),
        ("15/03/2026", date(2026, 3, 15)),
        ("3/15/2026", date(2026, 3, 15)),
        ("03/03/2026", date(2026, 3, 3)),
    ],
)
def test_dates_are_read_as_their_country_writes_them_where_they_are_clear(text, moment):
    (row,) = counts(
        parse(csv_file([("Counted at", text, ""), ("sku", "count", "x"), ("A", "1", "")]), "x.csv")
    )
    assert moment in (row.get("counted_local"), row.get("day"))


@pytest.mark.parametrize(
    "headers",
    [
        "Référence;Désignation;Quantité comptée",
        "Artikel;Bezeichnung;Menge",
        "Codice;Descrizione;Giacenza fisica",
        "Réf.;Désignation;Stock réel",
    ],
)
def test_the_language_of_the_headers_tells_day_from_month(headers):
    (row,) = counts(parse(f"Date;01/03/2026;\n{headers}\nA;x;1\n", "x.csv"))
    assert row["day"] == DAY
    (row,) = counts(parse(f"{headers};Date\nA;x;1;01/03/2026\n", "x.csv"))
    assert row["day"] == DAY
    other = parse(f"{headers};Date;Péremption\nA;x;1;01/03/2026;12/31/2026\n", "x.csv")
    assert not other.errors and other.evidence.counts["day"].to_pylist() == [date(2026, 1, 3)], (
        "a date that settles it says more than a language"
    )


@pytest.mark.parametrize("headers", ["Code;Name;Qty", "Código;Descripción;Cantidad", "Code;Quantité / Qty;x"])
def test_a_language_that_puts_either_first_tells_nothing(headers):
    parsed = parse(f"Date;01/03/2026;\n{headers}\nA;1;1\n", "x.csv")
    assert parsed.rejected and "two ways" in parsed.errors[0].remedy


def test_a_column_of_days_and_one_of_times_are_one_instant():
    (row,) = counts(parse("sku,count,date,time\nA,1,2026-03-01,6:00 pm\n", "x.csv"))
    assert row["counted_local"] == LOCAL


def test_a_count_cannot_end_before_it_began():
    (error,) = parse("sku,count,counted_at,counted_from\nA,1,2026-03-01T18:00,2026-03-01T19:00\n").errors
    assert error.column == "counted_from"


# --- remarks


def test_a_remark_is_kept_with_its_count_and_never_refuses_it():
    cells = [
        ("sku", "count", "Remark", "Comment"),
        ("A", 1, " two broken ", "x"),
        ("B", 2, "", ""),
        ("C", 3, 7, ""),
    ]
    parsed = parse(
        workbook({"S": cells}, lambda book, pages: pages["S"].write_formula(2, 2, "=1/0", None, "#DIV/0!"))
    )
    assert [row.get("remark") for row in counts(parsed)] == ["two broken", None, "7"]
    (row,) = counts(parse(f"sku,count,note\nA,1,{'long ' * 200}\n"))
    assert len(row["remark"]) == 500


def test_remarks_of_what_was_not_counted_are_told():
    parsed = parse("sku,count,remark\nA,1,fine\nB,,shelf blocked\nC,,\n")
    assert "Remarks on lines that were not counted: row 3: shelf blocked." in parsed.notes


def test_remarks_of_lots_that_are_summed_are_all_kept():
    (row,) = counts(parse("sku,lot,count,remark\nA,L1,1,wet\nA,L2,2,\nA,L3,3,torn\nA,L4,4,wet\n"))
    assert (row["quantity"], row["remark"]) == ("10", "wet; torn")


# --- where


@pytest.mark.parametrize(
    ("content", "location"),
    [
        ("Location: L2,,\nsku,count,location\nA,1,L1\n", "L1"),
        ("Location: L1,,\nsku,count,location\nA,1,\n", "L1"),
        ("Store:,L1\nsku,count\nA,1\n", "L1"),
        ("sku,count\nA,1\n", "L9"),
    ],
)
def test_where_is_said_by_the_line_a_label_or_the_sender(content, location):
    (row,) = counts(parse(content, settings=FileSettings(location="L9")))
    assert row["location"] == location


def test_without_any_word_it_is_the_default_location():
    assert "location" not in counts(parse("sku,count\nA,1\n"))[0]


def test_who_counted_may_stand_above_the_table():
    assert counts(parse("Counted by: Ann,\nsku,count\nA,1\n"))[0]["counter"] == "Ann"


# --- rooms and sessions


def test_several_sheets_are_rooms_of_one_session():
    sheets = {"Cellar": [("sku", "count"), ("A", 1)], "Shop": [("sku", "count"), ("A", 2)], "Empty": []}
    parsed = parse(workbook(sheets), "counts/2026-03-01 Oxford.xlsx")
    assert [(row["room"], row["session"], row["quantity"]) for row in counts(parsed)] == [
        ("Cellar", "2026-03-01 Oxford", "1"),
        ("Shop", "2026-03-01 Oxford", "2"),
    ]
    assert parsed.evidence.counts["position"].to_pylist() == [2, 4]
    assert any("'Cellar', 'Shop'" in note for note in parsed.notes)


def test_a_session_named_above_the_table_wins():
    sheets = {name: [("Stocktake: 2026/1",), ("sku", "count"), ("A", 1)] for name in ("Cellar", "Shop")}
    assert {row["session"] for row in counts(parse(workbook(sheets)))} == {"2026/1"}


def test_rooms_in_a_column_are_a_session_too_and_parts_of_a_sheets_room():
    assert {row["session"] for row in counts(parse("sku,count,room\nA,1,x\nA,2,y\n"))} == {"2026-03-01"}
    sheets = {name: [("sku", "count", "shelf"), ("A", 1, "top"), ("B", 1, "")] for name in ("Cellar", "Shop")}
    rooms = [row["room"] for row in counts(parse(workbook(sheets)))]
    assert rooms == ["Cellar / top", "Cellar", "Shop / top", "Shop"]


def test_one_sheet_alone_has_neither_room_nor_session():
    (row,) = counts(parse(workbook({"Sheet1": [("sku", "count"), ("A", 1)]})))
    assert not {"room", "session"} & set(row)


def test_a_hidden_sheet_is_not_read():
    def hide(book, pages):
        pages["Old"].hide()

    sheets = {"Count": [("sku", "count"), ("A", 1)], "Old": [("sku", "count"), ("A", 9)]}
    parsed = parse(workbook(sheets, hide))
    assert [row["quantity"] for row in counts(parsed)] == ["1"]
    assert "Sheet 'Old' is hidden and was not read." in parsed.notes


def test_a_sheet_that_lacks_a_column_is_named_with_what_it_lacks():
    sheets = {"Count": [("sku", "count"), ("A", 1)], "Prices": [("sku", "price"), ("A", 9)]}
    assert "Sheet 'Prices' was not read: no column for quantity." in parse(workbook(sheets)).notes


# --- the file as a whole


def test_a_file_without_a_recognised_header_says_what_it_found():
    parsed = parse("Stock\nApple;3\n")
    assert parsed.rejected
    (error,) = parsed.errors
    assert (error.row, error.found) == (1, "Stock")


def test_a_file_of_bad_rows_alone_is_rejected():
    assert parse("sku,count\nA,x\n").rejected


def test_a_policy_may_reject_the_whole_sheet():
    parsed = parse("sku,count\nA,x\nB,1\n", bad_rows="reject_file")
    assert parsed.rejected
    assert len(parsed.evidence) == 0


def at_most_a_thousand(table, name):
    """An example rule: nobody has that many on a shelf."""
    for row in table.to_pylist():
        if len(row["quantity"].split(".")[0]) > 3:
            yield RowError(name, row["position"], "quantity", row["quantity"], "at most 999", "Count again.")


def test_a_validation_rule_sees_the_counts():
    parsed = parse("sku,count\nA,1000\nB,1\n", validation_rules=(f"{__name__}:at_most_a_thousand",))
    assert [error.row for error in parsed.errors] == [2]
    assert parsed.evidence.counts["sku"].to_pylist() == ["B"]


# --- a column for each location

PLACES = Known(True, {"north": None, "S1": "South shop", "west": None})
BY_LOCATION = (
    "Stock of the shops\n\nsku,name,North,South shop,Total\nA,Apple,3,0,3\nB,Beer,,7,7\nTotal,,3,7,10\n"
)


def test_columns_named_after_locations_are_counts_there():
    parsed = parse(BY_LOCATION, known=PLACES)
    found = [(row["sku"], row["location"], row["quantity"]) for row in counts(parsed)]
    assert found == [("A", "north", "3"), ("A", "S1", "0"), ("B", "S1", "7")]
    assert "2 columns were read as locations: north, S1." in parsed.notes
    assert len(set(parsed.evidence.counts["position"].to_pylist())) == 3
    assert parsed.preview is not None
    assert parsed.preview.confidence == 0.9
    assert parsed.preview.columns() == {}  # a mapping names one column of quantities


@pytest.mark.parametrize(
    "sheet",
    [
        "sku,north\nA,3\n",  # one column may be anything
        "sku,north,NORTH\nA,3,4\n",
        "sku,east,far east\nA,3,4\n",
        "sku,2026-03-01,2026-03-02\nA,3,4\n",  # the sales of two days, perhaps
    ],
)
def test_other_columns_without_a_word_for_the_quantity_are_refused(sheet):
    parsed = parse(sheet, known=PLACES)
    assert parsed.rejected
    assert len(parsed.evidence.counts) == 0


def test_the_sum_beside_columns_of_locations_is_not_counted_as_well():
    parsed = parse("sku,counted,north,west\nA,5,3,2\nB,1,1,\nC,,,\n", known=PLACES)
    found = [(row["sku"], row["location"], row["quantity"]) for row in counts(parsed)]
    assert found == [("A", "north", "3"), ("B", "north", "1"), ("A", "west", "2")]
    assert "Column 'counted' is the sum of those by location." in parsed.notes


def test_a_count_beside_columns_of_locations_that_are_not_its_parts_is_looked_at_by_a_person():
    parsed = parse("sku,counted,north,west\nA,5,3,1\n", known=PLACES)
    assert parsed.rejected
    assert "named after locations" in str(parsed.errors[0])


@pytest.mark.parametrize(
    ("sheet", "found"),
    [
        ("sku,In stock [North],Low [North],In stock [West]\nA,3,1,2\n", [("north", "3"), ("west", "2")]),
        (
            "sku,Current Quantity North,New Quantity North,Current Quantity West,New Quantity West\nA,9,3,9,2\n",
            [("north", "3"), ("west", "2")],
        ),
        ("sku,In stock [West],Price [West]\nA,3,1\n", [("west", "3")]),
        ("sku,Count 1,Price\nA,3,1\n", [(None, "3")]),
    ],
)
def test_a_word_for_the_quantity_may_stand_beside_the_location(sheet, found):
    known = Known(True, {"north": None, "west": None, "1": None})
    assert [(row.get("location"), row["quantity"]) for row in counts(parse(sheet, known=known))] == found


@pytest.mark.parametrize(
    ("sheet", "is_clear"),
    [
        ("Code,Cases,Units/Case,Qty\nA,2,12,24\nB,0,6,0\nC,1,6,6\n", True),
        ("Code,Units per case,Cases,Qty\nA,12,2,24\nB,6,,\n", True),
        ("Code,Pcs / Box,Qty\nA,12,24\n", True),
        ("Code,Cases,Units/Case,Qty\nA,2,12,24\nB,1,6,3\n", False),  # three more, or three in all?
        ("Code,Cases,Units/Case,Qty\nA,2,12,5\nB,1,6,3\n", False),
        ("Code,Cases,Units/Case,Qty\nA,0,12,0\nB,0,6,0\n", False),
        ("Code,Cases,Units/Case,Qty\nA,2,1,2\nB,3,1,3\n", False),
        ("Code,Cases,Units/Case,Qty\nA,2,12,24\nB,3,,3\n", False),
        ("Code,Cases,Qty\nA,2,24\n", False),
        ("Code,Box/Carton,Qty\nA,2,24\n", False),
    ],
)
def test_packs_beside_the_quantity_are_a_doubt_unless_it_holds_them(sheet, is_clear):
    parsed = parse(sheet)
    assert parsed.rejected is not is_clear
    assert is_clear or "another unit" in parsed.errors[0].found


def test_an_error_in_one_location_is_an_error_of_its_row_only():
    parsed = parse("sku,north,west\nA,many,2\n", known=PLACES, bad_rows="reject_rows")
    assert [(row["location"], row["quantity"]) for row in said(parsed.evidence.counts)] == [("west", "2")]
    (error,) = parsed.errors
    assert (error.row, error.column, error.found) == (2, "north", "many")
