"""Arrow tables into PostgreSQL with COPY, and Arrow tables as compact bytes.

What belongs here: moving columns. What does not: knowing what they mean.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from psycopg import Connection, sql

from syncstock_dagster.store import copy_binary

_REPEATING = pa.dictionary(pa.int32(), pa.string())
#: The types of the columns of our tables, which are the same in every database.
_types: dict[tuple[str, ...], tuple[int, ...]] = {}


def copy_table(connection: Connection[Any], table: str, rows: pa.Table) -> None:
    """Append ``rows`` to ``table``, into the columns of the same names; exact numbers are given as text."""
    if not len(rows):
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    types = _types_of(connection, table, columns, tuple(rows.column_names))
    command = sql.SQL("copy {} ({}) from stdin (format binary)").format(sql.Identifier(table), columns)
    # The next rows are written while the server reads those before them.
    with (
        ThreadPoolExecutor(1) as writer,
        connection.cursor() as cursor,
        cursor.copy(command) as copy,
    ):
        copy.write(copy_binary.HEADER)
        ahead: deque[Future[pa.Buffer]] = deque()
        for batch in copy_binary.batches(connection, rows, types):
            ahead.append(writer.submit(batch))
            if len(ahead) > 1:
                copy.write(memoryview(ahead.popleft().result()))
        copy.write(memoryview(ahead.popleft().result()))
        copy.write(copy_binary.TRAILER)


def _types_of(
    connection: Connection[Any], table: str, columns: sql.Composable, names: tuple[str, ...]
) -> tuple[int, ...]:
    key = (table, *names)
    if key not in _types:
        empty = sql.SQL("select {} from {} limit 0").format(columns, sql.Identifier(table))
        described = connection.execute(empty).description or []
        _types[key] = tuple(column.type_code for column in described)
    return _types[key]


def to_bytes(rows: pa.Table) -> bytes:
    """An Arrow table as a zstd-compressed IPC stream; texts that repeat, as nearly all of them do, stand in it once."""
    compact = rows.cast(_with_types(rows.schema, pa.string(), _REPEATING))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, compact.schema, options=options) as writer:
        writer.write_table(compact)
    return sink.getvalue().to_pybytes()


def from_bytes(data: bytes) -> pa.Table:
    """The Arrow table that ``to_bytes`` wrote."""
    with pa.ipc.open_stream(data) as reader:
        compact = reader.read_all()
    return compact.cast(_with_types(compact.schema, _REPEATING, pa.string()))


def _with_types(schema: pa.Schema, old: pa.DataType, new: pa.DataType) -> pa.Schema:
    return pa.schema([field.with_type(new) if field.type == old else field for field in schema])


def compress(content: bytes) -> bytes:
    """An upload as it is kept: zstd."""
    return pa.compress(content, codec="zstd", asbytes=True)


def decompress(content: bytes, size: int) -> bytes:
    """An upload of ``size`` bytes as it came."""
    return pa.decompress(content, decompressed_size=size, codec="zstd", asbytes=True)
