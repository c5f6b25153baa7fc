"""The signals a supervisor lives by, as numbers to take when it is ready for them: none interrupts anything.

A signal is for the process that it was sent to: `held` keeps what comes around a fork for the parent, and the
child calls `release` once it no longer shares the parent's way of hearing.
"""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

HEARD = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1)
_MOST = 4096


class Signals:
    """Hears signals while the scope lasts; for the main thread."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self._ours, self._kernels = socket.socketpair()
        for end in (self._ours, self._kernels):
            end.setblocking(False)
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        before = signal.set_wakeup_fd(self._kernels.fileno(), warn_on_full_buffer=False)
        self._undo.callback(signal.set_wakeup_fd, before)
        for number in HEARD:
            self._undo.callback(signal.signal, number, signal.signal(number, _note))
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()
        self.close()

    def fileno(self) -> int:
        """For a selector: readable when there is something to `take`."""
        return self._ours.fileno()

    def take(self) -> list[int]:
        """The numbers of the signals that came since, in order; does not wait."""
        try:
            return list(self._ours.recv(_MOST))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Let go of both ends."""
        self._ours.close()
        self._kernels.close()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hear nothing while the scope lasts, and what came in it at its end."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def release() -> None:
    """Make a forked child ready for signals of its own; what its terminal sends to everybody is its parent's affair."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):  # The last until the child has an answer to it.
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    # Last: until here a signal would have been written where the parent reads.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number is on its way to `take`. Without a handler it would not be."""
    del number, frame
