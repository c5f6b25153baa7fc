"""One process of the model, from its worker's side: started here, spoken to over a socket pair, and seen to its end.

Guarantees that its end is told once, whatever ended it, and that it does not outlive its worker. Owned by
`processes.py`, whose bookkeeping of it is kept here: plain state.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from earful.engine.messages import BadFrameError, FromProcess, ToProcess, frame_of, from_process
from earful.exit_status import in_words

if TYPE_CHECKING:
    from earful.engine.batch import Batch
    from earful.engine.call import Call
    from earful.engine.kept import Kept

OnSaid = Callable[["ModelProcess", FromProcess], None]
OnGone = Callable[["ModelProcess"], None]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RESIDENT = 1


class ModelProcess(asyncio.Protocol):
    """One process, and what it has to do."""

    def __init__(self, on_said: OnSaid, on_gone: OnGone, now: float) -> None:
        """Not started yet; `on_said` takes each message, `on_gone` its end, once."""
        self.started_s = now
        self.is_ready = False
        """It takes works."""
        self.was_ready = False
        self.is_leaving = False
        """A successor takes over: it only ends what it has begun."""
        self.leave_by_s = 0.0
        self.cause = "died"
        """Why it ended, or is being ended."""
        self.error = ""
        """Why it never was ready, where that is known."""
        self.max_batch: int | None = 1
        self.lanes: set[Kept] = set()
        """Whose model objects are there."""
        self.ready: deque[Call] = deque()
        """Works that wait for it."""
        self.batch: Batch | None = None
        """What it hears now."""
        self.asked: dict[int, Call] = {}
        """Of that, what it has not answered, by lane."""
        self._on_said = on_said
        self._on_gone = on_gone
        self._frames = from_process()
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._is_gone = False

    @property
    def pid(self) -> int:
        """Its id; 0 where it could not be started."""
        return 0 if self._process is None else self._process.pid

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be run again if it ended now."""
        return self.batch is None and not self.ready and not any(kept.audio_bytes for kept in self.lanes)

    async def open(self) -> None:
        """Start it. Raises OSError where there cannot be another process."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _start(theirs.fileno())
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can be spoken to."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what it says; what nobody understands is its end."""
        try:
            for message in self._frames.feed(data):
                self._on_said(self, message)
        except BadFrameError:
            self.kill("garbage")

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, or is no longer spoken to."""
        del exc
        self.kill(self.cause)
        if not self._is_gone:
            self._is_gone = True
            self._on_gone(self)

    def say(self, messages: list[ToProcess]) -> None:
        """Tell it; to one that is gone nothing is said."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame_of(messages))

    def kill(self, cause: str) -> None:
        """End it now; `on_gone` follows."""
        self.cause = cause
        self.is_ready = False
        if self._process is not None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Let it end by itself: it sees that nobody speaks to it any more. `on_gone` is not called."""
        self.is_ready = False
        self._is_gone = True
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def has_ended(self) -> bool:
        """Whether it is no process any more: once it has ended this must be asked, or its id stays taken."""
        return self._process is None or self._process.poll() is not None

    @property
    def how(self) -> str:
        """Its exit code, or the signal that ended it; empty before it `has_ended`, and where it was not started."""
        code = None if self._process is None else self._process.returncode
        return "" if code is None else in_words(code)

    def resident_bytes(self) -> int:
        """The memory it takes; 0 where the system does not tell."""
        with suppress(OSError, ValueError, IndexError):
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[_RESIDENT]) * _PAGE_BYTES
        return 0


def environment() -> dict[str, str]:
    """For a new interpreter that finds modules where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _start(line: int) -> subprocess.Popen[bytes]:
    """A new interpreter, which finds modules where this one does, and has nothing of it open but `line`."""
    return subprocess.Popen(  # noqa: S603 - a module of this package, and two numbers
        [sys.executable, "-P", "-m", "earful.engine.child", str(line), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        pass_fds=[line],
        env=environment(),
    )
