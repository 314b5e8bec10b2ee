"""Rows in the binary form of COPY, made by columns: the server need not cut and understand text.

What belongs here: what a field of each of PostgreSQL's types looks like. What does not: sending it (``copy``).
Source of the form: the documentation of COPY ("Binary Format"), and the receive function of each type.

Nothing here goes by ``pa.array``, ``pa.scalar`` or ``to_numpy``: they load pandas, which takes longer than
a small run takes without it.
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
#: PostgreSQL counts from 2000-01-01, Arrow from 1970-01-01.
_DAYS, _MICROSECONDS = 10_957, 10_957 * 86_400_000_000

Field = Callable[[pa.Array], pa.Array]


def _blobs(parts: Sequence[bytes]) -> pa.Array:
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return pa.LargeBinaryArray.from_buffers(
        _BLOB, len(parts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))]
    )


_NOTHING, _NULL = _blobs([b"", b"\xff\xff\xff\xff"])


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
    (count,) = _blobs([len(fields).to_bytes(2, "big")])

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


def _plain(values: pa.Array) -> np.ndarray[Any, Any]:
    """Whole numbers, of which none is null."""
    kind = "u1" if values.type == pa.uint8() else f"i{values.type.bit_width // 8}"
    return np.frombuffer(values.buffers()[1], dtype=kind, count=values.offset + len(values))[values.offset :]


def _or_null(blobs: pa.Array, valid: pa.Array) -> pa.Array:
    return pc.if_else(valid, blobs, _NULL)


def _integer(kind: str, before: int = 0, base: pa.DataType | None = None) -> Field:
    def field(column: pa.Array) -> pa.Array:
        plain = column if base is None else column.cast(base)
        (zero,) = pa.Array.from_buffers(plain.type, 1, [None, pa.py_buffer(bytes(8))])
        return _sized((_plain(pc.coalesce(plain, zero)) - before).astype(kind), column.is_valid())

    return field


def _text(prefix: bytes = b"") -> Field:
    (first,) = _blobs([prefix])

    def field(column: pa.Array) -> pa.Array:
        texts = pc.coalesce(column.cast(_BLOB), _NOTHING)
        sizes = (_plain(pc.binary_length(texts)) + len(prefix)).astype(">i4")
        blobs = pa.FixedSizeBinaryArray.from_buffers(pa.binary(4), len(sizes), [None, pa.py_buffer(sizes)])
        return _or_null(
            pc.binary_join_element_wise(blobs.cast(_BLOB), first, texts, _NOTHING), column.is_valid()
        )

    return field


def _numeric(connection: Connection[Any]) -> Field:
    """Numbers that are given as text; each of them is understood once a batch, for most of them repeat."""
    dumper = connection.adapters.get_dumper(Decimal, PyFormat.BINARY)(Decimal, connection)

    def written(text: str) -> bytes:
        number = bytes(dumper.dump(Decimal(text)) or b"")
        return len(number).to_bytes(4, "big") + number

    def field(column: pa.Array) -> pa.Array:
        encoded = column.dictionary_encode()
        blobs = _blobs([written(text) for text in encoded.dictionary.to_pylist()])
        return pc.coalesce(blobs.take(encoded.indices), _NULL)

    return field


@dataclass(frozen=True, slots=True)
class _Form:
    """How the values of one of PostgreSQL's types are given, and what becomes of them."""

    arrow: pa.DataType
    field: Field


def _oid(name: str) -> int:
    return postgres.types[name].oid


_FORMS = {
    _oid("bool"): _Form(pa.bool_(), _integer("u1", 0, pa.uint8())),
    _oid("int2"): _Form(pa.int16(), _integer(">i2")),
    _oid("int4"): _Form(pa.int32(), _integer(">i4")),
    _oid("int8"): _Form(pa.int64(), _integer(">i8")),
    _oid("date"): _Form(pa.date32(), _integer(">i4", _DAYS, pa.int32())),
    _oid("timestamp"): _Form(pa.timestamp("us"), _integer(">i8", _MICROSECONDS, pa.int64())),
    _oid("timestamptz"): _Form(pa.timestamp("us", "UTC"), _integer(">i8", _MICROSECONDS, pa.int64())),
    _oid("text"): _Form(pa.string(), _text()),
    _oid("jsonb"): _Form(pa.string(), _text(b"\x01")),
}
