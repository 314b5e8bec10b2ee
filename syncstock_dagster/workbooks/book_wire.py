"""A book as bytes, on its way from the process that reads files to the one that asked.

What belongs here: the form of a request and of an answer. Both are JSON and Arrow, which hold data and nothing that can
be run: the process that reads files may have been taken over by one. What does not: processes (``reader_process``).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from syncstock_dagster.workbooks.opening import Wording
from syncstock_dagster.workbooks.sheets import Book, BrokenRow, Grid, Span, UnreadableFileError

_LENGTH = struct.Struct("<Q")


def frame(*parts: bytes | memoryview) -> Iterator[bytes | memoryview]:
    """A message: how many parts, then each with its length."""
    yield _LENGTH.pack(len(parts))
    for part in parts:
        yield _LENGTH.pack(len(part))
        yield part


def request(content: bytes, wording: Wording, seconds: float) -> list[bytes]:
    """What is asked of the reader, and how long it may take."""
    return [json.dumps({"wording": asdict(wording), "seconds": seconds}).encode(), content]


def requested(parts: list[bytes]) -> tuple[bytes, Wording, float]:
    """The same, at the other end."""
    asked = json.loads(parts[0])
    wording = Wording(**asked["wording"] | {"headers": tuple(asked["wording"]["headers"])})
    return parts[1], wording, float(asked["seconds"])


def refusal(error: UnreadableFileError) -> list[bytes]:
    """The answer for a file that cannot be read."""
    return [json.dumps({"found": error.found, "expected": error.expected, "remedy": error.remedy}).encode()]


def answer(book: Book) -> list[bytes | memoryview]:
    """The answer for a file that was read."""
    about: dict[str, Any] = {
        "reader": book.reader,
        "digest": book.digest.hex(),
        "notes": list(book.notes),
        "doubtful_text": book.doubtful_text,
        "properties": dict(book.properties),
        "grids": [_about(grid) for grid in book.grids],
    }
    return [json.dumps(about).encode("utf-8", "backslashreplace"), *map(_cells, book.grids)]


def answered(parts: list[memoryview]) -> Book:
    """The book in an answer.

    Raises:
        UnreadableFileError: that is the answer.
        ValueError: it is no answer (``pa.ArrowInvalid`` is one too).
    """
    about = json.loads(bytes(parts[0]))
    if "found" in about:
        raise UnreadableFileError(about["found"], about["expected"], about["remedy"])
    grids = [_grid(said, cells) for said, cells in zip(about["grids"], parts[1:], strict=True)]
    return Book(
        grids=grids,
        reader=about["reader"],
        digest=bytes.fromhex(about["digest"]),
        notes=about["notes"],
        doubtful_text=about["doubtful_text"],
        properties=about["properties"],
    )


def _about(grid: Grid) -> dict[str, Any]:
    return {
        "name": grid.name,
        "visible": grid.visible,
        "hidden_rows": sorted(grid.hidden_rows),
        "hidden_columns": sorted(grid.hidden_columns),
        "merged": [
            [span.first_row, span.first_column, span.last_row, span.last_column] for span in grid.merged
        ],
        "broken": [[row.row, row.found, row.expected] for row in grid.broken],
        "last_row": grid.last_row,
        "serial_epoch": grid.serial_epoch and grid.serial_epoch.isoformat(),
        "width": len(grid.columns),
    }


def _cells(grid: Grid) -> memoryview:
    columns: dict[str, pa.Array] = {"rows": pa.array(grid.rows, pa.int32())}
    for index, (texts, kinds) in enumerate(zip(grid.columns, grid.kinds, strict=True)):
        columns[f"t{index}"] = texts
        if kinds is not None:
            columns[f"k{index}"] = pa.array(kinds, pa.uint8())
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return memoryview(sink.getvalue())


def _grid(said: dict[str, Any], cells: memoryview) -> Grid:
    (batch,) = pa.ipc.open_stream(pa.py_buffer(cells))
    batch.validate(full=True)
    columns = [batch.column(f"t{index}") for index in range(said["width"])]
    if any(column.type != pa.string() or column.null_count for column in columns):
        raise ValueError("columns that are not text")
    names = set(batch.schema.names)
    return Grid(
        name=said["name"],
        columns=columns,
        kinds=[
            batch.column(f"k{index}").to_numpy(zero_copy_only=False) if f"k{index}" in names else None
            for index in range(said["width"])
        ],
        rows=np.asarray(batch.column("rows").to_numpy(zero_copy_only=False), np.int32),
        visible=said["visible"],
        hidden_rows=frozenset(said["hidden_rows"]),
        hidden_columns=frozenset(said["hidden_columns"]),
        merged=[Span(*span) for span in said["merged"]],
        broken=[BrokenRow(*row) for row in said["broken"]],
        last_row=said["last_row"],
        serial_epoch=date.fromisoformat(said["serial_epoch"]) if said["serial_epoch"] else None,
    )
