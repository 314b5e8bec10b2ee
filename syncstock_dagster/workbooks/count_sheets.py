"""Count sheets: from opened sheets to count evidence.

What belongs here: which lines of a sheet are counts, when and where they were made, rooms and sessions, and
articles that are listed twice. What does not: opening files, gates, and what a count does to stock.

A blank quantity means that the article was not counted; an error, a word or a date in its place is an error.
Neither is ever zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.stock.evidence import COUNT_SCHEMA
from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.count_times import UNCLEAR, file_stem, fill, labels, time_of_sheet
from syncstock_dagster.workbooks.headers import normalised, total_words
from syncstock_dagster.workbooks.opening import FileSettings
from syncstock_dagster.workbooks.rows import Problems, RowReader
from syncstock_dagster.workbooks.sheets import Mask, Opened, Sheet
from syncstock_dagster.workbooks.values import Instants, Refusal


@dataclass(frozen=True, slots=True)
class CountEvidence:
    """The counts of one file, and what of their meaning stands outside the file's content."""

    #: In ``COUNT_SCHEMA``; rows that were refused are not in it.
    counts: pa.Table
    #: Facts like ``counted_at=2026-03-01``: the same content with other facts is another delivery.
    outside: tuple[str, ...]
    #: Lines that say something, counted or not.
    lines: int
    bad_lines: int


def read_counts(
    opened: Opened, name: str, source: str, settings: FileSettings, problems: Problems
) -> CountEvidence:
    """Read every sheet of a count file.

    Several sheets are the rooms of one session; a sheet's name is then its room.
    """
    several = len(opened.sheets) > 1
    if several:
        rooms = ", ".join(repr(sheet.name) for sheet in opened.sheets)
        problems.notes.append(
            f"{len(opened.sheets)} sheets were read as rooms, whose counts are summed: {rooms}."
        )
    tables: list[pa.Table] = []
    outside: dict[str, None] = {}
    offset = lines = bad_lines = 0
    for sheet in opened.sheets:
        reading = _SheetReading(sheet, name, settings, problems, opened.doubtful_text, offset)
        table = reading.counts(source, room=sheet.name if several else None)
        tables.append(table)
        outside.update(dict.fromkeys(reading.outside))
        lines += len(sheet) + len(sheet.broken)
        bad_lines += int(reading.rows.bad.sum()) + len(sheet.broken)
        offset += sheet.last_row
    counts = pa.concat_tables(tables) if tables else COUNT_SCHEMA.empty_table()
    return CountEvidence(_with_session(counts, name), tuple(outside), lines, bad_lines)


class _SheetReading:
    """The reading of one count sheet."""

    def __init__(
        self,
        sheet: Sheet,
        name: str,
        settings: FileSettings,
        problems: Problems,
        doubtful_text: bool,
        offset: int,
    ) -> None:
        self.sheet, self.name, self.settings, self.problems = sheet, name, settings, problems
        self.rows = RowReader(
            sheet, problems, decimal_mark=settings.decimal_mark, doubtful_text=doubtful_text, offset=offset
        )
        self.said = labels(sheet.above)
        self.outside: list[str] = []

    def counts(self, source: str, room: str | None) -> pa.Table:
        """The counts of the sheet that are understood, in ``COUNT_SCHEMA``."""
        rows = self.rows
        self._leave_out_what_was_not_counted()
        sku, inventory_id = rows.code("sku"), rows.identifier("inventory_id")
        self._check_articles(sku)
        quantity = rows.quantity("quantity", required=True)
        when = self._when()
        began = rows.instant("counted_from")
        self._check_beginning(when, began)
        columns = {
            "position": rows.positions,
            "source": pa.repeat(pa.scalar(source), len(self.sheet)),
            "session": self._said_or_column("session"),
            "room": self._room(room),
            "counter": self._said_or_column("counter"),
            "sku": sku,
            "inventory_id": inventory_id,
            "location": self._location(),
            "quantity": quantity,
            "counted_at": when.at,
            "counted_local": when.local,
            "day": when.day,
            "counted_from": began.at,
            "counted_from_local": began.local,
        }
        self._refuse_articles_listed_twice(columns)
        good = rows.active & ~rows.bad
        if not good.all():
            columns = {field: column.filter(pa.array(good)) for field, column in columns.items()}
        return pa.table(columns, schema=COUNT_SCHEMA)

    # --- lines

    def _leave_out_what_was_not_counted(self) -> None:
        rows = self.rows
        not_counted = rows.blank("quantity")
        rows.active &= ~not_counted
        articles = int((not_counted & ~(rows.blank("sku") & rows.blank("inventory_id"))).sum())
        if articles:
            lines = f"Sheet {self.sheet.name!r}: lines" if self.sheet.name else "Lines"
            self.problems.notes.append(f"{lines} without a quantity were not counted: {articles}.")

    def _check_articles(self, sku: pa.Array) -> None:
        rows = self.rows
        no_sku, no_id = rows.blank("sku"), rows.blank("inventory_id")
        field = "sku" if rows.has("sku") else "inventory_id"
        rows.refuse(no_sku & no_id, field, _NO_ARTICLE)
        rows.refuse(~no_sku & ~no_id, "inventory_id", _TWO_ARTICLES)
        if rows.has("sku"):
            distinct = values.Distinct.of(sku.fill_null(""))
            # Only a short text without digits can be a word for a sum; most codes are never looked at.
            candidates = values.matches(distinct.texts, r"^[^0-9]{2,30}$")
            is_total = np.array(
                [
                    candidate and normalised(text.as_py()) in total_words()
                    for candidate, text in zip(candidates, distinct.texts, strict=True)
                ]
                if candidates.any()
                else [False] * len(candidates),
                dtype=np.bool_,
            )
            rows.refuse(distinct.rows(is_total), "sku", _TOTAL)

    def _refuse_articles_listed_twice(self, columns: dict[str, pa.Array]) -> None:
        """Of two lines for one article in one room nobody knows which holds, or their sum: refuse both."""
        rows = self.rows
        looked_at = np.flatnonzero(rows.active & ~(rows.blank("sku") & rows.blank("inventory_id")))
        keys = pa.table({field: columns[field] for field in _ONE_COUNT}).take(pa.array(looked_at))
        keys = keys.append_column("index", pa.array(looked_at))
        groups = keys.group_by(list(_ONE_COUNT), use_threads=False).aggregate(
            [("index", "list"), ("index", "count")]
        )
        groups = groups.filter(pc.greater(groups["index_count"], 1))
        refusals: dict[int, Refusal] = {}
        for indices in groups["index_list"].to_pylist():
            numbers = {index: str(self.sheet.rows[index]) for index in indices}
            for index in indices:
                others = [number for other, number in numbers.items() if other != index]
                where = f"row {others[0]} has" if len(others) == 1 else f"rows {', '.join(others)} have"
                refusals[index] = Refusal(f"each article once; {where} it too", _LISTED_TWICE)
        rows.refuse_each("sku" if rows.has("sku") else "inventory_id", refusals)

    # --- when

    def _when(self) -> Instants:
        """When each line was counted: its own cell, else what holds for the whole sheet."""
        rows = self.rows
        found = rows.instant("counted_at", or_day=True)
        missing = rows.blank("counted_at") & rows.active
        if not missing.any():
            return found
        given = time_of_sheet(self.said, self.name, self.settings.counted_at, self.problems, self.sheet.name)
        if given is UNCLEAR:
            return found
        if given is None:
            self._refuse_without_time(missing)
            return found
        place = f"Sheet {self.sheet.name!r} was" if self.sheet.name else "The lines were"
        self.problems.notes.append(f"{place} counted at {given}, according to {given.said_by}.")
        if given.outside:
            self.outside.append(f"counted_at={given}")
        return fill(found, pa.array(missing), given)

    def _refuse_without_time(self, missing: Mask) -> None:
        if self.rows.has("counted_at"):
            self.rows.refuse(missing, "counted_at", Refusal("the time of the count", _SAY_WHEN))
        else:
            self.problems.of_file(None, "the time of the count", _SAY_WHEN, sheet=self.sheet.name)

    def _check_beginning(self, when: Instants, began: Instants) -> None:
        late = values.as_mask(pc.greater(began.at, when.at)) | values.as_mask(
            pc.greater(began.local, when.local)
        )
        self.rows.refuse(late, "counted_from", _BEGAN_LATE)

    # --- where

    def _location(self) -> pa.Array:
        found = self._said_or_column("location")
        if self.settings.location is not None and found.null_count:
            self.outside.append(f"location={self.settings.location}")
            found = found.fill_null(self.settings.location)
        return found

    def _said_or_column(self, field: str) -> pa.Array:
        found = self.rows.text(field)
        return found.fill_null(self.said[field][1]) if field in self.said else found

    def _room(self, room: str | None) -> pa.Array:
        """The room's column; of several sheets each is a room, within which the column names parts."""
        found = self.rows.text("room")
        if room is None:
            return found
        return pc.if_else(
            pc.is_valid(found), pc.binary_join_element_wise(room, found, " / "), pa.scalar(room)
        )


def _with_session(counts: pa.Table, name: str) -> pa.Table:
    """Rooms are summed within a session; where a file has several and names none, the file is the session."""
    if pc.count_distinct(counts["room"], mode="all").as_py() < 2:
        return counts
    index = COUNT_SCHEMA.get_field_index("session")
    return counts.set_column(index, COUNT_SCHEMA.field(index), counts["session"].fill_null(file_stem(name)))


#: Two lines that agree in these are two counts of the same thing.
_ONE_COUNT = (
    "sku",
    "inventory_id",
    "location",
    "room",
    "session",
    "counted_at",
    "counted_local",
    "day",
)

_NO_ARTICLE = Refusal(
    "the code of an article",
    "Write the article's code. If the line is a sum or a remark, clear its quantity.",
)
_TWO_ARTICLES = Refusal("either an inventory_id or a code", "Clear one of the two; they could disagree.")
_TOTAL = Refusal("the code of an article", "This line looks like a sum of the lines above it: remove it.")
_LISTED_TWICE = (
    "If both are parts of one count, write their sum in one line; if one corrects the other, remove that."
)
_BEGAN_LATE = Refusal("a beginning before the end of the count", "Correct counted_from or counted_at.")
_SAY_WHEN = (
    "A count is true at one instant. Add a column 'counted at', write 'Counted at: 2026-03-01 18:00' above "
    "the table, name the file after the day (2026-03-01.xlsx), or give counted_at when sending it."
)
