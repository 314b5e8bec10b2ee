"""The one shape in which every source hands over what it knows: movements and counts, as Arrow tables.

What belongs here: the column contract between whoever reads evidence (records, files, vendors) and posting, and
the error of one row as a value. What does not: reading anything, and what the database does with the rows.

Time axis: a row carries *either* an aware instant (``*_at``, UTC microseconds), *or* a naive wall-clock time in
the zone of its location (``*_local``; only the database knows the zone), *or* nothing but a business ``day``.
Quantities are canonical decimal text, so that they are exact until PostgreSQL reads them as ``numeric``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa

from syncstock_dagster.errors import BadInput, RowError

__all__ = [
    "COUNT_SCHEMA",
    "DECIMAL_TEXT",
    "MOVEMENT_SCHEMA",
    "PRODUCT_SCHEMA",
    "BadInput",
    "Evidence",
    "RowError",
    "decimal_text",
]

#: Quantities and prices: at most 18 digits before and 12 after the point; never an exponent, NaN or infinity.
DECIMAL_TEXT = re.compile(r"-?\d{1,18}(\.\d{1,12})?")


def decimal_text(number: Decimal) -> str:
    """An exact number in plain digits: no exponent, no zeros behind the last decimal."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


#: Grain: one row is one line of a document (or one leg of a transfer), or one contribution to a day total.
MOVEMENT_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32(), nullable=False),  # order within the delivery; the file's row number
        pa.field("source", pa.string(), nullable=False),
        pa.field("document", pa.string()),  # null: the row contributes to a day total
        pa.field("line", pa.string()),  # null: the ordinal for that article within its document is used
        pa.field("leg", pa.int16(), nullable=False),  # 0; the receiving leg of a transfer is 1
        pa.field("sku", pa.string()),  # as delivered: untrimmed, unfolded
        pa.field("inventory_id", pa.int64()),  # instead of a SKU
        pa.field("location", pa.string()),  # null: the default location
        pa.field("quantity", pa.string(), nullable=False),  # signed: positive raises stock
        pa.field("effective_at", pa.timestamp("us", tz="UTC")),
        pa.field("effective_local", pa.timestamp("us")),
        pa.field("day", pa.date32()),
        pa.field("reason", pa.string(), nullable=False),  # purchase, sale, return, transfer, damage, ...
        pa.field("unit_price", pa.string()),
    ]
)

#: Grain: one row is one counted line: an article at a location in one room, at one instant.
COUNT_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("session", pa.string()),  # several sheets of one stocktake; null: the source itself
        pa.field("room", pa.string()),  # rooms of one session are summed
        pa.field("counter", pa.string()),  # who counted; for people, never part of the identity
        pa.field("remark", pa.string()),  # what they wrote beside it; for people too
        pa.field("sku", pa.string()),
        pa.field("inventory_id", pa.int64()),
        pa.field("location", pa.string()),
        pa.field("quantity", pa.string(), nullable=False),
        pa.field("counted_at", pa.timestamp("us", tz="UTC")),
        pa.field("counted_local", pa.timestamp("us")),
        pa.field("day", pa.date32()),  # known only by its day: stands at the source's stated local time
        pa.field("counted_from", pa.timestamp("us", tz="UTC")),  # the count took from here to counted_at
        pa.field("counted_from_local", pa.timestamp("us")),
    ]
)

#: Grain: one row is one product of a catalogue file. Every column but ``sku`` may be null: not said.
PRODUCT_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32(), nullable=False),
        pa.field("sku", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("category", pa.string()),
        pa.field("price", pa.string()),
        pa.field("cost", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Movements and counts of one delivery, in the schemas above, and the rows that could not be understood."""

    movements: pa.Table = field(default_factory=MOVEMENT_SCHEMA.empty_table)
    counts: pa.Table = field(default_factory=COUNT_SCHEMA.empty_table)
    errors: tuple[RowError, ...] = ()

    def __len__(self) -> int:
        return len(self.movements) + len(self.counts)
