"""How an asset goes red: in words for the person who can mend it.

What belongs here: the form of a failure. What does not: finding out what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from syncstock_dagster.errors import RowError

_MOST_SHOWN = 20


def errors_table(errors: Sequence[RowError]) -> dg.TableMetadataValue:
    """The errors as a table: file, sheet, row, column, found, expected, remedy."""
    columns = ("file", "sheet", "row", "column", "found", "expected", "remedy")
    records = [
        dg.TableRecord({name: "" if (cell := getattr(error, name)) is None else cell for name in columns})
        for error in errors[:_MOST_SHOWN]
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(records=records, schema=schema)


def refused_files(
    errors: Sequence[RowError], files: int, others: int, understood: Mapping[str, Any] | None = None
) -> dg.Failure:
    """Files could not be taken in; all others were. ``understood``: what was read of them all."""
    told = "\n".join(f"- {error}" for error in errors[:_MOST_SHOWN])
    more = f"\n- and {len(errors) - _MOST_SHOWN} more" if len(errors) > _MOST_SHOWN else ""
    return dg.Failure(
        description=f"{files} file(s) could not be taken in. Correct them and drop them again; the {others} other(s) "
        f"are stored and will be posted by the next run.\n{told}{more}",
        metadata={"errors": errors_table(errors), "errors_in_all": len(errors), **(understood or {})},
        allow_retries=False,
    )


def no_folder(folder: str, error: Exception) -> dg.Failure:
    """The drop folder cannot be looked into: nothing was taken in."""
    return dg.Failure(
        description=f"The drop folder {folder} cannot be read: {error}. Mount it, or correct SYNCSTOCK_DROP_FOLDER; "
        "nothing is lost.",
        allow_retries=False,
    )


def failed_work(what: str, failures: Sequence[tuple[str, Exception]]) -> dg.Failure:
    """Some of the work could not be done; the rest was."""
    told = "\n".join(f"- {name}: {type(error).__name__}: {error}" for name, error in failures[:_MOST_SHOWN])
    return dg.Failure(description=f"{what}\n{told}", metadata={"failed": len(failures)}, allow_retries=False)
