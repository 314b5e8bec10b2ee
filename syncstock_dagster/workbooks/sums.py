"""Which lines of a count sheet are the sum of others.

What belongs here: words that announce a sum, and numbers that are one. What does not: what becomes of such lines
(``lines``).
"""

from __future__ import annotations

import re
from collections.abc import Container
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster.workbooks.headers import Words, normalised
from syncstock_dagster.workbooks.local_forms import numeral
from syncstock_dagster.workbooks.sheets import Mask, Sheet

#: Sums that are checked, and lines that one of them may sum unless it sums all: nobody writes more of them.
_MOST_SUMS, _LONGEST_GROUP = 100, 2_000
#: "Items: 2" and "2 items" count lines; "Item 2" may be an article.
_TALLY = re.compile(r"^([^\d:：]+)[:：]\s*\d+$|^\d+\s+(\D+)$")


def announced_sums(sheet: Sheet, words: Words, known: Known, no_code: Mask) -> Mask:
    """Lines that begin with a word for a sum."""
    found = np.zeros(len(sheet), dtype=np.bool_)
    if "sku" in sheet.fields:
        codes = values.Distinct.of(sheet.columns[sheet.fields["sku"]])
        # Only a short text without digits at its beginning can be such a word; most codes are never looked at.
        candidates = values.matches(codes.texts, r"^[^0-9]{2}.{0,38}$") & values.matches(
            codes.texts, r"^[^0-9]*$|[ :：]"
        )
        candidates |= values.matches(codes.texts, r"^\s*[0-9]{1,7}\s[^0-9]{2,40}$")
        if candidates.any():
            texts = codes.texts.to_pylist()
            is_total = np.array(
                [bool(may) and _announces(text, words) for may, text in zip(candidates, texts, strict=True)],
                dtype=np.bool_,
            )
            if is_total.any() and known.is_there:
                named = [text for text, total in zip(texts, is_total, strict=True) if total]
                articles = {word for word, codes_ in known.codes(named).items() if word in codes_}
                is_total &= np.array([text not in articles for text in texts], dtype=np.bool_)
            found |= codes.rows(is_total)
    rows = np.flatnonzero(no_code)
    if len(rows):
        found[rows] |= _announced_without_code(sheet, rows, words)
    return found


def _announced_without_code(sheet: Sheet, rows: npt.NDArray[np.int64], words: Words) -> Mask:
    """Of lines without a code, those in which a cell left of the quantity announces a sum, or any is such a word."""
    found = np.zeros(len(rows), dtype=np.bool_)
    for place, column in enumerate(sheet.columns):
        cells = values.Distinct.of(column.take(pa.array(rows)))
        is_left = place < sheet.fields["quantity"]
        is_word = [
            _announces(text, words) or _ends_as_sum(text, words)
            if is_left
            else 0 < len(text) <= 40 and normalised(text) in words.totals
            for text in cells.texts.to_pylist()
        ]
        found |= cells.rows(np.array(is_word, dtype=np.bool_))
    return found


def _announces(text: str, words: Words) -> bool:
    """Whether a text announces a sum: "Total", "Subtotal Cellar", "Summe:", "Items: 2"."""
    plain = normalised(text) if 0 < len(text) <= 60 else ""
    if not plain:
        return False
    if plain in words.totals:
        return True
    if tally := _TALLY.match(text.strip()):
        return normalised(tally[1] or tally[2]) in words.tallies
    first, _, rest = plain.partition(" ")
    two = " ".join(plain.split()[:2])
    return bool(rest) and (two in words.totals or (first in words.totals and first not in _ALSO_ADJECTIVES))


def _ends_as_sum(text: str, words: Words) -> bool:
    """Whether a text ends with a word for a sum: "Beverages total"."""
    tokens = normalised(text).split() if 0 < len(text) <= 60 else []
    return len(tokens) > 1 and (
        " ".join(tokens[-2:]) in words.totals
        or (tokens[-1] in words.totals and tokens[-1] not in _ALSO_ADJECTIVES)
    )


def sums_by_name(
    sheet: Sheet, active: Mask, totals: Mask, words: Words, known: Known
) -> tuple[Mask, list[str]]:
    """Lines whose code ends with a word for a sum, or is one for lines, as an article's may: their number decides.

    The sentences are about lines that are named like sums and are none of what stands above them.
    """
    found = np.zeros(len(sheet), dtype=np.bool_)
    doubtful: list[str] = []
    if "sku" not in sheet.fields:
        return found, doubtful
    codes = values.Distinct.of(sheet.columns[sheet.fields["sku"]])
    tallies = pc.is_in(pc.utf8_lower(codes.texts), value_set=pa.array(sorted(words.tallies)))
    wordy = np.flatnonzero(values.matches(codes.texts, r"^[^0-9]*[\s_-][^0-9]+$") | values.as_mask(tallies))
    named = {
        text: int(code)
        for code in wordy
        if _ends_as_sum(text := codes.texts[int(code)].as_py(), words) or normalised(text) in words.tallies
    }
    if named and known.is_there:
        articles = {*known.codes(list(named)), *known.named(list(named))}
        named = {text: code for text, code in named.items() if text not in articles}
    may_be = active & np.isin(codes.codes, list(named.values()))
    if not may_be.any():
        return found, doubtful
    numbers = _numbers(sheet)
    running = since = Decimal(0)
    for index, number in enumerate(numbers):
        if totals[index]:
            since = Decimal(0)
        elif not active[index] or number is None:
            continue
        elif may_be[index] and number in (since, running) and index:
            found[index] = True
            since = Decimal(0)
        else:
            running += number
            since += number
            if may_be[index] and _says_nothing_else(sheet, index, but={sheet.fields["sku"]}):
                row, text = int(sheet.rows[index]), codes.texts[int(codes.codes[index])].as_py()
                doubtful.append(f"row {row} is called {text!r} and is not the sum of those above it")
    return found, doubtful


#: "Total" and "sum" may begin the name of an article; behind them must stand nothing, or what is summed.
_ALSO_ADJECTIVES = frozenset({"report", "plan", "som", "general"})


def wrong_sums(sheet: Sheet, active: Mask, totals: Mask) -> list[str]:
    """A sum that is not one of the lines above says that something was read wrongly."""
    wrong: list[str] = []
    if not totals.any():
        return wrong
    numbers = _numbers(sheet)
    above: list[Decimal] = []
    checked = 0
    for index in range(len(sheet)):
        number = numbers[index]
        if number is None:
            continue
        checked += bool(totals[index])
        if not totals[index]:
            if active[index]:
                above.append(number)
        elif checked < _MOST_SUMS and not _is_sum_of_last(number, above):
            row = int(sheet.rows[index])
            wrong.append(f"row {row} says {number}, the lines above sum to {sum(above)}")
    return wrong


def _is_sum_of_last(number: Decimal, above: list[Decimal]) -> bool:
    """Whether a sum is that of the lines above it, down from any one of them: of a group, a page or all."""
    if number == sum(above):
        return True
    rest = Decimal(0)
    for line in reversed(above[-_LONGEST_GROUP:]):
        rest += line
        if rest == number:
            return True
    return False


def _numbers(sheet: Sheet) -> list[Decimal | None]:
    texts = values.Distinct.of(sheet.columns[sheet.fields["quantity"]])
    found: list[Decimal | None] = []
    for text in texts.texts.to_pylist():
        read = numeral(text) if len(text) < 40 else None
        found.append(Decimal(read.plain) if read is not None and read.plain is not None else None)
    return [found[code] for code in texts.codes]


def unnamed_sums(sheet: Sheet, active: Mask, no_code: Mask) -> Mask:
    """Lines with a quantity and without any code that is the sum of at least two lines above it."""
    candidates = active & no_code
    sums = np.zeros(len(sheet), dtype=np.bool_)
    if not candidates.any():
        return sums
    numbers = _numbers(sheet)
    running = since = Decimal(0)
    count = 0
    for index in range(len(sheet)):
        number = numbers[index]
        if candidates[index]:
            if (
                count > 1
                and number is not None
                and number in (running, since)
                and _says_nothing_else(sheet, index)
            ):
                sums[index] = True
                since, count = Decimal(0), 0
        elif active[index] and number is not None:
            running += number
            since += number
            count += 1
    return sums


def _says_nothing_else(sheet: Sheet, index: int, but: Container[int] = ()) -> bool:
    """Whether the line has numbers only, in the columns beside some."""
    texts = [column[index].as_py().strip() for place, column in enumerate(sheet.columns) if place not in but]
    return all(numeral(text) is not None for text in texts if text)
