"""What a command says when it cannot do what it was asked, and the exit code that goes with it.

What belongs here: which errors are expected, and their words. What does not: raising them. An error that nobody
expected keeps its traceback.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

FAILED, BAD_INPUT, NEEDS_PERSON = 1, 2, 3


class Reporting(TyperGroup):
    """Ends every command below it with an exit code; expected errors are told in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = report(error)
            if code is None:
                raise
            raise typer.Exit(code) from None


def report(error: Exception) -> int | None:
    """Say on standard error what went wrong; the exit code, or None for an error that nobody expected."""
    # Imported only here: most commands end well.
    import psycopg

    from syncstock_dagster.channels.shopify.errors import ShopifyError
    from syncstock_dagster.cli.output import print_errors
    from syncstock_dagster.search.places import IndexUnusableError
    from syncstock_dagster.sources.protocol import SourceError
    from syncstock_dagster.stock.evidence import BadInput
    from syncstock_dagster.stock.policy import ConfigError
    from syncstock_dagster.store.embedded import EmbeddedServerError
    from syncstock_dagster.store.schema import SchemaError

    if isinstance(error, BadInput):
        # The message repeats the errors for those who see nothing else of it.
        _say(str(error).partition("\n")[0] if error.errors else str(error))
        print_errors(error.errors)
        return BAD_INPUT
    if isinstance(error, ConfigError):
        _say(str(error))
        return BAD_INPUT
    if isinstance(error, psycopg.errors.RestrictViolation | psycopg.errors.CheckViolation):
        _say(error.diag.message_primary or str(error))
        return BAD_INPUT
    if isinstance(error, EmbeddedServerError | SchemaError | IndexUnusableError | SourceError | ShopifyError):
        _say(str(error))
        return FAILED
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        _say(f"The database does not do its part: {error}")
        return FAILED
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:  # libpq cannot read the URL
        _say(f"The database URL cannot be used: {error}")
        return BAD_INPUT
    return None


def _say(message: str) -> None:
    typer.echo(f"Error: {_without_secrets(message.strip())}", err=True)


def _without_secrets(message: str) -> str:
    """A message as it may be shown: libpq quotes what it cannot read, passwords included."""
    from urllib.parse import unquote, urlsplit

    from syncstock_dagster.settings import get_settings

    try:
        url = get_settings().database_url
    except ValueError:
        return message
    if url is None:
        return message
    rest = url.partition("://")[2]
    message = message.replace(rest, "***")
    try:
        password = urlsplit(url).password
    except ValueError:
        password = rest.rpartition("@")[0].partition(":")[2] or None
    for secret in {password, unquote(password)} if password else ():
        message = message.replace(secret, "***")
    return message
