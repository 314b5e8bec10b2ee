"""Rebuild: the ledger is verified against the evidence and mended by new entries; the caches are recomputed.

What belongs here: that repair. What does not: finding what is wrong without mending it (``audit``).
"""

from __future__ import annotations

from dataclasses import dataclass

from syncstock_dagster.operations.log import Operation, Statistics, run_operation
from syncstock_dagster.stock.audit import expect
from syncstock_dagster.store.statements import statement

_STEPS = ("mend_ledger", "mend_stock", "mend_points", "mend_ranges", "drop_ranges")


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """Rows that a rebuild had to write; all zero when nothing was wrong."""

    ledger_entries: int
    stock: int
    counts: int
    snapshots: int

    @property
    def found_nothing(self) -> bool:
        """Whether everything was right already."""
        return not (self.ledger_entries or self.stock or self.counts or self.snapshots)


def rebuild(url: str, *, dry_run: bool = False, who: str | None = None) -> RebuildReport:
    """Recompute everything from the evidence. Writers wait meanwhile; readers do not."""

    def work(operation: Operation) -> Statistics:
        connection = operation.connection
        connection.execute("lock table item_stock in exclusive mode")
        expect(connection)
        values = {"operation_id": operation.operation_id}
        return {
            name: connection.execute(text, values if b"%(operation_id)s" in text else None).rowcount
            for name in _STEPS
            if (text := statement(f"rebuild/{name}"))
        }

    done = run_operation(url, "Rebuild", "rebuild", work, who=who, dry_run=dry_run).statistics
    return RebuildReport(
        done["mend_ledger"],
        done["mend_stock"],
        done["mend_points"],
        done["mend_ranges"] + done["drop_ranges"],
    )
