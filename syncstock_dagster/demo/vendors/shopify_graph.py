"""The fields of the vendored schema, over what the shop holds.

What belongs here: one function a field that is not an attribute. What does not: the wire.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLResolveInfo
from graphql.execution.values import get_directive_values

from syncstock_dagster.demo.vendors.shopify import OWN, Shop, Variant, Write

_MOST_ENTRIES = 250


class Item(NamedTuple):
    """The inventory item of a variant."""

    variant: Variant


class _Level(NamedTuple):
    variant: Variant
    location: str


class _Metafield(NamedTuple):
    namespace: str
    key: str
    value: str


def resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """One field: a function of its type, else the attribute of its name."""
    name = info.field_name
    found = _FIELDS.get((info.parent_type.name, name))
    if found is not None:
        return found(info.context, source, arguments, info)
    if isinstance(source, dict):
        return source.get(name)
    return getattr(source, re.sub(r"([A-Z])", lambda letter: f"_{letter[1].lower()}", name))


def _page(rows: Sequence[Any], arguments: dict[str, Any], id_of: Callable[[Any], str]) -> dict[str, Any]:
    first = arguments.get("first") or 50
    if first > _MOST_ENTRIES:
        raise GraphQLError(f"first cannot exceed {_MOST_ENTRIES}")
    start = 0
    if (after := arguments.get("after")) is not None:
        # The entry may be gone meanwhile: cursors stand behind a number, not behind a row.
        start = next((i for i, row in enumerate(rows) if _number(id_of(row)) > _number(after)), len(rows))
    nodes = rows[start : start + first]
    return {
        "nodes": nodes,
        "pageInfo": {
            "hasNextPage": start + first < len(rows),
            "endCursor": id_of(nodes[-1]) if nodes else None,
        },
    }


def _number(gid: str) -> int:
    return int(gid.rpartition("/")[2])


def _terms(query: str | None) -> list[tuple[str, str, str]]:
    """A search as field, comparison and value; what it does not know it refuses, where Shopify would ignore it."""
    found = []
    for word in shlex.split(query or ""):
        match = re.fullmatch(r"(\w+):(>=|<=|>|<)?(.*)", word)
        if match is None:
            raise GraphQLError(f"cannot search for {word!r}")
        found.append((match[1], match[2] or "=", match[3]))
    return found


def _products(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    rows = list(shop.products.values())
    for name, _, value in _terms(arguments.get("query")):
        if name == "tag_not":
            rows = [row for row in rows if value not in shop.indexed_tags(row)]
        elif name == "tag":
            rows = [row for row in rows if value in shop.indexed_tags(row)]
        else:
            raise GraphQLError(f"products cannot be searched by {name}")
    return _page(rows, arguments, lambda row: row.id)


def _all_variants(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    rows = list(shop.variants.values())
    for name, _, value in _terms(arguments.get("query")):
        if name == "product_ids":
            wanted = {int(one) for one in value.split(",")}
            rows = [row for row in rows if _number(row.product.id) in wanted]
        elif name == "sku":
            rows = [row for row in rows if (row.sku or "").lower() == value.lower()]
        else:
            raise GraphQLError(f"variants cannot be searched by {name}")
    return _page(rows, arguments, lambda row: row.id)


def _orders(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    rows = shop.orders
    for name, comparison, value in _terms(arguments.get("query")):
        if name == "sku":
            rows = [row for row in rows if row[0].lower() == value.lower()]
        elif name == "created_at" and comparison == ">=":
            since = datetime.fromisoformat(value)
            rows = [row for row in rows if row[1] >= since]
        else:
            raise GraphQLError(f"orders cannot be searched by {name}")
    nodes = [
        {"id": f"gid://shopify/Order/{i}", "createdAt": at.isoformat()} for i, (_, at) in enumerate(rows, 1)
    ]
    return _page(nodes, arguments, lambda row: row["id"])


def _node(shop: Shop, gid: str) -> Any:
    if gid in shop.items:
        return Item(shop.items[gid])
    return shop.products.get(gid) or shop.variants.get(gid)


def _nodes(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    if len(arguments["ids"]) > _MOST_ENTRIES:
        raise GraphQLError(f"ids cannot have more than {_MOST_ENTRIES} entries")
    return [_node(shop, one) for one in arguments["ids"]]


def _metafields(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    keys = arguments.get("keys")
    rows = [
        _Metafield(name.partition(".")[0], name.partition(".")[2], value)
        for name, value in source.metafields.items()
        if keys is None or name in keys
    ]
    first = arguments["first"]
    return {"nodes": rows[:first], "pageInfo": {"hasNextPage": len(rows) > first, "endCursor": None}}


def _level(shop: Shop, source: Item, arguments: dict[str, Any], info: Any) -> Any:
    location = arguments["locationId"]
    return _Level(source.variant, location) if location in source.variant.levels else None


def _levels(shop: Shop, source: Item, arguments: dict[str, Any], info: Any) -> Any:
    rows = [_Level(source.variant, location) for location in source.variant.levels]
    return _page(rows, arguments, lambda row: row.location)


def _quantities(shop: Shop, source: _Level, arguments: dict[str, Any], info: Any) -> Any:
    known = (*OWN, "on_hand")
    if unknown := set(arguments["names"]) - set(known):
        raise GraphQLError(f"{sorted(unknown)} are no quantities")
    return [
        {"name": name, "quantity": source.variant.quantity(source.location, name)}
        for name in arguments["names"]
    ]


# -- changes -------------------------------------------------------------------------------------------------------


def _set_quantities(shop: Shop, source: Any, arguments: dict[str, Any], info: GraphQLResolveInfo) -> Any:
    schema = info.schema
    directive = schema.get_directive("idempotent")
    assert directive is not None
    given = get_directive_values(directive, info.field_nodes[0], info.variable_values)
    wanted = arguments["input"]
    if len(wanted["quantities"]) > _MOST_ENTRIES:
        raise GraphQLError(f"quantities cannot have more than {_MOST_ENTRIES} entries")
    if any("changeFromQuantity" not in line for line in wanted["quantities"]):
        raise GraphQLError("changeFromQuantity is required; null opts out of the comparison.")
    key = given["key"] if given else None
    codes = getattr(info.schema.type_map["InventorySetQuantitiesUserErrorCode"], "values", {})
    old_version = "ITEM_NOT_STOCKED_AT_LOCATION" in codes
    return shop.once(key, wanted, lambda: _set(shop, key or "", wanted, old_version))


def _set(shop: Shop, key: str, wanted: dict[str, Any], is_old: bool) -> dict[str, Any]:
    name = wanted["name"]
    errors: list[dict[str, Any]] = []

    def wrong(index: int, code: str, where: str) -> None:
        field = ["input", "quantities", str(index), where]
        errors.append({"code": code, "field": field, "message": code.replace("_", " ").lower()})

    if name not in ("available", "on_hand"):
        errors.append(
            {"code": "INVALID_NAME", "field": ["input", "name"], "message": "not a name that can be set"}
        )
    seen: set[tuple[str, str]] = set()
    for index, line in enumerate(wanted["quantities"]):
        item, location = line["inventoryItemId"], line["locationId"]
        variant = shop.items.get(item)
        if (item, location) in seen:
            wrong(index, "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", "inventoryItemId")
        elif variant is None:
            wrong(index, "INVALID_INVENTORY_ITEM", "inventoryItemId")
        elif location not in shop.locations:
            wrong(index, "INVALID_LOCATION", "locationId")
        elif not variant.tracked:
            wrong(index, "NON_MUTABLE_INVENTORY_ITEM", "inventoryItemId")
        elif line["quantity"] < 0:
            wrong(index, "INVALID_QUANTITY_NEGATIVE", "quantity")
        elif line["quantity"] > 1_000_000_000:
            wrong(index, "INVALID_QUANTITY_TOO_HIGH", "quantity")
        elif location not in variant.levels and is_old:
            wrong(index, "ITEM_NOT_STOCKED_AT_LOCATION", "locationId")
        elif (expected := line["changeFromQuantity"]) is not None and expected != (
            variant.quantity(location, name) if location in variant.levels else 0
        ):
            wrong(index, "CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity")
        seen.add((item, location))
    if errors:
        return {"inventoryAdjustmentGroup": None, "userErrors": errors}
    for line in wanted["quantities"]:
        variant, location = shop.items[line["inventoryItemId"]], line["locationId"]
        level = variant.levels.setdefault(location, dict.fromkeys(OWN, 0))
        before = variant.quantity(location, name)
        level["available"] += line["quantity"] - before
        shop.writes.append(Write(key, variant.item_id, location, name, before, line["quantity"]))
    group = {
        "id": shop.new_id("InventoryAdjustmentGroup"),
        "reason": wanted["reason"],
        "referenceDocumentUri": None,
    }
    return {"inventoryAdjustmentGroup": group, "userErrors": []}


def _tags_add(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    product = shop.products.get(arguments["id"])
    if product is None:
        return {"node": None, "userErrors": [{"field": ["id"], "message": "Product does not exist"}]}
    product.tags += [tag for tag in arguments["tags"] if tag not in product.tags]
    shop.remember_tags(product)
    return {"node": product, "userErrors": []}


def _tags_remove(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    product = shop.products.get(arguments["id"])
    if product is None:
        return {"node": None, "userErrors": [{"field": ["id"], "message": "Product does not exist"}]}
    product.tags = [tag for tag in product.tags if tag not in arguments["tags"]]
    shop.remember_tags(product)
    return {"node": product, "userErrors": []}


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "field": None, "message": message}


def _delete(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    product = shop.products.get(arguments["productId"])
    if product is None:
        return {"product": None, "userErrors": [_error("PRODUCT_DOES_NOT_EXIST", "Product does not exist")]}
    ids = set(arguments["variantsIds"])
    going = [variant for variant in product.variants if variant.id in ids]
    if len(going) < len(ids):
        code = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"
        return {"product": product, "userErrors": [_error(code, "At least one variant does not belong")]}
    if len(going) == len(product.variants):
        return {
            "product": product,
            "userErrors": [_error("CANNOT_DELETE_LAST_VARIANT", "Cannot delete the last variant")],
        }
    for variant in going:
        shop.remove_variant(variant)
    return {"product": product, "userErrors": []}


def _create(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    product = shop.products[arguments["productId"]]
    made = []
    for given in arguments["variants"]:
        options = {one["optionName"]: one["name"] for one in given["optionValues"]}
        if any(variant.options == options for variant in product.variants):
            return {
                "productVariants": None,
                "userErrors": [_error("VARIANT_ALREADY_EXISTS", "The variant already exists.")],
            }
        item = given.get("inventoryItem") or {}
        levels = {
            one["locationId"]: one["availableQuantity"] for one in given.get("inventoryQuantities") or ()
        }
        variant = shop.add_variant(
            product, item.get("sku"), levels, options=options, price=given.get("price") or "0.00",
            barcode=given.get("barcode"), cost=item.get("cost"), tracked=item.get("tracked", True),
            metafields={f"{one['namespace']}.{one['key']}": one["value"] for one in given.get("metafields") or ()},
        )  # fmt: skip
        made.append(variant)
    return {"productVariants": made, "userErrors": []}


def _update_variants(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    changed = []
    for given in arguments["variants"]:
        variant = shop.variants.get(given["id"])
        if variant is None:
            return {
                "productVariants": None,
                "userErrors": [_error("PRODUCT_VARIANT_DOES_NOT_EXIST", "no variant")],
            }
        item = given.get("inventoryItem") or {}
        variant.price = given.get("price", variant.price)
        variant.barcode = given.get("barcode", variant.barcode)
        shop.skus[variant.sku or ""] -= 1
        variant.sku = item.get("sku", variant.sku)
        shop.skus[variant.sku or ""] += 1
        variant.cost = item.get("cost", variant.cost)
        variant.product.updated_at = shop.clock.now()
        changed.append(variant)
    return {"productVariants": changed, "userErrors": []}


def _update_product(shop: Shop, source: Any, arguments: dict[str, Any], info: Any) -> Any:
    given = arguments["product"]
    product = shop.products.get(given["id"])
    if product is None:
        return {"product": None, "userErrors": [{"field": ["id"], "message": "Product does not exist"}]}
    product.title = given.get("title", product.title)
    product.status = given.get("status", product.status)
    product.product_type = given.get("productType", product.product_type)
    product.updated_at = shop.clock.now()
    return {"product": product, "userErrors": []}


def _same_sku(shop: Shop, item: Item) -> int:
    """How many others have the SKU."""
    sku = item.variant.sku
    return shop.skus[sku] - 1 if sku else 0


def _money(amount: str | None) -> dict[str, str] | None:
    return None if amount is None else {"amount": amount, "currencyCode": "USD"}


def _of_variant(name: str, default: Any) -> Callable[..., Any]:
    return lambda shop, source, arguments, info: source.extra.get(name, default)


_FIELDS: dict[tuple[str, str], Callable[[Shop, Any, dict[str, Any], Any], Any]] = {
    ("QueryRoot", "products"): _products,
    ("QueryRoot", "productVariants"): _all_variants,
    ("QueryRoot", "orders"): _orders,
    ("QueryRoot", "nodes"): _nodes,
    ("QueryRoot", "product"): lambda shop, source, given, info: shop.products.get(given["id"]),
    ("QueryRoot", "locations"): lambda shop, source, given, info: _page(
        [{"id": one, "name": name, "isActive": True} for one, name in shop.locations.items()], given, lambda r: r["id"]
    ),
    ("Product", "metafields"): _metafields,
    ("Product", "variantsCount"): lambda shop, source, given, info: {"count": len(source.variants)},
    ("Product", "variants"): lambda shop, source, given, info: _page(source.variants, given, lambda row: row.id),
    ("Product", "updatedAt"): lambda shop, source, given, info: source.updated_at.isoformat(),
    ("ProductVariant", "metafields"): _metafields,
    ("ProductVariant", "title"): lambda shop, source, given, info: " / ".join(source.options.values()),
    ("ProductVariant", "position"): lambda shop, source, given, info: source.product.variants.index(source) + 1,
    ("ProductVariant", "compareAtPrice"): _of_variant("compareAtPrice", None),
    ("ProductVariant", "taxable"): _of_variant("taxable", True),
    ("ProductVariant", "inventoryPolicy"): _of_variant("inventoryPolicy", "DENY"),
    ("ProductVariant", "selectedOptions"): lambda shop, source, given, info: [
        {"name": name, "value": value} for name, value in source.options.items()
    ],
    ("ProductVariant", "updatedAt"): lambda shop, source, given, info: source.product.updated_at.isoformat(),
    ("ProductVariant", "media"): lambda shop, source, given, info: {"nodes": []},
    ("ProductVariant", "inventoryItem"): lambda shop, source, given, info: Item(source),
    ("InventoryItem", "id"): lambda shop, source, given, info: source.variant.item_id,
    ("InventoryItem", "sku"): lambda shop, source, given, info: source.variant.sku,
    ("InventoryItem", "tracked"): lambda shop, source, given, info: source.variant.tracked,
    ("InventoryItem", "requiresShipping"): lambda shop, source, given, info: True,
    ("InventoryItem", "duplicateSkuCount"): lambda shop, source, given, info: _same_sku(shop, source),
    ("InventoryItem", "harmonizedSystemCode"): lambda shop, source, given, info: None,
    ("InventoryItem", "countryCodeOfOrigin"): lambda shop, source, given, info: None,
    ("InventoryItem", "provinceCodeOfOrigin"): lambda shop, source, given, info: None,
    ("InventoryItem", "measurement"): lambda shop, source, given, info: {"weight": None},
    ("InventoryItem", "unitCost"): lambda shop, source, given, info: _money(source.variant.cost),
    ("InventoryItem", "inventoryLevel"): _level,
    ("InventoryItem", "inventoryLevels"): _levels,
    ("InventoryLevel", "id"): lambda shop, source, given, info: f"{source.variant.item_id}@{source.location}",
    ("InventoryLevel", "location"): lambda shop, source, given, info: {
        "id": source.location, "name": shop.locations[source.location], "isActive": True,
    },
    ("InventoryLevel", "quantities"): _quantities,
    ("Metafield", "type"): lambda shop, source, given, info: "single_line_text_field",
    ("Mutation", "inventorySetQuantities"): _set_quantities,
    ("Mutation", "tagsAdd"): _tags_add,
    ("Mutation", "tagsRemove"): _tags_remove,
    ("Mutation", "productVariantsBulkDelete"): _delete,
    ("Mutation", "productVariantsBulkCreate"): _create,
    ("Mutation", "productVariantsBulkUpdate"): _update_variants,
    ("Mutation", "productUpdate"): _update_product,
}  # fmt: skip
