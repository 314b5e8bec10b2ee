"""From a seed to a drop folder full of files, and the list of them.

What belongs here: putting the parts together and making the folder appear whole or not at all. What does not:
what happens in the shops (``history``), what is wrong with files (``flaws``), layouts (``files``).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from pathlib import Path

from syncstock_dagster.demo.catalogue import LOCATIONS
from syncstock_dagster.demo.files import (
    set_delivered,
    write_counts,
    write_movements,
    write_products,
    write_rows,
)
from syncstock_dagster.demo.flaws import Flaws, add_flaws
from syncstock_dagster.demo.history import NIGHT_ENDS, SPECIAL, History, simulate
from syncstock_dagster.demo.papers import Expected, Fate

#: Lists the files in the order of delivery. Hidden, so that no intake takes it for evidence.
MANIFEST = ".demo.json"

_FEWEST_ARTICLES, _FEWEST_DAYS = 4 * SPECIAL, 21


@dataclass(frozen=True, slots=True)
class DemoFile:
    """One file of the folder: when it was delivered and what must become of it."""

    path: str
    delivered_at: datetime  # UTC, naive
    fate: Fate


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """A generated drop folder. ``expected`` is what the engine must arrive at."""

    folder: Path
    files: tuple[DemoFile, ...]  # in the order of delivery
    locations: tuple[dict[str, str], ...]
    expected: Expected


def generate_drop_folder(
    folder: Path, *, seed: int = 7, articles: int = 2000, days: int = 60, last_day: date | None = None
) -> DemoSummary:
    """Write the drop folder; the same arguments give the same bytes.

    Without ``last_day`` the days end yesterday. What happens, and every number that follows, is the same on whatever
    day they end; only the dates are others. The folder appears when it is complete: a run that was killed leaves
    nothing that looks whole.

    Raises:
        FileExistsError: ``folder`` exists and is not empty.
        ValueError: too few articles or days for everything that the demo shows.
    """
    if articles < _FEWEST_ARTICLES or days < _FEWEST_DAYS:
        raise ValueError(f"the demo needs at least {_FEWEST_ARTICLES} articles and {_FEWEST_DAYS} days")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; the demo does not mix its files with others")
    history = simulate(seed, articles, days, last_day or newest_day())
    flaws = add_flaws(history, seed)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    files = _write(unfinished, history, flaws)
    locations = tuple({"code": place.code, "timezone": place.timezone} for place in LOCATIONS)
    manifest = {
        "locations": locations,
        "files": [[file.path, file.delivered_at.isoformat(), file.fate] for file in files],
    }
    (unfinished / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder)
    return DemoSummary(folder, files, locations, history.expected)


def newest_day() -> date:
    """Yesterday; in the first hours of a day the one before, for yesterday's last papers are still to come."""
    return (datetime.now(UTC) - timedelta(days=1, hours=NIGHT_ENDS)).date()


def read_manifest(folder: Path) -> tuple[tuple[DemoFile, ...], tuple[dict[str, str], ...]] | None:
    """The files and locations of a folder that was generated before; None where there is no complete one."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    manifest = json.loads(path.read_text(encoding="utf-8"))
    files = tuple(DemoFile(name, datetime.fromisoformat(at), fate) for name, at, fate in manifest["files"])
    return files, tuple(manifest["locations"])


def _write(folder: Path, history: History, flaws: Flaws) -> tuple[DemoFile, ...]:
    files: list[DemoFile] = []

    def done(path: str, delivered_at: datetime, fate: Fate = "posted") -> None:
        set_delivered(folder / path, delivered_at)
        files.append(DemoFile(path, delivered_at, fate))

    write_products(folder / "products" / "catalogue.csv", history.articles)
    done("products/catalogue.csv", datetime.combine(history.days[0], datetime.min.time()))
    for file in history.movements.values():
        if file.rows:
            write_movements(folder / file.path, file)
            done(file.path, file.delivered_at)
    for sheet in history.counts.values():
        write_counts(folder / sheet.path, sheet)
        done(sheet.path, sheet.delivered_at)
    for path, (original, delivered_at) in flaws.copies.items():
        shutil.copyfile(folder / original, folder / path)
        done(path, delivered_at, "already received")
    for path, (original, delivered_at) in flaws.saved_again.items():
        write_counts(folder / path, history.counts[original], saved_again=True)
        done(path, delivered_at, "already received")
    if flaws.by_hand is not None:
        path, delivered_at, rows = flaws.by_hand
        write_rows(
            folder / path, ("document", "line", "sku", "location", "quantity", "effective_at", "reason"), rows
        )
        done(path, delivered_at, "rejected")
    return tuple(sorted(files, key=attrgetter("delivered_at", "path")))
