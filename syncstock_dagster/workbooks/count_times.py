"""When a count was made, where the sheet does not say it line by line.

What belongs here: labelled cells above the table, dates in file names, the sender's word, and their order.
What does not: the counted_at column itself (``count_sheets``), and what a day-only count stands at (posting).

Nothing is guessed: what could be read in two ways is an error that says how to write it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.workbooks import local_forms, values
from syncstock_dagster.workbooks.headers import Words, normalised
from syncstock_dagster.workbooks.local_forms import Order
from syncstock_dagster.workbooks.rows import Problems, visible
from syncstock_dagster.workbooks.values import Instants

#: 2026-03-01 or 20260301, not inside a longer number; then perhaps a time after T, a blank, _ or -, and its offset.
_DATE_IN_NAME = re.compile(
    r"(?<!\d)(?P<year>\d{4})(?P<dash>[-._]?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
    r"(?:(?P<mark>[Tt _-]|[ _]-[ _])(?P<hour>\d{2})(?P<colon>[-:.h_]?)(?P<minute>\d{2})"
    r"(?:[-:._]?(?P<second>\d{2}))?(?:\.\d{3,6})?(?P<zone>[Zz](?![^\W\d_])|\+\d{4})?)?(?!\d)"
)
#: 03-04-2026 or 14-03-26, which may be two days.
_DATE_OF_TWO = re.compile(r"(?<!\d)\d{1,2}([-._])\d{1,2}\1(?:\d{4}|\d{2})(?!\d)")
#: 31.12.2025, 31-12-2025, 31 Dec 2025, December 31 2025: understood like a date in a cell.
_LOCAL_DATE_IN_NAME = re.compile(
    r"(?<!\d)\d{1,2}([-._])\d{1,2}\1\d{4}(?!\d)"
    r"|(?<!\d)\d{1,2}[-._ ]?[^\W\d_]{3,12}[-._ ]?\d{4}(?!\d)|[^\W\d_]{3,12}[-._ ]\d{1,2},?[-._ ]\d{4}(?!\d)"
)
_DATE_WITH_SLASHES = re.compile(r"(?<!\d)(?:\d{1,2}/\d{1,2}/\d{4}|\d{4}/\d{1,2}/\d{1,2})(?!\d)")
_LABEL_AND_VALUE = re.compile(r"^\s*([^:：]{1,40})[:：]\s*(\S.*?)\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CountTime:
    """One instant, local time or day, and where it was said."""

    said_by: str
    #: Whether it is said outside the file's content, so that the same content can mean two counts.
    outside: bool
    at: datetime | None = None
    local: datetime | None = None
    day: date | None = None
    #: When counting began, where that is said too: local.
    began: datetime | None = None

    def __str__(self) -> str:
        return str(self.at or self.local or self.day)


#: Something was said that cannot be understood; the error is noted.
UNCLEAR = CountTime("nobody", False)


def labels(above: Sequence[Sequence[str]], words: Words) -> Mapping[str, tuple[int, str]]:
    """What labelled cells above a table say: meaning -> (index of the row, text). The first of a meaning counts.

    A label is a whole cell with its value in the next filled cell of the row, or "label: value" within one
    cell. A cell below a label counts where nothing stands beside it.
    """
    found: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(above):
        cells = [cell for cell in row if cell.strip()]
        for index, cell in enumerate(cells):
            within = _LABEL_AND_VALUE.match(cell)
            if within and (meaning := words.labels.get(normalised(within[1]))):
                found.setdefault(meaning, (number, visible(within[2].strip())))
            elif (
                len(cell) <= 60 and (meaning := words.labels.get(normalised(cell))) and index + 1 < len(cells)
            ):
                following = cells[index + 1].strip()
                has_digits = any(map(str.isdigit, following))
                # "Date" and "from" without a colon are also words of titles and sentences; a time has digits.
                if has_digits or (meaning not in _TIMES and normalised(following) not in words.labels):
                    found.setdefault(meaning, (number, visible(following)))
    return found


def said_in(header: str) -> str | None:
    """The date in the header of the quantity: "Count 31.12.2025"."""
    for pattern in (_DATE_IN_NAME, _LOCAL_DATE_IN_NAME, _DATE_WITH_SLASHES):
        if found := pattern.search(header):
            return found[0]
    return None


def is_time(name: str, words: Words) -> bool:
    """Whether the name of a sheet says when and not where: "Tuesday", "Jan 2026", "Week 11", "2026-03-01"."""
    plain = normalised(name)
    tokens = [token for token in plain.split() if not token.isdigit()]
    is_month = bool(tokens) and all(token in words.months for token in tokens)
    numbered = re.match(r"^([^\W\d]+) ?\d{1,4}( \d{2,4})?$", plain)
    return (
        said_in(name) is not None
        or plain in words.when
        or is_month
        or (numbered is not None and numbered[1] in words.when_numbered)
    )


_TIMES = frozenset({"counted_at", "time", "began", "ended"})


def time_of_sheet(
    said: Mapping[str, tuple[int, str]],
    rows: Sequence[int],
    name: str,
    argument: datetime | date | None,
    problems: Problems,
    sheet: str | None,
    words: Words,
    order: Order | None,
) -> CountTime | None:
    """When lines without a time were counted, by a labelled cell, else the file's name, else the sender.

    None: nobody says it. ``UNCLEAR``: what is said cannot be understood, and ``problems`` has the error.
    ``rows`` are the numbers of the rows above the table; ``order`` is that of day and month in the sheet, if known.
    """
    if "counted_at" in said:
        return _from_label(said, rows, problems, sheet, words, order)
    named = _from_name(name, problems, words)
    if named is not None and named is not UNCLEAR and ("ended" in said or "time" in said):
        named = _with_clock(said, rows, named, problems, sheet)
    if named is not None or argument is None:
        return named
    return _from_sender(argument)


def _from_label(
    said: Mapping[str, tuple[int, str]],
    rows: Sequence[int],
    problems: Problems,
    sheet: str | None,
    words: Words,
    order: Order | None,
) -> CountTime:
    index, text = said["counted_at"]
    row = rows[index] if index < len(rows) else index + 1
    iso, ambiguous = _iso(text, words, order)
    if ambiguous:
        problems.of_file(
            text,
            "a count's time like 2026-03-01 18:00",
            "Day and month can be read in two ways here: write the year first, as in 2026-03-01.",
            sheet=sheet,
            row=row,
        )
        return UNCLEAR
    found = values.instants(pa.array([iso]))
    at, local, day = (column[0].as_py() for column in found)
    if at is None and local is None and day is None:
        refusal = values.why_not_instant(text)
        problems.of_file(text, "a count's time like 2026-03-01 18:00", refusal.remedy, sheet=sheet, row=row)
        return UNCLEAR
    moment = CountTime(f"the cell in row {row}", False, at, local, day)
    return _with_clock(said, rows, moment, problems, sheet) if day is not None else moment


def _iso(text: str, words: Words, order: Order | None) -> tuple[str, bool]:
    """A date as ISO text, and whether it could be two days; what is no date is left as it is."""
    if any(len(column.drop_null()) for column in values.instants(pa.array([text]))):
        return text, False
    found = local_forms.dated(text, words.months)
    if found is None:
        return text, False
    iso = found.iso or (found.readings.get(order) if order else None)
    return iso or text, iso is None


def _with_clock(
    said: Mapping[str, tuple[int, str]],
    rows: Sequence[int],
    moment: CountTime,
    problems: Problems,
    sheet: str | None,
) -> CountTime:
    """A day with the time of day, and the beginning, that other cells say."""
    if moment.day is None:
        return moment
    clocks: dict[str, time] = {}
    for meaning in ("time", "began", "ended"):
        if meaning not in said:
            continue
        index, text = said[meaning]
        ends = re.split(r"\s*(?:[-–—]|\bto\b|\bbis\b|\buntil\b)\s*", text) if meaning == "time" else [text]
        read = [local_forms.clock(end.rpartition("T")[2]) for end in ends]
        if None in read or len(read) > 2:
            row = rows[index] if index < len(rows) else index + 1
            expected = "a time of day like 18:00"
            remedy = "Write hours and minutes, or the year first, as in 2026-03-01 18:00."
            problems.of_file(text, expected, remedy, sheet=sheet, row=row)
            return UNCLEAR
        moments = [time.fromisoformat(clock) for clock in read if clock]
        clocks["ended" if meaning == "time" else meaning] = moments[-1]
        if len(moments) == 2:
            clocks["began"] = moments[0]
    if "ended" not in clocks:
        return moment  # only a beginning: when it ended is not said
    local = datetime.combine(moment.day, clocks["ended"])
    began = datetime.combine(moment.day, clocks["began"]) if "began" in clocks else None
    if began is not None and began > local:
        problems.of_file(
            f"{began:%H:%M} to {local:%H:%M}",
            "a beginning before the end of the count",
            "Correct the two times; a count over midnight is written with both days.",
            sheet=sheet,
        )
        return UNCLEAR
    return CountTime(moment.said_by, moment.outside, local=local, began=began)


def _from_name(name: str, problems: Problems, words: Words) -> CountTime | None:
    stem = file_stem(name)
    found = [match for match in _DATE_IN_NAME.finditer(stem) if _is_date(match)]
    if not found:
        return _local_from_name(stem, words)
    if len({match[0] for match in found}) > 1:
        problems.of_file(
            name,
            "one date in the file's name",
            "Name the file after the day of the count alone, as in 2026-03-01.xlsx.",
        )
        return UNCLEAR
    match = found[0]
    day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    if match["hour"] is None:
        return CountTime("the file's name", True, day=day)
    if not _is_time(match) or (match["hour"] == "00" and not match["colon"] and match["mark"] not in "Tt"):
        problems.of_file(
            name,
            "a date, or a date and a time, in the file's name",
            f"{match[0]!r} can be read in two ways: write {day}T18-00 for a time, {day} (2) for a copy.",
        )
        return UNCLEAR
    clock = time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0))
    local = datetime.combine(day, clock)
    if match["zone"] is None:
        return CountTime("the file's name", True, local=local)
    instant = datetime.fromisoformat(local.isoformat() + match["zone"].upper())
    return CountTime("the file's name", True, at=instant.astimezone(UTC))


def _local_from_name(stem: str, words: Words) -> CountTime | None:
    """A date in a name that is written as in its country, where it can be read in one way only."""
    days: set[str] = set()
    for match in _LOCAL_DATE_IN_NAME.finditer(stem):
        text = match[0]
        if match[1]:
            text = text.replace(match[1], "." if match[1] == "." else "/")
        else:
            text = re.sub(r"[-._]", " ", re.sub(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)", " ", text))
        found = local_forms.dated(text, words.months)
        if found is not None and found.iso is not None:
            days.add(found.iso[:10])
    return CountTime("the file's name", True, day=date.fromisoformat(days.pop())) if len(days) == 1 else None


def doubtful_date(name: str) -> str | None:
    """A date in a file's name that says nothing, because it may be two."""
    found = _DATE_OF_TWO.search(file_stem(name))
    return found[0] if found else None


def file_stem(name: str) -> str:
    """The file's own name without folders and endings; points within a date or time stay."""
    name = PurePosixPath(name).name
    for ending in (".gz", ".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".parquet"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name


def _is_date(match: re.Match[str]) -> bool:
    try:
        day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return False
    return values.FIRST_DAY <= day <= values.LAST_DAY


def _is_time(match: re.Match[str]) -> bool:
    return int(match["hour"]) < 24 and int(match["minute"]) < 60 and int(match["second"] or 0) < 60


def _from_sender(argument: datetime | date) -> CountTime:
    if not isinstance(argument, datetime):
        return CountTime("the sender", True, day=argument)
    if argument.tzinfo is None:
        return CountTime("the sender", True, local=argument)
    return CountTime("the sender", True, at=argument.astimezone(UTC))


def fill(found: Instants, missing: pa.Array, given: CountTime) -> Instants:
    """``found`` with ``given`` in the rows that are ``missing``."""
    return Instants(
        *(
            pc.if_else(missing, pa.scalar(value, column.type), column)
            for column, value in zip(found, (given.at, given.local, given.day), strict=True)
        )
    )
