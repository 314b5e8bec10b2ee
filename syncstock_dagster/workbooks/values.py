"""Understanding text as quantities, instants and days, exactly, for a whole column at once.

What belongs here: what text is accepted, its canonical form, and the words in which the rest is refused. What
does not: which column means what, and row numbers.

The functions work on the *distinct* texts of a column: a year of sales has half a million rows but a few
hundred quantities and some ten thousand instants. They return arrays as long as their input; what is not
understood is null.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.stock.evidence import DECIMAL_TEXT
from syncstock_dagster.workbooks.sheets import Mask

#: Longer codes do not fit a PostgreSQL index together with the rest of a movement's identity.
CODE_LIMIT = 200
#: Before these days nobody kept the stock we are told about; after them an instant in some zone has no year
#: of four digits. 9999-12-31 is also what programs write when they mean "never".
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9999, 12, 30)
BOUNDS = f"between {FIRST_DAY} and {LAST_DAY}"

EXCEL_ERROR = re.compile(
    r"#(N/A|VALUE!|REF!|DIV/0!|NUM!|NAME\?|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|UNKNOWN!|GETTING_DATA)|Err:\d{3}",
    re.IGNORECASE,
)

_EPOCH = date(1970, 1, 1)
_MICROSECONDS_A_DAY = 86_400_000_000
_FIRST_MICROSECOND = (FIRST_DAY - _EPOCH).days * _MICROSECONDS_A_DAY
_LAST_MICROSECOND = ((LAST_DAY - _EPOCH).days + 1) * _MICROSECONDS_A_DAY - 1

# Arrow's casts refuse a whole column for one impossible date, so the pattern lets only possible ones through
# (29 February is left, and is checked against the year).
_DAY = (
    r"[1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|[12]\d))"
)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?"
_OFFSET = r"(?:[Zz]|[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)"
_NAIVE_INSTANT = rf"^{_DAY}[Tt ]{_CLOCK}$"
_AWARE_INSTANT = rf"^{_DAY}[Tt ]{_CLOCK} ?{_OFFSET}$"
_WHOLE_DAY = rf"^{_DAY}(?:[Tt ]00:00(?::00(?:[.,]0{{1,9}})?)?)?$"


class Refusal(NamedTuple):
    """Why a text is not accepted: what was expected, and what to do."""

    expected: str
    remedy: str


@dataclass(frozen=True)
class Distinct:
    """A text column as its distinct texts and, for each row, which of them it holds."""

    texts: pa.Array
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, column: pa.Array) -> Distinct:
        """Encode a string array without nulls."""
        encoded = column.dictionary_encode()
        return cls(encoded.dictionary, encoded.indices.to_numpy())

    @cached_property
    def _indices(self) -> pa.Array:
        return pa.array(self.codes)

    def spread(self, values: pa.Array) -> pa.Array:
        """One value for each distinct text -> one value for each row."""
        return values.take(self._indices)

    def rows(self, mask: Mask) -> Mask:
        """The same for a mask."""
        return mask[self.codes] if mask.any() else np.zeros(len(self.codes), dtype=np.bool_)

    @cached_property
    def blank(self) -> Mask:
        """Which distinct texts are nothing but blanks."""
        return as_mask(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(self.texts)), 0))


def as_mask(values: pa.Array) -> Mask:
    """A boolean array as numpy; null is False."""
    if values.null_count:
        values = values.fill_null(False)
    return values.to_numpy(zero_copy_only=False)


def matches(texts: pa.Array, pattern: str) -> Mask:
    """Which texts match ``pattern`` (RE2; null does not)."""
    return as_mask(pc.match_substring_regex(texts, pattern))


def _only(texts: pa.Array, mask: Mask) -> pa.Array:
    return pc.if_else(pa.array(mask), texts, pa.scalar(None, pa.string()))


# --- quantities


def decimals(texts: pa.Array, decimal_mark: str = ".") -> pa.Array:
    """Canonical decimal text (``DECIMAL_TEXT``, no sign plus, no needless zeros) of each text, else null."""
    trimmed = pc.utf8_trim_whitespace(texts)
    if decimal_mark == ",":
        trimmed = _only(trimmed, ~matches(trimmed, r"\."))
        trimmed = pc.replace_substring(trimmed, ",", ".")
    plain = _only(trimmed, matches(trimmed, r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$"))
    # Whole numbers as a program writes them are already canonical; the rest takes the long way.
    if not bool(np.all(matches(plain, r"^(?:0|-?[1-9][0-9]{0,17})$") | as_mask(pc.is_null(plain)))):
        for pattern, replacement in (
            (r"^\+", ""),
            (r"^(-?)0+([0-9])", r"\1\2"),
            (r"^(-?)\.", r"\10."),  # RE2 knows one digit: group 1, then a zero
            (r"(\.[0-9]*?)0+$", r"\1"),
            (r"\.$", ""),
            (r"^-0$", "0"),
        ):
            plain = pc.replace_substring_regex(plain, pattern, replacement)
        plain = _only(plain, matches(plain, rf"^(?:{DECIMAL_TEXT.pattern})$"))
    return plain


_NUMBER_IN = r"[0-9][0-9.,]*"
_IN_BRACKETS, _MINUS_BEHIND = rf"^\s*\(\s*({_NUMBER_IN})\s*\)\s*$", rf"^\s*({_NUMBER_IN})\s*[-−–]\s*$"


def with_minus_in_front(texts: pa.Array) -> pa.Array:
    """Negative numbers as ledgers have them, (3), 3- or −3, as -3."""
    if matches(texts, r"[)−–-]\s*$|[−–]").any():
        for pattern in (_IN_BRACKETS, _MINUS_BEHIND, rf"^\s*[−–]\s*({_NUMBER_IN})\s*$"):
            texts = pc.replace_substring_regex(texts, pattern, r"-\1")
    return texts


#: Wide enough for the sum of a million quantities of thirty digits.
EXACT = Context(prec=80)


def negated(numbers: pa.Array) -> pa.Array:
    """The canonical text of minus each canonical number."""
    positive = pc.binary_join_element_wise(pa.scalar("-"), numbers, "")
    return pc.if_else(
        is_negative(numbers),
        pc.utf8_slice_codeunits(numbers, 1),
        pc.if_else(pc.equal(numbers, "0"), numbers, positive),
    )


def is_negative(numbers: pa.Array) -> pa.Array:
    """Whether a canonical number is below zero; null stays null."""
    return pc.starts_with(numbers, "-")


def is_positive(numbers: pa.Array) -> pa.Array:
    """Whether a canonical number is above zero; null stays null."""
    return pc.invert(pc.or_(is_negative(numbers), pc.equal(numbers, "0")))


def why_not_decimal(text: str, decimal_mark: str = ".") -> Refusal:
    """The words for a text that ``decimals`` refuses."""
    plain, mark = text.strip(), decimal_mark
    other = "," if mark == "." else "."
    number = rf"[+-]?[0-9]+({re.escape(mark)}[0-9]+)?"
    if not plain:
        return Refusal(
            "a quantity", "The cell is empty; nothing is not zero. Write the number, or remove the row."
        )
    if EXCEL_ERROR.fullmatch(plain):
        return Refusal("a quantity", "The cell holds an error of the spreadsheet; correct its formula.")
    if re.fullmatch(r"[+-]?[0-9]{1,3}(?:[.,'’ \u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?", plain):
        bare = re.sub(rf"[^0-9{re.escape(mark)}+-]", "", plain)
        return Refusal(
            "a number without thousands separators",
            f"Write {bare}, or the number that is meant, without separators.",
        )
    if re.fullmatch(rf"[+-]?[0-9]+{re.escape(other)}[0-9]+", plain):
        return Refusal(
            f"a number with {mark!r} before its decimals",
            f"Write {plain.replace(other, mark)}, or say that the file's decimal mark is {other!r}.",
        )
    if re.fullmatch(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+", plain):
        return Refusal("a number written out", "Write the number without an exponent, which hides digits.")
    if re.fullmatch(number, plain):
        return Refusal(
            "at most 18 digits before and 12 after the point", "Check the number; round it if it is meant so."
        )
    if ledger := re.match(_IN_BRACKETS, plain) or re.match(_MINUS_BEHIND, plain):
        return Refusal(
            "a number that can be read in one way only",
            f"Write {ledger[1]}, or -{ledger[1]} if it is meant to be below zero.",
        )
    return Refusal("a number", "Write digits only, without units, signs of currency or words.")


# --- instants and days


class Instants(NamedTuple):
    """Each text as an aware instant, a wall-clock time or a day: at most one of the three is not null."""

    at: pa.Array
    local: pa.Array
    day: pa.Array


def instants(texts: pa.Array) -> Instants:
    """ISO 8601 instants: with an offset or Z they are aware, without they are local; a bare date is a day."""
    trimmed = pc.utf8_trim_whitespace(texts)
    possible = _without_false_leap_days(trimmed)
    aware = _only(possible, matches(possible, _AWARE_INSTANT))
    local = _only(possible, matches(possible, _NAIVE_INSTANT))
    day = _only(possible, matches(possible, rf"^{_DAY}$"))
    if aware.null_count < len(aware):
        aware = pc.replace_substring_regex(aware, rf" ({_OFFSET})$", r"\1")
        aware = pc.replace_substring_regex(aware, r"z$", "Z")
    return Instants(
        _within(_for_cast(aware).cast(pa.timestamp("us", tz="UTC"))),
        _within(_for_cast(local).cast(pa.timestamp("us"))),
        _day_within(day.cast(pa.date32())),
    )


def days(texts: pa.Array) -> pa.Array:
    """ISO 8601 dates; a local midnight is its day, because many programs know no date without a time."""
    trimmed = pc.utf8_trim_whitespace(texts)
    possible = _without_false_leap_days(trimmed)
    whole = _only(possible, matches(possible, _WHOLE_DAY))
    return _day_within(pc.utf8_slice_codeunits(whole, 0, 10).cast(pa.date32()))


def _for_cast(texts: pa.Array) -> pa.Array:
    """What Arrow parses as microseconds: a capital T, a point, six decimals; the rest is cut."""
    if texts.null_count == len(texts):
        return texts
    texts = pc.replace_substring_regex(texts, r"^(.{10})t", r"\1T")
    if matches(texts, r"[.,]").any():
        texts = pc.replace_substring_regex(texts, r"[.,]([0-9]{1,6})[0-9]*", r".\1")
    return texts


def _without_false_leap_days(texts: pa.Array) -> pa.Array:
    leaping = np.flatnonzero(matches(texts, r"^[0-9]{4}-02-29"))
    false = [index for index in leaping if not calendar.isleap(int(texts[int(index)].as_py()[:4]))]
    if not false:
        return texts
    mask = np.ones(len(texts), dtype=np.bool_)
    mask[false] = False
    return _only(texts, mask)


def _within(values: pa.Array) -> pa.Array:
    numbers = values.cast(pa.int64())
    fits = pc.and_(pc.greater_equal(numbers, _FIRST_MICROSECOND), pc.less_equal(numbers, _LAST_MICROSECOND))
    return pc.if_else(fits, values, pa.scalar(None, values.type))


def _day_within(values: pa.Array) -> pa.Array:
    fits = pc.and_(pc.greater_equal(values, pa.scalar(FIRST_DAY)), pc.less_equal(values, pa.scalar(LAST_DAY)))
    return pc.if_else(fits, values, pa.scalar(None, values.type))


def why_not_instant(text: str, *, day_column: str | None = None) -> Refusal:
    """The words for a text that is not an instant.

    Args:
        text: what was found.
        day_column: the column in which a bare day may stand; None where days are accepted as they are.
    """
    expected = "a date and time like 2026-03-01T18:00:00, with Z or an offset if it is not local"
    if not text.strip():
        return Refusal(expected, "The cell is empty; write when it happened.")
    if day_column is not None and len(days(pa.array([text])).drop_null()):
        return Refusal(
            expected,
            f"Add the time of day. If only the day is known, put it in the column {day_column!r} instead.",
        )
    return Refusal(expected, _why_not_a_date(text))


def why_not_day(text: str, *, instant_column: str | None = None) -> Refusal:
    """The words for a text that is not a day; a time of day belongs in ``instant_column``."""
    expected = "a day like 2026-03-01"
    if not text.strip():
        return Refusal(expected, "The cell is empty; write the day on which it happened.")
    if instant_column is not None and any(len(values.drop_null()) for values in instants(pa.array([text]))):
        return Refusal(
            expected,
            f"Remove the time of day, or put the instant into {instant_column!r} and name the document.",
        )
    return Refusal(expected, _why_not_a_date(text))


def _why_not_a_date(text: str) -> str:
    plain = text.strip()
    if EXCEL_ERROR.fullmatch(plain):
        return "The cell holds an error of the spreadsheet; correct its formula."
    if re.search(r"\d[:.]\d{2} ?(?![AaPp][Mm]$)[A-Za-z]{2,5}$", plain):
        return "Write the offset instead of the zone's name: 2026-03-01T18:00:00+01:00, with Z for UTC."
    numbers = re.fullmatch(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(\D.*)?", plain)
    if numbers and (len(numbers[3]) == 2 or max(int(numbers[1]), int(numbers[2])) <= 12):
        return "Day and month can be read in two ways here: write the year first, as in 2026-03-01."
    if re.fullmatch(r"\d+(\.\d+)?", plain):
        return (
            "This is a plain number: give the cell a date format, or write the year first, as in 2026-03-01."
        )
    try:
        datetime.fromisoformat(plain)
    except ValueError:
        return "Write the year first, as in 2026-03-01 (ISO 8601), and check that the day exists."
    return f"Check the date; it must lie {BOUNDS} and be written like 2026-03-01 or 2026-03-01T18:00:00."


# --- whole numbers


def identifiers(texts: pa.Array) -> pa.Array:
    """Whole numbers of at most 64 bits, as int64, else null."""
    trimmed = pc.utf8_trim_whitespace(texts)
    short = _only(trimmed, matches(trimmed, r"^-?[0-9]{1,18}$"))
    numbers = short.cast(pa.int64())
    long = np.flatnonzero(matches(trimmed, r"^-?[0-9]{19,}$"))
    if len(long):
        values = numbers.to_pylist()
        for index in long:
            number = int(trimmed[int(index)].as_py())
            if -(2**63) < number < 2**63:
                values[int(index)] = number
        numbers = pa.array(values, pa.int64())
    return numbers
