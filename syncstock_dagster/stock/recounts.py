"""Recounts: two people count the same shelf, and neither knows the other's number nor the book's.

What belongs here: asking for a recount, how far it is, and applying what two people agree on. What does not: the counts
themselves, which come in as any count does and stay evidence, and the blind sheets (``workbooks.blank_sheets``).

The second number is compared with the first moved by the movements recorded between the two instants, so nobody has to
keep the shop closed. Where they agree within tolerance, those of the two counts that the gate holds are applied, and
held counts of others rejected; where they do not, a third person counts, and after three somebody decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.count_plans import check_counters, check_location, need_reason
from syncstock_dagster.stock.counting_policy import CountingPolicy
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.reading import aware, query
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd

_WHY_APPLIED = "Two people counted it without knowing of each other's number, and agree"
_WHY_REJECTED = "Two others counted it without knowing of each other's number, and agree on another one"


def request_blind_recount(
    url: str,
    policy: CountingPolicy,
    *,
    count_ids: Sequence[int] = (),
    inventory_ids: Sequence[int] = (),
    location: str | None = None,
    counters: Sequence[str] = (),
    since: datetime | None = None,
    tolerance: Decimal | int | None = None,
    reason: str,
    who: str | None = None,
    dry_run: bool = False,
) -> list[int]:
    """Ask for a recount: of counts, which are then the first of two, or of articles that nobody has counted yet.

    Args:
        url: the database.
        policy: says how far two people may differ, unless ``tolerance`` does, in units.
        count_ids: counts to be made again, applied or held.
        inventory_ids: articles to be counted twice at ``location``.
        location: the code of their location.
        counters: who is asked: of counts, anybody but who made them.
        since: counts of articles before this instant are not meant; default: the beginning of today.
        tolerance: units by which two numbers may differ and still agree.
        reason: why, in a few words.
        who: who asks for it.
        dry_run: check it, and keep nothing.

    Returns:
        The numbers of the recounts, one for each location.

    Raises:
        BadInput: nothing or both is asked for, a count cannot be made again, or its own counter would make it.
    """
    need_reason(reason)
    check_counters(counters)
    if bool(count_ids) == bool(inventory_ids):
        raise BadInput("A recount is of counts, or of articles at a location; say one of them.")
    if inventory_ids and location is None:
        raise BadInput("Say at which location the articles are to be counted.")
    if inventory_ids and len(counters) == 1:
        raise BadInput("A recount takes two people; name another one, or none.")
    if tolerance is not None and Decimal(tolerance) < 0:
        raise BadInput("tolerance is a number of units, zero or more.")
    recount_ids: list[int] = []
    values = {
        "counters": [name.strip() for name in counters],
        "tolerance": policy.recount_tolerance if tolerance is None else Decimal(tolerance),
        "since": aware("since", since), "reason": reason,
    }  # fmt: skip

    def work(operation: Operation) -> Statistics:
        wanted: dict[str, list[tuple[int, int | None]]] = (
            _of_counts(operation, sorted(set(count_ids)), counters)
            if count_ids
            else {str(location): [(inventory_id, None) for inventory_id in sorted(set(inventory_ids))]}
        )
        recount_ids.clear()
        for code, lines in sorted(wanted.items()):
            check_location(operation.connection, code)
            recount_ids.append(_record(operation, code, lines, values))
        return {"recounts": len(recount_ids), "lines": sum(len(lines) for lines in wanted.values())}

    run_operation(url, f"recount: {reason}", "recount", work, who=who, dry_run=dry_run)
    return recount_ids


def recounts(url: str, every: bool = False, recount_id: int | None = None) -> pd.DataFrame:
    """Lines of recounts that are not finished, of all, or of one: ``state, rounds, agreed, found, ...``.

    ``state``: waiting (for a first or second count), third (two do not agree), person (three do not), decided (somebody
    did), agreed or cancelled. ``found`` is what each person counted, with its target and difference; nothing while
    somebody still has to count.
    """
    return query(url, "counting/recounts", every=every, recount_id=recount_id)


def settle_recounts(
    operation: Operation,
    policies: Policies,
    posted: Statistics,
    delivery_id: int,
    *,
    default_location: str,
) -> Statistics:
    """Apply what the gate holds of counts that agree by now, in the transaction that brought the last of them.

    Called straight after a posting, which holds the locks of the articles that are looked at. Rolled back with it, they
    are held again. Without an open recount it costs one look into an empty index.

    Args:
        operation: what has just posted.
        policies: those of the sources.
        posted: the statistics of that posting.
        delivery_id: what it posted.
        default_location: of evidence that names none.

    Returns:
        The statistics with what this changed.
    """
    connection = operation.connection
    open_lines = "select from recount_lines where settled_by is null and cancelled_by is null limit 1"
    if connection.execute(open_lines.encode()).fetchone() is None:
        return posted
    found = connection.execute(statement("counting/agreed")).fetchall()
    if not found:
        return posted
    values = {
        "recount_ids": [row[0] for row in found], "inventory_ids": [row[1] for row in found],
        "operation_id": operation.operation_id,
    }  # fmt: skip
    settled = set(connection.execute(statement("counting/settle_recounts"), values).fetchall())
    agreed = [row for row in found if row[:2] in settled]
    statistics = posted | {"recounts_agreed": len(agreed)}
    # First the others: beside the counts that agree, the gate might find them near enough.
    for decision, held, reason in (
        ("rejected", sorted({one for row in agreed for one in row[3]}), _WHY_REJECTED),
        ("applied", sorted({one for row in agreed for one in row[2]}), _WHY_APPLIED),
    ):
        if not held:
            continue
        posting = Posting(
            connection, operation.operation_id, policies, default_location=default_location, is_second=True
        )
        decided = posting.take_decision(held, decision, ["held"], f"recount for {operation.who}", reason)
        statistics["ledger_entries"] += decided["ledger_entries"]
        own = connection.execute(
            "select count(*) from stock_counts where count_id = any(%s) and delivery_id = %s",
            (held, delivery_id),
        ).fetchone()
        assert own is not None
        # The gate looked at all held counts of these articles, not only at those of this delivery.
        statistics["counts_held"] = max(statistics["counts_held"] - len(held), 0)
        statistics["counts_applied"] += own[0] if decision == "applied" else 0
    return statistics


def cancel_blind_recount(
    url: str, recount_id: int, *, reason: str, who: str | None = None, dry_run: bool = False
) -> int:
    """Wait no longer for a recount; its counts stay what they are. How many lines were given up.

    Raises:
        BadInput: there is no such recount, or no reason is given.
    """
    need_reason(reason)
    if recounts(url, recount_id=recount_id).empty:
        raise BadInput(f"There is no recount {recount_id}; `syncstock counts blind-recounts` lists them.")

    def work(operation: Operation) -> Statistics:
        values = {"recount_id": recount_id, "operation_id": operation.operation_id}
        return {"lines": operation.connection.execute(statement("counting/cancel_recount"), values).rowcount}

    outcome = run_operation(
        url, f"cancel recount {recount_id}: {reason}", "recount", work, who=who, dry_run=dry_run
    )
    return int(outcome.statistics["lines"])


def _of_counts(
    operation: Operation, count_ids: list[int], counters: Sequence[str]
) -> dict[str, list[tuple[int, int | None]]]:
    """Article and first count, by location."""
    rows = operation.connection.execute(
        statement("counting/recount_of_counts"), {"count_ids": count_ids}
    ).fetchall()
    wrong = [f"count {row[0]}: {row[6]}" for row in rows if row[6]]
    asked = {name.strip().casefold() for name in counters}
    wrong += [
        f"count {row[0]} is by {row[5]}, who must not count it again"
        for row in rows
        if not row[6] and (row[5] or "").strip().casefold() in asked
    ]
    pairs = [(row[1], row[3]) for row in rows if not row[6]]
    if len(set(pairs)) < len(pairs):
        wrong.append("of an article at a location only one count can be made again at a time")
    if wrong:
        raise BadInput("No recount: " + "; ".join(wrong) + ".")
    by_location: dict[str, list[tuple[int, int | None]]] = {}
    for count_id, inventory_id, _, code, *_ in rows:
        by_location.setdefault(code, []).append((inventory_id, count_id))
    return by_location


def _record(
    operation: Operation, location: str, lines: list[tuple[int, int | None]], values: dict[str, Any]
) -> int:
    connection = operation.connection
    given = values | {"location": location, "who": operation.who, "operation_id": operation.operation_id}
    row = connection.execute(statement("counting/record_recount"), given).fetchone()
    assert row is not None, "the location is known"
    ids, firsts = zip(*lines, strict=True)
    connection.execute(
        statement("counting/record_recount_lines"),
        {"recount_id": row[0], "inventory_ids": list(ids), "count_ids": list(firsts)},
    )
    return int(row[0])
