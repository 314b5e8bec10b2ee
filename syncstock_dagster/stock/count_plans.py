"""Count plans: who counts what when, so that everything is counted often enough and the doubtful first.

What belongs here: making plans, their state, and giving lines up. What does not: their sheets
(``workbooks.blank_sheets``), and fulfilling a line, which a count does by being there (the view ``count_plan_status``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.abc import class_values
from syncstock_dagster.stock.accuracy import tolerance_values
from syncstock_dagster.stock.counting_policy import CountingPolicy
from syncstock_dagster.stock.reading import query
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd

#: More days than this are not planned at once: what happens meanwhile changes what is urgent.
_MOST_DAYS = 92

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """What was planned: the plans, and their lines, the most urgent first."""

    plans: list[Row]
    lines: list[Row]


def plan_counts(
    url: str,
    policy: CountingPolicy,
    location: str,
    day: date,
    *,
    days: int = 1,
    counters: Sequence[str] | None = None,
    lines_a_day: int | None = None,
    is_blind: bool = True,
    who: str | None = None,
    dry_run: bool = False,
) -> Planned:
    """Plan what is due at a location for some days, one plan for each day and counter.

    Due is what is below zero, was never counted, or was counted so long ago as its class allows; first what is below
    zero, at zero, or was missed before. What an open plan holds already is not planned again.

    Args:
        url: the database.
        policy: how often, how much, and by whom unless ``counters`` says so.
        location: the code of the location.
        day: the first day.
        days: how many days.
        counters: who counts; an empty list means whoever has time.
        lines_a_day: how many lines a day there are planned at most, with those of earlier plans.
        is_blind: their sheets do not say what the books expect.
        who: who plans.
        dry_run: show the plans and keep none.

    Raises:
        BadInput: there is no such location, or a number cannot be.
    """
    capacity = policy.capacity(location) if lines_a_day is None else lines_a_day
    people: list[str | None] = [*(policy.counters.get(location, ()) if counters is None else counters)]
    if not 1 <= days <= _MOST_DAYS:
        raise BadInput(f"days takes 1 to {_MOST_DAYS}, not {days}.")
    if capacity < 1:
        raise BadInput(f"lines_a_day takes at least 1, not {capacity}.")
    check_counters(people)
    every = policy.every_days
    planned = Planned([], [])

    def work(operation: Operation) -> Statistics:
        connection = operation.connection
        check_location(connection, location)
        # Two people who plan at once would plan the same articles.
        connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"count plan {location}",)
        )
        values = {
            **class_values(policy, day), **tolerance_values(policy),
            "location": location, "day": day, "days": days, "capacity": capacity, "misses": policy.misses,
            "every_a": every.A, "every_b": every.B, "every_c": every.C, "counters": people or [None],
            "is_blind": is_blind, "who": operation.who, "operation_id": operation.operation_id,
        }  # fmt: skip
        del values["as_of"]
        ids = [row[0] for row in connection.execute(statement("counting/plan"), values)]
        planned.plans[:] = _rows(connection.execute(statement("counting/plans"), _asked(ids)))
        planned.lines[:] = _rows(connection.execute(statement("counting/plan_lines"), {"plan_ids": ids}))
        return {"plans": len(ids), "lines": len(planned.lines)}

    run_operation(url, f"count plan for {location}", "count_plan", work, who=who, dry_run=dry_run)
    return planned


def count_plans(url: str, every: bool = False) -> pd.DataFrame:
    """``plan_id, day, location, counter, is_blind, lines, planned, counted, skipped, ...`` of open plans, or all."""
    return query(url, "counting/plans", plan_ids=None, every=every)


def plan_lines(url: str, plan_id: int) -> pd.DataFrame:
    """The lines of a plan: ``sku, abc, priority, why, last_counted_at, status, count_id, counted_at, counted_by``.

    Raises:
        BadInput: there is no such plan.
    """
    found = query(url, "counting/plan_lines", plan_ids=[plan_id])
    if found.empty:
        raise BadInput(f"There is no count plan {plan_id}; `syncstock counts plans` lists them.")
    return found


def skip_lines(
    url: str,
    plan_id: int,
    inventory_ids: Sequence[int] | None = None,
    *,
    reason: str,
    who: str | None = None,
    dry_run: bool = False,
) -> int:
    """Give up lines of a plan that nobody counts (default: all that are open); how many.

    Raises:
        BadInput: there is no such plan, or no reason is given.
    """
    need_reason(reason)
    plan_lines(url, plan_id)

    def work(operation: Operation) -> Statistics:
        values = {
            "plan_id": plan_id, "inventory_ids": None if inventory_ids is None else list(inventory_ids),
            "reason": reason, "operation_id": operation.operation_id,
        }  # fmt: skip
        return {"lines": operation.connection.execute(statement("counting/skip"), values).rowcount}

    outcome = run_operation(
        url, f"skip lines of count plan {plan_id}", "count_plan", work, who=who, dry_run=dry_run
    )
    return int(outcome.statistics["lines"])


def check_location(connection: Any, location: str) -> None:
    """Refuse a location that nobody knows."""
    if connection.execute("select from locations where code = %s", (location,)).fetchone() is None:
        raise BadInput(f"There is no location {location!r}; `syncstock locations` lists them.")


def check_counters(people: Sequence[str | None]) -> None:
    """Refuse counters without a name, and one who is named twice."""
    folded = {(name or "").strip().casefold() for name in people}
    if "" in folded or len(folded) < len(people):
        raise BadInput("Name each counter once.")


def need_reason(reason: str) -> None:
    """Refuse what nobody will understand later."""
    if not reason or not reason.strip():
        raise BadInput("Say in a few words why: it stays on record.")


def _asked(plan_ids: list[int]) -> Row:
    return {"plan_ids": plan_ids, "every": True}


def _rows(cursor: Any) -> list[Row]:
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
