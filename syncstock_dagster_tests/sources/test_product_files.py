"""Files of the catalogue."""

from __future__ import annotations

import pytest

from syncstock_dagster.stock.evidence import PRODUCT_SCHEMA
from syncstock_dagster_tests.workbooks.builders import parse, said, workbook


def test_a_product_is_its_code_and_what_is_said_of_it():
    parsed = parse("sku,name,category,price,cost\n00123,Apple,Fruit,2.50,1\nB,,,,\n", kind="products")
    assert not parsed.errors
    assert parsed.products.schema == PRODUCT_SCHEMA
    assert said(parsed.products) == [
        {"sku": "00123", "name": "Apple", "category": "Fruit", "price": "2.5", "cost": "1"},
        {"sku": "B"},
    ]
    assert len(parsed.evidence) == 0


def test_a_workbook_of_products_is_read_from_all_its_sheets():
    sheets = {
        "Fruit": [("Code", "Description"), ("A", "Apple")],
        "Nuts": [("Code", "Description"), ("B", "Nut")],
    }
    parsed = parse(workbook(sheets), "products.xlsx", "products")
    assert parsed.products["sku"].to_pylist() == ["A", "B"]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (",Apple,1", "sku"),
        ("A,Apple,cheap", "price"),
        ("#N/A,Apple,1", "sku"),
        ("x" * 201 + ",Apple,1", "sku"),
        ("A," + "x" * 2001 + ",1", "name"),
    ],
)
def test_a_bad_line_is_refused_and_the_others_are_taken(line, column):
    parsed = parse(f"sku,name,price\n{line}\nB,Nut,2\n", kind="products")
    (error,) = parsed.errors
    assert (error.row, error.column) == (2, column)
    assert parsed.products["sku"].to_pylist() == ["B"]
    assert parsed.bad_lines == 1


def test_a_product_listed_twice_is_taken_once():
    sheets = {"X": [("sku", "name"), ("A", "1"), ("A", "2")], "Y": [("sku", "name"), ("A", "3"), ("B", "4")]}
    parsed = parse(workbook(sheets), kind="products")
    assert parsed.products["name"].to_pylist() == ["1", "4"]
    assert [error.expected for error in parsed.errors] == [
        "each product once; row 2 of sheet 'X' has it too"
    ] * 2


def test_a_policy_may_reject_the_whole_catalogue():
    parsed = parse("sku,price\nA,x\nB,1\n", kind="products", bad_rows="reject_file")
    assert parsed.rejected
    assert len(parsed.products) == 0
