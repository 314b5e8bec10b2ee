"""What a benchmark reports: stages with their times, facts, and figures held against a limit.

What belongs here: the shapes of results, timing, the memory of a process, and running a part in a process of
its own. What does not: the database and the benchmarks themselves.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Figure:
    """One measured value and what it may be at most. ``aim`` is what we want, ``limit`` what we promise."""

    name: str
    value: float
    unit: str
    limit: float
    aim: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the promise is kept."""
        return self.value <= self.limit

    @property
    def verdict(self) -> str:
        """PASS, MISS, or between them: the limit is kept and the aim is not."""
        if not self.passed:
            return "MISS"
        return "PASS" if self.aim is None or self.value <= self.aim else "PASS (aim missed)"


@dataclass(slots=True)
class Report:
    """The outcome of one benchmark."""

    name: str
    what: str
    stages: dict[str, float] = field(default_factory=dict)  # seconds
    facts: dict[str, Any] = field(default_factory=dict)
    table: list[dict[str, Any]] = field(default_factory=list)  # rows that are compared with each other
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a part; parts of one name add up."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - began

    @property
    def passed(self) -> bool:
        """Whether every promise is kept."""
        return all(figure.passed for figure in self.figures)


def peak_memory() -> float:
    """The greatest resident size of this process so far, in MB."""
    # ru_maxrss is in kilobytes on Linux. It is inherited across fork, hence the processes of their own.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_own_process(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Call ``function`` in a fresh interpreter, so that neither memory nor caches of this one count."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments, **named).result()


def timed(function: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
