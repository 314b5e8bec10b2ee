"""Why a count differs from the books: candidate causes of many variances at once, the likeliest first.

What belongs here: asking the statements in ``store/sql/causes``, each of which looks at all variances in one go, and
saying in plain words what each finding means and what a person should check. What does not: deciding anything, and the
story of one article (``stock.explain``).

A score is an order, not a probability: a difference that equals a whole day's sales is seldom chance, one of three
pieces often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from psycopg import Connection, Cursor

from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    import pandas as pd

#: Variances that somebody should look at.
OF_INTEREST = ("held", "review", "flagged")

#: In this order: later ones read the tables of earlier ones.
_FINDERS = (
    "not_written_off", "counted_later", "late_rows", "doubtful_time", "opposites", "packs", "typing", "documents",
    "repeated",
)  # fmt: skip

#: Cause: what it says, and what to check. The names are those of its details.
WORDS: dict[str, tuple[str, str]] = {
    "not_written_off": (
        "The count is what the book said before {since}: the {moved} that moved since are missing from it.",
        "Ask whether the sheet was filled in before these were written off. If so, reject it or count again.",
    ),
    "not_written_off.only_out": (
        "The count has what came in since {since}, and lacks what went out: {moved}.",
        "Ask whether the sales of these days were written off before the sheet was filled in.",
    ),
    "counted_later": (
        "The count is what the book says at {until}, {moved} later.",
        "Ask when it was really counted; if then, load the sheet with that time.",
    ),
    "late_rows": (
        "{rows} row(s) of {quantity} in all came after the count; without them it differs by {variance_without}.",
        "Look at the dates of these rows: did they move before the count, or after it?",
    ),
    "day_rows": (
        "{rows} row(s) of {quantity} are known only by the day of the count; it may or may not have seen them "
        "(variance {low} to {high}).",
        "Ask whether they moved before or after the count, or have their source say the time.",
    ),
    "counting_time": (
        "{rows} row(s) of {quantity} moved while the counting went on; it may or may not have seen them "
        "(variance {low} to {high}).",
        "Count again while nothing moves, or take the time of this article alone.",
    ),
    "opposite_location": (
        "{location} differs by {variance}, counted {counted_at}: just the opposite.",
        "Look for a transfer that nobody wrote down, or goods that were delivered to the other place.",
    ),
    "opposite_article": (
        "{sku} differs by {variance} at the same place ({kin} in common; {fitting} such article(s)).",
        "Look whether the two were mixed up: on the shelf, by a wrong barcode, or in two lines of the sheet.",
    ),
    "packs.counted_in": (
        "The count times {factor} is what the book says: it was made in {unit}s.",
        "Ask in which unit it was counted; correct the sheet, with the unit in a column.",
    ),
    "packs.booked_in": (
        "The book times {factor} is the count: it may have been booked in {unit}s.",
        "Look at the last deliveries: were {unit}s entered as single pieces?",
    ),
    "packs.whole": (
        "The difference is exactly {packs} {unit}(s) of {factor}.",
        "Look for a {unit} that stands elsewhere, was not opened, or was booked once too often.",
    ),
    "digits_swapped": (
        "{counted} and {expected} are the same but for two digits in the other order.",
        "Look at the sheet or the shelf: was the number written down wrong?",
    ),
    "digit_slipped": (
        "{counted} and {expected} differ by one digit that is there or not.",
        "Look at the sheet or the shelf: was a digit typed twice or left out?",
    ),
    "counted_twice": (
        "The count is exactly twice what the book says.",
        "Ask whether two people, or two sheets, counted the same shelf.",
    ),
    "counted_as_none": (
        "None was counted.",
        "Ask whether somebody looked, or wrote 0 for what was not counted; look at other places where it may stand.",
    ),
    "document_in_conflict": (
        "Document {document} of {source} came with another content, which would explain it.",
        "Settle that conflict first: `syncstock conflicts`.",
    ),
    "document_in_quarantine": (
        "A row of {source} of just that quantity is in quarantine (document {document}).",
        "See to what it waits for: `syncstock quarantine`.",
    ),
    "document_withdrawn": (
        "Document {document} of {source} ({reason}, {effective_at}) has just that quantity and was withdrawn.",
        "Ask whether it was withdrawn rightly.",
    ),
    "document_twice": (
        "Two documents of {source} ({reason}, the first {document}, {effective_at}) have just that quantity.",
        "Look whether one delivery or sale was entered twice.",
    ),
    "document_alone": (
        "Document {document} of {source} ({reason}, {effective_at}) has just that quantity.",
        "Ask whether those goods really came or went before the count.",
    ),
    "repeated_count": (
        "It is the number of the count before ({previous}), though {moved} moved since; so are {same} of {lines} such "
        "lines of the sheet.",
        "Look whether the sheet of last time was sent again, or numbers were copied.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cause:
    """What may have caused a variance."""

    cause: str
    score: Decimal
    says: str
    check: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What is known about a variance, and what may have caused it, the likeliest first."""

    #: The count before it.
    previous_at: datetime | None
    previous_counted: Decimal | None
    movements_between: int
    moved_between: Decimal
    #: Of these, what came when the count was on record already.
    late_rows: int
    late_quantity: Decimal
    #: What moved while the counting went on.
    window_rows: int
    window_quantity: Decimal
    #: What is known only by the day of the count.
    day_rows: int
    day_quantity: Decimal
    causes: tuple[Cause, ...]


def explain_variances(
    url: str,
    policies: Policies,
    count_ids: Sequence[int] | None = None,
    statuses: Sequence[str] | None = None,
    day: date | None = None,
) -> pd.DataFrame:
    """``count_id, cause, rank, score, says, check, details`` of each candidate, the likeliest of each count first.

    Of the counts named; else of those of a business ``day``, else of all. ``statuses`` are those of ``db.variances()``;
    by default held, review and flagged, or any where counts are named.
    """
    with _snapshot(url) as connection:
        _ask(connection, policies, count_ids, statuses, day)
        rows = _find(connection)
    told = [(*row[:4], *in_words(row[1], row[4]), row[4]) for row in rows]
    return _frame(told, ["count_id", "cause", "rank", "score", "says", "check", "details"])


def likeliest(url: str, policies: Policies, count_ids: Sequence[int]) -> dict[int, Cause]:
    """By ``count_id`` the first candidate of each of these counts that has one."""
    with _snapshot(url) as connection:
        _ask(connection, policies, count_ids, None, None)
        return {
            count_id: Cause(cause, score, *in_words(cause, details))
            for count_id, cause, rank, score, details in _find(connection)
            if rank == 1
        }


def variance_facts(
    url: str,
    policies: Policies,
    count_ids: Sequence[int] | None = None,
    statuses: Sequence[str] | None = None,
    day: date | None = None,
) -> pd.DataFrame:
    """What is known about the same variances: movements between the counts, late and doubtful rows. One row each."""
    with _snapshot(url) as connection:
        _ask(connection, policies, count_ids, statuses, day)
        cursor = connection.execute(statement("causes/facts"))
        return _frame(cursor.fetchall(), _names(cursor))


def differences(
    connection: Connection[Any], policies: Policies, count_ids: Sequence[int]
) -> dict[int, Difference]:
    """The same of a few counts, in the caller's transaction, as values."""
    if not count_ids:
        return {}
    _ask(connection, policies, count_ids, None, None)
    causes: dict[int, list[Cause]] = {}
    for count_id, cause, _, score, details in _find(connection):
        causes.setdefault(count_id, []).append(Cause(cause, score, *in_words(cause, details)))
    cursor = connection.execute(statement("causes/facts"))
    names = _names(cursor)
    wanted = {field.name for field in fields(Difference)}
    known = [dict(zip(names, row, strict=True)) for row in cursor]
    return {
        row["count_id"]: Difference(
            **{name: value for name, value in row.items() if name in wanted},
            causes=tuple(causes.get(row["count_id"], ())),
        )
        for row in known
    }


def in_words(cause: str, details: dict[str, Any]) -> tuple[str, str]:
    """What a finding says, and what to check."""
    how = details.get("how") or ("only_out" if details.get("only_out") else None)
    says, check = WORDS.get(f"{cause}.{how}") or WORDS[cause]
    return says.format(**details), check.format(**details)


@contextmanager
def _snapshot(url: str) -> Iterator[Connection[Any]]:
    """A transaction in which all statements see the same; its own tables end with it."""
    with connect(url) as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        yield connection


def _ask(
    connection: Connection[Any],
    policies: Policies,
    count_ids: Sequence[int] | None,
    statuses: Sequence[str] | None,
    day: date | None,
) -> None:
    """Gather the variances that are asked about in ``cause_counts``."""
    if statuses is None and count_ids is None:
        statuses = OF_INTEREST
    names = connection.execute("select name from sources").fetchall()
    values = {
        "gates": policies.gates(name for (name,) in names),
        "day": day,
        "count_ids": None if count_ids is None else [int(one) for one in count_ids],
        "statuses": None if statuses is None else list(statuses),
    }
    connection.execute(statement("causes/asked"), values)
    connection.execute("create unique index on cause_counts (count_id); analyze cause_counts")


def _find(connection: Connection[Any]) -> list[tuple[Any, ...]]:
    """``count_id, cause, rank, score, details`` of every candidate."""
    for name in ("moves", "findings", "pool"):
        connection.execute(statement(f"causes/{name}"))
    connection.execute(
        "create index on cause_pool (inventory_id, variance);"
        "create index on cause_pool (location_id, category_id, variance);"
        "create index on cause_pool (location_id, style, variance) where style is not null;"
        "create index on cause_pool (delivery_id, position);"
        "analyze cause_moves, cause_pool"
    )
    for name in _FINDERS:
        connection.execute(statement(f"causes/{name}"))
    return connection.execute(statement("causes/ranked")).fetchall()


def _names(cursor: Cursor[Any]) -> list[str]:
    assert cursor.description is not None
    return [column.name for column in cursor.description]


def _frame(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    frame = pd.DataFrame(
        {name: pd.Series(list(column), dtype=object) for name, column in zip(names, columns, strict=True)}
    )
    whole = [name for name in ("count_id", "rank", "inventory_id") if name in names]
    return frame.astype(dict.fromkeys(whole, "int64")) if rows else frame
