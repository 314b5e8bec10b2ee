"""The demo of systems that are asked, on fewer articles and faster stand-ins."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from syncstock_dagster import POSRecord, SyncStockDB
from syncstock_dagster.demo.vendors.show import show_vendors


def test_the_demo_pulls_from_its_stand_ins_and_twice_is_as_good_as_once(db: SyncStockDB) -> None:
    db.upsert_locations(
        {"code": code, "timezone": zone}
        for code, zone in (
            ("london", "Europe/London"),
            ("cairo", "Africa/Cairo"),
            ("newyork", "America/New_York"),
        )
    )
    db.upsert_products({"sku": f"A{n:05}", "name": f"Article {n}", "inventory_id": n + 1} for n in range(120))
    then = datetime.now(UTC) - timedelta(days=1)
    counts = [
        POSRecord(n + 1, n % 50, then, location=place)
        for n in range(100)
        for place in ("london", "cairo", "newyork")
    ]
    db.run_sync(pos_counts=counts)
    console = Console(file=io.StringIO())
    (first, again, xorosoft, rms), shop = show_vendors(db, console, articles=100, calls_a_minute=6000)
    assert (first.api_calls, first.items, first.counts_new) == (1, 100, 100)
    assert (first.counts_review, first.counts_held, first.committed) == (1, 1, 100)
    assert (again.api_calls, again.counts_new) == (1, 1)
    assert (xorosoft.counts_advisory, rms.counts_advisory, len(db.conflicts())) == (100, 100, 8)
    assert (rms.pages, rms.items, rms.refused) == (1, 100, 0)
    numbers = shop["report"]["statistics"]
    assert (numbers["products_found"], numbers["variants_checked"], numbers["errors"]) == (17, 51, 0)
    assert numbers["variants_updated"] == 10
    (first, again, xorosoft, rms), shop = show_vendors(db, console, articles=100, calls_a_minute=6000)
    assert shop["report"]["statistics"]["products_found"] == 0
    assert (first.counts_new, again.counts_new, xorosoft.counts_new, rms.counts_new) == (0, 1, 0, 0)
    assert db.audit() == {}
