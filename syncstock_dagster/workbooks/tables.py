"""Finding the tables in the grids of a file: where a header stands, what its columns are, where a block ends.

What belongs here: header rows (one or two, anywhere, repeated), several blocks below or beside each other, a confirmed
mapping, and which sheets are read. What does not: single words (``headers``), and what a line means (``count_sheets``).

Movement and product files are made by programs: one exact header within the first rows. Only count sheets are searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncstock_dagster.workbooks.headers import (
    NAME_AS_CODE,
    Claim,
    Vocabulary,
    normalised,
)
from syncstock_dagster.workbooks.sheets import (
    Book,
    Cell,
    Grid,
    LeftOut,
    NearestHeader,
    Opened,
    Sheet,
    Span,
    blank_rows,
)

#: The header of a program's file stands within this many rows; that of a person's sheet is looked for in more.
HEADER_WITHIN_ROWS, SEARCHED_ROWS = 30, 120
#: Below it a header is only taken where no better one is found.
_SURE_ENOUGH = 0.8
_NUMBER = re.compile(r"^[+-]?[\d.,'\u00a0\u202f ]*\d[\d.,'\u00a0\u202f ]*%?$")
#: A mapping may name a column by its letter: ``@C``.
_BY_LETTER = re.compile(r"^@([A-Za-z]{1,3})$")
_ARTICLE = ("sku", "inventory_id")


@dataclass(frozen=True, slots=True)
class Finding:
    """How tables are looked for."""

    words: Vocabulary
    #: Look for several blocks, headers of two rows, and words that are not exact.
    searching: bool = False
    #: Field -> header, as a person confirmed it.
    mapping: Mapping[str, str] | None = None
    read_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table, or what came nearest to one."""

    #: Indices of its first row and of the first row below it, within the grid.
    first: int
    end: int
    texts: Sequence[str]
    fields: Mapping[str, int]
    certainty: Mapping[str, float]
    #: Groups of fields of which none is there.
    missing: Sequence[Sequence[str]] = ()
    #: Sentences about fields that two columns claim with equal right.
    ambiguous: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether the table can be read."""
        return not self.missing and not self.ambiguous

    @property
    def sureness(self) -> float:
        """Of the field that is least sure."""
        return min(self.certainty.values(), default=0.0)


def find_tables(book: Book, finding: Finding) -> Opened:
    """The tables of a file, and why a sheet has none."""
    sheets: list[Sheet] = []
    left_out: list[LeftOut] = []
    notes = list(book.notes)
    nearest: tuple[tuple[int, int, int], NearestHeader] | None = None
    for grid in book.grids:
        if not grid.visible and not finding.read_hidden:
            notes.append(f"Sheet {grid.name!r} is hidden and was not read.")
            left_out.append(LeftOut(grid.name, (), "the sheet is hidden"))
            continue
        headers, near = _headers(grid, finding)
        if headers:
            sheets += sheets_of(grid, headers)
            continue
        if grid.name is not None:
            why = _why_not(near)
            notes.append(f"Sheet {grid.name!r} was not read: {why}.")
            left_out.append(LeftOut(grid.name, (), why))
        told = _nearest(grid, near)
        if told is not None and (nearest is None or told[0] < nearest[0]):
            nearest = told
    return Opened(sheets, book, notes, None if sheets or nearest is None else nearest[1], left_out)


def _why_not(header: Header | None) -> str:
    if header is None:
        return "no header was recognised in it"
    if header.ambiguous:
        return "; ".join(header.ambiguous)
    return "no column for " + " and ".join(" or ".join(group) for group in header.missing)


def _nearest(grid: Grid, header: Header | None) -> tuple[tuple[int, int, int], NearestHeader] | None:
    """What came closest to a header, with its rank among those of all sheets."""
    if not len(grid):
        return None
    if header is None:
        first = NearestHeader(grid.name, int(grid.rows[0]), grid.texts(0), ())
        return (9, 0, 0), first
    row = int(grid.rows[header.first])
    near = NearestHeader(grid.name, row, header.texts, header.missing, header.ambiguous)
    return (len(header.missing), len(header.ambiguous), -len(header.fields)), near


# --- headers


def _headers(grid: Grid, finding: Finding) -> tuple[list[Header], Header | None]:
    """The headers of one grid from top to bottom; where there is none, what came nearest."""
    if not grid.columns or not len(grid):
        return [], None
    if finding.mapping is not None:
        mapped = _mapped(grid, finding.mapping)
        if mapped is not None:
            return [mapped, *_repeated(grid, mapped)], None
    limit = SEARCHED_ROWS if finding.searching else HEADER_WITHIN_ROWS
    best: Header | None = None
    unsure: Header | None = None
    for index in range(min(len(grid), limit)):
        header = header_at(grid, index, finding)
        if header.complete or (not finding.searching and not header.missing):
            if header.complete and (header.sureness >= _SURE_ENOUGH or not finding.searching):
                more = _further(grid, header, finding) if finding.searching else []
                return [header, *more], None
            if header.complete and unsure is None:
                unsure = header
            elif not header.complete:
                return [], header
        elif header.fields and (best is None or _promise(header) > _promise(best)):
            best = header
    if unsure is not None:
        return [unsure, *_repeated(grid, unsure)], None
    deep = next(iter(_deep_rows(grid, finding.words, limit)), None) if finding.searching else None
    if deep is not None:
        header = header_at(grid, deep, finding)
        if header.complete:
            return [header, *_further(grid, header, finding)], None
    return [], best


def _promise(header: Header) -> tuple[int, int]:
    return -len(header.missing), len(header.fields)


def _further(grid: Grid, first: Header, finding: Finding) -> list[Header]:
    """Headers of blocks below the first one; they have to be sure, for a line of data is not one."""
    found: list[Header] = []
    end = first.end
    near = range(first.end, min(len(grid), SEARCHED_ROWS))
    for index in sorted({*near, *_deep_rows(grid, finding.words, first.end), *_same_rows(grid, first)}):
        if index < end:
            continue
        header = header_at(grid, index, finding)
        if header.complete and header.sureness >= _SURE_ENOUGH:
            found.append(header)
            end = header.end
    return found


def _repeated(grid: Grid, header: Header) -> list[Header]:
    """The same header again, as pages repeat it."""
    height = header.end - header.first
    if not height:
        return []
    return [
        replace(header, first=index, end=index + height)
        for index in _same_rows(grid, header)
        if index >= header.end
    ]


def _same_rows(grid: Grid, header: Header) -> list[int]:
    """Rows that hold the header's own texts in its columns."""
    if header.end == header.first:
        return []
    same = np.ones(len(grid), dtype=np.bool_)
    for place in header.fields.values():
        text = grid.columns[place][header.first].as_py()
        same &= pc.equal(grid.columns[place], text).to_numpy(zero_copy_only=False)
    return [int(index) for index in np.flatnonzero(same) if index >= header.end]


def _deep_rows(grid: Grid, words: Vocabulary, after: int) -> Iterator[int]:
    """Rows further down in which two columns hold words for an article and for a quantity, literally."""
    hits = []
    for group in (_ARTICLE, ("quantity",)):
        known = pa.array([word for word, (name, _) in words.words.items() if name in group], pa.string())
        hit = np.zeros(len(grid), dtype=np.bool_)
        for column in grid.columns:
            plain = pc.utf8_trim(pc.utf8_lower(column), characters=" .:*#\u00a0")
            hit |= pc.is_in(plain, value_set=known).to_numpy(zero_copy_only=False)
        if not hit.any():
            return
        hits.append(hit)
    yield from (int(index) for index in np.flatnonzero(hits[0] & hits[1]) if index >= after)


def header_at(grid: Grid, index: int, finding: Finding) -> Header:
    """What a row says as a header, alone or together with the next one; it may lack columns that are needed."""
    texts = [text.strip() for text in grid.texts(index)]
    single = _as_header(index, index + 1, texts, [[text] for text in texts], finding)
    if not finding.searching:
        return single
    if single.sureness < 0.85 and any(_NUMBER.match(text) for text in texts):
        # A line of data that happens to hold two such words.
        single = replace(single, fields={}, missing=single.missing or [["a header"]])
    return _with_second_row(grid, index, texts, single, finding)


def _with_second_row(
    grid: Grid, index: int, texts: Sequence[str], single: Header, finding: Finding
) -> Header:
    """The header of this row and the next together, where the next one says more about its columns."""
    if index + 1 >= len(grid) or grid.rows[index + 1] != grid.rows[index] + 1:
        return single
    below = [text.strip() for text in grid.texts(index + 1)]
    if not any(below) or any(_NUMBER.match(text) for text in below):
        return single
    exact = [finding.words.exact(text) for text in below]
    if not any(exact) or sum(bool(text) for text in texts) < 2:
        return single
    alone = _as_header(index + 1, index + 2, below, [[text] for text in below], finding)
    if alone.complete and alone.sureness >= _SURE_ENOUGH:
        return replace(
            single, fields={}, missing=[["a header"]]
        )  # what stands above a whole header is a title or a label
    article = next((single.fields[name] for name in _ARTICLE if name in single.fields), None)
    if article is not None and below[article] and not (exact[article] and exact[article][0] in _ARTICLE):  # type: ignore[index]
        return single
    above = _spread(grid, index, texts, below)
    several = {place for place, text in enumerate(above) if text and _is_shared(above, texts, place)}
    candidates = [
        _both_rows(high, low, finding.words, is_shared=place in several)
        for place, (high, low) in enumerate(zip(above, below, strict=True))
    ]
    shown = [" ".join(filter(None, pair)) for pair in zip(above, below, strict=True)]
    both = _as_header(index, index + 2, shown, candidates, finding)
    is_better = both.complete and both.sureness >= single.sureness * 0.9
    quantity = single.fields.get("quantity")
    if quantity is not None and (under := exact[quantity]) is not None and under[0] in _NOT_COUNTED:
        return both  # "System" stands below "Quantity": the first row alone would take it for the count
    return both if is_better or (not single.complete and _promise(both) > _promise(single)) else single


#: What a column is about that stands below a header for quantities, and is not what was counted.
_NOT_COUNTED = frozenset({"expected", "variance", "remark", "other"})


def _both_rows(high: str, low: str, words: Vocabulary, *, is_shared: bool) -> list[str]:
    """What a column may be called under two rows of header, the surest first."""
    if not high or not low:
        return [text for text in (low, high) if text]
    if is_shared:
        upper, lower = words.claim(high), words.claim(low)
        if lower is not None and lower.field in ("remark", "other"):
            return [low]
        # "Physical: quantity, value; Book: quantity, value": the upper row says which quantity it is.
        if (
            upper is not None
            and lower is not None
            and lower.field == "quantity"
            and (upper.field in _NOT_COUNTED or (upper.field == "quantity" and upper.rank < lower.rank))
        ):
            return [high]
    return [low, f"{high} {low}", *([] if is_shared else [high])]


def _is_shared(above: Sequence[str], texts: Sequence[str], place: int) -> bool:
    """Whether an upper text stands over several columns, so that it alone names none of them."""
    beside = [other for other in (place - 1, place + 1) if 0 <= other < len(above)]
    return not texts[place] or any(above[other] == above[place] and not texts[other] for other in beside)


def _spread(grid: Grid, index: int, texts: Sequence[str], below: Sequence[str]) -> list[str]:
    """The upper row with the texts of merged cells in each of their columns."""
    spread = list(texts)
    row = int(grid.rows[index])
    spans = [span for span in grid.merged if span.first_row <= row <= span.last_row]
    for span in spans:
        for place in range(span.first_column, min(span.last_column + 1, len(spread))):
            spread[place] = texts[span.first_column] if span.first_column < len(texts) else ""
    if not spans and not grid.merged:
        for place in range(1, len(spread)):  # a format without merged cells: blank up to the next text
            if not spread[place] and below[place] and not texts[place]:
                spread[place] = spread[place - 1]
    return spread


def _as_header(
    first: int, end: int, texts: Sequence[str], candidates: Sequence[Sequence[str]], finding: Finding
) -> Header:
    claims: dict[str, list[tuple[Claim, int]]] = {}
    for place, options in enumerate(candidates):
        claim = _best_claim(options, finding)
        if claim is not None and claim.field != "other":
            claims.setdefault(claim.field, []).append((claim, place))
    fields: dict[str, int] = {}
    certainty: dict[str, float] = {}
    rivals: dict[str, Sequence[int]] = {}
    for name, claimants in claims.items():
        best = min(
            claimants, key=lambda claimant: (-int(claimant[0].certainty >= _SURE_ENOUGH), claimant[0].rank)
        )
        equals = [
            place
            for claim, place in claimants
            if claim.rank == best[0].rank
            and (claim.certainty >= _SURE_ENOUGH) == (best[0].certainty >= _SURE_ENOUGH)
        ]
        exact = [place for claim, place in claimants if place in equals and claim.certainty == 1.0]
        equals = exact if len(exact) == 1 else equals
        fields[name] = equals[0]
        certainty[name] = max(claim.certainty for claim, place in claimants if place == equals[0])
        rivals[name] = equals
    if finding.searching and not any(name in fields for name in _ARTICLE) and "name" in fields:
        fields["sku"], certainty["sku"] = fields.pop("name"), NAME_AS_CODE
        certainty.pop("name")
    missing = [group for group in finding.words.required if not any(name in fields for name in group)]
    needed = {name: certainty[name] for name in (*_ARTICLE, "quantity") if name in fields}
    rest = {name: value for name, value in certainty.items() if name not in needed and value >= _SURE_ENOUGH}
    kept = {name: place for name, place in fields.items() if name in needed or name in rest}
    if not needed:
        kept.pop("remark", None)  # "Notes" alone promises no table
    header = Header(first, end, texts, kept, needed, missing, [])
    tables = len(_halves(header))
    ambiguous = [
        f"{' and '.join(_named(texts, place, places) for place in places)} both mean {name}"
        for name, places in rivals.items()
        # The same header again further right is a table in two halves, where all that matters comes again too.
        if len(places) > 1 and name in _MATTERS and len(places) != tables
    ]
    return replace(header, ambiguous=ambiguous)


def _named(texts: Sequence[str], place: int, rivals: Sequence[int]) -> str:
    """A header in a sentence, with the letter of its column where another one has the same words."""
    is_alone = [texts[rival] for rival in rivals].count(texts[place]) == 1
    return repr(texts[place]) if is_alone else f"{texts[place]!r} (column {letters(place)})"


_MATTERS = frozenset(
    {"sku", "inventory_id", "quantity", "location", "counted_at", "effective_at", "day", "document", "line"}
)


def _best_claim(options: Iterable[str], finding: Finding) -> Claim | None:
    best: Claim | None = None
    for text in options:
        exact = finding.words.exact(text) if text and len(text) <= 80 else None
        claim = Claim(*exact, 1.0) if exact and not finding.searching else finding.words.claim(text)
        if claim is not None and (best is None or claim.certainty > best.certainty):
            best = claim
    return best


# --- a confirmed mapping


def _mapped(grid: Grid, mapping: Mapping[str, str]) -> Header | None:
    """The header row that has every column of the mapping; None: this grid is another kind of sheet."""
    by_letter = {name: _column_of(text) for name, text in mapping.items() if _BY_LETTER.match(text)}
    if len(by_letter) == len(mapping):
        if max(by_letter.values()) >= len(grid.columns):
            return None
        texts = [f"column {letters(place)}" for place in range(len(grid.columns))]
        quantity = grid.columns[by_letter["quantity"]]
        first = next(
            (i for i in range(len(grid)) if _NUMBER.match(quantity[i].as_py().strip() or "x")), len(grid)
        )
        return Header(first, first, texts, by_letter, dict.fromkeys(by_letter, 1.0))
    wanted = {name: normalised(text) for name, text in mapping.items() if name not in by_letter}
    for index in range(min(len(grid), SEARCHED_ROWS)):
        texts = [text.strip() for text in grid.texts(index)]
        found = _places(wanted, texts)
        if found is not None:
            return Header(index, index + 1, texts, found | by_letter, dict.fromkeys(mapping, 1.0))
        if index + 1 < len(grid):
            below = [text.strip() for text in grid.texts(index + 1)]
            above = _spread(grid, index, texts, below)
            both = [" ".join(filter(None, pair)) for pair in zip(above, below, strict=True)]
            found = _places(wanted, both)
            if found is not None:
                return Header(index, index + 2, both, found | by_letter, dict.fromkeys(mapping, 1.0))
    return None


def _places(wanted: Mapping[str, str], texts: Sequence[str]) -> dict[str, int] | None:
    plain = [normalised(text) if 0 < len(text) <= 200 else "" for text in texts]
    found = {name: plain.index(word) for name, word in wanted.items() if word in plain}
    return found if wanted.keys() - found.keys() <= _TOLD_ONLY else None


#: Columns that a sheet may lack although it has them mostly: no count is another one without them.
_TOLD_ONLY = frozenset({"name", "expected", "variance", "remark"})


def _column_of(text: str) -> int:
    number = 0
    for letter in text[1:].upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def letters(place: int) -> str:
    """The letters by which a spreadsheet shows a column."""
    shown = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        shown = chr(65 + rest) + shown
    return shown


# --- blocks


def _halves(header: Header) -> list[Header]:
    """The header of each table that stands beside another in the same rows."""
    article = next((header.fields[name] for name in _ARTICLE if name in header.fields), None)
    if article is None or "quantity" not in header.fields:
        return [header]
    plain = [normalised(text) if text else "" for text in header.texts]
    starts = [place for place, word in enumerate(plain) if word and word == plain[article]]
    quantity = plain[header.fields["quantity"]]
    if len(starts) < 2 or plain.count(quantity) != len(starts) or starts[0] != article:
        return [header]
    needed = {name: place for name, place in header.fields.items() if name not in _TOLD_ONLY}
    used = sorted(needed.values())
    if used[-1] - used[0] >= min(right - left for left, right in pairwise(starts)):
        return [header]
    halves = []
    for start, end in pairwise([*starts, len(plain)]):
        fields = {name: place + start - article for name, place in needed.items()}
        if max(fields.values()) >= len(plain) or any(
            plain[place] != plain[needed[name]] for name, place in fields.items()
        ):
            return [header]
        for name in header.fields.keys() & _TOLD_ONLY:
            # It may stand in one of the tables only.
            places = (header.fields[name] + start - article, *range(start, end))
            word = plain[header.fields[name]]
            place = next((place for place in places if 0 <= place < end and plain[place] == word), None)
            if place is not None:
                fields[name] = place
        halves.append(replace(header, fields=fields))
    return halves


def sheets_of(grid: Grid, headers: Sequence[Header]) -> list[Sheet]:
    """Each block of a grid as a sheet."""
    blocks = _blocks(grid, headers)
    sheets: list[Sheet] = []
    for block in blocks:
        halves = _halves(block.header)
        titles = _titles(grid, block, halves)
        for place, half in enumerate(halves):
            sheet = _only_half(_sheet(grid, block, half, last_row=0), half, halves, place)
            sheets.append(replace(sheet, title=titles[place] or sheet.title))
    if sheets:  # one numbering for all blocks; those beside each other need room for their own
        sheets[-1] = replace(sheets[-1], last_row=grid.last_row, broken=grid.broken)
        for index, sheet in enumerate(sheets[:-1]):
            follower = sheets[index + 1]
            if len(sheet) and len(follower) and follower.rows[0] <= sheet.rows[-1]:
                sheets[index] = replace(sheet, last_row=grid.last_row)
    return sheets


def _titles(grid: Grid, block: _Block, halves: Sequence[Header]) -> list[str | None]:
    """Of tables beside each other the names in the row above, where each has one and nothing else stands there."""
    starts = [0, *(min(half.fields.values()) for half in halves[1:]), len(grid.columns)]
    for index in reversed(block.above if len(halves) > 1 else range(0)):
        texts = [text.strip() for text in grid.texts(index)]
        named = [[text for text in texts[left:right] if text] for left, right in pairwise(starts)]
        if all(len(said) == 1 and not _NUMBER.match(said[0]) and not said[0].endswith(":") for said in named):
            return [said[0] for said in named]
    return [None] * len(halves)


def _only_half(sheet: Sheet, half: Header, halves: Sequence[Header], place: int) -> Sheet:
    """Of tables beside each other each has the rows in which its own columns say something."""
    if len(halves) < 2:
        return sheet
    keep = ~blank_rows([sheet.columns[index] for index in half.fields.values()], len(sheet))
    mask = pa.array(keep)
    others = {index for other in halves if other is not half for index in other.fields.values()}
    return replace(
        sheet,
        headers=[text if index not in others else "" for index, text in enumerate(sheet.headers)],
        columns=[column.filter(mask) for column in sheet.columns],
        kinds=[None if kind is None else kind[keep] for kind in sheet.kinds],
        rows=sheet.rows[keep],
        above=sheet.above if place == 0 else (),
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """One table of a grid: indices of its rows, and of those above it."""

    header: Header
    above: range
    body: list[range] = field(default_factory=list)


def _blocks(grid: Grid, headers: Sequence[Header]) -> list[_Block]:
    blocks: list[_Block] = []
    begin = 0
    for number, header in enumerate(headers):
        next_header = headers[number + 1].first if number + 1 < len(headers) else len(grid)
        end = next_header
        if number + 1 < len(headers):
            quantity = grid.columns[header.fields["quantity"]]
            while end > header.end and not quantity[end - 1].as_py().strip():
                end -= 1
        body = range(header.end, end)
        above = range(begin, header.first)
        if blocks and _continues(blocks[-1], header, grid, above):
            blocks[-1].body.append(body)
        else:
            blocks.append(_Block(header, above, [body]))
        begin = end
    return blocks


def _continues(block: _Block, header: Header, grid: Grid, above: range) -> bool:
    """The same header again without a title of its own is the next page of one table."""
    if header.fields != block.header.fields or any(
        normalised(header.texts[place]) != normalised(block.header.texts[place])
        for place in header.fields.values()
    ):
        return False
    return not any(_lone_text(grid, index) for index in above)


def _lone_text(grid: Grid, index: int) -> str | None:
    """The text of a row that holds nothing else."""
    texts = [text.strip() for text in grid.texts(index) if text.strip()]
    return texts[0] if len(texts) == 1 and not _NUMBER.match(texts[0]) else None


def _sheet(grid: Grid, block: _Block, header: Header, last_row: int) -> Sheet:
    taken = np.concatenate([np.arange(part.start, part.stop, dtype=np.int64) for part in block.body])
    is_all = len(block.body) == 1 and block.body[0].stop == len(grid)
    start = block.body[0].start

    def cut(column: pa.Array) -> pa.Array:
        return column.slice(start) if is_all else column.take(pa.array(taken))

    title = next((text for index in reversed(block.above) if (text := _lone_text(grid, index))), None)
    return Sheet(
        name=grid.name,
        above=[grid.texts(index) for index in block.above],
        above_rows=[int(grid.rows[index]) for index in block.above],
        headers=[text.strip() for text in header.texts],
        fields=header.fields,
        columns=[cut(column) for column in grid.columns],
        kinds=[None if kind is None else kind[taken] for kind in grid.kinds],
        rows=grid.rows[taken],
        last_row=last_row,
        serial_epoch=grid.serial_epoch,
        header_rows=[int(grid.rows[index]) for index in range(header.first, header.end)],
        certainty=dict(header.certainty),
        hidden_rows=grid.hidden_rows,
        hidden_columns=grid.hidden_columns,
        merged=[span for span in grid.merged if _is_below(span, grid, header)],
        title=title,
    )


def _is_below(span: Span, grid: Grid, header: Header) -> bool:
    return header.end < len(grid) and span.first_row >= grid.rows[header.end]


def is_numeric(sheet: Sheet, place: int) -> bool:
    """Whether a column holds numbers, most of the time."""
    texts = sheet.columns[place].slice(0, 200).to_pylist()
    filled = [text for text in texts if text.strip()]
    kinds = sheet.kinds[place]
    numbers = 0 if kinds is None else int((kinds[:200] == Cell.NUMBER).sum())
    return bool(filled) and max(numbers, sum(bool(_NUMBER.match(text)) for text in filled)) > len(filled) / 2
