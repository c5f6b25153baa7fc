"""What a worker and its decoding processes say to each other, over socket pairs: three shapes, all of fixed heads.

An `ASK` goes with two descriptors, the recording and a line of its own; on that line a `WISH` is answered by a frame.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

ASK = Struct(">dq")
"""How many seconds and bytes a recording may decode to."""
WISH = Struct(">d")
"""How many seconds of PCM to give."""
_HEAD = Struct(">BI")
"""What is said, and how many bytes follow."""


class Said(IntEnum):
    """What a decoding process says."""

    BEGUN = 0
    """It is there: what ends it from now on is the recording."""
    PCM = 1
    """The recording is open (nothing follows), or the next of it."""
    REFUSED = 2
    """The code and the text of an error of the table, a line each."""
    FAILED = 3
    """The type of an exception that nobody foresaw."""


def say(line: socket.socket, said: Said, body: bytes = b"") -> None:
    """Say it; raises OSError where nobody listens."""
    line.sendall(_HEAD.pack(said, len(body)) + body)


def hear(line: socket.socket) -> tuple[Said, bytes]:
    """Wait for what is said; raises EOFError where the other end has gone, and OSError as the socket does."""
    said, size = _HEAD.unpack(take(line, _HEAD.size))
    return Said(said), take(line, size)


def take(line: socket.socket, size: int) -> bytes:
    """Wait for so many bytes; raises as `hear` does."""
    taken = bytearray()
    while len(taken) < size:
        more = line.recv(size - len(taken))
        if not more:
            raise EOFError
        taken += more
    return bytes(taken)
