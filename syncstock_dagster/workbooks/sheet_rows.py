"""The fields of a count sheet: like those of any table, but written by people.

What belongs here: numbers and dates in the form of their country, units behind numbers, and codes that a
spreadsheet took for numbers. What does not: the common rules of fields (``rows``), and what a line means
(``count_sheets``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.stock.evidence import DECIMAL_TEXT, decimal_text
from syncstock_dagster.workbooks import local_forms, values
from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster.workbooks.headers import Words, normalised
from syncstock_dagster.workbooks.local_forms import Mark, Order
from syncstock_dagster.workbooks.rows import Problems, RowReader
from syncstock_dagster.workbooks.sheets import Cell, Sheet
from syncstock_dagster.workbooks.values import Refusal

_IN_BRACKETS = re.compile(r"[(\[（]([^()\[\]（）]+)[)\]）]\s*$")
#: Codes that a program or a person may have changed: zeros lost, .0 behind, blanks or an apostrophe around, and marks
#: that nobody sees, as programs put them around text that runs from right to left.
_CHANGED = (
    r"^[1-9][0-9]*(\.0)?$|^[\s\x{00a0}']|[\s\x{00a0}]$"
    r"|[\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}]"
)
_UNSEEN = dict.fromkeys((0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF))
_LONGEST_REMARK = 500
_EXPONENT = r"^[0-9][.,][0-9]+[Ee]\+[0-9]{2}$"


class SheetRows(RowReader):
    """The fields of one count sheet."""

    def __init__(
        self,
        sheet: Sheet,
        problems: Problems,
        words: Words,
        known: Known,
        *,
        decimal_mark: Mark | None,
        likely_mark: Mark | None,
        doubtful_text: bool,
        offset: int,
    ) -> None:
        super().__init__(sheet, problems, doubtful_text=doubtful_text, offset=offset)
        self._words, self._known = words, known
        self._stated, self._likely = decimal_mark, likely_mark
        #: What a person should look at: reason -> confidence that is left.
        self.doubts: dict[str, float] = {}

    # --- quantities

    @cached_property
    def _mark(self) -> Mark | None:
        """The mark before decimals: stated, as the quantities settle it, the other columns, or the kind of file."""
        if self._stated is not None:
            return self._stated
        place = self.sheet.fields["quantity"]
        own = local_forms.decimal_mark(_some_texts(self.sheet, [place]))
        if own is not None:
            return own
        # Codes, lots and dates have points of their own that say nothing about numbers.
        others = set(range(len(self.sheet.columns))) - set(self.sheet.fields.values())
        others |= {self.sheet.fields[name] for name in ("expected", "variance") if name in self.sheet.fields}
        return local_forms.decimal_mark(_some_texts(self.sheet, sorted(others))) or self._likely

    def counted(self) -> tuple[pa.Array, pa.Array]:
        """The quantities as canonical text, and the units that stand behind them (null: none)."""
        column = self._distinct("quantity")
        is_number = self.is_kind("quantity", Cell.NUMBER)
        texts = column.texts.to_pylist()
        plain: list[str | None] = []
        units: list[str | None] = []
        refusals: dict[int, Refusal] = {}
        for index, text in enumerate(texts):
            number, unit, refusal = self._number(text)
            plain.append(number)
            units.append(unit)
            if refusal is not None:
                refusals[index] = refusal
        of_texts = column.spread(values.decimals(pa.array(plain, pa.string())))
        of_numbers = column.spread(values.decimals(column.texts))
        numbers = pc.if_else(pa.array(is_number), of_numbers, of_texts)
        special = self.is_kind(
            "quantity", Cell.FORMULA, Cell.DATE, Cell.DATETIME, Cell.TIME, Cell.BOOLEAN, Cell.ERROR
        )
        self._refuse_special_quantities()
        refused = values.as_mask(pc.is_null(numbers)) & ~special
        by_text = {texts[index]: refusal for index, refusal in refusals.items()}
        self.refuse(refused, "quantity", lambda text: by_text.get(text) or values.why_not_decimal(text))
        return numbers, column.spread(pa.array(units, pa.string()))

    def _number(self, text: str) -> tuple[str | None, str | None, Refusal | None]:
        """A text as a plain number and its unit, or why it is none."""
        if len(text) > 60:
            return None, None, None
        found, unit = local_forms.numeral(text), None
        if found is None and (pair := local_forms.with_unit(text)) is not None:
            unit = pair[1]
            if _unit_kind(unit, self._words) is not None:
                found = local_forms.numeral(pair[0])
        if found is None:
            return None, None, None
        if found.plain is not None:
            return found.plain, unit, None
        if self._mark is not None:
            return found.readings[self._mark], unit, None
        ways = " or ".join(sorted(found.readings.values()))
        return (
            None,
            None,
            Refusal(
                f"a number that can be read in one way only, not as {ways}",
                "Write it without a separator of thousands, or say which mark stands before decimals (decimal mark).",
            ),
        )

    def _refuse_special_quantities(self) -> None:
        from syncstock_dagster.workbooks import rows

        self.refuse(self.is_kind("quantity", Cell.ERROR), "quantity", rows.ERROR_QUANTITY)
        self.refuse(self.is_kind("quantity", Cell.FORMULA), "quantity", rows.FORMULA)
        dates = self.is_kind("quantity", Cell.DATE, Cell.DATETIME, Cell.TIME)
        self.refuse(dates, "quantity", rows.QUANTITY_IS_DATE)
        self.refuse(self.is_kind("quantity", Cell.BOOLEAN), "quantity", rows.QUANTITY_IS_BOOLEAN)

    # --- units

    def in_own_units(self, quantities: pa.Array, behind: pa.Array, sku: pa.Array) -> pa.Array:
        """Quantities in each article's own unit: packs are converted by what the catalogue says they hold."""
        units = self.text("unit").to_pylist() if self.has("unit") else [None] * len(self.sheet)
        whole = self._unit_of_header()
        units = [near or column or whole for near, column in zip(behind.to_pylist(), units, strict=True)]
        if not any(units):
            return quantities
        kinds = {unit: _unit_kind(unit, self._words) for unit in set(units) if unit}
        codes = sku.to_pylist()
        asked = {
            (code, unit)
            for code, unit in zip(codes, units, strict=True)
            if unit and code and kinds[unit] != "single"
        }
        packs = self._known.packs(sorted(asked)) if asked else {}
        shown = quantities.to_pylist()
        refusals: dict[int, Refusal] = {}
        converted = 0
        for index, (code, unit) in enumerate(zip(codes, units, strict=True)):
            if not unit or shown[index] is None or not self.active[index]:
                continue
            if (code, unit) in packs:
                factor = packs[code, unit]
                shown[index] = decimal_text(values.EXACT.multiply(Decimal(shown[index]), factor))
                converted += factor != 1
                if not DECIMAL_TEXT.fullmatch(shown[index]):
                    shown[index] = None
                    refusals[index] = Refusal(
                        f"a quantity that {code}'s own unit holds exactly, with at most 12 decimals",
                        "Count it in the article's own unit.",
                    )
            elif kinds[unit] == "pack":
                refusals[index] = Refusal(
                    f"a unit that the catalogue knows for {code}, or pieces",
                    f"Nobody said how many pieces one {unit!r} holds: enter it in the catalogue, or count pieces.",
                )
        if refusals:
            self.refuse_each("unit" if self.has("unit") else "quantity", refusals)
        if converted:
            self._note(
                "unit" if self.has("unit") else "quantity",
                f"{converted} quantities were converted from packs",
            )
        own = sorted({unit for unit in kinds if kinds[unit] is None})
        if own:
            self._note("unit", f"taken for the articles' own units: {', '.join(own[:10])}")
        return pa.array(shown, pa.string())

    def _unit_of_header(self) -> str | None:
        """A pack that the header of the quantities names: "Qty (boxes)"."""
        found = _IN_BRACKETS.search(self.header("quantity"))
        return found[1].strip() if found and _unit_kind(found[1], self._words) == "pack" else None

    # --- codes

    def remark(self) -> pa.Array:
        """What somebody wrote beside the count; a line is never refused for it."""
        if not self.has("remark"):
            return self.nulls(pa.string())
        column = self._distinct("remark")
        texts = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(column.texts), 0, _LONGEST_REMARK)
        nothing = column.blank | values.matches(column.texts, rf"\x00|^(?i:{values.EXCEL_ERROR.pattern})$")
        if self._doubtful_text:
            nothing |= values.matches(column.texts, r"[^\x00-\x7f]")
        return column.spread(pc.if_else(pa.array(nothing), pa.scalar(None, pa.string()), texts))

    def codes(self) -> pa.Array:
        """Articles' codes; of those that are numbers the zeros that they lost are looked up."""
        codes = self.code("sku")
        if not self.has("sku"):
            return codes
        texts = self._distinct("sku")
        self.refuse_texts("sku", values.matches(texts.texts, _EXPONENT), _CODE_IN_EXPONENT)
        numbers = self.is_kind("sku", Cell.NUMBER)
        if not self._known.is_there or not len(codes):
            if numbers.any():
                self._note("sku", "codes are stored as numbers; zeros at their beginning may be lost")
            return codes
        odd = texts.rows(values.matches(texts.texts, _CHANGED))
        return self._with_zeros(codes, (numbers | odd) & self.active, numbers)

    def _with_zeros(self, codes: pa.Array, asked_for: np.ndarray, numbers: np.ndarray) -> pa.Array:
        asked = {
            text: text.translate(_UNSEEN).strip(" \t\n\r\u00a0'").removesuffix(".0")
            for text in codes.filter(pa.array(asked_for)).unique().to_pylist()
            if text is not None
        }
        if not asked:
            return codes
        found = self._known.codes(sorted({*asked.values(), *asked}))
        replaced: dict[str, str] = {}
        doubtful: dict[str, list[str]] = {}
        for text, number in asked.items():
            may_be = sorted({*found.get(text, ()), *found.get(number, ())})
            if text in may_be and (len(may_be) == 1):
                continue
            if len(may_be) == 1:
                replaced[text] = may_be[0]
            elif len(may_be) > 1:
                doubtful[text] = may_be
        shown = codes.to_pylist()
        refusals: dict[int, Refusal] = {}
        mended = set()
        for index in np.flatnonzero(asked_for):
            text = shown[index]
            if text in replaced:
                shown[index] = replaced[text]
                mended.add(text)
            elif text in doubtful and numbers[index]:
                refusals[int(index)] = Refusal(
                    f"one of the codes {', '.join(doubtful[text])}",
                    "The spreadsheet made a number of the code and took its zeros: format the column as text "
                    "and type the code again.",
                )
        if refusals:
            self.refuse_each("sku", refusals)
        if mended:
            examples = ", ".join(f"{text} is {replaced[text]}" for text in sorted(mended)[:3])
            self._note(
                "sku",
                f"{len(mended)} codes were found in the catalogue as they are written there ({examples})",
            )
        lost = [text for text in asked if text not in found and text not in replaced and text not in doubtful]
        unknown = set(lost) & {shown[index] for index in np.flatnonzero(numbers)}
        if unknown:
            self._note(
                "sku",
                f"{len(unknown)} codes are stored as numbers and not in the catalogue; "
                "zeros at their beginning may be lost",
            )
        return pa.array(shown, pa.string())

    # --- dates

    @cached_property
    def order(self) -> Order | None:
        """Which of day and month comes first in this sheet, where its dates or its language settle it."""
        places = [
            self.sheet.fields[name]
            for name in ("counted_at", "counted_from", "expiry")
            if name in self.sheet.fields
        ]
        return local_forms.date_order(_some_texts(self.sheet, places), self.sheet.headers, self._words)

    def _with_dates(self, field: str, texts: pa.Array) -> pa.Array:
        """Dates as people write them in ISO 8601; what can be read in two ways stays, and is refused."""
        texts = super()._with_dates(field, texts)
        encoded = values.Distinct.of(texts)
        shown = [self._iso(text) for text in encoded.texts.to_pylist()]
        return encoded.spread(pa.array(shown, pa.string()))

    def _iso(self, text: str) -> str:
        if not text or re.match(r"^\d{4}-\d{2}-\d{2}", text):
            return text
        found = local_forms.dated(text, self._words.months)
        if found is None:
            return text
        return found.iso or (found.readings.get(self.order) if self.order else None) or text

    def clocks(self, field: str) -> Iterable[str | None]:
        """Times of day, for each row."""
        return [
            local_forms.clock(text) if text is not None else None for text in self.text(field).to_pylist()
        ]


def _some_texts(sheet: Sheet, places: Iterable[int]) -> list[str]:
    """Distinct texts of some columns, without the cells that are numbers."""
    found: list[str] = []
    for place in places:
        column, kinds = sheet.columns[place], sheet.kinds[place]
        if kinds is not None:
            column = column.filter(pa.array(kinds == Cell.TEXT))
        column = column.filter(pc.match_substring_regex(column, r"[0-9٠-٩０-９]"))
        found += [text for text in column.unique().slice(0, 5_000).to_pylist() if len(text) < 60]
    return found


def _unit_kind(unit: str, words: Words) -> str | None:
    """``single``, ``measure`` or ``pack``; None: an unknown word."""
    plain = normalised(unit)
    kinds: Mapping[str, frozenset[str]] = {
        "single": words.single,
        "measure": words.measures,
        "pack": words.packs,
    }
    found = next((kind for kind, known in kinds.items() if plain in known), None)
    if found is None and any(token in words.packs for token in plain.split()):
        return "pack"
    return found


_CODE_IN_EXPONENT = Refusal(
    "a code written out",
    "A spreadsheet shortened the code when it saved the file: format the column as text and save it again.",
)
