"""Checks of intake: whether what should have come is there, whole and of a plausible size.

Define a check here when it judges files and their rows. Keep out what happens to them later.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg

from syncstock_dagster.assets.intake import INTAKE, readers_of, wanted_by
from syncstock_dagster.checks.rules import Rule, Span, Verdict, checks_of
from syncstock_dagster.partitions import newest_day
from syncstock_dagster.settings import get_settings
from syncstock_dagster.stock import days as business_days

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

_LEAST, _MOST = "0.25", "4"
_WARN = dg.AssetCheckSeverity.WARN


def _every_file_taken(asset: str) -> Rule:
    def judge(db: SyncStockDB, span: Span) -> Verdict:
        from syncstock_dagster.sources.arrivals import refused as refused_files

        refused = [
            {name: value for name, value in row.items() if name != "version"}
            for row in refused_files(db, wanted_by(asset, db.policies))
        ]
        says = f"{len(refused)} file(s) are refused." if refused else "No file is refused."
        return Verdict(not refused, says, {"refused": len(refused)}, refused)

    return Rule(
        "every_file_taken",
        "No file lies in the drop folder as it was refused.",
        "The table says sheet, row and column, what was found and what to do. Correct the file where it lies, or "
        "take it away.",
        judge,
    )


def _every_reader_answers(asset: str) -> Rule:
    def judge(db: SyncStockDB, span: Span) -> Verdict:
        from syncstock_dagster.sources.readers import silent

        asked = readers_of(asset, db)
        failed = [{"source": one.source, "since": one.since, "error": one.error} for one in silent(db, asked)]
        says = (
            f"{len(failed)} of {len(asked)} reader(s) failed when they were last asked."
            if failed
            else f"All {len(asked)} reader(s) answered."
            if asked
            else "No reader is configured."
        )
        return Verdict(not failed, says, {"readers": len(asked), "failed": len(failed)}, failed)

    return Rule(
        "every_reader_answers",
        "No configured reader failed when it was last asked.",
        "The table says why. Mend the reader or what it reads; the next run asks it again from where it was.",
        judge,
    )


def _plausible_size(asset: str) -> Rule:
    kind, takes = INTAKE[asset]

    def judge(db: SyncStockDB, span: Span) -> Verdict:
        today = newest_day()
        first, last = span or (today - timedelta(days=56), today)
        last = min(last, today - timedelta(days=1))
        sources = [source for source in business_days.sources_of(db.url, kind) if takes(db.policies, source)]
        judged = business_days.unusual(db.url, kind, sources, (first, last), least=_LEAST, most=_MOST)
        unusual = [row for row in judged if row["is_unusual"]]
        says = (
            f"{len(unusual)} of {len(judged)} day(s) have far more or far fewer rows than usual."
            if unusual
            else f"{len(judged)} day(s) have as many rows as usual."
            if judged
            else "No day can be judged: too little came on the same weekday of the weeks before."
        )
        return Verdict(not unusual, says, {"days_judged": len(judged)}, unusual, _WARN)

    return Rule(
        "plausible_row_count",
        f"A day that is over has between {_LEAST} and {_MOST} times the rows that the same weekday usually has (the "
        "median of eight weeks; at least four of them with rows).",
        "Look whether a file is missing, was cut, or holds several days; if the day was special, nothing is to do.",
        judge,
        {"least": float(_LEAST), "most": float(_MOST)},
    )


def _yesterday_is_there() -> Rule:
    def judge(db: SyncStockDB, span: Span) -> Verdict:
        yesterday = datetime.now(ZoneInfo(get_settings().timezone)).date() - timedelta(days=1)
        expected = business_days.missing_sources(db.url, "sales", yesterday)
        missing = [
            {"source": source, "day": yesterday} for source, is_there in expected.items() if not is_there
        ]
        says = (
            f"{len(missing)} of {len(expected)} source(s) have sent nothing about {yesterday}."
            if missing
            else f"All {len(expected)} source(s) that are expected have sent rows about {yesterday}."
            if expected
            else f"Nothing was expected about {yesterday}."
        )
        return Verdict(not missing, says, {"expected": len(expected), "missing": len(missing)}, missing)

    return Rule(
        "yesterday_is_there",
        "Every source with sales on this weekday in each of the last four weeks has sent rows about yesterday.",
        "Ask the shop whether its till exported, and drop the file; late rows are posted at their own time.",
        judge,
    )


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of every intake asset: one step, for none of them blocks."""
    rules = {
        asset: [_every_file_taken(asset), _every_reader_answers(asset), _plausible_size(asset)]
        for asset in INTAKE
    }
    rules["sales"].append(_yesterday_is_there())
    rules["product_catalog"] = [_every_file_taken("product_catalog")]
    return [checks_of("intake", rules)]
