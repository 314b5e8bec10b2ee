"""Talking to Dagster's webserver: launching a backfill and watching it.

What belongs here: the questions that ``up`` and the tests ask. What does not: a client for everything.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

_LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
_BACKFILLS = """
{ partitionBackfillsOrError(limit: 100) { ... on PartitionBackfills { results { id status title } } } }
"""
_RUNS = """
query($filter: RunsFilter!) {
  runsOrError(filter: $filter, limit: 200) { ... on Runs { results {
    id status jobName startTime endTime creationTime tags { key value } } } }
}
"""
_READY = """
{ workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename } } } } }
"""


class Webserver:
    """The webserver at an address."""

    def __init__(self, url: str) -> None:
        """Name it; nothing is asked yet."""
        self.url = url

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of one GraphQL question.

        Raises:
            RuntimeError: it answers with errors.
            OSError: it does not answer.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        asked = urllib.request.Request(  # noqa: S310 - our own webserver
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310
            told = json.load(answer)
        if told.get("errors"):
            raise RuntimeError(f"Dagster's webserver: {told['errors'][0]['message']}")
        return dict(told["data"])

    def is_ready(self) -> bool:
        """Whether it answers and has loaded the code location."""
        try:
            entries = self.ask(_READY)["workspaceOrError"]["locationEntries"]
        except (OSError, RuntimeError, ValueError, KeyError):
            return False
        return bool(entries) and all(
            entry["loadStatus"] == "LOADED"
            and (entry["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"
            for entry in entries
        )

    def launch_backfill(self, assets: Sequence[str], days: Sequence[str], title: str) -> str:
        """Ask for a backfill of assets over days; the daemon does it.

        Raises:
            RuntimeError: it was refused.
        """
        params = {
            "assetSelection": [{"path": [asset]} for asset in assets],
            "partitionNames": list(days),
            "title": title,
        }
        told = self.ask(_LAUNCH, params=params)["launchPartitionBackfill"]
        if told["__typename"] != "LaunchBackfillSuccess":
            raise RuntimeError(f"The backfill was refused: {told.get('message') or told['__typename']}")
        return str(told["backfillId"])

    def backfills(self) -> list[dict[str, Any]]:
        """The newest backfills: ``id, status, title``."""
        return list(self.ask(_BACKFILLS)["partitionBackfillsOrError"]["results"])

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """Runs by ``RunsFilter``, the newest first."""
        return list(self.ask(_RUNS, filter=filters)["runsOrError"]["results"])

    def wait_for_backfill(
        self, backfill: str, *, seconds: float, still_there: Callable[[], None] = lambda: None
    ) -> str:
        """Its status once it has ended.

        Raises:
            TimeoutError: it has not ended in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            still_there()
            status = next(found["status"] for found in self.backfills() if found["id"] == backfill)
            if status not in ("REQUESTED", "CANCELING", "FAILING"):
                return str(status)
            time.sleep(1)
        raise TimeoutError(f"Backfill {backfill} has not ended after {seconds:.0f} seconds")
