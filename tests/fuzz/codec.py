"""The codec beside a slow one: `json` and `base64` of the standard library, and a table of the protocol's fields."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from earful.errors import EarfulError, ErrorCode
from earful.protocol import codec
from earful.protocol.messages import MAX_SEQUENCE, AudioChunk, EncodedChunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.protocol.messages import ClientMessage

    Decode = Callable[[bytes | str], ClientMessage]
    Field = tuple[bool, Callable[[Any], bool]]
    """Whether it must be there, and whether a value is one of it."""

SEEDS = (
    b'{"type":"audio_chunk","data":"AAAA"}',
    b'{"type": "audio_chunk", "data": "/+8=", "sequence": 9007199254740991}',
    b'{"type":"audio_chunk","data":"AA==","data":"AAA="}',
    b'{"sequence":1,"data":"\\u0041A==","type":"audio_chunk"}',
    b'{"type":"start","protocol":1,"sample_rate":48000,"encoding":"pcm_f32le","channels":2,"language":null}',
    b'{"type":"start","partials":"off","words":true,"token":"t","resume":{"cursor":"c","attempt":1}}',
    b'{"type":"flush","id":"\xc3\xa4"}',
    b'{"type":"stop","more":[1e5,-0.5,{"a":"\\ud83d\\ude00"}]}',
    b' {"type":"keepalive"}\n',
    b"16e66666",
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
"""Padded, as a whole: the standard library lets more padding pass."""
CODES = frozenset({ErrorCode.BAD_JSON, ErrorCode.BAD_MESSAGE, ErrorCode.UNKNOWN_TYPE, ErrorCode.BAD_AUDIO})


def check(data: bytes, decode: Decode = codec.decode) -> None:
    """Any bytes are a message or a row of the table; text is what its bytes are; a slow reading comes to the same."""
    told = _told(decode, data)
    assert not isinstance(told, ErrorCode) or told in CODES, told
    try:
        text = data.decode()
    except UnicodeDecodeError:  # No text frame: the framer lets none of it through.
        return
    assert told == _told(decode, text)
    slow = _slowly(text)
    assert slow is None or told == slow, (told, slow)
    if not isinstance(told, ErrorCode):
        assert told == _told(decode, _encoded(told))


def _told(decode: Decode, text: bytes | str) -> ClientMessage | ErrorCode:
    try:
        return decode(text)
    except EarfulError as error:
        return error.code


def _encoded(message: ClientMessage) -> bytes:
    if isinstance(message, AudioChunk):
        return msgspec.json.encode(EncodedChunk(base64.b64encode(message.data).decode(), message.sequence))
    return msgspec.json.encode(message)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_sequence(value: object) -> bool:
    return _is_whole(value) and 0 <= value <= MAX_SEQUENCE  # type: ignore[operator]  # a whole number


def _is_text(value: object, longest: int = 1 << 30) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _is_resume(value: object) -> bool:
    return value is None or (isinstance(value, dict) and _fits(value, _RESUME))


_RESUME: dict[str, Field] = {
    "cursor": (True, _is_text),
    "attempt": (True, lambda value: _is_sequence(value) and value >= 1),
}
_FIELDS: dict[str, dict[str, Field]] = {
    "audio_chunk": {
        "data": (True, _is_text),
        "sequence": (False, lambda value: value is None or _is_sequence(value)),
    },
    "start": {
        "protocol": (False, lambda value: _is_whole(value) and value == 1),
        "sample_rate": (False, _is_whole),
        "encoding": (False, _is_text),
        "channels": (False, _is_whole),
        "language": (False, lambda value: value is None or _is_text(value, 64)),
        "partials": (False, lambda value: value in {"fragment", "cumulative", "off"} if _is_text(value) else False),
        "words": (False, lambda value: isinstance(value, bool)),
        "token": (False, lambda value: value is None or _is_text(value, 16_384)),
        "resume": (False, _is_resume),
    },
    "flush": {"id": (True, lambda value: _is_text(value, 256))},
    "stop": {},
    "keepalive": {},
}


def _fits(tree: dict[str, Any], fields: dict[str, Field]) -> bool:
    return all(fits(tree[name]) if name in tree else not is_needed for name, (is_needed, fits) in fields.items())


def _slowly(text: str) -> ClientMessage | ErrorCode | None:
    """What the protocol makes of it; None where JSON leaves it open: names twice, deep nests, great numbers."""
    try:
        tree = json.loads(text, parse_constant=_no_json, parse_float=_float, object_pairs_hook=_once)
        json.dumps(tree, ensure_ascii=False).encode()
    except (LookupError, RecursionError):
        return None
    except ValueError:  # UnicodeError too: half a surrogate pair, which the standard library lets through.
        return ErrorCode.BAD_JSON
    kind = tree.get("type") if isinstance(tree, dict) else None
    if not isinstance(kind, str):
        return ErrorCode.BAD_MESSAGE
    if kind not in _FIELDS:
        return ErrorCode.UNKNOWN_TYPE
    return _message(kind, tree) if _fits(tree, _FIELDS[kind]) else ErrorCode.BAD_MESSAGE


def _message(kind: str, tree: dict[str, Any]) -> ClientMessage | ErrorCode:
    if kind == "audio_chunk":
        if not _BASE64.fullmatch(tree["data"]):
            return ErrorCode.BAD_AUDIO
        return AudioChunk(base64.b64decode(tree["data"]), tree.get("sequence"))
    message: ClientMessage = msgspec.convert(tree, codec._TextMessage)
    return message


def _no_json(_: str) -> NoReturn:
    raise ValueError


def _float(text: str) -> float:
    if math.isinf(float(text)):
        raise LookupError
    return float(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) != len(dict(pairs)):
        raise LookupError
    return dict(pairs)
