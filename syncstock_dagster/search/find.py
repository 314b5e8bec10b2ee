"""Asking: articles that fit a question, best first, with their stock of this instant.

What belongs here: the ways to find an article, and merging them. What does not: writing the index (``update``).

Several ways look, each good at what the others miss: by code, by words, by trigrams, by vectors. Their lists are merged
by reciprocal rank: an article counts the more, the further up it stands in the more lists. A question is only ever a
bound value.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from psycopg import Connection

from syncstock_dagster.errors import BadInput
from syncstock_dagster.search.embedding import Embedding, find_embedding
from syncstock_dagster.search.places import (
    IndexUnusableError,
    Place,
    PlaceUnreachableError,
    Vectors,
    find_place,
    is_installed,
)
from syncstock_dagster.search.text import asked
from syncstock_dagster.search.update import NOT_INSTALLED, Current, current_index, doubt
from syncstock_dagster.settings import get_settings
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import is_storable

#: How far each way looks.
_WIDTH = 100
#: Where no more articles than this pass the filters, every way looks among them alone. Where more do, vectors, which
#: know no filter, look this far, and what does not pass falls out.
_FEW = 1_000
#: Of reciprocal rank fusion; the usual one. The larger, the less a first place alone counts.
_DAMPING = 60
_MOST = 1_000

NO_INDEX = "There is no search index here yet; `syncstock search rebuild` makes it. PostgreSQL answers alone."
NO_TRIGRAMS = (
    "The server lacks the extension pg_trgm: create extension pg_trgm, or ask its administrator to; "
    "then run `syncstock search rebuild`."
)


@dataclass(frozen=True, slots=True)
class Found:
    """One article that fits. ``on_hand`` is None where nothing is known of its stock."""

    inventory_id: int
    sku: str
    name: str | None
    category: str | None
    on_hand: Decimal | None
    stock: Mapping[str, Decimal]  # by location
    found_by: tuple[str, ...]  # code, words, trigrams, vectors


@dataclass(frozen=True, slots=True)
class Answer:
    """Articles, best first, and what a person should know about how they were found."""

    articles: tuple[Found, ...]
    notices: tuple[str, ...] = field(default=())


def search(
    url: str,
    question: str,
    *,
    limit: int = 10,
    category: str | None = None,
    location: str | None = None,
    in_stock: bool = False,
) -> Answer:
    """Articles that fit a question, at most ``limit``.

    Args:
        url: the database.
        question: what somebody typed; anything is safe.
        limit: how many articles at most, 1 to 1000.
        category: only articles of this category.
        location: only articles that this location has or had; ``on_hand`` is its stock then.
        in_stock: only articles with more than nothing on hand there, or anywhere.

    Raises:
        BadInput: the limit cannot be, or there is no such category or location.
    """
    if not 1 <= limit <= _MOST:
        raise BadInput(f"The limit is {limit}; it must be from 1 to {_MOST}.")
    text = asked(question)
    if not text:
        return Answer((), ("Say what to look for.",))
    values: dict[str, Any] = {"question": text, "width": max(limit, _WIDTH), "limit": limit, "few": None}
    values |= {"category": category, "location": location, "in_stock": in_stock}
    with connect(url) as connection:
        _check_filters(connection, category, location)
        few = None
        if category is not None or location is not None or in_stock:
            few = _few(connection, values)
            values["few"] = None if few is None else list(few.values())
        lists, notices = each_way(connection, values, few)
        rows = connection.execute(statement("search/answers"), {**values, "found": _merged(lists)}).fetchall()
    return Answer(tuple(_found(row, lists) for row in rows), notices)


def _few(connection: Connection[Any], values: Mapping[str, Any]) -> dict[str, int] | None:
    """The documents and articles that pass the filters, or None where they are many."""
    rows = connection.execute(statement("search/few"), {**values, "most": _FEW + 1}).fetchall()
    return dict(rows) if len(rows) <= _FEW else None


def each_way(
    connection: Connection[Any], values: Mapping[str, Any], few: Mapping[str, int] | None = None
) -> tuple[dict[str, list[int]], tuple[str, ...]]:
    """What each way finds, best first, and what to say about a way that cannot be gone."""
    lists, notices = {}, []
    ways = ["code", "words"]
    if _has_trigrams(connection):
        ways.append("trigrams")
    else:
        notices.append(NO_TRIGRAMS)
    for way in ways:
        rows = connection.execute(statement(f"search/by_{way}"), values)
        lists[way] = [inventory_id for (inventory_id,) in rows]
    try:
        lists["vectors"] = _by_vectors(connection, values, None if few is None else list(few))
    except IndexUnusableError as error:
        notices.append(str(error))
    return lists, tuple(notices)


def _merged(lists: Mapping[str, Sequence[int]]) -> list[int]:
    """All that was found, best first: exact codes, then by the sum of reciprocal ranks."""
    scores: dict[int, float] = defaultdict(float)
    for way, found in lists.items():
        for rank, inventory_id in enumerate(found, start=1):
            # More than first places in all other lists together.
            scores[inventory_id] += 1.0 / rank if way == "code" else 1.0 / (_DAMPING + rank)
    return sorted(scores, key=lambda inventory_id: (-scores[inventory_id], inventory_id))


def _found(row: Sequence[Any], lists: Mapping[str, Sequence[int]]) -> Found:
    inventory_id, sku, name, category, on_hand, locations, stock = row
    return Found(
        inventory_id, sku, name, category, on_hand,
        dict(zip(locations or (), stock or (), strict=True)),
        tuple(way for way, found in lists.items() if inventory_id in found),
    )  # fmt: skip


def _has_trigrams(connection: Connection[Any]) -> bool:
    row = connection.execute("select to_regclass('search_words_trigrams') is not null").fetchone()
    return bool(row and row[0])


def _check_filters(connection: Connection[Any], category: str | None, location: str | None) -> None:
    for what, table, column, value in (
        ("category", "categories", "name", category),
        ("location", "locations", "code", location),
    ):
        if value is None:
            continue
        query = f"select from {table} where {column} = %s"
        if not is_storable(value) or connection.execute(query.encode(), (value,)).fetchone() is None:
            raise BadInput(f"There is no {what} {value!r}.")


# ---------------------------------------------------------------- vectors


class _OpenIndex:
    """The index that this process asks, kept open until another one is current. One question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: int | None = None
        self._name: str | None = None
        self._vectors: Vectors | None = None

    def nearest(
        self, place: Place, name: str, vector: Any, limit: int, among: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """Ids and distances of the documents nearest to a vector, in the index of this name."""
        with self._lock:
            if (self._process, self._name) != (os.getpid(), name):
                self._close()
                self._vectors = place.open(name)
                self._process, self._name = os.getpid(), name
            assert self._vectors is not None
            if among is not None:
                return self._vectors.distances(vector, among)[:limit]
            return self._vectors.nearest([vector], limit)[0]

    def forget(self) -> None:
        """Open it anew for the next question."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        vectors, self._vectors, self._name = self._vectors, None, None
        if vectors is not None and self._process == os.getpid():  # a forked child has its parent's
            with suppress(IndexUnusableError):
                vectors.close()


_open_index = _OpenIndex()


def _by_vectors(
    connection: Connection[Any], values: Mapping[str, Any], among: Sequence[str] | None
) -> list[int]:
    """Articles whose words are near in the index.

    Raises:
        IndexUnusableError: there is no index that could be asked; the message is for people.
    """
    if not is_installed():
        raise IndexUnusableError(NOT_INSTALLED)
    settings = get_settings()
    embedding = find_embedding(settings.search_embedding)
    place = find_place(settings.home, settings.search_url)
    current = current_index(connection, place)
    if current is None:
        raise IndexUnusableError(NO_INDEX)
    try:
        return _ask(place, current, embedding, values, among)
    except IndexUnusableError:
        _open_index.forget()
    # Another one may have been swapped in between reading its name and asking it.
    current = current_index(connection, place)
    if current is None:
        raise IndexUnusableError(NO_INDEX)
    try:
        return _ask(place, current, embedding, values, among)
    except PlaceUnreachableError:
        raise
    except IndexUnusableError as error:
        doubt(connection, current.index_name, str(error))
        raise


def _ask(
    place: Place,
    current: Current,
    embedding: Embedding,
    values: Mapping[str, Any],
    among: Sequence[str] | None,
) -> list[int]:
    if current.doubt is not None:
        raise IndexUnusableError(f"{current.doubt} `syncstock search rebuild` makes it anew.")
    if current.embedding != embedding.name:
        raise IndexUnusableError(
            f"The search index holds vectors of {current.embedding}, and {embedding.name} is set: "
            "`syncstock search rebuild` makes it anew."
        )
    is_filtered = values["category"] is not None or values["location"] is not None or values["in_stock"]
    width = max(values["width"], _FEW) if is_filtered and among is None else values["width"]
    limit = min(width, current.documents)
    if not limit or among == []:
        return []
    (vector,) = embedding.embed([values["question"]])
    near = _open_index.nearest(place, current.index_name, vector, limit, among)
    ids = (int(document.partition(":")[0]) for document, distance in near if distance < embedding.farthest)
    return list(dict.fromkeys(ids))
