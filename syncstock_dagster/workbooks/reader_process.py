"""Reading files in a process of its own, so that no file can hurt the one that asked.

What belongs here: starting, watching and ending that process, and saying in words why it had to be ended. What does
not: what it does (``reader_child``).

The process stays warm for the next file, so that a small file costs a few milliseconds. One that crashed, took too
long or too much memory is killed, and only the file at fault is refused.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from syncstock_dagster.settings import get_settings
from syncstock_dagster.workbooks import book_wire
from syncstock_dagster.workbooks.opening import Wording
from syncstock_dagster.workbooks.sheets import Book, UnreadableFileError

_LENGTH = struct.Struct("<Q")
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: How often the memory of the process is looked at.
_POLL_SECONDS = 0.01
#: A process that has grown, or has read many files, is replaced: fragments of old files are no reason for a refusal.
_KEEP_BELOW_SHARE = 0.4
_FILES_A_PROCESS = 500
_KEPT = 2
_PIPE_BYTES = 1024**2
_MOST_PARTS = 100_000

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from syncstock_dagster.workbooks.reader_child import main; main()"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may cost."""

    seconds: float
    #: Resident memory of the process that reads.
    megabytes: int

    @classmethod
    def of_settings(cls) -> Limits:
        """The limits of this installation."""
        settings = get_settings()
        return cls(settings.reader_seconds, settings.reader_memory_mb)


def read_book(content: bytes, wording: Wording, limits: Limits | None = None) -> Book:
    """Open a file in another process.

    Raises:
        UnreadableFileError: it is no table file, cannot be opened, or costs too much; the exception says which.
    """
    limits = limits or Limits.of_settings()
    child = _take(limits.megabytes)
    try:
        try:
            child.ask(content, wording, limits)
        except BrokenPipeError:  # it ended while it was idle; that is no fault of this file
            child.kill()
            child = _Child.start(limits.megabytes)
            child.ask(content, wording, limits)
        parts = child.wait(limits)
    except BaseException:
        child.kill()
        raise
    _give_back(child, limits)
    try:
        return book_wire.answered(parts)
    except UnreadableFileError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(
            "a file that its reader gave no sense of", "an ordinary table file", f"{_SAVE_AGAIN} ({error})"
        ) from error


_SAVE_AGAIN = "Open it in a spreadsheet program, save the table as .xlsx or CSV UTF-8 and send that."


@dataclass(slots=True, eq=False)
class _Child:
    process: subprocess.Popen[bytes]
    megabytes: int
    owner: int = field(default_factory=os.getpid)
    files: int = 0

    @classmethod
    def start(cls, megabytes: int) -> _Child:
        paths = json.dumps([path for path in sys.path if path] or ["."])
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", _START, paths, str(megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            close_fds=True,
            # It gets no secret of ours, and gives freed memory back at once.
            env={
                "PATH": os.defpath,
                "ARROW_DEFAULT_MEMORY_POOL": "system",
                "MALLOC_ARENA_MAX": "2",
                "MALLOC_TRIM_THRESHOLD_": "1048576",
            },
        )
        assert process.stdin is not None and process.stdout is not None
        for pipe in (process.stdin, process.stdout):
            _widen(pipe.fileno())
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        return cls(process, megabytes)

    def ask(self, content: bytes, wording: Wording, limits: Limits) -> None:
        """Send a file; a process that has just started takes it when it is ready."""
        assert self.process.stdin is not None
        pipe = self.process.stdin.fileno()
        deadline = time.monotonic() + limits.seconds
        for part in book_wire.frame(*book_wire.request(content, wording, limits.seconds)):
            view = memoryview(part)
            while len(view):
                if _is_ready(pipe, select.POLLOUT):
                    view = view[os.write(pipe, view) :]
                elif time.monotonic() > deadline:
                    raise self._too_slow(limits)

    def wait(self, limits: Limits) -> list[memoryview]:
        """The parts of the answer, within the limits."""
        watch = _Watch(self, limits, time.monotonic() + limits.seconds)
        (count,) = _LENGTH.unpack(watch.read(_LENGTH.size))
        if count > _MOST_PARTS:
            raise self._crashed()
        parts = []
        for _ in range(count):
            (length,) = _LENGTH.unpack(watch.read(_LENGTH.size))
            if length > limits.megabytes * 1024**2:
                raise self._too_large(limits)
            parts.append(memoryview(watch.read(length)))
        self.files += 1
        return parts

    def resident(self) -> float:
        """Its memory in MB."""
        try:
            with open(f"/proc/{self.process.pid}/statm", "rb") as statm:  # noqa: PTH123
                return int(statm.read().split()[1]) * _PAGE / 1024**2
        except (OSError, IndexError):
            return 0.0

    def kill(self) -> None:
        """End it at once."""
        if self.owner != os.getpid():
            return
        self.process.kill()
        self._close()

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()

    def _too_slow(self, limits: Limits) -> UnreadableFileError:
        return UnreadableFileError(
            f"a file that was not read within {limits.seconds:g} seconds",
            "an ordinary table file",
            f"{_SAVE_AGAIN} (SYNCSTOCK_READER_SECONDS sets the limit.)",
        )

    def _too_large(self, limits: Limits) -> UnreadableFileError:
        return UnreadableFileError(
            f"a file that takes more than {limits.megabytes} MB of memory to read",
            "an ordinary table file",
            f"{_SAVE_AGAIN} (SYNCSTOCK_READER_MEMORY_MB sets the limit.)",
        )

    def _crashed(self) -> UnreadableFileError:
        self.process.kill()
        code = self.process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return UnreadableFileError(
            f"a file on which its reader crashes ({how})", "an ordinary table file", _SAVE_AGAIN
        )


@dataclass(slots=True)
class _Watch:
    """Reading from a process while looking at what it costs."""

    child: _Child
    limits: Limits
    deadline: float

    def read(self, size: int) -> bytearray:
        """So many bytes."""
        assert self.child.process.stdout is not None
        pipe = self.child.process.stdout.fileno()
        taken = bytearray(size)
        view = memoryview(taken)
        while len(view):
            ready = _is_ready(pipe, select.POLLIN)
            if self.child.resident() > self.limits.megabytes:
                raise self.child._too_large(self.limits)
            if ready:
                got = os.readv(pipe, [view])
                if not got:
                    raise self.child._crashed()
                view = view[got:]
            elif time.monotonic() > self.deadline:
                raise self.child._too_slow(self.limits)
        return taken


def _is_ready(pipe: int, event: int) -> bool:
    """Whether a pipe can be read or written, after a short wait; ``select`` would refuse the thousandth open file."""
    poll = select.poll()
    poll.register(pipe, event)
    return bool(poll.poll(_POLL_SECONDS * 1000))


def _widen(pipe: int) -> None:
    """A larger pipe, where the system lets it grow: fewer turns between the two processes."""
    import fcntl

    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (OSError, AttributeError):
        return


# --- processes that wait for the next file

_lock = threading.Lock()
_idle: list[_Child] = []


def _take(megabytes: int) -> _Child:
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.owner == os.getpid() and child.megabytes == megabytes and child.process.poll() is None:
                return child
            child.kill()
    return _Child.start(megabytes)


def _give_back(child: _Child, limits: Limits) -> None:
    is_worn = child.files >= _FILES_A_PROCESS or child.resident() > limits.megabytes * _KEEP_BELOW_SHARE
    with _lock:
        if not is_worn and len(_idle) < _KEPT:
            _idle.append(child)
            return
    child.kill()


def start_ahead() -> None:
    """Have a process wait for a file, so that it is ready by the time that there is one."""
    limits = Limits.of_settings()
    _give_back(_take(limits.megabytes), limits)


def end_idle() -> None:
    """End the processes that wait: whoever has read its last file for long frees their memory."""
    with _lock:
        waiting = _idle[:]
        _idle.clear()
    for child in waiting:
        child.kill()


def _forget_after_fork() -> None:
    """A forked process must not share the pipes of its parent's readers."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
