"""Names and questions as words that compare: one folding for all who search.

What belongs here: what a document or a question is reduced to before anything looks at it. What does not: looking.
"""

from __future__ import annotations

import re
import unicodedata

#: More of a question is no question: a pasted page costs as much as a name.
LONGEST_QUESTION = 200

_NOT_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Lower-case words with one blank between them: no accents, no punctuation, compatible forms made one."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _NOT_WORD.sub(" ", letters).strip()


def asked(question: str) -> str:
    """A question as PostgreSQL can take it: bounded, without NUL and lone surrogates, else as it was written."""
    bounded = question[:LONGEST_QUESTION].replace("\x00", " ")
    return bounded.encode("utf-8", "ignore").decode("utf-8").strip()
