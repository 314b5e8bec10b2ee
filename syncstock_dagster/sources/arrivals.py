"""What has arrived in the drop folder: complete, new, and about which days.

What belongs here: telling a finished file from one that is still being written, telling new ones from those that were
read before, taking them in, and counting how often something was tried. What does not: finding files
(``drop_folder``), reading and receiving one (``intake``), and who looks when (sensors, assets).

Which file is new is decided by its content (law L5). Name, size and time of change only save reading a file again that
lies there as it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from syncstock_dagster.errors import RowError
from syncstock_dagster.sources.drop_folder import DropFile, kind_and_source, list_drop, parse_drop_file
from syncstock_dagster.sources.intake import STOPS_EVERYTHING, Taking, receive
from syncstock_dagster.stock.deliveries import Receipt
from syncstock_dagster.stock.policy import Kind
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement
from syncstock_dagster.workbooks.reader_process import start_ahead

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.sources.files import ParsedFile
    from syncstock_dagster.workbooks.preview import Preview

#: How often one fact (a file's content, a delivery) is tried before only a person is asked.
MOST_ATTEMPTS = 3

#: Between two looks at a file that has not changed for long: its clock may not be ours.
_SHORTEST_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files that somebody asks for: those of one kind, of some of its sources."""

    kind: Kind
    takes: Callable[[str], bool]

    def __call__(self, kind: Kind, source: str) -> bool:
        """Whether files of this kind and source are among them."""
        return kind == self.kind and self.takes(source)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that was read before and lies there unchanged."""

    state: str  # of its delivery: received, posted, rejected, withdrawn; or failed
    delivery_id: int | None
    errors: tuple[RowError, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """The drop folder at one look."""

    #: Complete, and not read as they are now.
    new: tuple[DropFile, ...]
    #: Read before, and unchanged since.
    seen: Mapping[str, tuple[DropFile, Seen]]
    #: Still being written, as far as one can tell.
    unfinished: tuple[DropFile, ...]
    #: All of what was listed, wanted or not; of one kind where one was asked for.
    names: tuple[str, ...]

    @property
    def files(self) -> int:
        """How many there are in all."""
        return len(self.new) + len(self.seen) + len(self.unfinished)


@dataclass(slots=True)
class Taken:
    """What a look into the drop folder brought."""

    listing: Listing
    receipts: list[Receipt] = field(default_factory=list)
    #: Those of the receipts that say for the first time that a file cannot be taken in.
    refused: list[Receipt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: What was understood of each count sheet that was read, taken in or not.
    previews: list[Preview] = field(default_factory=list)

    @property
    def received(self) -> list[Receipt]:
        """What is new and was stored."""
        return [receipt for receipt in self.receipts if receipt.state == "received"]


def look(
    db: SyncStockDB,
    folder: str,
    *,
    wanted: Wanted | None = None,
    settle_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Listing:
    """List the drop folder. Unknown files are looked at twice, and count when they lie still.

    A file lies still when its size and time of change stay the same between the two looks, and it was last changed
    ``settle_seconds`` ago; where nobody says when it was changed, or a clock is ahead, the looks are that far apart.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    everything = list_drop(folder, wanted.kind if wanted else None)
    first = _of(everything, wanted)
    seen = _seen(db, first)
    unknown = [file for file in first.values() if file.name not in seen]
    if not unknown:
        return Listing((), seen, (), tuple(file.name for file in everything))
    start_ahead()  # what reads files gets ready meanwhile
    sleep(max(_until_settled(file, settle_seconds) for file in unknown))
    everything = list_drop(folder, wanted.kind if wanted else None)
    second = _of(everything, wanted)
    new = [file for file in unknown if _print(second.get(file.name)) == _print(file)]
    new = [file for file in new if _age(file) is None or (_age(file) or 0.0) >= settle_seconds]
    still = {file.name for file in new}
    unfinished = [file for file in second.values() if file.name not in still and file.name not in seen]
    still_there = {name: seen[name] for name in seen if name in second}
    return Listing(tuple(new), still_there, tuple(unfinished), tuple(file.name for file in everything))


def take_in(
    db: SyncStockDB,
    folder: str,
    *,
    wanted: Wanted | None = None,
    settle_seconds: float,
    rejected_again: bool = False,
    who: str | None = None,
) -> Taken:
    """Receive every complete file that is new, and try again those that failed; posting follows.

    Whatever is wrong with one file stops none of the others. ``rejected_again`` has files read again that were
    rejected as they are: after a rule was changed.
    """
    listing = look(db, folder, wanted=wanted, settle_seconds=settle_seconds)
    _forget_gone(db, listing, wanted)
    once_more = ("failed", "rejected") if rejected_again else ("failed",)
    again = [file for file, seen in listing.seen.values() if seen.state in once_more]
    taken = Taken(listing)
    newest = _newest_delivery(db)
    files = sorted([*listing.new, *again], key=lambda file: (file.kind != "products", file.name))
    for file, received in zip(files, receive(db, files, Taking(skip_known=True, who=who)), strict=True):
        receipt = received.receipt
        remember(db, file, receipt)
        taken.receipts.append(receipt)
        taken.notes += [f"{receipt.file}: {note}" for note in received.notes]
        if received.preview is not None:
            taken.previews.append(received.preview)
        # A rejection that is on record was told by whoever read the file first.
        if receipt.state == "failed" or (receipt.state == "rejected" and receipt.delivery_id > newest):
            taken.refused.append(receipt)
    return taken


def remember(db: SyncStockDB, file: DropFile, receipt: Receipt) -> None:
    """Note what became of a file as it lies there now."""
    failed = receipt.state == "failed"
    error = json.dumps([error.as_dict() for error in receipt.errors]) if failed else None
    with connect(db.url) as connection:
        connection.execute(
            statement("arrivals/remember"),
            {
                "name": file.name,
                "size": file.size,
                "modified_at": file.modified_at,
                "delivery_id": None if failed else receipt.delivery_id,
                "error": error,
            },
        )


def refused(db: SyncStockDB, wanted: Wanted | None = None) -> list[dict[str, Any]]:
    """Files that lay there as they were refused when somebody last looked, each with the first of its errors."""
    with connect(db.url) as connection:
        cursor = connection.execute(statement("arrivals/refused"))
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
    places = [kind_and_source(row["file"]) for row in rows]
    return [
        row
        for row, place in zip(rows, places, strict=True)
        if place is not None and (wanted is None or wanted(*place))
    ]


@dataclass(frozen=True, slots=True)
class Understood:
    """A file that was read to learn what a run about it must cover. Nothing of it is stored."""

    file: DropFile
    sha256: str
    #: Empty where it has no dated rows, or where nothing of it can be taken.
    days: tuple[date, ...] = ()


def understand(db: SyncStockDB, file: DropFile) -> Understood | Receipt:
    """The content and the days of a new file; a receipt where it was received before, which is then remembered.

    A file that cannot be read has no days: the run that takes it in says why.
    """
    content = b""
    try:
        content = file.read()
        digest = sha256(content).hexdigest()
        known = _known_as_it_is(db, file, bytes.fromhex(digest))
        if known is not None:
            remember(db, file, known)
            return known
        return Understood(file, digest, _days(db, parse_drop_file(file, db.policies)))
    except STOPS_EVERYTHING:
        raise
    except Exception:
        # Told by the run that tries to take it in, where somebody sees it.
        return Understood(file, sha256(content).hexdigest())


def ask(db: SyncStockDB, facts: Sequence[str]) -> dict[str, int]:
    """Count that runs are asked for about these facts; without those that were tried ``MOST_ATTEMPTS`` times."""
    with connect(db.url) as connection:
        rows = connection.execute(statement("arrivals/ask"), {"facts": list(facts), "most": MOST_ATTEMPTS})
        return dict(rows.fetchall())


def asked(db: SyncStockDB, facts: Sequence[str]) -> dict[str, int]:
    """How often runs were asked for about those of the facts for which any was."""
    with connect(db.url) as connection:
        rows = connection.execute(
            "select fact, attempts from run_requests where fact = any(%s)", (list(facts),)
        )
        return dict(rows.fetchall())


# -- plumbing ----------------------------------------------------------------------------------------------------------


def _days(db: SyncStockDB, parsed: ParsedFile) -> tuple[date, ...]:
    from syncstock_dagster.database import DEFAULT_LOCATION
    from syncstock_dagster.stock.deliveries import days_of

    with connect(db.url) as connection:
        return tuple(days_of(connection, parsed.evidence, DEFAULT_LOCATION))


def _newest_delivery(db: SyncStockDB) -> int:
    with connect(db.url) as connection:
        row = connection.execute("select coalesce(max(delivery_id), 0) from deliveries").fetchone()
    assert row is not None
    return int(row[0])


def _known_as_it_is(db: SyncStockDB, file: DropFile, digest: bytes) -> Receipt | None:
    """What these bytes became when they came under this name before, also where they were rejected."""
    with connect(db.url) as connection:
        row = connection.execute(
            "select delivery_id, state::text from deliveries where (name, kind, source, content_sha256) = "
            "(%s, %s, %s, %s) order by delivery_id desc limit 1",
            (file.name, file.kind, file.source, digest),
        ).fetchone()
    return None if row is None else Receipt(row[0], row[1], file.name)


def _forget_gone(db: SyncStockDB, listing: Listing, wanted: Wanted | None) -> None:
    with connect(db.url) as connection:
        below = {"names": list(listing.names), "kind": wanted.kind if wanted else None}
        connection.execute(statement("arrivals/forget"), below)


def _of(files: Iterable[DropFile], wanted: Wanted | None) -> dict[str, DropFile]:
    return {file.name: file for file in files if wanted is None or wanted(file.kind, file.source)}


def _seen(db: SyncStockDB, files: Mapping[str, DropFile]) -> dict[str, tuple[DropFile, Seen]]:
    with connect(db.url) as connection:
        rows = connection.execute(statement("arrivals/seen"), {"names": list(files)}).fetchall()
    seen = {}
    for name, size, modified_at, delivery_id, state, error, errors in rows:
        file = files[name]
        # Without a time of change nothing says that a file of the same size is the same one.
        if modified_at is not None and (size, modified_at) == _print(file):
            found = Seen(state or "failed", delivery_id, _errors(error if state is None else errors))
            seen[name] = (file, found)
    return seen


def _errors(stored: Iterable[Mapping[str, Any]] | None) -> tuple[RowError, ...]:
    return tuple(RowError(**error) for error in stored or ())


def _print(file: DropFile | None) -> tuple[int, datetime | None] | None:
    return None if file is None else (file.size, file.modified_at)


def _age(file: DropFile) -> float | None:
    """Seconds since the last change; None where nobody knows, or a clock is ahead."""
    if file.modified_at is None:
        return None
    age = (datetime.now(UTC) - file.modified_at).total_seconds()
    return age if age >= 0 else None


def _until_settled(file: DropFile, settle_seconds: float) -> float:
    age = _age(file)
    if age is None:
        return settle_seconds
    return max(settle_seconds - age + 0.01, min(_SHORTEST_LOOK, settle_seconds))
