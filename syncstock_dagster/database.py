"""``SyncStockDB``: the whole of SyncStock in one object, for Python, the CLI and Dagster.

What belongs here: finding the database, and one method a capability that hands over to the room that has it.
What does not: the capabilities themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, Unpack
from zoneinfo import ZoneInfo

from syncstock_dagster.settings import get_settings
from syncstock_dagster.stock.policy import Policies, load_policies
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store import schema
from syncstock_dagster.store.connection import close_idle, connect, libpq_url
from syncstock_dagster.store.storable import storable

if TYPE_CHECKING:
    from decimal import Decimal

    import pandas as pd

    from syncstock_dagster.catalog.policy import CataloguePolicy, OperationsPolicy
    from syncstock_dagster.catalog.staging import StagingResult
    from syncstock_dagster.channels.shopify.fields import Pushed
    from syncstock_dagster.operations.log import Outcome
    from syncstock_dagster.operations.rollback import RollbackPreview, Selection
    from syncstock_dagster.search.find import Answer
    from syncstock_dagster.search.update import IndexReport
    from syncstock_dagster.sources.files import ParsedFile
    from syncstock_dagster.sources.protocol import Ask
    from syncstock_dagster.sources.pull import PullResult
    from syncstock_dagster.stock.count_plans import Planned
    from syncstock_dagster.stock.counting_policy import CountingPolicy
    from syncstock_dagster.stock.deliveries import Receipt
    from syncstock_dagster.stock.evening import EveningReport
    from syncstock_dagster.stock.evidence import Evidence
    from syncstock_dagster.stock.orders.answers import OrderResult
    from syncstock_dagster.stock.orders.checking import Check
    from syncstock_dagster.stock.orders.placing import Line
    from syncstock_dagster.stock.orders.policy import OrdersPolicy
    from syncstock_dagster.stock.reading import Which
    from syncstock_dagster.stock.rebuild import RebuildReport
    from syncstock_dagster.stock.records import Records
    from syncstock_dagster.stock.variance_report import VarianceReport

#: The location of evidence that names none.
DEFAULT_LOCATION = "main"


class SyncStockDB:
    """Stock from counts and movements, in one PostgreSQL database.

    Args:
        url: ``postgresql://...``; None takes ``SYNCSTOCK_DATABASE_URL``, else starts the embedded server.
        policies: the sources' policies; None reads the configuration file.
    """

    def __init__(self, url: str | None = None, *, policies: Policies | None = None) -> None:
        settings = get_settings()
        self.policies = load_policies(settings.config_file) if policies is None else policies
        if url is None:
            url = settings.database_url
        if url is None:
            from syncstock_dagster.store.embedded import EmbeddedServer

            url = EmbeddedServer(settings.home).ensure_running()
            schema.upgrade(url)
        else:
            schema.ensure(url)
        self.url = libpq_url(url)
        with connect(self.url) as connection:
            connection.execute(
                "insert into locations (code, timezone) select %s, %s "
                "where not exists (select from locations where code = %s) on conflict do nothing",
                (DEFAULT_LOCATION, settings.timezone, DEFAULT_LOCATION),
            )

    @property
    def default_location(self) -> str:
        """The location of evidence that names none."""
        return DEFAULT_LOCATION

    def __repr__(self) -> str:
        return "SyncStockDB()"  # the URL may hold a password

    def close(self) -> None:
        """Close the connection that this thread keeps for its next call."""
        close_idle(self.url)

    # -- evidence ----------------------------------------------------------------------------------------------

    def run_sync(
        self,
        purchases: Records = (),
        sales: Records = (),
        pos_counts: Records = (),
        note: str = "",
        movements: Records = (),
        *,
        idempotency_key: str | None = None,
        recorded_at: datetime | None = None,
        again: bool = False,
        dry_run: bool = False,
        who: str | None = None,
    ) -> SyncResult:
        """Post purchases, sales, counts and other movements as one delivery, or nothing of it.

        Raises:
            BadInput: at least one value cannot be taken; all of them are listed, and nothing was posted.
        """
        from syncstock_dagster.stock.records import evidence_from_records

        return self.deliver(
            evidence_from_records(purchases, sales, pos_counts, movements, zone_of=self._zone_of),
            note=note,
            counts_like="pos",
            idempotency_key=idempotency_key,
            recorded_at=recorded_at,
            again=again,
            dry_run=dry_run,
            who=who,
        )

    def deliver(
        self,
        evidence: Evidence,
        *,
        note: str = "",
        counts_like: Literal["pos", "counts"] = "counts",
        idempotency_key: str | None = None,
        recorded_at: datetime | None = None,
        again: bool = False,
        dry_run: bool = False,
        who: str | None = None,
    ) -> SyncResult:
        """Post evidence tables, as sources yield them, as one delivery."""
        from syncstock_dagster.stock.reading import replay_time
        from syncstock_dagster.stock.sync import deliver

        return deliver(
            self.url,
            evidence,
            self.policies,
            note=note,
            default_location=DEFAULT_LOCATION,
            counts_like=counts_like,
            idempotency_key=idempotency_key,
            recorded_at=replay_time(recorded_at),
            again=again,
            dry_run=dry_run,
            who=who,
        )

    def rehearse(
        self,
        files: Iterable[ParsedFile],
        *,
        again: bool = False,
        recorded_at: datetime | None = None,
        who: str | None = None,
    ) -> list[tuple[Receipt, SyncResult | None]]:
        """What receiving and posting these files would do; nothing of it is kept."""
        from syncstock_dagster.stock.reading import replay_time
        from syncstock_dagster.stock.sync import rehearse

        return rehearse(
            self.url, files, self.policies, self.catalogue_policy,
            default_location=DEFAULT_LOCATION, again=again, recorded_at=replay_time(recorded_at), who=who,
        )  # fmt: skip

    def receive(
        self,
        parsed: ParsedFile,
        *,
        again: bool = False,
        recorded_at: datetime | None = None,
        who: str | None = None,
    ) -> Receipt:
        """Store a file that was read, whole, in state ``received``; posting follows with ``post_received``."""
        from syncstock_dagster.stock.deliveries import receive_file
        from syncstock_dagster.stock.reading import replay_time

        return receive_file(
            self.url, parsed,
            default_location=DEFAULT_LOCATION, again=again, recorded_at=replay_time(recorded_at), who=who,
        )  # fmt: skip

    def post_received(
        self,
        delivery_ids: Sequence[int] | None = None,
        *,
        days: tuple[date | str, date | str] | None = None,
        recorded_at: datetime | None = None,
        who: str | None = None,
        progress: Callable[[int, SyncResult], None] | None = None,
    ) -> list[SyncResult]:
        """Post deliveries that are received, each in one transaction: counts after what moved, else oldest first.

        Default: all; else those named, or those with a row on ``days`` (first and last, both included).
        """
        from syncstock_dagster.stock.deliveries import waiting_deliveries
        from syncstock_dagster.stock.reading import replay_time
        from syncstock_dagster.stock.sync import post_deliveries

        return post_deliveries(
            self.url,
            waiting_deliveries(self.url, days) if delivery_ids is None else delivery_ids,
            self.policies,
            self.catalogue_policy,
            default_location=DEFAULT_LOCATION,
            recorded_at=replay_time(recorded_at),
            who=who,
            progress=progress,
        )

    def pull(
        self,
        source: str,
        ask: Ask | None = None,
        *,
        changed_only: bool = False,
        dry_run: bool = False,
        who: str | None = None,
    ) -> PullResult:
        """Ask a configured source (``zoho``, ``xorosoft``, ``rms``) for articles and levels, and take them."""
        from syncstock_dagster.sources.asking import start_pull

        return start_pull(self, source, ask, changed_only=changed_only, dry_run=dry_run, who=who)

    def pull_ids(
        self, source: str, ids: Sequence[str], *, dry_run: bool = False, who: str | None = None
    ) -> PullResult:
        """Read certain articles of a source again, by its own codes."""
        from syncstock_dagster.sources.asking import read_ids

        return read_ids(self, source, ids, dry_run=dry_run, who=who)

    def pull_statistics(self, source: str, *, fresh: bool = False) -> dict[str, Any]:
        """How a source stands; kept for a minute."""
        from syncstock_dagster.sources.asking import statistics

        return statistics(self, source, fresh=fresh)

    def hint(self, source: str, codes: Sequence[str], *, event_key: str | None = None) -> int:
        """Somebody says that articles changed at a source: they are read again soon. How many hints are new."""
        from syncstock_dagster.sources.hints import receive

        return receive(self.url, source, codes, event_key=event_key)

    def release(self, *, dry_run: bool = False, who: str | None = None) -> SyncResult:
        """Replay quarantined evidence whose article, location or date is known by now."""
        from syncstock_dagster.stock.release import release

        return release(self.url, self.policies, default_location=DEFAULT_LOCATION, dry_run=dry_run, who=who)

    # -- orders ------------------------------------------------------------------------------------------------

    def order(
        self,
        lines: Iterable[Line] | None = None,
        *,
        ref: str | None = None,
        location: str | None = None,
        sync: bool = True,
        drop_folder: str | None = None,
        who: str | None = None,
        dry_run: bool = False,
    ) -> OrderResult:
        """Take an order: all of its lines are deducted at once, or none and the answer says why.

        The same ``ref`` again changes nothing and is answered as before. Without lines, what is reserved under ``ref``
        becomes the order. ``sync=False`` (and a rehearsal) goes by what is posted; otherwise newer evidence is looked
        for where nobody did for long, or where there is not enough.
        """
        from syncstock_dagster.stock.orders.placing import place

        return place(
            self.url, lines, self.orders_policy, ref=ref, location=location, default_location=DEFAULT_LOCATION,
            look=self._look(sync and not dry_run, drop_folder, who), who=who, dry_run=dry_run,
        )  # fmt: skip

    def reserve(
        self,
        lines: Iterable[Line],
        *,
        ref: str | None = None,
        location: str | None = None,
        lasting: timedelta | None = None,
        sync: bool = True,
        drop_folder: str | None = None,
        who: str | None = None,
        dry_run: bool = False,
    ) -> OrderResult:
        """Promise stock for a while; ``order(ref=...)`` makes an order of it, ``release_reservation`` gives it back."""
        from syncstock_dagster.stock.orders.placing import reserve

        return reserve(
            self.url, lines, self.orders_policy, ref=ref, location=location, default_location=DEFAULT_LOCATION,
            lasting=lasting, look=self._look(sync and not dry_run, drop_folder, who), who=who, dry_run=dry_run,
        )  # fmt: skip

    def release_reservation(self, ref: str, *, who: str | None = None, dry_run: bool = False) -> OrderResult:
        """Give back what is reserved under a reference."""
        from syncstock_dagster.stock.orders.placing import release

        return release(self.url, ref, who=who, dry_run=dry_run)

    def cancel_order(
        self,
        ref: str,
        *,
        reason: str,
        returned: bool | None = None,
        who: str | None = None,
        dry_run: bool = False,
    ) -> OrderResult:
        """Take an order back: withdrawn, or (``returned``) its goods come back now; see ``stock.orders.cancelling``."""
        from syncstock_dagster.stock.orders.cancelling import cancel

        return cancel(
            self.url, ref, self.policies, reason=reason, returned=returned, default_location=DEFAULT_LOCATION,
            second_person=self.operations_policy.second_person, who=who, dry_run=dry_run,
        )  # fmt: skip

    def reservations(self, every: bool = False) -> pd.DataFrame:
        """Reservations that hold, or all, with their lines."""
        return self._read("reservations", every=every)

    def pending_updates(self, every: bool = False) -> pd.DataFrame:
        """What was sold and the staff's sheets do not show yet; or every line of every order."""
        return self._read("pending_updates", every=every)

    def check(
        self,
        article: str | int,
        quantity: Decimal | int,
        *,
        location: str | None = None,
        drop_folder: str | None = None,
    ) -> Check:
        """Is there enough? What every source says, with its age, and the answer: yes, no, or ask a person."""
        from syncstock_dagster.sources.newer import waiting_files
        from syncstock_dagster.stock.orders.checking import check

        return check(
            self.url, article, quantity, self.policies, location=location, fresh_for=self.orders_policy.sync_after,
            files=waiting_files(self, drop_folder or get_settings().drop_folder),
        )  # fmt: skip

    def evening_report(self, day: date | None = None) -> EveningReport:
        """The report of a day (default: today, in the zone of the settings): what to change in Excel, what differs."""
        from syncstock_dagster.stock.evening import evening_report

        timezone = get_settings().timezone
        day = datetime.now(ZoneInfo(timezone)).date() if day is None else day
        return evening_report(self.url, self.policies, day, timezone=timezone)

    # -- catalogue ---------------------------------------------------------------------------------------------

    def upsert_products(
        self, products: Iterable[Mapping[str, Any]], *, dry_run: bool = False, who: str | None = None
    ) -> pd.DataFrame:
        """Insert or update products by SKU and replay what waited for them; ``sku, inventory_id`` in return.

        An ``inventory_id`` given with another SKU renames its article.

        Raises:
            BadInput: a value cannot be taken, a SKU belongs to another article, or somebody else has locked one.
        """
        from syncstock_dagster.catalog.products import products_table, upsert_rows
        from syncstock_dagster.operations.log import current_actor
        from syncstock_dagster.stock.release import release

        table = products_table(products)
        actor, _ = current_actor(who)
        release(
            self.url,
            self.policies,
            default_location=DEFAULT_LOCATION,
            name=f"{len(table)} product(s)",
            first=lambda connection: upsert_rows(connection, table, actor),
            dry_run=dry_run,
            who=actor,
        )
        return self.products(table["sku"].unique().to_pylist())[["sku", "inventory_id"]]

    def products(self, skus: Sequence[str] | None = None) -> pd.DataFrame:
        """``inventory_id, sku, name, category, price, cost, is_placeholder, version``."""
        return self._read("products", skus=None if skus is None else list(skus))

    def find_article(self, word: str) -> pd.DataFrame:
        """``inventory_id, sku, name`` of what a person may mean: exact first, one row where it is clear."""
        return self._read("find_article", word=storable(str(word)))  # what cannot be stored is not there

    def upsert_locations(
        self, locations: Iterable[Mapping[str, Any]], *, dry_run: bool = False, who: str | None = None
    ) -> SyncResult:
        """Insert or update locations (``code, timezone``, optional ``name``) and replay what waited for them."""
        from syncstock_dagster.catalog.products import upsert_locations
        from syncstock_dagster.stock.release import release

        rows = list(locations)
        return release(
            self.url,
            self.policies,
            default_location=DEFAULT_LOCATION,
            name=f"{len(rows)} location(s)",
            first=lambda connection: upsert_locations(connection, rows),
            dry_run=dry_run,
            who=who,
        )

    def locations(self) -> pd.DataFrame:
        """``code, name, timezone``."""
        return self._read("locations")

    def stage_products(
        self,
        changes: Iterable[Mapping[str, Any]],
        *,
        source: str,
        commit: bool = False,
        note: str = "",
        who: str | None = None,
        dry_run: bool = False,
    ) -> StagingResult:
        """Stage changes of articles (``catalog.changes``); what the source's policy trusts is committed with it."""
        from syncstock_dagster.catalog.staging import stage

        return stage(
            self.url, changes, self.catalogue_policy, self.policies, source=source, commit=commit, note=note,
            default_location=DEFAULT_LOCATION, who=who, dry_run=dry_run,
        )  # fmt: skip

    def change_products(
        self, changes: Iterable[Mapping[str, Any]], *, who: str | None = None, dry_run: bool = False
    ) -> StagingResult:
        """Change articles by hand, at once: all fields, codes and units, as a person says."""
        from syncstock_dagster.catalog.staging import PEOPLE

        return self.stage_products(changes, source=PEOPLE, commit=True, who=who, dry_run=dry_run)

    def staged(
        self,
        statuses: Sequence[str] | None = ("staged", "approved"),
        source: str | None = None,
        limit: int = 1000,
    ) -> pd.DataFrame:
        """Changes that wait for review or commit, with old and new of each field."""
        from syncstock_dagster.catalog.staging import staged

        return staged(self.url, statuses=statuses, source=source, limit=limit)

    def approve_staged(
        self,
        staging_ids: Sequence[int] | None = None,
        *,
        operation_uuid: str | None = None,
        reason: str,
        who: str | None = None,
        dry_run: bool = False,
    ) -> StagingResult:
        """Approve staged changes, by their ids or all of one operation; ``commit_staged`` commits them."""
        from syncstock_dagster.catalog.staging import decide_staged

        return decide_staged(
            self.url, "approved", staging_ids=staging_ids, operation_uuid=operation_uuid, reason=reason, who=who,
            dry_run=dry_run,
        )  # fmt: skip

    def reject_staged(
        self,
        staging_ids: Sequence[int] | None = None,
        *,
        operation_uuid: str | None = None,
        reason: str,
        who: str | None = None,
        dry_run: bool = False,
    ) -> StagingResult:
        """Reject staged changes: the local values stand, until the source says something else again."""
        from syncstock_dagster.catalog.staging import decide_staged

        return decide_staged(
            self.url, "rejected", staging_ids=staging_ids, operation_uuid=operation_uuid, reason=reason, who=who,
            dry_run=dry_run,
        )  # fmt: skip

    def commit_staged(
        self,
        staging_ids: Sequence[int] | None = None,
        *,
        operation_uuid: str | None = None,
        reason: str = "",
        who: str | None = None,
        dry_run: bool = False,
    ) -> StagingResult:
        """Commit what is approved in one transaction; what cannot be committed any more is left, and says why."""
        from syncstock_dagster.catalog.staging import commit_staged

        return commit_staged(
            self.url, self.policies, default_location=DEFAULT_LOCATION, staging_ids=staging_ids,
            operation_uuid=operation_uuid, reason=reason, who=who, dry_run=dry_run,
        )  # fmt: skip

    def product_states(self, inventory_ids: Sequence[int] | None = None) -> pd.DataFrame:
        """All that is known of articles, codes, units and locks included."""
        ids = None if inventory_ids is None else [int(one) for one in inventory_ids]
        return self._read("product_states", inventory_ids=ids)

    def product_versions(self, inventory_id: int) -> pd.DataFrame:
        """Every state an article ever had, oldest first, with what changed, where from and by whom."""
        return self._read("product_versions", inventory_id=int(inventory_id))

    def products_as_of(self, known_at: datetime) -> pd.DataFrame:
        """The catalogue as it was at an instant: ``inventory_id, sku, version, state``."""
        from syncstock_dagster.catalog.versions import products_as_of

        return products_as_of(self.url, known_at)

    def restore_product(
        self, inventory_id: int, version: int, *, reason: str, who: str | None = None, dry_run: bool = False
    ) -> dict[str, Any]:
        """Give an article the state of an earlier version, as a new one; field to old and new."""
        from syncstock_dagster.catalog.versions import restore_version

        return restore_version(self.url, int(inventory_id), version, reason=reason, who=who, dry_run=dry_run)[
            1
        ]

    def lock_products(
        self,
        inventory_ids: Sequence[int],
        *,
        minutes: int | None = None,
        who: str | None = None,
        dry_run: bool = False,
    ) -> list[dict[str, Any]]:
        """Keep others' changes of articles from being committed, for a while."""
        from syncstock_dagster.catalog.locks import lock_products

        minutes = self.catalogue_policy.lock_minutes if minutes is None else minutes
        return lock_products(self.url, inventory_ids, minutes=minutes, who=who, dry_run=dry_run)

    def unlock_products(
        self,
        inventory_ids: Sequence[int],
        *,
        who: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Give locks back; how many there were."""
        from syncstock_dagster.catalog.locks import unlock_products

        return unlock_products(self.url, inventory_ids, who=who, force=force, dry_run=dry_run)

    def categories(self) -> pd.DataFrame:
        """``name, parent, is_active, version, articles``."""
        return self._read("categories")

    def set_category(
        self,
        name: str,
        *,
        new_name: str | None = None,
        parent: str | None = None,
        is_active: bool | None = None,
        who: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Enter a category, rename it or put it below another."""
        from syncstock_dagster.catalog.categories import set_category

        set_category(
            self.url, name, new_name=new_name, parent=parent, is_active=is_active, who=who, dry_run=dry_run
        )

    def category_versions(self, name: str) -> pd.DataFrame:
        """Every state of the category that has or had this name."""
        return self._read("category_versions", category=name)

    # -- questions ---------------------------------------------------------------------------------------------

    def on_hand(
        self,
        as_of: datetime | date | None = None,
        known_at: datetime | None = None,
        inventory_ids: Sequence[int] | None = None,
        locations: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Stock as of an instant (default: all that is known), as known at another (default: now)."""
        from syncstock_dagster.stock import reading

        return reading.on_hand(self.url, as_of, known_at, inventory_ids, locations)

    def ledger(
        self, inventory_id: int | None = None, location: str | None = None, known_at: datetime | None = None
    ) -> pd.DataFrame:
        """Ledger entries in effective order, with the running balance of their article and location."""
        from syncstock_dagster.stock import reading

        return reading.ledger(self.url, inventory_id, location, known_at)

    def daily(self, first: date, last: date, known_at: datetime | None = None) -> pd.DataFrame:
        """Closing balances of business days, dense: each article from its first event on."""
        from syncstock_dagster.stock import reading

        return reading.daily(self.url, first, last, known_at)

    def variances(self, known_at: datetime | None = None) -> pd.DataFrame:
        """Counts with what was expected: opening, applied, review, flagged, held or rejected."""
        from syncstock_dagster.stock import reading

        return reading.variances(self.url, self.policies, known_at)

    def conflicts(self, open_only: bool = True) -> pd.DataFrame:
        """Evidence that contradicts other evidence, with both values."""
        return self._read("conflicts", open_only=open_only)

    def quarantine(self) -> pd.DataFrame:
        """Evidence that waits for an article, a location or its date."""
        return self._read("quarantine")

    def restatements(self) -> pd.DataFrame:
        """Published values that late evidence changed (law L12)."""
        return self._read("restatements")

    def search(
        self,
        question: str,
        *,
        limit: int = 10,
        category: str | None = None,
        location: str | None = None,
        in_stock: bool = False,
    ) -> Answer:
        """Articles by what they are called, despite typing errors, best first, with their stock of this instant."""
        from syncstock_dagster.search.find import search

        return search(
            self.url, question, limit=limit, category=category, location=location, in_stock=in_stock
        )

    def negative_stock(self) -> pd.DataFrame:
        """Stock below zero, with the instant since which it is (law L6)."""
        return self._read("negative_stock")

    def operations(
        self,
        limit: int = 50,
        *,
        types: Sequence[str] | None = None,
        without: Sequence[str] | None = None,
        statuses: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The newest operations: all, those of some ``types``, all ``without`` some, or those in some ``statuses``."""
        chosen = {"types": types, "without": without, "statuses": statuses}
        lists = {name: None if value is None else list(value) for name, value in chosen.items()}
        return self._read("operations", limit=limit, **lists)

    def operation_kinds(self, days: int = 30) -> pd.DataFrame:
        """How many operations there were within some days, by type and status, and the last of each."""
        return self._read("operation_kinds", days=days)

    def operation(self, operation_uuid: str) -> dict[str, Any]:
        """One operation with its stages, deliveries, changes, pushes, rollbacks, conflicts and events."""
        from syncstock_dagster.operations.reading import show_operation

        return show_operation(self.url, operation_uuid)

    def performance(self, days: int = 30, operation_type: str | None = None) -> pd.DataFrame:
        """Per day and type of operation: how often, how many failed, how long, how much, where the time goes."""
        from syncstock_dagster.operations.reading import performance

        return performance(self.url, days, operation_type)

    def activity(self) -> dict[str, Any]:
        """The last day at a glance: runs, failures, items, seconds."""
        from syncstock_dagster.operations.reading import activity

        return activity(self.url)

    def waiting(self) -> dict[str, int]:
        """What of the record waits for a person: ``staged_changes, dead_letters, requested_rollbacks``."""
        from syncstock_dagster.operations.reading import waiting

        return waiting(self.url)

    def events(
        self, position: str = "0-0-0", *, types: Sequence[str] | None = None, limit: int = 1000
    ) -> tuple[list[dict[str, Any]], str]:
        """Events after a position, and the position after them (``operations.events``)."""
        from syncstock_dagster.operations.events import read_events

        return read_events(self.url, position, types=None if types is None else list(types), limit=limit)

    def prune_events(self, days: int | None = None, *, who: str | None = None, dry_run: bool = False) -> int:
        """Delete events older than so many days (default: what the policy keeps; 0: nothing); how many there were."""
        from syncstock_dagster.operations.events import prune_events

        days = self.operations_policy.keep_events_days if days is None else days
        return prune_events(self.url, days, who=who, dry_run=dry_run) if days else 0

    def prune_files(self, days: int | None = None, *, who: str | None = None, dry_run: bool = False) -> int:
        """Delete original files that came last more than so many days ago (default: what the policy keeps; 0: none)."""
        from syncstock_dagster.stock.uploads import prune_uploads

        days = self.operations_policy.keep_files_days if days is None else days
        return prune_uploads(self.url, days, who=who, dry_run=dry_run) if days else 0

    def dead_letters(self, every: bool = False, limit: int = 100) -> pd.DataFrame:
        """Rows and calls that failed for good; those that wait, or all."""
        return self._read("dead_letters", every=every, limit=limit)

    def replay_letter(
        self, dead_letter_id: int, *, reason: str = "", who: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Do once more what failed, as it was mended; exactly once."""
        from syncstock_dagster.catalog.staging import letter_handler
        from syncstock_dagster.operations.dead_letters import replay
        from syncstock_dagster.sources.asking import opened_source, rules_of
        from syncstock_dagster.sources.pull import letter_handler as row_handler
        from syncstock_dagster.sources.staged_pages import ROW
        from syncstock_dagster.stock.letters import handlers

        known = handlers(self.url, self.policies, default_location=DEFAULT_LOCATION, zone_of=self._zone_of)
        known["product"] = letter_handler(self.catalogue_policy)
        known[ROW] = row_handler(partial(opened_source, self), self.url, rules_of(self))
        return replay(self.url, dead_letter_id, handlers=known, reason=reason, who=who, dry_run=dry_run)

    def fix_letter(
        self,
        dead_letter_id: int,
        values: Mapping[str, Any],
        *,
        who: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Mend fields of a letter that waits; the payload as it is now."""
        from syncstock_dagster.operations.dead_letters import fix

        return fix(self.url, dead_letter_id, values, who=who, dry_run=dry_run)

    def discard_letter(
        self, dead_letter_id: int, *, reason: str, who: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Give a letter up."""
        from syncstock_dagster.operations.dead_letters import discard

        return discard(self.url, dead_letter_id, reason=reason, who=who, dry_run=dry_run)

    def deliveries(self, state: str | None = None, limit: int = 50) -> pd.DataFrame:
        """The newest deliveries, of one state or of all."""
        return self._read("deliveries", state=state, limit=limit)

    # -- decisions ---------------------------------------------------------------------------------------------

    def held(self, **which: Unpack[Which]) -> pd.DataFrame:
        """Counts that wait for a person, all or those of a ``tier``, ``source``, ...; columns as in ``variances``."""
        from syncstock_dagster.stock import reading

        return reading.held(self.url, self.policies, **which)

    def approve(
        self,
        count_ids: int | Sequence[int] | None = None,
        *,
        reason: str,
        digest: str | Mapping[int, str] | None = None,
        who: str | None = None,
        dry_run: bool = False,
        **which: Unpack[Which],
    ) -> SyncResult:
        """Apply held counts: those named, or all of a ``tier``, ``source``, ``location`` or ``session``.

        ``digest`` says what was looked at (``variances``): one for one count, else one for each id. Whatever changed
        since is refused, with all of it. Above the critical limit nobody approves what they delivered.
        """
        return self._decide("applied", count_ids, reason, digest, who, dry_run, which)

    def reject(
        self,
        count_ids: int | Sequence[int] | None = None,
        *,
        reason: str,
        digest: str | Mapping[int, str] | None = None,
        who: str | None = None,
        dry_run: bool = False,
        **which: Unpack[Which],
    ) -> SyncResult:
        """Reject held counts for good; which ones as in ``approve``."""
        return self._decide("rejected", count_ids, reason, digest, who, dry_run, which)

    def ask_recount(
        self,
        count_ids: int | Sequence[int],
        *,
        reason: str,
        who: str | None = None,
        dry_run: bool = False,
    ) -> SyncResult:
        """Ask for held counts to be counted again: they stay held, and a later count answers."""
        from syncstock_dagster.stock.decisions import ask_recount

        return ask_recount(
            self.url, [count_ids] if isinstance(count_ids, int) else count_ids, self.policies,
            reason=reason, default_location=DEFAULT_LOCATION, who=who, dry_run=dry_run,
        )  # fmt: skip

    def explain_variances(
        self,
        count_ids: Sequence[int] | None = None,
        statuses: Sequence[str] | None = None,
        day: date | None = None,
    ) -> pd.DataFrame:
        """Candidate causes of variances, the likeliest of each count first, with what to check (``stock.causes``).

        Of the counts named, or of those held, flagged or to review: of a business day, or all.
        """
        from syncstock_dagster.stock.causes import explain_variances

        return explain_variances(self.url, self.policies, count_ids, statuses, day)

    def variance_facts(
        self,
        count_ids: Sequence[int] | None = None,
        statuses: Sequence[str] | None = None,
        day: date | None = None,
    ) -> pd.DataFrame:
        """What moved between the counts of these variances, what came late, and what is in doubt; one row each."""
        from syncstock_dagster.stock.causes import variance_facts

        return variance_facts(self.url, self.policies, count_ids, statuses, day)

    def not_listed(self, days: tuple[date, date] | None = None) -> pd.DataFrame:
        """Critical: stocked articles that the last sheet which should list everything does not name; never zeroed."""
        from syncstock_dagster.stock import reading

        return reading.query(self.url, "not_listed", **reading.not_listed_of(self.url, self.policies, days))

    def not_written_off(self) -> pd.DataFrame:
        """What lists that staff keep still lack (``sheet = "list"``): to be written into them, never applied."""
        return self._read("not_written_off")

    def wanted_recounts(self, every: bool = False) -> pd.DataFrame:
        """Recounts that are wanted; with ``every`` also those that a later count has answered."""
        return self._read("wanted_recounts", every=every)

    def resolve(
        self,
        conflict_id: int,
        *,
        keep: Literal["new", "old"],
        reason: str,
        who: str | None = None,
        dry_run: bool = False,
    ) -> SyncResult:
        """Choose which side of a conflict is in force."""
        from syncstock_dagster.stock.decisions import resolve_conflict

        return resolve_conflict(
            self.url, int(conflict_id), keep, self.policies,
            reason=reason, default_location=DEFAULT_LOCATION, who=who, dry_run=dry_run,
        )  # fmt: skip

    def rollback(
        self,
        operation_uuid: str,
        *,
        reason: str,
        tables: Sequence[str] | None = None,
        locations: Sequence[str] | None = None,
        inventory_ids: Sequence[int] | None = None,
        include_dependents: bool = False,
        digest: str | None = None,
        who: str | None = None,
        dry_run: bool = False,
    ) -> SyncResult:
        """Withdraw what an operation brought; an operation that is a rollback gives back what it withdrew.

        In full, or only of some ``tables`` (movements, counts, products), ``locations`` or articles. ``digest`` is
        that of a preview: where something else would happen by now, nothing does.
        """
        from syncstock_dagster.operations.rollback import roll_back

        return roll_back(
            self.url, operation_uuid, self.policies, reason=reason, default_location=DEFAULT_LOCATION,
            selection=_selection(tables, locations, inventory_ids), include_dependents=include_dependents,
            digest=digest, second_person=self.operations_policy.second_person, who=who, dry_run=dry_run,
        )  # fmt: skip

    def preview_rollback(
        self,
        operation_uuid: str,
        *,
        tables: Sequence[str] | None = None,
        locations: Sequence[str] | None = None,
        inventory_ids: Sequence[int] | None = None,
    ) -> RollbackPreview:
        """What a rollback would change, what depends on it, and what went out of the house; nothing is kept."""
        from syncstock_dagster.operations.rollback import preview_rollback

        return preview_rollback(
            self.url, operation_uuid, self.policies, default_location=DEFAULT_LOCATION,
            selection=_selection(tables, locations, inventory_ids),
        )  # fmt: skip

    def refuse_rollback(
        self, operation_uuid: str, *, reason: str, who: str | None = None, dry_run: bool = False
    ) -> int:
        """Refuse a rollback that waits for a second person; how many requests there were."""
        from syncstock_dagster.operations.rollback import refuse_rollback

        return refuse_rollback(self.url, operation_uuid, reason=reason, who=who, dry_run=dry_run)

    def rollbacks(self, limit: int = 50) -> pd.DataFrame:
        """Rollbacks, done and asked for, newest first."""
        return self._read("rollbacks", limit=limit)

    def close_day(
        self,
        day: date,
        locations: Sequence[str] | None = None,
        *,
        who: str | None = None,
        dry_run: bool = False,
    ) -> SyncResult:
        """Publish all days up to ``day``: what changes them later is a restatement (law L12)."""
        from syncstock_dagster.stock.closing import close_day

        return close_day(self.url, day, locations, who=who, dry_run=dry_run)

    # -- counting ----------------------------------------------------------------------------------------------

    def abc_classes(self, as_of: date | None = None, location: str | None = None) -> pd.DataFrame:
        """Articles by the value that moved, with their class: of one location, or of all together."""
        from syncstock_dagster.stock.abc import abc_classes

        return abc_classes(self.url, self.counting_policy, as_of, location)

    def accuracy(
        self, first: date | None = None, last: date | None = None, by: Iterable[str] = ()
    ) -> pd.DataFrame:
        """Inventory record accuracy of some days, by day, month, location, category or class; never netted."""
        from syncstock_dagster.stock.accuracy import accuracy

        return accuracy(self.url, self.counting_policy, first, last, by)

    def shrinkage(
        self, first: date | None = None, last: date | None = None, by: Iterable[str] = ("reason",)
    ) -> pd.DataFrame:
        """What was lost and found in some days, in units and value, by reason and whatever accuracy takes."""
        from syncstock_dagster.stock.accuracy import shrinkage

        return shrinkage(self.url, self.counting_policy, first, last, by)

    def variance_report(self, day: date) -> VarianceReport:
        """What the counts of a business day found, and the trend of the days before."""
        from syncstock_dagster.stock.variance_report import variance_report

        return variance_report(self.url, self.policies, self.counting_policy, day)

    def plan_counts(
        self,
        location: str,
        day: date,
        *,
        days: int = 1,
        counters: Sequence[str] | None = None,
        lines_a_day: int | None = None,
        is_blind: bool = True,
        who: str | None = None,
        dry_run: bool = False,
    ) -> Planned:
        """Plan who counts what at a location in the next days, the most urgent first."""
        from syncstock_dagster.stock.count_plans import plan_counts

        return plan_counts(
            self.url, self.counting_policy, location, day, days=days, counters=counters, lines_a_day=lines_a_day,
            is_blind=is_blind, who=who, dry_run=dry_run,
        )  # fmt: skip

    def count_plans(self, every: bool = False) -> pd.DataFrame:
        """Count plans that still wait for a count, or all, with how far they are."""
        from syncstock_dagster.stock.count_plans import count_plans

        return count_plans(self.url, every)

    def plan_lines(self, plan_id: int) -> pd.DataFrame:
        """The lines of a count plan: planned, counted or skipped."""
        from syncstock_dagster.stock.count_plans import plan_lines

        return plan_lines(self.url, int(plan_id))

    def skip_lines(
        self,
        plan_id: int,
        inventory_ids: Sequence[int] | None = None,
        *,
        reason: str,
        who: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """Give up lines of a count plan that are open, all of them or some; how many."""
        from syncstock_dagster.stock.count_plans import skip_lines

        return skip_lines(self.url, int(plan_id), inventory_ids, reason=reason, who=who, dry_run=dry_run)

    def request_blind_recount(
        self,
        *,
        count_ids: Sequence[int] = (),
        inventory_ids: Sequence[int] = (),
        location: str | None = None,
        counters: Sequence[str] = (),
        since: datetime | None = None,
        tolerance: Decimal | int | None = None,
        reason: str,
        who: str | None = None,
        dry_run: bool = False,
    ) -> list[int]:
        """Have counts made again by somebody else, or articles counted by two people, blind."""
        from syncstock_dagster.stock.recounts import request_blind_recount

        return request_blind_recount(
            self.url, self.counting_policy, count_ids=count_ids, inventory_ids=inventory_ids, location=location,
            counters=counters, since=since, tolerance=tolerance, reason=reason, who=who, dry_run=dry_run,
        )  # fmt: skip

    def blind_recounts(self, every: bool = False) -> pd.DataFrame:
        """Recounts that are not finished, or all: waiting, third, person, agreed or cancelled."""
        from syncstock_dagster.stock.recounts import recounts

        return recounts(self.url, every)

    def cancel_blind_recount(
        self, recount_id: int, *, reason: str, who: str | None = None, dry_run: bool = False
    ) -> int:
        """Wait no longer for a recount; how many of its lines were given up."""
        from syncstock_dagster.stock.recounts import cancel_blind_recount

        return cancel_blind_recount(self.url, int(recount_id), reason=reason, who=who, dry_run=dry_run)

    # -- Shopify -----------------------------------------------------------------------------------------------

    def sync_shopify(
        self, kind: Literal["reverse", "push"] = "reverse", *, day: date | None = None, who: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Send stock to Shopify: products that were missed (``reverse``), or all that changed (``push``). The report.

        ``options`` are those of ``channels.shopify.policy.Options``; by default those of the settings.
        """
        from syncstock_dagster.channels.shopify import sync

        with sync.opened(self.url) as channel:
            return sync.execute(channel, kind, day=day, options=sync.options_of(**options), who=who)

    def plan_shopify(
        self, kind: Literal["reverse", "push"] = "reverse", *, dry_run: bool = False, who: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Find out what there is to send, and keep it as a plan; with ``dry_run`` as one that cannot be applied."""
        from syncstock_dagster.channels.shopify import sync

        with sync.opened(self.url) as channel:
            needed = sync.needed(channel)
            return sync.plan(needed, kind, options=sync.options_of(**options), is_dry_run=dry_run, who=who)

    def apply_shopify(self, which: str | None = None, *, who: str | None = None) -> dict[str, Any]:
        """Carry out a plan, or what is left of it; exactly once."""
        from syncstock_dagster.channels.shopify import sync

        with sync.opened(self.url) as channel:
            return sync.apply(sync.needed(channel), which, who=who)

    def shopify_status(self, which: str | None = None) -> dict[str, Any]:
        """How the last run to Shopify stands, or one that is named."""
        from syncstock_dagster.channels.shopify.sync import status

        return status(self.url, which)

    def shopify_deletions(self, which: str | None = None) -> list[dict[str, Any]]:
        """Variants of a run that may go, went or stay, each with its reason."""
        from syncstock_dagster.channels.shopify.record import deletions, find_sync

        return deletions(self.url, find_sync(self.url, which).sync_id)

    def decide_shopify_deletions(
        self,
        decision: Literal["approved", "rejected"],
        which: str | None = None,
        *,
        skus: Sequence[str] | None = None,
        reason: str,
        who: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Approve or reject deletions that wait; ``apply_shopify`` carries out what is approved."""
        from syncstock_dagster.channels.shopify.sync import decide_deletions

        return decide_deletions(self.url, which, decision, skus=skus, reason=reason, who=who, dry_run=dry_run)

    def pull_shopify_products(self, *, who: str | None = None, dry_run: bool = False) -> StagingResult:
        """Stage what Shopify says of its articles: names, SKUs, codes, prices, costs, categories, status."""
        from syncstock_dagster.channels.shopify import fields, sync

        with sync.opened(self.url) as channel:
            needed = sync.needed(channel)
            return fields.pull(needed, self.catalogue_policy, self.policies, who=who, dry_run=dry_run)

    def push_shopify_products(self, *, who: str | None = None, dry_run: bool = False) -> Pushed:
        """Send Shopify what was changed here of articles since both sides agreed."""
        from syncstock_dagster.channels.shopify import fields, sync

        with sync.opened(self.url) as channel:
            return fields.push(sync.needed(channel), who=who, dry_run=dry_run)

    def preview_shopify_rollback(self, which: str | None = None) -> dict[str, Any]:
        """What ``rollback_shopify`` would do: each level with what it was, what was written, and what it is now."""
        from syncstock_dagster.channels.shopify import sync

        with sync.opened(self.url) as channel:
            return sync.preview_roll_back(sync.needed(channel), which)

    def rollback_shopify(
        self, which: str | None = None, *, reason: str, who: str | None = None
    ) -> dict[str, Any]:
        """Take back what a run sent, where the shop still has it as we wrote it."""
        from syncstock_dagster.channels.shopify import sync

        with sync.opened(self.url) as channel:
            return sync.roll_back(sync.needed(channel), which, reason=reason, who=who)

    # -- care --------------------------------------------------------------------------------------------------

    def audit(self) -> dict[str, pd.DataFrame]:
        """Law to offending rows; empty when all laws hold in the stored data."""
        from syncstock_dagster.stock.audit import audit

        return audit(self.url)

    def rebuild(self, *, dry_run: bool = False, who: str | None = None) -> RebuildReport:
        """Verify the ledger against the evidence and recompute the caches; the ledger is mended by new entries."""
        from syncstock_dagster.stock.rebuild import rebuild

        return rebuild(self.url, dry_run=dry_run, who=who)

    def update_search(self, *, rebuild: bool = False) -> IndexReport:
        """Make the search index equal to the catalogue; ``rebuild`` makes it from nothing."""
        from syncstock_dagster.search.update import update_index

        return update_index(self.url, rebuild=rebuild)

    def get_status(self) -> dict[str, Any]:
        """``status`` OK, RUNNING or ERROR, ``notes``, and what waits for a person."""
        return self._records("select * from get_status()")[0]

    def get_watermarks(self) -> list[dict[str, Any]]:
        """One dict a source: ``source_type, last_processed_at, lateness, cursor, updated_at``."""
        return self._records("select * from get_watermarks()")

    def reset_watermarks(self) -> int:
        """Forget how far each source was read; nothing that was applied changes. Returns how many were reset."""
        return int(self._records("select reset_watermarks() as reset")[0]["reset"])

    # -- plumbing ----------------------------------------------------------------------------------------------

    @cached_property
    def catalogue_policy(self) -> CataloguePolicy:
        """The ``[catalogue]`` table of the configuration file."""
        from syncstock_dagster.catalog.policy import load_catalogue_policy

        return load_catalogue_policy(get_settings().config_file)

    @cached_property
    def counting_policy(self) -> CountingPolicy:
        """The ``[counting]`` table of the configuration file."""
        from syncstock_dagster.stock.counting_policy import load_counting_policy

        return load_counting_policy(get_settings().config_file)

    @cached_property
    def operations_policy(self) -> OperationsPolicy:
        """The ``[operations]`` table of the configuration file."""
        from syncstock_dagster.catalog.policy import load_operations_policy

        return load_operations_policy(get_settings().config_file)

    @cached_property
    def orders_policy(self) -> OrdersPolicy:
        """The ``[orders]`` table of the configuration file."""
        from syncstock_dagster.stock.orders.policy import load_orders_policy

        return load_orders_policy(get_settings().config_file)

    def _look(
        self, wanted: bool, drop_folder: str | None, who: str | None
    ) -> Callable[[], tuple[str, ...]] | None:
        from syncstock_dagster.sources.newer import look_for_newer

        settings = get_settings()
        folder = drop_folder or settings.drop_folder
        if not wanted:
            return None
        return lambda: look_for_newer(self, folder, settle_seconds=settings.settle_seconds, who=who)

    def _decide(
        self,
        decision: Literal["applied", "rejected"],
        count_ids: int | Sequence[int] | None,
        reason: str,
        digest: str | Mapping[int, str] | None,
        who: str | None,
        dry_run: bool,
        which: Which,
    ) -> SyncResult:
        from syncstock_dagster.stock.decisions import asked_counts, decide_counts

        ids, digests = asked_counts(count_ids, digest, which, lambda: self.held(**which))
        return decide_counts(
            self.url, ids, decision, self.policies, reason=reason, default_location=DEFAULT_LOCATION, digests=digests,
            who=who, dry_run=dry_run,
        )  # fmt: skip

    def _zone_of(self, location: str | None) -> str | None:
        zones = self._records("select code, timezone from locations")
        return next((row["timezone"] for row in zones if row["code"] == (location or DEFAULT_LOCATION)), None)

    @property
    def _read(self) -> Callable[..., pd.DataFrame]:
        from syncstock_dagster.stock.reading import query

        return partial(query, self.url)

    def _records(self, statement: str) -> list[dict[str, Any]]:
        with connect(self.url) as connection:
            cursor = connection.execute(statement.encode())
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]


def _selection(
    tables: Sequence[str] | None, locations: Sequence[str] | None, inventory_ids: Sequence[int] | None
) -> Selection:
    from syncstock_dagster.operations.rollback import Selection

    return Selection(
        None if tables is None else tuple(tables),
        None if locations is None else tuple(locations),
        None if inventory_ids is None else tuple(int(one) for one in inventory_ids),
    )


def run_syncstock(
    db: SyncStockDB,
    purchases: Records = (),
    sales: Records = (),
    pos_counts: Records = (),
    note: str = "",
    movements: Records = (),
    *,
    idempotency_key: str | None = None,
    recorded_at: datetime | None = None,
    again: bool = False,
    dry_run: bool = False,
    who: str | None = None,
) -> SyncResult:
    """The same as ``db.run_sync``."""
    return db.run_sync(
        purchases, sales, pos_counts, note, movements,
        idempotency_key=idempotency_key, recorded_at=recorded_at, again=again, dry_run=dry_run, who=who,
    )  # fmt: skip
