"""How an asset says what went wrong: in words for the person who can mend it.

What belongs here: the form of it. What does not: finding out what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from syncstock_dagster.errors import RowError, told_error

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


def told_refusal(errors: Sequence[RowError], files: int) -> str:
    """In words, that files could not be taken in and why."""
    told = "\n".join(f"- {error}" for error in errors[:_MOST_SHOWN])
    more = f"\n- and {len(errors) - _MOST_SHOWN} more" if len(errors) > _MOST_SHOWN else ""
    return f"{files} file(s) could not be taken in; all others were. Correct them and drop them again.\n{told}{more}"


def refusal_metadata(errors: Sequence[RowError], files: int) -> dict[str, Any]:
    """The same for the page of the asset; nothing where no file was refused."""
    if not files:
        return {}
    return {
        "this_run_refused": files,
        "this_run_errors": errors_table(errors),
        "this_run_errors_in_all": len(errors),
    }


def no_folder(folder: str, error: Exception) -> dg.Failure:
    """The drop folder cannot be looked into: nothing was taken in."""
    return dg.Failure(
        description=f"The drop folder {folder} cannot be read: {error}. Mount it, or correct SYNCSTOCK_DROP_FOLDER; "
        "nothing is lost.",
        allow_retries=False,
    )


def told_failures(failures: Sequence[tuple[str, Exception]]) -> str:
    """In words, that deliveries could not be posted and why."""
    told = "\n".join(f"- {name}: {told_error(error)}" for name, error in failures[:_MOST_SHOWN])
    more = f"\n- and {len(failures) - _MOST_SHOWN} more" if len(failures) > _MOST_SHOWN else ""
    return (
        f"{len(failures)} could not be posted; they stay received, and all others are posted.\n{told}{more}"
    )
