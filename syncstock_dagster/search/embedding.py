"""Texts as vectors without a network and without a model: hashed pieces of words.

What belongs here: the embedding that comes along, and finding the one that a setting names. What does not: storing
vectors. Two texts are near each other where they share pieces of words, whatever the order of the words; a mistyped
letter spoils only the pieces that it is in. It knows no synonyms: for those, plug in an embedding that does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from syncstock_dagster.search.text import fold

if TYPE_CHECKING:
    import numpy as np

#: Letters of a piece, and its weight. Longer pieces would be surer, and fewer of them survive a typing error.
_PIECES = ((2, 0.5), (3, 1.0))
#: With 256 the chance meetings of pieces cost 1 % of recall; 512 gains nothing.
_DIMENSIONS = 384
#: Chance meetings alone bring two texts about this near.
_FARTHEST = 0.8

_BLANK = ord(" ")
_SEED, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Embedding(NamedTuple):
    """What turns texts into vectors.

    Attributes:
        name: which it is, and in which version; another name means another index.
        embed: takes a list of texts, returns one vector for each.
        farthest: the cosine distance from which two texts have nothing in common.
    """

    name: str
    embed: Callable[[Sequence[str]], Any]
    farthest: float = 1.0


def find_embedding(named: str | None) -> Embedding:
    """The embedding that a setting names as ``package.module:function``; None: the one that comes along.

    The function takes a list of texts and returns one vector for each. It raises its attribute ``version`` when its
    vectors change, and may say in ``farthest`` how far is too far.

    Raises:
        ConfigError: there is no such function.
    """
    if named is None:
        return Embedding(f"pieces-{_DIMENSIONS}/1", embed_pieces, _FARTHEST)
    from syncstock_dagster.stock.policy import resolve_callable

    function = resolve_callable(named)
    version = getattr(function, "version", 1)
    return Embedding(f"{named}/{version}", function, float(getattr(function, "farthest", 1.0)))


def embed_pieces(texts: Sequence[str]) -> np.ndarray:
    """One unit vector a text: each piece of its words hashed to a place and a sign. Alike on every machine."""
    import numpy as np

    # All texts in one array of letters, with a blank before, between and after words: begins and ends count.
    folded = [f" {fold(text)} " for text in texts]
    letters = np.frombuffer("".join(folded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(folded)), [len(text) for text in folded])
    vectors = np.zeros(len(folded) * _DIMENSIONS)
    for length, weight in _PIECES:
        if len(letters) < length:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(letters, length)
        owner = owners[: len(windows)]
        is_within_word = (windows[:, 1:-1] != _BLANK).all(axis=1) & (windows != _BLANK).any(axis=1)
        is_piece = is_within_word & (owner == owners[length - 1 :])
        hashed = _hashed(windows[is_piece], length)
        dimension = 1 + ((hashed >> np.uint64(1)) % np.uint64(_DIMENSIONS - 1)).astype(np.int64)
        place = owner[is_piece] * _DIMENSIONS + dimension
        sign = np.where(hashed & np.uint64(1), weight, -weight)
        vectors += np.bincount(place, sign, minlength=len(vectors))
    return _to_units(vectors.reshape(len(folded), _DIMENSIONS))


def _hashed(windows: np.ndarray, length: int) -> np.ndarray:
    """A well mixed 64-bit number for each window of letters (multiply and shift, as splitmix64 does)."""
    import numpy as np

    mixed = np.full(len(windows), length * _SEED % 2**64, dtype=np.uint64)
    for letter in windows.T:
        mixed = (mixed ^ letter) * np.uint64(_FIRST)
        mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(_SECOND)
    return mixed ^ (mixed >> np.uint64(32))


def _to_units(vectors: np.ndarray) -> np.ndarray:
    """Every vector of length one; a text without a letter points along the first dimension, which no piece has."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:, :1] = np.where(lengths == 0, 1.0, vectors[:, :1])
    return (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
