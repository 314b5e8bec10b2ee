"""What every source keeps, whoever it is: the same tests over each of them.

A new source joins by a builder in ``vendors`` and a line in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.sources.protocol import Ask, SourceError
from syncstock_dagster_tests.sources import vendors
from syncstock_dagster_tests.sources.vendors import Vendor

KINDS = ("zoho", "xorosoft", "rms on postgresql", "rms on sqlite")


@pytest.fixture(params=KINDS)
def vendor(
    request: pytest.FixtureRequest, db: SyncStockDB, tmp_path: Path, make_database: Any
) -> Iterator[Vendor]:
    if request.param == "zoho":
        made = vendors.zoho(db.url)[0]
        yield made
    elif request.param == "xorosoft":
        made = vendors.xorosoft(db.url)[0]
        yield made
    else:
        kind = request.param.rpartition(" ")[2]
        with vendors.database_of(kind, tmp_path, make_database) as (url, execute):
            made = vendors.sql(db.url, url, execute)
            yield made
            made.source.close()
        return
    made.source.close()


def stock(db: SyncStockDB) -> dict[str, Decimal]:
    frame = db.on_hand().merge(db.products()[["inventory_id", "sku"]], on="inventory_id")
    return dict(zip(frame["sku"], frame["on_hand"], strict=True))


def agrees(db: SyncStockDB, vendor: Vendor) -> bool:
    return stock(db) == {sku: Decimal(quantity) for sku, quantity in vendor.stock().items()}


def count_of(db: SyncStockDB, table: str) -> int:
    with psycopg.connect(db.url) as connection:
        row = connection.execute(f"select count(*) from syncstock.{table}").fetchone()
    assert row is not None
    return row[0]


def test_it_yields_everything_in_pages_with_positions(vendor: Vendor) -> None:
    pages = list(vendor.source.pages(vendor.ask(), None))
    assert len(pages) > 3
    assert [page.position is None for page in pages] == [False] * (len(pages) - 1) + [True]
    levels = {one.sku: one.quantity for page in pages for one in page.levels}
    assert levels == {sku: Decimal(quantity) for sku, quantity in vendor.stock().items()}
    assert {one.change["sku"] for page in pages for one in page.items} == set(levels)
    assert all(page.answered_at.tzinfo is not None for page in pages)


def test_it_goes_on_behind_every_page_and_loses_and_repeats_nothing(vendor: Vendor) -> None:
    pages = list(vendor.source.pages(vendor.ask(), None))
    for place, page in enumerate(pages[:-1]):
        rest = list(vendor.source.pages(vendor.ask(), page.position))
        assert [one.levels for one in rest] == [one.levels for one in pages[place + 1 :]]
        assert [one.items for one in rest] == [one.items for one in pages[place + 1 :]]


def test_an_error_is_never_an_empty_answer(vendor: Vendor) -> None:
    vendor.break_after(0)
    with pytest.raises(SourceError):
        list(vendor.source.pages(vendor.ask(), None))


def test_levels_become_stock_once_and_only_what_changed_is_counted_again(
    db: SyncStockDB, vendor: Vendor
) -> None:
    first = vendor.pull(db)
    assert (first.status, first.levels_changed, first.counts_new) == ("complete", 45, 45)
    assert agrees(db, vendor)
    again = vendor.pull(db)
    assert (again.items_changed, again.levels_changed, again.counts_new) == (0, 0, 0)
    sku = sorted(vendor.stock())[7]
    vendor.set_stock(sku, "77")
    third = vendor.pull(db)
    assert (third.levels_changed, third.counts_new) == (1, 1)
    assert agrees(db, vendor)
    assert (count_of(db, "stock_counts"), count_of(db, "pulled_levels")) == (46, 0)
    assert db.audit() == {}


def test_a_zero_is_counted_and_what_is_missing_stays(db: SyncStockDB, vendor: Vendor) -> None:
    vendor.pull(db)
    emptied, gone = sorted(vendor.stock())[3:5]
    before = stock(db)[gone]
    vendor.set_stock(emptied, "0")
    vendor.remove(gone)
    result = vendor.pull(db)
    assert result.gone == 1
    assert stock(db)[emptied] == 0
    assert stock(db)[gone] == before
    assert vendor.pull(db).gone == 0  # it is not looked for every night
    assert db.audit() == {}


def test_broken_off_in_the_middle_it_goes_on_and_nothing_is_lost_or_doubled(
    db: SyncStockDB, vendor: Vendor
) -> None:
    vendor.break_after(2)
    with pytest.raises(SourceError):
        vendor.pull(db)
    assert db.operations().iloc[0]["status"] == "failed"
    assert db.pull_statistics(vendor.source.name, fresh=True)["open_reason"]
    vendor.break_after(None)
    result = vendor.pull(db)
    assert (result.status, result.resumed) == ("complete", True)
    assert result.pages < len(list(vendor.source.pages(vendor.ask(), None)))
    assert agrees(db, vendor)
    assert count_of(db, "stock_counts") == 45
    assert db.audit() == {}


def test_a_rehearsal_shows_the_differences_and_keeps_nothing(db: SyncStockDB, vendor: Vendor) -> None:
    vendor.pull(db)
    sku = sorted(vendor.stock())[2]
    before = stock(db)[sku]
    vendor.set_stock(sku, "81")
    operations, counts = count_of(db, "sync_operations"), count_of(db, "stock_counts")
    result = vendor.pull(db, dry_run=True)
    assert result.status == "dry run"
    assert [(d["sku"], d["ours"], d["theirs"]) for d in result.differences] == [(sku, before, 81)]
    assert (count_of(db, "sync_operations"), count_of(db, "stock_counts")) == (operations, counts)
    assert count_of(db, "source_pulls") == 1
    assert stock(db)[sku] == before
    vendor.pull(db)
    assert stock(db)[sku] == 81


def test_certain_articles_are_read_again_and_unknown_ones_are_named(db: SyncStockDB, vendor: Vendor) -> None:
    vendor.pull(db)
    first = next(iter(vendor.source.pages(vendor.ask(), None)))
    codes = [one.code for one in first.items[:2]]
    named = {one.code: one.change["sku"] for one in first.items}
    vendor.set_stock(named[codes[0]], "66")
    result = vendor.pull(db, ids=(*codes, "404"))
    assert (result.levels_changed, result.missing_ids) == (1, ("404",))
    assert stock(db)[named[codes[0]]] == 66
    assert agrees(db, vendor)


def test_what_was_rolled_back_is_told_again(db: SyncStockDB, vendor: Vendor) -> None:
    first = vendor.pull(db)
    db.rollback(first.operation_uuid, reason="the wrong account", include_dependents=True)
    assert stock(db) == {}
    vendor.pull(db)
    assert agrees(db, vendor)
    assert db.audit() == {}


def test_only_with_stock_leaves_out_the_empty_but_not_the_emptied(db: SyncStockDB, vendor: Vendor) -> None:
    result = vendor.pull(db, with_stock_only=True)
    assert set(stock(db)) == {sku for sku, quantity in vendor.stock().items() if quantity != "0"}
    assert result.levels_changed == len(stock(db))
    sku = next(sku for sku, quantity in vendor.stock().items() if quantity != "0")
    vendor.set_stock(sku, "0")
    vendor.pull(db, with_stock_only=True)
    assert stock(db)[sku] == 0


def test_policy_decides_what_becomes_of_levels_and_articles(db: SyncStockDB, vendor: Vendor) -> None:
    result = vendor.pull(db, vendors.rules(db, commits=False))
    assert (result.staged, result.committed, result.quarantined) == (45, 0, 45)
    assert result.needs_person
    db.approve_staged(operation_uuid=result.operation_uuid, reason="seen")
    assert db.commit_staged().released == 45
    advisory = vendor.source.name != "zoho"  # by default
    assert stock(db) == ({} if advisory else {s: Decimal(q) for s, q in vendor.stock().items()})
    assert db.audit() == {}


def test_one_pull_at_a_time(db: SyncStockDB, vendor: Vendor) -> None:
    with psycopg.connect(db.url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtextextended('pull of ' || %s, 0))", (vendor.source.name,))
        assert vendor.pull(db).status == "busy"
    assert vendor.pull(db).status == "complete"


def test_what_it_cannot_it_says() -> None:
    assert Ask(ids=("1",)).scope == "ids"
    assert not Ask(with_stock_only=True).is_whole
    assert Ask().is_whole


@pytest.mark.parametrize("kind", ["zoho", "xorosoft"])
@pytest.mark.parametrize("twin", ["a1", "A1 "])
def test_of_two_articles_that_differ_by_case_or_blanks_the_known_one_keeps_its_own_stock(
    db: SyncStockDB, kind: str, twin: str
) -> None:
    """Looked past the blank, both would be counts of the one that is known, and the last would win."""
    db.upsert_products([{"sku": "A1", "name": "ours"}])
    vendor, fake = vendors.zoho(db.url, 3) if kind == "zoho" else vendors.xorosoft(db.url, 3)
    for item, (sku, quantity) in zip(
        fake.items.values(), [("A1", "5"), (twin, "7"), ("B1", "1")], strict=True
    ):
        setattr(item, "sku" if kind == "zoho" else "number", sku)
        item.stock = {next(iter(item.stock)): quantity}
    waiting = vendors.rules(db, commits=False, trust="authoritative")
    result = vendor.pull(db, waiting)
    assert (result.refused, result.counts_new, result.needs_person) == (1, 1, True)
    assert stock(db) == {"A1": 5}
    assert "both" in db.dead_letters().iloc[0]["reason"]
    assert len(db.quarantine()) == 1, "what nobody knows waits as ever"
    db.upsert_products([{"sku": twin, "name": "theirs"}])
    assert vendor.pull(db, waiting).counts_new == 1
    assert stock(db) == {"A1": 5, twin: 7}
    assert db.audit() == {}


def test_a_sku_that_is_alone_is_found_whatever_its_case(db: SyncStockDB) -> None:
    db.upsert_products([{"sku": "A1", "name": "ours"}])
    vendor, fake = vendors.xorosoft(db.url, 1)
    next(iter(fake.items.values())).number = " a1"
    assert vendor.pull(db, vendors.rules(db, commits=False, trust="authoritative")).refused == 0
    assert set(stock(db)) == {"A1"}
