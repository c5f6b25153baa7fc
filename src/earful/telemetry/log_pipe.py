"""The way of log lines out of the process: a bounded queue and one thread that writes, so that nobody else waits.

Guarantees that `write` returns at once and never fails, whether the other end is full, unread, broken or closed: what
is not taken is dropped and counted, and told when lines flow again. The server's log writes to one; each process makes
its own.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 1 << 20
"""Lines that wait: some 2,000."""
PIECE_BYTES = select.PIPE_BUF
"""A pipe takes so much in one piece: lines of several processes that share it do not mix."""
IDLE_S = 1.0
"""How long the thread stays without work. A supervisor thus mostly forks without one."""


class LogPipe:
    """A text stream onto a descriptor. Whole lines are to be written to it, by any thread."""

    def __init__(self, fd: int, most_bytes: int = MOST_BYTES) -> None:
        """Write to `fd`, which stays its owner's; at most `most_bytes` wait."""
        self.dropped = 0
        """Lines lost since the beginning."""
        self.on_dropped: Callable[[int], None] | None = None
        """Told how many lines were lost since it was last told, by the thread that writes, once they flow again."""
        self.on_pause: Callable[[], None] = _nothing
        """Called by the thread that writes, between lines and once it had none for `IDLE_S`; it may write."""
        self._fd = fd
        self._most_bytes = most_bytes
        self._waiting: deque[bytes] = deque()
        self._unwritten_bytes = 0
        self._told = 0
        # Reentrant: a signal's handler may log in the middle of a line.
        self._news = threading.Condition(threading.RLock())
        self._writer: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Queue a line, or drop it where there is no room."""
        line = text.encode("utf-8", "backslashreplace")
        with self._news:
            # The writer's own lines are few, and say what others lost: with one of them that would be lost too.
            is_own = threading.current_thread() is self._writer
            if self._unwritten_bytes + len(line) > self._most_bytes and not is_own:
                self.dropped += 1
                return len(text)
            self._waiting.append(line)
            self._unwritten_bytes += len(line)
            self._have_writer()
            self._news.notify_all()
        return len(text)

    def flush(self) -> None:
        """Nothing: who logs does not wait."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._fd)

    def settle(self, within_s: float) -> bool:
        """Wait until everything is written, at most so long; whether it is. For the end of the process."""
        with self._news:
            return self._news.wait_for(lambda: not self._unwritten_bytes, within_s)

    def _have_writer(self) -> None:
        """Start the thread where there is none: at first, and after it had no work."""
        if self._writer is not None and self._writer.is_alive():
            return
        writer = threading.Thread(target=self._run, name="log", daemon=True)
        with suppress(
            RuntimeError
        ):  # No thread to be had: the line waits for the next one's, or goes with the process.
            writer.start()
            self._writer = writer

    def _run(self) -> None:
        while (lines := self._take()) is not None:
            piece = b"".join(lines)
            is_written = self._put(piece)
            with self._news:
                self._unwritten_bytes -= len(piece)
                self.dropped += 0 if is_written else len(lines)
                untold = self.dropped - self._told if is_written else 0
                self._told += untold
                self._news.notify_all()
            if untold and self.on_dropped is not None:
                self.on_dropped(untold)
            self.on_pause()
        self.on_pause()

    def _take(self) -> list[bytes] | None:
        """Some lines that go in one piece, or a longer one; None where there were none for a while."""
        with self._news:
            if not self._news.wait_for(lambda: self._waiting, IDLE_S):
                self._writer = None
                return None
            lines = [self._waiting.popleft()]
            size = len(lines[0])
            while self._waiting and size + len(self._waiting[0]) <= PIECE_BYTES:
                size += len(self._waiting[0])
                lines.append(self._waiting.popleft())
            return lines

    def _put(self, piece: bytes) -> bool:
        """Write it all, however long that takes; False where nobody will ever read it."""
        while piece:
            try:
                piece = piece[os.write(self._fd, piece) :]
            except BlockingIOError:  # Somebody who shares the descriptor has made it so.
                select.select([], [self._fd], [], IDLE_S)
            except OSError:
                return False
        return True


class Unpiped:
    """A stream without a descriptor, in memory as a rule: written to at once, and what it does not take is counted."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`, which may be closed at any time."""
        self.dropped = 0
        """Lines lost since the beginning."""
        self.on_pause: Callable[[], None] = _nothing
        """Called behind each line; it may write."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a line, or drop it."""
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self.dropped += 1
        self.on_pause()
        return len(text)

    def flush(self) -> None:
        """Nothing: who logs does not wait."""

    def isatty(self) -> bool:
        """Whether a person reads it."""
        with suppress(ValueError):  # Closed.
            return self._stream.isatty()
        return False

    def settle(self, within_s: float) -> bool:
        """Nothing waits here."""
        del within_s
        return True


def _nothing() -> None:
    """Stand in for nobody who listens."""
