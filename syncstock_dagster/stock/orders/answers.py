"""What is answered to an order: done or refused, line by line, as plain values.

What belongs here: the shape of answers, and how they are read from the database's. What does not: asking.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

Status = Literal[
    "posted",
    "already received",
    "reserved",
    "already reserved",
    "released",
    "committed",
    "cancelled",
    "refused",
]
#: Nothing is left to be done about an order that was answered so.
_DONE = frozenset({"posted", "already received", "reserved", "already reserved", "released"})

_WHY = {
    "short": "There is not enough.",
    "unknown": "Not every line is known.",
    "other content": "This reference stands for another order already; give a new one, or cancel that one first.",
    "cancelled": "This order was cancelled; a new one needs a new reference.",
    "reservation": "Nothing is reserved under this reference.",
    "released": "This reservation was released; a new one needs a new reference.",
    "committed": "This reservation has become an order.",
    "asked for": "It is asked for: somebody else has to cancel it, too.",
    "ordered": "This reference stands for an order already.",
}


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order, and what is there of it. After an order ``on_hand`` and ``available`` are what is left."""

    line: int
    sku: str
    inventory_id: int | None
    location: str
    quantity: Decimal
    unit_price: Decimal | None = None
    on_hand: Decimal | None = None
    #: Reserved by others, and not expired.
    reserved: Decimal | None = None
    #: Known to come and not there yet.
    incoming: Decimal | None = None
    available: Decimal | None = None
    #: Why this line cannot be filled; None: it can.
    why: str | None = None


@dataclass(frozen=True, slots=True)
class OrderResult:
    """The answer to an order or a reservation: all of its lines, or none of them."""

    ref: str
    status: Status
    lines: tuple[OrderLine, ...] = ()
    #: What to do about a refusal, in words.
    why: str | None = None
    operation_uuid: str | None = None
    at: datetime | None = None
    expires_at: datetime | None = None
    #: Of a refusal for another content: the lines that were asked for now.
    asked: tuple[OrderLine, ...] = ()
    #: Deliveries that were taken in because the answer depended on them.
    synced: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def is_done(self) -> bool:
        """Whether what was asked for is so."""
        return self.status in _DONE

    def with_synced(self, names: tuple[str, ...]) -> OrderResult:
        """The same, after newer evidence was taken in."""
        return replace(self, synced=names)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values; quantities stay ``Decimal``, times stay aware."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database says."""

    status: str
    kind: str | None
    told: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Answer:
        """From JSON, with exact numbers."""
        told = json.loads(text, parse_float=Decimal)
        return cls(told["status"], told.get("kind"), told)

    @property
    def is_short(self) -> bool:
        """Whether newer evidence could change it."""
        return self.status == "refused" and self.kind == "short"

    def result(self, ref: str, *, dry_run: bool = False) -> OrderResult:
        """As it is told to whoever asked."""
        status: Any = self.status
        return OrderResult(
            ref,
            status,
            _lines(self.told.get("lines")),
            _WHY.get(self.kind or ""),
            self.told.get("operation_uuid"),
            _instant(self.told.get("at")),
            _instant(self.told.get("expires_at")),
            _lines(self.told.get("asked")),
            dry_run=dry_run,
        )


def _lines(told: list[dict[str, Any]] | None) -> tuple[OrderLine, ...]:
    return tuple(_line(one) for one in told or ())


def _line(one: dict[str, Any]) -> OrderLine:
    return OrderLine(
        one["line"],
        one["sku"],
        one["inventory_id"],
        one["location"],
        Decimal(one["quantity"]),
        unit_price=_exact(one.get("unit_price")),
        on_hand=_exact(one.get("on_hand")),
        reserved=_exact(one.get("reserved")),
        incoming=_exact(one.get("incoming")),
        available=_exact(one.get("available")),
        why=one.get("why"),
    )


def _exact(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
