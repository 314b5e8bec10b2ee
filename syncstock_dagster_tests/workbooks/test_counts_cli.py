"""``syncstock counts``: what a person sees of a sheet, confirms, loads and writes."""

from __future__ import annotations

import json
from decimal import Decimal

import openpyxl
import pytest
from typer.testing import CliRunner

from syncstock_dagster import SyncStockDB
from syncstock_dagster.cli import app
from syncstock_dagster.settings import get_settings
from syncstock_dagster_tests.workbooks.builders import workbook


@pytest.fixture
def run(empty_database_url, monkeypatch, tmp_path):
    """A command's exit code, standard output and standard error, in an empty folder and on an empty database."""
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", empty_database_url)
    monkeypatch.setenv("SYNCSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()

    def run(*words: str):
        result = CliRunner().invoke(app, ["counts", *words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    yield run
    get_settings.cache_clear()


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "2026-03-01.xlsx"
    path.write_bytes(workbook({"S": [("Item Code", "Qty"), ("A", 5), ("B", 0), ("Total", 5)]}))
    return str(path)


@pytest.fixture
def odd(tmp_path):
    path = tmp_path / "Lager 2026-03-01.csv"
    path.write_text("Nr;Neu da\nA;7\n")
    return str(path)


def test_a_preview_shows_what_would_be_understood_and_takes_nothing_in(run, sheet):
    code, shown, _ = run("preview", sheet)
    assert code == 0
    for words in (
        "confidence  1.00",
        "Item Code",
        "2026-03-01 (the file's name)",
        "a sum of the lines above",
    ):
        assert words in shown
    code, shown, _ = run("preview", sheet, "--json")
    told = json.loads(shown)
    assert (told["confidence"], told["tables"][0]["counted"], told["left_out"][0]["rows"]) == (1.0, 2, [4])
    assert run("list")[1] == "Nothing was counted.\n"


def test_a_sheet_is_loaded_once(run, sheet):
    assert run("load", sheet, "--dry-run")[0] == 0
    assert run()[1] == "Nothing was counted.\n"
    assert run("load", sheet)[0] == 0
    code, shown, _ = run("load", sheet, "--json")
    assert (code, json.loads(shown)["files"][0]["state"]) == (0, "already received")
    assert "A" in run("A")[1]
    assert run("--held")[1] == "No count is held.\n"


def test_columns_that_a_person_confirms_are_remembered(run, odd):
    code, _, told = run("preview", odd)
    assert code == 3
    assert "columns for sku" in told
    columns = ("--column", "sku=Nr", "--column", "quantity=Neu da")
    assert run("preview", odd, *columns)[0] == 0
    assert run("mappings")[1] == "No mapping was confirmed.\n"
    assert run("load", odd, *columns, "--confirm", "--dry-run")[0] == 0
    assert run("mappings")[1] == "No mapping was confirmed.\n"
    assert run("load", odd, *columns, "--confirm")[0] == 0
    (mapping,) = json.loads(run("mappings", "--json")[1])
    assert (mapping["pattern"], mapping["columns"]) == ("lager #.csv", {"sku": "Nr", "quantity": "Neu da"})
    code, shown, _ = run("preview", odd)
    assert code == 0
    assert "columns confirmed by" in shown
    assert run("mappings", "--forget", str(mapping["mapping_id"]))[1] == "No mapping was confirmed.\n"
    assert run("preview", odd)[0] == 3


def test_a_mapping_that_cannot_be_is_refused(run, odd):
    assert run("preview", odd, "--column", "sku=Nr")[0] == 2
    assert run("preview", odd, "--column", "weight=Nr")[0] == 2


def test_a_blank_sheet_is_written_and_none_is_written_over(run, sheet, tmp_path):
    run("load", sheet)
    code, _, _ = run("sheet", "--location", "main", "--dry-run")
    assert (code, (tmp_path / "count main.xlsx").exists()) == (0, False)
    assert run("sheet", "--location", "main")[0] == 0
    page = openpyxl.load_workbook(tmp_path / "count main.xlsx")["Count"]
    assert [page["A7"].value, page["D7"].value, page["A8"].value] == ["A", 5, "B"]
    assert run("sheet", "--location", "main")[0] == 2
    assert run("sheet", "--location", "nowhere", "--out", "x.xlsx")[0] == 2


def test_a_remark_in_a_blank_sheet_is_there_when_it_comes_back(run, sheet, tmp_path):
    run("load", sheet)
    run("sheet", "--location", "main", "--blind", "--out", "filled 2026-03-02.xlsx")
    book = openpyxl.load_workbook(tmp_path / "filled 2026-03-02.xlsx")
    page = book["Count"]
    assert page["E6"].value == "Remark"
    page["D7"], page["E7"], page["E8"] = 500, "found a pallet", "could not reach it"
    book.save(tmp_path / "filled 2026-03-02.xlsx")
    code, _, told = run("load", "filled 2026-03-02.xlsx")
    assert code == 3 and "could not reach it" in told
    assert "found a pallet" in run("list", "--held")[1]
    shown = CliRunner().invoke(app, ["explain", "A"]).stdout
    assert "  Remark: found a pallet\n" in shown


def test_packs_of_the_catalogue_become_pieces(run, empty_database_url, tmp_path):
    db = SyncStockDB(empty_database_url)
    db.change_products([{"sku": "A", "units": {"box": 24}}, {"sku": "B", "unit": "kg"}, {"sku": "C"}])
    path = tmp_path / "2026-03-01.csv"
    path.write_text("sku,count,unit\nA,12,Boxes\nB,1500,g\nC,2,box\n")
    code, _, told = run("load", str(path))
    assert code == 3
    assert "how many pieces one 'box' holds" in told
    stock = db.on_hand().merge(db.products()[["inventory_id", "sku"]])
    assert {row.sku: row.on_hand for row in stock.itertuples()} == {"A": 288, "B": Decimal("1.5")}
