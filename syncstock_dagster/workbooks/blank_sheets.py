"""Writing count sheets that come back exactly: protected, validated, printable, with an identity of their own.

What belongs here: which articles a sheet lists, and its cells. What does not: reading it back (it is read like any
sheet, and its hidden identity says which one it is), reports.

Every text is written as text: a name that begins with = + - or @ is a name and never a formula.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncstock_dagster.errors import BadInput
from syncstock_dagster.stock.abc import class_values
from syncstock_dagster.stock.counting_policy import AbcClass, CountingPolicy
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

if TYPE_CHECKING:
    from syncstock_dagster.operations.log import Operation

_HEADER_ROW = 5
#: Rows that a person may add below, for what was found and is not listed.
_SPARE_ROWS = 25


@dataclass(frozen=True, slots=True)
class SheetArticle:
    """One line of a blank sheet."""

    sku: str
    name: str | None
    category: str | None
    on_hand: Decimal


@dataclass(frozen=True, slots=True)
class BlankSheet:
    """A sheet that was written."""

    sheet_id: str
    location: str
    articles: int
    content: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a sheet is for."""

    location: str
    is_blind: bool
    counter: str | None
    #: Counts of one session are never taken for a correction of another one's.
    session: str | None = None
    inventory_ids: list[int] | None = None
    plan_id: int | None = None
    recount_id: int | None = None


def write_sheet(
    url: str,
    location: str | None = None,
    *,
    is_blind: bool = False,
    abc: AbcClass | None = None,
    skus: Sequence[str] | None = None,
    plan_id: int | None = None,
    recount_id: int | None = None,
    counter: str | None = None,
    policy: CountingPolicy | None = None,
    who: str | None = None,
    dry_run: bool = False,
) -> BlankSheet:
    """Write a count sheet for a location, for one ABC class of it or a list of articles; for a plan; or for a recount.

    Args:
        url: the database.
        location: the code of the location to be counted; plans and recounts say it themselves.
        is_blind: without what the books say, so that nobody is led by it.
        abc: only articles of this class.
        skus: only these articles, also those that are not stocked there.
        plan_id: the open lines of this plan, as blind as it says.
        recount_id: the open lines of this recount, always blind.
        counter: who is going to count; written into the sheet.
        policy: where the classes begin; None: the defaults.
        who: who asked for it.
        dry_run: write it, and keep no record of it.

    Raises:
        BadInput: there is no such location, plan or recount, or nothing to list.
    """
    from syncstock_dagster.operations.log import run_operation

    sheet_id = str(uuid.uuid4())
    if sum(given is not None for given in (location, plan_id, recount_id)) != 1:
        raise BadInput("A sheet is for a location, for a plan or for a recount: say one of them.")
    if location is not None:
        asked = _Asked(location, is_blind, counter)
    elif abc is not None or skus is not None:
        raise BadInput("Plans and recounts say themselves which articles are counted.")
    else:
        asked = _of_plan_or_recount(url, plan_id, recount_id, is_blind, counter, sheet_id)
    articles = _articles(url, asked, abc, skus, policy or CountingPolicy())

    def work(operation: Operation) -> dict[str, Any]:
        values = {
            "sheet_id": sheet_id, "location": asked.location, "is_blind": asked.is_blind, "articles": len(articles),
            "who": operation.who, "plan_id": asked.plan_id, "recount_id": asked.recount_id,
        }  # fmt: skip
        operation.connection.execute(
            statement("workbooks/record_sheet"), values | {"operation_id": operation.operation_id}
        )
        return {"sheet_id": sheet_id, "articles": len(articles)}

    content = sheet_content(
        articles, asked.location, sheet_id,
        is_blind=asked.is_blind, counter=asked.counter, session=asked.session,
    )  # fmt: skip
    run_operation(url, f"count sheet for {asked.location}", "count_sheet", work, who=who, dry_run=dry_run)
    return BlankSheet(sheet_id, asked.location, len(articles), content)


def _of_plan_or_recount(
    url: str,
    plan_id: int | None,
    recount_id: int | None,
    is_blind: bool,
    counter: str | None,
    sheet_id: str,
) -> _Asked:
    """The sheet of a plan or a recount."""
    is_plan = plan_id is not None
    name, number = ("plan", plan_id) if is_plan else ("recount", recount_id)
    with connect(url) as connection:
        text = statement(f"counting/sheet_of_{name}")
        row = connection.execute(text, {"number": number}).fetchone()
    if row is None:
        raise BadInput(f"There is no {name} {number}; `syncstock counts {name}s` lists them.")
    location, planned_for, must_be_blind, inventory_ids = row
    if not inventory_ids:
        raise BadInput(f"Nothing of {name} {number} waits to be counted.")
    # Two people who count at one instant must not look like one who corrected himself.
    session = None if is_plan else f"recount {number} {counter or sheet_id[:8]}"
    return _Asked(
        location,
        must_be_blind or is_blind,
        counter or planned_for,
        session,
        inventory_ids,
        plan_id,
        recount_id,
    )


def _articles(
    url: str, asked: _Asked, abc: AbcClass | None, skus: Sequence[str] | None, policy: CountingPolicy
) -> list[SheetArticle]:
    location = asked.location
    values = {
        **class_values(policy, None), "location": location, "abc": abc,
        "skus": None if skus is None else list(skus), "inventory_ids": asked.inventory_ids,
    }  # fmt: skip
    with connect(url) as connection:
        if connection.execute("select from locations where code = %s", (location,)).fetchone() is None:
            raise BadInput(f"There is no location {location!r}; `syncstock locations` lists them.")
        rows = connection.execute(statement("workbooks/articles_for_sheet"), values).fetchall()
    articles = [SheetArticle(*row) for row in rows]
    missing = sorted(set(skus or ()) - {article.sku for article in articles})
    if missing and abc is None:
        raise BadInput(f"Not in the catalogue: {', '.join(map(repr, missing[:10]))}.")
    if not articles:
        raise BadInput(f"There is nothing to list at {location!r}{f' in class {abc}' if abc else ''}.")
    return articles


def sheet_content(
    articles: Sequence[SheetArticle],
    location: str,
    sheet_id: str,
    *,
    is_blind: bool,
    counter: str | None = None,
    session: str | None = None,
) -> bytes:
    """The workbook of a count sheet."""
    import xlsxwriter

    data = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_date_format": "yyyy-mm-dd hh:mm",
    }
    with xlsxwriter.Workbook(data, options) as book:
        head = (("Location", location), ("Counted at", None), ("Counted by", counter), ("Session", session))
        _write_count(book, articles, head, is_blind=is_blind)
        _write_identity(book, location, sheet_id)
    return data.getvalue()


def _write_count(
    book: Any, articles: Sequence[SheetArticle], said: Sequence[tuple[str, str | None]], *, is_blind: bool
) -> None:
    page = book.add_worksheet("Count")
    bold = book.add_format({"bold": True})
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "vcenter"})
    code = book.add_format({"num_format": "@", "bottom": 4})
    line = book.add_format({"bottom": 4})
    open_cell = book.add_format({"locked": False, "bottom": 1, "bg_color": "#FFF9DB"})
    open_code = book.add_format({"locked": False, "bottom": 4, "num_format": "@"})
    open_time = book.add_format(
        {"locked": False, "bottom": 1, "bg_color": "#FFF9DB", "num_format": "yyyy-mm-dd hh:mm"}
    )

    page.write_string(0, 0, "Count sheet", bold)
    for row, (label, text) in enumerate(said, start=1):
        if label == "Session" and text is None:
            continue
        page.write_string(row, 0, label, bold)
        if text is not None:
            page.write_string(row, 1, text, open_cell if label == "Counted by" else code)
        else:
            page.write_blank(row, 1, None, open_time if label == "Counted at" else open_cell)
    page.data_validation(
        2, 1, 2, 1,
        {
            "validate": "date", "criteria": ">=", "value": datetime(2000, 1, 1),  # noqa: DTZ001 - a cell has no zone
            "input_title": "When counting ended", "input_message": "For example 2026-03-01 18:00",
            "error_title": "Date and time", "error_message": "Write it like 2026-03-01 18:00.",
        },
    )  # fmt: skip

    headers = ["SKU", "Name", "Category", *([] if is_blind else ["Expected"]), "Counted", "Remark"]
    for column, header in enumerate(headers):
        page.write_string(_HEADER_ROW, column, header, head)
    counted = headers.index("Counted")
    first = _HEADER_ROW + 1
    for row, article in enumerate(articles, start=first):
        page.write_string(row, 0, article.sku, code)
        page.write_string(row, 1, article.name or "", line)
        page.write_string(row, 2, article.category or "", line)
        if not is_blind:
            page.write_number(row, 3, article.on_hand, line)
        page.write_blank(row, counted, None, open_cell)
        page.write_blank(row, counted + 1, None, open_cell)
    last = first + len(articles) + _SPARE_ROWS - 1
    for row in range(first + len(articles), last + 1):
        page.write_blank(row, 0, None, open_code)
        for column in range(counted, counted + 2):
            page.write_blank(row, column, None, open_cell)
    page.data_validation(
        first, counted, last, counted,
        {
            "validate": "decimal", "criteria": "between", "minimum": -1e9, "maximum": 1e9, "ignore_blank": True,
            "error_title": "A number", "error_message": "Write what you counted. Leave it blank if you did not count.",
        },
    )  # fmt: skip
    widths = [18, 40, 16, *([] if is_blind else [10]), 12, 30]
    for column, width in enumerate(widths):
        page.set_column(column, column, width)
    page.freeze_panes(first, 1)
    page.protect("", {"select_locked_cells": True, "format_columns": True, "sort": True, "autofilter": True})
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.repeat_rows(_HEADER_ROW)
    page.print_area(0, 0, last, len(headers) - 1)
    page.set_footer("&L&F&RPage &P of &N")


def _write_identity(book: Any, location: str, sheet_id: str) -> None:
    from syncstock_dagster.workbooks.excel_files import IDENTITY_SHEET

    page = book.add_worksheet(IDENTITY_SHEET)
    for row, pair in enumerate(
        (
            ("sheet_id", sheet_id),
            ("location", location),
            ("written_at", datetime.now(UTC).isoformat(timespec="seconds")),
        )
    ):
        for column, text in enumerate(pair):
            page.write_string(row, column, text)
    page.very_hidden()
    page.protect()
