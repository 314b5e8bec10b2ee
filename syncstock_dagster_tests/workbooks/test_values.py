"""Text as quantities, instants and days, against Python's own Decimal and datetime."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster.stock.evidence import DECIMAL_TEXT
from syncstock_dagster.stock.records import canonical_decimal
from syncstock_dagster.workbooks import values
from syncstock_dagster.workbooks.numbers import number_text


def decimal(text, mark="."):
    return values.decimals(pa.array([text]), mark)[0].as_py()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("+0.00", "0"),
        ("000", "0"),
        ("007", "7"),
        ("-007.10", "-7.1"),
        ("+5", "5"),
        ("5.", "5"),
        (".5", "0.5"),
        ("-.50", "-0.5"),
        ("100", "100"),
        ("1" * 18 + "." + "1" * 12, "1" * 18 + "." + "1" * 12),
        ("0.100000000000000", "0.1"),
        (" 5\t", "5"),
    ],
)
def test_a_quantity_has_one_canonical_text(text, canonical):
    assert decimal(text) == canonical


@pytest.mark.parametrize(
    "text", ["", " ", ".", "-", "+-5", "1e3", "0x1", "1_000", "5 5", "NaN", "1,5", "٣", "5\n6"]
)
def test_what_is_no_plain_number_is_none(text):
    assert decimal(text) is None


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**19), max_value=10**19, places=13)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=3)
    | st.integers(-(10**19), 10**19).map(Decimal)
)
def test_quantities_agree_with_those_of_records(number):
    assert decimal(f"{number:f}") == canonical_decimal(number)


@given(st.text(alphabet="0123456789.,+-eE ", max_size=12) | st.text(max_size=8))
def test_no_text_is_taken_for_another_number(text):
    found = decimal(text)
    if found is None:
        assert values.why_not_decimal(text).remedy
    else:
        assert DECIMAL_TEXT.fullmatch(found)
        assert Decimal(found) == Decimal(text.strip())
        assert canonical_decimal(Decimal(text.strip())) == found


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=2))
def test_minus_a_number_is_its_canonical_opposite(number):
    text = canonical_decimal(number)
    assert values.negated(pa.array([text]))[0].as_py() == canonical_decimal(-number)
    assert values.is_positive(pa.array([text]))[0].as_py() == (number > 0)
    assert values.is_negative(pa.array([text]))[0].as_py() == (number < 0)


_INSTANTS = st.datetimes(datetime(1900, 1, 2), datetime(9999, 12, 29))


@given(
    _INSTANTS,
    st.integers(-15 * 60, 15 * 60),
    st.sampled_from("T "),
    st.sampled_from(["auto", "minutes", "seconds"]),
)
def test_every_iso_instant_is_read_as_python_reads_it(moment, minutes, mark, precision):
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for each in (aware, moment):
        text = each.isoformat(mark, precision)
        found = values.instants(pa.array([text]))
        expected = datetime.fromisoformat(text)
        known = [column[0].as_py() for column in found]
        aware_or_local = (expected.astimezone(UTC), None) if expected.tzinfo else (None, expected)
        assert known == [*aware_or_local, None]


@given(st.dates(date(1900, 1, 1), date(9999, 12, 30)))
def test_every_day_is_read(day):
    assert values.days(pa.array([day.isoformat()]))[0].as_py() == day
    assert values.instants(pa.array([day.isoformat()])).day[0].as_py() == day
    assert values.days(pa.array([f"{day}T00:00:00.000"]))[0].as_py() == day
    assert values.days(pa.array([f"{day}T00:00:01"]))[0].as_py() is None


@given(
    st.text(alphabet="0123456789-:T Z+./", max_size=26)
    | st.from_regex(r"\A[12]\d{3}-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d(:[0-6]\d)?(Z|[+-]\d\d:\d\d)?\Z")
    | st.text(max_size=10)
)
def test_what_is_read_as_an_instant_is_one(text):
    found = [column[0].as_py() for column in values.instants(pa.array([text]))]
    known = [value for value in found if value is not None]
    assert len(known) <= 1
    if known:
        datetime.fromisoformat(re.sub(r" (?=[Z+-])", "", text.strip()))
    else:
        assert values.why_not_instant(text).remedy


def test_only_one_impossible_date_does_not_spoil_the_column():
    texts = pa.array(["2026-03-01T10:00", "2025-02-29T10:00", "2024-02-29T10:00", "x"])
    local = values.instants(texts).local.to_pylist()
    assert [value is not None for value in local] == [True, False, True, False]


@given(st.integers(-(2**70), 2**70))
def test_identifiers_have_64_bits(number):
    expected = number if -(2**63) < number < 2**63 else None
    assert values.identifiers(pa.array([str(number)]))[0].as_py() == expected


@pytest.mark.parametrize("text", ["", "1.0", "1e3", "abc", "+1"])
def test_other_texts_are_no_identifiers(text):
    assert values.identifiers(pa.array([text]))[0].as_py() is None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (123.0, "123"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (1e20, "1e+20"),
        (float("nan"), "nan"),
        (7, "7"),
        (2.675, "2.675"),
    ],
)
def test_a_stored_float_is_what_the_sheet_shows(number, text):
    assert number_text(number) == text


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4, allow_nan=False))
def test_a_decimal_of_fifteen_digits_survives_being_a_float(number):
    assert Decimal(number_text(float(number))) == number
