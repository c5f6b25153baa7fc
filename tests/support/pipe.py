"""A transport of asyncio's that records what a protocol does to it, with a kernel that a test fills and empties.

The kernel takes nothing, as much as a test says, or everything; what it has taken is `taken`. Both ways
to it lead here: the transport's own `write`, and a write to the socket behind it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Any


class RecordingTransport(asyncio.Transport):
    """A connected socket's transport. `is_tls` has no descriptor that could be written to directly."""

    def __init__(self, *, is_tls: bool = False) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        super().__init__({"ssl_object": object() if is_tls else None, "socket": self, "peername": ("192.0.2.7", 1)})
        self.is_tls = is_tls
        self.is_reading_now = True
        self.is_stuck = False
        self.calls: list[str] = []
        self.taken = b""
        self.unsent = b""
        self.protocol: Any = None

    def fileno(self) -> int:
        """Where a direct write goes."""
        return self._write_end

    def break_off(self) -> None:
        """The peer is gone: direct writes fail from now on."""
        os.close(self._read_end)
        self._read_end = -1
        self.is_stuck = True

    def fill(self) -> None:
        """The kernel takes nothing more."""
        self.drain()
        self.is_stuck = True
        with suppress(BlockingIOError):
            while True:
                os.write(self._write_end, bytes(4096))

    def drain(self) -> bytes:
        """What the kernel has taken since the last time."""
        self._collect()
        taken, self.taken = self.taken, b""
        return taken

    def take(self, size: int | None = None) -> bytes:
        """The peer reads so much of what is unsent, by default all; the protocol is told where nothing is left."""
        size = len(self.unsent) if size is None else size
        taken, self.unsent = self.unsent[:size], self.unsent[size:]
        if not self.unsent:
            self.is_stuck = False
            with suppress(BlockingIOError):
                while os.read(self._read_end, 1 << 20) == bytes(1 << 20):
                    continue
            assert self.protocol is not None
            self.protocol.resume_writing()
        return taken

    def close_files(self) -> None:
        """Leave no descriptor behind."""
        for descriptor in (self._read_end, self._write_end):
            if descriptor >= 0:
                os.close(descriptor)

    # What a protocol may ask of a transport.

    def write(self, data: Any) -> None:
        """Take it, or keep it unsent and say so, as a transport whose high water is zero does."""
        assert "eof" not in self.calls, "nothing can be written after the end"
        if self.is_stuck or self.unsent:
            was_empty, self.unsent = not self.unsent, self.unsent + bytes(data)
            if was_empty and self.unsent and self.protocol is not None:
                self.protocol.pause_writing()
        else:
            self._collect()
            self.taken += data

    def _collect(self) -> None:
        """Keep the order of what was written directly and what was not."""
        with suppress(OSError):
            self.taken += os.read(self._read_end, 1 << 20)

    def get_write_buffer_size(self) -> int:
        """What is unsent."""
        return len(self.unsent)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Note it."""
        del low
        self.calls.append(f"high={high}")

    def pause_reading(self) -> None:
        """Read no more."""
        self.is_reading_now = False

    def resume_reading(self) -> None:
        """Read again."""
        self.is_reading_now = True

    def can_write_eof(self) -> bool:
        """Not with TLS."""
        return not self.is_tls

    def write_eof(self) -> None:
        """Note it."""
        self.calls.append("eof")

    def is_closing(self) -> bool:
        """Whether it was closed or aborted."""
        return "close" in self.calls or "abort" in self.calls

    def close(self) -> None:
        """Note it."""
        self.calls.append("close")

    def abort(self) -> None:
        """Note it."""
        self.calls.append("abort")
