"""What went out of the house: kept, so that it is known what cannot be taken back.

What belongs here: recording and reading pushes. What does not: pushing (``channels``).

A channel calls ``record_pushes`` in the operation (type ``push``, direction ``up``) in which it sent values. A rollback
lists what it sent since, and tells it by ``push.outdated`` events, after which the channel sends what is right now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from syncstock_dagster.operations.log import Operation
from syncstock_dagster.store.statements import statement


def record_pushes(operation: Operation, system: str, sent: Iterable[Mapping[str, Any]]) -> int:
    """Keep values that were sent, in the caller's transaction.

    Each has ``inventory_id`` and ``what`` (field to value), and may have ``location`` and ``before`` (what the other
    side had). What was sent of an article's own fields is from now on what both sides agree on.
    """
    rows = [dict(one) for one in sent]
    values = {
        "operation_id": operation.operation_id, "system": system, "rows": json.dumps(rows, default=str),
    }  # fmt: skip
    return operation.connection.execute(statement("operations/record_pushes"), values).rowcount
