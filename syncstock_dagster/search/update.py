"""Keeping the index of vectors equal to the catalogue: update, rebuild, check.

What belongs here: the writers' side, and the record of which index is the current one. What does not: asking it
(``find``), and where and how an index is stored (``places``).

An index is on record before anything of it exists and becomes current when it is whole and was looked at. Whatever a
killed writer leaves is therefore known, and the next writer removes it. One writer at a time works at a place: they
queue at an advisory lock, which ends with its holder.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from psycopg import Connection

from syncstock_dagster.search.embedding import Embedding, find_embedding
from syncstock_dagster.search.places import (
    IndexUnusableError,
    Place,
    PlaceUnreachableError,
    Vectors,
    find_place,
    is_installed,
    new_name,
)
from syncstock_dagster.settings import get_settings
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

#: Beyond this share of changed documents a rebuild is quicker than an update, and its graph is better.
_MOST_CHURN = 0.5
#: Documents that a new index is asked for before it is trusted; a graph is approximate and may miss one in ten.
_SAMPLES, _MAY_MISS = 20, 2
_NEAREST = 10
_SAME = 1e-3

NOT_INSTALLED = (
    "ChromaDB is not installed, so PostgreSQL answers alone: pip install 'syncstock-dagster[search]' adds it."
)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an update did. ``rebuilt_because`` is None where the old index was kept or changed."""

    index_name: str | None
    embedding: str
    documents: int
    written: int = 0
    removed: int = 0
    rebuilt_because: str | None = None
    seconds: float = 0.0
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """How an index stands against the catalogue."""

    index_name: str | None
    embedding: str
    documents: int  # in the catalogue
    missing: int = 0  # not in the index, or with another content
    surplus: int = 0  # in the index only
    problem: str | None = None
    finished_at: datetime | None = None
    notice: str | None = None

    @property
    def is_right(self) -> bool:
        """Whether the index equals the catalogue; there is nothing to be wrong where there is no ChromaDB."""
        return self.problem is None and not self.missing and not self.surplus


class Current(NamedTuple):
    """The index in use at a place, as it is on record."""

    index_name: str
    embedding: str
    documents: int
    churn: int
    fingerprint: str | None
    finished_at: datetime | None
    doubt: str | None


def update_index(url: str, *, rebuild: bool = False) -> IndexReport:
    """Make the index equal to the catalogue: by what changed, or from nothing where that is better or asked for.

    Raises:
        IndexUnusableError: not even a new index can be used.
    """
    began = time.perf_counter()
    settings = get_settings()
    embedding = find_embedding(settings.search_embedding)
    with connect(url) as connection:
        connection.execute("select prepare_trigrams()")
        connection.execute(statement("search/index_words"))
        if not is_installed():
            documents = len(_documents(connection))
            return IndexReport(None, embedding.name, documents, notice=NOT_INSTALLED)
        place = find_place(settings.home, settings.search_url)
        with _writing(connection, place):
            owner = _sweep(connection, place)
            work = _Work(connection, place, owner, embedding, _documents(connection))
            current = current_index(connection, place)
            reason = "asked for" if rebuild else _reason_to_rebuild(current, embedding)
            if reason is None:
                assert current is not None
                report = work.change(current)
            else:
                report = work.build(reason)
            _sweep(connection, place)
    return replace(report, seconds=time.perf_counter() - began)


def check_index(url: str) -> IndexStatus:
    """Compare every id and hash of the index with the catalogue. An index that cannot be read is put in doubt."""
    settings = get_settings()
    embedding = find_embedding(settings.search_embedding)
    with connect(url) as connection:
        documents = _documents(connection)
        if not is_installed():
            return IndexStatus(None, embedding.name, len(documents), notice=NOT_INSTALLED)
        place = find_place(settings.home, settings.search_url)
        current = current_index(connection, place)
        reason = _reason_to_rebuild(current, embedding)
        if current is None:
            return IndexStatus(None, embedding.name, len(documents), len(documents), problem=reason)
        try:
            vectors = place.open(current.index_name)
            held = vectors.document_ids()
            vectors.close()
        except PlaceUnreachableError:
            raise
        except IndexUnusableError as error:
            doubt(connection, current.index_name, str(error))
            held, reason = set(), str(error)
    return IndexStatus(
        current.index_name,
        current.embedding,
        len(documents),
        missing=len(documents.keys() - held),
        surplus=len(held - documents.keys()),
        problem=reason,
        finished_at=current.finished_at,
    )


@dataclass(frozen=True, slots=True)
class Look:
    """Whether the index should be updated.

    Attributes:
        reason: why, in words; None where it should not.
        operations: what had been done when it was looked at; equal text means that nothing was done since.
        key: the same for the same reason to update the same index.
    """

    reason: str | None
    operations: str
    key: str


def look(url: str, known_operations: str | None = None) -> Look:
    """Whether the index lags behind the catalogue. The index is not read, and the catalogue only where it must be.

    Args:
        url: the database.
        known_operations: of an earlier look that found no reason.
    """
    settings = get_settings()
    embedding = find_embedding(settings.search_embedding)
    with connect(url) as connection:
        # Before the catalogue: what is done meanwhile is looked at the next time.
        (operations,) = _one(connection, "search/operations")
        if not is_installed():
            return Look(None, operations, "")
        current = current_index(connection, find_place(settings.home, settings.search_url))
        reason = _reason_to_rebuild(current, embedding)
        if reason is None and operations != known_operations:
            assert current is not None
            (fingerprint,) = _one(connection, "search/fingerprint")
            reason = None if fingerprint == current.fingerprint else "the catalogue changed"
    key = f"{operations}:{current.index_name if current else 'none'}:{_hash_of(reason or '')[:8]}"
    return Look(reason, operations, key)


def current_index(connection: Connection[Any], place: Place) -> Current | None:
    """The index in use at a place."""
    row = connection.execute(statement("search/current"), {"place": place.key}).fetchone()
    return None if row is None else Current(*row)


def doubt(connection: Connection[Any], index_name: str, why: str) -> None:
    """Put an index in doubt, so that the next update builds it anew."""
    connection.execute(statement("search/doubt"), {"index_name": index_name, "doubt": why[:1000]})


class _Work:
    """One writer's work at a place, under its lock."""

    def __init__(
        self,
        connection: Connection[Any],
        place: Place,
        owner: str,
        embedding: Embedding,
        documents: Mapping[str, str],
    ) -> None:
        self._connection = connection
        self._place = place
        self._owner = owner
        self._embedding = embedding
        self._documents = documents

    def build(self, reason: str) -> IndexReport:
        """A new index from nothing, swapped in when it is whole."""
        name = self._begin()
        vectors = self._place.create(name, self._owner)
        self._write(vectors, list(self._documents))
        self._finish(name, vectors, churn=0)
        return self._report(name, written=len(self._documents), rebuilt_because=reason)

    def change(self, current: Current) -> IndexReport:
        """What changed since, in a successor of the current index; one that cannot be used is built anew."""
        try:
            return self._changed(current)
        except PlaceUnreachableError:
            raise
        except IndexUnusableError as error:
            return self.build(str(error))

    def _changed(self, current: Current) -> IndexReport:
        vectors = self._place.open(current.index_name)
        held = vectors.document_ids()
        vectors.close()
        missing = [document for document in self._documents if document not in held]
        surplus = sorted(held - self._documents.keys())
        if not missing and not surplus:
            self._swap(current.index_name, current.churn)
            return self._report(current.index_name)
        churn = current.churn + len(missing) + len(surplus)
        if churn > _MOST_CHURN * len(self._documents):
            return self.build(f"{churn} documents changed since it was built")
        name, vectors = self._place.successor(current.index_name, self._begin())
        vectors.remove(surplus)
        self._write(vectors, missing)
        self._finish(name, vectors, churn)
        return self._report(name, written=len(missing), removed=len(surplus))

    def _begin(self) -> str:
        name = new_name()
        values = {"index_name": name, "place": self._place.key, "embedding": self._embedding.name}
        self._connection.execute(statement("search/begin"), values)
        return name

    def _write(self, vectors: Vectors, document_ids: Sequence[str]) -> None:
        ids = iter(document_ids)
        while batch := list(islice(ids, vectors.step)):
            vectors.add(batch, self._embedding.embed([self._documents[document] for document in batch]))

    def _finish(self, name: str, vectors: Vectors, churn: int) -> None:
        """Close an index that is written, look at it as a reader would, and swap it in."""
        self._place.seal(name, vectors)
        written = self._place.open(name)
        if written.document_ids() != self._documents.keys():
            raise IndexUnusableError(f"The search index {name} does not hold what was written to it.")
        self._ask_samples(name, written)
        written.close()
        self._swap(name, churn)

    def _ask_samples(self, name: str, vectors: Vectors) -> None:
        """The graph is whole, not only the list of ids: something lies exactly where a document was put."""
        samples = list(self._documents.values())[:: len(self._documents) // _SAMPLES + 1]
        if not samples:
            return
        enough = min(_NEAREST, len(self._documents))
        answers = vectors.nearest(self._embedding.embed(samples), enough)
        misses = [found for found in answers if len(found) < enough or found[0][1] > _SAME]
        if len(misses) > _MAY_MISS:
            raise IndexUnusableError(f"The search index {name} does not find what it holds.")

    def _swap(self, name: str, churn: int) -> None:
        values = {
            "index_name": name,
            "place": self._place.key,
            "documents": len(self._documents),
            "churn": churn,
            "fingerprint": _fingerprint(self._documents),
        }
        with self._connection.transaction():
            self._connection.execute(statement("search/retire"), values)
            swapped = self._connection.execute(statement("search/swap"), values).rowcount
            if not swapped:
                raise IndexUnusableError(f"Another writer removed the search index {name}.")

    def _report(self, name: str, **numbers: Any) -> IndexReport:
        return IndexReport(name, self._embedding.name, len(self._documents), **numbers)


def _reason_to_rebuild(current: Current | None, embedding: Embedding) -> str | None:
    if current is None:
        return "there is none"
    if current.embedding != embedding.name:
        return f"its vectors are of {current.embedding}, now asked for is {embedding.name}"
    return current.doubt


def _documents(connection: Connection[Any]) -> dict[str, str]:
    """What the index should hold: id, which names article and content, to words; in the order of the articles."""
    return dict(connection.execute(statement("search/documents")).fetchall())


def _fingerprint(document_ids: Iterable[str]) -> str:
    """The same as ``search/fingerprint`` of the catalogue from which these were read."""
    return _hash_of(",".join(document_ids))


def _hash_of(text: str) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _one(connection: Connection[Any], name: str) -> tuple[Any, ...]:
    row = connection.execute(statement(name)).fetchone()
    assert row is not None, name
    return row


@contextmanager
def _writing(connection: Connection[Any], place: Place) -> Iterator[None]:
    """Be the only writer at a place; a second one waits. The lock ends with the connection, however that ends."""
    lock = {"place": f"syncstock search {place.key}"}
    connection.execute("select pg_advisory_lock(hashtextextended(%(place)s, 0))", lock)
    yield
    connection.execute("select pg_advisory_unlock(hashtextextended(%(place)s, 0))", lock)


def _sweep(connection: Connection[Any], place: Place) -> str:
    """Remove what killed writers left, what was replaced, and what databases left that are gone; who owns new ones.

    Where databases share a place, what belongs to one that is there is its own affair.
    """
    for (name,) in connection.execute(statement("search/leftovers"), {"place": place.key}).fetchall():
        place.drop(name)
        connection.execute("delete from search_indexes where index_name = %s", (name,))
    lying = place.owners()
    databases = connection.execute(statement("search/databases")).fetchall()
    known = {name for (name,) in connection.execute("select index_name from search_indexes")}
    ((server, mine),) = [(server, owner) for server, owner, is_this in databases if is_this]
    others = {owner for _, owner, is_this in databases if not is_this}
    for name, owner in lying.items():
        if owner.startswith(f"{server}/") and owner not in others and name not in known:
            place.drop(name)
    return mine
