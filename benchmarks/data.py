"""What is measured on: the real year where it is there, else a made-up one of the same size.

What belongs here: finding or making rows and files. What does not: loading them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from syncstock_dagster_tests.real_year import (
    LOCATION,
    WEEKS,
    RealYear,
    make_counts,
    read_year,
    real_data,
    write_year,
)

_ROWS, _ARTICLES, _INVOICES = 541_909, 4_070, 25_900
_FIRST_DAY, _DAYS = np.datetime64("2010-12-01"), 373
_SEED = 11


def year_rows() -> tuple[pd.DataFrame, str]:
    """The rows of a year, and in words where they come from."""
    source = real_data()
    if source is not None:
        return read_year(source), "the real year (Online Retail), openings and weekly counts from a seed"
    return synthetic_year(
        _SEED
    ), "SYNCSTOCK_REAL_DATA is not set: a made-up year of the same size, from a seed"


def write_files(folder: Path, *, weeks: int) -> tuple[RealYear, str]:
    """The year as files of movements and counts, each of so many weeks."""
    rows, origin = year_rows()
    return write_year(rows, folder, seed=_SEED, weeks=weeks), origin


def write_part(rows: pd.DataFrame, counts: pd.DataFrame, folder: Path) -> RealYear:
    """Some rows and counts of the year as one file a kind."""
    return write_year(rows, folder, seed=_SEED, weeks=WEEKS, counts=counts)


def write_bare_rows(path: Path) -> int:
    """The same movements and counts as one CSV in the columns of the bare table; returns how many rows."""
    rows, _ = year_rows()
    counts = make_counts(rows, np.random.default_rng(_SEED))
    article = pd.Series(rows["StockCode"].factorize(sort=True)[0], rows.index)
    counted = pd.Categorical(counts["sku"], categories=sorted(rows["StockCode"].unique())).codes
    moves = pd.DataFrame(
        {
            "source": np.where(rows["kind"] == "adjustment", "movements", "sales"),
            "document": rows["InvoiceNo"],
            "line": "",
            "inventory_id": article,
            "location": LOCATION["code"],
            "quantity": rows["effect"],
            "effective_at": rows["InvoiceDate"],
            "reason": rows["kind"],
            "unit_price": rows["UnitPrice"],
        }
    )
    sheets = pd.DataFrame(
        {
            "source": "excel",
            "document": "",
            "line": "",
            "inventory_id": counted,
            "location": LOCATION["code"],
            "quantity": counts["counted"],
            "effective_at": counts["counted_at"],
            "reason": "count",
            "unit_price": "",
        }
    )
    table = pd.concat([moves, sheets], ignore_index=True)
    table["effective_at"] = table["effective_at"].dt.strftime("%Y-%m-%d %H:%M:00+00")
    # No cell needs quotes, and unquoted blanks are what COPY takes for null.
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    pa.csv.write_csv(pa.Table.from_pandas(table.astype(str), preserve_index=False), path, options)
    return len(table)


def synthetic_year(seed: int) -> pd.DataFrame:
    """Rows like those of the real year: as many, on as many articles and invoices, as unevenly spread."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, _DAYS, _INVOICES))
    minute = rng.integers(7 * 60, 20 * 60, _INVOICES)
    at = _FIRST_DAY.astype("datetime64[m]") + day * 1440 + minute
    at = np.sort(at)
    share = rng.lognormal(2.5, 1.0, _INVOICES)
    lines = np.maximum((share / share.sum() * _ROWS).astype(int), 1)
    lines[-1] += _ROWS - lines.sum()
    kind = rng.choice(["sale", "return", "adjustment"], _INVOICES, p=[0.78, 0.14, 0.08])
    lines[kind == "adjustment"] = 1
    lines[np.argmax(lines)] += _ROWS - lines.sum()
    kind[np.argmax(lines)] = "sale"
    of = np.repeat(np.arange(_INVOICES), lines)
    popularity = (np.arange(_ARTICLES) + 8.0) ** -0.7
    article = rng.choice(_ARTICLES, _ROWS, p=popularity / popularity.sum())
    quantity = np.minimum(rng.lognormal(1.4, 1.1, _ROWS).astype(int) + 1, 5000)
    kinds = kind[of]
    quantity = np.where(kinds == "return", -quantity, quantity)
    effect = np.where(kinds == "adjustment", quantity * rng.choice([-1, 1], _ROWS), -quantity)
    return pd.DataFrame(
        {
            "InvoiceNo": np.char.add(np.where(kinds == "return", "C", ""), (536_000 + of).astype(str)),
            "StockCode": np.char.zfill((article + 10_000).astype(str), 6),
            "Description": np.where(kinds == "adjustment", "check", "Something"),
            "Quantity": np.where(kinds == "adjustment", effect, quantity),
            "InvoiceDate": at[of].astype("datetime64[us]"),
            "UnitPrice": np.where(kinds == "adjustment", "0.0", "2.55"),
            "kind": kinds,
            "effect": effect,
        }
    )
