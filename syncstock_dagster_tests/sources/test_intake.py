"""Intake: which files a path means, and that nothing of one file, delivery or reader stops another.

Put here what happens between a file and its posting. Keep out what is in a file (``test_movement_files``), and the
drop folder's listing (``test_drop_folder``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from syncstock_dagster import (
    MovementRecord,
    POSRecord,
    PurchaseRecord,
    SalesRecord,
    SyncStockDB,
    TransferRecord,
)
from syncstock_dagster.sources import intake
from syncstock_dagster.sources.intake import (
    find_files,
    load,
    post,
    rehearse,
    waiting_of,
)
from syncstock_dagster.sources.readers import read_from, run_readers
from syncstock_dagster.stock.evidence import COUNT_SCHEMA, BadInput, Evidence
from syncstock_dagster.stock.policy import Policies, SourcePolicy
from syncstock_dagster_tests.receiving import receive_drop_folder, receive_paths

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOVED = "document,line,sku,location,quantity,effective_at\n"
CATALOGUE = "sku,name\n00123,Mug\n"

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Call it to put a file into the drop folder ``tmp_path / "drop"``."""

    def put(name: str, content: str) -> Path:
        path = tmp_path / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    return put


@pytest.fixture
def drop(tmp_path: Path) -> str:
    return str(tmp_path / "drop")


def sale(document: str = "S-1", quantity: object = 2, sku: str = "00123") -> str:
    return f"{document},1,{sku},main,{quantity},2026-03-02T12:00:00Z\n"


def named(files: Any) -> list[tuple[str, str, str]]:
    return [(file.name, file.kind, file.source) for file in files]


# -------------------------------------------------------------------- which files


def test_a_file_is_what_its_folders_say(write: Write) -> None:
    paths = [
        write("sales/a.csv", "x"),
        write("sales/till-north/b.csv", "x"),
        write("counts/pos/c.csv", "x"),
        write("products/d.csv", "x"),
    ]
    assert named(find_files(map(str, paths))) == [
        ("products/d.csv", "products", "products"),
        ("sales/a.csv", "sales", "sales"),
        ("sales/till-north/b.csv", "sales", "till-north"),
        ("counts/pos/c.csv", "counts", "pos"),
    ]


def test_what_is_said_wins_over_the_folders(write: Write) -> None:
    path = str(write("sales/a.csv", "x"))
    assert named(find_files([path], kind="purchases", source="north")) == [
        ("purchases/north/a.csv", "purchases", "north")
    ]
    assert named(find_files([path], source="north")) == [("sales/north/a.csv", "sales", "north")]


def test_a_folder_means_its_files(write: Write, drop: str) -> None:
    write("sales/b.csv", "x")
    write("sales/.hidden.csv", "x")
    write("products/a.csv", "x")
    assert [name for name, _, _ in named(find_files([drop]))] == ["products/a.csv", "sales/b.csv"]
    assert named(find_files([f"{drop}/sales"])) == [("sales/b.csv", "sales", "sales")]
    assert named(find_files([f"{drop}/products"], kind="sales")) == [("sales/a.csv", "sales", "sales")]


def test_what_nobody_says_is_never_guessed_and_all_of_it_is_listed(write: Write, tmp_path: Path) -> None:
    unclear = write("inbox/a.csv", MOVED + sale())
    two_kinds = write("sales/counts/b.csv", MOVED + sale())
    (tmp_path / "empty").mkdir()
    given = [str(unclear), str(two_kinds), str(tmp_path / "missing.csv"), str(tmp_path / "empty")]
    with pytest.raises(BadInput) as caught:
        find_files(given)
    assert [error.file for error in caught.value.errors] == given
    assert [error.found for error in caught.value.errors] == [
        "a file of an unknown kind",
        "a file of an unknown kind",
        "nothing",
        "no file",
    ]


def test_a_relative_path_is_the_same_file(write: Write, drop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write("sales/a.csv", "x")
    monkeypatch.chdir(f"{drop}/sales")
    assert named(find_files(["a.csv"])) == [("sales/a.csv", "sales", "sales")]


# -------------------------------------------------------------------- receiving and posting


def test_the_catalogue_comes_first_and_then_the_rest(db: SyncStockDB, write: Write, drop: str) -> None:
    write("counts/2026-03-01.csv", "sku,location,quantity\n00123,main,10\n")
    write("sales/a.csv", MOVED + sale())
    write("products/catalogue.csv", CATALOGUE)
    receipts = receive_drop_folder(db, drop)
    assert [(receipt.file, receipt.state) for receipt in receipts] == [
        ("products/catalogue.csv", "received"),
        ("counts/2026-03-01.csv", "received"),
        ("sales/a.csv", "received"),
    ]
    results, failures = post(db)
    assert failures == []
    assert [result.quarantined for result in results] == [0, 0, 0]
    assert db.on_hand()["on_hand"].tolist() == [Decimal(8)]


def test_the_same_folder_again_changes_nothing(db: SyncStockDB, write: Write, drop: str) -> None:
    write("products/catalogue.csv", CATALOGUE)
    write("sales/a.csv", MOVED + sale())
    post(db, waiting_of(receive_drop_folder(db, drop)))
    again = receive_drop_folder(db, drop)
    assert {receipt.state for receipt in again} == {"already received"}
    assert post(db, waiting_of(again)) == ([], [])
    assert db.on_hand()["on_hand"].tolist() == [Decimal(-2)]


def test_a_file_that_lies_there_unchanged_is_not_read_again(
    db: SyncStockDB, write: Write, drop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But a rejected one is: the rules may have changed; and a new name may be a new day."""
    sheet = "sku,location,quantity\n00123,main,10\n"
    write("counts/2026-03-01.csv", sheet)
    write("sales/bad.csv", MOVED + sale(quantity="many"))
    receive_drop_folder(db, drop)
    write("counts/2026-03-02.csv", sheet)
    read: list[str] = []
    parse = intake.parse_file
    monkeypatch.setattr(
        intake,
        "parse_file",
        lambda content, name, *rest, **more: read.append(name) or parse(content, name, *rest, **more),
    )
    states = {receipt.file: receipt.state for receipt in receive_drop_folder(db, drop)}
    assert states == {
        "counts/2026-03-01.csv": "already received",
        "counts/2026-03-02.csv": "received",
        "sales/bad.csv": "rejected",
    }
    assert sorted(read) == ["counts/2026-03-02.csv", "sales/bad.csv"]


def test_each_file_is_posted_before_the_next_is_understood(db: SyncStockDB, write: Write, drop: str) -> None:
    """Otherwise a count sheet could not lean on the catalogue that comes with it."""
    write("products/all.csv", "sku,name\n00123,Mug\n")
    write("counts/2026-03-01.csv", "sku,location,quantity\n123,main,10\n")
    write("movements/bad.csv", "no table")
    write("sales/a.csv", MOVED + sale())
    loaded = load(db, find_files([drop]))
    assert [(receipt.file, receipt.state) for receipt in loaded.receipts] == [
        ("products/all.csv", "received"),
        ("movements/bad.csv", "rejected"),
        ("sales/a.csv", "received"),
        ("counts/2026-03-01.csv", "received"),
    ]
    assert (len(loaded.results), loaded.failures) == (3, [])
    assert db.on_hand()["on_hand"].tolist() == [Decimal(8)]
    assert db.quarantine().empty


def test_only_the_folders_of_some_kinds_are_read(db: SyncStockDB, write: Write, drop: str) -> None:
    write("products/catalogue.csv", CATALOGUE)
    write("sales/a.csv", MOVED + sale())
    assert [receipt.file for receipt in receive_drop_folder(db, drop, kinds=("sales",))] == ["sales/a.csv"]


def test_a_hostile_file_is_its_own_problem(
    db: SyncStockDB, write: Write, drop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage is rejected, a reader that breaks on a file fails that file, and the others are taken."""
    write("products/catalogue.csv", CATALOGUE)
    write("sales/a.csv", MOVED + sale())
    write("sales/garbage.xlsx", "PK\x03\x04 no workbook")
    write("sales/evil.csv", MOVED + sale("S-2"))
    gone = write("sales/gone.csv", MOVED + sale("S-3"))
    parse = intake.parse_file

    def breaking(content: bytes, name: str, *rest: Any, **more: Any) -> Any:
        gone.unlink(missing_ok=True)
        if "evil" in name:
            raise RecursionError("too deep")
        return parse(content, name, *rest, **more)

    monkeypatch.setattr(intake, "parse_file", breaking)
    receipts = receive_drop_folder(db, drop)
    assert {receipt.file: receipt.state for receipt in receipts} == {
        "products/catalogue.csv": "received",
        "sales/a.csv": "received",
        "sales/evil.csv": "failed",
        "sales/garbage.xlsx": "rejected",
        "sales/gone.csv": "failed",
    }
    assert all(receipt.errors for receipt in receipts if receipt.state in ("failed", "rejected"))
    post(db, waiting_of(receipts))
    assert db.on_hand()["on_hand"].tolist() == [Decimal(-2)]

    monkeypatch.setattr(intake, "parse_file", parse)
    assert "received" in [
        receipt.state for receipt in receive_drop_folder(db, drop) if "evil" in receipt.file
    ]


def test_a_database_that_fails_stops_everything(
    db: SyncStockDB, write: Write, drop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no fault of the file, and the next one would fail as well."""
    write("sales/a.csv", MOVED + sale())

    def lost(*_: Any, **__: Any) -> Any:
        raise psycopg.OperationalError("the server is gone")

    monkeypatch.setattr(db, "receive", lost)
    with pytest.raises(psycopg.OperationalError):
        receive_drop_folder(db, drop)


def test_a_run_that_was_killed_between_receiving_and_posting_is_taken_up(
    db: SyncStockDB, write: Write
) -> None:
    write("products/catalogue.csv", CATALOGUE)
    path = str(write("sales/a.csv", MOVED + sale()))
    receive_paths(db, path)
    (receipt,) = receive_paths(db, path)
    assert receipt.state == "already received"
    results, _ = post(db, waiting_of([receipt]))
    assert [result.status for result in results] == ["posted"]


def test_one_delivery_that_fails_does_not_hold_up_the_others(
    empty_database_url: str, write: Write, drop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays received, and is posted once its gate rule is mended."""
    module = ModuleType("broken_rules")
    module.rule = lambda counts: 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "broken_rules", module)
    gated = SourcePolicy(
        kind="counts", trust="gated", unknown_sku="create", gate_rules=("broken_rules:rule",)
    )
    db = SyncStockDB(empty_database_url, policies=Policies(sources={"excel": gated}))
    write("counts/2026-03-01.csv", "sku,location,quantity\n00123,main,10\n")
    write("counts/2026-03-02.csv", "sku,location,quantity\n00123,main,9\n")
    write("sales/z.csv", MOVED + sale("S-9"))
    receive_drop_folder(db, drop)
    told: list[Any] = []
    results, failures = post(db, told=lambda _, what: told.append(what))
    assert [result.note for result in results] == ["sales/z.csv", "counts/2026-03-01.csv"]
    assert [type(failure.error) for failure in failures] == [ZeroDivisionError]
    assert len(told) == 3

    module.rule = lambda counts: [None] * len(counts)  # type: ignore[attr-defined]
    results, failures = post(db)
    assert [result.note for result in results] == ["counts/2026-03-02.csv"]
    assert failures == []


def test_a_rehearsal_sees_its_own_catalogue_and_keeps_nothing(
    db: SyncStockDB, write: Write, drop: str
) -> None:
    write("products/catalogue.csv", CATALOGUE)
    write("sales/a.csv", MOVED + sale())
    write("sales/again.csv", MOVED + sale())
    write("sales/bad.csv", MOVED + sale(quantity="many"))
    told: list[str] = []
    rehearsed = rehearse(db, find_files([drop]), told=lambda receipt, _: told.append(receipt.file))
    assert [(receipt.file, receipt.state) for receipt, _ in rehearsed] == [
        ("products/catalogue.csv", "received"),
        ("sales/a.csv", "received"),
        ("sales/again.csv", "already received"),
        ("sales/bad.csv", "rejected"),
    ]
    assert [result and (result.movements_new, result.quarantined) for _, result in rehearsed] == [
        (0, 0),
        (1, 0),
        None,
        None,
    ]
    assert len(told) == 4
    assert len(db.deliveries()) == len(db.operations()) == len(db.products()) == 0


# -------------------------------------------------------------------- readers


@pytest.fixture
def shop(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., SyncStockDB]]:
    """Call it with readers by source for a database whose configuration names them."""
    module = ModuleType("my_readers")
    monkeypatch.setitem(sys.modules, "my_readers", module)

    def open_database(**readers: Any) -> SyncStockDB:
        for name, reader in readers.items():
            setattr(module, name, reader)
        policies = {name: SourcePolicy(reader=f"my_readers:{name}") for name in readers}
        return SyncStockDB(empty_database_url, policies=Policies(sources=policies))

    yield open_database


def test_a_reader_brings_every_kind_of_record_under_its_own_name(shop: Callable[..., SyncStockDB]) -> None:
    def till(since: datetime | None) -> Iterator[Any]:
        assert since is None
        yield [
            POSRecord(1, 10, NOON),
            PurchaseRecord(1, 5, at=NOON + timedelta(hours=1), ref="P"),
            SalesRecord(1, 2, at=NOON + timedelta(hours=1), ref="S"),
            MovementRecord(1, -1, at=NOON + timedelta(hours=1), ref="M", reason="damage"),
            TransferRecord(1, 1, NOON + timedelta(hours=1), "main", "cairo", "T"),
        ]
        yield []

    db = shop(till=till)
    db.upsert_locations([{"code": "cairo", "timezone": "Africa/Cairo"}])
    (report,) = run_readers(db)
    assert report.failure is None
    assert [(result.movements_new, result.counts_new) for result in report.results] == [(5, 1)]
    assert set(db.ledger()["source"]) == {"till"}
    assert db.on_hand()["on_hand"].tolist() == [Decimal(1), Decimal(11)]


def test_a_reader_reads_from_the_watermark_less_the_lateness(shop: Callable[..., SyncStockDB]) -> None:
    asked: list[datetime | None] = []

    def till(since: datetime | None) -> Iterator[Any]:
        asked.append(since)
        yield [SalesRecord(1, 2, at=NOON, ref="S")]

    db = shop(till=till)
    run_readers(db)
    run_readers(db)
    (mark,) = db.get_watermarks()
    assert asked == [None, mark["last_processed_at"] - mark["lateness"]]
    assert asked[1] is not None
    assert asked[1] <= NOON
    assert read_from(db, "other") is None
    db.reset_watermarks()
    assert read_from(db, "till") is None
    assert db.on_hand()["on_hand"].tolist() == [Decimal(-2)]


def test_a_reader_that_fails_keeps_what_it_brought_and_stops_no_other(
    shop: Callable[..., SyncStockDB],
) -> None:
    """Whatever fails in it, also a database of its own."""

    def broken(since: datetime | None) -> Iterator[Any]:
        yield [SalesRecord(1, 2, at=NOON, ref="S")]
        raise psycopg.OperationalError("its own server")

    def fine(since: datetime | None) -> Iterator[Any]:
        yield [SalesRecord(2, 2, at=NOON, ref="S")]

    told: list[str] = []
    broken_report, fine_report = run_readers(
        shop(broken=broken, fine=fine), told=lambda report: told.append(report.source)
    )
    assert broken_report.failure is not None
    assert "its own server" in str(broken_report.failure.error)
    assert (len(broken_report.results), len(fine_report.results)) == (1, 1)
    assert told == ["broken", "fine"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([SalesRecord(1, 2, at=NOON, ref="S", source="pos")], "rows of 'pos'"),
        ([SalesRecord(1, Decimal("NaN"), at=NOON, ref="S")], "cannot be taken"),
        (SalesRecord(1, 2, at=NOON, ref="S"), "yielded SalesRecord"),
        (
            Evidence(
                counts=COUNT_SCHEMA.empty_table().from_pylist(
                    [{"position": 0, "source": "pos", "sku": "1", "quantity": "1", "counted_at": NOON}],
                    schema=COUNT_SCHEMA,
                )
            ),
            "rows of 'pos'",
        ),
    ],
)
def test_a_reader_cannot_speak_for_another_source_or_in_riddles(
    shop: Callable[..., SyncStockDB], given: Any, says: str
) -> None:
    db = shop(till=lambda since: [given])
    (report,) = run_readers(db)
    assert report.failure is not None
    assert says in str(report.failure.error)
    assert len(db.deliveries()) == 0


def test_a_reader_that_does_not_exist_is_reported(empty_database_url: str) -> None:
    policies = Policies(sources={"till": SourcePolicy(reader="no_such_module:read")})
    (report,) = run_readers(SyncStockDB(empty_database_url, policies=policies))
    assert report.failure is not None
    assert "no_such_module" in str(report.failure.error)


def test_a_rehearsed_reader_keeps_nothing(shop: Callable[..., SyncStockDB]) -> None:
    db = shop(till=lambda since: [[SalesRecord(1, 2, at=NOON, ref="S")]])
    (report,) = run_readers(db, dry_run=True)
    assert [result.status for result in report.results] == ["dry run"]
    assert len(db.on_hand()) == 0


@pytest.mark.parametrize("at_once", [True, False])
def test_a_sheet_is_judged_by_all_that_came_with_it_whatever_the_files_are_called(
    empty_database_url: str, write: Write, drop: str, at_once: bool
) -> None:
    """What was sold in between first, then the sheets from the earliest day on: nothing is held that it explains."""
    db = SyncStockDB(empty_database_url)
    counted = "sku,counted,location,counted_at\n00123,{},main,{}\n"
    write("counts/b-first.csv", counted.format(500, "2026-03-02T08:00:00Z"))
    write("counts/a-second.csv", counted.format(300, "2026-03-02T18:00:00Z"))
    write("products/catalogue.csv", CATALOGUE)
    write("sales/day.csv", MOVED + sale(quantity=200))
    write("counts/0-third.csv", counted.format(295, "2026-03-03T18:00:00Z"))
    files = intake.list_drop(drop)
    rehearsed = [result for _, result in rehearse(db, files) if result is not None]
    assert sum(result.movements_new for result in rehearsed) == 1
    if at_once:
        told: list[str] = []
        loaded = load(db, files, told=lambda receipt, _: told.append(receipt.file))
        assert told == [receipt.file for receipt in loaded.receipts]
        assert told[:2] == ["products/catalogue.csv", "sales/day.csv"]
    else:
        receive_drop_folder(db, drop)
        post(db)
    found = db.variances()
    assert found[["counted", "variance", "status"]].astype(str).to_numpy().tolist() == [
        ["500", "500", "opening"], ["300", "0", "applied"], ["295", "-5", "applied"],
    ]  # fmt: skip
    assert db.audit() == {}


def test_original_files_are_kept_so_long_after_they_came_last(db: SyncStockDB, write: Write) -> None:
    def kept() -> int:
        with psycopg.connect(db.url) as connection:
            return connection.execute("select count(*) from syncstock.uploads").fetchone()[0]

    sold, bought = (
        str(write(f"{kind}/a.csv", f"{MOVED}{kind},1,A,,1,2026-03-02T12:00:00Z\n"))
        for kind in ("sales", "purchases")
    )
    receive_paths(db, sold, bought)
    with psycopg.connect(db.url) as connection:
        connection.execute("update syncstock.uploads set received_at = now() - interval '40 days'")
    receive_paths(db, bought, again=True)
    assert db.prune_files() == 0  # ten years
    assert db.prune_files(0) == 0  # for ever
    assert (db.prune_files(30, dry_run=True), kept()) == (1, 2)
    assert (db.prune_files(30, who="anna"), kept()) == (1, 1)
    assert db.operations(1)[["type", "created_by"]].to_numpy().tolist() == [["prune", "anna"]]
    # What it said is there, and it is known.
    assert [one.state for one in receive_paths(db, sold)] == ["already received"]
    results, failures = post(db)
    assert (len(results), failures) == (3, [])


def test_a_rehearsal_judges_sheets_in_the_order_in_which_they_will_be_posted(
    db: SyncStockDB, write: Write
) -> None:
    """From the earliest day on: each of these is 95 from the one before, and the last 190 from the first."""
    counted = "sku,location,quantity,counted_at\n00123,main,{},2026-03-0{}T08:00:00Z\n"
    names = {"c-first": (10, 1), "a-third": (200, 3), "b-second": (105, 2)}
    files = find_files([str(write(f"counts/{name}.csv", counted.format(*of))) for name, of in names.items()])
    rehearsed = [result for _, result in rehearse(db, files) if result is not None]
    loaded = load(db, files)
    told = [(result.note, result.counts_held, result.counts_review) for result in loaded.results]
    assert [note for note, *_ in told] == ["counts/c-first.csv", "counts/b-second.csv", "counts/a-third.csv"]
    assert [held for _, held, _ in told] == [0, 0, 0]
    assert sorted((result.note, result.counts_held, result.counts_review) for result in rehearsed) == sorted(
        told
    )
