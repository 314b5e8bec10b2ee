"""Everything at once: ``up``, ``down``.

Define a command here when it starts or stops processes. Keep out how they live (``service``, ``store.embedded``).
"""

from __future__ import annotations

from typing import Annotated

import typer

from syncstock_dagster.cli import output
from syncstock_dagster.cli.errors import FAILED
from syncstock_dagster.cli.session import open_db, read_settings

app = typer.Typer()


@app.command()
def up(
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help="Show it on the made-up chain of shops; its folder is then the drop folder."
        ),
    ] = False,
) -> None:
    """Start everything, and stay until Ctrl-C.

    The database with its schema, Dagster's webserver and its daemon, with sensors and schedules. What Dagster knows is
    kept, so the next start goes on where this one ended. The database stays up until `syncstock down`.
    """
    from pathlib import Path

    from syncstock_dagster.service.home import HomeError
    from syncstock_dagster.service.processes import ServiceError
    from syncstock_dagster.service.up import run

    settings = read_settings()
    db = open_db()
    drop_folder: str | None = None
    days: tuple[str, ...] = ()
    if demo:
        from syncstock_dagster.cli.evidence import play_demo
        from syncstock_dagster.demo.run import business_days
        from syncstock_dagster.workbooks.reader_process import end_idle

        played = play_demo(db, settings)
        drop_folder, days = str(played), business_days(played)
        end_idle()  # from here on it is Dagster that reads
    try:
        run(settings, db.url, folder=Path.cwd(), drop_folder=drop_folder, days=days, say=typer.echo)
    except (ServiceError, HomeError) as error:
        output.say(f"Error: {error}")
        raise typer.Exit(FAILED) from None


@app.command()
def down() -> None:
    """Stop what `up` started, and the embedded database. The data stays, and the next command starts it again."""
    from syncstock_dagster.service.up import stop_running
    from syncstock_dagster.store.embedded import EmbeddedServer

    settings = read_settings()
    if not stop_running(settings):
        output.say("Error: `syncstock up` is still stopping; ask again.")
        raise typer.Exit(FAILED)
    server = EmbeddedServer(settings.home)
    if server.status().state in ("stopped", "stale"):
        typer.echo("The embedded database does not run.")
        return
    if not server.stop():
        output.say(
            "Error: the embedded database is still shutting down; ask again with `syncstock db status`."
        )
        raise typer.Exit(FAILED)
    typer.echo("The embedded database was stopped; its data stays.")
