"""Intake: from files to deliveries, one after the other, each on its own.

What belongs here: which files a path means, receiving and posting them. What does not: understanding a file
(``files``), finding those of the drop folder (``drop_folder``), configured readers (``readers``), the identity of a
delivery and posting it (``stock``).

Whatever is wrong with one file or delivery is told and does not stop the others. What is wrong with the database
stops everything: the next ones would fail as well.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING

import psycopg
from upath import UPath

from syncstock_dagster.errors import told_error
from syncstock_dagster.sources.drop_folder import DEFAULT_SOURCE, DropFile, list_drop
from syncstock_dagster.sources.files import ParsedFile, parse_file
from syncstock_dagster.stock.deliveries import Receipt, waiting_deliveries
from syncstock_dagster.stock.evidence import BadInput, RowError
from syncstock_dagster.stock.policy import ConfigError, Kind
from syncstock_dagster.stock.results import SyncResult
from syncstock_dagster.store.connection import connect
from syncstock_dagster.workbooks.catalogue import NOTHING_KNOWN, known_to
from syncstock_dagster.workbooks.mappings import find_mapping
from syncstock_dagster.workbooks.opening import FileSettings

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.workbooks.preview import Preview

_log = logging.getLogger(__name__)

#: The database is what failed.
STOPS_EVERYTHING = (psycopg.OperationalError, psycopg.InterfaceError)

#: Files that are read while another is stored: the first ones, a short catalogue and long sales, take their start
#: side by side.
_READ_AHEAD = 2

_KINDS = tuple(DEFAULT_SOURCE)

#: Told after each file: what became of it, and what a person should know that is not wrong.
FileTold = Callable[[Receipt, tuple[str, ...]], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done, and why. Nothing of it was kept; doing it again is safe."""

    what: str
    error: Exception


# -- files -------------------------------------------------------------------------------------------------------------


def find_files(
    paths: Iterable[str], *, kind: Kind | None = None, source: str | None = None
) -> list[DropFile]:
    """The files that paths and URLs mean, those of the catalogue first.

    What is not said is taken from where a file lies, as in the drop folder: ``sales/x.csv`` holds sales,
    ``sales/till-north/x.csv`` sales of the source ``till-north``. It is never guessed from the content.

    Raises:
        BadInput: a path does not exist, holds no file, or nobody says what kind of file it is.
    """
    found: list[DropFile] = []
    errors: list[RowError] = []
    for given in paths:
        try:
            files = list(_files_of(given, kind, source))
        except _UnclearPathError as unclear:
            errors.append(RowError(given, None, None, unclear.found, unclear.expected, unclear.remedy))
        except (OSError, ImportError, ValueError) as error:
            remedy = (
                "Check the path, whether it may be read, and whether what its protocol needs is installed."
            )
            errors.append(RowError(given, None, None, str(error), "a file or a folder", remedy))
        else:
            found += files
    if errors:
        raise BadInput("Not every path can be taken; nothing was:", tuple(errors))
    # A stable sort: otherwise files are taken in the order in which they are named.
    return sorted(found, key=lambda file: file.kind != "products")


@dataclass(frozen=True, slots=True)
class Taking:
    """How files are taken in."""

    #: What files do not say themselves.
    settings: FileSettings | None = None
    #: Also what is known already.
    again: bool = False
    #: A file that lies there unchanged since it was received is not read again.
    skip_known: bool = False
    #: For replays; otherwise now.
    recorded_at: datetime | None = None
    who: str | None = None


AS_USUAL = Taking()


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one file."""

    receipt: Receipt
    #: What a person should know of it that is not wrong.
    notes: tuple[str, ...] = ()
    #: What was understood of a count sheet, taken in or not.
    preview: Preview | None = None


def receive(db: SyncStockDB, files: Sequence[DropFile], how: Taking = AS_USUAL) -> Iterator[Received]:
    """Read files and store what they say, each whole; one that fails has the state ``failed`` and is not stored.

    ``post`` follows. While one file is stored, those after it are read.
    """
    known = received_before(db, files) if how.skip_known else {}

    def read(file: DropFile) -> Receipt | ParsedFile | bytes:
        content = file.read()
        receipt = known.get(key_of(file, content))
        if receipt is not None:
            return receipt
        # What a count sheet means depends on the catalogue, which the file before it may change.
        return content if file.kind == "counts" else _parse(db, file, content, how.settings)

    with ThreadPoolExecutor(_READ_AHEAD, "next-file") as reader:
        ahead = deque(reader.submit(read, file) for file in files[:_READ_AHEAD])
        for place, file in enumerate(files):
            current = ahead.popleft()
            ahead.extend(
                reader.submit(read, following)
                for following in files[place + _READ_AHEAD : place + _READ_AHEAD + 1]
            )
            preview = None
            notes: tuple[str, ...] = ()
            try:
                found = current.result()
                if isinstance(found, bytes):
                    found = _parse(db, file, found, how.settings)
                if isinstance(found, Receipt):
                    receipt = found
                else:
                    preview, notes = found.preview, found.notes
                    receipt = db.receive(found, again=how.again, recorded_at=how.recorded_at, who=how.who)
                    notes += receipt.notes
            except STOPS_EVERYTHING:
                raise
            except Exception as error:
                receipt = _failed(file, error)
            yield Received(receipt, notes, preview)


@dataclass(slots=True)
class Loaded:
    """What became of files that were received and posted one after the other."""

    receipts: list[Receipt] = field(default_factory=list)
    results: list[SyncResult] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def load(
    db: SyncStockDB, files: Sequence[DropFile], how: Taking = AS_USUAL, *, told: FileTold | None = None
) -> Loaded:
    """Receive and post files: the catalogue, then what moved, then counts, which are understood and judged by both.

    While the database posts one file, the next ones are read.
    """
    loaded = Loaded()

    def post_at_once(receipts: Sequence[Receipt]) -> None:
        results, failures = post(db, waiting_of(receipts), recorded_at=how.recorded_at, who=how.who)
        loaded.results += results
        loaded.failures += failures

    in_order = _in_order(files)
    for file, received in zip(in_order, receive(db, in_order, how), strict=True):
        loaded.receipts.append(received.receipt)
        if file.kind != "counts":
            post_at_once([received.receipt])
        if told is not None:
            told(received.receipt, received.notes)
    # The sheets together, for their days say which of them comes first.
    post_at_once(loaded.receipts)
    return loaded


#: What a file is without a look inside: name, kind, source and SHA-256.
FileKey = tuple[str, str, str, bytes]


def key_of(file: DropFile, content: bytes) -> FileKey:
    """Under which a file is found among those that were received before."""
    return file.name, file.kind, file.source, sha256(content).digest()


def received_before(db: SyncStockDB, files: Sequence[DropFile]) -> dict[FileKey, Receipt]:
    """Files that were received under the same name with the same bytes: the same delivery, without a look inside.

    The name counts, because a count sheet's may say when it was counted. What was rejected may be good by now.
    """
    with connect(db.url) as connection:
        rows = connection.execute(
            "select delivery_id, name, kind, source, content_sha256, state::text from deliveries "
            "where name = any(%s) and content_sha256 is not null order by delivery_id",
            ([file.name for file in files],),
        )
        newest = {
            (name, kind, source, sha): (number, state) for number, name, kind, source, sha, state in rows
        }
    return {
        key: Receipt(number, "rolled back" if state == "withdrawn" else "already received", key[0])
        for key, (number, state) in newest.items()
        if state != "rejected"
    }


def rehearse(
    db: SyncStockDB, files: Iterable[DropFile], how: Taking = AS_USUAL, *, told: FileTold | None = None
) -> list[tuple[Receipt, SyncResult | None]]:
    """What ``load`` of these files would do, in its order; nothing of it is kept."""
    failed: list[tuple[Receipt, SyncResult | None]] = []

    def parsed() -> Iterator[ParsedFile]:
        for file in _in_order(files):
            try:
                read = _parse(db, file, file.read(), how.settings)
            except Exception as error:
                failed.append((_failed(file, error), None))
                if told is not None:
                    told(failed[-1][0], ())
                continue
            yield read
            if told is not None:
                told(Receipt(0, "rejected" if read.rejected else "read", read.name), read.notes)

    return db.rehearse(parsed(), again=how.again, recorded_at=how.recorded_at, who=how.who) + failed


def post(
    db: SyncStockDB,
    delivery_ids: Sequence[int] | None = None,
    *,
    recorded_at: datetime | None = None,
    who: str | None = None,
    told: Callable[[int, SyncResult | Failure], None] | None = None,
) -> tuple[list[SyncResult], list[Failure]]:
    """Post deliveries that are received (default: all), each in its transaction: counts after what moved before them.

    A delivery that fails stays received, and the next ones are posted: stock does not depend on the order (law L4).
    """
    results: list[SyncResult] = []
    failures: list[Failure] = []
    for delivery_id in waiting_deliveries(db.url, among=delivery_ids):
        try:
            posted = db.post_received([delivery_id], recorded_at=recorded_at, who=who)
        except STOPS_EVERYTHING:
            raise
        except Exception as error:
            failures.append(Failure(f"delivery {delivery_id}", error))
            if told is not None:
                told(delivery_id, failures[-1])
            continue
        results += posted
        if told is not None:
            for result in posted:
                told(delivery_id, result)
    return results, failures


def waiting_of(receipts: Iterable[Receipt]) -> list[int]:
    """The deliveries behind receipts that may wait to be posted, in their order.

    Also those that were received before: a run that was killed may not have come to posting them.
    """
    return [receipt.delivery_id for receipt in receipts if receipt.state in ("received", "already received")]


# -- plumbing ----------------------------------------------------------------------------------------------------------


def _in_order(files: Iterable[DropFile]) -> list[DropFile]:
    """The catalogue, then what moved, then counts; otherwise as given."""
    return sorted(files, key=lambda file: (file.kind != "products", file.kind == "counts"))


class _UnclearPathError(Exception):
    def __init__(self, found: str, expected: str, remedy: str) -> None:
        super().__init__(found)
        self.found, self.expected, self.remedy = found, expected, remedy


def _files_of(given: str, kind: Kind | None, source: str | None) -> Iterator[DropFile]:
    path = UPath(given)
    if path.is_file():
        yield _one_file(path, given, kind, source)
    elif path.is_dir():
        in_order = list_drop(path) if kind is None else []
        if in_order:
            yield from (file if source is None else replace(file, source=source) for file in in_order)
            return
        files = sorted(
            (child for child in path.iterdir() if child.is_file() and not child.name.startswith((".", "~$"))),
            key=lambda child: child.name,
        )
        if not files:
            folders = ", ".join(f"{name}/" for name in _KINDS)
            raise _UnclearPathError(
                "no file", "a file, or a folder with files", f"A drop folder holds {folders}"
            )
        yield from (_one_file(child, given, kind, source) for child in files)
    else:
        raise _UnclearPathError("nothing", "a file or a folder", "Check the path.")


def _one_file(path: UPath, given: str, kind: Kind | None, source: str | None) -> DropFile:
    place = _place_of(path)
    if kind is None and place is None:
        raise _UnclearPathError(
            "a file of an unknown kind",
            f"a file in a folder named after its kind ({', '.join(_KINDS)})",
            "Say what it holds, for example --kind sales.",
        )
    if kind is None:
        assert place is not None
        kind, of_folder = place
        source = source or of_folder
    source = source or DEFAULT_SOURCE[kind]
    parts = (kind, path.name) if source == DEFAULT_SOURCE[kind] else (kind, source, path.name)
    stat = path.stat()
    return DropFile("/".join(parts), kind, source, int(stat.st_size), _modified(stat.st_mtime), path)


def _place_of(path: UPath) -> tuple[Kind, str] | None:
    """Kind and source as the folders say them: ``<kind>/<file>``, or ``<kind>/<source>/<file>``."""
    folders = PurePath(path.resolve().path if path.protocol in ("", "file", "local") else path.path).parts[
        :-1
    ]
    parent, above = (*reversed(folders), "", "")[:2]
    if above in _KINDS and parent in _KINDS:
        return None  # a source named like a kind, or a folder in another: it must be said
    if above in _KINDS:
        return above, parent
    if parent in _KINDS:
        return parent, DEFAULT_SOURCE[parent]
    return None


def _modified(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _parse(db: SyncStockDB, file: DropFile, content: bytes, settings: FileSettings | None) -> ParsedFile:
    settings = settings or FileSettings()
    known = NOTHING_KNOWN
    if file.kind == "counts":
        known = known_to(db.url, db.default_location)
        if settings.mapping is None:
            settings = replace(settings, mapping=find_mapping(db.url, file.source, file.name))
    return parse_file(
        content,
        file.name,
        file.kind,
        file.source,
        db.policies.for_source(file.source, file.kind),
        modified_at=file.modified_at,
        settings=settings,
        known=known,
    )


def preview_file(db: SyncStockDB, file: DropFile, settings: FileSettings | None = None) -> ParsedFile:
    """What would be understood of a file; nothing is taken in."""
    return _parse(db, file, file.read(), settings)


def _failed(file: DropFile, error: Exception) -> Receipt:
    """The file was not taken, for a reason that is not in its rows: it is tried again the next time."""
    if not isinstance(error, OSError | ConfigError):
        _log.error("%s could not be received", file.name, exc_info=error)
    row = RowError(
        file.name,
        None,
        None,
        told_error(error),
        "a file that can be taken in",
        "Mend the cause and try again; nothing of the file was kept.",
    )
    return Receipt(0, "failed", file.name, errors=(row,))
