"""Cursors: nothing but what was signed is read, and what was signed is a cursor or the one error there is."""

from __future__ import annotations

import base64
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from earful.audio.pcm import Format
from earful.errors import EarfulError, ErrorCode
from earful.protocol.cursor import Cursor, Position
from earful.protocol.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[str], Cursor]

SECRET = b"a secret"
SEAL = Seal((SECRET,))
WHOLE = Cursor("yT0kq3vXh0m1m8hS5uO4Yw", 1_764_022_991, position=Position(7, 1600, 22_400, index=3))
SIGNED = SEAL.sign(WHOLE)
SEEDS = (
    b"",
    SIGNED.encode(),
    SIGNED[:-1].encode() + b"=",
    msgspec.msgpack.encode(WHOLE),
    msgspec.msgpack.encode([1, "id", 2**40, "t", "mulaw", 8000, 2, "de", "off", True, [2**53, 1, 2, True, 9], "later"]),
    b"\x05\x01",
)


def check(data: bytes, read: Read = SEAL.read) -> None:
    """As text it is refused; changed by it so is a cursor; signed it is a cursor that stays itself, or refused."""
    text = data.decode("latin-1")
    assert (_told(read, text) is None) == (text != SIGNED)
    forged = _forged(data)
    assert (_told(read, forged) is None) == (forged != SIGNED)
    cursor = _told(read, _signed(data))
    if cursor is None:
        return
    assert cursor == _told(read, SEAL.sign(cursor))
    try:
        assert isinstance(cursor.format, Format)
    except EarfulError as error:
        assert error.code == ErrorCode.UNSUPPORTED_FORMAT  # noqa: PT017 - either is right


def _told(read: Read, text: str) -> Cursor | None:
    try:
        return read(text)
    except EarfulError as error:
        assert error.code == ErrorCode.RESUME_FAILED  # noqa: PT017 - the only one
        return None


def _forged(data: bytes) -> str:
    """The signed cursor with some of its characters replaced."""
    at = data[0] % len(SIGNED) if data else 0
    middle = data[1:].decode("latin-1")
    return SIGNED[:at] + middle + SIGNED[at + len(middle) :]


def _signed(data: bytes) -> str:
    """What a holder of the secret would make of any bytes: another release's cursor, or rubbish."""
    person = b"earful cursor"
    key = blake2b(SECRET, digest_size=32, person=person).digest()
    signature = blake2b(data, key=key, digest_size=16, person=person).digest()
    return base64.urlsafe_b64encode(data + signature).rstrip(b"=").decode()
