"""Codes of articles: what is a valid one.

What belongs here: check digits. What does not: which article has a code (``catalog.lookup``).

Systems are names: ``gtin`` (checked), ``barcode`` (anything a scanner reads, codes of one's own included), ``zoho``,
``shopify``, ``xorosoft``, ``rms``. The style code of RMS names many articles and is no identifier of one; it is the
field ``style``.
"""

from __future__ import annotations

import re

from syncstock_dagster.store.storable import is_storable

LONGEST_CODE = 200
_GTIN = re.compile(r"\d{8}|\d{12,14}")


def check_digit(digits: str) -> int:
    """The last digit of the GTIN whose other digits are given."""
    return -sum(int(digit) * (3, 1)[n % 2] for n, digit in enumerate(reversed(digits))) % 10


def what_is_wrong(system: str, code: object) -> str | None:
    """Why a code cannot be one of the system, or None."""
    if not isinstance(code, str) or not code or len(code) > LONGEST_CODE or not is_storable(code):
        return f"text of at most {LONGEST_CODE} characters"
    if system != "gtin":
        return None
    if not code.isascii() or not _GTIN.fullmatch(code):
        return "8, 12, 13 or 14 digits"
    if check_digit(code[:-1]) != int(code[-1]):
        return f"a GTIN whose check digit is {check_digit(code[:-1])}"
    return None
