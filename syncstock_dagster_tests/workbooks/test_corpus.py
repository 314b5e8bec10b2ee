"""Every sheet of the corpus comes out as the corpus says, and its preview is the one that was looked at.

``SYNCSTOCK_WRITE_PREVIEWS=1`` writes the previews anew; look at what changed before it is committed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from syncstock_dagster.sources import ParsedFile
from syncstock_dagster_tests.workbooks.builders import parse
from syncstock_dagster_tests.workbooks.corpus import CASES, Case

PREVIEWS = Path(__file__).parent / "previews.json"


def read(case: Case) -> ParsedFile:
    return parse(case.content, case.file, "counts", settings=case.settings, known=case.known, **case.policy)


def counted(parsed: ParsedFile) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in parsed.evidence.counts.to_pylist():
        key = row["sku"] + (f"@{row['room']}" if row["room"] else "")
        found[key if key not in found else f"{key}#2"] = row["quantity"]
    return found


def seen(parsed: ParsedFile) -> dict[str, object]:
    """A preview without what differs from one machine to the next."""
    return {
        **(parsed.preview.as_dict() if parsed.preview else {}),
        "notes": list(parsed.notes),
        "errors": [str(error) for error in parsed.errors],
    }


def test_the_cases_have_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_sheet_has_its_outcome(case: Case):
    parsed = read(case)
    told = [str(error) for error in parsed.errors]
    assert counted(parsed) == case.counts, (told, parsed.notes)
    assert parsed.rejected == case.rejected, told
    assert len(told) == len(case.errors), told
    for words in case.errors:
        assert any(words in error for error in told), told
    reasons = [left.why for left in parsed.preview.left_out]
    for words in case.left_out:
        assert any(words in why for why in reasons), reasons
    assert parsed.preview.confidence < case.below


def test_every_preview_is_the_one_that_was_looked_at():
    previews = json.loads(json.dumps({case.name: seen(read(case)) for case in CASES}, default=str))
    if os.environ.get("SYNCSTOCK_WRITE_PREVIEWS"):
        PREVIEWS.write_text(json.dumps(previews, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    known = json.loads(PREVIEWS.read_text(encoding="utf-8"))
    assert known.keys() == previews.keys()
    for name, preview in previews.items():
        assert preview == known[name], name
