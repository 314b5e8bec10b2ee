"""One run at work on products: look, plan, send, mark.

What belongs here: what happens to a batch of products, from looking at them to their tag, and going on after a crash.
What does not: deletions (``deleting``), taking a whole run back (``undoing``), beginning and ending a run (``sync``).

The order is what makes it safe. The shop is read, then the truth; the plan is stored; a call is stored with its key;
the call is sent; its answer is stored. A line is only written where the level still is what was read. Where it is not,
somebody sold: the level is read again, then the truth, and the line is written only if the truth has moved on since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

from psycopg import Connection

from syncstock_dagster.channels.shopify import record, shop
from syncstock_dagster.channels.shopify.client import ShopifyClient
from syncstock_dagster.channels.shopify.deciding import BY_ITSELF, SOLD_MEANWHILE, decide, style_code, target
from syncstock_dagster.channels.shopify.documents import MOST_ENTRIES
from syncstock_dagster.channels.shopify.errors import RefusedError, ShopifyError, UnreachableError
from syncstock_dagster.channels.shopify.policy import ShopifyPolicy
from syncstock_dagster.channels.shopify.record import StoredLine, Sync
from syncstock_dagster.channels.shopify.shop import ShopProduct, UserError
from syncstock_dagster.channels.shopify.truth import Asked, Reading, Truth, read_truth

LOCKED = "another run is at work on it"
NO_STYLE = "has no style code"
GONE = "is not in the shop any more"
NO_ANSWER = "the shop did not answer; the next run goes on from here"

#: How often one level is tried before it is left to the next run.
_ATTEMPTS = 3
#: How long the shop is sure to remember a key; a call that is older is not sent again.
_KEY_LIVES = timedelta(hours=12)
_BUSY_TRIES, _BUSY_WAIT = 5, 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a run works with."""

    client: ShopifyClient
    policy: ShopifyPolicy
    truth: Truth
    places: Mapping[str, Sequence[str]]  # locations of the shop to those of the truth
    sync: Sync


def work_batch(work: Work, connection: Connection[Any], sizes: Mapping[str, int], *, only_plan: bool) -> None:
    """See a batch of products through, or only plan what to do with it."""
    if only_plan:
        plan_products(work, connection, sizes)
        return
    sync = work.sync
    with record.products_held(connection, sync.shop, list(sizes), work.policy.lock_seconds) as held:
        record.leave(
            connection,
            sync.sync_id,
            [
                {"product_id": one, "state": "skipped", "reason": LOCKED}
                for one in sorted(set(sizes) - set(held))
            ],
        )
        old = _too_old(work, connection, held)
        plan_products(work, connection, {one: sizes[one] for one in held if one in old})
        send(work, connection, held)
        finish(work, connection, held)


def _too_old(work: Work, connection: Connection[Any], products: Sequence[str]) -> set[str]:
    """Those without a plan that is fresh enough to be sent. What was sent already is not planned anew."""
    oldest = work.client.clock.now() - timedelta(minutes=work.policy.plan_minutes)
    rows = connection.execute(
        "select p.product_id from shopify_products as p "
        "where p.sync_id = %s and p.product_id = any(%s) and (p.state = 'found' or (p.state = 'planned' "
        "and p.read_at < %s and not exists (select from shopify_writes as w where w.sync_id = p.sync_id "
        "and w.product_id = p.product_id and (w.state in ('sent', 'failed') or w.undoes is not null))))",
        (work.sync.sync_id, list(products), oldest),
    )
    return {row[0] for row in rows}


# -- looking and planning --------------------------------------------------------------------------------------------


def plan_products(work: Work, connection: Connection[Any], sizes: Mapping[str, int]) -> None:
    """Look at products, ask the truth, and store what follows. An error leaves products as they are."""
    if not sizes:
        return
    client, sync = work.client, work.sync
    read_at = client.clock.now()
    try:
        products = shop.read_products(
            client, sizes,
            metafields=work.policy.metafields, places=list(work.places), name=work.policy.quantity,
        )  # fmt: skip
    except ShopifyError as error:
        _fail(connection, sync, sizes, f"the shop could not be read: {error}")
        return
    left: list[dict[str, Any]] = [
        {"product_id": one, "state": "skipped", "reason": GONE} for one in sorted(set(sizes) - set(products))
    ]
    styles = {one: style_code(product, work.policy.metafields) for one, product in products.items()}
    if work.truth.needs_style_code:
        left += [
            {
                "product_id": one, "state": "skipped", "reason": NO_STYLE, "title": product.title,
                "variants": len(product.variants), "read_at": read_at,
            }
            for one, product in products.items()
            if styles[one] is None
        ]  # fmt: skip
        products = {one: product for one, product in products.items() if styles[one] is not None}
    record.leave(connection, sync.sync_id, left)
    for some, reading in _readings(work, connection, products, styles):
        _store(work, connection, some, styles, reading, read_at)


def _readings(
    work: Work,
    connection: Connection[Any],
    products: Mapping[str, ShopProduct],
    styles: Mapping[str, str | None],
) -> Iterable[tuple[Mapping[str, ShopProduct], Reading]]:
    """The truth of all products at once; where that fails, of each alone, so that one does not spoil the others."""
    if not products:
        return
    try:
        reading = _ask(work, products.values(), styles)
    except Exception as error:  # the truth is anybody's code, and an error is never an empty answer
        if len(products) == 1:
            _fail(connection, work.sync, products, f"the truth could not be read: {_told(error)}")
            return
    else:
        yield products, reading
        return
    for product_id, product in products.items():
        yield from _readings(work, connection, {product_id: product}, styles)


def _ask(work: Work, products: Iterable[ShopProduct], styles: Mapping[str, str | None]) -> Reading:
    asked = [
        Asked(styles[product.product_id], variant.sku)
        for product in products
        for variant in product.variants
        if variant.sku
    ]
    return read_truth(work.truth, asked, work.client.clock)


def _store(
    work: Work,
    connection: Connection[Any],
    products: Mapping[str, ShopProduct],
    styles: Mapping[str, str | None],
    reading: Reading,
    read_at: Any,
) -> None:
    tables: dict[str, list[dict[str, Any]]] = {"products": [], "variants": [], "lines": [], "deletions": []}
    options, sync = work.sync.options, work.sync
    for product in products.values():
        decision = decide(product, styles[product.product_id], reading, work.places)
        tables["products"].append(
            {
                "product_id": product.product_id, "title": product.title, "style_code": styles[product.product_id],
                "old_tags": [tag for tag in product.tags if tag.startswith(work.policy.tag_prefix) and tag < sync.tag],
                "variants": len(product.variants), "equal": decision.equal, "read_at": read_at,
                "truth_at": reading.read_at,
            }
        )  # fmt: skip
        tables["variants"] += [
            {
                "product_id": product.product_id, "variant_id": variant.variant_id, "item_id": variant.item_id,
                "sku": variant.sku,
            }
            for variant in product.variants
        ]  # fmt: skip
        tables["lines"] += [
            {
                "product_id": product.product_id, "variant_id": line.variant.variant_id,
                "item_id": line.variant.item_id, "sku": line.variant.sku, "location": line.location,
                "change_from": line.current, "quantity": line.quantity, "reason": line.reason,
            }
            for line in decision.lines
        ]  # fmt: skip
        if options.delete_zero_stock:
            tables["deletions"] += _deletions(product, decision.deletable, options.preserve_single_variant)
    record.store_plan(connection, sync, work.policy.quantity, **tables)


def _deletions(product: ShopProduct, zero: Sequence[Any], preserve: bool) -> list[dict[str, Any]]:
    """Variants without stock; where all have none, the first one stays."""
    kept = (
        min(zero, key=lambda variant: variant.position)
        if len(zero) == len(product.variants) and zero
        else None
    )
    return [
        {
            "product_id": product.product_id, "variant_id": variant.variant_id, "item_id": variant.item_id,
            "sku": variant.sku, "title": product.title,
            "state": "kept" if preserve and variant is kept else "proposed",
            "reason": "it would be the only variant" if preserve and variant is kept else "zero_stock",
        }
        for variant in zero
    ]  # fmt: skip


def _fail(connection: Connection[Any], sync: Sync, products: Iterable[str], reason: str) -> None:
    record.leave(
        connection,
        sync.sync_id,
        [{"product_id": one, "state": "failed", "reason": reason[:500]} for one in products],
    )


def _told(error: Exception) -> str:
    """An error of somebody else's code: its kind only, for its words may hold a password."""
    return type(error).__name__


# -- sending ---------------------------------------------------------------------------------------------------------


def send(work: Work, connection: Connection[Any], products: Sequence[str]) -> None:
    """Send what is planned for products, until nothing is left that could be sent."""
    while True:
        settle_stale(work, connection, products)  # also what a dead worker left so
        lines = record.lines_in(connection, work.sync.sync_id, products, "planned")
        if not lines:
            return
        for (_, is_undo), group in groupby(
            sorted(lines, key=_call_order), key=lambda line: _call_order(line)[:2]
        ):
            for chunk in _chunks(group):
                call(work, connection, chunk, "undo" if is_undo else "set")


def _chunks(lines: Iterable[StoredLine]) -> Iterable[list[StoredLine]]:
    """As many lines as a call may have; it may name a level once."""
    chunk: dict[str, StoredLine] = {}
    for line in lines:
        if len(chunk) == MOST_ENTRIES or line.item_id in chunk:
            yield list(chunk.values())
            chunk = {}
        chunk[line.item_id] = line
    yield list(chunk.values())


def _call_order(line: StoredLine) -> tuple[str, bool, int]:
    return line.location, line.undoes is not None, line.write_id


def call(work: Work, connection: Connection[Any], lines: Sequence[StoredLine], purpose: str) -> None:
    """Store a call, send it, and store what came of it."""
    given = {
        "name": lines[0].quantity_name,
        "reason": work.policy.reason,
        "referenceDocumentUri": f"gid://syncstock/SyncOperation/{work.sync.sync_uuid}",
        "quantities": [
            {
                "inventoryItemId": line.item_id, "locationId": line.location, "quantity": line.quantity,
                "changeFromQuantity": line.change_from,
            }
            for line in lines
        ],
    }  # fmt: skip
    key = record.open_call(connection, work.sync, purpose, given, lines, work.client.clock.now())
    deliver(work, connection, key, given, lines)


def deliver(
    work: Work, connection: Connection[Any], key: str, given: Mapping[str, Any], lines: Sequence[StoredLine]
) -> None:
    """Send a stored call, which may have been sent before, and store what came of it. Unanswered it stays open."""
    try:
        errors = _send(work, given, key)
    except UnreachableError:
        return
    except RefusedError as error:
        errors = [UserError("REFUSED", str(error))]
    errors = [one if (one.line or 0) < len(lines) else replace(one, line=None) for one in errors]
    nobody_named = bool(errors) and all(error.line is None for error in errors)
    if nobody_named and len(lines) > 1 and errors[0].code not in _OF_THE_CALL:
        # Something is wrong with some line, and the shop does not say which.
        outcome = [{"write_id": line.write_id, "state": "planned"} for line in lines]
        record.close_call(connection, key, errors, outcome, work.client.clock.now())
        half = len(lines) // 2
        purpose = "set" if lines[0].undoes is None else "undo"
        call(work, connection, lines[:half], purpose)
        call(work, connection, lines[half:], purpose)
        return
    outcome = _outcome(lines, errors)
    record.close_call(connection, key, errors, outcome, work.client.clock.now())


#: What is wrong with the whole call; dividing it does not help.
_OF_THE_CALL = frozenset(
    {
        "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "IDEMPOTENCY_CONCURRENT_REQUEST",
        "REFUSED", "INVALID_NAME", "INVALID_REASON", "INVALID_REFERENCE_DOCUMENT",
    }
)  # fmt: skip


#: The level is another one by now, or its variant is gone, which is no failure of those beside it.
_LOOK_AGAIN = frozenset({"CHANGE_FROM_QUANTITY_STALE", "INVALID_INVENTORY_ITEM"})


def _send(work: Work, given: Mapping[str, Any], key: str) -> list[UserError]:
    for _ in range(_BUSY_TRIES):
        errors = shop.set_quantities(work.client, given, key)
        if not any(error.code == "IDEMPOTENCY_CONCURRENT_REQUEST" for error in errors):
            return errors
        work.client.clock.sleep(_BUSY_WAIT)  # an earlier attempt of this call is still at work
    raise UnreachableError("an earlier attempt of the same call does not end")


def _outcome(lines: Sequence[StoredLine], errors: Sequence[UserError]) -> list[dict[str, Any]]:
    """What becomes of each line: nothing is done where there is any error."""
    if not errors:
        return [{"write_id": line.write_id, "state": "done"} for line in lines]
    by_line = {error.line: error for error in errors if error.line is not None}
    whole = next((error for error in errors if error.line is None), None)
    outcome: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        error = by_line.get(number) or (whole if not by_line else None)
        row: dict[str, Any] = {"write_id": line.write_id}
        if error is None:
            row["state"] = "planned"  # nothing is wrong with this one
        elif error.code in _LOOK_AGAIN:
            row["state"] = "stale"
        elif error.code == "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED" and line.attempt < _ATTEMPTS:
            row |= {"state": "planned", "again": 1}  # it came to nothing: a new key, the same comparison
        else:
            row |= {"state": "failed", "reason": f"{error.code or 'refused'}: {error.message}"[:500]}
        outcome.append(row)
    return outcome


def settle_stale(work: Work, connection: Connection[Any], products: Sequence[str]) -> None:
    """Look again at levels that were not as expected: first at the shop, then at the truth."""
    stale = record.lines_in(connection, work.sync.sync_id, products, "stale")
    rows: list[dict[str, Any]] = [
        {"write_id": line.write_id, "reason": "changed in the shop since it was written: not put back"}
        for line in stale
        if line.undoes is not None
    ]
    again = [line for line in stale if line.undoes is None]
    for location, group in groupby(sorted(again, key=lambda one: one.location), key=lambda one: one.location):
        lines = list(group)
        try:
            rows += _look_again(work, location, lines)
        except ShopifyError as error:
            reason = f"changed in the shop, which could not be read again: {error}"[:500]
            rows += [{"write_id": line.write_id, "reason": reason} for line in lines]
    if rows:
        record.settle_stale(connection, rows)


def _look_again(work: Work, location: str, lines: Sequence[StoredLine]) -> list[dict[str, Any]]:
    levels = shop.read_levels(work.client, [line.item_id for line in lines], location, work.policy.quantity)
    try:
        reading = read_truth(
            work.truth, [Asked(line.style_code, line.sku) for line in lines], work.client.clock
        )
    except Exception as error:  # as above: an error leaves the line alone
        reason = f"changed in the shop, and the truth could not be read again: {_told(error)}"
        return [{"write_id": line.write_id, "reason": reason} for line in lines]
    rows: list[dict[str, Any]] = []
    codes = work.places.get(location, ())  # a run may go on under another configuration than it began with
    for line in lines:
        row: dict[str, Any] = {"write_id": line.write_id}
        level = levels.get(line.item_id)
        wanted, problem = target(reading.find(line.style_code, line.sku), codes)
        if not codes:
            wanted, problem = None, "its location is not kept any more"
        if level is None:
            row["reason"] = "is not stocked there any more"
        elif wanted is None:
            row["reason"] = problem
        elif wanted == level:
            row["reason"] = BY_ITSELF
        elif wanted == line.quantity:
            row["reason"] = SOLD_MEANWHILE
        elif line.attempt >= _ATTEMPTS:
            row["reason"] = f"changed in the shop {_ATTEMPTS} times while it was written"
        else:
            row |= {"change_from": level, "quantity": wanted}
        rows.append(row)
    return rows


# -- finishing -------------------------------------------------------------------------------------------------------


def finish(work: Work, connection: Connection[Any], products: Sequence[str]) -> None:
    """Close products: take back what was done where something failed, tag those where all went well."""
    sync = work.sync
    stands = record.standing(connection, sync.sync_id, products)
    broken = [one["product_id"] for one in stands if one["failed"] and not one["unanswered"]]
    if broken and record.plan_undo(connection, sync.sync_id, broken):
        send(work, connection, broken)
        stands = record.standing(connection, sync.sync_id, products)
    record.leave(
        connection,
        sync.sync_id,
        [
            {"product_id": one["product_id"], "state": "planned", "reason": NO_ANSWER}
            for one in stands
            if one["unanswered"]
        ],
    )
    closed: list[dict[str, Any]] = []
    for one in stands:
        if one["unanswered"]:
            continue
        state, reason = "done", None
        if one["failed"]:
            state, reason = "failed", one["failure"]
        elif one["left_out"]:
            state, reason = "partly", one["left_because"]
        else:
            reason = _mark(work, connection, one)
        closed.append({"product_id": one["product_id"], "state": state, "reason": reason})
    record.close_products(connection, sync, closed)


def _mark(work: Work, connection: Connection[Any], one: Mapping[str, Any]) -> str | None:
    """Tag a product, which is a courtesy: our record is what counts. What went wrong is said, and no more."""
    if one["is_marked"]:
        return None
    product_id = one["product_id"]
    try:
        errors = shop.add_tags(work.client, product_id, [work.sync.tag])
        if not errors and one["old_tags"]:
            errors = shop.remove_tags(work.client, product_id, one["old_tags"])
    except ShopifyError as error:
        return f"done, but not tagged: {error}"[:500]
    if errors:
        return f"done, but not tagged: {errors[0].message}"[:500]
    record.mark(connection, work.sync.sync_id, product_id)
    return None


# -- going on --------------------------------------------------------------------------------------------------------


def replay_open_calls(work: Work, connection: Connection[Any]) -> None:
    """Send again what a dead worker may have sent: the key makes it the same call, whether it arrived or not."""
    for one in record.open_calls(connection, work.sync.sync_id):
        with record.products_held(
            connection, work.sync.shop, one["products"], work.policy.lock_seconds
        ) as held:
            if len(held) < len(one["products"]):
                continue
            lines = record.call_lines(connection, one["call_key"])
            if work.client.clock.now() - one["stored_at"] < _KEY_LIVES:
                deliver(work, connection, one["call_key"], one["input"], lines)
                continue
            # The shop may have forgotten the key. Whether it was done, the levels tell: they are looked at anew.
            reason = "whether it was written is not known any more"
            outcome = [{"write_id": line.write_id, "state": "dropped", "reason": reason} for line in lines]
            record.close_call(
                connection, one["call_key"], [], outcome, work.client.clock.now(), state="abandoned"
            )
            record.leave(
                connection,
                work.sync.sync_id,
                [{"product_id": product, "state": "found", "reason": None} for product in one["products"]],
            )
