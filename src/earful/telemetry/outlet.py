"""Where the log goes: a stream that never makes its writers wait, and never fails them.

Guarantees that a line which nobody takes, or which cannot be written any more, is dropped and counted, and that how
many were lost is told as soon as lines go again. Used by `logs.py`.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

PIECE_BYTES = 4096
"""What a pipe takes whole when it is writable at all (PIPE_BUF on Linux)."""


class Outlet:
    """A stream for loggers. `dropped` counts the lines that were lost since the start."""

    def __init__(self, stream: TextIO, notice: str) -> None:
        """Write to `stream`; `notice` tells of lost lines, with their number in place of `{count}`."""
        self.dropped = 0
        self._told = 0
        self._stream = stream
        self._notice = notice
        self._fd = _descriptor_of(stream)

    def write(self, text: str) -> int:
        """Write a line if it can be done at once; returns the characters given."""
        if self.dropped > self._told and self._put(self._notice.replace("{count}", str(self.dropped - self._told))):
            self._told = self.dropped
        if not self._put(text):
            self.dropped += 1
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream.isatty()

    def _put(self, text: str) -> bool:
        try:
            if self._fd is None:
                self._stream.write(text)
                return True
            data = text.encode(errors="backslashreplace")
            for at in range(0, len(data), PIECE_BYTES):
                if not _is_writable(self._fd):
                    return False
                os.write(self._fd, data[at : at + PIECE_BYTES])
        except (OSError, ValueError):  # Gone, full, or closed.
            return False
        return True


def _descriptor_of(stream: TextIO) -> int | None:
    """What the stream writes to, past its own buffer, which would make writers wait; None where it is no file."""
    with suppress(OSError, ValueError):  # io.UnsupportedOperation is both.
        stream.flush()
        return stream.fileno()
    return None


def _is_writable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in poll.poll(0))
