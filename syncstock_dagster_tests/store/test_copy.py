"""Rows go into the database as they are, in COPY's binary form: each type, nothing, and the ends of its range."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.copy import copy_table, to_bytes

TABLE = (
    "create temp table copied (place int8, small int2, whole int4, large int8, yes bool, words text, exact numeric, "
    "day date, local timestamp, at timestamptz, document jsonb) on commit drop"
)
SCHEMA = pa.schema(
    {
        "place": pa.int64(), "small": pa.int64(), "whole": pa.int32(), "large": pa.int64(), "yes": pa.bool_(),
        "words": pa.string(), "exact": pa.string(), "day": pa.date32(), "local": pa.timestamp("us"),
        "at": pa.timestamp("us", "UTC"), "document": pa.string(),
    }
)  # fmt: skip

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
row = st.tuples(
    st.none() | st.integers(-(2**15), 2**15 - 1),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | words | st.sampled_from(['"', "\\N", "\\.", "", "a,b", "one\r\ntwo"]),
    st.none()
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6),
    st.none() | st.dates(),
    st.none() | st.datetimes(),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.sampled_from(['{"a": [1, "\u00e4"]}', "3", "null"]),
)


@given(rows=st.lists(row, max_size=20), skipped=st.integers(0, 3))
def test_rows_come_back_as_they_went(database_url: str, rows: list[tuple[Any, ...]], skipped: int) -> None:
    given_rows = [
        (place, *row[:5], None if row[5] is None else str(row[5]), *row[6:]) for place, row in enumerate(rows)
    ]
    table = pa.table(
        {name: [row[at] for row in given_rows] for at, name in enumerate(SCHEMA.names)}, schema=SCHEMA
    ).slice(skipped)  # its arrays begin in the middle of their memory
    with connect(database_url) as connection, connection.transaction():
        connection.execute(TABLE)
        copy_table(connection, "copied", table)
        found = connection.execute(
            "select place, small, whole, large, yes, words, exact, day, local, at, document::text from copied "
            "order by place"
        ).fetchall()
    expected = [(place, *row) for place, row in enumerate(rows)][skipped:]
    assert found == expected


def test_many_rows_keep_their_order(database_url: str) -> None:
    table = pa.table({"place": range(120_000), "words": [f"word {n % 7}" for n in range(120_000)]})
    with connect(database_url) as connection, connection.transaction():
        connection.execute("create temp table many (number bigserial, place int8, words text) on commit drop")
        copy_table(connection, "many", table)
        found = connection.execute(
            "select count(*), count(*) filter (where place = number - 1 and words = 'word ' || place % 7) from many"
        ).fetchone()
    assert found == (120_000, 120_000)


@pytest.mark.parametrize(
    ("column", "value"), [("small", 2**15), ("words", "a\x00b"), ("exact", "1e200000")], ids=str
)
def test_what_the_database_cannot_hold_is_refused(database_url: str, column: str, value: Any) -> None:
    table = pa.table({column: pa.array([value], SCHEMA.field(column).type)})
    with connect(database_url) as connection:
        with pytest.raises((psycopg.DataError, pa.ArrowInvalid)), connection.transaction():
            connection.execute(TABLE)
            copy_table(connection, "copied", table)
        assert connection.execute("select 1").fetchone() == (1,)  # and the connection is still good


def test_a_type_that_has_no_form_here_is_an_error(database_url: str) -> None:
    with connect(database_url) as connection, pytest.raises(KeyError), connection.transaction():
        connection.execute("create temp table odd (place point) on commit drop")
        copy_table(connection, "odd", pa.table({"place": ["(1,2)"]}))


def test_a_run_does_without_pandas(database_url: str) -> None:
    """Loading it takes longer than a small run takes without."""
    script = (
        "import sys; from syncstock_dagster.store.connection import connect; "
        "from syncstock_dagster.store.copy import copy_table, from_bytes\n"
        "with connect(sys.argv[1]) as connection, connection.transaction():\n"
        f"    connection.execute({TABLE!r})\n"
        "    copy_table(connection, 'copied', from_bytes(bytes.fromhex(sys.argv[2])))\n"
        "    found = connection.execute('select exact, day, yes, words from copied').fetchall()\n"
        "assert len(found) == 2 and found[1] == (None,) * 4, found\n"
        "assert 'pandas' not in sys.modules"
    )
    rows = pa.table(
        {"exact": ["1.50", None], "day": [date(2026, 3, 2), None], "yes": [True, None], "words": ["a", None]}
    )
    subprocess.run([sys.executable, "-c", script, database_url, to_bytes(rows).hex()], check=True)
