"""The text of a number that a file holds as a binary float.

What belongs here: that one conversion. What does not: understanding text as a quantity (``values``).
"""

from __future__ import annotations

import math
from decimal import Decimal

#: Spreadsheet programs hold and show this many significant digits.
SPREADSHEET_DIGITS = 15


def number_text(value: float) -> str:
    """The number as a person reads it off the sheet: ``123`` for a whole one, else its shortest exact text.

    Where the stored float has more digits than a spreadsheet knows, they are the dust of binary arithmetic
    (0.1 + 0.2), and the fifteen digits are what the sheet says. A number too large for any quantity keeps its
    exponent, so that it is refused for what it is.
    """
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value) or abs(value) >= 1e18:
        return repr(value)
    if value.is_integer():
        return str(int(value))
    exact = Decimal(repr(value))
    if len(exact.as_tuple().digits) > SPREADSHEET_DIGITS:
        exact = Decimal(f"{value:.{SPREADSHEET_DIGITS}g}")
    return f"{exact.normalize():f}"
