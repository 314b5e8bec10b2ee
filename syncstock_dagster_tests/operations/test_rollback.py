"""Rollback in full, partly and of articles; previews, dependents, a second person; the record it leaves.

Put here what undoing an operation does. Keep out the laws of stock themselves (``stock/test_laws``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from syncstock_dagster import POSRecord, PurchaseRecord, SalesRecord, SyncStockDB, TransferRecord
from syncstock_dagster.catalog.policy import OperationsPolicy
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, acting, run_operation
from syncstock_dagster.operations.pushes import record_pushes
from syncstock_dagster_tests.operations.conftest import events_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(db: SyncStockDB) -> SyncStockDB:
    """Two places with something on the shelf."""
    db.upsert_locations([{"code": "B", "timezone": "Africa/Cairo"}])
    db.run_sync(
        [PurchaseRecord(n, 100, at=NOON, ref=f"P-{n}", location=at) for n in (1, 2) for at in ("main", "B")]
    )
    return db


def stock(db: SyncStockDB) -> dict[tuple[int, str], int]:
    """Article and location to what is on hand."""
    frame = db.on_hand()
    return {
        (int(row.inventory_id), str(row.location)): int(row.on_hand)  # type: ignore[call-overload]
        for row in frame.itertuples()
    }


def status(db: SyncStockDB, uuid: str) -> str:
    """Of an operation."""
    return str(db.operation(uuid)["status"])


def day(db: SyncStockDB) -> str:
    """A day with something of everything; its operation."""
    return db.run_sync(
        (),
        [
            SalesRecord(n, n, at=NOON + HOUR, ref=f"S-{n}-{at}", location=at)
            for n in (1, 2)
            for at in ("main", "B")
        ],
        [POSRecord(1, 90, NOON + 2 * HOUR), POSRecord(2, 95, NOON + 2 * HOUR)],
        movements=[TransferRecord(1, 5, NOON + 3 * HOUR, "main", "B", "T-1")],
    ).operation_uuid


BEFORE = {(1, "main"): 100, (1, "B"): 100, (2, "main"): 100, (2, "B"): 100}
AFTER = {(1, "main"): 85, (1, "B"): 104, (2, "main"): 95, (2, "B"): 98}


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        ({"tables": ["counts"]}, AFTER | {(1, "main"): 94, (2, "main"): 98}),
        ({"tables": ["movements"]}, {(1, "main"): 90, (1, "B"): 100, (2, "main"): 95, (2, "B"): 100}),
        ({"inventory_ids": [2]}, AFTER | {(2, "main"): 100, (2, "B"): 100}),
        # Both legs of the transfer go, though only one of them is at B.
        ({"locations": ["B"]}, {(1, "main"): 90, (1, "B"): 100, (2, "main"): 95, (2, "B"): 100}),
        ({"locations": ["main"], "inventory_ids": [2]}, AFTER | {(2, "main"): 100}),
    ],
)
def test_a_part_of_an_operation_is_undone_and_comes_back(
    selection: dict[str, Any], left: dict[tuple[int, str], int], shop: SyncStockDB
) -> None:
    uuid = day(shop)
    assert stock(shop) == AFTER
    preview = shop.preview_rollback(uuid, **selection)
    assert stock(shop) == AFTER
    shown = {(one["inventory_id"], one["location"]): int(one["after"]) for one in preview.stock}
    assert AFTER | shown == left
    undone = shop.rollback(uuid, reason="wrong", digest=preview.digest, **selection)
    assert stock(shop) == left
    assert status(shop, uuid) == "partly"
    assert shop.audit() == {}
    # Back again, away again: the same part each time.
    back = shop.rollback(undone.operation_uuid, reason="was right")
    assert (stock(shop), status(shop, uuid), status(shop, undone.operation_uuid)) == (
        AFTER,
        "completed",
        "rolled_back",
    )
    shop.rollback(back.operation_uuid, reason="was wrong after all")
    assert (stock(shop), status(shop, uuid)) == (left, "partly")
    # The rest of it.
    shop.rollback(uuid, reason="all of it")
    assert (stock(shop), status(shop, uuid)) == (BEFORE, "rolled_back")
    assert shop.rollback(uuid, reason="again").ledger_entries == 0
    assert shop.audit() == {}


def test_parts_that_leave_nothing_are_the_whole(shop: SyncStockDB) -> None:
    uuid = day(shop)
    shop.rollback(uuid, reason="wrong", inventory_ids=[1])
    last = shop.rollback(uuid, reason="wrong", inventory_ids=[2])
    assert (stock(shop), status(shop, uuid)) == (BEFORE, "rolled_back")
    shop.rollback(last.operation_uuid, reason="2 was right")
    assert status(shop, uuid) == "partly"
    assert shop.audit() == {}


def test_a_part_that_an_operation_does_not_have_is_refused_and_one_that_is_undone_is_once(
    shop: SyncStockDB,
) -> None:
    shop.upsert_products([{"inventory_id": 3, "sku": "C"}])
    uuid = day(shop)
    for nothing in ({"inventory_ids": [3]}, {"tables": ["products"]}, {"inventory_ids": [99]}):
        with pytest.raises(BadInput, match="nothing of what is selected"):
            shop.rollback(uuid, reason="wrong", **nothing)
        with pytest.raises(BadInput, match="nothing of what is selected"):
            shop.preview_rollback(uuid, **nothing)
    assert (stock(shop), status(shop, uuid)) == (AFTER, "completed")
    assert shop.rollbacks().empty
    shop.rollback(uuid, reason="wrong", inventory_ids=[1])
    again = shop.rollback(uuid, reason="wrong", inventory_ids=[1])
    assert (again.ledger_entries, len(shop.rollbacks()), status(shop, uuid)) == (0, 1, "partly")
    with pytest.raises(BadInput, match="nothing of it stands"):
        shop.rollback(uuid, reason="wrong", inventory_ids=[1], tables=["movements"])
    assert shop.audit() == {}


def test_articles_that_are_taken_back_leave_the_categories(shop: SyncStockDB) -> None:
    made = shop.change_products([{"sku": sku, "category": "Cups"} for sku in ("X", "Y")]).operation_uuid
    ids = shop.products().set_index("sku")["inventory_id"]
    shop.rollback(made, reason="no X", inventory_ids=[int(ids["X"])])
    assert shop.category_versions("Cups")["state"].iloc[-1]["is_active"]
    shop.rollback(made, reason="no Y either")
    assert not shop.category_versions("Cups")["state"].iloc[-1]["is_active"]
    assert shop.audit() == {}


def test_a_part_of_a_rollback_is_given_back(shop: SyncStockDB) -> None:
    uuid = day(shop)
    undone = shop.rollback(uuid, reason="wrong").operation_uuid
    shop.rollback(undone, reason="2 was right", inventory_ids=[2])
    assert stock(shop) == BEFORE | {(2, "main"): 95, (2, "B"): 98}
    assert (status(shop, uuid), status(shop, undone)) == ("partly", "partly")
    assert shop.audit() == {}


def test_a_partly_withdrawn_delivery_is_still_known(shop: SyncStockDB) -> None:
    sale = [SalesRecord(n, 1, at=NOON, ref=f"S-{n}") for n in (1, 2)]
    uuid = shop.run_sync((), sale, idempotency_key="k").operation_uuid
    shop.rollback(uuid, reason="wrong", inventory_ids=[1])
    assert shop.run_sync((), sale, idempotency_key="k").status == "already received"
    shop.rollback(uuid, reason="wrong")
    assert shop.run_sync((), sale, idempotency_key="k").status == "rolled back"
    assert shop.run_sync((), sale, idempotency_key="k", again=True).movements_new == 2
    assert stock(shop)[1, "main"] == 99
    assert shop.audit() == {}


def test_what_was_looked_at_is_what_is_done(shop: SyncStockDB) -> None:
    uuid = day(shop)
    digest = shop.preview_rollback(uuid).digest
    shop.run_sync((), [SalesRecord(2, 50, at=NOON + 9 * HOUR, ref="later")])
    assert shop.preview_rollback(uuid).digest == digest  # a later sale changes nothing of it
    shop.run_sync((), (), [POSRecord(2, 40, NOON + 10 * HOUR)])
    with pytest.raises(BadInput, match="preview it again"):
        shop.rollback(uuid, reason="wrong", digest=digest)
    assert status(shop, uuid) == "completed"
    shop.rollback(uuid, reason="wrong", digest=shop.preview_rollback(uuid).digest)
    assert stock(shop) == BEFORE | {(2, "main"): 40}


def test_the_record_of_a_rollback_holds_the_state_before_it(shop: SyncStockDB) -> None:
    import psycopg

    uuid = day(shop)
    shop.rollback(uuid, reason="wrong", inventory_ids=[2], who="anna")
    with psycopg.connect(shop.url) as connection:
        backup, result = connection.execute(
            "select backup_data, result from syncstock.sync_rollbacks"
        ).fetchone() or ({}, {})
    locations = {"main": 1, "B": 2}
    assert sorted(backup["stock"]) == sorted([2, locations[at], AFTER[2, at]] for at in locations)
    assert result["ledger_entries"] > 0
    (told,) = shop.rollbacks().to_dict("records")
    assert (told["type"], told["status"], told["created_by"]) == ("selective", "done", "anna")
    assert told["selection"] == {"inventory_ids": [2]}


def test_an_operation_that_needs_two_people_waits_for_the_second(shop: SyncStockDB) -> None:
    shop.__dict__["operations_policy"] = OperationsPolicy(second_person=("sync",))
    uuid = day(shop)
    for _ in range(2):
        assert shop.rollback(uuid, reason="wrong", who="anna").status == "requested"
    assert stock(shop) == AFTER
    assert shop.rollbacks()["status"].to_list() == ["requested"]
    assert shop.rollback(uuid, reason="wrong", who="bert", inventory_ids=[1]).status == "requested"
    assert shop.refuse_rollback(uuid, reason="no", who="carl") == 2
    assert shop.rollback(uuid, reason="wrong", who="bert").status == "requested"
    assert shop.rollback(uuid, reason="yes", who="anna").status == "rolled back"
    assert stock(shop) == BEFORE
    done = shop.rollbacks().to_dict("records")[0]
    assert (done["requested_by"], done["created_by"]) == ("bert", "anna")
    assert shop.audit() == {}


def test_a_second_person_does_what_the_first_one_looked_at(shop: SyncStockDB) -> None:
    shop.__dict__["operations_policy"] = OperationsPolicy(second_person=("sync",))
    uuid = day(shop)
    shop.rollback(uuid, reason="wrong", who="anna")
    shop.run_sync((), (), [POSRecord(2, 40, NOON + 10 * HOUR)])
    with pytest.raises(BadInput, match="preview it again"):
        shop.rollback(uuid, reason="yes", who="bert")
    assert status(shop, uuid) == "completed"


def test_nobody_is_the_second_person_to_oneself_however_it_is_said_who_acts(shop: SyncStockDB) -> None:
    shop.__dict__["operations_policy"] = OperationsPolicy(second_person=("sync",))
    uuid = day(shop)
    for _ in range(2):
        with acting(who="anna"):
            assert shop.rollback(uuid, reason="wrong").status == "requested"
    with acting(who="bert"):
        assert shop.rollback(uuid, reason="yes").status == "rolled back"


def test_what_is_locked_by_whoever_acts_is_not_locked_for_oneself(shop: SyncStockDB) -> None:
    shop.change_products([{"sku": "A", "inventory_id": 900}])
    with acting(who="anna"):
        assert shop.lock_products([900])[0]["sync_locked_by"] == "anna"
        assert shop.change_products([{"sku": "A", "price": 1}]).committed == 1
        assert shop.unlock_products([900]) == 1


def test_a_selection_of_nothing_is_no_rollback(shop: SyncStockDB) -> None:
    uuid = day(shop)
    with pytest.raises(BadInput, match="Nothing is selected"):
        shop.rollback(uuid, reason="wrong", inventory_ids=[])
    with pytest.raises(BadInput, match="Nothing is selected"):
        shop.preview_rollback(uuid, tables=[])
    assert status(shop, uuid) == "completed"


def test_articles_go_back_to_what_they_were_field_by_field(shop: SyncStockDB) -> None:
    shop.change_products([{"sku": "A", "name": "Mug", "price": 1, "identifiers": {"zoho": "1"}}])
    wrong = shop.change_products(
        [{"sku": "A", "name": "Mgu", "price": 100, "identifiers": {"zoho": "2"}}, {"sku": "B", "name": "Cup"}]
    ).operation_uuid
    shop.change_products([{"sku": "A", "style": "K-7"}])  # another field: it stays
    preview = shop.preview_rollback(wrong)
    assert [(one["sku"], one["field"], one["old"], one["new"]) for one in preview.products] == [
        ("A", "identifiers.zoho", '["2"]', '["1"]'), ("A", "name", "Mgu", "Mug"), ("A", "price", "100", "1"),
        ("B", "is_active", "true", "false"),
    ]  # fmt: skip
    undone = shop.rollback(wrong, reason="wrong file").operation_uuid
    states = {one["sku"]: one for one in shop.product_states()["state"]}
    assert (states["A"]["name"], states["A"]["price"], states["A"]["style"]) == ("Mug", 1, "K-7")
    assert states["A"]["identifiers.zoho"] == ["1"]
    assert states["B"]["is_active"] is False
    assert status(shop, wrong) == "rolled_back"
    assert shop.staged(["rolled_back"])["sku"].to_list() == ["B", "A"]
    shop.rollback(undone, reason="it was right")
    states = {one["sku"]: one for one in shop.product_states()["state"]}
    assert (states["A"]["name"], states["A"]["price"], states["A"]["style"]) == ("Mgu", 100, "K-7")
    assert states["B"]["is_active"] is True
    assert status(shop, wrong) == "completed"
    assert shop.audit() == {}


def test_a_later_change_of_the_same_field_is_in_the_way_until_it_is_included(shop: SyncStockDB) -> None:
    shop.change_products([{"sku": "A", "name": "Mug", "price": 1}, {"sku": "B", "price": 1}])
    wrong = shop.change_products([{"sku": "A", "price": 2}, {"sku": "B", "price": 2}]).operation_uuid
    later = shop.change_products([{"sku": "A", "price": 3, "name": "Big mug"}]).operation_uuid
    assert shop.preview_rollback(wrong).dependents == [later]
    with pytest.raises(BadInput, match=later):
        shop.rollback(wrong, reason="wrong")
    b = int(shop.products(["B"])["inventory_id"][0])
    shop.rollback(wrong, reason="wrong", inventory_ids=[b])
    undone = shop.rollback(wrong, reason="wrong", include_dependents=True).operation_uuid
    prices = shop.products(["A", "B"]).set_index("sku")
    assert ({k: int(v) for k, v in prices["price"].items()}, prices["name"]["A"]) == (
        {"A": 1, "B": 1},
        "Big mug",
    )
    assert (status(shop, wrong), status(shop, later)) == ("rolled_back", "partly")
    shop.rollback(undone, reason="back")
    assert int(shop.products(["A"])["price"][0]) == 3
    assert status(shop, later) == "completed"
    assert shop.audit() == {}


def test_what_went_out_of_the_house_is_listed_and_becomes_an_event(shop: SyncStockDB) -> None:
    uuid = day(shop)

    def push(operation: Operation) -> dict[str, Any]:
        sent = [{"inventory_id": 1, "location": "main", "what": {"on_hand": 85}, "before": {"on_hand": 90}}]
        return {"pushed": record_pushes(operation, "shopify", sent)}

    pushed = run_operation(shop.url, "push", "push", push, direction="up")
    told = shop.operation(pushed.uuid)
    assert (told["direction"], told["items_processed"]) == ("up", 1)
    assert told["pushes"][0]["system"] == "shopify"
    (outside,) = shop.preview_rollback(uuid).outside
    assert (outside["system"], outside["values_sent"], outside["articles"]) == ("shopify", 1, 1)
    shop.rollback(uuid, reason="wrong")
    (event,) = events_of(shop, "push.*", 1)
    assert (event["entity_id"], event["payload"]["system"]) == ("1", "shopify")


def test_a_dry_run_leaves_nothing_behind(shop: SyncStockDB) -> None:
    uuid = day(shop)
    shop.rollback(uuid, reason="wrong", dry_run=True)
    assert (stock(shop), status(shop, uuid)) == (AFTER, "completed")
    assert shop.rollbacks().empty


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"reason": " "}, "reason"),
        ({"reason": "x", "tables": ["ledger"]}, "movements, counts, products"),
        ({"reason": "x", "locations": ["nowhere"]}, "nowhere"),
    ],
)
def test_a_rollback_that_makes_no_sense_is_refused(
    given: dict[str, Any], told: str, shop: SyncStockDB
) -> None:
    with pytest.raises(BadInput, match=told):
        shop.rollback(day(shop), **given)


def active(db: SyncStockDB, inventory_id: int) -> bool:
    """Whether an article is in use."""
    (state,) = db.product_states([inventory_id])["state"]
    return bool(state["is_active"])


def test_an_article_that_only_withdrawn_evidence_names_is_out_of_use_until_it_comes_back(
    shop: SyncStockDB,
) -> None:
    """Back and forth as often as one likes: nothing but the rollbacks themselves has changed it."""
    delivery = shop.run_sync([PurchaseRecord(7, 5, at=NOON, ref="P-7")]).operation_uuid
    for _ in range(2):
        undone = shop.rollback(delivery, reason="wrong file").operation_uuid
        assert not active(shop, 7)
        shop.rollback(undone, reason="it was right")
        assert active(shop, 7)
    assert shop.audit() == {}


@pytest.mark.parametrize("is_count", [False, True])
def test_an_article_that_other_evidence_names_stays_in_use(shop: SyncStockDB, is_count: bool) -> None:
    """Its stock goes on being counted and sold."""
    delivery = shop.run_sync([PurchaseRecord(7, 5, at=NOON, ref="P-7")]).operation_uuid
    if is_count:
        shop.run_sync(pos_counts=[POSRecord(7, 4, NOON + HOUR)])
    else:
        shop.run_sync(sales=[SalesRecord(7, 1, at=NOON + HOUR, ref="S-7")])
    shop.rollback(delivery, reason="wrong file")
    assert active(shop, 7)
    assert stock(shop)[7, "main"] == (4 if is_count else -1)


def test_a_choice_about_an_article_is_refused_with_what_to_undo_instead(db: SyncStockDB) -> None:
    """It changes no article itself: how far its change has come says what there is to undo."""

    def contested(sku: str) -> str:
        db.change_products([{"sku": sku, "price": 10}])
        db.stage_products([{"sku": sku, "price": 10}], source="zoho")
        db.change_products([{"sku": sku, "price": 12}])
        return db.stage_products([{"sku": sku, "price": 15}], source="zoho").operation_uuid

    def choose(keep: Literal["new", "old"]) -> str:
        (conflict_id,) = db.conflicts()["conflict_id"]
        return db.resolve(int(conflict_id), keep=keep, reason="asked").operation_uuid

    def refusal(uuid: str) -> str:
        with pytest.raises(BadInput) as refused:
            db.rollback(uuid, reason="wrong")
        return str(refused.value)

    contested("A")
    assert "change the article: price is 15" in refusal(choose("old"))
    staged = contested("B")
    choice = choose("new")
    (waiting,) = db.staged()["staging_id"]
    assert f"syncstock staging reject {waiting}" in refusal(choice)
    db.approve_staged(operation_uuid=staged, reason="fine")
    commit = db.commit_staged().operation_uuid
    assert f"committed by {commit}" in refusal(choice)
    db.rollback(commit, reason="wrong")
    assert "is rolled_back" in refusal(choice)
    assert db.products(["B"])["price"].to_list() == [12]
    assert db.audit() == {}
