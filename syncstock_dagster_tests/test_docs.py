"""The documents say what is: their examples run, and what they name exists.

What belongs here: README, CHANGELOG and docs/ held against the code. What does not: whether the code is right.
"""

from __future__ import annotations

import doctest
import importlib.util
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.accounts import Accounts
from syncstock_dagster.settings import Settings
from syncstock_dagster.stock.counting_policy import CountingPolicy, load_counting_policy
from syncstock_dagster.stock.policy import load_policies
from syncstock_dagster_tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "syncstock_dagster"
SQL = PACKAGE / "store" / "sql"
MIGRATIONS = PACKAGE / "store" / "migrations" / "versions"

README = REPOSITORY / "README.md"
LAWS = REPOSITORY / "docs" / "laws.md"
DATA_MODEL = REPOSITORY / "docs" / "data-model.md"
OPERATING = REPOSITORY / "docs" / "operating.md"
RECORD = REPOSITORY / "docs" / "record.md"
COUNTING = REPOSITORY / "docs" / "counting.md"
DAILY_WORK = REPOSITORY / "docs" / "daily-work.md"
RECONCILIATION = REPOSITORY / "docs" / "reconciliation.md"
#: Those whose examples run and whose commands exist.
SOURCES, SHOPIFY = (REPOSITORY / "docs" / name for name in ("sources.md", "shopify.md"))
TOLD = (README, LAWS, DATA_MODEL, OPERATING, RECORD, RECONCILIATION, DAILY_WORK, COUNTING)
DOCUMENTS = sorted({README, REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "docs").glob("*.md")})

#: The server of the examples; the tests' own takes its place.
ANY_URL = '"postgresql://user:pass@localhost:5432/dbname"'


class Block(NamedTuple):
    """A fenced block of a document, or several that tell one story."""

    document: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document.stem}-{self.line}"


def blocks(language: str, *documents: Path) -> Iterator[Block]:
    """The fenced blocks of a language."""
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            yield Block(document, text[: match.start()].count("\n") + 1, match[1])


def stories(*documents: Path) -> Iterator[Block]:
    """The Python blocks under one heading, one after the other."""
    for document in documents:
        lines = document.read_text(encoding="utf-8").splitlines()
        for _, told in groupby(
            blocks("python", document),
            key=lambda block: max(n for n in range(block.line) if re.match("#{2,} ", lines[n])),
        ):
            first, *others = told
            yield first._replace(text="".join([first.text, *(other.text for other in others)]))


def prose(document: Path) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def code_words(document: Path) -> set[str]:
    """Everything that the prose of a document sets as code."""
    return set(re.findall(r"`([^`\n]+)`", prose(document)))


def schema_text() -> str:
    """The SQL of all migrations."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.rglob("*.sql")))


# -------------------------------------------------------------------- examples


@pytest.mark.parametrize("block", list(stories(*TOLD)), ids=str)
def test_every_python_example_runs_and_prints_what_it_says(block: Block, db: SyncStockDB) -> None:
    """On an empty database named ``db``; the audit is empty afterwards."""
    source = block.text.replace(ANY_URL, repr(db.url))
    names: dict[str, Any] = {"db": db}
    if ">>>" in source:
        example = doctest.DocTestParser().get_doctest(
            source, names, str(block), block.document.name, block.line
        )
        told: list[str] = []
        flags = doctest.NORMALIZE_WHITESPACE | doctest.FAIL_FAST
        results = doctest.DocTestRunner(optionflags=flags).run(example, out=told.append)
        assert results.failed == 0, "".join(told)
        assert results.attempted
    else:
        exec(compile(source, str(block), "exec"), names)  # noqa: S102 - the example of the documentation
    assert db.audit() == {}


def test_the_table_of_the_readme_says_what_its_example_says() -> None:
    """Stock after each line of the Monday, and the shelf at the end."""
    rows = re.findall(
        r"^\| \d\d:00 \|.*\| \**(\d+)\** \| \**(\d+)\** \| \**(\d+)\** \|$", prose(README), re.MULTILINE
    )
    (example,) = (
        block for block in blocks("python", README) if "run_sync(" in block.text and ">>>" in block.text
    )
    assert [row[2] for row in rows] == re.findall(r"stock\(\)\n(\d+)$", example.text, re.MULTILINE)
    assert rows[-1][0] == rows[-1][2] != rows[-1][1]


@pytest.mark.parametrize("block", list(blocks("sql", DATA_MODEL)), ids=str)
def test_every_question_for_psql_runs(block: Block, db: SyncStockDB) -> None:
    """As it is written, from any search path."""
    with psycopg.connect(db.url) as connection:
        for question in filter(str.strip, block.text.split(";\n")):
            assert connection.execute(question.encode()).description


@pytest.mark.parametrize("block", list(blocks("toml", README, RECONCILIATION)), ids=str)
def test_every_configuration_example_is_valid(block: Block, tmp_path: Path) -> None:
    """It is read, and it names at least one source."""
    path = tmp_path / "syncstock.toml"
    path.write_text(block.text, encoding="utf-8")
    assert load_policies(path).sources


@pytest.mark.parametrize("block", list(blocks("toml", COUNTING)), ids=str)
def test_every_example_of_counting_is_valid(block: Block, tmp_path: Path) -> None:
    """It is read, and it says something else than the defaults."""
    path = tmp_path / "syncstock.toml"
    path.write_text(block.text, encoding="utf-8")
    assert load_counting_policy(path) != CountingPolicy()


# -------------------------------------------------------------------- names


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    """Files exist, headings exist, and a link that shows a path shows the one it leads to."""
    for shown, target in re.findall(r"\[([^\]]+)\]\(([^)\s]+)\)", prose(document)):
        if "://" in target:
            continue
        place, _, anchor = target.partition("#")
        path = (document.parent / place).resolve() if place else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target
        if shown.startswith("`"):
            assert path.as_posix().endswith(shown.strip("`")), (shown, target)


def names_of_tests() -> set[str]:
    names: set[str] = set()
    for path in Path(__file__).parent.rglob("test_*.py"):
        names |= {path.name, *re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)}
    return names


def sections() -> Iterator[tuple[int, str]]:
    """Each law's number and text in docs/laws.md."""
    _, *parts = re.split(r"^## L(\d+) ", LAWS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return zip(map(int, parts[::2]), parts[1::2], strict=True)


def test_every_law_is_there_with_its_reason_its_code_and_its_proof() -> None:
    """Twelve laws; each names tests that exist."""
    laws = dict(sections())
    assert list(laws) == list(range(1, 13))
    for number, text in laws.items():
        for part in ("**Law.**", "**Why.**", "**How.**", "**Proof.**", "Audit: `L"):
            assert part in text, (number, part)
        assert re.search(rf"`test_L{number}_\w+`", text), number


def test_every_test_that_the_laws_name_exists() -> None:
    """A renamed test is renamed in the document."""
    named = {word for word in code_words(LAWS) if re.fullmatch(r"test_\w+(\.py)?", word)}
    assert named <= names_of_tests()


def test_every_audit_query_stands_with_its_law() -> None:
    """None is missing from the document, and none that is named is missing from the code."""
    audits = {path.stem for path in (SQL / "audit").glob("*.sql")}
    named = {(number, name) for number, text in sections() for name in re.findall(r"`(L\d\d_\w+)`", text)}
    assert {name for _, name in named} == audits
    assert all(int(name[1:3]) == number for number, name in named)


def test_every_table_view_and_state_is_in_the_data_model() -> None:
    """Whatever a migration makes, and every value of every enumeration, is explained by name."""
    words = code_words(DATA_MODEL)
    schema = schema_text()
    made = set(re.findall(r"^create (?:table|view) (\w+)", schema, re.MULTILINE))
    assert made - words == set()
    listed = re.findall(r"^create type \w+ as enum\s*\(([^)]+)\)", schema, re.MULTILINE)
    values = {value for values in listed for value in re.findall(r"'(\w+)'", values)}
    assert values - words == set()


def test_every_function_of_the_schema_is_in_the_data_model() -> None:
    """Triggers' functions aside: nobody calls them."""
    functions = re.findall(
        r"^create function (\w+)\([^)]*\)\s*(returns trigger)?", schema_text(), re.MULTILINE
    )
    words = {word.partition("(")[0] for word in code_words(DATA_MODEL) if "(" in word}
    words |= {word.partition("(")[0] for joined in code_words(DATA_MODEL) for word in joined.split(", ")}
    assert {name for name, is_trigger in functions if not is_trigger} - words == set()


def test_the_steps_of_a_posting_are_those_of_the_code() -> None:
    """Every statement of a posting is in the table of steps, and every one in the table exists."""
    text = DATA_MODEL.read_text(encoding="utf-8")
    table = text.partition("## What a posting does")[2].partition("\n## ")[0]
    cells = [
        row.split("|")[2] for row in table.splitlines() if row.startswith("|") and "Statements" not in row
    ]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {path.stem for path in (SQL / "posting").glob("*.sql")}


def test_the_settings_of_the_readme_are_those_of_the_code() -> None:
    """Every setting is in the table under the name of its variable, and nothing else is."""
    named = set(re.findall(r"^\| `(SYNCSTOCK_\w+)` \|", prose(README), re.MULTILINE))
    fields = Settings.model_fields.items()
    # Some have the name that other documents give them as well; ours comes first.
    names = {
        name: getattr(field.validation_alias, "choices", [field.validation_alias])[0]
        for name, field in fields
    }
    assert named == {alias or f"SYNCSTOCK_{name.upper()}" for name, alias in names.items()}


def test_the_accounts_of_the_docs_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (`SYNCSTOCK_.*?) \|", prose(SOURCES), re.MULTILINE)
    named = set(re.findall(r"`(SYNCSTOCK_\w+)`", "\n".join(rows)))
    assert named == {f"SYNCSTOCK_{name.upper()}" for name in Accounts.model_fields}


@pytest.mark.parametrize("document", [*TOLD, SOURCES, SHOPIFY], ids=lambda path: path.name)
def test_every_command_that_is_named_exists(document: Path) -> None:
    """``syncstock <command>`` in code is a command of the Typer app, and its options are that command's."""
    if importlib.util.find_spec("syncstock_dagster.cli") is None:
        pytest.skip("there is no command line yet")
    from typer.main import get_command

    from syncstock_dagster.cli import app

    for words in re.findall(r"`syncstock\s([^`]+)`", prose(document)):
        command = get_command(app)
        for word in words.split():
            commands = getattr(command, "commands", None)
            if not commands:
                break
            assert word in commands, words
            command = commands[word]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words.split() if word.startswith("--")} - options == set(), words


def test_every_target_of_make_that_is_named_exists() -> None:
    """``make <target>`` in the documents is a target of the Makefile."""
    targets = set(
        re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named
    assert named <= targets
