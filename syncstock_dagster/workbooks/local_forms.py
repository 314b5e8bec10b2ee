"""Numbers and dates as people write them in their country, brought to the one form that is exact.

What belongs here: which mark stands before the decimals, which of day and month comes first, names of months,
digits of other scripts; decided for a whole sheet by what is beyond doubt in it. What does not: columns (``rows``),
and what programs write (``values``).

Nothing is guessed: 1.234 is a thousand or one and a bit, and 01/03 is two days. Where no other cell of the sheet
settles it, nor, for days, the language of its headers, the cell is refused in words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal, NamedTuple

from syncstock_dagster.workbooks.headers import Words, normalised

Mark = Literal[".", ","]
Order = Literal["day first", "month first"]

_SPACES = "'’`\u00a0\u202f\u2009 "
_GROUPED = re.compile(rf"^([+-]?\d{{1,3}})((?:[{_SPACES}]\d{{3}})+)(?=$|[.,])")
_PLAIN = re.compile(r"^[+-]?\d+$")
_ONE_MARK = re.compile(r"^[+-]?(\d*)([.,])(\d+)$")
_MANY_GROUPS = re.compile(r"^[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})+$")
_INDIAN = re.compile(r"^[+-]?\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?$")
_BOTH_MARKS = re.compile(r"^[+-]?\d{1,3}(?:(?P<group>[.,])\d{3})+(?P<mark>[.,])\d+$")
_WITH_UNIT = re.compile(r"^\s*([+-]?[\d.,'’\u00a0\u202f]*\d)\s*([^\W\d_][^\d]{0,20}?)\.?\s*$")


# --- numbers


class Numeral(NamedTuple):
    """A text that is a number: with these marks, or it may have either."""

    #: The number written with a point; None where it depends on the mark.
    plain: str | None
    #: The mark before the decimals, where the text settles it.
    mark: Mark | None
    #: The readings by mark, where it does not.
    readings: Mapping[Mark, str]


def numeral(text: str) -> Numeral | None:
    """Understand a text as a number; None: it is none."""
    cleaned = _digits(text.strip())
    grouped = _GROUPED.match(cleaned)
    if grouped:
        cleaned = grouped[1] + re.sub(rf"[{_SPACES}]", "", grouped[2]) + cleaned[grouped.end() :]
    if _PLAIN.match(cleaned):
        return Numeral(cleaned, None, {})
    if one := _ONE_MARK.match(cleaned):
        mark: Mark = "." if one[2] == "." else ","
        plain = cleaned.replace(",", ".")
        if len(one[3]) != 3 or not 1 <= len(one[1]) <= 3 or one[1].startswith("0") or grouped:
            return Numeral(plain, mark, {})
        other: Mark = "," if mark == "." else "."
        return Numeral(None, None, {mark: plain, other: cleaned.replace(mark, "")})
    if many := _MANY_GROUPS.match(cleaned):
        return Numeral(cleaned.replace(many[1], ""), "," if many[1] == "." else ".", {})
    if _INDIAN.match(cleaned):
        return Numeral(cleaned.replace(",", ""), ".", {})
    both = _BOTH_MARKS.match(cleaned)
    if both and both["group"] != both["mark"]:
        mark = "." if both["mark"] == "." else ","
        return Numeral(cleaned.replace(both["group"], "").replace(",", "."), mark, {})
    return None


def decimal_mark(texts: Iterable[str]) -> Mark | None:
    """The mark that stands before decimals, where the texts that settle it agree."""
    marks = {found.mark for text in texts if (found := numeral(text)) is not None and found.mark}
    return marks.pop() if len(marks) == 1 else None


def with_unit(text: str) -> tuple[str, str] | None:
    """A number and the unit behind it: ``12 pcs``."""
    found = _WITH_UNIT.match(_digits(text))
    return (found[1], found[2].strip()) if found else None


def _digits(text: str) -> str:
    """Digits of any script as ASCII, and one kind of minus."""
    if text.isascii():
        return text
    shown = []
    for character in text:
        if character.isdecimal():
            shown.append(str(unicodedata.decimal(character)))
        elif character in "−–﹣－":
            shown.append("-")
        elif character in "٫．":
            shown.append(".")
        elif character in "٬，،":
            shown.append(",")
        else:
            shown.append(character)
    return "".join(shown)


# --- dates and times

#: Halves of the day, behind the time or before it.
_HALVES = dict.fromkeys(("am", "ص", "上午", "午前", "오전"), 0) | dict.fromkeys(
    ("pm", "م", "下午", "午後", "오후"), 12
)
_OF_DAY = (
    r"(?P<before>上午|下午|午前|午後|오전|오후)?\s*(?P<hour>\d{1,2})"
    r"(?:[:.h时時시]\s?(?P<minute>\d{2})(?::(?P<second>\d{2})|[分분])?)?\s*(?P<half>[AaPp]\.?\s?[Mm]\.?|[صم])?"
    r"(?:\s*(?:uhr|Uhr|h))?"
)
_CLOCK = rf"(?:[T ,]+(?:at |um |à |a las )?{_OF_DAY})?"
_YEAR_FIRST = re.compile(
    rf"^(?P<year>\d{{4}})\s*[-/.年]\s*(?P<month>\d{{1,2}})\s*[-/.月]\s*(?P<day>\d{{1,2}})\s*[日.]?{_CLOCK}$"
)
_KOREAN = re.compile(
    rf"^(?P<year>\d{{4}})\s*년\s*(?P<month>\d{{1,2}})\s*월\s*(?P<day>\d{{1,2}})\s*일{_CLOCK}$"
)
_POINTS = re.compile(
    rf"^(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}}|\d{{2}})\.?{_CLOCK}$"
)
_TWO_WAYS = re.compile(rf"^(?P<first>\d{{1,2}})[-/](?P<second_>\d{{1,2}})[-/](?P<year>\d{{4}}){_CLOCK}$")
_NAMED = re.compile(
    r"^(?:[^\W\d]+[.,]?\s+)?(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|º)?[\s-]+(?:de\s+)?(?P<name>[^\W\d]+)\.?[\s,-]+(?:de\s+|del\s+)?"
    rf"(?P<year>\d{{4}}){_CLOCK}$"
)
#: As spreadsheets show it who are given 14-Mar-2026.
_NAMED_SHORT = re.compile(rf"^(?P<day>\d{{1,2}})-(?P<name>[^\W\d]+)\.?-(?P<year>\d{{2}}){_CLOCK}$")
_NAME_FIRST = re.compile(
    rf"^(?:[^\W\d]+,\s+)?(?P<name>[^\W\d]+)\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}}){_CLOCK}$"
)
_TIME = re.compile(rf"^{_OF_DAY}$")


class Dated(NamedTuple):
    """A text that is a date: the ISO text, or one for each order of day and month."""

    iso: str | None
    order: Order | None
    readings: Mapping[Order, str]


def dated(text: str, months: Mapping[str, int]) -> Dated | None:
    """Understand a text as a date, with its time of day if it has one; None: it is none."""
    plain = " ".join(_digits(text.strip()).replace("\u00a0", " ").replace("\u202f", " ").split())
    if len(plain) > 60 or not any(character.isdigit() for character in plain):
        return None
    for pattern in (_YEAR_FIRST, _KOREAN, _POINTS):
        if found := pattern.match(plain):
            return _certain(_iso(found, int(found["month"]), int(found["day"])), None)
    for pattern in (_NAMED, _NAMED_SHORT, _NAME_FIRST):
        if (found := pattern.match(plain)) and (month := months.get(normalised(found["name"]))):
            return _certain(_iso(found, month, int(found["day"])), None)
    if found := _TWO_WAYS.match(plain):
        first, second = int(found["first"]), int(found["second_"])
        readings: dict[Order, str] = {}
        if (iso := _iso(found, second, first)) is not None:
            readings["day first"] = iso
        if (iso := _iso(found, first, second)) is not None:
            readings["month first"] = iso
        if len(readings) == 1:
            ((order, iso),) = readings.items()
            return Dated(iso, order, {})
        if readings and len(set(readings.values())) == 1:
            return Dated(readings["day first"], None, {})
        return Dated(None, None, readings) if readings else None
    return None


def date_order(texts: Iterable[str], headers: Iterable[str], words: Words) -> Order | None:
    """Which of day and month comes first, where the dates that settle it agree, or else the headers' language does."""
    orders = {
        found.order for text in texts if (found := dated(text, words.months)) is not None and found.order
    }
    if orders:
        return orders.pop() if len(orders) == 1 else None
    said = {token for header in headers for token in normalised(header).split()}
    return "day first" if said & words.day_first and not said & words.either_first else None


def clock(text: str) -> str | None:
    """A time of day as ``18:30:00``; None: it is none."""
    found = _TIME.match(_digits(text.strip()))
    return None if found is None else _clock(found)


def _certain(iso: str | None, order: Order | None) -> Dated | None:
    return None if iso is None else Dated(iso, order, {})


def _iso(found: re.Match[str], month: int, day: int) -> str | None:
    year = int(found["year"])
    try:
        said = date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return None
    if found["hour"] is None:
        return said.isoformat()
    time = _clock(found)
    return None if time is None else f"{said.isoformat()}T{time}"


def _clock(found: re.Match[str]) -> str | None:
    hour, half = int(found["hour"]), found["before"] or found["half"]
    if found["minute"] is None and not half:
        return None  # a bare number behind a date is no time
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + _HALVES[re.sub(r"[. ]", "", half).lower()]
    minute, second = int(found["minute"] or 0), int(found["second"] or 0)
    return f"{hour:02}:{minute:02}:{second:02}" if hour < 24 and minute < 60 and second < 60 else None
