"""Opening Parquet files as a grid of text cells, the names of the columns in front as row 0.

What belongs here: bringing every type a Parquet column can have to the text that stands for it exactly. What
does not: understanding that text (``values``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from syncstock_dagster.workbooks.numbers import number_text
from syncstock_dagster.workbooks.sheets import (
    Book,
    Cell,
    Digest,
    Grid,
    UnreadableFileError,
    blank_rows,
    digest_grid,
)

READER = f"parquet 2 (pyarrow {pa.__version__})"


def open_parquet(content: bytes) -> Book:
    """Open a Parquet file as one grid; a row's number is its position, counted from 1.

    Raises:
        UnreadableFileError: it is damaged, or a column is nested or binary.
    """
    try:
        table = pq.read_table(pa.BufferReader(content), use_threads=True)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError(
            "a damaged Parquet file", "a Parquet file", f"Write it again ({error})."
        ) from error
    columns = [
        pa.concat_arrays([pa.array([name.strip()], pa.string()), _as_text(name, table.column(index))])
        for index, name in enumerate(table.column_names)
    ]
    rows = np.arange(len(table) + 1, dtype=np.int32)
    kinds = [_kinds(table.column(index)) for index in range(len(columns))]
    blank = blank_rows(columns, len(rows))
    if blank.any():
        columns = [column.filter(pa.array(~blank)) for column in columns]
        kinds = [None if kind is None else kind[~blank] for kind in kinds]
        rows = rows[~blank]
    digest = Digest()
    digest_grid(digest, None, columns)
    grid = Grid(name=None, columns=columns, kinds=kinds, rows=rows, last_row=len(table))
    return Book([grid], READER, digest.result())


def _kinds(column: pa.ChunkedArray) -> npt.NDArray[np.uint8] | None:
    """That a column holds numbers, where it does; below its name."""
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return None
    kinds = np.full(len(column) + 1, Cell.NUMBER, np.uint8)
    kinds[0] = Cell.TEXT
    return kinds


def _as_text(name: str, column: pa.ChunkedArray) -> pa.Array:
    """The column as text without nulls; missing is empty."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_floating(kind):
        text = _floats_as_text(column)
    elif pa.types.is_timestamp(kind):
        text = (column.cast(pa.timestamp(kind.unit, tz="UTC")) if kind.tz else column).cast(pa.string())
    elif pa.types.is_date(kind):
        text = column.cast(pa.date32()).cast(pa.string())
    elif (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_time(kind)
        or pa.types.is_null(kind)
    ):
        text = column.cast(pa.string())
    else:
        raise UnreadableFileError(
            f"column {name!r} of type {kind}",
            "columns of text, numbers, dates and times",
            "Write the column as text.",
        )
    return text.combine_chunks().fill_null("")


def _floats_as_text(column: pa.ChunkedArray) -> pa.Array:
    """Floats as the shortest text that names them; NaN is how many programs write a missing number."""
    encoded = column.combine_chunks().dictionary_encode()
    # By way of text, a narrow float keeps the digits that it was written with: 0.1 and not 0.10000000149.
    shortest = encoded.dictionary.cast(pa.string()).to_pylist()
    numbers = [None if text is None else float(text) for text in shortest]
    texts = ["" if number is None or number != number else number_text(number) for number in numbers]
    return pa.chunked_array([pa.array(texts, pa.string()).take(encoded.indices)])
