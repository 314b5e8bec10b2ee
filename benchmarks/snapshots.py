"""What daily snapshots cost: rows stored against days there are, and that no row stands where nothing changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.data import write_files
from benchmarks.database import fresh_database
from benchmarks.loading import load_year
from benchmarks.measure import Figure, Report, in_own_process, timed
from syncstock_dagster import SyncStockDB
from syncstock_dagster.store.connection import libpq_url
from syncstock_dagster_tests.real_year import WEEKS

LAST_DAY = date(2011, 12, 9)

#: A row is needless where the row before it ends on the same day with the same balance.
_NEEDLESS = """
select count(*) from (
  select on_hand, lag(on_hand) over pair as before, valid_from, lag(valid_to) over pair as ended
  from syncstock.stock_ranges
  window pair as (partition by inventory_id, location_id order by valid_from)) as ranges
where on_hand = before and valid_from = ended
"""
_DENSE = """
select sum(least(valid_to, %(last)s::date + 1) - valid_from) from syncstock.stock_ranges
where valid_from <= %(last)s
"""


def run(*, full: bool) -> Report:
    """Load the year and look at what is stored."""
    del full
    report = Report("snapshots", "closing balances of every article and day of the year")
    with TemporaryDirectory() as folder, fresh_database() as url:
        year, origin = write_files(Path(folder, "year"), weeks=WEEKS)
        loaded = in_own_process(load_year, url, year)
        with psycopg.connect(libpq_url(url)) as connection:
            needless = connection.execute(_NEEDLESS).fetchone()
            dense = connection.execute(_DENSE, {"last": LAST_DAY}).fetchone()
            size = connection.execute("select pg_total_relation_size('syncstock.stock_ranges')").fetchone()
        assert needless is not None
        assert dense is not None
        assert size is not None
        db = SyncStockDB(url)
        report.stages["write them all (part of posting)"] = loaded.posting.get("snapshots", float("nan"))
        report.stages["read all articles at the end of one day"] = timed(lambda: db.daily(LAST_DAY, LAST_DAY))
    report.notes.append(origin)
    report.facts |= {
        "rows stored": loaded.snapshot_rows,
        "rows of a dense table": int(dense[0]),
        "dense against stored": f"{int(dense[0]) / loaded.snapshot_rows:.1f}x",
        "size with index, MB": round(size[0] / 1e6, 1),
    }
    report.figures.append(Figure("rows stored where nothing changed", float(needless[0]), "rows", 0.0))
    return report
