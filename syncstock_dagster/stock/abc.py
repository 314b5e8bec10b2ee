"""ABC classes: which articles make up most of the value that moves.

What belongs here: asking for the classes. They are never stored: what moved says them, as of any day
(the function ``abc_classes`` of the schema).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from syncstock_dagster.stock.counting_policy import CountingPolicy
from syncstock_dagster.stock.reading import query

if TYPE_CHECKING:
    import pandas as pd


def class_values(policy: CountingPolicy, as_of: date | None) -> dict[str, Any]:
    """The arguments of ``abc_classes``, as every statement that calls it names them."""
    classes = policy.classes
    return {
        "as_of": as_of,
        "window_days": classes.window_days,
        "a_until": classes.a_until,
        "b_until": classes.b_until,
    }


def abc_classes(
    url: str, policy: CountingPolicy, as_of: date | None = None, location: str | None = None
) -> pd.DataFrame:
    """``sku, inventory_id, name, category, location, quantity, value, share, abc``, the greatest value first.

    Of one location, or of all together, whose ``location`` is None; by what moved in the days up to ``as_of``
    (default: today).
    """
    return query(url, "counting/classes", **class_values(policy, as_of), location=location)
