"""``syncstock search``: every form of it, with its exit codes and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from syncstock_dagster import SalesRecord, SyncStockDB
from syncstock_dagster.cli import app
from syncstock_dagster.settings import get_settings

Run = Callable[..., Result]


@pytest.fixture
def run(db: SyncStockDB, home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call it with the words after ``syncstock search``, on a shop without an index yet."""
    db.upsert_products(
        [
            {"sku": "A", "name": "Red heart", "inventory_id": 1, "category": "Gifts"},
            {"sku": "B", "name": "Blue rebuild kit", "inventory_id": 2},
        ]
    )
    db.run_sync((), [SalesRecord(1, 3, day=date(2026, 3, 2))])
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", db.url)

    def invoke(*words: str, code: int = 0) -> Result:
        get_settings.cache_clear()
        result = CliRunner().invoke(app, ["search", *words])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return invoke


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def test_an_index_is_made_and_asked(run: Run) -> None:
    assert "search rebuild" in run("red", "hart").stderr
    assert told(run("status", "--json", code=1))["problem"] == "there is none"
    assert told(run("rebuild", "--dry-run", "--json"))["missing"] == 2
    assert told(run("status", "--json", code=1))["problem"] == "there is none"
    assert told(run("rebuild", "--json"))["written"] == 2
    assert told(run("status", "--json"))["is_right"]
    assert "documents" in run("status").stdout
    asked = run("red", "hart")
    assert asked.stderr == ""
    assert "Red heart" in asked.stdout
    assert "main -3" in asked.stdout


def test_json_holds_every_value(run: Run) -> None:
    run("rebuild")
    (found, *_) = told(run("red hart", "--json", "--limit", "1"))
    assert found == {
        "inventory_id": 1, "sku": "A", "name": "Red heart", "category": "Gifts", "on_hand": "-3",
        "stock": {"main": "-3"}, "found_by": ["trigrams", "vectors"],
    }  # fmt: skip


def test_filters_come_before_or_after_the_words(run: Run) -> None:
    run("rebuild")
    assert told(run("--category", "Gifts", "red", "--json"))[0]["sku"] == "A"
    assert told(run("red", "--in-stock", "--json")) == []
    assert run("red", "--in-stock").stdout == "Nothing fits.\n"
    assert "no location 'moon'" in run("red", "--location", "moon", code=2).stderr


def test_a_word_that_is_a_command_is_asked_with_for(run: Run) -> None:
    run("rebuild")
    assert told(run("for", "rebuild", "kit", "--json"))[0]["sku"] == "B"


def test_without_words_the_help_is_shown(run: Run) -> None:
    assert "rebuild" in run(code=2).output
    assert "status" in run("--help").output
