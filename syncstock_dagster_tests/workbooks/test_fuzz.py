"""Files with random damage are loaded correctly or refused with a reason; there is no third way.

The oracle of a workbook is the undamaged one: its parts carry checksums, so what loads must be what was there. The
oracle of a text file is a naive reading of the damaged text: each count must stand in one of its lines.
"""

from __future__ import annotations

import csv
import io
import os
import random
import zipfile

import pytest

from syncstock_dagster_tests.workbooks.builders import parse, workbook

SEED = int(os.environ.get("SYNCSTOCK_FUZZ_SEED", "7"))
LONG = bool(os.environ.get("SYNCSTOCK_PROVE"))
ROWS = [
    ("sku", "name", "room", "count"),
    *[(f"A{row}", f"Article {row}", "xyz"[row % 3], row * 3) for row in range(40)],
]
BOOK = workbook({"Cellar": ROWS, "Shop": [("sku", "count"), ("Z", 5), ("Y", 0.5)]})
TEXT = "Counted at: 2026-03-01;;\nsku;name;count\n" + "".join(
    f"A{row};Article {row};{row * 3}\n" for row in range(40)
)
JUNK = [
    "",
    "#N/A",
    "Total",
    "1,234",
    "1.5",
    ";",
    '"',
    "\x00",
    "sku",
    "count",
    "TRUE",
    "=1+1",
    "٣",
    "12 box",
    "-",
    "é",
    "\n",
    "🙂",
]


def counted(parsed):
    return [(row["sku"], row["room"], row["quantity"]) for row in parsed.evidence.counts.to_pylist()]


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, cut, doubled or moved."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data))
        how = draw.randrange(5)
        if how == 0:
            data[at] = draw.randrange(256)
        elif how == 1:
            del data[at : at + draw.randint(1, 200)]
        elif how == 2:
            data[at:at] = data[at : at + draw.randint(1, 100)]
        elif how == 3:
            data[at] ^= 1 << draw.randrange(8)
        else:
            data = data[:at]
        if not data:
            data = bytearray(b"P")
    return bytes(data)


def rebuilt(content: bytes, draw: random.Random) -> bytes:
    """A whole archive again, with one of its parts damaged, gone, or that of another."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        victim, other = draw.choice(names), draw.choice(names)
        how = draw.randrange(4)
        for name in names:
            part = old.read(name)
            if name == victim:
                if how == 0:
                    continue
                part = (damaged(part, draw), part[: draw.randrange(len(part) + 1)], old.read(other))[how - 1]
            new.writestr(name, part)
    return data.getvalue()


@pytest.mark.prove
def test_a_damaged_workbook_is_what_it_was_or_refused():
    print(f"SYNCSTOCK_FUZZ_SEED={SEED}")
    draw = random.Random(SEED)
    whole = set(counted(parse(BOOK, "counts/2026-03-01.xlsx", "counts")))
    assert len(whole) == 42
    loaded = 0
    for _ in range(3_000 if LONG else 120):
        content = damaged(BOOK, draw)
        parsed = parse(content, "counts/2026-03-01.xlsx", "counts")
        assert parsed.rejected or set(counted(parsed)) <= whole, content
        assert not parsed.rejected or parsed.errors
        loaded += not parsed.rejected
    print(f"{loaded} were loaded")


@pytest.mark.prove
def test_a_workbook_with_a_damaged_part_ends_no_process_but_its_own():
    """Its parts are whole for the archive, so cells may have changed; but nothing fails, and refusals have words."""
    print(f"SYNCSTOCK_FUZZ_SEED={SEED}")
    draw = random.Random(SEED)
    for _ in range(3_000 if LONG else 120):
        parsed = parse(rebuilt(BOOK, draw), "counts/2026-03-01.xlsx", "counts")
        assert all(error.expected and error.remedy for error in parsed.errors)
        assert parsed.errors if parsed.rejected else parsed.evidence.counts is not None


@pytest.mark.prove
def test_every_count_of_a_damaged_text_stands_in_one_of_its_lines():
    print(f"SYNCSTOCK_FUZZ_SEED={SEED}")
    draw = random.Random(SEED)
    for _ in range(5_000 if LONG else 400):
        lines = TEXT.split("\n")
        for _ in range(draw.randint(1, 6)):
            at = draw.randrange(len(lines))
            cells = lines[at].split(";")
            cells[draw.randrange(len(cells))] = draw.choice(JUNK)
            lines[at] = ";".join(cells)
            if draw.random() < 0.2:
                lines.insert(at, draw.choice(lines))
        text = "\n".join(lines)
        parsed = parse(text, "counts/2026-03-01.csv", "counts")
        assert not parsed.rejected or parsed.errors, text
        lines_read = [
            [cell.strip() for cell in cells]
            for line in text.replace("\x00", "").split("\n")
            for cells in csv.reader([line], delimiter=";")
        ]
        for sku, _, quantity in counted(parsed):
            assert any(
                sku.strip() in cells and any(alike(cell.replace(" ", ""), quantity) for cell in cells)
                for cells in lines_read
            ), (sku, quantity, text)


def alike(shown: str, quantity: str) -> bool:
    """Whether a text may stand for a quantity, read without any cleverness."""
    plain = shown.translate(str.maketrans("٣", "3"))
    return quantity in (plain, plain.replace(",", ""), plain.replace(",", "."), plain.removesuffix("box"))
