"""Runs from beginning to end: what is written, what is left and why, and what is on record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.channels.shopify import sync
from syncstock_dagster.channels.shopify.policy import Options, ShopifyPolicy
from syncstock_dagster.channels.shopify.record import deletions, find_sync
from syncstock_dagster.errors import BadInput
from syncstock_dagster_tests.channels.shopify.world import Killed, World


@pytest.fixture
def world(database_url: str) -> World:
    """A shop of its own; the database is that of all tests."""
    return World(database_url)


def left(report: dict[str, Any]) -> dict[str | None, str]:
    return {row["sku"]: row["reason"] for row in report["report"]["details"]["left"]}


def test_levels_follow_the_truth_and_products_are_tagged(world: World) -> None:
    product = world.add("C1", {"C1-36": 5, "C1-37": 0, "C1-38": 4}, {"C1-36": 3, "C1-37": 7, "C1-38": 4})
    product.tags = ["new", "RMS-SYNC-26-03-01"]

    report = world.run()

    assert (world.level("C1-36"), world.level("C1-37"), world.level("C1-38")) == (3, 7, 4)
    assert product.tags == ["new", "RMS-SYNC-26-03-02"]
    assert (
        report["success"] and report["message"] == "Reverse sync completed successfully - 100.0% success rate"
    )
    assert report["sync_id"].startswith("reverse_stock_20260302_")
    numbers = report["report"]["statistics"]
    assert (numbers["products_checked"], numbers["variants_checked"], numbers["variants_updated"]) == (
        1,
        3,
        2,
    )
    assert {"sku": "C1-36", "old_qty": 5, "new_qty": 3, "location": world.main} in report["report"][
        "details"
    ]["updated"]
    assert len(world.shop.writes) == 2
    assert len({write.key for write in world.shop.writes}) == 1, "one call for both"


def test_a_second_run_of_the_day_finds_nothing_though_the_search_index_lags(world: World) -> None:
    world.index_lag = world.shop.index_lag = 3600
    world.wait(hours=2)
    world.add("C1", {"A": 5}, {"A": 3})
    world.run()
    world.shop.calls.clear()

    report = world.run()

    assert report["report"]["statistics"]["products_found"] == 0
    assert "ReadProducts" not in world.shop.calls


def test_missing_in_the_truth_is_not_zero(world: World) -> None:
    world.add("C1", {"A": 5, "B": 4}, {"A": 5})
    world.add("C2", {"C": 6}, {})
    world.add(None, {"D": 6})

    report = world.run()

    assert [world.level(sku) for sku in "ABCD"] == [5, 4, 6, 6]
    assert left(report)["B"] == "missing in the truth, which is not zero"
    assert left(report)["C"] == "missing in the truth, which is not zero"
    assert report["report"]["statistics"]["products_without_ccod"] == 1
    assert world.shop.writes == [] and world.shop.deleted == []


def test_a_truth_that_fails_spoils_only_the_products_it_fails_for_and_names_no_secret(world: World) -> None:
    world.add("C1", {"A": 5}, {"A": 3})
    world.add("C2", {"B": 5}, {"B": 3})
    world.broken = {"C1"}

    report = world.run()

    assert (world.level("A"), world.level("B")) == (5, 3)
    (error,) = report["report"]["details"]["errors"]
    assert error["reason"] == "the truth could not be read: ConnectionError"
    assert not report["success"]


def test_skus_are_found_whatever_their_case_where_one_candidate_exists(world: World) -> None:
    world.add("C1", {"ab-1": 5, "Cd-1": 5}, {"AB-1": 3, "CD-1": 1, "cd-1": 2})

    report = world.run()

    assert (world.level("ab-1"), world.level("Cd-1")) == (3, 5)
    assert left(report) == {"Cd-1": "may be 'CD-1' or 'cd-1' in the truth"}


def test_only_what_goes_out_is_clamped_and_a_fraction_is_left(world: World) -> None:
    world.add("C1", {"A": 5, "B": 5}, {"A": -2, "B": "2.5"})

    report = world.run()

    assert (world.level("A"), world.level("B")) == (0, 5)
    assert left(report) == {"B": "2.5 in the truth is no whole number"}
    assert deletions(world.url, find_sync(world.url).sync_id) == [], "below zero is a doubt, not a zero"


def test_variants_that_are_not_ours_to_keep_are_left(world: World) -> None:
    product = world.add("C1", {"A": 5, "E": 5}, {"A": 3, "B": 3, "E": 2, "X": 9})
    world.shop.add_variant(product, "B", {world.main: 5}, tracked=False)
    world.shop.add_variant(product, "X", {})
    other = world.add("C2", {"E": 1, "": 4}, {"E": 2})

    report = world.run()

    assert (world.level("A"), world.level("B")) == (3, 5)
    assert [variant.levels[world.main]["available"] for variant in other.variants] == [1, 4]
    assert left(report)["E"] == "has the same SKU as another variant of the shop"
    assert left(report)[""] == "has no SKU in the shop"
    assert left(report)["X"] == "not stocked there by the shop"
    assert "X" not in {write.item_id for write in world.shop.writes}


def test_several_locations_each_have_their_own_truth(world: World) -> None:
    second = world.shop.add_location("Second")
    world.policy = ShopifyPolicy(locations={world.main: ("00", "01"), second: ("57",)})
    world.add("C1", {"A": {world.main: 5, second: 5}, "B": {world.main: 1, second: 1}})
    world.truth["C1"] = {"A": {"00": 1, "01": 2, "57": 9}, "B": {"00": 1, "57": 4}}

    report = world.run()

    assert (world.level("A"), world.level("A", location=second)) == (3, 9)
    assert (world.level("B"), world.level("B", location=second)) == (1, 4)
    assert left(report) == {"B": "missing in the truth at 01, which is not zero"}


def test_without_a_map_several_locations_are_refused(world: World) -> None:
    world.shop.add_location("Second")
    with pytest.raises(BadInput, match=r"has 2 locations"):
        world.run()


def test_a_location_that_the_shop_does_not_have_is_refused(world: World) -> None:
    """Else everything would look as if it were stocked nowhere, and in order."""
    world.policy = ShopifyPolicy(locations={"99": ("main",)})
    with pytest.raises(BadInput, match=r"names 99, and the active locations of the shop are 1 \(Main\)"):
        world.run()


def test_on_hand_is_kept_with_open_orders_in_it_and_available_without(world: World) -> None:
    world.add("C1", {"A": {"available": 5, "committed": 2}}, {"A": 9})
    world.run()
    assert (world.level("A", "on_hand"), world.level("A", "available")) == (9, 7)

    world.policy = ShopifyPolicy(quantity="available")
    world.wait(days=1)
    world.run()
    assert (world.level("A", "on_hand"), world.level("A", "available")) == (11, 9)


def test_a_sale_between_looking_and_writing_is_not_erased(world: World) -> None:
    world.add("C1", {"A": 5, "B": 5, "C": 5}, {"A": 3, "B": 4, "C": 4})
    is_sold = False

    def sell(name: str) -> None:
        nonlocal is_sold
        if name == "SetQuantities" and not is_sold:
            is_sold = True
            world.shop.sell(world.variant("A"), world.main, 1)

    world.shop.before_call = sell

    report = world.run()

    assert world.level("A") == 4, "the sale stays: the truth does not know of it yet"
    assert (world.level("B"), world.level("C")) == (4, 4), "one stale line spoils nobody else's"
    assert left(report) == {"A": "changed in the shop meanwhile, and the truth does not know of it yet"}
    assert world.shop.calls["AddTags"] == 0


def test_after_a_sale_that_the_truth_knows_of_the_new_truth_is_written(world: World) -> None:
    world.add("C1", {"A": 5}, {"A": 3})
    is_sold = False

    def sell(name: str) -> None:
        nonlocal is_sold
        if name == "SetQuantities" and not is_sold:
            is_sold = True
            world.shop.sell(world.variant("A"), world.main, 1)
            world.truth["C1"]["A"]["main"] = 2

    world.shop.before_call = sell

    report = world.run()

    assert world.level("A") == 2
    assert report["report"]["statistics"]["errors"] == 0
    assert [(write.before, write.after) for write in world.shop.writes] == [(4, 2)]


def test_where_one_level_cannot_be_set_the_others_of_its_product_are_taken_back(world: World) -> None:
    world.add("C1", {"A": 5, "B": 5}, {"A": 3, "B": 4})
    world.add("C2", {"C": 5}, {"C": 1})
    unlucky = world.variant("B")

    def untrack(name: str) -> None:
        unlucky.tracked = unlucky.tracked and name != "SetQuantities"

    world.shop.before_call = untrack

    report = world.run(batch_size=50)

    assert (world.level("A"), world.level("C")) == (5, 1)
    details = report["report"]["details"]
    assert (details["rollbacks"], details["rollback_failures"]) == (1, 0)
    assert {row["sku"] for row in details["errors"]} == {"B", None}
    assert [(write.before, write.after) for write in world.shop.writes if write.before in (5, 3)][-1] == (
        3,
        5,
    )


def test_what_is_gone_meanwhile_spoils_nothing_beside_it(world: World) -> None:
    """A variant that somebody deletes, or a whole product, between looking and writing; and before taking back."""
    world.add("C1", {"A": 5, "B": 5}, {"A": 3, "B": 4})
    product = world.add("C2", {"C": 5, "D": 5}, {"C": 1, "D": 2})
    world.add("C3", {"E": 5}, {"E": 6})
    going = [world.variant("B"), *product.variants]

    def vanish(name: str) -> None:
        while name == "SetQuantities" and going:
            world.shop.remove_variant(going.pop())

    world.shop.before_call = vanish

    report = world.run(batch_size=50)

    assert (world.level("A"), world.level("E")) == (3, 6)
    assert left(report) == dict.fromkeys("BCD", "is not stocked there any more")
    assert (report["success"], report["report"]["statistics"]["errors"]) == (True, 0)
    world.shop.remove_variant(world.variant("A"))
    back = sync.roll_back(world.channel(), report["sync_id"], reason="wrong store")
    assert world.level("E") == 5
    details = back["report"]["details"]
    assert (details["rollbacks"], details["rollback_failures"]) == (1, 1)


def test_what_was_sold_after_our_write_is_not_taken_back(world: World) -> None:
    world.add("C1", {"A": 5, "B": 5}, {"A": 3, "B": 4})
    unlucky = world.variant("B")

    def meddle(name: str) -> None:
        if name == "SetQuantities" and unlucky.tracked:
            unlucky.tracked = False
        elif name == "SetQuantities" and world.shop.calls[name] == 3:
            world.shop.sell(world.variant("A"), world.main, 1)

    world.shop.before_call = meddle

    report = world.run()

    assert world.level("A") == 2
    assert report["report"]["details"]["rollback_failures"] == 1


def test_a_plan_is_looked_at_first_and_applied_once(world: World) -> None:
    world.add("C1", {"A": 5}, {"A": 3})
    plan = sync.plan(world.channel(), options=Options(max_concurrent=1))
    assert world.level("A") == 5 and world.shop.writes == []
    assert plan["report"]["details"]["updated"] == [
        {"sku": "A", "old_qty": 5, "new_qty": 3, "location": world.main}
    ]

    sync.apply(world.channel(), plan["sync_id"])
    sync.apply(world.channel(), plan["sync_id"])

    assert world.level("A") == 3
    assert len(world.shop.writes) == 1


def test_a_plan_that_is_too_old_is_made_anew(world: World) -> None:
    world.add("C1", {"A": 5}, {"A": 3})
    plan = sync.plan(world.channel(), options=Options(max_concurrent=1))
    world.wait(hours=3)
    world.truth["C1"]["A"]["main"] = 4

    sync.apply(world.channel(), plan["sync_uuid"][:8])

    assert [(write.before, write.after) for write in world.shop.writes] == [(5, 4)]


def test_a_plan_of_yesterday_takes_no_newer_tag_away(world: World) -> None:
    product = world.add("C1", {"A": 5}, {"A": 3})
    plan = sync.plan(world.channel(), options=Options(max_concurrent=1))
    world.wait(days=1)
    product.tags = ["RMS-SYNC-26-03-01", "RMS-SYNC-26-03-03"]
    sync.apply(world.channel(), plan["sync_id"])
    assert product.tags == ["RMS-SYNC-26-03-03", "RMS-SYNC-26-03-02"]


@pytest.mark.parametrize("trouble", ["truth", "shop", "lock"])
def test_what_cannot_be_looked_at_again_is_not_sent_from_an_old_plan(world: World, trouble: str) -> None:
    product = world.add("C1", {"A": 5}, {"A": 3})
    world.policy = ShopifyPolicy(lock_seconds=0)
    sync.plan(world.channel(), options=Options(max_concurrent=1))
    world.wait(hours=3)
    with psycopg.connect(world.url, autocommit=True) as other:
        if trouble == "truth":
            world.broken = {"C1"}
        elif trouble == "shop":
            world.shop.fault = lambda number, name: "drop" if name == "ReadProducts" else None
        else:
            lock = f"shopify {world.name} {product.id}"
            other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (lock,))
        report = sync.apply(world.channel(), find_plan(world))
    assert world.shop.writes == [] and product.tags == []
    assert report["report"]["statistics"]["products_open"] == 0


def find_plan(world: World) -> str:
    """The newest run of this world."""
    return sync.status(world.url)["sync_id"]


def test_a_dry_run_looks_at_a_few_products_and_cannot_be_applied(world: World) -> None:
    for number in range(4):
        world.add(f"C{number}", {f"A{number}": 5}, {f"A{number}": 3})

    report = sync.dry_run(world.channel(), limit=2)

    assert report["report"]["statistics"]["products_checked"] == 2
    assert report["message"].startswith("Dry run completed")
    assert world.shop.writes == [] and world.shop.calls["AddTags"] == 0
    with pytest.raises(BadInput, match="dry run"):
        sync.apply(world.channel(), report["sync_id"])


def test_what_another_run_holds_is_skipped_and_said(world: World) -> None:
    product = world.add("C1", {"A": 5}, {"A": 3})
    world.add("C2", {"B": 5}, {"B": 3})
    world.policy = ShopifyPolicy(lock_seconds=0.1)
    with psycopg.connect(world.url, autocommit=True) as other:
        lock = f"shopify {world.name} {product.id}"
        other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (lock,))
        report = world.run()

    assert (world.level("A"), world.level("B")) == (5, 3)
    assert {row["reason"] for row in report["report"]["details"]["left"]} == {"another run is at work on it"}
    world.run()
    assert world.level("A") == 3, "a lost worker frees it"


def test_what_went_out_is_on_record_as_a_push(db: SyncStockDB) -> None:
    world = World(db.url)
    db.upsert_products([{"sku": "A", "name": "An article"}])
    world.add("C1", {"A": 5, "B": 4}, {"A": 3, "B": 1})

    report = world.run()

    operation = db.operation(report["operation_uuid"])
    assert (operation["type"], operation["status"]) == ("push", "completed")
    with psycopg.connect(world.url) as connection:
        ((what, before),) = connection.execute("select what, before from syncstock.sync_pushes").fetchall()
    assert what["quantity"] == 3 and before == {"quantity": 5}, "of the article that we know"
    assert sync.status(world.url)["result"]["report"]["statistics"]["variants_updated"] == 2
    assert db.audit() == {}


def test_ten_workers_share_one_budget_and_nothing_is_done_twice(world: World) -> None:
    world.shop.rate = 500
    for number in range(120):
        world.add(f"C{number}", {f"{number}-A": 5, f"{number}-B": 1}, {f"{number}-A": 3, f"{number}-B": 1})

    report = world.run(max_concurrent=10, batch_size=7)

    assert all(world.level(f"{number}-A") == 3 for number in range(120))
    assert len(world.shop.writes) == 120
    assert world.shop.throttled == 0
    assert report["report"]["performance"]["cost_points"] == round(world.shop.points)
    assert report["report"]["performance"]["max_concurrent_workers"] == 10


def test_a_product_that_cannot_be_tagged_is_done_all_the_same_and_it_is_said(world: World) -> None:
    product = world.add("C1", {"A": 5}, {"A": 3})
    world.shop.fault = lambda number, name: "drop" if name == "AddTags" else None
    report = world.run()
    assert world.level("A") == 3 and report["success"] and product.tags == []
    assert report["report"]["details"]["left"][0]["reason"].startswith("done, but not tagged: add_tags")
    world.shop.fault = None
    assert world.run()["report"]["statistics"]["products_found"] == 0, "our record is what counts"


def test_several_runs_at_once_do_each_product_once(world: World) -> None:
    world.policy = ShopifyPolicy(lock_seconds=0)
    world.shop.rate = 500
    for number in range(40):
        world.add(f"C{number}", {f"{number}-A": 5, f"{number}-B": 1}, {f"{number}-A": 3, f"{number}-B": 1})

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(world.run, max_concurrent=3, batch_size=5) for _ in range(3)]:
            done.result()

    assert all(world.level(f"{number}-A") == 3 for number in range(40))
    assert len(world.shop.writes) == 40


def test_a_plan_that_nobody_applied_is_not_carried_out_by_the_next_run(world: World) -> None:
    world.policy = ShopifyPolicy(updates="approve")
    world.add("C1", {"A": 5}, {"A": 3})
    report = world.run()
    world.run()
    assert world.level("A") == 5
    sync.apply(world.channel(), report["sync_id"])
    assert world.level("A") == 3


@pytest.mark.parametrize("call", ["SetQuantities", "ReadLevels"])
def test_killed_after_a_stale_answer_the_next_run_looks_again(world: World, call: str) -> None:
    world.add("C1", {"A": 5}, {"A": 3})
    killed: list[str] = []

    def sell(name: str) -> None:
        if name == "SetQuantities" and not killed:
            world.shop.sell(world.variant("A"), world.main, 1)
            world.truth["C1"]["A"]["main"] = 2

    def kill(number: int, name: str) -> BaseException | None:
        if name == call and not killed:
            killed.append(name)
            return Killed(is_after=True)
        return None

    world.shop.before_call, world.shop.fault = sell, kill
    with pytest.raises(Killed):
        world.run()

    world.run()
    assert world.level("A") == 2
    assert [(write.before, write.after) for write in world.shop.writes] == [(4, 2)]


def test_a_shop_that_falls_silent_is_gone_on_with_by_the_next_run(world: World) -> None:
    world.add("C1", {"A": 5}, {"A": 3})
    world.shop.fault = lambda number, name: "after:drop" if name == "SetQuantities" else None
    report = world.run()
    assert not report["success"] and "apply it again" in report["message"]
    assert report["report"]["details"]["errors"][0]["reason"].startswith("the shop did not answer")

    world.shop.fault = None
    world.run()
    assert world.level("A") == 3
    assert len(world.shop.writes) == 1
    assert find_sync(world.url, report["sync_id"]).state == "finished"


def test_a_call_of_which_the_shop_has_forgotten_the_key_is_not_sent_again(world: World) -> None:
    world.add("C1", {"A": 5, "B": 2}, {"A": 3, "B": 1})
    world.shop.fault = lambda number, name: "drop" if name == "SetQuantities" else None
    report = world.run()
    world.shop.fault = None
    world.wait(hours=20)
    world.truth["C1"]["A"]["main"] = 4

    sync.apply(world.channel(), report["sync_id"])

    assert (world.level("A"), world.level("B")) == (4, 1)
    assert {write.after for write in world.shop.writes} == {4, 1}


def test_not_configured_is_said_and_is_no_error(world: World) -> None:
    report = sync.execute(None)
    assert report["success"] and "not configured" in report["message"]
