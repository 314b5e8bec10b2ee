"""Movement files: what each column means, and that everything wrong is said at once."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from syncstock_dagster.sources import FileSettings, RuleFailedError
from syncstock_dagster.stock.evidence import MOVEMENT_SCHEMA, RowError
from syncstock_dagster.stock.policy import ConfigError
from syncstock_dagster_tests.workbooks.builders import csv_file, parquet, parse, said, workbook

HEADER = ("document", "line", "sku", "location", "quantity", "effective_at")
GOOD = ("R-1", "1", "00123", "L1", "2", "2026-03-01T18:00:00Z")
LOCAL = datetime(2026, 3, 1, 18, 0)
INSTANT = LOCAL.replace(tzinfo=UTC)


def one(parsed):
    """The only row of an accepted file."""
    assert not parsed.errors, [str(error) for error in parsed.errors]
    assert not parsed.rejected
    (row,) = said(parsed.evidence.movements)
    return row


# --- meaning


def test_a_row_is_one_line_of_a_document_in_the_schema():
    parsed = parse(csv_file([HEADER, GOOD]))
    assert one(parsed) == {
        "document": "R-1",
        "line": "1",
        "leg": 0,
        "sku": "00123",
        "location": "L1",
        "quantity": "2",
        "effective_at": INSTANT,
        "reason": "adjustment",
    }
    assert parsed.evidence.movements.schema == MOVEMENT_SCHEMA
    assert parsed.evidence.movements["position"].to_pylist() == [2]
    assert parsed.evidence.movements["source"].to_pylist() == ["movements"]
    assert (parsed.lines, parsed.bad_lines) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "written", "quantity", "reason"),
    [
        ("purchases", "5", "5", "purchase"),
        ("purchases", "-5", "-5", "purchase"),
        ("sales", "5", "-5", "sale"),
        ("sales", "-5", "5", "return"),
        ("sales", "0", "0", "sale"),
        ("sales", "-0.50", "0.5", "return"),
        ("movements", "5", "5", "adjustment"),
        ("movements", "-5", "-5", "adjustment"),
        # As ledgers and their programs write what is below zero.
        ("movements", "(5)", "-5", "adjustment"),
        ("movements", " ( 5.50 ) ", "-5.5", "adjustment"),
        ("movements", "5-", "-5", "adjustment"),
        ("movements", "−5", "-5", "adjustment"),
        ("sales", "(5)", "5", "return"),
    ],
)
def test_the_kind_gives_quantities_their_sign_and_reason(kind, written, quantity, reason):
    row = one(parse(csv_file([HEADER, (*GOOD[:4], written, GOOD[5])]), kind=kind))
    assert (row["quantity"], row["reason"]) == (quantity, reason)


@pytest.mark.parametrize("kind", ["purchases", "sales", "movements"])
def test_a_given_reason_stays_and_a_blank_one_is_the_default(kind):
    rows = said(
        parse(csv_file([(*HEADER, "reason"), (*GOOD, "damage"), (*GOOD, "")]), kind=kind).evidence.movements
    )
    assert [row["reason"] for row in rows] == [
        "damage",
        {"purchases": "purchase", "sales": "sale", "movements": "adjustment"}[kind],
    ]


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-03-01T18:00:00Z", INSTANT),
        ("2026-03-01T18:00Z", INSTANT),
        ("2026-03-01 18:00:00.000 Z", INSTANT),
        ("2026-03-01t18:00:00z", INSTANT),
        ("2026-03-01T20:00:00+02:00", INSTANT),
        ("2026-03-01T20:00:00+0200", INSTANT),
        ("2026-03-01T20:00:00+02", INSTANT),
        ("2026-03-01T13:30:00-04:30", INSTANT),
        (" 2026-03-01T18:00:00Z ", INSTANT),
        ("2026-03-01T18:00:00.1234567Z", INSTANT.replace(microsecond=123456)),
        ("2026-03-01T18:00:00,5Z", INSTANT.replace(microsecond=500000)),
        ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
        ("9999-12-30T23:59:59.999999Z", datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2024-02-29T00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_an_instant_with_an_offset_is_aware(written, instant):
    row = one(parse(csv_file([HEADER, (*GOOD[:5], written)])))
    assert row["effective_at"] == instant
    assert "effective_local" not in row


@pytest.mark.parametrize("written", ["2026-03-01T18:00", "2026-03-01 18:00:00", "2026-03-01T18:00:00.000000"])
def test_an_instant_without_an_offset_is_local_to_its_location(written):
    row = one(parse(csv_file([HEADER, (*GOOD[:5], written)])))
    assert row["effective_local"] == LOCAL
    assert "effective_at" not in row


def test_a_day_without_a_document_contributes_to_the_days_total():
    assert one(parse("sku,quantity,day\nA,5,2026-03-01\n", kind="sales")) == {
        "leg": 0,
        "sku": "A",
        "quantity": "-5",
        "day": date(2026, 3, 1),
        "reason": "sale",
    }


def test_a_day_with_a_document_is_a_document_line_known_by_its_day():
    row = one(parse("document,sku,quantity,day\nR-1,A,5,2026-03-01\n"))
    assert (row["document"], row["day"]) == ("R-1", date(2026, 3, 1))


def test_instants_and_days_may_stand_in_one_file():
    rows = said(
        parse(
            "document,sku,quantity,effective_at,day\nR-1,A,5,2026-03-01T18:00Z,\n,A,5,,2026-03-01\n"
        ).evidence.movements
    )
    assert [("effective_at" in row, "day" in row) for row in rows] == [(True, False), (False, True)]


def test_a_date_column_beside_the_instant_repeats_it():
    row = one(parse("document,sku,quantity,effective_at,Date\nR-1,A,5,2026-03-01T18:00Z,2026-03-01\n"))
    assert "day" not in row


def test_codes_stay_as_they_were_delivered():
    row = one(parse(csv_file([HEADER, (" R 1 ", "01", " 00a ", " L1", "2", "2026-03-01T18:00Z")])))
    assert (row["document"], row["line"], row["sku"], row["location"]) == (" R 1 ", "01", " 00a ", " L1")


def test_a_blank_location_line_or_document_is_nothing():
    row = one(parse(csv_file([(*HEADER[:5], "day"), ("", " ", "A", "", "2", "2026-03-01")])))
    assert not {"document", "line", "location"} & set(row)


def test_an_inventory_id_replaces_the_code():
    row = one(parse("inventory_id,quantity,day\n1001,5,2026-03-01\n"))
    assert row["inventory_id"] == 1001
    assert "sku" not in row


def test_a_unit_price_is_exact():
    rows = said(
        parse("sku,quantity,day,unit_price\nA,5,2026-03-01,2.50\nA,5,2026-03-01,\n").evidence.movements
    )
    assert [row.get("unit_price") for row in rows] == ["2.5", None]


# --- transfers

TRANSFER = ("document", "sku", "location", "to_location", "quantity", "effective_at", "arrives_at")


def test_a_transfer_has_two_legs_and_one_identity():
    parsed = parse(
        csv_file([TRANSFER, ("T-1", "A", "L1", "L2", "5", "2026-03-01T18:00Z", "2026-03-02T09:00Z")])
    )
    left, there = said(parsed.evidence.movements)
    assert left == {
        "document": "T-1",
        "leg": 0,
        "sku": "A",
        "location": "L1",
        "quantity": "-5",
        "effective_at": INSTANT,
        "reason": "transfer",
    }
    assert there == left | {
        "leg": 1,
        "location": "L2",
        "quantity": "5",
        "effective_at": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    }
    assert parsed.evidence.movements["position"].to_pylist() == [2, 2]


def test_a_transfer_without_an_arrival_arrives_at_once():
    left, there = said(
        parse(csv_file([TRANSFER, ("T-1", "A", "", "L2", "5", "2026-03-01T18:00", "")])).evidence.movements
    )
    assert left["effective_local"] == there["effective_local"] == LOCAL
    assert "location" not in left


def test_a_transfer_known_by_its_day_has_two_legs_on_it():
    rows = said(
        parse("document,sku,location,to_location,quantity,day\nT,A,L1,L2,5,2026-03-01\n").evidence.movements
    )
    assert [row["day"] for row in rows] == [date(2026, 3, 1)] * 2


def test_legs_stand_together_and_other_rows_keep_their_place():
    rows = [
        ("T-1", "A", "L1", "L2", "5", "2026-03-01T18:00Z", ""),
        ("M-1", "A", "L1", "", "-1", "2026-03-01T18:00Z", ""),
        ("T-2", "A", "L2", "L1", "1", "2026-03-01T18:00Z", ""),
    ]
    movements = parse(csv_file([TRANSFER, *rows])).evidence.movements
    assert movements["position"].to_pylist() == [2, 2, 3, 4, 4]
    assert movements["leg"].to_pylist() == [0, 1, 0, 0, 1]
    assert movements["reason"].to_pylist() == ["transfer", "transfer", "adjustment", "transfer", "transfer"]


@pytest.mark.parametrize(
    ("kind", "changes", "column", "words"),
    [
        ("movements", {"quantity": "-5"}, "quantity", "positive"),
        ("movements", {"quantity": "0"}, "quantity", "positive"),
        ("movements", {"to_location": "L1"}, "to_location", "another location"),
        ("movements", {"document": ""}, "document", "document"),
        ("movements", {"arrives_at": "2026-03-01T17:59Z"}, "arrives_at", "after the departure"),
        ("movements", {"arrives_at": "tomorrow"}, "arrives_at", "2026-03-01"),
        ("movements", {"to_location": ""}, "arrives_at", "only for a transfer"),
        ("sales", {}, "to_location", "no to_location"),
        ("purchases", {}, "to_location", "no to_location"),
    ],
)
def test_a_wrong_transfer_is_refused_whole(kind, changes, column, words):
    good = dict(
        zip(TRANSFER, ("T-1", "A", "L1", "L2", "5", "2026-03-01T18:00Z", "2026-03-02T09:00Z"), strict=True)
    )
    other = {**good, "document": "T-2", "to_location": "", "arrives_at": ""}
    parsed = parse(
        csv_file([TRANSFER, list({**good, **changes}.values()), list(other.values())]),
        kind=kind,
        bad_rows="reject_rows",
    )
    (error,) = parsed.errors
    assert error.row == 2
    assert error.column == column
    assert words in error.expected
    assert parsed.evidence.movements["document"].to_pylist() == ["T-2"]


# --- formats


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_line_ends_and_encodings_are_found(delimiter, line_end, encoding):
    rows = [HEADER, ("R-1", "1", 'Čäfé, 1;2\t|\n"x"', "L1", "2", "2026-03-01T18:00Z")]
    assert one(parse(csv_file(rows, delimiter, encoding, line_end)))["sku"] == 'Čäfé, 1;2\t|\n"x"'


def test_a_line_that_tells_a_spreadsheet_the_delimiter_is_no_row():
    assert one(parse("sep=;\nsku;quantity;day\nA,B;5;2026-03-01\n"))["sku"] == "A,B"


def test_a_file_without_a_last_line_end_is_read_to_its_end():
    assert len(parse("sku,quantity,day\nA,5,2026-03-01\nB,6,2026-03-01").evidence.movements) == 2


def test_header_names_are_compared_without_case_and_blanks():
    assert one(parse("  SKU ,QUANTITY, Day\nA,5,2026-03-01\n"))["sku"] == "A"


@pytest.mark.parametrize(
    "header", ["Item Code,Qty,Date", "article_number,Units,Business Day", "Stock-Code,qty.,DATE"]
)
def test_common_other_names_of_columns_are_known(header):
    assert one(parse(f"{header}\nA,5,2026-03-01\n"))["sku"] == "A"


def test_columns_that_are_not_read_are_named():
    parsed = parse("sku,quantity,day,till,colour\nA,5,2026-03-01,3,red\n")
    one(parsed)
    assert "Columns that are not read: till, colour." in parsed.notes


def test_a_gzipped_file_says_the_same():
    content = csv_file([HEADER, GOOD])
    sent = gzip.compress(content)  # once: the second of the clock is in it
    packed = parse(sent, "sales.csv.gz")
    assert packed.evidence.movements.equals(parse(content).evidence.movements)
    assert packed.canonical_sha256 == parse(content).canonical_sha256
    assert packed.content_sha256 != parse(content).content_sha256
    assert packed.original == sent


def test_several_gzip_members_are_one_file():
    parts = gzip.compress(b"sku,quantity,day\nA,5,2026-") + gzip.compress(b"03-01\nB,5,2026-03-01\n")
    assert len(parse(parts).evidence.movements) == 2


def test_a_typed_parquet_file_is_exact():
    row = one(
        parse(
            parquet(
                {
                    "document": pa.array([17]),
                    "line": pa.array([1], pa.int16()),
                    "sku": pa.array(["00123"]).dictionary_encode(),
                    "quantity": pa.array([Decimal("2.50")]),
                    "effective_at": pa.array([INSTANT], pa.timestamp("ns", "Europe/Berlin")),
                    "unit_price": pa.array([0.1], pa.float32()),
                    "location": pa.array([None], pa.string()),
                }
            )
        )
    )
    assert row == {
        "document": "17",
        "line": "1",
        "leg": 0,
        "sku": "00123",
        "quantity": "2.5",
        "effective_at": INSTANT,
        "reason": "adjustment",
        "unit_price": "0.1",
    }


def test_parquet_knows_naive_times_days_and_missing_numbers():
    parsed = parse(
        parquet(
            {
                "document": ["A", None],
                "sku": pa.array([1.0, 2.0]),  # how a program with missing codes writes them
                "quantity": pa.array([1.5, 3.0]),
                "effective_at": pa.array([LOCAL, None], pa.timestamp("ms")),
                "day": pa.array([None, date(2026, 3, 1)]),
                "unit_price": pa.array([float("nan"), 2.0]),
            }
        )
    )
    first, second = said(parsed.evidence.movements)
    assert first["effective_local"] == LOCAL
    assert (first["sku"], first["quantity"], first.get("unit_price")) == ("1", "1.5", None)
    assert (second["sku"], second["quantity"], second["day"]) == ("2", "3", date(2026, 3, 1))
    assert parsed.evidence.movements["position"].to_pylist() == [1, 2]


def test_workbook_cells_are_taken_as_the_file_stores_them():
    rows = [
        (*HEADER, "unit_price"),
        ("R-1", 1, "00123", "L1", 2.5, LOCAL, 0.1),
        (17, 2, 123, "L1", 2.0, LOCAL, 3),
    ]
    first, second = said(parse(workbook({"Sales": rows}), "sales.xlsx").evidence.movements)
    assert first == {
        "document": "R-1",
        "line": "1",
        "leg": 0,
        "sku": "00123",
        "location": "L1",
        "quantity": "2.5",
        "effective_local": LOCAL,
        "reason": "adjustment",
        "unit_price": "0.1",
    }
    assert (second["document"], second["line"], second["sku"], second["quantity"]) == ("17", "2", "123", "2")


def test_midnight_among_times_in_a_workbook_is_an_instant():
    midnight = datetime(2026, 3, 2)
    parsed = parse(workbook({"S": [HEADER, (*GOOD[:5], LOCAL), (*GOOD[:5], midnight)]}))
    assert parsed.evidence.movements["effective_local"].to_pylist() == [LOCAL, midnight]
    assert any("read as midnight" in note for note in parsed.notes)


def test_dates_alone_in_a_workbook_are_no_instants():
    (error,) = parse(workbook({"S": [HEADER, (*GOOD[:5], date(2026, 3, 1))]})).errors
    assert "only the day is known" in error.remedy


def test_every_sheet_of_a_workbook_is_read_and_a_row_is_named_with_its_sheet():
    header = ("sku", "quantity", "day")
    sheets = {
        "Mon": [header, ("A", 1, "2026-03-02"), ("B", "x", "2026-03-02")],
        "Notes": [("nothing to see",)],
        "Tue": [header, ("A", 2, "2026-03-03"), ("B", "y", "2026-03-03")],
    }
    parsed = parse(workbook(sheets), "week.xlsx", bad_rows="reject_rows")
    assert parsed.evidence.movements["quantity"].to_pylist() == ["1", "2"]
    assert parsed.evidence.movements["position"].to_pylist() == [2, 5]
    assert [(error.sheet, error.row) for error in parsed.errors] == [("Mon", 3), ("Tue", 3)]
    assert any("'Notes' was not read" in note for note in parsed.notes)


# --- what is wrong


@pytest.mark.parametrize(
    ("changes", "column", "found", "words"),
    [
        ({"quantity": ""}, "quantity", None, "empty"),
        ({"quantity": "abc"}, "quantity", "abc", "digits only"),
        ({"quantity": "5 pcs"}, "quantity", "5 pcs", "without units"),
        ({"quantity": "1,234"}, "quantity", "1,234", "Write 1234"),
        ({"quantity": "1 234 567"}, "quantity", "1 234 567", "without separators"),
        ({"quantity": "1,234.50"}, "quantity", "1,234.50", "Write 1234.50"),
        ({"quantity": "12,5"}, "quantity", "12,5", "Write 12.5"),
        ({"quantity": "1e3"}, "quantity", "1e3", "exponent"),
        ({"quantity": "1.5E+3"}, "quantity", "1.5E+3", "exponent"),
        ({"quantity": "(-5)"}, "quantity", "(-5)", "digits only"),
        ({"quantity": "(5"}, "quantity", "(5", "digits only"),
        ({"quantity": "NaN"}, "quantity", "NaN", "digits only"),
        ({"quantity": "inf"}, "quantity", "inf", "digits only"),
        ({"quantity": "#N/A"}, "quantity", "#N/A", "error of the spreadsheet"),
        ({"quantity": "1" * 19}, "quantity", "1" * 19, "Check the number"),
        ({"quantity": "0.1234567890123"}, "quantity", "0.1234567890123", "Check the number"),
        ({"quantity": "٥"}, "quantity", "٥", "digits only"),
        ({"unit_price": "£2"}, "unit_price", "£2", "signs of currency"),
        ({"sku": ""}, "sku", None, "Write the article's code"),
        ({"sku": "  "}, "sku", "  ", "Write the article's code"),
        ({"sku": "a\x00b"}, "sku", "a␀b", "Remove that character"),
        ({"sku": "#REF!"}, "sku", "#REF!", "error of the spreadsheet"),
        ({"sku": "x" * 201}, "sku", "x" * 200, "Shorten"),
        ({"location": "L\x00"}, "location", "L␀", "Remove that character"),
        ({"reason": "\x00"}, "reason", "␀", "Remove that character"),
        ({"document": "", "line": ""}, "document", None, "total of that day"),
        ({"effective_at": ""}, "effective_at", None, "Write when it happened"),
        ({"effective_at": "2026-03-01"}, "effective_at", "2026-03-01", "only the day is known"),
        ({"effective_at": "01/03/2026 18:00"}, "effective_at", "01/03/2026 18:00", "read in two ways"),
        ({"effective_at": "1 March 2026"}, "effective_at", "1 March 2026", "year first"),
        ({"effective_at": "46082.75"}, "effective_at", "46082.75", "plain number"),
        ({"effective_at": "2026-02-29T10:00"}, "effective_at", "2026-02-29T10:00", "the day exists"),
        ({"effective_at": "2026-04-31T10:00Z"}, "effective_at", "2026-04-31T10:00Z", "the day exists"),
        ({"effective_at": "2026-03-01T24:00"}, "effective_at", "2026-03-01T24:00", ""),
        ({"effective_at": "2026-03-01T18:00+25:00"}, "effective_at", "2026-03-01T18:00+25:00", ""),
        ({"effective_at": "1899-12-31T23:59Z"}, "effective_at", "1899-12-31T23:59Z", "between 1900-01-01"),
        ({"effective_at": "1900-01-01T00:00+01:00"}, "effective_at", "1900-01-01T00:00+01:00", "between"),
        ({"effective_at": "9999-12-31T00:00Z"}, "effective_at", "9999-12-31T00:00Z", "9999-12-30"),
        ({"effective_at": "0000-01-01T00:00Z"}, "effective_at", "0000-01-01T00:00Z", "year first"),
        ({"day": "2026-03-01"}, "day", "2026-03-01", "Clear one"),
        ({"effective_at": "", "day": "2026-3-1"}, "day", "2026-3-1", "year first"),
        ({"effective_at": "", "day": "2026-03-01T18:00"}, "day", "2026-03-01T18:00", "Remove the time"),
        ({"effective_at": "", "day": "1/3/26"}, "day", "1/3/26", "two ways"),
        ({"effective_at": "", "day": "2025-02-29"}, "day", "2025-02-29", "the day exists"),
        ({"effective_at": "", "document": "", "day": "2026-03-01"}, "line", "1", "clear the line number"),
        ({"inventory_id": "7"}, "inventory_id", "7", "Clear one"),
        ({"sku": "", "inventory_id": "7.5"}, "inventory_id", "7.5", "inventory_id"),
        ({"sku": "", "inventory_id": "9" * 19}, "inventory_id", "9" * 19, "inventory_id"),
    ],
)
def test_each_bad_value_is_named_with_its_place_and_a_remedy(changes, column, found, words):
    good = dict(zip(HEADER, GOOD, strict=True)) | dict.fromkeys(
        ("day", "reason", "unit_price", "inventory_id"), ""
    )
    bad = good | changes
    content = csv_file([good.keys(), good.values(), bad.values()])
    parsed = parse(content, "sales/x.csv", bad_rows="reject_rows")
    (error,) = parsed.errors
    assert (error.file, error.sheet, error.row, error.column) == ("sales/x.csv", None, 3, column)
    assert error.found == found
    assert words in error.remedy
    assert error.expected
    assert len(parsed.evidence.movements) == 1
    assert not parsed.rejected
    assert (parsed.lines, parsed.bad_lines) == (2, 1)


def test_one_bad_row_rejects_the_file_and_all_errors_are_told_at_once():
    rows = [HEADER, GOOD, ("", "1", "", "L1", "x", "y"), GOOD, ("R-1", "1", "A", "L1", "1,5", "2026-03-01")]
    parsed = parse(csv_file(rows))
    assert parsed.rejected
    assert len(parsed.evidence) == 0
    assert parsed.evidence.errors == parsed.errors
    assert [(error.row, error.column) for error in parsed.errors] == [
        (3, "quantity"),
        (3, "effective_at"),
        (3, "sku"),
        (3, "document"),
        (3, "line"),
        (5, "quantity"),
        (5, "effective_at"),
    ]
    assert (parsed.lines, parsed.bad_lines) == (4, 2)


def test_rows_are_numbered_as_a_person_sees_them():
    content = (
        'a title\n\nsku,quantity,day\n\n"A\nB",1,2026-03-01\n\n,,\nC,x,2026-03-01\nD,1\nE,y,2026-03-01\n'
    )
    parsed = parse(content, bad_rows="reject_rows")
    assert [error.row for error in parsed.errors] == [8, 9, 10]
    assert parsed.evidence.movements["position"].to_pylist() == [5]
    assert parsed.evidence.movements["sku"].to_pylist() == ["A\nB"]


def test_a_row_with_another_number_of_cells_is_shown_whole():
    (error,) = parse("sku,quantity,day\nA,1,2,2026-03-01\n").errors
    assert error.found == "A,1,2,2026-03-01"
    assert error.expected == "3 cells, as in the header, not 4"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("sku,quantity", "a column for effective_at or day"),
        ("sku,day", "a column for quantity"),
        ("quantity,day", "a column for sku or inventory_id"),
    ],
)
def test_a_missing_column_rejects_the_file_under_every_policy(header, expected):
    parsed = parse(f"{header}\nA,1\n", bad_rows="reject_rows")
    assert parsed.rejected
    (error,) = parsed.errors
    assert error.expected == expected
    assert error.found == header.replace(",", ", ")
    assert error.row == 1


def test_nobody_chooses_between_two_columns():
    (error,) = parse("item,article,quantity,day\nA,B,1,2026-03-01\n").errors
    assert error.found == "'item' and 'article' both mean sku"


def test_the_plain_name_wins_over_another_word_for_it():
    assert one(parse("item,sku,quantity,day\nA,B,1,2026-03-01\n"))["sku"] == "B"


def test_instants_without_any_document_are_told_once():
    parsed = parse(
        "sku,quantity,effective_at\nA,1,2026-03-01T18:00Z\nB,x,2026-03-01T18:00Z\n", bad_rows="reject_rows"
    )
    assert parsed.rejected
    assert [(error.row, error.column) for error in parsed.errors] == [(1, None), (3, "quantity")]
    assert "total of that day" in parsed.errors[0].remedy


def test_a_file_of_headers_alone_is_no_error():
    parsed = parse("sku,quantity,day\n")
    assert not parsed.rejected
    assert len(parsed.evidence) == 0
    assert "The file has a header and no lines." in parsed.notes


def test_beyond_ten_thousand_errors_the_rest_is_counted():
    parsed = parse("sku,quantity,day\n" + "A,x,2026-03-01\n" * 10_007)
    assert len(parsed.errors) == 10_001
    assert parsed.errors[-1].found == "7 more errors"
    assert parsed.bad_lines == 10_007


def test_letters_that_depend_on_a_guessed_encoding_are_refused_only_where_they_matter():
    rows = [
        ("sku", "name", "quantity", "day"),
        ("A", "Café", "1", "2026-03-01"),
        ("É", "x", "1", "2026-03-01"),
    ]
    parsed = parse(csv_file(rows, encoding="cp1252"), bad_rows="reject_rows")
    assert parsed.evidence.movements["sku"].to_pylist() == ["A"]
    (error,) = parsed.errors
    assert (error.row, error.column) == (3, "sku")
    assert "cp1252" in error.remedy


def test_a_stated_encoding_is_used():
    content = csv_file([("sku", "quantity", "day"), ("É", "1", "2026-03-01")], encoding="cp1252")
    assert one(parse(content, settings=FileSettings(encoding="cp1252")))["sku"] == "É"


@pytest.mark.parametrize("encoding", ["klingon", "ascii"])
def test_a_wrong_stated_encoding_is_an_error(encoding):
    parsed = parse("sku,quantity,day\nÉ,1,2026-03-01\n", settings=FileSettings(encoding=encoding))
    assert parsed.rejected
    assert len(parsed.errors) == 1


def test_a_stated_decimal_comma_is_used_and_a_point_then_refused():
    content = "sku;quantity;day\nA;12,50;2026-03-01\nB;1.234;2026-03-01\n"
    parsed = parse(content, settings=FileSettings(decimal_mark=","), bad_rows="reject_rows")
    assert parsed.evidence.movements["quantity"].to_pylist() == ["12.5"]
    assert [error.found for error in parsed.errors] == ["1.234"]


def test_a_stated_decimal_comma_leaves_a_workbooks_own_numbers_alone():
    rows = [("sku", "quantity", "day"), ("A", 12.5, "2026-03-01"), ("B", "12,5", "2026-03-01")]
    parsed = parse(workbook({"S": rows}), settings=FileSettings(decimal_mark=","))
    assert parsed.evidence.movements["quantity"].to_pylist() == ["12.5", "12.5"]


def test_a_stated_delimiter_is_used():
    parsed = parse("sku^quantity^day\nA,1^5^2026-03-01\n", settings=FileSettings(delimiter="^"))
    assert one(parsed)["sku"] == "A,1"


def test_an_unclosed_quotation_mark_loses_no_row_in_silence():
    parsed = parse(
        'sku,quantity,day\nA,1,2026-03-01\n"B,1,2026-03-01\nC,1,2026-03-01\n', bad_rows="reject_rows"
    )
    assert parsed.errors


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (date(2026, 3, 1), "turned the code into a date"),
        (True, "truth value"),
        (1234567890123456.0, "15 digits"),
        (1e20, "15 digits"),
    ],
)
def test_a_code_that_a_workbook_has_destroyed_is_refused(cell, words):
    (error,) = parse(workbook({"S": [("sku", "quantity", "day"), (cell, 1, "2026-03-01")]})).errors
    assert error.column == "sku"
    assert words in error.remedy


@pytest.mark.parametrize(
    ("cell", "words"),
    [(date(2026, 3, 1), "date or time"), (LOCAL, "date or time"), (True, "truth value"), (1e20, "exponent")],
)
def test_a_cell_that_is_no_number_is_no_quantity(cell, words):
    (error,) = parse(workbook({"S": [("sku", "quantity", "day"), ("A", cell, "2026-03-01")]})).errors
    assert error.column == "quantity"
    assert words in error.remedy


def test_the_dust_of_binary_arithmetic_is_no_digit():
    rows = [("sku", "quantity", "day"), ("A", 0.1 + 0.2, "2026-03-01"), ("B", 0.00001, "2026-03-01")]
    parsed = parse(workbook({"S": rows}))
    assert parsed.evidence.movements["quantity"].to_pylist() == ["0.3", "0.00001"]


# --- validation rules


def no_returns(table, name):
    """An example rule: this source never takes anything back."""
    for row in table.to_pylist():
        if row["reason"] == "return":
            yield RowError(name, row["position"], "quantity", row["quantity"], "no returns", "Call the shop.")


def closed_on_sunday(table, name):
    """An example rule about a whole file."""
    if date(2026, 3, 1) in table["day"].to_pylist():
        yield RowError(name, None, "day", "2026-03-01", "no Sunday", "Check the calendar of the till.")


def broken_rule(table, name):
    raise ZeroDivisionError(name)


RULE = f"{__name__}:no_returns"


def test_a_rules_errors_count_like_any_other():
    content = "sku,quantity,day\nA,1,2026-03-01\nB,-1,2026-03-01\nC,x,2026-03-01\n"
    parsed = parse(content, kind="sales", validation_rules=(RULE,))
    assert parsed.rejected
    assert [error.row for error in parsed.errors] == [3, 4]
    parsed = parse(content, kind="sales", validation_rules=(RULE,), bad_rows="reject_rows")
    assert parsed.evidence.movements["sku"].to_pylist() == ["A"]
    assert parsed.bad_lines == 2


def test_a_rule_without_a_row_rejects_the_file():
    parsed = parse(
        "sku,quantity,day\nA,1,2026-03-01\n",
        validation_rules=(f"{__name__}:closed_on_sunday",),
        bad_rows="reject_rows",
    )
    assert parsed.rejected
    assert parsed.errors[0].expected == "no Sunday"


def test_a_rule_that_fails_is_no_error_of_the_file():
    with pytest.raises(RuleFailedError, match="broken_rule failed on file"):
        parse("sku,quantity,day\nA,1,2026-03-01\n", validation_rules=(f"{__name__}:broken_rule",))


def test_a_rule_that_does_not_exist_is_an_error_of_the_configuration():
    with pytest.raises(ConfigError):
        parse("sku,quantity,day\nA,1,2026-03-01\n", validation_rules=("no.such:rule",))
