"""The story of an article's stock in plain words.

What belongs here: the words and the order in which a person wants to hear them. What does not: finding out
(``stock.explain``), and the wording of other commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer

from syncstock_dagster.cli import output
from syncstock_dagster.cli.decisions import differing

if TYPE_CHECKING:
    from syncstock_dagster.stock.causes import Difference
    from syncstock_dagster.stock.explain import Explanation, LastCount, Place

#: With more locations than this, each is one line.
_MOST_PLACES = 3

_WHY_WAITING = {
    "unknown_sku": "its article is not in the catalogue",
    "unknown_location": "its location is not known",
    "future_date": "it is dated in the future",
}


def tell(explanation: Explanation) -> None:
    """Print why the stock of an article is what it is; times are those of each location."""
    name = f"  {explanation.name}" if explanation.name else ""
    _line(f"{explanation.sku}{name}  (inventory_id {explanation.inventory_id})")
    if explanation.is_placeholder:
        _line("Known only because evidence named it; `syncstock products set` tells more about it.")
    if not explanation.places:
        _line("Nothing moved it and nobody counted it, as far as is known.")
    elif len(explanation.places) > _MOST_PLACES:
        _overview(explanation.places)
    else:
        for place in explanation.places:
            _place(place)
    if explanation.quarantined:
        _line()
        _line("In quarantine, outside of every stock:")
        for row in explanation.quarantined:
            until = f" until {_at(row.not_before, UTC)}" if row.not_before else ""
            where = f" at {row.location}" if row.location else ""
            _line(
                f"  a {row.kind}{where} from {row.delivery}, row {row.position}: {_WHY_WAITING[row.reason]}{until}"
            )


def _overview(places: tuple[Place, ...]) -> None:
    _line()
    rows = [
        {
            "location": place.location,
            "on_hand": place.on_hand,
            "last_counted": place.last_count and place.last_count.counted_at,
            "counted": place.last_count and place.last_count.counted,
            "moved_since": place.moved_since,
            "needs": ", ".join(_needs(place)),
        }
        for place in places
    ]
    wanted = output.columns(
        "location", "on_hand", "last_counted", "counted", "moved_since", "needs",
        numbers=("on_hand", "counted", "moved_since"),
    )  # fmt: skip
    output.print_table(rows, wanted, zones={place.location: ZoneInfo(place.timezone) for place in places})
    output.say("Name one with --location for its whole story.")


def _needs(place: Place) -> Iterator[str]:
    if place.held:
        yield f"{len(place.held)} held"
    if place.conflicts:
        yield f"{len(place.conflicts)} in conflict"
    if place.last_count is not None and place.last_count.status == "flagged":
        yield "flagged"


def _place(place: Place) -> None:
    zone = ZoneInfo(place.timezone)
    _line()
    named = f" ({place.location_name})" if place.location_name else ""
    if not place.is_known:
        _line(f"At {place.location}{named}: nothing is known, no evidence is in force.")
    else:
        _line(f"At {place.location}{named} there are {_number(place.on_hand)} on hand.")
    if place.negative_since is not None:
        _line(
            f"Below zero since {_at(place.negative_since, zone)}: something came in that nobody wrote down."
        )
    if place.last_count is not None:
        _count(place.last_count, zone)
    _since(place, zone)
    _late(place, zone)
    _restated(place, zone)
    _open(place, zone)


def _count(count: LastCount, zone: ZoneInfo) -> None:
    by = f" by {count.counters}" if count.counters else ""
    rooms = f" in {count.rooms} rooms" if count.rooms > 1 else ""
    day = " (known only by its day)" if count.day_grain else ""
    _line(
        f"Counted {_number(count.counted)}{by}{rooms} on {_at(count.counted_at, zone)}{day}, says {count.source}."
    )
    _remarks(count.remarks)
    if count.status == "opening":
        _line("It is the first count, the opening: the stock begins with it.")
    else:
        book = f"The book said {_number(count.expected)}: a variance of {_signed(count.variance)}"
        _line(f"{book}, {_verdict(count)}.")
    if count.status == "flagged":
        _line("Late rows have moved that variance past what the gate lets pass since: look at it again.")
    _difference(count.difference)


def _remarks(remarks: str | None) -> None:
    if remarks:
        _line(f"  Remark: {remarks}")


def _difference(difference: Difference | None) -> None:
    """What is known about a variance, and what may explain it."""
    if difference is None:
        return
    known = [
        f"{_times(rows, 'row')} {what} ({_signed(quantity)})"
        for rows, what, quantity in (
            (difference.movements_between, "moved it since the count before", difference.moved_between),
            (difference.late_rows, "of these came late", difference.late_quantity),
            (difference.window_rows, "moved it while the counting went on", difference.window_quantity),
            (difference.day_rows, "of the day of the count have no time", difference.day_quantity),
        )
        if rows
    ]
    if known:
        _line("  " + "; ".join(known) + ".")
    if difference.causes:
        _line("  What may explain the difference, the likeliest first:")
    for number, cause in enumerate(difference.causes, 1):
        _line(f"  {number}. {cause.says}")
        _line(f"     {cause.check}")


def _verdict(count: LastCount) -> str:
    if count.decided_by is None:
        return f"applied, for {count.source} is authoritative"
    if count.decided_by != "gate":
        why = f' ("{count.decision_reason}")' if count.decision_reason else ""
        return f"approved by {count.decided_by}{why}"
    return "applied by the gate" + (", to be reviewed" if count.status == "review" else "")


def _since(place: Place, zone: ZoneInfo) -> None:
    begin = "Since then" if place.last_count else "Nobody has counted it. From the beginning"
    if not place.since:
        if place.is_known:
            _line(f"{begin} nothing moved it.")
        return
    _line(f"{begin} it moved by {_signed(place.moved_since)}:")
    totals = [asdict(total) for total in place.since]
    numbers = ("movements", "quantity")
    output.print_table(totals, output.columns("reason", *numbers, numbers=numbers), indent=2)
    in_all = sum(total.movements for total in place.since)
    _line("The newest:" if in_all > len(place.movements) else "One by one:")
    rows = [
        {
            "when": _day(row.effective_at, zone) if row.day_grain else _at(row.effective_at, zone),
            "reason": row.reason,
            "source": row.source,
            "document": row.document,
            "quantity": row.quantity,
        }
        for row in place.movements
    ]
    wanted = output.columns("when", "reason", "source", "document", "quantity", numbers=("quantity",))
    output.print_table(rows, wanted, indent=2)


def _late(place: Place, zone: ZoneInfo) -> None:
    if not place.late_rows:
        return
    newest = ". The newest:" if place.late_rows > len(place.late) else ":"
    _line(
        f"{_times(place.late_rows, 'row')} came late, when the next count had been posted already. That changed its "
        f"variance and not the stock{newest}"
    )
    rows = [
        {
            "when": _at(row.effective_at, zone),
            "reason": row.reason,
            "document": row.document,
            "quantity": row.quantity,
            "before_the_count_of": _at(row.counted_at, zone),
            "came": _at(row.recorded_at, zone),
        }
        for row in place.late
    ]
    names = ("when", "reason", "document", "quantity", "before_the_count_of", "came")
    output.print_table(rows, output.columns(*names, numbers=("quantity",)), indent=2)


def _restated(place: Place, zone: ZoneInfo) -> None:
    if not place.restatements:
        return
    newest = ". The newest:" if place.restatements > len(place.restated) else ":"
    _line(f"{_times(place.restatements, 'published value')} changed later{newest}")
    for row in place.restated:
        days = f"{row.first_day}" if row.first_day == row.last_day else f"{row.first_day} to {row.last_day}"
        what = "the closing stock" if row.kind == "snapshot" else "the variance"
        old, new = (
            ("unknown" if value is None else _number(value)) for value in (row.old_value, row.new_value)
        )
        _line(f"  {what} of {days}: {old}, now {new} (known since {_at(row.recorded_at, zone)})")


def _open(place: Place, zone: ZoneInfo) -> None:
    for held in place.held:
        why = f" ({held.reason})" if held.reason else ""
        _line(
            f"Held: {held.source} counted {_number(held.counted)} on {_at(held.counted_at, zone)}, the book says "
            f"{_number(held.expected)}{why}. `syncstock approve {held.count_id}`, `reject` or `recount` decides."
        )
        if held.recount_asked_by:
            _line(f"  {held.recount_asked_by} wants it to be counted again.")
        _remarks(held.remarks)
        _difference(held.difference)
    for conflict in place.conflicts:
        ours, theirs = differing(conflict.local_value, conflict.remote_value)
        what = f"document {conflict.document}" if conflict.document else "another count"
        _line(
            f"In conflict: {what} of {conflict.source} says {theirs}; in force is {ours}. "
            f"`syncstock resolve {conflict.conflict_id}` decides."
        )


def _line(text: str = "") -> None:
    typer.echo(output.printable(text))


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _at(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"


def _day(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d}"


def _number(value: Decimal) -> str:
    return format(value, "f")


def _signed(value: Decimal) -> str:
    return format(value, "+f") if value else "0"
