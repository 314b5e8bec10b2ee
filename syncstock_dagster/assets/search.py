"""Search: the index of vectors, kept equal to the catalogue; its job and what asks for it.

Define here what Dagster shows of search. Keep out the work (``search.update``).
"""

# No postponed annotations here: Dagster reads the type of `context` while it decorates.
import json

import dagster as dg

from syncstock_dagster.assets.intake import product_catalog
from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.resources import SyncStock
from syncstock_dagster.sensors.asking import ASKED_BY, sensor_status

#: Seconds. A question to PostgreSQL that reads the catalogue only where an operation ended since.
_ASK_EVERY = 60


@dg.asset(
    group_name="search",
    kinds={"chroma", "postgres"},
    owners=["team:stock"],
    deps=[product_catalog],
    metadata=table_metadata("search_indexes"),
    retry_policy=dg.RetryPolicy(max_retries=2, delay=10),
)
def product_search_index(syncstock: SyncStock) -> dg.MaterializeResult:
    """The index of vectors behind search: a cache of the catalogue, updated by what changed. Grain: article.

    It is built anew where it is missing, damaged, in doubt or of another embedding. Stock is never in it.
    """
    report = syncstock.db().update_search()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.documents,
            "written": report.written,
            "removed": report.removed,
            "rebuilt_because": report.rebuilt_because or "",
            "seconds": report.seconds,
            "model": report.embedding,
            "notice": report.notice or "",
        }
    )


search_index_job = dg.define_asset_job(
    "search_index",
    selection=dg.AssetSelection.assets(product_search_index),
    description="Make the search index equal to the catalogue, and check that it is.",
)


@dg.sensor(
    job=search_index_job,
    minimum_interval_seconds=_ASK_EVERY,
    default_status=sensor_status(),
    description="Asks for the search index after operations that changed the catalogue, and when the index is in "
    "doubt.",
)
def search_index_sensor(context: dg.SensorEvaluationContext, syncstock: SyncStock) -> dg.SensorResult:
    """The cursor moves on when the index holds the catalogue, not when a run is asked for."""
    from syncstock_dagster.search.places import is_installed
    from syncstock_dagster.search.update import NOT_INSTALLED, look

    if not is_installed():
        return dg.SensorResult(skip_reason=NOT_INSTALLED)
    known = _operations(context.cursor)
    found = look(syncstock.db().url, known)
    if found.reason is None:
        said = "Nothing was done since" if found.operations == known else "Operations changed no article:"
        return dg.SensorResult(
            skip_reason=f"{said} the index was last found right.",
            cursor=json.dumps({"version": 1, "operations": found.operations}),
        )
    tags = {ASKED_BY: "search_index_sensor", "syncstock/reason": found.reason[:200]}
    request = dg.RunRequest(run_key=found.key, tags=tags)
    return dg.SensorResult(run_requests=[request])


def _operations(cursor: str | None) -> str | None:
    """What a cursor says had been done; a broken one says nothing."""
    try:
        return str(json.loads(cursor or "")["operations"])
    except (ValueError, KeyError, TypeError):
        return None
