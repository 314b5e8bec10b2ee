"""Errors as values: what is wrong with which place of an input, in words for the person who can mend it.

What belongs here: errors that every room speaks of. What does not: errors that only one room raises.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong with one place of one delivery, in words for the person who can mend it."""

    file: str
    row: int | None
    column: str | None
    found: str | None
    expected: str
    remedy: str
    sheet: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The error as plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                self.file,
                self.sheet and f"sheet {self.sheet}",
                self.row is not None and f"row {self.row}",
                self.column and f"column {self.column}",
            )
            if part
        )
        found = "nothing" if self.found is None else repr(self.found)
        return f"{place}: found {found}, expected {self.expected}. {self.remedy}"


class BadInput(ValueError):  # noqa: N818 - the public name, and what it says
    """Input that nobody can post as it is; carries every error found, not only the first."""

    def __init__(self, message: str, errors: tuple[RowError, ...] = ()) -> None:
        super().__init__(message if not errors else message + "\n" + "\n".join(f"  {e}" for e in errors[:50]))
        self.errors = errors


def told_error(error: Exception) -> str:
    """An error that nobody foresaw, as the record and people are told it."""
    return f"{type(error).__name__}: {error}"[:10_000]
