"""Sheets that repeat what other sheets of the same file say, and must not be counted twice.

What belongs here: recognising them. What does not: reading them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from syncstock_dagster.workbooks.headers import Words, normalised

Totals = Mapping[str, Decimal]

#: Fewer articles may agree by chance.
_TELLING = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a sheet."""

    sheet: str
    #: Its lines are those of other sheets, summed: leave it out. Otherwise nobody knows: refuse the file.
    leave_out: bool
    why: str


def summaries(sheets: Mapping[str, Totals], words: Words) -> list[Verdict]:
    """Of several sheets, with what each says of each article, those that repeat others."""
    verdicts: list[Verdict] = []
    # Those with the name of a summary first: of two equal sheets it is that one.
    names = sorted(sheets, key=lambda name: not _is_named(name, words))
    for name in names:
        if name in {verdict.sheet for verdict in verdicts}:
            continue
        others = [other for other in names if other != name and other not in {v.sheet for v in verdicts}]
        verdict = _judge(name, sheets, others, is_named=_is_named(name, words))
        if verdict is not None:
            verdicts.append(verdict)
    return verdicts


def _is_named(name: str, words: Words) -> bool:
    plain = normalised(name)
    return plain in words.summaries or any(token in words.summaries for token in plain.split())


def _judge(
    name: str, sheets: Mapping[str, Totals], others: Sequence[str], *, is_named: bool
) -> Verdict | None:
    own = {article: number for article, number in sheets[name].items() if number}
    rest: dict[str, Decimal] = {}
    for other in others:
        for article, number in sheets[other].items():
            rest[article] = rest.get(article, Decimal(0)) + number
    rest = {article: number for article, number in rest.items() if number}
    if not own or not rest:
        return None
    shared = own.keys() & rest.keys()
    agreeing = sum(own[article] == rest[article] for article in shared)
    if own == rest and (len(others) > 1 or is_named) and (is_named or len(own) >= _TELLING):
        return Verdict(name, True, f"it repeats {_listed(others)}: the same {len(own)} articles, summed")
    if is_named and len(shared) * 2 > len(own):
        differing = next((article for article in sorted(shared) if own[article] != rest[article]), None)
        detail = (
            f"{differing!r} is {own[differing]} there and {rest[differing]} in the other sheets"
            if differing is not None
            else f"it names {len(own)} articles and the other sheets {len(rest)}"
        )
        return Verdict(name, False, f"it looks like a summary of {_listed(others)}, but {detail}")
    if len(shared) >= _TELLING and len(shared) == len(own) == agreeing:
        return Verdict(
            name, False, f"each of its {len(own)} articles has the quantity it has in {_listed(others)}"
        )
    return None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
