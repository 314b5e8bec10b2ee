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

from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.headers import label_words, normalised
from syncstock_dagster.workbooks.rows import Problems, visible
from syncstock_dagster.workbooks.values import Instants

#: 2026-03-01 or 20260301, not inside a longer number; then perhaps a time after T, a blank, _ or -.
_DATE_IN_NAME = re.compile(
    r"(?<!\d)(?P<year>\d{4})(?P<dash>-?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
    r"(?:(?P<mark>[Tt _-]|[ _]-[ _])(?P<hour>\d{2})(?P<colon>[-:.h_]?)(?P<minute>\d{2})"
    r"(?:[-:.]?(?P<second>\d{2}))?)?(?!\d)"
)
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

    def __str__(self) -> str:
        return str(self.at or self.local or self.day)


#: Something was said that cannot be understood; the error is noted.
UNCLEAR = CountTime("nobody", False)


def labels(above: Sequence[Sequence[str]]) -> Mapping[str, tuple[int, str]]:
    """What labelled cells above a table say: meaning -> (row number, text). The first of a meaning counts.

    A label is a whole cell with its value in the next filled cell of the row, or "label: value" within one
    cell.
    """
    known = label_words()
    found: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(above, start=1):
        cells = [cell for cell in row if cell.strip()]
        for index, cell in enumerate(cells):
            within = _LABEL_AND_VALUE.match(cell)
            if within and normalised(within[1]) in known:
                found.setdefault(known[normalised(within[1])], (number, visible(within[2])))
            elif len(cell) <= 60 and normalised(cell) in known and index + 1 < len(cells):
                meaning, value = known[normalised(cell)], visible(cells[index + 1].strip())
                # "Date" and "Data" without a colon are also words of titles; a time has digits.
                if meaning not in ("counted_at", "time") or any(character.isdigit() for character in value):
                    found.setdefault(meaning, (number, value))
    return found


def time_of_sheet(
    said: Mapping[str, tuple[int, str]],
    name: str,
    argument: datetime | date | None,
    problems: Problems,
    sheet: str | None,
) -> CountTime | None:
    """When lines without a time were counted, by a labelled cell, else the file's name, else the sender.

    None: nobody says it. ``UNCLEAR``: what is said cannot be understood, and ``problems`` has the error.
    """
    if "counted_at" in said:
        return _from_label(said, problems, sheet)
    named = _from_name(name, problems)
    if named is not None or argument is None:
        return named
    return _from_sender(argument)


def _from_label(said: Mapping[str, tuple[int, str]], problems: Problems, sheet: str | None) -> CountTime:
    row, text = said["counted_at"]
    if "time" in said and len(values.days(pa.array([text])).drop_null()):
        text = f"{text[:10]}T{said['time'][1]}"
    found = values.instants(pa.array([text]))
    at, local, day = (column[0].as_py() for column in found)
    if at is None and local is None and day is None:
        refusal = values.why_not_instant(text)
        problems.of_file(text, "a count's time like 2026-03-01 18:00", refusal.remedy, sheet=sheet, row=row)
        return UNCLEAR
    return CountTime(f"the cell in row {row}", False, at, local, day)


def _from_name(name: str, problems: Problems) -> CountTime | None:
    stem = file_stem(name)
    found = [match for match in _DATE_IN_NAME.finditer(stem) if _is_date(match)]
    if not found:
        return None
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
    return CountTime("the file's name", True, local=datetime.combine(day, clock))


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
