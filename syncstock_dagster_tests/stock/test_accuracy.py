"""Accuracy, shrinkage, ABC classes and the report of a day: by hand, and against what the laws' model says."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstock_dagster import SyncStockDB
from syncstock_dagster.errors import BadInput
from syncstock_dagster.stock.accuracy import accuracy
from syncstock_dagster.stock.counting_policy import Classes, CountingPolicy, Tolerance, load_counting_policy
from syncstock_dagster.stock.policy import ConfigError
from syncstock_dagster.stock.records import MovementRecord, POSRecord, PurchaseRecord, SalesRecord
from syncstock_dagster_tests.conftest import REPOSITORY
from syncstock_dagster_tests.stock import strategies as some
from syncstock_dagster_tests.stock.compare import rows
from syncstock_dagster_tests.stock.conftest import OpenDatabase
from syncstock_dagster_tests.stock.model import EXACT, Model, Moved, exact_sum

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def shop(db: SyncStockDB) -> SyncStockDB:
    """Four articles in two places, 100 of each counted on Monday at eight; D has no cost."""
    db.upsert_locations([{"code": "south", "timezone": "UTC"}])
    db.upsert_products(
        [
            {"sku": "A", "cost": "2", "category": "tea"},
            {"sku": "B", "cost": "0.5", "category": "tea"},
            {"sku": "C", "cost": "10", "category": "coffee"},
            {"sku": "D", "price": "3"},
        ]
    )
    counted(db, MONDAY, **dict.fromkeys("ABCD", 100))
    counted(db, MONDAY, "south", A=100)
    return db


def ids(db: SyncStockDB) -> dict[str, int]:
    return {row["sku"]: row["inventory_id"] for row in rows(db.products())}


def counted(
    db: SyncStockDB, at: datetime, location: str | None = None, source: str | None = None, **quantities: int
) -> None:
    known = ids(db)
    db.run_sync(
        pos_counts=[
            POSRecord(known[sku], quantity, at, location=location, source=source)
            for sku, quantity in quantities.items()
        ]
    )


def only(found: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in found]


# -------------------------------------------------------------------- by hand


def test_five_too_many_and_five_too_few_are_two_misses(shop: SyncStockDB) -> None:
    """The sum is right, and no article is."""
    counted(shop, MONDAY + DAY, A=105, B=95)
    (found,) = rows(shop.accuracy())
    assert (found["counts"], found["within"], found["accuracy"]) == (2, 0, 0)
    assert (found["net_units"], found["absolute_units"]) == (0, 10)
    assert (found["net_value"], found["absolute_value"]) == (Decimal("7.5"), Decimal("12.5"))


def test_openings_are_in_no_measure(shop: SyncStockDB) -> None:
    assert rows(shop.accuracy()) == rows(shop.shrinkage()) == []


@pytest.mark.parametrize(("variance", "is_within"), [(1, True), (-1, True), (2, False), (-2, False)])
def test_a_variance_of_one_in_a_hundred_is_within_tolerance_with_either_sign(
    shop: SyncStockDB, variance: int, is_within: bool
) -> None:
    counted(shop, MONDAY + DAY, A=100 + variance)
    assert rows(shop.accuracy())[0]["within"] == int(is_within)


def test_where_the_book_is_zero_only_units_allow_anything(shop: SyncStockDB) -> None:
    shop.run_sync(sales=[SalesRecord(ids(shop)["A"], 100, at=MONDAY + DAY, ref="all")])
    counted(shop, MONDAY + 2 * DAY, A=1)
    assert rows(shop.accuracy())[0]["within"] == 0
    in_units = CountingPolicy(tolerance=Tolerance(units=1, percent=0))
    assert rows(accuracy(shop.url, in_units))[0]["within"] == 1


def test_accuracy_is_told_by_location_category_class_and_day(shop: SyncStockDB) -> None:
    shop.run_sync(sales=[SalesRecord(ids(shop)["C"], 10, at=MONDAY + DAY / 2, ref="1")])
    counted(shop, MONDAY + DAY, A=100, B=90, C=90)
    counted(shop, MONDAY + DAY, "south", A=50)
    counted(shop, MONDAY + 2 * DAY, C=89)
    names = ("counts", "within")
    assert only(rows(shop.accuracy(by=["location"])), "location", *names) == [("main", 4, 2), ("south", 1, 0)]
    assert only(rows(shop.accuracy(by=["category"])), "category", *names) == [
        ("coffee", 2, 1),
        ("tea", 3, 1),
    ]
    assert only(rows(shop.accuracy(last=date(2026, 3, 4), by=["class"])), "class", *names) == [
        ("A", 2, 1),
        ("C", 3, 1),
    ]
    assert only(rows(shop.accuracy(by=["day"])), "day", *names) == [
        (date(2026, 3, 3), 4, 2),
        (date(2026, 3, 4), 1, 0),
    ]
    first = shop.accuracy(date(2026, 3, 4), date(2026, 3, 4), by=["month", "location"])
    assert only(rows(first), "month", "location", *names) == [("2026-03", "main", 1, 0)]
    with pytest.raises(BadInput, match="not 'shelf'"):
        shop.accuracy(by=["shelf"])
    with pytest.raises(BadInput, match="lies after"):
        shop.accuracy(date(2026, 3, 4), date(2026, 3, 3))


def test_a_held_count_is_a_miss_until_somebody_rejects_it(shop: SyncStockDB) -> None:
    counted(shop, MONDAY + DAY, source="excel", A=500, B=100)
    (found,) = rows(shop.accuracy())
    assert (found["counts"], found["within"], found["held"]) == (2, 1, 1)
    assert rows(shop.shrinkage()) == []  # what is held has changed nothing
    held = next(row["count_id"] for row in rows(shop.variances()) if row["status"] == "held")
    shop.reject(int(held), reason="counted the wrong shelf")
    (found,) = rows(shop.accuracy())
    assert (found["counts"], found["within"], found["held"]) == (1, 1, 0)


def test_shrinkage_is_told_by_reason_with_its_value(shop: SyncStockDB) -> None:
    """Damage and theft as they were written down, and what a count did not find; a found piece is not netted away."""
    known = ids(shop)
    shop.run_sync(
        movements=[
            MovementRecord(known["A"], -3, at=MONDAY + DAY, ref="1", reason=" Damage "),
            MovementRecord(known["A"], -2, at=MONDAY + DAY, ref="2", reason="theft", location="south"),
            MovementRecord(known["A"], 4, at=MONDAY + DAY, ref="3", reason="found behind the shelf"),
            MovementRecord(known["D"], -1, day=date(2026, 3, 3), reason="waste"),
        ],
        sales=[SalesRecord(known["A"], 30, at=MONDAY + DAY, ref="4")],
    )
    counted(shop, MONDAY + 2 * DAY, A=70, B=101, C=100)  # A: 71 expected
    names = ("reason", "lost", "found", "net", "net_value", "without_cost")
    assert only(rows(shop.shrinkage()), *names) == [
        ("count", 1, 1, 0, Decimal("1.5"), 0),
        ("damage", 3, 0, 3, 6, 0),
        ("theft", 2, 0, 2, 4, 0),
        ("waste", 1, 0, 1, 0, 1),
    ]
    assert only(rows(shop.shrinkage(by=["location", "month"])), "location", "month", "lost") == [
        ("main", "2026-03", 5),
        ("south", "2026-03", 2),
    ]
    assert rows(shop.shrinkage(first=date(2026, 3, 5))) == []
    assert shop.audit() == {}


def test_classes_are_shares_of_the_value_that_moved(shop: SyncStockDB) -> None:
    """Of 1000: 790 of A is below 80 %, so B with 100 is A too; C begins at 89 %; D with its price at 95 %."""
    known = ids(shop)
    shop.run_sync(
        sales=[
            SalesRecord(known["A"], 395, at=MONDAY, ref="1", line="1"),
            SalesRecord(known["B"], 200, at=MONDAY, ref="1", line="2"),
            SalesRecord(known["C"], 6, at=MONDAY, ref="1", line="3"),
            SalesRecord(known["D"], 10, at=MONDAY, ref="1", line="4"),
        ],
        purchases=[PurchaseRecord(known["D"], 20 - 10 + 2, at=MONDAY - 400 * DAY, ref="old")],
    )
    shop.run_sync(
        purchases=[PurchaseRecord(known["D"], 7, at=MONDAY, ref="new")]
    )  # 17 at 3: 51 in all, 50 + 1
    found = rows(shop.abc_classes(MONDAY.date()))
    assert only(found, "sku", "quantity", "value", "abc") == [
        ("A", 395, 790, "A"),
        ("B", 200, 100, "A"),
        ("C", 6, 60, "B"),
        ("D", 17, 51, "B"),
    ]
    assert rows(shop.abc_classes(MONDAY.date() - DAY))[0]["abc"] == "C"
    assert only(rows(shop.abc_classes(MONDAY.date(), "south")), "sku", "value", "abc") == [("A", 0, "C")]
    nothing = rows(shop.abc_classes(MONDAY.date() + 365 * DAY))
    assert {row["abc"] for row in nothing} == {"C"}


def test_a_withdrawn_sale_moved_nothing(shop: SyncStockDB) -> None:
    result = shop.run_sync(sales=[SalesRecord(ids(shop)["A"], 5, at=MONDAY, ref="1")])
    shop.rollback(result.operation_uuid, reason="wrong shop")
    assert {row["quantity"] for row in rows(shop.abc_classes(MONDAY.date()))} == {0}


def test_the_report_of_a_day_says_tiers_accuracy_and_the_largest_first(shop: SyncStockDB) -> None:
    counted(shop, MONDAY + DAY, source="excel", A=99, B=50, C=98, D=300)
    report = shop.variance_report(date(2026, 3, 3))
    assert (report.counts, report.within, report.openings, report.articles) == (4, 1, 0, 4)
    assert report.tiers == {"applied": 2, "review": 1, "flagged": 0, "held": 1, "rejected": 0}
    assert (report.net_units, report.absolute_units) == (147, 253)
    assert (report.net_value, report.absolute_value, report.without_cost) == (-47, 47, 1)
    assert [(row["sku"], row["counted"], row["expected"], row["is_held"]) for row in report.largest] == [
        ("B", 50, 100, False),
        ("C", 98, 100, False),
        ("A", 99, 100, False),
        ("D", 300, 100, True),
    ]
    assert [(one.counts, one.accuracy) for one in report.trend] == [(0, None)] * 29 + [(4, Decimal("0.25"))]
    empty = shop.variance_report(date(2026, 3, 2))
    assert (empty.counts, empty.openings, empty.accuracy, empty.largest) == (0, 5, None, ())


# -------------------------------------------------------------------- the policy


def test_the_configuration_of_the_checkout_counts_by_the_defaults() -> None:
    """syncstock.toml says what holds without it, and names every key."""
    path = REPOSITORY / "syncstock.toml"
    assert load_counting_policy(path) == CountingPolicy()
    text = path.read_text(encoding="utf-8")
    for key in CountingPolicy.model_fields:
        assert f"\n{key} = " in text or f"[counting.{key}]" in text, key
        assert f"#   {key} " in text or f"; {key}: " in text, f"{key} is not explained"


@pytest.mark.parametrize(
    "text",
    [
        'shrinkage_reasons = ["Sale"]',
        "classes = { a_until = 0.9, b_until = 0.8 }",
        'counters = { main = ["Ann", " ann"] }',
        "lines_a_day_at = { main = 0 }",
        "every_day = 3",
    ],
)
def test_a_policy_that_cannot_be_is_refused(tmp_path: Any, text: str) -> None:
    path = tmp_path / "syncstock.toml"
    path.write_text(f"[counting]\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[counting\]"):
        load_counting_policy(path)
    assert Classes().window_days == 365


# -------------------------------------------------------------------- against the model


def lost_by_the_model(model: Model) -> dict[tuple[date, str, str], tuple[Decimal, Decimal]]:
    """Lost and found by local day, location and reason; in an exact context."""
    moved: list[tuple[date, str, str, Decimal]] = []

    def add(row: Moved, reason: str, quantity: Decimal | None = None) -> None:
        for leg in row.legs:
            day = leg.at.astimezone(ZoneInfo(model.zones[leg.location])).date()
            moved.append((day, leg.location, reason, leg.quantity if quantity is None else quantity))

    for identity, lines in model.contents().items():
        row = model.document_line_in_force(identity, lines)
        add(row, row.content[-1])
    totals: dict[Any, dict[int, list[Moved]]] = {}
    for row in model.rows():
        if row.is_day_total:
            totals.setdefault(row.identity, {}).setdefault(row.receipt.delivery, []).append(row)
    for identity, by_delivery in totals.items():
        last = max(by_delivery.values(), key=lambda found: found[0].receipt)
        add(last[0], identity[3], exact_sum(row.legs[0].quantity for row in last))
    moved = [one for one in moved if one[2] == "damage"]
    for (pair, at), variance in model.variances().items():
        if variance.status != "opening":
            day = at.astimezone(ZoneInfo(model.zones[pair.location])).date()
            moved.append((day, pair.location, "count", variance.variance))
    found: dict[tuple[date, str, str], tuple[Decimal, Decimal]] = {}
    for day, location, reason, quantity in moved:
        if quantity:
            lost, gained = found.get((day, location, reason), (Decimal(0), Decimal(0)))
            found[day, location, reason] = (
                lost + max(-quantity, Decimal(0)),
                gained + max(quantity, Decimal(0)),
            )
    return found


def accuracy_by_the_model(model: Model) -> dict[tuple[date, str], tuple[int, int, int, Decimal]]:
    """Counts, within, held and absolute units by local day and location; in an exact context."""
    history = model.history()
    counts = [
        (pair, at, v.variance, v.expected, False)
        for (pair, at), v in model.variances().items()
        if v.status != "opening"
    ]
    for held in model.held():
        expected = history.expected(held.pair, held.at)
        counts.append((held.pair, held.at, model.variance_of(history, held), expected, True))
    found: dict[tuple[date, str], tuple[int, int, int, Decimal]] = {}
    for pair, at, variance, expected, is_held in counts:
        key = (at.astimezone(ZoneInfo(model.zones[pair.location])).date(), pair.location)
        number, within, waiting, units = found.get(key, (0, 0, 0, Decimal(0)))
        is_within = abs(variance) * 100 <= abs(expected)
        found[key] = (number + 1, within + is_within, waiting + is_held, units + abs(variance))
    return found


@pytest.mark.prove
def test_any_history_has_the_accuracy_and_shrinkage_of_the_model(open_database: OpenDatabase) -> None:
    """Late, restated, conflicting, held, withdrawn: what is measured follows from what is in force."""

    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        with closing(open_database(some.POLICIES)) as db:
            tell(db, data)

    def tell(db: SyncStockDB, data: st.DataObject) -> None:
        theatre, model = data.draw(some.theatres()), some.new_model()
        db.upsert_locations(some.location_rows(some.LOCATIONS))
        done = []
        for _ in range(data.draw(st.integers(2, 5))):
            call = data.draw(some.deliveries(theatre))
            received = data.draw(some.receipts(theatre))
            delivery = model.deliver(**call, recorded_at=received)
            done.append((delivery, db.run_sync(**call, recorded_at=received)))
        if data.draw(st.booleans()):
            delivery, result = data.draw(st.sampled_from(done))
            db.rollback(result.operation_uuid, reason="withdrawn")
            assert delivery is not None
            model.withdraw(delivery)
        names = ("counts", "within", "held", "absolute_units")
        measured = {
            (row["day"], row["location"]): tuple(row[name] for name in names)
            for row in rows(db.accuracy(by=["day", "location"]))
        }
        with localcontext(EXACT):
            expected = accuracy_by_the_model(model), lost_by_the_model(model)
        assert measured == expected[0]
        lost = {
            (row["day"], row["location"], row["reason"]): (row["lost"], row["found"])
            for row in rows(db.shrinkage(by=["day", "location", "reason"]))
        }
        assert lost == expected[1]
        assert db.audit() == {}

    check()
