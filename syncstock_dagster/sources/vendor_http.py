"""Calls to a vendor's interface: at the shared pace, again where it may help, and measured.

What belongs here: one call with its retries. What does not: what an answer means (``judge`` of each vendor), and
paging.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from syncstock_dagster.sources.clock import Clock
from syncstock_dagster.sources.pace import Pace
from syncstock_dagster.sources.protocol import Meter, PausedError, RefusedError, UnreachableError
from syncstock_dagster.store.storable import storable

_ATTEMPTS = 5
#: Seconds. What takes longer is not waited for.
_LONGEST_WAIT = 60.0
_FIRST_WAIT = 1.0
_LONGEST_BLOCK = 86_400.0


class PassingError(Exception):
    """What went wrong with one call may pass: try again, not before ``after`` seconds.

    Where that is longer than anybody waits, the run ends in order, and no process calls before.
    """

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.after = storable(reason), after


class ExpiredError(Exception):
    """The credentials of this call are not valid any more."""


class VendorClient:
    """Calls under one account.

    Args:
        judge: what an answer says, as JSON; it raises ``PassingError``, ``ExpiredError``, ``PausedError`` or
            ``RefusedError`` where it says something else than what was asked for.
        authorise: address and headers of the next call; after ``ExpiredError`` it is called with True. It may raise
            the same errors but that one.
    """

    def __init__(
        self,
        name: str,
        pace: Pace,
        *,
        judge: Callable[[httpx.Response], Any],
        authorise: Callable[[bool], tuple[str, Mapping[str, str]]],
        clock: Clock,
        seconds: float = 50.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._name, self._pace, self._judge, self._authorise = name, pace, judge, authorise
        self._clock = clock
        self._http = httpx.Client(timeout=seconds, transport=transport, follow_redirects=False)
        self.meter = Meter()

    def get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        """One answer, from a path behind the address.

        Raises:
            PausedError, RefusedError, UnreachableError: there is none.
        """
        is_expired = was_renewed = False
        reason = ""
        wait = 0.0
        attempt = 0
        while attempt < _ATTEMPTS:
            self._clock.sleep(wait)
            self.meter.waited += wait
            self.meter.waited += self._pace.wait()
            try:
                address, headers = self._authorise(is_expired)
                is_expired = False
                self.meter.calls += 1
                answer = self._http.get(address + path, params=dict(parameters), headers=dict(headers))
                self.meter.transferred += len(answer.content)
                return self._judge(answer)
            except ExpiredError:
                if was_renewed:
                    raise RefusedError(
                        f"{self._name} refuses a token that it gave out a moment ago."
                    ) from None
                is_expired, was_renewed, wait = True, True, 0.0
                continue
            except PassingError as error:
                if error.after > _LONGEST_WAIT:
                    raise self._paused(error) from None
                reason, wait = error.reason, max(error.after, _FIRST_WAIT * 2**attempt)
            except httpx.TimeoutException:
                reason, wait = "no answer in time", _FIRST_WAIT * 2**attempt
            except httpx.RequestError as error:
                reason, wait = f"no connection ({type(error).__name__})", _FIRST_WAIT * 2**attempt
            attempt += 1
            wait = min(wait, _LONGEST_WAIT)
        raise UnreachableError(f"{self._name} did not answer as it should, {_ATTEMPTS} times: {reason}.")

    def _paused(self, error: PassingError) -> PausedError:
        """Nobody calls before the vendor wants it."""
        until = self._clock.now() + timedelta(seconds=error.after)
        because = f"{self._name} wants no calls: {error.reason}."
        self._pace.block(until, because)
        return PausedError(f"{because} They begin again at {until:%Y-%m-%d %H:%M} UTC.", until)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


def json_of(answer: httpx.Response) -> Any:
    """The JSON of an answer, numbers exact.

    Raises:
        PassingError: it is something else: a page of a gateway, or cut off.
    """
    try:
        # NaN is no JSON, but whoever writes it means one row: as text it is no amount.
        return json.loads(answer.content, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        begins = answer.content[:40].decode("ascii", "replace").strip()
        what = "a web page" if begins.startswith("<") else "an answer that breaks off or is no JSON"
        raise PassingError(f"{what} (HTTP {answer.status_code})") from None


def retry_after(answer: httpx.Response) -> float:
    """The seconds that the vendor asks to wait, told as a number or as a date; 0 where it does not say.

    A date counts by the clock that told it. More than a day is not believed.
    """
    told = answer.headers.get("Retry-After", "0")
    try:
        seconds = float(told)
    except ValueError:
        until, now = _date(told), _date(answer.headers.get("Date", "")) or datetime.now(UTC)
        seconds = (until - now).total_seconds() if until is not None else 0.0
    return min(max(0.0, seconds), _LONGEST_BLOCK)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
