"""Arrow tables into PostgreSQL with COPY, and Arrow tables as compact bytes.

What belongs here: moving columns. What does not: knowing what they mean.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import Connection, sql

_BATCH_ROWS = 50_000
#: Strings are always quoted, so that COPY tells the empty text from null.
_CSV = arrow_csv.WriteOptions(include_header=False, quoting_style="needed")


def copy_table(connection: Connection[Any], table: str, rows: pa.Table) -> None:
    """Append ``rows`` to ``table``, whose columns of the same names take their text form."""
    if not len(rows):
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    command = sql.SQL("copy {} ({}) from stdin (format csv)").format(sql.Identifier(table), columns)
    batches = rows.to_batches(max_chunksize=_BATCH_ROWS)
    # The next batch is written as text while the server reads the one before it.
    with (
        ThreadPoolExecutor(1) as writer,
        connection.cursor() as cursor,
        cursor.copy(command) as copy,
    ):
        texts = [writer.submit(_text, batch) for batch in batches[:1]]
        for following in [*batches[1:], None]:
            text = texts.pop().result()
            if following is not None:
                texts.append(writer.submit(_text, following))
            copy.write(memoryview(text))


def _text(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(batch, sink, write_options=_CSV)
    return sink.getvalue()


def to_bytes(rows: pa.Table) -> bytes:
    """An Arrow table as a zstd-compressed IPC stream."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def from_bytes(data: bytes) -> pa.Table:
    """The Arrow table that ``to_bytes`` wrote."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def compress(content: bytes) -> bytes:
    """An upload as it is kept: zstd."""
    return pa.compress(content, codec="zstd", asbytes=True)


def decompress(content: bytes, size: int) -> bytes:
    """An upload of ``size`` bytes as it came."""
    return pa.decompress(content, decompressed_size=size, codec="zstd", asbytes=True)
