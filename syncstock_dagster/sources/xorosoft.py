"""Xorosoft (XoroERP): items and stock by its interface, with its own tables kept.

What belongs here: its pages, envelope and fields, its table in ``syncstock.toml``, and what is kept as it says it
(``xorosoft_products``, ``xorosoft_sync_logs``). What does not: files (``sources.xorosoft_files``), retries, and what
becomes of a page.

There is no reference of the vendor's: several public integrations agree on what is used here. Nothing was tried against
an account.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

import httpx
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.settings import ZoneName
from syncstock_dagster.sources.pace import Pace
from syncstock_dagster.sources.protocol import Ask, Can, Item, Level, Meter, Page, RefusedError
from syncstock_dagster.sources.vendor_http import PassingError, VendorClient, json_of, retry_after
from syncstock_dagster.sources.vendors import (
    CallsADay,
    CallsAMinute,
    Context,
    FieldName,
    LocationCode,
    NotConfiguredError,
    exact_sku,
    our_location,
    ours_twice,
    read_table,
)
from syncstock_dagster.store.statements import statement

NAME = "xorosoft"
DATES = "%m/%d/%Y %I:%M:%S %p"
_STOCK, _ITEMS = "inventory/getinventorybyitem", "product/item/getitem"
_SYNC_TYPES = {"full": "full_sync", "stock": "stock_update", "price": "price_update"}

#: Their columns of stock, to those of ``xorosoft_products``.
QUANTITIES = {
    "OnHandQty": "stock_on_hand",
    "AvailableQty": "stock_available",
    "AllocatedQty": "stock_allocated",
    "NotAvailableQty": "stock_not_available",
    "ATSQty": "available_to_sell",
    "QtyOnPO": "stock_on_order",
    "QtyOnSO": "stock_on_sales_orders",
}


class FileColumns(BaseModel):
    """The headers of Xorosoft's files, for import and export."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: FieldName = "ItemNumber"
    quantity: FieldName = "OnHandQty"
    xorosoft_id: FieldName | None = "ItemId"
    warehouse: FieldName | None = "StoreName"
    name: FieldName | None = "ItemDescription"
    available: FieldName | None = "AvailableQty"
    allocated: FieldName | None = "AllocatedQty"
    on_order: FieldName | None = "QtyOnPO"
    cost: FieldName | None = None
    price: FieldName | None = None

    @model_validator(mode="after")
    def _differ(self) -> FileColumns:
        if twice := ours_twice({key: name for key, name in self.model_dump().items() if name is not None}):
            raise ValueError(f"{twice} cannot be two things")
        return self


class XorosoftTable(BaseModel):
    """``[vendors.xorosoft]``: what the shop decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Which of Xorosoft's figures is the stock.
    stock: Literal["OnHandQty", "AvailableQty", "ATSQty"] = "OnHandQty"
    #: Xorosoft's store, by name or id, to our location. One that is not named keeps its name.
    locations: dict[str, LocationCode] = Field(default_factory=dict)
    #: The zone of its dates, which name none.
    timezone: ZoneName = "UTC"
    #: The fields of an item that hold price and cost, where the account has them.
    price_field: FieldName | None = None
    cost_field: FieldName | None = None
    calls_a_minute: CallsAMinute = 60
    calls_a_day: CallsADay | None = None
    columns: FileColumns = FileColumns()

    @field_validator("locations")
    @classmethod
    def _one_each(cls, locations: dict[str, str]) -> dict[str, str]:
        # The stores of an item may stand on different pages, so that a part would be taken for the whole.
        if twice := ours_twice(locations):
            raise ValueError(f"two stores cannot both be {twice!r}; map each to its own location")
        return locations


def open_source(table: Mapping[str, Any], context: Context) -> Xorosoft:
    """Xorosoft as it is configured here.

    Raises:
        NotConfiguredError: a variable of the account is not set.
    """
    missing = context.accounts.missing("xorosoft_key", "xorosoft_secret")
    if missing:
        raise NotConfiguredError(f"Xorosoft is not configured: set {', '.join(missing)}.")
    return Xorosoft(read_table(NAME, XorosoftTable, table), context)


class Xorosoft:
    """One account."""

    name = NAME
    #: What changed is said of items only; stock is always told whole.
    can = Can(incremental=True, by_id=True, by_location=True)

    def __init__(self, table: XorosoftTable, context: Context) -> None:
        self._table, self._clock = table, context.clock
        accounts = context.accounts
        assert accounts.xorosoft_key is not None and accounts.xorosoft_secret is not None
        pair = f"{accounts.xorosoft_key.get_secret_value()}:{accounts.xorosoft_secret.get_secret_value()}"
        self._basic = base64.b64encode(pair.encode()).decode()
        self._base = accounts.xorosoft_url.rstrip("/") + "/"
        pace = Pace(
            context.url,
            f"{NAME}:{self._base}",
            calls_a_minute=table.calls_a_minute,
            calls_a_day=table.calls_a_day,
            clock=context.clock,
        )
        self._client = VendorClient(
            "Xorosoft",
            pace,
            judge=_judge,
            authorise=lambda _: (self._base, {"Authorization": f"Basic {self._basic}"}),
            clock=context.clock,
            transport=context.transport,
        )

    @property
    def meter(self) -> Meter:
        """What the calls cost so far."""
        return self._client.meter

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def keep(self, operation: Operation, pull_id: int, ask: Ask, statistics: Statistics) -> None:
        """``xorosoft_products``, and a line in ``xorosoft_sync_logs``."""
        keep_products(operation, pull_id)
        sync_type = "stock_update" if ask.ids is not None else _SYNC_TYPES[ask.what]
        log(operation.connection, sync_type, statistics, operation_id=operation.operation_id)

    # -- pages -------------------------------------------------------------------------------------------------

    def pages(self, ask: Ask, position: str | None) -> Iterator[Page]:
        """First the items, then the stock; behind each page stand part and number of the next."""
        if ask.ids is not None:
            yield from self._by_ids(ask.ids)
            return
        parts = {"full": ("items", "stock"), "stock": ("stock",), "price": ("items",)}[ask.what]
        begin, _, at = (position or f"{parts[0]}:1").partition(":")
        number = int(at)
        for part in parts[parts.index(begin) :]:
            path, read = (_ITEMS, self._items) if part == "items" else (_STOCK, self._stock)
            while True:
                since = self._since(ask) if part == "items" else {}
                rows, is_last = self._get(path, {**since, "page": number})
                following = None if part == parts[-1] else f"{parts[-1]}:1"
                yield read(rows, following if is_last else f"{part}:{number + 1}")
                if is_last:
                    break
                number += 1
            number = 1

    def _since(self, ask: Ask) -> dict[str, str]:
        if ask.since is None:
            return {}
        return {"updated_at_min": ask.since.astimezone(ZoneInfo(self._table.timezone)).strftime(DATES)}

    def _by_ids(self, ids: tuple[str, ...]) -> Iterator[Page]:
        for place, code in enumerate(ids, 1):
            rows: list[Any] = []
            number, is_last = 1, False
            while not is_last:
                more, is_last = self._get(_STOCK, {"item_number": code, "page": number})
                rows += more
                number += 1
            yield self._stock(rows, str(place) if place < len(ids) else None)

    def _items(self, rows: list[Any], position: str | None) -> Page:
        items: list[Item] = []
        refused: list[tuple[Mapping[str, Any], str]] = []
        for row in rows:
            try:
                items.append(self._item(row))
            except ValueError as error:
                refused.append(_refused(row, error))
        return Page(tuple(items), (), self._clock.now(), position, tuple(refused))

    def _item(self, row: Mapping[str, Any]) -> Item:
        code = _number_of(row)
        change: dict[str, Any] = {"sku": code}
        if (name := text(row.get("ItemDescription"))) is not None:
            change["name"] = name
        if (known := text(row.get("ItemId"))) is not None:
            change["identifiers"] = {NAME: known}
        for field, name_of in (("price", self._table.price_field), ("cost", self._table.cost_field)):
            if name_of is not None and (amount := exact(row.get(name_of), name_of)) is not None:
                change[field] = amount
        return Item(code, change)

    def _stock(self, rows: list[Any], position: str | None) -> Page:
        levels: list[Level] = []
        refused: list[tuple[Mapping[str, Any], str]] = []
        for row in rows:
            try:
                code = _number_of(row)
                store = text(row.get("StoreName")) or text(row.get("StoreId"))
                if store is None:
                    raise ValueError("stock without a store")
                place = our_location(self._table.locations, store, text(row.get("StoreId")) or store)
                amounts = {name: exact(row.get(name), name) for name in QUANTITIES}
            except ValueError as error:
                refused.append(_refused(row, error))
                continue
            quantity = amounts[self._table.stock]
            if quantity is None:
                continue
            details: dict[str, Any] = {
                QUANTITIES[name]: f"{amount:f}" for name, amount in amounts.items() if amount is not None
            }
            details |= {
                "xorosoft_id": text(row.get("ItemId")) or code,
                "warehouse_code": store,
                "name": text(row.get("ItemDescription")),
                "base_part_number": text(row.get("BasePartNumber")),
            }
            levels.append(Level(code, quantity, code, place, details=details))
        return Page((), tuple(levels), self._clock.now(), position, tuple(refused))

    def _get(self, path: str, parameters: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """The rows of one page, and whether it is the last."""
        said = self._client.get(path, parameters)
        rows, pages = said.get("Data"), text(said.get("TotalPages"))
        if not isinstance(rows, list) or pages is None or not pages.isdecimal():
            raise RefusedError("Xorosoft's answer does not say its rows and pages.", is_about_call=True)
        # The number of the page is ours: whatever it says of it, this comes to an end.
        return rows, int(parameters["page"]) >= int(pages)


def _judge(answer: httpx.Response) -> dict[str, Any]:
    status = answer.status_code
    if status >= 500:
        raise PassingError(f"HTTP {status}")
    if status == 429:
        raise PassingError("too many calls", retry_after(answer))
    if status in (401, 403):
        raise RefusedError(
            f"Xorosoft refuses the key (HTTP {status}): check SYNCSTOCK_XOROSOFT_KEY and ..._SECRET."
        )
    said = json_of(answer)
    if not isinstance(said, dict):
        raise PassingError("an answer of another form")
    if status != 200 or said.get("Result") is not True:
        message = str(said.get("Message", ""))[:300]
        raise RefusedError(f"Xorosoft says no (HTTP {status}): {message}", is_about_call=True)
    return said


def keep_products(operation: Operation, pull_id: int) -> None:
    """What is staged of a pull, into ``xorosoft_products``."""
    operation.connection.execute(
        statement("xorosoft/keep_products"), {"pull_id": pull_id, "operation_id": operation.operation_id}
    )


def log(
    connection: Connection[Any],
    sync_type: str,
    statistics: Statistics,
    *,
    status: str = "completed",
    operation_id: int | None = None,
    **more: str | None,
) -> None:
    """A line in ``xorosoft_sync_logs``; ``more``: ``error``, ``import_file``, ``export_file``."""
    numbers = {name: value for name, value in statistics.items() if isinstance(value, int | float | str)}
    connection.execute(
        "insert into xorosoft_sync_logs (sync_type, status, statistics, error, import_file, export_file, operation_id) "
        "values (%s, %s, %s::jsonb, %s, %s, %s, %s)",
        (
            sync_type,
            status,
            json.dumps(numbers),
            more.get("error"),
            more.get("import_file"),
            more.get("export_file"),
            operation_id,
        ),
    )


def log_failure(connection: Connection[Any], ask: Ask, error: Exception) -> None:
    """An exchange that brought nothing."""
    log(connection, _SYNC_TYPES[ask.what], {}, status="failed", error=str(error)[:2_000])


def text(value: object) -> str | None:
    """Ids and texts, which may be numbers."""
    if value is None or isinstance(value, dict | list | bool):
        return None
    return str(value).strip() or None


def exact(value: object, name: str) -> Decimal | None:
    """An exact amount; None where it is not said, which is not zero."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = Decimal(str(value).strip())
        if not number.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise ValueError(f"{name} is {str(value)[:50]!r}, which is no amount") from None
    return number


def _number_of(row: Any) -> str:
    code = exact_sku(row.get("ItemNumber")) if isinstance(row, dict) else None
    if code is None:
        raise ValueError("a row without ItemNumber")
    return code


def _refused(row: Any, error: ValueError) -> tuple[Mapping[str, Any], str]:
    told = row if isinstance(row, dict) else {"row": row}
    return {"id": text(told.get("ItemNumber")), "row": told}, str(error)
