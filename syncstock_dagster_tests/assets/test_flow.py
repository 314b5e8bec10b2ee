"""The flow as Dagster runs it: from files in the drop folder to published days."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import psycopg
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.definitions import build_defs
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.sources.troubles import intake_facts
from syncstock_dagster_tests.shop import COUNT_COLUMNS, MOVEMENT_COLUMNS, Shop, why_red

DAYS = ("2026-03-02", "2026-03-03", "2026-03-04")
QUICK = {"config": {"settle_seconds": 0.1}}


def fill(shop: Shop) -> None:
    """Three days: an opening, sales, a purchase over two days in one file, and a count that is two short."""
    shop.count("2026-03-02.csv", [("A", 100, "2026-03-02 08:00"), ("B", 50, "2026-03-02 08:00")])
    shop.sell("2026-03-02.csv", [("R1", "A", 3, "2026-03-02 12:00")])
    shop.buy("week.csv", [("P1", "A", 10, "2026-03-03 09:00"), ("P2", "B", 5, "2026-03-04 09:00")])
    shop.sell("2026-03-03.csv", [("R2", "A", 4, "2026-03-03 12:00"), ("R3", "B", 1, "2026-03-03 13:00")])
    shop.count("2026-03-04.csv", [("A", 101, "2026-03-04 18:00")])


STOCK = {"A": 101, "B": 54}


def test_one_day_takes_in_every_file_and_posts_what_has_a_row_on_it(shop: Shop) -> None:
    fill(shop)
    result = shop.run("daily_sync", "2026-03-03")
    assert result.success, why_red(result)
    told = {
        asset: shop.metadata(result, asset)["2026-03-03"]
        for asset in ("sales", "purchases", "inventory_ledger")
    }
    assert (told["sales"]["rows"], told["sales"]["files"]) == (2, 1)
    assert (told["purchases"]["rows"], told["purchases"]["files"]) == (1, 1)
    assert (told["inventory_ledger"]["entries"], told["inventory_ledger"]["units_out"]) == (3, 5)
    # The week's purchases came whole; the counts and the first day's sales wait for their days.
    states = shop.db.deliveries()[["name", "state"]].set_index("name")["state"].to_dict()
    assert states == {
        "counts/2026-03-02.csv": "received",
        "counts/2026-03-04.csv": "received",
        "purchases/week.csv": "posted",
        "sales/2026-03-02.csv": "received",
        "sales/2026-03-03.csv": "posted",
    }


def test_a_range_is_one_run_and_says_of_each_day_what_the_day_alone_would_say(shop: Shop, instance) -> None:
    fill(shop)
    whole = shop.run("daily_sync", DAYS[0], DAYS[-1])
    assert whole.success, why_red(whole)
    assert shop.stock() == STOCK
    again = {day: shop.run("daily_sync", day) for day in DAYS}
    partitioned = (
        "purchases",
        "sales",
        "excel_counts",
        "pos_counts",
        "reconciled_stock",
        "inventory_ledger",
        "daily_snapshot",
    )
    for asset in partitioned:
        of_range = shop.metadata(whole, asset)
        assert set(of_range) == set(DAYS), asset
        for day in DAYS:
            alone = shop.metadata(again[day], asset)[day]
            for name, value in of_range[day].items():
                if not name.startswith("this_run"):
                    assert alone[name] == value, (asset, day, name)
    assert shop.metadata(whole, "daily_snapshot")["2026-03-03"]["on_hand"] == 152
    assert shop.metadata(whole, "excel_counts")["2026-03-02"]["dagster/partition_row_count"] == 2


@pytest.mark.parametrize("seed", range(2))
def test_L4_days_in_any_order_and_cut_end_in_the_same_stock(shop: Shop, seed: int, make_database) -> None:
    """The incremental life, a backfill, and days at random, some of them twice."""
    fill(shop)
    print(f"seed {seed}")
    rng = random.Random(seed)
    days = [*DAYS, *rng.choices(DAYS, k=2)]
    rng.shuffle(days)
    print(days)
    for day in days:
        assert shop.run("daily_sync", day).success
    assert shop.stock() == STOCK
    random_life = shop.db.daily(date(2026, 3, 2), date(2026, 3, 5))
    variances = shop.db.variances()[["counted", "expected", "variance", "status"]]

    other = SyncStockDB(make_database())
    backfill = Shop(other, shop.folder, shop.instance)
    assert backfill.run("daily_sync", DAYS[0], DAYS[-1]).success
    assert backfill.stock() == STOCK
    assert other.daily(date(2026, 3, 2), date(2026, 3, 5)).equals(random_life)
    assert other.variances()[["counted", "expected", "variance", "status"]].equals(variances)
    assert shop.db.audit() == {} and other.audit() == {}


def test_an_operation_is_on_record_with_the_run_that_did_it(shop: Shop) -> None:
    fill(shop)
    result = shop.run("daily_sync", DAYS[0], DAYS[-1])
    with psycopg.connect(shop.db.url) as connection:
        rows = connection.execute(
            "select distinct dagster_run_id, created_by from syncstock.sync_operations where operation_type = 'load'"
        ).fetchall()
    assert rows == [(result.run_id, f"Dagster run {result.run_id}")]


def test_files_that_come_day_by_day_end_in_the_same_stock(shop: Shop) -> None:
    """What the sensor does: one run a day, each with the files that came."""
    shop.sell("2026-03-03.csv", [("R2", "A", 4, "2026-03-03 12:00"), ("R3", "B", 1, "2026-03-03 13:00")])
    shop.run("daily_sync", "2026-03-03")
    assert shop.stock() == {"A": -4, "B": -1}
    fill(shop)
    for day in DAYS:
        assert shop.run("daily_sync", day).success
    assert shop.stock() == STOCK


def test_a_second_run_of_a_day_changes_nothing(shop: Shop) -> None:
    fill(shop)
    shop.run("daily_sync", DAYS[0], DAYS[-1])
    before = shop.db.ledger()
    result = shop.run("daily_sync", DAYS[0], DAYS[-1])
    assert shop.metadata(result, "reconciled_stock")[DAYS[0]]["this_run"]["deliveries"] == 0
    assert shop.db.ledger().equals(before)


def test_a_bad_file_holds_up_none_of_the_good_ones_and_is_told(shop: Shop) -> None:
    """The same run posts the others. Row, column, what was found and what to do are with the asset and its check."""
    fill(shop)
    shop.drop("sales/a-bad.csv", MOVEMENT_COLUMNS, [("R9", 1, "A", "london", "twelve", "2026-03-03 10:00")])
    first = shop.run("daily_sync", DAYS[0], DAYS[-1])
    assert first.success, why_red(first)
    assert shop.stock() == STOCK
    assert shop.verdicts(first)["sales:every_file_taken"] is False
    told = shop.metadata(first, "sales")[DAYS[0]]
    assert (told["this_run_refused"], told["this_run_errors_in_all"]) == (1, 1)
    (error,) = (record.data for record in told["this_run_errors"].records)
    where = [error[name] for name in ("file", "row", "column", "found")]
    assert where == ["sales/a-bad.csv", 2, "quantity", "twelve"]
    assert shop.instance.get_run_by_id(first.run_id).tags["syncstock/refused"] == "sales/a-bad.csv"

    # It is told once, and the check stays red for as long as it lies there.
    second = shop.run("daily_sync", DAYS[0], DAYS[-1])
    assert "this_run_refused" not in shop.metadata(second, "sales")[DAYS[0]]
    assert shop.verdicts(second)["sales:every_file_taken"] is False

    shop.drop("sales/a-bad.csv", MOVEMENT_COLUMNS, [("R9", 1, "A", "london", 12, "2026-03-03 10:00")])
    third = shop.run("daily_sync", "2026-03-03")
    assert third.success
    assert shop.verdicts(third)["sales:every_file_taken"] is True
    # It was sold before the count of the fourth, which therefore holds.
    assert shop.stock() == STOCK


def test_a_delivery_that_cannot_be_posted_holds_up_nothing_but_itself(
    shop: Shop, configure: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days are published without it; a check names it with its error for as long as it waits, and people hear once."""
    configure(
        '[sources.excel]\ngate_rules = ["shop_rules:rule"]\n',
        shop_rules="broken = True\n"
        "def rule(counts):\n    return [1 / 0 if broken else None for _ in counts.itertuples()]\n",
    )
    fill(shop)
    for times in (1, 2):
        result = shop.run("nightly_close", DAYS[0], DAYS[-1])
        assert result.success, why_red(result)
        assert shop.stock() == {"A": 103, "B": 54}, "without the count of the fourth"
        assert shop.metadata(result, "reconciled_stock")[DAYS[0]]["this_run_not_posted"] == 1
        verdicts = shop.verdicts(result)
        assert verdicts["reconciled_stock:every_delivery_posted"] is False
        assert verdicts["reconciled_stock:nothing_waits"] is True, "one trouble is told by one check"
        (found,) = [
            e for e in result.get_asset_check_evaluations() if e.check_name == "every_delivery_posted"
        ]
        (row,) = (record.data for record in found.metadata["offending"].records)
        assert (row["delivery"], row["first_day"], row["tried"]) == ("counts/2026-03-04.csv", DAYS[-1], times)
        assert row["error"].startswith("ZeroDivisionError")
    (fact,) = intake_facts(shop.db)
    assert (fact.tier, fact.told.split(":")[0]) == (
        "refused", "counts/2026-03-04.csv could not be posted",
    )  # fmt: skip

    monkeypatch.setattr("shop_rules.broken", False)
    mended = shop.run("daily_sync", DAYS[-1])
    assert shop.verdicts(mended)["reconciled_stock:every_delivery_posted"] is True
    assert intake_facts(shop.db) == []
    assert shop.stock() == STOCK


def test_a_bad_catalogue_holds_up_nothing(shop: Shop) -> None:
    fill(shop)
    shop.drop("products/bad.csv", ("sku", "name", "cost"), [("A", "A thing", "cheap")])
    result = shop.run("daily_sync", DAYS[0], DAYS[-1])
    assert result.success, why_red(result)
    assert shop.stock() == STOCK
    assert shop.metadata(result, "product_catalog")[None]["this_run_refused"] == 1
    assert shop.verdicts(result)["product_catalog:every_file_taken"] is False


def test_a_reader_that_fails_holds_up_no_file_and_is_on_record(
    shop: Shop, configure: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its check is red until it answers again, also where it then has nothing to say."""
    configure(
        '[sources.till]\nkind = "sales"\nreader = "till_reader:read"\n',
        till_reader="error = TimeoutError('the till is off')\n"
        "def read(begin):\n    if error:\n        raise error\n    return []\n",
    )
    fill(shop)
    for _ in range(2):
        result = shop.run("daily_sync", DAYS[0], DAYS[-1])
        assert result.success, why_red(result)
        assert shop.verdicts(result)["sales:every_reader_answers"] is False
    assert shop.stock() == STOCK
    operations = shop.db.operations()
    failed = operations[operations["name"] == "reader of till"]
    assert failed["status"].tolist() == ["failed"]
    assert "TimeoutError: the till is off" in failed["error"].iloc[0]
    monkeypatch.setattr("till_reader.error", None)
    result = shop.run("daily_sync", DAYS[0], DAYS[-1])
    assert shop.verdicts(result)["sales:every_reader_answers"] is True


def test_counts_are_parted_by_trust(shop: Shop) -> None:
    """`counts/pos/` is what the tills counted; everything else in `counts/` is from people."""
    shop.drop("counts/pos/till.csv", COUNT_COLUMNS, [("A", 7, "london", "2026-03-02 20:00")])
    shop.count("sheet.csv", [("B", 9, "2026-03-02 20:00")])
    result = shop.run("ingest_counts", "2026-03-02")
    assert result.success, why_red(result)
    for asset in ("excel_counts", "pos_counts"):
        assert shop.metadata(result, asset)["2026-03-02"]["rows"] == 1
    assert set(shop.db.variances()["source"]) == {"excel", "pos"}
    assert shop.stock() == {"A": 7, "B": 9}


def test_each_intake_asset_alone_stores_and_posts_nothing(shop: Shop) -> None:
    fill(shop)
    for asset in ("purchases", "sales", "operational_deltas", "excel_counts", "pos_counts"):
        assert shop.materialise(asset, day="2026-03-02").success
    assert set(shop.db.deliveries()["state"]) == {"received"}
    assert shop.stock() == {}
    assert shop.materialise("reconciled_stock", day="2026-03-02", last="2026-03-04").success
    assert shop.stock() == STOCK


def test_the_catalogue_brings_articles_and_what_waited_for_them(shop: Shop) -> None:
    shop.sell("new.csv", [("R1", "NEW", 3, "2026-03-02 12:00")])
    assert shop.run("daily_sync", "2026-03-02").success
    assert shop.stock() == {}
    shop.drop("products/catalogue.csv", ("sku", "name", "cost"), [("NEW", "A new thing", "2.50")])
    result = shop.run("daily_sync", "2026-03-02")
    assert shop.metadata(result, "product_catalog")[None]["dagster/row_count"] == 3
    assert shop.stock() == {"NEW": -3}
    assert shop.metadata(result, "daily_snapshot")["2026-03-02"]["value"] == -7.5


def test_publishing_closes_the_days_that_are_over_and_no_others(shop: Shop) -> None:
    from syncstock_dagster.partitions import newest_day

    fill(shop)
    today = newest_day().isoformat()
    result = shop.run("nightly_close", DAYS[0], DAYS[-1])
    assert result.success, why_red(result)
    assert [fact["published"] for fact in shop.metadata(result, "published_days").values()] == [1, 1, 1]
    result = shop.run("nightly_close", today)
    assert shop.metadata(result, "published_days")[today]["published"] == 0
    shop.sell("late.csv", [("R8", "B", 2, "2026-03-03 11:00")])
    shop.run("daily_sync", "2026-03-03")
    assert list(shop.db.restatements()["first_day"]) == [date(2026, 3, 3), date(2026, 3, 4)]
    assert (
        shop.metadata(shop.run("daily_sync", "2026-03-03"), "daily_snapshot")["2026-03-03"]["restated"] == 1
    )


def test_rebuilding_history_posts_what_waits_and_finds_everything_right(shop: Shop) -> None:
    fill(shop)
    for asset in ("purchases", "sales", "excel_counts"):
        shop.materialise(asset, day="2026-03-02")
    result = shop.run("rebuild_history", "2026-03-02")
    assert result.success, why_red(result)
    assert shop.stock() == STOCK
    assert shop.metadata(result, "reconciled_stock")["2026-03-02"]["rebuild"] == "everything was right"
    assert shop.verdicts(result)["item_stock:laws_hold"] is True


def test_a_run_is_found_by_what_it_handled(shop: Shop) -> None:
    fill(shop)
    result = shop.run("daily_sync", "2026-03-03")
    tags = shop.instance.get_run_by_id(result.run_id).tags
    posted = set(shop.db.deliveries("posted")["operation_uuid"])
    assert tags["syncstock/operation"] in posted
    assert len(tags["syncstock/delivery"].split(",")) == 5
    operations = shop.db.operations()
    assert set(operations[operations["name"].str.startswith(("sales/", "purchases/"))]["created_by"]) == {
        f"Dagster run {result.run_id}"
    }


def test_the_till_and_the_folder_are_observed(shop: Shop) -> None:
    fill(shop)
    result = shop.run("daily_sync", "2026-03-03")
    seen = [
        event.asset_observation_data.asset_observation
        for event in result.all_events
        if event.event_type_value == "ASSET_OBSERVATION"
    ]
    of_sales = next(
        o for o in seen if o.asset_key.path == ["drop_folder"] and o.metadata["asset"].value == "sales"
    )
    assert of_sales.metadata["files"].value == 2
    assert {o.asset_key.path[0] for o in seen} == {"drop_folder", "till_system"}


def test_a_folder_that_is_not_there_is_told_and_not_made(shop: Shop, tmp_path) -> None:
    """Only the default one is made: a share that is not mounted must not look like a day without sales."""
    shop.resource = SyncStock(database_url=shop.db.url, drop_folder=str(tmp_path / "share"))
    shop.defs = build_defs(resource_overrides={"syncstock": shop.resource})
    result = shop.materialise("sales", day="2026-03-02")
    assert not result.success
    assert "There is no drop folder" in why_red(result)["sales"]
    assert not (tmp_path / "share").exists()


def test_a_count_sheet_shows_what_was_read_and_what_was_left_out(shop: Shop) -> None:
    """Beside the numbers of its days, on the run that read it; also where the same run refuses another one."""
    lines = [
        ("A", 5, "london", "2026-03-02 08:00"),
        ("B", "", "london", "2026-03-02 08:00"),
        ("Total", 5, "", ""),
    ]
    shop.drop("counts/2026-03-02.csv", COUNT_COLUMNS, lines)
    result = shop.materialise("excel_counts", day="2026-03-02")
    assert result.success, why_red(result)
    told = shop.metadata(result, "excel_counts")["2026-03-02"]
    (read,) = (record.data for record in told["this_run_read"].records)
    assert (read["file"], read["counts"], read["errors"]) == ("counts/2026-03-02.csv", 1, 0)
    assert "sku: A sku" in read["columns"]
    left_out = {record.data["rows"]: record.data["why"] for record in told["this_run_left_out"].records}
    assert left_out == {"3": "no quantity: not counted, which is not zero", "4": "a sum of the lines above"}
    again = shop.metadata(shop.materialise("excel_counts", day="2026-03-02"), "excel_counts")["2026-03-02"]
    assert not any(name.startswith("this_run") for name in again)
    shop.drop("counts/bad.csv", COUNT_COLUMNS, [("A", "many", "london", "2026-03-02 09:00")])
    told = shop.metadata(shop.materialise("excel_counts", day="2026-03-02"), "excel_counts")["2026-03-02"]
    assert {"this_run_errors", "this_run_read"} <= set(told)


def test_a_run_about_no_day_says_so_and_takes_nothing_in(shop: Shop) -> None:
    """The command line launches a job without a partition, where the page of the job does not."""
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    result = shop.run("daily_sync")
    assert not result.success
    assert "This run is about no day" in why_red(result)["sales"]
    assert "Choose a partition" in why_red(result)["sales"]
    assert len(shop.db.deliveries()) == 0
