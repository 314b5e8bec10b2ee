"""What tests of the record share.

What belongs here: waiting for events. What does not: expectations.
"""

from __future__ import annotations

import time
from typing import Any

from syncstock_dagster import SyncStockDB


def events_of(db: SyncStockDB, types: str, number: int) -> list[dict[str, Any]]:
    """The first events of a type. They wait for every older transaction of the server, also of other tests."""
    position, found = "0-0-0", []
    for _ in range(300):
        events, position = db.events(position, types=[types])
        found += events
        if len(found) >= number:
            return found
        time.sleep(0.05)
    raise AssertionError(f"only {len(found)} of {number} events {types} came")
