"""A process that pulls from a stand-in on loopback: ``python -m syncstock_dagster_tests.sources.puller``.

What belongs here: what a test starts, kills and starts again. Arguments: the database, the address of the stand-in,
calls a minute, and what to do: ``pull``, ``die PAGES``, or codes to read.
"""

from __future__ import annotations

import os
import signal
import sys

from syncstock_dagster import SyncStockDB
from syncstock_dagster.accounts import Accounts
from syncstock_dagster.demo.vendors.zoho import ZohoStandIn
from syncstock_dagster.sources.protocol import Ask
from syncstock_dagster.sources.pull import pull
from syncstock_dagster.sources.vendors import Context
from syncstock_dagster.sources.zoho import Zoho, ZohoTable
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster_tests.sources.vendors import rules


def main(url: str, address: str, a_minute: str, *what: str) -> None:
    known = ZohoStandIn()
    accounts = Accounts(
        zoho_client_id=known.client_id,
        zoho_client_secret=known.client_secret,
        zoho_refresh_token=known.refresh_token,
        zoho_organization_id=known.organisation,
        zoho_url=address,
    )
    db = SyncStockDB(url, policies=Policies())
    source = Zoho(ZohoTable(calls_a_minute=float(a_minute)), Context(url, "zoho", accounts))

    def told(pages: int, items: int, levels: int) -> None:
        if what[0] == "die" and pages == int(what[1]):
            os.kill(os.getpid(), signal.SIGKILL)

    ids = None if what[0] in ("pull", "die") else what
    result = pull(db.url, source, Ask(ids=ids, batch_size=10), rules(db, trust="authoritative"), told=told)
    print(result.status, result.pages, result.resumed)


if __name__ == "__main__":
    main(*sys.argv[1:])
