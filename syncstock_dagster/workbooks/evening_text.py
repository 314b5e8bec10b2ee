"""The evening report for mail: as HTML and as plain text.

What belongs here: its form. What does not: the numbers (``stock.evening``) and the workbook (``evening_sheet``), whose
pages and columns these are.
"""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from syncstock_dagster.stock.evidence import decimal_text
from syncstock_dagster.workbooks.evening_sheet import Page, heading, pages

if TYPE_CHECKING:
    from syncstock_dagster.stock.evening import EveningReport

#: Rows of one table in plain text and on the page; the workbook has all of them.
_MOST_ROWS = 50
_MOST_ROWS_OF_PAGE = 500
_WIDEST = 48

_CELL = "padding:3px 8px;border-bottom:1px solid #ddd"


def as_html(report: EveningReport, zone: ZoneInfo) -> str:
    """One page without a link to anything outside, as mail programs show it."""
    parts = [
        f"<h1>Stock on {report.day}</h1>",
        _html_table([(heading(name), _cell(number)) for name, number in report.numbers.items()], None, {1}),
    ]
    for page in pages(report, zone):
        parts.append(f"<h2>{escape(page.name)}</h2>")
        if not page.rows:
            parts.append(f"<p>{escape(page.nothing)}</p>")
            continue
        shown = page.rows[:_MOST_ROWS_OF_PAGE]
        rows = [tuple(_cell(column.value(row)) for column in page.columns) for row in shown]
        parts.append(_html_table(rows, [column.heading for column in page.columns], _numeric(page)))
        if len(shown) < len(page.rows):
            parts.append(f"<p>{_more(page, len(shown))}</p>")
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Stock on {report.day}</title></head>\n"
        f'<body style="font-family:sans-serif;font-size:14px">\n{body}\n</body></html>\n'
    )


def as_text(report: EveningReport, zone: ZoneInfo, most_rows: int = _MOST_ROWS) -> str:
    """The same in lines of plain text."""
    title = f"STOCK ON {report.day}"
    lines = [title, "=" * len(title)]
    lines += [f"{heading(name)}: {_cell(number)}" for name, number in report.numbers.items()]
    for page in pages(report, zone):
        lines += ["", f"{page.name}:", "-" * (len(page.name) + 1)]
        if not page.rows:
            lines.append(page.nothing)
            continue
        rows = [
            [_one_line(_cell(column.value(row))) for column in page.columns] for row in page.rows[:most_rows]
        ]
        lines += _text_table([column.heading for column in page.columns], rows, _numeric(page))
        if len(page.rows) > most_rows:
            lines.append(_more(page, most_rows))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _more(page: Page, shown: int) -> str:
    return f"... and {len(page.rows) - shown:,} more; the workbook has all of them."


def _text_table(headings: list[str], rows: list[list[str]], numeric: set[int]) -> list[str]:
    widths = [max(len(row[n]) for row in [headings, *rows]) for n in range(len(headings))]

    def line(cells: list[str]) -> str:
        return " | ".join(
            cell.rjust(width) if n in numeric else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )

    return [line(headings), *(line(row) for row in rows)]


def _html_table(rows: list[tuple[str, ...]], headings: list[str] | None, numeric: set[int]) -> str:
    def cell(tag: str, n: int, text: str) -> str:
        side = "right" if n in numeric else "left"
        return f'<{tag} style="{_CELL};text-align:{side}">{escape(text)}</{tag}>'

    lines = ['<table style="border-collapse:collapse">']
    if headings is not None:
        lines.append(f"<tr>{''.join(cell('th', n, text) for n, text in enumerate(headings))}</tr>")
    lines += [f"<tr>{''.join(cell('td', n, text) for n, text in enumerate(row))}</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def _numeric(page: Page) -> set[int]:
    """The columns whose values are numbers."""
    return {
        n
        for n, column in enumerate(page.columns)
        if any(isinstance(column.value(row), int | Decimal) for row in page.rows)
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return decimal_text(value)
    return str(value)


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
