"""The process that reads files, and may die of one.

What belongs here: its limits and its loop. What does not: reading (``opening``) and whoever asks (``reader_process``).

It holds no password and no connection, writes no file, and ends with its parent: the pipe closes, or the alarm that
is set for each file goes off even within a reader that never comes back.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO

_LENGTH = struct.Struct("<Q")
#: Beyond the time limit: the parent, which can say why, goes first.
_GRACE_SECONDS = 5


def main() -> None:
    """Answer requests from standard input on standard output until it closes."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # nothing that a library prints may stand between answers
    _limit_itself(int(sys.argv[-1]))

    from syncstock_dagster.workbooks.book_wire import answer, frame, refusal, requested
    from syncstock_dagster.workbooks.opening import open_file
    from syncstock_dagster.workbooks.sheets import UnreadableFileError

    # Millions of cells are made and none of them refers to another: looking for circles costs a third of the time.
    gc.disable()
    gc.freeze()
    while parts := _receive(asked):
        content, wording, seconds = requested(parts)
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)
        try:
            reply = answer(open_file(content, wording))
        except UnreadableFileError as error:
            reply = list(refusal(error))
        except MemoryError:
            os._exit(137)
        del content, parts
        for part in frame(*reply):
            _send(answers, part)
        del reply
        gc.collect()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_itself(megabytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # Address space is not memory: readers reserve more than they use. This only stops what no poll would catch.
    beyond = megabytes * 1024**2 * 16
    resource.setrlimit(resource.RLIMIT_AS, (beyond, beyond))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")  # if the machine runs out of memory, this goes first


def _receive(stream: BinaryIO) -> list[bytes]:
    """The parts of one message; nothing when the parent has gone."""
    start = stream.read(_LENGTH.size)
    if len(start) < _LENGTH.size:
        return []
    parts = []
    for _ in range(_LENGTH.unpack(start)[0]):
        (length,) = _LENGTH.unpack(stream.read(_LENGTH.size))
        parts.append(stream.read(length))
    return parts


def _send(stream: BinaryIO, part: bytes | memoryview) -> None:
    view = memoryview(part).cast("B")
    while len(view):
        view = view[stream.write(view) :]


if __name__ == "__main__":
    main()
