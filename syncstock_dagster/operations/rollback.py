"""Rollback: an operation's evidence leaves force, and stock follows (law L3). Entries are never mirrored.

What belongs here: undoing one operation, which may itself be a rollback, in full or a selection of it; looking at it
before; and asking a second person. What does not: how stock follows.

Of stock nothing depends on an operation: evidence is withdrawn in any order with the same end (laws L3 and L4). Of the
catalogue a later change of the same field does; then the rollback is refused, unless it is told to include those.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from syncstock_dagster.operations.log import Operation, Statistics, current_actor, run_operation
from syncstock_dagster.stock.evidence import BadInput
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.posting import Posting
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

TABLES = ("movements", "counts", "products")
_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of an operation; None means all. Articles make a rollback selective, the rest partial."""

    tables: tuple[str, ...] | None = None
    locations: tuple[str, ...] | None = None
    inventory_ids: tuple[int, ...] | None = None

    @property
    def kind(self) -> str:
        """The type of the rollback: ``full``, ``partial`` or ``selective``."""
        if self.inventory_ids is not None:
            return "selective"
        return "full" if self.tables is None and self.locations is None else "partial"

    def as_dict(self) -> dict[str, Any]:
        """What is restricted, for the record."""
        given = (
            ("tables", self.tables),
            ("locations", self.locations),
            ("inventory_ids", self.inventory_ids),
        )
        return {name: sorted(set(value)) for name, value in given if value is not None}

    def within(self, other: dict[str, Any]) -> Selection:
        """What both select."""

        def both(name: str, mine: Any) -> Any:
            theirs = other.get(name)
            if mine is None or theirs is None:
                return tuple(theirs) if mine is None and theirs is not None else mine
            return tuple(value for value in mine if value in theirs)

        return Selection(
            both("tables", self.tables),
            both("locations", self.locations),
            both("inventory_ids", self.inventory_ids),
        )

    def takes(self, table: str) -> bool:
        """Whether a table is in it. Articles have no location: naming one leaves them out."""
        if table == "products" and self.locations is not None:
            return False
        return self.tables is None or table in self.tables


@dataclass(frozen=True, slots=True)
class RollbackPreview:
    """What a rollback would do. Lists show the first thousand."""

    operation_uuid: str
    digest: str
    numbers: dict[str, Any]
    stock: list[dict[str, Any]] = field(default_factory=list)  # inventory_id, sku, location, before, after
    products: list[dict[str, Any]] = field(default_factory=list)  # inventory_id, field, old, new
    outside: list[dict[str, Any]] = field(default_factory=list)  # system, values_sent, articles, last_at
    dependents: list[str] = field(default_factory=list)  # uuids of later operations


def roll_back(
    url: str,
    operation_uuid: str,
    policies: Policies,
    *,
    reason: str,
    default_location: str,
    selection: Selection = Selection(),  # noqa: B008 - it is frozen
    include_dependents: bool = False,
    digest: str | None = None,
    second_person: Sequence[str] = (),
    who: str | None = None,
    dry_run: bool = False,
) -> SyncResult:
    """Withdraw what an operation brought, and bring back what it withdrew. Twice is once.

    Args:
        url: the database.
        operation_uuid: the operation.
        policies: of the sources.
        reason: why.
        default_location: of evidence that names none.
        selection: which part of it.
        include_dependents: take back later changes of the same fields of articles, too.
        digest: of a preview; refuse where something else would be done than it showed.
        second_person: types of operations for which this is only a request, until somebody else calls it.
        who: who does it.
        dry_run: undo all of it at the end.

    Raises:
        BadInput: no reason is given, there is no such operation, it cannot be rolled back, or others depend on it.
    """
    if not reason or not reason.strip():
        raise BadInput("A rollback needs a reason: say in a few words why.")
    rollback = _Rollback(policies, default_location, selection, include_dependents, reason, digest)
    if second_person and not dry_run:
        rollback.second_person = tuple(second_person)
        if _needs_asking(url, operation_uuid, selection, second_person, current_actor(who)[0]):
            preview = preview_rollback(
                url, operation_uuid, policies, default_location=default_location, selection=selection,
                include_dependents=include_dependents,
            )  # fmt: skip
            return _ask(url, preview, selection, reason, who)

    def work(operation: Operation) -> Statistics:
        rollback.begin(operation, operation_uuid)
        return {"already": True} if rollback.already else rollback.run()

    outcome = run_operation(
        url, f"rollback: {reason}", "rollback", work, who=who, is_rollbackable=True, dry_run=dry_run
    )
    status = "rolled back" if not outcome.is_dry_run else None
    return SyncResult.of(outcome, reason, status)


def preview_rollback(
    url: str,
    operation_uuid: str,
    policies: Policies,
    *,
    default_location: str,
    selection: Selection = Selection(),  # noqa: B008 - it is frozen
    include_dependents: bool = True,
) -> RollbackPreview:
    """What a rollback would change and what it cannot undo; nothing of it is kept.

    Raises:
        BadInput: there is no such operation, or it cannot be rolled back.
    """
    rollback = _Rollback(policies, default_location, selection, include_dependents, "preview", None)

    def work(operation: Operation) -> Statistics:
        rollback.begin(operation, operation_uuid)
        return {"already": True} if rollback.already else rollback.run()

    outcome = run_operation(url, "preview", "rollback", work, dry_run=True)
    return RollbackPreview(
        operation_uuid, rollback.digest, outcome.statistics, rollback.stock[:_SHOWN], rollback.products[:_SHOWN],
        rollback.outside, rollback.dependents,
    )  # fmt: skip


def refuse_rollback(
    url: str, operation_uuid: str, *, reason: str, who: str | None = None, dry_run: bool = False
) -> int:
    """Refuse what somebody asked for, or withdraw one's own request; how many requests there were."""
    if not reason or not reason.strip():
        raise BadInput("Refusing needs a reason: say in a few words why.")

    def work(operation: Operation) -> Statistics:
        done = operation.connection.execute(
            statement("rollback/refuse"),
            {"uuid": str(operation_uuid), "who": operation.who, "reason": reason},
        ).rowcount
        return {"refused": done}

    return int(
        run_operation(url, f"refuse: {reason}", "refuse", work, who=who, dry_run=dry_run).statistics[
            "refused"
        ]
    )


def _needs_asking(
    url: str, operation_uuid: str, selection: Selection, second_person: Sequence[str], who: str
) -> bool:
    """Whether a second person is needed for this and nobody but ``who`` has asked so far."""
    with connect(url) as connection:
        row = connection.execute(
            statement("rollback/asked"),
            {"uuid": str(operation_uuid), "selection": json.dumps(selection.as_dict()), "who": who},
        ).fetchone()
    return row is not None and row[0] in second_person and not row[1]


def _ask(
    url: str, preview: RollbackPreview, selection: Selection, reason: str, who: str | None
) -> SyncResult:
    """A request names what was looked at: the second person does that, or is told that it has changed."""

    def work(operation: Operation) -> Statistics:
        values = {
            "uuid": preview.operation_uuid, "type": selection.kind, "selection": json.dumps(selection.as_dict()),
            "reason": reason, "who": operation.who, "digest": preview.digest,
        }  # fmt: skip
        return {"requests": operation.connection.execute(statement("rollback/request"), values).rowcount}

    outcome = run_operation(url, f"rollback asked for: {reason}", "request", work, who=who)
    return SyncResult.of(outcome, reason, "requested")


class _Rollback:
    """One rollback at work, inside its operation. A retry begins anew."""

    def __init__(
        self,
        policies: Policies,
        default_location: str,
        selection: Selection,
        include_dependents: bool,
        reason: str,
        digest: str | None,
    ) -> None:
        self._policies = policies
        self._default_location = default_location
        self._asked = selection
        self._include_dependents = include_dependents
        self._reason = reason
        self._expected = digest
        #: Types of operations that nobody rolls back alone.
        self.second_person: tuple[str, ...] = ()
        self.digest = ""
        self.stock: list[dict[str, Any]] = []
        self.products: list[dict[str, Any]] = []
        self.outside: list[dict[str, Any]] = []
        self.dependents: list[str] = []
        #: How much of what is selected there was to undo.
        self._found = 0

    def begin(self, operation: Operation, operation_uuid: str) -> None:
        """Lock the operation that is asked for, and find whose evidence moves."""
        if () in (self._asked.tables, self._asked.locations, self._asked.inventory_ids):
            raise BadInput(
                "Nothing is selected: name tables, locations or articles, or none of them for all of it."
            )
        self._operation = operation
        self._connection: Connection[Any] = operation.connection
        self._found = 0
        self._requested_by: str | None = None
        row = self._connection.execute(
            "select operation_id, status::text, is_rollbackable, operation_type from sync_operations "
            "where operation_uuid::text = %s for update",
            (str(operation_uuid),),
        ).fetchone()
        if row is None:
            raise BadInput(f"There is no operation {operation_uuid}.")
        self._requested_id, status, is_rollbackable, self.operation_type = row
        self.already = status == "rolled_back"
        if self.already:
            return
        if status not in ("completed", "partly") or not is_rollbackable:
            raise BadInput(
                f"Operation {operation_uuid} ({self.operation_type}, {status}) cannot be rolled back."
            )
        for choice in _rows(self._connection, "rollback/find_choice", {"requested_id": self._requested_id}):
            raise BadInput(_why_no_choice(**choice))
        if self.operation_type in self.second_person:
            self._take_request(operation_uuid)
        chain = self._connection.execute(
            statement("rollback/find_target"), {"requested_id": self._requested_id}
        ).fetchall()
        self._chain = [int(one[0]) for one in chain]
        # What a rollback withdrew is known by its own id; what is withdrawn again belongs to the first of the chain.
        self._target_id = self._requested_id if len(chain) % 2 == 0 else self._chain[-1]
        self._selection = self._asked
        if len(chain) % 2 == 1:
            for _, selection in chain[1:]:
                self._selection = self._selection.within(selection)

    def _take_request(self, operation_uuid: str) -> None:
        """What somebody else has asked for is done now, as it was looked at."""
        row = self._connection.execute(
            "delete from sync_rollbacks where rollback_id = ("
            "select min(rollback_id) from sync_rollbacks where original_operation_id = %s and status = 'requested' "
            "and selection = %s::jsonb and created_by <> %s) returning created_by, digest",
            (self._requested_id, json.dumps(self._asked.as_dict()), self._operation.who),
        ).fetchone()
        if row is None:
            raise BadInput(
                f"Nobody else asks for the rollback of {operation_uuid} any more: ask for it again."
            )
        self._requested_by = row[0]
        self._expected = self._expected or row[1]

    def run(self) -> Statistics:
        """Undo it, in this order: stock, catalogue, record."""
        values = self._values()
        self._connection.execute(statement("staging/temp_tables"))
        if self._selection.takes("products"):
            self._find_articles(values)
            self._undo_articles(values)  # first, as everybody locks articles before stock
        numbers = self._undo_stock(values)
        if self._asked.kind != "full" and not self._found:
            return self._nothing_of_it()
        numbers["products"] = len({one["inventory_id"] for one in self.products})
        self.digest = _digest(self.stock, self.products)
        if self._expected is not None and self._expected != self.digest:
            raise BadInput("It would do something else by now than was looked at: preview it again.")
        touched = sorted({one["inventory_id"] for one in (*self.stock, *self.products)})
        outside = {
            "requested_id": self._requested_id,
            "touched": touched,
            "operation_id": self._operation.operation_id,
        }
        self.outside = _rows(self._connection, "rollback/outside", outside)
        if self.outside:
            self._connection.execute(statement("rollback/outdated"), outside)
        numbers["outside"] = sum(one["values_sent"] for one in self.outside)
        self._record(numbers)
        return self._release(numbers)

    def _values(self) -> dict[str, Any]:
        chosen = self._selection
        location_ids = None
        if chosen.locations is not None:
            found = self._connection.execute(
                "select code, location_id from locations where code = any(%s)", (list(chosen.locations),)
            ).fetchall()
            if missing := set(chosen.locations) - {code for code, _ in found}:
                raise BadInput(f"There is no location {', '.join(sorted(missing))}.")
            location_ids = [location_id for _, location_id in found]
        if chosen.tables is not None and (wrong := set(chosen.tables) - set(TABLES)):
            raise BadInput(f"Tables are {', '.join(TABLES)}, not {', '.join(sorted(wrong))}.")
        return {
            "requested_id": self._requested_id,
            "target_id": self._target_id,
            "operation_id": self._operation.operation_id,
            "who": self._operation.who,
            "reason": self._reason,
            "inventory_ids": None if chosen.inventory_ids is None else list(chosen.inventory_ids),
            "location_ids": location_ids,
        }

    def _undo_stock(self, values: dict[str, Any]) -> Statistics:
        posting = Posting(
            self._connection,
            self._operation.operation_id,
            self._policies,
            default_location=self._default_location,
        )
        if self._selection.takes("movements"):
            posting.take_identities("rollback/find_movements", "rollback/change_movements", **values)
        change_counts = None
        if self._selection.takes("counts"):
            change_counts = posting.take_counts("rollback/find_counts", "rollback/change_counts", **values)
        statistics = posting.finish(change_counts)
        self._found += _number(
            self._connection,
            b"select (select count(*) from run_contested) + (select count(*) from run_count_keys)",
        )
        self.stock = _rows(self._connection, "rollback/stock_changes", None)
        for stage, seconds in posting.seconds.items():
            self._operation.performance.count(stage, seconds=seconds)
        if self._selection.takes("movements") and self._selection.takes("counts"):
            self._found += self._connection.execute(statement("rollback/change_quarantine"), values).rowcount
        return statistics

    def _find_articles(self, values: dict[str, Any]) -> None:
        self._connection.execute(statement("rollback/find_articles"), values)
        self.products = _rows(self._connection, "rollback/article_changes", None)
        self.dependents = sorted({one for change in self.products for one in change["dependents"]})
        if self.dependents and not self._include_dependents:
            raise BadInput(
                f"Later operations changed the same fields: {', '.join(self.dependents)}. "
                "Include them, or select other articles."
            )

    def _undo_articles(self, values: dict[str, Any]) -> None:
        # Here, because restoring is what the catalogue does with versions.
        from syncstock_dagster.catalog.versions import apply_prepared

        self._found += apply_prepared(self._operation, "rollback/prepare_articles")
        if self._selection.inventory_ids is None:  # a category is no article's own
            self._found += self._connection.execute(statement("rollback/restore_categories"), values).rowcount
        self._found += _number(self._connection, statement("rollback/change_staging"), values)

    def _record(self, numbers: Statistics) -> None:
        record = {
            "operation_id": self._operation.operation_id, "reason": self._reason, "who": self._operation.who,
            "requested_by": self._requested_by, "digest": self.digest, "result": json.dumps(numbers, default=str),
        }  # fmt: skip
        self._connection.execute(
            statement("rollback/record"),
            {
                **record, "original_id": self._requested_id, "type": self._asked.kind, "is_asked_for": True,
                "selection": json.dumps(self._asked.as_dict()),
            },
        )  # fmt: skip
        touched = [self._chain]
        for dependent in self.dependents:
            row = self._connection.execute(
                "select operation_id from sync_operations where operation_uuid::text = %s for update",
                (dependent,),
            ).fetchone()
            assert row is not None
            dependent_id = int(row[0])
            ids = sorted({one["inventory_id"] for one in self.products if dependent in one["dependents"]})
            self._connection.execute(
                statement("rollback/record"),
                {
                    **record, "original_id": dependent_id, "type": "selective", "is_asked_for": False,
                    "selection": json.dumps({"tables": ["products"], "inventory_ids": ids}),
                },
            )  # fmt: skip
            touched.append([dependent_id])
        given_back = self._connection.execute(
            "select original_operation_id from sync_rollbacks "
            "where rollback_operation_id = any(%s) and not is_asked_for",
            (self._chain,),
        ).fetchall()
        for operation_id in [*(one for chain in touched for one in chain), *(row[0] for row in given_back)]:
            self._connection.execute(statement("rollback/settle_status"), {"id": operation_id})

    def _nothing_of_it(self) -> Statistics:
        """What is selected was undone already, or the operation has nothing of it."""
        asked = (self._requested_id, json.dumps(self._asked.as_dict()))
        if not _number(
            self._connection,
            b"select count(*) from sync_rollbacks as r join sync_operations as o "
            b"on o.operation_id = r.rollback_operation_id where r.original_operation_id = %s "
            b"and r.selection = %s::jsonb and r.status = 'done' and o.status <> 'rolled_back'",
            asked,
        ):
            raise BadInput("The operation has nothing of what is selected, or nothing of it stands any more.")
        self.already = True
        return {"already": True}

    def _release(self, numbers: Statistics) -> Statistics:
        """What came back into quarantine may be known by now."""
        posting = Posting(
            self._connection,
            self._operation.operation_id,
            self._policies,
            default_location=self._default_location,
            counts_like="counts",
            is_second=True,
        )
        posting.release()
        released = posting.finish()
        return {name: value + released.get(name, 0) for name, value in numbers.items()}


def _why_no_choice(
    chosen_side: str,
    field_name: str,
    remote: str | None,
    sku: str,
    staging_id: int,
    status: str,
    commit_uuid: str | None,
) -> str:
    """A choice changes no article, it says how a staged change goes on; what to undo depends on how far that is."""
    why = f"This is the choice on {field_name} of {sku}, which changed nothing itself"
    if chosen_side == "local":
        return f"{why}. To take what the source said instead, change the article: {field_name} is {remote}."
    if status == "committed":
        return f"{why}: the change was committed by {commit_uuid}. Roll that back."
    if status in ("staged", "approved"):
        return f"{why}: the change still waits. Reject it: syncstock staging reject {staging_id}."
    return f"{why}: the change is {status}. There is nothing to undo."


def _digest(stock: list[dict[str, Any]], products: list[dict[str, Any]]) -> str:
    """Of everything that would change; of stock by how much, because sales go on meanwhile."""
    shown = [
        [
            [one["inventory_id"], one["location"], str((one["after"] - one["before"]).normalize())]
            for one in stock
        ],
        [[one["inventory_id"], one["field"], one["old"], one["new"]] for one in products],
    ]
    return hashlib.sha256(json.dumps(shown, default=str).encode()).hexdigest()


def _number(connection: Connection[Any], query: bytes, values: Any = None) -> int:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])


def _rows(connection: Connection[Any], name: str, values: dict[str, Any] | None) -> list[dict[str, Any]]:
    cursor = connection.execute(statement(name), values)
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
