"""Changes of articles: staged, reviewed, committed, contested, restored.

Put here what becomes of a wanted change. Keep out the record of operations (``operations``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from syncstock_dagster import SalesRecord, SyncStockDB
from syncstock_dagster.catalog.policy import CataloguePolicy
from syncstock_dagster.errors import BadInput

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def policy(db: SyncStockDB, **given: Any) -> None:
    """The ``[catalogue]`` table of this test."""
    db.__dict__["catalogue_policy"] = CataloguePolicy.model_validate(given)


def state(db: SyncStockDB, sku: str) -> dict[str, Any]:
    """All that is said of an article."""
    states = db.product_states()
    return next(one for one in states["state"] if one["sku"] == sku)


def ids(db: SyncStockDB) -> dict[str, int]:
    """SKU to id."""
    frame = db.products()
    return {sku: int(one) for sku, one in zip(frame["sku"], frame["inventory_id"], strict=True)}


def pulled(db: SyncStockDB, **fields: Any) -> Any:
    """A pull of article A from Zoho, committed by policy."""
    return db.stage_products([{"sku": "A", **fields}], source="zoho")


TRUSTED = {"sources": {"zoho": {"auto_commit": {"max_changes": 10}}}}


def test_a_staged_change_touches_nothing_until_it_is_approved_and_committed(db: SyncStockDB) -> None:
    db.upsert_products([{"sku": "A", "name": "Mug", "price": "9.50"}])
    result = db.stage_products(
        [{"sku": "A", "price": "10.25", "identifiers": {"zoho": "z1"}}, {"sku": "B", "name": "Cup"}],
        source="zoho",
    )
    assert (result.staged, result.committed, result.conflicts) == (2, 0, 0)
    assert result.needs_person
    assert state(db, "A") == {"sku": "A", "name": "Mug", "price": 9.5, "unit": "each", "is_active": True}
    waiting = db.staged()
    assert list(waiting["sku"]) == ["B", "A"]
    assert waiting["change_data"][1]["price"] == {"old": 9.5, "new": 10.25}
    with pytest.raises(BadInput, match="reason"):
        db.approve_staged([1], reason=" ")
    for wrong in ("1", 2**70, 1.0, None):
        with pytest.raises(BadInput, match="no id of a staged change"):
            db.approve_staged([wrong], reason="checked")  # type: ignore[list-item]
        with pytest.raises(BadInput, match="no id of a staged change"):
            db.commit_staged([wrong])  # type: ignore[list-item]
    for nobody in ("", "x" * 201):
        with pytest.raises(BadInput, match="source has a name"):
            db.stage_products([{"sku": "A"}], source=nobody)
    assert db.commit_staged().committed == 0  # nobody has approved it
    assert db.approve_staged(operation_uuid=result.operation_uuid, reason="checked", who="anna").decided == 2
    done = db.commit_staged(who="bert")
    assert (done.committed, done.left) == (2, 0)
    assert state(db, "A")["price"] == 10.25
    assert state(db, "A")["identifiers.zoho"] == ["z1"]
    assert state(db, "B")["name"] == "Cup"
    assert db.staged().empty
    assert db.staged(["committed"])["decided_by"].to_list() == ["anna", "anna"]
    assert db.commit_staged().committed == 0
    assert db.audit() == {}


def test_what_is_the_same_is_no_change(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "name": "Mug", "price": Decimal("9.50"), "units": {"pack": 12}}])
    again = pulled(db, name="Mug", price="9.5", units={"pack": "12.0"})
    assert (again.staged, again.unchanged) == (0, 1)
    assert db.product_versions(ids(db)["A"])["version"].to_list() == [1]


def test_one_operation_makes_one_version_however_many_tables_it_touches(db: SyncStockDB) -> None:
    db.change_products(
        [{"sku": "A", "name": "Mug", "identifiers": {"gtin": "4006381333931"}, "units": {"box": 6}}]
    )
    db.change_products(
        [{"sku": "A", "identifiers": {"zoho": ["2", "1"]}, "units": {"box": None, "pack": 12}}]
    )
    versions = db.product_versions(ids(db)["A"])
    assert versions["version"].to_list() == [1, 2]
    assert versions["changed_fields"][1] == ["identifiers.zoho", "units.box", "units.pack"]
    assert versions["state"][1]["identifiers.zoho"] == ["1", "2"]
    assert versions["change_source"].to_list() == ["people", "people"]
    assert db.audit() == {}


def test_small_trusted_changes_commit_themselves_and_others_wait(db: SyncStockDB) -> None:
    auto = {"max_changes": 2, "fields": ["price"], "creates": False}
    policy(db, sources={"zoho": {"auto_commit": auto}})
    db.upsert_products([{"sku": sku, "name": sku, "price": 1} for sku in "ABC"])
    first = db.stage_products([{"sku": "A", "price": 2}, {"sku": "B", "name": "Bee"}], source="zoho")
    assert (first.staged, first.committed) == (2, 1)
    assert state(db, "A")["price"] == 2
    assert db.staged()["sku"].to_list() == ["B"]
    many = db.stage_products([{"sku": sku, "price": 3} for sku in "ABC"], source="zoho")
    assert (many.staged, many.committed) == (3, 0)
    assert db.stage_products([{"sku": "D", "price": 3}], source="zoho").committed == 0
    assert db.stage_products([{"sku": "A", "price": 4}], source="shopify").committed == 0


def test_a_local_change_survives_a_source_that_says_nothing_new(db: SyncStockDB) -> None:
    policy(db, **TRUSTED)
    pulled(db, name="Mug", price=10)
    db.change_products([{"sku": "A", "price": 12}])
    again = pulled(db, name="Mug", price=10)
    assert (again.staged, again.conflicts) == (0, 0)
    assert state(db, "A")["price"] == 12


def test_a_field_that_both_sides_changed_is_one_conflict_however_often_it_is_pulled(db: SyncStockDB) -> None:
    policy(db, **TRUSTED)
    pulled(db, name="Mug", price=10)
    db.change_products([{"sku": "A", "price": 12}])
    for _ in range(3):
        result = pulled(db, name="Big mug", price=15)
        assert (result.staged, result.committed, result.conflicts) == (1, 0, 1)
    conflicts = db.conflicts()
    assert conflicts["kind"].to_list() == ["field_mismatch"]
    assert conflicts["field"].to_list() == ["price"]
    assert conflicts["severity"].to_list() == ["high"]
    assert (conflicts["local_value"][0], conflicts["remote_value"][0]) == ({"value": 12}, {"value": 15})
    db.resolve(int(conflicts["conflict_id"][0]), keep="new", reason="they know")
    db.approve_staged(db.staged()["staging_id"].to_list(), reason="so be it")
    assert db.commit_staged().committed == 1
    assert (state(db, "A")["price"], state(db, "A")["name"]) == (15, "Big mug")
    assert db.conflicts().empty
    assert pulled(db, name="Big mug", price=15).unchanged == 1
    assert db.audit() == {}


def test_a_conflict_settled_for_the_local_side_is_not_raised_again(db: SyncStockDB) -> None:
    policy(db, **TRUSTED)
    pulled(db, price=10)
    db.change_products([{"sku": "A", "price": 12}])
    pulled(db, price=15)
    asked = int(db.conflicts()["conflict_id"][0])
    for _ in range(2):
        db.resolve(asked, keep="old", reason="ours is right", who="anna")
    with pytest.raises(BadInput, match="anna has chosen the old content"):
        db.resolve(asked, keep="new", reason="no, theirs")
    assert db.staged().empty
    assert pulled(db, price=15).conflicts == 0
    assert state(db, "A")["price"] == 12
    assert db.conflicts().empty
    assert pulled(db, price=16).committed == 1  # the source alone has changed since


@pytest.mark.parametrize(
    ("strategy", "modified", "price"),
    [
        ("local_wins", None, 12),
        ("remote_wins", None, 15),
        ("newest", timedelta(hours=1), 15),
        ("newest", -timedelta(hours=1), 12),
        ("highest_trust", None, 12),
        ("syncstock_dagster_tests.catalog.test_staging:the_greater_one", None, 15),
    ],
)
def test_a_policy_settles_conflicts_of_its_fields(
    strategy: str, modified: timedelta | None, price: int, db: SyncStockDB
) -> None:
    policy(db, conflicts={"price": strategy}, trust=["people", "zoho"], **TRUSTED)
    pulled(db, price=10, name="Mug")
    db.change_products([{"sku": "A", "price": 12}])
    said = {} if modified is None else {"modified_at": datetime.now(UTC) + modified}
    result = pulled(db, price=15, name="Mug", **said)
    assert result.conflicts == 0
    assert state(db, "A")["price"] == price
    settled = db.conflicts(open_only=False)
    assert settled["resolution_strategy"].to_list() == [strategy]
    assert settled["auto_resolvable"].to_list() == [True]
    assert pulled(db, price=15, name="Mug").conflicts == 0


def the_greater_one(conflicts: Any) -> list[str]:
    """A rule of a shop: the greater price."""
    return [
        "remote" if remote["value"] > local["value"] else "local"
        for local, remote in zip(conflicts["local_value"], conflicts["remote_value"], strict=True)
    ]


@pytest.mark.parametrize(
    ("change", "kind", "severity"),
    [
        ({"sku": "B", "name": "Cup", "identifiers": {"zoho": "z1"}}, "identifier_taken", "critical"),
        (
            {"sku": "B", "name": "Cup", "identifiers": {"gtin": "036000291452"}},
            "identifier_taken",
            "critical",
        ),
        ({"sku": "a ", "name": "Cup"}, "case_twin", "high"),
        ({"sku": "A", "name": "Cup", "change_type": "create"}, "exists_with_different_content", "medium"),
    ],
)
@pytest.mark.parametrize("keep", ["new", "old"])
def test_a_doubt_about_which_article_is_meant_asks_a_person(
    change: dict[str, Any], kind: str, severity: str, keep: Any, db: SyncStockDB
) -> None:
    policy(db, **TRUSTED)
    codes = {"zoho": "z1", "gtin": "0036000291452"}
    db.change_products([{"sku": "A", "name": "Mug", "identifiers": codes}])
    before = state(db, "A")
    result = db.stage_products([change], source="zoho")
    assert (result.staged, result.committed, result.conflicts) == (1, 0, 1)
    conflicts = db.conflicts()
    assert conflicts["kind"].to_list() == [kind]
    assert conflicts["severity"].to_list() == [severity]
    db.resolve(int(conflicts["conflict_id"][0]), keep=keep, reason="looked at it")
    waiting = db.staged()["staging_id"].to_list()
    if waiting:
        db.approve_staged(waiting, reason="so be it")
        done = db.commit_staged()
        assert (done.committed, done.left) == (1, 0)
    if keep == "old":
        assert state(db, "A") == before
    elif kind == "exists_with_different_content":
        assert state(db, "A")["name"] == "Cup"
    else:
        assert state(db, change["sku"])["name"] == "Cup"
    if kind == "identifier_taken" and keep == "new":
        system = next(iter(change["identifiers"]))
        assert f"identifiers.{system}" not in state(db, "A")
        assert state(db, "B")[f"identifiers.{system}"] == [change["identifiers"][system]]
    assert db.audit() == {}


@pytest.mark.parametrize("keep", ["new", "old"])
def test_two_sources_that_would_create_twins_ask_a_person(db: SyncStockDB, keep: Any) -> None:
    both = [{"sku": "A1", "name": "Mug"}, {"sku": "a1", "name": "Cup"}]  # a source that has both means two
    assert db.stage_products(both, source="zoho").conflicts == 0
    assert db.stage_products(both, source="shopify").conflicts == 0  # the same two
    for _ in range(2):
        result = db.stage_products([{"sku": "a1 ", "name": "Cup"}], source="wholesaler")
        assert (result.staged, result.conflicts) == (1, 1)
    conflicts = db.conflicts()
    assert (conflicts["kind"].to_list(), conflicts["local_value"][0]) == (["case_twin"], {"sku": "A1"})
    db.approve_staged(db.staged(source="zoho")["staging_id"].to_list(), reason="all that can be")
    db.approve_staged(db.staged(source="wholesaler")["staging_id"].to_list(), reason="all that can be")
    assert db.commit_staged().committed == 2
    assert set(ids(db)) == {"A1", "a1"}
    db.resolve(int(conflicts["conflict_id"][0]), keep=keep, reason="looked at it")
    assert db.commit_staged().committed == (keep == "new")
    assert set(ids(db)) == {"A1", "a1"} | ({"a1 "} if keep == "new" else set())
    assert db.audit() == {}


def test_two_changes_of_one_call_with_one_code_are_a_conflict(db: SyncStockDB) -> None:
    policy(db, **TRUSTED)
    result = db.stage_products(
        [{"sku": sku, "name": sku, "identifiers": {"zoho": "z1"}} for sku in ("A", "B")], source="zoho"
    )
    assert (result.staged, result.committed, result.conflicts) == (2, 1, 1)
    assert db.conflicts()["local_value"][0] == {"sku": "A", "code": "z1"}


def test_a_source_may_name_articles_by_its_own_codes_alone(db: SyncStockDB) -> None:
    policy(db, **TRUSTED)
    db.change_products([{"sku": "A", "identifiers": {"zoho": "z1"}}])
    result = db.stage_products(
        [
            {"identifiers": {"zoho": "z1"}, "price": 5},
            {"identifiers": {"zoho": "z9"}, "price": "123456789012345.678901234567", "units": {"pack": 12}},
        ],
        source="zoho",
    )
    assert (result.committed, result.unknown) == (1, 1)
    assert state(db, "A")["price"] == 5
    letters = db.dead_letters()
    assert letters["kind"].to_list() == ["product"]
    letter = int(letters["dead_letter_id"][0])
    with pytest.raises(BadInput, match="fails again: neither a SKU nor a code that is known"):
        db.replay_letter(letter)
    fields = db.dead_letters()["payload"][0]["fields"]
    assert fields.pop("price") == "123456789012345.678901234567"  # no float on the way
    for wrong in ("a\x00", "\ud800", float("nan")):
        with pytest.raises(BadInput, match="cannot be stored"):
            db.fix_letter(letter, {"sku": wrong})
    db.fix_letter(letter, {"fields": {**fields, "price": "6.25", "identifiers.zoho": ["z8"]}})
    with pytest.raises(BadInput, match="fails again"):
        db.replay_letter(letter)
    assert db.dead_letters()["dead_letter_id"].to_list() == [letter]
    db.fix_letter(letter, {"sku": "Z"})
    db.replay_letter(letter)
    assert state(db, "Z") == {
        "sku": "Z", "price": 6.25, "unit": "each", "is_active": True, "identifiers.zoho": ["z8"], "units.pack": 12,
    }  # fmt: skip
    assert db.replay_letter(letter).statistics == {"already": True}
    assert db.dead_letters().empty


def test_what_is_approved_stays_so_when_the_source_repeats_itself_and_lapses_when_it_does_not(
    db: SyncStockDB,
) -> None:
    db.change_products([{"sku": "A", "price": 1}])
    said: list[dict[str, Any]] = [{"sku": sku, "price": 2} for sku in "ABC"]
    first = db.stage_products(said, source="zoho")
    db.approve_staged(operation_uuid=first.operation_uuid, reason="checked", who="anna")
    said[2] |= {"price": 3}
    db.stage_products(said, source="zoho")
    told = {row.sku: (row.status, row.decided_by) for row in db.staged().itertuples()}
    assert told == {"A": ("approved", "anna"), "B": ("approved", "anna"), "C": ("staged", None)}
    assert db.staged()["decision_reason"].to_list() == [None, "checked", "checked"]
    assert db.commit_staged().committed == 2
    assert set(ids(db)) == {"A", "B"}
    # What has changed here since is no longer what was approved.
    again = db.stage_products([{"sku": "A", "price": 4}], source="zoho")
    db.approve_staged(operation_uuid=again.operation_uuid, reason="checked")
    db.change_products([{"sku": "A", "name": "Mug", "price": 3}])
    assert db.stage_products([{"sku": "A", "price": 4}], source="zoho").conflicts == 1
    assert db.staged()["status"].to_list() == ["staged", "staged"]
    assert db.audit() == {}


def test_what_waits_stays_the_same_row_while_the_source_repeats_itself(db: SyncStockDB) -> None:
    policy(db, **TRUSTED)
    pulled(db, price=1)
    db.change_products([{"sku": "A", "price": 7}, {"sku": "B", "price": 1}, {"sku": "D"}])
    policy(db)
    said: list[dict[str, Any]] = [{"sku": sku, "price": 8} for sku in "ABC"]
    said += [{"sku": "D", "change_type": "delete"}]
    first = db.stage_products(said, source="zoho", who="anna")
    rows = db.staged()
    assert (first.staged, first.conflicts, len(rows)) == (4, 1, 4)
    db.change_products([{"sku": "B", "name": "Bee"}])  # not what the source speaks of
    second = db.stage_products(said, source="zoho", who="bert")
    assert (second.staged, second.unchanged, second.conflicts) == (4, 0, 1)
    again = db.staged(None)
    again = again[again["source"] == "zoho"].reset_index(drop=True)
    assert again["status"].to_list() == ["staged"] * 4 + ["committed"]  # nothing was added
    same = ["staging_id", "sku", "change_type", "change_data", "has_conflicts", "staged_at"]
    assert again[same].head(4).to_dict() == rows[same].to_dict()
    # They are what the last operation said, and go with it.
    assert set(again["operation_uuid"].head(4)) == {second.operation_uuid}
    assert set(again["staged_by"].head(4)) == {"bert"}
    assert db.approve_staged(operation_uuid=second.operation_uuid, reason="checked").decided == 4
    done = db.commit_staged()
    assert (done.committed, done.left) == (3, 0)
    assert db.staged()["sku"].to_list() == ["A"]  # its conflict is open
    assert [state(db, sku).get("price") for sku in "ABC"] == [7, 8, 8]
    # Approved, and then contested after all.
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="theirs")
    assert pulled(db, price=8).staged == 1
    assert db.commit_staged().committed == 1
    assert db.audit() == {}


def test_an_article_and_a_new_one_whose_sku_is_its_id_are_two(db: SyncStockDB) -> None:
    db.upsert_products([{"inventory_id": 17, "sku": "A"}])
    result = db.stage_products([{"sku": "17", "name": "New"}, {"sku": "A", "price": 2}], source="zoho")
    assert result.staged == 2
    assert set(db.staged()["sku"]) == {"17", "A"}


def test_a_new_article_that_was_rejected_is_not_proposed_again_until_the_source_says_more(
    db: SyncStockDB,
) -> None:
    said: list[dict[str, Any]] = [{"sku": "A", "price": 1}, {"sku": "B"}]
    first = db.stage_products(said, source="zoho")
    db.reject_staged(operation_uuid=first.operation_uuid, reason="not ours")
    again = db.stage_products(said, source="zoho")
    assert (again.staged, again.unchanged) == (0, 2)
    assert db.stage_products([{"sku": "A", "price": 2}], source="zoho").staged == 1
    assert db.stage_products([{"sku": "B"}], source="xorosoft").staged == 1
    assert db.change_products([{"sku": "B"}]).committed == 1
    assert db.stage_products([{"sku": "A", "price": 1}], source="zoho").staged == 0
    assert db.staged(["staged"])["sku"].to_list() == ["B"]


@pytest.mark.parametrize(
    ("said", "column"),
    [
        ({"identifiers": {"zoho": 1}}, "identifiers.zoho"),
        ({"identifiers": {"zoho": ["1", 2]}}, "identifiers.zoho"),
        ({"identifiers": {"": "1"}}, "identifiers"),
        ({"identifiers": {"a\x00": "1"}}, "identifiers"),
        ({"units": {"a\x00": 1}}, "units"),
        ({"units": {"pack": 0}}, "units.pack"),
        ({"inventory_id": 2**63}, "inventory_id"),
    ],
)
def test_what_cannot_be_said_of_an_article_is_told_by_field(
    db: SyncStockDB, said: dict[str, Any], column: str
) -> None:
    with pytest.raises(BadInput) as told:
        db.change_products([{"sku": "A", **said}])
    assert [error.column for error in told.value.errors] == [column]
    if "inventory_id" in said:
        with pytest.raises(BadInput):
            db.upsert_products([{"sku": "A", **said}])


@pytest.mark.parametrize("given", [{"sku": "A"}, "A", None, 7, ["A"], [{"sku": "A"}, None]])
def test_articles_are_given_as_a_list_of_mappings(db: SyncStockDB, given: Any) -> None:
    with pytest.raises(BadInput, match="mapping"):
        db.stage_products(given, source="zoho")
    with pytest.raises(BadInput, match="mapping"):
        db.upsert_products(given)
    assert db.products().empty


def test_a_conflict_ends_when_the_source_agrees_and_begins_again_when_it_does_not(db: SyncStockDB) -> None:
    policy(db, **TRUSTED)
    pulled(db, price=1)
    db.change_products([{"sku": "A", "price": 7}])
    for _ in range(2):
        assert pulled(db, price=8).conflicts == 1
    asked = db.conflicts()["conflict_id"].to_list()
    assert len(asked) == 1
    assert pulled(db, price=7).conflicts == 0
    assert db.conflicts().empty
    assert db.conflicts(open_only=False)["status"].to_list() == ["obsolete"]
    assert db.staged().empty
    db.change_products([{"sku": "A", "price": 9}])
    assert pulled(db, price=8).conflicts == 1
    assert len(db.conflicts()) == 1
    # Only what is staged was taken back: nothing is left to be asked about.
    (uuid,) = db.staged()["operation_uuid"]
    back = db.rollback(uuid, reason="wrong account").operation_uuid
    assert db.conflicts().empty
    db.rollback(back, reason="it was right")
    assert len(db.conflicts()) == 1
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="theirs")
    db.approve_staged(db.staged()["staging_id"].to_list(), reason="theirs")
    assert db.commit_staged().committed == 1
    assert db.audit() == {}


def test_a_lock_keeps_others_changes_back_until_it_ends(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "price": 1}, {"sku": "B", "price": 1}], who="anna")
    mine = ids(db)["A"]
    db.lock_products([mine], minutes=5, who="anna")
    with pytest.raises(BadInput, match="anna"):
        db.lock_products([mine], who="bert")
    theirs = db.change_products([{"sku": "A", "price": 2}, {"sku": "B", "price": 2}], who="bert")
    assert (theirs.committed, theirs.left) == (1, 1)
    assert db.staged()["problem"].to_list() == ["locked by anna"]
    assert db.change_products([{"sku": "A", "price": 3}], who="anna").committed == 1
    assert db.unlock_products([mine], who="bert") == 0
    db.lock_products([mine], minutes=0, who="anna")  # it has ended by now
    assert db.change_products([{"sku": "A", "price": 4}], who="bert").committed == 1
    db.lock_products([mine], minutes=5, who="anna")
    assert db.unlock_products([mine], who="bert", force=True) == 1


@pytest.mark.parametrize("minutes", [-1, 10**9, 1.5, "5", True])
def test_nobody_locks_for_a_time_that_is_none(db: SyncStockDB, minutes: Any) -> None:
    db.upsert_products([{"sku": "A"}])
    with pytest.raises(BadInput, match="minutes"):
        db.lock_products([ids(db)["A"]], minutes=minutes)
    for wrong in ("A", 2**63, 1.5):
        with pytest.raises(BadInput, match="article"):
            db.lock_products([wrong], minutes=5)  # type: ignore[list-item]
    assert db.lock_products(list(db.products()["inventory_id"]))[0]["sku"] == "A"


def test_a_lock_keeps_products_written_at_once_back_too(db: SyncStockDB) -> None:
    db.upsert_products([{"sku": "A", "price": 1}, {"sku": "B", "price": 1}])
    db.lock_products([ids(db)["A"]], minutes=5, who="anna")
    with pytest.raises(BadInput, match="A by anna"):
        db.upsert_products([{"sku": "B", "price": 2}, {"sku": "A", "price": 2}], who="bert")
    assert [state(db, sku)["price"] for sku in "AB"] == [1, 1]
    # What says nothing new of the article is no change of it.
    db.upsert_products([{"sku": "B", "price": 2}, {"sku": "A", "price": 1}], who="bert")
    db.upsert_products([{"sku": "A", "price": 3}], who="anna")
    assert [state(db, sku)["price"] for sku in "AB"] == [3, 2]


@pytest.mark.parametrize(
    "products",
    [
        [{"inventory_id": 1, "sku": "B"}],  # another article's
        [{"inventory_id": 9, "sku": "B"}],  # also for an id that is new
        [{"inventory_id": 1, "sku": "B"}, {"inventory_id": 2, "sku": "A"}],
        [{"inventory_id": 1, "sku": "C"}, {"inventory_id": 2, "sku": "C"}],
        [{"inventory_id": 1, "sku": "C"}, {"inventory_id": 1, "sku": "D"}],
    ],
)
def test_a_sku_of_another_article_is_told_with_what_to_do(
    db: SyncStockDB, products: list[dict[str, Any]]
) -> None:
    db.upsert_products([{"inventory_id": 1, "sku": "A"}, {"inventory_id": 2, "sku": "B"}])
    with pytest.raises(BadInput) as told:
        db.upsert_products(products)
    assert told.value.errors[0].column in ("sku", "inventory_id")
    assert ids(db) == {"A": 1, "B": 2}
    db.upsert_products([{"inventory_id": 1, "sku": "C"}, {"inventory_id": 1, "sku": "C", "price": 1}])
    assert ids(db) == {"C": 1, "B": 2}
    assert db.audit() == {}


def test_a_locked_article_loses_no_code_to_another(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "identifiers": {"zoho": "z1"}}, {"sku": "B"}, {"sku": "C"}])
    mine = ids(db)["A"]
    db.stage_products([{"sku": "B", "identifiers": {"zoho": "z1"}}], source="zoho")
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="it is B's")
    db.approve_staged(db.staged()["staging_id"].to_list(), reason="fine")
    db.lock_products([mine], minutes=5, who="anna")
    assert db.commit_staged(who="bert").left == 1
    assert db.staged()["problem"].to_list() == ["the code z1 belongs to an article locked by anna"]
    assert state(db, "A")["identifiers.zoho"] == ["z1"]
    db.reject_staged(db.staged()["staging_id"].to_list(), reason="not now")
    # Also where A was to give it up in the same commit: what cannot be given up is not taken.
    db.change_products(
        [{"sku": "A", "identifiers": {"zoho": None}}, {"sku": "C", "identifiers": {"zoho": "z1"}}], who="bert"
    )
    assert state(db, "A")["identifiers.zoho"] == ["z1"]
    assert "identifiers.zoho" not in state(db, "C")
    db.unlock_products([mine], who="anna")
    assert db.audit() == {}


def test_a_code_goes_on_from_article_to_article_in_one_commit_or_nowhere(db: SyncStockDB) -> None:
    codes = {sku: {"identifiers": {"rms": f"r{n}"}} for n, sku in enumerate("ABC")}
    db.change_products([{"sku": sku, **one, "price": 1} for sku, one in codes.items()])
    moved: list[dict[str, Any]] = [
        {"sku": "C", "identifiers": {"rms": "new"}, "price": 2},
        {"sku": "B", "identifiers": {"rms": "r2"}},
        {"sku": "A", "identifiers": {"rms": "r1"}},
    ]
    waiting = db.stage_products(moved, source="zoho")
    for one in db.conflicts()["conflict_id"]:
        db.resolve(int(one), keep="new", reason="moved on")
    db.approve_staged(operation_uuid=waiting.operation_uuid, reason="fine")
    db.change_products([{"sku": "C", "price": 3}])
    done = db.commit_staged()
    assert (done.committed, done.left) == (0, 3)
    assert [state(db, sku)["identifiers.rms"] for sku in "ABC"] == [["r0"], ["r1"], ["r2"]]
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="theirs")
    done = db.commit_staged()
    assert (done.committed, done.left) == (3, 0)
    assert [state(db, sku)["identifiers.rms"] for sku in "ABC"] == [["r1"], ["r2"], ["new"]]
    assert db.audit() == {}


def test_articles_swap_their_skus_in_one_commit_and_back_again(db: SyncStockDB) -> None:
    db.upsert_products([{"inventory_id": n, "sku": sku, "price": 1} for n, sku in enumerate("ABCD", 1)])
    swapped = db.change_products([{"inventory_id": 1, "sku": "B"}, {"inventory_id": 2, "sku": "A"}])
    assert (swapped.committed, swapped.left) == (2, 0)
    assert ids(db) == {"B": 1, "A": 2, "C": 3, "D": 4}
    db.rollback(swapped.operation_uuid, reason="wrong")
    assert ids(db) == {"A": 1, "B": 2, "C": 3, "D": 4}
    # A ring with a locked one in it: nobody gets a SKU that is not given up.
    ring: list[dict[str, Any]] = [
        {"inventory_id": n, "sku": sku} for n, sku in ((1, "B"), (2, "C"), (3, "A"), (4, "E"))
    ]
    db.lock_products([3], minutes=5, who="anna")
    done = db.change_products(ring, who="bert")
    assert (done.committed, done.left) == (1, 3)
    assert ids(db) == {"A": 1, "B": 2, "C": 3, "E": 4}
    db.unlock_products([3], who="anna")
    assert db.change_products(ring, who="bert").committed == 3
    assert ids(db) == {"B": 1, "C": 2, "A": 3, "E": 4}
    versions = db.product_versions(1)
    assert [one["sku"] for one in versions["state"]] == ["A", "B", "A", "B"]
    assert db.audit() == {}


def test_a_change_staged_on_something_that_moved_meanwhile_is_not_committed_blindly(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "price": 1, "name": "Mug"}])
    waiting = db.stage_products([{"sku": "A", "price": 2}], source="zoho")
    other = db.stage_products([{"sku": "B", "price": 2}], source="zoho")
    db.change_products([{"sku": "A", "price": 7}])
    for one in (waiting, other):
        db.approve_staged(operation_uuid=one.operation_uuid, reason="fine")
    done = db.commit_staged()
    assert (done.committed, done.left) == (1, 1)
    assert db.operation(done.operation_uuid)["status"] == "partly"
    assert state(db, "A")["price"] == 7
    assert db.conflicts()["field"].to_list() == ["price"]
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="theirs")
    assert db.commit_staged().committed == 1
    assert state(db, "A")["price"] == 2


def test_a_deleted_article_is_inactive_and_its_stock_stays(db: SyncStockDB) -> None:
    db.run_sync((), [SalesRecord(7, 3, at=NOON, ref="till")])
    db.change_products([{"inventory_id": 7, "change_type": "delete"}])
    assert state(db, "7")["is_active"] is False
    assert db.product_versions(7)["change_type"].to_list() == ["create", "delete"]
    assert db.on_hand()["on_hand"].to_list() == [-3]


def test_a_committed_article_takes_its_evidence_out_of_quarantine(db: SyncStockDB, tmp_path: Any) -> None:
    from syncstock_dagster.sources import parse_file

    text = b"document,line,sku,location,quantity,effective_at\nS-1,1,new,main,2,2026-03-02T12:00:00Z\n"
    parsed = parse_file(text, "sales/a.csv", "sales", "sales", db.policies.for_source("sales"))
    db.receive(parsed)
    db.post_received()
    assert len(db.quarantine()) == 1
    db.stage_products([{"sku": "other", "identifiers": {"barcode": "new"}}], source="zoho")
    db.approve_staged(db.staged()["staging_id"].to_list(), reason="it is")
    assert db.commit_staged().released == 1
    assert db.quarantine().empty
    assert db.on_hand()["on_hand"].to_list() == [-2]
    assert db.audit() == {}


def test_any_version_can_be_read_as_of_its_time_and_restored(db: SyncStockDB) -> None:
    db.change_products(
        [{"sku": "A", "name": "Mug", "price": "9.50", "identifiers": {"zoho": "1"}}], who="anna"
    )
    article = ids(db)["A"]
    then = db.product_versions(article)["recorded_at"][0]
    db.change_products([{"sku": "A", "name": None, "price": "11", "identifiers": {"zoho": "2"}}], who="bert")
    assert db.products_as_of(then)["state"][0]["name"] == "Mug"
    assert db.products_as_of(then - timedelta(seconds=1)).empty
    preview = db.restore_product(article, 1, reason="look", dry_run=True)
    assert preview["price"] == {"old": "11", "new": "9.5"}
    assert state(db, "A")["price"] == 11
    db.restore_product(article, 1, reason="it was right", who="carl")
    versions = db.product_versions(article)
    assert versions["state"][2] == versions["state"][0]
    assert versions["changed_by"].to_list() == ["anna", "bert", "carl"]
    assert db.restore_product(article, 1, reason="again") == {}
    assert len(db.product_versions(article)) == 3
    with pytest.raises(BadInput, match="no version 9"):
        db.restore_product(article, 9, reason="?")
    assert db.audit() == {}


def test_categories_keep_their_versions_and_their_articles_follow_their_names(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "category": "Mugs"}])
    db.set_category("Kitchen")
    db.set_category("Mugs", new_name="Cups", parent="Kitchen")
    assert state(db, "A")["category"] == "Cups"
    assert db.categories()["parent"].to_list() == ["Kitchen", None]
    with pytest.raises(BadInput, match="below"):
        db.set_category("Kitchen", parent="Cups")
    versions = db.category_versions("Cups")
    assert [one["name"] for one in versions["state"]] == ["Mugs", "Cups"]
    assert versions["changed_fields"][1] == ["name", "parent"]
    assert db.audit() == {}


def test_everything_wrong_with_changes_is_told_at_once(db: SyncStockDB) -> None:
    with pytest.raises(BadInput) as told:
        db.stage_products(
            [
                {"sku": "A", "price": 1.5},
                {"name": "nobody"},
                {"sku": "B", "identifiers": {"gtin": "4006381333932"}},
                {"sku": "C", "units": {"pack": 0}},
                {"sku": "D", "colour": "red"},
                {"sku": "E", "is_active": "yes"},
                {"sku": "F", "change_type": "upsert"},
                {"sku": "G", "modified_at": datetime(2026, 1, 1)},
            ],
            source="zoho",
        )
    assert [error.row for error in told.value.errors] == list(range(8))
    assert "check digit is 1" in str(told.value)
    assert db.staged(None).empty


def test_changes_made_in_psql_are_versions_too(db: SyncStockDB) -> None:
    import psycopg

    db.change_products([{"sku": "A", "price": 1}])
    with psycopg.connect(db.url) as connection:
        connection.execute("update syncstock.products set price = 2 where sku = 'A'")
    versions = db.product_versions(ids(db)["A"])
    assert versions["change_source"].to_list() == ["people", "psql"]
    assert versions["changed_fields"][1] == ["price"]
    assert db.audit() == {}


GTIN = "4006381333931"


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ({"identifiers": {"zoho": "1"}}, {"identifiers": {"zoho": "1"}}, "the code 1 belongs"),
        ({"identifiers": {"gtin": GTIN}}, {"identifiers": {"gtin": f"0{GTIN}"}}, f"the code 0{GTIN} belongs"),
        ({"sku": "C"}, {"sku": "C"}, "the SKU belongs"),
        ({"sku": "C"}, {"inventory_id": None, "sku": "C"}, "the SKU belongs"),
        ({"inventory_id": 9, "sku": "C"}, {"inventory_id": 9, "sku": "D"}, "it exists by now"),
    ],
    ids=["code", "gtin written in two ways", "SKU", "SKU of a new article", "id"],
)
def test_of_two_changes_of_one_commit_that_want_the_same_the_first_has_it(
    db: SyncStockDB, first: dict[str, Any], second: dict[str, Any], problem: str
) -> None:
    """The other one waits and says why; it used to fail the whole commit."""
    db.change_products([{"sku": "A", "inventory_id": 1}, {"sku": "B", "inventory_id": 2}])
    for number, change in enumerate([first, second], start=1):
        result = db.stage_products([{"inventory_id": number, **change}], source="zoho")
        db.approve_staged(operation_uuid=result.operation_uuid, reason="fine")
    done = db.commit_staged()
    assert (done.committed, done.left) == (1, 1)
    assert db.staged()["problem"][0].startswith(problem)
    assert db.audit() == {}


def test_one_number_written_in_two_ways_is_one_code(db: SyncStockDB) -> None:
    result = db.stage_products(
        [{"sku": "A", "identifiers": {"gtin": [GTIN, f"0{GTIN}"]}}, {"sku": "B", "identifiers": {"gtin": f"0{GTIN}"}}],
        source="zoho", commit=True,
    )  # fmt: skip
    assert (result.committed, result.conflicts) == (1, 1)
    assert state(db, "A")["identifiers.gtin"] == [GTIN]


def test_what_a_source_says_replaces_what_it_said_when_the_article_had_another_sku(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "inventory_id": 1}])
    db.stage_products([{"sku": "A", "price": 1}], source="zoho")
    db.change_products([{"sku": "B", "inventory_id": 1}])
    db.stage_products([{"sku": "B", "price": 2}], source="zoho")
    assert [one["price"]["new"] for one in db.staged()["change_data"]] == [2]


def test_a_code_that_went_over_goes_back_when_it_is_rolled_back(db: SyncStockDB) -> None:
    db.change_products([{"sku": "X", "identifiers": {"zoho": "1"}}, {"sku": "Y"}])
    result = db.stage_products([{"sku": "Y", "identifiers": {"zoho": "1"}}], source="zoho")
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="relabelled")
    db.approve_staged(operation_uuid=result.operation_uuid, reason="relabelled")
    moved = db.commit_staged()
    back = db.rollback(moved.operation_uuid, reason="it was not")
    assert state(db, "X")["identifiers.zoho"] == ["1"]
    assert "identifiers.zoho" not in state(db, "Y")
    db.rollback(back.operation_uuid, reason="it was")
    assert state(db, "Y")["identifiers.zoho"] == ["1"]
    assert db.audit() == {}


def test_a_change_that_somebody_else_has_made_meanwhile_is_done_and_makes_no_version(db: SyncStockDB) -> None:
    db.change_products([{"sku": "A", "price": 1}])
    result = db.stage_products([{"sku": "A", "price": 2}], source="zoho")
    db.change_products([{"sku": "A", "price": 2}])
    db.approve_staged(operation_uuid=result.operation_uuid, reason="fine")
    assert db.commit_staged().committed == 1
    assert db.product_versions(ids(db)["A"])["version"].to_list() == [1, 2]
    db.change_products([{"sku": "A", "price": 3}])
    assert db.stage_products([{"sku": "A", "price": 2}], source="zoho").staged == 0  # it was agreed on
    assert db.audit() == {}


def test_nor_does_it_where_the_same_commit_has_written_versions_before(db: SyncStockDB) -> None:
    """Of two sources the second is committed after the first, whose versions are there already."""
    db.change_products([{"sku": "A", "price": 1}, {"sku": "B", "price": 1}, {"sku": "C", "price": 1}])
    of_a = db.stage_products([{"sku": "A", "price": 2}], source="rms")
    of_others = db.stage_products([{"sku": "B", "price": 2}, {"sku": "C", "price": 2}], source="zoho")
    db.change_products([{"sku": "B", "price": 2}])
    for one in (of_a, of_others):
        db.approve_staged(operation_uuid=one.operation_uuid, reason="fine")
    before = db.product_versions(ids(db)["B"])
    assert db.commit_staged().committed == 3
    assert db.product_versions(ids(db)["B"]).equals(before)
    for sku in ("A", "C"):
        assert db.product_versions(ids(db)[sku])["version"].to_list() == [1, 2]
    assert db.audit() == {}


def test_an_article_whose_unit_is_cleared_is_kept_in_pieces_and_that_it_is_so_is_no_news(
    db: SyncStockDB,
) -> None:
    policy(db, **TRUSTED)
    db.change_products([{"sku": "A", "unit": "kg"}])
    assert [pulled(db, unit=None).committed for _ in range(3)] == [1, 0, 0]
    assert state(db, "A")["unit"] == "each"
    assert db.change_products([{"sku": "A", "unit": None}]).committed == 0
    assert len(db.product_versions(ids(db)["A"])) == 2
    assert db.staged().empty


def test_a_version_is_the_state_whatever_else_its_commit_did_to_the_article(db: SyncStockDB) -> None:
    db.run_sync(sales=[SalesRecord(inventory_id=7, qty=1, at=NOON, ref="r", location="main")])
    db.change_products([{"sku": "X", "unit": "kg", "price": 1, "identifiers": {"zoho": "1"}}, {"sku": "Y"}])
    changes: list[dict[str, Any]] = [
        {"sku": "X", "price": 2},  # and it loses its code to Y
        {"sku": "Y", "identifiers": {"zoho": "1"}},
        {"sku": "Z", "style": "round", "units": {"pack": "12.50"}},
        {"inventory_id": 7, "name": "A placeholder no more"},
    ]
    db.stage_products(changes, source="zoho")
    db.stage_products([{"sku": "X", "name": "Mug", "unit": None}], source="rms")  # in the same commit
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="relabelled")
    db.approve_staged(db.staged()["staging_id"].to_list(), reason="fine")
    done = db.commit_staged()
    assert (done.committed, done.left) == (5, 0)
    assert state(db, "X") == {"sku": "X", "name": "Mug", "unit": "each", "price": 2, "is_active": True}
    versions = db.product_versions(ids(db)["X"])
    assert [sorted(one) for one in versions["changed_fields"]][1:] == [
        ["identifiers.zoho", "name", "price", "unit"]
    ]
    assert versions["state"].to_list()[-1] == state(db, "X")
    assert db.audit() == {}


def test_an_article_that_only_loses_its_code_in_a_commit_has_a_version_of_it(db: SyncStockDB) -> None:
    db.change_products([{"sku": "X", "price": 1, "identifiers": {"zoho": "1"}}, {"sku": "Y"}])
    waiting = db.stage_products(
        [{"sku": "X", "price": 2}, {"sku": "Y", "identifiers": {"zoho": "1"}}], source="zoho"
    )
    db.resolve(int(db.conflicts()["conflict_id"][0]), keep="new", reason="relabelled")
    db.change_products([{"sku": "X", "price": 2}])  # what the source said of it is done already
    db.approve_staged(operation_uuid=waiting.operation_uuid, reason="fine")
    assert db.commit_staged().committed == 2
    assert "identifiers.zoho" not in state(db, "X")
    assert [list(one) for one in db.product_versions(ids(db)["X"])["changed_fields"]][-1] == [
        "identifiers.zoho"
    ]
    assert db.audit() == {}
