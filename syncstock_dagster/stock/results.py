"""What an operation on stock answers: plain values, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from syncstock_dagster.operations.log import Outcome


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What one operation did. All numbers are rows, but ``articles`` (pairs of article and location)."""

    operation_uuid: str
    status: str  # posted | already received | rolled back | dry run
    note: str = ""
    movements_new: int = 0
    movements_duplicate: int = 0
    movements_conflict: int = 0
    movements_restated: int = 0
    quarantined: int = 0
    counts_new: int = 0
    counts_applied: int = 0
    counts_review: int = 0
    counts_held: int = 0  # on the articles that it touched, also those held before that still are
    counts_duplicate: int = 0
    counts_conflict: int = 0
    counts_advisory: int = 0
    counts_listed: int = 0
    products: int = 0
    products_waiting: int = 0  # changes of articles that somebody approves; see what is staged
    ledger_entries: int = 0
    articles: int = 0
    restatements: int = 0

    @property
    def needs_person(self) -> bool:
        """Whether something waits for a decision, a mapping or a look."""
        return bool(
            self.movements_conflict
            or self.quarantined
            or self.counts_review
            or self.counts_held
            or self.counts_conflict
            or self.products_waiting
        )

    def numbers(self) -> dict[str, int]:
        """The numbers alone, by name."""
        return {name: getattr(self, name) for name in _number_names()}

    @classmethod
    def of(cls, outcome: Outcome, note: str = "", status: str | None = None) -> SyncResult:
        """The result of an operation, from its statistics."""
        answered = outcome.statistics.get("answered")
        if answered:
            return cls.answered(answered, note)
        return cls(
            outcome.uuid,
            status or ("dry run" if outcome.is_dry_run else "posted"),
            note,
            **_numbers(outcome.statistics),
        )

    @classmethod
    def answered(cls, known: dict[str, Any], note: str = "") -> SyncResult:
        """The answer to a delivery that is known already: the numbers are those of its first posting."""
        status = "rolled back" if known["state"] == "withdrawn" else "already received"
        return cls(known["operation_uuid"] or "", status, note, **_numbers(known["statistics"] or {}))


def _numbers(statistics: dict[str, Any]) -> dict[str, int]:
    names = _number_names()
    return {name: int(value) for name, value in statistics.items() if name in names}


def _number_names() -> list[str]:
    return [field.name for field in fields(SyncResult) if field.type == "int"]
