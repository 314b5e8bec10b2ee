"""Files of purchases, sales and other movements: from opened sheets to movement evidence.

What belongs here: the sign of a quantity, default reasons, document lines against day totals, and transfers.
What does not: opening files (``workbooks``), recognising a document seen before, posting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.stock.evidence import MOVEMENT_SCHEMA
from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.headers import normalised
from syncstock_dagster.workbooks.opening import FileSettings
from syncstock_dagster.workbooks.rows import Problems, RowReader
from syncstock_dagster.workbooks.sheets import Mask, Opened, Sheet
from syncstock_dagster.workbooks.values import Instants, Refusal, as_mask

MovementKind = Literal["purchases", "sales", "movements"]


@dataclass(frozen=True, slots=True)
class MovementEvidence:
    """The movements of one file."""

    #: In ``MOVEMENT_SCHEMA``; rows that were refused are not in it.
    movements: pa.Table
    lines: int
    bad_lines: int


def read_movements(
    opened: Opened, kind: MovementKind, source: str, settings: FileSettings, problems: Problems
) -> MovementEvidence:
    """Read every sheet of a movement file.

    A quantity in a sales file is positive for what was sold, in a purchase file for what came in, in a
    movement file for what raises the stock, and in a transfer for what is moved.
    """
    tables: list[pa.Table] = []
    offset = lines = bad_lines = 0
    for sheet in opened.sheets:
        rows = RowReader(
            sheet,
            problems,
            decimal_mark=settings.decimal_mark or ".",
            doubtful_text=opened.book.doubtful_text,
            offset=offset,
        )
        tables.append(_movements(sheet, rows, kind, source, problems))
        lines += len(sheet) + len(sheet.broken)
        bad_lines += int(rows.bad.sum()) + len(sheet.broken)
        offset += sheet.last_row
    movements = pa.concat_tables(tables) if tables else MOVEMENT_SCHEMA.empty_table()
    return MovementEvidence(movements, lines, bad_lines)


def _movements(
    sheet: Sheet, rows: RowReader, kind: MovementKind, source: str, problems: Problems
) -> pa.Table:
    sku, inventory_id = rows.code("sku"), rows.identifier("inventory_id")
    document, line = rows.text("document"), rows.text("line")
    location, to_location = rows.text("location"), rows.text("to_location")
    quantity, price = rows.quantity("quantity", required=True), rows.quantity("unit_price")
    reason = rows.text("reason")
    effective, day = (
        rows.instant("effective_at", day_field="day"),
        rows.day("day", instant_field="effective_at"),
    )
    arrives = rows.instant("arrives_at")

    is_transfer = ~rows.blank("to_location")
    _check_article(rows)
    day = _check_when(rows, day, problems)
    _check_transfer(rows, kind, is_transfer, quantity, location, to_location, effective, arrives)

    quantity, reason = _signed(kind, quantity, reason, is_transfer)
    table = pa.table(
        {
            "position": rows.positions,
            "source": pa.repeat(pa.scalar(source), len(sheet)),
            "document": document,
            "line": line,
            "leg": pa.repeat(pa.scalar(0, pa.int16()), len(sheet)),
            "sku": sku,
            "inventory_id": inventory_id,
            "location": location,
            "quantity": quantity,
            "effective_at": effective.at,
            "effective_local": effective.local,
            "day": day,
            "reason": reason,
            "unit_price": price,
        },
        schema=MOVEMENT_SCHEMA,
    )
    return _with_arrivals(table, rows, is_transfer, to_location, arrives)


# --- checks


def _check_article(rows: RowReader) -> None:
    no_sku, no_id = rows.blank("sku"), rows.blank("inventory_id")
    rows.refuse(no_sku & no_id, "sku" if rows.has("sku") else "inventory_id", _NO_ARTICLE)
    rows.refuse(~no_sku & ~no_id, "inventory_id", _TWO_ARTICLES)


def _check_when(rows: RowReader, day: pa.Array, problems: Problems) -> pa.Array:
    """Each row says its instant or its day; returns the days that count."""
    no_instant, no_day = rows.blank("effective_at"), rows.blank("day")
    if rows.has("effective_at") and rows.has("day") and normalised(rows.header("day")) != "day":
        # A column called "date" beside the instant repeats it; only one called "day" says that the day is
        # all.
        no_day = no_day | ~no_instant
        day = pc.if_else(pa.array(no_day), pa.scalar(None, pa.date32()), day)
    field = "effective_at" if rows.has("effective_at") else "day"
    rows.refuse(no_instant & no_day, field, _NO_TIME)
    rows.refuse(~no_instant & ~no_day, "day", _TWO_TIMES)
    no_document = rows.blank("document")
    if not rows.has("document") and not rows.has("day"):  # said once, not for each row
        expected, remedy = _NO_DOCUMENT
        row = int(rows.sheet.rows[0]) - 1 if len(rows.sheet) else None
        problems.of_file("no column for the document", expected, remedy, sheet=rows.sheet.name, row=row)
    else:
        rows.refuse(~no_instant & no_document, "document", _NO_DOCUMENT)
    rows.refuse(~rows.blank("line") & no_document, "line", _LINE_OF_NOTHING)
    return day


def _check_transfer(
    rows: RowReader,
    kind: MovementKind,
    is_transfer: Mask,
    quantity: pa.Array,
    location: pa.Array,
    to_location: pa.Array,
    effective: Instants,
    arrives: Instants,
) -> None:
    rows.refuse(~rows.blank("arrives_at") & ~is_transfer, "arrives_at", _ARRIVAL_OF_NOTHING)
    if not is_transfer.any():
        return
    if kind != "movements":
        rows.refuse(is_transfer, "to_location", _TRANSFER_ELSEWHERE)
        return
    rows.refuse(
        is_transfer & rows.blank("document") & rows.blank("effective_at"), "document", _TRANSFER_UNNAMED
    )
    rows.refuse(
        is_transfer & ~as_mask(values.is_positive(quantity).fill_null(True)), "quantity", _TRANSFER_BACKWARDS
    )
    rows.refuse(is_transfer & as_mask(pc.equal(location, to_location)), "to_location", _TRANSFER_NOWHERE)
    early = as_mask(pc.less(arrives.at, effective.at)) & is_transfer
    rows.refuse(
        early, "arrives_at", Refusal("an arrival after the departure", "Correct one of the two times.")
    )


# --- meaning


def _signed(
    kind: MovementKind, quantity: pa.Array, reason: pa.Array, is_transfer: Mask
) -> tuple[pa.Array, pa.Array]:
    """Quantities with the sign they have for the stock, and the reason of each row."""
    quantity = quantity.fill_null("0")  # of refused rows
    distinct = values.Distinct.of(quantity)
    if kind == "sales":
        defaults = pc.if_else(values.is_negative(distinct.texts), "return", "sale")
        return distinct.spread(values.negated(distinct.texts)), pc.coalesce(reason, distinct.spread(defaults))
    if kind == "purchases":
        return quantity, reason.fill_null("purchase")
    if is_transfer.any():
        leaving = pc.if_else(pa.array(is_transfer), distinct.spread(values.negated(distinct.texts)), quantity)
        return leaving, pc.coalesce(reason, pc.if_else(pa.array(is_transfer), "transfer", "adjustment"))
    return quantity, reason.fill_null("adjustment")


def _with_arrivals(
    table: pa.Table, rows: RowReader, is_transfer: Mask, to_location: pa.Array, arrives: Instants
) -> pa.Table:
    """The good rows of ``table``, each transfer followed by its receiving leg."""
    good = ~rows.bad
    departures = table if good.all() else table.filter(pa.array(good))
    moved = good & is_transfer
    if not moved.any():
        return departures
    arriving = pa.array(moved)
    leaving = table.filter(arriving)
    arrival = Instants(*(column.filter(arriving) for column in arrives))
    own_time = pc.or_(pc.is_valid(arrival.at), pc.is_valid(arrival.local))
    columns = {name: leaving[name].combine_chunks() for name in leaving.column_names}
    columns["leg"] = pa.repeat(pa.scalar(1, pa.int16()), len(leaving))
    columns["location"] = to_location.filter(arriving)
    columns["quantity"] = values.negated(columns["quantity"])
    columns["effective_at"] = pc.if_else(own_time, arrival.at, columns["effective_at"])
    columns["effective_local"] = pc.if_else(own_time, arrival.local, columns["effective_local"])
    columns["day"] = pc.if_else(own_time, pa.scalar(None, pa.date32()), columns["day"])
    both = pa.concat_tables([departures, pa.table(columns, schema=MOVEMENT_SCHEMA)]).combine_chunks()
    order = np.lexsort((both["leg"].to_numpy(), both["position"].to_numpy()))
    return both.take(pa.array(order))


_NO_ARTICLE = Refusal(
    "the code of an article", "Write the article's code; remove the line if it is a sum or a remark."
)
_TWO_ARTICLES = Refusal("either an inventory_id or a code", "Clear one of the two; they could disagree.")
_NO_TIME = Refusal("an instant in effective_at, or a day in day", "Write when it happened.")
_TWO_TIMES = Refusal("either an instant or a day", "Clear one of the two; they could disagree.")
_NO_DOCUMENT = Refusal(
    "the document of a line that has an instant",
    "A line with an instant is known by its document: add the receipt or order. Or give a day instead of the "
    "instant: lines without a document are the article's total of that day.",
)
_LINE_OF_NOTHING = Refusal(
    "no line number where there is no document",
    "Add the document, or clear the line number to give a day's total.",
)
_ARRIVAL_OF_NOTHING = Refusal("an arrival only for a transfer", "Add to_location, or clear arrives_at.")
_TRANSFER_ELSEWHERE = Refusal(
    "no to_location in a file of sales or purchases", "Put transfers into a file of the folder movements."
)
_TRANSFER_UNNAMED = Refusal("the document of a transfer", "A transfer is known by its document: add it.")
_TRANSFER_BACKWARDS = Refusal(
    "a positive quantity for a transfer",
    "Write what is moved as a positive number; swap the locations to move it back.",
)
_TRANSFER_NOWHERE = Refusal("another location than the one it leaves", "Correct location or to_location.")
