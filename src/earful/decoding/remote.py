"""A recording that a process of its own decodes, as its worker sees it: a `Decoder` like any other.

Guarantees that what goes beyond a recording's bounds is NOT_AUDIO, and that no wait lasts for ever. Blocks: to be
called in a worker thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from earful.audio.pcm import Format
from earful.decoding.messages import WISH, Said, hear
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    import socket

WAIT_S = 60.0
"""For a process that has a second of CPU time for its answer, on a machine that is busy."""
_TOO_MUCH = "The file takes more memory or time to be read than audio does."


class NobodyError(Exception):
    """No process has begun with the recording: it is none of the recording's doing."""


class FailedError(Exception):
    """The decoder raised what nobody foresaw; the text is its type."""


class RemoteDecoder:
    """16 kHz mono s16le of a recording, from the process at the other end of a line."""

    format = Format()

    def __init__(self, line: socket.socket) -> None:
        """Wait until the recording is open; the line is this decoder's from then on, whatever comes of it.

        Raises NobodyError where no process has begun, EarfulError and FailedError as `read` does.
        """
        self._line = line
        line.settimeout(WAIT_S)
        try:
            self._begin()
            self._pcm()
        except BaseException:
            line.close()
            raise

    def __enter__(self) -> Self:
        """Hold the process until the exit."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let it go: it ends when it next looks up, and at its bounds at the latest."""
        self._line.close()

    def read(self, seconds: float) -> bytes:
        """Give the next `seconds` of PCM, less only at the end, b"" after it.

        Raises EarfulError: TOO_LARGE for the piece that goes over the cap, NOT_AUDIO where nothing can be decoded, or
        only with more memory or time than there is; FailedError for a fault of the decoder's, OSError where it hangs.
        """
        try:
            self._line.sendall(WISH.pack(seconds))
        except (BrokenPipeError, ConnectionResetError):
            raise EarfulError(ErrorCode.NOT_AUDIO, _TOO_MUCH) from None
        return self._pcm()

    def _begin(self) -> None:
        try:
            hear(self._line)
        except (EOFError, ConnectionResetError):
            raise NobodyError from None

    def _pcm(self) -> bytes:
        try:
            said, body = hear(self._line)
        except (EOFError, ConnectionResetError):
            raise EarfulError(ErrorCode.NOT_AUDIO, _TOO_MUCH) from None
        if said is Said.PCM:
            return body
        if said is Said.REFUSED:
            code, _, text = body.decode().partition("\n")
            raise EarfulError(ErrorCode(code), text)
        raise FailedError(body.decode())
