"""Versions of one count sheet: the same saved again, amended, older than what is known, or contradicting it.

What belongs here: which document a sheet is, and whether it may take the place of the version before. What does
not: the same bytes and the same cells (``stock.deliveries`` recognises those), and what a count does to stock.

Of two versions the one saved later holds (law L5: an old file sent again does not beat the correction made after it).
Where neither the workbook's stamp nor its identity tells which that is, a person is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg import Connection

from syncstock_dagster.errors import RowError
from syncstock_dagster.store.copy import from_bytes, to_bytes
from syncstock_dagster.store.statements import statement
from syncstock_dagster.workbooks.mappings import pattern_of

if TYPE_CHECKING:
    from syncstock_dagster.sources.files import ParsedFile

_SHOWN = 20
_PLACE = ("location", "room", "counted_at", "counted_local", "day")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document."""

    document: str
    modified_at: datetime | None
    modified_by: str | None
    #: Article and place -> quantity.
    lines: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One line that differs between two versions; None: the version does not have it."""

    line: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.line}: {self.old or 'nothing'}, now {self.new or 'nothing'}"


def version_of(parsed: ParsedFile) -> Version | None:
    """The version that a file is; None for what is no count sheet."""
    counts = parsed.evidence.counts
    if parsed.kind != "counts" or parsed.rejected or not len(counts):
        return None
    times = sorted(
        {
            str(value)
            for name in ("counted_at", "counted_local", "day")
            for value in counts[name].unique().to_pylist()
            if value is not None
        }
    )
    places = sorted(str(code) for code in counts["location"].unique().to_pylist())
    sheet = parsed.properties.get("sheet_id")
    # A name without its numbers would make one document of two rooms; without the mark of a copy it is the same.
    name = f"sheet {sheet}" if sheet else f"{parsed.source}/{_own_name(parsed.name)}"
    document = f"{name} at {places[0]}.. on {times[0] if times else '?'}..{times[-1] if times else '?'}"
    quantities = counts["quantity"].to_pylist()
    lines = dict(zip(_lines(counts), quantities, strict=True))
    return Version(
        document, _stamp(parsed.properties.get("modified")), parsed.properties.get("modified_by"), lines
    )


def judged(
    connection: Connection[Any], parsed: ParsedFile
) -> tuple[ParsedFile, Version | None, tuple[str, ...]]:
    """The file as it may be taken, its version, and what changed since the version before.

    A version that must not take the place of the one before is rejected, with the lines in which they differ.
    """
    version = version_of(parsed)
    if version is None:
        return parsed, None, ()
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (version.document,))
    row = connection.execute(statement("workbooks/newest_version"), {"document": version.document}).fetchone()
    if row is None:
        return parsed, version, ()
    delivery_id, name, modified_at, modified_by, data = row
    before = Version(version.document, modified_at, modified_by, _lines_of(from_bytes(data)))
    changes = _changes(before, version)
    if not changes:
        return parsed, version, (f"It counts the same as {name} (delivery {delivery_id}).",)
    refusal = None if parsed.is_newest else _refusal(before, version, changes, name)
    if refusal is not None:
        return _rejected(parsed, changes, *refusal), version, ()
    shown = [f"Amends {name} (delivery {delivery_id}): {change}." for change in changes[:_SHOWN]]
    more = len(changes) - _SHOWN
    return parsed, version, (*shown, *([f"... and {more} more lines."] if more > 0 else ()))


def record(connection: Connection[Any], delivery_id: int, version: Version) -> None:
    """Keep a version with its delivery."""
    lines = pa.table({"line": list(version.lines), "quantity": list(version.lines.values())})
    connection.execute(
        statement("workbooks/record_version"),
        {
            "delivery_id": delivery_id,
            "document": version.document,
            "modified_at": version.modified_at,
            "modified_by": version.modified_by,
            "lines": to_bytes(lines),
        },
    )


def _own_name(name: str) -> str:
    pattern = pattern_of(name)
    return pattern if "#" not in pattern else name.rpartition("/")[2].casefold().split(" (")[0]


def _lines(counts: pa.Table) -> list[str]:
    """Article and place of each line, in words."""
    codes, ids = counts["sku"].to_pylist(), counts["inventory_id"].to_pylist()
    articles = [f"id {number}" if code is None else code for code, number in zip(codes, ids, strict=True)]
    said = [_texts(counts[name]) for name in _PLACE if counts[name].null_count < len(counts)]
    if not said:
        return articles
    places = [[part for part in parts if part is not None] for parts in zip(*said, strict=True)]
    return [
        f"{article} at {' / '.join(place)}" if place else article
        for article, place in zip(articles, places, strict=True)
    ]


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """The values as text, each worked out once."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = [str(value) for value in encoded.dictionary.to_pylist()]
    return [None if place is None else texts[place] for place in encoded.indices.to_pylist()]


def _lines_of(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["line"].to_pylist(), table["quantity"].to_pylist(), strict=True))


def _stamp(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _changes(before: Version, now: Version) -> list[Change]:
    return [
        Change(line, before.lines.get(line), now.lines.get(line))
        for line in dict.fromkeys((*now.lines, *before.lines))
        if before.lines.get(line) != now.lines.get(line)
    ]


def _refusal(before: Version, now: Version, changes: list[Change], name: str) -> tuple[str, str, str] | None:
    """Why a version may not take the place of the one before: found, expected, remedy."""
    gone = [change for change in changes if change.new is None]
    contradicting = [change for change in changes if change.old is not None and change.new is not None]
    if (
        before.modified_at is not None
        and now.modified_at is not None
        and now.modified_at < before.modified_at
    ):
        return (
            f"a version saved at {now.modified_at:%Y-%m-%d %H:%M:%S} UTC",
            f"one that is not older than {name}, saved at {before.modified_at:%Y-%m-%d %H:%M:%S} UTC",
            "The newer version holds. If this one is right after all, load it with --newest.",
        )
    if gone:
        return (
            f"a version without {len(gone)} lines of the one before, the first {gone[0].line} ({gone[0].old})",
            f"all lines of {name}, changed or not",
            "A count that was taken stays until it is withdrawn: roll back the operation that posted it "
            "(`syncstock operations`), then load this file again; or write the lines as they should be.",
        )
    if not contradicting:
        return None
    if before.modified_at is None or now.modified_at is None or now.modified_at == before.modified_at:
        return (
            f"another version of {name}, and nothing that says which is newer",
            "a workbook with a later stamp of saving",
            "Two versions contradict each other. If this one holds, load it with --newest.",
        )
    if (
        before.modified_by
        and now.modified_by
        and before.modified_by != now.modified_by
        and now.document.startswith("sheet ")
    ):
        return (
            f"the same sheet filled in by {now.modified_by!r} after {before.modified_by!r}",
            "one person's version of one sheet",
            "Two people counted differently. If this version holds, load it with --newest.",
        )
    return None


def _rejected(
    parsed: ParsedFile, changes: list[Change], found: str, expected: str, remedy: str
) -> ParsedFile:
    errors = (
        RowError(parsed.name, None, None, found, expected, remedy),
        *(
            RowError(parsed.name, None, None, str(change), "the same in both versions", "See above.")
            for change in changes[:_SHOWN]
        ),
    )
    empty = replace(parsed.evidence, counts=parsed.evidence.counts.slice(0, 0), errors=errors)
    return replace(parsed, rejected=True, errors=errors, evidence=empty)
