"""The real year of a UK online shop as SyncStock's files, and its right stock computed a second way.

What belongs here: the adapter from the columns of the "Online Retail" file to a drop folder, and the
definition of stock (law L1) in plain Python over the same rows. What does not: anything that the engine uses;
this is how a user's own adapter would look. The data is read from ``$SYNCSTOCK_REAL_DATA`` and never copied
into the project.

What the file says, and how each row is told:

- ``C...`` invoices are returns, whole invoices at a time: negative sales under a document of their own.
- The shop's own stock adjustments were rows with price 0 and no customer. The customer column is gone, but
  such an adjustment is always alone in its invoice, and its description is a reason (damaged, check, found,
  or nothing at all) and not the article's own name; a free gift stands in an invoice with others or has its
  own name. The quantity of an adjustment is already the change of stock.
- All else are sales, also postage and fees: the file lists them as articles, so they are articles.

The file has neither openings nor counts, so both are made here, from a seed. An opening covers most of what
is sold later (not all: the books may go below zero, as they do in life); a weekly count is what the rows up
to then leave on the shelf, with small differences. Some counts are made in the very minute of a movement of
the article, because that is the boundary which the definition of stock draws.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

LOCATION = {"code": "shop", "timezone": "Europe/London"}
ZONE = ZoneInfo(LOCATION["timezone"])
FIRST_MONDAY = date(2010, 11, 29)
OPENED_AT = datetime(2010, 11, 30, 18, 0)
WEEKS = 54
COUNTS_A_WEEK = 239
#: Of these, made in the very minute of a movement of the article.
TIES_A_WEEK = 30

_FREE = {"0", "0.0", "0.00"}


@dataclass(frozen=True, slots=True)
class YearFile:
    """One file of the folder."""

    path: str
    kind: Literal["products", "sales", "movements", "counts"]
    delivered_at: datetime  # aware
    rows: int


@dataclass(frozen=True, slots=True)
class RealYear:
    """The folder, its files in the order of delivery, and when what happened in a span of weeks was delivered."""

    folder: Path
    files: tuple[YearFile, ...]
    weeks: int  # in one file
    sales_delivered: dict[date, datetime]  # by the Monday with which the span begins
    adjustments_delivered: dict[date, datetime]


def real_data() -> Path | None:
    """The year's file, or None where there is none."""
    root = os.environ.get("SYNCSTOCK_REAL_DATA")
    if not root:
        return None
    path = Path(root) / "online_retail" / "sales_2010-12_2011-12.csv.gz"
    return path if path.exists() else None


def write_real_year(source: Path, folder: Path, *, seed: int = 11, weeks: int = 1) -> RealYear:
    """Write the year as files of sales, adjustments and counts, each of so many weeks."""
    return write_year(read_year(source), folder, seed=seed, weeks=weeks)


def read_year(source: Path) -> pd.DataFrame:
    """The rows with ``kind`` told and the ``effect`` on the stock."""
    text = pa.csv.ConvertOptions(
        column_types={"InvoiceNo": pa.string(), "StockCode": pa.string(), "UnitPrice": pa.string()},
        strings_can_be_null=False,
    )
    rows = pa.csv.read_csv(source, convert_options=text).to_pandas()
    returned = rows["InvoiceNo"].str.startswith("C")
    alone = ~rows["InvoiceNo"].duplicated(keep=False)
    priced = rows.loc[~rows["UnitPrice"].isin(_FREE), ["StockCode", "Description"]].drop_duplicates()
    own_name = pd.MultiIndex.from_frame(rows[["StockCode", "Description"]]).isin(
        pd.MultiIndex.from_frame(priced)
    )
    adjusted = ~returned & alone & rows["UnitPrice"].isin(_FREE) & ~own_name
    rows["kind"] = np.select([adjusted, returned], ["adjustment", "return"], "sale")
    rows["effect"] = np.where(adjusted, rows["Quantity"], -rows["Quantity"])
    return rows


def write_year(
    rows: pd.DataFrame, folder: Path, *, seed: int, weeks: int = 1, counts: pd.DataFrame | None = None
) -> RealYear:
    """Write rows as ``read_year`` gives them; counts are made from them unless they are given."""
    rng = np.random.default_rng(seed)
    spans = -(-WEEKS // weeks)
    # Sales come on the Monday after their span, one file in six some days later; the list of adjustments
    # takes its time; a count sheet lies up to five days before somebody sends it.
    sales = _deliveries(weeks, 0, 6, np.where(rng.random(spans) < 1 / 6, rng.integers(2, 11, spans), 0))
    adjustments = _deliveries(weeks, 0, 7, rng.integers(0, 25, spans))
    counted = _deliveries(weeks, -1, 20, rng.integers(0, 6, spans))
    counts = make_counts(rows, rng) if counts is None else counts
    rows = rows.assign(span=_span(rows["InvoiceDate"], weeks))
    adjusted = rows["kind"] == "adjustment"
    files = [_write_products(rows, folder)]
    for span, part in rows[~adjusted].groupby("span", sort=True):
        files.append(_write_sales(part, folder, span.date(), sales[span.date()]))
    for span, part in rows[adjusted].groupby("span", sort=True):
        files.append(_write_adjustments(part, folder, span.date(), adjustments[span.date()]))
    for span, part in counts.groupby(_span(counts["counted_at"], weeks), sort=True):
        files.append(_write_counts(part, folder, span.date(), counted[span.date()]))
    files.sort(key=lambda file: (file.delivered_at, file.path))
    return RealYear(folder, tuple(files), weeks, sales, adjustments)


def make_counts(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Openings of every article and the weekly counts: sku, counted_at (naive, local), counted."""
    codes, skus = pd.factorize(rows["StockCode"], sort=True)
    minute = rows["InvoiceDate"].to_numpy("datetime64[m]").astype("int64")
    order = np.lexsort((minute, codes))
    key = codes[order] * 10**9 + minute[order]  # minutes since 1970 have eight digits
    total = np.concatenate(([0], np.cumsum(rows["effect"].to_numpy()[order])))
    first = np.searchsorted(key, np.arange(len(skus)) * 10**9)
    moved = rows["effect"].groupby(codes).sum().reindex(range(len(skus))).to_numpy()
    opening = np.maximum(-moved * rng.uniform(0.95, 1.4, len(skus)), 0).astype("int64") + rng.integers(
        0, 40, len(skus)
    )

    article, at = _weekly_counts(codes, minute, len(skus), rng)
    chosen = np.lexsort((at, article))
    article, at = article[chosen], at[chosen]
    until = np.searchsorted(
        key, article * 10**9 + at, side="right"
    )  # a movement of that very minute is inside
    noise = rng.choice([0, -1, 1, -2, -3, -8, -40], len(article), p=[0.72, 0.1, 0.06, 0.06, 0.03, 0.02, 0.01])
    lost = pd.Series(noise).groupby(article).cumsum().to_numpy()
    counted = np.maximum(opening[article] + total[until] - total[first[article]] + lost, 0)
    weekly = pd.DataFrame(
        {"sku": skus[article], "counted_at": at.astype("datetime64[m]"), "counted": counted}
    )
    opened = pd.DataFrame({"sku": skus, "counted_at": np.datetime64(OPENED_AT, "m"), "counted": opening})
    return pd.concat([opened, weekly.sort_values(["counted_at", "sku"])], ignore_index=True)


def _weekly_counts(
    codes: np.ndarray, minute: np.ndarray, articles: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Which articles are counted when (minutes since 1970); each at most once a week."""
    article: list[np.ndarray] = []
    at: list[np.ndarray] = []
    for week in range(1, WEEKS - 1):
        monday = int(np.datetime64(FIRST_MONDAY + timedelta(weeks=week), "m").astype("int64"))
        start, end = np.searchsorted(minute, [monday, monday + 7 * 24 * 60])
        ties = min(TIES_A_WEEK, end - start)
        of_a_movement = rng.choice(np.arange(start, end), ties, replace=False)
        anywhere = rng.choice(articles, COUNTS_A_WEEK, replace=False)
        both = np.concatenate((codes[of_a_movement], anywhere))
        when = (
            monday + rng.integers(0, 6, COUNTS_A_WEEK) * 1440 + rng.integers(7 * 60, 19 * 60, COUNTS_A_WEEK)
        )
        both_at = np.concatenate((minute[of_a_movement], when))
        _, kept = np.unique(both, return_index=True)
        kept = np.sort(kept)[:COUNTS_A_WEEK]
        article.append(both[kept])
        at.append(both_at[kept])
    return np.concatenate(article), np.concatenate(at)


def _deliveries(weeks: int, days: int, hour: int, late: np.ndarray) -> dict[date, datetime]:
    """When what happened in each span is delivered: so many days after its end, and so many more."""
    begins = [FIRST_MONDAY + timedelta(weeks=weeks * number) for number in range(len(late))]
    after = 7 * weeks + days
    return {begin: _london(begin, after + int(more), hour) for begin, more in zip(begins, late, strict=True)}


def _span(at: pd.Series, weeks: int) -> pd.Series:
    """The Monday with which the span of each instant begins."""
    first = pd.Timestamp(FIRST_MONDAY)
    length = pd.Timedelta(weeks=weeks)
    return first + (at - first) // length * length


def _london(monday: date, days: int, hour: int) -> datetime:
    day = monday + timedelta(days=days)
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)


def _write_products(rows: pd.DataFrame, folder: Path) -> YearFile:
    sold = rows[(rows["kind"] == "sale") & (rows["Description"] != "")]
    last = sold.groupby("StockCode").agg(name=("Description", "last"), price=("UnitPrice", "last"))
    last = last.reindex(np.sort(rows["StockCode"].unique())).fillna("")
    table = pa.table({"sku": list(last.index), "name": last["name"].str.strip(), "price": last["price"]})
    path = "products/catalogue.csv"
    _write(table, folder / path)
    return YearFile(path, "products", _london(FIRST_MONDAY, 1, 6), len(table))


def _write_sales(rows: pd.DataFrame, folder: Path, begin: date, delivered_at: datetime) -> YearFile:
    table = pa.table(
        {
            "document": rows["InvoiceNo"],
            "sku": rows["StockCode"],
            "location": pa.array([LOCATION["code"]] * len(rows)),
            "quantity": rows["Quantity"],
            "effective_at": rows["InvoiceDate"].dt.strftime("%Y-%m-%d %H:%M"),
            "reason": rows["kind"],
            "unit_price": rows["UnitPrice"],
        }
    )
    path = f"sales/{begin}.csv"
    _write(table, folder / path)
    return YearFile(path, "sales", delivered_at, len(rows))


def _write_adjustments(rows: pd.DataFrame, folder: Path, begin: date, delivered_at: datetime) -> YearFile:
    reason = rows["Description"].str.strip()
    table = pa.table(
        {
            "document": rows["InvoiceNo"],
            "sku": rows["StockCode"],
            "location": pa.array([LOCATION["code"]] * len(rows)),
            "quantity": rows["effect"],
            "effective_at": rows["InvoiceDate"].dt.strftime("%Y-%m-%d %H:%M"),
            "reason": reason.where(reason != "", "adjustment"),
        }
    )
    path = f"movements/{begin}.csv"
    _write(table, folder / path)
    return YearFile(path, "movements", delivered_at, len(rows))


def _write_counts(counts: pd.DataFrame, folder: Path, begin: date, delivered_at: datetime) -> YearFile:
    table = pa.table(
        {
            "sku": counts["sku"],
            "counted": counts["counted"],
            "location": pa.array([LOCATION["code"]] * len(counts)),
            "counted_at": counts["counted_at"].dt.strftime("%Y-%m-%d %H:%M"),
        }
    )
    path = f"counts/{begin}.csv"
    _write(table, folder / path)
    return YearFile(path, "counts", delivered_at, len(counts))


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.csv.write_csv(table.cast(pa.schema([(f.name, pa.string()) for f in table.schema])), path)


class RightStock:
    """The stock that follows from the rows by definition: no pandas, no SQL, one article at a time."""

    def __init__(self, source: Path, year: RealYear) -> None:
        """Read the original rows, and the counts as they stand in the folder."""
        self._moves: defaultdict[str, list[tuple[datetime, int, datetime]]] = defaultdict(list)
        self._counts: defaultdict[str, list[tuple[datetime, int, datetime]]] = defaultdict(list)
        with gzip.open(source, "rt", encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        lines = Counter(row["InvoiceNo"] for row in rows)
        names = {(row["StockCode"], row["Description"]) for row in rows if float(row["UnitPrice"]) != 0}
        for row in rows:
            at = datetime.fromisoformat(row["InvoiceDate"])
            own = lines[row["InvoiceNo"]] == 1 and float(row["UnitPrice"]) == 0
            own = own and (row["StockCode"], row["Description"]) not in names and row["InvoiceNo"][0] != "C"
            delivered = year.adjustments_delivered if own else year.sales_delivered
            effect = int(row["Quantity"]) if own else -int(row["Quantity"])
            self._moves[row["StockCode"]].append((at, effect, delivered[_begin_of_span(at, year.weeks)]))
        for file in year.files:
            if file.kind == "counts":
                with (year.folder / file.path).open(encoding="utf-8", newline="") as stream:
                    for row in csv.DictReader(stream):
                        at = datetime.fromisoformat(row["counted_at"])
                        self._counts[row["sku"]].append((at, int(row["counted"]), file.delivered_at))

    @property
    def articles(self) -> Iterable[str]:
        """Every article of the year."""
        return self._moves.keys()

    def on_hand(self, *, as_of: datetime | None = None, known_at: datetime | None = None) -> dict[str, int]:
        """Law L1, word by word, with a naive local ``as_of``. Articles without evidence are left out."""
        stock: dict[str, int] = {}
        for sku, all_moves in self._moves.items():
            moves = [(at, n) for at, n, known in all_moves if _seen(at, as_of) and _seen(known, known_at)]
            counts = [
                (at, n) for at, n, known in self._counts[sku] if _seen(at, as_of) and _seen(known, known_at)
            ]
            if counts:
                counted_at, counted = max(counts)
                stock[sku] = counted + sum(n for at, n in moves if at > counted_at)
            elif moves:
                stock[sku] = sum(n for _, n in moves)
        return stock


def _seen(at: datetime, limit: datetime | None) -> bool:
    return limit is None or at <= limit


def _begin_of_span(at: datetime, weeks: int) -> date:
    return FIRST_MONDAY + timedelta(weeks=(at.date() - FIRST_MONDAY).days // 7 // weeks * weeks)
