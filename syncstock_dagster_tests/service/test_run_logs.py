"""Dagster's log of old runs is forgotten, and not what they materialised."""

# No postponed annotations here: Dagster reads the type of `context` while it decorates.
from pathlib import Path

import dagster as dg
import psycopg

from syncstock_dagster.service import home as dagster_home
from syncstock_dagster.service import run_logs
from syncstock_dagster.settings import Settings


@dg.asset(check_specs=[dg.AssetCheckSpec("right", asset="thing")])
def thing(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.info("It was made.")
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


def kinds(url: str, run_id: str) -> set[str | None]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select dagster_event_type from event_logs where run_id = %s", (run_id,))
        return {kind for (kind,) in rows}


def test_steps_of_old_runs_are_forgotten_and_runs_assets_and_checks_stay(
    make_database, tmp_path: Path
) -> None:
    url = make_database()
    home = dagster_home.prepare(Settings(home=tmp_path, database_url=url, dagster_database_url=url), url)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        old, new = (dg.materialize([thing], instance=instance).run_id for _ in range(2))
        with psycopg.connect(url) as connection:
            connection.execute(
                "update event_logs set timestamp = timestamp - interval '91 days' where run_id = %s", (old,)
            )
        assert {None, "STEP_START", "STEP_SUCCESS"} <= kinds(url, old)
        before = kinds(url, new)

        assert run_logs.forget(instance, 92) == 0
        assert run_logs.forget(instance, 90) > 3
        assert run_logs.forget(instance, 90) == 0

        assert kinds(url, old) >= {
            "PIPELINE_START", "PIPELINE_SUCCESS", "ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION"
        }  # fmt: skip
        assert all(kind and kind.startswith(("ASSET_", "PIPELINE_")) for kind in kinds(url, old))
        assert kinds(url, new) == before
        assert instance.get_run_by_id(old).is_success
        assert len(instance.fetch_materializations(dg.AssetKey("thing"), limit=5).records) == 2


def test_where_history_is_in_files_nothing_is_done() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_logs.forget(instance, 0) == 0
