"""Faults of a stand-in: what goes wrong with which of its next calls.

What belongs here: switching faults on, and those that any vendor may show. What does not: the errors that a vendor
has names for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.responses import HTMLResponse, JSONResponse, Response

_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass
class Faults:
    """The faults that wait, in order; and the calls that were made."""

    #: Path and parameters of every call.
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    #: Seconds that an answer takes.
    latency: float = 0.0
    #: Called before the call of this number is answered; 1 is the first one.
    before_call: dict[int, Callable[[], Any]] = field(default_factory=dict)
    _waiting: deque[str | None] = field(default_factory=deque)

    def next(self, *names: str | None) -> None:
        """What happens to the next calls, one after the other; None: nothing."""
        self._waiting.extend(names)

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()
        self.before_call.clear()

    async def take(self, path: str, parameters: dict[str, str]) -> str | None:
        """A call begins: the fault that it meets."""
        self.calls.append((path, parameters))
        if (act := self.before_call.pop(len(self.calls), None)) is not None:
            act()
        if self.latency:
            await asyncio.sleep(self.latency)
        return self._waiting.popleft() if self._waiting else None


def common(fault: str, whole: JSONResponse) -> Response | None:
    """The answer to a call that meets a fault which any vendor may show; None where the vendor has its own."""
    if fault == "500":
        return JSONResponse({"message": "Internal error"}, status_code=500)
    if fault == "html":
        return HTMLResponse(_GATEWAY, status_code=502)
    if fault == "429 html":
        return HTMLResponse(_GATEWAY, status_code=429, headers={"Retry-After": "3600"})
    if fault == "429 date":  # half an hour, by the clock of whoever answers
        dates = {"Date": "Mon, 02 Mar 2026 08:59:30 GMT", "Retry-After": "Mon, 02 Mar 2026 09:29:30 GMT"}
        return HTMLResponse(_GATEWAY, status_code=429, headers=dates)
    if fault == "html 200":
        return HTMLResponse(_GATEWAY)
    if fault == "cut":
        body = bytes(whole.body)
        return Response(body[: len(body) // 2], media_type="application/json")
    if fault == "empty":
        return Response(b"", media_type="application/json")
    if fault == "timeout":
        raise httpx.ReadTimeout("the stand-in does not answer")
    if fault == "connection":
        raise httpx.ConnectError("the stand-in is not there")
    return None
