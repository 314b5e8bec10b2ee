"""Is there enough? Every source is asked, and the answer is yes, no, or that a person has to look, and why.

What belongs here: gathering what each source says of one article, with its age, and weighing it. What does not: taking
anything in; a question changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow.compute as pc
from psycopg import Connection
from psycopg.rows import dict_row

from syncstock_dagster.errors import BadInput
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.copy import from_bytes
from syncstock_dagster.store.statements import statement
from syncstock_dagster.store.storable import storable

Verdict = Literal["yes", "no", "ask"]

#: Received files that are looked into for the article; more than that are only counted.
_MOST_READ = 20


@dataclass(frozen=True, slots=True)
class Said:
    """What one source says, and how old it is."""

    source: str
    quantity: Decimal | None
    at: datetime | None
    age: timedelta | None
    told: str = ""


@dataclass(frozen=True, slots=True)
class PlaceCheck:
    """The article at one location."""

    location: str
    answer: Verdict
    why: tuple[str, ...]
    on_hand: Decimal
    reserved: Decimal
    incoming: Decimal
    available: Decimal
    #: Sold, and not yet subtracted in the staff's sheets.
    pending: Decimal
    pending_updates: int
    held_counts: int
    sources: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """The answer to "is there enough?"."""

    inventory_id: int
    sku: str
    name: str | None
    quantity: Decimal
    answer: Verdict
    why: tuple[str, ...]
    available: Decimal
    places: tuple[PlaceCheck, ...]
    #: Evidence about the article that has arrived and is not in the books.
    waiting: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values; quantities stay ``Decimal``, times stay aware."""
        return asdict(self)


def check(
    url: str,
    article: str | int,
    quantity: Decimal | int,
    policies: Policies,
    *,
    location: str | None = None,
    fresh_for: timedelta,
    files: Sequence[str] = (),
) -> Check:
    """Weigh what all sources say of an article. ``files`` names those in the drop folder that nobody has read.

    yes: the books have enough, and nothing that is known speaks against it. no: no source has enough. ask: sources
    disagree, something is held or waits, or nobody has counted today and for ``fresh_for``.

    Raises:
        BadInput: there is no such article or location, or the quantity is none.
    """
    if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal) or quantity <= 0:
        raise BadInput(f"{quantity!r} is no quantity to ask for: give an int or a Decimal above zero.")
    wanted = Decimal(quantity)
    with connect(url) as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        now = _one(connection, "select clock_timestamp() as now", {})["now"]
        found = _article(connection, article)
        if location is not None and not _some(
            connection, b"select from locations where code = %(code)s", {"code": location}
        ):
            raise BadInput(f"There is no location {location!r}.")
        names = [row["name"] for row in _some(connection, b"select name from sources", {})]
        values = {
            "inventory_id": found["inventory_id"],
            "location": location,
            "sheet_sources": policies.sheet_sources(names),
        }
        rows = _some(connection, statement("orders/check_places"), values)
        waiting = _waiting(connection, found, values)
    waiting += [f"{name} lies in the drop folder unread" for name in files]
    places = tuple(_weigh(row, wanted, now, fresh_for, bool(waiting)) for row in rows)
    answer, why = _together(places, wanted, waiting)
    available = sum((place.available for place in places), Decimal(0))
    return Check(
        found["inventory_id"], found["sku"], found["name"], wanted, answer, tuple(why), available, places,
        tuple(waiting),
    )  # fmt: skip


# -- weighing ----------------------------------------------------------------------------------------------------------


def _weigh(
    row: dict[str, Any], wanted: Decimal, now: datetime, fresh_for: timedelta, is_waiting: bool
) -> PlaceCheck:
    said = _said(row, now)
    has_enough = row["available"] >= wanted
    doubts = []
    # A sheet is compared with the books as the staff would see them: before today's sales are written off.
    taken = row["reserved"] + row["incoming"]
    others = [
        (one.source, (one.quantity or Decimal(0)) - taken) for one in said[2:] if one.quantity is not None
    ]
    for source, left in others:
        if (left >= wanted) != has_enough:
            doubts.append(f"{source} would leave {left:f}, the books have {row['available']:f} to sell")
    if row["held"]:
        doubts.append(f"{row['held']} count(s) wait for approval")
    if is_waiting:
        doubts.append("evidence about it has arrived and is not in the books yet")
    if (age := _stale(row, now, fresh_for)) is not None:
        doubts.append(age)
    answer: Verdict = "ask" if doubts else "yes" if has_enough else "no"
    if not has_enough and not any(left >= wanted for _, left in others) and not (row["held"] or is_waiting):
        answer, doubts = "no", []  # no source has enough, however old each of them is
    why = doubts or [
        f"{row['available']:f} to sell: {row['on_hand']:f} on hand, {row['reserved']:f} reserved"
    ]
    return PlaceCheck(
        row["location"], answer, tuple(why), row["on_hand"], row["reserved"], row["incoming"], row["available"],
        row["pending"], row["pending_updates"], row["held"], said,
    )  # fmt: skip


def _said(row: dict[str, Any], now: datetime) -> tuple[Said, ...]:
    """Books and last count first, then those that speak for themselves."""

    def one(source: str, quantity: Decimal | None, at: datetime | None, told: str = "") -> Said:
        return Said(source, quantity, at, None if at is None else max(now - at, timedelta(0)), told)

    said = [
        one("books", row["on_hand"], row["updated_at"]),
        one(
            "last count",
            row["counted"],
            row["counted_at"],
            f"by {row['count_source']}" if row["counted_at"] else "",
        ),
    ]
    if row["sheet_says"] is not None:
        # What was sold since the sheet was counted is not in it.
        later = row["pending"] if row["pending_updates"] else Decimal(0)
        note = f"{row['sheet']}: {row['sheet_says']:f}, {row['sheet_decision']}"
        note += f"; less {later:f} sold and not yet subtracted in it" if later else ""
        if row["sheet_decision"] != "applied":
            said.append(one("last sheet", row["sheet_says"] - later, row["sheet_counted_at"], note))
        elif row["counted_at"] is None or row["sheet_counted_at"] >= row["counted_at"]:
            # In force: the books follow from it.
            said.append(one("last sheet", None, row["sheet_counted_at"], note))
    for level in row["advisory"]:
        at = datetime.fromisoformat(level["counted_at"])
        said.append(one(level["source"], Decimal(str(level["quantity"])), at, "compared only"))
    return tuple(said)


def _stale(row: dict[str, Any], now: datetime, fresh_for: timedelta) -> str | None:
    """Why the last count is too old to be believed in an emergency; None: it is from today, or young."""
    if row["counted_at"] is None:
        return "nobody has ever counted it here"
    zone = ZoneInfo(row["timezone"])
    if row["counted_at"].astimezone(zone).date() >= now.astimezone(zone).date():
        return None
    if now - row["counted_at"] <= fresh_for:
        return None
    return f"it was last counted on {row['counted_at'].astimezone(zone):%Y-%m-%d %H:%M}: look at the shelf"


def _together(
    places: Sequence[PlaceCheck], wanted: Decimal, waiting: Sequence[str]
) -> tuple[Verdict, list[str]]:
    if not places:
        if waiting:
            return "ask", ["nothing is in the books, but evidence about it has arrived"]
        return "no", ["nothing is known of it"]
    if good := [place for place in places if place.answer == "yes"]:
        return "yes", [f"{place.location}: {reason}" for place in good for reason in place.why]
    if asking := [place for place in places if place.answer == "ask"]:
        return "ask", [f"{place.location}: {reason}" for place in asking for reason in place.why]
    if len(places) > 1 and sum(max(place.available, Decimal(0)) for place in places) >= wanted:
        return "ask", ["no location has enough alone, all of them have it together: it would take a transfer"]
    return "no", [f"{place.location}: {reason}" for place in places for reason in place.why]


# -- reading -----------------------------------------------------------------------------------------------------------


def _article(connection: Connection[Any], article: str | int) -> dict[str, Any]:
    """By id where a number is given; else whatever a person's word may mean, if it means one article."""
    if isinstance(article, int):
        query = b"select inventory_id, sku, name from products where inventory_id = %(word)s"
        found = _some(connection, query, {"word": article})
    else:
        found = _some(connection, statement("reading/find_article"), {"word": storable(article)})
    if len(found) != 1:
        names = ", ".join(repr(one["sku"]) for one in found[:10])
        raise BadInput(f"{article!r} may mean {names}." if found else f"There is no article {article!r}.")
    return found[0]


def _waiting(connection: Connection[Any], article: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Evidence about the article that was received and is not posted, or waits in quarantine."""
    told = [
        f"{row['source']} says {row['quantity']} in quarantine ({row['reason']})"
        for row in _some(connection, statement("orders/check_quarantine"), values)
    ]
    received = _some(
        connection,
        b"select d.name, d.received_at, p.movements, p.counts from deliveries as d "
        b"join delivery_payloads as p using (delivery_id) where d.state = 'received' "
        b"order by d.received_at, d.delivery_id limit 21",
        {},
    )
    for row in received[:_MOST_READ]:
        found = [
            f"{len(rows)} {what}"
            for what in ("movements", "counts")
            if len(rows := _about(from_bytes(row[what]), article))
        ]
        if found:
            minutes = int((datetime.now(UTC) - row["received_at"]).total_seconds() // 60)
            told.append(
                f"{row['name']} ({', '.join(found)}) was received {minutes} min ago and is not posted"
            )
    if len(received) > _MOST_READ:
        told.append("more deliveries than can be looked into wait to be posted")
    return told


def _about(table: Any, article: dict[str, Any]) -> Any:
    is_it = pc.or_(
        pc.fill_null(pc.equal(table["inventory_id"], article["inventory_id"]), False),
        pc.fill_null(pc.equal(table["sku"], article["sku"]), False),
    )
    return table.filter(is_it)


def _one(connection: Connection[Any], query: str, values: dict[str, Any]) -> dict[str, Any]:
    return _some(connection, query.encode(), values)[0]


def _some(connection: Connection[Any], query: bytes, values: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()
