"""The demo's papers in the form of files: CSV, workbooks and Parquet, the same bytes for the same seed.

What belongs here: layouts and formats. What does not: what the files say (``history``, ``flaws``).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from syncstock_dagster.demo.catalogue import Article
from syncstock_dagster.demo.papers import CountSheet, Movement, MovementFile

_COLUMNS = ("document", "line", "sku", "location", "quantity", "effective_at", "reason", "unit_price")
_TRANSFER_COLUMNS = (
    "document",
    "line",
    "sku",
    "location",
    "to_location",
    "quantity",
    "effective_at",
    "arrives_at",
)

#: A workbook carries the moment it was made; a fixed one keeps the bytes the same.
_CREATED = datetime(2025, 1, 1, 8)  # noqa: DTZ001 - a document property has no zone

#: Every shop has its own words for the columns of its count sheet.
_SHEET_HEADERS = {
    "london": ("SKU", "Description", "Counted"),
    "cairo": ("Item code", "Item name", "Qty counted"),
    "newyork": ("Article", "Name", "Count"),
}


def write_products(path: Path, articles: Iterable[Article]) -> None:
    """The catalogue."""
    rows = ((a.sku, a.name, a.category, a.price, a.cost) for a in articles)
    write_rows(path, ("sku", "name", "category", "price", "cost"), rows)


def write_movements(path: Path, file: MovementFile) -> None:
    """Movements as CSV, workbook or Parquet, as the name says."""
    rows = file.rows
    if rows and not isinstance(rows[0].effective, datetime):
        totals = ((row.sku, row.location, row.quantity, row.effective) for row in rows)
        write_rows(path, ("sku", "location", "quantity", "day"), totals)
    elif rows and rows[0].to_location is not None:
        write_rows(path, _TRANSFER_COLUMNS, (_transfer_as_text(row) for row in rows))
    elif path.suffix == ".parquet":
        _write_parquet(path, rows)
    elif path.suffix == ".xlsx":
        _write_movement_workbook(path, rows)
    else:
        write_rows(path, _COLUMNS, (_as_text(row) for row in rows))


def write_counts(path: Path, sheet: CountSheet, *, saved_again: bool = False) -> None:
    """A count sheet: a CSV with the instant on each line, or a workbook with the instant above the table."""
    if path.suffix == ".csv":
        at = _minute(sheet.counted_at)
        rows = (
            (line.sku, line.name, line.quantity, sheet.location, at, sheet.counter) for line in sheet.lines
        )
        write_rows(path, ("sku", "name", "counted", "location", "counted_at", "counter"), rows)
    else:
        _write_count_workbook(path, sheet, saved_again)


def write_rows(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A CSV file. Line ends are the same on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def set_delivered(path: Path, delivered_at: datetime) -> None:
    """A file's age in the folder is the moment it was delivered."""
    seconds = delivered_at.replace(tzinfo=UTC).timestamp()
    os.utime(path, (seconds, seconds))


def _as_text(row: Movement) -> tuple[object, ...]:
    at = _minute(row.effective)
    return (row.document, row.line, row.sku, row.location, row.quantity, at, row.reason, row.unit_price)


def _transfer_as_text(row: Movement) -> tuple[object, ...]:
    left, there = _minute(row.effective), _minute(row.arrives or row.effective)
    return (row.document, row.line, row.sku, row.location, row.to_location, row.quantity, left, there)


def _minute(at: date) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _write_parquet(path: Path, rows: list[Movement]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "document": pa.array([row.document for row in rows], pa.string()),
            "line": pa.array([row.line for row in rows], pa.string()),
            "sku": pa.array([row.sku for row in rows], pa.string()),
            "location": pa.array([row.location for row in rows], pa.string()),
            "quantity": pa.array([row.quantity for row in rows], pa.int64()),
            "effective_at": pa.array([row.effective for row in rows], pa.timestamp("us")),
            "unit_price": pa.array([row.unit_price for row in rows], pa.decimal128(12, 2)),
        }
    )
    pq.write_table(table, path)


def _write_movement_workbook(path: Path, rows: list[Movement]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(path) as book:
        book.set_properties({"created": _CREATED})
        minute = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        page = book.add_worksheet("Purchases")
        page.write_row(0, 0, _COLUMNS)
        for number, row in enumerate(rows, 1):
            page.write_string(number, 0, row.document or "")
            page.write_string(number, 1, row.line or "")
            page.write_string(number, 2, row.sku)
            page.write_string(number, 3, row.location)
            page.write_number(number, 4, row.quantity)
            page.write_datetime(number, 5, row.effective, minute)
            page.write_string(number, 6, row.reason or "")
            page.write_number(number, 7, row.unit_price or Decimal(0))


def _write_count_workbook(path: Path, sheet: CountSheet, saved_again: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(path) as book:
        # Saving a workbook again changes its bytes and nothing that it says.
        author = "somebody else" if saved_again else sheet.counter
        book.set_properties({"created": _CREATED, "author": author})
        bold = book.add_format({"bold": True})
        minute = book.add_format({"num_format": "yyyy-mm-dd hh:mm", "align": "left"})
        page = book.add_worksheet("Count")
        page.set_column(0, 2, 18)
        page.write_string(0, 0, "Stock count", bold)
        page.write_string(1, 0, "Location")
        page.write_string(1, 1, sheet.location)
        page.write_string(2, 0, "Counted at")
        page.write_datetime(2, 1, sheet.counted_at, minute)
        page.write_string(3, 0, "Counted by")
        page.write_string(3, 1, sheet.counter)
        for column, header in enumerate(_SHEET_HEADERS[sheet.location]):
            page.write_string(5, column, header, bold)
        for number, line in enumerate(sheet.lines, 6):
            page.write_string(number, 0, line.sku)
            page.write_string(number, 1, line.name)
            page.write_number(number, 2, line.quantity)
