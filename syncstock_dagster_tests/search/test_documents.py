"""docs/search.md says what is: its examples run and its figures are those of the benchmark's kinds of questions."""

from __future__ import annotations

import re

import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster_tests import test_docs
from syncstock_dagster_tests.conftest import REPOSITORY
from syncstock_dagster_tests.search.questions import PROMISED, SPOILING

SEARCH = REPOSITORY / "docs" / "search.md"


@pytest.mark.parametrize("block", list(test_docs.stories(SEARCH)), ids=str)
def test_every_example_of_search_runs(block: test_docs.Block, db: SyncStockDB) -> None:
    test_docs.test_every_python_example_runs_and_prints_what_it_says(block, db)


def test_the_table_of_quality_keeps_the_promise() -> None:
    """A row for each kind of question, and what is promised is reached."""
    rows = re.findall(
        r"^\| ([\w ]+) \| ([01]\.\d{3}) \| .*\|$", SEARCH.read_text(encoding="utf-8"), re.MULTILINE
    )
    shares = {kind: float(share) for kind, share in rows}
    assert list(shares) == list(SPOILING)
    assert all(shares[kind] >= 0.95 for kind in PROMISED)
