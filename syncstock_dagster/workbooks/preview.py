"""What was understood of a count sheet, in a form that a person can look at before anything is taken.

What belongs here: the shape of a preview, how sure it is, and its words. What does not: understanding
(``count_sheets``) and printing (``cli``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from syncstock_dagster.workbooks.sheets import LeftOut


@dataclass(frozen=True, slots=True)
class ColumnShown:
    """Which column was taken for what."""

    field: str
    header: str
    #: As a spreadsheet shows it: C.
    letter: str
    certainty: float


@dataclass(frozen=True, slots=True)
class TableShown:
    """One table of a file."""

    sheet: str | None
    header_rows: Sequence[int]
    columns: Sequence[ColumnShown]
    #: The place and time that hold for all its lines; None where lines say it themselves or nobody does.
    location: str | None
    room: str | None
    counted_at: str | None
    counted_from: str | None
    lines: int
    counted: int
    bad: int
    #: The first counts: sku, room, quantity.
    examples: Sequence[Mapping[str, str | None]]


@dataclass(slots=True)
class Preview:
    """What was understood of a whole file."""

    file: str
    tables: list[TableShown] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    #: Why it is not certain: reason -> what is left of the confidence.
    doubts: dict[str, float] = field(default_factory=dict)
    #: The mapping that was used: confirmed before, or given by the sender.
    mapped_by: str | None = None

    @property
    def confidence(self) -> float:
        """The least that a doubt leaves; 0 where no table was found."""
        return min(self.doubts.values(), default=1.0) if self.tables else 0.0

    def doubt(self, why: str, leaves: float) -> None:
        """Note a reason for looking at it."""
        if leaves < self.doubts.get(why, 1.0):
            self.doubts[why] = leaves

    def columns(self) -> dict[str, str]:
        """Field -> header of the first table: what a confirmed mapping remembers.

        Nothing where the tables are columns of one sheet, each a location's: a mapping names one quantity.
        """
        quantities = {
            (table.sheet, column.letter)
            for table in self.tables
            for column in table.columns
            if column.field == "quantity"
        }
        if not self.tables or len(quantities) > len({table.sheet for table in self.tables}):
            return {}
        return {
            column.field: column.header if self.tables[0].header_rows else f"@{column.letter}"
            for column in self.tables[0].columns
        }

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "file": self.file,
            "confidence": round(self.confidence, 2),
            "doubts": dict(self.doubts),
            "mapped_by": self.mapped_by,
            "tables": [asdict(table) for table in self.tables],
            "left_out": [asdict(left) for left in self.left_out],
        }


def shown_rows(rows: Sequence[int]) -> str:
    """Row numbers in few words: 4, 7 to 12, 40."""
    parts: list[str] = []
    start = end = None
    for row in [*sorted(rows), None]:
        if end is not None and row == end + 1:
            end = row
            continue
        if start is not None and end is not None:
            parts.append(
                str(start) if start == end else f"{start} to {end}" if end > start + 1 else f"{start}, {end}"
            )
        start = end = row
    more = f" and {len(parts) - 12} more" if len(parts) > 12 else ""
    return ", ".join(parts[:12]) + more
