"""Rows in the binary form of COPY, made by columns: the server need not cut and understand text.

What belongs here: what a field of each of PostgreSQL's types looks like. What does not: sending it (``copy``).
Source of the form: the documentation of COPY ("Binary Format"), and the receive function of each type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Connection, postgres
from psycopg.adapt import PyFormat

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_BATCH_ROWS = 50_000
_BLOB = pa.large_binary()
_NOTHING = pa.scalar(b"", _BLOB)
_NULL = pa.scalar(b"\xff\xff\xff\xff", _BLOB)
#: PostgreSQL counts from 2000-01-01, Arrow from 1970-01-01.
_DAYS, _MICROSECONDS = 10_957, 10_957 * 86_400_000_000

Field = Callable[[pa.Array], pa.Array]


def batches(
    connection: Connection[Any], rows: pa.Table, types: Sequence[int]
) -> Iterator[Callable[[], pa.Buffer]]:
    """What makes the bytes of some thousand rows each, between ``HEADER`` and ``TRAILER``.

    Args:
        connection: knows how a number is written.
        rows: the columns, each of a type that can be cast to that of its target.
        types: the OIDs of the target's types.

    Raises:
        KeyError: a type is not among those known here.
    """
    forms = {**_FORMS, _oid("numeric"): _Form(pa.string(), _numeric(connection))}
    fields = [forms[oid] for oid in types]
    count = pa.scalar(len(fields).to_bytes(2, "big"), _BLOB)

    def encoded(batch: pa.RecordBatch) -> pa.Buffer:
        parts: list[pa.Array | pa.Scalar] = [count]
        for form, column in zip(fields, batch.columns, strict=True):
            parts.append(form.field(column.cast(form.arrow)))
        joined = pc.binary_join_element_wise(*parts, _NOTHING)
        offsets = np.frombuffer(joined.buffers()[1], dtype=np.int64, count=len(joined) + 1)
        return joined.buffers()[2].slice(offsets[0], offsets[-1] - offsets[0])

    for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
        yield partial(encoded, batch)


def _sized(values: np.ndarray[Any, Any], valid: pa.Array) -> pa.Array:
    """Fields of one size: how many bytes follow, and these."""
    size = values.dtype.itemsize
    whole = np.empty(len(values), dtype=[("size", ">i4"), ("value", values.dtype)])
    whole["size"], whole["value"] = size, values
    blobs = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4 + size), len(values), [None, pa.py_buffer(whole)]
    )
    return _or_null(blobs.cast(_BLOB), valid)


def _or_null(blobs: pa.Array, valid: pa.Array) -> pa.Array:
    return pc.if_else(valid, blobs, _NULL)


def _integer(kind: str, before: int = 0, base: pa.DataType | None = None) -> Field:
    def field(column: pa.Array) -> pa.Array:
        plain = column if base is None else column.cast(base)
        return _sized((pc.fill_null(plain, 0).to_numpy() - before).astype(kind), column.is_valid())

    return field


def _boolean(column: pa.Array) -> pa.Array:
    values = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return _sized(values.astype("u1"), column.is_valid())


def _text(prefix: bytes = b"") -> Field:
    def field(column: pa.Array) -> pa.Array:
        texts = pc.fill_null(column, "").cast(_BLOB)
        sizes = (pc.binary_length(texts).to_numpy() + len(prefix)).astype(">i4")
        blobs = pa.FixedSizeBinaryArray.from_buffers(pa.binary(4), len(sizes), [None, pa.py_buffer(sizes)])
        whole = pc.binary_join_element_wise(blobs.cast(_BLOB), pa.scalar(prefix, _BLOB), texts, _NOTHING)
        return _or_null(whole, column.is_valid())

    return field


def _numeric(connection: Connection[Any]) -> Field:
    """Numbers that are given as text; each of them is understood once a batch, for most of them repeat."""
    dumper = connection.adapters.get_dumper(Decimal, PyFormat.BINARY)(Decimal, connection)

    def written(text: str) -> bytes:
        number = bytes(dumper.dump(Decimal(text)) or b"")
        return len(number).to_bytes(4, "big") + number

    def field(column: pa.Array) -> pa.Array:
        encoded = column.dictionary_encode()
        blobs = pa.array(map(written, encoded.dictionary.to_pylist()), type=_BLOB)
        return pc.fill_null(blobs.take(encoded.indices), _NULL)

    return field


@dataclass(frozen=True, slots=True)
class _Form:
    """How the values of one of PostgreSQL's types are given, and what becomes of them."""

    arrow: pa.DataType
    field: Field


def _oid(name: str) -> int:
    return postgres.types[name].oid


_FORMS = {
    _oid("bool"): _Form(pa.bool_(), _boolean),
    _oid("int2"): _Form(pa.int16(), _integer(">i2")),
    _oid("int4"): _Form(pa.int32(), _integer(">i4")),
    _oid("int8"): _Form(pa.int64(), _integer(">i8")),
    _oid("date"): _Form(pa.date32(), _integer(">i4", _DAYS, pa.int32())),
    _oid("timestamp"): _Form(pa.timestamp("us"), _integer(">i8", _MICROSECONDS, pa.int64())),
    _oid("timestamptz"): _Form(pa.timestamp("us", "UTC"), _integer(">i8", _MICROSECONDS, pa.int64())),
    _oid("text"): _Form(pa.string(), _text()),
    _oid("jsonb"): _Form(pa.string(), _text(b"\x01")),
}
