"""What a shop can be asked and told, in our words.

What belongs here: one function a document, sized so that it may be asked, and answers as plain values. What does not:
the wire (``client``), and what should be there (``deciding``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncstock_dagster.channels.shopify.client import ShopifyClient
from syncstock_dagster.channels.shopify.documents import MOST_ENTRIES
from syncstock_dagster.channels.shopify.errors import RefusedError, TooExpensiveError

#: All quantities of a level.
QUANTITIES = (
    "available", "on_hand", "committed", "incoming", "reserved", "damaged", "safety_stock", "quality_control",
)  # fmt: skip
#: Levels of an item that are read with it where several locations are kept.
_MOST_LEVELS = 20


@dataclass(frozen=True, slots=True)
class ShopVariant:
    """A variant as it was read: a location that is missing in ``levels`` does not stock it."""

    variant_id: str
    item_id: str
    sku: str
    position: int
    is_tracked: bool
    same_sku: int  # how many other items of the shop have its SKU
    levels: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ShopProduct:
    """A product as it was read, with all of its variants."""

    product_id: str
    title: str
    tags: tuple[str, ...]
    metafields: Mapping[str, str]  # "namespace.key" to value
    variants: tuple[ShopVariant, ...]


@dataclass(frozen=True, slots=True)
class UserError:
    """What the shop has against a call, or one line of it."""

    code: str
    message: str
    line: int | None = None


def locations(client: ShopifyClient) -> dict[str, str]:
    """The active locations, by id."""
    found: dict[str, str] = {}
    after = None
    while True:
        page = client.run("locations", {"after": after})["locations"]
        found |= {one["id"]: one["name"] for one in page["nodes"] if one["isActive"]}
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def list_products(client: ShopifyClient, query: str | None) -> Iterator[list[tuple[str, int]]]:
    """Ids of products and how many variants each has, page by page.

    Who lists by a tag and tags meanwhile moves the pages under his feet: take all of it first.
    """
    after, first = None, MOST_ENTRIES
    while True:
        variables = {"first": first, "after": after, "query": query}
        while first > 1 and not client.fits("list_products", variables):
            first = variables["first"] = first // 2
        try:
            page = client.run("list_products", variables)["products"]
        except TooExpensiveError:
            if first == 1:
                raise
            continue  # by now the client knows what it costs
        yield [(one["id"], int((one["variantsCount"] or {}).get("count") or 1)) for one in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def read_products(
    client: ShopifyClient,
    sizes: Mapping[str, int],
    *,
    metafields: Sequence[str],
    places: Sequence[str],
    name: str,
) -> dict[str, ShopProduct]:
    """Products by id with one quantity of every variant at some locations; one that is gone is missing.

    Args:
        client: the shop.
        sizes: ids, and about how many variants each has.
        metafields: those to read, as ``namespace.key``.
        places: ids of locations.
        name: of the quantity.
    """
    found: dict[str, ShopProduct] = {}
    waiting = sorted(sizes, key=lambda product_id: (sizes[product_id], product_id))
    while waiting:
        page, variables, document = _page(client, waiting, sizes, metafields, places, name)
        try:
            nodes = client.run(document, variables)["nodes"]
        except TooExpensiveError:
            if len(page) == 1 and variables["variants"] == 1:
                raise
            continue
        waiting = waiting[len(page) :]
        for node in nodes:
            if node:
                found[node["id"]] = _product(client, node, places, name)
    return found


def _page(
    client: ShopifyClient,
    waiting: Sequence[str],
    sizes: Mapping[str, int],
    metafields: Sequence[str],
    places: Sequence[str],
    name: str,
) -> tuple[Sequence[str], dict[str, Any], str]:
    """As many products as one query may ask for; they come sorted by size."""
    shared: dict[str, Any] = {
        "metafields": list(metafields), "metafieldsFirst": max(1, len(metafields)), "names": [name],
    }  # fmt: skip
    if len(places) == 1:
        document, shared["location"] = "read_products", places[0]
    else:
        document, shared["levels"] = "read_products_everywhere", _MOST_LEVELS

    def asking(count: int, variants: int) -> dict[str, Any]:
        return shared | {"ids": list(waiting[:count]), "variants": max(1, min(variants, MOST_ENTRIES))}

    count = 1
    while count < min(len(waiting), MOST_ENTRIES) and client.fits(
        document, asking(count + 1, sizes[waiting[count]])
    ):
        count += 1
    variables = asking(count, sizes[waiting[count - 1]])
    while variables["variants"] > 1 and not client.fits(document, variables):
        variables["variants"] = variables["variants"] * 3 // 4
    return waiting[:count], variables, document


def _product(client: ShopifyClient, node: Mapping[str, Any], places: Sequence[str], name: str) -> ShopProduct:
    variants = [_variant(one, places, name) for one in node["variants"]["nodes"]]
    page, first = node["variants"]["pageInfo"], MOST_ENTRIES
    while page["hasNextPage"]:
        variables = {
            "id": node["id"], "after": page["endCursor"], "first": first, "levels": _MOST_LEVELS, "names": [name],
        }  # fmt: skip
        while variables["first"] > 1 and not client.fits("more_variants", variables):
            first = variables["first"] = first // 2
        try:
            product = client.run("more_variants", variables)["product"]
        except TooExpensiveError:
            if first == 1:
                raise
            continue
        if product is None:
            raise RefusedError(f"{node['id']} went away while it was read.")
        variants += [_variant(one, places, name) for one in product["variants"]["nodes"]]
        page = product["variants"]["pageInfo"]
    return ShopProduct(
        node["id"],
        node["title"],
        tuple(node["tags"]),
        {f"{one['namespace']}.{one['key']}": one["value"] for one in node["metafields"]["nodes"]},
        tuple(variants),
    )


def _variant(node: Mapping[str, Any], places: Sequence[str], name: str) -> ShopVariant:
    item = node["inventoryItem"]
    if "inventoryLevels" in item:
        if item["inventoryLevels"]["pageInfo"]["hasNextPage"]:
            raise RefusedError(f"{node['id']} has more than {_MOST_LEVELS} levels.")
        levels = {
            one["location"]["id"]: _quantity(one, name)
            for one in item["inventoryLevels"]["nodes"]
            if one["location"]["id"] in places
        }
    else:
        level = item["inventoryLevel"]
        levels = {} if level is None else {places[0]: _quantity(level, name)}
    return ShopVariant(
        node["id"], item["id"], node["sku"] or "", int(node["position"]), bool(item["tracked"]),
        int(item["duplicateSkuCount"]), levels,
    )  # fmt: skip


def _quantity(level: Mapping[str, Any], name: str) -> int:
    return next(int(one["quantity"]) for one in level["quantities"] if one["name"] == name)


def read_levels(client: ShopifyClient, item_ids: Sequence[str], location: str, name: str) -> dict[str, int]:
    """One quantity of items at a location; an item that is gone, or not stocked there, is missing."""
    found: dict[str, int] = {}
    for start in range(0, len(item_ids), MOST_ENTRIES):
        variables = {
            "ids": list(item_ids[start : start + MOST_ENTRIES]), "location": location, "names": [name],
        }  # fmt: skip
        for node in client.run("read_levels", variables)["nodes"]:
            if node and node["inventoryLevel"]:
                found[node["id"]] = _quantity(node["inventoryLevel"], name)
    return found


def set_quantities(client: ShopifyClient, given: Mapping[str, Any], key: str) -> list[UserError]:
    """Set levels; nothing of it is done where there is an error.

    ``given`` is the input as it was stored. Every line has its ``changeFromQuantity``.
    """
    assert all(line["changeFromQuantity"] is not None for line in given["quantities"])
    answer = client.run("set_quantities", {"input": given, "key": key})["inventorySetQuantities"]
    return _errors(answer)


def add_tags(client: ShopifyClient, product_id: str, tags: Iterable[str]) -> list[UserError]:
    """Mark a product."""
    return _errors(client.run("add_tags", {"id": product_id, "tags": list(tags)})["tagsAdd"])


def remove_tags(client: ShopifyClient, product_id: str, tags: Iterable[str]) -> list[UserError]:
    """Take tags off a product."""
    return _errors(client.run("remove_tags", {"id": product_id, "tags": list(tags)})["tagsRemove"])


def read_whole(client: ShopifyClient, variant_ids: Sequence[str], levels: int) -> dict[str, dict[str, Any]]:
    """Everything of some variants with at most so many levels each; a variant that is gone is missing."""
    found: dict[str, dict[str, Any]] = {}
    waiting, size = list(variant_ids), 10
    while waiting:
        variables = {"ids": waiting[:size], "levels": levels, "names": list(QUANTITIES)}
        if size > 1 and not client.fits("read_variants_whole", variables):
            size -= 1
            continue
        for node in client.run("read_variants_whole", variables)["nodes"]:
            if node:
                found[node["id"]] = node
        waiting = waiting[size:]
    return found


def was_sold_since(client: ShopifyClient, sku: str, since: datetime) -> bool:
    """Whether any order since an instant has the SKU."""
    escaped = sku.replace("\\", "\\\\").replace('"', '\\"')
    query = f'sku:"{escaped}" created_at:>={since.isoformat(timespec="seconds")}'
    return bool(client.run("recent_orders", {"query": query})["orders"]["nodes"])


def delete_variants(client: ShopifyClient, product_id: str, variant_ids: Sequence[str]) -> list[UserError]:
    """Take variants out of a product; all of them or none."""
    variables = {"productId": product_id, "variantsIds": list(variant_ids)}
    return _errors(client.run("delete_variants", variables)["productVariantsBulkDelete"])


def create_variants(
    client: ShopifyClient, product_id: str, variants: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[UserError]]:
    """Make variants; those that were made, or what is wrong."""
    variables = {"productId": product_id, "variants": list(variants)}
    answer = client.run("create_variants", variables)["productVariantsBulkCreate"]
    return list(answer["productVariants"] or ()), _errors(answer)


def update_product(client: ShopifyClient, product: Mapping[str, Any]) -> list[UserError]:
    """Fields of a product."""
    return _errors(client.run("update_product", {"product": dict(product)})["productUpdate"])


def update_variants(
    client: ShopifyClient, product_id: str, variants: Sequence[Mapping[str, Any]]
) -> list[UserError]:
    """Fields of variants of one product."""
    variables = {"productId": product_id, "variants": list(variants)}
    return _errors(client.run("update_variants", variables)["productVariantsBulkUpdate"])


def _errors(answer: Mapping[str, Any] | None) -> list[UserError]:
    if answer is None:
        raise RefusedError("The shop answered nothing.")
    found = []
    for one in answer["userErrors"]:
        path = one.get("field") or ()
        number = next((part for part in path if str(part).isdigit()), None)
        line = None if number is None or "quantities" not in path else int(number)
        found.append(UserError(str(one.get("code") or ""), str(one["message"]), line))
    return found
