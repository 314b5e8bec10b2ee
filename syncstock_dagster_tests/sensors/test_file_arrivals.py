"""The file-arrival sensor: one test a transition."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest

from syncstock_dagster.definitions import build_defs
from syncstock_dagster.partitions import newest_day
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.store.connection import connect
from syncstock_dagster_tests.shop import MOVEMENT_COLUMNS, Shop, why_red

NAME = "file_arrivals"


def days_of(request: dg.RunRequest) -> tuple[str, str]:
    """First and last day that a run was asked for."""
    if request.partition_key is not None:
        return request.partition_key, request.partition_key
    tags = request.tags
    return tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"]


def do(shop: Shop, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Run what was asked for."""
    return shop.defs.resolve_job_def("daily_sync").execute_in_process(
        instance=shop.instance, partition_key=request.partition_key, tags=request.tags, raise_on_error=False
    )


def test_an_empty_folder_is_quiet_and_says_so(shop: Shop) -> None:
    tick = shop.sensor(NAME)
    assert not tick.run_requests
    assert tick.skip_message == "0 file(s) seen: 0 read before."


def test_a_new_file_is_a_run_over_exactly_its_days(shop: Shop) -> None:
    """Of two days that lie apart, one run each; neighbours are one."""
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 23:30"), ("R2", "A", 1, "2026-06-10 12:00")])
    shop.sell("b.csv", [("R3", "A", 1, "2026-06-11 12:00")])
    tick = shop.sensor(NAME)
    assert [days_of(r) for r in tick.run_requests] == [
        ("2026-03-02", "2026-03-02"),
        ("2026-06-10", "2026-06-11"),
    ]
    first, second = tick.run_requests
    assert first.tags["syncstock/file"] == "sales/a.csv"
    assert second.tags["syncstock/file"] == "sales/a.csv, sales/b.csv"


def test_the_day_of_an_instant_is_that_of_its_location(shop: Shop) -> None:
    shop.db.upsert_locations([{"code": "cairo", "timezone": "Africa/Cairo"}])
    rows = [
        ("R1", 1, "A", "cairo", 1, "2026-03-02T22:30:00Z"),
        ("R2", 1, "A", "london", 1, "2026-03-02T22:30:00Z"),
    ]
    shop.drop("sales/a.csv", MOVEMENT_COLUMNS, rows)
    assert [days_of(r) for r in shop.sensor(NAME).run_requests] == [("2026-03-02", "2026-03-03")]


def test_after_its_run_a_file_is_quiet(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    tick = shop.sensor(NAME)
    (request,) = tick.run_requests
    result = do(shop, request)
    assert result.success, why_red(result)
    assert shop.stock() == {"A": -1}
    tick = shop.sensor(NAME, tick.cursor)
    assert not tick.run_requests
    assert tick.skip_message == "1 file(s) seen: 1 read before."


def test_taking_in_one_kind_forgets_no_file_of_another(shop: Shop) -> None:
    """What is remembered of files saves reading them again, until they are taken away."""
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    shop.drop("purchases/b.csv", MOVEMENT_COLUMNS, [("P1", 1, "A", "london", 5, "2026-03-02 08:00")])

    def remembered() -> list[str]:
        with connect(shop.db.url) as connection:
            return [name for (name,) in connection.execute("select name from drop_files order by name")]

    (request,) = shop.sensor(NAME).run_requests
    assert do(shop, request).success
    assert remembered() == ["purchases/b.csv", "sales/a.csv"]
    (shop.folder / "sales/a.csv").unlink()
    assert do(shop, request).success
    assert remembered() == ["purchases/b.csv"]


def test_the_same_bytes_under_the_same_name_are_quiet_and_under_another_name_change_nothing(
    shop: Shop,
) -> None:
    path = shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    (request,) = shop.sensor(NAME).run_requests
    do(shop, request)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, (time.time() - 100,) * 2)
    assert not shop.sensor(NAME).run_requests
    copy = path.with_name("copy.csv")
    copy.write_bytes(content)
    os.utime(copy, (time.time() - 100,) * 2)
    (request,) = shop.sensor(NAME).run_requests
    assert do(shop, request).success
    assert shop.stock() == {"A": -1}
    assert not shop.sensor(NAME).run_requests


def test_a_corrected_file_under_the_old_name_is_new(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    (first,) = shop.sensor(NAME).run_requests
    do(shop, first)
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00"), ("R2", "A", 2, "2026-03-03 12:00")])
    (second,) = shop.sensor(NAME).run_requests
    assert days_of(second) == ("2026-03-02", "2026-03-03")
    assert second.run_key != first.run_key
    assert do(shop, second).success
    assert shop.stock() == {"A": -3}


def test_a_half_written_file_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was changed just now, so it may go on; then it grows; then it lies still."""
    monkeypatch.setenv("SYNCSTOCK_SETTLE_SECONDS", "0.4")
    from syncstock_dagster.settings import get_settings

    get_settings.cache_clear()
    path = shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")], age=0)
    import threading

    with path.open("a") as stream:

        def grow() -> None:
            time.sleep(0.2)
            stream.write("R2,1,A,london,2,2026-03-02 13:00\n")
            stream.flush()

        writer = threading.Thread(target=grow)
        writer.start()
        tick = shop.sensor(NAME)
        writer.join()
    assert not tick.run_requests
    assert "1 still being written" in tick.skip_message
    (request,) = shop.sensor(NAME).run_requests
    assert do(shop, request).success
    assert shop.stock() == {"A": -3}


@pytest.mark.parametrize("name", [".hidden.csv", "~$a.csv", "a.csv.tmp", "a.csv.part"])
def test_files_that_are_not_meant_are_not_seen(shop: Shop, name: str) -> None:
    shop.sell(name, [("R1", "A", 1, "2026-03-02 12:00")])
    assert shop.sensor(NAME).skip_message == "0 file(s) seen: 0 read before."


def test_an_empty_file_is_not_seen(shop: Shop) -> None:
    path = shop.sell("a.csv", [])
    path.write_bytes(b"")
    assert not shop.sensor(NAME).run_requests


def test_while_its_run_is_under_way_a_file_is_not_asked_for_again(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    (request,) = shop.sensor(NAME).run_requests
    run = shop.instance.create_run_for_job(
        shop.defs.resolve_job_def("daily_sync"), tags=request.tags, status=dg.DagsterRunStatus.STARTED
    )
    tick = shop.sensor(NAME)
    assert not tick.run_requests
    assert "1 wait for 1 run(s) under way" in tick.skip_message
    # A file that comes meanwhile does not wait for it.
    shop.sell("b.csv", [("R2", "A", 1, "2026-03-05 12:00")])
    assert [days_of(r) for r in shop.sensor(NAME).run_requests] == [("2026-03-05", "2026-03-05")]
    shop.instance.report_run_failed(run)


def test_a_run_that_was_lost_is_asked_for_with_a_new_key_and_not_for_ever(shop: Shop) -> None:
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    keys = []
    for _ in range(3):
        (request,) = shop.sensor(NAME).run_requests
        keys.append(request.run_key)
    assert len(set(keys)) == 3
    tick = shop.sensor(NAME)
    assert not tick.run_requests
    assert "1 were tried 3 times and need a person (sales/a.csv)" in tick.skip_message
    # With another content it is a new matter.
    shop.sell("a.csv", [("R1", "A", 2, "2026-03-02 12:00")])
    assert len(shop.sensor(NAME).run_requests) == 1


def test_a_bad_file_is_told_by_one_run_that_posts_the_good_ones_and_then_left_alone(shop: Shop) -> None:
    shop.drop("sales/bad.csv", MOVEMENT_COLUMNS, [("R1", 1, "A", "london", "x", "2026-03-02 12:00")])
    shop.sell("good.csv", [("R2", "A", 2, "2026-03-02 12:00")])
    (request,) = [r for r in shop.sensor(NAME).run_requests if "good" in r.tags["syncstock/file"]]
    result = do(shop, request)
    assert result.success, why_red(result)
    assert shop.verdicts(result)["sales:every_file_taken"] is False
    assert shop.stock() == {"A": -2}
    tick = shop.sensor(NAME)
    assert not tick.run_requests
    assert tick.skip_message == "2 file(s) seen: 2 read before, 1 of them refused."


def test_a_file_whose_rule_fails_is_tried_three_times_and_then_told(
    shop: Shop, configure: Callable[..., Path]
) -> None:
    config = configure(
        '[sources.sales]\nvalidation_rules = ["broken_rules:rule"]\n',
        broken_rules="def rule(rows, file):\n    raise RuntimeError('the rule is broken')\n",
    )
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    for _ in range(3):
        (request,) = shop.sensor(NAME).run_requests
        result = do(shop, request)
        (told,) = shop.metadata(result, "sales").values()
        assert "the rule is broken" in told["this_run_errors"].records[0].data["found"]
        assert shop.verdicts(result)["sales:every_file_taken"] is False
    assert "need a person (sales/a.csv)" in shop.sensor(NAME).skip_message
    # The rule is mended, and somebody presses the button: the file lies there and is taken in.
    config.write_text("")
    assert shop.run("daily_sync", "2026-03-02").success
    assert shop.stock() == {"A": -1}
    assert shop.sensor(NAME).skip_message == "1 file(s) seen: 1 read before."


@pytest.mark.parametrize(
    "cursor", ["", "not json", "{}", "[1]", "null", '{"version": 99, "folder": "x"}', '"x"']
)
def test_a_broken_cursor_is_survived(shop: Shop, cursor: str) -> None:
    shop.sell("a.csv", [("R1", "A", 1, "2026-03-02 12:00")])
    tick = shop.sensor(NAME, cursor)
    assert len(tick.run_requests) == 1
    assert json.loads(tick.cursor)["version"] == 1
    assert len(tick.cursor) < 200


def test_days_outside_of_the_calendar_do_not_fail_the_tick(shop: Shop) -> None:
    """They belong to its first and its newest day. Rows of the future wait in quarantine, those of long ago count."""
    future = newest_day() + timedelta(days=40)
    shop.sell("a.csv", [("R1", "A", 1, f"{future} 12:00"), ("R2", "A", 2, "1999-12-31 12:00")])
    first, last = shop.sensor(NAME).run_requests
    assert days_of(first) == ("2010-01-01", "2010-01-01")
    assert days_of(last) == (newest_day().isoformat(),) * 2
    assert do(shop, first).success
    assert shop.stock() == {"A": -2}
    assert list(shop.db.quarantine()["reason"]) == ["future_date"]


def test_scattered_days_become_a_bounded_number_of_runs(shop: Shop) -> None:
    first = date(2025, 1, 6)
    rows = [(f"R{week}", "A", 1, f"{first + timedelta(weeks=week)} 12:00") for week in range(30)]
    shop.sell("a.csv", rows)
    asked = [days_of(r) for r in shop.sensor(NAME).run_requests]
    assert len(asked) == 10
    assert all(
        any(low <= str(first + timedelta(weeks=week)) <= high for low, high in asked) for week in range(30)
    )


def test_more_files_than_one_tick_takes_are_left_for_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("syncstock_dagster.sensors.file_arrivals"), "_MOST_FILES", 2)
    for number in range(5):
        shop.sell(f"{number}.csv", [(f"R{number}", "A", 1, f"2026-03-0{number + 1} 12:00")])
    seen = set()
    ticks = 0
    while len(seen) < 5:
        ticks += 1
        for request in shop.sensor(NAME).run_requests:
            seen |= set(request.tags["syncstock/file"].split(", "))
            do(shop, request)
        assert ticks <= 5
    assert shop.stock() == {"A": -5}


def test_a_folder_that_cannot_be_read_is_a_quiet_tick_with_a_remedy(shop: Shop, tmp_path) -> None:
    shop.resource = SyncStock(database_url=shop.db.url, drop_folder=str(tmp_path / "share"))
    shop.defs = build_defs(resource_overrides={"syncstock": shop.resource})
    tick = shop.sensor(NAME)
    assert not tick.run_requests
    assert "cannot be read" in tick.skip_message
    assert "SYNCSTOCK_DROP_FOLDER" in tick.skip_message


def test_a_folder_at_a_url_works_as_well(shop: Shop) -> None:
    """Any fsspec file system: here one in memory, which tells no time of change that outlasts a restart."""
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe(
        "/drop/sales/a.csv",
        b"document,line,sku,location,quantity,effective_at\nR1,1,A,london,4,2026-03-02 12:00\n",
    )
    shop.resource = SyncStock(database_url=shop.db.url, drop_folder="memory://drop")
    shop.defs = build_defs(resource_overrides={"syncstock": shop.resource})
    try:
        (request,) = shop.sensor(NAME).run_requests
        result = do(shop, request)
        assert result.success, why_red(result)
        assert shop.stock() == {"A": -4}
        assert not shop.sensor(NAME).run_requests
    finally:
        memory.rm("/drop", recursive=True)
