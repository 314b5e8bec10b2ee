"""What is kept of every operation: status, performance, events; and dead letters.

Put here what the record says. Keep out rollback (``test_rollback``).
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from syncstock_dagster import POSRecord, PurchaseRecord, SalesRecord, SyncStockDB
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.dead_letters import Letter, bury, handles
from syncstock_dagster.operations.events import acknowledge, follow, position_of, read_events
from syncstock_dagster.operations.log import Operation, acting, operating_system_user, run_operation
from syncstock_dagster.operations.performance import Performance
from syncstock_dagster_tests.operations.conftest import events_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def nothing(operation: Operation) -> dict[str, Any]:
    """Work that does nothing."""
    return {}


def test_an_operation_says_who_why_which_way_and_in_which_run(db: SyncStockDB) -> None:
    with acting(who="anna", dagster_run_id="run-7"):
        sync = db.run_sync([PurchaseRecord(1, 5, at=NOON, ref="P")], note="morning").operation_uuid
    told = db.operation(sync[:12])
    assert (told["name"], told["type"], told["direction"], told["status"]) == (
        "morning",
        "sync",
        "down",
        "completed",
    )
    assert (told["created_by"], told["dagster_run_id"]) == ("anna", "run-7")
    assert told["statistics"]["movements_new"] == 1
    assert "seconds" not in told["statistics"]
    assert [one["name"] for one in told["deliveries"]] == ["morning"]
    push = run_operation(db.url, "out", "push", nothing, direction="up").uuid
    assert (db.operation(push)["direction"], db.operation(push)["created_by"]) == (
        "up",
        operating_system_user(),
    )
    with pytest.raises(BadInput, match="no operation"):
        db.operation("ffffffff-0000")


def test_work_that_is_left_makes_an_operation_partly_done(db: SyncStockDB) -> None:
    outcome = run_operation(db.url, "half", "commit", lambda _: {"partly": True})
    assert db.operation(outcome.uuid)["status"] == "partly"


def test_a_worker_that_died_is_found_by_the_next_operation_and_told(db: SyncStockDB) -> None:
    with psycopg.connect(db.url, autocommit=True) as connection:
        connection.execute(
            "insert into syncstock.sync_operations (operation_uuid, name, operation_type, status, created_by, "
            "started_at) values (gen_random_uuid(), 'dead', 'sync', 'in_progress', 'x', now() - interval '1 minute')"
        )
    run_operation(db.url, "next", "close", nothing)
    (dead,) = [row for row in db.operations().to_dict("records") if row["name"] == "dead"]
    assert (dead["status"], dead["error"]) == (
        "failed",
        "The worker died; nothing of this operation was kept.",
    )
    (event,) = events_of(db, "sync.failed", 1)
    assert event["entity_id"] == dead["operation_uuid"]


def test_the_time_of_an_operation_is_kept_by_stage_with_its_bottleneck(db: SyncStockDB) -> None:
    performance = Performance()
    with performance.stage("fetch"):
        time.sleep(0.2)
        performance.count("fetch", calls=3, rows=600, transferred=12_345, waited=0.15)

    def work(operation: Operation) -> dict[str, Any]:
        with operation.performance.stage("write", rows=600):
            pass
        return {"items": 600, "seconds": {"post": 0.01}}

    with acting(performance=performance):
        uuid = run_operation(db.url, "pull", "pull", work).uuid
        other = run_operation(db.url, "next", "pull", nothing).uuid
    told = db.operation(uuid)
    assert [one["stage"] for one in told["stages"]] == ["fetch", "write", "post"]
    assert (told["items_processed"], told["api_calls_count"], told["bytes_transferred"]) == (600, 3, 12_345)
    assert told["bottleneck_stage"] == "fetch"
    assert told["total_duration"].total_seconds() >= 0.2
    assert told["rate_limit_wait"].total_seconds() == 0.15
    assert 0 < told["items_per_second"] <= 3000
    fetch = told["stages"][0]
    assert (fetch["calls"], fetch["rows"], float(fetch["waited"])) == (3, 600, 0.15)
    assert db.operation(other)["stages"] == []  # what was measured belongs to the first


def test_a_sync_logs_the_stages_of_its_posting_and_trends_sum_them_up(db: SyncStockDB) -> None:
    for n in range(3):
        uuid = db.run_sync([PurchaseRecord(1, 5, at=NOON, ref=f"P-{n}")]).operation_uuid
    with pytest.raises(RuntimeError):
        run_operation(db.url, "broken", "sync", _fail)
    assert {"copy", "ledger", "lock"} <= {one["stage"] for one in db.operation(uuid)["stages"]}
    (day,) = db.performance(operation_type="sync").to_dict("records")
    assert (day["runs"], day["failed"], float(day["failed_percent"]), day["items"]) == (4, 1, 25.0, 3)
    assert day["median_seconds"] > 0
    at_a_glance = db.activity()
    assert (at_a_glance["runs"], at_a_glance["failed"], at_a_glance["items"]) == (4, 1, 3)


def _fail(operation: Operation) -> dict[str, Any]:
    raise RuntimeError("broken on purpose")


def test_what_happens_is_told_in_the_transaction_of_its_effect(db: SyncStockDB) -> None:
    db.run_sync((), (), [POSRecord(1, 5, NOON, source="excel")])
    db.close_day(NOON.date())
    sync = db.run_sync(
        [PurchaseRecord(1, 2, at=NOON.replace(hour=13), ref="late")],
        (),
        [POSRecord(1, 905, NOON.replace(hour=15), source="excel")],
    )
    with pytest.raises(RuntimeError):
        run_operation(db.url, "broken", "sync", _fail)
    db.run_sync([PurchaseRecord(9, 1, at=NOON, ref="x")], dry_run=True)
    failed = events_of(db, "sync.failed", 1)
    assert failed[0]["payload"]["error"] == "RuntimeError: broken on purpose"
    told = events_of(db, "*", 1)
    kinds = [(one["event_type"], one["operation_uuid"]) for one in told]
    assert [kind for kind, uuid in kinds if uuid == sync.operation_uuid] == [
        "sync.started", "count.held", "stock.restated", "sync.completed",
    ]  # fmt: skip
    assert [one["event_type"] for one in told if one["entity_type"] == "product"] == ["entity.created"]
    assert [one["event_id"] for one in told] == sorted({one["event_id"] for one in told})
    assert not any(one["payload"].get("sku") == "9" for one in told)


def test_a_stream_is_read_in_pieces_from_a_position_without_gaps(db: SyncStockDB) -> None:
    db.change_products([{"sku": str(n)} for n in range(25)])
    whole = events_of(db, "entity.created", 25)
    pieces, position = [], "0-0-0"
    for _ in range(50):
        piece, position = read_events(db.url, position, types=["entity.*"], limit=7)
        pieces += piece
    assert pieces == whole
    for wrong in ("yesterday", "1-2", "1-2-3-4", "-1-2-3", f"{2**64}-0-0"):
        with pytest.raises(BadInput, match="no position"):
            read_events(db.url, wrong)
    for limit in (0, -1):
        with pytest.raises(BadInput, match="one at least"):
            read_events(db.url, limit=limit)


def test_an_event_of_a_transaction_that_ends_late_is_not_lost(db: SyncStockDB) -> None:
    """Its id is smaller than those that were there before it; the stream waits for it."""
    with psycopg.connect(db.url) as slow:
        slow.execute(
            "insert into syncstock.sync_events (event_type, entity_type, entity_id) values ('a', 'x', '1')"
        )
        with psycopg.connect(db.url, autocommit=True) as quick:
            quick.execute(
                "insert into syncstock.sync_events (event_type, entity_type, entity_id) values ('b', 'x', '2')"
            )
        before, position = db.events(types=["a", "b"])
        assert before == []
        slow.commit()
    for _ in range(200):
        after, position = read_events(db.url, position, types=["a", "b"])
        if after:
            break
        time.sleep(0.05)
    assert [one["event_type"] for one in after] == ["a", "b"]


def test_old_events_go_and_whoever_has_not_read_them_is_told(db: SyncStockDB) -> None:
    def age(first: int, last: int) -> None:
        with psycopg.connect(db.url) as connection:
            connection.execute(
                "update syncstock.sync_events set occurred_at = now() - interval '100 days' "
                "where event_id between %s and %s",
                (first, last),
            )

    for never in (-1, 10**9, 1.5):
        with pytest.raises(BadInput, match="1 to 36,500 days"):
            db.prune_events(never)  # type: ignore[arg-type]
        with pytest.raises(BadInput, match="1 to 36,500 days"):
            db.prune_files(never)  # type: ignore[arg-type]
    db.change_products([{"sku": str(n)} for n in range(10)])
    old = events_of(db, "*", 11)
    # In the middle of what is pruned, at its end, and behind it.
    _, early = read_events(db.url, limit=4)
    _, at_end = read_events(db.url)
    assert db.prune_events() == 0
    assert db.operations(1)["type"].to_list() == ["stage"]
    age(old[0]["event_id"], old[-1]["event_id"])
    assert db.prune_events(dry_run=True) == 11
    assert db.prune_events(who="anna") == 11
    assert db.operations(1)["type"].to_list() == ["prune"]
    db.change_products([{"sku": "new"}])
    (new,) = events_of(db, "entity.created", 1)
    assert new["payload"]["sku"] == "new"
    assert [one["event_type"] for one in db.events(at_end)[0]][:1] == ["prune.completed"]
    with pytest.raises(BadInput, match=r"were pruned.*go on from '0-0-0'"):
        db.events(early)
    acknowledge(db.url, "lazy", early)
    with pytest.raises(BadInput, match="were pruned"):
        next(follow(db.url, "lazy", idle_seconds=0.1))
    acknowledge(db.url, "lazy", "0-0-0")
    assert next(follow(db.url, "lazy", idle_seconds=5))["event_type"] == "prune.completed"
    assert db.prune_events(0) == 0  # for ever


def test_a_follower_gets_each_event_and_goes_on_where_it_acknowledged(db: SyncStockDB) -> None:
    found: list[str] = []

    def listen() -> None:
        for event in follow(db.url, "web", types=["sync.completed"], idle_seconds=8):
            found.append(event["payload"]["name"])
            if len(found) == 3:
                return

    follower = threading.Thread(target=listen)
    follower.start()
    for n in range(3):
        db.run_sync([PurchaseRecord(1, 5, at=NOON, ref=f"P-{n}")], note=f"sync {n}")
    follower.join(30)
    assert found == ["sync 0", "sync 1", "sync 2"]
    again = [
        one["payload"]["name"] for one in follow(db.url, "web", types=["sync.completed"], idle_seconds=0.5)
    ]
    assert again in ([], found[-1:], found[-2:], found)  # at least once: what was not acknowledged
    acknowledge(db.url, "web", position_of(db.url, "web"))
    assert list(follow(db.url, "web", types=["sync.completed"], idle_seconds=0.5)) == []


# -------------------------------------------------------------------- dead letters


def buried(db: SyncStockDB, kind: str, payload: dict[str, Any], source: str = "till") -> int:
    """A letter that waits; its id."""

    def work(operation: Operation) -> dict[str, Any]:
        return {"buried": bury(operation, source, kind, [(payload, "it failed")])}

    run_operation(db.url, "pull", "pull", work)
    return int(db.dead_letters()["dead_letter_id"][0])


def test_a_letter_is_mended_and_replayed_once_and_its_stock_is_right(db: SyncStockDB) -> None:
    db.change_products([{"sku": "MUG", "inventory_id": 1}])
    letter = buried(db, "sale", {"sku": "MGU", "qty": "2.5", "at": NOON.isoformat(), "ref": "S-1"})
    assert db.waiting()["dead_letters"] == 1
    with pytest.raises(BadInput, match="MGU"):
        db.replay_letter(letter)
    assert db.fix_letter(letter, {"sku": "MUG"}, who="anna")["sku"] == "MUG"
    assert db.replay_letter(letter, dry_run=True).statistics["replayed"] == 1
    assert db.on_hand().empty
    done = db.replay_letter(letter)
    assert db.replay_letter(letter).statistics == {"already": True}
    assert [str(one) for one in db.on_hand()["on_hand"]] == ["-2.5"]
    (told,) = db.dead_letters(every=True).to_dict("records")
    assert (told["state"], told["mended_by"], told["original_payload"]["sku"]) == ("replayed", "anna", "MGU")
    assert db.ledger()["source"].to_list() == ["till"]
    db.rollback(done.uuid, reason="never happened")
    assert db.on_hand().empty
    assert db.audit() == {}


def test_two_people_who_replay_one_letter_post_it_once(db: SyncStockDB) -> None:
    letter = buried(db, "count", {"inventory_id": 1, "stock_count": "7", "counted_at": NOON.isoformat()})
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(db.replay_letter(letter).statistics)) for _ in range(3)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted("already" in one for one in answers) == [False, True, True]
    assert db.on_hand()["on_hand"].to_list() == [7]
    assert len(db.ledger()) == 1


def test_the_same_failure_again_is_one_more_attempt(db: SyncStockDB) -> None:
    first = buried(db, "sale", {"sku": "x"})
    assert buried(db, "sale", {"sku": "x"}) == first
    assert db.dead_letters()["attempts"].to_list() == [2]
    db.discard_letter(first, reason="a test", who="anna")
    run_operation(
        db.url, "p", "pull", lambda operation: {"n": bury(operation, "till", "sale", [({"sku": "x"}, "no")])}
    )
    assert db.dead_letters().empty  # it was given up
    with pytest.raises(BadInput, match="discarded already"):
        db.replay_letter(first)
    assert db.discard_letter(first, reason="again").statistics == {"already": True}


def test_a_room_replays_its_own_letters_and_a_failed_replay_leaves_them(db: SyncStockDB) -> None:
    seen: list[Letter] = []

    @handles("test.call")
    def call(operation: Operation, letter: Letter) -> None:
        seen.append(letter)
        if len(seen) == 1:
            raise RuntimeError("still down")

    letter = buried(db, "test.call", {"path": "/items"}, "zoho")
    with pytest.raises(RuntimeError):
        db.replay_letter(letter)
    assert db.dead_letters()["state"].to_list() == ["waiting"]
    db.replay_letter(letter)
    assert seen[0].uuid == seen[1].uuid  # the key under which the other side does it once
    unknown = buried(db, "test.nobody", {})
    with pytest.raises(BadInput, match="Nobody replays"):
        db.replay_letter(unknown)


def test_a_letter_that_makes_no_sense_says_what_is_wrong(db: SyncStockDB) -> None:
    letter = buried(db, "sale", {"inventory_id": 1, "qty": "many", "at": NOON.isoformat(), "ref": "S"})
    with pytest.raises(BadInput, match="Mend it"):
        db.replay_letter(letter)
    with pytest.raises(BadInput, match="no dead letter 999"):
        db.fix_letter(999, {"qty": "1"})
    with pytest.raises(BadInput, match="reason"):
        db.discard_letter(letter, reason="")


def test_a_bad_row_of_a_file_waits_as_a_letter_and_is_counted_once_mended(db: SyncStockDB) -> None:
    from syncstock_dagster.sources import parse_file

    text = b"sku,quantity,counted_at\nMUG,5,2026-03-02 12:00\nCUP,a lot,2026-03-02 12:00\n"
    parsed = parse_file(
        text, "counts/sheet.csv", "counts", "excel", db.policies.for_source("excel", "counts")
    )
    db.post_received([db.receive(parsed).delivery_id])
    (letter,) = db.dead_letters().to_dict("records")
    assert (letter["kind"], letter["source"], letter["payload"]["where"][0]["found"]) == (
        "count",
        "excel",
        "a lot",
    )
    assert "a lot" in letter["reason"]
    db.change_products([{"sku": "CUP"}])
    mended = {"sku": "CUP", "stock_count": "8", "counted_at": NOON.isoformat()}
    db.fix_letter(letter["dead_letter_id"], mended)
    db.replay_letter(letter["dead_letter_id"])
    assert sorted(db.on_hand()["on_hand"]) == [5, 8]
    assert db.dead_letters().empty
    assert db.audit() == {}


def test_sales_go_on_while_changes_wait(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "inventory_id": 1, "price": 1}])
    db.stage_products([{"sku": "A", "price": 2}], source="zoho")
    db.lock_products([1], who="anna")
    assert db.run_sync((), [SalesRecord(1, 1, at=NOON, ref="S")]).status == "posted"


@pytest.mark.parametrize("limit", [0, -1, 2**63, "many", None])
def test_at_most_no_rows_is_no_question(db: SyncStockDB, limit: Any) -> None:
    for ask in (db.operations, db.dead_letters, db.deliveries, db.rollbacks, db.staged):
        with pytest.raises(BadInput, match="limit is"):
            ask(limit=limit)


def test_operations_are_found_among_many_orders(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "inventory_id": 1}])
    db.run_sync([PurchaseRecord(1, 100, at=NOON, ref="P")])
    for number in range(5):
        db.order([{"sku": "A", "quantity": 1}], ref=f"web-{number}")
    with pytest.raises(BadInput):
        db.approve_staged([1], reason="not there")
    assert db.operations(3)["type"].to_list() == ["approve", "order", "order"]
    assert db.operations(without=["order"])["type"].to_list() == ["approve", "sync", "stage"]
    assert db.operations(types=["sync", "stage"], statuses=["completed"])["type"].to_list() == [
        "sync",
        "stage",
    ]
    assert db.operations(statuses=["failed"])["type"].to_list() == ["approve"]
    kinds = db.operation_kinds()
    assert kinds[["type", "status", "operations"]].to_numpy().tolist() == [
        ["order", "completed", 5], ["approve", "failed", 1], ["stage", "completed", 1], ["sync", "completed", 1],
    ]  # fmt: skip
    assert "None of these changes waits" in kinds["last_error"][1]
    assert kinds["last_uuid"][3] == db.operations(types=["sync"])["operation_uuid"][0]
