"""The drop folder: which files lie in it, of which kind and source, and in which order they are taken.

What belongs here: listing a local folder or any fsspec URL, and reading one file of it. What does not:
understanding files (``files``), remembering which were received (the database knows them by content, not by
name).

    counts/  purchases/  sales/  movements/  products/      what the files in it hold
    sales/till-north/2026-01-05.csv                         one level deeper: the source
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, cast, get_args

from upath import UPath

from syncstock_dagster.sources.files import ParsedFile, parse_file
from syncstock_dagster.stock.policy import Kind, Policies
from syncstock_dagster.workbooks.opening import FileSettings

#: The source of a file that lies directly in the folder of its kind.
DEFAULT_SOURCE: dict[Kind, str] = {
    "purchases": "purchases",
    "sales": "sales",
    "movements": "movements",
    "counts": "excel",
    "products": "products",
}
#: Written while a program or a transfer is still at work on the file.
_UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~")


@dataclass(frozen=True, slots=True)
class DropFile:
    """One file of a drop folder."""

    #: Its path within the drop folder, with forward slashes: ``sales/till-north/2026-01-05.csv``.
    name: str
    kind: Kind
    source: str
    #: In bytes, when it was listed.
    size: int
    #: Aware; None where the file system does not say.
    modified_at: datetime | None
    path: UPath

    def read(self) -> bytes:
        """The content of the file."""
        return self.path.read_bytes()


def list_drop(folder: str | os.PathLike[str] | UPath, kind: Kind | None = None) -> list[DropFile]:
    """The files to be taken, of all kinds or of one: those of the catalogue first, then all others by name.

    Hidden, empty and unfinished files are left out, and so are links that lead out of the folder.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    files = [file for path, info in _walk(folder, kind) if (file := _drop_file(path, info)) is not None]
    return sorted(files, key=lambda file: (file.kind != "products", file.name))


def list_strays(folder: str | os.PathLike[str] | UPath) -> list[str]:
    """Names of files that lie where nothing is taken from, so that somebody can be told."""
    return sorted(
        path.name
        for path, _ in _walk(folder)
        if kind_and_source(path.name) is None and not _is_left_out(path.name)
    )


def parse_drop_file(file: DropFile, policies: Policies, settings: FileSettings | None = None) -> ParsedFile:
    """Read and understand a file under the policy of its source, or of its kind if the source has none."""
    return parse_file(
        file.read(),
        file.name,
        file.kind,
        file.source,
        policies.for_source(file.source, file.kind),
        modified_at=file.modified_at,
        settings=settings,
    )


def kind_and_source(name: str) -> tuple[Kind, str] | None:
    """What the folders of a file's name say about it; None where nothing is taken from."""
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or parts[0] not in get_args(Kind):
        return None
    kind = cast(Kind, parts[0])
    return kind, parts[1] if len(parts) > 2 else DEFAULT_SOURCE[kind]


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    path: UPath


def _walk(
    folder: str | os.PathLike[str] | UPath, kind: Kind | None = None
) -> Iterator[tuple[_Found, dict[str, Any]]]:
    """Every file below ``folder``, or of one kind, by its name within it, without those that lie outside in truth."""
    root = UPath(folder)
    # Some file systems remember what they have listed, and a sensor's process lives for weeks.
    root.fs.invalidate_cache()
    if not root.is_dir():
        raise FileNotFoundError(f"There is no drop folder {root}")
    base = root.fs._strip_protocol(root.path).rstrip("/")
    is_local = root.protocol in ("", "file", "local")
    for full, info in root.fs.find(f"{base}/{kind}" if kind else base, detail=True).items():
        if not full.startswith(f"{base}/"):
            continue
        parts = PurePosixPath(full[len(base) + 1 :]).parts
        if not parts or ".." in parts or (is_local and not _is_file_inside(full, info, base)):
            continue
        yield _Found("/".join(parts), root.joinpath(*parts)), info


def _is_file_inside(full: str, info: dict[str, Any], base: str) -> bool:
    # Folders behind links are not walked, so what is no link itself lies where it seems to.
    if not info.get("islink"):
        return bool(info["type"] == "file")
    path = Path(full).resolve()
    return path.is_file() and path.is_relative_to(Path(base).resolve())


def _drop_file(found: _Found, info: dict[str, Any]) -> DropFile | None:
    place = kind_and_source(found.name)
    size = int(info.get("size") or 0)
    if place is None or size == 0 or _is_left_out(found.name):
        return None
    kind, source = place
    return DropFile(found.name, kind, source, size, _modified(info), found.path)


def _is_left_out(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "~$")) for part in parts) or parts[-1].lower().endswith(_UNFINISHED)


def _modified(info: dict[str, Any]) -> datetime | None:
    """Each file system has its own name and form for it."""
    for key in ("mtime", "LastModified", "last_modified", "modified", "updated"):
        value = info.get(key)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
    return None
