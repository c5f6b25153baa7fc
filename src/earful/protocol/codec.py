"""Text of the wire to messages and back. Any bytes at all give a message or an `EarfulError`.

Called by `Connection` for every frame; the fast path is one msgspec decode, base64 included. Only a
message that failed is looked at a second time, to name what was wrong with it.
"""

from __future__ import annotations

import binascii
from typing import cast

import msgspec

from earful.errors import EarfulError, ErrorCode
from earful.protocol.messages import (
    MAX_SEQUENCE,
    AudioChunk,
    ClientMessage,
    Flush,
    Keepalive,
    ServerMessage,
    Start,
    Stop,
)

_TEXT_MESSAGES = (AudioChunk, Start, Flush, Stop, Keepalive)
_TYPES = frozenset(str(message.__struct_config__.tag) for message in _TEXT_MESSAGES)
_NOT_DECODED = (msgspec.DecodeError, UnicodeError, RecursionError)

_TextMessage = AudioChunk | Start | Flush | Stop | Keepalive
_decoder: msgspec.json.Decoder[_TextMessage] = msgspec.json.Decoder(_TextMessage)
_encoder = msgspec.json.Encoder()


class BadChunkError(EarfulError):
    """A chunk whose audio cannot be decoded. It has used its number: `sequence`, or None where it named none."""

    def __init__(self, sequence: int | None) -> None:
        """Note the number that the chunk has used."""
        super().__init__(ErrorCode.BAD_AUDIO, "The chunk's data is not padded standard base64.")
        self.sequence = sequence


def decode(text: bytes | str) -> ClientMessage:
    """The message in one text frame.

    Raises BadChunkError (`bad_audio`), or EarfulError with `bad_json`, `unknown_type` or
    `bad_message` (anything else that is not a message of the protocol).
    """
    try:
        return _decoder.decode(text)
    except _NOT_DECODED:
        raise _diagnose(text) from None


def encode(message: ServerMessage) -> bytes:
    """The message as UTF-8 JSON."""
    return _encoder.encode(message)


def _diagnose(text: bytes | str) -> EarfulError:
    try:
        tree: object = msgspec.json.decode(text)
    except _NOT_DECODED:
        return EarfulError(ErrorCode.BAD_JSON)
    if not isinstance(tree, dict):
        return EarfulError(ErrorCode.BAD_MESSAGE, "A message is one JSON object with a type.")
    message = cast("dict[str, object]", tree)
    kind = message.get("type")
    if not isinstance(kind, str):
        return EarfulError(ErrorCode.BAD_MESSAGE, "The message has no type.")
    if kind not in _TYPES:
        return EarfulError(ErrorCode.UNKNOWN_TYPE)
    if kind == AudioChunk.__struct_config__.tag and _is_not_base64(message.get("data")):
        sequence = message.get("sequence")
        if sequence is None or (type(sequence) is int and 0 <= sequence <= MAX_SEQUENCE):
            return BadChunkError(sequence)
    return EarfulError(ErrorCode.BAD_MESSAGE)


def _is_not_base64(data: object) -> bool:
    if not isinstance(data, str):
        return False
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        return True
    return False
