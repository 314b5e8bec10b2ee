"""Search in Dagster: the asset, its check, its job, and the sensor that asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.assets.search import (
    product_search_index,
    search_index_sensor,
)
from syncstock_dagster.checks.search import build_checks
from syncstock_dagster.definitions import build_defs
from syncstock_dagster.resources import SyncStock

GOODS = [{"sku": f"S{place}", "name": f"red heart {place}"} for place in range(5)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance for this test alone."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


INDEX = dg.AssetSelection.assets(product_search_index)


def materialised(
    db: SyncStockDB, instance: dg.DagsterInstance, selection: dg.AssetSelection = INDEX
) -> dg.ExecuteInProcessResult:
    """The asset and its check, run."""
    return dg.materialize(
        [product_search_index, *build_checks()],
        selection=selection,
        resources={"syncstock": SyncStock(database_url=db.url)},
        instance=instance,
    )


def tick(db: SyncStockDB, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """What the sensor says."""
    syncstock = SyncStock(database_url=db.url)
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"syncstock": syncstock}
    ) as context:
        said = search_index_sensor(context)
    assert isinstance(said, dg.SensorResult)
    return said


def check_passed(result: dg.ExecuteInProcessResult) -> bool:
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation.passed


def test_the_asset_tells_what_it_did_and_its_check_passes(
    db: SyncStockDB, instance: dg.DagsterInstance
) -> None:
    db.upsert_products(GOODS)
    result = materialised(db, instance)
    (event,) = result.get_asset_materialization_events()
    told = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (told["dagster/row_count"], told["written"], told["removed"]) == (5, 5, 0)
    assert (told["rebuilt_because"], told["model"], told["notice"]) == ("there is none", "pieces-384/1", "")
    assert check_passed(result)


def checked(db: SyncStockDB, instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    """The check alone, as from the Checks tab."""
    result = materialised(db, instance, dg.AssetSelection.checks_for_assets(product_search_index))
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_the_check_warns_of_an_index_that_lags_and_fails_one_that_is_broken(
    db: SyncStockDB, instance: dg.DagsterInstance, home: Path
) -> None:
    db.upsert_products(GOODS)
    materialised(db, instance)
    db.upsert_products([{"sku": "S1", "name": "blue star"}])
    lagging = checked(db, instance)
    assert (lagging.passed, lagging.severity) == (False, dg.AssetCheckSeverity.WARN)
    next((home / "search").rglob("data_level0.bin")).write_bytes(b"")
    broken = checked(db, instance)
    assert (broken.passed, broken.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "damaged" in str(broken.description)
    assert len(tick(db, instance).run_requests or ()) == 1  # the repair is asked for
    assert check_passed(materialised(db, instance))


def test_the_sensor_asks_once_for_each_change_and_moves_on_when_it_is_in(
    db: SyncStockDB, instance: dg.DagsterInstance
) -> None:
    db.upsert_products(GOODS)
    first = tick(db, instance)
    again = tick(db, instance)
    assert [run.run_key for run in first.run_requests or ()] == [
        run.run_key for run in again.run_requests or ()
    ]
    assert first.cursor is None
    materialised(db, instance)
    settled = tick(db, instance)
    assert settled.cursor is not None
    assert not settled.run_requests
    assert "changed no article" in str(settled.skip_reason)
    assert "Nothing was done" in str(tick(db, instance, settled.cursor).skip_reason)

    db.upsert_products([{"sku": "S1", "price": "2"}])
    assert not tick(db, instance, settled.cursor).run_requests
    db.upsert_products([{"sku": "S1", "name": "blue star"}])
    (second,) = tick(db, instance, settled.cursor).run_requests or ()
    assert second.run_key != (first.run_requests or ())[0].run_key


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"version": 1}', json.dumps({"operations": None})])
def test_a_broken_cursor_is_survived(db: SyncStockDB, instance: dg.DagsterInstance, cursor: str) -> None:
    db.upsert_products(GOODS)
    materialised(db, instance)
    assert tick(db, instance, cursor).cursor == tick(db, instance).cursor


def test_the_sensor_asks_for_an_index_that_a_question_put_in_doubt(
    db: SyncStockDB, instance: dg.DagsterInstance
) -> None:
    db.upsert_products(GOODS)
    materialised(db, instance)
    cursor = tick(db, instance).cursor
    with psycopg.connect(db.url) as connection:
        connection.execute("update syncstock.search_indexes set doubt = 'somebody said so'")
    (request,) = tick(db, instance, cursor).run_requests or ()
    assert request.tags["syncstock/reason"] == "somebody said so"
    materialised(db, instance)
    assert not tick(db, instance, cursor).run_requests


def test_without_the_extra_the_sensor_says_so(
    db: SyncStockDB, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncstock_dagster.search.places.is_installed", lambda: False)
    assert "syncstock-dagster[search]" in str(tick(db, instance).skip_reason)


def test_the_job_holds_the_index_and_its_check() -> None:
    job = build_defs().resolve_job_def("search_index")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {"product_search_index"}
    assert {key.name for key in job.asset_layer.asset_graph.asset_check_keys} == {
        "search_index_equals_catalogue"
    }
