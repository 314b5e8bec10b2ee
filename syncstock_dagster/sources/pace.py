"""The pace of calls to a vendor, shared by all processes through one row in PostgreSQL.

What belongs here: waiting for one's turn, and blocking everybody when the vendor says so. What does not: calling.
"""

from __future__ import annotations

from datetime import datetime

from syncstock_dagster.sources.clock import Clock
from syncstock_dagster.sources.protocol import PausedError
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement


class Pace:
    """The turns of one account: at most so many calls a minute at an even distance, and so many a day."""

    def __init__(
        self, url: str, account: str, *, calls_a_minute: float, calls_a_day: int | None, clock: Clock
    ) -> None:
        self._url, self._account, self._clock = url, account, clock
        self._seconds_apart = 60 / calls_a_minute
        self._calls_a_day = calls_a_day
        with connect(url) as connection:
            connection.execute(
                "insert into vendor_limits (account) values (%s) on conflict do nothing", (account,)
            )

    def wait(self) -> float:
        """Wait for one's turn; returns the seconds waited.

        Raises:
            PausedError: the vendor wants no calls now, or today's are used up.
        """
        values = {
            "account": self._account,
            "seconds_apart": self._seconds_apart,
            "calls_a_day": self._calls_a_day,
            "now": self._clock.database_time,
        }
        with connect(self._url) as connection:
            row = connection.execute(statement("sources/reserve_call"), values).fetchone()
        assert row is not None, "the account has its row"
        seconds, until, because = row
        if seconds is None:
            if until is not None and until > self._clock.now():
                raise PausedError(f"{because} Calls begin again at {until:%Y-%m-%d %H:%M} UTC.", until)
            raise PausedError(f"The {self._calls_a_day} calls of this day (UTC) are used up.")
        self._clock.sleep(seconds)
        return float(seconds)

    def block(self, until: datetime, because: str) -> None:
        """No process calls before ``until``."""
        with connect(self._url) as connection:
            connection.execute(
                "update vendor_limits set blocked_until = greatest(blocked_until, %s), blocked_because = %s "
                "where account = %s",
                (until, because, self._account),
            )
