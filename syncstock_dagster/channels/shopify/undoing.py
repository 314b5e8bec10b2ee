"""Taking a whole run back: levels by compare-and-set, last first; variants that were deleted are made again.

What belongs here: undoing what went out. What does not: a product whose update failed half-way, which ``applying``
takes back at once, and evidence of ours, which ``operations.rollback`` withdraws.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from psycopg import Connection

from syncstock_dagster.channels.shopify import record, shop
from syncstock_dagster.channels.shopify.applying import Work, send
from syncstock_dagster.channels.shopify.client import ShopifyClient
from syncstock_dagster.channels.shopify.errors import ShopifyError

TAKEN_BACK = "its run was taken back"
_BATCH = 50


def preview(client: ShopifyClient, connection: Connection[Any], sync_id: int) -> list[dict[str, Any]]:
    """Each level that taking a run back is about: what it was, what we wrote, what it is, and whether it goes back."""
    rows = record.rows_of(connection, "undoable", sync_id=sync_id)
    levels: dict[tuple[str, str], int | None] = {}
    for (location, name), group in groupby(
        sorted(rows, key=lambda row: (row["location"], row["quantity_name"])),
        key=lambda row: (row["location"], row["quantity_name"]),
    ):
        items = sorted({row["item_id"] for row in group})
        found = shop.read_levels(client, items, location, name)
        levels |= {(item, location): found.get(item) for item in items}
    told = []
    for row in rows:
        level = (row["item_id"], row["location"])
        now, reason = levels[level], None
        if row["state"] == "sent":
            reason = "its call has no answer yet; it is sent again first"
        elif now is None:
            reason = "is not stocked there any more"
        elif now != row["wrote"]:
            reason = "changed in the shop since it was written"
        else:
            levels[level] = row["was"]
        told.append(
            {name: row[name] for name in ("product_id", "sku", "location", "was", "wrote")}
            | {"now": now, "goes_back": reason is None, "reason": reason}
        )
    return told


def undo(work: Work, connection: Connection[Any]) -> list[str]:
    """Put levels back that still are what we wrote, and make deleted variants again. Twice is once.

    Returns the products that another run holds: nothing of them was taken back.
    """
    _call_off(work, connection)
    left: list[str] = []
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
            left += set(products[start : start + _BATCH]) - set(held)
    for product in record.rows_of(connection, "restorable", sync_id=work.sync.sync_id):
        _restore(work, connection, product)
    return sorted(left)


def _call_off(work: Work, connection: Connection[Any]) -> None:
    """What the run has not done yet it does not do any more, deletions that were approved included."""
    sync = work.sync
    waiting = record.waiting_products(connection, sync.sync_id)
    record.leave(
        connection,
        sync.sync_id,
        [{"product_id": one, "state": "skipped", "reason": TAKEN_BACK} for one in waiting],
    )
    due = record.deletions_due(connection, sync.sync_id, ["proposed", "approved", "sent"])
    asked = [one for product in due for one in product["variants"]]
    begun = [one["variant_id"] for one in asked if one["state"] == "sent"]
    there = shop.read_whole(work.client, begun, 1) if begun else {}
    rows = [
        {"deletion_id": one["deletion_id"], "state": "deleted"}
        if one["state"] == "sent" and one["variant_id"] not in there
        else {"deletion_id": one["deletion_id"], "state": "kept", "reason": TAKEN_BACK}
        for one in asked
    ]
    record.settle_deletions(connection, rows, work.client.clock.now())


def _restore(work: Work, connection: Connection[Any], product: Mapping[str, Any]) -> None:
    """Make variants again, one by one: what is there already, a lost answer for instance, is no reason to stop."""
    for one in product["variants"]:
        try:
            made, errors = shop.create_variants(
                work.client, product["product_id"], [as_input(one["variant"], one["levels"])]
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


def as_input(variant: Mapping[str, Any], levels: Mapping[str, int]) -> dict[str, Any]:
    """A variant as it was read, in the form in which it is made, with the levels that it had before the run.

    When it went nothing of it was committed or otherwise bound: what was on hand was available.
    """
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
            {
                "locationId": level["location"]["id"],
                "availableQuantity": max(0, levels.get(level["location"]["id"], 0)),
            }
            for level in item["inventoryLevels"]["nodes"]
        ],
    }
    return _without_nothing(made)


def _without_nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
