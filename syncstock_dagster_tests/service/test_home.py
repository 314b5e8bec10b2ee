"""Dagster's home: the configuration that is shipped works on PostgreSQL."""

from __future__ import annotations

import stat
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from syncstock_dagster.service import home as dagster_home
from syncstock_dagster.service.processes import ServiceError, require_free
from syncstock_dagster.settings import Settings


@pytest.fixture
def home(make_database, tmp_path: Path) -> Path:
    """A home over a database of its own."""
    url = make_database()
    settings = Settings(home=tmp_path / "a home", database_url=url, dagster_database_url=url)
    return dagster_home.prepare(settings, url)


def test_the_shipped_configuration_stores_and_watches_events_on_postgresql(home: Path) -> None:
    """A driver that SQLAlchemy takes for another one fails at the first NOTIFY."""

    @dg.asset
    def thing() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"number": 1})

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
        assert "psycopg2" in instance.event_log_storage.postgres_url
        result = dg.materialize([thing], instance=instance)
        assert result.success
        assert instance.get_run_by_id(result.run_id).is_success
        assert instance.get_latest_materialization_event(dg.AssetKey("thing")) is not None
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.telemetry_enabled
        # One that takes long delays no other: without this they take turns, in an order left to chance.
        assert instance.get_sensor_settings()["use_threads"]
        assert instance.get_scheduler_settings()["use_threads"]


def test_the_configuration_is_for_its_owner_alone(home: Path) -> None:
    assert stat.S_IMODE((home / "dagster.yaml").stat().st_mode) == 0o600


def test_the_database_is_made_beside_the_stocks(make_database, tmp_path: Path) -> None:
    url = make_database()
    settings = Settings(home=tmp_path, database_url=url)
    try:
        storage = dagster_home.storage_url(settings, url)
        assert dagster_home.storage_url(settings, url) == storage
        assert storage.startswith("postgresql+psycopg2://")
        with psycopg.connect(storage.replace("postgresql+psycopg2", "postgresql")) as connection:
            (name,) = connection.execute("select current_database()").fetchone()
        assert name.endswith("_dagster")
    finally:
        make_database.drop(
            url.replace(Path(url.split("?")[0]).name, f"{Path(url.split('?')[0]).name}_dagster")
        )


def test_a_port_that_is_taken_is_told_with_its_setting() -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ServiceError, match="SYNCSTOCK_DAGSTER_PORT"):
            require_free("127.0.0.1", other.getsockname()[1])
