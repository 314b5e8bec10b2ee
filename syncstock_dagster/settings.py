"""The settings of one installation: where the database, the files and the configuration are.

Put here what differs between two machines that run the same shop, each read from an environment variable with
the prefix ``SYNCSTOCK_``. Keep out what belongs to the shop itself: sources, gates and mappings stand in the
configuration file that ``config_file`` names; and accounts at other systems (``accounts``). This module is imported by
every command, so it imports little.
"""

from __future__ import annotations

from datetime import time
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

CONFIG_NAME = "syncstock.toml"

_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"})
_SECRET_PARAMETERS = frozenset({"password", "sslpassword"})


def nearest_config(start: Path) -> Path | None:
    """The ``syncstock.toml`` in `start` or in the closest folder above it, or None."""
    paths = (folder / CONFIG_NAME for folder in (start, *start.parents))
    return next((path for path in paths if path.is_file()), None)


def without_secrets(url: str) -> str:
    """The database URL `url` as it may stand in a log: passwords replaced by ``***``, all else kept."""
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    user, colon, _ = user_info.partition(":")
    query = [
        (name, "***" if name.lower() in _SECRET_PARAMETERS else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit(
        parts._replace(
            netloc=f"{user}{':***' if colon else ''}{at}{host}",
            query=urlencode(query, safe="/*", quote_via=quote),
        )
    )


def _existing_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be an IANA time zone such as Europe/London") from error
    return name


#: The name of an IANA zone that this machine knows.
ZoneName = Annotated[str, AfterValidator(_existing_zone)]


def _either(name: str) -> AliasChoices:
    """A setting by the name that other documents give it, with our prefix or without."""
    return AliasChoices(f"SYNCSTOCK_{name}", name)


class Settings(BaseSettings):
    """One installation's settings, validated when they are read.

    Built without arguments it reads the environment; arguments win over it, which is what tests use.

    Attributes:
        database_url: The PostgreSQL server to use (``postgresql://user:password@host/database``), or None for
            the embedded one. Never shown by ``repr``; log ``shown_database_url``.
        config_file: The shop's configuration file (``SYNCSTOCK_CONFIG``), None when there is none. By default
            the nearest ``syncstock.toml`` going up from the current folder.
        home: The folder of everything SyncStock keeps on this machine, absolute. By default ``.syncstock``
            beside the nearest ``syncstock.toml``, else ``~/.local/share/syncstock``.
        drop_folder: Where files arrive: a local folder (absolute here) or any fsspec URL. By default ``drop``
            in `home`.
        timezone: The IANA zone of the default location ``main``.
        search_url: A Chroma server for the search index (``http://host:8000``), or None for a folder in `home`.
        search_embedding: What turns texts into vectors, as ``package.module:function``, or None for what comes
            along.
        log_format: ``console`` for people, ``json`` for a log collector.
        dagster_database_url: Where Dagster keeps its own tables. By default the database ``syncstock_dagster`` of
            the embedded server, or one named like yours with ``_dagster`` behind it. Never shown by ``repr``.
        dagster_host: The address at which Dagster's webserver listens.
        dagster_port: Its port.
        automation: Whether sensors and schedules run from the start; a person may switch each of them in the UI.
        look_every_seconds: Between two looks into the drop folder, at most.
        settle_seconds: How long a file must lie unchanged before it is taken for complete.
        morning_sync: Local time of the morning's sync.
        evening_report: Local time of the report of what to change in Excel.
        nightly_close: Local time at which yesterday is closed.
        alert_urls: Where alerts go, as Apprise URLs with blanks between them; empty: into the log only. Never shown.
        reader_seconds: How long reading one file may take.
        reader_memory_mb: How much memory the process that reads a file may have.
        enable_reverse_stock_sync: Whether products that the main sync missed get their stock. This one and those that
            follow may also be given without the prefix.
        reverse_sync_delay_minutes: So long after the morning's sync.
        reverse_sync_delete_zero_stock: Whether variants without stock are planned to be deleted.
        reverse_sync_batch_size: How many products are worked on together.
        reverse_sync_preserve_single_variant: Whether the only variant of a product stays in any case.
        reverse_sync_max_concurrent: How many workers there are.
        headers: A file of further words for headers, in the form of ``workbooks/headers.toml``. By default
            ``headers.toml`` beside the configuration file, where there is one.

    Raises:
        pydantic.ValidationError: A value is not usable; the message names the variable and never its value.
    """

    model_config = SettingsConfigDict(
        env_prefix="SYNCSTOCK_",
        # `SYNCSTOCK_DATABASE_URL=` in a shell or a compose file means "not set".
        env_ignore_empty=True,
        frozen=True,
        populate_by_name=True,
        # A mistyped URL must not carry its password into a traceback.
        hide_input_in_errors=True,
    )

    database_url: str | None = Field(default=None, repr=False)
    config_file: Path | None = Field(
        default_factory=lambda: nearest_config(Path.cwd()), validation_alias="SYNCSTOCK_CONFIG"
    )
    home: Path = Field(default_factory=lambda: _default_home(Path.cwd()))
    drop_folder: str = ""
    timezone: ZoneName = "UTC"
    search_url: str | None = Field(default=None, repr=False)
    search_embedding: str | None = None
    log_format: Literal["console", "json"] = "console"
    dagster_database_url: str | None = Field(default=None, repr=False)
    dagster_host: str = "127.0.0.1"
    dagster_port: int = Field(default=3000, ge=1, le=65535)
    automation: bool = True
    look_every_seconds: int = Field(default=30, ge=5, le=3600)
    settle_seconds: float = Field(default=5.0, ge=0.1, le=30.0)
    morning_sync: time = time(9)
    evening_report: time = time(17)
    nightly_close: time = time(2)
    alert_urls: str = Field(default="", repr=False)
    reader_seconds: float = Field(default=30, gt=0, le=3600)
    reader_memory_mb: int = Field(default=512, ge=128)
    headers: Path | None = None
    enable_reverse_stock_sync: bool = Field(
        default=True, validation_alias=_either("ENABLE_REVERSE_STOCK_SYNC")
    )
    reverse_sync_delay_minutes: int = Field(
        default=5, ge=0, le=720, validation_alias=_either("REVERSE_SYNC_DELAY_MINUTES")
    )
    reverse_sync_delete_zero_stock: bool = Field(
        default=True, validation_alias=_either("REVERSE_SYNC_DELETE_ZERO_STOCK")
    )
    reverse_sync_batch_size: int = Field(
        default=50, ge=1, le=250, validation_alias=_either("REVERSE_SYNC_BATCH_SIZE")
    )
    reverse_sync_preserve_single_variant: bool = Field(
        default=True, validation_alias=_either("REVERSE_SYNC_PRESERVE_SINGLE_VARIANT")
    )
    reverse_sync_max_concurrent: int = Field(
        default=10, ge=1, le=50, validation_alias=_either("REVERSE_SYNC_MAX_CONCURRENT")
    )

    @property
    def shown_database_url(self) -> str:
        """The database as it may be shown and logged: without passwords, or ``embedded``."""
        return without_secrets(self.database_url) if self.database_url else "embedded"

    @field_validator("database_url", "dagster_database_url")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        if url is not None and url.partition("://")[0] not in _SCHEMES:
            raise ValueError("must begin with postgresql:// (for example postgresql://user@host/database)")
        return url

    @field_validator("search_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("must be the address of a Chroma server, for example http://localhost:8000")
        return url

    @field_validator("config_file")
    @classmethod
    def _config_exists(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        path = path.expanduser().absolute()
        if not path.is_file():
            raise ValueError("names a file that does not exist; unset it to use the nearest syncstock.toml")
        return path

    @property
    def words_file(self) -> str | None:
        """The file of further words, if there is one."""
        if self.headers is not None:
            return str(self.headers)
        beside = self.config_file.with_name("headers.toml") if self.config_file else None
        return str(beside) if beside and beside.is_file() else None

    @field_validator("headers")
    @classmethod
    def _headers_exist(cls, path: Path | None) -> Path | None:
        if path is not None and not path.expanduser().is_file():
            raise ValueError("names a file that does not exist")
        return path.expanduser().absolute() if path else None

    @field_validator("home")
    @classmethod
    def _home_is_absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @model_validator(mode="after")
    def _drop_folder_is_absolute(self) -> Self:
        folder = self.drop_folder
        if not folder:
            folder = str(self.home / "drop")
        elif "://" not in folder:
            folder = str(Path(folder).expanduser().absolute())
        # The object is frozen for its users; here it is still being made.
        object.__setattr__(self, "drop_folder", folder)
        return self


def _default_home(start: Path) -> Path:
    config = nearest_config(start)
    return config.parent / ".syncstock" if config else Path.home() / ".local" / "share" / "syncstock"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once; after ``get_settings.cache_clear()`` they are read again."""
    return Settings()
