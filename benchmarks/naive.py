"""The naive ways to keep stock, on the same rows: how long they take, and how often they are wrong.

What belongs here: honest small versions of what is done elsewhere. What does not: tricks that make them
slower than they are; each commits and writes a ledger, as SyncStock does, and none checks or identifies
anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import orm

from syncstock_dagster.store.connection import sqlalchemy_url


class _Base(orm.DeclarativeBase):
    """Tables of the naive ways, in schema public."""


class Stock(_Base):
    """One row: an article and what is on hand."""

    __tablename__ = "naive_stock"
    sku: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    on_hand: orm.Mapped[int] = orm.mapped_column(sa.Numeric, default=0)


class Entry(_Base):
    """One row: one change of one stock."""

    __tablename__ = "naive_ledger"
    entry_id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    sku: orm.Mapped[str]  # without a foreign key: the naive pandas way replaces all rows of the stock
    document: orm.Mapped[str | None]
    at: orm.Mapped[pd.Timestamp] = orm.mapped_column(sa.DateTime)
    delta: orm.Mapped[int] = orm.mapped_column(sa.Numeric)
    reason: orm.Mapped[str]


def load_row_by_row(url: str, rows: pd.DataFrame, counts: pd.DataFrame) -> None:
    """Through the ORM: lock and read the stock, change it, add a ledger entry; one commit a document."""
    engine = _prepared(url)
    with orm.Session(engine) as session:
        skus = sorted(set(rows["StockCode"]) | set(counts["sku"]))
        session.add_all(Stock(sku=sku, on_hand=0) for sku in skus)
        session.commit()
        for document, lines in _documents(rows, counts):
            for sku, at, quantity, reason in lines:
                stock = session.get(Stock, sku, with_for_update=True)
                assert stock is not None
                delta = quantity - stock.on_hand if reason == "count" else quantity
                stock.on_hand += delta
                session.add(Entry(sku=sku, document=document, at=at, delta=delta, reason=reason))
                session.flush()
            session.commit()
    engine.dispose()


def load_with_pandas(url: str, rows: pd.DataFrame, counts: pd.DataFrame) -> None:
    """A day at a time: read the stock, merge the day's sums and counts, write both with to_sql."""
    engine = _prepared(url)
    write = {"schema": "public", "if_exists": "append", "index": False, "method": "multi", "chunksize": 1000}
    events = _events(rows, counts)
    for _, day in events.groupby(events["at"].dt.normalize(), sort=True):
        stock = pd.read_sql_table("naive_stock", engine, schema="public")
        moved = day[day["reason"] != "count"].groupby("sku", as_index=False)["quantity"].sum()
        counted = day[day["reason"] == "count"].groupby("sku", as_index=False)["quantity"].last()
        merged = stock.merge(moved, how="outer", on="sku")
        merged = merged.merge(counted, how="left", on="sku", suffixes=("", "_counted"))
        after = merged["on_hand"].astype("float64").fillna(0) + merged["quantity"].fillna(0)
        merged["on_hand"] = merged["quantity_counted"].where(merged["quantity_counted"].notna(), after)
        entries = day.rename(columns={"quantity": "delta"})
        with engine.begin() as connection:
            connection.execute(sa.text("delete from public.naive_stock"))
            merged[["sku", "on_hand"]].to_sql("naive_stock", connection, **write)
            entries[["sku", "document", "at", "delta", "reason"]].to_sql("naive_ledger", connection, **write)
    engine.dispose()


def _prepared(url: str) -> sa.Engine:
    engine = sa.create_engine(sqlalchemy_url(url))
    with engine.begin() as connection:
        _Base.metadata.drop_all(connection)
        _Base.metadata.create_all(connection)
    return engine


def _events(rows: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    moved = pd.DataFrame(
        {
            "document": rows["InvoiceNo"],
            "sku": rows["StockCode"],
            "at": rows["InvoiceDate"],
            "quantity": rows["effect"],
            "reason": rows["kind"],
        }
    )
    counted = pd.DataFrame(
        {
            "document": None,
            "sku": counts["sku"],
            "at": counts["counted_at"],
            "quantity": counts["counted"],
            "reason": "count",
        }
    )
    return pd.concat([moved, counted]).sort_values("at", kind="stable")


def _documents(rows: pd.DataFrame, counts: pd.DataFrame) -> Iterator[tuple[str | None, list[tuple]]]:
    events = _events(rows, counts)
    events["document"] = events["document"].fillna("")
    for (_, document), lines in events.groupby(["at", "document"], sort=True):
        columns = (lines[name].tolist() for name in ("sku", "at", "quantity", "reason"))
        yield document or None, list(zip(*columns, strict=True))


@dataclass(frozen=True, slots=True)
class Upload:
    """How long after the event its evidence reaches the system. Hours unless said otherwise."""

    #: Tills send their day in the night after it.
    sales_at: int = 3
    #: One day's file in so many is late, by so many days.
    late_every: int = 50
    late_days: tuple[int, int] = (1, 3)
    #: A sheet is typed in and uploaded so long after the count.
    sheet_after: tuple[float, float] = (1.0, 36.0)

    def __str__(self) -> str:
        (soonest, latest), (low, high) = self.late_days, self.sheet_after
        return (
            f"sales reach the system at {self.sales_at}:00 of the next day, one day in {self.late_every} "
            f"{soonest} to {latest} days after that; a count is uploaded {low:.0f} to {high:.0f} hours later"
        )


def wrong_when_applied_at_upload(
    rows: pd.DataFrame, counts: pd.DataFrame, delays: Upload, seed: int
) -> tuple[int, int]:
    """Year-end stocks that are wrong when a count is applied at its upload: how many, of how many.

    Everything applies what it has in the order in which it comes: a movement is added, a count replaces. The
    right stock is law L1's: the last count made, and the movements after its instant.
    """
    rng = np.random.default_rng(seed)
    skus = pd.Index(sorted(set(rows["StockCode"]) | set(counts["sku"])))
    article = skus.get_indexer(rows["StockCode"])
    effect = rows["effect"].to_numpy()
    at = rows["InvoiceDate"].to_numpy("datetime64[m]")
    day = at.astype("datetime64[D]")
    days, of_day = np.unique(day, return_inverse=True)
    late = np.where(
        rng.random(len(days)) < 1 / delays.late_every,
        rng.integers(delays.late_days[0], delays.late_days[1] + 1, len(days)),
        0,
    )
    arrived = (days + 1 + late).astype("datetime64[m]")[of_day] + np.timedelta64(delays.sales_at * 60, "m")

    counted_article = skus.get_indexer(counts["sku"])
    counted = counts["counted"].to_numpy()
    counted_at = counts["counted_at"].to_numpy("datetime64[m]")
    low, high = delays.sheet_after
    uploaded = counted_at + (rng.uniform(low, high, len(counts)) * 60).astype("timedelta64[m]")

    right = _after_last(len(skus), article, at, effect, counted_article, counted_at, counted)
    naive = _after_last(len(skus), article, arrived, effect, counted_article, uploaded, counted)
    return int((right != naive).sum()), len(skus)


def _after_last(
    articles: int,
    article: np.ndarray,
    at: np.ndarray,
    effect: np.ndarray,
    counted_article: np.ndarray,
    counted_at: np.ndarray,
    counted: np.ndarray,
) -> np.ndarray:
    """The quantity of each article's last count plus the movements strictly after it."""
    last = np.full(articles, np.datetime64("1900-01-01T00:00", "m"))
    stock = np.zeros(articles, dtype="int64")
    order = np.argsort(counted_at, kind="stable")
    last[counted_article[order]] = counted_at[order]  # the last assignment of an article stays
    stock[counted_article[order]] = counted[order]
    after = at > last[article]
    np.add.at(stock, article[after], effect[after])
    return stock
