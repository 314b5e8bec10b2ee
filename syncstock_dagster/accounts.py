"""Accounts at other systems: addresses and secrets, from the environment or from files, and nowhere else.

What belongs here: what only the operator of one installation knows. What does not: what the shop decides about a
source (its table in ``syncstock.toml``).

Every secret can be given as a file (of a container's secrets, for instance): ``SYNCSTOCK_ZOHO_CLIENT_SECRET_FILE``
instead of ``SYNCSTOCK_ZOHO_CLIENT_SECRET``. Secrets are never shown.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from syncstock_dagster.stock.policy import ConfigError

DataCentre = Literal["com", "eu", "in", "com.au", "jp", "com.cn", "sa", "uk", "ca"]

_PREFIX = "SYNCSTOCK_"
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


class Accounts(BaseSettings):
    """The accounts of one installation. What is not set is None, and its source is then not configured.

    Attributes:
        zoho_client_id: Of the client registered with Zoho.
        zoho_client_secret: Its secret.
        zoho_refresh_token: Granted once by a person for the scope of items.
        zoho_organization_id: Whose items.
        zoho_data_centre: Where the account lives: com, eu, in, com.au, jp, com.cn, sa, uk or ca.
        zoho_url: Another address than Zoho's own, for a stand-in.
        xorosoft_key: The user of Xorosoft's interface.
        xorosoft_secret: Its password.
        xorosoft_url: The address of its interface.
        rms_url: The SQLAlchemy URL of the database of RMS; a read-only user is enough.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    zoho_client_id: str | None = None
    zoho_client_secret: SecretStr | None = None
    zoho_refresh_token: SecretStr | None = None
    zoho_organization_id: str | None = None
    zoho_data_centre: DataCentre = "com"
    zoho_url: str | None = None
    xorosoft_key: SecretStr | None = None
    xorosoft_secret: SecretStr | None = None
    xorosoft_url: str = Field(default="https://res.xorosoft.io/api/xerp/")
    rms_url: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        told = dict(given)
        for name in cls.model_fields:
            path = os.environ.get(f"{_PREFIX}{name.upper()}_FILE")
            if not path or name in told:
                continue
            try:
                told[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise ValueError(f"{_PREFIX}{name.upper()}_FILE names a file that cannot be read") from None
        return told

    @field_validator("zoho_url", "xorosoft_url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        """Secrets go there: encrypted, or not beyond this machine."""
        parts = urlsplit(url or "")
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
        if url is not None and not (is_safe and parts.hostname):
            raise ValueError("must begin with https:// (http:// only for this machine)")
        return url

    def missing(self, *names: str) -> list[str]:
        """The variables among ``names`` that are not set."""
        return [f"{_PREFIX}{name.upper()}" for name in names if getattr(self, name) is None]


def read_accounts() -> Accounts:
    """The accounts of this installation.

    Raises:
        ConfigError: a variable has a value that cannot be used; it is named, its value is not.
    """
    try:
        return Accounts()
    except ValidationError as error:
        what = [
            f"{_PREFIX}{str(wrong['loc'][0]).upper()}: {wrong['msg']}" if wrong["loc"] else wrong["msg"]
            for wrong in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError("\n".join(what)) from None
