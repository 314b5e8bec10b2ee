"""Recognising a header row by its words.

What belongs here: the vocabulary (``headers.toml``) in the form it is used in, and finding the header among
the first rows of a table. What does not: reading files, and what a recognised column means.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from syncstock_dagster.workbooks.sheets import HEADER_WITHIN_ROWS

Family = Literal["movements", "counts", "products"]

_UNIT_AT_END = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")
_NOT_A_WORD = re.compile(r"[\W_]+")


@cache
def normalised(word: str) -> str:
    """The word as it is compared: no case, accents, punctuation or bracketed unit; single blanks."""
    plain = unicodedata.normalize("NFKD", _UNIT_AT_END.sub("", word)).casefold().replace("ı", "i")
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return _NOT_A_WORD.sub(" ", plain).strip()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one family of tables."""

    #: Groups of fields; of each group one must be there.
    required: Sequence[Sequence[str]]
    #: Normalised word -> (field, rank); a lower rank wins.
    words: Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Header:
    """The header row of a table, or what came nearest to one."""

    index: int
    fields: Mapping[str, int]
    #: Groups of fields of which none is there.
    missing: Sequence[Sequence[str]]
    #: Sentences about fields that two columns claim with equal right.
    ambiguous: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether the table can be read."""
        return not self.missing and not self.ambiguous


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("headers.toml").read_text(encoding="utf-8"))


@cache
def vocabulary(family: Family) -> Vocabulary:
    """The words of ``family``."""
    section = _data()[family]
    words: dict[str, tuple[str, int]] = {}
    for field, table in section.items():
        if field == "required":
            continue
        for rank, key in enumerate(("first", "also", "otherwise")):
            for word in table.get(key, ()):
                words.setdefault(normalised(word), (field, rank))
    return Vocabulary(required=section["required"], words=words)


@cache
def label_words() -> Mapping[str, str]:
    """Normalised word -> what a labelled cell above a count table says: a key of ``[labels]``."""
    return {normalised(word): meaning for meaning, words in _data()["labels"].items() for word in words}


@cache
def total_words() -> frozenset[str]:
    """Normalised words that in the code column mark a sum."""
    return frozenset(normalised(word) for word in _data()["totals"]["words"])


def find_header(rows: Iterable[Sequence[str]], words: Vocabulary) -> Header | None:
    """The first row that names all required fields, else the one that names most; None: none names any."""
    best: Header | None = None
    for index, row in enumerate(rows):
        if index >= HEADER_WITHIN_ROWS:
            break
        header = _as_header(index, row, words)
        if not header.missing:
            return header
        if header.fields and (best is None or len(header.fields) > len(best.fields)):
            best = header
    return best


def _as_header(index: int, row: Sequence[str], words: Vocabulary) -> Header:
    claims: dict[str, list[tuple[int, int]]] = {}
    for column, cell in enumerate(row):
        # A header is short; normalising a whole paragraph for each of thirty rows is wasted.
        known = words.words.get(normalised(cell)) if cell and len(cell) <= 60 else None
        if known:
            field, rank = known
            claims.setdefault(field, []).append((rank, column))
    fields: dict[str, int] = {}
    ambiguous: list[str] = []
    for field, claimants in claims.items():
        best_rank = min(rank for rank, _ in claimants)
        columns = [column for rank, column in claimants if rank == best_rank]
        fields[field] = columns[0]
        if len(columns) > 1 and field != "name":
            names = " and ".join(repr(row[column].strip()) for column in columns)
            ambiguous.append(f"{names} both mean {field}")
    missing = [group for group in words.required if not any(field in fields for field in group)]
    return Header(index, fields, missing, ambiguous)
