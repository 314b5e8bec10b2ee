"""Alerts: one message, by tier, each fact once to each address, and never the cause of another failure."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from syncstock_dagster import SyncStockDB
from syncstock_dagster.operations.alerts import Fact, tell_once
from syncstock_dagster.settings import get_settings

FACTS = [
    Fact("review 1", "review", "A: counted 50, the books say 30"),
    Fact("not listed B", "critical", "B is not counted, and the books say 7 at main"),
    Fact("held 2", "alert", "C: counted 500, the books say 30"),
]


class Post:
    """A service that takes alerts, or refuses them."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.refuses = False
        post = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not post.refuses:
                    post.messages.append(json.loads(body))
                self.send_response(503 if post.refuses else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"json://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    post = Post()
    monkeypatch.setenv("SYNCSTOCK_ALERT_URLS", post.url)
    get_settings.cache_clear()
    yield post
    post.server.shutdown()
    get_settings.cache_clear()


def test_facts_come_in_one_message_the_most_urgent_first_and_never_again(db: SyncStockDB, post: Post) -> None:
    assert tell_once(db.url, FACTS, more=lambda: "The report.") == 1
    (message,) = post.messages
    assert message["title"] == "SyncStock: 1 critical, 1 held or doubtful, 1 to review"
    assert message["message"].splitlines() == [
        "Critical (1)", "- B is not counted, and the books say 7 at main", "",
        "Held or doubtful (1)", "- C: counted 500, the books say 30", "",
        "To review (1)", "- A: counted 50, the books say 30", "", "The report.",
    ]  # fmt: skip
    assert tell_once(db.url, FACTS) == 0
    assert tell_once(db.url, [*FACTS, Fact("held 3", "alert", "D")]) == 1
    assert post.messages[1]["title"] == "SyncStock: 1 held or doubtful"


def test_an_address_that_fails_is_told_the_next_time_and_the_others_only_once(
    db: SyncStockDB, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Post()
    monkeypatch.setenv("SYNCSTOCK_ALERT_URLS", f"{post.url} {other.url} nonsense://")
    get_settings.cache_clear()
    post.refuses = True
    assert tell_once(db.url, FACTS) == 1
    post.refuses = False
    assert tell_once(db.url, FACTS) == 1
    assert (len(post.messages), len(other.messages)) == (1, 1)
    other.server.shutdown()


def test_without_addresses_nothing_is_sent_and_nothing_remembered(
    db: SyncStockDB, post: Post, monkeypatch
) -> None:
    monkeypatch.setenv("SYNCSTOCK_ALERT_URLS", "")
    get_settings.cache_clear()
    assert tell_once(db.url, FACTS) == 0
    monkeypatch.setenv("SYNCSTOCK_ALERT_URLS", post.url)
    get_settings.cache_clear()
    assert tell_once(db.url, FACTS) == 1


def test_a_broken_database_does_not_make_an_alert_raise(db: SyncStockDB, post: Post) -> None:
    assert tell_once("postgresql://nobody@127.0.0.1:1/nothing", FACTS) == 0
