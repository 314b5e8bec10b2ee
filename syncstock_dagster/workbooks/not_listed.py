"""Stocked articles that a sheet which should list everything does not list.

What belongs here: finding them, for sources whose policy is ``not_listed = "critical"``. What does not: their
stock, which stays as it is: missing is not zero.
"""

from __future__ import annotations

import pyarrow as pa

from syncstock_dagster.errors import RowError
from syncstock_dagster.workbooks.catalogue import Known

_MOST = 10_000


def not_listed(counts: pa.Table, file: str, known: Known) -> tuple[RowError, ...]:
    """One error for each stocked article of the counted locations that the sheet does not name at all."""
    if not known.is_there or not len(counts):
        return ()
    locations = {
        code if code is not None else known.default_location
        for code in counts["location"].unique().to_pylist()
    }
    named = set(counts["sku"].unique().to_pylist())
    errors = [
        RowError(
            file,
            None,
            None,
            f"{sku} is not counted, and the books say {on_hand:f} at {location}",
            "each stocked article, for the sheet is said to list everything",
            "Critical: count it, or write 0 if there is none. Its stock stays as it is until then.",
        )
        for location, sku, on_hand in known.stocked(sorted(locations))
        if sku not in named
    ]
    return tuple(errors[:_MOST])
