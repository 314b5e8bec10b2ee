"""What goes wrong with files on their way: copies, exports that overlap, corrections, nonsense.

What belongs here: files that say again, differently or wrongly what other files say, and what each leads to.
What does not: what goes wrong in the shops (``history``): a late file or a miscount is part of what happened.

None of it may change the stock, which is why all of it can be added after the stock is known.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from random import Random

from syncstock_dagster.demo.catalogue import LOCATIONS, seeded
from syncstock_dagster.demo.history import LONDON, SPECIAL, History
from syncstock_dagster.demo.papers import CountSheet, Movement, MovementFile

# A file that says again what another said has that one's name and more after an underscore, which sorts
# behind the full stop: taken by name or by age, it comes after the first. Which came first decides what is in
# force (law L5).

#: A till whose clock stood wrong: evidence from the future waits until somebody looks at it.
WRONG_YEAR = 2099

#: Rows of a list kept by hand. Three of five are wrong, and movement files are taken whole or not at all.
ROWS_BY_HAND = (
    ("ADJ-HAND-1", "1", "{sku}", "london", "-1", "{day} 10:30", "damage"),
    ("ADJ-HAND-2", "1", "{sku}", "london", "twelve", "{day} 10:45", "damage"),
    ("ADJ-HAND-3", "1", "", "london", "-2", "{day} 11:00", "theft"),
    ("ADJ-HAND-4", "1", "{sku}", "london", "2", "yesterday", "found"),
    ("ADJ-HAND-5", "1", "{sku}", "london", "-1", "{day} 11:20", "damage"),
)


@dataclass(slots=True)
class Flaws:
    """Files beside the ordinary ones: path -> (path of the original, delivered at)."""

    copies: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # byte for byte
    saved_again: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # the same sheet, other bytes
    by_hand: tuple[str, datetime, tuple[tuple[str, ...], ...]] | None = None


def add_flaws(history: History, seed: int) -> Flaws:
    """Add the flawed files to ``history`` and their consequences to what is expected of it."""
    rng = seeded(seed, "flaws")
    flaws = Flaws()
    _copy(history, flaws)
    _overlapping_export(history, rng)
    _corrected_receipts(history, rng)
    _nobody_knows(history, rng)
    _wrong_clock(history, rng)
    _corrected_sheet(history, rng)
    day = history.days[12]
    sku = history.articles[-1].sku
    rows = tuple(tuple(cell.format(sku=sku, day=day) for cell in row) for row in ROWS_BY_HAND)
    flaws.by_hand = (f"movements/{day}-by-hand.csv", _at(history, 13, 9), rows)
    history.expected.rejected = 1
    history.expected.already_received = len(flaws.copies) + len(flaws.saved_again)
    return flaws


def _copy(history: History, flaws: Flaws) -> None:
    """A file sent twice under another name, and a sheet that somebody opened and saved."""
    day = history.days[9]
    flaws.copies[f"sales/{day}-cairo_copy.csv"] = (f"sales/{day}-cairo.csv", _at(history, 14, 8))
    sheet = next(path for path in history.counts if path.endswith("-london-week.xlsx"))
    again = sheet.replace("-week.", "-week_saved_again.")
    flaws.saved_again[again] = (sheet, history.counts[sheet].delivered_at + timedelta(hours=6))


def _overlapping_export(history: History, rng: Random) -> None:
    """The till's export of three days holds receipts that came before; two lines have been edited since."""
    days = history.days[8:11]
    rows = [row for day in days for row in history.movements[f"sales/{day}-london.csv"].rows]
    pieces = [i for i, row in enumerate(rows) if isinstance(row.quantity, int) and row.quantity > 0]
    edited = rng.sample(pieces, 2)
    for index in edited:
        rows[index] = rows[index]._replace(quantity=rows[index].quantity + 2)
    _add(history, f"sales/{days[-1]}-london_export.csv", _at(history, 15, 7), rows)
    history.expected.conflicts += len(edited)
    history.expected.duplicates += len(rows) - len(edited)


def _corrected_receipts(history: History, rng: Random) -> None:
    """Somebody types four receipt lines again with other quantities, and does not say which version holds."""
    day = history.days[10]
    told = history.movements[f"sales/{day}-newyork.csv"].rows
    plain = [row for row in told if isinstance(row.quantity, int)]
    rows = [row._replace(quantity=row.quantity + 3) for row in rng.sample(plain, 4)]
    _add(history, f"sales/{day}-newyork_corrected.csv", _at(history, 16, 7), rows)
    history.expected.conflicts += len(rows)


def _nobody_knows(history: History, rng: Random) -> None:
    """Articles that no catalogue has, and a location that nobody entered."""
    day = history.days[11]
    at = datetime.combine(day, time(15))
    samples = [
        Movement(f"SMP-{n}", "1", f"SAMPLE-{n:02d}", LOCATIONS[LONDON].code, 1, at + timedelta(minutes=n))
        for n in range(5)
    ]
    popup = [
        Movement(f"POP-{n:03d}", "1", article.sku, "popup", 1, at + timedelta(minutes=7 * n))
        for n, article in enumerate(rng.sample(history.articles[SPECIAL:], 12))
    ]
    _add(history, f"sales/{day}-london-samples.csv", _at(history, 12, 7), samples)
    _add(history, f"sales/{day}-popup.csv", _at(history, 13, 7), popup)
    history.expected.quarantined += len(samples) + len(popup)


def _wrong_clock(history: History, rng: Random) -> None:
    day = history.days[13]
    rows = [
        Movement(
            f"CLK-{n}",
            "1",
            article.sku,
            "cairo",
            1,
            datetime(WRONG_YEAR, day.month, min(day.day, 28), 12),  # noqa: DTZ001
        )
        for n, article in enumerate(rng.sample(history.articles[SPECIAL:], 2))
    ]
    _add(history, f"sales/{day}-cairo-wrong-clock.csv", _at(history, 14, 7), rows)
    history.expected.quarantined += len(rows)


def _corrected_sheet(history: History, rng: Random) -> None:
    """Three lines of a sheet were mistyped; the whole sheet comes again, right, the next afternoon."""
    right = next(sheet for path, sheet in history.counts.items() if path.endswith("-newyork-week.xlsx"))
    wrong = deepcopy(right)
    for index in rng.sample(range(len(wrong.lines)), 3):
        wrong.lines[index] = wrong.lines[index]._replace(quantity=wrong.lines[index].quantity + 4)
    corrected = CountSheet(
        right.path.replace("-week.", "-week_corrected."),
        right.delivered_at + timedelta(hours=14),
        right.location,
        right.counted_at,
        right.counter,
        right.lines,
    )
    history.counts[right.path] = wrong
    history.counts[corrected.path] = corrected


def _add(history: History, path: str, delivered_at: datetime, rows: list[Movement]) -> None:
    history.movements[path] = MovementFile(path, delivered_at, rows)
    history.expected.lines += len(rows)


def _at(history: History, number: int, hour: int) -> datetime:
    return datetime.combine(history.days[number], time(hour))
