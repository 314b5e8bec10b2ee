"""Other systems that are asked for stock: an asset each, their jobs and schedules, and the sensor of hints.

Define here what Dagster shows of them. Keep out pulling (``sources``).
"""

# No postponed annotations here: Dagster reads the types of `context` and `config` while it decorates.
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.resources import SyncStock, on_behalf_of
from syncstock_dagster.sensors.asking import ASKED_BY, schedule_status, sensor_status
from syncstock_dagster.settings import get_settings

NAMES = ("zoho", "xorosoft", "rms")

#: Told of a materialisation, and plotted.
_NUMBERS = (
    "pages", "items", "levels", "items_changed", "levels_changed", "repeated", "refused", "gone", "staged",
    "committed", "counts_new", "counts_applied", "counts_held", "counts_advisory", "quarantined", "api_calls",
    "seconds_waited", "took",
)  # fmt: skip


class PullConfig(dg.Config):
    """What to ask for."""

    scope: Literal["full", "changed", "hints"] = Field(
        default="full",
        description="Everything; what changed since the last finished pull; or the articles that hints name.",
    )
    active_only: bool = Field(default=True, description="Only active articles, where the system knows such.")
    with_stock_only: bool = Field(
        default=False, description="Leave out what has no stock and had none before."
    )
    dry_run: bool = Field(default=False, description="Ask, compare, and keep nothing.")


def _stock_of(name: str, kind: str, table: str, what: str) -> dg.AssetsDefinition:
    """The asset of one system."""

    @dg.asset(
        name=f"{name}_stock",
        description=f"{what}\n\nA level that changed becomes a count of the source `{name}`, on which its policy "
        "decides; articles are staged. What is not named says nothing: missing is not zero. A limit that is used up "
        "ends the run in order, and the next one goes on. Without an account nothing is done.",
        group_name="sources",
        kinds={kind, "postgres"},
        owners=["team:stock"],
        metadata=table_metadata(table),
        retry_policy=dg.RetryPolicy(max_retries=2, delay=60),
    )
    def stock(
        context: dg.AssetExecutionContext, config: PullConfig, syncstock: SyncStock
    ) -> dg.MaterializeResult:
        return _pulled(context, name, config, syncstock)

    return stock


def _pulled(
    context: dg.AssetExecutionContext, name: str, config: PullConfig, syncstock: SyncStock
) -> dg.MaterializeResult:
    from syncstock_dagster.sources.asking import start_pull, work_off_hints
    from syncstock_dagster.sources.protocol import Ask, RefusedError, UnreachableError
    from syncstock_dagster.sources.vendors import NotConfiguredError

    ask = Ask(active_only=config.active_only, with_stock_only=config.with_stock_only)
    db = syncstock.db()
    try:
        with on_behalf_of(context) as who:
            if config.scope == "hints":
                result = work_off_hints(db, name, who=who)
            else:
                result = start_pull(
                    db, name, ask, changed_only=config.scope == "changed", dry_run=config.dry_run, who=who
                )
    except NotConfiguredError as error:
        context.log.info(str(error))
        return dg.MaterializeResult(metadata={"configured": False, "what_to_set": str(error)})
    except RefusedError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None
    except UnreachableError as error:
        raise dg.Failure(
            description=f"{error} What came is kept, and the next run goes on there.", allow_retries=True
        ) from None
    if result is None:
        return dg.MaterializeResult(metadata={"configured": True, "status": "no hint waits"})
    context.log.info(
        f"{name}: {result.status}, {result.items} articles, {result.levels_changed} levels changed"
    )
    metadata: dict[str, Any] = {"configured": True, "status": result.status, "reason": result.reason}
    metadata |= {number: getattr(result, number) for number in _NUMBERS}
    metadata |= {"operation": result.operation_uuid, "notes": "\n".join(result.notes)}
    return dg.MaterializeResult(metadata=metadata)


zoho_stock = _stock_of(
    "zoho",
    "api",
    "source_levels",
    "Items and stock of Zoho Inventory or Books, 200 a call. Grain: article and location.",
)
xorosoft_stock = _stock_of(
    "xorosoft",
    "api",
    "xorosoft_products",
    "Items, stock and cost of Xorosoft, with what is allocated and on order. Grain: article and warehouse.",
)
rms_stock = _stock_of(
    "rms",
    "sqlserver",
    "source_levels",
    "Stock out of the database of RMS, streamed. Grain: article and location.",
)
ASSETS = (zoho_stock, xorosoft_stock, rms_stock)
_KEYS = {name: dg.AssetKey(f"{name}_stock") for name in NAMES}

pull_sources_job = dg.define_asset_job(
    "pull_sources",
    selection=dg.AssetSelection.assets(*ASSETS),
    description="Ask the other systems for articles and stock: everything, or by configuration what changed or what "
    "hints name. One without an account is left alone.",
)


def _asked(scope: str, key: str, asked_by: str) -> dg.RunRequest | dg.SkipReason:
    """A run over the systems that have an account here."""
    from syncstock_dagster.accounts import read_accounts
    from syncstock_dagster.sources.vendors import configured

    names = configured(read_accounts())
    if not names:
        return dg.SkipReason("No other system has an account here: docs/sources.md says what to set.")
    return dg.RunRequest(
        run_key=key,
        asset_selection=[_KEYS[name] for name in names],
        run_config={"ops": {f"{name}_stock": {"config": {"scope": scope}} for name in names}},
        tags={ASKED_BY: asked_by},
    )


def _hour_before_close() -> str:
    at = get_settings().nightly_close
    begin = timedelta(hours=at.hour, minutes=at.minute) - timedelta(hours=1) + timedelta(days=1)
    minutes = int(begin.total_seconds()) // 60 % (24 * 60)
    return f"{minutes % 60} {minutes // 60} * * *"


@dg.schedule(
    name="nightly_pull",
    job=pull_sources_job,
    cron_schedule=_hour_before_close(),
    execution_timezone=get_settings().timezone,
    default_status=schedule_status(),
    description="Every night, an hour before yesterday is closed, the other systems are asked for everything they "
    "have; a pull that a limit has stopped goes on.",
)
def nightly_pull(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One night."""
    return _asked("full", f"pull:{context.scheduled_execution_time.isoformat()}", "nightly_pull")


@dg.schedule(
    name="pull_changes",
    job=pull_sources_job,
    cron_schedule="30 8-20 * * *",
    execution_timezone=get_settings().timezone,
    default_status=schedule_status(),
    description="Every hour of the day what changed at the other systems since the last pull. A hint only: the nightly "
    "pull asks for everything.",
)
def pull_changes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One hour."""
    return _asked("changed", f"changes:{context.scheduled_execution_time.isoformat()}", "pull_changes")


@dg.sensor(
    name="source_hints",
    job=pull_sources_job,
    minimum_interval_seconds=get_settings().look_every_seconds,
    default_status=sensor_status(),
    description="Articles that somebody (a webhook, for instance) says have changed at another system are read again "
    "there. Only the code of a hint is believed.",
)
def source_hints(context: dg.SensorEvaluationContext, syncstock: SyncStock) -> dg.SensorResult:
    """One tick: a run for each source of which hints wait."""
    from syncstock_dagster.accounts import read_accounts
    from syncstock_dagster.sources.hints import waiting
    from syncstock_dagster.sources.vendors import configured

    known = configured(read_accounts())
    found = {name: told for name, told in waiting(syncstock.db().url).items() if name in known}
    if not found:
        return dg.SensorResult(skip_reason="No hint waits.")
    hour = datetime.now(UTC).strftime("%Y-%m-%dT%H")
    requests = [
        dg.RunRequest(
            # What was tried in vain is asked for again under another key until it is given up; what a limit has left
            # over, with the next hour.
            run_key=f"hints:{name}:{told.newest}:{told.attempts}:{hour}",
            asset_selection=[_KEYS[name]],
            run_config={"ops": {f"{name}_stock": {"config": {"scope": "hints"}}}},
            tags={ASKED_BY: "source_hints", "syncstock/hints": str(told.count)},
        )
        for name, told in sorted(found.items())
    ]
    return dg.SensorResult(run_requests=requests)
