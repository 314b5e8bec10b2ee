"""Questions as people type them, drawn from a catalogue with a seed, and which articles answer them.

What belongs here: questions, and how well answers meet them. What does not: asking. A question begins as two to four
words of an article's name that at most ten articles have. Then it is spoilt: by a typing error, another order, words
cut short, the other number, or synonyms written by hand. What answers it are all articles with the unspoilt words.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

TEN = 10
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

#: What people say instead of a word of the catalogue.
SYNONYMS = {
    "mug": "cup", "cushion": "pillow", "lantern": "lamp", "jar": "pot", "box": "case", "tin": "can",
    "doormat": "floor mat", "hook": "peg", "plate": "dish", "basket": "hamper", "sign": "plaque", "bowl": "dish",
    "necklace": "chain", "purse": "wallet", "cutlery": "knives forks", "retrospot": "dotted", "polkadot": "dotted",
    "t-light": "candle", "babushka": "russian doll", "napkins": "serviettes", "trinket": "jewellery",
    "bunting": "flags", "wrap": "gift paper", "parasol": "umbrella", "feltcraft": "sewing kit",
}  # fmt: skip


class Question(NamedTuple):
    """What somebody types, and the articles that answer it, by their places in the catalogue."""

    text: str
    answers: frozenset[int]


def real_names(source: Path) -> dict[str, str]:
    """SKU to its most frequent description in the file of the real year."""
    said: dict[str, Counter[str]] = defaultdict(Counter)
    with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if name := row["Description"].strip():
                said[row["StockCode"]][name] += 1
    return {sku: names.most_common(1)[0][0] for sku, names in said.items()}


def more_names(names: Sequence[str], count: int, seed: int) -> list[str]:
    """So many names: the given ones, then new ones put together from their words."""
    random = Random(seed)
    every_word = [word for name in names for word in words_of(name)]
    made = list(names[:count])
    while len(made) < count:
        first, second = words_of(random.choice(names)), words_of(random.choice(names))
        kept = first[: random.randint(1, max(1, len(first)))]
        made.append(" ".join([*kept, *second[-3:], random.choice(every_word)]).upper())
    return made


def words_of(name: str) -> list[str]:
    """The words of a name as somebody types them."""
    return re.findall(r"[a-z0-9'-]+", name.lower())


def questions(names: Sequence[str], kind: str, count: int, seed: int) -> list[Question]:
    """So many questions of one kind."""
    random = Random(f"{seed} {kind}")
    having: dict[str, set[int]] = defaultdict(set)
    for place, name in enumerate(names):
        for word in words_of(name):
            having[word].add(place)
    asked = []
    while len(asked) < count:
        words = list(dict.fromkeys(word for word in words_of(random.choice(names)) if _is_telling(word)))
        size = random.choice([2, 2, 3, 3, 4])
        if len(words) < size:
            continue
        chosen = [words[place] for place in sorted(random.sample(range(len(words)), size))]
        spoilt = SPOILING[kind](chosen, random)
        answers = set.intersection(*(having[word] for word in chosen))
        if spoilt is not None and len(answers) <= TEN:
            asked.append(Question(" ".join(spoilt), frozenset(answers)))
    return asked


def recall(asked: Iterable[Question], found: Callable[[str], Collection[int]]) -> float:
    """The share of the answers that stand among the first ten, on average over the questions."""
    shares = [len(question.answers & set(found(question.text))) / len(question.answers) for question in asked]
    return sum(shares) / len(shares)


def _is_telling(word: str) -> bool:
    return len(word) > 2 and not word.isdigit()


def _mistyped(words: Sequence[str], random: Random) -> list[str] | None:
    """One letter of one word of four or more is wrong, missing, too many, or in its neighbour's place."""
    places = [place for place, word in enumerate(words) if len(word) > 3]
    if not places:
        return None
    place = random.choice(places)
    word, letter = words[place], random.choice(_LETTERS)
    at = random.randrange(1, len(word))
    spoilt = random.choice(
        [
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
        ]
    )
    return [*words[:place], spoilt, *words[place + 1 :]]


def _reordered(words: Sequence[str], random: Random) -> list[str]:
    """Any other order."""
    spoilt = list(words)
    while spoilt == list(words):
        random.shuffle(spoilt)
    return spoilt


def _cut(words: Sequence[str], random: Random) -> list[str] | None:
    """Of each longer word its first two thirds, four letters at least."""
    del random
    spoilt = [word if len(word) < 5 else word[: max(4, -(-len(word) * 2 // 3))] for word in words]
    return None if spoilt == list(words) else spoilt


def _other_number(words: Sequence[str], random: Random) -> list[str] | None:
    """Singular for plural and plural for singular."""
    del random
    spoilt = [_turned(word) for word in words]
    return None if spoilt == list(words) else spoilt


def _turned(word: str) -> str:
    if len(word) < 4 or not word.isalpha():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("ss", "x", "ch", "sh")) else "s")


def _in_other_words(words: Sequence[str], random: Random) -> list[str] | None:
    """Another word for each that has one."""
    del random
    spoilt = [SYNONYMS.get(word, word) for word in words]
    return None if spoilt == list(words) else spoilt


def _as_written(words: Sequence[str], random: Random) -> list[str]:
    del random
    return list(words)


#: Kind of question to what spoils it; None: these words cannot be spoilt so.
SPOILING: Mapping[str, Callable[[Sequence[str], Random], list[str] | None]] = {
    "as written": _as_written,
    "typos": _mistyped,
    "word order": _reordered,
    "partial words": _cut,
    "number": _other_number,
    "synonyms": _in_other_words,
}
#: Kinds of which at least 95 in 100 answers must be found.
PROMISED = ("typos", "word order", "partial words", "number")
