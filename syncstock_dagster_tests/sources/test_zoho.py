"""Zoho against its stand-in: every fault ends in the right state, with nothing lost or doubled and the reason kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.demo.vendors import zoho as stand_in
from syncstock_dagster.demo.vendors.in_process import InProcess
from syncstock_dagster.demo.vendors.zoho import ZohoItem, ZohoStandIn
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.dead_letters import replay
from syncstock_dagster.sources import asking, hints
from syncstock_dagster.sources.protocol import (
    Ask,
    Page,
    PausedError,
    RefusedError,
    Source,
    UnreachableError,
)
from syncstock_dagster.sources.pull import letter_handler, newest_change, pull
from syncstock_dagster.sources.vendor_http import PassingError, json_of, retry_after
from syncstock_dagster.sources.vendors import Context, NotConfiguredError, opened
from syncstock_dagster.sources.zoho import Zoho, ZohoTable
from syncstock_dagster_tests.sources import vendors
from syncstock_dagster_tests.sources.test_contract import agrees, count_of, stock
from syncstock_dagster_tests.sources.vendors import Vendor

PLACE = "460000000038080"


@pytest.fixture
def pair(db: SyncStockDB) -> tuple[Vendor, ZohoStandIn]:
    return vendors.zoho(db.url)


def reason(db: SyncStockDB) -> str:
    with psycopg.connect(db.url) as connection:
        row = connection.execute("select reason from syncstock.source_pulls order by 1 nulls last").fetchone()
    return str(row and row[0])


PASSING = (
    "500", "html", "html 200", "cut", "empty", "timeout", "connection", "429/43", "429/1070", "401/14",
)  # fmt: skip


def test_what_passes_is_tried_again_and_leaves_no_trace(db: SyncStockDB) -> None:
    """Each of them once, all of them in one pull, and the first two at one call."""
    vendor, fake = vendors.zoho(db.url, 100)
    fake.faults.next(None, *PASSING[:2], *[name for fault in PASSING[2:] for name in (None, fault)])
    result = vendor.pull(db)
    assert (result.status, result.pages, result.api_calls) == ("complete", 10, 20)
    assert agrees(db, vendor)
    assert count_of(db, "stock_counts") == 100
    assert count_of(db, "dead_letters") == 0
    assert db.audit() == {}


@pytest.mark.parametrize("fault", ["429/44", "429/45"])
def test_a_limit_that_is_used_up_ends_the_run_and_the_next_one_goes_on(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn], fault: str
) -> None:
    vendor, fake = pair
    fake.faults.next(None, None, fault)
    result = vendor.pull(db)
    assert (result.status, result.pages, result.counts_new) == ("partly", 2, 20)
    assert fault[-2:] in result.reason
    assert db.operations().iloc[0]["status"] == "partly"
    assert fault[-2:] in db.pull_statistics("zoho", fresh=True)["open_reason"]
    calls = len(fake.faults.calls)
    blocked = vendor.pull(db)  # nobody calls while Zoho wants no call
    assert (blocked.status, blocked.pages, len(fake.faults.calls)) == ("partly", 0, calls)
    vendor.clock.pass_by(hours=1)
    rest = vendor.pull(db)
    assert (rest.status, rest.pages, rest.counts_new, rest.resumed) == ("complete", 3, 25, True)
    assert max(vendor.clock.slept) < 60
    assert agrees(db, vendor)
    assert db.audit() == {}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("401/57", "code 57"), ("200/9", "code 9"), ("400", "HTTP 400")],
)
def test_what_asking_again_will_not_help_fails_at_once(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn], fault: str, expected: str
) -> None:
    vendor, fake = pair
    fake.faults.next(None, fault)
    with pytest.raises(RefusedError, match=expected):
        vendor.pull(db)
    assert len(fake.faults.calls) == 2
    assert expected in reason(db)
    assert db.operations().iloc[0]["status"] == "failed"
    assert stock(db) == {}
    vendor.pull(db)
    assert agrees(db, vendor)
    assert count_of(db, "stock_counts") == 45


def test_an_outage_ends_the_run_after_a_few_attempts(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    fake.faults.next(*["500"] * 20)
    with pytest.raises(UnreachableError, match="5 times: HTTP 500"):
        vendor.pull(db)
    assert len(fake.faults.calls) == 5
    assert sum(vendor.clock.slept) < 60


def test_a_refused_token_is_refreshed_once(db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]) -> None:
    vendor, fake = pair
    fake.faults.before_call[3] = fake.expire_tokens
    assert vendor.pull(db).status == "complete"
    assert len(fake.refreshed) == 2
    fake.faults.next("401/14", "401/14")
    with pytest.raises(RefusedError, match="a moment ago"):
        vendor.pull(db)
    assert len(fake.refreshed) == 3


def test_a_token_lives_its_hour_and_nobody_asks_for_more_than_zoho_gives(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    vendor.pull(db)
    vendor.pull(db)
    assert len(fake.refreshed) == 1
    vendor.clock.pass_by(hours=1)
    vendor.pull(db)
    assert len(fake.refreshed) == 2
    for _ in range(8):
        fake.expire_tokens()
        vendor.source.close()
        vendor.source = vendors.zoho_source(db.url, fake, vendor.clock, calls_a_minute=6000)
        result = vendor.pull(db)
    assert len(fake.refreshed) <= 10
    if result.status == "partly":
        assert "ten tokens" in result.reason or "gives ten" in result.reason


def test_a_token_is_asked_for_again_where_that_may_help(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    """The accounts server fails as any server does; that is no reason to doubt the credentials, or to end the night."""
    vendor, fake = pair
    fake.token_faults.next("500", "html", "timeout", "connection")
    assert vendor.pull(db).status == "complete"
    assert (len(fake.token_faults.calls), len(fake.refreshed)) == (5, 1)
    fake.expire_tokens()
    fake.token_faults.next("500")
    assert vendor.pull(db).status == "complete"  # still known as expired when it is asked for again
    fake.expire_tokens()
    fake.token_faults.next(*["500"] * 9)
    with pytest.raises(UnreachableError, match="5 times: HTTP 500 from its accounts server"):
        vendor.pull(db)
    fake.token_faults.heal()
    assert vendor.pull(db).status == "complete"
    assert agrees(db, vendor)


def test_tokens_that_somebody_else_has_used_up_are_waited_for(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    """Zoho says "Access Denied" then, which is nothing about the credentials; nobody asks before it is over."""
    vendor, fake = pair
    fake.refreshed += [vendor.clock.now()] * 10
    for _ in range(2):
        result = vendor.pull(db)
        assert (result.status, result.pages) == ("partly", 0)
        assert "too many tokens" in result.reason
    assert len(fake.token_faults.calls) == 1
    vendor.clock.pass_by(minutes=11)
    assert vendor.pull(db).status == "complete"
    assert agrees(db, vendor)


def test_an_item_that_changes_while_it_is_pulled_ends_as_it_was_seen_last(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    """Changed behind the pull, it waits for the next; in front of it, it is seen."""
    vendor, fake = pair
    items = list(fake.items.values())
    fake.faults.before_call[3] = lambda: (
        fake.set_stock(items[2].item_id, "71"),
        fake.set_stock(items[40].item_id, "72"),
    )
    vendor.pull(db)
    assert (stock(db)[items[2].sku], stock(db)[items[40].sku]) == (14, 72)
    assert vendor.pull(db).levels_changed == 1
    assert agrees(db, vendor)
    assert db.audit() == {}


def test_an_item_that_moves_between_pages_is_found_and_one_that_comes_twice_counts_once(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    vendor.pull(db)
    items = list(fake.items.values())

    def shift_up() -> None:  # what follows moves one up: the first of the third page is on the second one now
        fake.items[items[3].item_id].status = "inactive"
        fake.set_stock(items[20].item_id, "83")

    fake.faults.before_call[len(fake.faults.calls) + 3] = shift_up
    result = vendor.pull(db)
    assert (result.status, result.gone) == ("complete", 0)
    assert stock(db)[items[20].sku] == 83  # named by no page, and read by itself
    assert not db.products([items[3].sku]).empty

    def shift_down() -> None:
        first = ZohoItem("460000000000001", "NEW", "New", {"460000000038080": "5"})
        fake.items = {first.item_id: first, **fake.items}

    fake.faults.before_call[len(fake.faults.calls) + 3] = shift_down
    result = vendor.pull(db)
    assert result.repeated == 1
    assert count_of(db, "source_items") == 45
    vendor.pull(db)
    assert stock(db)["NEW"] == 5
    assert db.audit() == {}


def test_the_size_of_a_page_is_never_trusted(db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]) -> None:
    vendor, fake = pair
    fake.page_size = 7
    assert vendor.pull(db).pages == 7
    assert agrees(db, vendor)
    fake.page_size = 45
    assert vendor.pull(db).pages == 1


def test_rows_that_cannot_be_understood_are_letters_and_are_read_again(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    first, second = list(fake.items.values())[:2]
    first.name = "x" * 3_000
    fake.items["1"] = ZohoItem("1", "", "has no SKU", {"460000000038080": "3"})
    second.rate = "a lot"
    result = vendor.pull(db)
    assert (result.status, result.refused, result.unknown) == ("complete", 2, 1)
    letters = db.dead_letters()
    assert sorted(letters["kind"]) == ["product", "source.row", "source.row"]
    assert any("no amount" in told for told in letters["reason"])
    assert second.sku not in stock(db)
    second.rate = "2.50"
    row = letters[letters["reason"].str.contains("no amount")].iloc[0]

    @contextmanager
    def this_one(_: str) -> Iterator[Source]:
        yield vendor.source

    handler = letter_handler(this_one, db.url, vendors.rules(db, trust="authoritative"))
    replay(db.url, int(row["dead_letter_id"]), handlers={"source.row": handler})
    assert stock(db)[second.sku] == Decimal(next(iter(second.stock.values())))
    assert len(db.dead_letters()) == 2
    assert db.audit() == {}


@pytest.mark.parametrize("field", ["name", "sku", "category"])
def test_a_row_that_cannot_be_stored_spoils_no_other(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn], field: str
) -> None:
    vendor, fake = pair
    item = next(iter(fake.items.values()))
    whole = item.sku
    setattr(item, field, "a\x00b")
    result = vendor.pull(db)
    assert (result.status, result.items) == ("complete", 44)
    assert set(stock(db)) == {one.sku for one in fake.items.values()} - {whole, "a\x00b"}
    assert "a\ufffdb" in str(db.dead_letters()["payload"].to_list())


@pytest.mark.parametrize("odd", ["NaN", "-Infinity", "1e999999", "true", "[1]", '"1,000"'])
def test_a_quantity_that_is_none_spoils_no_other(db: SyncStockDB, odd: str) -> None:
    vendor, fake = vendors.zoho(db.url, 3)
    good = InProcess(fake.app)

    def answer(request: httpx.Request) -> httpx.Response:
        said = good.handle_request(request)
        said.read()
        content = re.sub(rb'("stock_on_hand"):[^,}]+', rb"\1:" + odd.encode(), said.content, count=1)
        return httpx.Response(said.status_code, content=content)

    accounts = vendors.accounts_of(fake)
    source = Zoho(ZohoTable(), Context(db.url, "zoho", accounts, vendor.clock, httpx.MockTransport(answer)))
    result = pull(db.url, source, Ask(), vendors.rules(db, trust="authoritative"))
    assert (result.status, result.refused, len(stock(db))) == ("complete", 1, 2)
    assert len(db.dead_letters()) == 1
    assert db.audit() == {}


def test_an_answer_without_end_is_no_json() -> None:
    with pytest.raises(PassingError, match="no JSON"):
        json_of(httpx.Response(200, content=b"[" * 100_000))


def test_words_of_a_vendor_that_cannot_be_stored_are_on_record(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, fake = pair
    monkeypatch.setitem(stand_in._ERRORS, "odd", (400, 9, "no\x00way", {}))
    fake.faults.next("odd")
    with pytest.raises(RefusedError, match="no\ufffdway"):
        vendor.pull(db)
    assert "no\ufffdway" in reason(db)
    assert "no\ufffdway" in db.operations().iloc[0]["error"]


def test_a_code_at_fault_is_found_and_the_others_are_read(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    ids = tuple(fake.items)[:4]
    fake.faults.next(
        "400", None, "400", None, "400"
    )  # all four, the first two, the last two, the third, the fourth
    result = vendor.pull(db, ids=ids)
    assert (result.refused, result.missing, result.levels) == (1, 0, 3)
    (letter,) = db.dead_letters()["payload"]
    assert letter["id"] == ids[3]


def test_hints_wait_out_a_limit_and_are_given_up_after_some_failures(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    given = vendors.rules(db, trust="authoritative")
    first = next(iter(fake.items.values()))
    hints.receive(db.url, "zoho", [first.item_id])
    fake.faults.next("429/45")
    for _ in range(7):
        result = hints.work_off(db.url, vendor.source, given)
        assert result is not None
        assert result.status == "partly"
    assert hints.waiting(db.url)["zoho"].attempts == 0
    vendor.clock.pass_by(hours=2)
    assert hints.work_off(db.url, vendor.source, given) is not None
    assert first.sku in stock(db)
    hints.receive(db.url, "zoho", [first.item_id])
    for _ in range(5):
        fake.faults.next("401/57")
        with pytest.raises(RefusedError):
            hints.work_off(db.url, vendor.source, given)
    assert hints.work_off(db.url, vendor.source, given) is None
    assert hints.waiting(db.url) == {}


def test_an_article_that_changes_while_its_hint_is_worked_off_is_read_again(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, fake = pair
    given = vendors.rules(db, trust="authoritative")
    first = next(iter(fake.items.values()))
    assert hints.receive(db.url, "zoho", [first.item_id, first.item_id]) == 1
    assert hints.receive(db.url, "zoho", [first.item_id]) == 0
    pages = vendor.source.pages

    def then_it_changes(ask: Ask, position: str | None) -> Iterator[Page]:
        yield from pages(ask, position)
        vendor.clock.pass_by(seconds=1)
        fake.set_stock(first.item_id, "77")
        assert hints.receive(db.url, "zoho", [first.item_id]) == 1

    monkeypatch.setattr(vendor.source, "pages", then_it_changes)
    assert hints.work_off(db.url, vendor.source, given) is not None
    assert stock(db)[first.sku] != 77
    monkeypatch.undo()
    vendor.clock.pass_by(minutes=1)
    assert hints.work_off(db.url, vendor.source, given) is not None
    assert stock(db)[first.sku] == 77
    assert hints.waiting(db.url) == {}


@pytest.mark.parametrize("code", ["", "a\x00", "\ud800", "x" * 201, 5, None])
def test_a_hint_or_question_that_cannot_be_one_is_told(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn], code: Any
) -> None:
    with pytest.raises(BadInput, match="1 to 200"):
        hints.receive(db.url, "zoho", ["1", code])
    if code in ("a\x00", "\ud800"):
        for asked in ({"ids": (code,)}, {"category": code}, {"location": code}):
            with pytest.raises(BadInput, match="cannot be asked for"):
                pair[0].pull(db, **asked)
        with pytest.raises(BadInput, match="event"):
            hints.receive(db.url, "zoho", ["1"], event_key=code)


def test_what_changed_waits_until_a_stopped_pull_of_everything_has_ended(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor, fake = pair

    @contextmanager
    def this_one(*_: object) -> Iterator[Source]:
        yield vendor.source

    monkeypatch.setattr(asking, "opened_source", this_one)
    vendor.pull(db)
    fake.faults.next(None, "429/45")
    assert vendor.pull(db).status == "partly"
    vendor.clock.pass_by(hours=1)
    result = asking.start_pull(db, "zoho", changed_only=True)
    assert (result.status, result.resumed, result.pages) == ("complete", True, 4)
    assert "last_modified_time" not in fake.faults.calls[-1][1]
    asking.start_pull(db, "zoho", changed_only=True)
    assert "last_modified_time" in fake.faults.calls[-1][1]


def test_1500_items_take_eight_calls_one_after_the_other(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, 1_500)
    vendor.batch_size = None
    result = vendor.pull(db)
    assert (result.pages, result.api_calls, result.items) == (8, 8, 1_500)
    assert [call[1]["page"] for call in fake.faults.calls] == [str(n) for n in range(1, 9)]
    assert {call[1]["per_page"] for call in fake.faults.calls} == {"200"}
    assert {call[1]["organization_id"] for call in fake.faults.calls} == {fake.organisation}
    assert all(0.9 < wait < 1.1 for wait in vendor.clock.slept)  # sixty a minute, no burst
    assert len(db.on_hand()) == 1_500
    figures = db.performance().iloc[0]
    assert (figures["calls"], figures["items"]) == (8, 1_500)


def test_changes_are_asked_for_with_an_overlap_and_a_filter_that_is_ignored_is_told(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    vendor.pull(db)
    vendor.clock.pass_by(hours=1)
    item = list(fake.items.values())[5]
    fake.set_stock(item.item_id, "64")
    since = newest_change(db.url, "zoho")
    assert since is not None
    result = vendor.pull(db, since=since)
    asked = fake.faults.calls[-1][1]["last_modified_time"]
    assert asked == (since - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    assert (result.scope, result.levels_changed) == ("changed", 1)
    assert stock(db)[item.sku] == 64
    fake.filters_by_time = False
    later = newest_change(db.url, "zoho")
    fake.set_stock(list(fake.items)[6], "65")  # odd
    vendor.pull(db, category="Even")
    vendor.pull(db, category="Even", since=later)
    assert newest_change(db.url, "zoho") == later  # a part says nothing of the rest
    vendor.pull(db, category="Odd")
    result = vendor.pull(db, since=later)
    assert (result.items, result.levels_changed) == (45, 0)
    assert "ignored" in result.notes[0]


def test_by_category_brand_and_location(db: SyncStockDB) -> None:
    db.upsert_locations([{"code": "north", "timezone": "Europe/London"}])
    vendor, fake = vendors.zoho(db.url, by_location=True, locations={"460000000038080": "main", "2": "north"})
    for n, item in enumerate(fake.items.values()):
        item.stock["2"] = str(n)
    odd = vendor.pull(db, category="odd")
    assert odd.items == 22
    south = vendor.pull(db, brand="South", location="north")
    assert south.items == south.levels == 30
    vendor.pull(db)
    assert len(db.on_hand()) == 90
    assert set(db.on_hand()["location"]) == {"main", "north"}
    assert db.audit() == {}


def test_far_fewer_items_than_before_are_told_and_no_stock_is_lost(
    db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]
) -> None:
    vendor, fake = pair
    vendor.pull(db)
    before = stock(db)
    fake.items = dict(list(fake.items.items())[:10])
    result = vendor.pull(db)
    assert (result.status, result.dropped_from, result.gone) == ("complete", 45, 0)
    assert result.needs_person
    assert stock(db) == before


def test_books_is_asked_at_its_own_path(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, api="books", stock="available_stock")
    vendor.pull(db)
    assert {call[0] for call in fake.faults.calls} == {"/books/v3/items"}
    assert agrees(db, vendor)


def test_the_days_calls_can_be_limited(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, calls_a_day=3)
    result = vendor.pull(db)
    assert (result.status, result.pages) == ("partly", 3)
    assert "3 calls of this day" in result.reason
    assert len(fake.faults.calls) == 3
    vendor.clock.pass_by(days=1)
    assert vendor.pull(db).pages > 0


def test_without_an_account_it_says_what_to_set(db: SyncStockDB, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "ORGANIZATION_ID"):
        monkeypatch.delenv(f"SYNCSTOCK_ZOHO_{name}", raising=False)
    with (
        pytest.raises(NotConfiguredError, match="SYNCSTOCK_ZOHO_REFRESH_TOKEN"),
        opened("zoho", None, Context(db.url)),
    ):
        pass


def test_no_secret_is_in_what_is_stored_or_said(db: SyncStockDB, pair: tuple[Vendor, ZohoStandIn]) -> None:
    vendor, fake = pair
    fake.client_secret = "another"
    with pytest.raises(RefusedError) as refused:
        vendor.pull(db)
    told = str(refused.value) + db.operations().to_json(default_handler=str)
    told += json.dumps(db.pull_statistics("zoho", fresh=True), default=str)
    told += repr(vendors.accounts_of(fake)) + repr(vendor.source)
    assert "client-secret" not in told and "1000.refresh" not in told


def test_two_of_their_locations_that_are_one_of_ours_are_added_up(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, 2, by_location=True, locations={"1": "main", "2": "main"})
    for item in fake.items.values():
        item.stock = {"1": "3", "2": "4"}
    vendor.pull(db)
    assert set(stock(db).values()) == {Decimal(7)}


def test_where_the_list_tells_no_locations_the_details_are_asked_for(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, 205, by_location=True, locations={PLACE: "main"})
    fake.lists_locations = False
    vendor.batch_size = 200
    done = vendor.pull(db)
    assert (done.levels, done.refused, done.api_calls) == (205, 0, 5)
    assert agrees(db, vendor)


def test_stock_that_no_location_has_is_told_and_is_not_nothing(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, 3, by_location=True)  # the first has none
    fake.lists_locations = fake.details_have_locations = False
    done = vendor.pull(db)
    assert done.refused == 2 and done.needs_person
    with psycopg.connect(db.url) as connection:
        (reason,) = connection.execute("select distinct reason from syncstock.dead_letters").fetchone() or (
            "",
        )
    assert "by_location" in reason


def test_a_limit_told_by_a_gateway_is_kept_to(db: SyncStockDB) -> None:
    """No JSON comes with it, and the wait is long: nobody calls before it is over."""
    vendor, fake = vendors.zoho(db.url)
    fake.faults.next(None, "429 html")
    done = vendor.pull(db)
    assert (done.status, done.api_calls, done.items) == ("partly", 2, 10)
    with pytest.raises(PausedError):
        vendor.source.pages(vendor.ask(), None).__next__()
    vendor.clock.pass_by(hours=1)
    assert vendor.pull(db).status == "complete"
    assert agrees(db, vendor)


def test_a_wait_may_be_told_as_a_date(db: SyncStockDB) -> None:
    """It counts by the clock that told it: ours may be wrong."""
    vendor, fake = vendors.zoho(db.url)
    fake.faults.next(None, "429 date")
    assert vendor.pull(db).status == "partly"
    vendor.clock.pass_by(minutes=25)
    assert (vendor.pull(db).pages, len(fake.faults.calls)) == (0, 2)
    vendor.clock.pass_by(minutes=5)
    assert vendor.pull(db).status == "complete"
    assert agrees(db, vendor)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("soon", 0), ("nan", 0), ("-3", 0), ("Mon, 99 Foo 2026 09:00:00 GMT", 0), ("inf", 86_400), ("2.5", 2.5)],
)
def test_a_wait_that_makes_no_sense_is_none_or_a_day(told: str, seconds: float) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": told})) == seconds


def test_a_pull_that_takes_days_goes_on_as_long_as_it_gets_on(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url)
    for _ in range(4):
        fake.faults.next(None, "429/45")
        assert vendor.pull(db).status == "partly"
        vendor.clock.pass_by(hours=1)
        with psycopg.connect(db.url) as connection:  # so long ago it was, by the clock of the database
            connection.execute(
                "update syncstock.source_pulls set started_at = started_at - interval '20 hours', "
                "last_page_at = last_page_at - interval '20 hours' where state = 'open'"
            )
    assert vendor.pull(db).status == "complete"
    assert count_of(db, "source_pulls") == 1
    assert agrees(db, vendor)


def test_an_item_that_cannot_be_understood_any_more_is_not_gone(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url)
    vendor.pull(db)
    item = next(iter(fake.items.values()))
    item.rate = "much"
    done = vendor.pull(db)
    assert (done.gone, done.status) == (0, "complete")
    assert done.refused
    assert agrees(db, vendor)


def test_a_blank_makes_another_sku(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, 3)
    first, second, third = fake.items.values()
    first.sku, second.sku, third.sku = "A1", "A1 ", "  "
    for item, quantity in zip((first, second, third), "579", strict=True):
        item.stock = {PLACE: quantity}
    assert vendor.pull(db).unknown == 1
    assert stock(db) == {"A1": 5, "A1 ": 7}
    assert db.audit() == {}


def test_pages_come_to_an_end_whatever_is_said_of_further_ones(db: SyncStockDB) -> None:
    vendor, fake = vendors.zoho(db.url, 12)
    fake.says_more = True
    with pytest.raises(RefusedError, match="3 pages without an item"):
        vendor.pull(db)
    assert len(fake.faults.calls) == 5
    fake.says_more = "false"  # as text: there is none behind the page that it goes on with
    vendor.pull(db)
    assert len(fake.faults.calls) == 6
    fake.says_more = None
    assert vendor.pull(db).status == "complete"
    assert agrees(db, vendor)
