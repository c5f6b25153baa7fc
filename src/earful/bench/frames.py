"""WebSocket frames, the client's side, made for load: masked by one byte, so that a payload is masked before the run.

Guarantees whole unfragmented messages of at most 1 MiB, in order, or a FrameError. Pure; a mask nobody can
guess protects proxies from scripts in browsers (RFC 6455, section 10.3), which this is not.
"""

from __future__ import annotations

import struct

CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
MAX_MESSAGE_BYTES = 1 << 20

_KEY_BYTE = 0x5A
_KEY = bytes([_KEY_BYTE]) * 4
_MASK = bytes(byte ^ _KEY_BYTE for byte in range(256))
_FIN, _MASKED, _LENGTH, _OPCODE = 0x80, 0x80, 0x7F, 0x0F
_SHORT, _LONG = 126, 127
_HEAD_BYTES = 2
_EXTRA_BYTES = {_SHORT: 2, _LONG: 8}
_16_BITS = 1 << 16

Message = tuple[int, bytes]
"""An opcode and its payload."""


class FrameError(Exception):
    """The server sent what is no frame, a fragment, or too much for one message."""


def masked(payload: bytes) -> bytes:
    """The payload as it stands in a frame; pieces masked apart join to the whole masked."""
    return payload.translate(_MASK)


def opening(opcode: int, size_bytes: int) -> bytes:
    """All that stands before a masked payload of this size."""
    if size_bytes < _SHORT:
        return struct.pack("!BB", _FIN | opcode, _MASKED | size_bytes) + _KEY
    if size_bytes < _16_BITS:
        return struct.pack("!BBH", _FIN | opcode, _MASKED | _SHORT, size_bytes) + _KEY
    return struct.pack("!BBQ", _FIN | opcode, _MASKED | _LONG, size_bytes) + _KEY


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """One whole frame."""
    return opening(opcode, len(payload)) + masked(payload)


class Frames:
    """A server's bytes in as they come, whole messages out."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        """Begin behind the upgrade."""
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """What is complete now. Raises FrameError, after which nothing may be fed."""
        if self._rest:
            data = self._rest + data
        messages: list[Message] = []
        at, size = 0, len(data)
        while size - at >= _HEAD_BYTES:
            body, end = _bounds(data, at)
            if end > size:
                break
            messages.append((data[at] & _OPCODE, data[body:end]))
            at = end
        self._rest = data[at:]
        return messages


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    """Where the payload of the frame at `at` begins and ends, as far as is known: its first two bytes are there."""
    first, length = data[at], data[at + 1]
    if not first & _FIN or first & _OPCODE == CONTINUATION:
        raise FrameError("the server sent a fragment")
    body = at + _HEAD_BYTES
    if length < _SHORT:
        return body, body + length
    if length & _MASKED:
        raise FrameError("the server masked a frame")
    begin, body = body, body + _EXTRA_BYTES[length & _LENGTH]
    if len(data) < body:
        return body, body
    size = int.from_bytes(data[begin:body], "big")
    if size > MAX_MESSAGE_BYTES:
        raise FrameError(f"the server sent a message of {size} bytes")
    return body, body + size
