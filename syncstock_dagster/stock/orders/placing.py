"""Taking, reserving and cancelling orders: each is one round trip, exactly once by its reference (laws L5, L10).

What belongs here: checking what was asked, asking the database, and looking for newer evidence where the answer depends
on it. What does not: deducting, which the database does in one step (``place_order``, ``reserve_stock``).

An order does not go through ``operations.log``, which takes six round trips and a lock for each of them. The function
writes the same record, completed, in the transaction of its effect; a retry finds it by the reference.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import psycopg
import stamina

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import can_pass, current_actor
from syncstock_dagster.stock.orders.answers import Answer, OrderResult
from syncstock_dagster.stock.orders.policy import OrdersPolicy
from syncstock_dagster.stock.records import canonical_decimal
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable

#: Looks for newer evidence and posts it; the names of the deliveries that it brought.
Look = Callable[[], tuple[str, ...]]

#: ``{"sku": ..., "quantity": ...}`` with an optional ``location`` and ``unit_price``, or ``(sku, quantity)``. An
#: ``inventory_id`` may stand for a SKU.
Line = Mapping[str, Any] | tuple[str | int, Any]

_FIELDS = {"sku", "inventory_id", "quantity", "location", "unit_price"}
_LONGEST_REF = 200
_MOST_LINES = 1_000
_ATTEMPTS = 6


def place(
    url: str,
    lines: Iterable[Line] | None,
    policy: OrdersPolicy,
    *,
    ref: str | None = None,
    location: str | None = None,
    default_location: str,
    look: Look | None = None,
    who: str | None = None,
    dry_run: bool = False,
) -> OrderResult:
    """Take an order: deduct all of its lines, or none and say why.

    Args:
        url: the database.
        lines: what is ordered; None: what is reserved under ``ref``.
        policy: how old the last look at evidence may be.
        ref: the order's own reference, by which it happens once; None: every call is an order of its own.
        location: of lines that name none.
        default_location: of lines that name none, where ``location`` is None.
        look: takes in newer evidence; None: go by what is posted.
        who: who takes it.
        dry_run: undo all of it at the end.

    Raises:
        BadInput: at least one line cannot be understood.
    """
    if lines is None and ref is None:
        raise BadInput("Say what is ordered, or the reference of what is reserved.")
    ref = _reference(ref)
    values = {
        "lines": None if lines is None else _asked(lines, location),
        "location": location or default_location,
    }
    return _answered(url, "place", ref, values, policy, look, who, dry_run)


def reserve(
    url: str,
    lines: Iterable[Line],
    policy: OrdersPolicy,
    *,
    ref: str | None = None,
    location: str | None = None,
    default_location: str,
    lasting: timedelta | None = None,
    look: Look | None = None,
    who: str | None = None,
    dry_run: bool = False,
) -> OrderResult:
    """Promise stock for a while, all lines or none; ``place`` without lines makes an order of it.

    Raises:
        BadInput: at least one line cannot be understood, or it would last for no time.
    """
    lasting = policy.reserve_for if lasting is None else lasting
    if lasting <= timedelta(0):
        raise BadInput("A reservation lasts for some time: give more than no time.")
    values = {
        "lines": _asked(lines, location), "location": location or default_location, "lasting": lasting,
    }  # fmt: skip
    return _answered(url, "reserve", _reference(ref), values, policy, look, who, dry_run)


def release(url: str, ref: str, *, who: str | None = None, dry_run: bool = False) -> OrderResult:
    """Give back what is reserved under a reference."""
    return _ask(url, "release", _reference(ref), {}, None, who, dry_run).result(ref, dry_run=dry_run)


# -- plumbing ----------------------------------------------------------------------------------------------------------


def _answered(
    url: str,
    what: Literal["place", "reserve"],
    ref: str,
    values: dict[str, Any],
    policy: OrdersPolicy,
    look: Look | None,
    who: str | None,
    dry_run: bool,
) -> OrderResult:
    synced: tuple[str, ...] = ()
    answer = _ask(url, what, ref, values, None if look is None else policy.sync_after, who, dry_run)
    if look is not None and (answer.status == "stale" or answer.is_short):
        was_stale = answer.status == "stale"
        synced = look()
        if was_stale or synced:
            answer = _ask(url, what, ref, values, None, who, dry_run)
    return answer.result(ref, dry_run=dry_run).with_synced(synced)


def _ask(
    url: str,
    what: str,
    ref: str,
    values: dict[str, Any],
    fresh: timedelta | None,
    who: str | None,
    dry_run: bool,
) -> Answer:
    """One question; asked again where the connection was lost, which the reference makes safe."""
    actor, run_id = current_actor(who)
    if not is_storable(actor):
        raise BadInput(f"{actor[:80]!r} cannot be stored: it holds a NUL or a lone surrogate.")
    values = {"ref": ref, "fresh": fresh, "who": actor, "run_id": run_id, **values}
    for attempt in stamina.retry_context(
        on=can_pass, attempts=_ATTEMPTS, timeout=60, wait_initial=0.02, wait_max=1
    ):
        with attempt, connect(url) as connection:
            try:
                return _asked_once(connection, what, values, dry_run)
            except psycopg.errors.UniqueViolation as error:
                if error.diag.constraint_name == "movements_in_force":
                    raise BadInput(
                        f"A document {ref!r} of the source 'orders' came in already; give another reference."
                    ) from None
                raise
    raise AssertionError("unreachable: a retry ends with a result or an exception")


def _asked_once(
    connection: psycopg.Connection[Any], what: str, values: dict[str, Any], dry_run: bool
) -> Answer:
    if not dry_run:
        row = connection.execute(statement(f"orders/{what}"), values).fetchone()
    else:
        with connection.transaction(force_rollback=True):
            row = connection.execute(statement(f"orders/{what}"), values).fetchone()
    assert row is not None
    return Answer.read(row[0])


def _reference(ref: str | None) -> str:
    if ref is None:
        return str(uuid.uuid4())
    if not isinstance(ref, str) or not ref.strip() or len(ref) > _LONGEST_REF or not is_storable(ref):
        raise BadInput(f"The reference of an order is a text of 1 to {_LONGEST_REF} characters, without NUL.")
    return ref


def _asked(lines: Iterable[Line], location: str | None) -> str:
    """The lines as JSON, every one of them understood."""
    asked, errors = [], []
    for number, given in enumerate(lines, 1):
        try:
            asked.append(_line(given, location))
        except ValueError as error:
            errors.append(f"line {number}: {error}")
    if errors:
        raise BadInput("The order cannot be taken:\n  " + "\n  ".join(errors[:50]))
    if not asked or len(asked) > _MOST_LINES:
        raise BadInput(f"An order has 1 to {_MOST_LINES:,} lines; this one has {len(asked):,}.")
    return json.dumps(asked)


def _line(given: Line, location: str | None) -> dict[str, Any]:
    if isinstance(given, Mapping):
        row: dict[str, Any] = dict(given)
    elif isinstance(given, tuple) and len(given) == 2:
        row = {"sku" if isinstance(given[0], str) else "inventory_id": given[0], "quantity": given[1]}
    else:
        raise ValueError("give a mapping with sku and quantity, or (sku, quantity)")
    if unknown := sorted(set(map(str, row)) - _FIELDS):
        raise ValueError(f"{', '.join(unknown)} is unknown; there are {', '.join(sorted(_FIELDS))}")
    sku, inventory_id = row.get("sku"), row.get("inventory_id")
    if (sku is None) == (inventory_id is None):
        raise ValueError("name the article, by sku or by inventory_id")
    if sku is not None and (not isinstance(sku, str) or not is_storable(sku)):
        raise ValueError(f"{sku!r} is no SKU: give a text")
    if inventory_id is not None and (not isinstance(inventory_id, int) or isinstance(inventory_id, bool)
                                     or abs(inventory_id) >= 2**63):  # fmt: skip
        raise ValueError(f"{inventory_id!r} is no inventory_id: give a whole number")
    place = row.get("location", location)
    if place is not None and (not isinstance(place, str) or not is_storable(place)):
        raise ValueError(f"{place!r} is no location: give its code")
    price = row.get("unit_price")
    return {
        "sku": sku, "inventory_id": inventory_id, "location": place,
        "quantity": _quantity(row.get("quantity"), "quantity", at_least_zero=False),
        "unit_price": None if price is None else _quantity(price, "unit_price", at_least_zero=True),
    }  # fmt: skip


def _quantity(value: Any, name: str, *, at_least_zero: bool) -> str:
    """Exact, as text; a float is taken only where it is whole (law L7)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{name} {value!r}: give an int or a Decimal")
    number = Decimal(value)
    text = canonical_decimal(number) if number.is_finite() else None
    if text is None:
        raise ValueError(f"{name} {value}: at most 18 digits before and 12 after the point")
    if number < 0 or (number == 0 and not at_least_zero):
        raise ValueError(f"{name} {value}: give more than nothing; goods that come back are a return")
    return text
