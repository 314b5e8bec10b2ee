"""A clock that jumps: hours of waiting in the time it takes to compute what happens in them.

What belongs here: simulated time for several threads. Time stands still while a thread that takes part works, and
moves to the next awakening when all of them sleep. A thread outside wakes as soon as time has come by itself.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(order=True)
class _Sleeper:
    until: float
    ticket: int
    is_member: bool = field(compare=False)
    is_awake: bool = field(default=False, compare=False)


class SimulatedClock:
    """Time that passes only where everybody waits."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)) -> None:
        self._start = start
        self._now = 0.0
        self._changed = threading.Condition()
        self._working = 0
        self._sleeping: list[_Sleeper] = []
        self._tickets = itertools.count()
        self._thread = threading.local()

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._now

    def now(self) -> datetime:
        """The time of day."""
        return self._start + timedelta(seconds=self._now)

    def sleep(self, seconds: float) -> None:
        """Wait until time has come so far; alone, that is at once."""
        if seconds <= 0:
            return
        is_member = getattr(self._thread, "takes_part", False)
        with self._changed:
            sleeper = _Sleeper(self._now + seconds, next(self._tickets), is_member)
            heapq.heappush(self._sleeping, sleeper)
            self._working -= is_member
            self._advance()
            self._changed.wait_for(lambda: sleeper.is_awake)

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """This thread works, unless it sleeps."""
        with self._changed:
            self._working += 1
        self._thread.takes_part = True
        try:
            yield
        finally:
            self._thread.takes_part = False
            with self._changed:
                self._working -= 1
                self._advance()

    def _advance(self) -> None:
        """Go on to the next awakening, where nobody works; whoever takes part works from then on."""
        while not self._working and self._sleeping:
            sleeper = heapq.heappop(self._sleeping)
            self._now = max(self._now, sleeper.until)
            sleeper.is_awake = True
            self._working += sleeper.is_member
        self._changed.notify_all()
