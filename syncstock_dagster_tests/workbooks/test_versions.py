"""The same sheet again: saved anew, amended, older than what is known, contradicting it. And confirmed mappings."""

from __future__ import annotations

import io
from datetime import datetime, timedelta

import openpyxl
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.errors import BadInput
from syncstock_dagster.sources.drop_folder import DropFile
from syncstock_dagster.sources.intake import find_files, preview_file
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster.workbooks.blank_sheets import sheet_content, write_sheet
from syncstock_dagster.workbooks.mappings import (
    Mapping,
    find_mapping,
    forget_mapping,
    list_mappings,
    pattern_of,
    save_mapping,
)
from syncstock_dagster.workbooks.opening import FileSettings
from syncstock_dagster_tests.receiving import receive_paths
from syncstock_dagster_tests.workbooks.builders import workbook

NINE = datetime(2026, 3, 1, 21, 0)


@pytest.fixture
def send(db: SyncStockDB, tmp_path):
    """Receive and post one sheet; its receipt in return."""

    def send(content: bytes, name: str = "2026-03-01.xlsx", **settings):
        folder = tmp_path / "counts"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        (receipt,) = receive_paths(db, folder / name, settings=FileSettings(**settings))
        db.post_received()
        return receipt

    return send


def saved(rows, at=None, by=None):
    """A workbook that says when it was saved, and by whom."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    data = io.BytesIO()
    book.properties.lastModifiedBy = by
    book.save(data)
    again = openpyxl.load_workbook(io.BytesIO(data.getvalue()))
    assert again.active.max_row == len(rows)
    return stamped(data.getvalue(), at)


def stamped(content: bytes, at) -> bytes:
    import re

    from syncstock_dagster_tests.workbooks.builders import with_part

    text = (
        b""
        if at is None
        else f'<dcterms:modified xsi:type="dcterms:W3CDTF">{at:%Y-%m-%dT%H:%M:%SZ}</dcterms:modified>'.encode()
    )
    return with_part(
        content,
        "docProps/core.xml",
        lambda xml: re.sub(rb"<dcterms:modified.*?</dcterms:modified>", text, xml),
    )


def sheet(a, b=2):
    return [("sku", "count"), ("A", a), ("B", b)]


def stock(db):
    return {row["inventory_id"]: int(row["on_hand"]) for row in db.on_hand().to_dict("records")}.values()


def test_an_amended_sheet_takes_the_place_of_the_one_before_and_says_what_changed(db, send):
    assert send(saved(sheet(1), NINE)).state == "received"
    receipt = send(saved(sheet(5), NINE + timedelta(hours=1)))
    assert receipt.state == "received"
    assert any("A at 2026-03-01: 1, now 5" in note for note in receipt.notes)
    assert sorted(stock(db)) == [2, 5]


def test_an_older_version_that_comes_later_does_not_win(db, send):
    send(saved(sheet(5), NINE))
    receipt = send(saved(sheet(1), NINE - timedelta(hours=1)))
    assert receipt.state == "rejected"
    assert "saved at 2026-03-01 20:00:00" in receipt.errors[0].found
    assert "A at 2026-03-01: 5, now 1" in receipt.errors[1].found
    assert sorted(stock(db)) == [2, 5]


def test_where_nothing_tells_which_is_newer_a_person_is_asked_and_answers(db, send):
    send(saved(sheet(5)))
    assert send(saved(sheet(1))).state == "rejected"
    assert send(saved(sheet(1)), newest=True).state == "received"
    assert sorted(stock(db)) == [1, 2]


def test_the_same_counts_in_other_cells_are_no_contradiction(db, send):
    send(saved(sheet(5), NINE))
    receipt = send(saved([("title",), *sheet(5)], NINE - timedelta(hours=1)))
    assert receipt.state == "received"
    assert any("counts the same" in note for note in receipt.notes)


def test_further_lines_are_no_contradiction(db, send):
    send(saved(sheet(5)))
    assert send(saved([*sheet(5), ("C", 3)])).state == "received"
    assert sorted(stock(db)) == [2, 3, 5]


def test_a_version_that_lacks_lines_is_refused_for_what_was_counted_stays(db, send):
    send(saved(sheet(5), NINE))
    receipt = send(saved([("sku", "count"), ("A", 5)], NINE + timedelta(hours=1)))
    assert receipt.state == "rejected"
    assert "without 1 lines" in receipt.errors[0].found
    assert "rollback" in receipt.errors[0].remedy or "roll back" in receipt.errors[0].remedy


def test_a_withdrawn_version_contradicts_nothing(db, send):
    send(saved(sheet(5), NINE))
    operation = db.operations().iloc[0]["operation_uuid"]
    db.rollback(str(operation), reason="wrong shelf")
    assert send(saved(sheet(1), NINE - timedelta(hours=1))).state == "received"
    assert sorted(stock(db)) == [1, 2]


def test_the_same_cells_saved_by_another_program_are_the_same_delivery(db, send):
    content = workbook({"S": sheet(1)})
    send(content)
    data = io.BytesIO()
    openpyxl.load_workbook(io.BytesIO(content)).save(data)
    assert data.getvalue() != content
    assert send(data.getvalue()).state == "already received"


def test_another_day_is_another_document(db, send):
    send(saved(sheet(5), NINE), "2026-03-01.xlsx")
    assert send(saved(sheet(1), NINE - timedelta(hours=1)), "2026-03-02.xlsx").state == "received"


# --- blank sheets


@pytest.fixture
def stocked(db):
    db.upsert_products(
        [{"sku": "00123", "name": "=1+1"}, {"sku": "B7", "name": "@Pear", "category": "Fruit"}]
    )
    products = db.products().set_index("sku")["inventory_id"]
    from syncstock import POSRecord

    db.run_sync(pos_counts=[POSRecord(int(products[sku]), 5, NINE.astimezone()) for sku in ("00123", "B7")])
    return db


def filled(content: bytes, counts, at="2026-03-05 18:00", by=None) -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(content))
    page = book["Count"]
    page["B3"] = at
    header = next(row for row in page.iter_rows() if row[0].value == "SKU")
    column = next(cell.column for cell in header if cell.value == "Counted")
    for row in page.iter_rows(min_row=header[0].row + 1):
        if row[0].value in counts:
            page.cell(row[0].row, column).value = counts[row[0].value]
    book.properties.lastModifiedBy = by
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


@pytest.mark.parametrize("is_blind", [False, True])
def test_a_blank_sheet_comes_back_exactly(stocked, send, is_blind):
    written = write_sheet(stocked.url, "main", is_blind=is_blind)
    assert written.articles == 2
    receipt = send(filled(written.content, {"00123": 7, "B7": 0}), "count main.xlsx")
    assert receipt.state == "received", receipt.errors
    found = stocked.on_hand().merge(stocked.products(), on="inventory_id").set_index("sku")["on_hand"]
    assert (int(found["00123"]), int(found["B7"])) == (7, 0)


def test_a_blank_sheet_is_protected_but_for_what_is_to_be_filled_in_and_its_texts_are_texts(stocked):
    book = openpyxl.load_workbook(io.BytesIO(write_sheet(stocked.url, "main").content))
    page = book["Count"]
    header = [cell.value for cell in page[6]]
    assert header == ["SKU", "Name", "Category", "Expected", "Counted", "Remark"]
    assert page.protection.sheet
    rows = list(page.iter_rows(min_row=7, max_row=8))
    assert sorted(row[0].value for row in rows) == ["00123", "B7"]
    for row in rows:
        assert [cell.protection.locked for cell in row] == [True, True, True, True, False, False]
        assert row[0].data_type == row[1].data_type == "s"
    assert {row[1].value for row in rows} == {"=1+1", "@Pear"}
    assert {str(rule.sqref).split(":")[0] for rule in page.data_validations.dataValidation} == {"B3", "E7"}
    assert book["_syncstock"].sheet_state == "veryHidden"
    assert page.print_title_rows == "$6:$6"


def test_a_blind_sheet_tells_nobody_what_the_books_say(stocked):
    page = openpyxl.load_workbook(io.BytesIO(write_sheet(stocked.url, "main", is_blind=True).content))[
        "Count"
    ]
    assert "Expected" not in [cell.value for cell in page[6]]
    assert all(cell.value != 5 for row in page.iter_rows() for cell in row)


def test_a_sheet_for_a_list_or_a_class_holds_only_those(stocked):
    assert write_sheet(stocked.url, "main", skus=["B7"]).articles == 1
    assert write_sheet(stocked.url, "main", abc="C").articles == 2
    with pytest.raises(BadInput, match="nothing to list"):
        write_sheet(stocked.url, "main", abc="A")
    with pytest.raises(BadInput, match="Not in the catalogue"):
        write_sheet(stocked.url, "main", skus=["B8"])
    with pytest.raises(BadInput, match="no location"):
        write_sheet(stocked.url, "nowhere")


def test_a_rehearsed_sheet_leaves_no_record(stocked):
    write_sheet(stocked.url, "main", dry_run=True)
    assert stocked._records("select count(*) from written_sheets")[0]["count"] == 0
    write_sheet(stocked.url, "main")
    assert stocked._records("select count(*) from written_sheets")[0]["count"] == 1


def test_two_people_who_fill_in_one_sheet_differently_are_a_contradiction(stocked, send):
    content = sheet_content([], "main", "x", is_blind=True)
    assert content
    written = write_sheet(stocked.url, "main").content
    send(stamped(filled(written, {"B7": 3}, by="Ann"), NINE), "ann.xlsx")
    receipt = send(stamped(filled(written, {"B7": 4}, by="Ben"), NINE + timedelta(hours=1)), "ben.xlsx")
    assert receipt.state == "rejected"
    assert "'Ben' after 'Ann'" in receipt.errors[0].found


# --- mappings


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("counts/Lager Nord 2026-03-01.xlsx", "lager nord #.xlsx"),
        ("Lager Nord 7 (2).xlsx", "lager nord #.xlsx"),
        ("Lager Nord 31.12.2025 - Copy.xlsx", "lager nord #.xlsx"),
        ("Lager Süd.xlsx", "lager süd.xlsx"),
    ],
)
def test_files_of_one_kind_have_one_pattern(name, pattern):
    assert pattern_of(name) == pattern


def test_a_confirmed_mapping_is_used_for_the_next_sheet_of_its_kind(db, send):
    odd = workbook({"S": [("Nr", "Neu da"), ("A", 5)]})
    assert send(odd, "Lager 2026-03-01.xlsx").state == "rejected"
    save_mapping(db.url, "excel", "Lager 2026-03-01.xlsx", Mapping({"sku": "Nr", "quantity": "Neu da"}))
    later = workbook({"S": [("Neu da", "x", "Nr"), (6, "", "A")]})  # in another order
    assert send(later, "Lager 2026-04-01.xlsx").state == "received"
    assert send(odd, "Shop 2026-04-01.xlsx").state == "rejected"
    assert list(stock(db)) == [6]


def test_a_mapping_that_does_not_fit_is_said_to_and_the_header_is_recognised(db, tmp_path):
    save_mapping(db.url, "excel", "x.csv", Mapping({"sku": "Nr", "quantity": "Neu da"}))
    (tmp_path / "x.csv").write_text("Counted at: 2026-03-01\nsku,count\nA,1\n")
    (file,) = find_files([str(tmp_path / "x.csv")], kind="counts")
    assert isinstance(file, DropFile)
    parsed = preview_file(db, file)
    assert parsed.evidence.counts["sku"].to_pylist() == ["A"]
    assert any("does not fit" in note for note in parsed.notes)


def test_a_later_mapping_replaces_the_earlier_one_and_both_stay_on_record(db):
    save_mapping(db.url, "excel", "x 1.csv", Mapping({"sku": "a", "quantity": "b"}))
    save_mapping(db.url, "excel", "x 2.csv", Mapping({"sku": "c", "quantity": "d"}))
    (mapping,) = list_mappings(db.url)
    assert find_mapping(db.url, "excel", "x 3.csv").columns == {"sku": "c", "quantity": "d"}
    assert find_mapping(db.url, "other", "x 3.csv") is None
    assert db._records("select count(*) from count_mappings")[0]["count"] == 2
    forget_mapping(db.url, mapping["mapping_id"], dry_run=True)
    assert list_mappings(db.url)
    forget_mapping(db.url, mapping["mapping_id"])
    assert not list_mappings(db.url)
    with pytest.raises(BadInput):
        forget_mapping(db.url, mapping["mapping_id"])


@pytest.mark.parametrize(
    "columns", [{"sku": "a"}, {"quantity": "b"}, {"sku": "a", "quantity": "b", "weight": "c"}]
)
def test_a_mapping_has_a_code_a_quantity_and_known_fields(columns):
    with pytest.raises(BadInput):
        Mapping(columns).checked()


# --- the catalogue


def test_codes_that_lost_their_zeros_are_found_in_the_catalogue(db, send):
    db.upsert_products([{"sku": "00123", "name": "Apple"}, {"sku": "45", "name": "Pear"}])
    receipt = send(workbook({"S": [("sku", "count"), (123, 7), (45, 8)]}))
    assert receipt.state == "received"
    found = db.on_hand().merge(db.products(), on="inventory_id").set_index("sku")["on_hand"]
    assert {sku: int(number) for sku, number in found.items()} == {"00123": 7, "45": 8}


def test_a_stocked_article_that_a_complete_sheet_does_not_list_is_critical_and_keeps_its_stock(
    empty_database_url, tmp_path
):
    policy = SourcePolicy(kind="counts", unknown_sku="create", bad_rows="reject_rows", not_listed="critical")
    db = SyncStockDB(empty_database_url, policies=Policies(sources={"excel": policy}))
    for name, rows in (("2026-03-01", sheet(5)), ("2026-03-02", [("sku", "count"), ("A", 4)])):
        (tmp_path / f"{name}.xlsx").write_bytes(workbook({"S": rows}))
        (receipt,) = receive_paths(db, tmp_path / f"{name}.xlsx", kind="counts")
        db.post_received()
    (error,) = receipt.errors
    assert "B is not counted, and the books say 2 at main" in error.found
    assert receipt.state == "received"
    assert sorted(stock(db)) == [2, 4]
