"""The command line, Dagster and the settings, against a shop that listens on this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
import uvicorn
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from syncstock_dagster import POSRecord, SyncStockDB
from syncstock_dagster.assets.shopify import shopify_push, shopify_reverse_sync, stock_push_sensor
from syncstock_dagster.assets.stock import item_stock
from syncstock_dagster.channels.shopify.clock import SystemClock
from syncstock_dagster.checks.shopify import build_checks
from syncstock_dagster.cli import app
from syncstock_dagster.demo.vendors.shopify import Shop
from syncstock_dagster.partitions import newest_day
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.schedules import reverse_stock_sync_schedule
from syncstock_dagster.settings import Settings, get_settings


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Two articles, one of them not in our catalogue."""
    shop = Shop(clock=SystemClock(), token="shpat_hush")
    main = shop.add_location("Main")
    product = shop.add_product("Tea light", metafields={"rms.ccod": "C1"})
    shop.add_variant(product, "TEA-RED", {main: 5})
    shop.add_variant(product, "tea-blue", {main: 7})
    shop.add_variant(product, "TEA-GONE", {main: 0})
    shop.add_variant(shop.add_product("Other"), "OTHER", {main: 3})
    yield shop


@pytest.fixture
def listening(shop: Shop, db: SyncStockDB, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The settings of an installation that knows the shop."""
    server = uvicorn.Server(uvicorn.Config(shop.app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    (tmp_path / "syncstock.toml").touch()
    for name, value in {
        "DATABASE_URL": db.url, "CONFIG": str(tmp_path / "syncstock.toml"), "SHOPIFY_SHOP": "tea.myshopify.com",
        "SHOPIFY_URL": f"http://127.0.0.1:{port}", "SHOPIFY_TOKEN": "shpat_hush",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SYNCSTOCK_{name}", value)
    get_settings.cache_clear()
    rows = [{"sku": "TEA-RED"}, {"sku": "TEA-BLUE"}, {"sku": "TEA-GONE"}]
    ids = dict(db.upsert_products(rows).itertuples(index=False))
    at = SystemClock().now() - timedelta(hours=1)
    counts = [
        POSRecord(ids["TEA-RED"], 3, at),
        POSRecord(ids["TEA-BLUE"], 7, at),
        POSRecord(ids["TEA-GONE"], 0, at),
    ]
    db.run_sync(pos_counts=counts)
    yield db.url
    server.should_exit = True
    thread.join()
    get_settings.cache_clear()


def run(*words: str, code: int = 0) -> Result:
    """Call ``syncstock shopify``."""
    get_settings.cache_clear()
    result = CliRunner().invoke(app, ["shopify", *words])
    assert result.exit_code == code, result.output
    assert "hush" not in result.output
    return result


def levels(shop: Shop) -> dict[str, int]:
    """What the shop has on hand."""
    (location,) = shop.locations
    return {variant.sku or "": variant.quantity(location, "on_hand") for variant in shop.variants.values()}


def test_a_run_may_be_done_otherwise_than_the_settings_say(listening: str, shop: Shop) -> None:
    otherwise = ("--keep-zero-stock", "--batch-size", "1", "--max-concurrent", "2", "--json")
    for words in ("dry-run", "plan", "run"):
        report = json.loads(run(words, *otherwise).stdout)["report"]
        assert report["details"]["deletions_waiting"] == []
        assert report["performance"]["max_concurrent_workers"] == 2
    assert levels(shop)["TEA-GONE"] == 0
    run("plan", "--batch-size", "251", code=2)


def test_from_the_command_line_plan_apply_approve_and_take_back(listening: str, shop: Shop) -> None:
    assert "static token" in run("config").stdout
    told = json.loads(run("config", "--json").stdout)
    assert told["access"] == "static token" and told["is_configured"]

    dry = json.loads(run("dry-run", "--limit", "1", "--json", code=3).stdout)
    assert dry["report"]["details"]["updated"][0]["sku"] == "TEA-RED"
    plan = json.loads(run("plan", "--json", code=3).stdout)
    assert levels(shop)["TEA-RED"] == 5

    applied = json.loads(run("apply", "--json", code=3).stdout)
    assert levels(shop) == {"TEA-RED": 3, "tea-blue": 7, "TEA-GONE": 0, "OTHER": 3}
    assert applied["sync_id"] == plan["sync_id"]
    assert "TEA-GONE" in run("deletions").stdout

    run("approve", "--reason", "the last one is sold", "--dry-run")
    run("approve", "--reason", "the last one is sold")
    run("apply", plan["sync_id"])
    assert "TEA-GONE" not in levels(shop)
    assert "completed" in run("status").stdout

    preview = ("rollback", plan["sync_id"], "--reason", "wrong shop", "--dry-run")
    (level,) = json.loads(run(*preview, "--json").stdout)["levels"]
    assert (level["sku"], level["was"], level["wrote"], level["now"], level["goes_back"]) == (
        "TEA-RED", 5, 3, 3, True,
    )  # fmt: skip
    shown = run(*preview).output
    assert "TEA-RED" in shown and "TEA-GONE" in shown and "nothing was sent" in shown
    assert "TEA-GONE" not in levels(shop)
    run("rollback", plan["sync_id"], "--reason", "wrong shop")
    assert levels(shop) == {"TEA-RED": 5, "tea-blue": 7, "TEA-GONE": 0, "OTHER": 3}


def test_a_push_sends_what_changed_and_nothing_else(listening: str, shop: Shop) -> None:
    run("run", "--push", code=3)
    assert levels(shop)["TEA-RED"] == 3
    db = SyncStockDB(listening)
    # A quarter of an hour is looked at again; here it is over.
    from syncstock_dagster.store.connection import connect

    with connect(listening) as connection:
        connection.execute("update item_stock set updated_at = updated_at - interval '1 hour'")
    assert json.loads(run("run", "--push", "--json").stdout)["report"]["statistics"]["products_found"] == 0

    ids = dict(db.products()[["sku", "inventory_id"]].itertuples(index=False))
    db.run_sync(pos_counts=[POSRecord(ids["TEA-BLUE"], 9, SystemClock().now())])
    report = json.loads(run("run", "--push", "--json", code=3).stdout)
    assert levels(shop)["tea-blue"] == 9
    assert report["report"]["statistics"]["products_found"] == 1


@pytest.mark.parametrize("call", ["SetQuantities", "AddTags"])
def test_a_process_that_is_killed_is_followed_by_one_that_goes_on(
    listening: str, shop: Shop, call: str
) -> None:
    """A real one, by SIGKILL, when its call has arrived and its answer has not."""
    command = [sys.executable, "-c", "from syncstock_dagster.cli import main; main()", "shopify", "run"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(name: str) -> None:
        if name == call:
            process.kill()

    shop.before_call = kill
    assert process.wait(60) == -signal.SIGKILL
    shop.before_call = None

    told = json.loads(run("run", "--json").stdout)

    assert levels(shop) == {"TEA-RED": 3, "tea-blue": 7, "TEA-GONE": 0, "OTHER": 3}
    (interrupted,) = told["resumed"]
    assert json.loads(run("status", interrupted, "--json").stdout)["state"] == "finished"
    assert len(shop.writes) == 1


def test_the_token_may_stand_in_a_file(
    listening: str, shop: Shop, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("shpat_hush\n", encoding="utf-8")
    monkeypatch.delenv("SYNCSTOCK_SHOPIFY_TOKEN")
    assert json.loads(run("config", "--json").stdout)["access"] is None
    monkeypatch.setenv("SYNCSTOCK_SHOPIFY_TOKEN_FILE", str(tmp_path / "token"))
    assert "static token" in run("config").stdout
    run("run", code=3)
    assert levels(shop)["TEA-RED"] == 3


def test_the_configuration_tells_of_the_shop_and_checks_its_table(listening: str, tmp_path: Any) -> None:
    told = json.loads(CliRunner().invoke(app, ["config", "--json"]).stdout)
    assert told["settings"]["shopify"] == "configured"
    assert told["shopify"]["truth"] == "own"
    (tmp_path / "syncstock.toml").write_text("[shopify]\ntruths = 'own'\n", encoding="utf-8")
    wrong = CliRunner().invoke(app, ["config"])
    assert wrong.exit_code == 2
    assert "truths" in wrong.output


def test_a_wrong_token_is_told_in_words(listening: str, shop: Shop) -> None:
    shop.token = "another"
    result = run("plan", code=1)
    assert "HTTP 401" in result.output and "check the shop's name" in result.output


def test_without_a_shop_commands_say_what_is_missing(
    db: SyncStockDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", db.url)
    assert "not configured" in run("run").stdout
    assert "not configured" in run("plan", code=2).output
    assert "no run" in run("status", code=2).output
    get_settings.cache_clear()


def materialised(url: str, instance: dg.DagsterInstance, asset: dg.AssetsDefinition, **given: Any) -> Any:
    """One asset with its checks."""
    return dg.materialize(
        [shopify_reverse_sync, shopify_push, item_stock, *build_checks()],
        selection=dg.AssetSelection.assets(asset),
        resources={"syncstock": SyncStock(database_url=url)},
        instance=instance,
        **given,
    )


def test_in_dagster_the_asset_tells_numbers_and_its_checks_judge(
    listening: str, shop: Shop, instance: dg.DagsterInstance
) -> None:
    result = materialised(listening, instance, shopify_reverse_sync, partition_key=newest_day().isoformat())

    assert levels(shop)["TEA-RED"] == 3
    (event,) = result.asset_materializations_for_node("shopify_reverse_sync")
    assert event.metadata["variants_updated"].value == 1
    assert event.metadata["success_rate"].value == 1.0
    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert checks == {
        "reverse_sync_success_rate": True, "no_unexplained_deletions": True, "reverse_sync_is_recent": True,
    }  # fmt: skip
    materialised(listening, instance, shopify_push)


def test_a_day_that_is_over_sends_nothing(listening: str, shop: Shop, instance: dg.DagsterInstance) -> None:
    result = materialised(listening, instance, shopify_reverse_sync, partition_key="2024-05-06")
    assert result.success and not shop.calls


def test_without_a_shop_everything_is_green_and_says_so(
    db: SyncStockDB, instance: dg.DagsterInstance
) -> None:
    get_settings.cache_clear()
    result = materialised(db.url, instance, shopify_reverse_sync, partition_key=newest_day().isoformat())
    (event,) = result.asset_materializations_for_node("shopify_reverse_sync")
    assert "not configured" in str(event.metadata["message"].value)
    assert all(one.passed for one in result.get_asset_check_evaluations())
    assert materialised(db.url, instance, shopify_push).success
    with dg.build_schedule_context(instance=instance) as context:
        tick = reverse_stock_sync_schedule.evaluate_tick(context)
    assert "No shop" in (tick.skip_message or "")
    assert stock_push_sensor.job_name == "stock_push"


def test_the_schedule_asks_for_today_where_a_shop_is_known(
    listening: str, instance: dg.DagsterInstance
) -> None:
    now = SystemClock().now()
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=now) as context:
        asked = reverse_stock_sync_schedule(context)
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == newest_day().isoformat()


def test_settings_are_taken_with_and_without_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERSE_SYNC_BATCH_SIZE", "25")
    monkeypatch.setenv("SYNCSTOCK_REVERSE_SYNC_MAX_CONCURRENT", "3")
    monkeypatch.setenv("ENABLE_REVERSE_STOCK_SYNC", "false")
    settings = Settings()
    assert (settings.reverse_sync_batch_size, settings.reverse_sync_max_concurrent) == (25, 3)
    assert not settings.enable_reverse_stock_sync
    monkeypatch.setenv("REVERSE_SYNC_BATCH_SIZE", "251")
    with pytest.raises(ValidationError):
        Settings()
