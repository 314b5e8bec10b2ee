"""What people and tills write down: the lines of the demo's files before they have the form of files.

What belongs here: the shapes shared by the simulation (``history``), the flaws (``flaws``) and the writing
(``files``). What does not: how they come about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

Quantity = int | Decimal


class Movement(NamedTuple):
    """One line of a movement file as its sender writes it: in a file of sales, a sale is positive."""

    document: str | None
    line: str | None
    sku: str
    location: str
    quantity: Quantity
    effective: datetime | date  # local to the location; a date: a contribution to that day's total
    reason: str | None = None
    unit_price: Decimal | None = None
    to_location: str | None = None  # of a transfer, with the local time at which it is there
    arrives: datetime | None = None


class CountLine(NamedTuple):
    """One line of a count sheet."""

    sku: str
    name: str
    quantity: Quantity


@dataclass(slots=True)
class MovementFile:
    """Movements that are delivered together; ``path`` is relative to the drop folder."""

    path: str
    delivered_at: datetime  # UTC, naive
    rows: list[Movement] = field(default_factory=list)


@dataclass(slots=True)
class CountSheet:
    """Counts that one person made at one moment of one shop's local time."""

    path: str
    delivered_at: datetime
    location: str
    counted_at: datetime
    counter: str
    lines: list[CountLine] = field(default_factory=list)


Fate = Literal["posted", "already received", "rejected"]


@dataclass(slots=True)
class Expected:
    """What must be reported once every file is posted in the order of delivery."""

    on_hand: dict[tuple[str, str], Quantity] = field(default_factory=dict)
    openings: int = 0
    applied: int = 0
    review: int = 0
    held: int = 0
    flagged: int = 0
    lines: int = 0  # movement lines in all files that are posted, whatever becomes of them
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0
    already_received: int = 0
    rejected: int = 0

    @property
    def negative(self) -> list[tuple[str, str]]:
        """Articles of which the books have less than nothing, which no shelf can."""
        return sorted(key for key, quantity in self.on_hand.items() if quantity < 0)
