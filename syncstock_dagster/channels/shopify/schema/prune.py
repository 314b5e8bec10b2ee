"""Cut Shopify's Admin schema down to what the channel uses, as SDL.

What belongs here: which types and fields are kept, and the cutting. Run it to make the files beside it anew:

    npm pack @shopify/dev-mcp@1.16.0 && tar xzf shopify-dev-mcp-1.16.0.tgz
    python -m syncstock_dagster.channels.shopify.schema.prune package/dist/data

The whole schema takes seconds to build; what is kept takes milliseconds. A field that a version lacks is an error.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VERSIONS = ("2026-04", "2026-07", "2026-10")
SOURCE = "@shopify/dev-mcp 1.16.0 (ISC licence, in LICENSE.md beside this file)"

_PAGE = ("first", "after")
_ID = ("id",)

#: Objects and inputs: field to the arguments that are kept. Enums and scalars are kept where they are named.
KEPT: dict[str, dict[str, tuple[str, ...]]] = {
    "QueryRoot": {
        "locations": (*_PAGE, "includeInactive"),
        "products": (*_PAGE, "query"),
        "productVariants": (*_PAGE, "query"),
        "product": _ID,
        "nodes": ("ids",),
        "orders": (*_PAGE, "query"),
    },
    "Mutation": {
        "inventorySetQuantities": ("input",),
        "tagsAdd": ("id", "tags"),
        "tagsRemove": ("id", "tags"),
        "productVariantsBulkDelete": ("productId", "variantsIds"),
        "productVariantsBulkCreate": ("productId", "variants"),
        "productVariantsBulkUpdate": ("productId", "variants"),
        "productUpdate": ("product",),
    },
    "Node": {"id": ()},
    "PageInfo": {"hasNextPage": (), "endCursor": ()},
    "Count": {"count": ()},
    "Location": {"id": (), "name": (), "isActive": ()},
    "LocationConnection": {"nodes": (), "pageInfo": ()},
    "Product": {
        "id": (), "title": (), "status": (), "productType": (), "tags": (), "updatedAt": (), "variantsCount": (),
        "metafields": ("first", "keys"), "variants": _PAGE,
    },
    "ProductConnection": {"nodes": (), "pageInfo": ()},
    "Metafield": {"namespace": (), "key": (), "type": (), "value": ()},
    "MetafieldConnection": {"nodes": (), "pageInfo": ()},
    "ProductVariant": {
        "id": (), "title": (), "position": (), "sku": (), "barcode": (), "price": (), "compareAtPrice": (),
        "taxable": (), "inventoryPolicy": (), "requiresComponents": (), "selectedOptions": (), "updatedAt": (),
        "product": (), "inventoryItem": (), "metafields": ("first",), "media": ("first",),
    },
    "ProductVariantConnection": {"nodes": (), "pageInfo": ()},
    "SelectedOption": {"name": (), "value": ()},
    "Media": {"id": ()},
    "MediaImage": {"id": ()},
    "MediaConnection": {"nodes": (), "pageInfo": ()},
    "InventoryItem": {
        "id": (), "sku": (), "tracked": (), "requiresShipping": (), "duplicateSkuCount": (), "unitCost": (),
        "harmonizedSystemCode": (), "countryCodeOfOrigin": (), "provinceCodeOfOrigin": (), "measurement": (),
        "inventoryLevel": ("locationId",), "inventoryLevels": ("first",),
    },
    "InventoryItemMeasurement": {"weight": ()},
    "Weight": {"unit": (), "value": ()},
    "MoneyV2": {"amount": (), "currencyCode": ()},
    "InventoryLevel": {"id": (), "location": (), "quantities": ("names",)},
    "InventoryLevelConnection": {"nodes": (), "pageInfo": ()},
    "InventoryQuantity": {"name": (), "quantity": ()},
    "Order": {"id": (), "createdAt": ()},
    "OrderConnection": {"nodes": (), "pageInfo": ()},
    "InventorySetQuantitiesInput": {"name": (), "quantities": (), "reason": (), "referenceDocumentUri": ()},
    "InventoryQuantityInput": {
        "inventoryItemId": (), "locationId": (), "quantity": (), "changeFromQuantity": (),
    },
    "InventorySetQuantitiesPayload": {"inventoryAdjustmentGroup": (), "userErrors": ()},
    "InventorySetQuantitiesUserError": {"code": (), "field": (), "message": ()},
    "InventoryAdjustmentGroup": {"id": (), "reason": (), "referenceDocumentUri": ()},
    "TagsAddPayload": {"node": (), "userErrors": ()},
    "TagsRemovePayload": {"node": (), "userErrors": ()},
    "UserError": {"field": (), "message": ()},
    "ProductVariantsBulkDeletePayload": {"product": (), "userErrors": ()},
    "ProductVariantsBulkDeleteUserError": {"code": (), "field": (), "message": ()},
    "ProductVariantsBulkCreatePayload": {"productVariants": (), "userErrors": ()},
    "ProductVariantsBulkCreateUserError": {"code": (), "field": (), "message": ()},
    "ProductVariantsBulkUpdatePayload": {"productVariants": (), "userErrors": ()},
    "ProductVariantsBulkUpdateUserError": {"code": (), "field": (), "message": ()},
    "ProductVariantsBulkInput": {
        "id": (), "barcode": (), "price": (), "compareAtPrice": (), "taxable": (), "inventoryPolicy": (),
        "optionValues": (), "inventoryItem": (), "inventoryQuantities": (), "metafields": (), "mediaId": (),
    },
    "InventoryItemInput": {
        "sku": (), "cost": (), "tracked": (), "requiresShipping": (), "harmonizedSystemCode": (),
        "countryCodeOfOrigin": (), "provinceCodeOfOrigin": (), "measurement": (),
    },
    "InventoryItemMeasurementInput": {"weight": ()},
    "WeightInput": {"unit": (), "value": ()},
    "InventoryLevelInput": {"availableQuantity": (), "locationId": ()},
    "MetafieldInput": {"namespace": (), "key": (), "type": (), "value": ()},
    "VariantOptionValueInput": {"name": (), "optionName": ()},
    "ProductUpdateInput": {"id": (), "title": (), "status": (), "productType": ()},
    "ProductUpdatePayload": {"product": (), "userErrors": ()},
}  # fmt: skip
_BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


def prune(introspection: dict[str, Any]) -> str:
    """The SDL of what is kept of one version.

    Raises:
        KeyError: the version lacks a type or a field that the channel uses.
    """
    types = {one["name"]: one for one in introspection["__schema"]["types"]}
    named: set[str] = set()
    parts = [_object(types[name], fields, named) for name, fields in KEPT.items()]
    for name in sorted(named - set(KEPT) - _BUILT_IN):
        one = types[name]
        if one["kind"] == "SCALAR":
            parts.append(f"scalar {name}")
        elif one["kind"] == "ENUM":
            values = [value["name"] for value in one["enumValues"]]
            parts.append(f"enum {name} {{\n" + "".join(f"  {value}\n" for value in values) + "}")
        else:
            raise KeyError(f"{name} is named and not kept")
    directive = next(one for one in introspection["__schema"]["directives"] if one["name"] == "idempotent")
    arguments = ", ".join(f"{one['name']}: {_type(one['type'], set())}" for one in directive["args"])
    parts.append(f"directive @idempotent({arguments}) on {' | '.join(directive['locations'])}")
    return "\n\n".join(["schema {\n  query: QueryRoot\n  mutation: Mutation\n}", *parts]) + "\n"


def _object(one: dict[str, Any], kept: dict[str, tuple[str, ...]], named: set[str]) -> str:
    is_input = one["kind"] == "INPUT_OBJECT"
    fields = {field["name"]: field for field in one["inputFields" if is_input else "fields"]}
    lines = []
    for name, arguments in kept.items():
        if name not in fields:
            raise KeyError(f"{one['name']}.{name}")
        known = {argument["name"]: argument for argument in fields[name].get("args", ())}
        given = ", ".join(f"{each}: {_type(known[each]['type'], named)}" for each in arguments)
        lines.append(f"  {name}{f'({given})' if given else ''}: {_type(fields[name]['type'], named)}\n")
    word = {"INPUT_OBJECT": "input", "INTERFACE": "interface"}.get(one["kind"], "type")
    interfaces = [each["name"] for each in one["interfaces"] or () if each["name"] in KEPT]
    implements = f" implements {' & '.join(interfaces)}" if interfaces else ""
    return f"{word} {one['name']}{implements} {{\n{''.join(lines)}}}"


def _type(kind: dict[str, Any], named: set[str]) -> str:
    if kind["kind"] == "NON_NULL":
        return _type(kind["ofType"], named) + "!"
    if kind["kind"] == "LIST":
        return f"[{_type(kind['ofType'], named)}]"
    named.add(kind["name"])
    return str(kind["name"])


def main(folder: Path) -> None:
    """Write the SDL of every version that is supported."""
    for version in VERSIONS:
        with gzip.open(folder / f"admin_{version}.json.gz") as stream:
            read = json.load(stream)
        sdl = prune(read.get("data", read))
        head = f"# Shopify's Admin API {version}, cut down by prune.py from {SOURCE}.\n\n"
        (HERE / f"{version}.graphql").write_text(head + sdl, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
