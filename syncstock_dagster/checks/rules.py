"""The common form of a check: a rule that judges the days of a run, or everything when it is run alone.

What belongs here: turning rules into Dagster's checks. What does not: the rules.
"""

# No postponed annotations here: Dagster reads the types of `context` while it decorates.
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from syncstock_dagster.partitions import plain
from syncstock_dagster.resources import SyncStock

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB

MOST_ROWS = 20

#: First and last day of the run, both included; None when the check is run alone.
Span = tuple[date, date] | None


@dataclass(frozen=True)
class Verdict:
    """How a rule judges what it found."""

    passed: bool
    #: In a sentence, for the list of checks.
    says: str
    #: Numbers that were looked at, on pass too.
    observed: Mapping[str, Any] = field(default_factory=dict)
    #: The worst first; all of them, only some are shown.
    offending: Sequence[Mapping[str, Any]] = ()
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    #: What the configuration says of the rule's numbers, where it does.
    thresholds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One check: what must hold, what to do when it does not, and who judges."""

    name: str
    #: What must hold.
    rule: str
    #: What a person does when it does not.
    remedy: str
    judge: Callable[["SyncStockDB", Span], Verdict]
    #: Numbers the rule compares with.
    thresholds: Mapping[str, float] = field(default_factory=dict)
    #: Whether what is downstream waits until it holds.
    blocking: bool = False


def checks_of(name: str, rules: Mapping[str, Sequence[Rule]]) -> dg.AssetChecksDefinition:
    """The checks of some assets as one step, any of which can be run alone."""
    by_key = {
        dg.AssetCheckKey(dg.AssetKey(asset), rule.name): rule
        for asset, of_it in rules.items()
        for rule in of_it
    }

    @dg.multi_asset_check(
        name=f"{name}_checks",
        specs=[
            dg.AssetCheckSpec(
                rule.name,
                asset=key.asset_key,
                description=f"{rule.rule} Remedy: {rule.remedy}",
                blocking=rule.blocking,
                metadata=dict(rule.thresholds),
            )
            for key, rule in by_key.items()
        ],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext, syncstock: SyncStock) -> Iterable[dg.AssetCheckResult]:
        db = syncstock.db()
        span = _span(context)
        for key in sorted(context.selected_asset_check_keys):
            yield _result(key, by_key[key], by_key[key].judge(db, span), span)

    return checks


def _result(key: dg.AssetCheckKey, rule: Rule, verdict: Verdict, span: Span) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"rule": rule.rule, "remedy": rule.remedy}
    metadata |= {
        f"threshold: {name}": value for name, value in {**rule.thresholds, **verdict.thresholds}.items()
    }
    metadata |= {name: plain(value) for name, value in verdict.observed.items()}
    metadata["days"] = f"{span[0]} to {span[1]}" if span else "all"
    if verdict.offending:
        metadata["offending"] = _table(verdict.offending)
        metadata["offending_in_all"] = len(verdict.offending)
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=bool(verdict.passed),
        severity=verdict.severity,
        description=verdict.says,
        metadata=metadata,
    )


def _span(context: dg.AssetCheckExecutionContext) -> Span:
    # A check that is run alone has no days, and asking for them raises.
    run = context.op_execution_context
    if run.has_partition_key:
        day = date.fromisoformat(run.partition_key)
        return day, day
    if run.has_partition_key_range:
        days = run.partition_key_range
        return date.fromisoformat(days.start), date.fromisoformat(days.end)
    return None


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    names = list(rows[0])
    records = [dg.TableRecord({name: _cell(row[name]) for name in names}) for row in rows[:MOST_ROWS]]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in names])
    return dg.MetadataValue.table(records=records, schema=schema)


def _cell(value: Any) -> Any:
    value = plain(value)
    return value if isinstance(value, int | float) else "" if value is None else str(value)
