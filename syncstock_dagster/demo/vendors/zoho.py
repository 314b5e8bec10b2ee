"""A stand-in for Zoho Inventory: items, item details, tokens, limits and errors as documented.

What belongs here: Zoho's side. It knows nothing of ours. Ids and quantities come as text in some rows and as numbers
in others, because specification and live answers differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncstock_dagster.demo.vendors.faults import Faults, common

_MOST, _DEFAULT, _MOST_IDS = 200, 10, 100
_A_MINUTE = 100
_TOKENS = 10
_WINDOW = timedelta(minutes=10)
_LIVES = 3600

_ERRORS: dict[str, tuple[int, int, str, dict[str, str]]] = {
    "429/43": (429, 43, "You have exceeded the maximum number of calls", {"Retry-After": "30"}),
    "429/44": (429, 44, "Access to this resource is restricted", {"Retry-After": "3600"}),
    "429/45": (429, 45, "You have reached the limit of API calls for this day", {}),
    "429/1070": (429, 1070, "Too many requests at the same time", {}),
    "401/14": (401, 14, "Invalid value passed for authtoken", {}),
    "401/57": (401, 57, "You are not authorized to perform this operation", {}),
    "200/9": (200, 9, "Internal error of the interface", {}),
    "400": (400, 4, "Invalid value passed for item_ids", {}),
}


@dataclass
class ZohoItem:
    """One item at Zoho. ``stock`` is by location id."""

    item_id: str
    sku: str
    name: str
    stock: dict[str, str]
    status: str = "active"
    category: str | None = None
    brand: str | None = None
    rate: str = "0"
    track_inventory: bool = True
    modified_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class ZohoStandIn:
    """The state of one organisation, and the application that answers for it."""

    items: dict[str, ZohoItem] = field(default_factory=dict)
    organisation: str = "10234695"
    client_id: str = "1000.CLIENT"
    client_secret: str = "client-secret"  # noqa: S105 - of a stand-in
    refresh_token: str = "1000.refresh"  # noqa: S105
    locations: dict[str, str] = field(default_factory=lambda: {"460000000038080": "Head Office"})
    faults: Faults = field(default_factory=Faults)
    token_faults: Faults = field(default_factory=Faults)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    #: Yields so many a page, whatever was asked for.
    page_size: int | None = None
    #: What it says of further pages, whether there are any or not.
    says_more: Any = None
    #: Whether ``last_modified_time`` is understood as a filter.
    filters_by_time: bool = True
    #: Whether items are told with their stock by location: in the list, and in details.
    lists_locations: bool = True
    details_have_locations: bool = True
    tokens: dict[str, datetime] = field(default_factory=dict)
    refreshed: list[datetime] = field(default_factory=list)
    answered: list[datetime] = field(default_factory=list)
    serial: int = 0

    def put(self, items: Iterable[ZohoItem]) -> None:
        """Add or replace items."""
        self.items |= {item.item_id: item for item in items}

    def set_stock(self, item_id: str, quantity: str) -> None:
        """Change the stock of an item at its first location."""
        item = self.items[item_id]
        item.stock[next(iter(item.stock))] = quantity
        item.modified_at = self.now()

    def expire_tokens(self) -> None:
        """Every token that was given out is refused from now on."""
        self.tokens.clear()

    @property
    def app(self) -> Starlette:
        """The server."""
        routes = [Route("/oauth/v2/token", self._token, methods=["POST"])]
        for path in ("/inventory/v1", "/books/v3"):
            routes += [
                Route(f"{path}/items", self._items),
                Route(f"{path}/itemdetails", self._details),
                Route(f"{path}/items/{{item_id}}", self._item),
                Route(f"{path}/locations", self._locations),
            ]
        return Starlette(routes=routes)

    async def _token(self, request: Request) -> Response:
        form = dict(item.split("=", 1) for item in (await request.body()).decode().split("&"))
        fault = await self.token_faults.take(request.url.path, {})
        if fault is not None and (answer := common(fault, JSONResponse({}))) is not None:
            return answer
        now = self.now()
        recent = [at for at in self.refreshed if at > now - _WINDOW]
        if len(recent) >= _TOKENS:
            why = "You have made too many requests continuously. Please try again after some time."
            denied = {"error_description": why, "error": "Access Denied", "status": "failure"}
            return JSONResponse(denied, status_code=400)
        known = (self.client_id, self.client_secret, self.refresh_token, "refresh_token")
        if tuple(form.get(n) for n in ("client_id", "client_secret", "refresh_token", "grant_type")) != known:
            return JSONResponse({"error": "invalid_client"})
        self.refreshed.append(now)
        token = f"1000.token-{len(self.refreshed)}"
        self.tokens[token] = now + timedelta(seconds=_LIVES)
        said = {"access_token": token, "expires_in": _LIVES, "api_domain": "https://www.zohoapis.com"}
        return JSONResponse({**said, "token_type": "Bearer"})

    async def _items(self, request: Request) -> Response:
        asked = dict(request.query_params)
        refused = await self._refused(request, lambda: self._listed(asked))
        return refused or self._listed(asked)

    def _listed(self, asked: dict[str, str]) -> JSONResponse:
        size = self.page_size or min(int(asked.get("per_page", _DEFAULT)), _MOST)
        number = int(asked.get("page", "1"))
        items = list(self.items.values())
        if asked.get("filter_by") == "Status.Active":
            items = [item for item in items if item.status == "active"]
        if (since := asked.get("last_modified_time")) and self.filters_by_time:
            items = [item for item in items if item.modified_at >= datetime.fromisoformat(since)]
        begin = (number - 1) * size
        has_more = begin + size < len(items) if self.says_more is None else self.says_more
        context = {"page": number, "per_page": size, "has_more_page": has_more}
        rows = [self._row(item, has_places=self.lists_locations) for item in items[begin : begin + size]]
        return JSONResponse({"code": 0, "message": "success", "items": rows, "page_context": context})

    async def _details(self, request: Request) -> Response:
        ids = request.query_params.get("item_ids", "").split(",")

        def found() -> JSONResponse:
            if len(ids) > _MOST_IDS:
                return self._error("400")
            has_places = self.details_have_locations
            rows = [self._row(self.items[one], has_places=has_places) for one in ids if one in self.items]
            return JSONResponse({"code": 0, "message": "success", "items": rows})

        return await self._refused(request, found) or found()

    async def _item(self, request: Request) -> Response:
        item = self.items.get(request.path_params["item_id"])

        def found() -> JSONResponse:
            if item is None:
                return JSONResponse({"code": 1002, "message": "Item does not exist."}, status_code=404)
            return JSONResponse({"code": 0, "message": "success", "item": self._row(item)})

        return await self._refused(request, found) or found()

    async def _locations(self, request: Request) -> Response:
        def found() -> JSONResponse:
            rows = [{"location_id": key, "location_name": name} for key, name in self.locations.items()]
            return JSONResponse({"code": 0, "message": "success", "locations": rows})

        return await self._refused(request, found) or found()

    async def _refused(self, request: Request, whole: Callable[[], JSONResponse]) -> Response | None:
        """The error that a call meets, if any."""
        fault = await self.faults.take(request.url.path, dict(request.query_params))
        if fault is not None:
            return self._error(fault) if fault in _ERRORS else common(fault, whole())
        token = request.headers.get("Authorization", "").removeprefix("Zoho-oauthtoken ")
        now = self.now()
        if token not in self.tokens or self.tokens[token] <= now:
            return self._error("401/14")
        if request.query_params.get("organization_id") != self.organisation:
            return JSONResponse({"code": 6041, "message": "No such organization"}, status_code=400)
        self.answered = [at for at in self.answered if at > now - timedelta(minutes=1)] + [now]
        if len(self.answered) > _A_MINUTE:
            return self._error("429/43")
        return None

    @staticmethod
    def _error(name: str) -> JSONResponse:
        status, code, message, headers = _ERRORS[name]
        return JSONResponse({"code": code, "message": message}, status_code=status, headers=headers)

    def _row(self, item: ZohoItem, *, has_places: bool = True) -> dict[str, Any]:
        is_loose = int(item.item_id) % 2 == 0
        numbers = [float(quantity) if "." in quantity else int(quantity) for quantity in item.stock.values()]
        total = sum(numbers)

        def loose(quantity: float) -> Any:
            return str(quantity) if is_loose else quantity

        row: dict[str, Any] = {
            "item_id": int(item.item_id) if is_loose else item.item_id,
            "sku": item.sku,
            "name": item.name,
            "status": item.status,
            "unit": "pcs",
            "item_type": "inventory" if item.track_inventory else "sales",
            "track_inventory": item.track_inventory,
            "rate": item.rate,
            "reorder_level": "",
            "last_modified_time": item.modified_at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        }
        if item.category is not None:
            row["category_name"] = item.category
        if item.brand is not None:
            row["brand"] = item.brand
        if item.track_inventory:
            row |= dict.fromkeys(("stock_on_hand", "available_stock", "actual_available_stock"), loose(total))
        if item.track_inventory and has_places:
            row["locations"] = [
                {
                    "location_id": key,
                    "location_name": self.locations.get(key, key),
                    "is_primary": place == 0,
                    "location_stock_on_hand": loose(number),
                    "location_available_stock": loose(number),
                }
                for place, (key, number) in enumerate(zip(item.stock, numbers, strict=True))
            ]
        return row


def make_items(count: int, skus: Iterable[tuple[str, str]] | None = None) -> list[ZohoItem]:
    """So many items with stock, of these SKUs and names or of made-up ones."""
    named = iter(skus) if skus is not None else ((f"Z{n:06}", f"Article {n}") for n in range(count))
    place = "460000000038080"
    return [
        ZohoItem(
            item_id=str(460000000100000 + n),
            sku=sku,
            name=name,
            stock={place: str(n * 7 % 90)},
            category="Even" if n % 2 == 0 else "Odd",
            brand="North" if n % 3 == 0 else "South",
            rate=f"{n % 50}.90",
        )
        for n, (sku, name) in zip(range(count), named, strict=False)
    ]
