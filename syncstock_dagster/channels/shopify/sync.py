"""Runs, from beginning to end: what the faces call.

What belongs here: the plain functions ``execute``, ``plan``, ``apply``, ``dry_run``, ``status``, ``config``,
``decide_deletions``, ``preview_roll_back`` and ``roll_back``; discovery, workers, and the operations under which all of
it is on record. What does not: the work on products.

A run is an operation of type ``plan`` when it begins and one of type ``push`` when it ends; what it sends between them
is on record in tables of its own (``record``), because no transaction may be open while a shop is spoken to.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo

import httpx
from psycopg import Connection

from syncstock_dagster.accounts import Accounts, read_accounts
from syncstock_dagster.channels.shopify import record, shop
from syncstock_dagster.channels.shopify.applying import Work, replay_open_calls, work_batch
from syncstock_dagster.channels.shopify.client import Credentials, ShopifyClient
from syncstock_dagster.channels.shopify.clock import Clock
from syncstock_dagster.channels.shopify.deleting import delete_due, due_states
from syncstock_dagster.channels.shopify.ending import end_run
from syncstock_dagster.channels.shopify.policy import Options, ShopifyPolicy, load_shopify_policy
from syncstock_dagster.channels.shopify.record import Sync, find_sync
from syncstock_dagster.channels.shopify.report import report_of
from syncstock_dagster.channels.shopify.truth import Truth, truth_of
from syncstock_dagster.channels.shopify.undoing import preview, undo
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.log import Operation, Outcome, Statistics, run_operation
from syncstock_dagster.settings import Settings, get_settings
from syncstock_dagster.store.connection import close_idle, connect
from syncstock_dagster.store.statements import statement

Kind = Literal["reverse", "push"]
NOT_CONFIGURED = (
    "Shopify is not configured: set SYNCSTOCK_SHOPIFY_SHOP and SYNCSTOCK_SHOPIFY_TOKEN (docs/shopify.md)."
)
_DRY_RUN_PRODUCTS = 10
_log = logging.getLogger(__name__)


class BeingWorkedOn(BadInput):
    """Another process has the run."""


@dataclass
class Channel:
    """The way to one shop, with what its owner decided. Tests and the demo make one of their own."""

    url: str
    client: ShopifyClient
    policy: ShopifyPolicy = field(default_factory=ShopifyPolicy)
    truth: Truth | None = None
    default_location: str = "main"

    @classmethod
    def of(
        cls,
        url: str,
        accounts: Accounts | None = None,
        *,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> Channel | None:
        """The channel that account and policy describe; None where there is no shop."""
        accounts = accounts or read_accounts()
        if not accounts.has_shopify:
            return None
        assert accounts.shopify_shop is not None
        credentials = Credentials(
            accounts.shopify_token, accounts.shopify_client_id, accounts.shopify_client_secret
        )
        client = ShopifyClient(
            accounts.shopify_shop,
            credentials,
            version=accounts.shopify_version,
            clock=clock,
            transport=transport,
            address=accounts.shopify_url,
        )
        return cls(url, client, load_shopify_policy(get_settings().config_file))

    def __post_init__(self) -> None:
        if self.truth is None:
            self.truth = truth_of(self.policy.truth, self.url)

    def tag(self, day: date) -> str:
        """The mark of a day: ``RMS-SYNC-25-01-23``."""
        return f"{self.policy.tag_prefix}{day:%y-%m-%d}"

    def today(self, zone: str) -> date:
        """The day it is for the shop."""
        return self.client.clock.now().astimezone(ZoneInfo(zone)).date()


@contextmanager
def opened(url: str) -> Iterator[Channel | None]:
    """The channel of this installation, closed afterwards; None where no shop is configured."""
    channel = Channel.of(url)
    try:
        yield channel
    finally:
        if channel is not None:
            channel.client.close()


def needed(channel: Channel | None) -> Channel:
    """A channel that has to be there.

    Raises:
        BadInput: no shop is configured.
    """
    if channel is None:
        raise BadInput(NOT_CONFIGURED)
    return channel


def options_of(**given: Any) -> Options:
    """The options of the settings, but for what is given."""
    return Options.of(get_settings(), **given)


# -- what faces call -------------------------------------------------------------------------------------------------


def execute(
    channel: Channel | None,
    kind: Kind = "reverse",
    *,
    day: date | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
    who: str | None = None,
) -> dict[str, Any]:
    """One run: first what an earlier one left, then what there is to do now. Its report.

    Where the policy asks for approval the run ends with its plan, which ``apply`` carries out.
    """
    settings = settings or get_settings()
    if channel is None:
        return _nothing(NOT_CONFIGURED)
    if kind == "reverse" and not settings.enable_reverse_stock_sync:
        return _nothing("The reverse stock sync is switched off: ENABLE_REVERSE_STOCK_SYNC is false.")
    resumed = [
        name
        for uuid in record.unfinished(channel.url, channel.client.shop, kind)
        if (name := _resume(channel, uuid, who=who))
    ]
    options = options or Options.of(settings)
    day = day or channel.today(settings.timezone)
    sync = begin(channel, kind, day, options, who=who)
    report = _run(channel, sync, only_plan=channel.policy.updates == "approve", who=who)
    return report | {"resumed": resumed}


def plan(
    channel: Channel,
    kind: Kind = "reverse",
    *,
    day: date | None = None,
    options: Options | None = None,
    is_dry_run: bool = False,
    who: str | None = None,
) -> dict[str, Any]:
    """Find out what there is to do and store it; nothing is sent."""
    settings = get_settings()
    day = day or channel.today(settings.timezone)
    sync = begin(channel, kind, day, options or Options.of(settings), is_dry_run=is_dry_run, who=who)
    return _run(channel, sync, only_plan=True, who=who)


def dry_run(
    channel: Channel, kind: Kind = "reverse", *, limit: int = _DRY_RUN_PRODUCTS, who: str | None = None
) -> dict[str, Any]:
    """What a run would do with the first products it finds. It is kept to be looked at and cannot be applied."""
    return plan(channel, kind, options=Options.of(get_settings(), limit=limit), is_dry_run=True, who=who)


def apply(channel: Channel, which: str | None = None, *, who: str | None = None) -> dict[str, Any]:
    """Carry out a plan, or what is left of it: exactly once, however often it is called.

    Raises:
        BadInput: there is no such plan, it was only a rehearsal, or it is another shop's.
    """
    sync = find_sync(channel.url, which)
    if sync.is_dry_run:
        raise BadInput(f"{sync.name} was a dry run; make a plan with `syncstock shopify plan`.")
    _same_shop(channel, sync)
    if sync.state == "finished" and sync.report is not None and not _is_due(channel, sync):
        return dict(sync.report)
    if sync.state == "discovering":
        raise BadInput(f"{sync.name} was not planned to its end; make a new plan.")
    return _run(channel, sync, only_plan=False, who=who)


def status(url: str, which: str | None = None) -> dict[str, Any]:
    """How the last run, or one that is named, stands."""
    sync = find_sync(url, which)
    told = {
        "sync_id": sync.name, "sync_uuid": sync.sync_uuid, "kind": sync.kind, "state": sync.state, "shop": sync.shop,
        "tag": sync.tag, "is_dry_run": sync.is_dry_run, "started_at": sync.started_at,
    }  # fmt: skip
    return told | {"result": sync.report}


def config(settings: Settings | None = None) -> dict[str, Any]:
    """What is in effect; secrets are not shown."""
    settings = settings or get_settings()
    policy, accounts = load_shopify_policy(settings.config_file), read_accounts()
    access = "static token" if accounts.shopify_token else "client credentials"
    return {
        "is_configured": accounts.has_shopify,
        "shop": accounts.shopify_shop,
        "version": accounts.shopify_version,
        "access": access if accounts.has_shopify else None,
        "enable_reverse_stock_sync": settings.enable_reverse_stock_sync,
        "reverse_sync_delay_minutes": settings.reverse_sync_delay_minutes,
        **Options.of(settings).as_dict(),
        **policy.model_dump(),
    }


def decide_deletions(
    url: str,
    which: str | None,
    decision: Literal["approved", "rejected"],
    *,
    skus: Iterable[str] | None = None,
    reason: str,
    who: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """A person's word on deletions that wait: all of a run, or those of some SKUs.

    Raises:
        BadInput: there is no such run, nothing waits, or no reason is given.
    """
    if not reason.strip():
        raise BadInput("A decision needs a reason: say in a few words why.")
    sync = find_sync(url, which)
    if sync.is_dry_run:
        raise BadInput(f"{sync.name} was a dry run; there is nothing to decide.")
    wanted = None if skus is None else list(skus)

    def work(operation: Operation) -> Statistics:
        values = {
            "sync_id": sync.sync_id,
            "state": decision,
            "reason": reason,
            "who": operation.who,
            "skus": wanted,
        }
        done = operation.connection.execute(statement("shopify/decide_deletions"), values).rowcount
        if not done:
            raise BadInput(f"No deletion of {sync.name} waits for a decision.")
        return {"decided": done}

    word = "approve" if decision == "approved" else "reject"
    return run_operation(url, f"{word} deletions of {sync.name}", word, work, who=who, dry_run=dry_run)


def roll_back(
    channel: Channel, which: str | None = None, *, reason: str, who: str | None = None
) -> dict[str, Any]:
    """Take back what a run sent, where the shop still has it as we wrote it. Its report, as it is then.

    Raises:
        BadInput: there is no such run, no reason is given, or somebody works on it.
    """
    if not reason.strip():
        raise BadInput("A rollback needs a reason: say in a few words why.")
    sync = _to_take_back(channel, which)
    with connect(channel.url) as connection, record.sync_held(connection, sync.sync_id) as is_ours:
        if not is_ours:
            raise BadInput(f"{sync.name} is being worked on; try again when it has ended.")
        places: Mapping[str, tuple[str, ...]] = {}
        # What went out is taken back, whatever the shop and its locations are by now.
        with suppress(BadInput):
            places = _places(channel)
        assert channel.truth is not None
        work = Work(channel.client, channel.policy, channel.truth, places, sync)
        replay_open_calls(work, connection)
        left = undo(work, connection)
        report = end_run(work, channel.url, connection, "rollback", 0.0, who=who, reason=reason)
    if left:
        words = f"{report['message']}; {len(left)} product(s) are held by another run: take it back again."
        report |= {"success": False, "message": words}
    return report


def preview_roll_back(channel: Channel, which: str | None = None) -> dict[str, Any]:
    """What taking a run back would do, by what the shop has now: ``levels`` and ``variants``. Nothing is sent.

    Raises:
        BadInput: there is no such run, or nothing of it was ever sent.
    """
    sync = _to_take_back(channel, which)
    with connect(channel.url) as connection:
        levels = preview(channel.client, connection, sync.sync_id)
        products = record.rows_of(connection, "restorable", sync_id=sync.sync_id)
    variants = [
        {"sku": one["sku"], "levels": one["levels"]} for product in products for one in product["variants"]
    ]
    return {"sync_id": sync.name, "levels": levels, "variants": variants}


def _to_take_back(channel: Channel, which: str | None) -> Sync:
    sync = find_sync(channel.url, which)
    if sync.is_dry_run:
        raise BadInput(f"{sync.name} was a dry run: nothing was sent.")
    _same_shop(channel, sync)
    return sync


# -- beginning and ending --------------------------------------------------------------------------------------------


def begin(
    channel: Channel,
    kind: Kind,
    day: date,
    options: Options,
    *,
    is_dry_run: bool = False,
    who: str | None = None,
) -> Sync:
    """Put a run on record."""
    now = channel.client.clock.now()
    word = "dry_run" if is_dry_run else "reverse_stock" if kind == "reverse" else "stock_push"

    def work(operation: Operation) -> Statistics:
        taken = operation.connection.execute(
            "select count(*) from shopify_syncs where starts_with(name, %s)", (f"{word}_{now:%Y%m%d_%H%M%S}",)
        ).fetchone()
        suffix = f"_{taken[0] + 1}" if taken and taken[0] else ""
        stored = options.as_dict() | {"deletions": channel.policy.deletions}
        values = {
            "uuid": operation.uuid, "name": f"{word}_{now:%Y%m%d_%H%M%S}{suffix}", "kind": kind, "now": now,
            "is_dry_run": is_dry_run, "shop": channel.client.shop, "tag": channel.tag(day),
            "options": json.dumps(stored), "operation_id": operation.operation_id,
        }  # fmt: skip
        operation.connection.execute(statement("shopify/begin"), values)
        return {}

    outcome = run_operation(
        channel.url, f"Shopify: {word.replace('_', ' ')}", "plan", work, who=who, direction="up"
    )
    return find_sync(channel.url, outcome.uuid)


def _run(channel: Channel, sync: Sync, *, only_plan: bool, who: str | None) -> dict[str, Any]:
    """A run, or the rest of it, under its lock."""
    with connect(channel.url) as connection, record.sync_held(connection, sync.sync_id) as is_ours:
        if not is_ours:
            raise BeingWorkedOn(f"{sync.name} is being worked on by another process.")
        clock = channel.client.clock
        began = clock.monotonic()
        if sync.state == "discovering":
            _discover(channel, connection, sync)
            record.set_state(connection, sync.sync_id, "planned")
        work = _work(channel, sync)
        if not only_plan:
            record.set_state(connection, sync.sync_id, "applying")
            replay_open_calls(work, connection)
        _work_through(
            work, channel.url, record.waiting_products(connection, sync.sync_id), only_plan=only_plan
        )
        if only_plan:
            report = report_of(
                connection, sync, channel.client, seconds=clock.monotonic() - began, is_plan=True
            )
            connection.execute(
                "update shopify_syncs set report = %s where sync_id = %s",
                (json.dumps(report, default=str), sync.sync_id),
            )
            return report
        delete_due(
            work, connection, len(shop.locations(channel.client)) if _has_deletions(connection, sync) else 0
        )
        report = end_run(work, channel.url, connection, "push", clock.monotonic() - began, who=who)
        _log.info("%s: %s", sync.name, report["message"])
        return report


def _resume(channel: Channel, uuid: str, *, who: str | None) -> str | None:
    """Go on with a run that was interrupted; its name, unless there was nothing to do or somebody is at it."""
    sync = find_sync(channel.url, uuid)
    if sync.state == "discovering":  # nothing was sent, and its list is old
        with connect(channel.url) as connection, record.sync_held(connection, sync.sync_id) as is_ours:
            if is_ours:
                record.set_state(connection, sync.sync_id, "finished")
        return None
    with suppress(BeingWorkedOn):
        _run(channel, sync, only_plan=False, who=who)
        return sync.name
    return None


def _discover(channel: Channel, connection: Connection[Any], sync: Sync) -> None:
    """All ids first: tagging moves the pages of a list by tag."""
    only_missed = sync.kind == "reverse"
    rows: Iterable[tuple[str, int]]
    changed = record.changed_products(connection, sync.shop) if sync.kind == "push" else None
    if changed is not None:
        rows = list(changed.items())
    else:
        rows = _listed(channel.client, f"tag_not:'{sync.tag}'" if only_missed else None, sync.options.limit)
    rows = list(rows)[: sync.options.limit]
    record.store_found(connection, sync, rows, only_missed=only_missed)
    _log.info("%s is about %s product(s)", sync.name, len(rows))


def _listed(client: ShopifyClient, query: str | None, limit: int | None) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for page in shop.list_products(client, query):
        found += page
        if limit is not None and len(found) >= limit:
            break
    return found


def _work(channel: Channel, sync: Sync) -> Work:
    assert channel.truth is not None
    return Work(channel.client, channel.policy, channel.truth, _places(channel), sync)


def _places(channel: Channel) -> Mapping[str, tuple[str, ...]]:
    """Which locations of the shop are kept, by what of the truth.

    Raises:
        BadInput: it is not said, and not clear.
    """
    known = shop.locations(channel.client)
    named = ", ".join(f"{one.rpartition('/')[2]} ({name})" for one, name in known.items())
    if missing := [one.rpartition("/")[2] for one in channel.policy.locations if one not in known]:
        raise BadInput(
            f"[shopify.locations] in syncstock.toml names {', '.join(missing)}, and the active locations of the shop "
            f"are {named}."
        )
    if channel.policy.locations:
        return channel.policy.locations
    if len(known) == 1:
        return {next(iter(known)): (channel.default_location,)}
    raise BadInput(
        f"The shop has {len(known)} locations: {named}. Say in syncstock.toml whose stock each of them has: "
        '[shopify.locations] with, for example, "123" = ["main"].'
    )


def _work_through(work: Work, url: str, sizes: Mapping[str, int], *, only_plan: bool) -> None:
    """All products, in batches, by several workers."""
    ids = list(sizes)
    size = work.sync.options.batch_size
    batches = deque(
        {one: sizes[one] for one in ids[start : start + size]} for start in range(0, len(ids), size)
    )
    stopped = threading.Event()

    def one_worker() -> None:
        try:
            with work.client.clock.taking_part():
                while not stopped.is_set():
                    try:
                        batch = batches.popleft()
                    except IndexError:
                        return
                    with connect(url) as connection:
                        work_batch(work, connection, batch, only_plan=only_plan)
        except BaseException:
            stopped.set()
            raise
        finally:
            close_idle(url)

    workers = min(work.sync.options.max_concurrent, len(batches))
    if not workers:
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="shopify") as pool:
        try:
            for done in [pool.submit(one_worker) for _ in range(workers)]:
                done.result()
        except BaseException:
            stopped.set()  # whoever ends this run waits for a batch, and not for all of them
            raise


def _is_due(channel: Channel, sync: Sync) -> bool:
    """Whether there are deletions to carry out."""
    with connect(channel.url) as connection:
        return bool(record.deletions_due(connection, sync.sync_id, due_states(channel.policy)))


def _has_deletions(connection: Connection[Any], sync: Sync) -> bool:
    row = connection.execute(
        "select from shopify_deletions where sync_id = %s and state in ('proposed', 'approved', 'sent') limit 1",
        (sync.sync_id,),
    ).fetchone()
    return row is not None


def _same_shop(channel: Channel, sync: Sync) -> None:
    if sync.shop != channel.client.shop:
        raise BadInput(f"{sync.name} was made for {sync.shop}, and the settings name {channel.client.shop}.")


def _nothing(message: str) -> dict[str, Any]:
    return {"success": True, "message": message, "sync_id": None, "report": None}
