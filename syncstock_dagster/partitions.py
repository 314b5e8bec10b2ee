"""The one calendar of all daily assets: a partition key is a business date.

What belongs here: the shared partitions and backfill policy, and the days of a run. What does not: the instants of a
day, which depend on each location's zone and never select evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg

from syncstock_dagster.settings import get_settings

#: The first day there is; evidence may be older, its balance is then carried into this day.
FIRST_DAY = date(2010, 1, 1)

#: Today's partition exists while today lasts (end_offset): evidence of today is not late.
STOCK_DAYS = dg.DailyPartitionsDefinition(
    start_date=FIRST_DAY.isoformat(), timezone=get_settings().timezone, end_offset=1
)

#: One run for a whole range: the work is set-based, and thirty runs cost a hundred times one.
ONE_RUN = dg.BackfillPolicy.single_run()


def newest_day() -> date:
    """The newest business day that has a partition: today."""
    key = STOCK_DAYS.get_last_partition_key()
    assert key is not None
    return date.fromisoformat(key)


def days_of_run(context: dg.AssetExecutionContext) -> list[date]:
    """The business days of a run of a partitioned asset, in order.

    Raises:
        dagster.Failure: whoever launched the run chose none, which the command line lets happen.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise dg.Failure(
            f"This run is about no day, so there is nothing to do for {context.asset_key.to_user_string()}. Choose a "
            "partition, or a range of them. For `dagster job launch` that is --tags "
            """'{"dagster/partition": "2026-03-01"}'.""",
            allow_retries=False,
        )
    return sorted(date.fromisoformat(key) for key in context.partition_keys)


def tell_each_day(
    context: dg.AssetExecutionContext, days: Iterable[date], facts: Mapping[date, Mapping[str, Any]]
) -> None:
    """Metadata of each day of a run for itself, so that the plots work after a backfill too."""
    for day in days:
        values = {name: plain(value) for name, value in facts[day].items()}
        context.add_asset_metadata(values, partition_key=day.isoformat())


def plain(value: Any) -> Any:
    """A number as Dagster's metadata takes it; anything else as it is."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def stretches(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as stretches without a gap, each of which one run can take."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
