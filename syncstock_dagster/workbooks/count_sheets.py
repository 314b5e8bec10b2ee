"""Count sheets: from opened sheets to count evidence.

What belongs here: when and where the lines of a sheet were counted, rooms, lots and sessions, articles that are
listed twice, and how sure all that is. What does not: opening files, finding tables, telling lines apart
(``lines``), gates, and what a count does to stock.

A blank quantity means that the article was not counted; an error, a word or a date in its place is an error.
Neither is ever zero. Lots of one article in one room are summed here; rooms are summed by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.stock.evidence import COUNT_SCHEMA, decimal_text
from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster.workbooks.count_times import (
    UNCLEAR,
    CountTime,
    doubtful_date,
    file_stem,
    fill,
    is_time,
    labels,
    said_in,
    time_of_sheet,
)
from syncstock_dagster.workbooks.headers import NAME_AS_CODE, Words
from syncstock_dagster.workbooks.lines import classify
from syncstock_dagster.workbooks.opening import FileSettings
from syncstock_dagster.workbooks.pack_columns import doubtful_counts, doubtful_packs
from syncstock_dagster.workbooks.preview import ColumnShown, Preview, TableShown, shown_rows
from syncstock_dagster.workbooks.rows import Problems
from syncstock_dagster.workbooks.sheet_rows import SheetRows
from syncstock_dagster.workbooks.sheets import LeftOut, Mask, Opened, Sheet
from syncstock_dagster.workbooks.summaries import summaries
from syncstock_dagster.workbooks.tables import letters
from syncstock_dagster.workbooks.values import Instants, Refusal

_EXAMPLES = 3
#: Rooms of a stocktake; more tables than that are no count sheet.
_MOST_TABLES = 300
#: Of the lines that name one article too.
_NAMED_ROWS = 10
#: From this rank on a header for quantities names a level of stock.
_LEVEL = 2
_CODE_BEFORE_NAME = re.compile(r"\[([^\[\]]+)\]\s+\S")
#: In fewer lines a few mistakes are not a misunderstanding of the sheet.
_TELLING_LINES = 10


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
    preview: Preview


@dataclass(frozen=True, slots=True)
class Rules:
    """What a source says about its sheets."""

    read_hidden: bool = False
    #: A line with an article and no quantity is an error, and not merely not counted.
    blank_is_error: bool = False


def read_counts(
    opened: Opened,
    name: str,
    source: str,
    settings: FileSettings,
    problems: Problems,
    words: Words,
    known: Known,
    rules: Rules,
) -> CountEvidence:
    """Read every sheet of a count file.

    Several sheets, or blocks with titles, are the rooms of one session; those named after a location are that location.
    """
    preview = Preview(name, doubts=dict(opened.doubts), left_out=list(opened.left_out))
    if settings.mapping is not None:
        preview.mapped_by = settings.mapping.said_by
    readings: list[_SheetReading] = []
    offset = 0
    first_said: dict[str, dict[str, tuple[int, str]]] = {}
    if len(opened.sheets) > _MOST_TABLES:
        problems.of_file(
            f"{len(opened.sheets)} tables",
            f"at most {_MOST_TABLES}",
            "Put the lines into one table, with the room in a column of its own.",
        )
    for sheet in opened.sheets[:_MOST_TABLES]:
        said = dict(labels(sheet.above, words))
        inherited = first_said.setdefault(sheet.name or "", said)
        delimiter = opened.book.properties.get("delimiter")
        context = _Context(name, settings, problems, words, known, rules, preview, delimiter)
        reading = _SheetReading(sheet, context, {**inherited, **said}, opened.book.doubtful_text, offset)
        reading.read(source)
        readings.append(reading)
        offset += sheet.last_row
    readings = _without_summaries(readings, words, problems, preview)
    _refuse_what_is_no_room(readings, words, problems)
    _name_rooms(readings, problems, known)
    tables, outside = [], dict.fromkeys(fact for reading in readings for fact in reading.outside)
    for reading in readings:
        tables.append(reading.counts())
        preview.tables.append(reading.shown(tables[-1]))
    _doubt_unread_sheets(opened, preview)
    counts = pa.concat_tables(tables) if tables else COUNT_SCHEMA.empty_table()
    _refuse_articles_in_two_tables(counts, problems)
    return CountEvidence(
        _with_session(counts, name),
        tuple(outside),
        sum(reading.lines for reading in readings),
        sum(reading.bad_lines for reading in readings),
        preview,
    )


@dataclass(frozen=True, slots=True)
class _Context:
    name: str
    settings: FileSettings
    problems: Problems
    words: Words
    known: Known
    rules: Rules
    preview: Preview
    delimiter: str | None


class _SheetReading:
    """The reading of one count sheet."""

    def __init__(
        self,
        sheet: Sheet,
        context: _Context,
        said: Mapping[str, tuple[int, str]],
        doubtful_text: bool,
        offset: int,
    ) -> None:
        self.context, self.said = context, dict(said)
        self.found = classify(sheet, context.words, context.known, read_hidden=context.rules.read_hidden)
        self.sheet = self.found.sheet
        mapping = context.settings.mapping
        stated = context.settings.decimal_mark or (mapping.decimal_mark if mapping else None)
        self.rows = SheetRows(
            self.sheet,
            context.problems,
            context.words,
            context.known,
            decimal_mark=stated,  # type: ignore[arg-type]
            # Where a comma stands before decimals, spreadsheets and tills put a semicolon between columns.
            likely_mark="." if context.delimiter == "," else None,
            doubtful_text=doubtful_text,
            offset=offset,
        )
        self.rows.active &= self.found.active
        self.outside: list[str] = []
        self.room: str | None = None
        self.is_location = False
        self.time: CountTime | None = None
        self._columns: dict[str, pa.Array] = {}

    @property
    def lines(self) -> int:
        """Lines that say something."""
        return len(self.sheet) + len(self.sheet.broken)

    @property
    def bad_lines(self) -> int:
        """Lines that were refused."""
        return int(self.rows.bad.sum()) + len(self.sheet.broken)

    def quantity_rank(self, words: Words) -> int:
        """How surely the header speaks of a count: 0 if it does, more where it may be the book's."""
        claim = words.families["counts"].claim(self.sheet.headers[self.sheet.fields["quantity"]])
        return claim.rank if claim is not None and self.context.settings.mapping is None else 1

    def read(self, source: str) -> None:
        """Understand the columns; rooms and duplicates need the other sheets too."""
        rows = self.rows
        self._tell_lines()
        sku, inventory_id = self._articles()
        quantity, behind = rows.counted()
        quantity = rows.in_own_units(quantity, behind, sku)
        when = self._when()
        began = self._began(when)
        self._columns = {
            "position": rows.positions,
            "source": pa.repeat(pa.scalar(source), len(self.sheet)),
            "session": self._said_or_column("session"),
            "room": self._section("room", rows.text("room")),
            "counter": self._said_or_column("counter"),
            "remark": self.rows.remark(),
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
        self._doubts()

    def counts(self) -> pa.Table:
        """The counts of the sheet that are understood, in ``COUNT_SCHEMA``; lots are summed."""
        rows, columns = self.rows, dict(self._columns)
        columns["room"] = self._in_room(columns["room"])
        if self.is_location and self.room is not None:
            columns["location"] = columns["location"].fill_null(self.room)
        lot = rows.text("lot") if rows.has("lot") else rows.text("expiry")
        self._refuse_articles_listed_twice(columns | {"lot": lot})
        good = rows.active & ~rows.bad
        if not good.all():
            columns = {name: column.filter(pa.array(good)) for name, column in columns.items()}
        table = pa.table(columns, schema=COUNT_SCHEMA)
        return _with_lots_summed(table) if rows.has("lot") or rows.has("expiry") else table

    def totals(self) -> dict[str, Decimal]:
        """Article -> quantity, to compare this sheet with others."""
        good = self.rows.active & ~self.rows.bad
        sums: dict[str, Decimal] = {}
        sku = self._columns["sku"].to_pylist()
        ids = self._columns["inventory_id"].to_pylist()
        places = self._columns["location"].to_pylist()
        quantities = self._columns["quantity"].to_pylist()
        for index in np.flatnonzero(good):
            article = f"{sku[index] or ids[index]}" + (f" at {places[index]}" if places[index] else "")
            sums[article] = values.EXACT.add(sums.get(article, Decimal(0)), Decimal(quantities[index] or 0))
        return sums

    def shown(self, counts: pa.Table) -> TableShown:
        """What was understood, for the preview."""
        rows = counts.slice(0, _EXAMPLES).to_pylist()
        location = self.said.get("location", (0, self.context.settings.location))[1]
        return TableShown(
            sheet=self.sheet.name,
            header_rows=list(self.sheet.header_rows),
            columns=[
                ColumnShown(
                    name, self.sheet.headers[place], letters(place), self.sheet.certainty.get(name, 1.0)
                )
                for name, place in sorted(self.sheet.fields.items(), key=lambda pair: pair[1])
            ],
            location=self.room if self.is_location else location,
            room=None if self.is_location else self.room,
            counted_at=f"{self.time} ({self.time.said_by})" if self.time else None,
            counted_from=str(self.time.began) if self.time and self.time.began else None,
            lines=self.lines,
            counted=len(counts),
            bad=self.bad_lines,
            examples=[
                {
                    "sku": row["sku"] or str(row["inventory_id"]),
                    "room": row["room"],
                    "quantity": row["quantity"],
                }
                for row in rows
            ],
        )

    # --- lines

    def _tell_lines(self) -> None:
        found, problems, sheet = self.found, self.context.problems, self.sheet
        self.context.preview.left_out.extend(found.left_out)
        lines = f"Sheet {sheet.name!r}: lines" if sheet.name else "Lines"
        not_counted = int(found.uncounted.sum())
        if not_counted and self.context.rules.blank_is_error:
            self._refuse_blanks()
        elif not_counted:
            problems.notes.append(f"{lines} without a quantity were not counted: {not_counted}.")
            self._tell_remarks_of_uncounted()
        for left in found.left_out:
            if left.why.startswith(("a sum", "the sum", "the numbers", "a remark", "the row is hidden")):
                what = "Rows" if sheet.name is None else f"Sheet {sheet.name!r}: rows"
                problems.notes.append(f"{what} {shown_rows(left.rows)} left out: {left.why}.")
        if found.continued:
            problems.notes.append(f"{lines} that go on with the article above: {found.continued}.")
        for sentence in found.wrong_sums[:5]:
            problems.notes.append(
                f"A sum does not agree{f' in sheet {sheet.name!r}' if sheet.name else ''}: {sentence}."
            )
        for sentence in found.doubtful_sums[:1]:
            self.context.preview.doubt(f"{sentence}; it was taken for an article", 0.65)
        if found.wrong_sums:
            self.context.preview.doubt(f"a sum does not agree: {found.wrong_sums[0]}", 0.75)

    def _tell_remarks_of_uncounted(self) -> None:
        """Why a line was not counted, if somebody wrote it: there is no count that it could be kept with."""
        said = self.rows.remark().filter(pa.array(self.found.uncounted)).to_pylist()
        rows = self.sheet.rows[self.found.uncounted]
        told = [f"row {row}: {text}" for row, text in zip(rows, said, strict=True) if text]
        if told:
            more = f"; and {len(told) - _NAMED_ROWS} more" if len(told) > _NAMED_ROWS else ""
            self.context.problems.notes.append(
                f"Remarks on lines that were not counted: {'; '.join(told[:_NAMED_ROWS])}{more}."
            )

    def _refuse_blanks(self) -> None:
        rows, blank = self.rows, self.found.uncounted
        rows.active |= blank
        rows.refuse(blank, "quantity", _BLANK)
        rows.active &= ~blank

    def _articles(self) -> tuple[pa.Array, pa.Array]:
        rows = self.rows
        sku, inventory_id = rows.codes(), rows.identifier("inventory_id")
        no_sku, no_id = rows.blank("sku"), rows.blank("inventory_id")
        name = "sku" if rows.has("sku") else "inventory_id"
        rows.refuse(no_sku & no_id, name, _NO_ARTICLE)
        rows.refuse(~no_sku & ~no_id, "inventory_id", _TWO_ARTICLES)
        if self.sheet.certainty.get("sku") == NAME_AS_CODE:
            sku = self._codes_of_names(sku)
        return sku, inventory_id

    def _codes_of_names(self, names: pa.Array) -> pa.Array:
        """A sheet without codes: the articles of these names, where the catalogue knows one of each.

        Odoo writes the code into the name: "[FURN_7777] Office Chair".
        """
        asked = [text for text in names.unique().to_pylist() if text]
        found = self.context.known.named(asked) if asked else {}
        only = {text: codes[0] for text, codes in found.items() if len(codes) == 1}
        written = {
            text: code[1] for text in asked if text not in found and (code := _CODE_BEFORE_NAME.match(text))
        }
        if written and len({*written.values()} - {*only.values()}) == len(written):
            self.context.preview.doubt("codes were taken from the brackets before the names", 0.85)
            only |= written
        if only and len(only) == len(asked):
            if len(only) > len(written):
                self.context.preview.doubt(
                    "articles are named, not coded; the catalogue knows each name once", 0.9
                )
        else:
            self.context.preview.doubt(
                "there is no column of codes, only of names"
                + (
                    f"; the catalogue knows {len(only)} of {len(asked)}"
                    if self.context.known.is_there
                    else ""
                ),
                NAME_AS_CODE,
            )
        return pa.array([only.get(text, text) if text else text for text in names.to_pylist()], pa.string())

    def _refuse_articles_listed_twice(self, columns: dict[str, pa.Array]) -> None:
        """Of two lines for one article in one room and lot nobody knows which holds, or their sum: refuse both."""
        rows = self.rows
        looked_at = np.flatnonzero(rows.active & ~(rows.blank("sku") & rows.blank("inventory_id")))
        keys = pa.table({name: columns[name] for name in _ONE_COUNT}).take(pa.array(looked_at))
        keys = keys.append_column("index", pa.array(looked_at))
        groups = keys.group_by(list(_ONE_COUNT), use_threads=False).aggregate([("index", "count")])
        if not pc.any(pc.greater(groups["index_count"], 1)).as_py():
            return
        groups = keys.group_by(list(_ONE_COUNT), use_threads=False).aggregate(
            [("index", "list"), ("index", "count")]
        )
        groups = groups.filter(pc.greater(groups["index_count"], 1))
        refusals: dict[int, Refusal] = {}
        for indices in groups["index_list"].to_pylist():
            some = indices[: _NAMED_ROWS + 1]
            for index in indices:
                named = [int(self.sheet.rows[other]) for other in some if other != index][:_NAMED_ROWS]
                more = len(indices) - 1 - len(named)
                others = shown_rows(named) + (f" and {more} more" if more else "")
                where = f"row {others} has" if len(indices) == 2 else f"rows {others} have"
                refusals[index] = Refusal(f"each article once; {where} it too", _LISTED_TWICE)
        rows.refuse_each("sku" if rows.has("sku") else "inventory_id", refusals)

    # --- when

    def _when(self) -> Instants:
        """When each line was counted: its own cell, else what holds for the whole sheet."""
        rows, context = self.rows, self.context
        found = self._with_clocks(rows.instant("counted_at", or_day=True))
        missing = rows.blank("counted_at") & rows.active
        if not missing.any():
            return found
        said, said_in_rows = self.said, [*self.sheet.above_rows]
        dated = said_in(self.sheet.headers[self.sheet.fields["quantity"]])
        if dated and "counted_at" not in said:
            said = said | {"counted_at": (len(said_in_rows), dated)}
            said_in_rows.append(self.sheet.header_rows[-1] if self.sheet.header_rows else 1)
        given = time_of_sheet(
            said, said_in_rows, context.name, context.settings.counted_at, context.problems,
            self.sheet.name, context.words, rows.order,
        )  # fmt: skip
        if given is UNCLEAR:
            return found
        if given is None:
            self._refuse_without_time(missing)
            return found
        self.time = given
        place = f"Sheet {self.sheet.name!r} was" if self.sheet.name else "The lines were"
        context.problems.notes.append(f"{place} counted at {given}, according to {given.said_by}.")
        if given.outside:
            self.outside.append(f"counted_at={given}")
        return fill(found, pa.array(missing), given)

    def _with_clocks(self, found: Instants) -> Instants:
        """Days with the times of day in a column of their own."""
        if not self.rows.has("counted_time"):
            return found
        clocks = pa.array(self.rows.clocks("counted_time"), pa.string())
        has_both = values.as_mask(pc.and_(pc.is_valid(found.day), pc.is_valid(clocks)))
        if not has_both.any():
            return found
        joined = pc.binary_join_element_wise(found.day.cast(pa.string()), clocks, "T")
        local = pc.if_else(pa.array(has_both), joined.cast(pa.timestamp("us")), found.local)
        return Instants(
            found.at, local, pc.if_else(pa.array(has_both), pa.scalar(None, pa.date32()), found.day)
        )

    def _refuse_without_time(self, missing: Mask) -> None:
        if self.rows.has("counted_at"):
            self.rows.refuse(missing, "counted_at", Refusal("the time of the count", _SAY_WHEN))
            return
        doubtful = doubtful_date(self.context.name)
        remedy = (
            f"{doubtful!r} in the file's name can be read in two ways. {_SAY_WHEN}" if doubtful else _SAY_WHEN
        )
        self.context.problems.of_file(doubtful, "the time of the count", remedy, sheet=self.sheet.name)

    def _began(self, when: Instants) -> Instants:
        """When counting began: the column, else a label, else the sender."""
        began = self.rows.instant("counted_from")
        given = self.time.began if self.time and self.time.began else self.context.settings.counted_from
        if given is not None:
            missing = pc.and_(pc.is_null(began.at), pc.is_null(began.local))
            if isinstance(given, datetime) and given.tzinfo is not None:
                began = Instants(
                    pc.if_else(missing, pa.scalar(given, began.at.type), began.at), began.local, began.day
                )
            else:
                began = Instants(
                    began.at, pc.if_else(missing, pa.scalar(given, began.local.type), began.local), began.day
                )
            if given is self.context.settings.counted_from:
                self.outside.append(f"counted_from={given}")
        late = values.as_mask(pc.greater(began.at, when.at)) | values.as_mask(
            pc.greater(began.local, when.local)
        )
        self.rows.refuse(late, "counted_from" if self.rows.has("counted_from") else "quantity", _BEGAN_LATE)
        return began

    # --- where

    def _location(self) -> pa.Array:
        settings = self.context.settings
        found = self._section("location", self._said_or_column("location"))
        if self.context.known.is_there:
            found = self._known_locations(found)
        if settings.location is not None and found.null_count:
            self.outside.append(f"location={settings.location}")
            found = found.fill_null(settings.location)
        return found

    def _known_locations(self, found: pa.Array) -> pa.Array:
        """Names of locations as their codes; what nobody knows stays as it is and waits in quarantine."""
        meant = {text: self.context.known.location(text) for text in found.unique().to_pylist() if text}
        changed = {text: code for text, code in meant.items() if code is not None and code != text}
        if not changed:
            return found
        return pa.array([changed.get(text, text) for text in found.to_pylist()], pa.string())

    def _section(self, name: str, found: pa.Array) -> pa.Array:
        """The field with what labels between the lines say of those below them."""
        sections = self.found.sections.get(name, [])
        if not sections:
            return found
        shown = found.to_pylist()
        ends = [index for index, _ in sections[1:]] + [len(shown)]
        for (start, text), end in zip(sections, ends, strict=True):
            for index in range(start, end):
                shown[index] = text if shown[index] is None or name == "location" else shown[index]
        return pa.array(shown, pa.string())

    def _said_or_column(self, name: str) -> pa.Array:
        found = self.rows.text(name)
        return found.fill_null(self.said[name][1]) if name in self.said else found

    def _in_room(self, found: pa.Array) -> pa.Array:
        """The room's column; of several sheets each is a room, within which the column names parts."""
        if self.room is None or self.is_location:
            return found
        return pc.if_else(
            pc.is_valid(found), pc.binary_join_element_wise(self.room, found, " / "), pa.scalar(self.room)
        )

    # --- how sure it is

    def _doubts(self) -> None:
        preview, sheet = self.context.preview, self.sheet
        for name in ("sku", "inventory_id", "quantity"):
            certainty = sheet.certainty.get(name, 1.0)
            if certainty < 1 and certainty != NAME_AS_CODE:
                header = sheet.headers[sheet.fields[name]]
                preview.doubt(f"column {header!r} was taken for the {_SHOWN[name]}", certainty)
            place = sheet.fields.get(name)
            if place in sheet.hidden_columns and self.context.settings.mapping is None:
                preview.doubt(f"column {letters(place)}, taken for the {_SHOWN[name]}, is hidden", 0.6)
        is_level = sheet.certainty.get("quantity", 1.0) < 1
        if is_level and "variance" in sheet.fields and "expected" not in sheet.fields:
            shown = sheet.headers[sheet.fields["quantity"]]
            preview.doubt(f"a variance stands beside column {shown!r}, which may be the book's", 0.6)
        if self.context.settings.mapping is None:
            quantities = self._columns["quantity"]
            for header in doubtful_packs(sheet, quantities, self.rows.active, self.context.words):
                preview.doubt(
                    f"column {header!r} looks like a quantity in another unit, and is not read", 0.5
                )
            for header in doubtful_counts(sheet, quantities, self.rows.active, self.context.words):
                preview.doubt(f"column {header!r} may be a part of the count, and is not read", 0.6)
        counted = int(self.rows.active.sum())
        if counted >= _TELLING_LINES and int(self.rows.bad.sum()) > counted / 2:
            preview.doubt("more than half of its lines are not understood", 0.5)


_SHOWN = {"sku": "article's code", "inventory_id": "article's id", "quantity": "counted quantity"}


# --- several sheets


def _without_summaries(
    readings: list[_SheetReading], words: Words, problems: Problems, preview: Preview
) -> list[_SheetReading]:
    """Leave out sheets that repeat others; where that is not certain, refuse the file."""
    if len({reading.sheet.name for reading in readings}) < 2:
        return readings
    by_sheet: dict[str, dict[str, Decimal]] = {}
    for reading in readings:
        if reading.sheet.name is not None:
            sums = by_sheet.setdefault(reading.sheet.name, {})
            for article, number in reading.totals().items():
                sums[article] = sums.get(article, Decimal(0)) + number
    for verdict in summaries(by_sheet, words):
        if verdict.leave_out:
            problems.notes.append(f"Sheet {verdict.sheet!r} was left out: {verdict.why}.")
            preview.left_out.append(LeftOut(verdict.sheet, (), f"a summary: {verdict.why}"))
            readings = [reading for reading in readings if reading.sheet.name != verdict.sheet]
        else:
            problems.of_file(
                verdict.why,
                "sheets that do not repeat each other",
                "Remove the sheet that is only a summary or a copy, or hide it, and send the file again.",
                sheet=verdict.sheet,
            )
    return readings


def _refuse_what_is_no_room(readings: list[_SheetReading], words: Words, problems: Problems) -> None:
    """Sheets are summed as rooms: not those of two times, and no list of stock beside what was counted."""
    of_times: dict[str, str] = {}
    for reading in readings:
        name = reading.sheet.name
        if name is None or not is_time(name, words):
            continue
        for article in reading.totals():
            other = of_times.setdefault(f"{article} {reading.time}", name)
            if other != name and reading.time is not None:
                problems.of_file(
                    f"{article} in {other!r} and {name!r}, which are named after times",
                    "the sheets of one count",
                    "Send each count as a file of its own, or hide the sheets of the others. If they are parts of one, "
                    "name them after their rooms.",
                    sheet=name,
                )
                break
    counted = [reading for reading in readings if reading.quantity_rank(words) == 0]
    for reading in readings:
        if counted and reading.quantity_rank(words) >= _LEVEL and reading.sheet.name != counted[0].sheet.name:
            problems.of_file(
                f"a column {reading.sheet.headers[reading.sheet.fields['quantity']]!r}, which may be the book's",
                f"counts, as in sheet {counted[0].sheet.name!r}",
                "Hide or remove the sheet if nobody counted it; else give its column the same header.",
                sheet=reading.sheet.name,
            )


def _name_rooms(readings: list[_SheetReading], problems: Problems, known: Known) -> None:
    """Sheets are rooms, or locations where they are named after one; blocks with titles are rooms too."""
    names = list(dict.fromkeys(reading.sheet.name for reading in readings if reading.sheet.name is not None))
    for reading in readings:
        name = reading.sheet.name
        parts: list[str] = []
        code = known.location(name) if name is not None and known.is_there else None
        if code is not None and "location" not in reading.said and not reading.rows.has("location"):
            reading.is_location, reading.room = True, code
            continue
        if name is not None and len(names) > 1:
            parts.append(name)
        blocks = sum(other.sheet.name == name for other in readings)
        own = reading.said.get("room", (0, None))[1] or (reading.sheet.title if blocks > 1 else None)
        if own:
            parts.append(own)
        reading.room = " / ".join(parts) or None
    if len(names) > 1:
        places = sum(reading.is_location for reading in readings)
        rooms = ", ".join(repr(name) for name in names)
        if not places:
            problems.notes.append(
                f"{len(names)} sheets were read as rooms, whose counts are summed: {rooms}."
            )
        elif places == len(readings):
            problems.notes.append(f"{len(names)} sheets were read as locations: {rooms}.")


def _doubt_unread_sheets(opened: Opened, preview: Preview) -> None:
    """A sheet with much in it of which nothing was read may be a room that is missing."""
    unread = {left.sheet for left in opened.left_out if not left.rows and left.why != "the sheet is hidden"}
    for grid in opened.book.grids:
        if grid.name in unread and len(grid) > 3 and len(grid.columns) > 1 and preview.tables:
            preview.doubt(f"sheet {grid.name!r} has {len(grid)} rows of which nothing was read", 0.8)


def _refuse_articles_in_two_tables(counts: pa.Table, problems: Problems) -> None:
    """Within a table the lines were looked at; of two tables without a room nobody knows whether they add up."""
    keys = [name for name in _ONE_COUNT if name != "lot"]
    groups = counts.group_by(keys, use_threads=False).aggregate([("position", "count")])
    twice = groups.filter(pc.greater(groups["position_count"], 1))
    if len(twice):
        codes = twice["sku"].fill_null("?").to_pylist()
        problems.of_file(
            f"{len(twice)} articles in several tables of one room, the first {codes[0]!r}",
            "each article once in a room",
            "Write the name of the room above each table, if they are rooms; else remove the lines that repeat others.",
        )


def _with_session(counts: pa.Table, name: str) -> pa.Table:
    """Rooms are summed within a session; where a file has several and names none, the file is the session."""
    if pc.count_distinct(counts["room"], mode="all").as_py() < 2:
        return counts
    index = COUNT_SCHEMA.get_field_index("session")
    return counts.set_column(index, COUNT_SCHEMA.field(index), counts["session"].fill_null(file_stem(name)))


def _with_lots_summed(counts: pa.Table) -> pa.Table:
    """One row for each article in a room, at the place of its first lot."""
    keys = [name for name in _ONE_COUNT if name != "lot"]
    groups = counts.group_by(keys, use_threads=False).aggregate([("position", "min"), ("position", "count")])
    if len(groups) == len(counts):
        return counts
    sums: dict[tuple[object, ...], Decimal] = {}
    rows = counts.to_pylist()
    for row in rows:
        key = tuple(row[name] for name in keys)
        sums[key] = values.EXACT.add(sums.get(key, Decimal(0)), Decimal(row["quantity"]))
    first: dict[tuple[object, ...], dict[str, object]] = {}
    remarks: dict[tuple[object, ...], dict[str, None]] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        said = remarks.setdefault(key, {}) | ({row["remark"]: None} if row["remark"] else {})
        remarks[key] = said
        line = first.setdefault(key, row | {"quantity": decimal_text(sums[key])})
        line["remark"] = "; ".join(said) or None
    return pa.Table.from_pylist(list(first.values()), schema=COUNT_SCHEMA)


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
    "lot",
)

_NO_ARTICLE = Refusal(
    "the code of an article",
    "Write the article's code. If the line is a sum or a remark, clear its quantity.",
)
_TWO_ARTICLES = Refusal("either an inventory_id or a code", "Clear one of the two; they could disagree.")
_BLANK = Refusal("a counted quantity", "Write what was counted, or 0 if there was none.")
_LISTED_TWICE = (
    "If both are parts of one count, say so in a column for the room or the lot, or write their sum in one line; "
    "if one corrects the other, remove that."
)
_BEGAN_LATE = Refusal("a beginning before the end of the count", "Correct counted_from or counted_at.")
_SAY_WHEN = (
    "A count is true at one instant. Add a column 'counted at', write 'Counted at: 2026-03-01 18:00' above "
    "the table, name the file after the day (2026-03-01.xlsx), or give counted_at when sending it."
)
