"""Alerts: something needs a person who is not looking.

What belongs here: sending a few words to the addresses that the settings name. What does not: deciding what is worth
an alert.
"""

from __future__ import annotations

import logging

from syncstock_dagster.settings import get_settings

_log = logging.getLogger(__name__)

#: Most services cut longer messages, or refuse them.
_LONGEST = 3_000


def alert(title: str, text: str) -> int:
    """Tell everybody whom ``SYNCSTOCK_ALERT_URLS`` names; returns how many could be told.

    Never raises: who is alerted about a failure must not be the cause of another one.
    """
    urls = get_settings().alert_urls.split()
    _log.warning("%s: %s", title, text)
    if not urls:
        return 0
    try:
        import apprise
    except ImportError:
        _log.exception("Alerts need the package apprise")
        return 0
    # It would log addresses that it cannot read, with the secrets in them.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    sent = 0
    for number, url in enumerate(urls, 1):
        try:
            told = apprise.Apprise(url)
            sent += bool(told and told.notify(title=title, body=text[:_LONGEST]))
        except Exception:
            # The address itself may hold a secret.
            _log.exception("Alert address %d cannot be used", number)
    if sent < len(urls):
        _log.error("%d of %d alert addresses did not take the alert", len(urls) - sent, len(urls))
    return sent
