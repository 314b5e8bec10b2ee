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
    PausedError,
    RefusedError,
)
from syncstock_dagster.sources.vendor_http import (
    ExpiredError,
    PassingError,
    VendorClient,
    json_of,
    retry_after,
)
from syncstock_dagster.sources.vendors import Context, NotConfiguredError, read_table
from syncstock_dagster.sources.zoho_token import Token, Tokens

NAME = "zoho"
_PATHS = {"inventory": "/inventory/v1", "books": "/books/v3"}
_PAGE, _IDS = 200, 100
#: Seconds that are waited for in a run; what Zoho wants beyond ends it.
_SHORT = 60.0
#: What the codes of HTTP 429 mean: 43 and 44 too fast, 45 the day's calls, 1070 too many at once.
_TOO_FAST, _OF_THE_DAY, _AT_ONCE = (43, 44), 45, 1070
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
    locations: dict[str, str] = Field(default_factory=dict)
    #: Our location of levels that are not told by location; None: the default one.
    location: str | None = None
    calls_a_minute: float = Field(default=60, gt=0, le=6000)
    calls_a_day: int | None = Field(default=None, gt=0)
    page_size: int = Field(default=_PAGE, ge=1, le=200)
    #: A column by which Zoho sorts the pages, if it shall.
    sort_column: str | None = None
    #: How far an incremental pull reaches back behind the newest change that is known.
    overlap_minutes: int = Field(default=15, ge=0)


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
        while True:
            said = self._get("/items", {**wanted, "page": number})
            context = said.get("page_context")
            if not isinstance(context, dict) or "has_more_page" not in context:
                raise RefusedError("Zoho's answer does not say whether there is a further page.")
            number += 1
            is_last = not context["has_more_page"]
            page = self._page(_list(said, "items"), None if is_last else str(number))
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
        sku = _text(row.get("sku"))
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
        if row.get("track_inventory") is False or _text(row.get("track_inventory")) == "false":
            return
        if not self._table.by_location:
            if (quantity := _amount(row, self._table.stock)) is not None:
                yield Level(code, quantity, sku, self._table.location)
            return
        for places, prefix in (("locations", "location"), ("warehouses", "warehouse")):
            found = row.get(places)
            if not isinstance(found, list) or not found:
                continue
            for place in found:
                quantity = _amount(place, f"{prefix}_{self._table.stock}")
                if quantity is not None:
                    yield Level(code, quantity, sku, self._our_location(place, prefix))
            return

    def _our_location(self, place: Mapping[str, Any], prefix: str) -> str:
        ours = self._table.locations
        known, name = _text(place.get(f"{prefix}_id")), _text(place.get(f"{prefix}_name"))
        if known is None and name is None:
            raise ValueError("a level without a location")
        return ours.get(known or "") or ours.get(name or "") or name or str(known)

    # -- calls -------------------------------------------------------------------------------------------------

    def _get(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self._token = self._token or self._tokens.get()
        url = f"{self._token.api_url}{_PATHS[self._table.api]}{path}"
        said = self._client.get(url, {"organization_id": self._organisation, **parameters})
        assert isinstance(said, dict)
        return said

    def _authorise(self, is_expired: bool) -> dict[str, str]:
        # Asked for each call: another process may have refreshed it, and it may have come to its end.
        self._token = self._tokens.get(self._token.text if is_expired and self._token else None)
        return {"Authorization": f"Zoho-oauthtoken {self._token.text}"}

    def _judge(self, answer: httpx.Response) -> dict[str, Any]:
        status = answer.status_code
        if status >= 500:
            raise PassingError(f"HTTP {status}")
        said = json_of(answer)
        if not isinstance(said, dict) or "code" not in said:
            raise PassingError(f"an answer without a code (HTTP {status})")
        code, message = _code(said["code"]), str(said.get("message", ""))[:300]
        if status == 401 and code == _EXPIRED:
            raise ExpiredError
        if status == 401:
            remedy = " Grant it again with the scope of items." if code == _SCOPE else ""
            raise RefusedError(f"Zoho refuses the token (code {code}): {message}.{remedy}")
        if status == 429:
            self._slow_down(code, message, retry_after(answer))
        if status != 200 or code != 0:
            told = f"Zoho answers HTTP {status}, code {code}: {message}"
            raise RefusedError(told, is_about_call=status in (200, 400, 404))
        return said

    def _slow_down(self, code: int | None, message: str, after: float) -> None:
        now = self._clock.now()
        if code == _AT_ONCE:
            raise PassingError(f"too many calls at once (code {code})", after)
        if code == _OF_THE_DAY:
            # When Zoho's day ends is not documented; an hour later one call asks again.
            until = now + timedelta(seconds=max(after, 3600.0))
            because = f"Zoho's calls of this day are used up (code {code}: {message})."
        elif after <= _SHORT:
            raise PassingError(f"too many calls a minute (code {code})", after or _SHORT)
        else:
            until = now + timedelta(seconds=after)
            because = f"Zoho wants {after:.0f} seconds without a call (code {code}: {message})."
        self._pace.block(until, because)
        raise PausedError(f"{because} Calls begin again at {until:%Y-%m-%d %H:%M} UTC.", until)


def _list(said: Mapping[str, Any], name: str) -> list[Any]:
    """A list that must be there: an answer without it is not an empty one."""
    found = said.get(name)
    if not isinstance(found, list):
        raise RefusedError(f"Zoho's answer has no {name}.")
    return found


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
