"""Dagster's webserver and daemon as children: started, watched, started again, stopped.

What belongs here: their life. What does not: what they are configured with (``home``) and what is asked of them
(``graphql``).

They end with whoever started them: in order when asked, and by the kernel when their parent was killed. The database
server is none of them and stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_STOP_SECONDS = 15.0
_LOG_KEPT_BYTES = 16 * 1024 * 1024
_MOST_STARTS, _WITHIN_SECONDS = 5, 120.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ServiceError(RuntimeError):
    """A process cannot be started or does not stay; the message says what to do."""


@dataclass(slots=True)
class Child:
    """One of Dagster's processes."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_STARTS))

    def start(self) -> None:
        """Start it, its output appended to its log.

        Raises:
            ServiceError: it was started too often of late.
        """
        now = time.monotonic()
        if len(self.starts) == _MOST_STARTS and now - self.starts[0] < _WITHIN_SECONDS:
            raise ServiceError(
                f"The {self.name} ends again and again. The end of its log, {self.log}:\n{self.tail()}"
            )
        self.starts.append(now)
        if self.log.exists() and self.log.stat().st_size > _LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        parent = os.getpid()

        def follow_parent() -> None:
            # Between fork and exec: if we are killed, the kernel ends it.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                cwd=self.folder,
                # Ctrl-C in the terminal is for us: we stop them in order.
                start_new_session=True,
                preexec_fn=follow_parent,
            )

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self.process is not None and self.process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def dagster_children(
    home: Path, environment: Mapping[str, str], *, host: str, port: int, folder: Path
) -> list[Child]:
    """The webserver and the daemon over one workspace."""
    # Beside Dagster's home: a folder "logs" in there is emptied by Dagster itself.
    logs = home.parent / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    workspace = str(home / "workspace.yaml")
    commands = {
        "webserver": ["-m", "dagster_webserver", "-w", workspace, "-h", host, "-p", str(port)],
        "daemon": ["-m", "dagster._daemon", "run", "-w", workspace],
    }
    return [
        Child(name, [sys.executable, *arguments], logs / f"{name}.log", environment, folder)
        for name, arguments in commands.items()
    ]


def stop(children: list[Child]) -> None:
    """End them in order; what does not end in time is killed, with everything it started."""
    running = [child.process for child in children if child.process is not None]
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    for process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0.1))
        # Also what it left behind: it leads a process group of its own.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait()


def require_free(host: str, port: int) -> None:
    """Make sure that nobody else listens there.

    Raises:
        ServiceError: somebody does, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(
                f"Dagster's webserver cannot listen at {host}:{port}: {error.strerror}. Name another port with "
                "SYNCSTOCK_DAGSTER_PORT."
            ) from error
