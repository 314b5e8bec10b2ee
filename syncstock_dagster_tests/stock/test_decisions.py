"""People's decisions on held counts: who may, on what, two at once, many at once, and counting again (law L9).

What belongs here: approve, reject, ask for a recount. What does not: the gate (``test_gates``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from syncstock_dagster import POSRecord, SalesRecord, SyncStockDB
from syncstock_dagster.errors import BadInput
from syncstock_dagster.stock.policy import Gate, Policies, SourcePolicy
from syncstock_dagster_tests.stock.compare import rows
from syncstock_dagster_tests.stock.conftest import OpenDatabase

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = NOON + 2 * HOUR


def policies(**gate: Any) -> Policies:
    excel = SourcePolicy(kind="counts", trust="gated", gate=Gate.model_validate(gate))
    return Policies(sources={"excel": excel})


def counts(quantities: dict[int, int], at: datetime = LATER, **fields: Any) -> list[POSRecord]:
    return [
        POSRecord(number, quantity, at, source="excel", **fields) for number, quantity in quantities.items()
    ]


def held(db: SyncStockDB, **which: Any) -> dict[int, dict[str, Any]]:
    return {row["inventory_id"]: row for row in rows(db.held(**which))}


def stock(db: SyncStockDB) -> dict[int, Any]:
    return {row["inventory_id"]: row["on_hand"] for row in rows(db.on_hand())}


def decisions(db: SyncStockDB) -> list[tuple[Any, ...]]:
    """What people decided, in order."""
    with psycopg.connect(db.url) as connection:
        return connection.execute(
            "select c.inventory_id, x.decision, x.tier, x.decided_by, x.reason from syncstock.decisions as x "
            "join syncstock.stock_counts as c using (count_id) where x.decided_by <> 'gate' order by decision_id"
        ).fetchall()


@pytest.fixture
def db(open_database: OpenDatabase) -> Iterator[SyncStockDB]:
    """500 of each of four articles; Omar's sheet finds 300, 350, 1600 and 495. 1000 and more is critical."""
    database = open_database(policies(critical_above=1000))
    database.run_sync(pos_counts=counts(dict.fromkeys((1, 2, 3, 4), 500), NOON), who="Omar")
    database.run_sync(pos_counts=counts({1: 300, 2: 350, 3: 1600, 4: 495}, session="spring"), who="Omar")
    yield database
    assert database.audit() == {}


def test_what_is_held_says_its_tier_its_value_and_who_delivered_it(db: SyncStockDB) -> None:
    """Two are held, one is critical, one was applied; value is known where a cost is."""
    db.upsert_products([{"sku": "1", "inventory_id": 1, "cost": "2.50", "price": 9}])
    found = held(db)
    assert {n: (row["tier"], row["delivered_by"], row["session"]) for n, row in found.items()} == {
        1: ("held", "Omar", "spring"), 2: ("held", "Omar", "spring"), 3: ("critical", "Omar", "spring"),
    }  # fmt: skip
    assert (found[1]["value"], found[2]["value"]) == (-500, None)
    assert [*held(db, tier="critical")] == [3]
    assert [*held(db, source="excel", location="main", session="spring", tier="held")] == [1, 2]
    assert held(db, location="nowhere") == {}
    with pytest.raises(BadInput, match="not colour"):
        db.held(colour="red")  # type: ignore[call-arg]


def test_who_delivered_a_critical_count_does_not_approve_it(db: SyncStockDB) -> None:
    """Omar may approve what is merely held, and reject what is critical; the latter is approved by Mona."""
    critical = held(db)[3]["count_id"]
    with pytest.raises(BadInput, match=rf"Somebody else than Omar.* count {critical} \(critical\)"):
        db.approve(critical, reason="I counted it", who="Omar")
    with pytest.raises(BadInput, match="Somebody else"):
        db.approve(session="spring", reason="all of it", who="Omar")
    assert stock(db) == {1: 500, 2: 500, 3: 500, 4: 495}
    db.approve(tier="held", reason="looked at the shelf", who="Omar")
    db.approve(critical, reason="looked at the shelf, too", who="Mona")
    assert stock(db) == {1: 300, 2: 350, 3: 1600, 4: 495}
    assert decisions(db) == [
        (1, "applied", "held", "Omar", "looked at the shelf"),
        (2, "applied", "held", "Omar", "looked at the shelf"),
        (3, "applied", "critical", "Mona", "looked at the shelf, too"),
    ]


def test_who_delivered_a_critical_count_may_reject_it(db: SyncStockDB) -> None:
    """To say no to oneself is safe."""
    db.reject(tier="critical", reason="I wrote 1600 for 160", who="Omar")
    assert [*held(db)] == [1, 2]


@pytest.mark.parametrize(("second_person", "may"), [("held", False), ("critical", True), ("never", True)])
def test_who_needs_a_second_person_is_configured(
    open_database: OpenDatabase, second_person: str, may: bool
) -> None:
    """By default from critical on; from held on, or never, where the gate says so."""
    db = open_database(policies(second_person=second_person))
    db.run_sync(pos_counts=counts({1: 500}, NOON), who="Omar")
    db.run_sync(pos_counts=counts({1: 300}), who="Omar")
    if may:
        db.approve(tier="held", reason="r", who="Omar")
    else:
        with pytest.raises(BadInput, match="Somebody else"):
            db.approve(tier="held", reason="r", who="Omar")
        db.approve(tier="held", reason="r", who="Mona")
    assert stock(db) == {1: 300}


@pytest.mark.parametrize("decide", ["approve", "reject"])
def test_what_changed_since_it_was_looked_at_is_refused_and_shown(db: SyncStockDB, decide: str) -> None:
    """Mona looked at 350 of 500; meanwhile 10 are known to have been sold before. Both of her decisions are refused."""
    seen = held(db)
    db.run_sync(sales=[SalesRecord(2, 10, at=NOON + HOUR, ref="late")])
    digests = {seen[n]["count_id"]: seen[n]["digest"] for n in (1, 2)}
    with pytest.raises(BadInput, match=r"\(counted 350\): the book said 500, now 490$"):
        getattr(db, decide)([*digests], digest=digests, reason="r", who="Mona")
    assert [*held(db)] == [1, 2, 3]
    again = held(db)[2]
    getattr(db, decide)(again["count_id"], digest=again["digest"], reason="r", who="Mona")
    assert stock(db)[2] == (350 if decide == "approve" else 490)


def test_the_wrong_way_to_say_which_is_told(db: SyncStockDB) -> None:
    """Nothing, two ways at once, nothing that fits, one digest for two counts, no reason, an unknown count."""
    one, two = held(db)[1]["count_id"], held(db)[2]["count_id"]
    for arguments, says in (
        ({}, "Say which counts"),
        ({"count_ids": one, "tier": "held"}, "not both"),
        ({"location": "nowhere"}, "No held count fits: location nowhere"),
        ({"count_ids": [one, two], "digest": "x"}, "each needs its own digest"),
        ({"count_ids": [one, 10**9]}, f"count {10**9} is unknown"),
    ):
        with pytest.raises(BadInput, match=says):
            db.approve(reason="r", who="Mona", **arguments)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="needs a reason"):
        db.approve(one, reason=" ", who="Mona")
    assert decisions(db) == []


def test_a_dry_run_decides_nothing(db: SyncStockDB) -> None:
    """It says what would be applied."""
    result = db.approve(tier="held", reason="r", who="Mona", dry_run=True)
    assert (result.status, result.articles) == ("dry run", 2)
    assert db.ask_recount(held(db)[1]["count_id"], reason="r", dry_run=True).status == "dry run"
    assert ([*held(db)], decisions(db), len(db.wanted_recounts())) == ([1, 2, 3], [], 0)


def test_a_recount_is_asked_for_listed_and_answered(db: SyncStockDB) -> None:
    """The count stays held; what was counted before does not answer, what is counted later does."""
    count_id = held(db)[1]["count_id"]
    db.ask_recount(count_id, reason="the shelf was in disorder", who="Mona")
    assert {n: row["recount"] for n, row in held(db).items()} == {1: "wanted", 2: None, 3: None}
    (wish,) = rows(db.wanted_recounts())
    assert (wish["sku"], wish["counted"], wish["expected"]) == ("1", 300, 500)
    assert (wish["asked_by"], wish["reason"]) == ("Mona", "the shelf was in disorder")
    assert stock(db)[1] == 500
    db.run_sync(pos_counts=counts({1: 498}, NOON + HOUR), who="Omar")
    assert held(db)[1]["recount"] == "wanted"
    db.run_sync(pos_counts=counts({1: 497}, LATER + HOUR), who="Omar")
    assert held(db)[1]["recount"] == "answered"
    assert len(db.wanted_recounts()) == 0
    (answer,) = rows(db.wanted_recounts(every=True))
    assert (answer["counted_again"], answer["counted_again_at"]) == (497, LATER + HOUR)
    assert stock(db)[1] == 497
    db.reject(count_id, reason="counted again", who="Mona")
    assert len(db.wanted_recounts(every=True)) == 0


def test_only_what_is_held_is_counted_again(db: SyncStockDB) -> None:
    """Of an applied count nobody is asked."""
    applied = next(row["count_id"] for row in rows(db.variances()) if row["inventory_id"] == 4)
    with pytest.raises(BadInput, match=f"count {applied} is applied by gate"):
        db.ask_recount(applied, reason="r")


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What calls answer that begin together: a result or an error, in their order."""
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def call(number: int) -> None:
        barrier.wait()
        try:
            answers[number] = calls[number]()
        except BadInput as error:
            answers[number] = error

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_two_people_who_decide_at_once_one_is_told_that_the_other_has_decided(db: SyncStockDB) -> None:
    """Mona approves while Nadia rejects: one of the two holds, and the other one is refused, not ignored."""
    for number in (1, 2, 3):
        count_id = held(db)[number]["count_id"]
        approved, rejected = at_once(
            lambda count_id=count_id: db.approve(count_id, reason="yes", who="Mona"),
            lambda count_id=count_id: db.reject(count_id, reason="no", who="Nadia"),
        )
        refused = [answer for answer in (approved, rejected) if isinstance(answer, BadInput)]
        assert len(refused) == 1, (approved, rejected)
        (decided,) = [row for row in decisions(db) if row[0] == number]
        other = "rejected by Nadia" if refused[0] is approved else "applied by Mona"
        assert f"count {count_id} is {other}" in str(refused[0])
        assert decided[1] == ("rejected" if refused[0] is approved else "applied")
        assert (
            stock(db)[number] == {"rejected": 500, "applied": {1: 300, 2: 350, 3: 1600}[number]}[decided[1]]
        )


def test_two_people_who_say_the_same_at_once_decide_once(db: SyncStockDB) -> None:
    """Both approve all that is held: applied once, recorded once."""
    count_id = held(db)[1]["count_id"]
    answers = at_once(
        lambda: db.approve(count_id, reason="yes", who="Mona"),
        lambda: db.approve(count_id, reason="yes", who="Nadia"),
    )
    assert not [answer for answer in answers if isinstance(answer, BadInput)]
    assert len(decisions(db)) == 1
    assert stock(db)[1] == 300


def test_an_approval_and_a_late_sale_at_once_end_in_the_right_stock(db: SyncStockDB) -> None:
    """Whichever is first: approved on what Mona looked at, or refused; the books hold either way."""
    for number in range(4):
        row = held(db)[1]
        answer, _ = at_once(
            lambda row=row: db.approve(row["count_id"], digest=row["digest"], reason="r", who="Mona"),
            lambda number=number: db.run_sync(
                sales=[SalesRecord(1, 1, at=NOON + HOUR, ref=f"late-{number}")]
            ),
        )
        if not isinstance(answer, BadInput):
            assert stock(db)[1] == 300
            assert decisions(db)[-1][:2] == (1, "applied")
            return
        assert "now " in str(answer)
        assert stock(db)[1] == 500 - number - 1
