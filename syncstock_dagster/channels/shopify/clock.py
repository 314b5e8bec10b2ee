"""Time as the channel knows it: read, and waited for.

What belongs here: the clock of this machine, and the form of any other. Waiting goes through it, so that a benchmark
can wait an hour in a second.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the channel needs of time."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def now(self) -> datetime:
        """The time of day, with its zone."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def taking_part(self) -> AbstractContextManager[None]:
        """Within, this thread's work keeps time from passing unless it sleeps, where time is simulated."""


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def now(self) -> datetime:
        """The time of day, with its zone."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def taking_part(self) -> AbstractContextManager[None]:
        """Nothing: real time passes by itself."""
        return nullcontext()
