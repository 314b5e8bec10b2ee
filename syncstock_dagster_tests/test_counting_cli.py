"""The commands about counting, from a shell: what they print, and what a dry run keeps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from syncstock_dagster import SyncStockDB
from syncstock_dagster.cli import app
from syncstock_dagster.settings import get_settings
from syncstock_dagster.stock.records import POSRecord, SalesRecord

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def run(empty_database_url, monkeypatch, tmp_path):
    """A command's exit code and output, on a database with an opening, a sale, a miss and a held count."""
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("SYNCSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    db = SyncStockDB(empty_database_url)
    db.upsert_products([{"sku": "A", "cost": 2}, {"sku": "B", "cost": 1}])
    ids = dict(db.products()[["sku", "inventory_id"]].to_numpy())
    db.run_sync(pos_counts=[POSRecord(ids[sku], 300, MONDAY) for sku in "AB"])
    db.run_sync(sales=[SalesRecord(ids["A"], 10, at=MONDAY, ref="1")])
    later = MONDAY + timedelta(days=1)
    db.run_sync(
        pos_counts=[
            POSRecord(ids["A"], 280, later, source="excel"),
            POSRecord(ids["B"], 100, later, source="excel", counter="Ann"),
        ]
    )

    def run(*words: str):
        result = CliRunner().invoke(app, list(words))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    yield run
    get_settings.cache_clear()


def told(answer: tuple[int, str, str]):
    assert answer[0] == 0, answer
    return json.loads(answer[1])


def test_measures_are_tables_or_json(run):
    (row,) = told(run("accuracy", "--from", "2026-03-01", "--to", "2026-03-31", "--json"))
    assert (row["counts"], row["within"], row["held"], row["accuracy"]) == (2, 0, 1, "0.000000")
    assert run("accuracy", "--by", "location")[1].splitlines()[1].startswith("main")
    assert run("accuracy", "--by", "shelf")[0] == 2
    (lost,) = told(run("shrinkage", "--by", "reason", "--by", "month", "--json"))
    assert (lost["month"], lost["reason"], lost["lost"], lost["lost_value"]) == (
        "2026-03",
        "count",
        "20",
        "40",
    )
    assert run("shrinkage", "--from", "2027-01-01")[1] == "Nothing was lost or found.\n"
    assert [row["abc"] for row in told(run("abc", "--as-of", "2026-03-03", "--json"))] == ["A", "C"]
    report = told(run("variances", "--day", "2026-03-03", "--json"))
    assert report["tiers"] == {"applied": 0, "review": 1, "flagged": 0, "held": 1, "rejected": 0}
    shown = run("variances", "--day", "2026-03-03")[1]
    assert "accuracy  0.0 %" in shown
    assert "-200" in shown


def test_a_plan_from_the_first_look_to_its_end(run, tmp_path):
    words = ("counts", "plan", "--location", "main", "--day", "2026-12-01", "--counter", "Ann")
    assert len(told(run(*words, "--dry-run", "--json"))["lines"]) == 2
    assert run("counts", "plans")[1] == "No plan is open.\n"
    plan = told(run(*words, "--json"))["plans"][0]["plan_id"]
    assert run(*words)[1] == "Nothing is due that is not planned already.\n"
    assert "Ann" in run("counts", "plans")[1]
    assert "due" in run("counts", "plans", str(plan))[1]
    assert run("counts", "sheet", "--plan", str(plan))[0] == 0
    assert (tmp_path / f"count plan {plan}.xlsx").exists()
    assert run("counts", "sheet")[0] == 2
    skip = ("counts", "skip", str(plan), "--reason", "moved", "--json")
    assert told(run(*skip, "--dry-run"))["skipped"] == 2
    assert told(run(*skip, "--sku", "A"))["skipped"] == 1
    assert told(run(*skip))["skipped"] == 1
    assert run("counts", "plans")[1] == "No plan is open.\n"
    assert run("counts", "skip", "99", "--reason", "x")[0] == 2


def test_a_recount_from_the_first_look_to_its_end(run, tmp_path):
    (held,) = told(run("counts", "--held", "--json"))
    words = (
        "counts",
        "blind-recount",
        "--count",
        str(held["count_id"]),
        "--reason",
        "200 short",
        "--counter",
    )
    assert run(*words, "ann")[0] == 2
    assert told(run(*words, "Ben", "--dry-run", "--json"))["dry_run"] is True
    assert run("counts", "blind-recounts")[1] == "No blind recount is open.\n"
    (number,) = told(run(*words, "Ben", "--json"))["recounts"]
    shown = run("counts", "blind-recounts")[1]
    assert "waiting" in shown
    assert "100" not in shown
    assert run("counts", "sheet", "--recount", str(number), "--counter", "Ben")[0] == 0
    assert (tmp_path / f"count recount {number} Ben.xlsx").exists()
    cancel = ("counts", "blind-recounts", str(number), "--cancel", "cleared", "--json")
    assert told(run(*cancel, "--dry-run"))["cancelled"] == 1
    assert told(run(*cancel))["cancelled"] == 1
    (line,) = told(run("counts", "blind-recounts", "--all", "--json"))
    assert line["state"] == "cancelled"
    assert run("counts", "blind-recounts", "--cancel", "x")[0] == 2
    assert (
        run(
            "counts", "blind-recount", "--sku", "A", "--location", "main", "--reason", "x", "--tolerance", "y"
        )[0]
        == 2
    )
