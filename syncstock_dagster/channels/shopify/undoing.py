"""Taking a whole run back: levels by compare-and-set, last first; variants that were deleted are made again.

What belongs here: undoing what went out. What does not: a product whose update failed half-way, which ``applying``
takes back at once, and evidence of ours, which ``operations.rollback`` withdraws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from syncstock_dagster.channels.shopify import record, shop
from syncstock_dagster.channels.shopify.applying import Work, send
from syncstock_dagster.channels.shopify.errors import ShopifyError

_BATCH = 50


def undo(work: Work, connection: Connection[Any]) -> None:
    """Put levels back that still are what we wrote, and make deleted variants again. Twice is once."""
    rows = connection.execute(
        "select distinct product_id from shopify_writes where sync_id = %s and state in ('done', 'sent', 'planned') "
        "order by product_id",
        (work.sync.sync_id,),
    ).fetchall()
    products = [row[0] for row in rows]
    for start in range(0, len(products), _BATCH):
        with record.products_held(
            connection, work.sync.shop, products[start : start + _BATCH], work.policy.lock_seconds
        ) as held:
            connection.execute(
                "update shopify_writes set state = 'dropped' where sync_id = %s and product_id = any(%s) "
                "and state = 'planned' and undoes is null",
                (work.sync.sync_id, held),
            )
            record.plan_undo(connection, work.sync.sync_id, held)
            send(work, connection, held)
    for product in record.rows_of(connection, "restorable", sync_id=work.sync.sync_id):
        _restore(work, connection, product)


def _restore(work: Work, connection: Connection[Any], product: Mapping[str, Any]) -> None:
    """Make variants again, one by one: what is there already, a lost answer for instance, is no reason to stop."""
    for one in product["variants"]:
        try:
            made, errors = shop.create_variants(
                work.client, product["product_id"], [as_input(one["variant"])]
            )
        except ShopifyError as error:
            made, errors = [], [shop.UserError("", str(error))]
        row: dict[str, Any] = {"deletion_id": one["deletion_id"], "state": "deleted"}
        if any(error.code == "VARIANT_ALREADY_EXISTS" for error in errors):
            row |= {"state": "restored", "reason": "a variant with its options is there"}
        elif errors:
            row["reason"] = f"could not be made again: {errors[0].message}"[:500]
        else:
            row |= {"state": "restored", "reason": "made again", "restored_as": made[0]["id"]}
        record.settle_deletions(connection, [row], work.client.clock.now())


def as_input(variant: Mapping[str, Any]) -> dict[str, Any]:
    """A variant as it was read, in the form in which it is made."""
    item = variant["inventoryItem"]
    made: dict[str, Any] = {
        "optionValues": [
            {"optionName": one["name"], "name": one["value"]} for one in variant["selectedOptions"]
        ],
        "barcode": variant["barcode"],
        "price": variant["price"],
        "compareAtPrice": variant["compareAtPrice"],
        "taxable": variant["taxable"],
        "inventoryPolicy": variant["inventoryPolicy"],
        "metafields": variant["metafields"]["nodes"] or None,
        "mediaId": next((one["id"] for one in variant["media"]["nodes"]), None),
        "inventoryItem": _without_nothing(
            {
                "sku": variant["sku"],
                "cost": (item["unitCost"] or {}).get("amount"),
                "tracked": item["tracked"],
                "requiresShipping": item["requiresShipping"],
                "harmonizedSystemCode": item["harmonizedSystemCode"],
                "countryCodeOfOrigin": item["countryCodeOfOrigin"],
                "provinceCodeOfOrigin": item["provinceCodeOfOrigin"],
                "measurement": _without_nothing(item["measurement"]) or None,
            }
        ),
        "inventoryQuantities": [
            {"locationId": level["location"]["id"], "availableQuantity": 0}
            for level in item["inventoryLevels"]["nodes"]
        ],
    }
    return _without_nothing(made)


def _without_nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
