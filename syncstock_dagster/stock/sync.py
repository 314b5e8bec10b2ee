"""Syncing: deliveries are posted, each in one transaction with its identity, operation and watermarks (law L10).

What belongs here: calls with evidence, received files, and the rehearsal of both. What does not: what posting does
(``stock.posting``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from syncstock_dagster.catalog.changes import changes_of_file
from syncstock_dagster.catalog.policy import CataloguePolicy
from syncstock_dagster.catalog.staging import commit_trusted, take_changes
from syncstock_dagster.operations.log import Operation, Outcome, Statistics, run_operation
from syncstock_dagster.stock.calls import post_evidence
from syncstock_dagster.stock.deliveries import Receipt, find_known, receive
from syncstock_dagster.stock.evidence import BadInput, Evidence
from syncstock_dagster.stock.letters import bury_bad_rows
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.recounts import settle_recounts
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.copy import from_bytes
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable

if TYPE_CHECKING:
    import pyarrow as pa

    from syncstock_dagster.sources.files import ParsedFile


_LONGEST_KEY = 500


def deliver(
    url: str,
    evidence: Evidence,
    policies: Policies,
    *,
    note: str = "",
    default_location: str,
    counts_like: str = "pos",
    idempotency_key: str | None = None,
    recorded_at: datetime | None = None,
    again: bool = False,
    dry_run: bool = False,
    who: str | None = None,
) -> SyncResult:
    """Post the evidence of one call as one delivery, or nothing of it.

    Without a key every call is a delivery of its own; with one, the second use changes nothing. ``counts_like``
    says which default source an unconfigured source of counts behaves like: ``pos`` or ``counts``.
    """
    if idempotency_key is not None and (
        len(idempotency_key) > _LONGEST_KEY or not is_storable(idempotency_key)
    ):
        raise BadInput(f"idempotency_key takes at most {_LONGEST_KEY} characters, without NUL.")
    identities = [] if idempotency_key is None else [f"key:{idempotency_key}"]
    if identities and not again:
        with connect(url) as connection:
            if (known := find_known(connection, identities)) is not None:
                return SyncResult.answered(known, note)

    def work(operation: Operation) -> Statistics:
        _, statistics = post_evidence(
            operation,
            evidence,
            policies,
            name=note or "call",
            default_location=default_location,
            counts_like=counts_like,
            identities=identities,
            recorded_at=recorded_at,
            again=again,
        )
        return statistics

    outcome = run_operation(url, note or "Sync", "sync", work, who=who, is_rollbackable=True, dry_run=dry_run)
    return SyncResult.of(outcome, note)


def post_deliveries(
    url: str,
    delivery_ids: Sequence[int],
    policies: Policies,
    catalogue_policy: CataloguePolicy,
    *,
    default_location: str,
    recorded_at: datetime | None = None,
    who: str | None = None,
    progress: Callable[[int, SyncResult], None] | None = None,
) -> list[SyncResult]:
    """Post received deliveries, each in one transaction with its state; one that is posted already is left alone."""
    results = []
    for delivery_id in delivery_ids:
        name = _name(url, delivery_id)

        def work(operation: Operation, delivery_id: int = delivery_id) -> Statistics:
            return _post(operation, delivery_id, policies, catalogue_policy, default_location, recorded_at)

        outcome = run_operation(
            url, name, "load", work, who=who, is_rollbackable=True, delivery_id=delivery_id
        )
        if not outcome.statistics.get("nothing"):
            result = SyncResult.of(outcome, name)
            results.append(result)
            if progress is not None:
                progress(delivery_id, result)
    return results


def rehearse(
    url: str,
    files: Iterable[ParsedFile],
    policies: Policies,
    catalogue_policy: CataloguePolicy,
    *,
    default_location: str,
    again: bool = False,
    recorded_at: datetime | None = None,
    who: str | None = None,
) -> list[tuple[Receipt, SyncResult | None]]:
    """What receiving and posting these files would do, in a transaction that is undone.

    One after the other as they are given, but for counts: these come last, as they would if they waited together.
    """
    done: list[tuple[Receipt, SyncResult | None]] = []

    def work(operation: Operation) -> Statistics:
        is_second = False
        sheets: dict[int, int] = {}

        def post(place: int) -> None:
            nonlocal is_second
            receipt, _ = done[place]
            statistics = _post(
                operation, receipt.delivery_id, policies, catalogue_policy, default_location, recorded_at,
                is_second,
            )  # fmt: skip
            outcome = Outcome(operation.uuid, statistics, is_dry_run=True)
            done[place] = (receipt, SyncResult.of(outcome, receipt.file))
            is_second = True

        for place, parsed in enumerate(files):
            receipt = receive(
                operation.connection, parsed,
                default_location=default_location, again=again, recorded_at=recorded_at, who=who,
            )  # fmt: skip
            done.append((receipt, None))
            if receipt.state == "received" and parsed.kind == "counts":
                sheets[receipt.delivery_id] = place
            elif receipt.state == "received":
                post(place)
        asked = {"first": None, "last": None, "among": list(sheets)}
        in_order = operation.connection.execute(statement("deliveries/waiting"), asked).fetchall()
        for (delivery_id,) in in_order:
            post(sheets[delivery_id])
        return {}

    run_operation(url, "Rehearsal", "load", work, who=who, dry_run=True)
    return done


def _post(
    operation: Operation,
    delivery_id: int,
    policies: Policies,
    catalogue_policy: CataloguePolicy,
    default_location: str,
    recorded_at: datetime | None,
    is_second: bool = False,
) -> Statistics:
    connection = operation.connection
    delivery = connection.execute(
        "select state::text, recorded_at, kind, source, errors from deliveries where delivery_id = %s for update",
        (delivery_id,),
    ).fetchone()
    if delivery is None or delivery[0] != "received":
        return {"nothing": True}
    payload = connection.execute(
        "delete from delivery_payloads where delivery_id = %s returning movements, counts, products",
        (delivery_id,),
        binary=True,  # as text they are twice as long
    ).fetchone()
    assert payload is not None, "a received delivery has its payload"
    bury_bad_rows(operation, delivery_id, delivery[2], delivery[3], delivery[4])
    movements, counts, products = (None if part is None else from_bytes(part) for part in payload)
    changed = {} if products is None else _take_products(operation, delivery[3], products, catalogue_policy)
    posting = Posting(
        connection,
        operation.operation_id,
        policies,
        default_location=default_location,
        counts_like="counts",
        recorded_at=recorded_at or delivery[1],
        is_second=is_second,
    )
    posting.take_evidence(Evidence(movements, counts), delivery_id)
    statistics = settle_recounts(
        operation, policies, posting.finish(), delivery_id, default_location=default_location
    )
    connection.execute(
        "update deliveries set state = 'posted', posted_at = clock_timestamp(), operation_id = %s "
        "where delivery_id = %s",
        (operation.operation_id, delivery_id),
    )
    return statistics | changed | {"seconds": posting.seconds}


def _take_products(
    operation: Operation, source: str, products: pa.Table, policy: CataloguePolicy
) -> Statistics:
    """The articles of a file are staged like those of every source; what its policy trusts is committed with it."""
    done = take_changes(operation, changes_of_file(products), policy, source=source)
    done |= commit_trusted(operation, source, policy.for_files(source).auto_commit)
    committed = done.get("committed", 0)
    return {
        "products": committed,
        "products_waiting": done["staged"] - committed,
    }


def _name(url: str, delivery_id: int) -> str:
    with connect(url) as connection:
        row = connection.execute(
            "select name from deliveries where delivery_id = %s", (delivery_id,)
        ).fetchone()
    if row is None:
        raise LookupError(f"There is no delivery {delivery_id}.")
    return str(row[0])
