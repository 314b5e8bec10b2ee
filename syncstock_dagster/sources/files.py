"""One delivered file, understood: its identity, its evidence, and every error in it.

What belongs here: ``parse_file`` and its result, the two identities of a file, and what a source's policy
does to a file with bad rows. What does not: the columns of each kind of file (beside this module), finding
files (``drop_folder``), and what the database does with a delivery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.settings import get_settings
from syncstock_dagster.sources.movement_files import read_movements
from syncstock_dagster.sources.product_files import read_products
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, MOVEMENT_SCHEMA, PRODUCT_SCHEMA, Evidence, RowError
from syncstock_dagster.stock.policy import Kind, SourcePolicy, resolve_callable
from syncstock_dagster.workbooks.catalogue import NOTHING_KNOWN, Known
from syncstock_dagster.workbooks.columns_by_location import by_location
from syncstock_dagster.workbooks.count_sheets import Rules, read_counts
from syncstock_dagster.workbooks.headers import Family, normalised, words
from syncstock_dagster.workbooks.not_listed import not_listed
from syncstock_dagster.workbooks.opening import FileSettings, Wording
from syncstock_dagster.workbooks.preview import Preview
from syncstock_dagster.workbooks.reader_process import read_book
from syncstock_dagster.workbooks.rows import Problems, report_no_table, visible
from syncstock_dagster.workbooks.sheets import Book, Opened, UnreadableFileError
from syncstock_dagster.workbooks.tables import Finding, find_tables

_FAMILY: dict[Kind, Family] = {
    "purchases": "movements",
    "sales": "movements",
    "movements": "movements",
    "counts": "counts",
    "products": "products",
}


class RuleFailedError(RuntimeError):
    """A validation rule ended with an exception: the rule has to be mended, the file may be good."""


@dataclass(frozen=True, slots=True, eq=False)
class ParsedFile:
    """A file as it was received, and what was understood of it."""

    #: As in the drop folder: ``sales/2026-01-05.csv``.
    name: str
    kind: Kind
    source: str
    #: SHA-256 of the bytes.
    content_sha256: bytes
    #: The identity of the delivery by its bytes: kind, source, bytes, and what its meaning takes from outside
    #: of them. Two count sheets of equal bytes named after two days are two counts.
    identity_sha256: bytes
    #: The same by what the cells say: a workbook saved again is the same document.
    canonical_sha256: bytes
    #: In bytes.
    size: int
    #: Aware; None where nobody says.
    modified_at: datetime | None
    original: bytes
    #: Empty when the file is rejected. Holds the errors too.
    evidence: Evidence
    #: In ``PRODUCT_SCHEMA`` for kind ``products``, else None.
    products: pa.Table | None
    #: Nothing of the file is taken.
    rejected: bool
    errors: tuple[RowError, ...]
    #: What read the file, with its version.
    reader: str
    #: What a person should know that is not wrong: columns that are not read, lines that were not counted.
    notes: tuple[str, ...]
    #: Lines below the header that are not blank, and how many of them are bad.
    lines: int
    bad_lines: int
    #: What was understood of a count sheet, for a person to look at; None for other kinds.
    preview: Preview | None = None
    #: What the document says of itself: when it was saved, by whom, which sheet of ours it is.
    properties: Mapping[str, str] = field(default_factory=dict)
    #: A person says that of several versions of the document this one holds.
    is_newest: bool = False


@dataclass(slots=True)
class _Understood:
    """The tables of one file while it is being checked."""

    table: pa.Table
    lines: int = 0
    bad_lines: int = 0
    outside: tuple[str, ...] = ()
    preview: Preview | None = None


def parse_file(
    content: bytes,
    name: str,
    kind: Kind,
    source: str,
    policy: SourcePolicy,
    *,
    modified_at: datetime | None = None,
    settings: FileSettings | None = None,
    known: Known = NOTHING_KNOWN,
) -> ParsedFile:
    """Understand one delivered file. Never fails on a bad file: what is wrong with it is in ``errors``.

    Args:
        content: the bytes of the upload.
        name: the file's name; a count sheet's may say when it was counted.
        kind: what the file holds.
        source: the name of the source that it comes from.
        policy: decides whether bad rows reject the file, and names the validation rules.
        modified_at: when the file was last changed, aware.
        settings: what the sender says about the file.
        known: the catalogue that a count sheet's codes, places and units are looked up in.

    Raises:
        ConfigError: the policy names a rule that does not exist.
        RuleFailedError: a validation rule ended with an exception.
        ValueError: ``kind`` is not a kind, or ``modified_at`` is naive.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"{kind!r} is no kind of file; the kinds are {', '.join(get_args(Kind))}")
    if modified_at is not None and modified_at.tzinfo is None:
        raise ValueError("modified_at must have a zone")
    settings = settings or FileSettings()
    name = visible(name)
    problems = Problems(name)
    opened = _open(content, kind, settings, policy, known, problems)
    if settings.mapping is not None and not _fits(settings.mapping.columns, opened):
        problems.notes.append("The confirmed mapping does not fit this file; its header was recognised anew.")
        settings = replace(settings, mapping=None)
    understood = _understand(opened, name, kind, source, settings, policy, known, problems)
    _apply_rules(policy.validation_rules, understood, name, problems)
    _ask_person(understood, policy, settings, problems)
    parsed = _decided(content, name, kind, source, policy, modified_at, opened, understood, problems)
    parsed = replace(parsed, is_newest=settings.newest)
    if kind == "counts" and policy.not_listed == "critical" and not parsed.rejected:
        missing = not_listed(parsed.evidence.counts, name, known)
        errors = parsed.errors + missing
        return replace(parsed, errors=errors, evidence=replace(parsed.evidence, errors=errors))
    return parsed


def _open(
    content: bytes,
    kind: Kind,
    settings: FileSettings,
    policy: SourcePolicy,
    known: Known,
    problems: Problems,
) -> Opened:
    family = _FAMILY[kind]
    words_file = get_settings().words_file
    vocabulary = words(words_file).families[
        family
    ]  # first: if the file of words cannot be used, no file can be read
    mapping = settings.mapping.columns if settings.mapping is not None else {}
    wording = Wording(family, tuple(mapping.values()), settings.encoding, settings.delimiter, words_file)
    try:
        book = read_book(content, wording)
    except UnreadableFileError as error:
        problems.of_file(error.found, error.expected, error.remedy)
        digest = hashlib.sha256(content).digest()
        return Opened((), Book((), "none: the file cannot be read", digest))
    is_count = family == "counts"
    finding = Finding(vocabulary, is_count, mapping or None, is_count and policy.hidden == "read")
    opened = find_tables(book, finding)
    if is_count and not mapping and known.is_there:
        opened = by_location(opened, finding, known)
    problems.notes.extend(opened.notes)
    if not opened.sheets:
        report_no_table(opened, vocabulary, problems)
    for sheet in opened.sheets:
        used = set(sheet.fields.values())
        unread = [header for index, header in enumerate(sheet.headers) if header and index not in used]
        if unread:
            place = f" of sheet {sheet.name!r}" if sheet.name else ""
            problems.notes.append(f"Columns{place} that are not read: {visible(', '.join(unread))}.")
    return opened


def _fits(columns: Mapping[str, str], opened: Opened) -> bool:
    """Whether every table has the columns of a mapping."""
    return all(
        name in sheet.fields
        and (text.startswith("@") or normalised(sheet.headers[sheet.fields[name]]) == normalised(text))
        for sheet in opened.sheets
        for name, text in columns.items()
    )


def _understand(
    opened: Opened,
    name: str,
    kind: Kind,
    source: str,
    settings: FileSettings,
    policy: SourcePolicy,
    known: Known,
    problems: Problems,
) -> _Understood:
    if kind == "counts":
        rules = Rules(read_hidden=policy.hidden == "read", blank_is_error=policy.blank == "error")
        vocabulary = words(get_settings().words_file)
        counted = read_counts(opened, name, source, settings, problems, vocabulary, known, rules)
        return _Understood(counted.counts, counted.lines, counted.bad_lines, counted.outside, counted.preview)
    if kind == "products":
        listed = read_products(opened, settings, problems)
        return _Understood(listed.products, listed.lines, listed.bad_lines)
    moved = read_movements(opened, kind, source, settings, problems)
    return _Understood(moved.movements, moved.lines, moved.bad_lines)


def _ask_person(
    understood: _Understood, policy: SourcePolicy, settings: FileSettings, problems: Problems
) -> None:
    """A count sheet that is not understood surely enough waits until somebody has looked at it."""
    preview = understood.preview
    if preview is not None and preview.tables and not problems and not len(understood.table):
        problems.of_file(
            f"{understood.lines} lines and no count",
            "at least one line with a code and a quantity",
            "Send the sheet when it is filled in; what was counted as none is written as 0.",
        )
    if preview is None or not preview.tables or settings.confirmed or settings.mapping is not None:
        return
    if preview.confidence < policy.confirm_below:
        why = min(preview.doubts, key=lambda reason: preview.doubts[reason])
        problems.of_file(
            why,
            f"a sheet understood with a confidence of {policy.confirm_below}, not {preview.confidence:.2f}",
            "Look at `syncstock counts preview`. If it is right, load it with `syncstock counts load --confirm`, "
            "which is remembered for files of this name; else say which column is what with --column.",
        )


def _apply_rules(rules: Iterable[str], understood: _Understood, name: str, problems: Problems) -> None:
    """Ask each rule about the good rows; the rows that it names are bad as well.

    The ``row`` of a rule's error is the ``position`` of the row in the evidence table. An error without one,
    or with one that is not in the table, concerns the whole file.
    """
    table = understood.table
    named: set[int] = set()
    positions: set[int] = set()
    for rule in rules:
        check = resolve_callable(rule)
        try:
            errors = list(check(table, name))
        except Exception as failure:
            raise RuleFailedError(f"The validation rule {rule} failed on {name}: {failure!r}") from failure
        if errors and not positions:
            positions = set(table["position"].to_pylist())
        for error in errors:
            if error.row in positions:
                named.add(error.row)
                problems.of_row(error.row, error)
            else:
                problems.of_file(
                    error.found,
                    error.expected,
                    error.remedy,
                    sheet=error.sheet,
                    row=error.row,
                    column=error.column,
                )
    if named:
        understood.bad_lines += len(named)
        bad = pc.is_in(table["position"], value_set=pa.array(sorted(named), pa.int32()))
        understood.table = table.filter(pc.invert(bad))


def _decided(
    content: bytes,
    name: str,
    kind: Kind,
    source: str,
    policy: SourcePolicy,
    modified_at: datetime | None,
    opened: Opened,
    understood: _Understood,
    problems: Problems,
) -> ParsedFile:
    """Apply the policy: one bad row rejects the file, or only itself."""
    nothing_good = bool(problems) and len(understood.table) == 0
    rejected = problems.whole_file or nothing_good or (bool(problems) and policy.bad_rows == "reject_file")
    table = understood.table.slice(0, 0) if rejected else understood.table
    if not problems and understood.lines == 0:
        problems.notes.append("The file has a header and no lines.")
    errors = problems.errors()
    content_sha256 = hashlib.sha256(content).digest()
    evidence = Evidence(
        movements=table if table.schema == MOVEMENT_SCHEMA else MOVEMENT_SCHEMA.empty_table(),
        counts=table if table.schema == COUNT_SCHEMA else COUNT_SCHEMA.empty_table(),
        errors=errors,
    )
    return ParsedFile(
        name=name,
        kind=kind,
        source=source,
        content_sha256=content_sha256,
        identity_sha256=_identity(kind, source, understood.outside, content_sha256),
        canonical_sha256=_identity(kind, source, understood.outside, opened.book.digest),
        size=len(content),
        modified_at=modified_at,
        original=content,
        evidence=evidence,
        products=table if table.schema == PRODUCT_SCHEMA else None,
        rejected=rejected,
        errors=errors,
        reader=opened.book.reader,
        notes=tuple(dict.fromkeys(problems.notes)),
        lines=understood.lines,
        bad_lines=understood.bad_lines,
        preview=understood.preview,
        properties=opened.book.properties,
    )


def _identity(kind: str, source: str, outside: tuple[str, ...], digest: bytes) -> bytes:
    identity = hashlib.sha256()
    for word in (kind, source, *outside):
        data = word.encode("utf-8", "surrogatepass")
        identity.update(b"%d:%s" % (len(data), data))
    identity.update(b"|" + digest)
    return identity.digest()
