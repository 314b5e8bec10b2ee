"""The points that a shop gives per second, shared by all workers.

What belongs here: who may send when. What does not: what a call costs (``documents``), and sending (``client``).

A worker takes what its call asks for before it sends; where that is not there yet, it is told how long to wait, and
whoever comes after it waits longer: first come, first served, one sleep each, nobody looks again and again. Every
answer says how much the shop thinks is left, which corrects what is believed here: others spend from the same bucket.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from syncstock_dagster.channels.shopify.clock import Clock

#: What is believed before the first answer: the smallest bucket there is.
_FIRST_MAXIMUM, _FIRST_RATE = 1_000.0, 50.0


class CostBudget:
    """A leaky bucket that mirrors the shop's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._maximum, self._rate = _FIRST_MAXIMUM, _FIRST_RATE
        self._level = _FIRST_MAXIMUM  # below zero: promised to those who wait
        self._at = clock.monotonic()
        self._waiting = 0.0
        self._flying = 0.0
        self.points = 0.0  # used in all
        self.waited = 0.0  # seconds, of all workers together
        self.throttled = 0

    @property
    def rate(self) -> float:
        """Points that come back each second."""
        return self._rate

    @property
    def maximum(self) -> float:
        """How many points the bucket holds."""
        return self._maximum

    def take(self, points: float) -> None:
        """Take points, and wait until they are there."""
        with self._lock:
            self._refill()
            self._level -= points
            # A point more: what is there to the last digit may be a digit less over there.
            wait = (1 - self._level) / self._rate if self._level < 0 else 0.0
            if wait:
                self._waiting += points
                self.waited += wait
            else:
                self._flying += points
        if wait:
            self._clock.sleep(wait)
            with self._lock:
                self._waiting -= points
                self._flying += points

    def settle(self, taken: float, cost: Mapping[str, Any] | None, *, was_throttled: bool = False) -> None:
        """After the answer: give back what was not used, and believe the shop about what is left."""
        cost = cost or {}
        actual = float(cost.get("actualQueryCost") or 0)
        with self._lock:
            self._refill()
            self._flying -= taken
            self._level += taken - actual
            self.points += actual
            self.throttled += was_throttled
            if status := cost.get("throttleStatus"):
                self._maximum = float(status["maximumAvailable"])
                self._rate = float(status["restoreRate"]) or self._rate
                left = float(status["currentlyAvailable"])
                # Calls that fly now may or may not be counted in it; those that wait are not.
                low, high = left - self._waiting - self._flying, left - self._waiting
                self._level = min(max(self._level, low), high)

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._level = min(self._maximum, self._level + (now - self._at) * self._rate)
        self._at = now
