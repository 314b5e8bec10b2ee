"""Whatever a program can say in a file arrives as it was said, in every format."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster.sources import FileSettings
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, MOVEMENT_SCHEMA
from syncstock_dagster.stock.records import canonical_decimal
from syncstock_dagster.workbooks.headers import normalised, words
from syncstock_dagster_tests.workbooks.builders import csv_file, parquet, parse, workbook

# What XML 1.0 and UTF-8 can carry; blanks alone are nothing, and an error's name is an error.
CODE = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("0123456789"),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() and not text.startswith("#") and not text.startswith("Err:"))
QUANTITY = st.decimals(-(10**9), 10**9, allow_nan=False, places=3).map(canonical_decimal) | st.integers(
    -(10**6), 10**6
).map(str)
MILLISECONDS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
DAY = st.dates(date(1990, 1, 1), date(2090, 1, 1))

MOVEMENT = st.fixed_dictionaries(
    {
        "document": CODE,
        "line": st.none() | CODE,
        "sku": CODE,
        "location": st.none() | CODE,
        "quantity": QUANTITY,
        "effective_local": MILLISECONDS,
        "reason": CODE,
        "unit_price": st.none() | QUANTITY,
    }
)
TOTAL = st.fixed_dictionaries(
    {"sku": CODE, "location": st.none() | CODE, "quantity": QUANTITY, "day": DAY, "reason": CODE}
)
COUNT = st.fixed_dictionaries(
    {
        "sku": CODE.filter(lambda text: normalised(text) not in words().totals),
        "location": st.none() | CODE,
        "quantity": QUANTITY,
        "counted_local": MILLISECONDS.filter(lambda moment: moment.time() != moment.min.time()),
        "session": CODE,
        "room": st.none() | CODE,
        "counter": st.none() | CODE,
    }
)


def expected(rows, schema, source, first):
    filled = [
        {"position": first + index, "source": source, "leg": 0, **row} for index, row in enumerate(rows)
    ]
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in filled], schema)


def as_csv(rows, header, delimiter):
    names = list(rows[0])
    return csv_file(
        [
            [header.get(name, name) for name in names],
            *[[as_text(row[name]) for name in names] for row in rows],
        ],
        delimiter,
    )


def as_text(value):
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else value


def as_parquet(rows, header):
    types = {"effective_local": pa.timestamp("us"), "counted_local": pa.timestamp("us"), "day": pa.date32()}
    return parquet(
        {
            header.get(name, name): pa.array([row[name] for row in rows], types.get(name, pa.string()))
            for name in rows[0]
        }
    )


def as_workbook(rows, header):
    names = list(rows[0])
    return workbook(
        {
            "S": [
                [header.get(name, name) for name in names],
                *[[as_cell(name, row[name]) for name in names] for row in rows],
            ]
        }
    )


def as_cell(name, value):
    """Quantities as the numbers a spreadsheet would hold, if it can hold them."""
    if name == "quantity" and value is not None:
        number = float(value)
        return number if math.isfinite(number) else value
    return value


def check(rows, schema, kind, source, header, delimiter):
    for content, first in (
        (as_csv(rows, header, delimiter), 2),
        (as_parquet(rows, header), 1),
        (as_workbook(rows, header), 2),
    ):
        # A text like 1.234 can be read in two ways, unless somebody says how it is meant.
        parsed = parse(content, f"{kind}/file", kind, settings=FileSettings(decimal_mark="."))
        assert not parsed.errors, [str(error) for error in parsed.errors]
        found = parsed.evidence.counts if kind == "counts" else parsed.evidence.movements
        assert found.to_pylist() == expected(rows, schema, source, first).to_pylist()
        assert found.schema == schema


@given(st.lists(MOVEMENT, min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_document_lines_arrive_as_they_were_written(rows, delimiter):
    # A workbook cannot tell midnight from a day unless another cell has a time.
    rows = [row | {"effective_local": row["effective_local"].replace(second=1)} for row in rows]
    check(rows, MOVEMENT_SCHEMA, "movements", "movements", {"effective_local": "effective_at"}, delimiter)


@given(st.lists(TOTAL, min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_day_totals_arrive_as_they_were_written(rows, delimiter):
    check(rows, MOVEMENT_SCHEMA, "purchases", "purchases", {}, delimiter)


@given(st.lists(COUNT, min_size=1, max_size=8, unique_by=lambda row: row["sku"]), st.sampled_from(",;\t|"))
def test_counts_arrive_as_they_were_written(rows, delimiter):
    # A place written once holds for the blank lines below it, which is tested in the corpus of workbooks.
    for name in ("location", "room"):
        if any(row[name] is None for row in rows):
            rows = [{**row, name: None} for row in rows]
    check(rows, COUNT_SCHEMA, "counts", "excel", {"counted_local": "counted at"}, delimiter)


@given(
    st.lists(
        st.tuples(MILLISECONDS, st.integers(-14 * 60, 14 * 60), st.integers(0, 999)), min_size=1, max_size=8
    )
)
def test_aware_instants_keep_their_microseconds(moments):
    instants = [
        (moment + timedelta(microseconds=micro)).replace(tzinfo=UTC) - timedelta(minutes=offset)
        for moment, offset, micro in moments
    ]
    texts = [
        f"{(moment + timedelta(microseconds=micro)).isoformat()}{'-' if offset < 0 else '+'}"
        f"{abs(offset) // 60:02}:{abs(offset) % 60:02}"
        for moment, offset, micro in moments
    ]
    rows = [("document", "sku", "quantity", "effective_at"), *[("R", "A", "1", text) for text in texts]]
    parsed = parse(csv_file(rows))
    assert parsed.evidence.movements["effective_at"].to_pylist() == instants
