"""Text that PostgreSQL can hold: it has no NUL, and no half of a character.

What belongs here: telling whether a text is such, and showing what others said where it cannot be kept as it is. What
does not: refusing it, which whoever needs it exactly does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text: no NUL, no lone surrogate."""
    if text.isascii():
        return "\x00" not in text
    return _UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    """The text with U+FFFD in place of what cannot be stored."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any) -> str:
    """JSON for a column of type ``jsonb``, its texts as ``storable`` shows them."""
    return json.dumps(_shown(value), default=lambda other: storable(str(other)))


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(name)): _shown(one) for name, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return value
