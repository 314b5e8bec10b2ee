"""Reports of days in Dagster: numbers, a picture and a table; one day says what a range says of it."""

from __future__ import annotations

import base64
import struct
from datetime import timedelta

import pytest

from syncstock_dagster.assets import reports
from syncstock_dagster.operations.pictures import draw_bars, figure, png
from syncstock_dagster.partitions import newest_day
from syncstock_dagster_tests.shop import Shop, why_red

DAYS = ("2026-03-02", "2026-03-03", "2026-03-04")
REPORTS = ("inventory_accuracy", "variance_report")


def fill(shop: Shop) -> None:
    """An opening, a sale, and on the third day one article exact and one five short; a further one is held."""
    shop.db.upsert_products(
        [{"sku": "A", "cost": 2}, {"sku": "B"}, {"sku": "<b>|x|</b>", "name": "$a_b$\n| c |"}]
    )
    shop.count("1.csv", [(sku, 100, "2026-03-02 08:00") for sku in ("A", "B", "<b>|x|</b>")])
    shop.sell("1.csv", [("R1", "A", 10, "2026-03-03 12:00")])
    shop.count(
        "2.csv",
        [
            ("A", 85, "2026-03-04 18:00"),
            ("B", 100, "2026-03-04 18:00"),
            ("<b>|x|</b>", 300, "2026-03-04 18:00"),
        ],
    )
    result = shop.run("daily_sync", DAYS[0], DAYS[-1])
    assert result.success, why_red(result)


def size(markdown: str) -> tuple[int, int]:
    """Width and height of a picture inside of Markdown."""
    data = base64.b64decode(markdown.partition("base64,")[2].removesuffix(")"), validate=True)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


def test_a_range_says_of_each_day_what_the_day_alone_says(shop: Shop) -> None:
    fill(shop)
    whole = shop.materialise(*REPORTS, day=DAYS[0], last=DAYS[-1])
    assert whole.success, why_red(whole)
    for day in DAYS:
        alone = shop.materialise(*REPORTS, day=day)
        assert alone.success, why_red(alone)
        for asset in REPORTS:
            of_range = shop.metadata(whole, asset)[day]
            of_range.pop("this_run_picture", None)
            assert shop.metadata(alone, asset)[day] == of_range, (asset, day)
    assert shop.db.audit() == {}


def test_the_report_of_a_day_has_numbers_a_picture_and_a_table(shop: Shop) -> None:
    fill(shop)
    told = shop.metadata(shop.materialise(*REPORTS, day=DAYS[2]), "variance_report")[DAYS[2]]
    numbers = {
        "counts": 3, "within": 1, "articles": 3, "openings": 0, "net_units": 195, "absolute_units": 205,
        "net_value": -10, "absolute_value": 10, "without_cost": 1, "counts_held": 1, "counts_review": 0,
        "counts_applied": 2, "dagster/partition_row_count": 3,
    }  # fmt: skip
    assert {name: told[name] for name in numbers} == numbers
    assert told["accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    wide, high = size(told["picture"])
    assert (wide, high) == (672, 200)
    assert len(told["picture"]) < 60_000
    head, line, first, second = told["largest"].splitlines()
    assert (head.count("|"), line.count("|")) == (9, 9)
    assert first == "| london | A |  | 85 | 90 | -5 | -10.00 |  |"
    assert second.count("|") == 9  # whatever a code holds, it stays in its cell
    assert "<" not in second
    assert "| 300 | 100 | +200 |  | held |" in second


def test_a_day_on_which_nobody_counted_has_no_accuracy_and_no_zero(shop: Shop) -> None:
    fill(shop)
    result = shop.materialise(*REPORTS, day=DAYS[1])
    for asset in REPORTS:
        told = shop.metadata(result, asset)[DAYS[1]]
        assert told["counts"] == 0
        assert "accuracy" not in told
    assert shop.metadata(result, "variance_report")[DAYS[1]]["largest"] == "No count differs from the books."
    accuracy = shop.metadata(shop.materialise(*REPORTS, day=DAYS[2]), "inventory_accuracy")[DAYS[2]]
    assert (accuracy["shrinkage_lost"], accuracy["shrinkage_lost_value"], accuracy["held"]) == (5, 10, 1)


def test_a_long_range_draws_its_last_days_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "PICTURES", 3)
    result = shop.materialise("variance_report", day="2026-02-26", last="2026-03-04")
    assert result.success, why_red(result)
    told = shop.metadata(result, "variance_report")
    assert len(told) == 7
    assert [day for day in told if "picture" in told[day]] == ["2026-03-02", "2026-03-03", "2026-03-04"]


def test_a_picture_is_the_same_twice_and_takes_any_name() -> None:
    def drawn() -> bytes:
        picture, (axis,) = figure(3, 2)
        draw_bars(axis, ["$x^", "\x00", "很长" * 40], [1, -2, 0], "t", signed=True)
        return png(picture)

    assert drawn() == drawn()


def test_how_operations_did_is_told_of_the_day_on_which_they_began(shop: Shop) -> None:
    """Whatever days their evidence is about: all of this was done today."""
    fill(shop)
    today = newest_day()
    result = shop.materialise("sync_performance", day=str(today - timedelta(days=1)), last=str(today))
    assert result.success, why_red(result)
    told = shop.metadata(result, "sync_performance")
    by_type = shop.db.performance(days=1)
    now = told[str(today)]
    assert now["operations"] == by_type["runs"].sum() > 3
    assert now["failed"] == 0
    assert now["items"] == by_type["items"].sum() > 0
    assert now["items_per_second"] > 0 and now["slowest_type"] in set(by_type["type"])
    before = told[str(today - timedelta(days=1))]
    assert (before["operations"], before["seconds"]) == (0, 0)
    assert "items_per_second" not in before
    assert size(now["this_run_picture"]) == (672, 192)


def test_the_night_sends_no_report_and_no_alerts(shop: Shop) -> None:
    """Both tell the same things; each has a job of its own."""
    nightly = {
        key.to_user_string()
        for key in shop.defs.resolve_job_def("nightly_close").asset_layer.selected_asset_keys
    }
    assert {"variance_report", "inventory_accuracy", "sync_performance", "published_days"} <= nightly
    assert not {"excel_update_report", "stock_alerts"} & nightly
