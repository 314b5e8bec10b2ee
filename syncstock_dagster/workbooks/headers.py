"""Recognising what a column is about by the words in its header.

What belongs here: the words (``headers.toml``, and a file of the shop's own) in the form they are used in, and what one
header or one label says. What does not: finding the header row (``tables``), and what a recognised column means.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple

Family = Literal["movements", "counts", "products"]

#: A header is short; normalising a whole paragraph for each of many rows is wasted.
LONGEST_HEADER = 80
_RANKS = ("first", "also", "otherwise", "then", "last")
_UNIT_AT_END = re.compile(r"\s*[(\[（]([^()\[\]（）]*)[)\]）]\s*$")
#: Where a program's name for a column has a blank in words of people: PartNumber, StockOnHand, ProductSKU.
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_A_WORD = re.compile(r"[\W_]+")
#: Scripts that are written without blanks between words.
_JOINED = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af]")
_BETWEEN_LANGUAGES = re.compile(r"[/|\n;:,()\[\]（）]+|\s[-–—]\s")
_OTHER_LETTERS = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ـ": None, "æ": "ae", "œ": "oe"})

#: How sure a match is: exact; exact in one of several languages; exact but for words around it; only within it.
_EXACT, _ONE_OF_SEVERAL, _WITHIN_USUAL_WORDS, _CONTAINED = 1.0, 0.95, 0.85, 0.6
#: A noun that may also be a name, and a level of stock that may be the book's, are not as sure.
_LESS_SURE = {("sku", 4): 0.85, ("quantity", 2): 0.85, ("quantity", 3): 0.85}
#: A name in the place of a code.
NAME_AS_CODE = 0.5


@lru_cache(maxsize=20_000)  # of all files together: what a service keeps must not grow
def normalised(word: str) -> str:
    """The word as it is compared: no case, accents, punctuation or bracketed unit; single blanks."""
    return _plain(_UNIT_AT_END.sub("", word) or word)


def _plain(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.replace("#", " no ")).casefold()
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    plain = _NOT_A_WORD.sub(" ", plain.translate(_OTHER_LETTERS)).strip()
    return plain.replace(" ", "") if _JOINED.search(plain) else plain


class Claim(NamedTuple):
    """What a header says that its column is; a lower rank wins over a higher one."""

    field: str
    rank: int
    certainty: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one family of tables."""

    #: Groups of fields; of each group one must be there.
    required: Sequence[Sequence[str]]
    #: Normalised word -> (field, rank).
    words: Mapping[str, tuple[str, int]]
    #: Words that may stand around a known one; of these, those that may only stand between two others; words beside
    #: which a known one means something else; and words for packs. All are empty where only exact words count.
    around: frozenset[str] = frozenset()
    between: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    packs: frozenset[str] = frozenset()

    def claim(self, header: str) -> Claim | None:
        """What a header says, as surely as it says it."""
        if not header or len(header) > LONGEST_HEADER or not header.strip():
            return None
        return _claim(self, header)

    def exact(self, header: str) -> tuple[str, int] | None:
        """The field and rank of a header that is a known word, with what stands in brackets or without it."""
        return self.words.get(_plain(header)) or self._but_for_brackets(header) or self._as_words(header)

    def _but_for_brackets(self, header: str) -> tuple[str, int] | None:
        """The same without the brackets at its end, unless these say which quantity it is: "Qty. (Calculated)"."""
        found = self.words.get(normalised(header))
        inside = _UNIT_AT_END.search(header)
        if found is None or found[0] != "quantity" or inside is None:
            return found
        plain = _plain(inside[1])
        within = self.words.get(plain)
        if within is not None and within[0] in ("quantity", "expected", "variance"):
            return within if within[0] != "quantity" or within[1] < found[1] else found
        return None if self.never.intersection(plain.split()) else found

    def _as_words(self, header: str) -> tuple[str, int] | None:
        apart = _CAMEL.sub(" ", header)
        return None if apart == header else self.words.get(normalised(apart))

    def means_another(self, tokens: Sequence[str]) -> bool:
        """Whether a word says that the header is not about the known one beside it."""
        return any(token in self.never or token in self.packs for token in tokens)

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class Words:
    """All words that tables are understood by."""

    families: Mapping[str, Vocabulary]
    #: Normalised word -> what a labelled cell above a table says: a key of ``[labels]``.
    labels: Mapping[str, str]
    #: Normalised words of sums, of what they count, of sheets that sum up others, and of units.
    totals: frozenset[str]
    tallies: frozenset[str]
    summaries: frozenset[str]
    #: Normalised names of sheets that say when, and those that do with a number behind.
    when: frozenset[str]
    when_numbered: frozenset[str]
    #: Normalised words in a header that say that what was counted before does not matter any more.
    last_word: frozenset[str]
    #: Normalised words in the place of a quantity that say that nobody counted.
    not_counted: frozenset[str]
    #: Normalised headers of columns that say whether anybody counted, and the words there that say no.
    counted_questions: frozenset[str]
    noes: frozenset[str]
    single: frozenset[str]
    measures: frozenset[str]
    packs: frozenset[str]
    #: Normalised name -> month.
    months: Mapping[str, int]
    #: Normalised words of languages in which the day stands before the month, and of those in which either may.
    day_first: frozenset[str]
    either_first: frozenset[str]


def vocabulary(family: Family, words_file: str | None = None) -> Vocabulary:
    """The words of ``family``."""
    return words(words_file).families[family]


@cache
def words(words_file: str | None = None) -> Words:
    """The words of SyncStock, and those of a file of the shop's own.

    Raises:
        ValueError: the file cannot be read, or is not of the form of ``headers.toml``.
    """
    data: dict[str, Any] = tomllib.loads(
        resources.files(__package__).joinpath("headers.toml").read_text(encoding="utf-8")
    )
    if words_file is not None:
        _extend(data, words_file)
    around = frozenset(map(normalised, data["around"]["words"]))
    never = frozenset(map(normalised, data["around"]["never"]))
    packs = frozenset(map(normalised, data["units"]["packs"]))
    between = frozenset(map(normalised, data["around"]["between"]))
    # A quantity of boxes is not one of pieces.
    beside = (around | between, between, never, packs)
    families = {
        family: _vocabulary(data[family], *(beside if family == "counts" else ()))
        for family in ("movements", "products", "counts")
    }
    labels: dict[str, str] = {}
    for meaning, known in data["labels"].items():
        for word in known:
            labels.setdefault(normalised(word), meaning)
    return Words(
        families=families,
        labels=labels,
        totals=frozenset(map(normalised, data["totals"]["words"])),
        tallies=frozenset(map(normalised, data["totals"]["tallies"])),
        summaries=frozenset(map(normalised, data["summaries"]["words"])),
        when=frozenset(map(normalised, data["when"]["words"])),
        when_numbered=frozenset(map(normalised, data["when"]["numbered"])),
        last_word=frozenset(map(normalised, data["around"]["last_word"])),
        not_counted=frozenset(map(normalised, data["not_counted"]["words"])),
        counted_questions=frozenset(map(normalised, data["not_counted"]["questions"])),
        noes=frozenset(map(normalised, data["not_counted"]["no"])),
        single=frozenset(map(normalised, data["units"]["single"])),
        measures=frozenset(map(normalised, data["units"]["measure"])),
        packs=packs,
        months={
            normalised(name): month
            for month, names in enumerate(data["months"]["names"], start=1)
            for name in names
        },
        day_first=frozenset(map(normalised, data["dates"]["day_first"])),
        either_first=frozenset(map(normalised, data["dates"]["either"])),
    )


def _extend(data: dict[str, Any], words_file: str) -> None:
    """Put the lists of another file in front of those of the same name: what the shop says goes first."""
    try:
        more = tomllib.loads(Path(words_file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{words_file} cannot be used for further words: {error}") from error
    _merge(data, more, words_file)


def _merge(data: dict[str, Any], more: Mapping[str, Any], place: str) -> None:
    for key, value in more.items():
        if key not in data and key not in _RANKS:
            raise ValueError(f"{place}: {key!r} is not known; there are {', '.join(data)}")
        known = data.get(key, [])
        if isinstance(known, dict) and isinstance(value, Mapping):
            _merge(known, value, f"{place}: {key}")
        elif isinstance(known, list) and isinstance(value, list) and all(isinstance(v, str) for v in value):
            data[key] = [*value, *known]
        else:
            raise ValueError(f"{place}: {key!r} must be a {'table' if isinstance(known, dict) else 'list'}")


def _vocabulary(section: Mapping[str, Any], *beside: frozenset[str]) -> Vocabulary:
    known: dict[str, tuple[str, int]] = {}
    # By rank first: a word that one field is called beyond doubt is not taken by another's last resort.
    for rank, key in enumerate(_RANKS):
        for field, table in section.items():
            if field != "required":
                for word in table.get(key, ()):
                    known.setdefault(normalised(word), (field, rank))
    return Vocabulary(section["required"], known, *beside)


@lru_cache(maxsize=20_000)
def _claim(vocabulary: Vocabulary, header: str) -> Claim | None:
    found = _claim_of_words(vocabulary, header)
    if found is not None and found.field == "quantity" and header.rstrip().endswith(("?", "？")):
        return found._replace(
            certainty=min(found.certainty, _CONTAINED)
        )  # "In stock?" is answered by yes or no
    return found


def _claim_of_words(vocabulary: Vocabulary, header: str) -> Claim | None:
    if found := vocabulary.exact(header):
        return _sure(found, _EXACT)
    if not vocabulary.around:
        return None
    parts = [part for part in _BETWEEN_LANGUAGES.split(header) if part.strip()]
    if len(parts) > 1:
        claims = {found for part in parts if (found := vocabulary.exact(part))}
        fields = {field for field, _ in claims if field != "other"}
        if len(fields) == 1 and not (
            fields == {"quantity"} and vocabulary.means_another(_plain(header).split())
        ):  # "Qty / Box" is no quantity of pieces
            return _sure(
                min((claim for claim in claims if claim[0] in fields), key=lambda c: c[1]), _ONE_OF_SEVERAL
            )
    tokens = normalised(header).split()
    if vocabulary.means_another(tokens) or vocabulary.never.intersection(_plain(header).split()):
        return None
    kept = [token for token in tokens if token not in vocabulary.around and not token.isdigit()]
    if kept and (found := vocabulary.words.get(" ".join(kept))) and _joins_words(vocabulary, tokens, kept):
        return _sure(found, _WITHIN_USUAL_WORDS)
    return _contained(vocabulary, tokens)


def _joins_words(vocabulary: Vocabulary, tokens: Sequence[str], kept: Sequence[str]) -> bool:
    """Whether words like "in" stand behind the known one and before another: "Qty in Store", but not "In Qty"."""
    first, last = tokens.index(kept[0]), len(tokens) - 1
    return all(first < place < last for place, token in enumerate(tokens) if token in vocabulary.between)


def _contained(vocabulary: Vocabulary, tokens: Sequence[str]) -> Claim | None:
    """The longest known words within a header."""
    for size in range(len(tokens) - 1, 0, -1):
        found = {
            known
            for start in range(len(tokens) - size + 1)
            if len(phrase := " ".join(tokens[start : start + size])) > 3
            and (known := vocabulary.words.get(phrase))
        }
        if len({field for field, _ in found}) == 1:
            return _sure(min(found, key=lambda known: known[1]), _CONTAINED)
        if found:
            return None
    text = "".join(tokens)
    if len(tokens) == 1 and _JOINED.search(text):
        inside = [
            (len(word), known) for word, known in vocabulary.words.items() if len(word) > 1 and word in text
        ]
        longest = {known for size, known in inside if size == max(size for size, _ in inside)}
        if len({field for field, _ in longest}) == 1:
            return _sure(min(longest, key=lambda known: known[1]), _CONTAINED)
    return None


def _sure(found: tuple[str, int], certainty: float) -> Claim:
    return Claim(*found, min(certainty, _LESS_SURE.get(found, 1.0)))
