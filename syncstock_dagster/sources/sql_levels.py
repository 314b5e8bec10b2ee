"""Stock out of any SQL database: a query, a map of its columns, and rows streamed in the order of their SKUs.

What belongs here: reading. What does not: a particular system's query (``sources.rms`` has the one of RMS), and what
becomes of a page.

A query names no order and no filter of ours: it is wrapped. It may be any ``select`` whose SKU column is text. An error
is never an empty answer, a SKU that is not in the answer is not zero, and neither is a quantity of NULL.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, StatementError

from syncstock_dagster.accounts import read_secret
from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.settings import ZoneName
from syncstock_dagster.sources.protocol import (
    Ask,
    Can,
    Item,
    Level,
    Meter,
    Page,
    RefusedError,
    UnreachableError,
)
from syncstock_dagster.sources.vendors import (
    Context,
    LocationCode,
    NotConfiguredError,
    exact_sku,
    our_location,
    ours_twice,
    read_table,
)

_NAME = re.compile(r"[A-Za-z_]\w*")
#: SQL Server takes 2,100 parameters in a statement.
MOST_PARAMETERS = 1_000


class Columns(BaseModel):
    """Which column of the query is what. Only plain names; an alias in the query makes one of any other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: str = "sku"
    quantity: str | None = "quantity"
    style_code: str | None = None
    location: str | None = None
    updated_at: str | None = None
    name: str | None = None
    category: str | None = None
    price: str | None = None
    cost: str | None = None

    @field_validator("*")
    @classmethod
    def _is_plain(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no plain column name; give it one in the query: select ... as sku")
        return name


class SqlTable(BaseModel):
    """``[vendors.<name>]`` of a database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str
    #: The same for rows that changed, with the bind ``:since``; without it everything is pulled every time.
    changed_query: str | None = None
    #: The same for styles, with the bind ``:ccods``; without it ``query`` is wrapped.
    styles_query: str | None = None
    columns: Columns = Columns()
    #: Our location of rows that name none.
    location: LocationCode | None = None
    #: Their location to ours; one that is not named keeps its name.
    locations: dict[str, LocationCode] = Field(default_factory=dict)
    #: One column a location: column to our location. Then ``columns.quantity`` is not read.
    location_columns: dict[str, LocationCode] = Field(default_factory=dict)
    #: The zone of ``updated_at`` without an offset.
    timezone: ZoneName = "UTC"
    page_size: int = Field(default=2_000, ge=1, le=50_000)
    #: The environment variable that holds the database's URL (or, with ``_FILE`` behind it, the file that does).
    url_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_]\w*$")

    @field_validator("query", "changed_query", "styles_query")
    @classmethod
    def _says_its_bind(cls, query: str | None, about: ValidationInfo) -> str | None:
        bind = {"changed_query": ":since", "styles_query": ":ccods"}.get(about.field_name or "", "")
        if query is not None and (not query.strip() or bind not in query):
            raise ValueError(f"must be a select {f'with {bind}' if bind else ''}".strip())
        return query

    @field_validator("columns")
    @classmethod
    def _are_two(cls, columns: Columns) -> Columns:
        if columns.sku == columns.quantity:
            raise ValueError(f"{columns.sku} cannot be both the SKU and the quantity")
        return columns

    @field_validator("locations")
    @classmethod
    def _one_each(cls, locations: dict[str, str]) -> dict[str, str]:
        # Of rows that changed only some may come, so that a part would be taken for the whole.
        if twice := ours_twice(locations):
            raise ValueError(f"two rows cannot both be {twice!r}; add them up in the query")
        return locations


@dataclass(frozen=True, slots=True)
class SqlLevel:
    """A row of stock: exact, with the SKU as the database has it. A quantity of None is not said: not zero."""

    sku: str
    style_code: str | None
    location: str | None
    quantity: Decimal | None
    updated_at: datetime | None


def open_source(table: Mapping[str, Any], context: Context) -> SqlSource:
    """A database as it is configured here.

    Raises:
        NotConfiguredError: the variable that holds its URL is not set.
    """
    rules = read_table(context.name, SqlTable, table)
    variable = rules.url_variable or f"SYNCSTOCK_{context.name.upper()}_URL"
    url = read_secret(variable)
    if url is None:
        raise NotConfiguredError(f"{context.name} is not configured: set {variable} to a SQLAlchemy URL.")
    return SqlSource(context.name, rules, url, context)


class SqlSource:
    """One database."""

    def __init__(self, name: str, table: SqlTable, database: str, context: Context) -> None:
        self.name, self._table, self._clock = name, table, context.clock
        self.can = Can(incremental=table.changed_query is not None, by_id=True, by_location=True)
        self.meter = Meter()
        self._zone = ZoneInfo(table.timezone)
        try:
            address = sqlalchemy.make_url(database)
            if address.drivername in ("postgresql", "postgres"):
                address = address.set(drivername="postgresql+psycopg")
            self._password = address.password
            self._engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
        except SQLAlchemyError:
            raise RefusedError(f"The URL of {name}'s database is no SQLAlchemy URL.") from None
        except ImportError as error:
            raise RefusedError(
                f"The driver of {name}'s database is not installed: {error}. For SQL Server: "
                "pip install 'syncstock-dagster[rms]'."
            ) from None

    def keep(self, operation: Operation, pull_id: int, ask: Ask, statistics: Statistics) -> None:
        """There are no tables of its own."""

    def close(self) -> None:
        """Nothing stays open between statements."""
        self._engine.dispose()

    def pages(self, ask: Ask, position: str | None) -> Iterator[Page]:
        """Pages in the order of the SKUs; behind each stands its last one."""
        if ask.ids is not None:
            for begin in range(0, len(ask.ids), MOST_PARAMETERS):
                some = ask.ids[begin : begin + MOST_PARAMETERS]
                rest = begin + MOST_PARAMETERS
                answered_at = self._clock.now()
                rows = list(self._select(*self._of_skus(some)))
                yield self._page(rows, answered_at, str(rest) if rest < len(ask.ids) else None)
            return
        answered_at = self._clock.now()
        query = self._table.query
        binds: dict[str, Any] = {}
        if ask.since is not None:
            assert self._table.changed_query is not None, "it can"
            query, binds = (
                self._table.changed_query,
                {"since": ask.since.astimezone(self._zone).replace(tzinfo=None)},
            )
        text = self._wrapped(query, f"q.{self._table.columns.sku} > :after" if position else None)
        if position:
            binds["after"] = position
        rows_left = self._select(sqlalchemy.text(f"{text} order by q.{self._table.columns.sku}"), binds)
        yield from self._cut(rows_left, ask.batch_size or self._table.page_size, answered_at)

    def read_levels(
        self, *, skus: Iterable[str] | None = None, style_codes: Iterable[str] | None = None
    ) -> Iterator[SqlLevel]:
        """Rows of some SKUs or styles, or all, streamed; one for each SKU and location.

        A SKU is looked for whatever its case and the blanks around it.

        Raises:
            RefusedError, UnreachableError: there is no answer, which is not an empty one.
        """
        if skus is None and style_codes is None:
            statements: list[tuple[Any, dict[str, Any]]] = [
                (sqlalchemy.text(self._wrapped(self._table.query, None)), {})
            ]
        else:
            by_sku = (self._of_skus(some) for some in _batches(skus or ()))
            by_style = (self._of_styles(some) for some in _batches(style_codes or ()))
            statements = [*by_sku, *by_style]
        for statement, binds in statements:
            for row in self._select(statement, binds):
                try:
                    yield from self._levels_of(row)
                except ValueError as error:  # whoever acts on the answer must not act on a part of it
                    raise RefusedError(f"{self.name}: {error}", is_about_call=True) from None

    # -- statements --------------------------------------------------------------------------------------------

    def _wrapped(self, query: str, condition: str | None) -> str:
        text = f"select * from ({query.strip().rstrip(';')}\n) q"  # noqa: S608 - the shop's own query
        return f"{text} where {condition}" if condition else text

    def _of_skus(self, skus: Sequence[str]) -> tuple[Any, dict[str, Any]]:
        text = self._wrapped(self._table.query, f"lower(ltrim(rtrim(q.{self._table.columns.sku}))) in :skus")
        bound = sqlalchemy.text(text).bindparams(sqlalchemy.bindparam("skus", expanding=True))
        return bound, {"skus": sorted({sku.strip().lower() for sku in skus})}

    def _of_styles(self, styles: Sequence[str]) -> tuple[Any, dict[str, Any]]:
        column = self._table.columns.style_code
        if column is None:
            raise RefusedError(f"{self.name} has no column for style codes: set columns.style_code.")
        text = self._table.styles_query or self._wrapped(self._table.query, f"q.{column} in :ccods")
        bound = sqlalchemy.text(text).bindparams(sqlalchemy.bindparam("ccods", expanding=True))
        return bound, {"ccods": sorted(set(styles))}

    def _select(self, statement: Any, binds: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Rows by the lower-case names of their columns, as they come."""
        self.meter.calls += 1
        with self._told_errors(), self._engine.connect() as connection:
            streamed = connection.execution_options(stream_results=True, yield_per=1_000)
            answer = streamed.execute(statement, dict(binds))
            names = [name.lower() for name in list(answer.keys())]
            self._need(names)
            for row in answer:
                yield dict(zip(names, row, strict=True))

    def _need(self, names: Sequence[str]) -> None:
        table = self._table
        wanted = {name for name in table.columns.model_dump().values() if name is not None}
        if table.location_columns:
            wanted = (wanted - {table.columns.quantity}) | set(table.location_columns)
        if lacking := sorted(name for name in wanted if name.lower() not in names):
            raise RefusedError(f"{self.name}'s query has no column {', '.join(lacking)}.")

    @contextmanager
    def _told_errors(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise UnreachableError(f"{self.name}'s database: {self._said(error)}") from None
        except DBAPIError as error:
            said = self._said(error)
            if error.connection_invalidated:
                raise UnreachableError(f"{self.name}'s database: {said}") from None
            raise RefusedError(f"{self.name}'s database refuses the query: {said}") from None
        except StatementError as error:
            raise RefusedError(f"{self.name}'s query: {self._said(error)}") from None
        except SQLAlchemyError as error:
            raise RefusedError(f"{self.name}'s query: {type(error).__name__}") from None

    def _said(self, error: StatementError) -> str:
        text = str(error.orig).strip().partition("\n")[0][:300]
        return text.replace(self._password, "***") if self._password else text

    # -- rows --------------------------------------------------------------------------------------------------

    def _cut(self, rows: Iterator[Mapping[str, Any]], size: int, answered_at: datetime) -> Iterator[Page]:
        """Pages of about ``size`` rows; the rows of one SKU are never parted, whatever its case.

        Rows without a SKU stand before or behind all others and have no position: "" is the beginning.
        """
        column = self._table.columns.sku.lower()
        page: list[Mapping[str, Any]] = []
        last = ""
        for row in rows:
            if len(page) >= size and (row[column] is None or _folded(row[column]) != _folded(last)):
                yield self._page(page, answered_at, last)
                page = []
            page.append(row)
            last = last if row[column] is None else str(row[column])
        yield self._page(page, answered_at, None)

    def _page(self, rows: Sequence[Mapping[str, Any]], answered_at: datetime, position: str | None) -> Page:
        items: dict[str, Item] = {}
        levels: list[Level] = []
        refused: list[tuple[Mapping[str, Any], str]] = []
        understood: list[tuple[Mapping[str, Any], Item, list[SqlLevel]]] = []
        for row in rows:
            try:
                understood.append((row, self._item(row), list(self._levels_of(row))))
            except ValueError as error:
                refused.append((self._refused(row), str(error)))
        times = Counter((one.sku, one.location) for _, _, found in understood for one in found)
        for row, item, found in understood:
            if any(times[one.sku, one.location] > 1 for one in found):
                refused.append((self._refused(row), "stands twice in one location: add it up in the query"))
                continue
            items[item.code] = item
            levels += [
                Level(one.sku, one.quantity, one.sku, one.location)
                for one in found
                if one.quantity is not None
            ]
        return Page(tuple(items.values()), tuple(levels), answered_at, position, tuple(refused))

    def _refused(self, row: Mapping[str, Any]) -> dict[str, Any]:
        code = exact_sku(row[self._table.columns.sku.lower()])
        return {"id": code, "row": {name: str(value) for name, value in row.items()}}

    def _item(self, row: Mapping[str, Any]) -> Item:
        columns = self._table.columns
        change: dict[str, Any] = {"sku": self._sku(row)}
        for field, column in (
            ("name", columns.name),
            ("category", columns.category),
            ("style", columns.style_code),
        ):
            if column is not None and (text := _text(row[column.lower()])) is not None:
                change[field] = text
        for field, column in (("price", columns.price), ("cost", columns.cost)):
            value = row[column.lower()] if column is not None else None
            # A price is no quantity: the shortest decimal of a binary fraction is what somebody typed.
            value = repr(value) if isinstance(value, float) else value
            if (amount := _amount(value, str(column))) is not None:
                change[field] = amount
        if (stamp := self._updated_at(row)) is not None:
            change["modified_at"] = stamp
        return Item(change["sku"], change, change.get("category"))

    def _levels_of(self, row: Mapping[str, Any]) -> Iterator[SqlLevel]:
        table, columns = self._table, self._table.columns
        sku, stamp = self._sku(row), self._updated_at(row)
        style = _text(row[columns.style_code.lower()]) if columns.style_code else None
        if table.location_columns:
            totals: dict[str, Decimal | None] = {}
            for column, ours in table.location_columns.items():
                known, quantity = totals.get(ours, Decimal(0)), _amount(row[column.lower()], column)
                # Of several columns that are one of ours each has to say its part.
                totals[ours] = None if known is None or quantity is None else known + quantity
            for ours, total in totals.items():
                yield SqlLevel(sku, style, ours, total, stamp)
            return
        if columns.quantity is None:
            return
        place = _text(row[columns.location.lower()]) if columns.location else None
        location = table.location if place is None else our_location(table.locations, place)
        yield SqlLevel(sku, style, location, _amount(row[columns.quantity.lower()], columns.quantity), stamp)

    def _sku(self, row: Mapping[str, Any]) -> str:
        sku = exact_sku(row[self._table.columns.sku.lower()])
        if sku is None:
            raise ValueError("a row without a SKU")
        return sku

    def _updated_at(self, row: Mapping[str, Any]) -> datetime | None:
        name = self._table.columns.updated_at
        value = row[name.lower()] if name is not None else None
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                return None
        if not isinstance(value, datetime):
            return None
        return value if value.tzinfo is not None else value.replace(tzinfo=self._zone)


def _batches(codes: Iterable[str]) -> Iterator[list[str]]:
    left = iter(sorted(set(codes)))
    while some := list(islice(left, MOST_PARAMETERS)):
        yield some


def _text(value: object) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _folded(value: object) -> str:
    return str(value).strip().casefold()


def _amount(value: object, name: str) -> Decimal | None:
    """An exact amount; None where the row does not say it. A binary fraction is refused: it is not exact."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise InvalidOperation
        number = Decimal(int(value)) if isinstance(value, float) else Decimal(str(value).strip())
        if not number.is_finite():
            raise InvalidOperation
    except (InvalidOperation, OverflowError):
        raise ValueError(
            f"{name} is {str(value)[:50]!r}, which is no exact amount; cast it to a decimal in the query"
        ) from None
    return number
