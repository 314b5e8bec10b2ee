"""The embedding that comes along: deterministic, offline, and near where names are near."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster.search.embedding import embed_pieces, find_embedding
from syncstock_dagster.search.text import LONGEST_QUESTION, asked, fold
from syncstock_dagster.stock.policy import ConfigError


def likeness(one: str, other: str) -> float:
    """The cosine of two texts' vectors."""
    first, second = embed_pieces([one, other])
    return float(first @ second)


def test_the_same_text_has_the_same_vector_in_every_process_and_batch() -> None:
    """The digest was computed once: a change of vectors needs a new version in the embedding's name."""
    texts = ["WHITE HANGING HEART T-LIGHT HOLDER", "قلب أحمر", "", "★", "café 中文"]
    together = embed_pieces(texts)
    alone = np.concatenate([embed_pieces([text]) for text in texts])
    assert np.array_equal(together, alone)
    places = np.flatnonzero(embed_pieces(["heart"])[0]).tolist()
    assert find_embedding(None).name == "pieces-384/1"
    assert places == HEART


#: Where the pieces of "heart" go.
HEART = [41, 44, 54, 65, 234, 260, 274, 281, 332, 338, 352]


@pytest.mark.parametrize(
    ("asked_for", "wanted", "other"),
    [
        ("red hart", "RED HEART", "BLUE BIRD"),
        ("heart red", "RED HEART", "RED HEN"),
        ("candels", "CANDLE", "CANDY CANES"),
        ("cafe", "Café", "carafe"),
        ("قلب", "قلب أحمر", "طائر أزرق"),
        ("STRASSE", "Straße", "Stra"),
    ],
)
def test_what_is_meant_is_nearer(asked_for: str, wanted: str, other: str) -> None:
    assert likeness(asked_for, wanted) > likeness(asked_for, other)


def test_the_order_of_words_does_not_matter() -> None:
    assert likeness("tea light holder", "holder light tea") == pytest.approx(1.0)


@given(st.lists(st.text(max_size=60), max_size=8))
def test_every_text_has_a_unit_vector(texts: list[str]) -> None:
    """Also one without a letter, which nothing else is near."""
    vectors = embed_pieces(texts)
    assert vectors.shape == (len(texts), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert (vector[0] == 1.0) == (fold(text) == "")


@given(st.text(alphabet=st.characters(), max_size=2 * LONGEST_QUESTION))
def test_what_is_asked_can_be_stored_and_is_bounded(text: str) -> None:
    question = asked(text)
    assert len(question) <= LONGEST_QUESTION
    assert "\x00" not in question
    question.encode("utf-8")


def test_an_embedding_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        find_embedding("nowhere.at_all:embed")
