"""The code location: what is in it, that loading it costs nothing, and that it says what the database says."""

from __future__ import annotations

import json
import subprocess
import sys

import dagster as dg
import psycopg
import pytest

from syncstock_dagster.assets.tables import TABLES
from syncstock_dagster.definitions import build_defs, defs
from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS
from syncstock_dagster.service.home import WORKSPACE
from syncstock_dagster_tests.conftest import REPOSITORY

ASSETS = {
    "drop_folder": ("sources", {"team:shops"}),
    "till_system": ("sources", {"team:shops"}),
    "purchases": ("intake", {"team:purchasing"}),
    "sales": ("intake", {"team:shops"}),
    "operational_deltas": ("intake", {"team:warehouse"}),
    "excel_counts": ("intake", {"team:warehouse"}),
    "pos_counts": ("intake", {"team:shops"}),
    "product_catalog": ("intake", {"team:purchasing"}),
    "reconciled_stock": ("stock", {"team:stock"}),
    "inventory_ledger": ("stock", {"team:stock"}),
    "daily_snapshot": ("stock", {"team:stock"}),
    "item_stock": ("stock", {"team:stock"}),
    "published_days": ("publishing", {"team:stock"}),
    "inventory_accuracy": ("reports", {"team:stock"}),
    "sync_performance": ("reports", {"team:stock"}),
    "variance_report": ("reports", {"team:stock"}),
    "excel_update_report": ("reports", {"team:stock"}),
    "stock_alerts": ("reports", {"team:stock"}),
    "product_search_index": ("search", {"team:stock"}),
    "zoho_stock": ("sources", {"team:stock"}),
    "xorosoft_stock": ("sources", {"team:stock"}),
    "rms_stock": ("sources", {"team:stock"}),
    "shopify_reverse_sync": ("channels", {"team:shops"}),
    "shopify_push": ("channels", {"team:shops"}),
}
LINEAGE = {
    "reconciled_stock": {
        "purchases", "sales", "operational_deltas", "excel_counts", "pos_counts", "product_catalog",
        "zoho_stock", "xorosoft_stock", "rms_stock",
    },
    "inventory_ledger": {"reconciled_stock"},
    "daily_snapshot": {"inventory_ledger"},
    "item_stock": {"inventory_ledger"},
    "published_days": {"daily_snapshot", "item_stock"},
    "inventory_accuracy": {"inventory_ledger"},
    "sync_performance": {"reconciled_stock"},
    "variance_report": {"inventory_ledger"},
    "excel_update_report": {"daily_snapshot", "item_stock"},
    "stock_alerts": {"reconciled_stock"},
    "sales": {"drop_folder", "till_system"},
    "pos_counts": {"drop_folder", "till_system"},
    "purchases": {"drop_folder"},
    "product_search_index": {"product_catalog"},
    "shopify_reverse_sync": {"item_stock"},
    "shopify_push": {"item_stock"},
}  # fmt: skip
NOT_DAILY = {
    "product_catalog", "item_stock", "drop_folder", "till_system", "product_search_index", "stock_alerts",
    "zoho_stock", "xorosoft_stock", "rms_stock", "shopify_push",
}  # fmt: skip
CHECKS = {
    *(f"{asset}:{check}" for asset in ("purchases", "sales", "operational_deltas", "excel_counts", "pos_counts")
      for check in ("every_file_taken", "every_reader_answers", "plausible_row_count")),
    "product_catalog:every_file_taken",
    "sales:yesterday_is_there",
    "reconciled_stock:counts_to_review",
    "reconciled_stock:counts_held_or_flagged",
    "reconciled_stock:stocked_articles_are_listed",
    "reconciled_stock:no_unknown_articles",
    "reconciled_stock:every_delivery_posted",
    "reconciled_stock:nothing_waits",
    "inventory_ledger:ledger_sums_to_stock",
    "daily_snapshot:snapshot_equals_ledger",
    "item_stock:laws_hold",
    "item_stock:no_unexplained_negative",
    "product_search_index:search_index_equals_catalogue",
    *(f"{asset}:{check}" for asset in ("zoho_stock", "xorosoft_stock", "rms_stock")
      for check in ("complete_pull", "no_sudden_drop", "recent_pull")),
    *(f"shopify_reverse_sync:{check}"
      for check in ("reverse_sync_success_rate", "no_unexplained_deletions", "reverse_sync_is_recent")),
}  # fmt: skip
BLOCKING = {"ledger_sums_to_stock", "snapshot_equals_ledger", "laws_hold"}


def graph() -> dg.AssetGraph:
    return defs.resolve_asset_graph()


def test_assets_groups_owners_and_lineage_are_these() -> None:
    nodes = {node.key.to_user_string(): node for node in graph().asset_nodes}
    assert {name: (node.group_name, set(node.owners)) for name, node in nodes.items()} == ASSETS
    for name, parents in LINEAGE.items():
        assert {key.to_user_string() for key in nodes[name].parent_keys} == parents, name


def test_every_asset_says_what_it_is() -> None:
    for node in graph().asset_nodes:
        assert len(node.description or "") > 60, node.key
        assert node.kinds, node.key
        if node.is_materializable:
            assert {"dagster/table_name", "dagster/column_schema"} <= set(node.metadata), node.key
            assert "Grain:" in node.description, node.key


def test_every_daily_asset_shares_one_calendar_and_is_backfilled_in_one_run() -> None:
    for node in graph().asset_nodes:
        if node.key.to_user_string() in NOT_DAILY:
            assert node.partitions_def is None
        else:
            assert node.partitions_def == STOCK_DAYS
            assert node.backfill_policy == ONE_RUN


def test_checks_are_these_and_those_that_guard_the_door_block() -> None:
    keys = graph().asset_check_keys
    assert {f"{key.asset_key.to_user_string()}:{key.name}" for key in keys} == CHECKS
    specs = [graph().get_check_spec(key) for key in keys]
    assert {spec.name for spec in specs if spec.blocking} == BLOCKING
    assert all("Remedy:" in spec.description for spec in specs)


def test_jobs_sensors_and_schedules_are_these_and_say_what_they_do() -> None:
    repository = defs.get_repository_def()
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert set(jobs) == {
        "daily_sync", "ingest_counts", "rebuild_history", "end_of_day", "nightly_close", "refresh_snapshots",
        "checks_only", "search_index", "pull_sources", "reverse_stock_sync", "stock_push",
        "housekeeping",
    }  # fmt: skip
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "file_arrivals", "restated_days", "lost_runs", "run_failures", "search_index_sensor",
        "source_hints", "stock_push_sensor",
    }  # fmt: skip
    assert {schedule.name: schedule.job_name for schedule in repository.schedule_defs} == {
        "morning_sync": "daily_sync",
        "evening_report": "end_of_day",
        "close_yesterday": "nightly_close",
        "nightly_housekeeping": "housekeeping",
        "nightly_pull": "pull_sources",
        "pull_changes": "pull_sources",
        "reverse_stock_sync_schedule": "reverse_stock_sync",
    }
    for thing in (*jobs.values(), *repository.sensor_defs, *repository.schedule_defs):
        assert len(thing.description or "") > 60, thing.name


def test_automation_can_be_left_to_the_person() -> None:
    """By a setting, read when the code location is loaded."""
    script = (
        "from syncstock_dagster.definitions import defs; r = defs.get_repository_def(); "
        "print({t.default_status.value for t in (*r.sensor_defs, *r.schedule_defs)})"
    )
    for value, expected in (("true", "{'RUNNING'}"), ("false", "{'STOPPED'}")):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env={"SYNCSTOCK_AUTOMATION": value}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == expected


def test_every_build_is_a_new_one() -> None:
    assert build_defs() is not defs
    assert build_defs().resolve_asset_graph().asset_check_keys == graph().asset_check_keys


def test_the_workspace_that_up_writes_is_the_one_beside_the_checkout() -> None:
    beside = (REPOSITORY / "workspace.yaml").read_text(encoding="utf-8")
    assert beside.endswith(WORKSPACE)


_LOADING = """
import sys, json
import dagster
seen = []
def watch(event, args):
    if event in ("socket.connect", "subprocess.Popen", "os.listdir", "os.scandir", "sqlite3.connect"):
        seen.append([event, str(args[0])[:200]])
    elif event == "open" and isinstance(args[0], str) and not args[0].endswith((".py", ".pyc", ".so")):
        seen.append([event, args[0]])
sys.addaudithook(watch)
import syncstock_dagster.definitions
unwanted = ("pandas", "pyarrow", "openpyxl", "alembic", "chromadb", "fsspec", "matplotlib")
heavy = [name for name in unwanted if name in sys.modules]
print(json.dumps([seen, heavy]))
"""


def test_a_worker_does_without_pandas() -> None:
    """It is for answers to people; loading it takes a tenth of what a day's run takes in all."""
    script = (
        "import sys; from syncstock_dagster.sources import arrivals, intake, readers, troubles; "
        "from syncstock_dagster.stock import causes, days, deliveries, evening, reading, sync; "
        "from syncstock_dagster.catalog import staging; print('pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_loading_the_code_location_opens_nothing_and_imports_nothing_heavy(tmp_path) -> None:
    """No listing, no connection, no file but code; time zones and libraries' own data are read by the libraries."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", _LOADING],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    seen, heavy = json.loads(done.stdout)
    allowed = (
        f"{sys.prefix}/",
        f"{sys.base_prefix}/",
        f"{REPOSITORY}/syncstock_dagster",
        "/usr/share/zoneinfo",
    )
    ours = [what for what in seen if not what[1].startswith(allowed)]
    assert heavy == []
    assert ours == [], ours
    assert not any(event in ("socket.connect", "subprocess.Popen", "sqlite3.connect") for event, _ in seen)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_the_columns_that_the_catalogue_shows_are_those_of_the_database(db, table: str) -> None:
    with psycopg.connect(db.url) as connection:
        rows = connection.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute "
            "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
            (f"syncstock.{table}",),
        ).fetchall()
    actual = {
        name: kind.removeprefix("syncstock.")
        .replace("timestamp with time zone", "timestamptz")
        .replace("integer", "int")
        for name, kind in rows
    }
    for column, kind, meaning in TABLES[table]:
        assert actual.get(column) == kind, column
        assert meaning.endswith(".")
