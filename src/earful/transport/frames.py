"""WebSocket frames, the server's side of RFC 6455: bytes to messages, messages to bytes. Pure.

Reserved bits, lengths, masks, fragments, control frames, UTF-8 and close codes are checked here. What
came before a fault is still given out; after one nothing is. The bytes of a connection go through one
`FrameReader`, which holds at most one message of `max_message_bytes` and the last bytes it was fed.
"""

from __future__ import annotations

import codecs
from enum import IntEnum
from struct import Struct
from typing import Final

from websockets import speedups

from earful.errors import CloseCode

CONTROL_BYTES: Final = 125
"""The most payload of a control frame (RFC 6455, section 5.5)."""
FRAMES_AT_ONCE: Final = 64
"""How many frames one call takes at most: a read may hold 40,000 empty ones, and others want their turn."""
NO_CODE: Final = 1005
"""What a close frame without a code counts as (section 7.1.5); never in a frame."""
_FIN: Final = 0x80
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_SHORT: Final = 126
_LONG: Final = 127
_SHORT_LENGTH: Final = Struct("!H")
_LONG_LENGTH: Final = Struct("!q")
_CODE: Final = Struct("!H")
_MASK_BYTES: Final = 4
_HEAD_BYTES: Final = 2
_MEDIUM: Final = _MASKED | _SHORT
"""The second byte of a masked frame with a length of two bytes."""
_MEDIUM_HEAD_BYTES: Final = _HEAD_BYTES + 2 + _MASK_BYTES
_SENDABLE: Final = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Close codes that may stand in a frame: registered, or for libraries and applications (section 7.4)."""
_utf8: Final = codecs.getincrementaldecoder("utf-8")
_apply_mask: Final = speedups.apply_mask


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


Message = tuple[int, bytes]
"""An opcode, never CONTINUATION, and the whole payload."""

# Plain ints: an enum's members cost a look-up each, for every frame.
_TEXT: Final = int(Opcode.TEXT)
_BINARY: Final = int(Opcode.BINARY)
_WHOLE_TEXT: Final = _FIN | _TEXT
_WHOLE_BINARY: Final = _FIN | _BINARY
_WHOLE_CLOSE: Final = int(_FIN | Opcode.CLOSE)
_CONTROLS: Final = frozenset({_WHOLE_CLOSE, _FIN | Opcode.PING, _FIN | Opcode.PONG})
_LEAST_CONTROL: Final = min(_CONTROLS)
# The first bytes a frame may have: final bit, no reserved bits, and an opcode that is known and fits here.
_BETWEEN_MESSAGES: Final = _CONTROLS | {_TEXT, _BINARY, _WHOLE_TEXT, _WHOLE_BINARY}
_INSIDE_A_MESSAGE: Final = _CONTROLS | {0, _FIN}


class FrameReader:
    """Takes a connection's bytes as they come. `fault` is the close code of what was wrong with them, once."""

    __slots__ = ("_allowed", "_decoder", "_fragments", "_max_bytes", "_need", "_opcode", "_rest", "fault", "parts")

    def __init__(self, max_message_bytes: int) -> None:
        """Begin behind the upgrade."""
        self.fault: CloseCode | None = None
        self.parts = 0
        """Frames of the last call that only went on with a message: uncounted, empty ones without end would be free."""
        self._max_bytes = max_message_bytes
        self._rest = bytearray()
        self._need = _HEAD_BYTES
        self._allowed = _BETWEEN_MESSAGES
        self._fragments = bytearray()
        self._opcode = 0
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def is_behind(self) -> bool:
        """Whether the last call left what it could have taken: `feed(b"")` goes on."""
        return not self._need and self.fault is None

    def whole_text(self, data: bytes) -> bytes | None:
        """The payload where `data` is just one whole text message in ASCII, as nearly every read of a live session is.

        None for anything else, which is then to be fed.
        """
        size = len(data) - _MEDIUM_HEAD_BYTES
        if size < _SHORT or data[0] != _WHOLE_TEXT or data[1] != _MEDIUM or data[2] << 8 | data[3] != size:
            return None
        if self._rest or self._allowed is not _BETWEEN_MESSAGES or size > self._max_bytes or self.fault is not None:
            return None
        payload = _apply_mask(data[_MEDIUM_HEAD_BYTES:], data[_MEDIUM_HEAD_BYTES - _MASK_BYTES : _MEDIUM_HEAD_BYTES])
        return payload if payload.isascii() else None

    def feed(self, data: bytes) -> list[Message]:
        """The messages and control frames that are complete now, in order, of at most `FRAMES_AT_ONCE` frames.

        None after a fault.
        """
        self.parts = 0
        fault = self.fault
        if fault is not None:
            return []
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        messages: list[Message] = []
        at, size = 0, len(data)
        for _ in range(FRAMES_AT_ONCE):
            body, end = self._head(data, at)
            if end > size:
                self._need = end - at
                break
            if self.fault is None:
                payload = _apply_mask(data[body:end], data[body - _MASK_BYTES : body])
                if data[at] == _WHOLE_TEXT and payload.isascii():  # Nearly every frame there is.
                    messages.append((_TEXT, payload))
                else:
                    self._take(data[at], payload, messages)
            if self.fault is not None:
                return messages
            at = end
            if at == size:
                self._need = _HEAD_BYTES
                return messages
        else:
            self._need = 0
        self._rest += data[at:] if at else data
        return messages

    def _head(self, data: bytes, at: int) -> tuple[int, int]:
        """Where the payload of the frame at `at` begins and ends; checks what is there of the head.

        An end behind the data is as far as is known by now. After a fault both are as good as any.
        """
        size = len(data)
        if size - at < _HEAD_BYTES:
            return at, at + _HEAD_BYTES
        first, second = data[at], data[at + 1]
        length = second & _LENGTH
        is_control = first >= _LEAST_CONTROL
        if first not in self._allowed or not second & _MASKED or (is_control and length > CONTROL_BYTES):
            self.fault = CloseCode.PROTOCOL_ERROR
            return at, at
        body = at + _HEAD_BYTES + _MASK_BYTES
        if length >= _SHORT:
            body += 2 if length == _SHORT else 8
            if size < body:
                return body, body
            length = _long_length(data, at + _HEAD_BYTES, length)
        if length < 0:
            self.fault = CloseCode.PROTOCOL_ERROR
            return at, at
        if length > self._max_bytes - len(self._fragments) and not is_control:
            self.fault = CloseCode.TOO_BIG
            return at, at
        return body, body + length

    def _take(self, first: int, payload: bytes, messages: list[Message]) -> None:
        """Give out what a frame completes."""
        if first == _WHOLE_TEXT:
            if _is_decodable(_utf8(), payload, last=True):
                messages.append((_TEXT, payload))
            else:
                self.fault = CloseCode.INVALID_PAYLOAD
        elif first == _WHOLE_BINARY:
            messages.append((_BINARY, payload))
        elif first < _LEAST_CONTROL:
            self._take_fragment(first, payload, messages)
        else:
            self.fault = fault_of_close(payload) if first == _WHOLE_CLOSE else None
            if self.fault is None:
                messages.append((first & _OPCODE, payload))

    def _take_fragment(self, first: int, payload: bytes, messages: list[Message]) -> None:
        """A part of a message, in order."""
        opcode = first & _OPCODE
        if opcode:
            self._opcode = opcode
            self._allowed = _INSIDE_A_MESSAGE
            self._decoder = _utf8() if opcode == _TEXT else None
        self._fragments += payload
        last = first >= _FIN
        if self._decoder is not None and not _is_decodable(self._decoder, payload, last=last):
            self.fault = CloseCode.INVALID_PAYLOAD
        elif last:
            messages.append((self._opcode, bytes(self._fragments)))
            self._fragments.clear()
            self._allowed = _BETWEEN_MESSAGES
        else:
            self.parts += 1


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole unmasked frame, as a server sends it."""
    length = len(payload)
    if length < _SHORT:
        return bytes((_FIN | opcode, length)) + payload
    if length < 1 << 16:
        return bytes((_FIN | opcode, _SHORT)) + _SHORT_LENGTH.pack(length) + payload
    return bytes((_FIN | opcode, _LONG)) + _LONG_LENGTH.pack(length) + payload


def close_payload(code: int, reason: str) -> bytes:
    """What a close frame carries: code and reason, cut to 125 bytes at a whole character."""
    text = reason.encode()[: CONTROL_BYTES - _CODE.size].decode(errors="ignore")
    return _CODE.pack(code) + text.encode()


def fault_of_close(payload: bytes) -> CloseCode | None:
    """What is wrong with a peer's close frame, if anything (RFC 6455, sections 5.5.1 and 7.4)."""
    if not payload:
        return None
    if len(payload) < _CODE.size or not _may_be_sent(_CODE.unpack_from(payload)[0]):
        return CloseCode.PROTOCOL_ERROR
    return None if _is_decodable(_utf8(), payload[_CODE.size :], last=True) else CloseCode.INVALID_PAYLOAD


def _long_length(data: bytes, at: int, kind: int) -> int:
    """A length of more than seven bits; negative where it did not need them (section 5.2), or has the highest bit."""
    if kind == _SHORT:
        length = data[at] << 8 | data[at + 1]
        return length if length >= _SHORT else -1
    (length,) = _LONG_LENGTH.unpack_from(data, at)
    return int(length) if length >= 1 << 16 else -1


def _may_be_sent(code: int) -> bool:
    return any(code in codes for codes in _SENDABLE)


def _is_decodable(decoder: codecs.IncrementalDecoder, payload: bytes, *, last: bool) -> bool:
    try:
        decoder.decode(payload, last)
    except UnicodeDecodeError:
        return False
    return True
