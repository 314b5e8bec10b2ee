"""Variants without stock that may go: judged anew at the last moment, stored whole, then deleted. Any doubt keeps one.

What belongs here: the rules that protect a variant, and deleting. What does not: proposing (``applying``), and making
one again (``undoing``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from psycopg import Connection

from syncstock_dagster.channels.shopify import record, shop
from syncstock_dagster.channels.shopify.applying import Work
from syncstock_dagster.channels.shopify.deciding import is_zero
from syncstock_dagster.channels.shopify.errors import RefusedError, ShopifyError, UnreachableError
from syncstock_dagster.channels.shopify.policy import ShopifyPolicy
from syncstock_dagster.channels.shopify.truth import Asked, Found, read_truth

#: A variant with one of these anywhere stays; the sum is on hand.
_PROTECTING = (
    "incoming",
    "committed",
    "reserved",
    "damaged",
    "safety_stock",
    "quality_control",
    "available",
    "on_hand",
)
_MOST_LEVELS = 50

Row = dict[str, Any]


def delete_due(work: Work, connection: Connection[Any], places: int) -> None:
    """Delete what is approved, or needs no approval; say of each that stays why. ``places``: how many there are."""
    for product in record.deletions_due(connection, work.sync.sync_id, due_states(work.policy)):
        with record.products_held(
            connection, work.sync.shop, [product["product_id"]], work.policy.lock_seconds
        ) as held:
            if held:
                _delete_of(work, connection, product, min(places + 1, _MOST_LEVELS))


def due_states(policy: ShopifyPolicy) -> list[str]:
    """What is carried out: what a person approved, what was begun, and all where the policy says so."""
    return ["approved", "sent", *(["proposed"] if policy.deletions == "automatic" else [])]


def _delete_of(work: Work, connection: Connection[Any], product: Mapping[str, Any], levels: int) -> None:
    sync, now = work.sync, work.client.clock.now
    wanted: list[Row] = product["variants"]
    if product["product_state"] not in ("done", "partly"):
        rows = [
            _kept(one, "the levels of its product are not in order")
            for one in wanted
            if one["state"] != "sent"
        ]
        wanted = [one for one in wanted if one["state"] == "sent"]
        record.settle_deletions(connection, rows, now())
    if not wanted:
        return
    try:
        going, settled = _judge(work, product, wanted, levels)
    except ShopifyError as error:
        rows = [
            _kept(one, f"it could not be looked at: {error}"[:500])
            for one in wanted
            if one["state"] != "sent"
        ]
        record.settle_deletions(connection, rows, now())
        return
    record.settle_deletions(connection, settled, now())
    if not going:
        return
    # Whole, before it goes.
    record.settle_deletions(connection, going, now())
    ids = [one["variant_id"] for one in going]
    try:
        errors = shop.delete_variants(work.client, product["product_id"], ids)
    except UnreachableError:
        return  # the next run looks whether they are still there
    except RefusedError as error:
        record.settle_deletions(
            connection, [_kept(one, f"the shop refused: {error}"[:500]) for one in going], now()
        )
        return
    try:
        # A call that was sent twice is refused the second time: what is there tells what happened.
        left = set(shop.read_whole(work.client, ids, levels)) if errors else set()
    except ShopifyError:
        return
    told = "; ".join(f"{error.code}: {error.message}" for error in errors)
    rows = [
        _kept(one, f"the shop refused: {told}"[:500])
        if one["variant_id"] in left
        else {"deletion_id": one["deletion_id"], "state": "deleted"}
        for one in going
    ]
    record.settle_deletions(connection, rows, now())
    connection.execute(
        "delete from shopify_variants where shop = %s and variant_id = any(%s)",
        (sync.shop, [one for one in ids if one not in left]),
    )


def _judge(
    work: Work, product: Mapping[str, Any], wanted: Sequence[Row], levels: int
) -> tuple[list[Row], list[Row]]:
    """Those that may go, with all that there is of them; and what became of the others."""
    whole = shop.read_whole(work.client, [one["variant_id"] for one in wanted], levels)
    settled: list[Row] = [
        # Somebody was deleting it when he died; or somebody else has.
        {"deletion_id": one["deletion_id"], "state": "deleted"}
        if one["state"] == "sent"
        else _kept(one, "it is not in the shop any more")
        for one in wanted
        if one["variant_id"] not in whole
    ]
    there = [one for one in wanted if one["variant_id"] in whole]
    # The shop was read; what the truth says now is later.
    try:
        truth = read_truth(
            work.truth, [Asked(product["style_code"], one["sku"]) for one in there], work.client.clock
        )
    except Exception as error:  # the truth is anybody's code; any doubt keeps a variant
        reason = f"the truth could not be read: {type(error).__name__}"
        return [], settled + [_kept(one, reason) for one in there]
    going: list[Row] = []
    for one in there:
        variant = whole[one["variant_id"]]
        found = truth.find(product["style_code"], one["sku"])
        protected = why_kept(variant, one["sku"]) or _in_truth(work, found) or _sold(work, one["sku"])
        if protected is not None:
            settled.append(_kept(one, protected))
        else:
            going.append({**one, "state": "sent", "variant": variant})
    if going and work.sync.options.preserve_single_variant:
        all_of_it = min(variant["product"]["variantsCount"]["count"] for variant in whole.values())
        if len(going) >= all_of_it:
            stays = min(going, key=lambda one: int(one["variant"]["position"]))
            going.remove(stays)
            settled.append(_kept(stays, "it would be the only variant"))
    return going, settled


def _in_truth(work: Work, found: Found) -> str | None:
    return None if is_zero(found, work.places) else found.problem or "the truth does not say zero everywhere"


def _sold(work: Work, sku: str) -> str | None:
    days = work.policy.recent_order_days
    was_sold = shop.was_sold_since(work.client, sku, work.client.clock.now() - timedelta(days=days))
    return f"it was sold within {days} days" if was_sold else None


def why_kept(variant: Mapping[str, Any], sku: str) -> str | None:
    """What of a variant itself protects it."""
    item = variant["inventoryItem"]
    if (variant["sku"] or "") != sku:
        return "its SKU changed"
    if not item["tracked"]:
        return "it is not tracked"
    if item["duplicateSkuCount"]:
        return "another variant has its SKU"
    if variant["requiresComponents"]:
        return "it is made of components"
    if variant["metafields"]["pageInfo"]["hasNextPage"]:
        return "it has more metafields than can be kept"
    if item["inventoryLevels"]["pageInfo"]["hasNextPage"]:
        return "not all of its levels could be read"
    for level in item["inventoryLevels"]["nodes"]:
        quantities = {one["name"]: int(one["quantity"]) for one in level["quantities"]}
        for name in _PROTECTING:
            if name not in quantities:
                return f"its {name} quantity is not known"
            if quantities[name] != 0:
                return f"{quantities[name]} {name.replace('_', ' ')} at {level['location']['id'].rpartition('/')[2]}"
    return None


def _kept(one: Mapping[str, Any], reason: str) -> Row:
    return {"deletion_id": one["deletion_id"], "state": "kept", "reason": reason}
