"""Files that were made to do harm, or do it without meaning to: each costs at most its limits and only itself."""

from __future__ import annotations

import io
import os
import resource
import struct
import threading
import time
import zipfile
import zlib

import pytest

from syncstock_dagster.workbooks import reader_process
from syncstock_dagster.workbooks.opening import Wording
from syncstock_dagster.workbooks.reader_process import Limits, read_book
from syncstock_dagster.workbooks.sheets import Cell, UnreadableFileError
from syncstock_dagster_tests.workbooks.builders import parse, with_part, workbook

SHEET = "xl/worksheets/sheet1.xml"
SIMPLE = workbook({"S": [("sku", "count"), ("A", 1), ("B", 2)]})
LIMITS = Limits(20, 512)


def archive(**parts: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return data.getvalue()


def added(name: str, content: bytes, base: bytes = SIMPLE) -> bytes:
    data = io.BytesIO(base)
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, content)
    return data.getvalue()


def cells(xml: bytes) -> bytes:
    """The workbook with other cells."""
    start, end = b"<sheetData>", b"</sheetData>"

    def change(sheet: bytes) -> bytes:
        return sheet[: sheet.index(start)] + start + xml + sheet[sheet.index(end) :]

    return with_part(SIMPLE, SHEET, change)


def many_parts() -> bytes:
    return archive(**{f"xl/part{number}.xml": b"" for number in range(6_000)})


def lying_size() -> bytes:
    """A part that says it is small and is not."""
    content = bytearray(with_part(SIMPLE, SHEET, lambda xml: xml + b" " * 200_000))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as made:
        entry = made.getinfo(SHEET)
    real = struct.pack("<I", entry.file_size)
    return bytes(content).replace(real, struct.pack("<I", 500))


def overlapping() -> bytes:
    """Two entries of one archive that share their bytes."""
    content = added("xl/extra.xml", b"<a/>")
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        first, last = made.infolist()[0], made.infolist()[-1]
    directory = content.index(b"PK\x01\x02")
    found = content.rindex(b"PK\x01\x02")
    assert found > directory
    return (
        content[: found + 42] + struct.pack("<I", first.header_offset) + content[found + 46 :]
        if last.header_offset
        else content
    )


def encrypted_entry() -> bytes:
    content = bytearray(SIMPLE)
    at = 0
    while (at := content.find(b"PK\x01\x02", at)) >= 0:
        content[at + 8] |= 1
        at += 4
    return bytes(content)


def ole(stream: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600 + stream.encode("utf-16-le") + b"\x00" * 600


BOMB = b"<worksheet><sheetData>" + b" " * 60_000_000
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (added("xl/media/bomb.bin", b"\x00" * 500_000_000), "unpacked"),
        (with_part(SIMPLE, SHEET, lambda xml: BOMB), "times its size"),
        (many_parts(), "6000 parts"),
        (lying_size(), "damaged"),
        (overlapping(), "damaged"),
        (encrypted_entry(), "password"),
        (added("../../etc/passwd", b"x"), "leads out"),
        (added("/etc/passwd", b"x"), "leads out"),
        (added("C:\\boot.ini", b"x"), "leads out"),
        (with_part(SIMPLE, "xl/workbook.xml", lambda xml: ENTITIES + xml), "document type"),
        (with_part(SIMPLE, SHEET, lambda xml: ENTITIES + xml), "document type"),
        (with_part(SIMPLE, "xl/workbook.xml", lambda xml: xml.decode().encode("utf-16")), "UTF-16"),
        (with_part(SIMPLE, "xl/workbook.xml", lambda xml: b""), "damaged"),
        (cells(b'<row r="1"><c r="XFD1048576"><v>1</v></c></row>'), "row 1048576 and column 16384"),
        (cells(b'<row r="1048576"><c r="A1048576"/><c r="ZZ2"><v>1</v></c></row>'), "row 1048576"),
        (ole("EncryptedPackage"), "password"),
        (ole("WordDocument"), "Word"),
        (ole("Workbook"), "damaged"),
        (archive(**{"word/document.xml": b"<a/>"}), "Word"),
        (archive(**{"hello.txt": b"hi"}), "zip archive"),
    ],
)  # fmt: skip
def test_what_does_harm_is_refused_for_what_it_is(content, words):
    parsed = parse(content, "counts/2026-03-01.xlsx", "counts")
    assert parsed.rejected
    assert words in " ".join(str(error) for error in parsed.errors)


def test_a_dimension_that_lies_is_not_believed():
    for said in (b"A1", b"A1:XFD1048576"):
        content = with_part(
            SIMPLE, SHEET, lambda xml, said=said: xml.replace(b'ref="A1:B3"', b'ref="' + said + b'"')
        )
        assert content != SIMPLE
        parsed = parse(content, "counts/2026-03-01.xlsx", "counts")
        assert parsed.evidence.counts["sku"].to_pylist() == ["A", "B"]


@pytest.mark.parametrize(
    "cell",
    [b"<c r='B2' t='e'><v>#N/A</v></c>", b'<c r = "B2" t = "e"><v>#N/A</v></c>', b'<c t="e"><v>#N/A</v></c>'],
)
def test_an_error_cell_is_found_however_it_is_written(cell):
    text = b'<c r="%s" t="inlineStr"><is><t>%s</t></is></c>'
    rows = b'<row r="1">' + text % (b"A1", b"sku") + text % (b"B1", b"count") + b"</row>"
    content = cells(rows + b'<row r="2"><c r="A2" t="inlineStr"><is><t>A</t></is></c>' + cell + b"</row>")
    (error,) = parse(content, "counts/2026-03-01.xlsx", "counts").errors
    assert (error.row, error.column, error.found) == (2, "count", "#N/A")


def test_links_and_dde_are_named_and_never_followed():
    link = b'<externalLink xmlns="x"><ddeLink ddeService="cmd" ddeTopic="/c calc"/></externalLink>'
    parsed = parse(added("xl/externalLinks/externalLink1.xml", link), "counts/2026-03-01.xlsx", "counts")
    assert parsed.evidence.counts["sku"].to_pylist() == ["A", "B"]
    assert any("DDE" in note and "nothing was fetched" in note for note in parsed.notes)


def gz_bomb() -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(b"\x00" * 2**20) for _ in range(1_100)), packer.flush()])


def test_a_packed_bomb_ends_at_the_limit_of_memory_or_size():
    parsed = parse(gz_bomb(), "counts/2026-03-01.csv.gz", "counts")
    assert parsed.rejected
    assert any(words in str(parsed.errors[0]) for words in ("1 GB unpacked", "MB of memory"))


def large() -> bytes:
    return workbook({"S": [("sku", "count"), *[(f"A{row}", row) for row in range(60_000)]]})


def test_a_file_that_takes_too_long_is_ended_and_the_next_one_is_read():
    content = large()
    began = time.monotonic()
    with pytest.raises(UnreadableFileError, match=r"within 0\.05 seconds"):
        read_book(content, Wording(), Limits(0.05, 512))
    assert time.monotonic() - began < 2
    assert len(read_book(SIMPLE, Wording(), LIMITS).grids[0]) == 3


def test_a_file_that_takes_too_much_memory_is_ended_and_the_next_one_is_read():
    with pytest.raises(UnreadableFileError, match="more than 40 MB"):
        read_book(SIMPLE, Wording(), Limits(20, 40))  # less than the process itself needs
    assert len(read_book(SIMPLE, Wording(), LIMITS).grids[0]) == 3


def test_a_reader_that_dies_is_the_error_of_one_file():
    read_book(SIMPLE, Wording(), LIMITS)
    child = reader_process._idle[-1]
    content = large()
    killer = threading.Timer(0.05, lambda: os.kill(child.process.pid, 9))
    killer.start()
    with pytest.raises(UnreadableFileError, match="crashes"):
        for _ in range(50):
            read_book(content, Wording(), LIMITS)
    killer.join()
    assert len(read_book(SIMPLE, Wording(), LIMITS).grids[0]) == 3


def test_a_reader_that_died_while_it_was_idle_is_nobodys_error():
    read_book(SIMPLE, Wording(), LIMITS)
    child = reader_process._idle[-1]
    os.kill(child.process.pid, 9)
    child.process.wait()
    assert len(read_book(SIMPLE, Wording(), LIMITS).grids[0]) == 3


def test_the_reader_is_given_no_secret(monkeypatch):
    monkeypatch.setenv("SYNCSTOCK_DATABASE_URL", "postgresql://user:secret@host/db")
    child = reader_process._Child.start(512)
    try:
        with open(f"/proc/{child.process.pid}/environ", "rb") as environment:  # noqa: PTH123
            assert b"secret" not in environment.read()
    finally:
        child.kill()


def test_many_files_are_read_by_one_process_at_a_time_and_leave_no_process_behind():
    before = len(reader_process._idle)
    threads = [threading.Thread(target=read_book, args=(SIMPLE, Wording(), LIMITS)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reader_process._idle) <= max(before, reader_process._KEPT)


def test_a_process_is_started_before_there_is_a_file_and_reads_it():
    reader_process.end_idle()
    reader_process.start_ahead()
    (waiting,) = reader_process._idle
    reader_process.start_ahead()
    assert reader_process._idle == [waiting], "one is enough"
    assert read_book(SIMPLE, Wording(), Limits.of_settings()).grids
    assert reader_process._idle == [waiting]


def test_who_has_read_its_last_file_ends_the_processes_that_wait_and_can_read_again():
    read_book(SIMPLE, Wording(), LIMITS)
    waiting = list(reader_process._idle)
    assert waiting
    reader_process.end_idle()
    assert not reader_process._idle
    assert all(child.process.returncode is not None for child in waiting)
    assert read_book(SIMPLE, Wording(), LIMITS).grids


def test_a_process_with_very_many_open_files_reads_one_more():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_048), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    while reader_process._idle:  # so that the pipes to the reader have high numbers, too
        reader_process._idle.pop().kill()
    try:
        assert read_book(SIMPLE, Wording(), LIMITS).grids
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_cells_on_the_wire_are_those_that_were_read():
    def spoil(book, pages):
        pages["S"].write_formula(2, 1, "=1/0", None, "#DIV/0!")
        pages["S"].merge_range(3, 0, 4, 0, "M")

    book = read_book(workbook({"S": [("sku", "count"), ("A", True), ("B", 2)]}, spoil), Wording(), LIMITS)
    (grid,) = book.grids
    assert grid.texts(2) == ["B", "#DIV/0!"]
    assert grid.kinds[1].tolist()[:3] == [Cell.TEXT, Cell.BOOLEAN, Cell.ERROR]
    assert [(span.first_row, span.last_row) for span in grid.merged] == [(4, 5)]
