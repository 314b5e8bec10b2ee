"""The one calendar of all daily assets: a partition key is a business date.

What belongs here: the shared partitions and backfill policy. What does not: the instants of a day, which depend on
each location's zone and never select evidence.
"""

from __future__ import annotations

import dagster as dg

#: Today's partition exists while today lasts (end_offset): evidence of today is not late.
STOCK_DAYS = dg.DailyPartitionsDefinition(start_date="2010-01-01", end_offset=1)

#: One run for a whole range: the work is set-based, and thirty runs cost a hundred times one.
ONE_RUN = dg.BackfillPolicy.single_run()
