"""Wanted changes of articles, as anyone may write them, checked and as one Arrow table.

What belongs here: the fields of an article that can be changed, and their form. What does not: what becomes of a
change (``catalog.staging``).

A change names its article by ``sku``, by ``inventory_id``, or by the source's own code in ``identifiers``. A field
that is not there says nothing; one that is None clears it. ``identifiers`` maps systems to a code or all codes,
``units`` maps an article's own units to how many base units one holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import pyarrow as pa

from syncstock_dagster.catalog.identifiers import LONGEST_CODE, what_is_wrong
from syncstock_dagster.errors import BadInput, RowError
from syncstock_dagster.stock.records import canonical_decimal
from syncstock_dagster.store.storable import is_storable

_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32()),
        pa.field("sku", pa.string()),
        pa.field("inventory_id", pa.int64()),
        pa.field("change_type", pa.string()),
        pa.field("fields", pa.string()),  # an object of JSON; amounts are numbers in it, written exactly
        pa.field("modified_at", pa.timestamp("us", tz="UTC")),
    ]
)
_TEXTS = ("name", "category", "unit", "style")
_AMOUNTS = ("price", "cost")
_LONGEST_TEXT = 2_000
#: So many are made into columns before the next ones, which then take their memory.
_ROWS_AT_ONCE = 10_000
_TYPES = (None, "create", "update", "delete")
_NAMING = ("sku", "inventory_id", "change_type", "modified_at")
FIELDS = (*_TEXTS, *_AMOUNTS, "is_active", "identifiers", "units")
_KNOWN = frozenset((*_NAMING, *FIELDS))

Changes = Iterable[Mapping[str, Any]]

#: Made once: ``json.dumps`` with an option makes an encoder for every call.
_to_json = json.JSONEncoder(ensure_ascii=False).encode
#: A text in JSON.
_quoted = json.encoder.encode_basestring
#: Of names there are few, in many changes.
_quoted_name = lru_cache(maxsize=1_000)(_quoted)


class _Wrong(ValueError):  # noqa: N818 - says what it is, and goes no further than this module
    def __init__(self, column: str, expected: str, remedy: str) -> None:
        self.column, self.expected, self.remedy = column, expected, remedy


def changes_table(changes: Changes | pa.Table) -> pa.Table:
    """Changes as a table for ``staging/temp_tables.sql``; an Arrow table or a list of mappings.

    Raises:
        BadInput: a change names no article or has a value that cannot be taken; all of them are told.
    """
    rows: list[tuple[Any, ...]] = []
    tables: list[pa.Table] = []
    errors: list[RowError] = []
    for position, change in enumerate(each_mapping("changes", changes)):
        try:
            rows.append(_row(position, change))
        except _Wrong as wrong:
            found = change.get(wrong.column.partition(".")[0])
            text = None if found is None else repr(found)[:200]
            errors.append(RowError("changes", position, wrong.column, text, wrong.expected, wrong.remedy))
        if len(rows) == _ROWS_AT_ONCE:
            tables.append(_table(rows))
            rows.clear()
    if errors:
        raise BadInput(f"{len(errors)} change(s) cannot be taken:", tuple(errors))
    return pa.concat_tables([*tables, _table(rows)])


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(_SCHEMA)
    return pa.table([pa.array(*one) for one in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA)


def each_mapping(what: str, given: Changes | pa.Table) -> list[Mapping[str, Any]]:
    """The rows of an Arrow table or of a list of mappings.

    Raises:
        BadInput: it is neither.
    """
    expected, remedy = "a list of mappings, or an Arrow table", f"Also one of the {what} is given in a list."
    if isinstance(given, pa.Table):
        return list(given.to_pylist())
    if isinstance(given, Mapping | str | bytes) or not isinstance(given, Iterable):
        found = RowError(what, None, None, type(given).__name__, expected, remedy)
        raise BadInput(f"The {what} are no list:", (found,))
    rows = list(given)
    wrong = [
        RowError(what, position, None, repr(row)[:200], "a mapping of fields to values", remedy)
        for position, row in enumerate(rows)
        if not isinstance(row, Mapping)
    ]
    if wrong:
        raise BadInput(f"{len(wrong)} of the {what} are no mappings:", tuple(wrong))
    return rows


def changes_of_file(products: pa.Table) -> pa.Table:
    """The lines of a catalogue file (``PRODUCT_SCHEMA``), which were checked when it was read, in the same form.

    A blank cell says nothing.
    """
    names = [name for name in FIELDS if name in products.schema.names]
    rows = zip(*(products[name].to_pylist() for name in names), strict=True)
    fields = [
        _object(
            (name, value if name in _AMOUNTS else _to_json(value))
            for name, value in zip(names, row, strict=True)
            if value is not None
        )
        for row in rows
    ]
    columns = {
        "position": products["position"],
        "sku": products["sku"],
        "fields": pa.array(fields, pa.string()),
    }
    return pa.table(
        [columns.get(one.name, pa.nulls(len(products), one.type)) for one in _SCHEMA], schema=_SCHEMA
    )


def _row(position: int, change: Mapping[str, Any]) -> tuple[Any, ...]:
    """A change in the order of ``_SCHEMA``."""
    if not _KNOWN.issuperset(change):
        column = ", ".join(sorted(map(str, set(change) - _KNOWN)))
        raise _Wrong(column, f"only {', '.join((*_NAMING, *FIELDS))}", "Leave the field out.")
    sku, inventory_id = change.get("sku"), change.get("inventory_id")
    if sku is not None and (
        not isinstance(sku, str) or not sku or len(sku) > LONGEST_CODE or not is_storable(sku)
    ):
        raise _Wrong("sku", "text", "A SKU is kept exactly as given: '00123' stays '00123'.")
    if sku is None and inventory_id is None and not change.get("identifiers"):
        raise _Wrong("sku", "a SKU, an inventory_id or a code", "Say which article is meant.")
    if inventory_id is not None and not is_id(inventory_id):
        raise _Wrong("inventory_id", "a whole number", "Give the id, or leave it out.")
    if change.get("change_type") not in _TYPES:
        raise _Wrong("change_type", "create, update or delete", "Or leave it out.")
    modified_at = change.get("modified_at")
    if modified_at is not None and (not isinstance(modified_at, datetime) or modified_at.tzinfo is None):
        raise _Wrong("modified_at", "an instant with a zone", "Give the time at which the source changed it.")
    fields: list[tuple[str, str]] = []
    for given, value in change.items():
        if given in _READERS:
            fields += _READERS[given](given, value)
    return position, sku, inventory_id, change.get("change_type"), _object(fields), modified_at


def _object(fields: Iterable[tuple[str, str]]) -> str:
    """An object of names and values that are JSON already: it has exact numbers, which ``json`` cannot write."""
    return f"{{{', '.join([f'{_quoted_name(name)}: {value}' for name, value in fields])}}}"


def is_id(value: object) -> bool:
    """Whether something can be the id of an article."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


# Each reader gives the fields that a value says, and their values as JSON.


@lru_cache(maxsize=1_000)
def _name_of(name: str, part: Any) -> str:
    if not isinstance(part, str) or not part or len(part) > LONGEST_CODE or not is_storable(part):
        raise _Wrong(name, f"names of at most {LONGEST_CODE} characters", f"{part!r} is none.")
    return f"{name}.{part}"


def _text(name: str, value: Any) -> list[tuple[str, str]]:
    if value is not None and (
        not isinstance(value, str) or not value or len(value) > _LONGEST_TEXT or not is_storable(value)
    ):
        raise _Wrong(name, f"text of at most {_LONGEST_TEXT} characters", "None clears it.")
    return [(name, "null" if value is None else _quoted(value))]


def _unit(name: str, value: Any) -> list[tuple[str, str]]:
    """Cleared, it is what it is where nothing is said."""
    return _text(name, "each" if value is None else value)


def _amount(name: str, value: Any) -> list[tuple[str, str]]:
    return [(name, "null" if value is None else _exact(name, value))]


def _exact(name: str, value: Any) -> str:
    exact = None
    if not isinstance(value, bool) and isinstance(value, int | Decimal | str):
        try:
            exact = _canonical(str(value))
        except (InvalidOperation, ValueError):
            exact = None
    if exact is None:
        raise _Wrong(name, "an exact amount", "Give an int, a Decimal or decimal text.")
    return exact


@lru_cache(maxsize=10_000)  # of amounts there are few, in many changes
def _canonical(value: str) -> str | None:
    return canonical_decimal(Decimal(value))


def _flag(name: str, value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, bool):
        raise _Wrong(name, "True or False", "Say whether the article is active.")
    return [(name, _to_json(value))]


def _identifiers(name: str, value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise _Wrong(name, "a mapping of systems to codes", "For example {'zoho': '460000000026049'}.")
    fields = []
    for system, codes in value.items():
        field = _name_of(name, system)
        listed = [] if codes is None else list(codes) if isinstance(codes, list | tuple | set) else [codes]
        for code in listed:
            if (wrong := what_is_wrong(system, code)) is not None:
                raise _Wrong(field, wrong, f"{code!r} is no code of {system}.")
        # UPC and EAN are one number, written with more or fewer zeros in front.
        numbers = {code.zfill(14) if system == "gtin" else code: code for code in reversed(listed)}
        kept = sorted(numbers.values())
        fields.append((field, f"[{', '.join(map(_quoted, kept))}]" if kept else "null"))
    return fields


def _units(name: str, value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise _Wrong(name, "a mapping of units to amounts", "For example {'pack': 12}.")
    fields = []
    for unit, factor in value.items():
        field = _name_of(name, unit)
        exact = None if factor is None else _exact(field, factor)
        if exact is not None and Decimal(exact) <= 0:
            raise _Wrong(field, "more than zero", "Say how many base units one holds.")
        fields.append((field, exact or "null"))
    return fields


_READERS: dict[str, Callable[[str, Any], list[tuple[str, str]]]] = {
    **dict.fromkeys(_TEXTS, _text),
    "unit": _unit,
    **dict.fromkeys(_AMOUNTS, _amount),
    "is_active": _flag,
    "identifiers": _identifiers,
    "units": _units,
}
