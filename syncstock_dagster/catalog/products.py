"""Products and locations: written set-based, read as tables.

What belongs here: the catalogue's rows. What does not: releasing quarantined evidence that they make known.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
from psycopg import Connection

from syncstock_dagster.catalog.changes import each_mapping, is_id
from syncstock_dagster.stock.evidence import PRODUCT_SCHEMA, BadInput, RowError
from syncstock_dagster.stock.records import canonical_decimal
from syncstock_dagster.store.copy import copy_table
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable

_LONGEST_CODE = 200
_PRODUCT_COLUMNS = ("inventory_id", "sku", "name", "category", "price", "cost")
_RAW_SCHEMA = pa.schema([*PRODUCT_SCHEMA, pa.field("inventory_id", pa.int64())])


def products_table(products: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Products as an Arrow table of ``PRODUCT_SCHEMA`` and ``inventory_id``.

    Raises:
        BadInput: a product has no SKU, or a value that cannot be taken.
    """
    rows, errors = [], []
    ids: dict[Any, int] = {}
    skus: dict[int, Any] = {}
    for index, product in enumerate(each_mapping("products", products)):

        def fail(column: str, expected: str, remedy: str, product: Any = product, index: int = index) -> None:
            found = product.get(column)
            text = None if found is None else repr(found)
            errors.append(RowError("products", index, column, text, expected, remedy))

        if unknown := set(product) - set(_PRODUCT_COLUMNS):
            errors.append(
                RowError(
                    "products", index, ", ".join(sorted(map(str, unknown))), None,
                    f"only {', '.join(_PRODUCT_COLUMNS)}", "Leave the column out.",
                )
            )  # fmt: skip
        sku = product.get("sku")
        if not isinstance(sku, str) or not sku or not is_storable(sku) or len(sku) > _LONGEST_CODE:
            fail("sku", "text", "Every product has a SKU, kept exactly as given: '00123' stays '00123'.")
        row: dict[str, Any] = {"position": index, **{name: product.get(name) for name in _PRODUCT_COLUMNS}}
        for column in ("price", "cost"):
            amount = row[column]
            if amount is None:
                continue
            if isinstance(amount, bool) or not isinstance(amount, int | Decimal | str):
                fail(column, "an exact amount", "Give an int, a Decimal or decimal text.")
                continue
            try:
                row[column] = canonical_decimal(Decimal(amount))
            except ArithmeticError:
                row[column] = None
            if row[column] is None:
                fail(column, "an exact amount", "Give an int, a Decimal or decimal text.")
        rows.append(row)
        for column in ("name", "category"):
            if row[column] is not None and not (isinstance(row[column], str) and is_storable(row[column])):
                fail(column, "text", "Give text, or leave it out.")
        inventory_id = row["inventory_id"]
        if inventory_id is None or not isinstance(sku, str):
            continue
        if not is_id(inventory_id):
            fail("inventory_id", "a whole number", "Give the id, or leave it out.")
        elif ids.setdefault(sku, inventory_id) != inventory_id:
            fail("inventory_id", f"{ids[sku]}, as above for {sku!r}", "A SKU belongs to one article.")
        elif skus.setdefault(inventory_id, sku) != sku:
            fail("sku", f"{skus[inventory_id]!r}, as above for {inventory_id}", "An article has one SKU.")
    if errors:
        raise BadInput(f"{len(errors)} value(s) of the products cannot be taken:", tuple(errors))
    return pa.Table.from_pylist(rows, schema=_RAW_SCHEMA)


def upsert_rows(connection: Connection[Any], products: pa.Table, who: str) -> int:
    """Insert or update products by SKU; what a row does not say stays. Of one SKU twice, the later row counts.

    Returns how many products were written.

    Raises:
        BadInput: a SKU belongs to another article than its row says, or somebody else has locked one that changes.
    """
    connection.execute(statement("catalogue/temp_products"))
    copy_table(connection, "raw_products", products)
    if taken := connection.execute(statement("catalogue/taken_skus")).fetchall():
        raise BadInput(
            f"{len(taken)} SKU(s) belong to other articles; nothing was written:",
            tuple(
                RowError(
                    "products", position, "sku", sku, "a SKU that no other article has",
                    f"Article {holder} has it: give that one another SKU first, or leave the inventory_id out to "
                    "describe it.",
                )
                for position, sku, holder in taken
            ),
        )  # fmt: skip
    connection.execute(statement("catalogue/upsert_categories"))
    connection.execute(statement("catalogue/rename_products"))
    written = connection.execute(statement("catalogue/upsert_products")).rowcount
    if locked := connection.execute(statement("locks/changed_by_operation"), {"who": who}).fetchall():
        raise BadInput(
            f"Locked: {'; '.join(f'{sku} by {by}' for sku, by in locked)}. Nothing was written. Wait until the "
            "locks end, or leave these articles out."
        )
    return written


def upsert_locations(connection: Connection[Any], locations: Iterable[Mapping[str, Any]]) -> int:
    """Insert or update locations by code.

    Raises:
        BadInput: a code or zone is missing, or the zone is not an IANA name.
        psycopg.errors.RestrictViolation: the zone of a location that has evidence would change.
    """
    errors = []
    rows = list(locations)
    known = zoneinfo.available_timezones()
    for index, location in enumerate(rows):
        code, zone = location.get("code"), location.get("timezone")
        if not isinstance(code, str) or not code or not is_storable(code) or len(code) > _LONGEST_CODE:
            remedy = f"Give the location a code of at most {_LONGEST_CODE} characters."
            errors.append(RowError("locations", index, "code", repr(code)[:100], "text", remedy))
        if zone not in known:
            errors.append(
                RowError(
                    "locations", index, "timezone", repr(zone), "an IANA zone", "For example Europe/London."
                )
            )
    if errors:
        raise BadInput("The locations cannot be taken:", tuple(errors))
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into locations as l (code, name, timezone) values (%s, %s, %s) "
            "on conflict (code) do update set name = coalesce(excluded.name, l.name), timezone = excluded.timezone "
            "where (l.timezone, l.name) is distinct from (excluded.timezone, coalesce(excluded.name, l.name))",
            sorted((row["code"], row.get("name"), row["timezone"]) for row in rows),
        )
    return len(rows)
