"""The express lane: documents that are new as a whole, and with which nothing is wrong, go straight into evidence.

What belongs here: finding them in a large delivery, and doing to whole columns what ``stage_movements`` and
``admit_movements`` do to rows. What does not: everything else. Whatever this module does not recognise as simple is
left to those statements, which alone would end in the same evidence; the lane only saves the way of a million rows
through two tables. A document takes one lane as a whole, so that its lines are numbered together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import Connection

from syncstock_dagster.store.copy import copy_table
from syncstock_dagster.store.statements import statement

#: Below this the round trips cost more than they save.
EXPRESS_ROWS = 5_000

_DAY = 86_400_000_000  # microseconds
_NEVER = np.iinfo(np.int64).min
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: What the columns of ``movements`` hold where nothing is said: not sent where it holds for all rows, which saves a
#: tenth of the time.
_USUAL: dict[str, Any] = {
    "leg": 0, "advisory": False, "day_grain": False, "restates": False, "day": None, "unit_price": None,
}  # fmt: skip

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Taken:
    """What the lane took, how far back it reaches by source, and the rows that it left."""

    rest: pa.Table
    rows: int = 0
    first_at: dict[int, datetime] = field(default_factory=dict)


def take_express(
    connection: Connection[Any], movements: pa.Table, delivery_id: int, default_location: str
) -> Taken:
    """Put the simple documents among ``movements`` into force.

    The run's tables know the sources and locations already.

    Raises:
        psycopg.errors.UniqueViolation: another writer brought one of the documents meanwhile; the operation is then
            tried again, and finds it.
    """
    lane = _Lane(connection, movements, default_location)
    chosen = lane.chosen()
    if not len(chosen):
        return Taken(movements)
    copy_table(connection, "movements", lane.rows(chosen, delivery_id))
    connection.execute(statement("posting/enter_express"), {"delivery_id": delivery_id})
    is_left = np.ones(len(movements), dtype=bool)
    is_left[chosen] = False
    return Taken(movements.filter(pa.array(is_left)), len(chosen), lane.first_at(chosen))


class _Lane:
    """The columns of one delivery, resolved; an entry that cannot be resolved makes its document ordinary."""

    def __init__(self, connection: Connection[Any], movements: pa.Table, default_location: str) -> None:
        self._connection = connection
        self._table = movements
        self._default_location = default_location
        self.document, self._documents = _encoded(movements["document"])
        self._is_simple: Bools = self.document >= 0
        self._resolve_sources()
        self._resolve_articles()
        self._resolve_locations()
        self._resolve_instants()

    # -- resolution --------------------------------------------------------------------------------------------

    def _resolve_sources(self) -> None:
        codes, names = _encoded(self._table["source"])
        found = {row[0]: row[1:] for row in self._connection.execute(statement("posting/express_sources"))}
        facts = np.array([found[name] for name in names.to_pylist()], dtype=np.int64)[codes]
        self.source, self._advisory, self._restates, self._days_begin = facts.T

    def _resolve_articles(self) -> None:
        codes, distinct = _encoded(self._table["sku"])
        skus = distinct.to_pylist()
        rows = self._connection.execute(
            "select sku, inventory_id from products where sku = any(%s)", (skus,)
        ).fetchall()
        by_sku = dict(rows)
        is_known = np.array(
            [sku in by_sku for sku in skus] + [False]
        )  # the last one is for rows without a code
        self.article: Ints = np.array([by_sku.get(sku, 0) for sku in skus] + [0], dtype=np.int64)[codes]
        self._is_simple &= is_known[codes]
        given, is_given = _ints(self._table["inventory_id"])
        if is_given.any():
            ids = np.unique(given[is_given])
            known = self._connection.execute(
                "select inventory_id from products where inventory_id = any(%s)", (ids.tolist(),)
            ).fetchall()
            self.article = np.where(is_given, given, self.article)
            self._is_simple |= (self.document >= 0) & is_given
            self._is_simple &= ~is_given | np.isin(given, np.array([row[0] for row in known], dtype=np.int64))

    def _resolve_locations(self) -> None:
        codes, distinct = _encoded(pc.fill_null(self._table["location"], self._default_location))
        names = distinct.to_pylist()
        rows = self._connection.execute(
            "select code, location_id, timezone, (extract(epoch from accepted_before) * 1000000)::bigint "
            "from run_locations"
        )
        found = {code: rest for code, *rest in rows}
        self._is_simple &= np.array([name in found for name in names])[codes]
        unknown = (0, "UTC", _NEVER)
        facts = [found.get(name, unknown) for name in names]
        self.location: Ints = np.array([fact[0] for fact in facts], dtype=np.int64)[codes]
        self._accepted_before: Ints = np.array([fact[2] for fact in facts], dtype=np.int64)[codes]
        self._zones = [fact[1] for fact in facts]
        self._zone_code = codes

    def _resolve_instants(self) -> None:
        at, is_at = _ints(self._table["effective_at"].cast(pa.int64()))
        local, is_local = _ints(self._table["effective_local"].cast(pa.int64()))
        day, self._is_day = _ints(self._table["day"].cast(pa.int32()))
        on_day = np.where(self._is_day, day, local // _DAY)
        needs_day = ~is_at & (self._is_day | is_local)
        first, last, offset = self._calendar(on_day, needs_day)
        by_day = np.where(self._days_begin == 1, first, last)
        by_clock = np.where(offset == _NEVER, _NEVER, local - offset)
        self.effective: Ints = np.where(is_at, at, np.where(is_local, by_clock, by_day))
        self._is_simple &= (self.effective != _NEVER) & (self.effective < self._accepted_before)

    def _calendar(self, day: Ints, needed: Bools) -> tuple[Ints, Ints, Ints]:
        """First and last instant and UTC offset of each row's day, in microseconds; ``_NEVER`` where there is none."""
        none = np.full(len(day), _NEVER)
        if not needed.any():
            return none, none, none
        keys = day * len(self._zones) + self._zone_code
        wanted, places = np.unique(keys[needed], return_inverse=True)
        days = (wanted // len(self._zones)).astype("datetime64[D]").tolist()
        zones = [self._zones[code] for code in wanted % len(self._zones)]
        asked = {"days": days, "zones": zones, "default_location": self._default_location}
        self._connection.execute(statement("posting/run_days"), asked)
        found = self._connection.execute(statement("posting/express_days"), asked).fetchall()
        table = np.array([[_NEVER if v is None else v for v in row] for row in found], dtype=np.int64)
        columns = []
        for of_day in table.T:
            column = none.copy()
            column[needed] = of_day[places]
            columns.append(column)
        first, last, offset = columns
        return first, last, offset

    # -- choice ------------------------------------------------------------------------------------------------

    def chosen(self) -> Ints:
        """The places of the rows of simple, new documents, in key order."""
        if not len(self._documents):
            return np.empty(0, dtype=np.int64)
        has_document = np.flatnonzero(self.document >= 0)
        ordinary = self._key_of(has_document[~self._is_simple[has_document]])
        places = self._without(has_document, ordinary)
        places = self._without(places, self._known_documents(places))
        self._number_lines(places)
        places = places[self._key_order(places)]
        return self._without(places, self._repeated(places))

    def _without(self, places: Ints, documents: Ints) -> Ints:
        return places[~np.isin(self._key_of(places), documents)] if len(documents) else places

    def _known_documents(self, places: Ints) -> Ints:
        """Documents of which a line is in force already."""
        unique = np.unique(self._key_of(places))
        sources, codes = np.divmod(unique, len(self._documents))
        wanted = pa.table(
            {
                "place": pa.array(np.arange(len(unique))),
                "source_id": pa.array(sources),
                "document": self._documents.take(pa.array(codes)),
            }
        )
        copy_table(self._connection, "run_documents", wanted)
        rows = self._connection.execute(statement("posting/known_documents")).fetchall()
        return unique[np.array([row[0] for row in rows], dtype=np.int64)]

    def _number_lines(self, places: Ints) -> None:
        """Line keys: as given; else the ordinal for the article within its document, in the order of the rows."""
        codes, given = _encoded(self._table["line"])
        unnumbered = places[codes[places] < 0]
        position, _ = _ints(self._table["position"])
        columns = [column[unnumbered] for column in (self.source, self.document, self.article, position)]
        order = _order(*columns)
        source, document, article, position = (column[order] for column in columns)
        begins = _changes(source, document, article)
        number = np.cumsum(begins | _changes(position))  # the two legs of a transfer share their position
        ordinal = number - np.maximum.accumulate(np.where(begins, number, 0)) + 1
        articles, article_code = np.unique(article, return_inverse=True)
        made, made_code = np.unique(article_code * (len(places) + 1) + ordinal, return_inverse=True)
        of_article, ordinals = np.divmod(made, len(places) + 1)
        texts = [
            f"@{article}#{ordinal:04d}"
            for article, ordinal in zip(articles[of_article].tolist(), ordinals.tolist(), strict=True)
        ]
        self._line_keys = pa.array([f":{line}" for line in given.to_pylist()] + texts, type=pa.string())
        self._line = codes
        self._line[unnumbered[order]] = len(given) + made_code

    def _key_order(self, places: Ints) -> Ints:
        """The order of the keys, as the database has it; so writers wait for each other but never in a circle."""
        leg, _ = _ints(self._table["leg"])
        document, line = _ranks(self._documents), _ranks(self._line_keys)
        return _order(
            self.source[places], document[self.document[places]], line[self._line[places]], leg[places]
        )

    def _repeated(self, places: Ints) -> Ints:
        """Documents that name a line twice; the places are in key order."""
        leg, _ = _ints(self._table["leg"])
        is_new = _changes(self.source[places], self.document[places], self._line[places], leg[places])
        return self._key_of(places[~is_new])

    def _key_of(self, places: Ints) -> Ints:
        return self.source[places] * len(self._documents) + self.document[places]

    def first_at(self, places: Ints) -> dict[int, datetime]:
        """The earliest instant of each source at these places."""
        source, effective = self.source[places], self.effective[places]
        return {
            int(number): _EPOCH + timedelta(microseconds=int(effective[source == number].min()))
            for number in np.unique(source)
        }

    # -- rows --------------------------------------------------------------------------------------------------

    def rows(self, places: Ints, delivery_id: int) -> pa.Table:
        """The rows of ``movements`` at these places, in their order."""
        taken = pa.array(places)

        def same(value: Any, kind: pa.DataType) -> pa.Array:
            return pa.array([value], type=kind).take(pa.array(np.zeros(len(places), dtype=np.int64)))

        def own(name: str) -> pa.ChunkedArray:
            return self._table[name].take(taken)

        def key(texts: pa.Array, codes: Ints) -> pa.Array:
            return texts.take(pa.array(codes[places]))

        documents = pc.binary_join_element_wise(":", self._documents, "")
        rows = pa.table(
            {
                "delivery_id": same(delivery_id, pa.int64()),
                "position": own("position"),
                "inventory_id": self.article[places],
                "location_id": self.location[places],
                "source_id": self.source[places],
                "leg": own("leg"),
                "advisory": self._advisory[places].astype(bool),
                "day_grain": self._is_day[places],
                "restates": self._restates[places].astype(bool),
                "effective_at": pa.array(self.effective[places], type=pa.timestamp("us", tz="UTC")),
                "quantity": own("quantity"),
                "day": own("day"),
                "document_key": key(documents, self.document),
                "line_key": key(self._line_keys, self._line),
                "reason": own("reason"),
                "unit_price": own("unit_price"),
            }
        )
        return rows.drop_columns([name for name, usual in _USUAL.items() if _is_all(rows[name], usual)])


def _is_all(column: pa.ChunkedArray, value: Any) -> bool:
    """Whether every value of a column is this one."""
    if value is None:
        return bool(column.null_count == len(column))
    return not column.null_count and bool(pc.all(pc.equal(column, value)).as_py())


def _encoded(column: pa.ChunkedArray | pa.Array) -> tuple[Ints, pa.Array]:
    """Each value as its place among the distinct ones, -1 for null; and those."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary


def _ints(column: pa.ChunkedArray) -> tuple[Ints, Bools]:
    """The values, 0 for null, and which are there."""
    values = pc.fill_null(column, 0).to_numpy().astype(np.int64)
    return values, pc.is_valid(column).to_numpy()


def _ranks(texts: pa.Array) -> Ints:
    """The place of each text in the order of their bytes, which is the order of the collation C."""
    ranks = np.empty(len(texts), dtype=np.int64)
    ranks[pc.array_sort_indices(texts).to_numpy()] = np.arange(len(texts))
    return ranks


def _order(*columns: Ints) -> Ints:
    """The places in the order of the columns, the first of which counts most.

    As one number each, wherever that fits: sorted six times as fast, for files are nearly in order.
    """
    sizes = [int(column.max(initial=0)) + 1 for column in columns]
    if math.prod(sizes) > np.iinfo(np.int64).max or min(column.min(initial=0) for column in columns) < 0:
        return np.lexsort(columns[::-1])
    number = columns[0]
    for column, size in zip(columns[1:], sizes[1:], strict=True):
        number = number * size + column
    return np.argsort(number, kind="stable")


def _changes(*columns: Ints) -> Bools:
    """Where a row differs from the one before it in any column; the first does."""
    changed = np.ones(len(columns[0]), dtype=bool)
    changed[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return changed
