"""The documents against three schemas, what every write must say, and the client against limits and faults."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import FieldNode, OperationDefinitionNode, build_schema, validate
from graphql.execution.values import get_variable_values
from pydantic import SecretStr

from syncstock_dagster.channels.shopify import documents, shop
from syncstock_dagster.channels.shopify.budget import CostBudget
from syncstock_dagster.channels.shopify.client import Credentials, ShopifyClient
from syncstock_dagster.channels.shopify.errors import RefusedError, UnreachableError
from syncstock_dagster.channels.shopify.schema import prune
from syncstock_dagster.channels.shopify.undoing import as_input
from syncstock_dagster.demo.vendors.clock import SimulatedClock
from syncstock_dagster.demo.vendors.shopify import Shop

SCHEMAS = Path(prune.__file__).parent
#: What levels can be changed by.
INVENTORY_WRITES = {"inventorySetQuantities", "inventoryAdjustQuantities", "inventoryMoveQuantities"}

_LINE = {
    "inventoryItemId": "gid://shopify/InventoryItem/1",
    "locationId": "gid://shopify/Location/1",
    "quantity": 3,
}
_WHOLE = {
    "selectedOptions": [{"name": "Size", "value": "37"}], "barcode": None, "price": "10.00", "compareAtPrice": None,
    "taxable": True, "inventoryPolicy": "DENY", "media": {"nodes": [{"id": "gid://shopify/MediaImage/1"}]}, "sku": "A",
    "metafields": {"nodes": [{"namespace": "a", "key": "b", "type": "single_line_text_field", "value": "c"}]},
    "inventoryItem": {
        "unitCost": {"amount": "7.50"}, "tracked": True, "requiresShipping": True, "harmonizedSystemCode": "640399",
        "countryCodeOfOrigin": "EG", "provinceCodeOfOrigin": None,
        "measurement": {"weight": {"unit": "GRAMS", "value": 300.0}},
        "inventoryLevels": {"nodes": [{"location": {"id": "gid://shopify/Location/1"}}]},
    },
}  # fmt: skip
VARIABLES: dict[str, dict[str, Any]] = {
    "locations": {"after": None},
    "list_products": {"first": 250, "after": None, "query": "tag_not:'RMS-SYNC-26-03-02'"},
    "read_products": {
        "ids": ["gid://shopify/Product/1"], "variants": 5, "metafields": ["rms.ccod"], "metafieldsFirst": 1,
        "location": "gid://shopify/Location/1", "names": ["on_hand"],
    },
    "read_products_everywhere": {
        "ids": ["gid://shopify/Product/1"], "variants": 5, "metafields": ["rms.ccod"], "metafieldsFirst": 1,
        "levels": 20, "names": ["on_hand"],
    },
    "more_variants": {"id": "gid://shopify/Product/1", "first": 9, "after": "x", "levels": 9, "names": ["on_hand"]},
    "read_levels": {"ids": [_LINE["inventoryItemId"]], "location": _LINE["locationId"], "names": ["on_hand"]},
    "set_quantities": {
        "input": {
            "name": "on_hand", "reason": "correction", "referenceDocumentUri": "gid://syncstock/SyncOperation/1",
            "quantities": [{**_LINE, "changeFromQuantity": 5}],
        },
        "key": "0b4b0e35-6d9c-4a39-8d0e-000000000000",
    },
    "add_tags": {"id": "gid://shopify/Product/1", "tags": ["a"]},
    "remove_tags": {"id": "gid://shopify/Product/1", "tags": ["a"]},
    "read_variants_whole": {"ids": ["gid://shopify/ProductVariant/1"], "levels": 2, "names": list(shop.QUANTITIES)},
    "recent_orders": {"query": 'sku:"A" created_at:>=2026-01-01T00:00:00+00:00'},
    "delete_variants": {"productId": "gid://shopify/Product/1", "variantsIds": ["gid://shopify/ProductVariant/1"]},
    "create_variants": {"productId": "gid://shopify/Product/1", "variants": [as_input(_WHOLE, {})]},
    "read_fields": {"ids": ["gid://shopify/Product/1"], "variants": 5},
    "update_product": {
        "product": {"id": "gid://shopify/Product/1", "title": "A", "status": "ACTIVE", "productType": "Shoes"}
    },
    "update_variants": {
        "productId": "gid://shopify/Product/1",
        "variants": [
            {
                "id": "gid://shopify/ProductVariant/1", "price": "10.00", "barcode": "4006381333931",
                "inventoryItem": {"sku": "A", "cost": "7.50"},
            }
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("version", prune.VERSIONS)
def test_every_document_is_valid_and_its_inputs_are_taken(version: str) -> None:
    schema = build_schema((SCHEMAS / f"{version}.graphql").read_text(encoding="utf-8"), assume_valid=True)
    assert set(VARIABLES) == set(documents.names())
    for name in documents.names():
        document = documents.parsed(documents.text_of(name))
        assert validate(schema, document) == [], name
        (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
        coerced = get_variable_values(schema, operation.variable_definitions, VARIABLES[name])
        assert isinstance(coerced, dict), (name, coerced)
        assert documents.estimate(name, VARIABLES[name]) <= documents.MOST_POINTS


def test_every_inventory_write_names_its_key_and_what_it_expects() -> None:
    """The schema does not demand it; Shopify does when the call arrives."""
    found = 0
    for name in documents.names():
        for one in documents.parsed(documents.text_of(name)).definitions:
            assert isinstance(one, OperationDefinitionNode)
            for field in one.selection_set.selections:
                assert isinstance(field, FieldNode)
                if field.name.value not in INVENTORY_WRITES:
                    continue
                found += 1
                assert [given.name.value for given in field.directives] == ["idempotent"], name
                assert all("changeFromQuantity" in line for line in VARIABLES[name]["input"]["quantities"]), (
                    name
                )
    assert found == 1


def test_a_write_without_a_comparison_does_not_leave_the_house() -> None:
    client = Talk().client
    with pytest.raises(KeyError):
        shop.set_quantities(client, {"name": "on_hand", "quantities": [_LINE]}, "key")
    with pytest.raises(AssertionError):
        shop.set_quantities(
            client, {"name": "on_hand", "quantities": [{**_LINE, "changeFromQuantity": None}]}, "key"
        )


class Talk:
    """A shop and a client."""

    def __init__(self, **given: Any) -> None:
        self.clock = SimulatedClock()
        self.shop = Shop(clock=self.clock, **given)
        self.main = self.shop.add_location("Main")
        self.client = self.of(Credentials(SecretStr(self.shop.token)))

    def of(self, credentials: Credentials) -> ShopifyClient:
        """Another client of the same shop."""
        return ShopifyClient(
            "a-shop.myshopify.com",
            credentials,
            version="2026-10",
            clock=self.clock,
            transport=self.shop.transport,
        )


@pytest.mark.parametrize(
    "fault", ["drop", "after:drop", "html", "429", "cut", "after:cut", "throttled", "error"]
)
def test_a_call_is_repeated_as_it_was_and_takes_effect_once(fault: str) -> None:
    talk = Talk()
    variant = talk.shop.add_variant(talk.shop.add_product(), "A", {talk.main: 5})
    talk.shop.fault = lambda number, name: fault if number == 1 else None
    line = {
        "inventoryItemId": variant.item_id,
        "locationId": talk.main,
        "quantity": 3,
        "changeFromQuantity": 5,
    }
    given = {"name": "on_hand", "reason": "correction", "quantities": [line]}

    assert shop.set_quantities(talk.client, given, "a key") == []

    assert [(write.before, write.after) for write in talk.shop.writes] == [(5, 3)]
    assert talk.client.calls == 2


def test_the_same_key_with_another_content_is_refused_by_the_shop() -> None:
    talk = Talk()
    variant = talk.shop.add_variant(talk.shop.add_product(), "A", {talk.main: 5})
    line = {
        "inventoryItemId": variant.item_id,
        "locationId": talk.main,
        "quantity": 3,
        "changeFromQuantity": 5,
    }
    given = {"name": "on_hand", "reason": "correction", "quantities": [line]}
    shop.set_quantities(talk.client, given, "a key")
    line["quantity"] = 2
    (error,) = shop.set_quantities(talk.client, given, "a key")
    assert error.code == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


def test_who_gets_no_answer_says_so_after_a_while() -> None:
    talk = Talk()
    talk.shop.fault = lambda number, name: "drop"
    with pytest.raises(UnreachableError, match="6 times"):
        shop.locations(talk.client)
    assert 10 < talk.clock.monotonic() < 60


def test_a_token_that_is_refused_is_not_tried_for_ever_and_never_shown() -> None:
    talk = Talk()
    client = talk.of(Credentials(SecretStr("shpat_hush")))
    with pytest.raises(RefusedError) as told:
        shop.locations(client)
    assert "hush" not in f"{told.value}{client!r}{client._credentials!r}"
    assert client.calls == 1


def test_client_credentials_get_a_token_and_a_new_one_in_time() -> None:
    talk = Talk()
    client = talk.of(Credentials(client_id="client-id", client_secret=SecretStr("client-secret")))
    shop.locations(client)
    shop.locations(client)
    assert len(talk.shop.issued) == 1
    talk.clock.sleep(24 * 3600)
    shop.locations(client)
    assert len(talk.shop.issued) == 2
    talk.shop.issued.clear()  # revoked
    talk.clock.sleep(1)
    assert shop.locations(client)


def test_wrong_client_credentials_are_told_in_words() -> None:
    talk = Talk()
    client = talk.of(Credentials(client_id="client-id", client_secret=SecretStr("hush")))
    with pytest.raises(RefusedError, match="check client id and secret"):
        shop.locations(client)


def test_a_token_is_asked_for_again_where_that_may_help() -> None:
    talk = Talk()
    client = talk.of(Credentials(client_id="client-id", client_secret=SecretStr("client-secret")))
    talk.shop.token_faults = ["500", "html", "429", "cut", "drop"]
    assert shop.locations(client)
    assert len(talk.shop.issued) == 1
    talk.clock.sleep(24 * 3600)
    talk.shop.token_faults = ["500"] * 9
    with pytest.raises(UnreachableError, match="no token, HTTP 500, 6 times"):
        shop.locations(client)


def test_pages_are_sized_so_that_no_query_is_too_expensive_whatever_the_shop_charges() -> None:
    """What the shop says of the cost is learnt, also from a refusal."""
    talk = Talk(cost_factor=2.5)
    products = [talk.shop.add_product(metafields={"rms.ccod": f"C{number}"}) for number in range(60)]
    for number, product in enumerate(products):
        for size in range(1 + number % 7):
            talk.shop.add_variant(product, f"{number}-{size}", {talk.main: size})
    sizes = dict(one for page in shop.list_products(talk.client, None) for one in page)
    found = shop.read_products(
        talk.client, sizes, metafields=["rms.ccod"], places=[talk.main], name="on_hand"
    )
    assert {one: len(product.variants) for one, product in found.items()} == sizes
    assert talk.shop.throttled == 0
    assert talk.client.budget.points == talk.shop.points


def test_a_product_with_more_variants_than_a_page_is_read_whole() -> None:
    talk = Talk()
    product = talk.shop.add_product()
    for number in range(700):
        talk.shop.add_variant(product, str(number), {talk.main: number})
    found = shop.read_products(
        talk.client, {product.id: 3}, metafields=["a.b"], places=[talk.main], name="available"
    )
    levels = [variant.levels[talk.main] for variant in found[product.id].variants]
    assert levels == list(range(700))


def test_those_who_wait_for_points_wait_in_turn_and_once() -> None:
    clock = SimulatedClock()
    budget = CostBudget(clock)
    budget.settle(0, {"actualQueryCost": 0, "throttleStatus": {
        "maximumAvailable": 1000, "currentlyAvailable": 0, "restoreRate": 100}})  # fmt: skip
    got: list[tuple[int, float]] = []

    def one(number: int) -> None:
        with clock.taking_part():
            budget.take(100)
            got.append((number, clock.monotonic()))

    with clock.taking_part():  # nobody's time passes until all are there
        threads = []
        for number in range(5):
            thread = threading.Thread(target=one, args=(number,))
            thread.start()
            while budget.waited < (number + 1) * (number + 2) / 2:
                pass
            threads.append(thread)
    for thread in threads:
        thread.join()
    assert got == [(number, pytest.approx(number + 1, abs=0.05)) for number in range(5)]


def test_what_others_spend_is_believed() -> None:
    clock = SimulatedClock()
    budget = CostBudget(clock)
    budget.take(10)
    budget.settle(10, {"actualQueryCost": 10, "throttleStatus": {
        "maximumAvailable": 2000, "currentlyAvailable": 0, "restoreRate": 50}})  # fmt: skip
    budget.take(100)
    assert clock.monotonic() == pytest.approx(2, abs=0.05)


def test_throttling_is_waited_out_without_asking_again_and_again() -> None:
    """Another app takes all of the bucket."""
    talk = Talk(maximum=1000, rate=50)
    shop.locations(talk.client)
    talk.shop._available = 0
    shop.locations(talk.client)
    assert talk.shop.throttled == 1
    assert talk.client.budget.throttled == 1


def test_the_shop_is_reached_over_asgi_too() -> None:
    import asyncio

    talk = Talk()

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=talk.shop.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://a-shop.myshopify.com") as http:
            return await http.post(
                "/admin/api/2026-10/graphql.json",
                json={"query": documents.text_of("locations")},
                headers={"X-Shopify-Access-Token": talk.shop.token},
            )

    assert asyncio.run(ask()).json()["data"]["locations"]["nodes"][0]["name"] == "Main"


def test_a_field_that_the_real_one_lacks_is_refused() -> None:
    talk = Talk()
    status, _, body = talk.shop.handle(
        "/admin/api/2026-10/graphql.json",
        {"X-Shopify-Access-Token": talk.shop.token},
        b'{"query": "{ products(first: 1) { nodes { compareQuantity } } }"}',
    )
    assert status == 200 and b"Cannot query field" in body


def test_pruning_fails_where_a_version_lacks_something() -> None:
    with pytest.raises(KeyError):
        prune.prune({"__schema": {"types": [], "directives": []}})
