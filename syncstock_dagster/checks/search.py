"""Checks of the search index.

What belongs here: the rule. What does not: the comparison (``search.update``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from syncstock_dagster.checks.rules import Rule, Span, Verdict, checks_of

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB


def _equals_catalogue(db: SyncStockDB, span: Span) -> Verdict:
    from syncstock_dagster.search.update import check_index

    found = check_index(db.url)
    return Verdict(
        found.is_right,
        found.problem or found.notice or f"{found.documents} articles are in the index.",
        {"documents": found.documents, "missing": found.missing, "surplus": found.surplus},
        # An index that lags is found out by the next question's other ways; one that is broken is not asked.
        severity=dg.AssetCheckSeverity.ERROR if found.problem else dg.AssetCheckSeverity.WARN,
    )


_INDEX = Rule(
    "search_index_equals_catalogue",
    "Every article is in the index with its present words, and nothing else is.",
    "Materialise the index; one that cannot be read is then built anew.",
    _equals_catalogue,
)


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of the search index."""
    return [checks_of("search", {"product_search_index": (_INDEX,)})]
