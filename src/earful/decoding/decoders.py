"""Opens uploads: WAV here, all else in processes that the kernel bounds, as FFmpeg reads what a stranger made.

Guarantees that a fork server that died is followed by another, and that `close` ends it. Built by `app.py`, asked by
uploads, each call in a worker thread: it blocks, for long where a process decodes, so these have threads of their own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from earful.audio.container import SNIFF_BYTES, Decoder, Kind, open_audio, sniff
from earful.decoding.messages import ASK
from earful.decoding.remote import NobodyError, RemoteDecoder
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from concurrent.futures import Executor
    from contextlib import AbstractAsyncContextManager
    from typing import BinaryIO

CLOSE_WITHIN_S = 1.0
"""How long the fork server has to see that nobody asks any more; then it is killed."""
MOST_AT_ONCE = 8
"""Processes that decode side by side, whatever `max_uploads` is: together they may take eight times what one may."""
PLACE_WITHIN_S = 120.0
"""How long a recording waits for one of these places; whoever is told then had better ask another worker."""
_IN_MEMORY_BYTES = 1024 * 1024
"""A spooled file of no more has no descriptor yet, and is not to be written to a disk for one."""


class Decoders:
    """Every recording's decoder, and the fork server behind them, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _ForkServer | None = None
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="decoder")

    def place_for(self, file: BinaryIO) -> AbstractAsyncContextManager[Executor | None]:
        """What a seekable recording waits for before `open`, and holds as long as it reads: gives it threads for that.

        WAV needs none, nor threads but the event loop's. Raises EarfulError `overloaded` where none becomes free.
        """
        return nullcontext() if _kind_of(file) is Kind.WAV else self._place()

    def open(self, file: BinaryIO, *, max_s: float, max_bytes: int) -> Decoder:
        """Open a seekable recording, which has a descriptor where it is larger than 1 MiB; it stays the caller's.

        Raises EarfulError as `open_audio` does, and NOT_AUDIO for what takes more than a recording does; NobodyError
        and OSError where no process can be had, FailedError where the decoder is at fault.
        """
        if _kind_of(file) is Kind.WAV:
            return open_audio(file, max_s=max_s, max_bytes=max_bytes)
        with _described(file) as recording:
            ask = ASK.pack(max_s, max_bytes)
            try:
                return RemoteDecoder(self._ask(ask, recording))
            except NobodyError:  # Somebody killed the server, or the machine had no room for a moment.
                self._end_server()
                return RemoteDecoder(self._ask(ask, recording))

    def close(self) -> None:
        """End the fork server, when nobody has a recording any more: nothing is decoded after it."""
        self._end_server()
        self._threads.shutdown(wait=False)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[Executor]:
        try:
            async with asyncio.timeout(PLACE_WITHIN_S):
                await self._places.acquire()
        except TimeoutError:
            raise EarfulError(ErrorCode.OVERLOADED, "Too many recordings are being decoded.") from None
        try:
            yield self._threads
        finally:
            self._places.release()

    def _end_server(self) -> None:
        """Another `open` starts another."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()

    def _ask(self, ask: bytes, recording: int) -> socket.socket:
        """Hand a recording over, to be decoded at the other end of the line that is given."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                self._server = self._server or _ForkServer()
                self._server.take(ask, recording, theirs.fileno())
        except BaseException:
            ours.close()
            raise
        return ours


class _ForkServer:
    """The process of `child.py`, and the line to it."""

    def __init__(self) -> None:
        """Start it; raises OSError where there cannot be another process."""
        self._line, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _start(theirs.fileno())
            except OSError:
                self._line.close()
                raise

    def take(self, ask: bytes, *descriptors: int) -> None:
        """Ask for a recording; raises NobodyError where it has gone."""
        try:
            socket.send_fds(self._line, [ask], descriptors)
        except (BrokenPipeError, ConnectionResetError):
            raise NobodyError from None

    def close(self) -> None:
        """End it, and wait until it has ended."""
        self._line.close()
        try:
            self._process.wait(CLOSE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _kind_of(file: BinaryIO) -> Kind:
    file.seek(0)
    kind = sniff(file.read(SNIFF_BYTES))
    file.seek(0)
    return kind


def _start(line: int) -> subprocess.Popen[bytes]:
    """A new interpreter, which finds modules where this one does, and has nothing of it open but `line`."""
    return subprocess.Popen(  # noqa: S603 - a module of this package, and a number
        [sys.executable, "-P", "-m", "earful.decoding.child", str(line)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # PyAV writes there what it drops: pages, for whoever sends it such files.
        pass_fds=[line],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@contextmanager
def _described(file: BinaryIO) -> Iterator[int]:
    """A descriptor of the file with all that was written to it; of a small one, of a copy in memory."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size_bytes > _IN_MEMORY_BYTES:
        yield file.fileno()
        return
    with _memory() as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        yield copy.fileno()


def _memory() -> BinaryIO:
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("recording"), "w+b")
    else:  # noqa: RET505 - mypy knows one platform at a time
        return tempfile.TemporaryFile()
