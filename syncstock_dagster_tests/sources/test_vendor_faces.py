"""The systems that are asked, as people meet them: assets, checks, schedules, the sensor of hints, and commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from syncstock_dagster import SyncStockDB
from syncstock_dagster.assets import vendors as faces
from syncstock_dagster.cli import app
from syncstock_dagster.definitions import build_defs
from syncstock_dagster.demo.vendors import served
from syncstock_dagster.demo.vendors.zoho import ZohoStandIn, make_items
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.settings import get_settings
from syncstock_dagster.sources import asking
from syncstock_dagster_tests.sources.test_contract import stock

CONFIG = """
[vendors.zoho]
calls_a_minute = 6000

[sources.zoho]
trust = "authoritative"

[catalogue.sources.zoho]
auto_commit = { max_changes = 5000 }
"""


@pytest.fixture
def fake() -> ZohoStandIn:
    made = ZohoStandIn()
    made.put(make_items(250))
    return made


@pytest.fixture
def account(
    fake: ZohoStandIn, db: SyncStockDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SyncStockDB]:
    """An installation with an account at the stand-in, which answers on loopback."""
    (tmp_path / "syncstock.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "secret").write_text(f"{fake.client_secret}\n", encoding="utf-8")
    with served(fake.app) as address:
        values = {
            "CONFIG": str(tmp_path / "syncstock.toml"),
            "DATABASE_URL": db.url,
            "ZOHO_URL": address,
            "ZOHO_CLIENT_ID": fake.client_id,
            "ZOHO_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
            "ZOHO_REFRESH_TOKEN": fake.refresh_token,
            "ZOHO_ORGANIZATION_ID": fake.organisation,
        }
        for name, value in values.items():
            monkeypatch.setenv(f"SYNCSTOCK_{name}", value)
        get_settings.cache_clear()
        yield SyncStockDB(db.url)
    get_settings.cache_clear()


@pytest.fixture
def nothing_set(db: SyncStockDB, monkeypatch: pytest.MonkeyPatch) -> SyncStockDB:
    for name in ("ZOHO_CLIENT_ID", "XOROSOFT_KEY", "RMS_URL"):
        monkeypatch.delenv(f"SYNCSTOCK_{name}", raising=False)
    return db


def materialised(
    db: SyncStockDB, instance: dg.DagsterInstance, config: dict[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    resources = {"syncstock": SyncStock(database_url=db.url)}
    job = build_defs(resource_overrides=resources).resolve_job_def("pull_sources")
    return job.execute_in_process(instance=instance, run_config=config or {}, raise_on_error=False)


def told(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def verdicts(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, bool]:
    found = result.get_asset_check_evaluations()
    return {one.check_name: one.passed for one in found if one.asset_key == dg.AssetKey(asset)}


def test_without_an_account_an_asset_says_what_to_set_and_is_not_red(
    nothing_set: SyncStockDB, instance: dg.DagsterInstance
) -> None:
    result = materialised(nothing_set, instance)
    assert result.success
    for asset, variable in (
        ("zoho_stock", "SYNCSTOCK_ZOHO_CLIENT_ID"),
        ("xorosoft_stock", "SYNCSTOCK_XOROSOFT_KEY"),
        ("rms_stock", "SYNCSTOCK_RMS_URL"),
    ):
        metadata = told(result, asset)
        assert metadata["configured"] is False
        assert variable in metadata["what_to_set"]
        assert set(verdicts(result, asset).values()) == {True}


def test_an_asset_pulls_tells_and_is_checked(
    account: SyncStockDB, fake: ZohoStandIn, instance: dg.DagsterInstance
) -> None:
    result = materialised(account, instance)
    metadata = told(result, "zoho_stock")
    assert (metadata["status"], metadata["items"], metadata["counts_new"]) == ("complete", 250, 250)
    assert verdicts(result, "zoho_stock") == {
        "complete_pull": True,
        "no_sudden_drop": True,
        "recent_pull": True,
    }
    assert len(stock(account)) == 250
    fake.faults.next("429/45")
    stopped = materialised(account, instance)
    assert stopped.success
    assert told(stopped, "zoho_stock")["status"] == "partly"
    assert verdicts(stopped, "zoho_stock")["complete_pull"] is False


def test_a_refusal_is_red_and_says_why(
    account: SyncStockDB, fake: ZohoStandIn, instance: dg.DagsterInstance
) -> None:
    fake.faults.next("401/57")
    result = materialised(account, instance)
    assert not result.success
    failures = [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_FAILURE]
    assert "code 57" in str(failures[0].event_specific_data)


def test_the_sensor_asks_for_what_hints_name_and_the_run_works_them_off(
    account: SyncStockDB, fake: ZohoStandIn, instance: dg.DagsterInstance
) -> None:
    materialised(account, instance)

    def tick() -> dg.SensorResult:
        resources = {"syncstock": SyncStock(database_url=account.url)}
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            result = faces.source_hints(context)
        assert isinstance(result, dg.SensorResult)
        return result

    assert "No hint waits." in str(tick().skip_reason)
    first, second = list(fake.items.values())[:2]
    fake.set_stock(first.item_id, "71")
    fake.set_stock(second.item_id, "72")
    assert account.hint("zoho", [first.item_id, "404"], event_key="event-1") == 2
    assert account.hint("zoho", [first.item_id, "404"], event_key="event-1") == 0
    (request,) = tick().run_requests or ()
    assert request.asset_selection == [dg.AssetKey("zoho_stock")]
    (again,) = tick().run_requests or ()
    assert request.run_key == again.run_key
    calls = len(fake.faults.calls)
    metadata = told(materialised(account, instance, _hints()), "zoho_stock")
    assert (metadata["counts_new"], len(fake.faults.calls)) == (1, calls + 1)
    assert (stock(account)[first.sku], stock(account)[second.sku]) == (71, 7)
    assert not tick().run_requests
    assert told(materialised(account, instance, _hints()), "zoho_stock")["status"] == "no hint waits"


def _hints() -> dict[str, Any]:
    return {"ops": {f"{name}_stock": {"config": {"scope": "hints"}} for name in faces.NAMES}}


def test_schedules_ask_for_everything_at_night_and_for_changes_by_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNCSTOCK_RMS_URL", "sqlite://")
    for name in ("ZOHO_CLIENT_ID", "XOROSOFT_KEY"):
        monkeypatch.delenv(f"SYNCSTOCK_{name}", raising=False)
    night = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 3, 2, 1, tzinfo=UTC))
    for schedule, scope in ((faces.nightly_pull, "full"), (faces.pull_changes, "changed")):
        request = schedule(night)
        assert request.asset_selection == [dg.AssetKey("rms_stock")]
        assert request.run_config == {"ops": {"rms_stock": {"config": {"scope": scope}}}}
    assert faces._hour_before_close() == "0 1 * * *"
    monkeypatch.delenv("SYNCSTOCK_RMS_URL")
    assert isinstance(faces.nightly_pull(night), dg.SkipReason)


def test_commands_pull_rehearse_and_tell(account: SyncStockDB, fake: ZohoStandIn, tmp_path: Path) -> None:
    run = CliRunner()
    log = tmp_path / "pull.log"
    dry = run.invoke(app, ["zoho", "pull", "--dry-run", "--json"])
    assert dry.exit_code == 0, dry.output
    assert json.loads(dry.stdout)["differences_in_all"] == 250
    done = run.invoke(app, ["zoho", "pull", "--verbose", "--batch-size", "100", "--log-file", str(log)])
    assert done.exit_code == 0, done.output
    assert "calls" in done.stdout
    assert done.stderr.count("page ") == 3
    assert "250 articles" in log.read_text(encoding="utf-8")
    item = next(iter(fake.items.values()))
    fake.set_stock(item.item_id, "55")
    one = run.invoke(app, ["zoho", "specific", item.item_id, "--json"])
    assert json.loads(one.stdout)["levels_changed"] == 1
    stats = json.loads(run.invoke(app, ["zoho", "stats", "--json"]).stdout)
    assert (stats["items"], stats["levels"], stats["open_pull"]) == (250, 250, None)
    fake.faults.next("401/57")
    refused = run.invoke(app, ["zoho", "pull"])
    assert refused.exit_code == 1
    assert "code 57" in refused.stderr


def test_a_log_tells_of_certain_articles_and_of_what_failed(
    account: SyncStockDB, fake: ZohoStandIn, tmp_path: Path
) -> None:
    log, run = tmp_path / "specific.log", CliRunner()
    ids = list(fake.items)[:2]
    done = run.invoke(app, ["zoho", "specific", *ids, "--verbose", "--log-file", str(log)])
    assert "page 1: 2 articles" in done.stderr
    assert "page 1: 2 articles" in log.read_text()
    assert "counts taken: 2" in log.read_text()
    fake.faults.next("401/57")
    assert run.invoke(app, ["zoho", "pull", "--log-file", str(log)]).exit_code == 1
    assert "failed: Zoho refuses the token (code 57)" in log.read_text()
    nowhere = run.invoke(app, ["zoho", "pull", "--log-file", str(tmp_path / "none" / "log")])
    assert nowhere.exit_code == 2
    assert "--log-file" in nowhere.stderr


@pytest.mark.parametrize("name", ["zoho", "xorosoft", "rms"])
def test_a_command_without_an_account_says_what_to_set(
    nothing_set: SyncStockDB, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", nothing_set.url)
    get_settings.cache_clear()
    try:
        answer = CliRunner().invoke(app, [name, "pull"])
    finally:
        get_settings.cache_clear()
    assert answer.exit_code == 2
    assert f"SYNCSTOCK_{name.upper()}" in answer.stderr


def test_statistics_are_kept_for_a_minute(account: SyncStockDB, fake: ZohoStandIn) -> None:
    assert asking.statistics(account, "zoho")["levels"] == 0
    account.hint("zoho", ["1"])
    assert asking.statistics(account, "zoho")["hints_waiting"] == 0
    assert asking.statistics(account, "zoho", fresh=True)["hints_waiting"] == 1
    account.pull("zoho")
    assert asking.statistics(account, "zoho")["levels"] == 250
