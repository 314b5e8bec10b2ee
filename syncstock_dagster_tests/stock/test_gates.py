"""The gate: limits in units, percent and value, by source, category and article, at their edges; and law L9 about them.

What belongs here: what is applied, listed, held or critical, and when a verdict is left alone. What does not: people's
decisions (``test_decisions``), random histories (``test_model``).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from syncstock_dagster import POSRecord, PurchaseRecord, SyncStockDB
from syncstock_dagster.stock.policy import Gate, Policies, SourcePolicy
from syncstock_dagster_tests.stock.compare import rows
from syncstock_dagster_tests.stock.conftest import OpenDatabase
from syncstock_dagster_tests.stock.model import Limits
from syncstock_dagster_tests.stock.model import tier as defined_tier

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

#: Half the fields of a gate, with candles and one of them on their own.
GATE = {
    "percent": {"review_from": 5, "hold_above": 20, "critical_above": 50},
    "value": {"review_from": 100, "hold_above": 500, "critical_above": 5000},
    "critical_above": 1000,
    "categories": {
        "Candles": {
            "review_from": 2,
            "hold_above": 4,
            "percent": {"hold_above": "inf", "critical_above": "inf"},
        },
        "Scented": {"hold_above": 6},
    },
    "articles": {
        "WAX": {"hold_above": 1},
        "TAPER": {"hold_above": 1},
        "LOOSE": {"hold_above": "inf", "critical_above": "inf"},
    },
}


def gated(gate: Mapping[str, Any]) -> Policies:
    """The policies of a shop whose sheets pass this gate."""
    policy = SourcePolicy(kind="counts", trust="gated", gate=Gate.model_validate(gate))
    return Policies(sources={"excel": policy})


def sheet(quantities: Mapping[int, Any], at: datetime) -> list[POSRecord]:
    return [POSRecord(number, quantity, at, source="excel") for number, quantity in quantities.items()]


def verdicts(db: SyncStockDB, at: datetime) -> dict[int, tuple[str, str]]:
    """Article to tier and status of the counts of one instant."""
    return {
        row["inventory_id"]: (row["tier"], row["status"])
        for row in rows(db.variances())
        if row["counted_at"] == at
    }


@pytest.fixture
def db(open_database: OpenDatabase) -> Iterator[SyncStockDB]:
    """A shop with the default gate; every law must hold at the end."""
    database = open_database(Policies())
    yield database
    assert database.audit() == {}


def test_units_decide_at_their_edges_with_both_signs(db: SyncStockDB) -> None:
    """9, 10, 11, 99, 100 and 101, more and less; also where the book is zero, below zero, or not whole."""
    tiers = {
        "9": "tolerance", "9.999": "tolerance", "10": "review", "11": "review", "99": "review", "100": "review",
        "100.001": "held", "101": "held",
    }  # fmt: skip
    cases = [
        (Decimal(book), Decimal(difference) * sign, tier)
        for book in ("500", "0", "-40", "0.5")
        for difference, tier in tiers.items()
        for sign in (1, -1)
    ]
    db.run_sync(pos_counts=sheet({n: book for n, (book, _, _) in enumerate(cases)}, NOON))
    db.run_sync(pos_counts=sheet({n: book + d for n, (book, d, _) in enumerate(cases)}, NOON + HOUR))
    status = {"tolerance": "applied", "review": "review", "held": "held"}
    assert verdicts(db, NOON + HOUR) == {n: (tier, status[tier]) for n, (_, _, tier) in enumerate(cases)}
    on_hand = {row["inventory_id"]: row["on_hand"] for row in rows(db.on_hand())}
    assert on_hand == {n: book if tier == "held" else book + d for n, (book, d, tier) in enumerate(cases)}


#: Article, book, difference, tier.
CASES: list[tuple[dict[str, Any], int, int, str]] = [
    # Units alone: neither cost nor price, and percent says nothing where nothing was expected.
    ({}, 0, 9, "tolerance"),
    ({}, 0, 100, "review"),
    ({}, 0, 1000, "held"),
    ({}, 0, 1001, "critical"),
    # Percent, of a book of 40: 2 are 5 %, 8 are 20 %, 20 are 50 %. Of one below zero it is the same.
    ({}, 40, 1, "tolerance"),
    ({}, 40, 2, "review"),
    ({}, 40, 8, "review"),
    ({}, 40, 9, "held"),
    ({}, 40, 20, "held"),
    ({}, 40, 21, "critical"),
    ({}, -40, 8, "review"),
    ({}, -40, 9, "held"),
    # Value, of a large book, so that percent stays silent: at cost, else at price.
    ({"cost": 50, "price": 900}, 10_000, 1, "tolerance"),
    ({"cost": 50, "price": 900}, 10_000, 2, "review"),
    ({"cost": 50}, 10_000, 9, "review"),
    ({"price": 50}, 10_000, 10, "review"),
    ({"price": 50}, 10_000, 11, "held"),
    ({"price": "50.01"}, 10_000, 10, "held"),
    ({"cost": 600}, 10_000, 8, "held"),
    ({"cost": 600}, 10_000, 9, "critical"),
    # A cost of zero is one that nobody entered.
    ({"cost": 0, "price": 600}, 10_000, 9, "critical"),
    ({"cost": 0}, 10_000, 9, "tolerance"),
    # A category, what is below it, and articles with limits of their own inside and outside of it.
    ({"category": "Candles"}, 1000, 1, "tolerance"),
    ({"category": "Candles"}, 1000, 2, "review"),
    ({"category": "Candles"}, 1000, 5, "held"),
    ({"category": "Candles"}, 3, 3, "review"),
    ({"category": "Candles"}, 10_000, 1001, "critical"),
    ({"category": "Pillar"}, 1000, 5, "held"),
    ({"category": "Scented"}, 1000, 5, "review"),
    ({"category": "Scented"}, 1000, 7, "held"),
    ({"category": "Matches"}, 1000, 7, "tolerance"),
    ({"sku": "WAX", "category": "Pillar"}, 1000, 2, "held"),
    ({"sku": "TAPER", "category": "Pillar"}, 10_000, 1, "tolerance"),
    ({"sku": "LOOSE"}, 100_000, 1001, "review"),
]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_highest_tier_counts(open_database: OpenDatabase, sign: int) -> None:
    """Percent says nothing of a book of zero, value nothing without a cost; a category covers those below it."""
    db = open_database(gated(GATE))
    for name, parent in (("Candles", None), ("Pillar", "Candles"), ("Scented", "Pillar")):
        db.set_category(name, parent=parent)
    articles = [{"sku": f"A{n}", **article, "inventory_id": n} for n, (article, *_) in enumerate(CASES)]
    db.upsert_products(articles)
    db.run_sync(pos_counts=[POSRecord(n, book, NOON) for n, (_, book, _, _) in enumerate(CASES)])
    counted = {n: book + sign * difference for n, (_, book, difference, _) in enumerate(CASES)}
    db.run_sync(pos_counts=sheet(counted, NOON + HOUR))
    status = {"tolerance": "applied", "review": "review", "held": "held", "critical": "held"}
    found = verdicts(db, NOON + HOUR)
    for n, (article, book, difference, tier) in enumerate(CASES):
        assert found[n] == (tier, status[tier]), (article, book, difference)
    on_hand = {row["inventory_id"]: row["on_hand"] for row in rows(db.on_hand())}
    assert on_hand == {
        n: book if status[tier] == "held" else counted[n] for n, (_, book, _, tier) in enumerate(CASES)
    }
    assert db.audit() == {}


def test_the_function_of_the_gate_is_its_definition(db: SyncStockDB) -> None:
    """2,000 variances, most of them at an edge, against the model's tier; a limit that is left out never decides."""
    dice = random.Random(11)
    cases = []
    for _ in range(2000):
        units, percent, value = (tuple(sorted(dice.choices([0, 1, 5, 10, 20, 100], k=2))) for _ in range(3))
        limits = Limits(units, dice.choice([None, percent]), dice.choice([None, value]))
        edge = dice.choice([*units, *percent, *value])
        variance = Decimal(dice.choice([-1, 1]) * edge) + dice.choice([0, 1, -1, Decimal("0.001")])
        cases.append(
            (variance, Decimal(dice.choice([0, 1, -10, 100, 20])), limits, dice.choice([None, 1, 5]))
        )
    asked = [
        {
            "n": n, "variance": str(variance), "expected": str(expected), "cost": cost,
            **{
                f"{name}_{measure}": pair and pair[place]
                for measure, pair in limits._asdict().items()
                for place, name in enumerate(("review", "hold"))
            },
        }
        for n, (variance, expected, limits, cost) in enumerate(cases)
    ]  # fmt: skip
    with psycopg.connect(db.url) as connection:
        told = connection.execute(
            "select syncstock.gate_tier((c ->> 'variance')::numeric, (c ->> 'expected')::numeric, "
            "(c ->> 'cost')::numeric, jsonb_populate_record(null::syncstock.gate_limits, c)) "
            "from jsonb_array_elements(%s::jsonb) as c order by (c ->> 'n')::int",
            (json.dumps(asked),),
        ).fetchall()
    words = {"applied": "tolerance", "review": "review", "held": "held"}
    expected_tiers = [
        words[defined_tier(variance, book, limits, cost)] for variance, book, limits, cost in cases
    ]
    assert [one for (one,) in told] == expected_tiers
    assert set(expected_tiers) == {"tolerance", "review", "held"}


def test_a_verdict_stays_when_the_policy_or_the_price_changes(open_database: OpenDatabase) -> None:
    """What was applied is neither held nor flagged by stricter limits or a dearer article, also after a rebuild."""
    db = open_database(gated({}))
    db.upsert_products([{"sku": "7", "inventory_id": 7, "cost": 1}])
    db.run_sync(pos_counts=sheet({7: 500}, NOON))
    db.run_sync(pos_counts=sheet({7: 450}, NOON + HOUR))
    db.run_sync(pos_counts=sheet({7: 200}, NOON + 2 * HOUR))
    before = verdicts(db, NOON + HOUR) | verdicts(db, NOON + 2 * HOUR)
    assert verdicts(db, NOON + HOUR) == {7: ("review", "review")}
    strict = SyncStockDB(db.url, policies=gated({"hold_above": 20, "value": {"hold_above": 10}}))
    strict.upsert_products([{"sku": "7", "cost": 900}])
    strict.rebuild()
    assert verdicts(strict, NOON + HOUR) == {7: ("review", "review")}
    assert verdicts(strict, NOON + 2 * HOUR) == {7: ("held", "held")}
    # Something new about them is another matter: the applied one is flagged, and stays.
    strict.run_sync([PurchaseRecord(7, 1, at=NOON + HOUR / 2, ref="late")])
    assert verdicts(strict, NOON + HOUR) == {7: ("held", "flagged")}
    assert rows(strict.on_hand())[0]["on_hand"] == 450
    assert before[7] == ("held", "held")
    assert strict.audit() == {}


def test_a_hold_by_percent_or_value_ends_when_late_rows_explain_it(open_database: OpenDatabase) -> None:
    """70 of 100 counted are 30 %; the 25 that were given away come late: 5 of 75 are 6.7 %, and are applied."""
    db = open_database(gated({"percent": {"hold_above": 20}}))
    db.run_sync(pos_counts=sheet({7: 100}, NOON))
    db.run_sync(pos_counts=sheet({7: 70}, NOON + 2 * HOUR))
    assert verdicts(db, NOON + 2 * HOUR) == {7: ("held", "held")}
    db.run_sync([PurchaseRecord(7, -25, at=NOON + HOUR, ref="late")])
    assert verdicts(db, NOON + 2 * HOUR) == {7: ("tolerance", "applied")}
    assert rows(db.on_hand())[0]["on_hand"] == 70
    assert db.audit() == {}


def test_an_approved_count_is_flagged_once_it_is_critical(open_database: OpenDatabase) -> None:
    """Somebody approved 300 missing; late rows make it 1,300, which nobody has looked at. The stock stays."""
    db = open_database(gated({"critical_above": 1000}))
    db.run_sync(pos_counts=sheet({7: 500}, NOON))
    db.run_sync(pos_counts=sheet({7: 200}, NOON + 2 * HOUR))
    db.approve(tier="held", reason="looked at the shelf", who="Mona")
    assert verdicts(db, NOON + 2 * HOUR) == {7: ("held", "applied")}
    db.run_sync([PurchaseRecord(7, 1000, at=NOON + HOUR, ref="late")])
    assert verdicts(db, NOON + 2 * HOUR) == {7: ("critical", "flagged")}
    assert rows(db.on_hand())[0]["on_hand"] == 200
    assert db.audit() == {}


def test_what_a_complete_sheet_does_not_list_is_critical_and_never_zeroed(
    open_database: OpenDatabase,
) -> None:
    """Of three stocked articles the sheet names one: two are critical, until one is counted by whomever."""
    complete = SourcePolicy(kind="counts", trust="gated", not_listed="critical")
    db = open_database(Policies(sources={"excel": complete}))
    db.run_sync(pos_counts=[POSRecord(number, 50 * number, NOON) for number in (1, 2, 3)])
    db.run_sync([PurchaseRecord(4, 0, at=NOON, ref="none of it")], pos_counts=sheet({1: 50}, NOON + HOUR))

    def missing() -> list[tuple[int, Any]]:
        return [(row["inventory_id"], row["on_hand"]) for row in rows(db.not_listed())]

    assert missing() == [(3, 150), (2, 100)]
    assert {row["inventory_id"]: row["on_hand"] for row in rows(db.on_hand())} == {
        1: 50,
        2: 100,
        3: 150,
        4: 0,
    }
    db.run_sync(pos_counts=[POSRecord(3, 149, NOON + 2 * HOUR)])
    assert missing() == [(2, 100)]
    db.run_sync(pos_counts=sheet({1: 50, 2: 99, 3: 149}, NOON + 3 * HOUR))
    assert missing() == []
    assert db.audit() == {}


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ({"review_from": 101}, "review_from must not be greater than hold_above"),
        (
            {"percent": {"hold_above": 9, "critical_above": 5}},
            "hold_above must not be greater than critical_above",
        ),
        ({"value": {"review_from": -1}}, "greater than or equal to 0"),
        ({"hold_above": "nan"}, "greater than or equal to 0"),
        ({"categories": {"Candles": {"hold": 3}}}, "Extra inputs are not permitted"),
        ({"second_person": "always"}, "'held', 'critical' or 'never'"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(gate: dict[str, Any], says: str) -> None:
    """Limits out of order, below zero or misspelt are told when the configuration is read."""
    with pytest.raises(ValueError, match=says):
        Gate.model_validate(gate)
