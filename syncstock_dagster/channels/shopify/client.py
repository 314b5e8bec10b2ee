"""One shop's Admin API: a document goes out, its data comes back, within the shop's limits.

What belongs here: the wire: tokens, cost, throttling, retries. What does not: what is asked (``shop``).

Every call may be repeated: reads and tags by their nature, levels by their key, deletions because ids do not come back.
So a call that got no answer is sent again as it was.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from syncstock_dagster.channels.shopify.budget import CostBudget
from syncstock_dagster.channels.shopify.clock import Clock, SystemClock
from syncstock_dagster.channels.shopify.documents import MOST_POINTS, estimate, text_of
from syncstock_dagster.channels.shopify.errors import (
    RefusedError,
    ShopifyError,
    TooExpensiveError,
    UnreachableError,
)
from syncstock_dagster.sources.vendor_http import retry_after

_ATTEMPTS = 6
_MOST_THROTTLED, _THROTTLED_WAIT = 60, 0.1
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
#: A token is asked for anew so long before it ends.
_MARGIN = timedelta(minutes=10)
_TRANSIENT = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})


class _PassingError(Exception):
    """What went wrong may pass, not before ``pause`` seconds."""

    def __init__(self, reason: str, pause: float) -> None:
        super().__init__(reason)
        self.pause = pause


class Credentials:
    """A token that was given, or the right to ask for one. Neither is ever shown."""

    def __init__(
        self,
        token: SecretStr | None = None,
        client_id: str | None = None,
        client_secret: SecretStr | None = None,
    ) -> None:
        if token is None and (client_id is None or client_secret is None):
            raise ValueError("a token, or a client id and its secret, is needed")
        self._given = token
        self._client_id, self._client_secret = client_id, client_secret
        self._lock = threading.Lock()
        self._token: str | None = None
        self._until: datetime | None = None

    def __repr__(self) -> str:
        return "Credentials(static token)" if self._given else "Credentials(client credentials)"

    def token(self, http: httpx.Client, clock: Clock, *, instead_of: str | None = None) -> str:
        """A token that is good now; ``instead_of`` one that was refused.

        Raises:
            RefusedError, httpx.HTTPError, _PassingError: the shop gives none.
        """
        if self._given is not None:
            return self._given.get_secret_value()
        with self._lock:
            is_fresh = self._until is not None and clock.now() < self._until - _MARGIN
            if self._token is None or not is_fresh or self._token == instead_of:
                assert self._client_secret is not None
                answer = http.post(
                    "/admin/oauth/access_token",
                    data={
                        "grant_type": "client_credentials",
                        "client_id": self._client_id or "",
                        "client_secret": self._client_secret.get_secret_value(),
                    },
                )
                if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
                    raise _PassingError(f"no token, HTTP {answer.status_code}", retry_after(answer))
                if answer.status_code != httpx.codes.OK:
                    raise RefusedError(
                        f"The shop gives no token (HTTP {answer.status_code}): check client id and secret, and "
                        "whether the app is installed."
                    )
                try:
                    told = answer.json()
                    token, lives = str(told["access_token"]), int(told.get("expires_in", 86_399))
                except (ValueError, KeyError, TypeError):
                    raise _PassingError("no token in the answer to the request for one", 0.0) from None
                self._token, self._until = token, clock.now() + timedelta(seconds=lives)
            return self._token


class ShopifyClient:
    """A shop, reached through one ``httpx.Client`` by all workers."""

    def __init__(
        self,
        shop: str,
        credentials: Credentials,
        *,
        version: str,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
        address: str | None = None,
    ) -> None:
        self.shop = shop
        self.clock: Clock = clock or SystemClock()
        self.budget = CostBudget(self.clock)
        self.calls = 0
        self._credentials = credentials
        self._path = f"/admin/api/{version}/graphql.json"
        self._http = httpx.Client(
            base_url=address or f"https://{shop}", transport=transport, timeout=httpx.Timeout(60, connect=15)
        )
        self._lock = threading.Lock()
        #: How much more than estimated the shop says that a document costs.
        self._factors: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"ShopifyClient({self.shop})"

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def points(self, name: str, variables: Mapping[str, Any]) -> int:
        """What a call will probably ask for."""
        return round(estimate(name, variables) * self._factors.get(name, 1.0))

    def fits(self, name: str, variables: Mapping[str, Any]) -> bool:
        """Whether a call is within what one may cost."""
        return self.points(name, variables) <= MOST_POINTS

    def run(self, name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data of the document ``name``.

        Raises:
            TooExpensiveError: it costs more than a query may; by now it is known how much.
            RefusedError: the shop will not do it.
            UnreachableError: there was no answer; it may have been done.
        """
        wait, throttled, failures = _FIRST_WAIT, 0, 0
        while True:
            taken = min(self.points(name, variables), self.budget.maximum)
            self.budget.take(taken)
            told, problem = None, "no answer"
            try:
                told, problem, pause = self._send(name, variables)
            except RefusedError as error:
                if failures:
                    raise UnreachableError(f"{error} An attempt before this one had no answer.") from error
                raise
            finally:
                cost = ((told or {}).get("extensions") or {}).get("cost")
                codes = _codes(told)
                self.budget.settle(taken, cost, was_throttled="THROTTLED" in codes)
            if told is not None and not codes:
                self._learn(name, variables, cost)
                return dict(told["data"])
            if "THROTTLED" in codes and throttled < _MOST_THROTTLED:
                throttled += 1
                self.clock.sleep(_THROTTLED_WAIT * throttled)
                continue  # the budget knows better now, and waits for the rest
            if "MAX_COST_EXCEEDED" in codes:
                self._learn(name, variables, _extension(told, "MAX_COST_EXCEEDED"))
                raise TooExpensiveError(f"{name}: {problem}")
            if told is not None and not codes & _TRANSIENT:
                if failures:  # an attempt before this one may have been carried out
                    raise UnreachableError(f"{name}: {problem}, after an attempt without an answer")
                raise RefusedError(f"{name}: {problem}")
            failures += 1
            if failures >= _ATTEMPTS:
                raise UnreachableError(f"{name}: {problem}, {failures} times")
            self.clock.sleep(max(wait, pause))
            wait = min(wait * 2, _LONGEST_WAIT)

    def _send(self, name: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str, float]:
        """The answer if there is one, what is wrong with it, and how long the shop wants to be left alone."""
        with self._lock:
            self.calls += 1
        try:
            token = self._credentials.token(self._http, self.clock)
            answer = self._post(name, variables, token)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                renewed = self._credentials.token(self._http, self.clock, instead_of=token)
                if renewed != token:
                    answer = self._post(name, variables, renewed)
        except httpx.HTTPError as error:
            return None, f"{type(error).__name__}", 0.0
        except _PassingError as error:
            return None, str(error), error.pause
        if answer.status_code in (401, 402, 403, 404, 423):
            raise RefusedError(
                f"{name}: HTTP {answer.status_code} from {self.shop}: check the shop's name, the token and its "
                "scopes, and SYNCSTOCK_SHOPIFY_VERSION."
            )
        if answer.status_code != httpx.codes.OK:
            return None, f"HTTP {answer.status_code}", retry_after(answer)
        try:
            told = answer.json()
        except ValueError:
            return None, "an answer that is no JSON", 0.0
        if not isinstance(told, dict) or (told.get("data") is None and not told.get("errors")):
            return None, "an answer without data", 0.0
        errors = told.get("errors") or ()
        words = "; ".join(str(one.get("message", one))[:300] for one in errors if isinstance(one, dict))
        return told, words or str(errors)[:300], 0.0

    def _post(self, name: str, variables: Mapping[str, Any], token: str) -> httpx.Response:
        return self._http.post(
            self._path,
            json={"query": text_of(name), "variables": variables},
            headers={"X-Shopify-Access-Token": token},
        )

    def _learn(self, name: str, variables: Mapping[str, Any], cost: Mapping[str, Any] | None) -> None:
        said = (cost or {}).get("requestedQueryCost") or (cost or {}).get("cost")
        expected = estimate(name, variables)
        if said and expected:
            with self._lock:
                self._factors[name] = float(said) / expected


def _codes(told: Mapping[str, Any] | None) -> set[str]:
    """The codes of an answer's errors; one without a code has an empty one."""
    errors = (told or {}).get("errors") or ()
    if isinstance(errors, str):
        return {""}
    return {str((one.get("extensions") or {}).get("code", "")) for one in errors}


def _extension(told: Mapping[str, Any] | None, code: str) -> dict[str, Any] | None:
    for one in (told or {}).get("errors") or ():
        if (one.get("extensions") or {}).get("code") == code:
            return dict(one["extensions"])
    return None


__all__ = ["Credentials", "ShopifyClient", "ShopifyError"]
