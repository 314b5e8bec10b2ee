"""Which variants may go, which stay and why, and how everything is taken back."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from syncstock_dagster.channels.shopify import sync
from syncstock_dagster.channels.shopify.policy import Options, ShopifyPolicy
from syncstock_dagster.channels.shopify.record import deletions, find_sync, products_held
from syncstock_dagster.errors import BadInput
from syncstock_dagster_tests.channels.shopify.world import Killed, World

AUTOMATIC = ShopifyPolicy(deletions="automatic")


@pytest.fixture
def world(database_url: str) -> World:
    """A shop of its own; the database is that of all tests."""
    return World(database_url)


def kept(world: World) -> dict[str, str]:
    found = deletions(world.url, find_sync(world.url).sync_id, ["kept"])
    return {row["sku"]: row["reason"] for row in found}


def statuses(world: World, *reports: dict) -> list[str]:
    """How the operations behind reports ended."""
    with psycopg.connect(world.url) as connection:
        rows = connection.execute(
            "select status::text from syncstock.sync_operations where operation_uuid::text = any(%s)",
            ([report["operation_uuid"] for report in reports],),
        )
        return [status for (status,) in rows]


def test_deletions_are_planned_and_wait_for_a_person(world: World) -> None:
    world.add("C1", {"A": 5, "B": 1}, {"A": 5, "B": 0})

    report = world.run()

    assert world.level("B") == 0, "the level is set at once"
    assert report["report"]["details"]["deletions_waiting"] == [{"sku": "B", "reason": "zero_stock"}]
    assert world.shop.deleted == []

    sync.decide_deletions(world.url, report["sync_id"], "approved", reason="the season is over", who="Mia")
    report = sync.apply(world.channel(), report["sync_id"])

    assert [variant.sku for variant in world.shop.deleted] == ["B"]
    assert report["report"]["statistics"]["variants_deleted"] == 1
    (row,) = deletions(world.url, find_sync(world.url).sync_id)
    assert (row["state"], row["decided_by"], row["decided_because"]) == (
        "deleted",
        "Mia",
        "the season is over",
    )
    assert report["report"]["details"]["deleted"] == [{"sku": "B", "reason": "zero_stock"}]


def test_only_those_that_a_person_approves_go(world: World) -> None:
    world.add("C1", {"A": 5, "B": 0, "C": 0}, {"A": 5, "B": 0, "C": 0})
    report = world.run()
    sync.decide_deletions(world.url, None, "approved", skus=["B"], reason="gone for good")
    sync.decide_deletions(world.url, None, "rejected", reason="comes back")
    with pytest.raises(BadInput, match="No deletion"):
        sync.decide_deletions(world.url, None, "approved", reason="too late")

    sync.apply(world.channel(), report["sync_id"])

    assert [variant.sku for variant in world.shop.deleted] == ["B"]


def test_where_deleting_is_switched_off_nothing_is_proposed(world: World) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 5, "B": 0}, {"A": 5, "B": 0})
    world.run(delete_zero_stock=False)
    assert deletions(world.url, find_sync(world.url).sync_id) == []
    assert world.shop.deleted == []


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ({"incoming": 3}, "3 incoming"),
        ({"committed": 1}, "1 committed"),
        ({"reserved": 1}, "1 reserved"),
        ({"available": 2}, "2 available"),
        ({"available": -1, "quality_control": 1}, "1 quality control"),
    ],
)
def test_any_quantity_anywhere_protects(world: World, levels: dict[str, int], reason: str) -> None:
    """At a location that we do not keep, too."""
    elsewhere = world.shop.add_location("Elsewhere")
    world.policy = ShopifyPolicy(deletions="automatic", locations={world.main: ("main",)})
    world.add("C1", {"A": 5, "B": {world.main: 0, elsewhere: levels}}, {"A": 5, "B": 0})

    world.run()

    assert world.shop.deleted == []
    assert kept(world)["B"].startswith(reason)


def _sell(world: World) -> None:
    variant = world.variant("B")
    variant.levels[world.main]["available"] += 1
    world.shop.sell(variant, world.main, 1)


def _truth_elsewhere(world: World) -> None:
    world.truth["C1"]["B"]["57"] = 2


def _components(world: World) -> None:
    world.variant("B").requires_components = True


def _same_sku(world: World) -> None:
    world.shop.add_variant(world.add("C9", {}), "B", {world.main: 0})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_sell, "it was sold within 30 days"),
        (_components, "it is made of components"),
        (_truth_elsewhere, None),
        (_same_sku, None),
    ],
)
def test_every_doubt_protects(world: World, change: Callable[[World], None], reason: str | None) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 5, "B": 0}, {"A": 5, "B": 0})
    change(world)

    world.run()

    assert world.shop.deleted == []
    assert kept(world) == ({} if reason is None else {"B": reason})


def test_an_old_sale_protects_no_longer(world: World) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 5, "B": 0}, {"A": 5, "B": 0})
    _sell(world)
    world.wait(days=31)
    world.run()
    assert [variant.sku for variant in world.shop.deleted] == ["B"]


def test_what_became_true_after_the_approval_counts(world: World) -> None:
    world.add("C1", {"A": 5, "B": 0, "C": 0, "D": 0}, {"A": 5, "B": 0, "C": 0, "D": 0})
    report = world.run()
    sync.decide_deletions(world.url, None, "approved", reason="all of them")
    world.truth["C1"]["B"]["main"] = 4
    del world.truth["C1"]["C"]
    world.variant("D").levels[world.main]["incoming"] = 2

    sync.apply(world.channel(), report["sync_id"])

    assert world.shop.deleted == []
    assert kept(world) == {
        "B": "the truth does not say zero everywhere",
        "C": "missing in the truth, which is not zero",
        "D": f"2 incoming at {world.main.rpartition('/')[2]}",
    }


def test_a_truth_that_cannot_be_read_again_keeps_all(world: World) -> None:
    world.add("C1", {"A": 5, "B": 0}, {"A": 5, "B": 0})
    report = world.run()
    sync.decide_deletions(world.url, None, "approved", reason="all of them")
    world.broken = {"C1"}
    sync.apply(world.channel(), report["sync_id"])
    assert world.shop.deleted == []
    assert kept(world) == {"B": "the truth could not be read: ConnectionError"}


def test_the_only_variant_stays(world: World) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 0}, {"A": 0})
    world.add("C2", {"B": 0, "C": 0, "D": 0}, {"B": 0, "C": 0, "D": 0})

    world.run()

    assert kept(world) == {"A": "it would be the only variant", "B": "it would be the only variant"}
    assert {variant.sku for variant in world.shop.deleted} == {"C", "D"}


def test_what_the_shop_refuses_stays_and_says_so(world: World) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 0}, {"A": 0})
    world.run(preserve_single_variant=False)
    assert world.shop.deleted == []
    assert "CANNOT_DELETE_LAST_VARIANT" in kept(world)["A"]


def test_a_variant_that_is_the_last_one_by_now_stays(world: World) -> None:
    product = world.add("C1", {"A": 5, "B": 0}, {"A": 5, "B": 0})
    report = world.run()
    sync.decide_deletions(world.url, None, "approved", reason="all of them")
    world.shop.remove_variant(product.variants[0])
    world.shop.deleted.clear()
    sync.apply(world.channel(), report["sync_id"])
    assert world.shop.deleted == []
    assert kept(world) == {"B": "it would be the only variant"}


def test_a_lost_answer_to_a_deletion_is_understood(world: World) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 5, "B": 0}, {"A": 5, "B": 0})
    seen: list[str] = []

    def lose(number: int, name: str) -> str | None:
        if name == "DeleteVariants" and not seen:
            seen.append(name)
            return "after:drop"
        return None

    world.shop.fault = lose
    world.run()
    (row,) = deletions(world.url, find_sync(world.url).sync_id)
    assert row["state"] == "deleted"
    assert len(world.shop.deleted) == 1


def test_a_whole_run_is_taken_back_levels_and_variants(world: World) -> None:
    world.policy = AUTOMATIC
    product = world.add("C1", {"A": 5, "B": 4, "C": 2}, {"A": 3, "B": 0, "C": 1})
    variant = world.variant("B")
    variant.price, variant.barcode, variant.cost = "19.90", "4006381333931", "7.50"
    variant.metafields["custom.colour"] = "red"
    report = world.run()
    assert [one.sku for one in product.variants] == ["A", "C"]
    world.shop.sell(world.variant("C"), world.main, 1)

    back = sync.roll_back(world.channel(), report["sync_id"], reason="wrong store")

    assert world.level("A") == 5
    assert world.level("C") == 0, "sold meanwhile: not touched"
    made = world.variant("B")
    assert (made.price, made.barcode, made.cost) == ("19.90", "4006381333931", "7.50")
    assert made.metafields == {"custom.colour": "red"}
    assert made.options == {"Size": "B"}
    assert world.level("B") == 4, "as before the run"
    details = back["report"]["details"]
    assert details["rollbacks"] == 1 and details["rollback_failures"] == 1
    assert statuses(world, report, back) == ["partly", "partly"]

    sync.roll_back(world.channel(), report["sync_id"], reason="once more")
    assert (world.level("A"), len(product.variants)) == (5, 3), "twice is once"


@pytest.mark.parametrize("locations", [{}, {"1": ("main",), "404": ("other",)}])
def test_a_run_is_taken_back_whatever_the_locations_are_by_now(
    world: World, locations: dict[str, tuple[str, ...]]
) -> None:
    """The shop has opened a second one, or the map names one that is closed: no new run, but the way back is free."""
    world.add("C1", {"A": 5}, {"A": 3})
    report = world.run()
    world.shop.add_location("Second")
    world.policy = ShopifyPolicy(locations=locations)
    with pytest.raises(BadInput, match="locations"):
        world.run()

    sync.roll_back(world.channel(), report["sync_id"], reason="wrong store")

    assert world.level("A") == 5


def test_killed_at_every_call_of_a_rollback_it_is_taken_back_once(database_url: str) -> None:
    for number in range(1, 30):
        was_killed: list[int] = []
        for is_after in (False, True):
            world = World(database_url, AUTOMATIC)
            world.add("C1", {"A": 5, "B": 4, "C": 2}, {"A": 3, "B": 0, "C": 1})
            report = world.run()
            calls = sum(world.shop.calls.values())
            was_killed = _killing(world, calls + number, is_after=is_after)
            try:
                sync.roll_back(world.channel(), report["sync_id"], reason="wrong")
            except Killed:
                sync.roll_back(world.channel(), report["sync_id"], reason="wrong")
            assert [world.level(sku) for sku in ("A", "C")] == [5, 2]
            assert sorted(one.sku or "" for one in world.shop.variants.values()) == ["A", "B", "C"]
        if not was_killed:
            return


def _killing(world: World, at: int, *, is_after: bool) -> list[int]:
    killed: list[int] = []

    def kill(number: int, name: str) -> BaseException | None:
        if number == at and not killed:
            killed.append(number)
            return Killed(is_after=is_after)
        return None

    world.shop.fault = kill
    return killed


def test_options_of_a_run_are_kept_with_it(world: World) -> None:
    world.run(batch_size=7)
    assert find_sync(world.url).options == Options(batch_size=7, max_concurrent=1)


def test_what_was_taken_back_stays_taken_back(world: World) -> None:
    """Deletions that were approved and did not go yet do not go after it, and nothing of the run is sent again."""
    world.add("C1", {"A": 5, "B": 0}, {"A": 3, "B": 0})
    world.add("C2", {"C": 5}, {"C": 3})
    report = world.run(limit=1)
    plan = sync.plan(world.channel(), options=Options(max_concurrent=1))
    sync.decide_deletions(world.url, report["sync_id"], "approved", reason="gone for good")
    sync.roll_back(world.channel(), report["sync_id"], reason="wrong store")
    sync.roll_back(world.channel(), plan["sync_id"], reason="wrong store, too")

    sync.apply(world.channel(), report["sync_id"])
    sync.apply(world.channel(), plan["sync_id"])

    assert world.shop.deleted == []
    assert (world.level("A"), world.level("C")) == (5, 5)
    with pytest.raises(BadInput, match="No deletion"):
        sync.decide_deletions(world.url, report["sync_id"], "approved", reason="after all")


def test_an_interrupted_run_that_is_taken_back_is_not_gone_on_with(world: World) -> None:
    for number in range(3):
        world.add(f"C{number}", {f"A{number}": 5}, {f"A{number}": 3})

    def fault(number: int, name: str) -> Killed | None:
        return Killed() if name == "SetQuantities" and len(world.shop.writes) == 2 else None

    world.shop.fault = fault
    with pytest.raises(Killed):
        world.run(batch_size=1)
    world.shop.fault = None
    name = find_sync(world.url).name
    sync.roll_back(world.channel(), name, reason="wrong store")
    assert [world.level(f"A{number}") for number in range(3)] == [5, 5, 5]

    sync.apply(world.channel(), name)

    assert [world.level(f"A{number}") for number in range(3)] == [5, 5, 5]


def test_a_variant_whose_deletion_got_no_answer_is_made_again(world: World) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 5, "B": 0}, {"A": 5, "B": 0})
    world.shop.fault = lambda number, name: Killed(is_after=True) if name == "DeleteVariants" else None
    with pytest.raises(Killed):
        world.run()
    world.shop.fault = None
    assert len(world.shop.deleted) == 1

    sync.roll_back(world.channel(), reason="wrong store")

    assert world.level("B") == 0


def test_taking_back_says_what_it_could_not(world: World) -> None:
    """A variant that is not made again, and a product that another run holds."""
    world.policy = ShopifyPolicy(deletions="automatic", lock_seconds=0)
    product = world.add("C1", {"A": 5, "B": 0}, {"A": 3, "B": 0})
    report = world.run()
    world.shop.fault = lambda number, name: "error" if name == "CreateVariants" else None
    with (
        psycopg.connect(world.url, autocommit=True) as connection,
        products_held(connection, world.name, [product.id], 0),
    ):
        back = sync.roll_back(world.channel(), report["sync_id"], reason="wrong store")
    assert not back["success"]
    assert "1 product(s) are held by another run" in back["message"]
    assert world.level("A") == 3

    back = sync.roll_back(world.channel(), report["sync_id"], reason="wrong store")
    assert world.level("A") == 5
    assert back["success"]
    assert "1 deleted variant(s) not made again" in back["message"]
    assert statuses(world, report, back) == ["partly", "partly"]


def test_before_taking_back_each_level_is_told(world: World) -> None:
    world.policy = AUTOMATIC
    world.add("C1", {"A": 5, "B": 4, "C": 2, "D": 1}, {"A": 3, "B": 0, "C": 1, "D": 1})
    report = world.run()
    world.shop.sell(world.variant("C"), world.main, 1)
    calls = len(world.shop.writes)

    told = sync.preview_roll_back(world.channel(), report["sync_id"])

    assert {row["sku"]: (row["was"], row["wrote"], row["now"], row["reason"]) for row in told["levels"]} == {
        "A": (5, 3, 3, None),
        "C": (2, 1, 0, "changed in the shop since it was written"),
    }
    assert told["variants"] == [{"sku": "B", "levels": {world.main: 4}}]
    assert [row["sku"] for row in told["levels"] if row["goes_back"]] == ["A"]
    assert len(world.shop.writes) == calls
    sync.roll_back(world.channel(), report["sync_id"], reason="wrong store")
    assert world.level("A") == 5
    assert [row["sku"] for row in sync.preview_roll_back(world.channel())["levels"]] == []
