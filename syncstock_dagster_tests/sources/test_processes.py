"""Pulls as real processes: killed in the middle, and several at once under one limit and one token."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.demo.vendors import served
from syncstock_dagster.demo.vendors.zoho import ZohoStandIn, make_items
from syncstock_dagster_tests.sources.test_contract import count_of, stock


class Watched(ZohoStandIn):
    """Remembers when it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.put(make_items(100))
        self.called_at: list[datetime] = []
        take = self.faults.take

        async def remember(path: str, parameters: dict[str, str]) -> str | None:
            self.called_at.append(datetime.now(UTC))
            return await take(path, parameters)

        self.faults.take = remember  # type: ignore[method-assign]


@pytest.fixture
def standing() -> Iterator[tuple[Watched, str]]:
    fake = Watched()
    with served(fake.app) as address:
        yield fake, address


def started(db: SyncStockDB, address: str, a_minute: int, *what: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "syncstock_dagster_tests.sources.puller",
        db.url,
        address,
        str(a_minute),
        *what,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out.strip()


def test_killed_in_the_middle_the_next_process_goes_on(
    db: SyncStockDB, standing: tuple[Watched, str]
) -> None:
    fake, address = standing
    process = started(db, address, 6000, "die", "4")
    process.communicate(timeout=120)
    assert process.returncode == -9
    assert (count_of(db, "pulled_levels"), count_of(db, "stock_counts")) == (40, 0)
    assert ended(started(db, address, 6000, "pull")) == "complete 6 True"
    expected = {item.sku: Decimal(next(iter(item.stock.values()))) for item in fake.items.values()}
    assert stock(db) == expected
    assert (count_of(db, "pulled_levels"), count_of(db, "stock_counts")) == (0, 100)
    assert [call[1]["page"] for call in fake.faults.calls] == [str(n) for n in range(1, 11)]
    assert db.audit() == {}


def test_two_processes_at_once_stand_in_one_line_and_refresh_one_token(
    db: SyncStockDB, standing: tuple[Watched, str]
) -> None:
    fake, address = standing
    a_minute = 600  # a call each tenth of a second
    both = [started(db, address, a_minute, *what) for what in (("pull",), tuple(fake.items)[:3])]
    assert [ended(process).split()[0] for process in both] == ["complete", "complete"]
    calls = fake.called_at
    assert len(calls) == 11
    # Waiting may be late, never early; so over all of them the distance holds.
    assert (calls[-1] - calls[0]).total_seconds() >= 0.1 * (len(calls) - 1) - 0.1
    assert len(fake.refreshed) == 1
    assert len(stock(db)) == 100
    assert count_of(db, "stock_counts") == 100
    assert db.audit() == {}
