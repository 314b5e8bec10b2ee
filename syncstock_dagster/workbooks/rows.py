"""Reading the fields of one sheet into typed columns, and noting every row that cannot be understood.

What belongs here: what is common to all kinds of tables: codes, quantities, instants, days, identifiers,
blank cells, error cells, and the collection of errors. What does not: rules between fields and what they mean
(count sheets, movement files, product files).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.stock.evidence import RowError
from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.headers import Vocabulary
from syncstock_dagster.workbooks.sheets import Cell, Mask, Opened, Sheet
from syncstock_dagster.workbooks.values import Distinct, Instants, Refusal

#: More errors than anybody reads; the rest is counted.
LISTED_ERRORS = 10_000
#: Serial numbers in this range (2000-01-01 to 2099-12-31) in a column of dates are dates that lost their
#: format.
_SERIAL_DAYS = (36_526, 73_050)

Why = Refusal | Callable[[str], Refusal]


@dataclass(slots=True)
class Problems:
    """All that is wrong with one file, in the order in which a person finds it."""

    file: str
    #: Something concerns more than a row: no part of the file can be taken.
    whole_file: bool = False
    notes: list[str] = field(default_factory=list)
    _found: list[tuple[int, int, RowError]] = field(default_factory=list)
    _unlisted: int = 0

    def of_file(
        self,
        found: str | None,
        expected: str,
        remedy: str,
        *,
        sheet: str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        """Note what is wrong with the file as a whole."""
        self.whole_file = True
        self._found.append((-1, row or 0, RowError(self.file, row, column, found, expected, remedy, sheet)))

    def of_row(self, order: int, error: RowError) -> None:
        """Note what is wrong with one row; ``order`` is its position in the delivery."""
        if len(self._found) < LISTED_ERRORS:
            self._found.append((order, len(self._found), error))
        else:
            self._unlisted += 1

    def more(self, count: int) -> None:
        """Note that ``count`` further errors exist."""
        self._unlisted += count

    @property
    def full(self) -> bool:
        """Whether further errors are only counted."""
        return len(self._found) >= LISTED_ERRORS

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found) + self._unlisted

    def errors(self) -> tuple[RowError, ...]:
        """Every error; beyond the first ten thousand one that tells how many more there are."""
        listed = tuple(error for _, _, error in sorted(self._found, key=lambda entry: entry[:2]))
        if not self._unlisted:
            return listed
        remedy = "Correct the errors listed; most of the others are probably of the same kinds."
        return (*listed, RowError(self.file, None, None, f"{self._unlisted} more errors", "none", remedy))


def report_no_table(opened: Opened, words: Vocabulary, problems: Problems) -> None:
    """Say why no table was recognised in a file."""
    nearest = opened.nearest
    needed = " and ".join(" or ".join(group) for group in words.required)
    if nearest is None or (not nearest.missing and not nearest.ambiguous):
        row = nearest.row if nearest else None
        found = _listed([cell for cell in nearest.headers if cell.strip()]) if nearest else "no cells"
        problems.of_file(
            found,
            f"a header row with columns for {needed}",
            "Put the names of the columns above them.",
            sheet=nearest.sheet if nearest else None,
            row=row,
        )
        return
    for group in nearest.missing:
        problems.of_file(
            _listed([cell for cell in nearest.headers if cell.strip()]),
            "a column for " + " or ".join(group),
            f"Add the column, or name the one that holds it {group[0]!r}.",
            sheet=nearest.sheet,
            row=nearest.row,
        )
    for sentence in nearest.ambiguous:
        problems.of_file(
            sentence,
            "one column for each thing",
            "Rename the column that is not meant, or say which one is.",
            sheet=nearest.sheet,
            row=nearest.row,
        )


def _listed(names: list[str]) -> str:
    return visible(", ".join(name.strip()[:60] for name in names[:30])) or "only blank cells"


class RowReader:
    """The fields of one sheet. A value that is not understood is null and its row is in ``bad``.

    All arrays and masks have one entry for each row of the sheet.
    """

    def __init__(
        self,
        sheet: Sheet,
        problems: Problems,
        *,
        decimal_mark: str = ".",
        doubtful_text: bool = False,
        offset: int = 0,
    ) -> None:
        self.sheet = sheet
        self.problems = problems
        self.bad: Mask = np.zeros(len(sheet), dtype=np.bool_)
        #: Rows that are looked at; what is wrong with the others does not matter (articles that were not
        #: counted).
        self.active: Mask = np.ones(len(sheet), dtype=np.bool_)
        self._decimal_mark = decimal_mark
        self._doubtful_text = doubtful_text
        self._offset = offset
        self._columns: dict[tuple[str, bool], Distinct] = {}
        for broken in sheet.broken:
            remedy = "Give the row as many cells as the header; quote a cell that holds the delimiter."
            found = visible(broken.found[:200])
            error = RowError(problems.file, broken.row, None, found, broken.expected, remedy, sheet.name)
            problems.of_row(broken.row + offset, error)

    # --- columns

    @property
    def positions(self) -> pa.Array:
        """The place of each row within the delivery: its number, after the rows of earlier sheets."""
        return pa.array(self.sheet.rows + np.int32(self._offset), pa.int32())

    def has(self, field: str) -> bool:
        """Whether the sheet has a column for ``field``."""
        return field in self.sheet.fields

    def header(self, field: str) -> str:
        """The name of the field's column as it stands in the file."""
        return visible(self.sheet.headers[self.sheet.fields[field]]) if self.has(field) else field

    def nulls(self, kind: pa.DataType) -> pa.Array:
        """A column of nothing."""
        return pa.nulls(len(self.sheet), kind)

    def is_kind(self, field: str, *kinds: Cell) -> Mask:
        """Which cells of the field are of one of ``kinds``; none in files that know only text."""
        found = self.sheet.kinds[self.sheet.fields[field]] if self.has(field) else None
        return np.zeros(len(self.sheet), dtype=np.bool_) if found is None else np.isin(found, kinds)

    def blank(self, field: str) -> Mask:
        """Rows where the field is empty, or that have no such column."""
        if not self.has(field):
            return np.ones(len(self.sheet), dtype=np.bool_)
        column = self._distinct(field)
        return column.rows(column.blank)

    def _distinct(self, field: str, *, dates: bool = False) -> Distinct:
        key = (field, dates)
        if key not in self._columns:
            index = self.sheet.fields[field]
            texts = self.sheet.columns[index]
            self._columns[key] = Distinct.of(self._with_dates(field, texts) if dates else texts)
        return self._columns[key]

    def _with_dates(self, field: str, texts: pa.Array) -> pa.Array:
        """Plain numbers in a column of dates as dates, where the file says what they count from."""
        numbers = self.is_kind(field, Cell.NUMBER)
        if self.sheet.serial_epoch is None or not numbers.any():
            return texts
        epoch = self.sheet.serial_epoch
        convert = cache(lambda text: _serial_as_iso(text, epoch))
        shown = texts.to_pylist()
        for row in np.flatnonzero(numbers):
            shown[row] = convert(shown[row])
        self._note(field, "plain numbers were read as the dates they stand for")
        return pa.array(shown, pa.string())

    def _note(self, field: str, what: str) -> None:
        place = f"Sheet {self.sheet.name!r}, column" if self.sheet.name else "Column"
        self.problems.notes.append(f"{place} {self.header(field)!r}: {what}.")

    # --- fields

    def text(self, field: str, *, limit: int = values.CODE_LIMIT) -> pa.Array:
        """Codes and words exactly as delivered, untrimmed; blank is null."""
        if not self.has(field):
            return self.nulls(pa.string())
        column = self._distinct(field)
        self.refuse_texts(field, values.matches(column.texts, r"\x00"), _NUL)
        too_long = values.as_mask(pc.greater(pc.utf8_length(column.texts), limit))
        self.refuse_texts(
            field,
            too_long,
            Refusal(f"at most {limit} characters", "Shorten it; look for an unclosed quotation mark."),
        )
        is_error = values.matches(column.texts, rf"^(?i:{values.EXCEL_ERROR.pattern})$")
        self.refuse_texts(field, is_error, _ERROR_CELL)
        if self._doubtful_text:
            self.refuse_texts(field, values.matches(column.texts, r"[^\x00-\x7f]"), _DOUBTFUL)
        self.refuse(self.is_kind(field, Cell.FORMULA), field, FORMULA)
        return column.spread(pc.if_else(pa.array(column.blank), pa.scalar(None, pa.string()), column.texts))

    def code(self, field: str) -> pa.Array:
        """The same for an article's code, of which a workbook can have destroyed the text."""
        text = self.text(field)
        self.refuse(self.is_kind(field, Cell.DATE, Cell.DATETIME, Cell.TIME), field, _CODE_BECAME_DATE)
        self.refuse(self.is_kind(field, Cell.BOOLEAN), field, _CODE_BECAME_BOOLEAN)
        numbers = self.is_kind(field, Cell.NUMBER)
        if numbers.any():
            column = self._distinct(field)
            plain = values.matches(column.texts, r"^-?[0-9]{1,15}(\.[0-9]+)?$")
            self.refuse(numbers & column.rows(~plain), field, _CODE_LOST_DIGITS)
        return text

    def quantity(self, field: str, *, required: bool = False) -> pa.Array:
        """Canonical decimal text; blank is null, and bad where it is ``required``."""
        if not self.has(field):
            return self.nulls(pa.string())
        column = self._distinct(field)
        numbers = values.decimals(values.with_minus_in_front(column.texts), self._decimal_mark)
        refused = values.as_mask(pc.is_null(numbers))
        if not required:
            refused &= ~column.blank
        mark = self._decimal_mark
        if self.is_kind(field, Cell.NUMBER).any() and mark != ".":
            numbers, refused = self._numbers_beside_text(field, column, numbers, refused, required=required)
        special = self.is_kind(field, Cell.FORMULA, Cell.DATE, Cell.DATETIME, Cell.TIME, Cell.BOOLEAN)
        self.refuse(self.is_kind(field, Cell.FORMULA), field, FORMULA)
        self.refuse(self.is_kind(field, Cell.DATE, Cell.DATETIME, Cell.TIME), field, QUANTITY_IS_DATE)
        self.refuse(self.is_kind(field, Cell.BOOLEAN), field, QUANTITY_IS_BOOLEAN)
        self.refuse(column.rows(refused) & ~special, field, lambda text: values.why_not_decimal(text, mark))
        return column.spread(numbers)

    def instant(self, field: str, *, day_field: str | None = None, or_day: bool = False) -> Instants:
        """Aware instants, local times and (``or_day``) days; blank is null in all three.

        Args:
            field: the field to read.
            day_field: the field that the remedy names for a bare day.
            or_day: a bare day is good.
        """
        if not self.has(field):
            nothing = self.nulls(pa.timestamp("us"))
            return Instants(self.nulls(pa.timestamp("us", tz="UTC")), nothing, self.nulls(pa.date32()))
        column = self._distinct(field, dates=True)
        found = values.instants(column.texts)
        if not or_day:
            found = self._midnights(field, column, found)
        known = values.as_mask(pc.or_(pc.is_valid(found.at), pc.is_valid(found.local)))
        if or_day:
            known |= values.as_mask(pc.is_valid(found.day))
        day_column = None if day_field is None else self.header(day_field)
        self.refuse_texts(
            field,
            ~known & ~column.blank,
            lambda text: values.why_not_instant(text, day_column=day_column),
            dates=True,
        )
        return Instants(column.spread(found.at), column.spread(found.local), column.spread(found.day))

    def day(self, field: str, *, instant_field: str | None = None) -> pa.Array:
        """Days; blank is null."""
        if not self.has(field):
            return self.nulls(pa.date32())
        column = self._distinct(field, dates=True)
        found = values.days(column.texts)
        refused = values.as_mask(pc.is_null(found)) & ~column.blank
        self.refuse_texts(
            field, refused, lambda text: values.why_not_day(text, instant_column=instant_field), dates=True
        )
        return column.spread(found)

    def identifier(self, field: str) -> pa.Array:
        """Whole numbers of 64 bits; blank is null."""
        if not self.has(field):
            return self.nulls(pa.int64())
        column = self._distinct(field)
        found = values.identifiers(column.texts)
        self.refuse_texts(field, values.as_mask(pc.is_null(found)) & ~column.blank, _NO_IDENTIFIER)
        return column.spread(found)

    def _midnights(self, field: str, column: Distinct, found: Instants) -> Instants:
        """A workbook stores midnight as a date; among cells with a time of day it is one."""
        dates = self.is_kind(field, Cell.DATE)
        if not dates.any() or not self.is_kind(field, Cell.DATETIME).any():
            return found
        is_date_cell = np.zeros(len(column.texts), dtype=np.bool_)
        is_date_cell[column.codes[dates]] = True
        midnight = pc.if_else(pa.array(is_date_cell), found.day.cast(pa.timestamp("us")), found.local)
        self._note(field, "dates without a time among cells with one were read as midnight")
        return Instants(found.at, midnight, found.day)

    def _numbers_beside_text(
        self, field: str, column: Distinct, numbers: pa.Array, refused: Mask, *, required: bool
    ) -> tuple[pa.Array, Mask]:
        """A workbook's own numbers are written with a point, whatever mark is used in its text cells."""
        is_number = np.zeros(len(column.texts), dtype=np.bool_)
        is_number[column.codes[self.is_kind(field, Cell.NUMBER)]] = True
        numbers = pc.if_else(pa.array(is_number), values.decimals(column.texts), numbers)
        refused = values.as_mask(pc.is_null(numbers))
        return numbers, refused if required else refused & ~column.blank

    # --- errors

    def refuse_texts(self, field: str, mask: Mask, why: Why, *, dates: bool = False) -> None:
        """Refuse the rows whose distinct text is in ``mask``."""
        if mask.any():
            self.refuse(self._distinct(field, dates=dates).rows(mask), field, why)

    def refuse(self, mask: Mask, field: str, why: Why) -> None:
        """Refuse the rows in ``mask`` for what stands in ``field``.

        Args:
            mask: the rows.
            field: the field that the error names.
            why: the words, or a function that finds them for the text that stands there.
        """
        mask = mask & self.active
        if not mask.any():
            return
        self.bad |= mask
        texts = self.sheet.columns[self.sheet.fields[field]] if self.has(field) else None
        indices = np.flatnonzero(mask)
        for listed, index in enumerate(indices):
            if self.problems.full:
                self.problems.more(len(indices) - listed)
                return
            text = "" if texts is None else texts[int(index)].as_py()
            self._add(int(index), field, text, why(text) if callable(why) else why)

    def refuse_each(self, field: str, refusals: Mapping[int, Refusal]) -> None:
        """Refuse rows by their index, each for a reason of its own."""
        texts = self.sheet.columns[self.sheet.fields[field]]
        for index, refusal in refusals.items():
            self.bad[index] = True
            if self.problems.full:
                self.problems.more(1)
            else:
                self._add(index, field, texts[index].as_py(), refusal)

    def _add(self, index: int, field: str, shown: str | None, refusal: Refusal) -> None:
        row = int(self.sheet.rows[index])
        error = RowError(
            file=self.problems.file,
            row=row,
            column=self.header(field),
            found=visible(shown[:200]) if shown else None,
            expected=refusal.expected,
            remedy=refusal.remedy,
            sheet=self.sheet.name,
        )
        self.problems.of_row(row + self._offset, error)


def _serial_as_iso(text: str, epoch: date) -> str:
    """The date of a serial number, with its time if it has one; the text itself if it is no likely date."""
    number = float(text)
    if not _SERIAL_DAYS[0] <= number < _SERIAL_DAYS[1] + 1:
        return text
    # Whole milliseconds, like the reader's own conversion of formatted cells.
    moment = datetime.combine(epoch, time.min) + timedelta(milliseconds=round(number * 86_400_000))
    return moment.isoformat() if moment.time() != time.min else moment.date().isoformat()


def visible(text: str) -> str:
    """The text without the one character that neither a database nor a terminal takes."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}")


_NUL = Refusal("text without the character NUL", "Remove that character.")
_ERROR_CELL = Refusal("text", "The cell holds an error of the spreadsheet; correct its formula.")
_DOUBTFUL = Refusal(
    "text in UTF-8", "Save the file as CSV UTF-8, or say in which encoding it was written (such as cp1252)."
)
ERROR_QUANTITY = Refusal("a quantity", "The cell holds an error of the spreadsheet; correct its formula.")
FORMULA = Refusal(
    "a formula with its result", "Open the workbook in a spreadsheet program, save it again and send that."
)
_CODE_BECAME_DATE = Refusal(
    "a code",
    "The spreadsheet turned the code into a date: format the column as text and type the code again.",
)
_CODE_BECAME_BOOLEAN = Refusal(
    "a code", "The spreadsheet turned the code into a truth value: format the column as text."
)
_CODE_LOST_DIGITS = Refusal(
    "a code of at most 15 digits, or text",
    "A spreadsheet keeps 15 digits of a number: format the column as text and enter the code again.",
)
QUANTITY_IS_DATE = Refusal(
    "a quantity", "The cell holds a date or time: give it a number format and check the number."
)
QUANTITY_IS_BOOLEAN = Refusal("a quantity", "The cell holds a truth value: write the number.")
_NO_IDENTIFIER = Refusal(
    "a whole number of at most 64 bits", "Give the article's inventory_id, or its code as sku."
)
