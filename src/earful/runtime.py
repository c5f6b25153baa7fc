"""How a server process is set up: the garbage collector, open files, and whether the hot code is compiled."""

from __future__ import annotations

import fcntl
import gc
import os
import resource
from pathlib import Path

from earful.service import connection

COLLECT_AT = (20_000, 20)
"""Objects more than at the last collection, and how many of those make one of the next generation."""
COLLECT_ALL_AT = {"fast": 500, "asgi": 20}
"""How many of the next generation make a full collection, by transport. It stops a worker with 10,000 sessions for
0.2 s. After sessions of the fast transport it finds nothing; one of the portable leaves 80 objects of libraries'."""
OTHER_FILES = 3000
"""What a worker has open besides its sessions, amply: uploads, silent connections, other requests, libraries."""


def is_compiled() -> bool:
    """Whether what runs for every chunk is machine code, or Python: the same, for more CPU."""
    return not str(connection.__file__).endswith(".py")


def settle_collector(transport: str) -> None:
    """Have the garbage collector look at what a transport's sessions leave behind, not at code and weights.

    Sessions free themselves: the collector is for cycles of libraries', and of models'. What is there now is never
    visited again, which also keeps it shared with processes forked from here on.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AT, COLLECT_ALL_AT[transport])


def make_room_for_files(sessions: int) -> int:
    """Raise the limit of open files to the hard one, and have the kernel prepare for `sessions`; returns the limit.

    Unprepared, Linux doubles a process' table of files whenever it is full. Where there are threads, whoever opens that
    file waits until every core has noticed: 8 to 24 ms on an idle machine, and with it all sessions. So call this
    before the first thread, and again after a fork, which trims the table.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Path(os.devnull).open("rb") as nothing:
        os.close(fcntl.fcntl(nothing, fcntl.F_DUPFD_CLOEXEC, min(sessions + OTHER_FILES, hard) - 1))
    return hard
