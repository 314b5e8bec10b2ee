"""Jobs: the few selections that people and schedules run by name.

What belongs here: named jobs. What does not: when they run.
"""

from __future__ import annotations

import dagster as dg

daily_sync = dg.define_asset_job(
    "daily_sync",
    selection=dg.AssetSelection.groups("intake", "stock"),
    description="Take in what the drop folder holds, post it, and show the stock that follows.",
)
