"""The evening report as files: workbook, page and text, side by side in a folder of the day.

What belongs here: names, writing them whole or not at all, and the small picture. What does not: what is in them
(``evening_sheet``, ``evening_text``).
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from syncstock_dagster.workbooks.evening_sheet import workbook
from syncstock_dagster.workbooks.evening_text import as_html, as_text

if TYPE_CHECKING:
    from syncstock_dagster.stock.evening import EveningReport

Format = Literal["xlsx", "html", "text"]
_ENDINGS: dict[Format, str] = {"xlsx": "xlsx", "html": "html", "text": "txt"}


def rendered(report: EveningReport, form: Format, zone: ZoneInfo) -> bytes:
    """The report in one form."""
    if form == "xlsx":
        return workbook(report, zone)
    return (as_html if form == "html" else as_text)(report, zone).encode()


def write_files(report: EveningReport, folder: Path, zone: ZoneInfo) -> dict[Format, Path]:
    """Write the report in every form below ``folder``; a report of the same day is replaced."""
    place = folder / report.day.isoformat()
    place.mkdir(parents=True, exist_ok=True)
    written: dict[Format, Path] = {}
    for form, ending in _ENDINGS.items():
        written[form] = place / f"excel-update-{report.day.isoformat()}.{ending}"
        write_whole(written[form], rendered(report, form, zone))
    return written


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in its place at once: nobody opens half of it."""
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    half.write_bytes(content)
    half.replace(path)


def picture(report: EveningReport) -> bytes:
    """A small PNG: what was sold most, and how the counts of the day were judged."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    sold, judged = figure.subplots(1, 2)
    names = [sku for sku, _ in report.most_sold]
    # A code may hold a dollar sign, which would be mathematics.
    sold.barh([name.replace("$", r"\$") for name in names], [float(units) for _, units in report.most_sold])
    sold.invert_yaxis()
    sold.set_title("Most sold", fontsize=9)
    tiers = ("review", "flagged", "held", "rejected")
    judged.bar(
        tiers,
        [report.by_tier.get(tier, 0) for tier in tiers],
        color=["#d9a300", "#d96f00", "#c0392b", "#777"],
    )
    judged.set_title("Counts far from the books", fontsize=9)
    for part in (sold, judged):
        part.tick_params(labelsize=7)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()
