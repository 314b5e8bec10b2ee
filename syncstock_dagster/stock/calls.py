"""A delivery that is posted as it comes: evidence of a call, in an operation that is at work.

What belongs here: giving it its identity, and posting it. What does not: files, which are received first and posted
later (``stock.sync``), and opening the operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.stock.deliveries import claim
from syncstock_dagster.stock.evidence import Evidence
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.recounts import settle_recounts


def post_evidence(
    operation: Operation,
    evidence: Evidence,
    policies: Policies,
    *,
    name: str,
    default_location: str,
    counts_like: str,
    source: str | None = None,
    identities: Sequence[str] = (),
    recorded_at: datetime | None = None,
    again: bool = False,
) -> tuple[int, Statistics]:
    """Post evidence as one delivery, in the caller's operation.

    Returns:
        The delivery and what posting did; 0 and ``answered`` where one of the identities is known already.
    """
    connection = operation.connection
    delivery_id, known = claim(
        connection,
        identities,
        again,
        name=name,
        kind="call",
        source=source,
        state="posted",
        recorded_at=recorded_at,
        content_sha256=None,
        reader=None,
        row_count=len(evidence),
        errors="[]",
        who=operation.who,
        operation_id=operation.operation_id,
    )
    if known is not None:
        return 0, {"answered": known}
    posting = Posting(
        connection,
        operation.operation_id,
        policies,
        default_location=default_location,
        counts_like=counts_like,
        recorded_at=recorded_at,
    )
    posting.take_evidence(evidence, delivery_id)
    statistics = settle_recounts(
        operation, policies, posting.finish(), delivery_id, default_location=default_location
    )
    connection.execute(
        "update deliveries set posted_at = clock_timestamp() where delivery_id = %s", (delivery_id,)
    )
    return delivery_id, statistics | {"seconds": posting.seconds}
