"""Input that nobody can post as it is: a clear error that lists everything wrong, and nothing half-posted.

What belongs here: wrong values in records and tables given through Python, and hostile ones that are right all the
same. What does not: files (``workbooks``, ``sources``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from syncstock_dagster import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    SyncStockDB,
    TransferRecord,
)
from syncstock_dagster.stock.evidence import BadInput
from syncstock_dagster_tests.stock.compare import ledger, rows, stock
from syncstock_dagster_tests.stock.model import Pair

DAY = date(2024, 3, 4)
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
GOOD = PurchaseRecord(1001, 50, day=DAY)


@pytest.fixture(scope="module")
def door(base_url: str) -> Iterator[SyncStockDB]:
    """One database at whose door everything is refused, so that it stays as it is."""
    db = SyncStockDB(base_url)
    yield db
    assert stock(db) == {}
    assert_works(db)
    db.close()


@pytest.fixture(autouse=True)
def nothing_is_half_posted(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every refusal the audit is empty, no operation runs, and the engine still works."""
    db = request.getfixturevalue("db") if "db" in request.fixturenames else None
    yield
    if db is not None:
        assert_works(db)


def assert_works(db: SyncStockDB) -> None:
    assert db.audit() == {}
    assert db.get_status()["status"] == "OK"
    before = stock(db).get(Pair(4242, "main"), Decimal(0))
    assert db.run_sync(movements=[MovementRecord(4242, 1, at=NOON, ref="still works")]).status == "posted"
    assert stock(db)[Pair(4242, "main")] == before + 1


def refused(db: SyncStockDB, *columns: str | None, **call: Any) -> BadInput:
    """The call is refused with an error for each of these columns, and leaves no trace."""
    call.setdefault("purchases", [GOOD])
    with pytest.raises(BadInput) as caught:
        db.run_sync(**call)
    assert sorted(str(error.column) for error in caught.value.errors) == sorted(map(str, columns)), (
        caught.value
    )
    for error in caught.value.errors:
        assert error.expected, error
        assert error.remedy, error
        assert str(error) in str(caught.value)
    assert stock(db) == {}
    assert ledger(db) == {}
    return caught.value


@pytest.mark.parametrize(
    "qty",
    [
        1.5,
        float("nan"),
        float("inf"),
        -float("inf"),
        1e300,
        True,
        False,
        "5",
        "five",
        b"5",
        None,
        [5],
        5j,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1E+18"),
        Decimal("1E-13"),
        Decimal("1E-999999"),
        Decimal("1E+999999"),
        10**18,
        10**5000,
        np.float64(0.1),
        np.bool_(True),
        pd.NA,
        pd.NaT,
        date(2024, 1, 1),
    ],
    ids=lambda value: repr(value)[:30] if not isinstance(value, int) or abs(value) < 10**30 else "googol",
)
def test_a_quantity_that_is_not_an_exact_number_is_refused(door: SyncStockDB, qty: Any) -> None:
    """In each kind of record; the other rows of the call are not posted either."""
    refused(door, "qty", purchases=[GOOD, PurchaseRecord(1001, qty, day=DAY)])
    refused(door, "qty", sales=[SalesRecord(1001, qty, day=DAY)])
    refused(door, "qty", movements=[MovementRecord(1001, qty, at=NOON, ref="r")])
    refused(door, "stock_count", pos_counts=[POSRecord(1001, qty, NOON)])


@pytest.mark.parametrize(
    ("qty", "exact"),
    [
        (5.0, "5"),
        (np.int64(5), "5"),
        (np.float64(5.0), "5"),
        (Decimal("5.000"), "5"),
        (Decimal("-0.0"), "0"),
        (Decimal("1E+3"), "1000"),
        (10**18 - 1, "999999999999999999"),
        (Decimal("999999999999999999.999999999999"), "999999999999999999.999999999999"),
        (Decimal("1E-12"), "0.000000000001"),
        (-0.0, "0"),
    ],
    ids=repr,
)
def test_a_quantity_that_is_exact_is_taken_however_it_is_written(
    db: SyncStockDB, qty: Any, exact: str
) -> None:
    """Whole floats and numpy's numbers are exact; so are the longest decimals, whichever way they move stock."""
    db.run_sync([PurchaseRecord(1, qty, day=DAY)], [SalesRecord(2, qty, day=DAY)], [POSRecord(3, qty, NOON)])
    assert stock(db).get(Pair(1, "main"), Decimal(0)) == Decimal(exact)
    assert stock(db).get(Pair(2, "main"), Decimal(0)) == Decimal(exact).copy_negate()
    assert stock(db).get(Pair(3, "main"), Decimal(0)) == Decimal(exact)


@pytest.mark.parametrize(
    "inventory_id",
    [2**63, -(2**63) - 1, 10**40, 1.5, float("nan"), "1001", None, True, b"1", (1,), Decimal("1.5")],
)
def test_an_article_that_is_no_64_bit_number_is_refused(door: SyncStockDB, inventory_id: Any) -> None:
    """In movements, counts and transfers."""
    refused(door, "inventory_id", purchases=[PurchaseRecord(inventory_id, 1, day=DAY)])
    refused(door, "inventory_id", pos_counts=[POSRecord(inventory_id, 1, NOON)])
    refused(door, "inventory_id", movements=[TransferRecord(inventory_id, 1, NOON, "main", "B", "T")])


def test_the_greatest_and_least_articles_are_taken(db: SyncStockDB) -> None:
    """A BIGINT from one end to the other, and zero."""
    for n in (2**63 - 1, -(2**63) + 1, 0):
        db.run_sync([PurchaseRecord(n, 1, day=DAY)])
        assert stock(db)[Pair(n, "main")] == 1


def test_a_movement_has_an_instant_or_a_day_and_not_both(door: SyncStockDB) -> None:
    """Neither and both are refused; an instant without a ref too, because nobody could tell two of them apart."""
    refused(door, "at", purchases=[PurchaseRecord(1, 1)])
    refused(door, "at", purchases=[PurchaseRecord(1, 1, day=DAY, at=NOON, ref="r")])
    refused(door, "ref", purchases=[PurchaseRecord(1, 1, at=NOON)])
    refused(door, "ref", purchases=[PurchaseRecord(1, 1, at=NOON, ref="")])
    refused(door, "counted_at", pos_counts=[POSRecord(1, 1, None)])  # type: ignore[arg-type]
    refused(door, "ref", movements=[TransferRecord(1, 1, NOON, "main", "B", "")])
    refused(door, "at", movements=[TransferRecord(1, 1, None, "main", "B", "T")])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["2024-03-04", 20240304, 1709553600.0, (2024, 3, 4), pd.NaT], ids=repr)
def test_what_is_no_date_or_time_is_refused(door: SyncStockDB, value: Any) -> None:
    """Text and numbers are not guessed at; a missing time of pandas is missing."""
    refused(door, "counted_at", pos_counts=[POSRecord(1, 1, value)])
    refused(door, "at", movements=[MovementRecord(1, 1, at=value, ref="r")])
    refused(door, "at" if value is pd.NaT else "day", movements=[MovementRecord(1, 1, day=value)])


def test_a_day_is_a_date_and_not_an_instant(db: SyncStockDB) -> None:
    """A datetime in the place of a day is refused unless it is midnight, as pandas has no plain date."""
    refused(db, "day", purchases=[PurchaseRecord(1, 1, day=NOON)])
    assert db.run_sync([PurchaseRecord(1, 1, day=datetime(2024, 3, 4))]).status == "posted"


@pytest.mark.parametrize(
    "at",
    [
        datetime(9999, 12, 31, 23, 30, tzinfo=timezone(-timedelta(hours=5))),
        datetime(1, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=5))),
    ],
    ids=["after 9999", "before 1"],
)
def test_an_instant_outside_the_calendar_is_refused(door: SyncStockDB, at: datetime) -> None:
    """Its UTC time has no year between 1 and 9999."""
    refused(door, "counted_at", pos_counts=[POSRecord(1, 1, at)])
    refused(door, "at", movements=[MovementRecord(1, 1, at=at, ref="r")])


def test_the_second_year_of_the_calendar_is_taken(db: SyncStockDB) -> None:
    """Nothing true is refused: not even the year 2, by instant, by naive time or by day."""
    db.upsert_locations([{"code": "far east", "timezone": "Pacific/Apia"}])
    db.run_sync(
        [PurchaseRecord(1, 1, day=date(2, 1, 1), location="far east")],
        [SalesRecord(1, 1, at=datetime(2, 1, 1, tzinfo=UTC), ref="r")],
        [POSRecord(2, 3, datetime(2, 1, 3), location="far east")],
    )
    assert stock(db)[Pair(1, "main")] == -1
    assert stock(db)[Pair(1, "far east")] == 1
    assert stock(db)[Pair(2, "far east")] == 3
    assert len(ledger(db)) == 3
    assert len(db.daily(date(2, 1, 1), date(2, 1, 5))) > 0


@pytest.mark.parametrize("year", [1, 9999])
def test_the_first_and_last_year_of_the_calendar_are_refused_in_words(door: SyncStockDB, year: int) -> None:
    """In some zone they reach beyond what a calendar can say: refused at the door, in every shape."""
    refused(door, "day", purchases=[PurchaseRecord(1, 1, day=date(year, 1, 1))])
    refused(door, "at", sales=[SalesRecord(1, 1, at=datetime(year, 6, 1, tzinfo=UTC), ref="r")])
    refused(door, "at", sales=[SalesRecord(1, 1, at=datetime(year, 6, 1), ref="r")])
    refused(door, "counted_at", pos_counts=[POSRecord(1, 1, datetime(year, 12, 31))])


def test_a_far_future_waits(db: SyncStockDB) -> None:
    """The year 9998 is beyond tomorrow: quarantined, in every zone and shape."""
    db.upsert_locations([{"code": "far west", "timezone": "Pacific/Pago_Pago"}])
    result = db.run_sync(
        [PurchaseRecord(1, 1, day=date(9998, 12, 31), location="far west")],
        [SalesRecord(1, 1, at=datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC), ref="r")],
        [POSRecord(2, 3, datetime(9998, 12, 31), location="far west")],
    )
    assert result.quarantined == 3
    assert not any(stock(db).values())


def test_a_count_takes_no_time_backwards(door: SyncStockDB) -> None:
    """It cannot begin after it ended; goods cannot arrive before they left."""
    refused(door, "counted_from", pos_counts=[POSRecord(1, 1, NOON, counted_from=NOON + timedelta(hours=1))])
    refused(
        door,
        "arrives_at",
        movements=[TransferRecord(1, 1, NOON, "main", "B", "T", arrives_at=NOON - timedelta(hours=1))],
    )


def test_a_transfer_does_not_send_less_than_nothing(door: SyncStockDB) -> None:
    """The direction is said by its two places."""
    refused(door, "qty", movements=[TransferRecord(1, -5, NOON, "main", "B", "T")])


@pytest.mark.parametrize(
    "text",
    ["a\x00b", "\ud800", "x\udfffy", 5, b"bytes", ["D"]],
    ids=["NUL", "surrogate", "low", "int", "bytes", "list"],
)
def test_text_that_a_database_cannot_hold_is_refused(door: SyncStockDB, text: Any) -> None:
    """NUL characters, lone surrogates and what is no text, in every column of text."""
    for name in ("ref", "line", "location", "source", "reason"):
        fields: dict[str, Any] = {"ref": "r", name: text}
        refused(door, name, movements=[MovementRecord(1, 1, at=NOON, **fields)])
    for name in ("location", "source", "session", "room", "counter"):
        refused(door, name, pos_counts=[POSRecord(1, 1, NOON, **{name: text})])


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"], ids=["NUL", "surrogate"])
def test_notes_and_keys_that_a_database_cannot_hold_are_refused_in_words(
    door: SyncStockDB, text: str
) -> None:
    """Not only the rows are given by a caller."""
    for call in ({"idempotency_key": text}, {"note": text}, {"who": text}):
        with pytest.raises(ValueError, match=r"(?i)NUL|surrogate|character"):
            door.run_sync([GOOD], **call)
        assert stock(door) == {}


#: Long, and too random to be compressed into an index row.
LONG = "".join(chr(0x4E00 + (n * 7919 + n * n * 31) % 20000) for n in range(20_000))


@pytest.mark.parametrize(
    "text",
    [
        "'; drop table syncstock.item_stock; --",
        '"',
        "\\",
        "%s %(x)s {0} $1",
        "\t\r\n",
        " ",
        "\u00e9",
        "e\u0301",
        "🧾",
        "\u202e",
        ":",
        "=",
        "@1#2",
    ],
    ids=lambda text: ascii(text),
)
def test_hostile_text_is_only_text(db: SyncStockDB, text: str) -> None:
    """Quotes, percent signs, control characters and right-to-left marks are kept as they are, everywhere."""
    db.upsert_locations([{"code": text, "timezone": "UTC"}])
    db.run_sync(
        [PurchaseRecord(1, 5, at=NOON, ref=text, line=text, location=text, source=text, reason=text)],
        pos_counts=[POSRecord(2, 3, NOON, location=text, source=text, session=text, room=text, counter=text)],
        note=text,
        idempotency_key=text,
        who=text,
    )
    assert stock(db) == {Pair(1, text): 5, Pair(2, text): 3}
    (entry,) = ledger(db)[Pair(1, text)]
    assert (entry["source"], entry["ref"], entry["reason"]) == (text, text, text)
    db.run_sync([PurchaseRecord(1, 6, at=NOON, ref=text, line=text, location=text, source=text, reason=text)])
    (conflict,) = rows(db.conflicts())
    assert (conflict["source"], conflict["document"], conflict["line"]) == (text, text, text)
    assert db.run_sync([GOOD], idempotency_key=text).status == "already received"


@pytest.mark.parametrize("name", ["ref", "line", "source", "reason", "location", "session", "room", "key"])
def test_very_long_text_is_taken_or_refused_in_words(db: SyncStockDB, name: str) -> None:
    """Twenty thousand characters are kept to the last, or refused by name; the database's limits are nobody's error."""
    call: dict[str, Any] = {}
    if name in {"session", "room"}:
        call["pos_counts"] = [POSRecord(1, 5, NOON, **{name: LONG})]
    elif name == "key":
        call = {"purchases": [PurchaseRecord(1, 5, day=DAY)], "idempotency_key": LONG}
    else:
        call["movements"] = [MovementRecord(1, 5, at=NOON, **{"ref": "r", name: LONG})]
    try:
        if name == "location":
            db.upsert_locations([{"code": LONG, "timezone": "UTC"}])
        result = db.run_sync(**call)
    except (BadInput, ValueError) as error:
        assert "long" in str(error) or "character" in str(error)
        assert stock(db) == {}
    else:
        assert result.status == "posted"
        assert list(stock(db).values()) == [5]
        assert db.run_sync(**call).status == ("already received" if name == "key" else "posted")
        assert list(stock(db).values()) == [5]


def test_every_error_of_a_call_is_told_at_once_with_its_place(door: SyncStockDB) -> None:
    """Seven things wrong in four lists: seven errors, each with list, row and column."""
    with pytest.raises(BadInput) as caught:
        door.run_sync(
            [GOOD, PurchaseRecord("x", 1.5, day=DAY)],  # type: ignore[arg-type]
            [SalesRecord(1, 1)],
            [POSRecord(1, True, "noon")],  # type: ignore[arg-type]
            movements=[MovementRecord(1, 1, at=NOON), TransferRecord(1, Decimal("NaN"), NOON, "a", "b", "r")],
        )
    found = {(error.file, error.row, error.column) for error in caught.value.errors}
    assert {(file, row) for file, row, _ in found} == {
        ("PurchaseRecord", 1),
        ("SalesRecord", 0),
        ("POSRecord", 0),
        ("MovementRecord", 0),
        ("TransferRecord", 1),
    }
    assert len(caught.value.errors) == 7
    assert stock(door) == {}


@pytest.mark.parametrize(
    "call",
    [
        {"purchases": [SalesRecord(1, 1, day=DAY)]},
        {"sales": [PurchaseRecord(1, 1, day=DAY)]},
        {"pos_counts": [PurchaseRecord(1, 1, day=DAY)]},
        {"movements": [POSRecord(1, 1, NOON)]},
        {"purchases": [TransferRecord(1, 1, NOON, "a", "b", "r")]},
        {"purchases": [{"inventory_id": 1, "qty": 1, "day": DAY}]},
        {"purchases": [None]},
        {"purchases": "records"},
        {"purchases": GOOD},
        {"purchases": 5},
    ],
    ids=lambda call: repr(call)[:40],
)
def test_a_list_takes_its_own_kind_of_record_only(door: SyncStockDB, call: dict[str, Any]) -> None:
    """A sale among the purchases would move stock the wrong way."""
    with pytest.raises((BadInput, TypeError)) as caught:
        door.run_sync(**call)
    assert "Record" in str(caught.value)
    assert stock(door) == {}


def test_unknown_columns_of_a_table_are_refused_by_name(door: SyncStockDB) -> None:
    """A misspelt column is not silently left out; the known ones are listed."""
    frame = pd.DataFrame({"inventory_id": [1], "quantity": [5], "day": [DAY]})
    for table in (frame, pa.Table.from_pandas(frame)):
        with pytest.raises(BadInput, match=r"quantity.*qty"):
            door.run_sync(table)
    assert stock(door) == {}


def test_a_table_that_lacks_a_needed_column_is_refused_in_words(door: SyncStockDB) -> None:
    """No article, no quantity."""
    with pytest.raises(BadInput, match="inventory_id"):
        door.run_sync(pd.DataFrame({"qty": [1], "day": [DAY]}))
    with pytest.raises(BadInput, match="qty"):
        door.run_sync(pa.table({"inventory_id": [1], "day": [DAY]}))
    assert stock(door) == {}


def test_a_data_frame_with_gaps_means_what_its_values_say(db: SyncStockDB) -> None:
    """pandas turns whole numbers with gaps into floats and missing times into NaT; both are understood."""
    frame = pd.DataFrame(
        {
            "inventory_id": [1, 2],
            "qty": [5.0, 7.0],
            "at": [pd.Timestamp("2024-03-04T12:00Z"), pd.NaT],
            "day": [pd.NaT, pd.Timestamp("2024-03-04")],
            "ref": ["D", None],
            "location": [None, float("nan")],
        }
    )
    db.run_sync(frame)
    assert stock(db) == {Pair(1, "main"): 5, Pair(2, "main"): 7}
    half = pd.DataFrame({"inventory_id": [1.0], "qty": [2.5], "day": [DAY]})
    with pytest.raises(BadInput, match="Decimal"):
        db.run_sync(half)


def test_an_arrow_table_is_taken_with_exact_decimals(db: SyncStockDB) -> None:
    """decimal128 is exact; double is not."""
    day = pa.array([DAY])
    exact = pa.table(
        {"inventory_id": [1], "qty": pa.array([Decimal("0.10")], pa.decimal128(10, 2)), "day": day}
    )
    db.run_sync(exact)
    assert stock(db) == {Pair(1, "main"): Decimal("0.1")}
    with pytest.raises(BadInput, match="Decimal"):
        db.run_sync(pa.table({"inventory_id": [1], "qty": [0.1], "day": day}))


def test_empty_input_posts_nothing_and_says_so(db: SyncStockDB) -> None:
    """Empty lists, None and empty tables are an operation without effect."""
    for nothing in ([], (), None, pd.DataFrame({"inventory_id": [], "qty": [], "day": []})):
        result = db.run_sync(nothing, nothing)
        assert (result.status, result.ledger_entries) == ("posted", 0)
    assert stock(db) == {}


def test_a_naive_recorded_at_is_refused(door: SyncStockDB) -> None:
    """The recorded time belongs to no location, so that nobody could say which zone it is in."""
    with pytest.raises(ValueError, match=r"recorded_at"):
        door.run_sync([GOOD], recorded_at=datetime(2024, 3, 4))
    assert stock(door) == {}


def test_a_recorded_at_in_the_future_is_refused(door: SyncStockDB) -> None:
    """Nobody can have learned it yet, and every stamp after it would be pushed into the future."""
    with pytest.raises(ValueError, match=r"recorded_at"):
        door.run_sync([GOOD], recorded_at=datetime.now(UTC) + timedelta(days=2))
    assert stock(door) == {}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "Europe/London'; --", "UTC+3x", None])
def test_a_location_needs_a_zone_that_exists(door: SyncStockDB, zone: Any) -> None:
    """A wrong zone would put every business day wrong."""
    with pytest.raises(ValueError, match=r"(?i)zone"):
        door.upsert_locations([{"code": "X", "timezone": zone}])
    assert "X" not in {row["code"] for row in rows(door.locations())}


def test_decisions_about_what_is_not_there_are_refused(db: SyncStockDB) -> None:
    """No such operation, conflict or held count; no word is not a choice, and nothing is decided without a reason."""
    result = db.run_sync(pos_counts=[POSRecord(1, 5, NOON)])
    (applied,) = (row["count_id"] for row in rows(db.variances()))
    for attempt in (
        lambda: db.rollback("00000000-0000-0000-0000-000000000000", reason="r"),
        lambda: db.rollback("no uuid", reason="r"),
        lambda: db.rollback(result.operation_uuid, reason=""),
        lambda: db.resolve(10**9, keep="new", reason="r"),
        lambda: db.resolve(1, keep="both", reason="r"),  # type: ignore[arg-type]
        lambda: db.approve([10**9], reason="r"),
        lambda: db.approve([], reason="r"),
        lambda: db.reject([10**9], reason="r"),
        lambda: db.reject([applied], reason="r"),
    ):
        with pytest.raises((ValueError, LookupError)):
            attempt()
        assert db.get_status()["status"] == "OK", "a wrong request is not a failed sync"
    assert stock(db) == {Pair(1, "main"): 5}


def test_approving_what_is_applied_changes_nothing(db: SyncStockDB) -> None:
    """Whoever lost the answer to an approval may send it again."""
    db.run_sync(pos_counts=[POSRecord(1, 5, NOON)])
    before = (stock(db), ledger(db), rows(db.variances()))
    db.approve([before[2][0]["count_id"]], reason="r")
    assert (stock(db), ledger(db), rows(db.variances())) == before
