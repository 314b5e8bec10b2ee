"""``up``: everything is started, stays up until it is told to stop, and goes on where it was.

What belongs here: the order of things. What does not: each of them.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import IO

from syncstock_dagster.service import home as dagster_home
from syncstock_dagster.service.graphql import Webserver
from syncstock_dagster.service.processes import Child, ServiceError, dagster_children, require_free, stop
from syncstock_dagster.settings import Settings

_READY_SECONDS = 120.0
_DEMO = "The demo"

Say = Callable[[str], None]


def run(
    settings: Settings,
    stock_url: str,
    *,
    folder: Path,
    drop_folder: str | None = None,
    days: tuple[str, ...] = (),
    say: Say = print,
) -> None:
    """Start Dagster's webserver and daemon and watch them until a signal comes (SIGINT, SIGTERM).

    Args:
        settings: of this installation.
        stock_url: the stock database, running and up to date.
        folder: in which the processes run: there the nearest ``syncstock.toml`` is looked for.
        drop_folder: another one than the settings'.
        days: materialise everything on these days once, as one backfill; a second start finds it done.
        say: tells the person who waits.

    Raises:
        ServiceError: it runs already, the port is taken, or a process does not stay.
        HomeError: Dagster's database cannot be made.
    """
    stopping = threading.Event()
    with _alone(settings), _signals(stopping):
        home = dagster_home.prepare(settings, stock_url)
        host, port = settings.dagster_host, settings.dagster_port
        require_free(host, port)
        environment = dagster_home.environment(settings, home)
        if drop_folder is not None:
            environment["SYNCSTOCK_DROP_FOLDER"] = drop_folder
        children = dagster_children(home, environment, host=host, port=port, folder=folder)
        server = Webserver(f"http://{'[' + host + ']' if ':' in host else host}:{port}")
        try:
            for child in children:
                child.start()
            say("Starting Dagster ...")
            _wait_until_ready(server, children, stopping)
            if not stopping.is_set():
                say(f"Dagster is at {server.url}")
                say(f"Files are awaited in {drop_folder or settings.drop_folder}")
            if days and not stopping.is_set():
                _materialise_once(server, days, children, stopping, say)
            if not stopping.is_set():
                say("Ctrl-C stops it; the database stays up until `syncstock down`.")
            while not stopping.wait(1.0):
                _keep_alive(children, say)
        finally:
            say("Stopping Dagster ...")
            stop(children)
            say("Stopped.")


def stop_running(settings: Settings, seconds: float = 60.0) -> bool:
    """End an ``up`` that runs for this home, wherever it was started; True when none runs any more."""
    lock = dagster_home.home_of(settings) / "up.lock"
    if not lock.exists():
        return True
    deadline = time.monotonic() + seconds
    asked = False
    with lock.open("r+") as file:
        while not _try_lock(file):
            pid = file.read().strip()
            file.seek(0)
            if not asked and pid.isdigit():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGTERM)
                asked = True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
    return True


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Two at once would share ports and history. The kernel lets the lock go however we end."""
    home = dagster_home.home_of(settings)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a+") as file:
        if not _try_lock(file):
            raise ServiceError("It is up already, started from another terminal. `syncstock down` stops it.")
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        os.set_inheritable(file.fileno(), False)
        yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Ctrl-C, a closed terminal and a polite kill all mean: stop in order."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_ready(server: Webserver, children: list[Child], stopping: threading.Event) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not stopping.is_set() and not server.is_ready():
        for child in children:
            if not child.is_running:
                raise ServiceError(
                    f"The {child.name} ended at once. The end of its log, {child.log}:\n{child.tail()}"
                )
        if time.monotonic() > deadline:
            raise ServiceError(
                f"Dagster does not answer at {server.url} after {_READY_SECONDS:.0f} seconds. Its logs are in "
                f"{children[0].log.parent}."
            )
        stopping.wait(0.25)


def _keep_alive(children: list[Child], say: Say) -> None:
    for child in children:
        if not child.is_running:
            say(f"The {child.name} has ended; it is started again. Its log is {child.log}.")
            child.start()


def _materialise_once(
    server: Webserver, days: tuple[str, ...], children: list[Child], stopping: threading.Event, say: Say
) -> None:
    """One backfill of everything, the first time; one that failed (a machine too busy to start it) is made again."""
    if any(
        found["title"] == _DEMO and found["status"] not in ("FAILED", "COMPLETED_FAILED")
        for found in server.backfills()
    ):
        return
    from syncstock_dagster.definitions import defs
    from syncstock_dagster.partitions import newest_day

    days = tuple(day for day in days if date.fromisoformat(day) <= newest_day())
    graph = defs.resolve_asset_graph()
    # Of assets with and without days a backfill makes several runs; those without follow with the first sync.
    assets = sorted(
        key.to_user_string() for key in graph.materializable_asset_keys if graph.get(key).is_partitioned
    )
    say(f"Materialising {len(assets)} assets on {len(days)} days in one backfill ...")
    backfill = server.launch_backfill(assets, days, _DEMO)

    def still_there() -> None:
        if stopping.is_set():
            raise _StoppedError
        _keep_alive(children, say)

    with suppress(_StoppedError):
        status = server.wait_for_backfill(backfill, seconds=1800, still_there=still_there)
        say(
            f"The backfill ended: {status.replace('_', ' ').lower()}. {server.url}/overview/backfills shows it."
        )


class _StoppedError(Exception):
    """Somebody wants us to stop while we wait."""
