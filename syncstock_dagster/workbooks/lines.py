"""What each line of a count sheet is: an article, a continuation of the one above, a sum, a heading, or a remark.

What belongs here: telling them apart, before any value is understood. What does not: finding sums (``sums``), and
values, times and places (``count_sheets``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster.workbooks.count_times import labels
from syncstock_dagster.workbooks.headers import Words, normalised
from syncstock_dagster.workbooks.sheets import Cell, LeftOut, Mask, Sheet
from syncstock_dagster.workbooks.sums import announced_sums, sums_by_name, unnamed_sums, wrong_sums

#: What of a line makes it a part of the article above it.
_PARTS = ("lot", "room", "expiry", "location")
#: Fewer numbers in a row may be those of an article.
_FEWEST_COLUMN_NUMBERS = 4
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
    says_not_counted = _says_not_counted(sheet, words)
    no_quantity = _blank(sheet, "quantity") | _to_fill_in(sheet) | says_not_counted
    _leave_out_column_numbers(lines)
    totals = announced_sums(sheet, words, known, no_code) & lines.active
    lines.active &= ~totals
    no_number = _no_number(sheet)
    _find_sections(lines, words, no_quantity | no_number)
    _leave_out_remarks(lines, words, no_number & ~no_quantity)
    _note_uncounted(lines, no_code, no_quantity, says_not_counted)
    lines.active &= ~no_quantity
    by_name, lines.doubtful_sums = sums_by_name(sheet, lines.active, totals, words, known)
    totals |= by_name
    lines.active &= ~totals
    lines.wrong_sums = wrong_sums(sheet, lines.active, totals)
    _leave_out(lines, totals, "a sum of the lines above")
    _continue(lines, no_code)
    unnamed = unnamed_sums(lines.sheet, lines.active, no_code)
    lines.active &= ~unnamed
    _leave_out(lines, unnamed, "the sum of the lines above, without a word")
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
        says_so = words.not_counted
        if place != sheet.fields["quantity"] and normalised(sheet.headers[place]) in words.counted_questions:
            says_so |= words.noes
        wordy = np.flatnonzero(values.matches(texts.texts, r"^\s*\pL.{0,30}$"))
        says = np.zeros(len(texts.texts), dtype=np.bool_)
        for index in wordy[:_MOST_WORDS]:
            says[index] = normalised(texts.texts[int(index)].as_py()) in says_so
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


def _note_uncounted(lines: Lines, no_code: Mask, no_quantity: Mask, says_not_counted: Mask) -> None:
    lines.uncounted = uncounted = lines.active & no_quantity & ~no_code
    _leave_out(lines, uncounted & ~says_not_counted, "no quantity: not counted, which is not zero")
    _leave_out(lines, uncounted & says_not_counted, "the line says that nobody counted, which is not zero")
    _leave_out(lines, lines.active & no_quantity & no_code, "neither a code nor a quantity")
