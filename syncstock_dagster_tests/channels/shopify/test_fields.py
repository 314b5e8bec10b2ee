"""Fields of articles, both ways: staged from the shop, contested where both sides moved, sent where we did."""

from __future__ import annotations

from typing import Any

import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.channels.shopify import fields
from syncstock_dagster.demo.vendors.shopify import Product, Variant
from syncstock_dagster_tests.channels.shopify.world import World


@pytest.fixture
def world(db: SyncStockDB) -> World:
    return World(db.url)


@pytest.fixture
def mug(world: World) -> Variant:
    """A product with one variant, which both sides know and agree on."""
    product = world.shop.add_product("Mug", product_type="Kitchen", status="ACTIVE")
    return world.shop.add_variant(
        product, "MUG", {world.main: 5}, options={"Title": "Default Title"}, price="9.50", cost="4.00",
        barcode="4006381333931",
    )  # fmt: skip


def pulled(world: World, db: SyncStockDB, *, commit: bool = True) -> Any:
    """A pull, reviewed and committed."""
    world.clock.sleep(60)
    result = fields.pull(world.channel(), db.catalogue_policy, db.policies)
    if commit and result.staged:
        db.approve_staged(operation_uuid=result.operation_uuid, reason="looked at")
        db.commit_staged()
    return result


def state(db: SyncStockDB, sku: str) -> dict[str, Any]:
    """All that is said of an article."""
    return next(one for one in db.product_states()["state"] if one["sku"] == sku)


def changed(db: SyncStockDB, **values: Any) -> None:
    """A person changes the mug."""
    db.change_products([{"sku": "MUG", **values}])


def test_a_pull_stages_and_touches_nothing_until_it_is_approved(
    world: World, db: SyncStockDB, mug: Variant
) -> None:
    result = pulled(world, db, commit=False)
    assert (result.staged, result.committed) == (1, 0)
    assert db.products().empty

    db.approve_staged(operation_uuid=result.operation_uuid, reason="new")
    db.commit_staged()

    told = state(db, "MUG")
    assert (told["name"], told["category"], told["price"], told["cost"]) == ("Mug", "Kitchen", 9.5, 4)
    assert told["identifiers.shopify"] == [mug.id] and told["identifiers.gtin"] == ["4006381333931"]
    assert pulled(world, db).unchanged == 1


def test_variants_of_one_product_are_articles_with_names_of_their_own(world: World, db: SyncStockDB) -> None:
    product = world.shop.add_product("Shoe", status="DRAFT")
    for size in ("36", "37"):
        world.shop.add_variant(product, f"SHOE-{size}", {world.main: 1}, options={"Size": size})
    pulled(world, db)
    assert state(db, "SHOE-36")["name"] == "Shoe / 36"
    assert state(db, "SHOE-37")["is_active"] is False


def test_an_article_is_found_whatever_its_case_and_keeps_its_sku(
    world: World, db: SyncStockDB, mug: Variant
) -> None:
    db.upsert_products([{"sku": "mug", "name": "Mug"}])
    pulled(world, db)
    assert list(db.products()["sku"]) == ["mug"]
    assert state(db, "mug")["identifiers.shopify"] == [mug.id]


def test_the_same_sku_twice_is_left_alone(world: World, db: SyncStockDB, mug: Variant) -> None:
    world.shop.add_variant(world.shop.add_product("Other"), "mug", {world.main: 1})
    assert pulled(world, db).staged == 0


def test_what_was_changed_here_is_sent_and_both_sides_agree(
    world: World, db: SyncStockDB, mug: Variant
) -> None:
    pulled(world, db)
    assert fields.push(world.channel()).sent == []
    changed(db, price="10.25", cost="4.50", name="Big mug", category="Cups", is_active=False)

    rehearsed = fields.push(world.channel(), dry_run=True)
    assert len(rehearsed.sent) == 5 and mug.price == "9.50"
    result = fields.push(world.channel())

    assert len(result.sent) == 5 and result.left == []
    product: Product = mug.product
    assert (mug.price, mug.cost) == ("10.25", "4.5")
    assert (product.title, product.product_type, product.status) == ("Big mug", "Cups", "DRAFT")
    assert fields.push(world.channel()).sent == [], "twice is once"
    again = pulled(world, db)
    assert (again.staged, again.conflicts) == (0, 0)
    assert db.operation(result.operation_uuid or "")["type"] == "push"
    assert db.audit() == {}


def test_a_renaming_here_is_sent_and_one_there_is_staged(world: World, db: SyncStockDB, mug: Variant) -> None:
    pulled(world, db)
    pulled(world, db)  # from the second one on it is known that both had the same
    inventory_id = int(db.products()["inventory_id"][0])
    db.change_products([{"inventory_id": inventory_id, "sku": "MUG-1"}])
    assert [(row["field"], row["new"]) for row in fields.push(world.channel()).sent] == [("sku", "MUG-1")]
    assert mug.sku == "MUG-1"

    mug.sku = "MUG-2"
    pulled(world, db)
    assert list(db.products()["sku"]) == ["MUG-2"]


def test_another_barcode_is_sent_where_there_is_one(world: World, db: SyncStockDB, mug: Variant) -> None:
    pulled(world, db)
    changed(db, identifiers={"gtin": ["5901234123457"]})
    assert [row["field"] for row in fields.push(world.channel()).sent] == ["identifiers.gtin"]
    assert mug.barcode == "5901234123457"
    assert fields.push(world.channel()).sent == []
    changed(db, identifiers={"gtin": ["5901234123457", "4006381333931"]})
    (left,) = fields.push(world.channel()).left
    assert left["reason"] == "it has 2 codes, and the shop takes one"


def test_where_both_sides_moved_it_is_a_conflict_and_nothing_is_sent(
    world: World, db: SyncStockDB, mug: Variant
) -> None:
    pulled(world, db)
    changed(db, price="10.25")
    mug.price = "8.00"

    result = fields.push(world.channel())
    assert result.sent == []
    assert [row["reason"] for row in result.left] == ["the shop changed it too; the next pull comes first"]
    assert mug.price == "8.00"

    assert pulled(world, db).conflicts == 1
    conflict = int(db.conflicts()["conflict_id"].iloc[0])
    db.resolve(conflict, keep="old", reason="ours is right")
    assert [row["new"] for row in fields.push(world.channel()).sent] == ["10.25"]
    assert mug.price == "10.25"


def test_what_belongs_to_the_product_is_sent_only_where_its_variants_agree(
    world: World, db: SyncStockDB
) -> None:
    product = world.shop.add_product("Shoe", product_type="Shoes")
    for size in ("36", "37"):
        world.shop.add_variant(product, f"SHOE-{size}", {world.main: 1}, options={"Size": size})
    pulled(world, db)
    db.change_products([{"sku": "SHOE-36", "category": "Boots", "name": "Boot"}])

    left = {row["field"]: row["reason"] for row in fields.push(world.channel()).left}
    assert left == {
        "category": "the variants of its product do not agree",
        "name": "a variant among several has no title of its own",
    }
    db.change_products([{"sku": "SHOE-37", "category": "Boots"}])
    fields.push(world.channel())
    assert product.product_type == "Boots"


def test_a_lost_answer_is_found_out_by_looking(world: World, db: SyncStockDB, mug: Variant) -> None:
    pulled(world, db)
    changed(db, price="10.25")
    mug.price = "10.25"  # it had arrived
    world.shop.calls.clear()
    assert len(fields.push(world.channel()).sent) == 1
    assert "UpdateVariants" not in world.shop.calls
    assert fields.push(world.channel()).sent == []


def test_a_rolled_back_change_is_sent_back(world: World, db: SyncStockDB, mug: Variant) -> None:
    pulled(world, db)
    changed(db, price="10.25")
    uuid = db.operations().loc[db.operations()["type"] == "stage", "operation_uuid"].iloc[0]
    fields.push(world.channel())
    db.rollback(str(uuid), reason="a typing error")
    assert state(db, "MUG")["price"] == 9.5
    fields.push(world.channel())
    assert float(mug.price) == 9.5
