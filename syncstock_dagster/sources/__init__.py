"""Where evidence comes from: files, and vendors beside them; each yields movements and counts, nothing else.

What belongs here: what a sale, purchase, movement or product file says, the identity and policy of a
delivered file, and the drop folder. What does not: opening table files and count sheets (``workbooks``),
posting, the database.
"""

from __future__ import annotations

from syncstock_dagster.sources.drop_folder import DropFile, list_drop, list_strays, parse_drop_file
from syncstock_dagster.sources.files import ParsedFile, RuleFailedError, parse_file
from syncstock_dagster.workbooks.opening import FileSettings

__all__ = [
    "DropFile",
    "FileSettings",
    "ParsedFile",
    "RuleFailedError",
    "list_drop",
    "list_strays",
    "parse_drop_file",
    "parse_file",
]
