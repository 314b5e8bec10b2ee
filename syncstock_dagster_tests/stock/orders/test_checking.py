"""Is there enough? What each source says decides between yes, no and asking a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from syncstock_dagster import BadInput, POSRecord, PurchaseRecord, SyncStockDB
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster_tests.stock.orders.test_orders import article, counted, drop_purchase


def test_books_that_were_counted_today_are_believed(selling: SyncStockDB) -> None:
    assert selling.check("A", 100).answer == "yes"
    found = selling.check("A", Decimal("100.5"))
    assert (found.answer, found.available) == ("no", 100)
    selling.reserve([("A", 30)], ref="cart")
    selling.order([("A", 20)])
    found = selling.check("a", 51)
    (place,) = found.places
    assert (found.answer, place.on_hand, place.reserved, place.pending) == ("no", 80, 30, 20)
    assert {one.source: one.quantity for one in place.sources} == {"books": 80, "last count": 100}
    assert all(one.age is not None and one.age < timedelta(hours=1) for one in place.sources)
    assert selling.check("A", 50).answer == "yes"
    # A number is an id, a text a code; another article may have that as its code.
    selling.upsert_products([{"inventory_id": 5, "sku": str(article(selling, "A"))}])
    assert selling.check(article(selling, "A"), 50).sku == "A"
    for wrong in (("nothing", 1), ("A", 0), ("A", 1.5)):
        with pytest.raises(BadInput):
            selling.check(*wrong)  # type: ignore[arg-type]


def test_what_nobody_counted_lately_asks_a_person_unless_no_source_has_enough(
    db: SyncStockDB, drop_folder: Path
) -> None:
    db.run_sync(pos_counts=[POSRecord(1, 50, datetime.now(UTC) - timedelta(days=3))])
    found = db.check(1, 10)
    assert found.answer == "ask" and "last counted on" in found.why[0]
    assert db.check(1, 51).answer == "no"
    db.run_sync([PurchaseRecord(2, 5, at=datetime.now(UTC), ref="P")])
    assert "nobody has ever counted" in db.check(2, 5).why[0]
    db.upsert_products([{"sku": "never seen"}])
    assert (db.check("never seen", 1).answer, db.check("never seen", 1).why) == (
        "no",
        ("nothing is known of it",),
    )


def test_sources_that_disagree_ask_a_person(selling: SyncStockDB, drop_folder: Path) -> None:
    """The books say 100, a sheet that is held says 1000: that is for somebody at the shelf."""
    counted(selling, "A", 1000, datetime.now(UTC))
    found = selling.check("A", 500)
    assert found.answer == "ask"
    assert any("last sheet would leave 1000" in why for why in found.why)
    assert any("approval" in why for why in found.why)
    assert any(one.source == "last sheet" and one.quantity == 1000 for one in found.places[0].sources)


def test_a_master_that_says_less_is_asked_about(db: SyncStockDB, drop_folder: Path) -> None:
    advisory = Policies(sources={"wms": SourcePolicy(kind="counts", trust="advisory")})
    db = SyncStockDB(db.url, policies=advisory)
    now = datetime.now(UTC) - timedelta(minutes=2)
    db.run_sync(pos_counts=[POSRecord(1, 50, now), POSRecord(1, 20, now, source="wms")])
    assert db.check(1, 20).answer == "yes"
    assert db.check(1, 30).answer == "ask"
    assert db.check(1, 60).answer == "no"


def test_evidence_that_has_arrived_and_is_not_in_the_books_is_named(
    selling: SyncStockDB, drop_folder: Path
) -> None:
    drop_purchase(drop_folder, "today.csv", "B", 5)
    found = selling.check("B", 12)
    assert (found.answer, found.waiting) == ("ask", ("purchases/today.csv lies in the drop folder unread",))
    from syncstock_dagster_tests.receiving import receive_drop_folder

    receive_drop_folder(selling, drop_folder)
    found = selling.check("B", 12)
    assert found.answer == "ask"
    assert any("purchases/today.csv (1 movements) was received" in one for one in found.waiting)
    # A question changes nothing.
    assert selling.deliveries("received").shape[0] == 1
    assert selling.order([("B", 12)]).is_done


def test_locations_that_only_have_it_together_ask_a_person(selling: SyncStockDB) -> None:
    selling.upsert_locations([{"code": "north", "timezone": "UTC"}])
    at = datetime.now(UTC) - timedelta(minutes=1)
    selling.run_sync(pos_counts=[POSRecord(article(selling, "B"), 8, at, location="north")])
    assert selling.check("B", 10).answer == "yes"
    assert selling.check("B", 18).answer == "ask"
    assert selling.check("B", 19).answer == "no"
    assert selling.check("B", 9, location="north").answer == "no"
    with pytest.raises(BadInput):
        selling.check("B", 1, location="moon")
