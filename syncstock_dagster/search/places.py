"""Where indexes of vectors lie: a folder of this installation, or a Chroma server.

What belongs here: all that knows ChromaDB. What does not: which index is the current one, and what it should hold.

ChromaDB's embedded database is not made for several processes: a second one reads stale vectors, two writers destroy
the index, and damaged vectors end the process with a segmentation fault. So an index in a folder is written once, by
one process, sealed with the hashes of its files, and afterwards only read. An update changes a copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

_SEAL = "sealed.json"
_OWNER = "database"
#: Chroma's own; it changes when somebody opens it, and it notices damage by itself.
_BOOKS = "chroma.sqlite3"
#: The collection in an index's folder, which holds no other.
_COLLECTION = "articles"
#: Chroma counts who has a folder open without a lock of its own: one thread that opens loses to one that closes.
_clients = threading.Lock()

#: The least there is: the graph is written to its files with each call that writes. What is only in the books would
#: be worked into the graph by every reader, and readers would write.
_SYNC_AT_ONCE = {"sync_threshold": 2, "batch_size": 2}
_GRAPH = {"space": "cosine", "ef_construction": 100, "max_neighbors": 16, "ef_search": 200}
_SERVER_PORTS = {"http": 8000, "https": 443}


class IndexUnusableError(RuntimeError):
    """An index is not there, is damaged, or its server does not answer. It can be built anew."""


class PlaceUnreachableError(IndexUnusableError):
    """The Chroma server does not answer. Nothing is known of the index, so nothing speaks against it."""


def is_installed() -> bool:
    """Whether the extra ``[search]`` is."""
    return find_spec("chromadb") is not None


class Vectors:
    """One index, open."""

    def __init__(self, client: Any, collection: Any) -> None:
        self._client = client
        self._collection = collection

    def document_ids(self) -> set[str]:
        """The ids of all documents."""
        with failing_as_unusable():
            return set(self._collection.get(include=[])["ids"])

    def nearest(self, vectors: Any, limit: int) -> list[list[tuple[str, float]]]:
        """For each vector the ids and cosine distances of the nearest documents, nearest first."""
        with failing_as_unusable():
            found = self._collection.query(query_embeddings=vectors, n_results=limit, include=["distances"])
            return [
                list(zip(ids, distances, strict=True))
                for ids, distances in zip(found["ids"], found["distances"], strict=True)
            ]

    def distances(self, vector: Any, document_ids: Sequence[str]) -> list[tuple[str, float]]:
        """The cosine distances of a vector from some documents, nearest first; those that are not here are left out.

        Chroma's own question among ids looks through all of them: 78 ms against 2 ms, among 67 of 100,000.
        """
        import numpy as np

        with failing_as_unusable():
            held = self._collection.get(ids=list(document_ids), include=["embeddings"])
        if not held["ids"]:
            return []
        others, own = np.asarray(held["embeddings"], dtype=float), np.asarray(vector, dtype=float)
        lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(own)
        distances = 1 - (others @ own) / np.where(lengths == 0, 1, lengths)
        order = np.argsort(distances, kind="stable")
        return [(held["ids"][place], float(distances[place])) for place in order]

    def add(self, document_ids: Sequence[str], vectors: Any) -> None:
        """Add documents; one that is there already is replaced."""
        # A single one would stay below the threshold of two, so it is said twice.
        times = 2 if len(document_ids) == 1 else 1
        with failing_as_unusable():
            for _ in range(times):
                self._collection.upsert(ids=list(document_ids), embeddings=vectors)

    def remove(self, document_ids: Sequence[str]) -> None:
        """Remove documents."""
        step = self.step
        with failing_as_unusable():
            for start in range(0, len(document_ids), step):
                self._collection.delete(ids=list(document_ids[start : start + step]))

    @property
    def step(self) -> int:
        """The most documents that may be added or removed at once."""
        return int(self._client.get_max_batch_size())

    def close(self) -> None:
        """Give back its files and memory."""
        with failing_as_unusable(), _clients:
            self._client.close()


class Place(Protocol):
    """Where indexes lie."""

    #: Tells this place from every other, for as long as what lies there is the same.
    key: str

    def create(self, name: str, owner: str) -> Vectors:
        """A new, empty index of a database, to be written."""

    def owners(self) -> dict[str, str]:
        """The indexes that lie here, each with its database."""

    def open(self, name: str) -> Vectors:
        """An index to be read."""

    def successor(self, name: str, new_name: str) -> tuple[str, Vectors]:
        """An index with the content of one that could be opened, to be changed, and its name."""

    def seal(self, name: str, vectors: Vectors) -> None:
        """An index was written; nothing changes it any more."""

    def drop(self, name: str) -> None:
        """Remove an index; one that is not there is removed already."""


def find_place(home: Path, server_url: str | None) -> Place:
    """The place that the settings name."""
    return ServerPlace(server_url) if server_url else FolderPlace(home / "search")


class FolderPlace:
    """Indexes in a folder of this machine: each one a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.key = f"folder {_id_of(folder)}"

    def create(self, name: str, owner: str) -> Vectors:
        """A new, empty index of a database, to be written."""
        (self._folder / name).mkdir()
        (self._folder / name / _OWNER).write_text(owner, encoding="ascii")
        client = self._client(name)
        with failing_as_unusable():
            return Vectors(client, _create(client, _COLLECTION, owner, _SYNC_AT_ONCE))

    def owners(self) -> dict[str, str]:
        """The indexes that lie here, each with its database."""
        return {
            path.parent.name: path.read_text(encoding="ascii") for path in self._folder.glob(f"*/{_OWNER}")
        }

    def open(self, name: str) -> Vectors:
        """An index to be read; its files must be those that were sealed."""
        folder = self._folder / name
        try:
            sealed = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise IndexUnusableError(f"The search index {name} is not there or not whole.") from error
        if sealed != _hashes(folder):
            raise IndexUnusableError(f"The files of the search index {name} are damaged.")
        return self._open(name)

    def successor(self, name: str, new_name: str) -> tuple[str, Vectors]:
        """A copy. Whoever reads the old one is not disturbed."""
        old, new = self._folder / name, self._folder / new_name
        with failing_as_unusable():
            shutil.copytree(old, new, ignore=shutil.ignore_patterns(f"{_BOOKS}*", _SEAL))
            # Somebody may be opening the old one, and that writes into its books.
            with (
                closing(sqlite3.connect(old / _BOOKS)) as books,
                closing(sqlite3.connect(new / _BOOKS)) as copy,
            ):
                books.backup(copy)
        return new_name, self._open(new_name)

    def seal(self, name: str, vectors: Vectors) -> None:
        """Close it and note the hashes of its files."""
        vectors.close()
        folder = self._folder / name
        unfinished = folder / f"{_SEAL}.new"
        unfinished.write_text(json.dumps(_hashes(folder)), encoding="utf-8")
        unfinished.replace(folder / _SEAL)

    def drop(self, name: str) -> None:
        """Remove its folder; who has it open reads on."""
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def _open(self, name: str) -> Vectors:
        client = self._client(name)
        try:
            with failing_as_unusable():
                return Vectors(client, client.get_collection(_COLLECTION, embedding_function=None))
        except IndexUnusableError:
            Vectors(client, None).close()
            raise

    def _client(self, name: str) -> Any:
        import chromadb

        try:
            with failing_as_unusable(), _clients:
                return chromadb.PersistentClient(str(self._folder / name), settings=_chroma_settings())
        except (
            AttributeError
        ) as error:  # Chroma, cleaning up after it failed, falls over what it had not made yet
            raise IndexUnusableError(f"The search index {name} is damaged.") from error


class ServerPlace:
    """Indexes on a Chroma server: each one a collection. The server lets several processes read and write."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._ssl = parts.scheme == "https"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or _SERVER_PORTS[parts.scheme]
        self._headers = _authorization(parts.username, parts.password)
        self.key = f"{parts.scheme}://{self._host}:{self._port}"

    def create(self, name: str, owner: str) -> Vectors:
        """A new, empty collection of a database."""
        client = self._client()
        with failing_as_unusable():
            return Vectors(client, _create(client, name, owner, {}))

    def owners(self) -> dict[str, str]:
        """The collections of databases, each with its own."""
        client = self._client()
        with failing_as_unusable():
            found = {one.name: (one.metadata or {}).get(_OWNER) for one in client.list_collections()}
        Vectors(client, None).close()
        return {name: str(owner) for name, owner in found.items() if owner is not None}

    def open(self, name: str) -> Vectors:
        """A collection to be read."""
        client = self._client()
        with failing_as_unusable():
            return Vectors(client, client.get_collection(name, embedding_function=None))

    def successor(self, name: str, new_name: str) -> tuple[str, Vectors]:
        """The collection itself: whoever reads it meanwhile sees some changes before others."""
        del new_name
        return name, self.open(name)

    def seal(self, name: str, vectors: Vectors) -> None:
        """Nothing: the server keeps what it was given."""
        del name
        vectors.close()

    def drop(self, name: str) -> None:
        """Delete the collection."""
        from chromadb.errors import NotFoundError

        client = self._client()
        with failing_as_unusable(), suppress(NotFoundError):
            client.delete_collection(name)
        Vectors(client, None).close()

    def _client(self) -> Any:
        import chromadb

        try:
            with failing_as_unusable(), _clients:
                return chromadb.HttpClient(
                    self._host, self._port, self._ssl, self._headers, settings=_chroma_settings()
                )
        except IndexUnusableError as error:
            raise PlaceUnreachableError(f"The Chroma server {self.key} does not answer.") from error


@contextmanager
def failing_as_unusable() -> Iterator[None]:
    """Whatever ChromaDB fails with, as one error that says what to do."""
    import httpx
    from chromadb.errors import ChromaError

    try:
        yield
    except httpx.TransportError as error:
        raise PlaceUnreachableError(f"The Chroma server does not answer: {error}") from error
    except (ChromaError, httpx.HTTPError, OSError, ValueError, sqlite3.Error) as error:
        raise IndexUnusableError(f"The search index cannot be used: {error}") from error
    except BaseException as error:
        # A panic of Chroma's Rust part is no Exception; Ctrl-C is none either, and goes on.
        if type(error).__name__ != "PanicException":
            raise
        raise IndexUnusableError(f"The search index cannot be used: {error}") from error


def new_name() -> str:
    """A name that no index ever had."""
    return f"syncstock-{uuid.uuid4().hex[:16]}"


def _create(client: Any, name: str, owner: str, more: Mapping[str, int]) -> Any:
    # No embedding function: Chroma's own would be fetched from the network.
    configuration = {"hnsw": {**_GRAPH, **more}}
    return client.create_collection(
        name, configuration=configuration, metadata={_OWNER: owner}, embedding_function=None
    )


def _chroma_settings() -> Any:
    from chromadb.config import Settings

    # Not the .env of whatever folder this runs in, which may be another program's.
    return Settings(_env_file=None, anonymized_telemetry=False)  # type: ignore[call-arg]


def _authorization(user: str | None, secret: str | None) -> dict[str, str] | None:
    """Headers for a server that asks who comes: ``user:password@`` is basic, ``:token@`` a bearer token."""
    if secret is None:
        return None
    if not user:
        return {"Authorization": f"Bearer {unquote(secret)}"}
    import base64

    pair = f"{unquote(user)}:{unquote(secret)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _hashes(folder: Path) -> dict[str, str]:
    """The hash of every file of an index but those that change when it is read."""
    hashes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith((_BOOKS, _SEAL)):
            with path.open("rb") as file:
                hashes[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def _id_of(folder: Path) -> str:
    """The id of a folder of indexes, given to it once: two machines on one database have each its own index."""
    path = folder / "id"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mine = folder / f"id.{uuid.uuid4().hex}"
        mine.write_text(uuid.uuid4().hex, encoding="ascii")
        with suppress(FileExistsError):  # somebody else was first
            os.link(mine, path)
        mine.unlink()
    return path.read_text(encoding="ascii")
