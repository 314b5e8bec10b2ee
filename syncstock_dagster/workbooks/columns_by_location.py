"""Count sheets with columns of quantities for locations: each column is read as a table of that location.

What belongs here: recognising such columns ("North", "Counted North", "In stock [North]"), and telling the sum beside
them. What does not: headers of other kinds (``tables``), and columns by date: those may be the sales of the days.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from syncstock_dagster.workbooks.catalogue import Known
from syncstock_dagster.workbooks.headers import Claim, normalised
from syncstock_dagster.workbooks.local_forms import numeral
from syncstock_dagster.workbooks.sheets import Grid, Opened, Sheet
from syncstock_dagster.workbooks.tables import (
    SEARCHED_ROWS,
    Finding,
    Header,
    header_at,
    is_numeric,
    sheets_of,
)

#: As sure as one is of a column that is named after a place and not after what it holds.
_CERTAINTY = 0.9
#: Left where columns for locations stand beside one that is not their sum.
_NOT_THEIR_SUM = 0.6
_IN_BRACKETS = re.compile(r"^(.*\S)\s*[(\[（]([^()\[\]（）]+)[)\]）]$")


@dataclass(frozen=True, slots=True)
class _Places:
    """Columns of one kind, by location."""

    #: What is said beside the location; nothing: the column has its bare name.
    kind: str
    #: Place of the column -> code of the location.
    codes: Mapping[int, str]
    certainty: float


def by_location(opened: Opened, finding: Finding, known: Known) -> Opened:
    """A file once more, where columns are named after locations: they are quantities there.

    Two or more bare names, or any beside a word for a quantity. A column of quantities beside them is their sum, or a
    person has to say what it is.
    """
    sheets: list[Sheet] = list(opened.sheets)
    read: set[str | None] = set()
    notes: list[str] = []
    doubts = dict(opened.doubts)
    for grid in opened.book.grids:
        if not grid.visible and not finding.read_hidden:
            continue
        whole = [sheet for sheet in opened.sheets if sheet.name == grid.name]
        found = _of_sheet(grid, whole, finding, known) if whole else _header(grid, finding, known)
        if found is None:
            continue
        header, places = found
        tables = _tables(grid, header, places)
        if whole and (quantity := header.fields["quantity"]) not in places.codes:
            if not all(is_numeric(table, place) for table, place in zip(tables, places.codes, strict=True)):
                continue
            if not _are_summed(whole[0], quantity, tuple(places.codes)):
                names = ", ".join(repr(header.texts[place]) for place in places.codes)
                doubts[f"columns are named after locations and not read: {names}"] = _NOT_THEIR_SUM
                continue
            notes.append(f"Column {header.texts[quantity]!r} is the sum of those by location.")
        start = sheets.index(whole[0]) if whole else len(sheets)
        sheets[start : start + len(whole)] = tables
        read.add(grid.name)
        columns = (
            "1 column was read as a location"
            if len(tables) == 1
            else f"{len(tables)} columns were read as locations"
        )
        notes.append(f"{columns}: {', '.join(places.codes.values())}.")
    if not read:
        return replace(opened, doubts=doubts)
    return replace(
        opened,
        sheets=sheets,
        nearest=None,
        notes=[*(opened.notes if opened.sheets else opened.book.notes), *notes],
        left_out=[left for left in opened.left_out if left.sheet not in read],
        doubts=doubts,
    )


def _of_sheet(
    grid: Grid, whole: Sequence[Sheet], finding: Finding, known: Known
) -> tuple[Header, _Places] | None:
    """The header of a grid that was read as one table, and its columns by location."""
    if len(whole) > 1 or not whole[0].header_rows or "location" in whole[0].fields:
        return None
    index = int(np.searchsorted(grid.rows, whole[0].header_rows[0]))
    header = header_at(grid, index, finding)
    if not header.complete or header.fields != whole[0].fields:
        return None
    places = _places(header, finding, known)
    if places is None or (not places.kind and header.fields["quantity"] in places.codes):
        return None
    return header, places


def _header(grid: Grid, finding: Finding, known: Known) -> tuple[Header, _Places] | None:
    """The first row with a column for the article and some for locations."""
    if not grid.columns:
        return None
    for index in range(min(len(grid), SEARCHED_ROWS)):
        header = header_at(grid, index, finding)
        lacks_quantity_only = all("quantity" in group for group in header.missing) and (
            bool(header.missing) or all(sentence.endswith("mean quantity") for sentence in header.ambiguous)
        )
        if not header.fields or not lacks_quantity_only or header.complete or "location" in header.fields:
            continue
        if (places := _places(header, finding, known)) is not None:
            return header, places
    return None


def _places(header: Header, finding: Finding, known: Known) -> _Places | None:
    """The columns that are named after locations, of the kind that says best what was counted there."""
    taken = {place for name, place in header.fields.items() if name != "quantity"}
    kinds: dict[str, dict[int, str]] = {}
    claims: dict[str, Claim] = {}
    for place, text in enumerate(header.texts):
        if not text or place in taken:
            continue
        if (code := known.location(text)) is not None:
            kinds.setdefault("", {})[place] = code
        elif (named := _named_after(text, known)) is not None:
            kind, code = named
            claim = finding.words.claim(kind)
            if claim is not None and claim.field == "quantity" and claim.certainty >= 0.8:
                claims[normalised(kind)] = claim
                kinds.setdefault(normalised(kind), {})[place] = code
    unique = {
        kind: codes
        for kind, codes in kinds.items()
        if len(set(codes.values())) == len(codes) >= (1 if kind else 2)
    }
    if not unique or len(unique) < len(kinds) - ("" in kinds and len(kinds[""]) == 1):
        return None
    best = min(unique, key=lambda kind: (claims[kind].rank if kind else 1, -len(unique[kind])))
    if any(len(codes) > len(unique[best]) for codes in unique.values()):
        return None
    return _Places(best, unique[best], claims[best].certainty if best else _CERTAINTY)


def _named_after(text: str, known: Known) -> tuple[str, str] | None:
    """What a header says beside the one location that it names, and the location's code."""
    if inside := _IN_BRACKETS.match(text):
        code = known.location(inside[2])
        return None if code is None else (inside[1], code)
    plain = normalised(text)
    found: set[tuple[str, str]] = set()
    for code, name in known.locations.items():
        for word in {
            normalised(said) for said in (code, name) if said and len(said) > 1 and not said.isdigit()
        }:
            if plain.startswith(f"{word} "):
                found.add((plain[len(word) + 1 :], code))
            elif plain.endswith(f" {word}"):
                found.add((plain[: -len(word) - 1], code))
    longest = min((len(kind) for kind, _ in found), default=0)
    found = {(kind, code) for kind, code in found if len(kind) == longest}
    return found.pop() if len(found) == 1 else None


def _are_summed(sheet: Sheet, total: int, places: Sequence[int]) -> bool:
    """Whether a column holds the sum of others in every line that has numbers."""
    lines = 0
    for cells in zip(*(sheet.columns[place].to_pylist() for place in (total, *places)), strict=True):
        numbers = [numeral(text) for text in cells]
        if numbers[0] is None:
            continue
        if any(number is None and text.strip() for number, text in zip(numbers, cells, strict=True)):
            return False
        sums = sum(Decimal(number.plain) for number in numbers[1:] if number is not None and number.plain)
        if numbers[0].plain is None or Decimal(numbers[0].plain) != sums:
            return False
        lines += 1
    return lines > 0


def _tables(grid: Grid, header: Header, places: _Places) -> list[Sheet]:
    """One table a location: the same lines, with its column as the quantity and its code in a cell above."""
    tables = []
    for place, code in places.codes.items():
        whole = replace(
            header,
            fields={**header.fields, "quantity": place},
            certainty={**header.certainty, "quantity": places.certainty},
            missing=(),
            ambiguous=(),
        )
        (sheet,) = sheets_of(grid, [whole])
        others = places.codes.keys() - {place}
        tables.append(
            replace(
                sheet,
                headers=["" if n in others else text for n, text in enumerate(sheet.headers)],
                above=[*sheet.above, ("Location", code)],
                above_rows=[*sheet.above_rows, int(grid.rows[header.first])],
                title=None,
            )
        )
    return tables
