"""Which table each asset stands for: its columns and where they come from, for the UI's catalogue.

What belongs here: words about columns. What does not: the tables themselves (``store/migrations``); a test holds the
two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

_ARTICLE = ("inventory_id", "bigint", "The article.")
_PLACE = ("location_id", "int", "Where it lies.")

#: By table: column, type, meaning. Not every column of a wide table is of interest here.
TABLES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "deliveries": (
        ("delivery_id", "bigint", "A file or a call, as it came."),
        ("name", "text", "Its name in the drop folder."),
        ("kind", "text", "purchases, sales, movements, counts or products."),
        ("source", "text", "Who says it."),
        ("state", "delivery_state", "received, posted, rejected or withdrawn."),
        ("received_at", "timestamptz", "When it came; decides between repeated documents."),
        ("content_sha256", "bytea", "Its identity: the same bytes are the same delivery."),
        ("days", "daterange", "From the first to the last business day of its rows."),
        ("row_count", "int", "How many rows it holds."),
        ("errors", "jsonb", "What is wrong with it: sheet, row, column, found, expected, remedy."),
    ),
    "sync_performance_logs": (
        ("operation_id", "bigint", "The operation."),
        ("total_duration", "interval", "How long it took."),
        ("items_processed", "bigint", "For how many rows and articles."),
        ("items_per_second", "numeric", "The two together."),
        ("api_calls_count", "bigint", "Calls of other systems."),
        ("bytes_transferred", "bigint", "What went over the wire."),
        ("rate_limit_wait", "interval", "Of it waited for a vendor's limit."),
        ("bottleneck_stage", "text", "The stage that took longest."),
        ("stages", "jsonb", "Each stage: seconds, rows, calls, bytes, waits."),
        ("recorded_at", "timestamptz", "When it ended."),
    ),
    "products": (
        _ARTICLE,
        ("sku", "text", "Its code, compared exactly."),
        ("name", "text", "For people."),
        ("price", "numeric", "Selling price."),
        ("cost", "numeric", "Cost of one unit."),
        ("is_placeholder", "boolean", "Known only because evidence named it."),
        ("version", "bigint", "Rises with every change."),
    ),
    "movements": (
        ("movement_id", "bigint", "One document line, or a day's total."),
        _ARTICLE,
        _PLACE,
        ("state", "movement_state", "in_force, duplicate, conflict, superseded or withdrawn."),
        ("effective_at", "timestamptz", "When it was true."),
        ("quantity", "numeric", "In units, signed: positive raises stock."),
        ("reason", "text", "purchase, sale, return, transfer, damage and so on."),
        ("delivery_id", "bigint", "The delivery that brought it."),
    ),
    "inventory_ledger": (
        ("entry_id", "bigint", "One entry; never changed, never deleted."),
        _ARTICLE,
        ("location", "text", "Where it lies."),
        ("occurred_at", "timestamptz", "When it was true."),
        ("recorded_at", "timestamptz", "When it became known."),
        ("entry_type", "entry_type", "movement or adjustment."),
        ("reason", "text", "Why the stock moved."),
        ("delta", "numeric", "In units, signed; the sum is the stock."),
    ),
    "pending_excel_updates": (
        _ARTICLE,
        _PLACE,
        ("order_ref", "text", "The order that sold it."),
        ("deducted", "numeric", "In units, as the books have it."),
        ("placed_at", "timestamptz", "When it was sold."),
        ("closed_by", "bigint", "The count of a sheet that agrees; empty: no sheet shows it yet."),
    ),
    "alerts": (
        ("fact", "text", "What was told, by its identity."),
        ("address", "text", "To whom, as a digest of the address."),
        ("tier", "text", "critical, alert, review or info."),
        ("told", "text", "In these words."),
        ("told_at", "timestamptz", "When the address took it."),
    ),
    "item_stock_daily": (
        ("day", "date", "The business day, in the zone of the location."),
        _ARTICLE,
        _PLACE,
        ("on_hand", "numeric", "Units at the end of the day."),
    ),
    "item_stock": (
        _ARTICLE,
        _PLACE,
        ("on_hand", "numeric", "Units now: the sum of the ledger."),
        ("version", "bigint", "Rises by one with every operation that changes the row."),
        ("updated_at", "timestamptz", "The last change."),
    ),
    "counted_variances": (
        ("day", "date", "The business day of the count."),
        _ARTICLE,
        _PLACE,
        ("counted_at", "timestamptz", "When it was counted."),
        ("counted", "numeric", "Units that were there."),
        ("expected", "numeric", "Units that the books expected there."),
        ("variance", "numeric", "Counted minus expected."),
        ("is_opening", "boolean", "The first count: there was no book before."),
        ("is_held", "boolean", "It waits for a person and does not touch stock."),
    ),
    "day_closes": (
        _PLACE,
        ("day", "date", "Published is every day up to this one."),
        ("closed_at", "timestamptz", "Since when; later changes are restatements."),
    ),
    "source_levels": (
        ("source", "text", "Who says it."),
        ("code", "text", "How the source names the article."),
        ("location", "text", "Where it lies."),
        ("sku", "text", "The article's code."),
        ("quantity", "numeric", "What the source said last, in units."),
        ("counted_at", "timestamptz", "Since when it says so."),
        ("seen_at", "timestamptz", "When it last said so."),
        ("delivery_id", "bigint", "The delivery that brought it as a count."),
    ),
    "xorosoft_products": (
        ("xorosoft_id", "text", "The article at Xorosoft."),
        ("warehouse_code", "text", "Its warehouse there."),
        ("inventory_id", "bigint", "The article here, once it is known."),
        ("stock_on_hand", "numeric", "Units there."),
        ("stock_available", "numeric", "Of them not promised."),
        ("stock_allocated", "numeric", "Of them promised."),
        ("stock_on_order", "numeric", "Units ordered from suppliers."),
        ("cost_price", "numeric", "Cost of one unit."),
        ("last_synced", "timestamptz", "When it said so."),
    ),
    "shopify_syncs": (
        ("name", "text", "One run to Shopify."),
        ("kind", "text", "reverse (products that were missed) or push (articles that changed)."),
        ("state", "text", "discovering, planned, applying or finished."),
        ("shop", "text", "The shop."),
        ("tag", "text", "What marks a product that is done."),
        ("started_at", "timestamptz", "When it began."),
        ("finished_at", "timestamptz", "When it came to its end."),
        ("report", "jsonb", "Statistics, performance and details."),
    ),
    "search_indexes": (
        ("index_name", "text", "One index of vectors."),
        ("place", "text", "Where it lies: a folder of one machine, or a Chroma server."),
        ("embedding", "text", "What made its vectors, with its version."),
        ("state", "text", "building, current or retired."),
        ("documents", "int", "Articles in it."),
        ("finished_at", "timestamptz", "When it last equalled the catalogue."),
        ("doubt", "text", "Why the next update builds it anew."),
    ),
}


def table_metadata(table: str, come_from: Mapping[str, tuple[str, str]] | None = None) -> dict[str, Any]:
    """Name, columns and lineage of a table. ``come_from``: column -> (asset, column of its table)."""
    columns = [dg.TableColumn(name, kind, description) for name, kind, description in TABLES[table]]
    metadata: dict[str, Any] = {
        "dagster/table_name": f"syncstock.{table}",
        "dagster/column_schema": dg.TableSchema(columns=columns),
    }
    if come_from:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=name)]
                for column, (asset, name) in come_from.items()
            }
        )
    return metadata
