"""The end of a run: what was staged becomes changes of articles and counts, in the operation's transaction.

What belongs here: telling what differs from what the source said last, and handing it to the catalogue and the stock.
What does not: asking the source (``sources.pull``), and what a policy makes of a change or a count.

Only what differs goes on: a level that is as it was is no count, and an article that is as it was is no change. What a
source does not name says nothing: missing is not zero.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from syncstock_dagster.catalog.policy import CataloguePolicy
from syncstock_dagster.catalog.staging import commit_trusted, take_changes
from syncstock_dagster.operations.dead_letters import bury
from syncstock_dagster.operations.log import Operation, Statistics
from syncstock_dagster.sources.staged_pages import ROW
from syncstock_dagster.stock.calls import post_evidence
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, Evidence
from syncstock_dagster.stock.policy import Policies
from syncstock_dagster.stock.release import replay_known
from syncstock_dagster.store.statements import statement

#: Articles that are staged at once; so memory does not grow with the catalogue.
_BATCH = 5_000
_MOST_DIFFERENCES = 1_000
_COLUMNS = ("position", "source", "sku", "inventory_id", "location", "quantity", "counted_at")


def take_staged(
    operation: Operation,
    source: str,
    pull_id: int,
    policies: Policies,
    catalogue_policy: CataloguePolicy,
    *,
    default_location: str,
    keep: Callable[[Statistics], None],
    with_differences: bool = False,
) -> Statistics:
    """Take everything that a pull has staged, and leave nothing of it staged."""
    connection, performance = operation.connection, operation.performance
    values = {"source": source, "pull_id": pull_id, "operation_id": operation.operation_id}
    connection.execute(statement("sources/temp_tables"))
    # Two runs of one source compare and post one after the other.
    connection.execute("select pg_advisory_xact_lock(hashtextextended('levels of ' || %s, 0))", (source,))
    with performance.stage("items"):
        statistics = _take_items(operation, source, values, catalogue_policy)
    with performance.stage("levels"):
        statistics["twins"] = _take_twins_out(operation, source, values)
        changed = connection.execute(statement("sources/find_changed_levels"), values).rowcount
        connection.execute("analyze run_pulled_levels")
        if with_differences:
            statistics |= _differences(operation)
        statistics |= {"levels_changed": changed}
    if changed:
        evidence = Evidence(counts=_counts(operation, values))
        delivery_id, posted = post_evidence(
            operation,
            evidence,
            policies,
            name=f"levels of {source}",
            source=source,
            default_location=default_location,
            counts_like="counts",
        )
        for stage, seconds in posted.pop("seconds", {}).items():
            performance.count(stage, seconds=seconds)
        statistics |= posted
    else:
        delivery_id = 0
        if statistics.get("committed"):
            statistics |= replay_known(operation, policies, default_location=default_location)
    with performance.stage("keep"):
        connection.execute(statement("sources/keep_levels"), {**values, "delivery_id": delivery_id})
        connection.execute(statement("sources/stamp_articles"))
        keep(statistics)
        connection.execute("delete from pulled_levels where pull_id = %s", (pull_id,))
        connection.execute("delete from pulled_items where pull_id = %s", (pull_id,))
        connection.execute("delete from run_pulled_items")
        connection.execute("delete from run_pulled_levels")
    return statistics


def _take_items(
    operation: Operation, source: str, values: dict[str, Any], policy: CataloguePolicy
) -> Statistics:
    connection = operation.connection
    changed = connection.execute(statement("sources/find_changed_items"), values).rowcount
    row = connection.execute(statement("sources/keep_items"), values).fetchone()
    assert row is not None
    total: Statistics = {"new_in_pull": int(row[0]), "items_changed": changed}
    for begin in range(0, changed, _BATCH):
        rows = connection.execute(
            "select position, sku, fields, modified_at from run_pulled_items "
            "where position > %s and position <= %s order by position",
            (begin, begin + _BATCH),
        ).fetchall()
        done = take_changes(operation, _as_changes(rows), policy, source=source)
        for name, number in done.items():
            if isinstance(number, int) and not isinstance(number, bool):
                total[name] = total.get(name, 0) + number
    # The policy counts the changes of a delivery, not those of a batch of it.
    return total | commit_trusted(operation, source, policy.for_source(source).auto_commit)


def _take_twins_out(operation: Operation, source: str, values: dict[str, Any]) -> int:
    """Levels that may be of either of two articles become dead letters; how many."""
    rows = operation.connection.execute(statement("sources/take_twins_out"), values).fetchall()
    letters = [
        (
            {"id": code, "row": {"sku": sku, "location": location, "quantity": quantity}},
            f"{sku!r} differs from our {ours!r} by case or blanks only, and {source} has both: commit the article "
            "that is new, or give ours the code of the right one",
        )
        for code, location, sku, ours, quantity in rows
    ]
    bury(operation, source, ROW, letters)
    return len(letters)


def _as_changes(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Articles in the form of ``catalog.changes``; they were checked when their page came."""
    positions, skus, fields, stamps = zip(*rows, strict=True)
    return pa.table(
        {
            "position": pa.array(positions, type=pa.int32()),
            "sku": pa.array(skus, type=pa.string()),
            "inventory_id": pa.nulls(len(rows), pa.int64()),
            "change_type": pa.nulls(len(rows), pa.string()),
            "fields": pa.array([json.dumps(one, ensure_ascii=False) for one in fields], type=pa.string()),
            "modified_at": pa.array(stamps, type=pa.timestamp("us", tz="UTC")),
        }
    )


def _counts(operation: Operation, values: dict[str, Any]) -> pa.Table:
    """The changed levels as counts."""
    sink = io.BytesIO()
    with (
        operation.connection.cursor() as cursor,
        cursor.copy(statement("sources/read_changed_levels"), values) as copy,
    ):
        for part in copy:
            sink.write(part)
    types: dict[str, pa.DataType] = {name: COUNT_SCHEMA.field(name).type for name in _COLUMNS}
    read = arrow_csv.read_csv(
        io.BytesIO(sink.getvalue()),
        read_options=arrow_csv.ReadOptions(column_names=list(_COLUMNS)),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
    )
    columns = [
        read[field.name] if field.name in _COLUMNS else pa.nulls(len(read), field.type)
        for field in COUNT_SCHEMA
    ]
    return pa.table(columns, schema=COUNT_SCHEMA)


def _differences(operation: Operation) -> Statistics:
    """How the changed levels differ from our stock, for a person to look at."""
    cursor = operation.connection.execute(statement("sources/differences"), {"most": _MOST_DIFFERENCES})
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    in_all = rows[0]["in_all"] if rows else 0
    for row in rows:
        del row["in_all"]
    return {"differences": rows, "differences_in_all": in_all}
