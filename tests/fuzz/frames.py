"""The frame reader beside a slow one, which has all the bytes at once and reads RFC 6455 from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.cutting import cut
from tests.support.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

from earful.errors import CloseCode
from earful.transport.frames import FrameReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from earful.transport.frames import Message

    Read = tuple[list[Message], CloseCode | None]

MAX_BYTES = 300
STEPS_BYTES = 2
HEAD_BYTES = 14
SEEDS = (
    b"\x01\x05" + frame(TEXT, b"x" * 200),
    b"\x00\x07" + frame(TEXT, "grüße".encode()[:3], first=0) + frame(PING, b"?") + frame(CONTINUATION, b"\xc3\x9fe"),
    b"\x03\x03" + frame(BINARY, b"\xff") * 3 + frame(PONG, b"") + frame(CLOSE, b"\x03\xe8bye"),
    b"\xff\xff" + frame(PING, b"") * 70 + frame(TEXT, b"\xff"),
    b"\x02\x09" + frame(BINARY, b"x" * 200, first=0) + frame(CONTINUATION, b"x" * 200),
    b"\x02\x01\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00mask",
)


def check(data: bytes, reader: type[FrameReader] = FrameReader) -> None:
    """Cut anywhere the bytes are the same messages and the same fault, those of a slow reading; little is held."""
    steps, body = data[:STEPS_BYTES], data[STEPS_BYTES:]
    whole = _read(reader, [body])
    assert whole == _slowly(body)
    assert whole == _read(reader, cut(body, steps))


def _read(made: type[FrameReader], pieces: Iterable[bytes]) -> Read:
    reader = made(MAX_BYTES)
    messages: list[Message] = []
    for piece in pieces:
        text = reader.whole_text(piece)
        messages += reader.feed(piece) if text is None else [(TEXT, text)]
        while reader.is_behind:
            messages += reader.feed(b"")
        held = len(reader._rest) + len(reader._fragments)
        assert reader.fault is not None or held < MAX_BYTES + HEAD_BYTES, held
        assert reader.fault is None or [] == reader.feed(piece)
    return messages, reader.fault


def _slowly(data: bytes) -> Read:
    """Frame by frame until one is wrong or not all there."""
    messages: list[Message] = []
    parts: list[bytes] = []
    kind = at = 0
    while (found := _frame(data, at, is_inside=bool(parts), room=MAX_BYTES - sum(map(len, parts)))) is not None:
        if isinstance(found, CloseCode):
            return messages, found
        first, payload, at = found
        opcode, is_last = first & 15, first >> 7
        if opcode >= CLOSE:
            if opcode == CLOSE and (fault := _fault_of(payload)) is not None:
                return messages, fault
            messages.append((opcode, payload))
            continue
        kind = opcode or kind
        parts.append(payload)
        if kind == TEXT and not _is_text(b"".join(parts), is_whole=bool(is_last)):
            return messages, CloseCode.INVALID_PAYLOAD
        if is_last:
            messages.append((kind, b"".join(parts)))
            parts.clear()
    return messages, None


def _frame(data: bytes, at: int, *, is_inside: bool, room: int) -> tuple[int, bytes, int] | CloseCode | None:
    """The frame at `at` and where the next begins; None where it is not all there."""
    if len(data) < at + 2:
        return None
    first, second = data[at], data[at + 1]
    extra = {126: 2, 127: 8}.get(second & 127, 0)
    is_control = first >> 7 and first & 15 in {CLOSE, PING, PONG} and not extra
    fits = first & 15 in ({CONTINUATION} if is_inside else {TEXT, BINARY})
    if first & 0x70 or not second >> 7 or not (fits or is_control):
        return CloseCode.PROTOCOL_ERROR
    body = at + 2 + extra + 4
    if len(data) < body and extra:
        return None
    length = int.from_bytes(data[at + 2 : body - 4]) if extra else second & 127
    if fault := _fault_of_length(length, extra, is_long=not is_control and length > room):
        return fault
    return (first, _unmasked(data, body, length), body + length) if len(data) >= body + length else None


def _fault_of_length(length: int, extra: int, *, is_long: bool) -> CloseCode | None:
    """A length may not be longer than it must, nor have the highest bit, nor be more than there is room for."""
    if length >> 63 or length < {0: 0, 2: 126, 8: 1 << 16}[extra]:
        return CloseCode.PROTOCOL_ERROR
    return CloseCode.TOO_BIG if is_long else None


def _unmasked(data: bytes, body: int, length: int) -> bytes:
    mask = (data[body - 4 : body] * (length // 4 + 1))[:length]
    return (int.from_bytes(data[body : body + length]) ^ int.from_bytes(mask)).to_bytes(length)


def _is_text(data: bytes, *, is_whole: bool) -> bool:
    """Whether it is UTF-8, or the beginning of some."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return not is_whole and error.reason == "unexpected end of data"
    return True


def _fault_of(payload: bytes) -> CloseCode | None:
    if not payload:
        return None
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        return CloseCode.PROTOCOL_ERROR
    return None if _is_text(payload[2:], is_whole=True) else CloseCode.INVALID_PAYLOAD
