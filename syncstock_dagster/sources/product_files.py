"""Files of the catalogue: from opened sheets to products.

What belongs here: the columns of a product file. What does not: creating, versioning or matching products.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from syncstock_dagster.stock.evidence import PRODUCT_SCHEMA
from syncstock_dagster.workbooks.opening import FileSettings
from syncstock_dagster.workbooks.rows import Problems, RowReader
from syncstock_dagster.workbooks.sheets import Opened
from syncstock_dagster.workbooks.values import Refusal

_NAME_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Products:
    """The products of one file."""

    #: In ``PRODUCT_SCHEMA``; rows that were refused are not in it.
    products: pa.Table
    lines: int
    bad_lines: int


def read_products(opened: Opened, settings: FileSettings, problems: Problems) -> Products:
    """Read every sheet of a product file. A blank cell says nothing about the product and clears nothing."""
    tables: list[pa.Table] = []
    offset = lines = bad_lines = 0
    listed: dict[str, str] = {}
    for sheet in opened.sheets:
        rows = RowReader(
            sheet,
            problems,
            decimal_mark=settings.decimal_mark or ".",
            doubtful_text=opened.book.doubtful_text,
            offset=offset,
        )
        columns = {
            "position": rows.positions,
            "sku": rows.code("sku"),
            "name": rows.text("name", limit=_NAME_LIMIT),
            "category": rows.text("category"),
            "price": rows.quantity("price"),
            "cost": rows.quantity("cost"),
        }
        rows.refuse(rows.blank("sku"), "sku", _NO_CODE)
        _refuse_listed_twice(rows, columns["sku"], listed)
        good = pa.array(~rows.bad)
        tables.append(
            pa.table({name: column.filter(good) for name, column in columns.items()}, schema=PRODUCT_SCHEMA)
        )
        lines += len(sheet) + len(sheet.broken)
        bad_lines += int(rows.bad.sum()) + len(sheet.broken)
        offset += sheet.last_row
    products = pa.concat_tables(tables) if tables else PRODUCT_SCHEMA.empty_table()
    return Products(products, lines, bad_lines)


def _refuse_listed_twice(rows: RowReader, sku: pa.Array, listed: dict[str, str]) -> None:
    """Of two lines for one product the later is refused; ``listed`` remembers where each first stood."""
    sheet = rows.sheet
    refusals: dict[int, Refusal] = {}
    for index, (code, row) in enumerate(zip(sku.to_pylist(), sheet.rows.tolist(), strict=True)):
        if code in listed:
            refusals[index] = Refusal(
                f"each product once; {listed[code]} has it too", "Remove one of the lines."
            )
        elif code is not None:
            listed[code] = _place(sheet.name, row)
    rows.refuse_each("sku", refusals)


def _place(sheet: str | None, row: int) -> str:
    return f"row {row}" if sheet is None else f"row {row} of sheet {sheet!r}"


_NO_CODE = Refusal("the code of a product", "Write the product's code, or remove the line.")
