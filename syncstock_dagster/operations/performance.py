"""Where an operation's time goes: seconds, rows, calls, bytes and waits, by stage.

What belongs here: measuring. What does not: writing it down, which is part of closing the operation
(``operations.log``), and reading it (``operations.reading``).

A reader of an outside system measures before there is an operation, and hands over what it measured:

    performance = Performance()
    with performance.stage("fetch"):
        page = client.get(...)
        performance.count("fetch", calls=1, rows=len(page), transferred=page.size, waited=client.seconds_waited)
    with acting(performance=performance):
        db.deliver(evidence)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

#: Numbers of an operation that are things it worked on; together they are its items.
_ITEMS = (
    "movements_new", "movements_duplicate", "movements_conflict", "counts_new", "products",
    "staged", "committed", "pushed",
)  # fmt: skip


@dataclass(slots=True)
class Stage:
    """What one stage took."""

    seconds: float = 0.0
    rows: int = 0
    calls: int = 0
    transferred: int = 0  # bytes
    waited: float = 0.0  # seconds of it that went by waiting for a rate limit


class Performance:
    """The stages of one operation, in the order in which they began."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.stages: dict[str, Stage] = {}

    @contextmanager
    def stage(self, name: str, rows: int = 0) -> Iterator[None]:
        """Time a part; parts of one name add up."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.count(name, rows=rows, seconds=time.perf_counter() - began)

    def count(
        self,
        name: str,
        *,
        rows: int = 0,
        calls: int = 0,
        transferred: int = 0,
        waited: float = 0.0,
        seconds: float = 0.0,
    ) -> None:
        """Add to a stage."""
        stage = self.stages.setdefault(name, Stage())
        stage.seconds += seconds
        stage.rows += rows
        stage.calls += calls
        stage.transferred += transferred
        stage.waited += waited

    def summary(self, statistics: Mapping[str, Any]) -> dict[str, Any]:
        """The row of ``sync_performance_logs``, for an operation that did ``statistics``."""
        seconds = time.perf_counter() - self._began
        items = int(statistics.get("items") or sum(int(statistics.get(name) or 0) for name in _ITEMS))
        stages = self.stages.items()
        return {
            "seconds": seconds,
            "items": items,
            "calls": sum(stage.calls for _, stage in stages),
            "bytes": sum(stage.transferred for _, stage in stages),
            "waited": sum(stage.waited for _, stage in stages),
            "bottleneck": max(self.stages, key=lambda name: self.stages[name].seconds, default=None),
            "stages": [
                {
                    "stage": name, "seconds": round(stage.seconds, 6), "rows": stage.rows, "calls": stage.calls,
                    "bytes": stage.transferred, "waited": round(stage.waited, 6),
                }
                for name, stage in stages
            ],
        }  # fmt: skip
