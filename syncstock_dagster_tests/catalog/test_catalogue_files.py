"""Catalogue files: staged like what every source says, and committed where the policy trusts them.

Put here what becomes of a file's lines. Keep out how they are read (``sources/test_product_files``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from syncstock_dagster import SalesRecord, SyncStockDB
from syncstock_dagster.catalog.policy import CataloguePolicy
from syncstock_dagster.sources.intake import find_files, post, rehearse, waiting_of
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster_tests.catalog.test_staging import policy, state
from syncstock_dagster_tests.receiving import receive_paths

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Load = Callable[..., SyncResult]


@pytest.fixture
def load(db: SyncStockDB, tmp_path: Path) -> Load:
    """Call it with the lines of a catalogue to take it in."""

    def take(*lines: str, again: bool = False, folder: str = "products") -> SyncResult:
        path = tmp_path / folder / "catalogue.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        results, failures = post(db, waiting_of(receive_paths(db, path, again=again)))
        assert not failures
        return results[0]

    return take


def test_a_first_load_commits_itself_and_every_line_is_on_record(db: SyncStockDB, load: Load) -> None:
    result = load(
        "sku,name,category,price,cost", "A,Mug,Cups,9.50,4", *(f"S{n},Thing,,1," for n in range(600))
    )
    assert (result.products, result.products_waiting, result.needs_person) == (601, 0, False)
    assert state(db, "A") == {
        "sku": "A", "name": "Mug", "category": "Cups", "price": 9.5, "cost": 4, "unit": "each", "is_active": True,
    }  # fmt: skip
    rows = db.staged(["committed"])
    assert len(rows) == 601
    assert set(rows["source"]) == {"products"}
    assert set(rows["decision_reason"]) == {"by policy"}
    assert set(rows["operation_uuid"]) == {result.operation_uuid}
    assert db.audit() == {}


def test_what_fills_in_commits_itself_and_many_changes_wait(db: SyncStockDB, load: Load) -> None:
    """Also placeholders are filled in: nobody had said anything about them."""
    db.run_sync(sales=[SalesRecord(7, 1, at=NOON, ref="1")])
    load("sku,name", *(f"S{n},Thing {n}" for n in range(600)))
    filled = load("sku,name,price", "7,Seven,1", *(f"S{n},,1" for n in range(600)))
    assert (filled.products, filled.products_waiting) == (601, 0)
    few = load("sku,price", "S1,2", "7,2", "NEW,2")
    assert (few.products, few.products_waiting) == (3, 0)
    many = load("sku,price", "NEWER,3", *(f"S{n},3" for n in range(600)))
    assert (many.products, many.products_waiting, many.needs_person) == (1, 600, True)
    assert (state(db, "S1")["price"], state(db, "NEWER")["price"]) == (2, 3)
    db.approve_staged(operation_uuid=many.operation_uuid, reason="the new list")
    assert db.commit_staged().committed == 600
    assert state(db, "S1")["price"] == 3
    assert db.audit() == {}


def test_the_policy_says_what_commits_itself_of_all_files_or_of_a_source(db: SyncStockDB, load: Load) -> None:
    policy(db, files={"auto_commit": {}}, sources={"wholesaler": {"auto_commit": {"max_changes": 1}}})
    assert load("sku,name", "A,Mug").products_waiting == 1
    assert db.products().empty
    assert load("sku,name", "B,Cup", folder="products/wholesaler").products == 1
    assert load("sku,name", "C,Jug", "D,Jar", folder="products/wholesaler").products_waiting == 2


def test_a_value_changed_here_outlives_a_file_that_repeats_itself_and_a_contradiction_is_a_conflict(
    db: SyncStockDB, load: Load
) -> None:
    load("sku,name,price", "A,Mug,10", "B,Cup,10")
    db.change_products([{"sku": "A", "price": 12}])
    repeated = load("sku,name,price", "A,Mug,10", "B,Cup,11")
    assert (repeated.products, repeated.products_waiting) == (1, 0)
    assert (state(db, "A")["price"], state(db, "B")["price"]) == (12, 11)
    contradicted = load("sku,name,price", "A,Mug,15", "B,Cup,11")
    assert (contradicted.products, contradicted.products_waiting, contradicted.needs_person) == (0, 1, True)
    assert db.conflicts()["field"].to_list() == ["price"]


def test_a_locked_article_waits(db: SyncStockDB, load: Load) -> None:
    load("sku,price", "A,1", "B,1")
    db.lock_products([int(db.products(["A"])["inventory_id"][0])], who="anna")
    result = load("sku,price", "A,2", "B,2")
    assert (result.products, result.products_waiting) == (1, 1)
    assert db.staged()["problem"].to_list() == ["locked by anna"]


def test_a_file_that_was_rolled_back_comes_again_whole(db: SyncStockDB, load: Load) -> None:
    """The same file as a new delivery, or a corrected one: what it said was withdrawn with it."""
    policy(db, files={"auto_commit": {"max_changes": 1, "max_additions": "inf"}})
    lines = ("sku,name,price", "A,Mug,10", "B,Cup,10")
    first = load(*lines)
    db.rollback(first.operation_uuid, reason="wrong")
    assert [state(db, sku)["is_active"] for sku in "AB"] == [False, False]
    again = load(*lines, again=True)
    assert (again.products, again.products_waiting) == (2, 0)
    assert [state(db, sku)["is_active"] for sku in "AB"] == [True, True]
    db.rollback(again.operation_uuid, reason="wrong again")
    corrected = load("sku,name,price", "A,Mug,10", "B,Cup,11")
    assert (corrected.products, state(db, "A")["is_active"], state(db, "B")["price"]) == (2, True, 11)
    changed = load("sku,name,price", "A,Mug,12", "B,Cup,11")
    back = db.rollback(changed.operation_uuid, reason="wrong")
    assert state(db, "A")["price"] == 10
    db.rollback(back.operation_uuid, reason="it was right")
    assert load("sku,price", "A,12", "B,11").products == 0
    db.change_products([{"sku": "A", "is_active": False}])
    load("sku,name,price", "A,Big mug,12")
    assert state(db, "A")["is_active"] is False  # a person's decision stays
    assert db.audit() == {}


def test_a_file_of_which_changes_still_wait_is_not_rolled_back_yet(db: SyncStockDB, load: Load) -> None:
    policy(db, files={"auto_commit": {"max_changes": 0, "max_additions": "inf"}})
    load("sku,price", "A,1", "B,1")
    a, b = (int(one) for one in db.products(["A", "B"])["inventory_id"])
    waiting = load("sku,price", "A,2", "B,2")
    db.rollback(waiting.operation_uuid, reason="A was wrong", inventory_ids=[a])
    assert db.staged()["sku"].to_list() == ["B"]
    assert db.operation(waiting.operation_uuid)["status"] == "partly"
    with psycopg.connect(db.url) as connection:
        states = "select state::text from syncstock.deliveries order by delivery_id desc"
        assert connection.execute(states).fetchone() == ("posted",)
    db.approve_staged(operation_uuid=waiting.operation_uuid, reason="right")
    assert db.commit_staged().committed == 1
    both = load("sku,price", "A,3", "B,3")
    for one in (a, b):
        db.rollback(both.operation_uuid, reason="wrong", inventory_ids=[one])
    assert db.operation(both.operation_uuid)["status"] == "rolled_back"
    with psycopg.connect(db.url) as connection:
        assert connection.execute(states).fetchone() == ("withdrawn",)
    assert db.audit() == {}


def test_after_a_rollback_a_source_is_known_by_what_it_had_said_before(db: SyncStockDB, load: Load) -> None:
    db.change_products([{"sku": "A", "price": 10}])
    load("sku,price", "A,10")
    wrong = load("sku,price", "A,11")
    db.rollback(wrong.operation_uuid, reason="wrong")
    db.change_products([{"sku": "A", "price": 12}])
    assert load("sku,price,name", "A,11,Mug").products_waiting == 1
    assert db.conflicts()["kind"].to_list() == ["field_mismatch"]


def test_a_rehearsal_of_two_catalogues_tells_what_each_would_do(db: SyncStockDB, tmp_path: Path) -> None:
    folder = tmp_path / "products"
    folder.mkdir()
    (folder / "a.csv").write_text("sku,name\nA,Mug\n")
    (folder / "b.csv").write_text("sku,name\nA,Cup\nB,Jug\n")
    told = [result for _, result in rehearse(db, find_files([str(folder)]))]
    assert [result and result.products for result in told] == [1, 2]
    assert db.products().empty
    with psycopg.connect(db.url) as connection:
        assert connection.execute("select count(*) from syncstock.products_staging").fetchone() == (0,)


def test_without_configuration_a_file_may_add_anything_and_change_some_hundreds() -> None:
    auto = CataloguePolicy().for_files("products").auto_commit
    assert (auto.max_changes, str(auto.max_additions), auto.deletes) == (500, "Infinity", False)
