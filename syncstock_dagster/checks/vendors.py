"""Checks of the systems that are asked: whether their last pull is whole, plausible and recent.

What belongs here: the rules. What does not: pulling, and the figures (``sources.asking``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from syncstock_dagster.checks.rules import Rule, Span, Verdict, checks_of

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

_NAMES = ("zoho", "xorosoft", "rms")
_OLDEST_HOURS = 26
_LEAST_SHARE = 0.8
_NEVER = "It was never pulled."


def _figures(db: SyncStockDB, name: str) -> dict[str, Any] | None:
    """How a source stands; None where it was never pulled: then it is not used."""
    from syncstock_dagster.sources.asking import statistics

    told = statistics(db, name, fresh=True)
    return told if told["last_pull"] is not None or told["open_pull"] is not None else None


def _is_complete(name: str, db: SyncStockDB, span: Span) -> Verdict:
    told = _figures(db, name)
    if told is None:
        return Verdict(True, _NEVER)
    observed = {"articles": told["items"], "levels": told["levels"], "dead_letters": told["dead_letters"]}
    if told["open_pull"] is not None:
        why = told["open_reason"] or "it is under way"
        return Verdict(
            False,
            f"The pull stands behind page {told['open_pages']}: {why}",
            {**observed, "open_pages": told["open_pages"]},
            severity=dg.AssetCheckSeverity.WARN,
        )
    return Verdict(True, f"The last pull saw {told['last_items']} articles and ended.", observed)


def _is_plausible(name: str, db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.store.connection import connect

    with connect(db.url) as connection:
        rows = connection.execute(
            "select items from source_pulls where source = %s and state = 'complete' and is_whole "
            "order by ended_at desc limit 2",
            (name,),
        ).fetchall()
    if len(rows) < 2:
        return Verdict(True, "There are not yet two whole pulls to compare.")
    now, before = rows[0][0], rows[1][0]
    return Verdict(
        now >= _LEAST_SHARE * before,
        f"The last whole pull saw {now} articles, the one before {before}.",
        {"articles": now, "articles_before": before},
    )


def _is_recent(name: str, db: SyncStockDB, span: Span) -> Verdict:
    told = _figures(db, name)
    if told is None:
        return Verdict(True, _NEVER)
    last = told["last_whole_at"]
    if last is None:
        return Verdict(False, "No whole pull has ended yet.", severity=dg.AssetCheckSeverity.WARN)
    age = datetime.now(UTC) - last
    return Verdict(
        age <= timedelta(hours=_OLDEST_HOURS),
        f"The last whole pull ended {age.total_seconds() / 3600:.1f} hours ago.",
        {"hours": round(age.total_seconds() / 3600, 2)},
        severity=dg.AssetCheckSeverity.WARN,
    )


def _rules(name: str) -> tuple[Rule, ...]:
    def judged(by: Callable[[str, SyncStockDB, Span], Verdict]) -> Callable[[SyncStockDB, Span], Verdict]:
        return partial(by, name)

    return (
        Rule(
            "complete_pull",
            "The last pull came to its end.",
            f"`syncstock {name} stats` says why it stopped; the next run goes on where it stands.",
            judged(_is_complete),
        ),
        Rule(
            "no_sudden_drop",
            "A whole pull sees about as many articles as the one before.",
            "Look at the other system: filters, rights of the account, an answer that was cut. No stock was changed by "
            "articles that were not named.",
            judged(_is_plausible),
            thresholds={"least_share": _LEAST_SHARE},
        ),
        Rule(
            "recent_pull",
            "A whole pull ended since yesterday.",
            f"Materialise {name}_stock, and see whether the schedule nightly_pull runs.",
            judged(_is_recent),
            thresholds={"oldest_hours": _OLDEST_HOURS},
        ),
    )


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of the systems that are asked."""
    return [checks_of("source", {f"{name}_stock": _rules(name) for name in _NAMES})]
