"""The end of the day in numbers: what staff must write into their sheets, what differs, what waits, what is missing.

What belongs here: gathering it (``store/sql/evening``) as plain values. What does not: workbooks, pages and mails made
of it (``workbooks.evening_sheet``, ``workbooks.evening_text``), and telling people (``operations.alerts``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from syncstock_dagster.operations.alerts import Fact
from syncstock_dagster.stock import days
from syncstock_dagster.stock.causes import Cause, likeliest
from syncstock_dagster.stock.evidence import decimal_text
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.reading import not_listed
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

Row = dict[str, Any]

#: Differences that were found in these days are still told to people who were not told yet.
_TELL_FOR = timedelta(days=7)
#: Counts of these days are looked at for late rows that make them doubtful.
_LATE_FOR = timedelta(days=2)
#: So many articles that one file lacks or brought are named one by one; more are one line, with some of them.
_MOST_NAMED, _SOME_NAMED = 20, 5


@dataclass(frozen=True, slots=True)
class Item:
    """A line to be changed in Excel: previous + received - sold + adjusted = remaining."""

    location: str
    sku: str
    name: str | None
    previous: Decimal
    received: Decimal
    sold: Decimal
    adjusted: Decimal
    remaining: Decimal
    #: The number on the last sheet; None: it was never on one.
    sheet_says: Decimal | None
    sheet_counted_at: datetime | None
    #: Of orders, sold and not yet on a sheet that agrees.
    pending: Decimal
    orders: int
    #: Counts of it that wait for a decision.
    held: int

    @property
    def to_do(self) -> str:
        """What to do with it."""
        if self.held:
            return "A count of it waits for approval: leave it until that is decided."
        if self.sheet_says is None:
            return f"Not in your sheet: add it with {decimal_text(self.remaining)}."
        if self.sheet_says - self.remaining == self.pending != 0:
            return f"Not yet written off: change {decimal_text(self.sheet_says)} to {decimal_text(self.remaining)}."
        return f"Change {decimal_text(self.sheet_says)} to {decimal_text(self.remaining)}."


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is far from the books."""

    count_id: int
    location: str
    sku: str | None
    tier: str
    counted: Decimal
    expected: Decimal
    variance: Decimal
    source: str
    counted_at: datetime
    explanation: str
    to_do: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """A count that waits for a person."""

    count_id: int
    location: str
    sku: str | None
    name: str | None
    counted_at: datetime
    counted: Decimal
    expected: Decimal
    variance: Decimal
    source: str
    reason: str | None
    decided_at: datetime

    @property
    def to_do(self) -> str:
        """What to do with it."""
        return f"Look at the shelf; then syncstock approve {self.count_id}, or reject {self.count_id}."


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a sheet and the books do not both know."""

    kind: str  # not listed | unknown code | unknown location | new from a sheet
    sku: str | None
    location: str | None
    told: str
    since: datetime
    #: In which a sheet lacks it, or which brought it.
    file: str | None = None
    #: More than one: a line for many from one file.
    articles: int = 1

    @property
    def to_do(self) -> str:
        """What to do with it."""
        if self.articles > 1:
            return {
                "not listed": "syncstock not-listed shows them. If the sheet lists a part on purpose, send its source "
                "as one without not_listed.",
            }.get(self.kind, "If it is your first sheet, send a catalogue with their names (products/).")
        return {
            "not listed": "Count it, or write 0 if there is none; its stock stays until then.",
            "unknown code": "Correct the code in its file, or enter the article.",
            "unknown location": "Correct the location in its file, or enter it: syncstock locations set.",
        }.get(self.kind, "Check that it is a new article and no misspelt code.")


@dataclass(frozen=True, slots=True)
class EveningReport:
    """One day, for the people who keep the sheets."""

    day: date
    made_at: datetime
    orders: int
    units_ordered: Decimal
    #: Lines of orders that no sheet shows yet, of all days.
    pending: int
    items: tuple[Item, ...]
    differences: tuple[Difference, ...]
    undecided: tuple[Undecided, ...]
    missing: tuple[Missing, ...]
    #: Article and units, the most sold first.
    most_sold: tuple[tuple[str, Decimal], ...]

    @property
    def by_tier(self) -> dict[str, int]:
        """How many counts of the day are in which tier."""
        return dict(Counter(one.tier for one in self.differences))

    @property
    def numbers(self) -> dict[str, int | Decimal]:
        """The day at a glance."""
        return {
            "orders": self.orders,
            "units_ordered": self.units_ordered,
            "items_to_update": len(self.items),
            "differences": len(self.differences),
            "waiting_for_approval": len(self.undecided),
            "not_found": sum(one.articles for one in self.missing),
            "order_lines_not_in_a_sheet": self.pending,
        }

    def as_dict(self) -> Row:
        """The same as plain values; quantities stay ``Decimal``, times stay aware."""
        told = asdict(self) | {"numbers": self.numbers, "by_tier": self.by_tier}
        for name in ("items", "undecided", "missing"):
            told[name] = [
                row | {"to_do": one.to_do} for row, one in zip(told[name], getattr(self, name), strict=True)
            ]
        return told


def evening_report(url: str, policies: Policies, day: date, *, timezone: str) -> EveningReport:
    """The report of a day; of one that is not over, as far as it is known. ``timezone`` is that of the catalogue."""
    far = _far_from_the_books(url, policies, day, timezone)
    causes = explained(url, policies, far)
    with connect(url) as connection:
        sheet_sources = _sheet_sources(connection, policies)
        asked = {
            "day": day, "first": day, "last": day, "sheet_sources": sheet_sources, "timezone": timezone,
        }  # fmt: skip
        items = _rows(connection, "items", asked)
        undecided = _rows(connection, "waiting", asked)
        unknown = _rows(connection, "not_found", asked)
        (orders,) = _rows(connection, "orders", asked)
        sold = _rows(connection, "most_sold", asked)
    return EveningReport(
        day,
        datetime.now(UTC),
        orders["orders"],
        orders["units"],
        orders["pending"],
        tuple(Item(**row) for row in items),
        tuple(_difference(row, causes) for row in far),
        tuple(Undecided(**row) for row in undecided),
        _in_short([*(Missing(**row) for row in unknown), *_not_listed(url, policies, (day, day))]),
        tuple((row["sku"], row["sold"]) for row in sold),
    )


def _far_from_the_books(url: str, policies: Policies, day: date, timezone: str) -> list[Row]:
    """Counts of the day that are; and of the days before, where the day brought what makes them so."""
    with connect(url) as connection:
        since = {"day": day, "since": day - _TELL_FOR, "timezone": timezone}
        learnt = [count_id for (count_id,) in connection.execute(statement("evening/learnt_of"), since)]
    earlier = days.verdicts(url, policies, None, count_ids=learnt).offending if learnt else ()
    return [*days.verdicts(url, policies, (day, day)).offending, *earlier]


def explained(
    url: str, policies: Policies, counts: Sequence[Mapping[str, Any]]
) -> dict[int, tuple[str, str]]:
    """Of counts that are far from the books: by ``count_id`` why that may be, and what to do.

    The one place where the report asks for explanations.
    """
    count_ids = [int(one["count_id"]) for one in counts]
    best = likeliest(url, policies, count_ids)
    with connect(url) as connection:
        remarks = dict(connection.execute(statement("evening/remarks"), {"count_ids": count_ids}).fetchall())
    return {
        one["count_id"]: _explanation(one, best.get(one["count_id"]), remarks.get(one["count_id"]))
        for one in counts
    }


def _not_listed(url: str, policies: Policies, span: tuple[date, date]) -> list[Missing]:
    """Stocked articles that the last sheet that should list everything lacks."""
    rows = not_listed(url, policies, span)
    return [
        Missing(
            "not listed",
            row["sku"],
            row["location"],
            f"{decimal_text(row['on_hand'])} in the books, and not in {row['file']}",
            row["counted_at"],
            row["file"],
        )
        for row in rows
    ]


def _in_short(missing: Sequence[Missing]) -> tuple[Missing, ...]:
    """What holds up evidence first; one line for a sheet, mostly the first one, that lacks or brought very many."""
    of_file: dict[tuple[str, str | None, str | None], list[Missing]] = defaultdict(list)
    for one in missing:
        of_file[one.kind, one.location, one.file].append(one)
    found: list[Missing] = []
    for (kind, location, file), group in of_file.items():
        if file is None or len(group) <= _MOST_NAMED:
            found += group
            continue
        some = ", ".join(str(one.sku) for one in group[:_SOME_NAMED])
        told = f"{'not in' if kind == 'not listed' else 'entered from'} {file}: {some} and others"
        found.append(Missing(kind, None, location, told, group[0].since, file, len(group)))
    order = ("unknown code", "unknown location", "not listed", "new from a sheet")
    return tuple(sorted(found, key=lambda one: order.index(one.kind)))


def open_facts(url: str, policies: Policies, *, today: date, timezone: str) -> list[Fact]:
    """What people should be told about stock, each once: missing in a sheet, held or doubtful, unknown, to review."""
    span = (today - _TELL_FOR, today + timedelta(days=1))
    judged = [
        *days.verdicts(url, policies, (today - _LATE_FOR, today + timedelta(days=1))).offending,
        *_far_from_the_books(url, policies, today, timezone),
    ]
    with connect(url) as connection:
        sheet_sources = _sheet_sources(connection, policies)
        values = {
            "first": span[0], "last": span[1], "sheet_sources": sheet_sources, "timezone": timezone,
            "lasting": _TELL_FOR,
        }  # fmt: skip
        undecided = _rows(connection, "waiting", values)
        unknown = [row for row in _rows(connection, "not_found", values) if row["kind"].startswith("unknown")]
        review = _rows(connection, "new_differences", values)
    facts = [
        Fact(f"not listed {one.sku}@{one.location}", "critical", f"{one.sku} at {one.location}: {one.told}")
        for one in _not_listed(url, policies, span)
    ]
    facts += [Fact(f"held {row['count_id']}", "alert", _told(row)) for row in undecided]
    facts += [
        Fact(f"flagged {row['count_id']}", "alert", f"{_told(row)}: late rows make it doubtful")
        for row in {row["count_id"]: row for row in judged}.values()
        if row["status"] == "flagged"
    ]
    facts += [
        Fact(
            f"unknown {row['sku']}@{row['location']}",
            "unknown",
            f"{row['sku']} at {row['location']}: {row['told']}",
        )
        for row in unknown
    ]
    facts += [Fact(f"review {row['count_id']}", "review", _told(row)) for row in review]
    return facts


def _told(row: Row) -> str:
    return (
        f"{row['sku']} at {row['location']}: counted {decimal_text(row['counted'])}, the books say "
        f"{decimal_text(row['expected'])} (count {row['count_id']})"
    )


def _explanation(count: Mapping[str, Any], cause: Cause | None, remarks: str | None) -> tuple[str, str]:
    to_do = {
        "held": "Look at the shelf; then approve or reject the count.",
        "review": "It was applied.",
        "flagged": "It was applied, and is doubtful by now.",
        "rejected": "Count again.",
    }.get(count["status"], "Look at it.")
    remark = f" Remark: {remarks}" if remarks else ""
    if cause is None:
        return f"Nothing that is recorded explains it.{remark}", to_do
    return f"{cause.says}{remark}", f"{cause.check} {to_do}"


def _difference(row: Mapping[str, Any], causes: Mapping[int, tuple[str, str]]) -> Difference:
    names = ("count_id", "location", "sku", "counted", "expected", "variance", "source", "counted_at")
    explanation, to_do = causes[row["count_id"]]
    return Difference(
        tier=row["status"], explanation=explanation, to_do=to_do, **{name: row[name] for name in names}
    )


def _sheet_sources(connection: Any, policies: Policies) -> list[str]:
    names = [name for (name,) in connection.execute("select name from sources")]
    return policies.sheet_sources(names)


def _rows(connection: Any, name: str, values: Mapping[str, Any]) -> list[Row]:
    text = statement(f"evening/{name}")
    needs = {key: value for key, value in values.items() if f"%({key})s".encode() in text}
    cursor = connection.execute(text, needs or None)
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
