"""Count sheets: ``counts preview``, ``load``, ``sheet``, ``mappings``; bare, ``counts`` lists what was counted.

Define a command here when it is about a count sheet, on its way in or out. Keep out questions about stock
(``questions``) and files of other kinds (``evidence``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from syncstock_dagster.cli import evidence, options, output, questions
from syncstock_dagster.cli.errors import NEEDS_PERSON
from syncstock_dagster.cli.session import find_location, instant_or_day, open_db

if TYPE_CHECKING:
    from syncstock_dagster.sources.files import ParsedFile
    from syncstock_dagster.workbooks.opening import FileSettings
    from syncstock_dagster.workbooks.preview import Preview


class _Listing(TyperGroup):
    """``counts SKU`` and ``counts --held`` list; what is no command of the group is meant for the list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the listing where no command is named."""
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


counts_app = typer.Typer(
    cls=_Listing,
    help="Counts and count sheets. Bare, or with a SKU, it lists what was counted (`counts list`).",
)
app = typer.Typer()
app.add_typer(counts_app, name="counts")
counts_app.command("list")(questions.counts)

SheetFile = Annotated[
    str, typer.Argument(metavar="FILE", help="A count sheet: workbook, CSV or text, or a URL.")
]
Source = Annotated[
    str | None, typer.Option("--source", help="Who sends it; without it the folder says so, or excel.")
]
CountedAt = Annotated[
    str | None,
    typer.Option("--counted-at", metavar="TIME", help="When it was counted, if it does not say so."),
]
CountedFrom = Annotated[
    str | None,
    typer.Option("--counted-from", metavar="TIME", help="When counting began: the count took from then on."),
]
Location = Annotated[
    str | None, typer.Option("--location", help="Where it was counted, if it does not say so.")
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=HEADER",
        help="Which column is what, for example --column quantity=Ist or, by its letter, sku=@A. Give the code and the "
        "quantity at least.",
    ),
]
DecimalMark = Annotated[
    Literal[".", ","] | None,
    typer.Option("--decimal-mark", help="Before decimals, where the sheet does not settle it."),
]


@counts_app.command()
def preview(
    file: SheetFile,
    source: Source = None,
    counted_at: CountedAt = None,
    counted_from: CountedFrom = None,
    location: Location = None,
    column: Column = None,
    decimal_mark: DecimalMark = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what would be understood of a count sheet. Nothing is taken in."""
    from syncstock_dagster.sources.intake import find_files, preview_file

    db = open_db()
    settings = _settings(counted_at, counted_from, location, column, decimal_mark)
    (found,) = _one(find_files([file], kind="counts", source=source))
    parsed = preview_file(db, found, settings)
    if as_json:
        output.print_json(_as_dict(parsed))
    else:
        _tell(parsed)
    output.print_errors(parsed.errors)
    raise typer.Exit(NEEDS_PERSON if parsed.errors else 0)


@counts_app.command()
def load(
    file: SheetFile,
    source: Source = None,
    counted_at: CountedAt = None,
    counted_from: CountedFrom = None,
    location: Location = None,
    column: Column = None,
    decimal_mark: DecimalMark = None,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="The preview is right; remember its columns for files of this name."),
    ] = False,
    newest: Annotated[
        bool, typer.Option("--newest", help="Of several versions of the sheet this one holds.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Take it as a new delivery, although it was received before.")
    ] = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take in one count sheet and post it."""
    from syncstock_dagster.sources.intake import Taking, find_files, preview_file
    from syncstock_dagster.workbooks.mappings import Mapping, save_mapping

    db = open_db()
    settings = replace(
        _settings(counted_at, counted_from, location, column, decimal_mark), confirmed=confirm, newest=newest
    )
    files = _one(find_files([file], kind="counts", source=source))
    if confirm:
        parsed = preview_file(db, files[0], settings)
        understood = parsed.preview
        if understood is not None and understood.columns() and not parsed.rejected:
            mapping = Mapping(understood.columns(), decimal_mark, "this sheet")
            saved = save_mapping(db.url, files[0].source, files[0].name, mapping, dry_run=dry_run)
            output.say(f"Remembered for files like {saved.statistics['pattern']!r}.")
    evidence.take_in(db, files, Taking(settings, again=again), dry_run=dry_run, as_json=as_json)


@counts_app.command()
def sheet(
    location: Annotated[str | None, typer.Option("--location", help="The location to be counted.")] = None,
    plan: Annotated[
        int | None,
        typer.Option("--plan", metavar="ID", help="Instead of a location: the open lines of this plan."),
    ] = None,
    recount: Annotated[
        int | None,
        typer.Option(
            "--recount", metavar="ID", help="Instead: the open lines of this recount, always blind."
        ),
    ] = None,
    counter: Annotated[
        str | None, typer.Option("--counter", metavar="NAME", help="Who is going to count.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The workbook to write; by default named after the location.")
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Without what the books say.")] = False,
    abc: Annotated[
        Literal["A", "B", "C"] | None, typer.Option("--abc", help="Only articles of this class.")
    ] = None,
    sku: Annotated[
        list[str] | None, typer.Option("--sku", help="Only this article; give it several times for a list.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a blank count sheet, with what the books say or blind, to fill in and send back."""
    from syncstock_dagster.workbooks.blank_sheets import write_sheet

    db = open_db()
    find_location(db, location)
    path = out or Path(_sheet_name(location, plan, recount, counter))
    if path.exists():
        raise typer.BadParameter(f"{path} exists already; name another file", param_hint="--out")
    written = write_sheet(
        db.url, location,
        is_blind=blind, abc=abc, skus=sku, plan_id=plan, recount_id=recount, counter=counter,
        policy=db.counting_policy, dry_run=dry_run,
    )  # fmt: skip
    if not dry_run:
        path.write_bytes(written.content)
    told = {
        "file": str(path),
        "articles": written.articles,
        "location": written.location,
        "sheet_id": written.sheet_id,
    }
    if as_json:
        output.print_json(told | {"dry_run": dry_run})
    else:
        output.print_facts(list(told.items()))
    if dry_run:
        output.say("Dry run: nothing was kept.")


def _sheet_name(location: str | None, plan: int | None, recount: int | None, counter: str | None) -> str:
    what = f"plan {plan}" if plan is not None else f"recount {recount}" if recount is not None else location
    parts = ["count", what, counter if recount is not None else None]
    return " ".join(part.replace("/", "-") for part in parts if part) + ".xlsx"


@counts_app.command()
def mappings(
    forget: Annotated[
        int | None, typer.Option("--forget", metavar="ID", help="Use this mapping no longer.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Which columns were confirmed for which files."""
    from syncstock_dagster.workbooks.mappings import forget_mapping, list_mappings

    db = open_db()
    if forget is not None:
        forget_mapping(db.url, forget, dry_run=dry_run)
        output.say("Dry run: nothing was kept." if dry_run else f"Mapping {forget} is used no longer.")
    wanted = output.columns(
        "mapping_id", "source", "pattern", "columns", "decimal_mark", "confirmed_by", "confirmed_at"
    )
    output.show(list_mappings(db.url), wanted, as_json=as_json, nothing="No mapping was confirmed.")


# -- plumbing ----------------------------------------------------------------------------------------------------------


def _one(files: list[Any]) -> list[Any]:
    if len(files) != 1:
        raise typer.BadParameter(
            f"means {len(files)} files; name one, or use `syncstock load`", param_hint="FILE"
        )
    return files


def _settings(
    counted_at: str | None,
    counted_from: str | None,
    location: str | None,
    columns: list[str] | None,
    decimal_mark: Literal[".", ","] | None,
) -> FileSettings:
    from datetime import datetime

    from syncstock_dagster.workbooks.mappings import Mapping
    from syncstock_dagster.workbooks.opening import FileSettings

    pairs = dict(pair.partition("=")[::2] for pair in columns or ())
    began = instant_or_day("--counted-from", counted_from)
    if began is not None and not isinstance(began, datetime):
        raise typer.BadParameter("a time is wanted, as 2026-03-01T09:00", param_hint="--counted-from")
    return FileSettings(
        counted_at=instant_or_day("--counted-at", counted_at),
        counted_from=began,
        location=location,
        decimal_mark=decimal_mark,
        mapping=Mapping(pairs, decimal_mark).checked() if pairs else None,
    )


def _as_dict(parsed: ParsedFile) -> dict[str, Any]:
    understood = parsed.preview.as_dict() if parsed.preview else {"file": parsed.name, "tables": []}
    return {
        **understood,
        "reader": parsed.reader,
        "rejected": parsed.rejected,
        "notes": list(parsed.notes),
        "errors": [error.as_dict() for error in parsed.errors],
    }


def _tell(parsed: ParsedFile) -> None:
    understood = parsed.preview
    if understood is None:
        return
    facts = [
        ("file", parsed.name),
        ("read with", parsed.reader),
        ("confidence", f"{understood.confidence:.2f}"),
    ]
    if understood.mapped_by:
        facts.append(("columns confirmed by", understood.mapped_by))
    output.print_facts(facts)
    for why in understood.doubts:
        output.print_facts([("look at", why)])
    for table in understood.tables:
        _tell_table(table)
    _tell_left_out(understood)
    for note in parsed.notes:
        output.say(f"Note: {output.printable(note)}")


def _tell_table(table: Any) -> None:
    from syncstock_dagster.workbooks.preview import shown_rows

    typer.echo("")
    output.print_facts(
        [
            ("sheet", table.sheet or "the only one"),
            ("header", f"row {shown_rows(table.header_rows)}" if table.header_rows else "none"),
            *(
                (name, value)
                for name in ("location", "room", "counted_at", "counted_from")
                if (value := getattr(table, name))
            ),
            ("lines", f"{table.lines} read, {table.counted} counts, {table.bad} with errors"),
        ]
    )
    rows = [
        {
            "column": column.letter,
            "header": column.header,
            "is": column.field,
            "sure": f"{column.certainty:.2f}",
        }
        for column in table.columns
    ]
    output.print_table(rows, output.columns("column", "header", "is", "sure"), indent=2)
    if table.examples:
        output.print_table(
            table.examples, output.columns("sku", "room", "quantity", numbers=("quantity",)), indent=2
        )


def _tell_left_out(understood: Preview) -> None:
    from syncstock_dagster.workbooks.preview import shown_rows

    rows = [
        {"sheet": left.sheet, "rows": shown_rows(left.rows) if left.rows else "all", "why": left.why}
        for left in understood.left_out
    ]
    if rows:
        output.print_table(rows, output.columns("sheet", "rows", "why"), title="Left out")
