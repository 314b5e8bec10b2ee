"""A stand-in for Xorosoft: items and stock by page in its envelope, where HTTP 200 may say no.

What belongs here: Xorosoft's side. It knows nothing of ours.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncstock_dagster.demo.vendors.faults import Faults, common

_DATES = "%m/%d/%Y %I:%M:%S %p"
_FIRST = datetime(1970, 1, 1)  # noqa: DTZ001


@dataclass
class XorosoftItem:
    """One item of Xorosoft. ``stock`` is by store."""

    item_id: str
    number: str
    description: str
    stock: dict[str, str]
    cost: str | None = None
    updated_at: datetime = datetime(2026, 1, 1)  # noqa: DTZ001 - its dates name no zone


@dataclass
class XorosoftStandIn:
    """The state of one account, and the application that answers for it."""

    items: dict[str, XorosoftItem] = field(default_factory=dict)
    key: str = "key"
    secret: str = "secret"  # noqa: S105 - of a stand-in
    page_size: int = 100
    #: Numbers of pages come as text, and each page calls itself the first.
    is_odd: bool = False
    faults: Faults = field(default_factory=Faults)

    def put(self, items: Iterable[XorosoftItem]) -> None:
        """Add or replace items."""
        self.items |= {item.number: item for item in items}

    def set_stock(self, number: str, quantity: str) -> None:
        """Change the stock of an item in its first store."""
        stock = self.items[number].stock
        stock[next(iter(stock))] = quantity

    @property
    def app(self) -> Starlette:
        """The server."""
        base = "/api/xerp"
        return Starlette(
            routes=[
                Route(f"{base}/inventory/getinventorybyitem", self._stock),
                Route(f"{base}/product/item/getitem", self._item),
            ]
        )

    async def _stock(self, request: Request) -> Response:
        asked = dict(request.query_params)
        rows = [
            self._stock_row(item, store, quantity)
            for item in self.items.values()
            for store, quantity in item.stock.items()
            if asked.get("item_number") in (None, item.number) and asked.get("store") in (None, store)
        ]
        return await self._answer(request, rows)

    async def _item(self, request: Request) -> Response:
        since = request.query_params.get("updated_at_min")
        begin = datetime.strptime(since, _DATES) if since else _FIRST  # noqa: DTZ007
        rows = [self._item_row(item) for item in self.items.values() if item.updated_at >= begin]
        return await self._answer(request, rows)

    async def _answer(self, request: Request, rows: list[dict[str, Any]]) -> Response:
        number = int(request.query_params.get("page", "1"))
        begin, pages = (number - 1) * self.page_size, -(-len(rows) // self.page_size)
        whole = JSONResponse(
            {
                "Result": True,
                "Message": "",
                "Data": rows[begin : begin + self.page_size],
                "Page": "1" if self.is_odd else number,
                "TotalPages": str(pages) if self.is_odd else pages,
            }
        )
        fault = await self.faults.take(request.url.path, dict(request.query_params))
        if fault == "no":
            return JSONResponse({"Result": False, "Message": "The page is not available", "Data": None})
        if fault == "429":
            return JSONResponse(
                {"Message": "Too many requests"}, status_code=429, headers={"Retry-After": "5"}
            )
        if fault is not None:
            return common(fault, whole) or whole
        pair = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {pair}":
            return JSONResponse({"Message": "Unauthorized"}, status_code=401)
        return whole

    @staticmethod
    def _stock_row(item: XorosoftItem, store: str, quantity: str) -> dict[str, Any]:
        number = float(quantity) if "." in quantity else int(quantity)
        return {
            "ItemId": item.item_id,
            "ItemNumber": item.number,
            "BasePartNumber": item.number[:4],
            "ItemDescription": item.description,
            "StoreId": f"id of {store}",
            "StoreName": store,
            "OnHandQty": number,
            "AvailableQty": number,
            "AllocatedQty": 0,
            "NotAvailableQty": 0,
            "ATSQty": number,
            "QtyOnPO": 2,
            "QtyOnSO": 1,
        }

    @staticmethod
    def _item_row(item: XorosoftItem) -> dict[str, Any]:
        row: dict[str, Any] = {
            "ItemId": item.item_id,
            "ItemNumber": item.number,
            "ItemDescription": item.description,
        }
        if item.cost is not None:
            row["StandardCost"] = item.cost
        return row
