"""How right the books are (inventory record accuracy), and what is lost (shrinkage).

What belongs here: both measures over any days, by whatever they are asked for. What does not: the report of a day
(``variance_report``), and single counts (``reading.variances``).

Accuracy is the share of counts within tolerance and is never netted: five too many here and five too few there are two
misses. Openings are left out of both: there was no book before them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.stock.abc import class_values
from syncstock_dagster.stock.counting_policy import CountingPolicy
from syncstock_dagster.stock.reading import query

if TYPE_CHECKING:
    import pandas as pd

ACCURACY_BY = ("day", "month", "location", "category", "class")
SHRINKAGE_BY = (*ACCURACY_BY, "reason")


def accuracy(
    url: str,
    policy: CountingPolicy,
    first: date | None = None,
    last: date | None = None,
    by: Iterable[str] = (),
) -> pd.DataFrame:
    """``counts, within, held, accuracy, net_units, absolute_units, net_value, absolute_value, without_cost``.

    Of the business days from ``first`` to ``last``, both included (None: no bound), one row for each combination of
    ``by``: day, month, location, category, class. Held counts stand as they are; rejected ones are left out.

    Raises:
        BadInput: ``by`` names something else.
    """
    wanted = _wanted(by, ACCURACY_BY)
    values = _values(policy, first, last, wanted, ACCURACY_BY) | tolerance_values(policy)
    return _only(query(url, "counting/accuracy", **values), wanted, ACCURACY_BY)


def shrinkage(
    url: str,
    policy: CountingPolicy,
    first: date | None = None,
    last: date | None = None,
    by: Iterable[str] = ("reason",),
) -> pd.DataFrame:
    """``lines, lost, found, net, lost_value, found_value, net_value, without_cost``; what is lost is positive.

    Movements of the policy's reasons, and as reason ``count`` what counts in force found more or less than the books
    said. Days and ``by`` as for ``accuracy``, and ``reason``.

    Raises:
        BadInput: ``by`` names something else.
    """
    wanted = _wanted(by, SHRINKAGE_BY)
    values = _values(policy, first, last, wanted, SHRINKAGE_BY)
    values["reasons"] = list(policy.shrinkage_reasons)
    return _only(query(url, "counting/shrinkage", **values), wanted, SHRINKAGE_BY)


def tolerance_values(policy: CountingPolicy) -> dict[str, Any]:
    """The arguments of every statement that says what is within tolerance."""
    return {"units": policy.tolerance.units, "percent": policy.tolerance.percent}


def _wanted(by: Iterable[str], known: Collection[str]) -> set[str]:
    wanted = set(by)
    if wrong := sorted(wanted - set(known)):
        raise BadInput(f"by takes {', '.join(known)}; not {', '.join(map(repr, wrong))}.")
    return wanted


def _values(
    policy: CountingPolicy, first: date | None, last: date | None, wanted: set[str], known: Collection[str]
) -> dict[str, Any]:
    if first is not None and last is not None and first > last:
        raise BadInput(f"The first day, {first}, lies after the last, {last}.")
    flags = {f"by_{name}": name in wanted for name in known}
    return {"first": first, "last": last, **flags, **class_values(policy, last)}


def _only(found: pd.DataFrame, wanted: set[str], known: Collection[str]) -> pd.DataFrame:
    return found.drop(columns=[name for name in known if name not in wanted])
