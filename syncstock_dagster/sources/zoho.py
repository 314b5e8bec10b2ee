"""Zoho Inventory and Zoho Books: items and their stock, 200 a call.

What belongs here: Zoho's pages, its errors, and its fields. What does not: the token (``sources.zoho_token``), the
pace and retries (``sources.vendor_http``), and what becomes of a page (``sources.pull``).

Written from Zoho's specification and documentation and tried against a stand-in (``demo.vendors.zoho``), never
against an account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.sources.pace import Pace
from syncstock_dagster.sources.protocol import (
    Ask,
    Can,
    Item,
    Level,
    Meter,
    Page,
    RefusedError,
)
from syncstock_dagster.sources.vendor_http import (
    ExpiredError,
    PassingError,
    VendorClient,
    json_of,
    retry_after,
)
from syncstock_dagster.sources.vendors import (
    CallsADay,
    CallsAMinute,
    Context,
    FieldName,
    LocationCode,
    NotConfiguredError,
    exact_sku,
    read_table,
)
from syncstock_dagster.sources.zoho_token import Token, Tokens

NAME = "zoho"
_PATHS = {"inventory": "/inventory/v1", "books": "/books/v3"}
_PAGE, _IDS = 200, 100
#: Empty pages in a row, behind which no item is believed to stand.
_MOST_EMPTY = 3
#: Seconds. So long is waited where Zoho says that it was called too fast, and not for how long.
_A_MINUTE = 60.0
#: Codes of HTTP 429: the day's calls are used up; too many at once. Any other: too fast.
_OF_THE_DAY, _AT_ONCE = 45, 1070
_EXPIRED, _SCOPE = 14, 57


class ZohoTable(BaseModel):
    """``[vendors.zoho]``: what the shop decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api: Literal["inventory", "books"] = "inventory"
    #: Which of Zoho's figures is the stock.
    stock: Literal["stock_on_hand", "available_stock", "actual_available_stock"] = "stock_on_hand"
    #: One level for each of Zoho's locations, instead of one for all.
    by_location: bool = False
    #: Zoho's location, by id or name, to our code. One that is not named keeps its name.
    locations: dict[str, LocationCode] = Field(default_factory=dict)
    #: Our location of levels that are not told by location; None: the default one.
    location: LocationCode | None = None
    calls_a_minute: CallsAMinute = 60
    calls_a_day: CallsADay | None = None
    page_size: int = Field(default=_PAGE, ge=1, le=200)
    #: A column by which Zoho sorts the pages, if it shall.
    sort_column: FieldName | None = None
    #: How far an incremental pull reaches back behind the newest change that is known.
    overlap_minutes: int = Field(default=15, ge=0, le=525_600)


def open_source(table: Mapping[str, Any], context: Context) -> Zoho:
    """Zoho as it is configured here.

    Raises:
        NotConfiguredError: a variable of the account is not set.
    """
    missing = context.accounts.missing(
        "zoho_client_id", "zoho_client_secret", "zoho_refresh_token", "zoho_organization_id"
    )
    if missing:
        raise NotConfiguredError(f"Zoho is not configured: set {', '.join(missing)}.")
    return Zoho(read_table(NAME, ZohoTable, table), context)


class Zoho:
    """One organisation at Zoho."""

    name = NAME

    def __init__(self, table: ZohoTable, context: Context) -> None:
        self._table, self._clock = table, context.clock
        accounts = context.accounts
        self._organisation = str(accounts.zoho_organization_id)
        self.can = Can(incremental=True, by_id=True, by_location=True, webhooks=True)
        account = f"{NAME}:{self._organisation}"
        self._pace = Pace(
            context.url,
            account,
            calls_a_minute=table.calls_a_minute,
            calls_a_day=table.calls_a_day,
            clock=context.clock,
        )
        # The accounts server has limits of its own, so its calls do not stand in the line.
        self._token_http = httpx.Client(timeout=30, transport=context.transport)
        centre = accounts.zoho_data_centre
        server = "https://accounts.zohocloud.ca" if centre == "ca" else f"https://accounts.zoho.{centre}"
        self._tokens = Tokens(
            context.url,
            account,
            accounts,
            self._token_http,
            context.clock,
            accounts.zoho_url or server,
            accounts.zoho_url or f"https://www.zohoapis.{centre}",
        )
        self._token: Token | None = None
        self._client = VendorClient(
            "Zoho",
            self._pace,
            judge=self._judge,
            authorise=self._authorise,
            clock=context.clock,
            transport=context.transport,
        )

    @property
    def meter(self) -> Meter:
        """What the calls cost so far."""
        return self._client.meter

    def keep(self, operation: Operation, pull_id: int, ask: Ask, statistics: Statistics) -> None:
        """There are no tables of its own."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._token_http.close()

    # -- pages -------------------------------------------------------------------------------------------------

    def pages(self, ask: Ask, position: str | None) -> Iterator[Page]:
        """Pages one after the other; behind each stands the number of the next."""
        if ask.ids is not None:
            yield from self._by_ids(ask.ids)
            return
        number = int(position or 1)
        wanted: dict[str, Any] = {"per_page": min(ask.batch_size or self._table.page_size, _PAGE)}
        if ask.active_only:
            wanted["filter_by"] = "Status.Active"
        if self._table.sort_column:
            wanted["sort_column"] = self._table.sort_column
        if ask.since is not None:
            since = ask.since - timedelta(minutes=self._table.overlap_minutes)
            wanted["last_modified_time"] = since.strftime("%Y-%m-%dT%H:%M:%S+0000")
        empty = 0
        while True:
            said = self._get("/items", {**wanted, "page": number})
            context = said.get("page_context")
            if not isinstance(context, dict) or "has_more_page" not in context:
                raise RefusedError("Zoho's answer does not say whether there is a further page.")
            number += 1
            is_last = _text(context["has_more_page"]) != "true"
            empty = 0 if said.get("items") else empty + 1
            if empty >= _MOST_EMPTY and not is_last:
                raise RefusedError(f"Zoho yields {empty} pages without an item and says that more follow.")
            page = self._page(self._with_places(_list(said, "items")), None if is_last else str(number))
            if ask.since is not None and self._ignored(page, ask.since):
                page = _with_note(page, "Zoho yields items older than was asked for: its filter was ignored.")
            yield page
            if is_last:
                return

    def _by_ids(self, ids: Sequence[str]) -> Iterator[Page]:
        for start in range(0, len(ids), _IDS):
            some = ids[start : start + _IDS]
            said = self._get("/itemdetails", {"item_ids": ",".join(some)})
            rest = start + _IDS
            yield self._page(_list(said, "items"), str(rest) if rest < len(ids) else None)

    def _with_places(self, rows: list[Any]) -> list[Any]:
        """Where stock is wanted by location and the list does not tell it, the same items from their details."""
        lacking = [
            str(row["item_id"])
            for row in rows
            if self._table.by_location and isinstance(row, dict) and row.get("item_id") and _is_unplaced(row)
        ]
        details: dict[str, Any] = {}
        for start in range(0, len(lacking), _IDS):
            said = self._get("/itemdetails", {"item_ids": ",".join(lacking[start : start + _IDS])})
            details |= {str(row["item_id"]): row for row in _list(said, "items") if isinstance(row, dict)}
        return [details.get(str(row.get("item_id")), row) if isinstance(row, dict) else row for row in rows]

    def _ignored(self, page: Page, since: datetime) -> bool:
        oldest = since - timedelta(minutes=self._table.overlap_minutes, days=1)
        stamps = [item.change.get("modified_at") for item in page.items]
        return any(stamp is not None and stamp < oldest for stamp in stamps)

    def _page(self, rows: list[Any], position: str | None) -> Page:
        items: list[Item] = []
        levels: list[Level] = []
        refused: list[tuple[Mapping[str, Any], str]] = []
        for row in rows:
            try:
                item, of_item = self._understood(row)
            except ValueError as error:
                told = row if isinstance(row, dict) else {"row": row}
                refused.append(({"id": _text(told.get("item_id")), "row": told}, str(error)))
                continue
            items.append(item)
            levels += of_item
        return Page(tuple(items), tuple(levels), self._clock.now(), position, tuple(refused))

    # -- fields ------------------------------------------------------------------------------------------------

    def _understood(self, row: Any) -> tuple[Item, list[Level]]:
        code = _text(row.get("item_id")) if isinstance(row, dict) else None
        if code is None:
            raise ValueError("an item without item_id")
        sku = exact_sku(row.get("sku"))
        change: dict[str, Any] = {"identifiers": {NAME: code}}
        if sku is not None:
            change["sku"] = sku
        if (name := _text(row.get("name"))) is not None:
            change["name"] = name
        if (status := _text(row.get("status"))) is not None:
            change["is_active"] = status.lower() == "active"
        if (price := _amount(row, "rate")) is not None:
            change["price"] = price
        if (cost := _amount(row, "purchase_rate")) is not None:
            change["cost"] = cost
        category = _text(row.get("category_name"))
        if category is not None:
            change["category"] = category
        if (modified := _instant(row.get("last_modified_time"))) is not None:
            change["modified_at"] = modified
        item = Item(code, change, category, _text(row.get("brand")))
        return item, list(self._levels(row, code, sku))

    def _levels(self, row: Mapping[str, Any], code: str, sku: str | None) -> Iterator[Level]:
        if not _is_tracked(row):
            return
        if not self._table.by_location:
            if (quantity := _amount(row, self._table.stock)) is not None:
                yield Level(code, quantity, sku, self._table.location)
            return
        levels: dict[str, Decimal | None] = {}
        for place, prefix in _places(row):
            ours, quantity = (
                self._our_location(place, prefix),
                _amount(place, f"{prefix}_{self._table.stock}"),
            )
            known = levels.get(ours, Decimal(0))
            # Of several of theirs that are one of ours each has to say its part.
            levels[ours] = None if quantity is None or known is None else known + quantity
        if not levels and _amount(row, self._table.stock):
            raise ValueError("has stock, and no location of it is told: set by_location = false")
        for ours, total in levels.items():
            if total is not None:
                yield Level(code, total, sku, ours)

    def _our_location(self, place: Mapping[str, Any], prefix: str) -> str:
        ours = self._table.locations
        known, name = _text(place.get(f"{prefix}_id")), _text(place.get(f"{prefix}_name"))
        if known is None and name is None:
            raise ValueError("a level without a location")
        return ours.get(known or "") or ours.get(name or "") or name or str(known)

    # -- calls -------------------------------------------------------------------------------------------------

    def _get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        said = self._client.get(path, {"organization_id": self._organisation, **parameters})
        assert isinstance(said, dict)
        return said

    def _authorise(self, is_expired: bool) -> tuple[str, dict[str, str]]:
        # Asked for each call: another process may have refreshed it, and it may have come to its end.
        self._token = self._tokens.get(self._token.text if is_expired and self._token else None)
        address = f"{self._token.api_url}{_PATHS[self._table.api]}"
        return address, {"Authorization": f"Zoho-oauthtoken {self._token.text}"}

    def _judge(self, answer: httpx.Response) -> dict[str, Any]:
        status = answer.status_code
        if status >= 500:
            raise PassingError(f"HTTP {status}")
        if status == 429:
            raise _too_many(answer)
        said = json_of(answer)
        if not isinstance(said, dict) or "code" not in said:
            raise PassingError(f"an answer without a code (HTTP {status})")
        code, message = _code(said["code"]), str(said.get("message", ""))[:300]
        if status == 401 and code == _EXPIRED:
            raise ExpiredError
        if status == 401:
            remedy = " Grant it again with the scope of items." if code == _SCOPE else ""
            raise RefusedError(f"Zoho refuses the token (code {code}): {message}.{remedy}")
        if status != 200 or code != 0:
            told = f"Zoho answers HTTP {status}, code {code}: {message}"
            raise RefusedError(told, is_about_call=status in (200, 400, 404))
        return said


def _too_many(answer: httpx.Response) -> PassingError:
    """What HTTP 429 means; it may come from a gateway, without a code."""
    after = retry_after(answer)
    try:
        said = json_of(answer)
    except PassingError:
        said = None
    told = said if isinstance(said, dict) else {}
    code, message = _code(told.get("code")), str(told.get("message", ""))[:300]
    if code == _AT_ONCE:
        return PassingError(f"too many calls at once (code {code})", after)
    if code == _OF_THE_DAY:
        # When Zoho's day ends is not documented; an hour later one call asks again.
        return PassingError(f"the calls of this day are used up (code {code}: {message})", max(after, 3600.0))
    return PassingError(f"too many calls a minute (code {code}: {message})", after or _A_MINUTE)


def _list(said: Mapping[str, Any], name: str) -> list[Any]:
    """A list that must be there: an answer without it is not an empty one."""
    found = said.get(name)
    if not isinstance(found, list):
        raise RefusedError(f"Zoho's answer has no {name}.")
    return found


def _is_tracked(row: Mapping[str, Any]) -> bool:
    return _text(row.get("track_inventory")) != "false"


def _places(row: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    """An item's stock by location, and how its fields begin; older accounts have warehouses."""
    for places, prefix in (("locations", "location"), ("warehouses", "warehouse")):
        if isinstance(found := row.get(places), list) and found:
            return [(place, prefix) for place in found]
    return []


def _is_unplaced(row: Mapping[str, Any]) -> bool:
    return _is_tracked(row) and not _places(row)


def _text(value: object) -> str | None:
    """Ids and texts, which are numbers here and text there."""
    if value is None or isinstance(value, dict | list):
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value).strip()
    return text or None


def _amount(row: Mapping[str, Any], name: str) -> Decimal | None:
    """An exact amount; None where the row does not say it, which is not zero."""
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = Decimal(str(value))
        if not number.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise ValueError(f"{name} is {str(value)[:50]!r}, which is no amount") from None
    return number


def _instant(value: object) -> datetime | None:
    """A time with an offset; None for anything else: it is a hint only."""
    text = _text(value)
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _code(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _with_note(page: Page, note: str) -> Page:
    return Page(page.items, page.levels, page.answered_at, page.position, page.refused, (*page.notes, note))
