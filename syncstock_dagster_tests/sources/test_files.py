"""A delivered file as a whole: its identities, and that no file makes reading fail."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster.sources import FileSettings, parse_file
from syncstock_dagster.stock.policy import DEFAULTS
from syncstock_dagster_tests.workbooks.builders import csv_file, parquet, parse, workbook

COUNT = b"sku,count\nA,1\n"
SALES = b"sku,quantity,day\nA,1,2026-03-01\n"


def zipped(**parts):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/"), content)
    return data.getvalue()


def test_a_file_carries_what_the_record_of_its_delivery_needs():
    at = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    parsed = parse_file(SALES, "sales/a.csv", "sales", "till-1", DEFAULTS["sales"], modified_at=at)
    assert (parsed.name, parsed.kind, parsed.source) == ("sales/a.csv", "sales", "till-1")
    assert parsed.content_sha256 == hashlib.sha256(SALES).digest()
    assert (parsed.size, parsed.original, parsed.modified_at) == (len(SALES), SALES, at)
    assert parsed.reader.startswith("csv 3 (pyarrow ")
    assert parsed.evidence.movements["source"].to_pylist() == ["till-1"]
    assert parsed.products is None


def test_the_same_bytes_are_the_same_delivery():
    first, second = parse(SALES, "a.csv", "sales"), parse(SALES, "b.csv", "sales")
    assert first.identity_sha256 == second.identity_sha256
    assert first.canonical_sha256 == second.canonical_sha256


def test_equal_bytes_named_after_two_days_are_two_counts():
    """A small room is often counted with the same result; the second count must not be taken for the first."""
    first, again, second = (
        parse(COUNT, f"counts/{name}.csv", "counts")
        for name in ("2026-03-01", "2026-03-01 (2)", "2026-03-02")
    )
    assert first.identity_sha256 == again.identity_sha256 != second.identity_sha256
    assert first.canonical_sha256 == again.canonical_sha256 != second.canonical_sha256
    assert first.content_sha256 == second.content_sha256


def test_equal_bytes_sent_for_two_days_or_locations_are_two_counts():
    settings = [
        FileSettings(counted_at=date(2026, 3, 1)),
        FileSettings(counted_at=date(2026, 3, 2)),
        FileSettings(counted_at=date(2026, 3, 1), location="L2"),
    ]
    parsed = [parse(COUNT, "count.csv", "counts", settings=each) for each in settings]
    assert len({each.identity_sha256 for each in parsed}) == 3
    assert len({each.canonical_sha256 for each in parsed}) == 3


def test_what_the_sender_says_in_vain_does_not_change_the_identity():
    content = b"sku,count,counted_at,location\nA,1,2026-03-01,L1\n"
    said = FileSettings(counted_at=date(2020, 1, 1), location="L9")
    first, second = (
        parse(content, "a.csv", "counts"),
        parse(content, "2026-07-07.csv", "counts", settings=said),
    )
    assert first.identity_sha256 == second.identity_sha256


def test_another_source_or_kind_is_another_delivery():
    files = [
        parse(SALES, kind="sales"),
        parse(SALES, kind="sales", source="till-2"),
        parse(SALES, kind="purchases"),
    ]
    assert len({file.identity_sha256 for file in files}) == 3
    assert len({file.canonical_sha256 for file in files}) == 3


@pytest.mark.parametrize(
    "other",
    [
        b"\xef\xbb\xbfsku,quantity,day\nA,1,2026-03-01\n",
        b"sku,quantity,day\r\nA,1,2026-03-01\r\n",
        b"sku;quantity;day\nA;1;2026-03-01",
        b'"sku","quantity","day"\n"A","1","2026-03-01"\n',
        b"sku,quantity,day\n\nA,1,2026-03-01\n,,\n\n",
        gzip.compress(SALES),
        "sku,quantity,day\nA,1,2026-03-01\n".encode("utf-16"),
    ],
)  # fmt: skip
def test_another_way_to_write_the_same_cells_is_the_same_document(other):
    assert parse(other, kind="sales").canonical_sha256 == parse(SALES, kind="sales").canonical_sha256
    assert parse(other, kind="sales").identity_sha256 != parse(SALES, kind="sales").identity_sha256


@pytest.mark.parametrize(
    "other",
    [
        b"sku,quantity,day\nA,2,2026-03-01\n",
        b"sku,quantity,day\nA,1,2026-03-01\nA,1,2026-03-01\n",
        b"sku,quantity,date\nA,1,2026-03-01\n",
        b"sku,quantity,day,remark\nA,1,2026-03-01,corrected\n",
        b"a title\nsku,quantity,day\nA,1,2026-03-01\n",
    ],
)  # fmt: skip
def test_other_cells_are_another_document(other):
    assert parse(other, kind="sales").canonical_sha256 != parse(SALES, kind="sales").canonical_sha256


def test_cells_do_not_run_into_each_other_in_the_fingerprint():
    rows = [
        [("sku", "quantity", "day", "x"), ("AB", "1", "2026-03-01", "C")],
        [("sku", "quantity", "day", "x"), ("A", "1", "2026-03-01", "BC")],
    ]
    first, second = (parse(csv_file(each)) for each in rows)
    assert first.canonical_sha256 != second.canonical_sha256


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"\n \n", "an empty file"),
        (b"\x00" * 9000, "an empty file"),
        (b"\x09\x04\x06\x00\x00\x00\x10\x00", "a workbook of Excel 4 or older"),
        (b"%PDF-1.7\n...", "a PDF document"),
        (b"\x89PNG\r\n", "a picture"),
        (b"\xff\xd8\xff\xe0", "a picture"),
        (b"\xef\xbb\xbf<html><table><tr><td>1", "a web page"),
        (b"<?xml version='1.0'?><Workbook/>", "an XML document"),
        (b'{"sku": 1}', "a JSON document"),
        (b"\x01\x00\x02\x00", "binary data"),
        (b"\x1f\x8bnonsense", "a damaged .gz file"),
        (gzip.compress(SALES)[:-9], "a .gz file that ends too early"),
        (b"PAR1nonsense", "a damaged Parquet file"),
        (b"PK\x03\x04nonsense", "a damaged workbook or archive"),
        (zipped(word__document="x"), "a Word document"),
        (zipped(ppt__slide="x"), "a presentation"),
        (zipped(**{"a.csv": SALES}), "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "a damaged workbook"),
        (parquet({"sku": [["A"]], "quantity": [1], "day": ["2026-03-01"]}), "column 'sku' of type"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_named_for_what_it_is(content, what):
    parsed = parse(content, "sales/file.csv", "sales")
    assert parsed.rejected
    (error,) = parsed.errors
    assert error.found.startswith(what)
    assert error.remedy
    assert parsed.content_sha256 == hashlib.sha256(content).digest()


@pytest.mark.parametrize("name", ["sales.xls", "sales.csv", "sales"])
def test_the_content_and_not_the_name_says_what_a_file_is(name):
    tabs = parse(b"sku\tquantity\tday\nA\t1\t2026-03-01\n", name, "sales")
    book = parse(workbook({"S": [("sku", "quantity", "day"), ("A", 1, "2026-03-01")]}), name, "sales")
    assert tabs.evidence.movements.equals(book.evidence.movements)


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_no_bytes_make_reading_fail(content):
    for kind in ("sales", "counts", "products"):
        parsed = parse(content, f"{kind}/2026-03-01.csv", kind)
        assert parsed.rejected or not parsed.errors or parsed.evidence


_CELL = st.text(max_size=12) | st.sampled_from(
    [
        "A",
        "1",
        "-2.5",
        "2026-03-01",
        "2026-03-01T18:00Z",
        "",
        "\x00",
        '"',
        "#N/A",
        "1e5",
        "\ufeff",
        "\u2028",
        "\r",
    ]
)


@given(
    st.sampled_from(
        [
            "sku,quantity,day",
            "document;sku;location;to_location;quantity;effective_at;arrives_at",
            "sku\tcount\troom",
            "sku,name,price",
        ]
    ),
    st.lists(st.lists(_CELL, max_size=8), max_size=8),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
def test_no_cells_make_reading_fail(header, rows, encoding):
    delimiter = next(mark for mark in ",;\t" if mark in header)
    content = csv_file([header.split(delimiter), *rows], delimiter, encoding)
    for kind in ("movements", "sales", "counts", "products"):
        for bad_rows in ("reject_file", "reject_rows"):
            parsed = parse(content, f"{kind}/2026-03-01.csv", kind, bad_rows=bad_rows)
            assert all("\x00" not in (error.found or "") + (error.column or "") for error in parsed.errors)
            if parsed.errors and bad_rows == "reject_file":
                assert parsed.rejected
            if parsed.rejected:
                assert len(parsed.evidence) == 0
                assert parsed.errors


def test_a_wrong_kind_or_a_naive_time_is_the_callers_mistake():
    with pytest.raises(ValueError, match="no kind of file"):
        parse_file(SALES, "a.csv", "stock", "sales", DEFAULTS["sales"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="zone"):
        parse_file(SALES, "a.csv", "sales", "sales", DEFAULTS["sales"], modified_at=datetime(2026, 3, 1))
