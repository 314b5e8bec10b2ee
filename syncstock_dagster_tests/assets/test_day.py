"""One whole day through Dagster: morning's sheet, orders, late sales, a recount, the evening's report, the next sheet.

The day is today, because an order is made now. The shops' zone is one in which it is about noon, so that no test runs
over midnight.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.settings import get_settings
from syncstock_dagster_tests.operations.test_alerts import Post
from syncstock_dagster_tests.shop import COUNT_COLUMNS, MOVEMENT_COLUMNS, Shop, why_red
from syncstock_dagster_tests.workbooks.builders import workbook


def _zone_of_noon() -> str:
    hour = datetime.now(UTC).hour
    return f"Etc/GMT{hour - 12:+d}" if hour != 12 else "Etc/GMT"  # their signs are the other way round


@pytest.fixture
def day(db: SyncStockDB, tmp_path: Path, instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    post = Post()
    zone = _zone_of_noon()
    for name, value in {
        "SETTLE_SECONDS": "0.1", "HOME": str(tmp_path / "home"), "DROP_FOLDER": str(tmp_path / "drop"),
        "TIMEZONE": zone, "ALERT_URLS": post.url,
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SYNCSTOCK_{name}", value)
    get_settings.cache_clear()
    instance.wipe()
    yield Day(Shop(db, tmp_path / "drop", instance), zone, post)
    post.server.shutdown()
    get_settings.cache_clear()


class Day:
    """A shop, a clock, and what people are told."""

    def __init__(self, shop: Shop, zone: str, post: Post) -> None:
        self.shop, self.db, self.post = shop, shop.db, post
        self.zone = ZoneInfo(zone)
        shop.db.upsert_locations([{"code": "noon", "timezone": zone}])
        self.today = datetime.now(self.zone).date()

    def ago(self, minutes: float) -> str:
        return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()

    def sheet(self, name: str, counts: dict[str, int], minutes_ago: float) -> Path:
        at = self.ago(minutes_ago)
        return self.shop.drop(
            f"counts/{name}", COUNT_COLUMNS, [(sku, n, "noon", at) for sku, n in counts.items()]
        )

    def run(self, job: str) -> Any:
        """On today, which is the same day in the zone of the shops."""
        from syncstock_dagster.partitions import newest_day

        result = self.shop.run(job, newest_day().isoformat())
        assert result.success, why_red(result)
        return result

    def stock(self) -> dict[str, int]:
        return self.shop.stock()

    def pending(self) -> dict[str, int]:
        rows = self.db.pending_updates()
        return {sku: int(n) for sku, n in rows.groupby("sku")["deducted"].sum().items()}


def cells(path: Path, page: str) -> list[tuple[Any, ...]]:
    """The cells of one page of a workbook, as a person sees them."""
    sheet = openpyxl.load_workbook(path, data_only=False)[page]
    return [tuple(row) for row in sheet.iter_rows(values_only=True)]


def test_a_whole_day(day: Day) -> None:
    day.db.upsert_products([{"sku": "A", "name": "=1+1"}, {"sku": "B", "name": "Tape"}, {"sku": "C"}])
    # The morning's workbook is picked up and applied; it is the opening.
    lines = [(sku, n, "noon", day.ago(180)) for sku, n in (("A", 1000), ("B", 500), ("C", 40))]
    morning = day.shop.folder / "counts" / "morning.xlsx"
    morning.parent.mkdir()
    morning.write_bytes(workbook({"Stock": [COUNT_COLUMNS, *lines]}))
    os.utime(morning, (0, time.time() - 3600))
    day.run("daily_sync")
    assert day.stock() == {"A": 1000, "B": 500, "C": 40}
    assert day.post.messages == []
    # Orders of the day; one is refused, one is cancelled.
    assert day.db.order([("A", 200)], ref="web-1", location="noon").is_done
    assert day.db.order([("B", 50), ("A", 1)], ref="web-2", location="noon").is_done
    assert not day.db.order([("C", 41)], ref="web-3", location="noon").is_done
    assert day.db.order([("C", 4)], ref="web-4", location="noon").is_done
    day.db.cancel_order("web-4", reason="changed their mind")
    # The till was offline: sales of the morning come late.
    day.shop.drop("sales/till.csv", MOVEMENT_COLUMNS, [("R1", 1, "C", "noon", 3, day.ago(120))])
    # A colleague recounts C an hour ago, and counts A far off.
    day.sheet("recount.csv", {"C": 37}, minutes_ago=60)
    day.sheet("odd.csv", {"B": 900}, minutes_ago=0.0)
    day.run("daily_sync")
    assert day.stock() == {"A": 799, "B": 450, "C": 37}
    assert [message["title"] for message in day.post.messages] == ["SyncStock: 1 held or doubtful"]
    assert "B at noon: counted 900, the books say 450" in day.post.messages[0]["message"]
    assert day.pending() == {"A": 201, "B": 50}

    # The evening's report: as a file, with every number of it.
    result = day.run("end_of_day")
    (told,) = [
        facts
        for key, facts in day.shop.metadata(result, "excel_update_report").items()
        if key == str(_newest())
    ]
    report = day.db.evening_report(_newest())
    assert (told["orders"], told["items_to_update"], told["waiting_for_approval"]) == (2, 2, 1)
    path = Path(told["workbook"])
    assert path.is_file() and Path(told["page"]).is_file() and told["picture"].startswith("![")
    assert cells(path, "Items to update in Excel") == [
        ("Code", "Name", "Location", "Previous", "In", "Sold", "Adjusted", "Remaining", "Your sheet says",
         "What to do"),
        ("A", "=1+1", "noon", 0, 0, 201, 1000, 799, 1000, "Not yet written off: change 1000 to 799."),
        ("B", "Tape", "noon", 0, 0, 50, 500, 450, 900,
         "A count of it waits for approval: leave it until that is decided."),
    ]  # fmt: skip
    (headings, held) = cells(path, "Waiting for approval")
    assert (headings[0], held[1], held[4:7]) == ("Count", "B", (900, 450, 450))
    (_, found) = cells(path, "Discrepancies found")
    assert (found[0], found[2:6]) == ("B", ("held", 900, 450, 450))
    assert cells(path, "Not found")[1][0] == "Nothing is missing."
    summary = dict(row[:2] for row in cells(path, "Summary") if row[1] is not None)
    assert (summary["Orders"], summary["Units ordered"], summary["Items to update"]) == (2, 251, 2)
    assert (summary["A"], summary["B"], summary["C"]) == (201, 50, 3)
    page = Path(told["page"]).read_text(encoding="utf-8")
    assert "=1+1" in page and "Not yet written off: change 1000 to 799." in page
    text = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert any(line.split(" | ")[0].strip() == "A" and "799" in line for line in text.splitlines())
    assert report.numbers["orders"] == 2
    # It was sent once, and the held count was not told again.
    assert [message["title"] for message in day.post.messages][1:] == ["SyncStock: 1 report"]
    assert day.shop.materialise("excel_update_report", day=str(_newest())).success
    assert len(day.post.messages) == 2
    # The report itself closes nothing.
    assert day.pending() == {"A": 201, "B": 50}

    # The next sheet: staff have subtracted what the report said, and B was a typing error.
    (waiting,) = [one for one in day.db.variances().to_dict("records") if one["status"] == "held"]
    day.db.reject(waiting["count_id"], reason="typing error")
    day.sheet("next-morning.csv", {"A": 799, "B": 450, "C": 37}, minutes_ago=0.0)
    day.run("daily_sync")
    assert day.stock() == {"A": 799, "B": 450, "C": 37}
    assert day.pending() == {}
    assert day.db.evening_report(_newest()).items == ()
    assert set(day.db.variances()["status"]) <= {"opening", "applied", "rejected"}
    assert day.db.audit() == {}


def _newest() -> date:
    from syncstock_dagster.partitions import newest_day

    return newest_day()


def test_a_range_writes_the_report_of_each_day_and_sends_the_one_of_today(day: Day) -> None:
    first = _newest() - timedelta(days=2)
    result = day.shop.materialise("excel_update_report", day=str(first), last=str(_newest()))
    assert result.success, why_red(result)
    told = day.shop.metadata(result, "excel_update_report")
    assert set(told) == {str(first + timedelta(days=n)) for n in range(3)}
    assert all(Path(facts["workbook"]).is_file() and facts["items_to_update"] == 0 for facts in told.values())
    assert [message["title"] for message in day.post.messages] == ["SyncStock: 1 report"]
    # An address that is down makes nothing red.
    day.post.refuses = True
    day.sheet("morning.csv", {"A": 10}, minutes_ago=60)
    day.sheet("odd.csv", {"A": 900}, minutes_ago=1)
    day.run("daily_sync")
    assert len(day.post.messages) == 1
    day.post.refuses = False
    assert day.shop.materialise("stock_alerts").success
    assert "A at noon: counted 900" in day.post.messages[1]["message"]


def test_people_are_told_of_refused_files_and_unknown_codes_once_each(day: Day) -> None:
    day.sheet("morning.csv", {"A": 10}, minutes_ago=60)
    bad = [("R1", 1, "A", "noon", "many", day.ago(30)), ("R1", 2, "A", "noon", "few", day.ago(30))]
    day.shop.drop("sales/bad.csv", MOVEMENT_COLUMNS, bad)
    day.shop.drop("sales/new.csv", MOVEMENT_COLUMNS, [("R2", 1, "NOBODY", "noon", 3, day.ago(30))])
    day.run("daily_sync")
    assert day.stock() == {"A": 10}
    (message,) = day.post.messages
    assert message["title"] == "SyncStock: 1 not taken in, 1 unknown code"
    assert "sales/bad.csv, row 2, column quantity: found 'many'" in message["message"]
    assert "(and 1 more)" in message["message"]
    assert "- NOBODY at noon: unknown article, from sales: 1 row(s) wait" in message["message"]
    day.run("daily_sync")
    assert len(day.post.messages) == 1
    # Another content under the same name, as bad as before, is another matter.
    day.shop.drop("sales/bad.csv", MOVEMENT_COLUMNS, [("R1", 1, "A", "noon", "several", day.ago(30))])
    day.run("daily_sync")
    assert [message["title"] for message in day.post.messages][1:] == ["SyncStock: 1 not taken in"]
