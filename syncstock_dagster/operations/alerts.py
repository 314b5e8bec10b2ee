"""Alerts: something needs a person who is not looking.

What belongs here: sending a few words to the addresses that the settings name, and remembering what was told, so that
nobody is told the same twice. What does not: deciding what is worth an alert.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncstock_dagster.settings import get_settings
from syncstock_dagster.store.connection import connect
from syncstock_dagster.store.statements import statement

_log = logging.getLogger(__name__)

#: Most services cut longer messages, or refuse them.
_LONGEST = 3_000

#: From the most urgent on, with how they are headed.
TIERS = {
    "critical": "Critical",
    "refused": "Not taken in",
    "alert": "Held or doubtful",
    "unknown": "Unknown code",
    "review": "To review",
    "info": "Report",
}
#: Lines of one tier in a message; more are only counted.
_MOST_LINES = 15


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that people should know, once: ``fact`` is its identity, ``tier`` one of ``TIERS``."""

    fact: str
    tier: str
    told: str


def alert(title: str, text: str) -> int:
    """Tell everybody whom ``SYNCSTOCK_ALERT_URLS`` names; returns how many could be told.

    Never raises: who is alerted about a failure must not be the cause of another one.
    """
    urls = get_settings().alert_urls.split()
    _log.warning("%s: %s", title, text)
    sent = sum(_send(number, url, title, text) for number, url in enumerate(urls, 1))
    if sent < len(urls):
        _log.error("%d of %d alert addresses did not take the alert", len(urls) - sent, len(urls))
    return sent


def tell_once(
    url: str, facts: Sequence[Fact], *, more: Callable[[], str] = str, attached: Sequence[Path] = ()
) -> int:
    """Tell each address, in one message, those of the facts that it was not told yet; how many addresses took one.

    What is told is remembered once the address has taken it, so what fails is told again with the next message; an
    address that took a message whose record was lost hears it twice, never not at all. Without addresses nothing is
    sent and nothing remembered. Never raises: whatever goes wrong here is logged, and the work goes on.

    Args:
        url: the database, which remembers.
        facts: what is so now.
        more: what stands below the facts; only called where something is told.
        attached: files for services that take them.
    """
    addresses = get_settings().alert_urls.split()
    if not addresses or not facts:
        return 0
    try:
        return sum(
            _tell(url, number, address, facts, more, attached) for number, address in enumerate(addresses, 1)
        )
    except Exception:
        _log.exception("Alerts could not be told")
        return 0


def message(facts: Sequence[Fact], more: str = "") -> tuple[str, str]:
    """Title and text of one message about facts, the most urgent first."""
    parts, counted = [], []
    for tier, heading in TIERS.items():
        of_tier = [fact.told for fact in facts if fact.tier == tier]
        if not of_tier:
            continue
        counted.append(f"{len(of_tier)} {heading.lower()}")
        lines = [f"- {told}" for told in of_tier[:_MOST_LINES]]
        if len(of_tier) > _MOST_LINES:
            lines.append(f"- and {len(of_tier) - _MOST_LINES} more")
        parts.append("\n".join([f"{heading} ({len(of_tier)})", *lines]))
    return f"SyncStock: {', '.join(counted)}", "\n\n".join([*parts, *([more] if more else [])])


def _tell(
    url: str,
    number: int,
    address: str,
    facts: Sequence[Fact],
    more: Callable[[], str],
    attached: Sequence[Path],
) -> bool:
    digest = hashlib.sha256(address.encode()).hexdigest()[:32]
    with connect(url) as connection, connection.transaction():
        # One at a time for an address: two runs that end together tell one of them.
        connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"syncstock alerts {digest}",)
        )
        known = connection.execute(
            "select fact from alerts where address = %s and fact = any(%s)",
            (digest, [fact.fact for fact in facts]),
        )
        told = {fact for (fact,) in known}
        fresh = list({fact.fact: fact for fact in facts if fact.fact not in told}.values())
        if not fresh:
            return False
        title, text = message(fresh, more())
        if not _send(number, address, title, text, attached):
            _log.error("Alert address %d did not take the message; it is told again the next time", number)
            return False
        connection.execute(
            statement("operations/remember_told"),
            {
                "address": digest,
                "facts": [fact.fact for fact in fresh],
                "tiers": [fact.tier for fact in fresh],
                "told": [fact.told for fact in fresh],
            },
        )
    return True


def _send(number: int, url: str, title: str, text: str, attached: Sequence[Path] = ()) -> bool:
    try:
        import apprise

        # It would log addresses that it cannot read, with the secrets in them.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        told = apprise.Apprise(url)
        files = [str(path) for path in attached]
        return bool(told and told.notify(title=title, body=text[:_LONGEST], attach=files or None))
    except Exception:
        # The address itself may hold a secret.
        _log.exception("Alert address %d cannot be used", number)
        return False
