"""Accounts at other systems: addresses and secrets, from the environment or from files, and nowhere else.

What belongs here: what only the operator of one installation knows. What does not: what the shop decides about a
source (its table in ``syncstock.toml``).

Every secret can be given as a file (of a container's secrets, for instance): ``SYNCSTOCK_ZOHO_CLIENT_SECRET_FILE``
instead of ``SYNCSTOCK_ZOHO_CLIENT_SECRET``. Secrets are never shown.
"""

from __future__ import annotations

import os
import re
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
        shopify_shop: The shop at Shopify, ``my-shop.myshopify.com``.
        shopify_token: Its access token (``shpat_...``); or
        shopify_client_id: with
        shopify_client_secret: The right to ask for a token.
        shopify_url: Where the shop is reached, if not at ``https://`` and its name: a stand-in.
        shopify_version: The version of Shopify's Admin API.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    zoho_client_id: str | None = None
    zoho_client_secret: SecretStr | None = None
    zoho_refresh_token: SecretStr | None = None
    zoho_organization_id: str | None = None
    zoho_data_centre: DataCentre = "com"
    zoho_url: str | None = Field(default=None, repr=False)  # it may hold a password
    xorosoft_key: SecretStr | None = None
    xorosoft_secret: SecretStr | None = None
    xorosoft_url: str = Field(default="https://res.xorosoft.io/api/xerp/", repr=False)
    rms_url: SecretStr | None = None
    shopify_shop: str | None = None
    shopify_token: SecretStr | None = None
    shopify_client_id: str | None = None
    shopify_client_secret: SecretStr | None = None
    shopify_url: str | None = Field(default=None, repr=False)
    shopify_version: str = Field(default="2026-10", pattern=r"^20\d\d-(01|04|07|10)$")

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        told = dict(given)
        for name in cls.model_fields:
            if name not in told and (found := _from_file(f"{_PREFIX}{name.upper()}")):
                told[name] = found
        return told

    @property
    def has_shopify(self) -> bool:
        """Whether a shop is named, and a way in."""
        has_client = self.shopify_client_id is not None and self.shopify_client_secret is not None
        return self.shopify_shop is not None and (self.shopify_token is not None or has_client)

    @field_validator("shopify_shop")
    @classmethod
    def _is_shop(cls, shop: str | None) -> str | None:
        if shop is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]*\.myshopify\.com", shop):
            raise ValueError("must be the name of a shop, for example my-shop.myshopify.com")
        return shop

    @field_validator("zoho_url", "xorosoft_url", "shopify_url")
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


def read_secret(variable: str) -> str | None:
    """A secret of somebody else's name: from the environment, or from the file that ``<variable>_FILE`` names.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return os.environ.get(variable) or _from_file(variable)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _from_file(variable: str) -> str | None:
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{variable}_FILE names a file that cannot be read") from None


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
