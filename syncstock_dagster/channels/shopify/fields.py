"""Fields of articles, both ways: what the shop says is staged, what was changed here is sent.

What belongs here: the form of an article over there, pulling, and pushing. What does not: what becomes of a staged
change and of a conflict (``catalog.staging``), and stock.

An article is a variant. Title, status and product type belong to the product, so they are sent only where all of its
variants agree; a variant among several has no title of its own, so its name is never sent. There is no comparison in
these calls: a product is read right before, and where it is not as we knew it, the next pull comes first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from psycopg import Connection

from syncstock_dagster.catalog.identifiers import what_is_wrong
from syncstock_dagster.catalog.policy import CataloguePolicy
from syncstock_dagster.catalog.staging import StagingResult, stage
from syncstock_dagster.channels.shopify import record, shop
from syncstock_dagster.channels.shopify.client import ShopifyClient
from syncstock_dagster.channels.shopify.documents import MOST_ENTRIES
from syncstock_dagster.channels.shopify.ending import SYSTEM
from syncstock_dagster.channels.shopify.errors import ShopifyError
from syncstock_dagster.channels.shopify.sync import Channel
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.operations.pushes import record_pushes
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.records import canonical_decimal
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

#: Of the product, shared by its variants.
_SHARED = ("name", "category", "is_active")
_AMOUNTS = ("price", "cost")
_CODES = ("identifiers.gtin", "identifiers.barcode")
_NO_TITLE = "Default Title"


@dataclass(frozen=True, slots=True)
class Article:
    """A variant as the catalogue would say it."""

    variant_id: str
    product_id: str
    item_id: str
    sku: str
    modified_at: datetime
    is_alone: bool
    barcode: str | None
    values: Mapping[str, str | None]  # sku, name, category, price, cost, is_active, as text


def pull(
    channel: Channel,
    catalogue: CataloguePolicy,
    policies: Policies,
    *,
    who: str | None = None,
    dry_run: bool = False,
) -> StagingResult:
    """Stage what the shop says of all its articles; what it said before, and what has a duplicate SKU, is no news."""
    sizes = dict(one for page in shop.list_products(channel.client, None) for one in page)
    articles = [one for page in read_articles(channel.client, sizes) for one in page]
    with connect(channel.url) as connection:
        known = {
            row["variant_id"]: row
            for row in record.rows_of(
                connection, "known_articles", variants=json.dumps(
                    [{"variant_id": one.variant_id, "sku": one.sku} for one in articles]
                ), system=SYSTEM,
            )
        }  # fmt: skip
        _remember(connection, channel.client.shop, articles)
    skus = Counter(one.sku.casefold() for one in articles)
    changes = [
        _change(one, known.get(one.variant_id))
        for one in articles
        if one.sku.strip() and skus[one.sku.casefold()] == 1
    ]
    result = stage(
        channel.url, changes, catalogue, policies,
        source=SYSTEM, default_location=channel.default_location, note="articles of Shopify", who=who, dry_run=dry_run,
    )  # fmt: skip
    if not dry_run:
        with connect(channel.url) as connection:
            said = [{"variant_id": one.variant_id, "sku": one.sku} for one in articles]
            connection.execute(statement("shopify/agree_skus"), {"rows": json.dumps(said), "system": SYSTEM})
    return result


def _change(one: Article, known: Mapping[str, Any] | None) -> dict[str, Any]:
    codes = list((known or {}).get("codes") or ())
    change: dict[str, Any] = {
        "sku": one.sku,
        "modified_at": one.modified_at,
        "identifiers": {SYSTEM: one.variant_id},
    }
    for name in ("name", "category", "price", "cost"):
        if one.values[name]:
            change[name] = one.values[name]
    change["is_active"] = one.values["is_active"] == "true"
    if known is not None and known["inventory_id"] is not None:
        change["inventory_id"] = known["inventory_id"]
        if not known["is_by_id"]:
            change["sku"] = known["sku"]  # found whatever its case: that is no renaming
    if one.barcode and one.barcode not in codes:
        system = "gtin" if what_is_wrong("gtin", one.barcode) is None else "barcode"
        if what_is_wrong(system, one.barcode) is None:
            own = list((known or {}).get(system) or ())
            change["identifiers"][system] = [*own, one.barcode]
    return change


def read_articles(client: ShopifyClient, sizes: Mapping[str, int]) -> Iterator[list[Article]]:
    """Every variant of some products, as the catalogue would say it; one page after the other."""
    waiting = sorted(sizes, key=lambda one: (sizes[one], one))
    while waiting:
        count = len(waiting)
        variables: dict[str, Any] = {}
        for count in range(min(len(waiting), MOST_ENTRIES), 0, -1):
            variables = {"ids": waiting[:count], "variants": min(sizes[waiting[count - 1]] + 1, MOST_ENTRIES)}
            if client.fits("read_fields", variables):
                break
        found: list[Article] = []
        for node in client.run("read_fields", variables)["nodes"]:
            if node and not node["variants"]["pageInfo"]["hasNextPage"]:
                found += [_article(node, one) for one in node["variants"]["nodes"]]
        yield found
        waiting = waiting[count:]


def _article(product: Mapping[str, Any], variant: Mapping[str, Any]) -> Article:
    is_alone = len(product["variants"]["nodes"]) == 1
    name = product["title"]
    if not is_alone and variant["title"] != _NO_TITLE:
        name = f"{product['title']} / {variant['title']}"
    cost = variant["inventoryItem"]["unitCost"]
    modified = max(datetime.fromisoformat(one["updatedAt"]) for one in (product, variant))
    values = {
        "sku": variant["sku"] or "",
        "name": name,
        "category": product["productType"] or None,
        "price": _exact(variant["price"]),
        "cost": None if cost is None else _exact(cost["amount"]),
        "is_active": "true" if product["status"] == "ACTIVE" else "false",
    }
    return Article(
        variant["id"], product["id"], variant["inventoryItem"]["id"], variant["sku"] or "", modified, is_alone,
        variant["barcode"], values,
    )  # fmt: skip


def _exact(text: str) -> str | None:
    return canonical_decimal(Decimal(text))


def _remember(connection: Connection[Any], name: str, articles: Sequence[Article]) -> None:
    rows = [
        {"variant_id": one.variant_id, "product_id": one.product_id, "item_id": one.item_id, "sku": one.sku}
        for one in articles
    ]
    connection.execute(statement("shopify/see_variants"), {"shop": name, "rows": json.dumps(rows)})


# -- the other way ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Pushed:
    """What became of local changes: each is an article, a field, and its new value or why it was not sent."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    operation_uuid: str | None = None


def push(channel: Channel, *, who: str | None = None, dry_run: bool = False) -> Pushed:
    """Send what was changed here since both sides agreed. Twice is once: what is there already is only noted."""
    result = Pushed()
    with connect(channel.url) as connection:
        rows = record.rows_of(connection, "fields_to_push", system=SYSTEM, shop=channel.client.shop)
        for product_id, group in groupby(rows, key=lambda row: str(row["product_id"])):
            with record.products_held(
                connection, channel.client.shop, [product_id], channel.policy.lock_seconds
            ) as held:
                wanted = list(group)
                if held:
                    _push_product(channel.client, product_id, wanted, result, dry_run=dry_run)
                else:
                    _leave(result, wanted, "another run is at work on it")
    if result.sent and not dry_run:
        result.operation_uuid = _on_record(channel, result, who)
    return result


def _on_record(channel: Channel, result: Pushed, who: str | None) -> str:
    def work(operation: Operation) -> Statistics:
        sent = [
            {
                "inventory_id": inventory_id,
                "what": {one["field"]: one["new"] for one in of_one},
                "before": {one["field"]: one["old"] for one in of_one},
            }
            for inventory_id, of_one in _by_article(result.sent)
        ]
        pushed = record_pushes(operation, SYSTEM, sent)
        operation.connection.execute(
            statement("shopify/agree_pushed"),
            {"rows": json.dumps(result.sent, default=str), "system": SYSTEM},
        )
        return {"pushed": pushed, "left": len(result.left), "partly": bool(result.left)}

    return run_operation(
        channel.url, "Shopify: fields of articles", "push", work, who=who, direction="up"
    ).uuid


def _by_article(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    ordered = sorted(rows, key=lambda row: int(row["inventory_id"]))
    for inventory_id, group in groupby(ordered, key=lambda row: int(row["inventory_id"])):
        yield inventory_id, list(group)


def _push_product(
    client: ShopifyClient, product_id: str, wanted: list[dict[str, Any]], result: Pushed, *, dry_run: bool
) -> None:
    try:
        there = {
            one.variant_id: one
            for page in read_articles(client, {product_id: int(wanted[0]["size"])})
            for one in page
        }
    except ShopifyError as error:
        _leave(result, wanted, str(error)[:500])
        return
    fit: list[dict[str, Any]] = []
    for row in wanted:
        article = there.get(row["variant_id"])
        reason = _why_not(row, article)
        if reason is not None:
            _leave(result, [row], reason)
        elif article is not None and _is_there(row, article):
            result.sent.append(row)  # it is there: an answer was lost, or somebody did the same
        else:
            fit.append(row)
    if not fit or dry_run:
        result.sent += fit
        return
    try:
        errors = _send(client, product_id, fit)
    except ShopifyError as error:
        _leave(result, fit, str(error)[:500])
        return
    if errors:
        _leave(result, fit, "; ".join(error.message for error in errors)[:500])
    else:
        result.sent += fit


def _why_not(row: Mapping[str, Any], article: Article | None) -> str | None:
    if article is None:
        return "it is not in the shop any more"
    name = row["field"]
    if name == "name" and not article.is_alone:
        return "a variant among several has no title of its own"
    if name in _CODES:
        return _why_no_code(row, article.barcode)
    if name in _SHARED and not row["all_agree"]:
        return "the variants of its product do not agree"
    if row["new"] is None:
        return "nothing is said of it here"
    there = article.values[name]
    if not _same(name, there, row["old"]) and not _same(name, there, row["new"]):
        return "the shop changed it too; the next pull comes first"
    return None


def _why_no_code(row: Mapping[str, Any], there: str | None) -> str | None:
    """The shop has one code for a variant; an article may have several."""
    if len(_codes(row["new"])) != 1:
        return f"it has {len(_codes(row['new']))} codes, and the shop takes one"
    if there is not None and there not in (*_codes(row["old"]), *_codes(row["new"])):
        return "the shop changed it too; the next pull comes first"
    return None


def _codes(text: str | None) -> list[str]:
    return list(json.loads(text)) if text else []


def _is_there(row: Mapping[str, Any], article: Article) -> bool:
    name = row["field"]
    if name in _CODES:
        return [article.barcode] == _codes(row["new"])
    return _same(name, article.values[name], row["new"])


def _same(name: str, one: str | None, other: str | None) -> bool:
    if name in _AMOUNTS and one is not None and other is not None:
        return Decimal(one) == Decimal(other)
    return one == other


def _send(client: ShopifyClient, product_id: str, rows: Sequence[Mapping[str, Any]]) -> list[shop.UserError]:
    errors: list[shop.UserError] = []
    product = {
        {"name": "title", "category": "productType", "is_active": "status"}[row["field"]]: _status(row)
        for row in rows
        if row["field"] in _SHARED
    }
    if product:
        errors += shop.update_product(client, {"id": product_id, **product})
    variants = []
    for variant_id, group in groupby(
        sorted((row for row in rows if row["field"] not in _SHARED), key=lambda row: str(row["variant_id"])),
        key=lambda row: str(row["variant_id"]),
    ):
        values = {row["field"]: row["new"] for row in group}
        item = {name: values[name] for name in ("sku", "cost") if name in values}
        given: dict[str, Any] = {"id": variant_id}
        if "price" in values:
            given["price"] = values["price"]
        if item:
            given["inventoryItem"] = item
        for name in _CODES:
            if name in values:
                (given["barcode"],) = _codes(values[name])
        variants.append(given)
    if variants and not errors:
        errors += shop.update_variants(client, product_id, variants)
    return errors


def _status(row: Mapping[str, Any]) -> str:
    if row["field"] != "is_active":
        return str(row["new"])
    return "ACTIVE" if row["new"] == "true" else "DRAFT"


def _leave(result: Pushed, rows: Iterable[Mapping[str, Any]], reason: str) -> None:
    result.left += [{**row, "reason": reason} for row in rows]
