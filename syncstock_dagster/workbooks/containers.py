"""The container that .xls and other documents are kept in since before zip archives: its directory and its streams.

What belongs here: which streams stand at its root, and their bytes. What does not: the records within a stream
(``binary_marks``), and what a document is by the names of its streams (``opening``).

A document may hold others (a Word text within a workbook): they have a directory of their own, and are not looked into.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_END_OF_CHAIN = 0xFFFFFFFA
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_ENTRY = 128
#: Shorter streams are kept in small sectors, within a stream of the root.
_LEAST_IN_SECTORS = 4096

#: What following a damaged container may raise.
BROKEN = (struct.error, IndexError, KeyError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Container:
    """The directory of a container, and where its sectors are."""

    content: bytes
    size: int
    #: Sector -> the next one of its chain.
    table: Sequence[int]
    first_mini: int
    #: Name -> first sector and length, of what stands at the root; of storages the name alone matters.
    entries: Mapping[str, tuple[int, int]]
    root: tuple[int, int]

    def stream(self, name: str) -> bytes:
        """The bytes of a stream at the root."""
        first, length = self.entries[name]
        if length >= _LEAST_IN_SECTORS:
            return self._chained(first)[:length]
        minis: list[int] = []
        for sector in _chain(self.first_mini, self.table):
            minis += struct.unpack_from(f"<{self.size // 4}I", self.content, (sector + 1) * self.size)
        small = self._chained(self.root[0])
        return b"".join(small[sector * 64 : sector * 64 + 64] for sector in _chain(first, minis))[:length]

    def _chained(self, first: int) -> bytes:
        return _sectors(self.content, first, self.table, self.size)


def opened(content: bytes) -> Container:
    """Read the directory of a container.

    Raises:
        struct.error, IndexError, ValueError: it is damaged (all of ``BROKEN``).
    """
    shift, mini_shift = struct.unpack_from("<HH", content, 30)
    size = 1 << shift
    if shift not in (9, 12) or mini_shift != 6:
        raise ValueError("no ordinary container")
    (directory,) = struct.unpack_from("<I", content, 48)
    (first_mini, _, first_difat, difat_count) = struct.unpack_from("<IIII", content, 60)
    sectors = list(struct.unpack_from("<109I", content, 76))
    while difat_count and first_difat < _END_OF_CHAIN and len(sectors) < 100_000:
        part = struct.unpack_from(f"<{size // 4}I", content, (first_difat + 1) * size)
        sectors += part[:-1]
        first_difat = part[-1]
        difat_count -= 1
    table: list[int] = []
    for sector in sectors:
        if sector < _END_OF_CHAIN:
            table += struct.unpack_from(f"<{size // 4}I", content, (sector + 1) * size)
    data = _sectors(content, directory, table, size)
    (kind, child) = struct.unpack_from("<B9xI", data, 66)
    if kind != _ROOT:
        raise ValueError("no root")
    return Container(
        content, size, table, first_mini, dict(_siblings(data, child)), struct.unpack_from("<II", data, 116)
    )


def _siblings(data: bytes, first: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """The entries of one level: they are a tree of their own, each with one to its left and one to its right."""
    waiting, seen = [first], set()
    while waiting:
        number = waiting.pop()
        if number in seen or number >= len(data) // _ENTRY:
            continue
        seen.add(number)
        offset = number * _ENTRY
        length, kind, _, left, right = struct.unpack_from("<HBBII", data, offset + 64)
        if kind in (_STREAM, _STORAGE):
            name = data[offset : offset + max(length - 2, 0)].decode("utf-16-le", "replace")
            yield name, struct.unpack_from("<II", data, offset + 116)
        waiting += [left, right]


def _sectors(content: bytes, first: int, table: Sequence[int], size: int) -> bytes:
    return b"".join(content[(sector + 1) * size : (sector + 2) * size] for sector in _chain(first, table))


def _chain(first: int, links: Sequence[int]) -> Iterator[int]:
    seen = 0
    while first < _END_OF_CHAIN:
        yield first
        first = links[first]
        seen += 1
        if seen > len(links):
            raise ValueError("a chain without an end")
