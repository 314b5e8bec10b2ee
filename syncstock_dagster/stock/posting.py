"""Posting: evidence that came, went or was decided on becomes ledger entries, stock, variances and snapshots.

What belongs here: the order of the statements in ``store/sql/posting``, which do the work. What does not: where the
evidence came from, and which operation this is.

One run of a ``Posting`` lives inside one transaction. Its locks are taken in one order by everybody: identities of
documents, then articles and locations, each in key order; so writers wait for each other but never in a circle.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Connection

from syncstock_dagster.stock import express
from syncstock_dagster.stock.evidence import Evidence
from syncstock_dagster.stock.policy import Policies, SourcePolicy, resolve_callable
from syncstock_dagster.store.copy import copy_table
from syncstock_dagster.store.statements import statement

#: From this many rows on, the planner is told what the run's tables hold.
_ANALYZE_ROWS = 5_000
#: A table is looked at again once one in so many of its rows is new.
_SHARE = 10


class Posting:
    """The posting of one operation. Call one or more of the ``take_*`` methods, then ``finish``."""

    def __init__(
        self,
        connection: Connection[Any],
        operation_id: int,
        policies: Policies,
        *,
        default_location: str,
        counts_like: str = "pos",
        recorded_at: datetime | None = None,
        is_second: bool = False,
    ) -> None:
        self._connection = connection
        self._policies = policies
        self._counts_like = counts_like
        self._values: dict[str, Any] = {
            "operation_id": operation_id,
            "default_location": default_location,
            "recorded_at": recorded_at,
            "delivery_id": None,
            "days": [],
            "zones": [],
            "express": "[]",
            "express_rows": 0,
        }
        self._source_policies: dict[str, SourcePolicy] = {}
        self._has_sources = False
        self._has_advisory = False
        self._has_lists = False
        #: Whether an event may have left force.
        self._withdraws = False
        self._ledger_entries = 0
        #: Rows that the last insert into a table of the run wrote, by statement.
        self._rows: dict[str, int] = {}
        #: Seconds by stage, for the performance record.
        self.seconds: dict[str, float] = {}
        with self._stage("prepare"):
            made = connection.execute("select to_regclass('pg_temp.run_day_deltas') is not null").fetchone()
            if not (made and made[0]):
                connection.execute(statement("posting/temp_tables"))
            elif is_second:  # in one transaction
                connection.execute(statement("posting/empty_tables"))
            connection.execute(statement("posting/begin"))

    def take_evidence(self, evidence: Evidence, delivery_id: int | None) -> None:
        """Movements and counts of one delivery, and what can leave quarantine by now."""
        self._values["delivery_id"] = delivery_id
        self._rows["copy"] = len(evidence)
        movements = evidence.movements
        self._load_sources(movements, evidence.counts)
        if delivery_id is not None and len(movements) >= express.EXPRESS_ROWS:
            with self._stage("express"):
                movements = self._take_express(movements, delivery_id)
        with self._stage("copy"):
            copy_table(self._connection, "raw_movements", movements)
            copy_table(self._connection, "raw_counts", evidence.counts)
        self.release()

    def release(self) -> None:
        """What can leave quarantine by now."""
        with self._stage("resolve"):
            if self._exists("quarantine where state = 'waiting'"):
                self._do("release_movements")
                self._do("release_counts")
            self._resolve()
        with self._stage("admit"):
            self._admit()

    def take_identities(self, find: str, change: str, **values: Any) -> None:
        """Evidence that leaves or enters force: ``find`` names the identities, ``change`` alters their rows."""
        self._values |= values
        self._load_sources()
        with self._stage("settle"):
            self._do(find)
            self._settle(lambda: self._do(change))

    def take_decision(
        self,
        count_ids: list[int],
        decision: str,
        from_decisions: list[str],
        who: str,
        reason: str,
        check: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """A person's decision on counts that stand at one of ``from_decisions``; posts it like ``finish``.

        Args:
            count_ids: the counts.
            decision: applied or rejected.
            from_decisions: what is left alone stands at something else.
            who: decides.
            reason: why.
            check: called under the locks, when ``run_asked`` holds what is decided on; refuses by raising.
        """
        self._values |= {
            "count_ids": count_ids,
            "decision": decision,
            "from_decisions": from_decisions,
            "who": who,
            "reason": reason,
        }
        self._load_sources()
        self._do("decisions/find_keys")

        def decide() -> None:
            self._do("decisions/ask_books")
            self._do("read_books")
            self._do("run_gates")
            self._do("decisions/find_asked")
            if check is not None:
                check()
            self._do("decisions/decide")
            self._connection.execute("truncate run_books")

        return self.finish(decide)

    def take_counts(self, find: str, change: str, **values: Any) -> Callable[[], None]:
        """Counts that leave or enter force: ``find`` names their instants; ``finish`` takes what is returned."""
        self._values |= values
        self._load_sources()
        self._do(find)
        return lambda: self._do(change)

    def finish(self, before_counts: Callable[[], None] | None = None) -> dict[str, Any]:
        """Post it all; returns the statistics of the run.

        Args:
            before_counts: called once the articles are locked, for changes to counts that need the lock.
        """
        with self._stage("lock"):
            if self._has_advisory:
                self._connection.execute("delete from run_entries where delta is null")
            self._do("find_pairs")
            self._do("lock_pairs")
            self._do("read_pairs")
            self._do("stamp_pairs")
            self._analyze("run_entries", "run_pairs")
        if before_counts is not None:
            before_counts()
        with self._stage("counts"):
            if self._rows.get("stage_counts"):
                self._do("store_counts")
                self._do("find_count_keys")
            if self._asks_gate:
                self._do("repeat_decisions")
            self._settle_counts()
        with self._stage("ledger"):
            self._post_step(1)
        with self._stage("gate"):
            self._gate()
        with self._stage("snapshots"):
            self._do("day_deltas")
            self._analyze("run_day_deltas")
            self._do("restate_snapshots")
            self._do("begin_ranges")
            self._do("shift_ranges")
            self._do("restate_variances")
            if self._withdraws:
                self._do("first_days")
                self._do("trim_ranges")
        with self._stage("record"):
            self._advisory_differences()
            if self._touches_counts or self._has_advisory:
                self._do("count_conflicts")
            if self._touches_counts:
                self._do("orders/settle_updates")
            self._do("write_watermarks")
            return self._statistics()

    # -- intake ------------------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        self._load_sources()
        self._analyze("raw_movements", "raw_counts")
        self._do("create_placeholders")
        self._do("run_skus")
        self._do("run_days")
        self._do("stage_movements")
        self._do("stage_counts")
        self._analyze("run_movements", "run_counts")

    def _take_express(self, movements: pa.Table, delivery_id: int) -> pa.Table:
        taken = express.take_express(
            self._connection, movements, delivery_id, str(self._values["default_location"])
        )
        self._values["express_rows"] = taken.rows
        self._values["express"] = json.dumps(
            [{"source_id": source, "first_at": first.isoformat()} for source, first in taken.first_at.items()]
        )
        return taken.rest

    def _load_sources(self, *evidence: pa.Table) -> None:
        if self._has_sources:
            return
        self._has_sources = True
        named = {name for rows in evidence for name in pc.unique(rows["source"]).to_pylist()}
        found = self._connection.execute(statement("posting/known_sources"), {"named_sources": sorted(named)})
        names = [row[0] for row in found]
        rows = []
        for name in names:
            for of_counts in (False, True):
                kind = self._counts_like if of_counts else "movements"
                policy = self._policies.for_source(name, kind)  # type: ignore[arg-type]
                if of_counts:
                    self._source_policies[name] = policy
                self._has_advisory |= policy.trust == "advisory"
                self._has_lists |= of_counts and policy.sheet == "list"
                rows.append(
                    {
                        "name": name,
                        "of_counts": of_counts,
                        "trust": policy.trust,
                        "on_change": policy.on_change,
                        "unknown_sku": policy.unknown_sku,
                        "day_grain": policy.day_grain,
                        "count_time": policy.count_time.isoformat(),
                        "sheet": policy.sheet,
                    }
                )
        self._values["policies"] = json.dumps(rows)
        # Of every source, whatever its trust is today: a held count is judged by the limits that its source has.
        self._values["gates"] = self._policies.gates(names, self._counts_like, gated_only=False)  # type: ignore[arg-type]
        self._do("run_sources")
        self._do("run_locations")

    def _admit(self) -> None:
        if not self._rows["stage_movements"]:
            return
        self._do("find_contested")
        self._do("admit_movements")
        self._values["all_admitted"] = self._rows["admit_movements"] == self._rows["stage_movements"]
        self._do("enter_admitted")
        if self._values["all_admitted"]:
            return
        self._do("find_refused")
        self._settle(lambda: self._do("store_contested"))

    def _settle(self, change: Callable[[], None]) -> None:
        """Lock the contested identities, let ``change`` alter their rows, and settle what is in force."""
        self._analyze("run_contested")
        self._do("lock_contested")
        self._do("keep_before")
        change()
        self._do("find_contenders")
        self._analyze("run_contenders")
        self._do("demote_contested")
        self._do("settle_contested")
        self._do("enter_contested")
        self._withdraws |= bool(self._rows["enter_contested"])
        self._do("movement_conflicts")

    # -- counts and ledger -------------------------------------------------------------------------------------

    def _settle_counts(self) -> None:
        if not self._touches_counts:
            return
        self._analyze("run_count_keys")
        self._do("settle_counts")
        self._do("ask_books")
        self._analyze("run_books", "run_count_changes")
        self._do("read_books")
        self._do("fill_gaps")

    def _post_step(self, step: int) -> None:
        self._values["step"] = step
        if self._rows.get("settle_counts"):
            self._do("forget_points")
            self._do("close_points")
            self._do("open_points")
        self._do("enter_withdrawn_counts")
        self._withdraws |= bool(self._rows["enter_withdrawn_counts"])
        self._do("enter_adjustments")
        # Known since the pairs were locked, unless much has come since.
        entered = self._rows["enter_withdrawn_counts"] + self._rows["enter_adjustments"]
        if step > 1 or entered * _SHARE > self._values.get("express_rows", 0):
            self._analyze("run_entries")
        if self._rows["enter_adjustments"]:
            self._do("add_variances")
        self._do("write_ledger")
        self._ledger_entries += self._rows["write_ledger"]
        self._do("write_stock")

    def _gate(self) -> None:
        if not self._asks_gate:
            return
        if self._has_lists:
            self._settle_lists()
        if not self._rows.get("run_gates"):
            self._do("run_gates")
        self._do("find_candidates")
        if not self._rows["find_candidates"]:
            return
        self._connection.execute("truncate run_books, run_count_changes")
        self._do("next_step")
        self._do("ask_candidate_books")
        self._analyze("run_candidates", "run_books")
        self._do("read_books")
        self._do("judge_candidates")
        while self._veto():
            self._connection.execute("truncate run_verdicts")
            self._do("judge_candidates")
        self._connection.execute("truncate run_books")
        self._do("record_verdicts")
        self._rows["settle_counts"] = 0  # of the first step
        self._settle_counts()
        self._post_step(2)

    def _settle_lists(self) -> None:
        """Tell the lines of lists that are counts from those that are not; the gate judges the former."""
        self._values["has_withdrawn"] = bool(self._rows.get("rollback/find_counts"))
        self._do("find_list_lines")
        if not self._rows["find_list_lines"]:
            return
        self._connection.execute("truncate run_books")
        self._do("next_step")
        self._do("ask_list_books")
        self._analyze("run_list_lines", "run_books")
        self._do("read_books")
        self._do("settle_list_lines")

    def _veto(self) -> bool:
        """Ask the configured gate rules about what would be applied; True if any said no to something new.

        A veto on one count moves what the next ones are measured against, hence the loop around this; it ends
        because vetoes only grow.
        """
        rules = {
            name: [resolve_callable(rule) for rule in policy.gate_rules]
            for name, policy in self._source_policies.items()
            if policy.gate_rules
        }
        if not rules:
            return False
        import pandas as pd  # takes long to load, and most shops have no such rule

        cursor = self._connection.execute(statement("posting/ask_rules"), {"sources": list(rules)})
        assert cursor.description is not None
        counts = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
        vetoes: list[dict[str, Any]] = []
        for source, group in counts.groupby("source", sort=True):
            for rule in rules[str(source)]:
                reasons = rule(group.drop(columns="count_id").reset_index(drop=True))
                for count_id, reason in zip(group["count_id"], reasons, strict=True):
                    if reason:
                        vetoes.append({"count_id": int(count_id), "reason": str(reason)})
        if not vetoes:
            return False
        self._connection.execute(statement("posting/veto"), {"vetoes": json.dumps(vetoes)})
        return True

    def _advisory_differences(self) -> None:
        if not self._has_advisory or not self._exists("run_counts where decision = 'advisory'"):
            return
        self._connection.execute("truncate run_books")
        self._do("next_step")
        self._do("ask_advisory_books")
        self._do("read_books")

    @property
    def _asks_gate(self) -> bool:
        """Whether any count waits, or came; most runs bring movements only, to articles nobody has a doubt about."""
        return (
            bool(self._rows.get("stage_counts"))
            or (self._has_lists and bool(self._rows.get("rollback/find_counts")))
            or self._exists("stock_counts where decision = 'held'")
        )

    @property
    def _touches_counts(self) -> bool:
        """Whether any count may have come into force or left it; most runs bring movements only."""
        keys = (
            "find_count_keys",
            "repeat_decisions",
            "record_verdicts",
            "decisions/find_keys",
            "rollback/find_counts",
        )
        return any(self._rows.get(name) for name in keys)

    # -- plumbing ----------------------------------------------------------------------------------------------

    def _do(self, name: str) -> None:
        text = statement(name if "/" in name else f"posting/{name}")
        needs = {key: value for key, value in self._values.items() if f"%({key})s".encode() in text}
        self._rows[name] = self._connection.execute(text, needs or None).rowcount

    def _exists(self, what: str) -> bool:
        row = self._connection.execute(f"select exists (select from {what})".encode()).fetchone()  # noqa: S608
        return bool(row and row[0])

    def _analyze(self, *tables: str) -> None:
        """Tell the planner what the run's tables hold, where the run is large enough to gain from it."""
        if max(self._rows.values(), default=0) >= _ANALYZE_ROWS:
            self._connection.execute(f"analyze {', '.join(tables)}".encode())

    def _statistics(self) -> dict[str, Any]:
        values = {name: self._values[name] for name in ("operation_id", "express_rows")}
        values["ledger_entries"] = self._ledger_entries
        cursor = self._connection.execute(statement("posting/statistics"), values)
        row = cursor.fetchone()
        assert row is not None and cursor.description is not None
        return {column.name: int(value) for column, value in zip(cursor.description, row, strict=True)}

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
