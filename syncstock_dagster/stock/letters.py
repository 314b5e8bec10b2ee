"""Dead letters of evidence: a mended movement or count is posted as a delivery of its own, once.

What belongs here: letter to evidence. What does not: the life of a letter (``operations.dead_letters``).

The payload of a letter of kind ``purchase``, ``sale``, ``movement`` or ``count`` has the fields of the record of that
kind (``stock.records``), or ``sku`` instead of ``inventory_id``; instants are ISO 8601 with an offset. That of a bad
row of a file begins with ``where`` alone: file, sheet, row and what was wrong; whoever mends it adds the fields.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from syncstock_dagster.catalog.lookup import find_articles
from syncstock_dagster.errors import BadInput, RowError
from syncstock_dagster.operations.dead_letters import Handler, Letter, bury
from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.stock.calls import post_evidence
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.records import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    evidence_from_records,
)

_RECORDS: dict[str, tuple[str, type[Any]]] = {
    "purchase": ("purchases", PurchaseRecord),
    "sale": ("sales", SalesRecord),
    "movement": ("movements", MovementRecord),
    "count": ("pos_counts", POSRecord),
}
#: What a row of a file of each kind would have been.
_KINDS = {
    "purchases": "purchase", "sales": "sale", "movements": "movement", "counts": "count", "products": "product",
}  # fmt: skip
_INSTANTS = ("at", "counted_at", "counted_from")
_AMOUNTS = ("qty", "stock_count", "unit_price")


def handlers(
    url: str,
    policies: Policies,
    *,
    default_location: str,
    zone_of: Callable[[str | None], str | None],
) -> dict[str, Handler]:
    """What replays letters of evidence, by kind."""

    def post(operation: Operation, letter: Letter) -> Statistics:
        name, record_type = _RECORDS[letter.kind]
        record = _record(url, record_type, letter)
        given: dict[str, Any] = {name: [record]}
        evidence = evidence_from_records(**given, zone_of=zone_of)
        delivery_id, statistics = post_evidence(
            operation,
            evidence,
            policies,
            name=f"dead letter {letter.dead_letter_id}",
            default_location=default_location,
            counts_like="pos",
            identities=[f"key:dead-letter/{letter.uuid}"],
        )
        return statistics if delivery_id else {"already": True}

    return dict.fromkeys(_RECORDS, post)


def bury_bad_rows(
    operation: Operation, delivery_id: int, kind: str, source: str | None, errors: list[dict[str, Any]]
) -> int:
    """Rows that a posted file had to leave out become letters, one a row; how many are new."""
    rows: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    for error in errors:
        rows.setdefault((error.get("sheet"), error.get("row")), []).append(error)
    failures = [({"where": told}, " ".join(str(RowError(**one)) for one in told)) for told in rows.values()]
    return bury(operation, source or kind, _KINDS.get(kind, kind), failures, delivery_id=delivery_id)


def _record(url: str, record_type: type[Any], letter: Letter) -> Any:
    values = {"source": letter.source, **letter.payload}
    sku = values.pop("sku", None)
    values.pop("where", None)  # of a bad row: where it stood, and what was wrong with it
    if values.get("inventory_id") is None:
        found = find_articles(url, [str(sku)]).get(str(sku)) if sku else None
        if found is None:
            raise BadInput(
                f"Dead letter {letter.dead_letter_id}: there is no article {sku!r}. Mend its sku, or enter it."
            )
        values["inventory_id"] = found
    try:
        for name in _INSTANTS:
            if isinstance(values.get(name), str):
                values[name] = datetime.fromisoformat(values[name])
        if isinstance(values.get("day"), str):
            values["day"] = date.fromisoformat(values["day"])
        for name in _AMOUNTS:
            if isinstance(values.get(name), str):
                values[name] = Decimal(values[name])
        return record_type(**values)
    except (TypeError, ValueError, InvalidOperation) as error:
        raise BadInput(
            f"Dead letter {letter.dead_letter_id} is no {record_type.__name__}: {error}. Mend it."
        ) from error
