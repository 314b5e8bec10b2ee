"""Closing balances under many small changes that meet: days cut in two, shifted, and joined where they become equal.

Quantities of one piece on a few days, so that neighbours become equal all the time. What is kept is compared with what
follows from the evidence alone (audit), and what was published with what was logged (law L12).
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from syncstock_dagster import MovementRecord, POSRecord, SyncStockDB
from syncstock_dagster_tests.stock.compare import daily, rows

FIRST = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAYS, ARTICLES, ROUNDS = 8, 4, 25


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_follows_from_the_evidence_and_what_was_published_is_logged(
    db: SyncStockDB, seed: int
) -> None:
    dice = random.Random(seed)
    print(f"seed {seed}")
    span = FIRST.date() - timedelta(days=1), FIRST.date() + timedelta(days=DAYS)
    done: list[str] = []
    logged = 0
    published: date | None = None
    for number in range(ROUNDS):
        before = daily(db, *span)
        if done and dice.random() < 0.25:
            undone = dice.choice(done)
            done.remove(undone)
            db.rollback(undone, reason="sent by mistake", include_dependents=True)
        elif dice.random() < 0.1:
            published = max(published or date.min, FIRST.date() + timedelta(days=dice.randrange(DAYS)))
            db.close_day(published)
        else:
            done.append(db.run_sync(**_evidence(dice, number)).operation_uuid)
        after = daily(db, *span)
        assert db.audit() == {}
        restated = [row for row in rows(db.restatements()) if row["kind"] == "snapshot"]
        new, logged = restated[logged:], len(restated)
        if published is None:
            assert not new
            continue
        told = {
            (row["first_day"] + timedelta(days=offset), row["inventory_id"]): (
                row["old_value"],
                row["new_value"],
            )
            for row in new
            for offset in range((row["last_day"] - row["first_day"]).days + 1)
        }
        for day, pair in before.keys() | after.keys():
            old, now = before.get((day, pair)), after.get((day, pair))
            if day <= published and (old or 0) != (now or 0):  # nothing known any more and none are the same
                assert told.pop((day, pair.inventory_id)) == (old, now or 0)
        assert all(old is None and now == 0 for old, now in told.values())


def _evidence(dice: random.Random, number: int) -> dict[str, list[MovementRecord] | list[POSRecord]]:
    def at() -> datetime:
        return FIRST + timedelta(days=dice.randrange(DAYS), minutes=dice.randrange(600))

    def article() -> int:
        return 1001 + dice.randrange(ARTICLES)

    movements = [
        MovementRecord(
            article(), dice.choice((-1, 0, 1)), at=at(), reason="adjustment", ref=f"{number}", line=f"{line}"
        )
        for line in range(dice.randrange(1, 8))
    ]
    counts = [POSRecord(article(), dice.randrange(3), at()) for _ in range(dice.randrange(3))]
    return {"movements": movements, "pos_counts": counts}
