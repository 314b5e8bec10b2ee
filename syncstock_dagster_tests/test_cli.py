"""The command line: every command, as a table and as JSON, with the exit code that a script goes by.

Put here what a command takes, prints and answers. Keep out whether the numbers are right (``stock``), and intake
(``sources/test_intake``).
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from syncstock_dagster import POSRecord, PurchaseRecord, SalesRecord, SyncStockDB
from syncstock_dagster.cli import app, output
from syncstock_dagster.settings import get_settings
from syncstock_dagster.stock.policy import DEFAULTS, SourcePolicy, load_policies
from syncstock_dagster_tests.conftest import REPOSITORY, Databases

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOVED = "document,line,sku,location,quantity,effective_at\n"

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Call it with the words after ``syncstock``; the exit code is checked, and what is expected has no traceback."""
    for name in ("SYNCSTOCK_DATABASE_URL", "SYNCSTOCK_CONFIG", "SYNCSTOCK_DROP_FOLDER", "SYNCSTOCK_TIMEZONE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNCSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str | int, code: int = 0) -> Result:
        get_settings.cache_clear()
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, (words, result.exit_code, result.output)
        assert "Traceback" not in result.output
        return result

    yield invoke
    get_settings.cache_clear()


@pytest.fixture
def empty(run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run`` on an empty database."""
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", empty_database_url)
    return run


@pytest.fixture(scope="module")
def story_url(make_database: Databases) -> str:
    """A shop in which something of everything has happened. Never connected to again: it is copied."""
    url = make_database()
    db = SyncStockDB(url)
    db.upsert_locations([{"code": "cairo", "timezone": "Africa/Cairo"}])
    db.upsert_products(
        [
            {"sku": "00123", "name": "Blue mug", "price": "9.50", "inventory_id": 1},
            {"sku": "123", "name": "Red mug", "inventory_id": 2},
            {"sku": "tea", "inventory_id": 3},
            {"sku": "TEA", "inventory_id": 4},
        ]
    )
    db.run_sync(
        [PurchaseRecord(1, 50, at=NOON, ref="P-1"), PurchaseRecord(2, Decimal("2.5"), at=NOON, ref="P-2")],
        [SalesRecord(2, 4, at=NOON + HOUR, ref="S-2", location="cairo")],
        [POSRecord(1, 45, NOON + HOUR), POSRecord(1, 44, NOON + 2 * HOUR, source="excel")],
        "opening",
    )
    db.close_day(NOON.date())
    db.run_sync((), [SalesRecord(1, 3, at=NOON + 3 * HOUR, ref="S-1")], note="late till")
    db.run_sync((), [SalesRecord(1, 7, at=NOON + 3 * HOUR, ref="S-1")], note="till again")
    db.run_sync((), (), [POSRecord(1, 445, NOON + 4 * HOUR, source="excel")], "sheet")
    db.run_sync((), [SalesRecord(1, 1, at=NOON, ref="S-9", location="nowhere")], note="pop-up")
    db.close()
    return url


@pytest.fixture(scope="module")
def shared_url(make_database: Databases, story_url: str) -> str:
    """A copy of the story for tests that only read."""
    return make_database(template=story_url)


@pytest.fixture
def ask(run: Run, shared_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run`` on the story, for commands that change nothing."""
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", shared_url)
    return run


@pytest.fixture
def act(run: Run, make_database: Databases, story_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """``run`` on a copy of the story of this test's own."""
    url = make_database(template=story_url)
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", url)
    yield run
    make_database.drop(url)


def told(result: Result) -> Any:
    """What a program reads: standard output is JSON and nothing else."""
    return json.loads(result.stdout)


def stock(run: Run, sku: str, **more: str) -> dict[str, str]:
    options = [word for name, value in more.items() for word in (f"--{name.replace('_', '-')}", value)]
    return {row["location"]: row["on_hand"] for row in told(run("stock", sku, *options, "--json"))}


def held_id(run: Run) -> str:
    (row,) = told(run("counts", "--held", "--json"))
    return str(row["count_id"])


def write(path: Path, content: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return str(path)


# -------------------------------------------------------------------- the script


def test_the_console_script_is_there_and_says_what_it_does() -> None:
    script = shutil.which("syncstock", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True, timeout=60)
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name in commands:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE), name
    assert "Exit codes: 0 done; 1 failed; 2 wrong usage or bad input; 3" in done.stdout.replace("\n  ", " ")
    assert "..." not in done.stdout.partition("Commands:")[2], "a summary is too long for its line"
    assert done.stderr == ""


def test_help_loads_nothing_that_is_slow() -> None:
    """It takes a fifth of a second; with pandas alone it would take one."""
    slow = {
        "pandas",
        "pyarrow",
        "psycopg",
        "pydantic",
        "sqlalchemy",
        "dagster",
        "rich",
        "syncstock_dagster.database",
    }
    program = f"import sys; from syncstock_dagster.cli import app; print(*({slow} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_the_version_is_the_package_s(run: Run) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").stdout)


def test_every_command_has_help_and_what_lists_has_json() -> None:
    def each(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        below = getattr(command, "commands", {})
        if not below or command.invoke_without_command:
            yield name, command
        for word, child in below.items():
            yield from each(child, f"{name} {word}".strip())

    commands = dict(each(get_command(app), ""))
    options = {
        name: {opt for par in command.params for opt in par.opts} for name, command in commands.items()
    }
    assert all(command.help for command in commands.values())
    without_json = {name for name in commands if "--json" not in options[name]}
    assert without_json == {"demo", "bench", "up", "down", "db upgrade", "db sql", "db url"}
    changing = {name for name in commands if "--dry-run" in options[name]}
    assert changing == {
        "load", "sync", "order", "approve", "reject", "recount", "resolve", "rollback", "refuse-rollback", "close",
        "rebuild", "counts plan", "counts blind-recount", "counts blind-recounts", "counts skip",
        "products set", "products restore", "products lock", "products unlock", "categories set", "locations set",
        "staging stage", "staging approve", "staging reject", "staging commit",
        "dead-letters fix", "dead-letters replay", "dead-letters discard", "events prune",
        "counts load", "counts sheet", "counts mappings", "search rebuild",
        "zoho pull", "zoho specific", "rms pull", "rms specific",
        "xorosoft pull", "xorosoft specific", "xorosoft import", "xorosoft export",
        "shopify run", "shopify plan", "shopify apply", "shopify approve", "shopify reject", "shopify rollback",
        "shopify pull", "shopify push-fields",
    }  # fmt: skip
    assert {name for name in commands if "--reason" in options[name]} == {
        "order", "approve", "reject", "recount", "resolve", "rollback", "refuse-rollback", "products restore",
        "staging approve", "staging reject", "dead-letters discard", "counts skip", "counts blind-recount",
        "shopify approve", "shopify reject", "shopify rollback",
    }  # fmt: skip


# -------------------------------------------------------------------- questions


@pytest.mark.parametrize(
    ("words", "code", "shows"),
    [
        ("status", 3, "open conflicts"),
        ("watermarks", 0, "excel"),
        ("stock", 0, "Blue mug"),
        ("stock 00123 --location main", 0, "41"),
        ("stock --negative", 0, "2026-03-02 15:00+02:00"),
        ("ledger 00123", 0, "P-1"),
        ("counts", 0, "opening"),
        ("counts 00123 --held", 0, "445"),
        ("conflicts", 0, "quantity -7"),
        ("conflicts --all", 0, "exists_with_different_content"),
        ("quarantine", 0, "nowhere"),
        ("products", 0, "9.5"),
        ("locations", 0, "Africa/Cairo"),
        ("operations", 0, "late till"),
        ("operations --limit 1", 0, "pop-up"),
        ("operations --type sync --status completed --all", 0, "late till"),
        (
            "operations --type order",
            0,
            "Nothing like that was done; `syncstock operations kinds` shows what was.",
        ),
        ("operations kinds", 0, "sync"),
        ("operations show ROLLBACK_ME", 0, "ledger"),
        ("performance", 0, "sync"),
        ("events --type sync.*", 0, "sync.completed"),
        ("events prune --dry-run", 0, "0 events would be deleted."),
        ("dead-letters", 0, "Nothing failed for good."),
        ("rollbacks", 0, "Nothing was rolled back."),
        ("staging", 0, "No change waits."),
        ("categories", 0, "There is no category."),
        ("products show 00123", 0, "Blue mug"),
        ("products versions 00123", 0, "create"),
        ("deliveries", 0, "posted"),
        ("deliveries --state rejected", 0, "Nothing came in yet."),
        ("audit", 0, "Every law holds."),
        ("rebuild --dry-run", 0, "Everything was right."),
        ("config", 0, "10 / 100"),
        ("db status", 0, "schema version"),
        ("explain 00123", 0, "on hand"),
    ],
)
def test_every_question_is_answered_for_people_and_for_programs(
    ask: Run, words: str, code: int, shows: str
) -> None:
    if "ROLLBACK_ME" in words:
        (row,) = [row for row in told(ask("operations", "--json")) if row["name"] == "late till"]
        words = words.replace("ROLLBACK_ME", row["operation_uuid"][:13])
    table = ask(*words.split(), code=code)
    assert shows in table.stdout
    assert "\x1b" not in table.output, "no decoration where there is no terminal"
    answer = told(ask(*words.split(), "--json", code=code))
    assert isinstance(answer, list | dict)
    assert not re.search(r"\d[+-]00:00\"", json.dumps(answer)), "times are written with Z"


def test_json_has_quantities_as_text_and_times_in_utc(ask: Run) -> None:
    assert stock(ask, "123") == {"cairo": "-4", "main": "2.5"}
    (negative,) = told(ask("stock", "--negative", "--json"))
    assert negative["negative_since"] == "2026-03-02T13:00:00Z"
    (mark,) = [row for row in told(ask("watermarks", "--json")) if row["source_type"] == "pos"]
    assert re.fullmatch(r"PT\d+(\.\d+)?S", mark["lateness"])
    (conflict,) = told(ask("conflicts", "--json"))
    assert (conflict["local_value"][0]["quantity"], conflict["remote_value"][0]["quantity"]) == ("-3", "-7")
    counts = told(ask("counts", "--json"))
    assert {(row["counted"], row["variance"], row["status"]) for row in counts} == {
        ("45", "-5", "opening"),
        ("44", "-1", "applied"),
        ("445", "404", "held"),
    }


def test_stock_as_of_and_as_known_at(ask: Run) -> None:
    assert stock(ask, "00123") == {"main": "41"}
    assert stock(ask, "00123", as_of="2026-03-02T12:00:00Z") == {"main": "50"}
    assert stock(ask, "00123", as_of="2026-03-02T14:30:00") == {"main": "44"}
    assert stock(ask, "00123", as_of="2026-03-01") == {}
    recorded = [row["recorded_at"] for row in told(ask("ledger", "00123", "--json"))]
    assert stock(ask, "00123", known_at=min(recorded)) == {"main": "44"}
    assert len(told(ask("ledger", "00123", "--known-at", min(recorded), "--json"))) < len(recorded)
    assert told(ask("counts", "--known-at", "2020-01-01T00:00:00Z", "--json")) == []


def test_a_table_says_what_it_leaves_out_and_json_leaves_out_nothing(ask: Run) -> None:
    result = ask("stock", "--limit", "1")
    assert len(result.stdout.splitlines()) == 2
    assert "1 of 3 rows; --limit 0 shows all." in result.stderr
    assert len(told(ask("stock", "--limit", "1", "--json"))) == 3
    assert "S-1" in ask("ledger", "00123", "--limit", "1").stdout, "of a ledger the newest are shown"


def test_an_article_is_meant_by_exactly_one_word(ask: Run) -> None:
    assert stock(ask, "1")["main"] == "41", "an inventory_id"
    assert ask("explain", "123").stdout.startswith("123  Red mug")
    several = ask("explain", " Tea ", code=2)
    assert "'TEA' (inventory_id 4)" in several.stderr
    assert "'tea' (inventory_id 3)" in several.stderr
    assert "no article 'NOPE'" in ask("ledger", "NOPE", code=2).stderr
    assert "no location 'paris'" in ask("stock", "--location", "paris", code=2).stderr


def test_explain_tells_the_whole_story_in_words(ask: Run) -> None:
    story = ask("explain", "00123").stdout
    assert story.startswith("00123  Blue mug  (inventory_id 1)\n")
    for words in (
        "At main there are 41 on hand.",
        "Counted 44 on Mon 2026-03-02 14:00 UTC, says excel.",
        "The book said 45: a variance of -1, applied by the gate.",
        "Since then it moved by -3:",
        "S-1",
        "1 published value changed later:",
        "Held: excel counted 445 on Mon 2026-03-02 16:00 UTC, the book says 41.",
        "In conflict: document S-1 of sales says quantity -7; in force is quantity -3.",
        "In quarantine, outside of every stock:",
        "a movement at nowhere from pop-up",
    ):
        assert words in story, words
    explanation = told(ask("explain", "00123", "--location", "main", "--json"))
    assert explanation["places"][0]["on_hand"] == "41"
    assert explanation["places"][0]["conflicts"][0]["remote_value"][0]["quantity"] == "-7"
    assert explanation["needs_person"] is True


def test_explain_tells_times_of_the_shop_and_what_is_below_zero(ask: Run) -> None:
    story = ask("explain", "123", "--location", "cairo").stdout
    assert "Below zero since Mon 2026-03-02 15:00 EET" in story
    assert "Nobody has counted it. From the beginning it moved by -4:" in story


def test_explain_of_many_locations_is_one_line_each(empty: Run, empty_database_url: str) -> None:
    db = SyncStockDB(empty_database_url)
    db.upsert_locations([{"code": f"shop-{n}", "timezone": "UTC"} for n in range(5)])
    db.run_sync((), (), [POSRecord(1, n, NOON, location=f"shop-{n}") for n in range(5)])
    result = empty("explain", "1")
    assert "shop-4" in result.stdout
    assert "Counted" not in result.stdout
    assert "--location" in result.stderr
    assert "Known only because evidence named it" in result.stdout


def test_what_could_steer_a_terminal_is_made_visible(empty: Run, empty_database_url: str) -> None:
    """A SKU may hold anything: escape sequences, markup, characters that turn text around."""
    db = SyncStockDB(empty_database_url)
    db.upsert_products([{"sku": "[red]\x1b[2J\u202eevil", "name": "قهوة", "inventory_id": 1}])
    db.run_sync((), (), [POSRecord(1, 5, NOON)])
    for words in (["stock"], ["products"], ["explain", "1"]):
        shown = empty(*words).stdout
        assert "[red]\\u001b[2J\\u202eevil" in shown
        assert "قهوة" in shown
    assert told(empty("stock", "--json"))[0]["sku"] == "[red]\x1b[2J\u202eevil"
    assert empty("stock", "--json").stdout.isascii()


def test_an_empty_database_is_no_error(empty: Run) -> None:
    for command in (
        "watermarks",
        "stock",
        "counts",
        "conflicts",
        "quarantine",
        "products",
        "operations",
        "deliveries",
    ):
        assert empty(command).stdout.strip().endswith("."), command
        assert told(empty(command, "--json")) == []
    assert empty("status").exit_code == 0
    assert "No count is held." in empty("counts", "--held").stdout


# -------------------------------------------------------------------- decisions


@pytest.mark.parametrize(("command", "on_hand"), [("approve", "445"), ("reject", "41")])
def test_a_held_count_is_decided_once_and_for_a_reason(act: Run, command: str, on_hand: str) -> None:
    count = held_id(act)
    act(command, count, code=2)
    rehearsed = act(command, count, "--reason", "looked again", "--dry-run")
    assert re.search(r"status +dry run\n", rehearsed.stdout)
    assert "nothing was kept" in rehearsed.stderr
    assert held_id(act) == count
    done = told(act(command, count, "--reason", "looked again", "--json"))
    assert (done["status"], done["needs_person"]) == ("posted", False)
    assert stock(act, "00123") == {"main": on_hand}
    assert "No count is held." in act("counts", "--held").stdout
    assert "Only held counts can be decided on" in act("approve", 999, "--reason", "x", code=2).stderr


def test_held_counts_are_decided_by_what_they_have_in_common(act: Run) -> None:
    """What is decided on is shown; a name too many, too few or wrong decides nothing."""
    count = held_id(act)
    reason = ("--reason", "looked again")
    assert "not both" in act("approve", *reason, code=2).stderr
    assert "not both" in act("approve", count, "--tier", "held", *reason, code=2).stderr
    assert "No held count fits: tier critical" in act("approve", "--tier", "critical", *reason, code=2).stderr
    shown = act("approve", "--tier", "held", "--source", "excel", "--location", "main", *reason, "--dry-run")
    assert re.search(rf"{count} +00123 +main .* 445 +\d+ .* held ", shown.stdout)
    assert held_id(act) == count
    act("reject", "--tier", "held", *reason)
    assert stock(act, "00123") == {"main": "41"}


def test_a_count_is_approved_only_as_it_was_looked_at(act: Run) -> None:
    (row,) = told(act("counts", "--held", "--json"))
    refused = act("approve", row["count_id"], "--expected", "1", "--reason", "x", code=2)
    assert f"the book said 1, now {row['expected']}" in refused.stderr
    assert (
        "takes a number"
        in act("approve", row["count_id"], "--expected", "one", "--reason", "x", code=2).stderr
    )
    act("approve", row["count_id"], "--expected", row["expected"], "--reason", "looked again")
    assert stock(act, "00123") == {"main": "445"}


def test_a_recount_is_asked_for_and_listed(act: Run) -> None:
    count = held_id(act)
    assert "No recount is wanted." in act("recounts").stdout
    act("recount", count, "--reason", "the shelf was in disorder", "--dry-run", code=3)
    assert told(act("recounts", "--json")) == []
    act("recount", count, "--reason", "the shelf was in disorder", code=3)
    assert "in disorder" in act("recounts").stdout
    assert "wanted" in act("counts", "--held").stdout
    assert "wants it to be counted again" in act("explain", "00123", code=0).stdout
    assert held_id(act) == count


def test_what_may_explain_a_held_count_is_told(act: Run) -> None:
    """In the list in a few words, in the explanation with what to check, and to programs."""
    db = SyncStockDB(os.environ["SYNCSTOCK_DATABASE_URL"])
    db.run_sync(pos_counts=[POSRecord(2, 200, NOON)])
    db.run_sync(pos_counts=[POSRecord(2, 2000, NOON + HOUR, source="excel")])
    db.close()
    assert "differ by one digit that is there or not" in act("counts", "--held").stdout
    shown = act("explain", "123").stdout
    assert "What may explain the difference, the likeliest first:" in shown
    assert "was a digit typed twice or left out?" in shown
    (place,) = told(act("explain", "123", "--location", "main", "--json"))["places"]
    (cause,) = [one for one in place["held"][0]["difference"]["causes"] if one["cause"] == "digit_slipped"]
    assert set(cause) == {"cause", "score", "says", "check"}


def test_what_is_not_written_off_is_listed(act: Run, tmp_path: Path) -> None:
    """A list says 30, 4 are sold, the list still says 30: it lacks 4, until it says 26."""
    write(
        tmp_path / "syncstock.toml",
        '[sources.shelf-list]\nkind = "counts"\ntrust = "gated"\nsheet = "list"\n',
    )
    for day, listed in ((1, 30), (2, 30), (3, 26)):
        if day == 2:
            text = "document,line,sku,location,quantity,effective_at\nL-1,1,123,main,4,2026-05-02T12:00:00Z\n"
            write(tmp_path / "sales.csv", text)
            act("load", tmp_path / "sales.csv", "--kind", "sales")
        sheet = write(tmp_path / f"2026-05-0{day}.csv", f"sku,counted,location\n123,{listed},main\n")
        act("load", sheet, "--kind", "counts", "--source", "shelf-list")
        lacking = told(act("not-written-off", "--location", "main", "--json"))
        assert [[Decimal(row[name]) for name in ("listed", "book", "difference")] for row in lacking] == (
            [[30, 26, 4]] if day == 2 else []
        )
    assert "Every list says what the books say." in act("not-written-off").stdout


def test_a_closed_day_that_changes_is_a_restatement(act: Run) -> None:
    """Published by `close`; a late sale on it changes what was said, once, and `explain` tells both values."""
    before = len(told(act("operations", "--json")))
    act("close", "2026-03-31", "--dry-run")
    assert len(told(act("operations", "--json"))) == before
    act("close", "2026-03-31")
    db = SyncStockDB(os.environ["SYNCSTOCK_DATABASE_URL"])
    known = len(db.restatements())
    late = SalesRecord(2, 3, at=datetime(2026, 3, 30, 12, tzinfo=UTC), ref="after the close")
    db.run_sync(sales=[late], note="late")
    changed = db.restatements().iloc[known:]
    assert set(changed["kind"]) == {"snapshot"}
    assert [
        old - new for old, new in zip(changed["old_value"].fillna(0), changed["new_value"], strict=True)
    ] == [3]
    db.run_sync(sales=[late], note="late again")
    assert len(db.restatements()) == known + len(changed)
    assert "published value" in act("explain", "123").stdout
    db.close()


def test_a_conflict_is_resolved(act: Run) -> None:
    act("resolve", 1, "--keep", "both", "--reason", "x", code=2)
    held = act("resolve", 1, "--keep", "new", "--reason", "the till", "--dry-run", code=3)
    assert "counts held" in held.stdout, "the article has another matter open"
    act("reject", held_id(act), "--reason", "typed twice")
    assert "dry run" in act("resolve", 1, "--keep", "new", "--reason", "the till", "--dry-run").stdout
    assert stock(act, "00123") == {"main": "41"}
    act("resolve", 1, "--keep", "new", "--reason", "the till")
    assert stock(act, "00123") == {"main": "37"}
    assert "No conflict is open." in act("conflicts").stdout
    assert told(act("conflicts", "--all", "--json"))[0]["resolution_reason"] == "the till"
    assert "no conflict 77" in act("resolve", 77, "--keep", "new", "--reason", "x", code=2).stderr


def test_an_operation_is_rolled_back_and_back_again(act: Run) -> None:
    (operation,) = [row for row in told(act("operations", "--json")) if row["name"] == "late till"]
    uuid = operation["operation_uuid"]
    act("reject", held_id(act), "--reason", "typed twice")
    act("rollback", uuid, "--reason", "wrong shop", "--dry-run")
    before = stock(act, "00123")
    done = told(act("rollback", uuid, "--reason", "wrong shop", "--json"))
    assert done["status"] == "rolled back"
    assert stock(act, "00123") != before
    act("rollback", done["operation_uuid"], "--reason", "right shop after all")
    assert stock(act, "00123") == before
    assert "no operation" in act("rollback", "no-uuid", "--reason", "x", code=2).stderr


def test_a_day_is_closed(act: Run) -> None:
    act("close", "2026-03-04", "--location", "main", "--dry-run")
    assert told(act("close", "2026-03-04", "--json"))["status"] == "posted"
    assert "Cannot close" in act("close", "2999-01-01", code=2).stderr
    assert "no date" in act("close", "yesterday", code=2).stderr


def test_a_location_that_is_entered_lets_out_what_waited_for_it(act: Run) -> None:
    act("locations", "set", "nowhere", "--timezone", "Europe/Paris", "--dry-run")
    assert len(told(act("quarantine", "--json"))) == 1
    result = act("locations", "set", "nowhere", "--timezone", "Europe/Paris", "--name", "Pop-up")
    assert "movements taken" in result.stdout
    assert "Nothing is in quarantine." in act("quarantine").stdout
    assert "cannot be changed" in act("locations", "set", "nowhere", "--timezone", "UTC", code=2).stderr
    assert "an IANA zone" in act("locations", "set", "x", "--timezone", "Mars", code=2).stderr


def test_an_article_is_entered_and_changed(act: Run) -> None:
    assert "Dry run" in act("products", "set", "00999", "--name", "Spoon", "--dry-run").stderr
    assert len(told(act("products", "--json"))) == 4
    act("products", "set", "00999", "--name", "Spoon", "--price", "1.50")
    (spoon,) = told(act("products", "set", "00999", "--cost", "0.70", "--json"))
    assert (spoon["name"], spoon["price"], spoon["cost"]) == ("Spoon", "1.5", "0.7")
    wrong = act("products", "set", "00999", "--price", "cheap", code=2).stderr
    assert "an exact amount" in wrong
    assert "'cheap'" in wrong


def test_watermarks_are_reset(act: Run) -> None:
    sources = len(told(act("watermarks", "--json")))
    assert told(act("reset-watermarks", "--json")) == {"reset": sources}
    assert "watermarks were reset" in act("reset-watermarks").stdout
    assert all(row["last_processed_at"] is None for row in told(act("watermarks", "--json")))


def test_a_broken_law_is_a_failure_and_rebuild_mends_it(act: Run) -> None:
    db = SyncStockDB()
    with output.working(""), _connection(db.url) as connection:
        connection.execute("update syncstock.item_stock set on_hand = on_hand + 1 where inventory_id = 1")
    assert "L03_ledger_sums_to_stock" in act("audit", code=1).stdout
    assert told(act("audit", "--json", code=1))["L03_ledger_sums_to_stock"]
    assert told(act("rebuild", "--dry-run", "--json"))["stock"] == 1
    assert re.search(r"stock mended +1\n", act("rebuild").stdout)
    assert "Every law holds." in act("audit").stdout


def _connection(url: str) -> Any:
    import psycopg

    return psycopg.connect(url, autocommit=True)


# -------------------------------------------------------------------- evidence


def test_load_takes_files_once(empty: Run, tmp_path: Path) -> None:
    products = write(tmp_path / "products" / "all.csv", "sku,name\n00123,Mug\n")
    counts = write(tmp_path / "counts" / "2026-03-01.csv", "sku,location,quantity\n00123,main,10\n")
    sales = write(tmp_path / "till.csv", MOVED + "S-1,1,00123,main,2,2026-03-02T12:00:00Z\n")
    empty("load", counts, products)
    assert "--kind" in empty("load", sales, code=2).stderr
    rehearsed = told(empty("load", sales, "--kind", "sales", "--dry-run", "--json"))
    assert (rehearsed["dry_run"], rehearsed["results"][0]["movements_new"]) == (True, 1)
    assert stock(empty, "00123") == {"main": "10"}

    done = told(empty("load", sales, "--kind", "sales", "--source", "north", "--json"))
    assert [file["state"] for file in done["files"]] == ["received"]
    assert done["results"][0]["movements_new"] == 1
    assert done["needs_person"] is False
    again = empty("load", sales, "--kind", "sales", "--source", "north")
    assert "files already received" in again.stdout
    assert "movements" not in again.stdout
    assert stock(empty, "00123") == {"main": "8"}
    once_more = empty("load", sales, "--kind", "sales", "--source", "north", "--again")
    assert "movements seen before" in once_more.stdout
    assert stock(empty, "00123") == {"main": "8"}
    assert "Loading 1/1: sales/north/till.csv: received" in once_more.stderr


def test_load_lists_everything_that_is_wrong_with_a_file(empty: Run, tmp_path: Path) -> None:
    """Rejected files need a person: exit code 3; corrected, they can come again."""
    bad = write(
        tmp_path / "sales" / "a.csv",
        MOVED + "S-1,1,00123,main,two,2026-03-02T12:00:00Z\nS-2,1,,main,2,sometime\n",
    )
    for _ in range(2):
        result = empty("load", bad, code=3)
        assert "files rejected" in result.stdout
        for words in ("sales/a.csv", "two", "sometime", "quantity", "effective_at", "expected", "remedy"):
            assert words in result.stderr, words
    (file,) = told(empty("load", bad, "--json", code=3))["files"]
    assert {(error["row"], error["column"]) for error in file["errors"]} >= {
        (2, "quantity"),
        (3, "effective_at"),
    }
    rejected = empty("deliveries", "--state", "rejected")
    assert "rejected" in rejected.stdout
    assert "sometime" in rejected.stderr


def test_load_of_what_needs_a_person_says_so(empty: Run, tmp_path: Path) -> None:
    sales = write(tmp_path / "sales" / "a.csv", MOVED + "S-1,1,00123,main,2,2026-03-02T12:00:00Z\n")
    assert "rows quarantined" in empty("load", sales, code=3).stdout
    assert "1 rows left quarantine" in empty("products", "set", "00123").stderr
    assert stock(empty, "00123") == {"main": "-2"}


def test_load_says_what_a_sheet_does_not(empty: Run, tmp_path: Path) -> None:
    sheet = write(tmp_path / "counts" / "shelf.csv", "sku;quantity\ncafé;1,5\n")
    Path(sheet).write_bytes("sku;quantity\ncafé;1,5\n".encode("cp1252"))
    empty("load", sheet, code=3)
    options = ("--encoding", "cp1252", "--decimal-mark", ",", "--delimiter", ";", "--location", "main")
    done = empty("load", sheet, *options, "--counted-at", "2026-03-02T18:00:00Z")
    assert "Note: counts/shelf.csv: The lines were counted at 2026-03-02" in done.stderr
    assert stock(empty, "café", as_of="2026-03-02T18:00:00Z") == {"main": "1.5"}
    assert stock(empty, "café", as_of="2026-03-02T17:59:59Z") == {}


def test_load_replays_history_as_it_was_received(empty: Run, tmp_path: Path) -> None:
    sheet = write(tmp_path / "counts" / "2026-03-01.csv", "sku,location,quantity\n00123,main,10\n")
    empty("load", sheet, "--recorded-at", "2026-03-02T06:00:00+02:00")
    (entry,) = told(empty("ledger", "00123", "--json"))
    assert entry["recorded_at"] == "2026-03-02T04:00:00Z"
    assert "has no zone" in empty("load", sheet, "--recorded-at", "2026-03-02T06:00:00", code=2).stderr


def test_one_file_that_fails_is_a_failure_and_the_others_are_taken(
    empty: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = ModuleType("broken_rules")
    module.rule = lambda rows, file: 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "broken_rules", module)
    write(tmp_path / "syncstock.toml", '[sources.purchases]\nvalidation_rules = ["broken_rules:rule"]\n')
    row = "S-1,1,00123,main,2,2026-03-02T12:00:00Z\n"
    files = [write(tmp_path / kind / "a.csv", MOVED + row) for kind in ("purchases", "sales")]
    result = empty("load", *files, "--json", code=1)
    assert [file["state"] for file in told(result)["files"]] == ["failed", "received"]
    assert "broken_rules:rule" in result.stderr
    assert "ZeroDivisionError" in caplog.text


def test_sync_brings_in_the_drop_folder_and_the_readers(
    empty: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("my_readers")
    module.read = lambda since: [[SalesRecord(7, 1, at=NOON, ref="R")]]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_readers", module)
    write(tmp_path / "syncstock.toml", '[sources.till]\nreader = "my_readers:read"\n')
    assert "There is no drop folder" in empty("sync", "--dry-run").stderr

    drop = tmp_path / "home" / "drop"
    write(drop / "sales" / "a.csv", MOVED + "S-1,1,00123,main,2,2026-03-02T12:00:00Z\n")
    write(drop / "products" / "all.csv", "sku,name,inventory_id\n00123,Mug,\n")
    write(drop / "lost.csv", "x")
    rehearsed = empty("sync", "--dry-run")
    assert re.search(r"movements taken +2\n", rehearsed.stdout)
    assert "Note: lost.csv lies where nothing is taken from." in rehearsed.stderr
    assert told(empty("operations", "--json")) == []

    done = told(empty("sync", "--json"))
    assert [file["file"] for file in done["files"]] == ["products/all.csv", "sales/a.csv"]
    assert [result["movements_new"] for result in done["results"]] == [0, 1, 1]
    again = empty("sync", "--sku", "00123")
    assert "movements taken" not in again.stdout
    assert "At main there are -2 on hand." in again.stdout
    assert told(empty("sync", "--sku", "7", "--json"))["explanation"]["places"][0]["on_hand"] == "-1"
    empty("sync", "--sku", "00123", "--dry-run", code=2)


def test_sync_of_a_reader_that_fails_is_a_failure(
    empty: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "syncstock.toml", '[sources.till]\nreader = "no_such_module:read"\n')
    result = empty("sync", code=1)
    assert "Failed: reader of till" in result.stderr
    assert "no_such_module" in result.stderr
    assert told(empty("sync", "--json", code=1))["failures"][0]["what"] == "reader of till"

    module = ModuleType("my_readers")
    module.read = lambda since: 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_readers", module)
    write(tmp_path / "syncstock.toml", '[sources.till]\nreader = "my_readers:read"\n')
    get_settings.cache_clear()
    unexpected = CliRunner().invoke(app, ["sync"])
    assert unexpected.exit_code == 1
    assert "Traceback" in unexpected.stderr, "nobody expected it: where it comes from must be seen"


def test_sync_from_a_folder_that_is_not_there_is_no_day_without_sales(
    empty: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCSTOCK_DROP_FOLDER", str(tmp_path / "not-mounted"))
    assert "SYNCSTOCK_DROP_FOLDER) cannot be read: There is no drop folder" in empty("sync", code=2).stderr
    monkeypatch.setenv("SYNCSTOCK_DROP_FOLDER", "nosuchprotocol://bucket/drop")
    assert "nosuchprotocol" in empty("sync", code=2).stderr
    assert "nosuchprotocol" in empty("load", "nosuchprotocol://bucket/a.csv", code=2).stderr


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_the_log_goes_beside_the_result_in_the_form_that_is_set(
    empty: Run, monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    monkeypatch.setenv("SYNCSTOCK_LOG_FORMAT", log_format)
    empty("status")
    assert logging.lastResort is not None
    password = "hunter2"
    try:
        raise ValueError(len(password))
    except ValueError:
        record = logging.LogRecord("x", logging.WARNING, __file__, 1, "tried %s", ("again",), sys.exc_info())
    line = logging.lastResort.format(record)
    assert "tried again" in line
    assert "ValueError: 7" in line
    assert "hunter2" not in line, "variables are not shown"
    assert (log_format == "json") == line.startswith("{")


def test_demo_runs_and_leaves_other_evidence_alone(
    empty: Run, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncstock_dagster import demo

    def small(db: SyncStockDB, folder: Path, console: Any) -> int:
        write(folder / "products" / "all.csv", "sku\n00123\n")
        from syncstock_dagster_tests.receiving import receive_drop_folder

        receive_drop_folder(db, folder)
        db.post_received()
        console.print("shown")
        return 0

    monkeypatch.setattr(demo, "run_demo", small, raising=False)
    assert "shown" in empty("demo").stdout
    assert "shown" in empty("demo").stdout, "twice is as good as once"

    shutil.rmtree(tmp_path / "home" / "demo")
    refused = empty("demo", code=2)
    assert "evidence that the demo did not bring" in refused.stderr


# -------------------------------------------------------------------- care


def test_config_shows_what_is_in_effect_and_no_password(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", "postgresql://me:hunter2@db.example/shop")
    monkeypatch.setenv("SYNCSTOCK_DROP_FOLDER", "sftp://me:hunter2@files.example/drop")
    write(
        tmp_path / "syncstock.toml",
        "[sources.excel.gate]\nreview_from = 5\npercent = { hold_above = 20 }\n"
        '[sources.excel.gate.categories."Candles"]\nhold_above = 30\n[sources.till]\nkind = "sales"\n',
    )
    shown = run("config")
    assert "5 / 100" in shown.stdout
    assert "till" in shown.stdout
    answer = told(run("config", "--json"))
    assert answer["settings"]["database_url"] == "postgresql://me:***@db.example/shop"
    gate = answer["sources"]["excel"]["gate"]
    assert (gate["review_from"], gate["hold_above"], gate["percent"]["hold_above"]) == ("5", "100", "20")
    assert gate["categories"]["Candles"]["hold_above"] == "30"
    assert "category Candles" in shown.stdout
    assert "hunter2" not in shown.output + json.dumps(answer)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[sources.excel]\ntrust = 'blind'\n", "[sources.excel] trust"),
        ("[sources.excel]\ngate_rules = ['no_such_module:rule']\n", "no_such_module"),
        ("[sources", "syncstock.toml"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told(run: Run, tmp_path: Path, toml: str, says: str) -> None:
    write(tmp_path / "syncstock.toml", toml)
    assert says in run("config", code=2).stderr


@pytest.mark.parametrize("words", ["status", "config", "db status", "down", "sync", "load x"])
def test_a_setting_that_cannot_be_used_is_named(
    run: Run, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCSTOCK_TIMEZONE", "Mars/Olympus")
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", "mysql://me:hunter2@db/shop")
    if words == "load x":
        assert "nothing" in run(*words.split(), code=2).stderr
        return
    result = run(*words.split(), code=2)
    assert "SYNCSTOCK_TIMEZONE: " in result.stderr
    assert "SYNCSTOCK_DATABASE_URL: " in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/shop", 1),
        ("postgresql://me:hunter2@[::1/shop", 2),
        ("postgresql://me:hunter2@127.0.0.1:1/shop?hunter=hunter2", 2),
    ],
)
def test_a_database_that_does_not_answer_is_told_without_its_password(
    run: Run, url: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", url)
    result = run("status", code=code)
    assert result.stderr.startswith("Error: The database")
    assert "hunter2" not in result.output


def test_what_nobody_expected_keeps_its_traceback(empty: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: SyncStockDB) -> dict[str, Any]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(SyncStockDB, "get_status", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        empty("status")


def test_status_of_a_failed_run_is_a_failure(empty: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"status": "ERROR", "notes": "died", "open_conflicts": 0, "held_counts": 0, "quarantined": 0}
    monkeypatch.setattr(SyncStockDB, "get_status", lambda self: answer)
    assert "ERROR" in empty("status", code=1).stdout


def test_the_schema_is_made_shown_and_upgraded(
    run: Run, make_database: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database()
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", url)
    before = told(run("db", "status", "--json"))
    assert before["schema_version"] is None
    assert f"version {before['schema_version_needed']}.\n" in run("db", "upgrade").stdout
    assert "already" in run("db", "upgrade").stdout
    assert told(run("db", "status", "--json"))["schema_version"] == before["schema_version_needed"]
    assert "create table" in run("db", "sql").stdout.lower()
    assert run("db", "url").stdout.strip() == url
    assert run("db", "url").stdout.count("\n") == 1


class FakeServer:
    """Stands in for the embedded server, which other tests are using."""

    state = "running"

    def __init__(self, home: Path) -> None:
        self.home = home

    def status(self) -> Any:
        return SimpleNamespace(
            state=self.state, url="postgresql://syncstock@/syncstock?host=/x", version="18", data_directory=self.home,
            account="me", pid=None, log=self.home, notes=("A note.",),
        )  # fmt: skip

    def stop(self) -> bool:
        type(self).state = "stopped"
        return True


def test_down_stops_the_embedded_server_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from syncstock_dagster.store import embedded

    monkeypatch.setattr(FakeServer, "state", "running")
    monkeypatch.setattr(embedded, "EmbeddedServer", FakeServer)
    assert "was stopped" in run("down").stdout
    assert "does not run" in run("down").stdout
    assert told(run("db", "status", "--json"))["state"] == "stopped"
    assert "Note: A note." in run("db", "status").stderr
    monkeypatch.setattr(FakeServer, "state", "running")
    monkeypatch.setattr(FakeServer, "stop", lambda self: False)
    assert "still shutting down" in run("down", code=1).stderr


def test_bench_hands_its_options_to_the_benchmarks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def benchmarks(words: list[str], **how: Any) -> Any:
        asked.append((words[1:], how["cwd"]))
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(subprocess, "run", benchmarks)
    if (REPOSITORY / "benchmarks" / "__main__.py").exists():
        run("bench", "--full", code=1)
        assert asked == [(["-m", "benchmarks", "--full"], REPOSITORY)]
    else:
        assert "source checkout" in run("bench", code=2).stderr


def test_the_configuration_of_the_checkout_is_the_default_and_shows_everything() -> None:
    """syncstock.toml says what holds without it, and names every key that a source may have."""
    path = REPOSITORY / "syncstock.toml"
    assert load_policies(path).named() == DEFAULTS
    text = path.read_text(encoding="utf-8")
    for key in SourcePolicy.model_fields:
        assert re.search(rf"^(# )?{key} = |^\[sources\.\w+\.{key}\]", text, re.MULTILINE), key
        assert re.search(rf"^#   {key} ", text, re.MULTILINE), f"{key} is not explained"
