"""The protocol of sources that are asked: what they can, what is asked of them, and the pages they answer with.

What belongs here: the shapes that any source and the engine (``sources.pull``) share, and the ways in which a source
ends early. What does not: any particular source, and what becomes of a page.

A new source is a module with ``open_source(table, context)`` that answers something with ``name``, ``can``, ``pages``
and ``close``, a fake for its tests, and a table in ``syncstock.toml`` (docs/sources.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.store.storable import storable

#: ``full``: everything. ``stock`` and ``price``: for sources that answer one of them apart.
What = Literal["full", "stock", "price"]


@dataclass(frozen=True, slots=True)
class Can:
    """What a source can do beyond yielding everything it has."""

    #: Yield what changed since an instant. It may yield more, or miss something: a hint, beside full pulls.
    incremental: bool = False
    #: Read articles again by their codes.
    by_id: bool = False
    #: Tell locations apart.
    by_location: bool = False
    #: Its webhooks may be taken as hints.
    webhooks: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a source. The same ask goes on where a pull was stopped."""

    what: What = "full"
    since: datetime | None = None
    ids: tuple[str, ...] | None = None
    active_only: bool = True
    #: Leave out what has no stock, but for what had some when the source last said.
    with_stock_only: bool = False
    category: str | None = None
    brand: str | None = None
    #: Only levels of this location (our code).
    location: str | None = None
    batch_size: int | None = None
    #: What a file says, and nothing else: the file's digest.
    document: str | None = None

    @property
    def is_part(self) -> bool:
        """Whether only some articles are asked for; then nothing of it is kept before its end."""
        return self.ids is not None or self.document is not None

    @property
    def scope(self) -> Literal["full", "changed", "ids"]:
        """What kind of pull this is."""
        return "ids" if self.is_part else "changed" if self.since is not None else "full"

    @property
    def is_whole(self) -> bool:
        """Whether everything is asked for, so that what is not in the answer is not there."""
        filters = (self.category, self.brand, self.location)
        return self.scope == "full" and self.what == "full" and not self.with_stock_only and not any(filters)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Ask:
        """The ask that ``as_dict`` told of."""
        values = dict(told)
        if values["since"] is not None:
            values["since"] = datetime.fromisoformat(values["since"])
        if values["ids"] is not None:
            values["ids"] = tuple(values["ids"])
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """For the record, and for comparing with what was asked before."""
        told = asdict(self)
        told["since"] = self.since and self.since.isoformat()
        told["ids"] = None if self.ids is None else list(self.ids)
        return told


@dataclass(frozen=True, slots=True)
class Item:
    """An article as the source describes it. ``change`` has the fields of ``catalog.changes``."""

    code: str
    change: Mapping[str, Any]
    category: str | None = None
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """How many of an article the source has somewhere. What it does not say is no level: missing is not zero."""

    code: str
    quantity: Decimal
    sku: str | None = None
    #: Our code; None: the default location.
    location: str | None = None
    #: The source's own stamp; None: the moment at which it answered.
    counted_at: datetime | None = None
    #: Anything else the source says of it, for tables of its own.
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. ``position`` is how to go on behind it; None: it was the last."""

    items: tuple[Item, ...]
    levels: tuple[Level, ...]
    answered_at: datetime
    position: str | None = None
    #: Rows that cannot be understood, with the reason.
    refused: tuple[tuple[Mapping[str, Any], str], ...] = ()
    #: What a person should know that is not wrong.
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Meter:
    """What a source's calls cost so far."""

    calls: int = 0
    transferred: int = 0
    waited: float = 0.0


class Source(Protocol):
    """Somebody who can be asked."""

    @property
    def name(self) -> str:
        """As its policy and its evidence are named."""
        ...

    @property
    def can(self) -> Can:
        """What it can."""
        ...

    @property
    def meter(self) -> Meter:
        """What its calls cost so far."""
        ...

    def pages(self, ask: Ask, position: str | None) -> Iterator[Page]:
        """Answer page by page; from a position that an earlier page of the same ask gave.

        Raises:
            PausedError, RefusedError, UnreachableError: there is no further page now. An error is never an empty page.
        """
        ...

    def keep(self, operation: Operation, pull_id: int, ask: Ask, statistics: Statistics) -> None:
        """Keep what is staged of a pull (``pulled_levels``, ``pulled_items``) in tables of the source's own, if any."""
        ...

    def close(self) -> None:
        """Give back what is open."""
        ...


class SourceError(RuntimeError):
    """A source does not answer as it should. The message is for a person, and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(storable(reason))  # it may repeat the vendor's words


class PausedError(SourceError):
    """A limit is used up: the rest comes with a later run. Nothing is wrong."""

    def __init__(self, reason: str, until: datetime | None = None) -> None:
        super().__init__(reason)
        self.until = until


class UnreachableError(SourceError):
    """What may pass did not pass in time: no connection, server errors, answers that break off."""


class RefusedError(SourceError):
    """Asking again will not help: wrong credentials, a missing scope, a call that the source does not take.

    ``is_about_call``: another call may well be answered.
    """

    def __init__(self, reason: str, *, is_about_call: bool = False) -> None:
        super().__init__(reason)
        self.is_about_call = is_about_call
