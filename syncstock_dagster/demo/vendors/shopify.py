"""A shop at Shopify as a program on this machine: stateful, behind the vendored schema, with its limits and its errors.

What belongs here: what the shop holds, the wire, cost and throttling, faults. What does not: the fields of the schema,
which ``shopify_graph`` resolves, and anything of ours: it knows no more of the channel than Shopify does.

Honest to what is known of the real one: throttling is an HTTP 200, a query has a greatest cost, one stale line fails
its whole call, a key replays its first answer, the search index lags, the last variant cannot go.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
from graphql import GraphQLError, GraphQLSchema, build_schema, execute_sync, validate
from graphql.language import parse

import syncstock_dagster.channels.shopify as channel
from syncstock_dagster.channels.shopify.clock import Clock
from syncstock_dagster.channels.shopify.documents import MOST_POINTS, cost_of
from syncstock_dagster.demo.vendors.clock import SimulatedClock

#: Quantities that a level has; ``on_hand`` is the sum of the first six.
OWN = ("available", "committed", "reserved", "damaged", "safety_stock", "quality_control", "incoming")

Answer = tuple[int, dict[str, str], bytes]


class DroppedConnection(Exception):  # noqa: N818 - what happened
    """The wire broke; whether the call was carried out, nobody is told."""


@dataclass
class Product:
    """One product."""

    id: str
    title: str = ""
    status: str = "ACTIVE"
    product_type: str = ""
    tags: list[str] = field(default_factory=list)
    metafields: dict[str, str] = field(default_factory=dict)  # "namespace.key" to value
    variants: list[Variant] = field(default_factory=list)
    updated_at: datetime | None = None
    tag_history: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)


@dataclass
class Variant:
    """One variant with its inventory item."""

    id: str
    item_id: str
    product: Product
    sku: str | None
    options: dict[str, str]
    price: str = "10.00"
    barcode: str | None = None
    cost: str | None = None
    tracked: bool = True
    requires_components: bool = False
    metafields: dict[str, str] = field(default_factory=dict)
    levels: dict[str, dict[str, int]] = field(default_factory=dict)  # location to its own quantities
    extra: dict[str, Any] = field(default_factory=dict)

    def quantity(self, location: str, name: str) -> int:
        """One quantity at a location."""
        level = self.levels[location]
        return sum(level[one] for one in OWN[:6]) if name == "on_hand" else level[name]


@dataclass(frozen=True)
class Write:
    """One level that was changed by a call."""

    key: str
    item_id: str
    location: str
    name: str
    before: int
    after: int


#: What a fault does with a call: None lets it through. Given the number of the call and the operation's name.
Fault = Callable[[int, str], str | BaseException | None]


class Shop:
    """The shop."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        versions: tuple[str, ...] = ("2026-04", "2026-10"),
        token: str = "shpat_demo",  # noqa: S107 - of a shop that exists on this machine only
        maximum: float = 2_000,
        rate: float = 100,
        index_lag: float = 0,
        latency: float = 0,
        cost_factor: float = 1.0,
    ) -> None:
        self.clock: Clock = clock or SimulatedClock()
        self.versions = versions
        self.token = token
        self.client = ("client-id", "client-secret")
        self.issued: dict[str, datetime] = {}
        self.maximum, self.rate = maximum, rate
        self.index_lag, self.latency, self.cost_factor = index_lag, latency, cost_factor
        self.locations: dict[str, str] = {}
        self.products: dict[str, Product] = {}
        self.variants: dict[str, Variant] = {}
        self.items: dict[str, Variant] = {}
        self.skus: Counter[str] = Counter()
        self.orders: list[tuple[str, datetime]] = []
        self.writes: list[Write] = []
        self.deleted: list[Variant] = []
        self.calls: Counter[str] = Counter()
        self.throttled = 0
        self.points = 0.0
        self.seconds_inside = 0.0  # processor time that is the shop's and not its caller's
        self.fault: Fault | None = None
        #: What becomes of the next requests for a token, one after the other.
        self.token_faults: list[str] = []
        self.before_call: Callable[[str], None] | None = None
        self.keys: dict[str, tuple[str, dict[str, Any] | None]] = {}
        self._available = maximum
        self._at = self.clock.monotonic()
        self._lock = threading.RLock()
        self._ids = 0
        self._number = 0

    # -- filling ---------------------------------------------------------------------------------------------------

    def new_id(self, kind: str) -> str:
        """An id that nobody has."""
        self._ids += 1
        return f"gid://shopify/{kind}/{self._ids}"

    def add_location(self, name: str) -> str:
        """A place where stock lies."""
        location = self.new_id("Location")
        self.locations[location] = name
        return location

    def add_product(self, title: str = "", **values: Any) -> Product:
        """A product without variants."""
        product = Product(self.new_id("Product"), title, updated_at=self.clock.now(), **values)
        self.products[product.id] = product
        self.remember_tags(product)
        return product

    def add_variant(
        self, product: Product, sku: str | None, levels: dict[str, Any], **values: Any
    ) -> Variant:
        """A variant; ``levels`` is what is available at each location, or all quantities of it."""
        options = values.pop("options", None) or {"Size": sku or str(len(product.variants) + 1)}
        variant = Variant(
            self.new_id("ProductVariant"), self.new_id("InventoryItem"), product, sku, options, **values
        )
        for location, given in levels.items():
            known = given if isinstance(given, dict) else {"available": given}
            variant.levels[location] = {name: known.get(name, 0) for name in OWN}
        product.variants.append(variant)
        self.variants[variant.id] = variant
        self.items[variant.item_id] = variant
        self.skus[sku or ""] += 1
        return variant

    def remove_variant(self, variant: Variant) -> None:
        """It is gone, with its levels."""
        variant.product.variants.remove(variant)
        del self.variants[variant.id], self.items[variant.item_id]
        self.skus[variant.sku or ""] -= 1
        self.deleted.append(variant)

    def remember_tags(self, product: Product) -> None:
        """The index learns of tags later."""
        product.tag_history.append((self.clock.monotonic(), tuple(product.tags)))

    def indexed_tags(self, product: Product) -> tuple[str, ...]:
        """The tags that search knows by now."""
        known = [tags for at, tags in product.tag_history if at <= self.clock.monotonic() - self.index_lag]
        return known[-1] if known else ()

    def sell(self, variant: Variant, location: str, quantity: int, *, is_taken_along: bool = True) -> None:
        """Somebody buys; unless it is taken along at once, it stays on hand as committed."""
        with self._lock:
            level = variant.levels[location]
            level["available"] -= quantity
            if not is_taken_along:
                level["committed"] += quantity
            self.orders.append((variant.sku or "", self.clock.now()))

    # -- the wire --------------------------------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        """The shop as an ASGI application."""
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import Request
        from starlette.responses import Response
        from starlette.routing import Route

        async def answer(request: Request) -> Response:
            body = await request.body()
            try:
                status, headers, content = await run_in_threadpool(
                    self.handle, request.url.path, dict(request.headers), body
                )
            except DroppedConnection:
                status, headers, content = 502, {}, b"<html>Bad Gateway</html>"
            return Response(content, status, headers)

        return Starlette(routes=[Route("/admin/{path:path}", answer, methods=["POST"])])

    @property
    def transport(self) -> httpx.BaseTransport:
        """The shop as the other end of an ``httpx.Client``, in this process."""
        shop = self

        class Transport(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                try:
                    status, headers, body = shop.handle(
                        request.url.path, dict(request.headers), request.read()
                    )
                except DroppedConnection as error:
                    raise httpx.ReadError(str(error), request=request) from error
                return httpx.Response(status, headers=headers, content=body, request=request)

        return Transport()

    def handle(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """One call."""
        import time

        self.clock.sleep(self.latency)
        began = time.thread_time()
        try:
            with self._lock:
                return self._handle(path, {name.lower(): value for name, value in headers.items()}, body)
        finally:
            self.seconds_inside += time.thread_time() - began

    def _handle(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path == "/admin/oauth/access_token":
            return self._fail(self.token_faults.pop(0), {}) if self.token_faults else self._issue(body)
        version = path.removeprefix("/admin/api/").partition("/")[0]
        if version not in self.versions or not path.endswith("/graphql.json"):
            return _json(404, {"errors": "Not Found"})
        if not self._is_allowed(headers.get("x-shopify-access-token", "")):
            return _json(401, {"errors": "[API] Invalid API key or access token"})
        asked = json.loads(body)
        name = _operation_name(asked["query"])
        self._number += 1
        self.calls[name] += 1
        if self.before_call is not None:
            self.before_call(name)
        fault = self.fault(self._number, name) if self.fault is not None else None
        if isinstance(fault, str) and fault.startswith("after:"):
            self._graphql(version, asked)
            fault = fault.removeprefix("after:")
        elif isinstance(fault, BaseException) and getattr(fault, "is_after", False):
            self._graphql(version, asked)
        return self._graphql(version, asked) if fault is None else self._fail(fault, asked)

    def _fail(self, fault: str | BaseException, asked: dict[str, Any]) -> Answer:
        if isinstance(fault, BaseException):
            raise fault
        if fault == "drop":
            raise DroppedConnection("the connection was closed")
        if fault == "500":
            key = (asked.get("variables") or {}).get("key")
            if key is not None:
                self.keys.setdefault(key, ("", None))  # this attempt failed, whatever comes
            return _json(500, {"errors": "Internal Server Error"})
        if fault == "html":
            return 502, {"content-type": "text/html"}, b"<html><h1>Bad Gateway</h1></html>"
        if fault == "429":
            return 429, {"retry-after": "2.0"}, b"{}"
        if fault == "cut":
            return 200, {"content-type": "application/json"}, b'{"data": {"prod'
        if fault == "throttled":
            return self._throttle(0)
        assert fault == "error", fault
        return _json(
            200, {"errors": [{"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}
        )

    def _issue(self, body: bytes) -> Answer:
        given = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if (given.get("client_id"), given.get("client_secret")) != self.client:
            return _json(400, {"error": "invalid_client"})
        token = self.new_id("Token").replace("gid://shopify/Token/", "shpca_")
        self.issued[token] = self.clock.now() + timedelta(hours=24)
        return _json(200, {"access_token": token, "scope": "write_inventory", "expires_in": 86_399})

    def _is_allowed(self, token: str) -> bool:
        return token == self.token or self.issued.get(token, self.clock.now()) > self.clock.now()

    # -- GraphQL ---------------------------------------------------------------------------------------------------

    def _graphql(self, version: str, asked: dict[str, Any]) -> Answer:
        from syncstock_dagster.demo.vendors.shopify_graph import resolve

        document = _parsed(asked["query"])
        variables = asked.get("variables") or {}
        if errors := _validated(version, asked["query"]):
            return _json(200, {"errors": [error.formatted for error in errors]})
        requested = round(cost_of(document, variables) * self.cost_factor)
        if requested > MOST_POINTS:
            return _json(
                200,
                {
                    "errors": [
                        {
                            "message": f"Query cost is {requested}, which exceeds the single query max cost limit",
                            "extensions": {
                                "code": "MAX_COST_EXCEEDED",
                                "cost": requested,
                                "maxCost": MOST_POINTS,
                            },
                        }
                    ]
                },
            )
        self._refill()
        if requested > self._available:
            return self._throttle(requested)
        result = execute_sync(
            schema_of(version),
            document,
            context_value=self,
            variable_values=variables,
            field_resolver=resolve,
        )
        is_mutation = any(
            getattr(one, "operation", None) and one.operation.value == "mutation"
            for one in document.definitions
        )
        actual = requested if is_mutation else min(requested, round(_spent(result.data) * self.cost_factor))
        self._available -= actual
        self.points += actual
        told: dict[str, Any] = {"data": result.data, "extensions": {"cost": self._cost(requested, actual)}}
        if result.errors:
            told["errors"] = [error.formatted for error in result.errors]
        return _json(200, told)

    def _refill(self) -> None:
        now = self.clock.monotonic()
        self._available = min(self.maximum, self._available + (now - self._at) * self.rate)
        self._at = now

    def _throttle(self, requested: int) -> Answer:
        self._refill()
        self.throttled += 1
        return _json(
            200,
            {
                "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
                "extensions": {"cost": self._cost(requested, None)},
            },
        )

    def _cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.maximum,
                "currentlyAvailable": self._available,
                "restoreRate": self.rate,
            },
        }

    def once(self, key: str | None, arguments: Any, change: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A change under a key: the same again is answered with the first answer, another one is refused."""
        if key is None:
            raise GraphQLError("The @idempotent directive is required for this mutation.")
        digest = hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()
        if key in self.keys:
            known, answer = self.keys[key]
            if answer is None:
                return _refused("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", None, "The previous attempt failed.")
            if known != digest:
                return _refused(
                    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", None, "The key was used with other parameters."
                )
            return answer
        answer = change()
        self.keys[key] = (digest, answer)
        return answer


def _refused(code: str, where: list[str] | None, message: str) -> dict[str, Any]:
    return {
        "inventoryAdjustmentGroup": None,
        "userErrors": [{"code": code, "field": where, "message": message}],
    }


@cache
def schema_of(version: str) -> GraphQLSchema:
    """The vendored schema of a version."""
    path = Path(channel.__file__).parent / "schema" / f"{version}.graphql"
    schema = build_schema(path.read_text(encoding="utf-8"), assume_valid=True)
    for name in ("Node", "Media"):
        schema.type_map[name].resolve_type = _type_of  # type: ignore[attr-defined]
    return schema


def _type_of(value: Any, info: Any, kind: Any) -> str:
    from syncstock_dagster.demo.vendors.shopify_graph import Item

    if isinstance(value, Item):
        return "InventoryItem"
    return {Product: "Product", Variant: "ProductVariant"}.get(type(value), "MediaImage")


@cache
def _parsed(text: str) -> Any:
    return parse(text)


@cache
def _validated(version: str, text: str) -> list[GraphQLError]:
    return validate(schema_of(version), _parsed(text))


def _operation_name(text: str) -> str:
    return next(
        (one.name.value for one in _parsed(text).definitions if getattr(one, "name", None)), "anonymous"
    )


def _spent(value: Any) -> int:
    """What an answer cost: the objects that came."""
    if isinstance(value, list):
        return sum(_spent(one) for one in value)
    if not isinstance(value, dict):
        return 0
    inside = sum(_spent(one) for name, one in value.items() if name not in ("pageInfo", "userErrors"))
    return inside + (2 if "nodes" in value and "pageInfo" in value else 1)


def _json(status: int, value: Any) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(value).encode()
