"""Checks of what was sent to Shopify.

What belongs here: the rules. What does not: the runs (``channels.shopify``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from syncstock_dagster.checks.rules import Rule, Span, Verdict, checks_of

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

_LOWEST = 0.95
_OLDEST = timedelta(hours=30)
_NOT_CONFIGURED = "No shop is configured."


def _last(db: SyncStockDB) -> dict[str, Any] | None:
    from syncstock_dagster.channels.shopify.health import last_finished

    return last_finished(db.url)


def _success_rate(db: SyncStockDB, span: Span) -> Verdict:
    last = _last(db)
    if last is None:
        return Verdict(True, "No reverse sync has ended yet.")
    told = last["report"]["report"]
    numbers = told["statistics"]
    rate = float(numbers["success_rate"])
    observed = {
        name: numbers[name] for name in ("success_rate", "products_checked", "variants_updated", "errors")
    }
    says = f"{rate:.1%} of {numbers['products_found']} product(s) without an error in {last['name']}."
    return Verdict(rate >= _LOWEST, says, observed, told["details"]["errors"])


def _deletions(db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.channels.shopify.health import unexplained_deletions

    rows = unexplained_deletions(db.url)
    says = (
        f"{len(rows)} variant(s) went without a reason on record."
        if rows
        else "Every deletion has its reason."
    )
    return Verdict(not rows, says, {"unexplained": len(rows)}, rows)


def _age(db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.accounts import read_accounts
    from syncstock_dagster.settings import get_settings

    if not read_accounts().has_shopify:
        return Verdict(True, _NOT_CONFIGURED)
    if not get_settings().enable_reverse_stock_sync:
        return Verdict(True, "It is switched off.")
    last = _last(db)
    if last is None:
        return Verdict(False, "No reverse sync has ended yet.", severity=dg.AssetCheckSeverity.WARN)
    hours = (datetime.now(UTC) - last["finished_at"]).total_seconds() / 3600
    is_fresh = hours <= _OLDEST.total_seconds() / 3600
    says = f"The last reverse sync ended {hours:.1f} hours ago."
    return Verdict(is_fresh, says, {"hours": round(hours, 1)}, severity=dg.AssetCheckSeverity.WARN)


_RULES = (
    Rule(
        "reverse_sync_success_rate",
        "At least 95 in 100 products of the last reverse sync were seen through without an error.",
        "`syncstock shopify status` lists the errors; `syncstock shopify apply` goes on with what was left.",
        _success_rate,
        {"lowest": _LOWEST},
    ),
    Rule(
        "no_unexplained_deletions",
        "Every variant that was deleted had no stock, was approved by a person or by the policy, and is stored whole.",
        "`syncstock shopify deletions RUN` shows them; `syncstock shopify rollback RUN --reason ...` makes them again. "
        "It is a bug: please report it.",
        _deletions,
    ),
    Rule(
        "reverse_sync_is_recent",
        "A reverse sync has ended within the last 30 hours, where a shop is configured.",
        "Look at the last run of `reverse_stock_sync`; materialise `shopify_reverse_sync` for today.",
        _age,
        {"oldest_hours": 30.0},
    ),
)


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of Shopify."""
    return [checks_of("shopify", {"shopify_reverse_sync": _RULES})]
