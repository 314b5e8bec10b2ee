"""What a command needs before it can begin: settings, the database, and the article a person means.

What belongs here: opening and looking up. What does not: printing, and what commands do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from syncstock_dagster.database import SyncStockDB
    from syncstock_dagster.settings import Settings


class Article(NamedTuple):
    """The one article that a word means."""

    inventory_id: int
    sku: str
    name: str | None


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigError: a variable has a value that cannot be used; it is named, its value is not.
    """
    from pydantic import ValidationError

    from syncstock_dagster.settings import get_settings
    from syncstock_dagster.stock.policy import ConfigError

    try:
        return get_settings()
    except ValidationError as error:
        what = [
            f"{_variable(str(wrong['loc'][0]) if wrong['loc'] else '')}: {wrong['msg']}"
            for wrong in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError("\n".join(what)) from None


def open_db() -> SyncStockDB:
    """The database of this installation; the embedded one is made and started where it does not run."""
    from syncstock_dagster.cli.output import working

    settings = read_settings()
    _send_log_to_stderr(settings.log_format == "json")
    with working("Opening the database ..."):
        from syncstock_dagster.database import SyncStockDB

        return SyncStockDB()


def operating_system_user() -> str:
    """Who acts: without a login it is the account of this process, and a command says so."""
    from syncstock_dagster.operations.log import operating_system_user

    return operating_system_user()


def find_article(db: SyncStockDB, word: str) -> Article:
    """The article that a person names by SKU, id or another code.

    Raises:
        BadInput: there is none, or there are several.
    """
    from syncstock_dagster.stock.evidence import BadInput

    found = [
        Article(int(row["inventory_id"]), row["sku"], row["name"])
        for row in db.find_article(word).to_dict("records")
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadInput(f"There is no article {word!r}. `syncstock products` lists them.")
    candidates = "".join(
        f"\n  {article.sku!r} (inventory_id {article.inventory_id}){f'  {article.name}' if article.name else ''}"
        for article in found
    )
    raise BadInput(f"{word!r} may mean {len(found)} articles; name one of them exactly:{candidates}")


def find_location(db: SyncStockDB, code: str | None) -> str | None:
    """A location's code, which must exist: a mistyped one would look like an empty shelf.

    Raises:
        BadInput: there is no such location.
    """
    from syncstock_dagster.stock.evidence import BadInput

    known = zones(db)
    if code is not None and code not in known:
        raise BadInput(f"There is no location {code!r}; there are {', '.join(map(repr, sorted(known)))}.")
    return code


def zones(db: SyncStockDB) -> dict[str, ZoneInfo]:
    """The zone of each location."""
    from zoneinfo import ZoneInfo

    return {row["code"]: ZoneInfo(row["timezone"]) for row in db.locations().to_dict("records")}


def instant(option: str, text: str | None) -> datetime | None:
    """An instant with a zone, as ``2026-03-01T18:00:00Z``, out of an option."""
    if text is None:
        return None
    moment = _parsed(datetime.fromisoformat, option, text)
    if moment.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} has no zone: write it with Z or an offset, as 2026-03-01T18:00:00+01:00.",
            param_hint=option,
        )
    return moment


def instant_or_day(option: str, text: str | None) -> datetime | date | None:
    """A day (its end), an instant, or a local time without zone, out of an option."""
    if text is None:
        return None
    if len(text) <= len("2026-03-01"):
        return day(option, text)
    return _parsed(datetime.fromisoformat, option, text)


def day(option: str, text: str) -> date:
    """A day out of an option."""
    return _parsed(date.fromisoformat, option, text)


def _parsed(parse: Callable[[str], Any], option: str, text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no date or time; write 2026-03-01, or 2026-03-01T18:00:00Z.", param_hint=option
        ) from None


def _variable(field: str) -> str:
    """The environment variable of a setting, by which a person knows it."""
    return field if field.isupper() else f"SYNCSTOCK_{'CONFIG' if field == 'config_file' else field.upper()}"


def _send_log_to_stderr(as_json: bool) -> None:
    """Standard output belongs to results; libraries that log (retries do) would write there."""
    import logging

    import structlog

    common: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        common.append(structlog.processors.format_exc_info)
    line: Any = structlog.processors.JSONRenderer()
    if not as_json:
        # The default shows the values of variables, which may be secrets.
        plain = structlog.dev.plain_traceback
        line = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)
    # Looked up for each line: whoever runs a command inside of a program may have replaced it, and put it back since.
    structlog.configure(
        processors=[*common, line], logger_factory=lambda *_: structlog.PrintLogger(file=sys.stderr)
    )
    if logging.lastResort is not None:  # where the standard library's records go when nobody set anything up
        meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        logging.lastResort.setFormatter(
            structlog.stdlib.ProcessorFormatter(foreign_pre_chain=common, processors=[meta, line])
        )
