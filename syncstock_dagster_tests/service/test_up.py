"""Everything as real processes: `syncstock up`, driven over GraphQL, killed in the middle, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import settings

from syncstock_dagster import SyncStockDB
from syncstock_dagster.service import up as service_up
from syncstock_dagster.service.graphql import Webserver
from syncstock_dagster_tests.conftest import REPOSITORY
from syncstock_dagster_tests.shop import MOVEMENT_COLUMNS, Shop

SYNCSTOCK = [sys.executable, "-c", "from syncstock_dagster.cli import main; main()"]
LOOK_EVERY = 5
FIRST = date(2026, 3, 2)
DAYS = [(FIRST + timedelta(days=n)).isoformat() for n in range(14)]
DAILY = [
    "purchases", "sales", "operational_deltas", "excel_counts", "pos_counts", "reconciled_stock", "inventory_ledger",
    "daily_snapshot",
]  # fmt: skip


class Up:
    """`syncstock up` as somebody starts it, over two databases and a folder of its own."""

    def __init__(self, stock_url: str, dagster_url: str, home: Path) -> None:
        """Choose a free port; nothing is started yet."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.home, self.drop = home, home / "drop"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SYNCSTOCK_", "DAGSTER_"))
            },
            "SYNCSTOCK_HOME": str(home),
            "SYNCSTOCK_DATABASE_URL": stock_url,
            "SYNCSTOCK_DAGSTER_DATABASE_URL": dagster_url,
            "SYNCSTOCK_DAGSTER_PORT": str(self.port),
            "SYNCSTOCK_LOOK_EVERY_SECONDS": str(LOOK_EVERY),
            "SYNCSTOCK_SETTLE_SECONDS": "1",
        }
        self.server = Webserver(f"http://127.0.0.1:{self.port}")
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.out = self.home / "out.txt"
        self.process = subprocess.Popen(
            [*SYNCSTOCK, "up"],
            cwd=REPOSITORY, env=self.environment, stdout=self.out.open("a"), stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.wait(self.server.is_ready, 120)

    def wait(self, until: Callable[[], bool], seconds: float) -> float:
        """Wait for something; how long it took."""
        began = time.monotonic()
        while not until():
            assert self.process is None or self.process.poll() is None, self.told()
            assert time.monotonic() - began < seconds, self.told()
            time.sleep(0.2)
        return time.monotonic() - began

    def told(self) -> str:
        """What it printed, and the ends of its logs."""
        logs = [path.read_text(errors="replace")[-3000:] for path in (self.home / "logs").glob("*.log")]
        return "\n".join([self.out.read_text(), *logs])

    def stop(self) -> float:
        """Ctrl-C."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.told()
        self.process = None
        return time.monotonic() - began

    def processes(self, *words: str) -> dict[int, str]:
        """Its living processes whose command holds all of the words."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if f"SYNCSTOCK_HOME={self.home}\0".encode() not in (entry / "environ").read_bytes():
                        continue
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if command and all(word in command for word in words):
                    found[int(entry.name)] = command
        return found

    def worker(self) -> int | None:
        """The process that executes a run."""
        for pid in self.processes():
            try:
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
                of = Path(f"/proc/{parent}/cmdline").read_bytes().decode()
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            except OSError:
                continue
            if "api\0grpc" in of and "resource_tracker" not in command:
                return pid
        return None


@pytest.fixture
def up(make_database, tmp_path: Path) -> Iterator[Up]:
    """Nothing of it is left afterwards."""
    up = Up(make_database(), make_database(), tmp_path / "home of a shop")
    up.drop.mkdir(parents=True)
    yield up
    if up.process is not None:
        up.process.send_signal(signal.SIGTERM)
        up.process.wait(60)
    for pid in up.processes():
        os.kill(pid, signal.SIGKILL)


def stock_of(db: SyncStockDB) -> dict[str, int]:
    stock = db.on_hand().merge(db.products()[["inventory_id", "sku"]])
    return {sku: int(on_hand) for sku, on_hand in zip(stock["sku"], stock["on_hand"], strict=True)}


def articles(number: int) -> list[str]:
    return [f"S{n:04}" for n in range(number)]


@pytest.mark.timeout(600)
def test_a_shop_lives_through_a_backfill_files_kills_and_a_restart(up: Up, instance) -> None:
    db = SyncStockDB(up.environment["SYNCSTOCK_DATABASE_URL"])
    shop = Shop(db, up.drop, instance)
    skus = articles(400)
    db.upsert_products([{"sku": sku} for sku in skus])
    for n, day in enumerate(DAYS):
        lines = [(f"{day}-{n}", i, sku, "london", 1, f"{day} 12:00") for i, sku in enumerate(skus)]
        shop.drop(f"sales/{day}.csv", MOVEMENT_COLUMNS, lines)
    shop.drop(
        "counts/opening.csv", ("sku", "counted", "location", "counted_at"),
        [(sku, 100, "london", f"{FIRST} 08:00") for sku in skus],
    )  # fmt: skip
    expected = {sku: 100 - len(DAYS) for sku in skus}

    # A backfill beside the sensor: whoever comes first, everything is posted once.
    up.start()
    backfill = up.server.launch_backfill(DAILY, DAYS, "history")
    assert up.server.wait_for_backfill(backfill, seconds=180) == "COMPLETED_SUCCESS", up.told()
    of_backfill = [
        run for run in up.server.runs() if {"key": "dagster/backfill", "value": backfill} in run["tags"]
    ]
    assert len(of_backfill) == 1
    up.wait(lambda: stock_of(db) == expected, 60)

    # A file that is dropped is reconciled within one look of the sensor and five seconds.
    shop.drop(
        "sales/late.csv", MOVEMENT_COLUMNS, [("L1", 1, skus[0], "london", 7, f"{DAYS[3]} 15:00")], age=0
    )
    expected[skus[0]] -= 7
    took = up.wait(lambda: stock_of(db) == expected, 90)
    print(f"a dropped file was reconciled after {took:.1f} s; the sensor looks every {LOOK_EVERY} s")

    # The worker is killed in the middle of a run, and with it the daemon; `up` starts the daemon again.
    up.wait(lambda: not up.server.runs(statuses=["STARTED", "STARTING", "QUEUED"]), 60)
    for n in range(6):
        day = DAYS[n]
        lines = [(f"K{n}", i, sku, "london", 2, f"{day} 16:00") for i, sku in enumerate(skus)]
        shop.drop(f"sales/kill-{n}.csv", MOVEMENT_COLUMNS, lines)
    expected = {sku: quantity - 12 for sku, quantity in expected.items()}
    up.wait(lambda: bool(up.server.runs(statuses=["STARTED"])) and up.worker() is not None, 60)
    worker = up.worker()
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    (daemon,) = up.processes("dagster._daemon")
    os.kill(daemon, signal.SIGKILL)
    up.wait(lambda: stock_of(db) == expected, 180)
    assert "The daemon has ended; it is started again." in up.out.read_text()

    # Ctrl-C ends everything that was started; the next start knows all of it.
    up.wait(lambda: not up.server.runs(statuses=["STARTED", "STARTING", "QUEUED"]), 120)
    before = {run["id"] for run in up.server.runs()}
    print(f"stopped in {up.stop():.1f} s")
    deadline = time.monotonic() + 60
    while up.processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert up.processes() == {}
    up.start()
    assert before <= {run["id"] for run in up.server.runs()}
    assert up.server.backfills()[0]["title"] == "history"
    shop.drop("sales/after.csv", MOVEMENT_COLUMNS, [("A1", 1, skus[1], "london", 5, f"{DAYS[5]} 17:00")])
    expected[skus[1]] -= 5
    up.wait(lambda: stock_of(db) == expected, 60)
    assert db.audit() == {}


@pytest.mark.timeout(300)
def test_killed_itself_its_processes_end_too_and_down_ends_it_from_anywhere(up: Up) -> None:
    """And a second one is refused meanwhile."""
    SyncStockDB(up.environment["SYNCSTOCK_DATABASE_URL"]).close()
    up.start()
    second = ask(up, "up")
    assert second.returncode == 1
    assert "It is up already" in second.stderr

    assert up.process is not None
    up.process.kill()
    up.process.wait()
    up.process = None
    deadline = time.monotonic() + 90
    while up.processes("dagster_webserver") or up.processes("dagster._daemon"):
        assert time.monotonic() < deadline, up.processes()
        time.sleep(0.2)

    up.start()
    down = ask(up, "down")
    assert down.returncode == 0, down.stderr
    assert up.process.wait(10) == 0
    up.process = None


def ask(up: Up, command: str) -> subprocess.CompletedProcess[str]:
    """Another command, from another terminal."""
    return subprocess.run(
        [*SYNCSTOCK, command], cwd=REPOSITORY, env=up.environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(settings().max_examples < 100, reason="takes minutes: runs in `make prove`")
@pytest.mark.prove
@pytest.mark.timeout(900)
def test_after_a_power_cut_in_the_middle_of_a_run_it_goes_on_and_nothing_counts_twice(
    up: Up, instance
) -> None:
    """Everything is killed at once, so nobody is left who would notice that the worker is gone."""
    db = SyncStockDB(up.environment["SYNCSTOCK_DATABASE_URL"])
    shop = Shop(db, up.drop, instance)
    skus = articles(400)
    db.upsert_products([{"sku": sku} for sku in skus])
    up.start()
    for n, day in enumerate(DAYS):
        lines = [(f"{day}-{n}", i, sku, "london", 1, f"{day} 12:00") for i, sku in enumerate(skus)]
        shop.drop(f"sales/{day}.csv", MOVEMENT_COLUMNS, lines)
    up.wait(lambda: bool(up.server.runs(statuses=["STARTED"])) and up.worker() is not None, 90)
    up.wait(lambda: len(db.deliveries("posted")) > 2, 90)
    (cut,) = up.server.runs(statuses=["STARTED"])
    for pid in up.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert up.process is not None
    up.process.wait()
    up.process = None
    assert up.processes() == {}
    print(f"{len(db.deliveries('posted'))} of {len(DAYS)} files were posted when the power went")

    up.start()
    took = up.wait(lambda: stock_of(db) == dict.fromkeys(skus, -len(DAYS)), 400)
    print(f"stock was right {took:.0f} s after the new start")
    up.wait(lambda: not up.server.runs(statuses=["STARTED", "STARTING", "QUEUED"]), 120)
    assert {run["status"] for run in up.server.runs() if run["id"] == cut["id"]} == {"FAILURE"}
    assert db.audit() == {}


@pytest.mark.parametrize(
    ("statuses", "again"),
    [
        ([], True),
        (["COMPLETED_FAILED"], True),
        (["FAILED", "COMPLETED_SUCCESS"], False),
        (["REQUESTED"], False),
    ],
)
def test_the_demo_is_materialised_until_it_succeeded_once(
    statuses: list[str], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, launched = Webserver("http://127.0.0.1:9"), []
    found = [{"title": "The demo", "status": status} for status in statuses]
    monkeypatch.setattr(server, "backfills", lambda: found)
    monkeypatch.setattr(server, "launch_backfill", lambda *of: launched.append(of) or "b1")
    monkeypatch.setattr(server, "wait_for_backfill", lambda *_, **__: "COMPLETED_SUCCESS")
    days = ("2026-03-01", "2199-01-01")
    service_up._materialise_once(server, days, [], threading.Event(), lambda _: None)
    assert [of[1] for of in launched] == ([("2026-03-01",)] if again else []), (
        "nor a day that has no partition yet"
    )
