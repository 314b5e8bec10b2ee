"""Sources over stand-ins, each with a clock that nobody waits for.

What belongs here: builders for tests of pulls. What does not: the stand-ins themselves (``demo.vendors``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.exc import OperationalError

from syncstock_dagster import SyncStockDB
from syncstock_dagster.accounts import Accounts
from syncstock_dagster.catalog.policy import AutoCommit, CataloguePolicy, SourceChanges
from syncstock_dagster.demo.vendors.in_process import InProcess
from syncstock_dagster.demo.vendors.xorosoft import XorosoftItem, XorosoftStandIn
from syncstock_dagster.demo.vendors.zoho import ZohoStandIn, make_items
from syncstock_dagster.sources.clock import Clock
from syncstock_dagster.sources.protocol import Ask, Source
from syncstock_dagster.sources.pull import PullResult, Rules, pull
from syncstock_dagster.sources.rms import PRESET
from syncstock_dagster.sources.sql_levels import SqlSource, SqlTable
from syncstock_dagster.sources.vendors import Context, read_table
from syncstock_dagster.sources.xorosoft import Xorosoft, XorosoftTable
from syncstock_dagster.sources.zoho import Zoho, ZohoTable
from syncstock_dagster.stock.policy import Policies, SourcePolicy

ZOHO = "https://zoho.test"


class Simulated(Clock):
    """A clock that moves only when somebody waits; real time in the beginning."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC) - timedelta(hours=2)
        self.slept: list[float] = []

    @property
    def database_time(self) -> datetime | None:
        return self._now

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self._now += timedelta(seconds=seconds)

    def pass_by(self, **time: float) -> None:
        self._now += timedelta(**time)


def rules(db: SyncStockDB, *, commits: bool = True, trust: str | None = None) -> Rules:
    """The shop's rules: articles commit themselves, or wait."""
    auto = SourceChanges(auto_commit=AutoCommit(max_changes=1_000_000 if commits else 0))
    catalogue = CataloguePolicy(sources=dict.fromkeys(("zoho", "xorosoft", "rms"), auto))
    policies = db.policies
    if trust is not None:
        policy = SourcePolicy(kind="counts", trust=trust)
        policies = Policies(sources=dict.fromkeys(("zoho", "xorosoft", "rms"), policy))
    return Rules(policies, catalogue, "main")


@dataclass
class Vendor:
    """A source, what stands behind it, and how to change it there."""

    source: Source
    clock: Simulated
    #: Codes and their quantities at the vendor.
    stock: Callable[[], dict[str, str]]
    set_stock: Callable[[str, str], None]
    remove: Callable[[str], None]
    #: Makes the source fail after so many further pages, until it is called with None.
    break_after: Callable[[int | None], None]
    batch_size: int | None = None

    def ask(self, **more: Any) -> Ask:
        return Ask(batch_size=self.batch_size, **more)

    def pull(self, db: SyncStockDB, given: Rules | None = None, **more: Any) -> PullResult:
        named = {name: more.pop(name) for name in ("dry_run", "told", "then") if name in more}
        self.clock.pass_by(minutes=1)
        return pull(db.url, self.source, self.ask(**more), given or rules(db, trust="authoritative"), **named)


def accounts_of(fake: ZohoStandIn) -> Accounts:
    return Accounts(
        zoho_client_id=fake.client_id,
        zoho_client_secret=fake.client_secret,
        zoho_refresh_token=fake.refresh_token,
        zoho_organization_id=fake.organisation,
        zoho_url=ZOHO,
    )


def zoho_source(url: str, fake: ZohoStandIn, clock: Clock, **table: Any) -> Zoho:
    context = Context(url, "zoho", accounts_of(fake), clock, InProcess(fake.app))
    return Zoho(ZohoTable(**table), context)


def zoho(url: str, count: int = 45, **table: Any) -> tuple[Vendor, ZohoStandIn]:
    clock = Simulated()
    fake = ZohoStandIn(now=clock.now)
    fake.put(make_items(count))
    source = zoho_source(url, fake, clock, **table)

    def break_after(pages: int | None) -> None:
        fake.faults.heal()
        if pages is not None:
            fake.faults.next(*[None] * pages, *["500"] * 50)

    def stock() -> dict[str, str]:
        return {i.sku: next(iter(i.stock.values())) for i in fake.items.values() if i.status == "active"}

    ids = {item.sku: item.item_id for item in fake.items.values()}
    vendor = Vendor(
        source,
        clock,
        stock,
        lambda sku, quantity: fake.set_stock(ids[sku], quantity),
        lambda sku: fake.items.pop(ids[sku]) and None,
        break_after,
        batch_size=10,
    )
    return vendor, fake


def xorosoft(url: str, count: int = 45, **table: Any) -> tuple[Vendor, XorosoftStandIn]:
    clock = Simulated()
    fake = XorosoftStandIn(page_size=10)
    fake.put(
        XorosoftItem(f"id-{n}", f"X{n:05}", f"Article {n}", {"Main": str(n * 7 % 90)}, cost=f"{n}.25")
        for n in range(count)
    )
    accounts = Accounts(
        xorosoft_key=fake.key, xorosoft_secret=fake.secret, xorosoft_url="https://xorosoft.test/api/xerp/"
    )
    context = Context(url, "xorosoft", accounts, clock, InProcess(fake.app))
    given = {"locations": {"Main": "main"}, "cost_field": "StandardCost", **table}
    source = Xorosoft(XorosoftTable(**given), context)

    def break_after(pages: int | None) -> None:
        fake.faults.heal()
        if pages is not None:
            fake.faults.next(*[None] * pages, *["500"] * 50)

    return Vendor(
        source,
        clock,
        lambda: {item.number: item.stock["Main"] for item in fake.items.values()},
        fake.set_stock,
        lambda number: fake.items.pop(number) and None,
        break_after,
    ), fake


#: The view of RMS, as seen in public code, for a database that is not SQL Server.
VIEW = """
create table shop_items (ccod text, c_articulo text, description text, quantity numeric, price numeric,
                         exis00 numeric, exis57 numeric, changed timestamp);
create view view_items as
select 'F' as familia, ccod, c_articulo, description, quantity, price, exis00, exis57, changed as last_updated
from shop_items;
"""


class Breaking(SqlSource):
    """A database that goes away after some rows."""

    rows_left: int | None = None

    def _select(self, statement: Any, binds: Any) -> Iterator[Any]:
        if self.rows_left is None:
            yield from super()._select(statement, binds)
            return
        with self._told_errors():
            for row in super()._select(statement, binds):
                if self.rows_left <= 0:
                    raise OperationalError("select", {}, Exception("gone away"))
                self.rows_left -= 1
                yield row


@contextmanager
def database_of(kind: str, tmp_path: Path, make_database: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """A database with the view, its URL, and how to execute in it."""
    if kind == "sqlite":
        path = tmp_path / "rms.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(VIEW)

        def execute(text: str, *values: Any) -> None:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(text.replace("%s", "?"), values)

        yield f"sqlite:///{path}", execute
        return
    url = make_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(VIEW.encode())

        def execute_there(text: str, *values: Any) -> None:
            connection.execute(text.encode(), values or None)

        yield url, execute_there
    make_database.drop(url)


def sql(url: str, database: str, execute: Callable[..., Any], count: int = 45, **table: Any) -> Vendor:
    clock = Simulated()
    skus = {f"R{n:05}": str(n * 7 % 90) for n in range(count)}
    for n, (sku, quantity) in enumerate(skus.items()):
        execute(
            "insert into shop_items values (%s, %s, %s, %s, 9.5, 1, 2, '2026-01-01 00:00:00')",
            f"ST{n // 3}", sku, f"Article {n}", int(quantity),
        )  # fmt: skip
    given = {**PRESET, "page_size": 10, **table}
    source = Breaking("rms", read_table("rms", SqlTable, given), database, Context(url, "rms", clock=clock))

    def set_stock(sku: str, quantity: str) -> None:
        skus[sku] = quantity
        execute("update shop_items set quantity = %s where c_articulo = %s", int(quantity), sku)

    def remove(sku: str) -> None:
        del skus[sku]
        execute("delete from shop_items where c_articulo = %s", sku)

    def break_after(pages: int | None) -> None:
        source.rows_left = None if pages is None else pages * 10 + 5

    return Vendor(source, clock, lambda: dict(skus), set_stock, remove, break_after)
