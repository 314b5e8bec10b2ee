"""Checks of stock: whether it follows from the evidence, and whether a person should look at it.

Define a check here when it judges what was posted. Keep out files (``intake``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from syncstock_dagster.checks.rules import MOST_ROWS, Rule, Span, Verdict, checks_of
from syncstock_dagster.stock import days as business_days

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

_WARN = dg.AssetCheckSeverity.WARN

#: Sales often come before the purchase that explains them; so long nobody is asked about stock below zero.
_GRACE_DAYS = 2


def _counts(names: tuple[str, ...]) -> Any:
    def judge(db: SyncStockDB, span: Span) -> Verdict:
        verdicts = business_days.verdicts(db.url, db.policies, span)
        far = [_shown(row) for row in verdicts.offending if row["status"] in names]
        told = " or ".join(names)
        of_these = "No count of these days" if span else "No count"
        says = f"{len(far)} of {verdicts.counts} count(s) are {told}." if far else f"{of_these} is {told}."
        observed = {
            "counts": verdicts.counts,
            **{f"counts_{name}": n for name, n in verdicts.by_status.items()},
        }
        if "held" in names and span is not None:
            # The check shows its last verdict, and a held count waits whichever days were run last.
            elsewhere = [
                _shown(row)
                for row in business_days.held(db.url, db.policies)
                if not span[0] <= row["day"] <= span[1]
            ]
            observed["held_on_other_days"] = len(elsewhere)
            if elsewhere:
                says += f" {len(elsewhere)} of other days wait(s) for a decision."
            far += elsewhere
        _with_causes(db, far)
        is_warning = names == ("review",)
        severity = _WARN if is_warning else dg.AssetCheckSeverity.ERROR
        limits = {
            f"{name}, {of}": told
            for name, policy in db.policies.named().items()
            if policy.trust == "gated"
            for of, told in policy.gate.told().items()
        }
        return Verdict(not far, says, observed, far, severity, limits)

    return judge


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    hidden = ("counts", "of_status", "inventory_id", "counted_at")
    return {name: value for name, value in row.items() if name not in hidden}


def _with_causes(db: SyncStockDB, far: list[dict[str, Any]]) -> None:
    """Of the rows that are shown, what may explain them best."""
    shown = far[:MOST_ROWS]
    if not shown:
        return
    from syncstock_dagster.stock.causes import likeliest

    best = likeliest(db.url, db.policies, [row["count_id"] for row in shown])
    for row in far:
        cause = best.get(row["count_id"])
        row |= {"may_be": cause and cause.says, "check": cause and cause.check}


def _not_listed(db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.stock.reading import not_listed

    missing = [
        {name: row[name] for name in ("sku", "location", "on_hand", "value", "source", "file")}
        for row in not_listed(db.url, db.policies, span)
    ]
    says = (
        f"{len(missing)} stocked article(s) are missing from the last complete sheet."
        if missing
        else "Complete sheets list every stocked article."
    )
    return Verdict(not missing, says, {"not_listed": len(missing)}, missing)


def _unknown_articles(db: SyncStockDB, span: Span) -> Verdict:
    waiting = business_days.waiting_articles(db.url)
    rows = sum(row["rows"] for row in waiting)
    says = (
        f"{rows} row(s) wait for {len(waiting)} unknown article(s) or location(s)."
        if rows
        else "All are known."
    )
    return Verdict(not waiting, says, {"rows": rows, "unknown": len(waiting)}, waiting, _WARN)


def _every_delivery_posted(db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.stock.deliveries import unpostable

    failed = [
        {
            "delivery": row.name,
            "error": row.error,
            "first_day": row.days[0] if row.days else None,
            "since": row.since,
            "tried": row.times,
            "delivery_id": row.delivery_id,
        }
        for row in unpostable(db.url)
        if _stands_on(row.days, span)
    ]
    says = f"{len(failed)} delivery(ies) cannot be posted." if failed else "No delivery failed to be posted."
    return Verdict(not failed, says, {"unpostable": len(failed)}, failed)


def _nothing_waits(db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.stock.deliveries import unpostable, waiting_with_days

    told_elsewhere = {row.delivery_id for row in unpostable(db.url)}
    waiting = [
        {"delivery": row.name, "first_day": row.days[0] if row.days else None, "delivery_id": row.delivery_id}
        for row in waiting_with_days(db.url, 1000)
        if row.delivery_id not in told_elsewhere and _stands_on(row.days, span)
    ]
    says = f"{len(waiting)} delivery(ies) wait to be posted." if waiting else "Nothing waits to be posted."
    return Verdict(not waiting, says, {"waiting": len(waiting)}, waiting)


def _stands_on(days: tuple[date, ...], span: Span) -> bool:
    """Whether a delivery has a row on the days; one without dated rows (a catalogue) belongs to all."""
    return span is None or not days or any(span[0] <= day <= span[1] for day in days)


def _ledger_is_stock(db: SyncStockDB, span: Span) -> Verdict:
    differing = business_days.stock_differs(db.url)
    says = (
        f"{len(differing)} stock(s) are not the sum of their ledger."
        if differing
        else "Stock is the ledger's sum."
    )
    return Verdict(not differing, says, {"differing": len(differing)}, differing)


def _snapshot_is_ledger(db: SyncStockDB, span: Span) -> Verdict:
    differing = business_days.snapshot_differs(db.url, span)
    says = (
        f"{len(differing)} closing balance(s) part from the ledger."
        if differing
        else "Every closing balance is the ledger's sum."
    )
    return Verdict(not differing, says, {"differing": len(differing)}, differing)


def _laws_hold(db: SyncStockDB, span: Span) -> Verdict:
    offences = db.audit()
    broken = [
        {"law": law, "rows": len(rows), "first": str(rows.iloc[0].to_dict())}
        for law, rows in offences.items()
    ]
    says = f"{len(broken)} law(s) are broken." if broken else "Every law holds in the stored data."
    return Verdict(not broken, says, {"broken": len(broken)}, broken)


def _negative(db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.stock.reading import records

    rows = records(db.url, "negative_stock")
    grace = datetime.now(UTC) - timedelta(days=_GRACE_DAYS)
    unexplained = [
        {name: value for name, value in row.items() if name != "inventory_id"}
        for row in rows
        if row["negative_since"] < grace
    ]
    says = (
        f"{len(unexplained)} article(s) have been below zero for more than {_GRACE_DAYS} days."
        if unexplained
        else "No article has been below zero for long."
    )
    return Verdict(
        not unexplained, says, {"below_zero": len(rows), "for_long": len(unexplained)}, unexplained, _WARN
    )


_RECONCILED = (
    Rule(
        "counts_to_review",
        "No count is in the tier to review (by default 10 to 100 units from the books; the thresholds say what holds "
        "here). Such counts are applied.",
        "Read the list; `syncstock explain SKU` says how each difference came about. Nothing waits for it.",
        _counts(("review",)),
    ),
    Rule(
        "counts_held_or_flagged",
        "No count is held, on whatever day (by default more than 100 units from the books), and late rows have carried "
        "no applied count of these days past its tier.",
        "The table says what may explain it and what to check; `syncstock explain SKU` says more. Then `syncstock "
        "approve ID`, `syncstock reject ID`, or have it counted again with `syncstock recount ID`.",
        _counts(("held", "flagged")),
    ),
    Rule(
        "stocked_articles_are_listed",
        'Sheets that list everything (not_listed = "critical") name every stocked article. Critical: the stock of one '
        "that is missing stays as it is.",
        "Count it, or write 0 if there is none, and send the sheet again; `syncstock not-listed` shows all.",
        _not_listed,
    ),
    Rule(
        "no_unknown_articles",
        "No row waits because its article or location is unknown.",
        "`syncstock products set SKU` or `syncstock locations set CODE --timezone ZONE`; the rows are then posted at "
        "their own time by themselves.",
        _unknown_articles,
    ),
    Rule(
        "every_delivery_posted",
        "No delivery failed when its posting was last tried. Nothing of it was kept, and all others are posted.",
        "The table says why, mostly a rule of the shop's own. Mend that; the next run over one of its days posts it. "
        "If nothing of the shop's own is named there, it is a bug: please report it.",
        _every_delivery_posted,
    ),
    Rule(
        "nothing_waits",
        "Every delivery with a row on these days is posted, but for those that every_delivery_posted names.",
        "Materialize `reconciled_stock` for the day, or run `daily_sync` with `everything`.",
        _nothing_waits,
    ),
)
_LEDGER = (
    Rule(
        "ledger_sums_to_stock",
        "Present stock is the sum of its ledger entries (law L3).",
        "`syncstock rebuild --dry-run` says what is wrong, `syncstock rebuild` mends it. It is a bug: please report "
        "it.",
        _ledger_is_stock,
        blocking=True,
    ),
)
_SNAPSHOT = (
    Rule(
        "snapshot_equals_ledger",
        "The closing balance of every day is the sum of the ledger up to its end (laws L3 and L4).",
        "`syncstock rebuild --dry-run` says what is wrong, `syncstock rebuild` mends it. It is a bug: please report "
        "it.",
        _snapshot_is_ledger,
        blocking=True,
    ),
)
_STOCK = (
    Rule(
        "laws_hold",
        "Every law that shows in stored data holds: the audit finds no row. It recomputes everything from the "
        "evidence, so it is part of the nightly close and not of every sync.",
        "The table names the law; `syncstock audit` shows the rows, `syncstock rebuild` mends. It is a bug: please "
        "report it.",
        _laws_hold,
        blocking=True,
    ),
    Rule(
        "no_unexplained_negative",
        f"No article has been below zero for more than {_GRACE_DAYS} days.",
        "Something came in that nobody wrote down, or was sold twice: find the missing purchase or transfer, or count.",
        _negative,
        {"days": _GRACE_DAYS},
    ),
)


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of the stock group."""
    # One step each: a blocking check must come before what it blocks.
    return [
        checks_of(asset, {asset: rules})
        for asset, rules in {
            "reconciled_stock": _RECONCILED,
            "inventory_ledger": _LEDGER,
            "daily_snapshot": _SNAPSHOT,
            "item_stock": _STOCK,
        }.items()
    ]
