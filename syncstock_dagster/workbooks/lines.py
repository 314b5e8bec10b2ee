"""What each line of a count sheet is: an article, a continuation of the one above, a sum, a heading, or a remark.

What belongs here: telling them apart, before any value is understood. What does not: values, times and places
(``count_sheets``).
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster.workbooks.count_times import labels
from syncstock_dagster.workbooks.headers import Words, normalised
from syncstock_dagster.workbooks.local_forms import numeral
from syncstock_dagster.workbooks.sheets import Cell, LeftOut, Mask, Sheet

#: Sums that are checked, and lines that one of them may sum unless it sums all: nobody writes more of them.
_MOST_SUMS, _LONGEST_GROUP = 100, 2_000
#: What of a line makes it a part of the article above it.
_PARTS = ("lot", "room", "expiry", "location")
#: Fewer numbers in a row may be those of an article.
_FEWEST_COLUMN_NUMBERS = 4
#: "Items: 2" and "2 items" count lines; "Item 2" may be an article.
_TALLY = re.compile(r"^([^\d:：]+)[:：]\s*\d+$|^\d+\s+(\D+)$")
_COLUMN_LETTER = re.compile(r"^[^\W\d_]$")
#: What a quantity is not, whatever mark stands before its decimals: a word, a date, a line to sign on.
_NUMBER_LIKE = r"^\s*[+-]?[0-9][0-9.,'\s\x{a0}]*$"
_DATE_LIKE = r"^\s*[0-9]{1,2}\.\s?[0-9]{1,2}\.\s?[0-9]{2,4}\s*$"
#: A line to write on by hand.
_TO_FILL_IN = r"^\s*_{2,}\s*$"
#: A column with more of them is one of names.
_MOST_WORDS = 200
#: What stands below a table with a label, to be filled in by who counted.
_SIGNED = frozenset({"counted_at", "time", "began", "ended", "counter", "session"})


@dataclass(slots=True)
class Lines:
    """The lines of one sheet."""

    #: The sheet, with the article of each continuation filled in.
    sheet: Sheet
    #: Lines that can be counts.
    active: Mask
    left_out: list[LeftOut] = field(default_factory=list)
    #: Sums that are not the sum of what was read above them.
    wrong_sums: list[str] = field(default_factory=list)
    #: Lines that are named like sums and are none of what stands above them.
    doubtful_sums: list[str] = field(default_factory=list)
    #: Meaning -> (index of the line, text) of labels between the lines, such as "Room: Cellar".
    sections: Mapping[str, list[tuple[int, str]]] = field(default_factory=dict)
    #: Lines with an article and no quantity.
    uncounted: Mask = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    continued: int = 0


def classify(sheet: Sheet, words: Words, known: Known, *, read_hidden: bool) -> Lines:
    """Tell the lines of a sheet apart."""
    lines = Lines(sheet, np.ones(len(sheet), dtype=np.bool_))
    if not read_hidden:
        _leave_out_hidden(lines)
    no_code = _blank(sheet, "sku") & _blank(sheet, "inventory_id")
    no_quantity = _blank(sheet, "quantity") | _to_fill_in(sheet) | _says_not_counted(sheet, words)
    _leave_out_column_numbers(lines)
    totals = _totals(sheet, words, known, no_code) & lines.active
    lines.active &= ~totals
    no_number = _no_number(sheet)
    _find_sections(lines, words, no_quantity | no_number)
    _leave_out_remarks(lines, words, no_number & ~no_quantity)
    _note_uncounted(lines, no_code, no_quantity)
    lines.active &= ~no_quantity
    totals |= _sums_by_name(lines, totals, words, known)
    lines.active &= ~totals
    _check_sums(lines, totals, no_code)
    _leave_out(lines, totals, "a sum of the lines above")
    _continue(lines, no_code)
    _find_unnamed_sums(lines, no_code)
    _fill_places(lines)
    return lines


def _blank(sheet: Sheet, name: str) -> Mask:
    if name not in sheet.fields:
        return np.ones(len(sheet), dtype=np.bool_)
    column = values.Distinct.of(sheet.columns[sheet.fields[name]])
    blank = column.rows(column.blank)
    kinds = sheet.kinds[sheet.fields[name]]
    return blank if kinds is None else blank & ~np.isin(kinds, (Cell.ERROR, Cell.FORMULA))


def _to_fill_in(sheet: Sheet) -> Mask:
    return values.matches(sheet.columns[sheet.fields["quantity"]], _TO_FILL_IN)


def _says_not_counted(sheet: Sheet, words: Words) -> Mask:
    """Lines that say "not counted", in place of the quantity or beside it: the 0 that programs write there is none."""
    found = np.zeros(len(sheet), dtype=np.bool_)
    looked_at = [sheet.fields["quantity"], *(set(range(len(sheet.columns))) - {*sheet.fields.values()})]
    if "remark" in sheet.fields:
        looked_at.append(sheet.fields["remark"])
    for place in looked_at:
        texts = values.Distinct.of(sheet.columns[place])
        wordy = np.flatnonzero(values.matches(texts.texts, r"^\s*\pL.{1,30}$"))
        says = np.zeros(len(texts.texts), dtype=np.bool_)
        for index in wordy[:_MOST_WORDS]:
            says[index] = normalised(texts.texts[int(index)].as_py()) in words.not_counted
        found |= texts.rows(says)
    return found


def _leave_out(lines: Lines, mask: Mask, why: str) -> None:
    if mask.any():
        lines.left_out.append(LeftOut(lines.sheet.name, lines.sheet.rows[mask].tolist(), why))


def _leave_out_hidden(lines: Lines) -> None:
    if not lines.sheet.hidden_rows:
        return
    hidden = np.isin(lines.sheet.rows, list(lines.sheet.hidden_rows))
    lines.active &= ~hidden
    _leave_out(lines, hidden, "the row is hidden")


def _no_number(sheet: Sheet) -> Mask:
    """Lines whose quantity is no number, or blank."""
    place = sheet.fields["quantity"]
    texts = sheet.columns[place]
    numbers = values.matches(texts, _NUMBER_LIKE) & ~values.matches(texts, _DATE_LIKE)
    kinds = sheet.kinds[place]
    return ~numbers if kinds is None else ~numbers & (kinds != Cell.NUMBER)


def _leave_out_column_numbers(lines: Lines) -> None:
    """Forms number their columns below the header: 1, 2, 3 ... is no article 2 of which 5 were counted."""
    sheet = lines.sheet
    if "sku" not in sheet.fields:
        return
    few = [str(number) for number in range(1, len(sheet.columns) + 1)]
    few += [f"({number})" for number in few]
    may_be = lines.active.copy()
    for name in ("sku", "quantity"):
        may_be &= pc.is_in(
            pc.utf8_trim_whitespace(sheet.columns[sheet.fields[name]]), value_set=pa.array(few)
        ).to_numpy(zero_copy_only=False)
    found = np.zeros(len(sheet), dtype=np.bool_)
    for index in np.flatnonzero(may_be):
        found[index] = _numbers_columns([column[int(index)].as_py().strip() for column in sheet.columns])
    lines.active &= ~found
    _leave_out(lines, found, "the numbers of the columns")


def _numbers_columns(texts: list[str]) -> bool:
    """Whether the cells count up from 1 from left to right, perhaps after letters: A, B, 1, 2, 3."""
    cells = [text.strip("()") for text in texts if text]
    numbers = [text for text in cells if not _COLUMN_LETTER.match(text)]
    counting = [str(number) for number in range(1, len(numbers) + 1)]
    return (
        len(cells) >= _FEWEST_COLUMN_NUMBERS
        and numbers == counting
        and cells[len(cells) - len(numbers) :] == numbers
    )


def _leave_out_remarks(lines: Lines, words: Words, no_number: Mask) -> None:
    """Below the last article: who counted, when, and where to sign."""
    counted = np.flatnonzero(lines.active & ~_no_number(lines.sheet))
    last = int(counted[-1]) if len(counted) else len(lines.sheet)
    found = np.zeros(len(lines.sheet), dtype=np.bool_)
    for index in np.flatnonzero(lines.active & no_number):
        if index > last:
            cells = [text for column in lines.sheet.columns if (text := column[int(index)].as_py().strip())]
            found[index] = words.labels.get(normalised(cells[0])) in _SIGNED or cells[0].endswith((":", "："))
    lines.active &= ~found
    _leave_out(lines, found, "a remark below the table")


# --- sums


def _totals(sheet: Sheet, words: Words, known: Known, no_code: Mask) -> Mask:
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
                [bool(may) and is_sum(text, words) for may, text in zip(candidates, texts, strict=True)],
                dtype=np.bool_,
            )
            if is_total.any() and known.is_there:
                named = [text for text, total in zip(texts, is_total, strict=True) if total]
                articles = {word for word, codes_ in known.codes(named).items() if word in codes_}
                is_total &= np.array([text not in articles for text in texts], dtype=np.bool_)
            found |= codes.rows(is_total)
    rows = np.flatnonzero(no_code)
    if len(rows):
        found[rows] |= _named_sums(sheet, rows, words)
    return found


def _named_sums(sheet: Sheet, rows: npt.NDArray[np.int64], words: Words) -> Mask:
    """Of lines without a code, those in which a cell left of the quantity announces a sum, or any is such a word."""
    found = np.zeros(len(rows), dtype=np.bool_)
    for place, column in enumerate(sheet.columns):
        cells = values.Distinct.of(column.take(pa.array(rows)))
        is_left = place < sheet.fields["quantity"]
        is_word = [
            is_sum(text, words) or _ends_as_sum(text, words)
            if is_left
            else 0 < len(text) <= 40 and normalised(text) in words.totals
            for text in cells.texts.to_pylist()
        ]
        found |= cells.rows(np.array(is_word, dtype=np.bool_))
    return found


def is_sum(text: str, words: Words) -> bool:
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


def _sums_by_name(lines: Lines, totals: Mask, words: Words, known: Known) -> Mask:
    """Lines whose code ends with a word for a sum, or is one for lines, as an article's may: their number decides."""
    sheet = lines.sheet
    found = np.zeros(len(sheet), dtype=np.bool_)
    if "sku" not in sheet.fields:
        return found
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
    may_be = lines.active & np.isin(codes.codes, list(named.values()))
    if not may_be.any():
        return found
    numbers = _numbers(sheet)
    running = since = Decimal(0)
    for index, number in enumerate(numbers):
        if totals[index]:
            since = Decimal(0)
        elif not lines.active[index] or number is None:
            continue
        elif may_be[index] and number in (since, running) and index:
            found[index] = True
            since = Decimal(0)
        else:
            running += number
            since += number
            if may_be[index] and _says_nothing_else(sheet, index, but={sheet.fields["sku"]}):
                row, text = int(sheet.rows[index]), codes.texts[int(codes.codes[index])].as_py()
                lines.doubtful_sums.append(
                    f"row {row} is called {text!r} and is not the sum of those above it"
                )
    return found


#: "Total" and "sum" may begin the name of an article; behind them must stand nothing, or what is summed.
_ALSO_ADJECTIVES = frozenset({"report", "plan", "som", "general"})


def _check_sums(lines: Lines, totals: Mask, no_code: Mask) -> None:
    """A sum that is not one of the lines above says that something was read wrongly."""
    if not totals.any():
        return
    numbers = _numbers(lines.sheet)
    above: list[Decimal] = []
    checked = 0
    for index in range(len(lines.sheet)):
        number = numbers[index]
        if number is None:
            continue
        checked += bool(totals[index])
        if not totals[index]:
            if lines.active[index]:
                above.append(number)
        elif checked < _MOST_SUMS and not _is_sum_of_last(number, above):
            row = int(lines.sheet.rows[index])
            lines.wrong_sums.append(f"row {row} says {number}, the lines above sum to {sum(above)}")


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


def _find_unnamed_sums(lines: Lines, no_code: Mask) -> None:
    """A quantity without any code that is the sum of at least two lines above it."""
    candidates = lines.active & no_code
    if not candidates.any():
        return
    numbers = _numbers(lines.sheet)
    sums = np.zeros(len(lines.sheet), dtype=np.bool_)
    running = since = Decimal(0)
    count = 0
    for index in range(len(lines.sheet)):
        number = numbers[index]
        if candidates[index]:
            if (
                count > 1
                and number is not None
                and number in (running, since)
                and _says_nothing_else(lines.sheet, index)
            ):
                sums[index] = True
                since, count = Decimal(0), 0
        elif lines.active[index] and number is not None:
            running += number
            since += number
            count += 1
    lines.active &= ~sums
    _leave_out(lines, sums, "the sum of the lines above, without a word")


def _says_nothing_else(sheet: Sheet, index: int, but: Container[int] = ()) -> bool:
    """Whether the line has numbers only, in the columns beside some."""
    texts = [column[index].as_py().strip() for place, column in enumerate(sheet.columns) if place not in but]
    return all(numeral(text) is not None for text in texts if text)


# --- continuations and sections


def _continue(lines: Lines, no_code: Mask) -> None:
    """Fill in the article of lines that go on with the one above: merged cells, or a further lot or place."""
    sheet = lines.sheet
    if "sku" not in sheet.fields or not (no_code & lines.active).any():
        return
    place = sheet.fields["sku"]
    goes_on = _merged_down(sheet, place)
    has_part = np.zeros(len(sheet), dtype=np.bool_)
    for name in _PARTS:
        if name in sheet.fields:
            has_part |= ~_blank(sheet, name)
    same_name = _name_goes_on(sheet)
    wanted = no_code & lines.active & (goes_on | (has_part & same_name))
    if not wanted.any():
        return
    texts = sheet.columns[place].to_pylist()
    kinds = sheet.kinds[place]
    kinds = None if kinds is None else kinds.copy()
    above: int | None = None
    for index in range(len(sheet)):
        if texts[index].strip():
            above = index
        elif wanted[index] and above is not None:
            texts[index] = texts[above]
            if kinds is not None:
                kinds[index] = kinds[above]
            no_code[index] = False
            lines.continued += 1
    columns, all_kinds = list(sheet.columns), list(sheet.kinds)
    columns[place], all_kinds[place] = pa.array(texts, pa.string()), kinds
    lines.sheet = replace(sheet, columns=columns, kinds=all_kinds)


def _merged_down(sheet: Sheet, place: int) -> Mask:
    """Lines whose cell in a column is merged with the one above."""
    spans = [
        (span.first_row, span.last_row)
        for span in sheet.merged
        if span.first_column <= place <= span.last_column and span.last_row > span.first_row
    ]
    if not spans:
        return np.zeros(len(sheet), dtype=np.bool_)
    changes = np.zeros(len(sheet) + 1, dtype=np.int64)
    ends = np.searchsorted(sheet.rows, np.array(spans, dtype=np.int64), side="right")
    np.add.at(changes, ends[:, 0], 1)
    np.add.at(changes, ends[:, 1], -1)
    return np.cumsum(changes)[:-1] > 0


def _name_goes_on(sheet: Sheet) -> Mask:
    """Lines that name no other article than the one above."""
    if "name" not in sheet.fields:
        return np.ones(len(sheet), dtype=np.bool_)
    texts = [text.strip() for text in sheet.columns[sheet.fields["name"]].to_pylist()]
    goes_on = np.ones(len(sheet), dtype=np.bool_)
    above = ""
    for index, text in enumerate(texts):
        goes_on[index] = not text or text == above
        above = text or above
    return goes_on


def _find_sections(lines: Lines, words: Words, no_number: Mask) -> None:
    """Labels between the lines, and names of rooms alone in theirs, which hold for those below them."""
    found: dict[str, list[tuple[int, str]]] = {}
    filled = np.zeros(len(lines.sheet), dtype=np.int32)
    for column in lines.sheet.columns:
        filled += pc.greater(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(no_number & lines.active & (filled <= 2)):
        cells = [column[int(index)].as_py() for column in lines.sheet.columns]
        for meaning, (_, text) in (labels([cells], words) or _room_alone(cells, words)).items():
            if meaning in ("room", "location"):
                found.setdefault(meaning, []).append((int(index), text))
                lines.active[index] = False
    lines.sections = found


def _room_alone(cells: Sequence[str], words: Words) -> Mapping[str, tuple[int, str]]:
    """A line that holds nothing but the name of a room: "Shelf 3"."""
    texts = [text.strip() for text in cells if text.strip()]
    first, _, rest = (
        normalised(texts[0]).partition(" ") if len(texts) == 1 and len(texts[0]) <= 40 else ("", "", "")
    )
    return {"room": (0, texts[0])} if rest and words.labels.get(first) == "room" else {}


def _fill_places(lines: Lines) -> None:
    """What stands once for several lines, in merged cells or with blanks below it, holds for all of them."""
    for name in _FOR_SEVERAL:
        place = lines.sheet.fields.get(name)
        if place is None or not (blank := _blank(lines.sheet, name) & lines.active).any():
            continue
        merged = _merged_down(lines.sheet, place)
        wanted = blank & merged
        if name in _PLACES and _is_grouped(lines.sheet.columns[place], lines.active):
            wanted = blank
        if wanted.any():
            _fill_down(lines, place, wanted)


_PLACES = ("room", "location")
_FOR_SEVERAL = (
    *_PLACES,
    "lot",
    "expiry",
    "unit",
    "session",
    "counter",
    "counted_at",
    "counted_from",
    "counted_time",
)


def _is_grouped(column: pa.Array, active: Mask) -> bool:
    """Whether each text stands once, at the first of its lines: nobody who fills in every line writes so."""
    texts = [text.strip() for text in column.filter(pa.array(active)).to_pylist()]
    written = [text for text in texts if text]
    return len(set(written)) == len(written) > 1 and bool(texts[0])


def _fill_down(lines: Lines, place: int, wanted: Mask) -> None:
    column, kinds = lines.sheet.columns[place], lines.sheet.kinds[place]
    filled = ~wanted
    above = np.maximum.accumulate(np.where(filled & ~_blank_texts(column), np.arange(len(column)), -1))
    source = np.where(wanted & (above >= 0), above, np.arange(len(column)))
    columns, all_kinds = list(lines.sheet.columns), list(lines.sheet.kinds)
    columns[place] = column.take(pa.array(source))
    all_kinds[place] = None if kinds is None else kinds[source]
    lines.sheet = replace(lines.sheet, columns=columns, kinds=all_kinds)


def _blank_texts(column: pa.Array) -> Mask:
    distinct = values.Distinct.of(column)
    return distinct.rows(distinct.blank)


def _note_uncounted(lines: Lines, no_code: Mask, no_quantity: Mask) -> None:
    lines.uncounted = uncounted = lines.active & no_quantity & ~no_code
    _leave_out(lines, uncounted, "no quantity: not counted, which is not zero")
    _leave_out(lines, lines.active & no_quantity & no_code, "neither a code nor a quantity")
