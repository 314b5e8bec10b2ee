"""The records that callers hand to ``run_syncstock``, and their way into the evidence tables.

What belongs here: the public dataclasses, what they accept, and turning lists of them, pandas DataFrames or Arrow
tables with the same columns into ``stock.evidence`` tables. What does not: anything that needs the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pyarrow as pa

from syncstock_dagster.stock.evidence import (
    COUNT_SCHEMA,
    DECIMAL_TEXT,
    MOVEMENT_SCHEMA,
    BadInput,
    Evidence,
    RowError,
    decimal_text,
)

Quantity: TypeAlias = int | Decimal | float

_MAX_BIGINT = 2**63 - 1
#: Longer names do not fit the index of identities, whatever their script.
_LONGEST_TEXT = 300
#: Leaves room for any zone at both ends of what Python can hold.
_YEARS = (2, 9998)
_YEARS_TEXT = "a date between the years 2 and 9998"


@dataclass(frozen=True, slots=True)
class PurchaseRecord:
    """Stock coming in: ``qty`` raises stock. Without ``ref`` it contributes to the total of its ``day``."""

    inventory_id: int
    qty: Quantity
    day: date | None = None
    at: datetime | None = None
    ref: str | None = None
    line: str | None = None
    location: str | None = None
    source: str | None = None
    unit_price: Quantity | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SalesRecord:
    """Stock going out: ``qty`` lowers stock; a negative one is a return."""

    inventory_id: int
    qty: Quantity
    day: date | None = None
    at: datetime | None = None
    ref: str | None = None
    line: str | None = None
    location: str | None = None
    source: str | None = None
    unit_price: Quantity | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MovementRecord:
    """Any other movement: ``qty`` is signed, ``reason`` is its reason code (damage, theft, found, ...)."""

    inventory_id: int
    qty: Quantity
    day: date | None = None
    at: datetime | None = None
    reason: str | None = None
    ref: str | None = None
    line: str | None = None
    location: str | None = None
    source: str | None = None
    unit_price: Quantity | None = None


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """``qty`` leaves ``from_location`` at ``at`` and reaches ``to_location`` at ``arrives_at`` (default: at once).

    Two legs, one identity; between the two instants the goods are in transit and at neither location.
    """

    inventory_id: int
    qty: Quantity
    at: datetime
    from_location: str
    to_location: str
    ref: str
    line: str | None = None
    arrives_at: datetime | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class POSRecord:
    """A count: ``stock_count`` pieces were there at ``counted_at``; the counting began at ``counted_from``."""

    inventory_id: int
    stock_count: Quantity
    counted_at: datetime
    counted_from: datetime | None = None
    location: str | None = None
    source: str | None = None
    session: str | None = None
    room: str | None = None
    counter: str | None = None
    remark: str | None = None


Records: TypeAlias = Any
"""A sequence of records, a pandas DataFrame, or an Arrow table with the fields of the record as columns."""


def evidence_from_records(
    purchases: Records = (),
    sales: Records = (),
    pos_counts: Records = (),
    movements: Records = (),
    *,
    zone_of: Callable[[str | None], str | None] = lambda location: None,
) -> Evidence:
    """Turn what a caller gave into evidence tables.

    ``zone_of`` gives the zone of a location (None: the default one) where it is known; it is asked only for naive
    times that say ``fold=1``.

    Raises:
        BadInput: at least one value cannot be taken; every such value is listed.
    """
    errors: list[RowError] = []
    moved = _Columns(MOVEMENT_SCHEMA)
    counted = _Columns(COUNT_SCHEMA)
    for given, record_type, default_source in (
        (purchases, PurchaseRecord, "purchases"),
        (sales, SalesRecord, "sales"),
        (movements, MovementRecord, "movements"),
    ):
        for index, record in enumerate(_rows(given, record_type)):
            _add_movement(
                moved, record, default_source, _Checker(type(record).__name__, index, errors, zone_of)
            )
    for index, record in enumerate(_rows(pos_counts, POSRecord)):
        _add_count(counted, record, _Checker("POSRecord", index, errors, zone_of))
    if errors:
        raise BadInput(f"{len(errors)} value(s) cannot be taken:", tuple(errors))
    return Evidence(moved.table(), counted.table())


def _add_movement(out: _Columns, record: Any, default_source: str, check: _Checker) -> None:
    if isinstance(record, TransferRecord):
        _add_transfer(out, record, check)
        return
    ref, line = check.text("ref", record.ref), check.text("line", record.line)
    at, day = _given(record.at), _given(record.day)
    effective_at, effective_local = check.instant("at", at, record.location)
    if (at is None) == (day is None):
        check.fail(
            "at", record.at, "either at= or day=", "Give the instant, or the business day, and not both."
        )
    elif record.ref in (None, "") and at is not None:
        check.fail(
            "ref",
            None,
            "a ref for a movement with an instant",
            "Without a ref a record is a contribution to a day's total: give day= instead of at=, or add a ref.",
        )
    sign = -1 if isinstance(record, SalesRecord) else 1
    reason = check.text("reason", record.reason)
    if reason is None:
        reason = {PurchaseRecord: "purchase", SalesRecord: "sale"}.get(type(record), "adjustment")
    out.add(
        source=check.text("source", record.source) or default_source,
        document=ref,
        line=line,
        leg=0,
        inventory_id=check.inventory_id(record.inventory_id),
        location=check.text("location", record.location),
        quantity=check.quantity("qty", record.qty, sign),
        effective_at=effective_at,
        effective_local=effective_local,
        day=check.day("day", day),
        reason=reason,
        unit_price=None if record.unit_price is None else check.quantity("unit_price", record.unit_price),
    )


def _add_transfer(out: _Columns, record: TransferRecord, check: _Checker) -> None:
    common: dict[str, Any] = {
        "source": check.text("source", record.source) or "transfers",
        "document": check.text("ref", record.ref),
        "line": check.text("line", record.line),
        "inventory_id": check.inventory_id(record.inventory_id),
        "reason": "transfer",
    }
    if common["document"] is None:
        check.fail("ref", record.ref, "a ref", "A transfer needs the document it is known by.")
    quantity = check.quantity("qty", record.qty)
    if quantity.startswith("-"):
        check.fail(
            "qty", record.qty, "a positive quantity", "The goods go from from_location to to_location."
        )
    arrives_at = _given(record.arrives_at)
    legs = (
        (0, record.from_location, record.at, -1),
        (1, record.to_location, record.at if arrives_at is None else arrives_at, 1),
    )
    if _given(record.at) is None:
        check.fail("at", None, "an instant", "Say when the goods left.")
    if record.from_location == record.to_location:
        remedy = "Goods that stay where they are need no transfer."
        check.fail("to_location", record.to_location, "another location", remedy)
    if _is_before(record.arrives_at, record.at):
        remedy = "Goods do not arrive before they leave."
        check.fail("arrives_at", record.arrives_at, "an instant at or after at", remedy)
    for leg, location, at, sign in legs:
        effective_at, effective_local = check.instant("at", at, location)
        out.add(
            leg=leg,
            location=check.text("location", location),
            quantity=quantity if sign > 0 or quantity == "0" else "-" + quantity,
            effective_at=effective_at,
            effective_local=effective_local,
            same_record=leg == 1,
            **common,
        )


def _add_count(out: _Columns, record: POSRecord, check: _Checker) -> None:
    counted_at, counted_local = check.instant("counted_at", record.counted_at, record.location)
    if _given(record.counted_at) is None:
        check.fail(
            "counted_at", None, "the instant of the count", "A count is true at one instant: say which."
        )
    counted_from, counted_from_local = check.instant("counted_from", record.counted_from, record.location)
    if _is_before(record.counted_at, record.counted_from):
        remedy = "The counting took from counted_from to counted_at."
        check.fail("counted_from", record.counted_from, "an instant at or before counted_at", remedy)
    out.add(
        source=check.text("source", record.source) or "pos",
        session=check.text("session", record.session),
        room=check.text("room", record.room),
        counter=check.text("counter", record.counter),
        remark=check.text("remark", record.remark),
        inventory_id=check.inventory_id(record.inventory_id),
        location=check.text("location", record.location),
        quantity=check.quantity("stock_count", record.stock_count),
        counted_at=counted_at,
        counted_local=counted_local,
        counted_from=counted_from,
        counted_from_local=counted_from_local,
    )


class _Columns:
    """Collects rows as columns, so that an Arrow table is built in one go."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}
        self._position = -1

    def add(self, *, same_record: bool = False, **values: Any) -> None:
        if not same_record:
            self._position += 1
        values["position"] = self._position
        for name, column in self._columns.items():
            column.append(values.get(name))

    def table(self) -> pa.Table:
        return pa.table(self._columns, schema=self._schema)


@dataclass(frozen=True, slots=True)
class _Checker:
    """Takes the values of one record; what it cannot take is noted, so that all errors are told at once."""

    record_name: str
    index: int
    errors: list[RowError]
    zone_of: Callable[[str | None], str | None]

    def fail(self, column: str, found: object, expected: str, remedy: str) -> None:
        self.errors.append(RowError(self.record_name, self.index, column, _shown(found), expected, remedy))

    def quantity(self, column: str, value: object, sign: int = 1) -> str:
        """Canonical decimal text of ``sign * value``; whole floats are taken, others refused (law L7)."""
        number: Decimal | None = None
        if isinstance(value, bool):
            pass
        elif isinstance(value, Decimal):
            number = value if value.is_finite() else None
        elif isinstance(value, int):
            number = Decimal(value)
        elif isinstance(value, float):
            if value.is_integer():
                number = Decimal(int(value))
            else:
                remedy = "A float cannot hold a decimal quantity exactly: give a Decimal or an int."
                self.fail(column, value, "an exact quantity", remedy)
                return "0"
        elif hasattr(value, "item") and not isinstance(value, str):  # numpy scalars
            return self.quantity(column, value.item(), sign)
        if number is None:
            self.fail(column, value, "a quantity", "Give an int or a Decimal.")
            return "0"
        text = canonical_decimal(number if sign == 1 else number.copy_negate())
        if text is None:
            self.fail(column, value, "at most 18 digits before and 12 after the point", "Check the quantity.")
            return "0"
        return text

    def inventory_id(self, value: object) -> int | None:
        if hasattr(value, "item") and not isinstance(value, str):
            value = value.item()
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and -_MAX_BIGINT - 1 <= value <= _MAX_BIGINT
        ):
            return value
        self.fail(
            "inventory_id", value, "a whole number of at most 64 bits", "Give the article's inventory_id."
        )
        return None

    def instant(
        self, column: str, value: Any, location: str | None
    ) -> tuple[datetime | None, datetime | None]:
        """``(aware, naive)``, one of them None: a naive datetime is local to the location (law L7)."""
        value = _given(value)
        if value is None:
            return None, None
        if not isinstance(value, datetime):
            self.fail(
                column, value, "a datetime", "Give a datetime; one without zone is local to the location."
            )
            return None, None
        if not _YEARS[0] <= value.year <= _YEARS[1]:
            self.fail(column, value, _YEARS_TEXT, "Check the date.")
            return None, None
        if hasattr(value, "to_pydatetime"):
            value = value.to_pydatetime(warn=False)
        if value.tzinfo is None and value.fold and (zone := self.zone_of(location)):
            # The second pass of a doubled hour; a plain local time means the first.
            value = value.replace(tzinfo=ZoneInfo(zone))
        if value.tzinfo is None:
            return None, value
        return value.astimezone(UTC), None

    def day(self, column: str, value: object) -> date | None:
        if isinstance(value, date) and not _YEARS[0] <= value.year <= _YEARS[1]:
            self.fail(column, value, _YEARS_TEXT, "Check the date.")
            return None
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        if isinstance(value, datetime) and value.time() == datetime.min.time():  # pandas has no plain date
            return value.date()
        self.fail(column, value, "a date", "Give a date; for an instant use at= and a ref.")
        return None

    def text(self, column: str, value: object) -> str | None:
        """Text as it was given; empty text is nothing."""
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.fail(column, value, "text", "Give text.")
            return None
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            self.fail(column, value, "text without NUL and lone surrogates", "Remove that character.")
            return None
        if len(value) > _LONGEST_TEXT:
            self.fail(column, value, f"at most {_LONGEST_TEXT} characters", "Give a shorter text.")
            return None
        return value


def _given(value: Any) -> Any:
    """The value, or None where pandas says that it is missing: its NaT is a datetime that equals nothing."""
    return value if value is not None and value == value else None


def _is_before(first: Any, second: Any) -> bool:
    """Whether two instants are in that order; False where they cannot be compared (one naive, one aware)."""
    both = isinstance(first, datetime) and isinstance(second, datetime)
    return both and (first.tzinfo is None) == (second.tzinfo is None) and first < second


def _shown(found: object) -> str | None:
    """A value in an error message: short, whatever it is."""
    if found is None:
        return None
    if isinstance(found, int) and abs(found) >= 10**100:
        return "a number of more than 100 digits"
    text = repr(found)
    return text if len(text) <= 200 else text[:200] + "..."


def canonical_decimal(number: Decimal) -> str | None:
    """Plain decimal text without exponent or trailing zeros; None where it does not fit ``DECIMAL_TEXT``."""
    if number == 0:
        return "0"
    if number.adjusted() > 18:
        return None
    text = decimal_text(number)
    return text if DECIMAL_TEXT.fullmatch(text) else None


def _rows(given: Records, record_type: type[Any]) -> Iterable[Any]:
    """Records out of whatever was given; tables are read row by row into the same record type."""
    if given is None:
        return ()
    if not isinstance(given, Iterable | pa.Table):
        found = type(given).__name__
        remedy = f"Give a list of {record_type.__name__}, a DataFrame or an Arrow table."
        raise BadInput(
            "The records are no list:", (RowError(record_type.__name__, None, None, found, "a list", remedy),)
        )
    if isinstance(given, pa.Table):
        rows: Iterable[Mapping[str, Any]] = given.to_pylist()
    elif hasattr(given, "to_dict") and hasattr(given, "columns"):  # a pandas DataFrame
        frame: Any = given
        columns = {name: _nulls_to_none(frame[name]) for name in frame.columns}
        names = list(columns)
        rows = (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))
    else:
        return _checked(given, record_type)
    known = {f.name for f in fields(record_type)}
    return (_from_mapping(row, record_type, known) for row in rows)


def _checked(given: Iterable[Any], record_type: type[Any]) -> Iterable[Any]:
    allowed = (record_type, TransferRecord) if record_type is MovementRecord else (record_type,)
    for index, record in enumerate(given):
        if not isinstance(record, allowed):
            error = RowError(
                record_type.__name__,
                index,
                None,
                type(record).__name__,
                f"a {record_type.__name__}",
                "Each list takes its own kind of record.",
            )
            raise BadInput("The records are of the wrong kind:", (error,))
        yield record


def _from_mapping(row: Mapping[str, Any], record_type: type[Any], known: set[str]) -> Any:
    unknown = set(row) - known
    if unknown:
        raise BadInput(
            f"{record_type.__name__} has no column {', '.join(sorted(map(str, unknown)))}; "
            f"its columns are {', '.join(sorted(known))}."
        )
    values = {name: row.get(name) for name in known}
    return record_type(**values)


def _nulls_to_none(column: Any) -> Sequence[Any]:
    """A DataFrame's column as Python values, with pandas' several kinds of missing as None."""
    missing = column.isna()
    return [None if gone else value for value, gone in zip(column.astype(object), missing, strict=True)]
