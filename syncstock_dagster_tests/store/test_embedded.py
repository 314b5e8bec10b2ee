"""The life cycle of the embedded server, with the real one: it starts, survives, recovers, stays private."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from syncstock_dagster.store import embedded, embedded_place
from syncstock_dagster.store.embedded import EmbeddedServer, EmbeddedServerError
from syncstock_dagster.store.embedded_conf import GIBIBYTE, MEBIBYTE, conf_text, server_settings

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can run the server as another account")

# Starts the server of the home in its first argument, in a process of its own.
START = """
import sys
from pathlib import Path
from syncstock_dagster.store.embedded import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).ensure_running(), flush=True)
"""


@pytest.fixture(scope="module")
def reachable() -> Iterator[Path]:
    """A folder that every account can pass; pytest's own are private to whoever runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="syncstock-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_server(reachable: Path) -> Iterator[Callable[[str], EmbeddedServer]]:
    """Servers of homes of their own; stopped and removed at the end, also when the test failed."""
    homes: list[Path] = []

    def make(name: str = "home") -> EmbeddedServer:
        homes.append(Path(tempfile.mkdtemp(dir=reachable)) / name)
        homes[-1].parent.chmod(0o755)
        return EmbeddedServer(homes[-1])

    yield make
    for home in homes:
        remove(EmbeddedServer(home), home)


def remove(server: EmbeddedServer, home: Path) -> None:
    """Leave nothing of a server behind: no process, no folder here, in /tmp or in /var/lib."""
    place = embedded_place.find_place(home.resolve())
    # Nothing of it is kept, so it need not write its data out first.
    if processes := EmbeddedServer._processes(place):
        EmbeddedServer._signal(place, processes, signal.SIGQUIT)
    assert server.stop(timeout=30)
    shutil.rmtree(place.socket_directory, ignore_errors=True)
    shutil.rmtree(place.folder, ignore_errors=True)
    shutil.rmtree(home.parent, ignore_errors=True)


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def tell(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def kill_postmaster(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not embedded._ended(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return pid


def superuser_url(server: EmbeddedServer) -> str:
    return server.url("postgres").replace("//syncstock@", "//postgres@")


def test_a_home_becomes_a_running_server_and_a_second_call_is_quick(
    make_server: Callable[..., EmbeddedServer],
) -> None:
    server = make_server("a home with spaces, a comma and a ' quote")
    assert server.status().state == "stopped"

    url = server.ensure_running()
    begin = time.monotonic()
    again = server.ensure_running()
    took = time.monotonic() - begin

    assert again == url == server.url()
    assert took < 0.5
    status = server.status()
    assert (status.state, status.url, status.version.split(".")[0]) == ("running", url, "18")
    assert status.pid is not None

    # Nobody but the account can reach the socket; the role of the application is an ordinary one.
    assert ask(url, "select current_user || ' ' || current_database()") == "syncstock syncstock"
    role = "select rolsuper::text || rolcreatedb::text from pg_roles where rolname = current_user"
    assert ask(url, role) == "falsetrue"
    assert ask(url, "show listen_addresses") == ""
    socket_directory = Path(str(ask(superuser_url(server), "show unix_socket_directories")))
    assert socket_directory.stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(socket_directory / ".s.PGSQL.5432")) <= 107

    assert ask(url, "show data_checksums") == "on"
    assert ask(url, "show server_encoding") == "UTF8"
    locale = (
        "select datlocprovider::text || ' ' || datlocale from pg_database where datname = current_database()"
    )
    assert ask(url, locale) == "b C.UTF-8"
    wanted = {
        "jit": "off",
        "max_wal_size": "8GB",
        "wal_compression": "off",
        "client_connection_check_interval": "1s",
        "checkpoint_timeout": "15min",
        "timezone": "UTC",
    }
    # The size of the log follows the disk where that is small.
    if shutil.disk_usage(status.data_directory.parent).free < 40 * GIBIBYTE:
        del wanted["max_wal_size"]
    assert {name: ask(url, f"show {name}") for name in wanted} == wanted


def test_two_homes_have_two_servers_and_each_is_stopped_alone(
    make_server: Callable[..., EmbeddedServer],
) -> None:
    first, second = make_server(), make_server()
    tell(first.ensure_running(), "create table kept as select 1 as a")
    second.ensure_running()
    assert ask(second.url(), "select to_regclass('kept') is null") is True

    assert second.stop()
    assert second.stop(), "stopping what does not run is no failure"

    assert (first.status().state, second.status().state) == ("running", "stopped")
    assert ask(first.url(), "select a from kept") == 1
    second.ensure_running()
    assert second.status().state == "running"


def test_processes_that_start_it_at_once_get_one_server(make_server: Callable[..., EmbeddedServer]) -> None:
    server = make_server()

    started = [
        subprocess.Popen([sys.executable, "-c", START, str(server._home)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    urls = [process.communicate(timeout=60)[0].strip() for process in started]

    assert [process.returncode for process in started] == [0, 0, 0]
    assert urls == [server.url()] * 3
    assert server.status().state == "running"
    assert not list(server.status().data_directory.parent.glob("data.new-*"))


def test_it_outlives_the_process_group_that_started_it(make_server: Callable[..., EmbeddedServer]) -> None:
    """Ctrl-C and the end of a terminal reach the whole process group; the server is not part of it."""
    server = make_server()
    # Whoever runs the tests in the background may have had these signals ignored, and that is inherited.
    heed = "import signal; [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGHUP)]\n"
    code = heed + START + "import time; time.sleep(60)"
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(server._home)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    pid = server.status().pid

    os.killpg(starter.pid, signal.SIGINT)
    os.killpg(starter.pid, signal.SIGHUP)
    starter.communicate(timeout=10)

    assert server.status().state == "running"
    assert server.status().pid == pid


def test_after_kill_9_of_the_postmaster_it_starts_again_with_what_was_committed(
    make_server: Callable[..., EmbeddedServer],
) -> None:
    server = make_server()
    tell(server.ensure_running(), "create table kept as select 42 as a")
    # A session that computes does not notice that its postmaster is gone; it has to be told.
    computing = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import psycopg, sys; psycopg.connect(sys.argv[1]).execute("
            "'select count(*) from generate_series(1, 100000000000)')",
            server.url(),
        ],
        stderr=subprocess.DEVNULL,
    )
    busy = (
        "select count(*) from pg_stat_activity where state = 'active' and query like '%generate_series(1,%'"
    )
    deadline = time.monotonic() + 10
    # One is this question itself.
    while ask(superuser_url(server), busy) != 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    kill_postmaster(server)
    assert server.status().state == "unready", "the session of the killed server is still at work"
    server.ensure_running()

    assert ask(server.url(), "select a from kept") == 42
    assert computing.wait(timeout=10) != 0


def test_a_pid_file_left_by_a_crash_is_no_obstacle_even_if_its_pid_is_alive_again(
    make_server: Callable[..., EmbeddedServer],
) -> None:
    """After a reboot any program may have the pid. PostgreSQL itself refuses if it is of the same account."""
    server = make_server()
    tell(server.ensure_running(), "create table kept as select 42 as a")
    place = embedded_place.find_place(server._home)
    kill_postmaster(server)
    deadline = time.monotonic() + 10
    while server.status().state != "stale":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    account = {} if place.account.is_ours else {"user": place.account.uid, "group": place.account.gid}
    foreign = subprocess.Popen(["sleep", "60"], cwd="/", **account)  # type: ignore[call-overload]
    try:
        for file in (place.data / "postmaster.pid", place.socket_directory / ".s.PGSQL.5432.lock"):
            lines = file.read_text().splitlines()
            file.write_text("\n".join([str(foreign.pid), *lines[1:]]) + "\n")
        assert server.status().state == "stale"
        assert server.stop(), "and stopping does not touch the other program"

        server.ensure_running()

        assert ask(server.url(), "select a from kept") == 42
        assert server.status().pid != foreign.pid
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


def test_a_start_killed_while_it_makes_the_cluster_leaves_nothing_that_looks_like_one(
    make_server: Callable[..., EmbeddedServer],
) -> None:
    server = make_server()
    folder = embedded_place.find_place(server._home).folder
    starter = subprocess.Popen(
        [sys.executable, "-c", START, str(server._home)], stdout=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 20
    while not list(folder.glob("data.new-*/global")):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(starter.pid, signal.SIGKILL)
    starter.communicate()
    assert not (folder / "data").exists()

    server.ensure_running()

    assert server.status().state == "running"
    assert not list(folder.glob("data.new-*"))


def test_a_folder_removed_under_the_running_server_is_a_fresh_start(
    make_server: Callable[..., EmbeddedServer],
) -> None:
    """As after `git clean`: the old server would answer from its removed folder for up to a minute."""
    server = make_server()
    tell(server.ensure_running(), "create table kept as select 42 as a")
    shutil.rmtree(server._home)

    server.ensure_running()

    assert ask(server.url(), "select to_regclass('kept') is null") is True
    assert server.status().state == "running"


def test_a_failed_start_says_why_and_what_to_do(make_server: Callable[..., EmbeddedServer]) -> None:
    server = make_server()
    server.ensure_running()
    assert server.stop()
    data = server.status().data_directory
    (data / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedServerError, match=r"another version of PostgreSQL[\s\S]*FATAL:") as raised:
        server.ensure_running()

    assert str(server.status().log) in str(raised.value)
    (data / "PG_VERSION").write_text("18\n")
    server.ensure_running()


def test_a_socket_folder_that_somebody_else_made_is_refused(
    make_server: Callable[..., EmbeddedServer],
) -> None:
    server = make_server()
    place = embedded_place.find_place(server._home)
    place.socket_directory.symlink_to(server._home.parent)
    try:
        with pytest.raises(EmbeddedServerError, match="not a private folder"):
            server.ensure_running()
    finally:
        place.socket_directory.unlink()


@needs_root
def test_an_ordinary_user_keeps_everything_in_the_home(make_server: Callable[..., EmbeddedServer]) -> None:
    nobody = pwd.getpwnam("nobody")
    server = make_server()
    home = server._home
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)

    _in_child_as(nobody, server.ensure_running)

    # Root sees the same server: it takes the account that owns the home.
    assert server.status().state == "running"
    assert server.status().account == "nobody"
    assert server.status().data_directory == home / "postgres" / "data"
    assert (home / "postgres").stat().st_uid == nobody.pw_uid
    assert sorted(path.name for path in home.iterdir()) == ["postgres"]
    _in_child_as(nobody, server.stop)
    assert server.status().state == "stopped"


@needs_root
def test_root_uses_a_folder_the_account_can_reach_when_it_cannot_reach_the_home(
    tmp_path: Path, make_server: Callable[..., EmbeddedServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    home = private / "home"
    server = EmbeddedServer(home)
    # The programs as well, as when the environment is made below /root.
    reachable_programs = embedded_place.Account.can

    def can(account: embedded_place.Account, test: str, path: Path) -> bool:
        return "pginstall" not in str(path) and reachable_programs(account, test, path)

    monkeypatch.setattr(embedded_place.Account, "can", can)
    try:
        url = server.ensure_running()

        assert ask(url, "select 1") == 1
        status = server.status()
        assert status.data_directory.is_relative_to("/var/lib/syncstock")
        assert any("cannot reach" in note for note in status.notes)
        executable = Path(f"/proc/{status.pid}/exe").readlink()
        assert executable.is_relative_to("/var/lib/syncstock")
        assert executable.stat().st_uid == 0
        assert private.stat().st_mode & 0o777 == 0o700
        assert EmbeddedServer(home).ensure_running() == url
    finally:
        place = embedded_place.find_place(home)
        remove(server, home)
    assert not place.folder.exists()


def test_settings_fit_the_machine() -> None:
    def of(memory: int) -> dict[str, str]:
        return server_settings(memory, 500 * GIBIBYTE, Path("/tmp/s"))

    assert of(24 * GIBIBYTE)["shared_buffers"] == "4096MB"
    assert of(8 * GIBIBYTE)["shared_buffers"] == "2048MB"
    assert (of(8 * GIBIBYTE)["work_mem"], of(GIBIBYTE)["work_mem"]) == ("64MB", "16MB")
    assert of(8 * GIBIBYTE)["maintenance_work_mem"] == "512MB"
    assert (of(8 * GIBIBYTE)["wal_buffers"], of(GIBIBYTE)["wal_buffers"]) == ("64MB", "8MB")
    assert server_settings(GIBIBYTE, 4 * GIBIBYTE, Path("/tmp/s"))["max_wal_size"] == "1024MB"
    assert of(100 * MEBIBYTE)["shared_buffers"] == "25MB"


def test_a_setting_is_quoted() -> None:
    assert "a = 'it''s \\\\ here'\n" in conf_text({"a": "it's \\ here"})


def _in_child_as(entry: pwd.struct_passwd, work: Callable[[], object]) -> None:
    """Run `work` in a forked child of another account: it needs no interpreter that the account can reach."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            work()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
