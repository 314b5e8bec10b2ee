"""Care for an installation: ``audit``, ``rebuild``, ``db``, ``config``, ``bench``.

Define a command here when an operator needs it and a shop does not. Keep out the life cycle of the embedded server
itself (``store.embedded``).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from syncstock_dagster.cli import options, output
from syncstock_dagster.cli.errors import BAD_INPUT, FAILED
from syncstock_dagster.cli.session import open_db, read_settings

if TYPE_CHECKING:
    from syncstock_dagster.catalog.policy import AutoCommit

app = typer.Typer()
db_app = typer.Typer(no_args_is_help=True, help="The database: its schema and where it is.")
app.add_typer(db_app, name="db")


@app.command()
def audit(limit: options.Limit = 20, as_json: options.AsJson = False) -> None:
    """Check that every law holds.

    Every law that can be seen in stored data is a query; exit code 1 where a row breaks one.
    """
    db = open_db()
    with output.working("Checking every law ..."):
        offences = {law: output.records(rows) for law, rows in db.audit().items()}
    if as_json:
        output.print_json(offences)
    elif not offences:
        typer.echo("Every law holds.")
    else:
        for law, rows in offences.items():
            output.print_table(
                rows[: limit or None], output.columns(*rows[0]), title=f"{law}: {len(rows):,} rows"
            )
    raise typer.Exit(FAILED if offences else 0)


@app.command()
def rebuild(dry_run: options.DryRun = False, as_json: options.AsJson = False) -> None:
    """Recompute everything from the evidence.

    Caches are rewritten; the ledger is verified, and mended by new entries only.
    """
    db = open_db()
    with output.working("Recomputing everything from the evidence ..."):
        report = db.rebuild(dry_run=dry_run)
    if as_json:
        output.print_json({**asdict(report), "found_nothing": report.found_nothing})
    elif report.found_nothing:
        typer.echo("Everything was right.")
    else:
        output.print_facts(
            (f"{name.replace('_', ' ')} mended", number) for name, number in asdict(report).items()
        )
    if dry_run:
        output.say("Dry run: nothing was kept.")


@app.command()
def config(as_json: options.AsJson = False) -> None:
    """The settings and policies in effect.

    Passwords are masked. Rules and readers that are named must exist.
    """
    from syncstock_dagster.accounts import read_accounts
    from syncstock_dagster.catalog.policy import load_catalogue_policy, load_operations_policy
    from syncstock_dagster.channels.shopify.policy import load_shopify_policy
    from syncstock_dagster.sources.vendors import check
    from syncstock_dagster.stock.counting_policy import load_counting_policy
    from syncstock_dagster.stock.orders.policy import load_orders_policy
    from syncstock_dagster.stock.policy import load_policies, resolve_callable

    settings = read_settings()
    orders = load_orders_policy(settings.config_file)
    policies = load_policies(settings.config_file).named()
    catalogue = load_catalogue_policy(settings.config_file)
    operations = load_operations_policy(settings.config_file)
    counting = load_counting_policy(settings.config_file)
    shopify, accounts = load_shopify_policy(settings.config_file), read_accounts()
    for rule in catalogue.rules.values():
        resolve_callable(rule)
    told: dict[str, Any] = {
        "database_url": settings.shown_database_url,
        "config_file": settings.config_file and str(settings.config_file),
        "home": str(settings.home),
        "drop_folder": _without_password(settings.drop_folder),
        "timezone": settings.timezone,
        "search_url": settings.search_url and _without_password(settings.search_url),
        "search_embedding": settings.search_embedding,
        "log_format": settings.log_format,
        "dagster": f"http://{settings.dagster_host}:{settings.dagster_port}",
        "dagster_home": str(settings.home / "dagster"),
        "automation": settings.automation,
        "look_every_seconds": settings.look_every_seconds,
        "settle_seconds": settings.settle_seconds,
        "morning_sync": settings.morning_sync.isoformat(),
        "evening_report": settings.evening_report.isoformat(),
        "nightly_close": settings.nightly_close.isoformat(),
        "alert_addresses": len(settings.alert_urls.split()),
        **check(settings.config_file, accounts),
        "shopify": "configured"
        if accounts.has_shopify
        else "set SYNCSTOCK_SHOPIFY_SHOP, SYNCSTOCK_SHOPIFY_TOKEN",
    }
    for policy in policies.values():
        for name in (
            *policy.validation_rules,
            *policy.gate_rules,
            *([policy.reader] if policy.reader else []),
        ):
            resolve_callable(name)
    sources = {name: policy.model_dump(mode="json") for name, policy in policies.items()}
    if as_json:
        output.print_json(
            {
                "settings": told,
                "sources": sources,
                "catalogue": catalogue.model_dump(mode="json"),
                "operations": operations.model_dump(mode="json"),
                "counting": counting.model_dump(mode="json"),
                "orders": orders.model_dump(mode="json"),
                "shopify": shopify.model_dump(mode="json"),
            }
        )
        return
    output.print_facts(told.items())
    output.print_facts(
        [
            *((f"counting: {name}", value) for name, value in counting.model_dump(mode="json").items()),
            ("second person", ", ".join(operations.second_person) or "never needed"),
            (
                "events are kept",
                f"{operations.keep_events_days} days" if operations.keep_events_days else "for ever",
            ),
            ("trust", ", ".join(catalogue.trust)),
            ("orders sync after", f"{orders.sync_after_hours:g} h"),
            ("reservations hold", f"{orders.reserve_minutes:g} min"),
            *((f"conflicts of {name}", strategy) for name, strategy in catalogue.conflicts.items()),
            *(
                (f"auto commit of {name}", _in_words(one.auto_commit))
                for name, one in [*catalogue.sources.items(), ("catalogue files", catalogue.files)]
            ),
        ]
    )
    typer.echo()
    rows = [
        {
            **source,
            "source": name,
            "gate": policies[name].gate.told()["all"] if source["trust"] == "gated" else None,
            "rules": ", ".join([*source["validation_rules"], *source["gate_rules"]]),
        }
        for name, source in sources.items()
    ]
    wanted = (
        "source", "kind", "trust", "gate", "sheet", "unknown_sku", "on_change", "day_grain", "count_time", "bad_rows",
        "rules", "reader",
    )  # fmt: skip
    output.print_table(rows, output.columns(*wanted))
    own_limits = [
        {"source": name, "of": of, "limits": limits}
        for name, policy in policies.items()
        for of, limits in policy.gate.told().items()
        if of != "all" and policy.trust == "gated"
    ]
    if own_limits:
        typer.echo()
        output.print_table(own_limits, output.columns("source", "of", "limits"), title="Limits of their own")


def _in_words(auto: AutoCommit) -> str:
    if not auto.max_changes and not auto.max_additions:
        return "nothing"
    additions = "" if auto.max_additions is None else f", {auto.max_additions:f} additions"
    fields = "" if auto.fields is None else f", only of {', '.join(auto.fields)}"
    kinds = "".join(
        f", no {name} articles" for name, may in (("new", auto.creates), ("deleted", auto.deletes)) if not may
    )
    return f"up to {auto.max_changes:f} changes{additions}{fields}{kinds}"


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(ctx: typer.Context) -> None:
    """Run the benchmarks of the source checkout.

    All options go to them, for example --full.
    """
    import subprocess
    import sys
    from pathlib import Path

    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "benchmarks" / "__main__.py").is_file():
        output.say("Error: the benchmarks are in the source checkout, which this installation is not.")
        raise typer.Exit(BAD_INPUT)
    done = subprocess.run([sys.executable, "-m", "benchmarks", *ctx.args], cwd=checkout, check=False)
    raise typer.Exit(done.returncode)


@db_app.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date."""
    from syncstock_dagster.store import schema

    url = _server_url()
    before = schema.current_version(url)
    schema.upgrade(url)
    after = schema.current_version(url)
    typer.echo(f"The schema has version {after}{' already' if before == after else ''}.")


@db_app.command("sql")
def plain_sql() -> None:
    """Print the whole schema as plain SQL.

    For people who run migrations themselves.
    """
    from syncstock_dagster.store import schema

    typer.echo(schema.plain_sql())


@db_app.command("url")
def url() -> None:
    """Where the database answers.

    Passwords are masked. psql "$(syncstock db url)" opens the embedded one.
    """
    from syncstock_dagster.settings import without_secrets

    typer.echo(without_secrets(_server_url()))


@db_app.command("status")
def db_status(as_json: options.AsJson = False) -> None:
    """Whether the database runs. Starts nothing."""
    from syncstock_dagster.settings import without_secrets
    from syncstock_dagster.store import schema

    settings = read_settings()
    told: dict[str, Any]
    if settings.database_url is not None:
        told = {"server": "given", "state": "running", "url": settings.shown_database_url}
        address: str | None = settings.database_url
    else:
        from syncstock_dagster.store.embedded import EmbeddedServer

        server = EmbeddedServer(settings.home).status()
        told = {
            "server": "embedded",
            "state": server.state,
            "url": without_secrets(server.url),
            "version": server.version,
            "data_directory": str(server.data_directory),
            "account": server.account,
            "pid": server.pid,
            "log": str(server.log),
            "notes": list(server.notes),
        }
        address = server.url if server.state == "running" else None
    told |= {
        "schema_version": schema.current_version(address) if address else None,
        "schema_version_needed": schema.newest_version(),
    }
    if as_json:
        output.print_json(told)
        return
    notes = told.pop("notes", [])
    output.print_facts((name.replace("_", " "), value) for name, value in told.items())
    for note in notes:
        output.say(f"Note: {note}")


def _server_url() -> str:
    """The database server, started where it is the embedded one; its schema may be of any version."""
    settings = read_settings()
    if settings.database_url is not None:
        return settings.database_url
    from syncstock_dagster.store.embedded import EmbeddedServer

    with output.working("Opening the database ..."):
        return EmbeddedServer(settings.home).ensure_running()


def _without_password(folder: str) -> str:
    from syncstock_dagster.settings import without_secrets

    return without_secrets(folder) if "://" in folder else folder
