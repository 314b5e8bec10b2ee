"""What the catalogue knows that a count sheet is understood by: codes, names, locations, and how much a pack holds.

What belongs here: the questions that reading a sheet asks, and their answer from the database. What does not:
changing the catalogue, and which article evidence is posted to (posting decides that again, by its own rules).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from syncstock_dagster.catalog.lookup import pack_factors
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

#: (code, unit as the sheet writes it) -> how many of the article's own unit one of it holds.
Packs = Mapping[tuple[str, str], Decimal]


def _no_codes(codes: Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {}


def _no_packs(asked: Iterable[tuple[str, str]]) -> Packs:
    return {}


@dataclass(frozen=True, slots=True)
class Known:
    """Answers of a catalogue; without one nothing is known, and nothing is looked up."""

    is_there: bool = False
    #: Location code -> its name.
    locations: Mapping[str, str | None] = field(default_factory=dict)
    #: A code that lost its zeros -> the codes that it may have been, itself among them if it exists.
    codes: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] = _no_codes
    #: A name -> the codes of the articles of that name.
    named: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] = _no_codes
    packs: Callable[[Iterable[tuple[str, str]]], Packs] = _no_packs
    #: Location, code and stock of all that is stocked at some locations.
    stocked: Callable[[Sequence[str]], Sequence[tuple[str, str, Decimal]]] = lambda _: ()
    #: The location of counts that name none.
    default_location: str = ""

    def location(self, text: str) -> str | None:
        """The one location that a text means: its code, else its code or name but for case and blanks."""
        if text in self.locations:
            return text
        folded = text.strip().casefold()
        found = {
            code
            for code, name in self.locations.items()
            if folded in (code.strip().casefold(), (name or "").strip().casefold())
        }
        return found.pop() if len(found) == 1 else None


NOTHING_KNOWN = Known()


def known_to(url: str, default_location: str) -> Known:
    """The catalogue in the database."""

    def ask(name: str) -> Callable[[Sequence[str]], Mapping[str, Sequence[str]]]:
        def answer(asked: Sequence[str]) -> Mapping[str, Sequence[str]]:
            with connect(url) as connection:
                rows = connection.execute(statement(name), {"asked": list(asked)}).fetchall()
            found: dict[str, list[str]] = {}
            for word, sku in rows:
                found.setdefault(word, []).append(sku)
            return found

        return answer

    def stocked(codes: Sequence[str]) -> Sequence[tuple[str, str, Decimal]]:
        with connect(url) as connection:
            rows = connection.execute(statement("workbooks/stocked"), {"locations": list(codes)})
            return [(code, sku, on_hand) for code, sku, _, on_hand in rows]

    with connect(url) as connection:
        locations = dict(connection.execute("select code, name from locations").fetchall())
    return Known(
        True,
        locations,
        ask("workbooks/find_codes"),
        ask("workbooks/find_names"),
        partial(pack_factors, url),
        stocked,
        default_location,
    )
