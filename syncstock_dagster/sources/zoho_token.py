"""Zoho's access token: one for all processes, kept in PostgreSQL and refreshed under its row's lock.

What belongs here: getting a token. What does not: using it (``sources.zoho``), and trying again
(``sources.vendor_http``).

Zoho gives out ten tokens in ten minutes for one refresh token, so nobody refreshes what somebody else has just
refreshed. The token is never logged and never part of an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_args
from urllib.parse import urlsplit

import httpx

from syncstock_dagster.accounts import Accounts, DataCentre
from syncstock_dagster.sources.clock import Clock
from syncstock_dagster.sources.protocol import PausedError, RefusedError
from syncstock_dagster.sources.vendor_http import PassingError, json_of, retry_after
from syncstock_dagster.store.connection import connect

#: Of ten; the last one is for whoever stands in front of it.
_MOST = 9
_WINDOW = timedelta(minutes=10)
#: What Zoho calls it when somebody else has taken all ten.
_TOO_MANY = "access denied"
#: A token is not used for its last minute.
_MARGIN = timedelta(minutes=1)

_DOORS = frozenset(f"www.zohoapis.{centre}" for centre in get_args(DataCentre))

_TAKE = (
    "select access_token, api_url, expires_at, refreshed_at, coalesce(%(now)s, clock_timestamp()) "
    "from vendor_tokens where account = %(account)s for update"
)
_KEEP = (
    "update vendor_tokens set access_token = %(token)s, api_url = %(api_url)s, expires_at = %(expires_at)s, "
    "refreshed_at = array(select t from unnest(refreshed_at || %(now)s) as t "
    "where t > %(now)s - interval '10 minutes') where account = %(account)s"
)


@dataclass(frozen=True, slots=True)
class Token:
    """What opens the door, and where the door is."""

    text: str = field(repr=False)
    api_url: str


class Tokens:
    """The token of one account."""

    def __init__(
        self,
        url: str,
        account: str,
        accounts: Accounts,
        http: httpx.Client,
        clock: Clock,
        server: str,
        api: str,
    ) -> None:
        self._url, self._account, self._accounts, self._http, self._clock = (
            url,
            account,
            accounts,
            http,
            clock,
        )
        self._server, self._api = server, api

    def get(self, stale: str | None = None) -> Token:
        """A token that is valid by its date, and is not ``stale``.

        Raises:
            PassingError, PausedError, RefusedError: Zoho gives none.
        """
        values: dict[str, Any] = {"account": self._account, "now": self._clock.database_time}
        with connect(self._url) as connection:
            connection.execute(
                "insert into vendor_tokens (account) values (%s) on conflict do nothing", (self._account,)
            )
            with connection.transaction():
                row = connection.execute(_TAKE, values).fetchone()
                assert row is not None, "the account has its row"
                text, api_url, expires_at, refreshed_at, now = row
                if text is not None and text != stale and expires_at > now + _MARGIN:
                    # A stand-in is where it is now, not where it was when it gave the token.
                    return Token(text, self._api if self._accounts.zoho_url else api_url)
                recent = [at for at in refreshed_at if at > now - _WINDOW]
                if len(recent) >= _MOST:
                    until = min(recent) + _WINDOW
                    raise PausedError(
                        f"Zoho gave out {len(recent)} tokens in ten minutes and gives ten; the next after "
                        f"{until:%H:%M} UTC.", until,
                    )  # fmt: skip
                token, lives = self._refreshed()
                kept = {"token": token.text, "api_url": token.api_url, "expires_at": now + lives, "now": now}
                connection.execute(_KEEP, {**values, **kept})
                return token

    def _refreshed(self) -> tuple[Token, timedelta]:
        secret, refresh = self._accounts.zoho_client_secret, self._accounts.zoho_refresh_token
        assert secret is not None and refresh is not None, "the source is configured"
        form = {
            "refresh_token": refresh.get_secret_value(),
            "client_id": self._accounts.zoho_client_id,
            "client_secret": secret.get_secret_value(),
            "grant_type": "refresh_token",
        }
        try:
            answer = self._http.post(f"{self._server}/oauth/v2/token", data=form)
        except httpx.RequestError as error:
            raise PassingError(f"its accounts server does not answer ({type(error).__name__})") from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise PassingError(f"HTTP {answer.status_code} from its accounts server", retry_after(answer))
        said = json_of(answer)
        token = said.get("access_token") if isinstance(said, dict) else None
        if not token:
            wrong = str(said.get("error", "no token"))[:100] if isinstance(said, dict) else "no token"
            if wrong.casefold() == _TOO_MANY:
                raise PassingError(
                    "it was asked for too many tokens; right credentials are answered so, too",
                    _WINDOW.total_seconds(),
                )
            raise RefusedError(
                f"Zoho gives no token: {wrong}. Check SYNCSTOCK_ZOHO_CLIENT_ID, ..._CLIENT_SECRET, "
                "..._REFRESH_TOKEN and ..._DATA_CENTRE."
            )
        lives = timedelta(seconds=int(said.get("expires_in") or 3600))
        return Token(str(token), self._door(said.get("api_domain"))), lives

    def _door(self, said: object) -> str:
        """Where the interface is: as Zoho says, if that is one of Zoho's own, else where it is by default."""
        host = urlsplit(str(said or "")).hostname or ""
        is_zohos = host in _DOORS or host.endswith(".zohocloud.ca")
        return f"https://{host}" if is_zohos and not self._accounts.zoho_url else self._api
