"""Columns of packs and further counts that stand beside the counted quantities and are not read: what they may hide.

What belongs here: which of them raise a doubt. What does not: packs that are converted (``sheet_rows``), and what a
doubt does (``preview``).

"Cases 2, Qty 3" may be three pieces beside two cases. "Cases 2, Units/Case 12, Qty 24" is not: the quantity holds them.
"Shelf count 2, Backroom count 3" may be five; "Count 2, Final count 3" is three.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

import pyarrow as pa

from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.headers import LONGEST_HEADER, Words, normalised
from syncstock_dagster.workbooks.local_forms import numeral
from syncstock_dagster.workbooks.sheets import Mask, Sheet
from syncstock_dagster.workbooks.tables import is_numeric

_BRACKETS = re.compile(r"[()\[\]（）]")
#: Beside the word for a pack these say that a column is about packs, and not how many there are.
_NOT_HOW_MANY = frozenset({"per", "price", "cost", "value", "size"})


def doubtful_packs(sheet: Sheet, quantities: pa.Array, active: Mask, words: Words) -> Iterator[str]:
    """Headers of columns whose packs the quantities may not hold."""
    used = set(sheet.fields.values())
    packs: list[int] = []
    sizes: list[int] = []
    for place, header in enumerate(sheet.headers):
        # The unit may stand in brackets: "Count 1 (case)".
        tokens = (
            set(normalised(_BRACKETS.sub(" ", header)).split()) if len(header) <= LONGEST_HEADER else set()
        )
        if place in used or not tokens & words.packs or not is_numeric(sheet, place):
            continue
        if _is_size(header, words) or "per" in tokens or "size" in tokens:
            sizes.append(place)
        elif not tokens & _NOT_HOW_MANY:
            packs.append(place)
    if not packs:
        return
    counted = [
        None if text is None or not is_active else Decimal(text)
        for text, is_active in zip(quantities.to_pylist(), active, strict=True)
    ]
    held = [_numbers(sheet, place) for place in sizes]
    for place in packs:
        many = _numbers(sheet, place)
        if not any(_holds(counted, many, size) for size in held):
            yield sheet.headers[place]


def doubtful_counts(sheet: Sheet, quantities: pa.Array, active: Mask, words: Words) -> Iterator[str]:
    """Headers of further counts that the quantities may not hold."""
    vocabulary = words.families["counts"]
    chosen = sheet.headers[sheet.fields["quantity"]]
    claim = vocabulary.claim(chosen)
    if claim is None or claim.rank or words.last_word.intersection(normalised(chosen).split()):
        return
    used = set(sheet.fields.values())
    others = [
        place
        for place, header in enumerate(sheet.headers)
        if place not in used
        and (other := vocabulary.claim(header)) is not None
        and (other.field, other.rank) == ("quantity", 0)
        and is_numeric(sheet, place)
    ]
    if not others:
        return
    kept = pa.array(active)
    counted = [None if text is None else Decimal(text) for text in quantities.filter(kept).to_pylist()]
    parts = [
        [number for number, is_active in zip(_numbers(sheet, place), active, strict=True) if is_active]
        for place in others
    ]
    sums = [sum(filter(None, line), Decimal(0)) for line in zip(*parts, strict=True)]
    if sums == counted:
        return  # a sum of them
    for place, part in zip(others, parts, strict=True):
        if any(number not in (None, quantity) for number, quantity in zip(part, counted, strict=True)):
            yield sheet.headers[place]


def _is_size(header: str, words: Words) -> bool:
    """Whether a header says how many one pack holds: "Units/Case"."""
    left, slash, right = header.partition("/")
    return bool(slash) and normalised(left) in words.single and normalised(right) in words.packs


def _numbers(sheet: Sheet, place: int) -> list[Decimal | None]:
    texts = values.Distinct.of(sheet.columns[place])
    found = [
        Decimal(read.plain) if (read := numeral(text)) is not None and read.plain is not None else None
        for text in texts.texts.to_pylist()
    ]
    return [found[code] for code in texts.codes]


def _holds(
    counted: Sequence[Decimal | None], packs: Sequence[Decimal | None], sizes: Sequence[Decimal | None]
) -> bool:
    """Whether each quantity is what its packs hold, and there is one of which it is no accident."""
    known = [
        (quantity, many, size)
        for quantity, many, size in zip(counted, packs, sizes, strict=True)
        if quantity is not None and many is not None
    ]
    return all(size is not None and quantity == many * size for quantity, many, size in known) and any(
        many and size is not None and size > 1 for _, many, size in known
    )
