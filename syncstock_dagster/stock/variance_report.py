"""The variance report of a day: how many counts, how right the books were, where they were not, and the trend.

What belongs here: the facts of reports, for all days of a run at once. What does not: their form (``cli``, ``assets``,
``operations.pictures``), and the gate's tiers, which ``days.verdicts`` knows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from syncstock_dagster.stock import days as business_days
from syncstock_dagster.stock.accuracy import tolerance_values
from syncstock_dagster.stock.counting_policy import CountingPolicy
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.reading import query

TREND_DAYS = 30
LARGEST = 10
#: What a person has to look at, by the gate's words.
TIERS = ("review", "flagged", "held", "rejected")

_NOTHING: Mapping[str, Any] = {
    "openings": 0, "counts": 0, "within": 0, "articles": 0, "net_units": Decimal(0), "absolute_units": Decimal(0),
    "net_value": Decimal(0), "absolute_value": Decimal(0), "without_cost": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trend:
    """One day of the trend; ``accuracy`` is None where nobody counted."""

    day: date
    counts: int
    accuracy: Decimal | None
    absolute_units: Decimal


@dataclass(frozen=True, slots=True)
class VarianceReport:
    """What the counts of one business day found. Openings are numbered and left out of everything else."""

    day: date
    #: In force or held.
    counts: int
    openings: int
    articles: int
    within: int
    accuracy: Decimal | None
    #: review, flagged, held and rejected; and applied, which nobody has to look at.
    tiers: Mapping[str, int]
    net_units: Decimal
    absolute_units: Decimal
    net_value: Decimal
    absolute_value: Decimal
    #: Variances without a value, for nobody says what their article costs.
    without_cost: int
    #: ``location, sku, name, counted, expected, variance, value, is_held, count_id``; by value, then by units.
    largest: tuple[Mapping[str, Any], ...]
    #: The last days up to this one, the oldest first.
    trend: tuple[Trend, ...]

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def variance_reports(
    url: str, policies: Policies, policy: CountingPolicy, span: tuple[date, date]
) -> dict[date, VarianceReport]:
    """The report of every day of a span, both ends included."""
    first, last = span
    begin = first - timedelta(days=TREND_DAYS - 1)
    tolerance = tolerance_values(policy)
    facts = {row["day"]: row for row in _rows(url, "days", first=begin, last=last, **tolerance)}
    largest: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(url, "largest", first=first, last=last, most=LARGEST):
        largest[row.pop("day")].append(row)
    far: dict[date, Counter[str]] = defaultdict(Counter)
    for row in business_days.verdicts(url, policies, span).offending:
        far[row["day"]][row["status"]] += 1
    every_day = [begin + timedelta(days=n) for n in range((last - begin).days + 1)]
    trend = [_trend(day, facts.get(day, _NOTHING)) for day in every_day]
    return {
        day: _report(day, facts.get(day, _NOTHING), far[day], largest[day], trend[n : n + TREND_DAYS])
        for n, day in enumerate(every_day[TREND_DAYS - 1 :])
    }


def variance_report(url: str, policies: Policies, policy: CountingPolicy, day: date) -> VarianceReport:
    """The report of one day."""
    return variance_reports(url, policies, policy, (day, day))[day]


def _report(
    day: date, facts: Mapping[str, Any], far: Counter[str], largest: list[dict[str, Any]], trend: list[Trend]
) -> VarianceReport:
    looked_at = {name: far[name] for name in TIERS}
    others = facts["counts"] - sum(n for name, n in looked_at.items() if name != "rejected")
    same = {name: facts[name] for name in _NOTHING}
    return VarianceReport(
        day=day, accuracy=_share(facts), tiers={"applied": max(others, 0), **looked_at},
        largest=tuple(largest), trend=tuple(trend), **same,
    )  # fmt: skip


def _trend(day: date, facts: Mapping[str, Any]) -> Trend:
    return Trend(day, facts["counts"], _share(facts), facts["absolute_units"])


def _share(facts: Mapping[str, Any]) -> Decimal | None:
    if not facts["counts"]:
        return None
    return round(Decimal(facts["within"]) / facts["counts"], 6)


def _rows(url: str, name: str, **values: Any) -> list[dict[str, Any]]:
    return [
        {str(key): value for key, value in row.items()}
        for row in query(url, f"counting/{name}", **values).to_dict("records")
    ]
