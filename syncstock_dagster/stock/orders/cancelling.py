"""Cancelling an order: as if it had never been, or its goods come back.

What belongs here: telling the two apart, which only matters where somebody counted in between. What does not: how
evidence is withdrawn (``operations.rollback``) or posted (``stock.sync``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.rollback import roll_back
from syncstock_dagster.stock.orders.answers import Answer, OrderResult
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.records import MovementRecord, evidence_from_records
from syncstock_dagster.stock.sync import deliver
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement


def cancel(
    url: str,
    ref: str,
    policies: Policies,
    *,
    reason: str,
    returned: bool | None = None,
    default_location: str,
    second_person: Sequence[str] = (),
    who: str | None = None,
    dry_run: bool = False,
) -> OrderResult:
    """Take an order back. Twice is once.

    Args:
        url: the database.
        ref: the order's reference.
        policies: of the sources.
        reason: why.
        returned: False: the goods never left the shelf, so the order is withdrawn (its operation is rolled back). True:
            they left and come back now, which is a movement of its own. None: withdrawn, unless an article was counted
            since; a count tells the two apart, so somebody has to.
        default_location: of evidence that names none.
        second_person: types of operations whose withdrawal is only asked for, until somebody else cancels it, too.
        who: who cancels it.
        dry_run: undo all of it at the end.

    Raises:
        BadInput: no reason is given, there is no such order, or somebody has to say whether its goods come back.
    """
    if not reason or not reason.strip():
        raise BadInput("Cancelling an order needs a reason: say in a few words why.")
    order = _find(url, ref)
    if order is None:
        raise BadInput(f"There is no order {ref!r}.")
    if order["state"] == "withdrawn" or order["returned_by"] is not None:
        return _cancelled(ref, order, order["returned_by"], dry_run=dry_run)
    if returned is None and order["counted_since"]:
        raise BadInput(
            f"An article of order {ref!r} was counted since. Say whether its goods come back to the shelf now "
            "(returned), or never left it (not returned)."
        )
    if returned:
        uuid = _bring_back(url, ref, order, policies, reason, default_location, who, dry_run)
    else:
        done = roll_back(
            url, order["operation_uuid"], policies, reason=reason, default_location=default_location,
            second_person=second_person, who=who, dry_run=dry_run,
        )  # fmt: skip
        uuid = done.operation_uuid
        if done.status == "requested":
            asked = Answer("refused", "asked for", {"operation_uuid": uuid, "lines": order["lines"]})
            return asked.result(ref)
    return _cancelled(ref, order, uuid, dry_run=dry_run)


def _find(url: str, ref: str) -> dict[str, Any] | None:
    with connect(url) as connection:
        row = connection.execute(
            statement("orders/find"), {"ref": ref, "return_key": _return_key(ref)}
        ).fetchone()
    if row is None:
        return None
    names = ("operation_uuid", "state", "counted_since", "returned_by", "after_counts", "lines")
    order = dict(zip(names, row, strict=True))
    kept = ("line", "sku", "inventory_id", "location", "quantity", "unit_price")
    lines = json.loads(order["lines"], parse_float=Decimal)
    return order | {"lines": [{name: one[name] for name in kept} for one in lines]}


def _return_key(ref: str) -> str:
    return f"return of order {ref}"


def _bring_back(
    url: str,
    ref: str,
    order: dict[str, Any],
    policies: Policies,
    reason: str,
    default_location: str,
    who: str | None,
    dry_run: bool,
) -> str:
    movements = [
        MovementRecord(
            one["inventory_id"], one["quantity"], at=order["after_counts"], reason="return", source="orders",
            ref=_return_key(ref), line=str(one["line"]), location=one["location"],
        )
        for one in order["lines"]
    ]  # fmt: skip
    evidence = evidence_from_records((), (), (), movements, zone_of=lambda _: None)
    return deliver(
        url, evidence, policies, note=f"Return of order {ref}: {reason}", default_location=default_location,
        idempotency_key=_return_key(ref), who=who, dry_run=dry_run,
    ).operation_uuid  # fmt: skip


def _cancelled(ref: str, order: dict[str, Any], uuid: str | None, *, dry_run: bool) -> OrderResult:
    told = {"operation_uuid": uuid or order["operation_uuid"], "lines": order["lines"]}
    return Answer("cancelled", None, told).result(ref, dry_run=dry_run)
