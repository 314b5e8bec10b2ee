"""Checks: red when they should be, in a day, in a range and alone; and what a blocking one stops."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from syncstock_dagster.partitions import newest_day
from syncstock_dagster_tests.shop import MOVEMENT_COLUMNS, Shop, why_red

DAY = "2026-03-02"
FORMS = [(DAY, None), (DAY, "2026-03-04"), (None, None)]


def judge(shop: Shop, form: tuple[str | None, str | None]) -> dict[str, bool]:
    """The checks of a day, of a range, or alone."""
    day, last = form
    result = shop.run("checks_only") if day is None else shop.run("daily_sync", day, last)
    assert result.success, why_red(result)
    return shop.verdicts(result)


@pytest.fixture
def counted(shop: Shop) -> Shop:
    """An opening of 500 each, then counts that are 5, 50 and 200 short."""
    shop.db.upsert_products([{"sku": "C"}])
    shop.count("opening.csv", [(sku, 500, "2026-03-01 08:00") for sku in "ABC"])
    shop.count(
        "sheet.csv", [("A", 495, f"{DAY} 18:00"), ("B", 450, f"{DAY} 18:00"), ("C", 300, f"{DAY} 18:00")]
    )
    shop.run("daily_sync", "2026-03-01", DAY)
    return shop


@pytest.mark.parametrize("form", FORMS, ids=["a day", "a range", "alone"])
def test_counts_are_judged_by_their_tier_with_the_articles_that_offend(counted: Shop, form) -> None:
    day, last = form
    result = counted.run("checks_only") if day is None else counted.run("daily_sync", day, last)
    found = {e.check_name: e for e in result.get_asset_check_evaluations()}
    review, held = found["counts_to_review"], found["counts_held_or_flagged"]
    assert (review.passed, review.severity.value) == (False, "WARN")
    assert (held.passed, held.severity.value) == (False, "ERROR")
    (record,) = held.metadata["offending"].records
    assert (record.data["sku"], record.data["variance"], record.data["status"]) == ("C", -200, "held")
    assert (record.data["tier"], record.data["may_be"], record.data["check"]) == ("held", "", "")
    assert held.metadata["threshold: excel, all"].value == "units 10 / 100"
    assert review.metadata["offending"].records[0].data["sku"] == "B"
    assert review.metadata["counts"].value == (6 if day is None else 3)
    for check in found.values():
        assert {"rule", "remedy", "days"} <= set(check.metadata), check.check_name


def test_a_held_count_stays_red_on_whatever_day_a_run_is_until_somebody_decides(counted: Shop) -> None:
    """The check shows its last verdict: that of a run over another day must not hide what waits."""
    result = counted.run("daily_sync", "2026-03-20")
    found = {e.check_name: e for e in result.get_asset_check_evaluations()}
    held = found["counts_held_or_flagged"]
    assert (held.passed, held.severity.value) == (False, "ERROR")
    assert (
        held.description
        == "No count of these days is held or flagged. 1 of other days wait(s) for a decision."
    )
    (record,) = held.metadata["offending"].records
    assert (record.data["sku"], record.data["day"], record.data["status"]) == ("C", DAY, "held")
    assert held.metadata["held_on_other_days"].value == 1
    assert found["counts_to_review"].passed

    variances = counted.db.variances()
    counted.db.approve(int(variances[variances["status"] == "held"]["count_id"].iloc[0]), reason="looked")
    assert judge(counted, ("2026-03-20", None))["reconciled_stock:counts_held_or_flagged"] is True


def test_what_may_explain_a_held_count_is_in_its_row(counted: Shop) -> None:
    """500 in the morning, 150 sold, and the sheet of the evening still says 500: it was not written off."""
    counted.sell("sold.csv", [("R1", "A", 150, "2026-03-03 12:00")])
    counted.count("evening.csv", [("A", 495, "2026-03-03 18:00")])
    result = counted.run("daily_sync", "2026-03-03")
    (held,) = (e for e in result.get_asset_check_evaluations() if e.check_name == "counts_held_or_flagged")
    record, of_another_day = held.metadata["offending"].records
    assert of_another_day.data["day"] == DAY
    assert "the -150 that moved since are missing from it" in str(record.data["may_be"])
    assert "written off" in str(record.data["check"])


@pytest.mark.parametrize("form", FORMS, ids=["a day", "a range", "alone"])
def test_everything_is_green_where_everything_is_right(shop: Shop, form) -> None:
    shop.count("opening.csv", [("A", 500, f"{DAY} 08:00")])
    shop.sell("a.csv", [("R1", "A", 1, f"{DAY} 12:00")])
    shop.run("daily_sync", DAY)
    shop.db.update_search()
    verdicts = judge(shop, form)
    assert len(verdicts) >= 15
    assert all(verdicts.values()), verdicts


def test_once_decided_a_count_is_no_longer_held(counted: Shop) -> None:
    variances = counted.db.variances()
    counted.db.approve(int(variances[variances["status"] == "held"]["count_id"].iloc[0]), reason="looked")
    assert judge(counted, (DAY, None))["reconciled_stock:counts_held_or_flagged"] is True


def test_unknown_articles_are_named(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "NOBODY", 1, f"{DAY} 12:00")])
    result = shop.run("daily_sync", DAY)
    (found,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "no_unknown_articles"]
    assert not found.passed
    assert found.metadata["offending"].records[0].data["sku"] == "NOBODY"


def test_stock_below_zero_for_long_is_named_and_for_a_day_is_not(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 3, f"{DAY} 12:00"), ("R2", "B", 3, f"{newest_day()} 00:00")])
    shop.run("daily_sync", DAY, newest_day().isoformat())
    result = shop.run("checks_only")
    (found,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "no_unexplained_negative"]
    assert not found.passed
    assert [row.data["sku"] for row in found.metadata["offending"].records] == ["A"]
    assert found.metadata["below_zero"].value == 2


def test_a_day_with_far_too_few_rows_is_named(shop: Shop) -> None:
    day = newest_day() - timedelta(days=1)
    for week in range(1, 6):
        rows = [(f"R{week}{n}", "A", 1, f"{day - timedelta(weeks=week)} 12:00") for n in range(8)]
        shop.sell(f"{week}.csv", rows)
    shop.sell("now.csv", [("R0", "A", 1, f"{day} 12:00")])
    result = shop.run("daily_sync", day.isoformat())
    found = {(e.asset_key.to_user_string(), e.check_name): e for e in result.get_asset_check_evaluations()}
    few = found["sales", "plausible_row_count"]
    assert not few.passed
    assert few.metadata["offending"].records[0].data["row_count"] == 1
    assert few.metadata["offending"].records[0].data["usual"] == 8
    assert found["sales", "yesterday_is_there"].passed


def test_a_source_that_is_missing_yesterday_is_named(shop: Shop) -> None:
    yesterday = newest_day() - timedelta(days=1)
    for source in ("till-north", "till-south"):
        for week in range(1, 5):
            day = yesterday - timedelta(weeks=week)
            shop.sell(f"{source}/{day}.csv", [(f"{source}{week}", "A", 1, f"{day} 12:00")])
    shop.sell(f"till-north/{yesterday}.csv", [("N", "A", 1, f"{yesterday} 12:00")])
    result = shop.run("daily_sync", yesterday.isoformat())
    (found,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "yesterday_is_there"]
    assert not found.passed
    assert [row.data["source"] for row in found.metadata["offending"].records] == ["till-south"]


def test_a_file_that_is_taken_away_is_no_longer_refused(shop: Shop) -> None:
    path = shop.drop("sales/bad.csv", MOVEMENT_COLUMNS, [("R1", 1, "A", "london", "x", f"{DAY} 12:00")])
    shop.run("daily_sync", DAY)
    assert shop.verdicts(shop.run("checks_only"))["sales:every_file_taken"] is False
    path.unlink()
    assert judge(shop, (DAY, None))["sales:every_file_taken"] is True


def test_what_waits_is_named(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 3, f"{DAY} 12:00")])
    shop.materialise("sales", day=DAY)
    assert shop.verdicts(shop.run("checks_only"))["reconciled_stock:nothing_waits"] is False


BREAKS = {
    "ledger_sums_to_stock": "update item_stock set on_hand = on_hand + 1",
    "snapshot_equals_ledger": "update stock_ranges set on_hand = on_hand + 1",
    "laws_hold": "update count_points set variance = variance + 1",
}


@pytest.mark.parametrize("check", list(BREAKS))
def test_while_a_blocking_check_fails_no_day_is_published(counted: Shop, check: str) -> None:
    with psycopg.connect(counted.db.url, autocommit=True) as connection:
        connection.execute("set search_path = syncstock")
        connection.execute(BREAKS[check])
    result = counted.run("nightly_close", DAY)
    (found,) = [e for e in result.get_asset_check_evaluations() if e.check_name == check]
    assert not found.passed
    assert found.blocking
    assert not result.success
    assert "published_days" not in {e.step_key for e in result.all_events if e.is_step_success}
    with psycopg.connect(counted.db.url) as connection:
        assert connection.execute("select count(*) from syncstock.day_closes").fetchone() == (0,)
    # Mended, the same run publishes.
    if check != "laws_hold":
        counted.db.rebuild()
    else:
        with psycopg.connect(counted.db.url, autocommit=True) as connection:
            connection.execute("update syncstock.count_points set variance = variance - 1")
    result = counted.run("nightly_close", DAY)
    assert counted.verdicts(result)[next(k for k in counted.verdicts(result) if k.endswith(check))] is True
    assert counted.metadata(result, "published_days")[DAY]["published"] == 1
