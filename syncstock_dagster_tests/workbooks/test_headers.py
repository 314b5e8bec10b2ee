"""Recognising what a column is about by its header."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from syncstock_dagster.workbooks.headers import normalised, vocabulary, words

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
    ("language", "sku", "quantity"),
    [
        ("English", "Item Code", "Physical Count"),
        ("English, with words around", "Item Code No.", "Counted Qty in Store"),
        ("German", "Artikel-Nr.", "Gezählte Menge"),
        ("French", "Code article", "Quantité comptée"),
        ("Spanish", "Código de artículo", "Cantidad contada"),
        ("Portuguese", "Código do produto", "Quantidade contada"),
        ("Italian", "Codice articolo", "Quantità contata"),
        ("Dutch", "Artikelnummer", "Geteld aantal"),
        ("Turkish", "Ürün Kodu", "Sayım Miktarı"),
        ("Arabic", "رمز الصنف", "الكمية الفعلية"),
        ("Chinese", "商品编码", "实盘数量"),
        ("Korean", "상품 코드", "실사 수량"),
        ("Japanese", "商品コード", "実棚数"),
        ("Russian", "Артикул", "Фактическое количество"),
        ("Polish", "Kod", "Ilość"),
        ("two languages", "Code / 编码", "Quantity | 数量"),
        ("words of programs", "PartNumber", "QtyCounted"),
    ],
)
def test_headers_in_many_languages_are_known(language, sku, quantity):
    assert (COUNTS.claim(sku).field, COUNTS.claim(quantity).field) == ("sku", "quantity"), language


@pytest.mark.parametrize(
    "header",
    [
        "Expected",
        "System Qty",
        "Sollbestand",
        "Price",
        "Min",
        "Reorder quantity",
        "Qty per box",
        "Ordered qty",
        "Variance",
        "In Qty",
        "Qty In",
        "Total In Qty",
        "Qty/Box",
        "Units / Case",
        "Qty. (Calculated)",
        "Quantity (sold)",
        "Menge (Soll)",
        "Qty Type",
    ],
)
def test_what_is_not_what_was_counted_is_never_taken_for_it(header):
    claim = COUNTS.claim(header)
    assert claim is None or claim.field != "quantity"


@pytest.mark.parametrize(
    ("header", "certainty"),
    [
        ("Counted", 1.0),
        ("Stock", 0.85),
        ("Counted Qty in Store", 0.85),
        ("Qty. (Phys. Inventory)", 1.0),
        ("Quantity (Items)", 1.0),
        ("Variant Inventory Qty", 0.85),
        ("StockOnHand", 0.85),
        ("In stock?", 0.6),
    ],
)
def test_a_match_says_how_sure_it_is(header, certainty):
    assert COUNTS.claim(header).certainty == certainty


def test_words_within_a_longer_header_are_not_sure():
    claim = COUNTS.claim("Physical count before lunch")
    assert (claim.field, claim.certainty) == ("quantity", 0.6)


def test_a_shop_may_add_words_of_its_own(tmp_path):
    own = tmp_path / "headers.toml"
    own.write_text(
        '[counts.quantity]\nfirst = ["Zähli"]\n[totals]\nwords = ["Zwüschesumme"]\n', encoding="utf-8"
    )
    assert vocabulary("counts", str(own)).claim("zahli").field == "quantity"
    assert normalised("Zwüschesumme") in words(str(own)).totals
    assert COUNTS.claim("zahli") is None


@pytest.mark.parametrize(
    "text", ["[counts.weight]\nfirst = ['kg']", "[counts.sku]\nfirst = 'x'", "nonsense ="]
)
def test_a_file_of_words_that_cannot_be_used_says_why(tmp_path, text):
    own = tmp_path / "headers.toml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"headers\.toml"):
        words(str(own))


@pytest.mark.parametrize("family", ["movements", "counts", "products"])
def test_no_word_means_two_things(family):
    """Two fields that claim one word would make the order of the file of words decide."""
    data = tomllib.loads(
        resources.files("syncstock_dagster.workbooks").joinpath("headers.toml").read_text(encoding="utf-8")
    )
    seen: dict[str, str] = {}
    for field, table in data[family].items():
        if field == "required":
            continue
        for word in (word for known in table.values() for word in known):
            assert seen.setdefault(normalised(word), field) == field, word
