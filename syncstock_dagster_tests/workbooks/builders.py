"""Files made in memory for the tests of reading them.

Put here what builds bytes. Keep out expectations.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from syncstock_dagster.sources import FileSettings, ParsedFile, parse_file
from syncstock_dagster.stock.policy import DEFAULTS, Kind, SourcePolicy
from syncstock_dagster.workbooks.catalogue import NOTHING_KNOWN, Known

Rows = Iterable[Sequence[Any]]

_SOURCE: dict[Kind, str] = {
    "purchases": "purchases",
    "sales": "sales",
    "movements": "movements",
    "counts": "excel",
    "products": "products",
}


def parse(
    content: bytes | str,
    name: str = "file.csv",
    kind: Kind = "movements",
    *,
    source: str | None = None,
    policy: SourcePolicy | None = None,
    settings: FileSettings | None = None,
    known: Known = NOTHING_KNOWN,
    **changes: Any,
) -> ParsedFile:
    """Parse under the default policy of the kind, changed by ``changes``."""
    if isinstance(content, str):
        content = content.encode()
    source = source or _SOURCE[kind]
    policy = (policy or DEFAULTS[_SOURCE[kind]]).model_copy(update=changes)
    return parse_file(content, name, kind, source, policy, settings=settings, known=known)


def csv_file(rows: Rows, delimiter: str = ",", encoding: str = "utf-8", line_end: str = "\n") -> bytes:
    """The rows, the header among them, as a CSV file."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return text.getvalue().encode(encoding)


def workbook(
    sheets: Mapping[str, Rows], change: Callable[[Any, Any], None] | None = None, **options: Any
) -> bytes:
    """A workbook of one or more sheets; Python's types become the cells' types. ``change`` gets the book too."""
    data = io.BytesIO()
    with xlsxwriter.Workbook(data, {"in_memory": True, **options}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        pages = {}
        for name, rows in sheets.items():
            page = pages[name] = book.add_worksheet(name)
            for row, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    if cell is None or cell == "":
                        continue
                    if isinstance(cell, datetime):
                        page.write_datetime(row, column, cell, instant)
                    elif isinstance(cell, date):
                        page.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), day)
                    elif isinstance(cell, str):
                        page.write_string(row, column, cell)
                    else:
                        page.write(row, column, cell)
        if change:
            change(book, pages)
    return data.getvalue()


def parquet(columns: Mapping[str, Any]) -> bytes:
    """A Parquet file of these columns."""
    data = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), data)
    return data.getvalue()


def with_part(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """A workbook with one of its parts changed."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return data.getvalue()


def real_file(name: str) -> bytes:
    """A file of the real data; the test is skipped where there is none."""
    folder = os.environ.get("SYNCSTOCK_REAL_DATA")
    if not folder:
        pytest.skip("SYNCSTOCK_REAL_DATA does not name the folder of the real data")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"the real data in SYNCSTOCK_REAL_DATA has no {name}")
    return path.read_bytes()


def said(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table, each with what is not null but position and source."""
    hidden = {"position", "source"}
    return [
        {name: value for name, value in row.items() if value is not None and name not in hidden}
        for row in table.to_pylist()
    ]
