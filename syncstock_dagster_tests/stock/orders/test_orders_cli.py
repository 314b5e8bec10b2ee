"""``syncstock order``, ``reservations``, ``check`` and ``report``: what they print, and how each answer exits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from syncstock_dagster import SyncStockDB
from syncstock_dagster.cli import app
from syncstock_dagster.settings import get_settings
from syncstock_dagster_tests.stock.orders.test_orders import counted, stock

Run = Callable[..., str]


@pytest.fixture
def run(selling: SyncStockDB, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """A command's standard output; its exit code is checked."""
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", selling.url)
    monkeypatch.setenv("SYNCSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()

    def run(*words: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, (words, result.output, result.stderr)
        return result.stdout

    yield run
    get_settings.cache_clear()


def told(text: str) -> Any:
    return json.loads(text)


def test_an_order_from_reservation_to_cancellation(run: Run, selling: SyncStockDB) -> None:
    assert told(run("order", "A", 3, "--dry-run", "--json"))["status"] == "posted"
    assert stock(selling)["A"] == 100
    done = told(run("order", "A", 3, "b", "2.5", "--ref", "web-1", "--json"))
    assert [(one["sku"], one["quantity"], one["on_hand"]) for one in done["lines"]] == [
        ("A", "3", "97"), ("B", "2.5", "7.5"),
    ]  # fmt: skip
    assert "already received" in run("order", "A", 3, "b", "2.5", "--ref", "web-1")
    assert "not enough" in run("order", "B", 8, code=3)
    assert "another order" in run("order", "A", 4, "--ref", "web-1", code=3)
    assert "holds until" in run("order", "B", 7, "--reserve", "--minutes", 5, "--ref", "cart")
    assert "cart" in run("reservations")
    assert told(run("reservations", "--json"))[0]["quantity"] == "7"
    assert told(run("order", "--commit", "cart", "--json"))["status"] == "posted"
    assert run("reservations").strip() == "Nothing is reserved."
    run("order", "--release", "cart", code=3)
    assert "cancelled" in run("order", "--cancel", "web-1", "--reason", "changed their mind")
    assert {sku: str(n) for sku, n in stock(selling).items()} == {"A": "100", "B": "3.0", "C": "0"}


NO_SENSE = [
    ("order",), ("order", "A"), ("order", "A", "x"), ("order", "A", "0"), ("order", "A", "1", "--commit", "r"),
    ("order", "--cancel", "web-1"), ("order", "--commit", "r", "--reserve"), ("order", "A", "1", "--location", "x"),
    ("order", "--cancel", "never", "--reason", "x"), ("check", "A", "x"), ("check", "nothing", "1"),
    ("report", "--day", "x"),
]  # fmt: skip


def test_what_makes_no_sense_is_wrong_usage(run: Run) -> None:
    for words in NO_SENSE:
        run(*words, code=2)


def test_a_check_answers_yes_no_or_asks(run: Run, selling: SyncStockDB) -> None:
    assert run("check", "A", 100).startswith("YES: 100 of A")
    assert run("check", "A", 101, code=1).startswith("NO")
    from datetime import UTC, datetime

    counted(selling, "A", 1000, datetime.now(UTC))
    assert "last sheet" in run("check", "A", 500, code=3)
    found = told(run("check", "A", 500, "--json", code=3))
    assert (found["answer"], found["places"][0]["held_counts"]) == ("ask", 1)


def test_a_report_as_text_json_page_and_workbook(run: Run, selling: SyncStockDB, tmp_path: Path) -> None:
    run("order", "A", 3, "--ref", "web-1")
    text = run("report")
    assert "Items to update in Excel:" in text and "Orders: 1" in text
    assert told(run("report", "--json"))["items"][0]["to_do"] == "Not in your sheet: add it with 97."
    page = Path(run("report", "--format", "html").strip())
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    book = tmp_path / "own" / "evening.xlsx"
    assert run("report", "--format", "xlsx", "--output", book).strip() == str(book)
    assert openpyxl.load_workbook(book).sheetnames == [
        "Summary", "Items to update in Excel", "Discrepancies found", "Waiting for approval", "Not found",
    ]  # fmt: skip
    assert "STOCK ON 2026-01-01" in run("report", "--day", "2026-01-01")
