"""Red runs are told, and lost ones are ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module

import dagster as dg
import psycopg
import pytest

from syncstock_dagster.operations.alerts import alert
from syncstock_dagster.settings import get_settings
from syncstock_dagster_tests.shop import MOVEMENT_COLUMNS, Shop


@pytest.fixture
def told() -> Iterator[tuple[str, list[str]]]:
    """An address for alerts, and what came there."""
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/alerts", bodies
    server.shutdown()


def test_a_red_run_is_told_with_what_its_step_says(
    shop: Shop, told: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, bodies = told
    monkeypatch.setenv("SYNCSTOCK_ALERT_URLS", address)
    get_settings.cache_clear()
    shop.drop("sales/a.csv", MOVEMENT_COLUMNS, [("R1", 1, "A", "london", 1, "2026-03-02 12:00")])

    def full(*_: object, **__: object) -> None:
        raise psycopg.errors.DiskFull("the disk is full")

    monkeypatch.setattr("syncstock_dagster.stock.sync.post_deliveries", full)
    result = shop.run("daily_sync", "2026-03-02")
    assert not result.success
    sensor = shop.defs.resolve_sensor_def("run_failures")
    (failure,) = [event for event in result.all_events if event.is_run_failure]
    with dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_event=failure,
        dagster_instance=shop.instance,
        dagster_run=result.dagster_run,
    ).for_run_failure() as context:
        sensor(context)
    assert len(bodies) == 1
    for word in ("daily_sync failed", "reconciled_stock:", "the disk is full", result.run_id):
        assert word in bodies[0]


def test_without_an_address_an_alert_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert alert("Title", "what happened") == 0
    assert "what happened" in caplog.text


def test_an_address_that_does_not_work_does_not_stop_the_others(
    told: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    address, bodies = told
    monkeypatch.setenv("SYNCSTOCK_ALERT_URLS", f"nonsense://secret json://127.0.0.1:9/x {address}")
    get_settings.cache_clear()
    try:
        assert alert("Title", "what happened") == 1
    finally:
        get_settings.cache_clear()
    assert len(bodies) == 1
    assert "secret" not in caplog.text


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_run_whose_worker_is_gone_is_ended(
    shop: Shop, is_alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shop.instance.create_run_for_job(
        shop.defs.resolve_job_def("daily_sync"), status=dg.DagsterRunStatus.STARTING
    )
    shop.instance.handle_new_event(_started(run))
    record = shop.instance.get_run_record_by_id(run.run_id)
    assert record.start_time is not None
    assert "none for long" in shop.sensor("lost_runs").skip_message
    monkeypatch.setattr(import_module("syncstock_dagster.sensors.lost_runs"), "_GRACE_SECONDS", -1.0)
    with psycopg.connect(shop.db.url, autocommit=True) as worker:
        if is_alive:
            worker.execute("select pg_advisory_lock_shared(hashtextextended(%s, 0))", (run.run_id,))
        tick = shop.sensor("lost_runs")
    status = shop.instance.get_run_by_id(run.run_id).status
    assert status == (dg.DagsterRunStatus.STARTED if is_alive else dg.DagsterRunStatus.FAILURE)
    assert f"{0 if is_alive else 1} of them lost" in tick.skip_message


def test_a_worker_holds_its_lock_while_it_works_and_not_after(shop: Shop) -> None:
    alive: list[set[str]] = []

    @dg.op(required_resource_keys={"syncstock"})
    def look(context) -> None:
        alive.append(shop.resource.living_runs([context.run.run_id, "another"]))

    @dg.job(resource_defs={"syncstock": shop.resource})
    def looking() -> None:
        look()

    result = looking.execute_in_process(instance=shop.instance)
    assert alive == [{result.run_id}]
    assert shop.resource.living_runs([result.run_id]) == set()


def _started(run: dg.DagsterRun) -> dg.EventLogEntry:
    from dagster._core.events import DagsterEvent, DagsterEventType

    return dg.EventLogEntry(
        error_info=None,
        user_message="",
        level=20,
        run_id=run.run_id,
        timestamp=time.time(),
        job_name=run.job_name,
        dagster_event=DagsterEvent(DagsterEventType.RUN_START.value, run.job_name),
    )
