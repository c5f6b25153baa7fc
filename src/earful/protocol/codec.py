"""Text of the wire to messages and back. Any bytes at all give a message or an `EarfulError`.

Called by `Connection` for every frame; the fast path is one msgspec decode and one base64 decode (pybase64:
a seventh of msgspec's own time for it). Only a message that failed is looked at a second time, to name what
was wrong with it.
"""

from __future__ import annotations

from typing import Final, cast

import msgspec
from pybase64 import b64decode

from earful.errors import EarfulError, ErrorCode
from earful.protocol.messages import (
    AudioChunk,
    ClientMessage,
    EncodedChunk,
    Flush,
    Keepalive,
    ServerMessage,
    Start,
    Stop,
)

_TEXT_MESSAGES = (EncodedChunk, Start, Flush, Stop, Keepalive)
_TYPES = frozenset(str(message.__struct_config__.tag) for message in _TEXT_MESSAGES)
_NOT_DECODED = (msgspec.DecodeError, UnicodeError, RecursionError)

_TextMessage = EncodedChunk | Start | Flush | Stop | Keepalive
# The bound methods, and final: compiled code then looks nothing up.
_decode: Final = msgspec.json.Decoder(_TextMessage).decode
_encode: Final = msgspec.json.Encoder().encode
_b64decode: Final = b64decode

# How `json.dumps` begins a chunk without spaces, and with them.
_DENSE: Final = b'{"type":"audio_chunk","data":"'
_SPACED: Final = b'{"type": "audio_chunk", "data": "'
_DENSE_BYTES: Final = len(_DENSE)
_SPACED_BYTES: Final = len(_SPACED)
_QUOTE: Final = b'"'
_MARK: Final = b"!"
_DATA: Final = b"data"
_ESCAPE: Final = b"\\"
_NOT_USUAL: Final = (*_NOT_DECODED, ValueError)


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
    chunk = _usual_chunk(text)
    if chunk is not None:
        return chunk
    try:
        message: _TextMessage = _decode(text)
    except _NOT_DECODED:
        raise _diagnose(text) from None
    if isinstance(message, EncodedChunk):
        try:
            return AudioChunk(_b64decode(message.data, validate=True), message.sequence)
        except ValueError:
            raise BadChunkError(message.sequence) from None
    return message


def _usual_chunk(text: bytes | str) -> AudioChunk | None:
    """A chunk as nearly all clients write it, whose audio need not be read as JSON; None for anything else.

    A mark takes the audio's place, and the rest is decoded as ever: no message means another thing by coming here.
    """
    if not isinstance(text, bytes):
        return None
    begin = _DENSE_BYTES if text.startswith(_DENSE) else _SPACED_BYTES if text.startswith(_SPACED) else 0
    if not begin:
        return None
    end = text.find(_QUOTE, begin)
    rest = text[end:]
    if _DATA in rest or _ESCAPE in rest:  # It may have a second `data`, which would be the one that counts.
        return None
    try:
        # The first type counts, and was read: what is decoded at all is a chunk.
        around = cast("EncodedChunk", _decode(text[:begin] + _MARK + rest))
        return AudioChunk(_b64decode(text[begin:end], validate=True), around.sequence)
    except _NOT_USUAL:
        return None


def encode(message: ServerMessage) -> bytes:
    """The message as UTF-8 JSON."""
    return _encode(message)


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
    return EarfulError(ErrorCode.BAD_MESSAGE)
