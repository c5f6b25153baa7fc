"""Signs cursors and reads them back: keyed BLAKE2b over MessagePack, as base64url. Pure.

Guarantees that `read` gives what a holder of one of the secrets signed, byte for byte, or raises the one
error there is for everything else. One seal a worker; the session core signs at each mark.
"""

from __future__ import annotations

import secrets
from binascii import a2b_base64
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING, Self

import msgspec
from pybase64 import urlsafe_b64encode

from earful.errors import EarfulError, ErrorCode
from earful.protocol.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.protocol.messages import Reach

SIGNATURE_BYTES = 16
LONGEST_CURSOR = 4_096
"""Characters; nothing longer is looked at. A cursor has about 130."""
_DRAWN_BYTES = 32
_KEY_BYTES = 32
_PURPOSE = b"earful cursor"
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Cursor] = msgspec.msgpack.Decoder(Cursor)


class Seal:
    """The service's secrets: the first signs, all verify. `reach` says who else has them."""

    __slots__ = ("_keys", "reach")

    def __init__(self, secrets: Sequence[bytes], reach: Reach = "anywhere") -> None:
        """Take one secret or more, of any length."""
        self._keys = tuple(_keyed(secret) for secret in secrets)
        self.reach: Reach = reach

    @classmethod
    def drawn(cls) -> Self:
        """A seal that nobody else has."""
        return cls((secrets.token_bytes(_DRAWN_BYTES),), "here")

    def renew(self, secrets: Sequence[bytes]) -> None:
        """Sign and verify with these from now on; none changes nothing."""
        if secrets:
            self._keys = tuple(_keyed(secret) for secret in secrets)
            self.reach = "anywhere"

    def sign(self, cursor: Cursor) -> str:
        """The cursor as text for a client: base64url without padding, opaque."""
        said = _encoder.encode(cursor)
        return _written(said + _signature(self._keys[0], said))

    def read(self, text: str) -> Cursor:
        """What was signed with one of the secrets; raises EarfulError(RESUME_FAILED) for anything else."""
        try:
            sealed = _unwritten(text)
            said, signature = sealed[:-SIGNATURE_BYTES], sealed[-SIGNATURE_BYTES:]
            if any(compare_digest(_signature(key, said), signature) for key in self._keys):
                return _decoder.decode(said)
        except (ValueError, msgspec.MsgspecError):
            pass
        raise EarfulError(ErrorCode.RESUME_FAILED)


def _keyed(secret: bytes) -> blake2b:
    """A hash that has taken in the secret; a copy of it signs."""
    key = blake2b(secret, digest_size=_KEY_BYTES, person=_PURPOSE).digest()
    return blake2b(key=key, digest_size=SIGNATURE_BYTES, person=_PURPOSE)


def _signature(keyed: blake2b, said: bytes) -> bytes:
    signing = keyed.copy()
    signing.update(said)
    return signing.digest()


def _written(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _unwritten(text: str) -> bytes:
    """The bytes; raises ValueError where the text is not exactly what `_written` makes of them."""
    if len(text) > LONGEST_CURSOR:
        raise ValueError(len(text))
    sealed = a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    # Decoding ignores what is no base64, and bits that no byte is made of.
    if _written(sealed) != text:
        raise ValueError(text)
    return sealed
