"""Recognising header rows."""

from __future__ import annotations

import pytest

from syncstock_dagster.workbooks.headers import find_header, normalised, vocabulary

COUNTS = vocabulary("counts")


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("  Qty. (pcs) ", "qty"),
        ("Article-Code", "article code"),
        ("ARTICLE_CODE", "article code"),
        ("Gezählte  Menge", "gezahlte menge"),
        ("Quantité\ncomptée", "quantite comptee"),
        ("SAYIM", "sayim"),
        ("Sayım", "sayim"),
        ("№", "no"),
        ("", ""),
    ],
)
def test_words_are_compared_without_case_accents_and_punctuation(word, plain):
    assert normalised(word) == plain


@pytest.mark.parametrize(
    ("sku", "quantity"),
    [
        ("SKU", "Quantity"),
        ("Product code", "Physical QOH"),
        ("Artikel-Nr.", "Menge"),
        ("Code article", "Quantité comptée"),
        ("Código", "Existencias"),
        ("Codice", "Giacenza"),
        ("Kod", "Ilość"),
        ("Артикул", "Остаток"),
        ("الكود", "الكمية"),
        ("商品编码", "数量"),
        ("品番", "実棚数"),
    ],
)
def test_headers_in_several_languages_are_known(sku, quantity):
    header = find_header([["", ""], [sku, "?", quantity]], COUNTS)
    assert header is not None
    assert header.complete
    assert header.index == 1
    assert dict(header.fields) == {"sku": 0, "quantity": 2}


def test_what_was_counted_wins_over_what_is_on_the_books():
    header = find_header([["Code", "On hand", "Counted"]], COUNTS)
    assert header is not None
    assert header.fields["quantity"] == 2


def test_a_code_wins_over_a_barcode():
    header = find_header([["Barcode", "Code", "Qty"]], COUNTS)
    assert header is not None
    assert header.complete
    assert header.fields["sku"] == 1


def test_equal_claims_are_named():
    header = find_header([["Code", "Stock", "Qty"]], COUNTS)
    assert header is not None
    assert not header.complete
    assert header.ambiguous == ["'Stock' and 'Qty' both mean quantity"]


def test_the_first_complete_row_is_the_header_even_below_a_partial_one():
    header = find_header([["Code of the shop"], ["SKU", "x"], ["SKU", "Count"], ["SKU", "Count"]], COUNTS)
    assert header is not None
    assert header.index == 2


def test_a_header_further_down_than_thirty_rows_is_not_looked_for():
    assert find_header([["x"]] * 30 + [["SKU", "Count"]], COUNTS) is None
    assert find_header([["x"]] * 29 + [["SKU", "Count"]], COUNTS) is not None


@pytest.mark.parametrize("family", ["movements", "counts", "products"])
def test_no_word_means_two_things(family):
    """Two fields that claim one word would make the order of the file of words decide."""
    from syncstock_dagster.workbooks.headers import _data

    seen: dict[str, str] = {}
    for field, table in _data()[family].items():
        if field == "required":
            continue
        for word in (word for words in table.values() for word in words):
            assert seen.setdefault(normalised(word), field) == field, word
