"""Time as sources use it: what o'clock it is, and waiting. Tests bring another one, and wait for nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The clock on the wall."""

    #: What the database shall take for its own time; None: its own.
    database_time: datetime | None = None

    def now(self) -> datetime:
        """This instant."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        if seconds > 0:
            time.sleep(seconds)
