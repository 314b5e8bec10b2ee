"""Two people at once, and a connection lost between any two statements: each change of the record happens once.

Put here commits, decisions and rollbacks. Keep out syncs (``stock/test_concurrency``, ``stock/test_exactly_once``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from syncstock_dagster import PurchaseRecord, SyncStockDB
from syncstock_dagster.catalog import staging
from syncstock_dagster.errors import BadInput
from syncstock_dagster.store.connection import close_idle
from syncstock_dagster_tests.conftest import Databases
from syncstock_dagster_tests.stock.test_concurrency import wait_until_done_or_blocked
from syncstock_dagster_tests.stock.wire import Wire, cut_once

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
#: Every n-th round trip in the ordinary run, every one in the long run.
STRIDE = 1 if settings().max_examples > 100 else 6


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What several calls answer that begin at one moment; an exception is an answer, too."""
    answers: list[Any] = [None] * len(calls)
    ready = threading.Barrier(len(calls))

    def call(n: int) -> None:
        ready.wait()
        try:
            answers[n] = calls[n]()
        except BadInput as error:
            answers[n] = error

    threads = [threading.Thread(target=call, args=(n,)) for n in range(len(calls))]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    return answers


def twenty(db: SyncStockDB) -> str:
    """Twenty staged changes; their operation."""
    return db.stage_products([{"sku": f"S{n}", "price": n} for n in range(20)], source="zoho").operation_uuid


def test_two_people_who_commit_at_once_commit_each_change_once(db: SyncStockDB) -> None:
    uuid = twenty(db)
    db.approve_staged(operation_uuid=uuid, reason="fine")
    answers = at_once(*[lambda: db.commit_staged().committed] * 3)
    assert sum(answers) == 20
    versions = db.product_states()["version"].to_list()
    assert versions == [1] * 20
    assert db.audit() == {}


def test_one_approves_while_another_rejects_and_each_change_has_one_fate(db: SyncStockDB) -> None:
    uuid = twenty(db)
    at_once(
        lambda: db.approve_staged(operation_uuid=uuid, reason="fine", who="anna"),
        lambda: db.reject_staged(operation_uuid=uuid, reason="no", who="bert"),
        lambda: db.commit_staged(),
    )
    db.commit_staged()
    fates = set(db.staged(None)["status"])
    assert fates <= {"committed", "rejected"}
    assert len(db.products()) == (db.staged(["committed"])["sku"].nunique())
    assert db.audit() == {}


def test_two_people_who_roll_back_one_operation_undo_it_once(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "inventory_id": 1, "price": 1}])
    wrong = db.change_products([{"sku": "A", "price": 2}]).operation_uuid
    at_once(*[lambda: db.rollback(wrong, reason="wrong")] * 3)
    assert [int(one["price"]) for one in db.product_versions(1)["state"]] == [1, 2, 1]
    assert db.operation(wrong)["status"] == "rolled_back"
    assert db.audit() == {}


def test_commits_rollbacks_and_sales_of_the_same_articles_wait_for_each_other(db: SyncStockDB) -> None:
    db.change_products([{"sku": f"S{n}", "inventory_id": n + 1, "price": 100} for n in range(20)])
    sync = db.run_sync([PurchaseRecord(n + 1, 5, at=NOON, ref=f"P{n}") for n in range(20)]).operation_uuid
    db.approve_staged(operation_uuid=twenty(db), reason="fine")
    answers = at_once(
        lambda: db.commit_staged().committed,
        lambda: db.rollback(sync, reason="wrong").status,
        lambda: db.run_sync([PurchaseRecord(n + 1, 7, at=NOON, ref=f"Q{n}") for n in range(20)]).status,
        lambda: db.change_products([{"sku": f"S{n}", "name": "x"} for n in range(19, -1, -1)]).committed,
    )
    assert answers == [20, "rolled back", "posted", 20]
    assert db.on_hand()["on_hand"].to_list() == [7] * 20
    assert db.audit() == {}


def between_check_and_change(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let somebody else do ``change`` when the next commit has checked its rows and not yet changed an article."""
    apply = staging.apply_changes

    def changed_before(*given: Any) -> None:
        monkeypatch.setattr(staging, "apply_changes", apply)
        change()
        apply(*given)

    monkeypatch.setattr(staging, "apply_changes", changed_before)


def test_an_article_that_somebody_else_creates_during_a_commit_is_theirs(
    db: SyncStockDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.approve_staged(operation_uuid=twenty(db), reason="fine")
    between_check_and_change(
        monkeypatch, lambda: db.change_products([{"sku": "S1", "unit": "kg", "price": 100}])
    )
    done = db.commit_staged()
    assert (done.committed, done.left) == (19, 1)
    states = {one["sku"]: one for one in db.product_states()["state"]}
    assert (states["S1"]["unit"], states["S1"]["price"], states["S2"]["price"]) == ("kg", 100, 2)
    assert db.staged()["problem"].to_list() == ["it exists by now"]
    assert db.audit() == {}


def test_a_category_that_is_renamed_while_articles_come_into_it_is_made_again(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "category": "Cups"}, {"sku": "B"}])
    with psycopg.connect(db.url) as other, ThreadPoolExecutor(1) as threads:
        other.execute("update syncstock.categories set name = 'Mugs' where name = 'Cups'")
        both = threads.submit(
            db.change_products, [{"sku": "B", "category": "Cups"}, {"sku": "C", "category": "Cups"}]
        )
        wait_until_done_or_blocked(db.url, both)
        other.commit()
        assert both.result().committed == 2
    states = {one["sku"]: one["category"] for one in db.product_states()["state"]}
    assert states == {"A": "Mugs", "B": "Cups", "C": "Cups"}
    assert db.audit() == {}


@pytest.mark.prove
@pytest.mark.parametrize("what", ["commit", "rollback"])
def test_a_connection_lost_at_any_round_trip_leaves_a_record_that_is_whole(
    what: str, fresh_databases: Any, make_database: Databases
) -> None:
    """Lost before the server heard it or after it did it: after the retry it happened once."""
    base = fresh_databases.take()
    db = SyncStockDB(base)
    db.change_products([{"sku": "S1", "price": 9, "identifiers": {"zoho": "1"}}])
    uuid = twenty(db)
    db.approve_staged(operation_uuid=uuid, reason="fine")
    if what == "rollback":
        uuid = db.commit_staged().operation_uuid
    db.close()

    def act(one: SyncStockDB) -> None:
        if what == "commit":
            one.commit_staged()
        else:
            one.rollback(uuid, reason="wrong")

    def whole(url: str) -> list[Any]:
        with psycopg.connect(url, autocommit=True) as connection:
            return [
                connection.execute(query.encode()).fetchall()
                for query in (
                    "select sku, price, version, is_active from syncstock.products order by sku",
                    "select sku, status, problem from syncstock.products_staging order by staging_id",
                    "select product_data, version_number from syncstock.product_versions "
                    "order by product_data ->> 'sku', version_number",
                    "select rollback_type, status from syncstock.sync_rollbacks order by rollback_id",
                )
            ]

    undisturbed = make_database(template=base)
    with Wire(undisturbed) as wire:
        one = SyncStockDB(undisturbed)
        one.url = wire.url
        act(one)
        trips = len(wire.trips)
    expected = whole(undisturbed)
    close_idle(undisturbed)
    for number in sorted({*range(1, trips + 1, STRIDE), *range(trips - 3, trips + 1)}):
        for phase in ("request", "answer"):
            url = make_database(template=base)
            one = SyncStockDB(url)
            with Wire(url, cut_once(number, phase)) as wire:
                one.url = wire.url
                act(one)  # the operation tries again by itself
            assert whole(url) == expected, (number, phase)
            assert SyncStockDB(url).audit() == {}
            close_idle(url)
    fresh_databases.give_back(base)
