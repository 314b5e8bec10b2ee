"""The file-arrival sensor: complete new files in the drop folder become runs over exactly the days of their rows.

What belongs here: one tick. What does not: telling files apart and reading them (``sources.arrivals``).

Which file is new is decided by its content, in PostgreSQL, and so is how often it was tried. The cursor only saves
looking at a folder that has not changed; without it, or with a broken one, a tick costs a question more.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from syncstock_dagster.assets.sources import DROP_FOLDER
from syncstock_dagster.jobs import daily_sync
from syncstock_dagster.partitions import newest_day
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.sensors.asking import existing, few_stretches, request, runs_under_way, sensor_status
from syncstock_dagster.settings import get_settings

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.sources.arrivals import Listing

_NAME = "file_arrivals"
_CURSOR_VERSION = 1

#: What one tick reads at most; Dagster ends a tick after 60 seconds. The rest is for the next one.
_MOST_FILES = 200
_MOST_BYTES = 64 * 1024 * 1024
_MOST_SECONDS = 25.0
_MOST_WAITING = 1_000

#: Dagster's daemon looks round every five seconds: a sensor is asked that much later than its interval says, at most.
_DAEMON_SECONDS = 5


@dataclass(slots=True)
class _Tick:
    """What one tick found. A fact is a file with its content, or a delivery that waits."""

    days: dict[str, set[date]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)
    known: int = 0
    left: int = 0
    not_in_calendar: int = 0

    def add(self, fact: str, name: str, days: tuple[date, ...]) -> None:
        """A fact and the days it touches; one without days is for today."""
        in_calendar = existing(days)
        self.not_in_calendar += len(set(days) - in_calendar)
        self.days[fact] = in_calendar or {newest_day()}
        self.names[fact] = name


@dg.sensor(
    name=_NAME,
    job=daily_sync,
    minimum_interval_seconds=max(1, get_settings().look_every_seconds - _DAEMON_SECONDS),
    default_status=sensor_status(),
    description="Looks into the drop folder. Files that are complete and new, by their content, become one run of "
    "daily_sync for each stretch of days on which their rows stand; so do deliveries that were received and not "
    "posted. A file that fails is tried three times. Every quiet tick says why.",
)
def file_arrivals(context: dg.SensorEvaluationContext, syncstock: SyncStock) -> dg.SensorResult:
    """One tick."""
    from syncstock_dagster.sources.arrivals import look

    db = syncstock.db()
    folder = syncstock.folder()
    try:
        listing = look(db, folder, settle_seconds=get_settings().settle_seconds)
    except (OSError, ImportError, ValueError) as error:
        return dg.SensorResult(
            skip_reason=f"The drop folder {folder} cannot be read: {error}. Mount it, or correct "
            "SYNCSTOCK_DROP_FOLDER.",
            cursor=context.cursor,
        )
    before = _fingerprint_in(context.cursor)
    now = _fingerprint(listing)
    tick = _Tick()
    _read_new(db, listing, tick)
    _find_waiting(db, tick)
    requests, reasons = _ask(context, db, tick)
    changed = before != now
    return dg.SensorResult(
        run_requests=requests or None,
        skip_reason=None if requests else _told(listing, tick, reasons),
        cursor=json.dumps({"version": _CURSOR_VERSION, "folder": now}),
        asset_events=[_observation(listing, tick)] if changed else [],
    )


def _read_new(db: SyncStockDB, listing: Listing, tick: _Tick) -> None:
    """Learn the days of new files, and of those that failed, as far as one tick may go."""
    from syncstock_dagster.sources.arrivals import Understood, understand

    failed = [file for file, seen in listing.seen.values() if seen.state == "failed"]
    began, read = time.monotonic(), 0
    for number, file in enumerate([*listing.new, *failed]):
        is_full = number >= _MOST_FILES or read + file.size > _MOST_BYTES
        if number and (is_full or time.monotonic() - began > _MOST_SECONDS):
            tick.left = len(listing.new) + len(failed) - number
            break
        read += file.size
        found = understand(db, file)
        if isinstance(found, Understood):
            tick.add(f"file:{file.name}:{found.sha256}", file.name, found.days)
        else:
            tick.known += 1


def _find_waiting(db: SyncStockDB, tick: _Tick) -> None:
    """Deliveries whose run was killed or went red before they were posted."""
    from syncstock_dagster.stock.deliveries import waiting_with_days

    for delivery in waiting_with_days(db.url, _MOST_WAITING):
        fact = f"delivery:{delivery.delivery_id}"
        tick.add(fact, delivery.name, delivery.days)
        tick.deliveries[fact] = delivery.delivery_id


def _ask(
    context: dg.SensorEvaluationContext, db: SyncStockDB, tick: _Tick
) -> tuple[list[dg.RunRequest], list[str]]:
    """Runs for what was not tried yet, and once more for what no run under way may still bring; else the reasons."""
    from syncstock_dagster.sources.arrivals import MOST_ATTEMPTS, ask, asked

    if not tick.days:
        return [], []
    attempts = asked(db, list(tick.days))
    under_way = runs_under_way(context.instance, _NAME)
    due = [fact for fact in tick.days if fact not in attempts or not under_way]
    tried_out = [fact for fact in due if attempts.get(fact, 0) >= MOST_ATTEMPTS]
    reasons = []
    if waiting := len(tick.days) - len(due):
        reasons.append(f"{waiting} wait for {under_way} run(s) under way")
    if tried_out:
        names = ", ".join(sorted(tick.names[fact] for fact in tried_out)[:5])
        reasons.append(
            f"{len(tried_out)} were tried {MOST_ATTEMPTS} times and need a person ({names}): red checks say why"
        )
    counted = ask(db, due)
    requests = []
    for first, last in few_stretches(day for fact in counted for day in tick.days[fact]):
        about = [fact for fact in counted if any(first <= day <= last for day in tick.days[fact])]
        requests.append(
            request(
                (first, last),
                asked_by=_NAME,
                about=[f"{fact}:{counted[fact]}" for fact in about],
                tags={
                    "syncstock/file": ", ".join(sorted(tick.names[fact] for fact in about)),
                    "syncstock/delivery": ",".join(
                        str(tick.deliveries[fact]) for fact in about if fact in tick.deliveries
                    ),
                },
            )
        )
    if requests:
        context.log.info(
            f"{len(counted)} file(s) or deliveries, {len(requests)} run(s). {'; '.join(reasons)}"
        )
    return requests, reasons


def _told(listing: Listing, tick: _Tick, reasons: list[str]) -> str:
    """Why nothing is asked for, with facts."""
    refused = sum(seen.state == "rejected" for _, seen in listing.seen.values())
    parts = [f"{len(listing.seen) + tick.known} read before"]
    if refused:
        parts.append(f"{refused} of them refused")
    if listing.unfinished:
        parts.append(f"{len(listing.unfinished)} still being written")
    if tick.left:
        parts.append(f"{tick.left} left for the next tick")
    if tick.not_in_calendar:
        parts.append(f"{tick.not_in_calendar} day(s) outside of the calendar")
    return f"{listing.files} file(s) seen: {', '.join([*parts, *reasons])}."


def _observation(listing: Listing, tick: _Tick) -> dg.AssetObservation:
    refused = sum(seen.state in ("rejected", "failed") for _, seen in listing.seen.values())
    return dg.AssetObservation(
        DROP_FOLDER.key,
        metadata={
            "files": listing.files,
            "new": len(listing.new) - tick.known,
            "refused": refused,
            "still_being_written": len(listing.unfinished),
        },
    )


def _fingerprint(listing: Listing) -> str:
    """The folder at this look, in short."""
    files: Mapping[str, tuple[int, str]] = {
        file.name: (file.size, str(file.modified_at))
        for file in (*listing.new, *listing.unfinished, *(file for file, _ in listing.seen.values()))
    }
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:32]


def _fingerprint_in(cursor: str | None) -> str | None:
    """What the cursor says, or None where it is none of ours."""
    try:
        told = json.loads(cursor or "{}")
        return str(told["folder"]) if told["version"] == _CURSOR_VERSION else None
    except (ValueError, KeyError, TypeError):
        return None
