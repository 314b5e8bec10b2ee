"""A pull: pages of a source one after the other, staged as they come, taken at the end; it goes on where it stopped.

What belongs here: one run of a pull, and how it ends. What does not: the source, a single page (``staged_pages``), and
what becomes of it all (``taking``).

- Each page commits with the position behind it. A run that dies loses nothing, and the next one goes on there.
- A limit that is used up ends a run in order: what came is taken, the operation is ``partly`` done, the pull stays
  open.
- A source that fails ends the run as failed; what came stays staged, with its time, and the next run takes it.
- A pull that is whole looks again for articles that no page named, one by one: an article that moved between two pages
  is found, and one that is gone is known to be gone. Its stock stays what it was.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection

from syncstock_dagster.catalog.policy import CataloguePolicy
from syncstock_dagster.errors import BadInput
from syncstock_dagster.operations.dead_letters import Handler, Letter, bury
from syncstock_dagster.operations.log import Operation, Outcome, Statistics, run_operation
from syncstock_dagster.sources.protocol import Ask, Page, PausedError, RefusedError, Source, SourceError
from syncstock_dagster.sources.staged_pages import ROW, stage_page
from syncstock_dagster.sources.taking import take_staged
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable

#: An open pull that got no page for so long is begun anew: too much has moved between its pages.
_GOES_ON_FOR = timedelta(hours=36)
#: Less than this share of the articles of the last whole pull is a sudden drop.
LEAST_SHARE = 0.8
#: More articles than this are not looked for one by one.
_MOST_UNSEEN = 1_000
#: Calls of one run that may be refused before the rest of the codes is not looked into any further.
_MOST_REFUSALS = 20

#: Told after each page: pages, articles and levels of this run so far.
Told = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class PullResult:
    """What one run of a pull did."""

    operation_uuid: str
    source: str
    scope: str = "full"
    #: complete | partly | busy | dry run
    status: str = "complete"
    reason: str = ""
    pages: int = 0
    items: int = 0
    levels: int = 0
    items_changed: int = 0
    levels_changed: int = 0
    repeated: int = 0
    refused: int = 0
    missing: int = 0
    gone: int = 0
    staged: int = 0
    committed: int = 0
    conflicts: int = 0
    unknown: int = 0
    counts_new: int = 0
    counts_applied: int = 0
    counts_review: int = 0
    counts_held: int = 0
    counts_advisory: int = 0
    counts_conflict: int = 0
    quarantined: int = 0
    api_calls: int = 0
    seconds_waited: float = 0.0
    took: float = 0.0
    resumed: bool = False
    #: The articles of the whole pull before, where this one has suddenly far fewer.
    dropped_from: int = 0
    missing_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: Of a dry run: levels that differ from our stock, the largest difference first.
    differences: tuple[dict[str, Any], ...] = ()
    differences_in_all: int = 0

    @property
    def needs_person(self) -> bool:
        """Whether something waits for a decision, a mapping or a look."""
        waits = (
            self.refused, self.missing, self.conflicts, self.unknown, self.counts_review, self.counts_held,
            self.counts_conflict, self.quarantined, self.dropped_from, self.staged > self.committed,
        )  # fmt: skip
        return any(waits)

    @classmethod
    def of(cls, outcome: Outcome, source: str, ask: Ask) -> PullResult:
        """The result of an operation, from its statistics."""
        told = outcome.statistics
        names = {one.name for one in fields(cls)} - {"operation_uuid", "source", "scope", "status"}
        numbers: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in told.items()
            if name in names
        }
        status = "busy" if told.get("busy") else "partly" if told.get("partly") else "complete"
        return cls(outcome.uuid, source, ask.scope, "dry run" if outcome.is_dry_run else status, **numbers)


@dataclass(frozen=True, slots=True)
class Answered:
    """Which of the asked codes a source answered, and which it does not know."""

    asked: tuple[str, ...]
    missing: tuple[str, ...]
    #: Not asked for any more, because the run ended before.
    left: tuple[str, ...]


@dataclass(slots=True)
class Rules:
    """What the shop says about the evidence and changes that a pull brings."""

    policies: Policies
    catalogue: CataloguePolicy
    default_location: str


def pull(
    url: str,
    source: Source,
    ask: Ask,
    rules: Rules,
    *,
    name: str = "",
    who: str | None = None,
    dry_run: bool = False,
    told: Told | None = None,
    then: Callable[[Operation, Answered], None] | None = None,
) -> PullResult:
    """Ask a source, and take what it answers as one operation.

    ``then`` is called at the end of a pull of codes, in the operation's transaction.

    Raises:
        BadInput: the source cannot do what is asked.
        SourceError: the source refuses, or does not answer; a later call goes on where this one ended.
    """
    _check(source, ask)

    def work(operation: Operation) -> Statistics:
        run = _Run(url, source, ask, rules, operation, dry_run, told)
        statistics = run.work()
        if then is not None and ask.ids is not None:
            then(operation, run.answered())
        return statistics

    shown = name or f"{source.name}: {ask.scope if ask.what == 'full' else ask.what} pull"
    outcome = run_operation(url, shown, "pull", work, who=who, is_rollbackable=True, dry_run=dry_run)
    return PullResult.of(outcome, source.name, ask)


def newest_change(url: str, source: str) -> datetime | None:
    """Up to when a source's changes are known: the newest one that a finished pull told of, or when it began."""
    with connect(url) as connection:
        row = connection.execute(statement("sources/newest_change"), {"source": source}).fetchone()
    return row[0] if row else None


def open_ask(url: str, source: str) -> Ask | None:
    """What the pull that was stopped asks for, where it can go on; None where there is none."""
    with connect(url) as connection:
        row = connection.execute(
            "select ask from source_pulls where source = %s and state = 'open' and scope <> 'ids' "
            "and coalesce(last_page_at, started_at) > clock_timestamp() - %s",
            (source, _GOES_ON_FOR),
        ).fetchone()
    return None if row is None else Ask.of(row[0])


def letter_handler(
    opened: Callable[[str], contextlib.AbstractContextManager[Source]], url: str, rules: Rules
) -> Handler:
    """What replays dead letters of kind ``source.row``: the article is read again, as it is now."""

    def read_again(operation: Operation, letter: Letter) -> Statistics:
        code = letter.payload.get("id")
        if not code:
            raise BadInput(
                f"Dead letter {letter.dead_letter_id} has no id to ask for: mend it, or discard it."
            )
        with opened(letter.source) as source:
            ask = Ask(ids=(str(code),), active_only=False)
            _check(source, ask)
            run = _Run(url, source, ask, rules, operation, False, None)
            statistics = run.work()
            if run.answered().missing:
                raise BadInput(f"{letter.source} does not know {code!r} any more: discard the letter.")
            if statistics["refused"]:
                raise BadInput(f"{letter.source} still says of {code!r} what cannot be taken: mend it there.")
        return statistics

    return read_again


def _check(source: Source, ask: Ask) -> None:
    if ask.ids is not None and not source.can.by_id:
        raise BadInput(f"{source.name} cannot be asked for single articles.")
    if ask.ids is not None and not ask.ids:
        raise BadInput("Say which articles to read.")
    for text in (*(ask.ids or ()), ask.category, ask.brand, ask.location):
        if text is not None and not is_storable(text):
            raise BadInput(f"{text[:80]!r} cannot be asked for: it holds a NUL or a lone surrogate.")
    if ask.since is not None and not source.can.incremental:
        raise BadInput(f"{source.name} cannot say what changed: pull everything.")


@dataclass(slots=True)
class _Tally:
    pages: int = 0
    items: int = 0
    levels: int = 0
    repeated: int = 0
    refused: int = 0
    gone: int = 0
    #: Of a pull of codes: those that were asked for, and those that were told of.
    asked: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    notes: dict[str, None] = field(default_factory=dict)


class _Run:
    """One run, inside its operation."""

    def __init__(
        self,
        url: str,
        source: Source,
        ask: Ask,
        rules: Rules,
        operation: Operation,
        dry_run: bool,
        told: Told | None,
    ) -> None:
        self._url, self._source, self._ask, self._rules = url, source, ask, rules
        self._operation, self._dry_run, self._told = operation, dry_run, told
        self._tally = _Tally()
        self._began = time.perf_counter()
        self._reason = ""
        self._refusals = 0
        self._calls_before = source.meter.calls
        self._waited_before = source.meter.waited

    def work(self) -> Statistics:
        """Pages, then their taking; returns the statistics of the operation."""
        with self._staging() as staging:
            if staging is None:
                return {"busy": True, "reason": f"Another run is pulling {self._source.name} just now."}
            pull_id, resumed = self._begin(staging.connection)
            is_complete = self._read(staging, pull_id)
            return self._end(pull_id, is_complete) | {"resumed": resumed}

    def answered(self) -> Answered:
        """Of a pull of codes: which of them were answered."""
        asked = self._ask.ids or ()
        known = {code.casefold() for code in self._tally.codes}
        return Answered(
            tuple(code for code in asked if code in self._tally.asked),
            tuple(code for code in asked if code in self._tally.asked and code.casefold() not in known),
            tuple(code for code in asked if code not in self._tally.asked),
        )

    # -- beginning ---------------------------------------------------------------------------------------------

    @property
    def _is_kept_apart(self) -> bool:
        """Whether pages commit before the operation does: not in a rehearsal, and not for a few codes."""
        return not self._dry_run and not self._ask.is_part

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Operation | None]:
        """Where pages are staged; None where another run is at it."""
        if not self._is_kept_apart:
            self._operation.connection.execute(statement("sources/temp_tables"))
            yield self._operation
            return
        with connect(self._url) as connection:
            lock = "hashtextextended('pull of ' || %s, 0)"
            row = connection.execute(
                f"select pg_try_advisory_lock({lock})".encode(),
                (self._source.name,),
            ).fetchone()
            if not (row and row[0]):
                yield None
                return
            try:
                connection.execute(statement("sources/temp_tables"))
                yield replace(self._operation, connection=connection)
            finally:
                # Also after a failure: the server would find out a moment later, and whoever tries again at once
                # would be told that another run is at it.
                with contextlib.suppress(psycopg.Error):
                    connection.execute(f"select pg_advisory_unlock({lock})".encode(), (self._source.name,))

    def _begin(self, connection: Connection[Any]) -> tuple[int, bool]:
        """The pull that goes on, or a new one; what an older one has staged goes over to it."""
        ask = json.dumps(self._ask.as_dict())
        name = self._source.name
        with connection.transaction():
            earlier = None
            if self._is_kept_apart:
                earlier = connection.execute(
                    "select pull_id, ask = %s::jsonb and coalesce(last_page_at, started_at) > clock_timestamp() - %s "
                    "from source_pulls where source = %s and state = 'open' and scope <> 'ids' for update",
                    (ask, _GOES_ON_FOR, name),
                ).fetchone()
                if earlier is not None and earlier[1]:
                    return int(earlier[0]), True
            if earlier is not None:
                connection.execute(
                    "update source_pulls set state = 'given_up', ended_at = clock_timestamp() where pull_id = %s",
                    (earlier[0],),
                )
            row = connection.execute(
                "insert into source_pulls (source, scope, ask, is_whole, state) values (%s, %s, %s, %s, %s) "
                "returning pull_id",
                (name, self._ask.scope, ask, self._ask.is_whole, "rehearsal" if self._dry_run else "open"),
            ).fetchone()
            assert row is not None
            if earlier is not None:
                for table in ("pulled_items", "pulled_levels"):
                    connection.execute(
                        f"update {table} set pull_id = %s where pull_id = %s".encode(),  # noqa: S608
                        (row[0], earlier[0]),
                    )
            return int(row[0]), False

    # -- pages -------------------------------------------------------------------------------------------------

    def _read(self, staging: Operation, pull_id: int) -> bool:
        """Every page that comes; True when the pull is complete, False where a limit ended it."""
        row = staging.connection.execute(
            "select position, is_read, pages from source_pulls where pull_id = %s", (pull_id,)
        ).fetchone()
        assert row is not None
        position, is_read, number = row
        try:
            if self._ask.ids is not None:
                self._read_ids(staging, pull_id, self._ask.ids)
            elif not is_read:
                for page in self._pages(self._ask, position):
                    number += 1
                    self._stage(staging, pull_id, number, page, is_read=page.position is None)
            if self._ask.is_whole and self._source.can.by_id:
                self._look_again(staging, pull_id, number)
        except PausedError as error:
            self._note_reason(staging.connection, pull_id, error)
            return False
        except SourceError as error:
            self._note_reason(staging.connection, pull_id, error)
            raise
        return True

    def _read_ids(self, staging: Operation, pull_id: int, ids: tuple[str, ...]) -> None:
        """Certain articles. Where a call is refused its halves are tried, until it is known which code is at fault."""
        done = 0
        try:
            for page in self._pages(replace(self._ask, ids=ids), None):
                self._stage(staging, pull_id, self._tally.pages + 1, page, is_read=True)
                self._tally.codes |= {one.code for one in page.items} | {one.code for one in page.levels}
                self._tally.codes |= {str(told.get("id")) for told, _ in page.refused}
                read = int(page.position) if page.position else len(ids)
                self._tally.asked |= set(ids[done:read])
                done = read
        except RefusedError as error:
            if not error.is_about_call:
                raise
            self._refusals += 1
            rest = ids[done:]
            if len(rest) > 1 and self._refusals <= _MOST_REFUSALS:
                middle = len(rest) // 2
                self._read_ids(staging, pull_id, rest[:middle])
                self._read_ids(staging, pull_id, rest[middle:])
                return
            bury(staging, self._source.name, ROW, [({"id": code}, str(error)) for code in rest])
            self._tally.refused += len(rest)
            self._tally.codes |= set(rest)
            self._tally.asked |= set(rest)

    def _pages(self, ask: Ask, position: str | None) -> Iterator[Page]:
        """The source's pages, measured."""
        performance, meter = self._operation.performance, self._source.meter
        pages = self._source.pages(ask, position)
        while True:
            before = (meter.calls, meter.transferred, meter.waited)
            began = time.perf_counter()
            try:
                page = next(pages, None)
            finally:
                performance.count(
                    "fetch",
                    seconds=time.perf_counter() - began,
                    calls=meter.calls - before[0],
                    transferred=meter.transferred - before[1],
                    waited=meter.waited - before[2],
                )
            if page is None:
                return
            performance.count("fetch", rows=max(len(page.items), len(page.levels)))
            yield page

    def _stage(self, staging: Operation, pull_id: int, number: int, page: Page, *, is_read: bool) -> None:
        stamps = [one.change["modified_at"] for one in page.items if one.change.get("modified_at")]
        with self._operation.performance.stage("stage"), staging.connection.transaction():
            done = stage_page(
                staging,
                self._source.name,
                pull_id,
                number,
                self._ask,
                page,
                self._rules.default_location,
            )
            staging.connection.execute(
                "update source_pulls set position = %s, is_read = %s, pages = %s, levels = levels + %s, "
                "newest_change = greatest(newest_change, %s), last_page_at = clock_timestamp(), reason = null, "
                "operation_id = %s where pull_id = %s",
                (
                    page.position,
                    is_read,
                    number,
                    done.levels,
                    max(stamps, default=None),
                    self._operation.operation_id,
                    pull_id,
                ),
            )
        tally = self._tally
        tally.pages += 1
        tally.items += done.items
        tally.levels += done.levels
        tally.repeated += done.repeated
        tally.refused += done.refused
        tally.notes |= dict.fromkeys(page.notes)
        if self._told is not None:
            self._told(tally.pages, tally.items, tally.levels)

    def _look_again(self, staging: Operation, pull_id: int, number: int) -> None:
        """Articles that no page named: read again one by one, unless so many are missing that something is wrong."""
        name = self._source.name
        rows = staging.connection.execute(
            statement("sources/unseen"),
            {"source": name, "pull_id": pull_id, "active_only": self._ask.active_only},
        ).fetchall()
        unseen = tuple(row[0] for row in rows)
        known = staging.connection.execute(
            "select count(*) from source_items where source = %s and gone_at is null", (name,)
        ).fetchone()
        assert known is not None
        most = min(_MOST_UNSEEN, max(10, int((1 - LEAST_SHARE) * known[0])))
        if not unseen or len(unseen) > most:
            if unseen:
                self._tally.notes[
                    f"{len(unseen):,} known articles were not named; too many to ask for each."
                ] = None
            return
        found: set[str] = set()
        try:
            for page in self._pages(Ask(ids=unseen, active_only=False), None):
                number += 1
                found |= {one.code for one in page.items} | {one.code for one in page.levels}
                found |= {str(told.get("id")) for told, _ in page.refused}  # it is there
                self._stage(staging, pull_id, number, page, is_read=True)
        except RefusedError as error:
            if not error.is_about_call:
                raise
            told = f"{len(unseen):,} articles that no page named could not be read one by one: {error}"
            self._tally.notes[told] = None
            return
        gone = sorted(set(unseen) - found)
        if gone:
            staging.connection.execute(
                "update source_items set gone_at = clock_timestamp() where source = %s and code = any(%s)",
                (name, gone),
            )
            self._tally.notes[
                f"{len(gone):,} articles are gone from {name}; their stock stays as it was."
            ] = None
        self._tally.gone = len(gone)

    def _note_reason(self, connection: Connection[Any], pull_id: int, error: Exception) -> None:
        self._reason = str(error)
        connection.execute(
            "update source_pulls set reason = %s, operation_id = %s where pull_id = %s",
            (self._reason[:2_000], self._operation.operation_id, pull_id),
        )

    # -- end ---------------------------------------------------------------------------------------------------

    def _end(self, pull_id: int, is_complete: bool) -> Statistics:
        operation, tally, rules = self._operation, self._tally, self._rules
        taken = take_staged(
            operation,
            self._source.name,
            pull_id,
            rules.policies,
            rules.catalogue,
            default_location=rules.default_location,
            keep=lambda taken: self._source.keep(operation, pull_id, self._ask, taken),
            with_differences=self._dry_run,
        )
        row = operation.connection.execute(
            "update source_pulls set items = items + %(items)s, operation_id = %(operation_id)s, state = case "
            "when %(complete)s then 'complete' when scope = 'ids' then 'given_up' else state end, "
            "ended_at = case when %(complete)s or scope = 'ids' then clock_timestamp() end "
            "where pull_id = %(pull_id)s returning items",
            {
                "items": taken.pop("new_in_pull"),
                "complete": is_complete,
                "operation_id": operation.operation_id,
                "pull_id": pull_id,
            },
        ).fetchone()
        assert row is not None
        missing = self.answered().missing if self._ask.ids is not None else ()
        statistics: Statistics = {
            **taken,
            "pull_id": pull_id,
            "pages": tally.pages,
            "items": tally.items or tally.levels,
            "levels": tally.levels,
            "repeated": tally.repeated,
            "refused": tally.refused + taken.pop("twins"),
            "missing": len(missing),
            "missing_ids": list(missing)[:100],
            "gone": tally.gone,
            "api_calls": self._source.meter.calls - self._calls_before,
            "seconds_waited": round(self._source.meter.waited - self._waited_before, 3),
            "dropped_from": self._dropped_from(pull_id, row[0]) if is_complete else 0,
            "notes": list(tally.notes),
            "reason": self._reason,
            "took": round(time.perf_counter() - self._began, 3),
            "partly": not is_complete,
        }
        return statistics

    def _dropped_from(self, pull_id: int, items: int) -> int:
        """How many articles the whole pull before had, where this one has suddenly far fewer; else 0."""
        if not self._ask.is_whole:
            return 0
        row = self._operation.connection.execute(
            "select items from source_pulls where source = %s and state = 'complete' and is_whole and pull_id <> %s "
            "order by ended_at desc limit 1",
            (self._source.name, pull_id),
        ).fetchone()
        return int(row[0]) if row is not None and items < LEAST_SHARE * row[0] else 0
