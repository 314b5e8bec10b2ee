"""Pictures for reports: small PNGs, drawn without a screen, and the text that carries them into a page.

What belongs here: how our pictures look, and drawing them from plain values. What does not: finding the values.
``matplotlib`` is imported when something is drawn: it is slow to load. Its ``pyplot`` is never used, which would keep
every figure and knows one thread only.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from syncstock_dagster.stock.variance_report import VarianceReport

#: Pictures stand in the metadata of events, thousands of them: small enough to be kept, large enough to be read.
_DPI = 80
_BLUE, _RED, _GREEN, _GREY = "#3b6ea5", "#b5473c", "#4c8c5a", "#9aa0a6"
_LONGEST_LABEL = 24


def figure(wide: float, high: float, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of some inches with panels beside each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(wide, high), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(1, panels, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=7, length=2)
    return drawn, list(axes)


def png(drawn: Figure) -> bytes:
    """The picture; the same figure gives the same bytes."""
    data = io.BytesIO()
    with warnings.catch_warnings():
        # Names in a script that the font does not have are boxes; the table beside the picture has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def markdown_image(picture: bytes, alt: str) -> str:
    """A PNG inside of Markdown text, without a file beside it."""
    return f"![{alt}](data:image/png;base64,{base64.b64encode(picture).decode()})"


def draw_trend(
    axis: Axes, days: Sequence[date], values: Sequence[float | None], title: str, *, most: float | None = None
) -> None:
    """A line over days; a day without a value leaves a gap, and a day alone is a dot."""
    axis.plot(
        list(range(len(days))),
        [float("nan") if value is None else value for value in values],
        color=_BLUE, marker="o", markersize=2.5, linewidth=1,
    )  # fmt: skip
    axis.set_title(title, fontsize=8, loc="left")
    axis.set_ylim(0, most)
    axis.set_xlim(-0.5, len(days) - 0.5)
    ticks = sorted({0, len(days) // 2, len(days) - 1})
    axis.set_xticks(ticks, [f"{days[n]:%d %b}" for n in ticks])
    axis.grid(axis="y", color="#e6e6e6", linewidth=0.6)


def draw_bars(
    axis: Axes, labels: Sequence[str], values: Sequence[float], title: str, *, signed: bool = False
) -> None:
    """Bars from top to bottom; signed ones are red below zero and green above."""
    places = list(range(len(values)))
    colours = [_GREY if not signed else _RED if value < 0 else _GREEN for value in values]
    axis.barh(places, list(values), color=colours, height=0.7)
    axis.set_yticks(places, [_short(label) for label in labels])
    axis.invert_yaxis()
    axis.axvline(0, color="#444444", linewidth=0.6)
    axis.set_title(title, fontsize=8, loc="left")
    axis.locator_params(axis="x", nbins=4)


def variance_picture(report: VarianceReport) -> bytes:
    """Accuracy of the last days, the largest variances of the day, and its tiers, side by side."""
    drawn, (trend, largest, tiers) = figure(8.4, 2.5, 3)
    days = [one.day for one in report.trend]
    shares = [None if one.accuracy is None else float(one.accuracy) * 100 for one in report.trend]
    draw_trend(trend, days, shares, f"Accuracy, %, {len(days)} days", most=105)
    found = report.largest[:8]
    draw_bars(
        largest,
        [str(row["sku"]) for row in found],
        [float(row["variance"]) for row in found],
        "Largest variances, units" if found else "No variance",
        signed=True,
    )
    names = list(report.tiers)
    draw_bars(tiers, names, [report.tiers[name] for name in names], "Counts by tier")
    return png(drawn)


def _short(label: str) -> str:
    """A label as matplotlib may draw it: a dollar sign would begin a formula."""
    text = "".join(character if character.isprintable() else "?" for character in label)
    text = text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
    return text.replace("$", r"\$")
