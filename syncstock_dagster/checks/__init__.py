"""Checks: what must hold of an asset, each with its rule, its remedy, its thresholds and what was found.

What belongs here: one module a group of assets, over the common form in ``rules``. What does not: computing what is
judged (``stock.days``, ``stock.audit``), and stopping what is downstream by hand: a blocking check does it.
"""

from __future__ import annotations

import dagster as dg

from syncstock_dagster.checks import intake, search, shopify, stock, vendors


def build_checks() -> list[dg.AssetChecksDefinition]:
    """All checks."""
    return [
        *intake.build_checks(),
        *stock.build_checks(),
        *search.build_checks(),
        *vendors.build_checks(),
        *shopify.build_checks(),
    ]
