"""Intake: files of the drop folder are read and stored whole, in state ``received``. Nothing of them is posted here.

Define an asset here when a new kind of evidence is read. A file is taken in whole by the first run that looks; the
other days of its rows then find nothing new.
"""

# No postponed annotations here: Dagster reads the types of `context` and `config` while it decorates.
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from syncstock_dagster.assets.failing import no_folder, refusal_metadata, told_refusal
from syncstock_dagster.assets.sources import DROP_FOLDER, TILL_SYSTEM
from syncstock_dagster.assets.tables import table_metadata
from syncstock_dagster.errors import told_error
from syncstock_dagster.partitions import ONE_RUN, STOCK_DAYS, days_of_run, tell_each_day
from syncstock_dagster.resources import SyncStock, on_behalf_of
from syncstock_dagster.settings import get_settings
from syncstock_dagster.stock.policy import Kind, Policies

if TYPE_CHECKING:
    from syncstock_dagster.sources.arrivals import Wanted

#: Which sources of a kind an asset takes, by the policies in effect.
Takes = Callable[[Policies, str], bool]


class IntakeConfig(dg.Config):
    """How the drop folder is read."""

    settle_seconds: float | None = Field(
        default=None,
        ge=0.1,
        le=30,
        description="How long a file must lie unchanged before it is taken for complete, in seconds; by default what "
        "SYNCSTOCK_SETTLE_SECONDS says.",
    )
    rejected_again: bool = Field(
        default=False,
        description="Read files again that were rejected as they are: after a validation rule was changed.",
    )


def is_authoritative(policies: Policies, source: str) -> bool:
    """Whether counts of a source are applied as they are: tills and master systems, by default `pos`."""
    return policies.for_source(source, "counts").trust == "authoritative"


def _every_source(policies: Policies, source: str) -> bool:
    return True


def _from_people(policies: Policies, source: str) -> bool:
    return not is_authoritative(policies, source)


#: Rows of what was read and left out in a run.
_MOST_SHOWN = 50

#: By asset: the kind of its files, and which of their sources.
INTAKE: dict[str, tuple[Kind, Takes]] = {
    "purchases": ("purchases", _every_source),
    "sales": ("sales", _every_source),
    "operational_deltas": ("movements", _every_source),
    "excel_counts": ("counts", _from_people),
    "pos_counts": ("counts", is_authoritative),
}
#: The catalogue has no days.
_FILES: dict[str, tuple[Kind, Takes]] = {**INTAKE, "product_catalog": ("products", _every_source)}


def wanted_by(asset: str, policies: Policies) -> "Wanted":
    """Which files an intake asset takes."""
    from syncstock_dagster.sources.arrivals import Wanted

    kind, takes = _FILES[asset]
    return Wanted(kind, lambda source: takes(policies, source))


def readers_of(asset: str, db: Any) -> list[str]:
    """The sources whose readers an intake asset asks."""
    from syncstock_dagster.sources.readers import readers

    wanted = wanted_by(asset, db.policies)
    return [source for source, policy in readers(db).items() if wanted(policy.kind, source)]


def _intake(name: str, what: str, *, owner: str, from_till: bool = False) -> dg.AssetsDefinition:
    kind, takes = INTAKE[name]

    @dg.asset(
        name=name,
        group_name="intake",
        kinds={"python", "postgres"},
        owners=[owner],
        tags={"evidence": "counts" if kind == "counts" else "movements"},
        partitions_def=STOCK_DAYS,
        backfill_policy=ONE_RUN,
        deps=[DROP_FOLDER, TILL_SYSTEM] if from_till else [DROP_FOLDER],
        metadata=table_metadata("deliveries"),
        description=f"{what} Every new file is read and stored whole, whatever days it is about; a bad one stops "
        "none of the others and makes the check every_file_taken red. The same bytes again change nothing. Grain: "
        "delivery. A day's numbers are those of all files with a row on it.",
    )
    def files(
        context: dg.AssetExecutionContext, config: IntakeConfig, syncstock: SyncStock
    ) -> dg.MaterializeResult:
        from syncstock_dagster.sources.readers import run_readers
        from syncstock_dagster.stock import days as business_days

        days = days_of_run(context)
        db = syncstock.db()
        asked = readers_of(name, db)
        with on_behalf_of(context) as who:
            taken = _take_in(db, syncstock.folder(), config, who, wanted_by(name, db.policies))
            reports = run_readers(db, only=asked, who=who)
        good = taken.received
        context.log.info(
            f"{taken.listing.files} files of this kind lie in the drop folder: {len(good)} taken in, "
            f"{len(taken.refused)} refused, {len(taken.listing.unfinished)} still being written; "
            f"{len(reports)} readers asked."
        )
        for note in taken.notes:
            context.log.info(note)
        _tag(context, "delivery", [str(receipt.delivery_id) for receipt in good])
        _observe(context, taken.listing, from_till, [receipt.file for receipt in taken.receipts])
        refused = _tell_refused(context, taken)
        for report in reports:
            if report.failure is not None:
                context.log.error(
                    f"The reader of {report.source} failed; what it brought before is kept: "
                    f"{told_error(report.failure.error)}"
                )
        found = business_days.intake(db.url, kind, (days[0], days[-1]))
        tell_each_day(context, days, {day: _facts(found.get(day, ()), db.policies, takes) for day in days})
        return dg.MaterializeResult(metadata={**_understood(taken), **refused})

    return files


def _tell_refused(context: dg.AssetExecutionContext, taken: Any) -> dict[str, Any]:
    """Say which files could not be taken in, and why: in the log, as a tag of the run, and as metadata.

    The run goes on, so that the good ones are posted by it. The check ``every_file_taken`` is red, and ``stock_alerts``
    tells people.
    """
    errors = [error for receipt in taken.refused for error in receipt.errors]
    if taken.refused:
        context.log.error(told_refusal(errors, len(taken.refused)))
        _tag(context, "refused", [receipt.file for receipt in taken.refused])
    return refusal_metadata(errors, len(taken.refused))


def _understood(taken: Any) -> dict[str, Any]:
    """What was read of count sheets, what was left out and why, as tables; nothing where none was read."""
    from syncstock_dagster.workbooks.preview import shown_rows

    if not taken.previews:
        return {}
    read = [
        {
            "file": preview.file,
            "sheet": table.sheet or "",
            "header": f"row {shown_rows(table.header_rows)}" if table.header_rows else "none",
            "columns": ", ".join(f"{one.field}: {one.letter} {one.header}" for one in table.columns),
            "location": table.location or "",
            "counted_at": table.counted_at or "",
            "lines": table.lines,
            "counts": table.counted,
            "errors": table.bad,
            "confidence": round(preview.confidence, 2),
            "doubts": "; ".join(preview.doubts),
        }
        for preview in taken.previews
        for table in preview.tables
    ]
    left_out = [
        {
            "file": preview.file,
            "sheet": left.sheet or "",
            "rows": shown_rows(left.rows) if left.rows else "all",
            "why": left.why,
        }
        for preview in taken.previews
        for left in preview.left_out
    ]
    told: dict[str, Any] = {"this_run_read": _table(read), "this_run_left_out": _table(left_out)}
    if taken.notes:
        notes = [*taken.notes[:_MOST_SHOWN], *(["..."] if len(taken.notes) > _MOST_SHOWN else [])]
        told["this_run_notes"] = dg.MetadataValue.json(notes)
    return {name: value for name, value in told.items() if value is not None}


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | None:
    """The first rows as a table; nothing where there is none."""
    if not rows:
        return None
    kinds = {"lines": "int", "counts": "int", "errors": "int", "confidence": "float"}
    schema = dg.TableSchema(columns=[dg.TableColumn(name, kinds.get(name, "string")) for name in rows[0]])
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows[:_MOST_SHOWN]], schema=schema)


def _take_in(db: Any, folder: str, config: IntakeConfig, who: str, wanted: "Wanted") -> Any:
    from syncstock_dagster.sources.arrivals import take_in

    settle_seconds = config.settle_seconds or get_settings().settle_seconds
    try:
        return take_in(
            db,
            folder,
            wanted=wanted,
            settle_seconds=settle_seconds,
            rejected_again=config.rejected_again,
            who=who,
        )
    except (OSError, ImportError, ValueError) as error:
        raise no_folder(folder, error) from error


def _facts(rows: Sequence[Mapping[str, Any]], policies: Policies, takes: Takes) -> dict[str, int]:
    own = [row for row in rows if takes(policies, row["source"])]
    return {
        "dagster/partition_row_count": sum(row["row_count"] for row in own),
        "rows": sum(row["row_count"] for row in own),
        "files": sum(row["files"] for row in own),
        "sources": len(own),
    }


def _observe(context: dg.AssetExecutionContext, listing: Any, from_till: bool, read: Sequence[str]) -> None:
    """What was seen outside; of each kind of file its own look."""
    facts: dict[str, Any] = {
        "files": listing.files,
        "new": len(listing.new),
        "still_being_written": len(listing.unfinished),
        "asset": context.asset_key.to_user_string(),
    }
    context.log_event(dg.AssetObservation(DROP_FOLDER.key, metadata=facts))
    if from_till:
        changed = [file.modified_at for file in listing.new if file.modified_at is not None]
        changed += [file.modified_at for file, _ in listing.seen.values() if file.modified_at is not None]
        last = {"last_export": dg.MetadataValue.timestamp(max(changed))} if changed else {}
        context.log_event(
            dg.AssetObservation(TILL_SYSTEM.key, metadata={"files": listing.files, "read": len(read), **last})
        )


def _tag(context: dg.AssetExecutionContext, name: str, values: Sequence[str]) -> None:
    """Tag the run with what it handled, so that it is found by it."""
    if values:
        key = f"syncstock/{name}"
        run = context.instance.get_run_by_id(context.run.run_id)
        before = run.tags.get(key) if run is not None else None
        told = ",".join([*([before] if before else []), *values])
        context.instance.add_run_tags(
            context.run.run_id, {key: told if len(told) <= 200 else f"{told[:197]}..."}
        )


purchases = _intake("purchases", "Goods received, from `purchases/`.", owner="team:purchasing")
sales = _intake("sales", "Sales and returns, from `sales/`.", owner="team:shops", from_till=True)
operational_deltas = _intake(
    "operational_deltas",
    "Transfers, damage, theft and other movements with a reason, from `movements/`.",
    owner="team:warehouse",
)
excel_counts = _intake(
    "excel_counts",
    "Count sheets of people, from `counts/`; the gate decides on them.",
    owner="team:warehouse",
)
pos_counts = _intake(
    "pos_counts",
    "Counts of tills and other master systems, from `counts/pos/` and every source whose trust is `authoritative`; "
    "they are applied.",
    owner="team:shops",
    from_till=True,
)


@dg.asset(
    group_name="intake",
    kinds={"python", "postgres"},
    owners=["team:purchasing"],
    deps=[DROP_FOLDER],
    metadata=table_metadata("products"),
)
def product_catalog(
    context: dg.AssetExecutionContext, config: IntakeConfig, syncstock: SyncStock
) -> dg.MaterializeResult:
    """The catalogue: files from `products/`. What is new, and few changes, commit themselves; many wait for review.

    Evidence that waited for an article is posted with it.

    Grain: product.
    """
    from syncstock_dagster.sources.intake import post, waiting_of
    from syncstock_dagster.stock import days as business_days

    db = syncstock.db()
    with on_behalf_of(context) as who:
        taken = _take_in(db, syncstock.folder(), config, who, wanted_by("product_catalog", db.policies))
        before = [
            seen.delivery_id
            for _, seen in taken.listing.seen.values()
            if seen.state == "received" and seen.delivery_id is not None
        ]
        results, failures = post(db, [*before, *waiting_of(taken.receipts)], who=who)
    _observe(context, taken.listing, from_till=False, read=())
    refused = _tell_refused(context, taken)
    for failure in failures:
        # It stays received, and the check every_delivery_posted names it.
        context.log.error(f"{failure.what} could not be posted: {told_error(failure.error)}")
    known = business_days.present(db.url)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": known["products"],
            "placeholders": known["placeholders"],
            "products_written": sum(result.products for result in results),
            "products_waiting": sum(result.products_waiting for result in results),
            **refused,
        }
    )
