"""The evening report as a workbook: a summary with a chart, and one page for each question.

What belongs here: its cells. What does not: the numbers (``stock.evening``), and the same as HTML or text
(``evening_text``).

Every text is written as text: a name that begins with = + - or @ is a name and never a formula.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from syncstock_dagster.stock.evening import EveningReport


class Column(NamedTuple):
    """One column of a page: heading, how its value is found, and how wide it is."""

    heading: str
    value: Callable[[Any], Any]
    width: int = 12


class Page(NamedTuple):
    """One page: its name, its columns, its rows, and what stands there if it has none."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Any]
    nothing: str


def pages(report: EveningReport, zone: ZoneInfo) -> list[Page]:
    """The pages after the summary, in their order; ``zone`` is that in which times are shown."""

    def local(instant: datetime | None) -> str | None:
        return None if instant is None else f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"

    return [
        Page(
            "Items to update in Excel",
            [
                Column("Code", lambda one: one.sku, 18),
                Column("Name", lambda one: one.name, 36),
                Column("Location", lambda one: one.location),
                Column("Previous", lambda one: one.previous),
                Column("In", lambda one: one.received),
                Column("Sold", lambda one: one.sold),
                Column("Adjusted", lambda one: one.adjusted),
                Column("Remaining", lambda one: one.remaining),
                Column("Your sheet says", lambda one: one.sheet_says, 16),
                Column("What to do", lambda one: one.to_do, 48),
            ],
            report.items,
            "Nothing: your sheets say what the books say.",
        ),
        Page(
            "Discrepancies found",
            [
                Column("Code", lambda one: one.sku, 18),
                Column("Location", lambda one: one.location),
                Column("Tier", lambda one: one.tier),
                Column("Counted", lambda one: one.counted),
                Column("The books said", lambda one: one.expected, 16),
                Column("Difference", lambda one: one.variance),
                Column("Counted at", lambda one: local(one.counted_at), 18),
                Column("Says", lambda one: one.source),
                Column("Explanation", lambda one: one.explanation, 52),
                Column("What to do", lambda one: one.to_do, 48),
            ],
            report.differences,
            "None: every count of the day is close to the books.",
        ),
        Page(
            "Waiting for approval",
            [
                Column("Count", lambda one: one.count_id),
                Column("Code", lambda one: one.sku, 18),
                Column("Name", lambda one: one.name, 36),
                Column("Location", lambda one: one.location),
                Column("Counted", lambda one: one.counted),
                Column("The books said", lambda one: one.expected, 16),
                Column("Difference", lambda one: one.variance),
                Column("Counted at", lambda one: local(one.counted_at), 18),
                Column("Since", lambda one: local(one.decided_at), 18),
                Column("Why", lambda one: one.reason, 30),
                Column("What to do", lambda one: one.to_do, 60),
            ],
            report.undecided,
            "Nothing waits.",
        ),
        Page(
            "Not found",
            [
                Column("What", lambda one: one.kind, 18),
                Column("Code", lambda one: one.sku, 18),
                Column("Location", lambda one: one.location),
                Column("Articles", lambda one: one.articles),
                Column("Told", lambda one: one.told, 60),
                Column("Since", lambda one: local(one.since), 18),
                Column("What to do", lambda one: one.to_do, 60),
            ],
            report.missing,
            "Nothing is missing.",
        ),
    ]


def workbook(report: EveningReport, zone: ZoneInfo) -> bytes:
    """The workbook of a report."""
    import xlsxwriter

    data = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(data, options) as book:
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "vcenter"})
        code = book.add_format({"num_format": "@"})
        _write_summary(book, report, zone, head)
        for page in pages(report, zone):
            _write_page(book, page, head, code)
    return data.getvalue()


def _write_summary(book: Any, report: EveningReport, zone: ZoneInfo, head: Any) -> None:
    page = book.add_worksheet("Summary")
    page.write_string(0, 0, f"Stock on {report.day}", book.add_format({"bold": True, "font_size": 16}))
    page.write_string(1, 0, f"Made {report.made_at.astimezone(zone):%Y-%m-%d %H:%M}")
    row = 3
    for name, number in report.numbers.items():
        page.write_string(row, 0, heading(name))
        page.write_number(row, 1, number)
        row += 1
    for tier, number in sorted(report.by_tier.items()):
        if tier in ("review", "held", "flagged", "rejected"):
            page.write_string(row, 0, f"Counts: {tier}")
            page.write_number(row, 1, number)
            row += 1
    first = row + 2
    page.write_string(first - 1, 0, "Most sold", head)
    page.write_string(first - 1, 1, "Units", head)
    for n, (sku, units) in enumerate(report.most_sold):
        page.write_string(first + n, 0, sku)
        page.write_number(first + n, 1, units)
    last = first + max(len(report.most_sold), 1) - 1
    chart = book.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": "Units sold",
            "categories": ["Summary", first, 0, last, 0],
            "values": ["Summary", first, 1, last, 1],
        }
    )
    chart.set_title({"name": "Most sold", "name_font": {"size": 12}})
    chart.set_legend({"none": True})
    chart.set_y_axis({"reverse": True})
    page.insert_chart(1, 3, chart, {"description": "The articles that were sold most on the day"})
    page.set_column(0, 0, 32)
    page.set_column(1, 1, 12)


def _write_page(book: Any, page: Page, head: Any, code: Any) -> None:
    sheet = book.add_worksheet(page.name)
    for column, one in enumerate(page.columns):
        sheet.write_string(0, column, one.heading, head)
        sheet.set_column(column, column, one.width)
    for row, what in enumerate(page.rows, 1):
        for column, one in enumerate(page.columns):
            value = one.value(what)
            if value is None:
                continue
            if isinstance(value, int | Decimal):
                sheet.write_number(row, column, value)
            else:
                sheet.write_string(row, column, str(value), code)
    if not page.rows:
        sheet.write_string(1, 0, page.nothing)
    else:
        sheet.autofilter(0, 0, len(page.rows), len(page.columns) - 1)
    sheet.freeze_panes(1, 1)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer("&L&F&RPage &P of &N")


def heading(name: str) -> str:
    """The name of a number in words."""
    return name.replace("_", " ").capitalize()
