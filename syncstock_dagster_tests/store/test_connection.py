"""Connections: what a thread keeps for its next call."""

from __future__ import annotations

from syncstock_dagster.store.connection import close_idle, connect


def test_a_thread_keeps_a_connection_to_the_databases_that_it_used_last(empty_database_url: str) -> None:
    """Whoever goes from database to database leaves no trail of open ones behind."""
    mark = "?" if "?" not in empty_database_url else "&"
    urls = [f"{empty_database_url}{mark}connect_timeout={n}" for n in range(2, 9)]

    def backend(url: str) -> int:
        with connect(url) as connection:
            return connection.info.backend_pid

    first = [backend(url) for url in urls]
    with connect(empty_database_url) as watching:
        alive = {row[0] for row in watching.execute("select pid from pg_stat_activity")}
    assert alive & set(first) == set(first[-4:])
    assert [backend(url) for url in urls[-3:]] == first[-3:]
    assert backend(urls[0]) != first[0]
    for url in [*urls, empty_database_url]:
        close_idle(url)
