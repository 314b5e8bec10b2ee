"""Evidence comes in: ``load``, ``sync``, ``demo``.

Define a command here when it brings movements, counts or products. Keep out decisions on what came (``decisions``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import FAILED, NEEDS_PERSON
from syncstock_dagster.cli.session import find_article, instant, instant_or_day, open_db, read_settings

if TYPE_CHECKING:
    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.settings import Settings
    from syncstock_dagster.sources import DropFile
    from syncstock_dagster.sources.intake import Failure, Loaded, Taking
    from syncstock_dagster.sources.readers import ReaderReport
    from syncstock_dagster.stock.deliveries import Receipt
    from syncstock_dagster.stock.results import SyncResult

app = typer.Typer()

FileKind = Literal["purchases", "sales", "movements", "counts", "products"]


@app.command()
def load(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Files, folders or URLs (s3://, sftp://, ...).")
    ],
    kind: Annotated[
        FileKind | None,
        typer.Option("--kind", help="What the files hold. Without it their folder says it: sales/x.csv."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", help="Where they come from. Without it: sales/till-north/x.csv, or the kind's own."
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Take them as new deliveries, although they were received before.")
    ] = False,
    recorded_at: Annotated[
        str | None,
        typer.Option(
            "--recorded-at", metavar="INSTANT", help="When they were received: for replaying history."
        ),
    ] = None,
    counted_at: Annotated[
        str | None,
        typer.Option(
            "--counted-at", metavar="TIME", help="When a count sheet was counted that does not say it."
        ),
    ] = None,
    location: Annotated[
        str | None, typer.Option("--location", help="Where a count sheet was counted that does not say it.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of text files that are not UTF-8, for example cp1252.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Between the columns of text files.")
    ] = None,
    decimal_mark: Annotated[
        Literal[".", ","] | None, typer.Option("--decimal-mark", help="In the quantities of text files.")
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take in files and post them. The same file again changes nothing.

    A file that is rejected is listed with everything that is wrong with it; correct it and load it again.
    """
    from syncstock_dagster.sources.intake import Taking, find_files
    from syncstock_dagster.workbooks.opening import FileSettings

    received_at = instant("--recorded-at", recorded_at)
    settings = FileSettings(
        encoding=encoding,
        delimiter=delimiter,
        decimal_mark=decimal_mark,
        counted_at=instant_or_day("--counted-at", counted_at),
        location=location,
    )
    files = find_files(paths, kind=kind, source=source)
    how = Taking(settings, again=again, recorded_at=received_at)
    take_in(open_db(), files, how, dry_run=dry_run, as_json=as_json)


def take_in(
    db: SyncStockDB,
    files: list[DropFile],
    how: Taking,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Receive and post files, or rehearse it, and leave with the exit code that says how it went."""
    from syncstock_dagster.sources.intake import load as load_files
    from syncstock_dagster.sources.intake import rehearse

    done = _Done(is_dry_run=dry_run)
    if dry_run:
        with output.progress("Rehearsing", len(files)) as step:
            for receipt, result in rehearse(db, files, how, told=done.telling(step)):
                done.add_rehearsed(receipt, result)
    else:
        with output.progress("Loading", len(files)) as step:
            done.add_loaded(load_files(db, files, how, told=done.telling(step)))
    done.end(as_json)


@app.command()
def sync(
    sku: Annotated[
        str | None,
        typer.Option(
            "--sku",
            help="Explain this article at the end. Everything is brought in all the same: a delivery is posted whole "
            "or not at all, or it could not be recognised and withdrawn as one.",
        ),
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Bring in what is new, from files and readers.

    First the files of the drop folder, its catalogue before all, then what the configured readers yield.
    """
    from syncstock_dagster.cli.telling import tell
    from syncstock_dagster.sources.intake import post
    from syncstock_dagster.sources.newer import note_look
    from syncstock_dagster.sources.readers import readers, run_readers
    from syncstock_dagster.stock.deliveries import waiting_deliveries
    from syncstock_dagster.stock.explain import explain

    if sku is not None and dry_run:
        raise typer.BadParameter(
            "what a dry run brings is not kept, so it cannot be explained", param_hint="--sku"
        )
    settings = read_settings()
    db = open_db()
    done = _Done(is_dry_run=dry_run)
    _take_drop_folder(db, settings, done, dry_run)
    if not dry_run:
        waiting = waiting_deliveries(db.url)
        with output.progress("Posting", len(waiting)) as step:
            results, failures = post(db, waiting, told=lambda _, told: step(_name_of(told)))
        done.results += results
        done.failures += failures
        note_look(db)
    with output.progress("Asking readers", len(readers(db))) as step:
        for report in run_readers(db, dry_run=dry_run, told=lambda report: step(report.source)):
            done.add_report(report)
    if sku is None:
        done.end(as_json)
        return
    article = find_article(db, sku)
    explanation = explain(db.url, db.policies, article.inventory_id)
    done.end(as_json, more={"explanation": output.explained(explanation)}, then=lambda: tell(explanation))


@app.command()
def demo(
    with_vendors: Annotated[
        bool,
        typer.Option(
            "--with-vendors",
            help="Ask stand-ins of Zoho, Xorosoft and RMS as well, and set one of Shopify right, on this machine.",
        ),
    ] = False,
) -> None:
    """Show it all on a made-up chain of shops.

    Sixty days of files become right stock; twice is as good as once.

    It goes where everything goes, so that `syncstock stock` and `syncstock explain` show it afterwards; a database
    that holds evidence of its own is left alone.
    """
    settings = read_settings()
    db = open_db()
    play_demo(db, settings)
    if with_vendors:
        from syncstock_dagster.demo.vendors.show import show_vendors

        show_vendors(db, output.console(folding=True))


def play_demo(db: SyncStockDB, settings: Settings) -> Path:
    """Run the demo; returns its folder.

    Raises:
        BadInput: the database holds evidence of its own.
    """
    from syncstock_dagster.demo import run_demo
    from syncstock_dagster.stock.evidence import BadInput

    folder = settings.home / "demo"
    if len(db.deliveries(limit=1)) and not _has_begun(db, folder):
        raise BadInput(
            "The database holds evidence that the demo did not bring and would be mixed with. Name an empty database "
            "with SYNCSTOCK_DATABASE_URL, or another folder for the embedded one with SYNCSTOCK_HOME."
        )
    run_demo(db, folder, output.console(folding=True))
    return folder


@dataclass
class _Done:
    """What a command brought in, for people, programs and the shell."""

    is_dry_run: bool
    receipts: list[Receipt] = field(default_factory=list)
    results: list[SyncResult] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def telling(self, step: Any) -> Any:
        """Counts a file, and keeps what is to be said about it until all is done."""

        def told(receipt: Receipt, notes: tuple[str, ...]) -> None:
            step(f"{receipt.file}: {receipt.state}")
            self.notes += [f"{receipt.file}: {note}" for note in notes]

        return told

    def add_rehearsed(self, receipt: Receipt, result: SyncResult | None) -> None:
        """A file that was only looked at."""
        self.receipts.append(receipt)
        if result is not None:
            self.results.append(result)

    def add_loaded(self, loaded: Loaded) -> None:
        """Files that were received and posted."""
        self.receipts += loaded.receipts
        self.results += loaded.results
        self.failures += loaded.failures

    def add_report(self, report: ReaderReport) -> None:
        """What a reader brought."""
        self.results += report.results
        if report.failure is not None:
            self.failures.append(report.failure)

    def end(self, as_json: bool, more: dict[str, Any] | None = None, then: Any = None) -> None:
        """Print it, and leave with the exit code that says how it went."""
        for note in self.notes:
            output.say(f"Note: {output.printable(note)}")
        if as_json:
            output.print_json(self._as_dict() | (more or {}))
        else:
            self._print()
            if then is not None:
                then()
        output.print_errors([error for receipt in self.receipts for error in receipt.errors])
        for failure in self.failures:
            _print_failure(failure)
        raise typer.Exit(self._exit_code())

    def _print(self) -> None:
        states = ("received", "already received", "rolled back", "rejected", "failed")
        counted = [(state, sum(receipt.state == state for receipt in self.receipts)) for state in states]
        facts = [(f"files {state}", number) for state, number in counted if number]
        output.print_facts([*facts, *output.result_numbers(self.results)] or [("nothing new", "")])
        if self.is_dry_run:
            output.say("Dry run: nothing was kept.")

    def _as_dict(self) -> dict[str, Any]:
        from dataclasses import asdict

        return {
            "dry_run": self.is_dry_run,
            "files": [asdict(receipt) for receipt in self.receipts],
            "results": [output.result_dict(result) for result in self.results],
            "failures": [{"what": failure.what, "error": str(failure.error)} for failure in self.failures],
            "notes": self.notes,
            "needs_person": self._needs_person(),
        }

    def _needs_person(self) -> bool:
        return any(result.needs_person for result in self.results) or any(
            receipt.state == "rejected" or receipt.errors for receipt in self.receipts
        )

    def _exit_code(self) -> int:
        if self.failures or any(receipt.state == "failed" for receipt in self.receipts):
            return FAILED
        return NEEDS_PERSON if self._needs_person() else 0


def _has_begun(db: SyncStockDB, folder: Path) -> bool:
    """Whether the first file of the demo in this folder is in the database."""
    from syncstock_dagster.sources import list_drop
    from syncstock_dagster.sources.intake import key_of, received_before

    first = list_drop(folder)[:1] if folder.is_dir() else []
    return any(key_of(file, file.read()) in received_before(db, first) for file in first)


def _take_drop_folder(db: SyncStockDB, settings: Settings, done: _Done, dry_run: bool) -> None:
    from syncstock_dagster.sources import list_strays
    from syncstock_dagster.sources.intake import Taking, load, rehearse

    files = _drop_files(settings)
    if files is None:
        done.notes.append(f"There is no drop folder {settings.drop_folder} yet.")
        return
    done.notes += [f"{name} lies where nothing is taken from." for name in list_strays(settings.drop_folder)]
    with output.progress("Rehearsing" if dry_run else "Loading", len(files)) as step:
        if dry_run:
            for receipt, result in rehearse(db, files, told=done.telling(step)):
                done.add_rehearsed(receipt, result)
        else:
            done.add_loaded(load(db, files, Taking(skip_known=True), told=done.telling(step)))


def _drop_files(settings: Settings) -> list[DropFile] | None:
    """What lies in the drop folder; None where nobody has made the default one yet."""
    from syncstock_dagster.sources import list_drop
    from syncstock_dagster.stock.evidence import BadInput

    try:
        return list_drop(settings.drop_folder)
    except (OSError, ImportError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and settings.drop_folder == str(settings.home / "drop"):
            return None
        # A share that is not mounted must not look like a day without sales.
        raise BadInput(f"The drop folder (SYNCSTOCK_DROP_FOLDER) cannot be read: {error}") from None


def _name_of(told: SyncResult | Failure) -> str:
    from syncstock_dagster.sources.intake import Failure

    return f"{told.what}: failed" if isinstance(told, Failure) else f"{told.note}: {told.status}"


def _print_failure(failure: Failure) -> None:
    """An expected error in words, any other with its traceback."""
    import traceback

    from syncstock_dagster.cli.errors import report

    output.say(f"Failed: {failure.what}")
    if report(failure.error) is None:
        output.say("".join(traceback.format_exception(failure.error)).rstrip())
