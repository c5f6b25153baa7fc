"""WebSocket frames, the server's side of RFC 6455: bytes to messages, messages to bytes. Pure.

Reserved bits, lengths, masks, fragments (bounded), control frames, UTF-8 and close codes are checked
here. What came before a fault is still given out; after one nothing is. The bytes of a connection go
through one `FrameReader`, which holds at most one message of `max_message_bytes`.
"""

from __future__ import annotations

import codecs
from enum import IntEnum
from struct import Struct

from websockets.speedups import apply_mask

from earful.errors import CloseCode

CONTROL_BYTES = 125
"""The most payload of a control frame (RFC 6455, section 5.5)."""
FRAGMENT_BYTES = 64
"""What a fragment counts for at least, so that endless empty ones are bounded too."""
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_SHORT, _LONG = 126, 127
_SHORT_LENGTH, _LONG_LENGTH = Struct("!H"), Struct("!Q")
_CODE = Struct("!H")
_MASK_BYTES = 4
_HEAD_BYTES = 2
_SENDABLE = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Close codes that may stand in a frame: registered, or for libraries and applications (section 7.4)."""
_utf8 = codecs.getincrementaldecoder("utf-8")


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
_CONTINUATION, _TEXT, _BINARY = int(Opcode.CONTINUATION), int(Opcode.TEXT), int(Opcode.BINARY)
_CONTROL = frozenset({int(Opcode.CLOSE), int(Opcode.PING), int(Opcode.PONG)})


class FrameReader:
    """Takes a connection's bytes as they come. `fault` is the close code of what was wrong with them, once."""

    __slots__ = (
        "_decoder",
        "_fragment_opcode",
        "_fragments",
        "_fragments_bytes",
        "_max_bytes",
        "_need",
        "_rest",
        "fault",
    )

    def __init__(self, max_message_bytes: int) -> None:
        """Begin behind the upgrade."""
        self.fault: CloseCode | None = None
        self._max_bytes = max_message_bytes
        self._rest = bytearray()
        self._need = _HEAD_BYTES
        self._fragments: list[bytes] = []
        self._fragments_bytes = 0
        self._fragment_opcode = _CONTINUATION
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes) -> list[Message]:
        """The messages and control frames that are complete now, in order; none after a fault."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        messages: list[Message] = []
        at = 0
        while self.fault is None:
            end = self._frame_end(data, at)
            if end > len(data):
                self._need = end - at
                self._rest += data[at:] if at else data
                break
            if self.fault is None:
                self._take(data, at, end, messages)
            at = end
        return messages

    def _take(self, data: bytes, at: int, end: int, messages: list[Message]) -> None:
        """Unmask the frame between `at` and `end`, and give out what it completes."""
        first = data[at]
        opcode = first & _OPCODE
        length = data[at + 1] & _LENGTH
        body = at + _HEAD_BYTES + (0 if length < _SHORT else 2 if length == _SHORT else 8) + _MASK_BYTES
        payload = apply_mask(data[body:end], data[body - _MASK_BYTES : body])
        if opcode == _TEXT and first & _FIN and not self._fragments_bytes:
            self._complete(_TEXT, payload, messages)
        elif opcode in _CONTROL:
            self._take_control(opcode, first, payload, messages)
        elif opcode <= _BINARY:
            self._take_fragment(opcode, first, payload, messages)
        else:
            self.fault = CloseCode.PROTOCOL_ERROR

    def _take_control(self, opcode: int, first: int, payload: bytes, messages: list[Message]) -> None:
        if not first & _FIN or len(payload) > CONTROL_BYTES:
            self.fault = CloseCode.PROTOCOL_ERROR
            return
        if opcode == Opcode.CLOSE:
            self.fault = fault_of_close(payload)
        if self.fault is None:
            messages.append((opcode, payload))

    def _take_fragment(self, opcode: int, first: int, payload: bytes, messages: list[Message]) -> None:
        """A data frame that is not a whole text: binary, or part of a fragmented message."""
        fragmented = self._fragments_bytes > 0
        if fragmented != (opcode == _CONTINUATION):
            self.fault = CloseCode.PROTOCOL_ERROR
            return
        last = bool(first & _FIN)
        if last and not fragmented:
            self._complete(opcode, payload, messages)
            return
        if not fragmented:
            self._fragment_opcode = opcode
            self._decoder = _utf8() if opcode == _TEXT else None
        self._fragments_bytes += max(FRAGMENT_BYTES, len(payload))
        self._fragments.append(payload)
        if self._fragments_bytes > self._max_bytes:
            self.fault = CloseCode.TOO_BIG
        elif self._decoder is not None and not _is_decodable(self._decoder, payload, last=last):
            self.fault = CloseCode.INVALID_PAYLOAD
        elif last:
            messages.append((self._fragment_opcode, b"".join(self._fragments)))
            self._fragments = []
            self._fragments_bytes = 0

    def _complete(self, opcode: int, payload: bytes, messages: list[Message]) -> None:
        if opcode == _TEXT and not payload.isascii() and not _is_decodable(_utf8(), payload, last=True):
            self.fault = CloseCode.INVALID_PAYLOAD
        else:
            messages.append((opcode, payload))

    def _frame_end(self, data: bytes, at: int) -> int:
        """Where the frame at `at` ends, or as far as is known by now; checks its head."""
        have = len(data) - at
        if have < _HEAD_BYTES:
            return at + _HEAD_BYTES
        first, second = data[at], data[at + 1]
        length = second & _LENGTH
        head = _HEAD_BYTES + _MASK_BYTES
        if length == _SHORT:
            head += 2
            if have < head:
                return at + head
            length = data[at + 2] << 8 | data[at + 3]
            if length < _SHORT:
                self.fault = CloseCode.PROTOCOL_ERROR
        elif length == _LONG:
            head += 8
            if have < head:
                return at + head
            (length,) = _LONG_LENGTH.unpack_from(data, at + 2)
            if length < 1 << 16 or length >> 63:
                self.fault = CloseCode.PROTOCOL_ERROR
        if first & _RESERVED or not second & _MASKED:
            self.fault = CloseCode.PROTOCOL_ERROR
        elif length > self._max_bytes:
            self.fault = self.fault or CloseCode.TOO_BIG
        return at if self.fault else at + head + length


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


def code_of_close(payload: bytes) -> int | None:
    """The code a peer closed with, None where it named none."""
    return _CODE.unpack_from(payload)[0] if payload else None


def fault_of_close(payload: bytes) -> CloseCode | None:
    """What is wrong with a peer's close frame, if anything (RFC 6455, sections 5.5.1 and 7.4)."""
    if not payload:
        return None
    if len(payload) < _CODE.size or not _may_be_sent(_CODE.unpack_from(payload)[0]):
        return CloseCode.PROTOCOL_ERROR
    return None if _is_decodable(_utf8(), payload[_CODE.size :], last=True) else CloseCode.INVALID_PAYLOAD


def _may_be_sent(code: int) -> bool:
    return any(code in codes for codes in _SENDABLE)


def _is_decodable(decoder: codecs.IncrementalDecoder, payload: bytes, *, last: bool) -> bool:
    try:
        decoder.decode(payload, last)
    except UnicodeDecodeError:
        return False
    return True
