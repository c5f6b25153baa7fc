"""Text to messages and back: every message, every mistake, and any bytes at all."""

from __future__ import annotations

import base64
import json
import math
from functools import reduce
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earful.errors import ERRORS, EarfulError, ErrorCode
from earful.protocol.codec import BadChunkError, decode, encode
from earful.protocol.messages import (
    MAX_SEQUENCE,
    Ack,
    AudioChunk,
    ClientMessage,
    Closing,
    Error,
    Final,
    Flush,
    Flushed,
    Keepalive,
    Limits,
    Partial,
    Resume,
    ServerMessage,
    Start,
    Started,
    Stop,
    WordTime,
    error,
)

if TYPE_CHECKING:
    import random

LIMITS = Limits(1_048_576, 10_000, 60, 14_400, 4, 5_000, 120, 50)
LIMITS_JSON = {
    "max_message_bytes": 1_048_576,
    "max_chunk_ms": 10_000,
    "idle_timeout_s": 60,
    "max_session_s": 14_400,
    "max_speed": 4,
    "max_buffered_ms": 5_000,
    "resume_window_s": 120,
    "keep_audio_s": 50,
}

UNDERSTOOD: list[tuple[str, ClientMessage]] = [
    ('{"type":"audio_chunk","data":"AQI="}', AudioChunk(b"\x01\x02")),
    ('{"type":"audio_chunk","data":"","sequence":0}', AudioChunk(b"", 0)),
    ('{"type":"audio_chunk","data":"+/8=","sequence":9007199254740991}', AudioChunk(b"\xfb\xff", MAX_SEQUENCE)),
    ('{"sequence":1,"data":"AQI=","type":"audio_chunk","later":[{}]}', AudioChunk(b"\x01\x02", 1)),
    ('{"type":"audio_chunk","data":"AQI=","sequence":null}', AudioChunk(b"\x01\x02")),
    ('{"type":"start"}', Start()),
    (
        (
            '{"type":"start","protocol":1,"sample_rate":8000,"encoding":"mulaw","channels":2,"language":"en",'
            '"partials":"off","words":true,"token":"t"}'
        ),
        Start(1, 8_000, "mulaw", 2, "en", "off", words=True, token="t"),  # noqa: S106 - no secret
    ),
    ('{"type":"start","partials":"cumulative","encoding":"flac"}', Start(partials="cumulative", encoding="flac")),
    ('{"type":"start","language":null}', Start(language=None)),
    (
        '{"type":"start","resume":{"cursor":"c","attempt":1,"later":2}}',
        Start(resume=Resume("c", 1)),
    ),
    (
        '{"type":"start","sample_rate":16000,"resume":{"cursor":"","attempt":9007199254740991}}',
        Start(sample_rate=16_000, resume=Resume("", MAX_SEQUENCE)),
    ),
    ('{"type":"flush","id":"x"}', Flush("x")),
    ('{"type":"flush","id":"' + "x" * 256 + '"}', Flush("x" * 256)),
    (' { "type" : "stop" } ', Stop()),
    ('{"type":"keepalive"}', Keepalive()),
]

MISUNDERSTOOD: list[tuple[str | bytes, ErrorCode]] = [
    ("", ErrorCode.BAD_JSON),
    ("hello", ErrorCode.BAD_JSON),
    ('{"type":"stop"', ErrorCode.BAD_JSON),
    ('{"type":"stop"} {}', ErrorCode.BAD_JSON),
    ('\ufeff{"type":"stop"}', ErrorCode.BAD_JSON),
    ('{"type":"start","sample_rate":NaN}', ErrorCode.BAD_JSON),
    ('{"type":"start","sample_rate":1e999}', ErrorCode.BAD_JSON),
    ('{"type":"start","sample_rate":' + "9" * 5_000 + "}", ErrorCode.BAD_JSON),
    ("[" * 100_000, ErrorCode.BAD_JSON),
    ('{"type":"stop","x":' + '{"x":' * 100_000, ErrorCode.BAD_JSON),
    (b"\xff\xfe", ErrorCode.BAD_JSON),
    (b'{"type":"flush","id":"\xff"}', ErrorCode.BAD_JSON),
    (b'{"type":"flush","id":"\xed\xa0\x80"}', ErrorCode.BAD_JSON),
    ('{"type":"flush","id":"\\ud800"}', ErrorCode.BAD_JSON),
    ('{"type":"flush","id":"\ud800"}', ErrorCode.BAD_JSON),
    ("null", ErrorCode.BAD_MESSAGE),
    ("[]", ErrorCode.BAD_MESSAGE),
    ("1", ErrorCode.BAD_MESSAGE),
    ("{}", ErrorCode.BAD_MESSAGE),
    ('{"type":null}', ErrorCode.BAD_MESSAGE),
    ('{"type":["stop"]}', ErrorCode.BAD_MESSAGE),
    ('{"type":"Stop"}', ErrorCode.UNKNOWN_TYPE),
    ('{"type":"partial"}', ErrorCode.UNKNOWN_TYPE),
    ('{"type":""}', ErrorCode.UNKNOWN_TYPE),
    ('{"type":"audio_chunk"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":null}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":"AQI=","sequence":-1}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":"AQI=","sequence":9007199254740992}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":"AQI=","sequence":"1"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":"AQI=","sequence":1.5}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":"AQI=","sequence":true}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":"!","sequence":true}', ErrorCode.BAD_MESSAGE),
    ('{"type":"audio_chunk","data":"!","sequence":-1}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","protocol":2}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","sample_rate":"16000"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","partials":"all"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","words":1}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","language":"' + "x" * 65 + '"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","token":"' + "x" * 16_385 + '"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","resume":"c"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","resume":{"cursor":"c"}}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","resume":{"cursor":1,"attempt":1}}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","resume":{"cursor":"c","attempt":0}}', ErrorCode.BAD_MESSAGE),
    ('{"type":"start","resume":{"cursor":"c","attempt":9007199254740992}}', ErrorCode.BAD_MESSAGE),
    ('{"type":"flush"}', ErrorCode.BAD_MESSAGE),
    ('{"type":"flush","id":1}', ErrorCode.BAD_MESSAGE),
    ('{"type":"flush","id":"' + "x" * 257 + '"}', ErrorCode.BAD_MESSAGE),
]

SAID: list[tuple[ServerMessage, dict[str, Any]]] = [
    (
        Partial("Hello wor", 1_234_567_890, 3, 0, 140, 980),
        {
            "type": "partial",
            "text": "Hello wor",
            "timestamp": 1_234_567_890,
            "sequence": 3,
            "index": 0,
            "start_ms": 140,
            "end_ms": 980,
        },
    ),
    (
        Final("Hi", 5, 3, 1, 140, 980, "silence"),
        {
            "type": "final",
            "text": "Hi",
            "timestamp": 5,
            "sequence": 3,
            "index": 1,
            "start_ms": 140,
            "end_ms": 980,
            "reason": "silence",
        },
    ),
    (
        Final("é", 5, 3, 0, 0, 9, "stop", [WordTime("é", 0, 9, 0.5)], last=True),
        {
            "type": "final",
            "text": "é",
            "timestamp": 5,
            "sequence": 3,
            "index": 0,
            "start_ms": 0,
            "end_ms": 9,
            "reason": "stop",
            "words": [{"word": "é", "start_ms": 0, "end_ms": 9, "confidence": 0.5}],
            "last": True,
        },
    ),
    (
        Started("id", 1, 0, 16_000, "pcm_s16le", LIMITS),
        {
            "type": "started",
            "protocol": 1,
            "session_id": "id",
            "next_sequence": 1,
            "next_index": 0,
            "sample_rate": 16_000,
            "encoding": "pcm_s16le",
            "limits": LIMITS_JSON,
        },
    ),
    (
        Started("id", 7, 3, 16_000, "pcm_s16le", LIMITS, cursor="c", resumable="here"),
        {
            "type": "started",
            "protocol": 1,
            "session_id": "id",
            "cursor": "c",
            "resumable": "here",
            "next_sequence": 7,
            "next_index": 3,
            "sample_rate": 16_000,
            "encoding": "pcm_s16le",
            "limits": LIMITS_JSON,
        },
    ),
    (
        Final("Hi", 5, 3, 1, 140, 980, "flush", cursor="c", keep_from=3),
        {
            "type": "final",
            "text": "Hi",
            "timestamp": 5,
            "sequence": 3,
            "index": 1,
            "start_ms": 140,
            "end_ms": 980,
            "reason": "flush",
            "cursor": "c",
            "keep_from": 3,
        },
    ),
    (Ack("c", 9), {"type": "ack", "cursor": "c", "keep_from": 9}),
    (
        Closing("drain", 5_000, resume=True),
        {"type": "closing", "reason": "drain", "deadline_ms": 5_000, "resume": True},
    ),
    (Flushed("x", 7), {"type": "flushed", "id": "x", "sequence": 7}),
    (Closing("drain", 5_000), {"type": "closing", "reason": "drain", "deadline_ms": 5_000}),
    (
        Closing("drain", 5_000, resume=False),
        {"type": "closing", "reason": "drain", "deadline_ms": 5_000, "resume": False},
    ),
]


@pytest.mark.parametrize(("text", "message"), UNDERSTOOD)
def test_each_message_is_understood(text: str, message: ClientMessage) -> None:
    """As text and as its bytes; unknown fields are ignored."""
    assert message == decode(text) == decode(text.encode())


@pytest.mark.parametrize(("text", "code"), MISUNDERSTOOD)
def test_each_mistake_has_its_code(text: str | bytes, code: ErrorCode) -> None:
    """What is no message names what is wrong with it."""
    with pytest.raises(EarfulError) as caught:
        decode(text)
    assert code is caught.value.code
    assert not isinstance(caught.value, BadChunkError)


@pytest.mark.parametrize("data", ["AQI", "AQ", "A", "AQI=\n", "AQ I=", "_-8=", "=", "AQI==", "é", "!"])
@pytest.mark.parametrize("sequence", [None, 0, 7, MAX_SEQUENCE])
def test_a_chunk_that_is_not_base64_names_its_number(data: str, sequence: int | None) -> None:
    """Only padded standard base64 is audio; the chunk has used its number all the same."""
    with pytest.raises(BadChunkError) as caught:
        decode(json.dumps({"type": "audio_chunk", "data": data, "sequence": sequence}))
    assert (ErrorCode.BAD_AUDIO, sequence) == (caught.value.code, caught.value.sequence)


@pytest.mark.parametrize(("message", "expected"), SAID)
def test_each_answer_is_written_as_the_protocol_says(message: ServerMessage, expected: dict[str, Any]) -> None:
    """Fields that do not apply are absent."""
    assert expected == json.loads(encode(message))


@pytest.mark.parametrize("code", ErrorCode)
def test_each_error_is_written_with_its_row(code: ErrorCode) -> None:
    """The plain three fields, and whether it can be retried and is fatal."""
    plain = {"type": "error", "message": ERRORS[code].text, "code": code.value, "retryable": ERRORS[code].retryable}
    assert {**plain, "fatal": False} == json.loads(encode(error(code)))
    full = error(code, text="Words.", fatal=True, sequence=0, expected=1, retry_after_ms=2)
    details = {"message": "Words.", "fatal": True, "sequence": 0, "expected": 1, "retry_after_ms": 2}
    assert {**plain, **details} == json.loads(encode(full))


words = st.builds(WordTime, st.text(), st.integers(0), st.integers(0), st.floats(0, 1))
small = st.integers(0, MAX_SEQUENCE)
reasons = st.sampled_from(["silence", "max_length", "flush", "stop", "idle", "ended", "drain"])
answers: st.SearchStrategy[ServerMessage] = st.one_of(
    st.builds(Partial, st.text(), small, small, small, small, small),
    st.builds(
        Final, st.text(), small, small, small, small, small, reasons, st.lists(words, max_size=3), last=st.booleans()
    ),
    st.builds(Error, st.text(), st.text(), st.booleans(), st.booleans(), small, small, small),
    st.builds(Started, st.text(), small, small, small, st.text(), st.just(LIMITS)),
    st.builds(
        Started, st.text(), small, small, small, st.text(), st.just(LIMITS), cursor=st.text(), resumable=st.just("here")
    ),
    st.builds(Flushed, st.text(), small),
    st.builds(Ack, st.text(), small),
    st.builds(Closing, st.sampled_from(["drain", "overload"]), small, st.booleans()),
)


@given(answers)
def test_answers_survive_the_way_there(message: ServerMessage) -> None:
    """What is encoded is what a reader decodes, whatever the text."""
    assert message == msgspec.json.decode(encode(message), type=ServerMessage)


@given(st.binary(max_size=4_000), st.none() | small)
def test_audio_survives_the_way_here(data: bytes, sequence: int | None) -> None:
    """Any bytes under any number."""
    text = json.dumps({"type": "audio_chunk", "data": base64.b64encode(data).decode(), "sequence": sequence})
    assert AudioChunk(data, sequence) == decode(text)


PIECES = (
    '{"type":"audio_chunk","data":"',
    '{"type": "audio_chunk", "data": "',
    *("AQI=", "AQI", "!", "\\/", "\\", '"', '"}', "é", "\n", "7", "-1", "1e3", "}", " "),
    *(
        '","type":"stop"',
        '","type":"audio_chunk"',
        '","sequence":',
        '", "sequence": ',
        ',"data":"',
        '","later":[{"data":"x"}]}',
    ),
)
"""What chunks as clients write them, and damaged ones, are made of."""


def outcome(text: str | bytes) -> object:
    """What a text gives: a message, or what was wrong with it."""
    try:
        return decode(text)
    except BadChunkError as mistake:
        return mistake.code, mistake.sequence
    except EarfulError as mistake:
        return mistake.code, mistake.text


@example([PIECES[0], "AQI=", '","sequence":', "7", "}"])
@example([PIECES[1], "AQI=", '", "sequence": ', "7", "}"])
@example([PIECES[0], "AQI=", '","data":"', "AQI=", '"}'])
@example([PIECES[0], "AQI=", '","type":"stop"', "}"])
@example([PIECES[0], "AQI=", '","type":"audio_chunk"', "}"])
@example([PIECES[0], "AQI"])
@example([PIECES[0], "AQI", '"}'])
@given(st.lists(st.sampled_from(PIECES), max_size=8))
@settings(max_examples=2_000)
def test_a_chunk_whose_audio_is_not_read_as_json_means_the_same(pieces: list[str]) -> None:
    """Bytes, which may take the short way, give what the same text gives, which takes the long one."""
    text = "".join(pieces)
    assert outcome(text) == outcome(text.encode())


def is_understood_or_refused(text: str | bytes) -> bool:
    """A message, or a typed error with one of the codes for it; anything else raises here."""
    try:
        return isinstance(decode(text), AudioChunk | Start | Flush | Stop | Keepalive)
    except EarfulError as mistake:
        codes = {ErrorCode.BAD_JSON, ErrorCode.BAD_MESSAGE, ErrorCode.UNKNOWN_TYPE, ErrorCode.BAD_AUDIO}
        return mistake.code in codes and (mistake.code is ErrorCode.BAD_AUDIO) == isinstance(mistake, BadChunkError)


LEAVES: list[object] = [None, True, False, 0, -1, 1, 2.5, math.nan, math.inf, -1e308, 10**400, MAX_SEQUENCE, 2**53]
LEAVES += [
    2**70,
    "",
    "x",
    "\ud800",
    "é\x00",
    "AQI=",
    "AQI",
    "audio_chunk",
    "start",
    "stop",
    "flush",
    "mulaw",
    "x" * 300,
]
NAMES = ["type", "data", "sequence", "id", "protocol", "sample_rate", "encoding", "channels", "words", "x", "\udfff"]
VALID: list[dict[str, object]] = [json.loads(text) for text, _ in UNDERSTOOD]


def tree(chance: random.Random, depth: int = 4) -> object:
    """Any JSON, NaN and lone surrogates in it too; now and then a very deep one."""
    kind = chance.randrange(8) if depth else 0
    if kind < 5:
        return chance.choice(LEAVES)
    if kind == 5:
        return [tree(chance, depth - 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return {chance.choice(NAMES): tree(chance, depth - 1) for _ in range(chance.randrange(4))}
    return reduce(lambda inner, _: [inner], range(chance.choice([2, 300])), chance.choice(LEAVES))


def altered(chance: random.Random) -> dict[str, object]:
    """A real message with fields replaced, added and left out."""
    wrong = {chance.choice(NAMES): tree(chance, 2) for _ in range(chance.randrange(3))}
    missing = chance.choice(NAMES)
    return {name: value for name, value in {**chance.choice(VALID), **wrong}.items() if name != missing}


def damaged(chance: random.Random) -> bytes:
    """A real message with some bytes overwritten, cut out or put in."""
    text = chance.choice(UNDERSTOOD)[0].encode()
    begin = chance.randint(0, len(text))
    return text[:begin] + chance.randbytes(chance.randrange(4)) + text[begin + chance.randrange(4) :]


@given(st.binary(max_size=200))
@example(b"[" * 300_000)
@example(b'{"type":"stop","x":' + b"[" * 300_000)
@example(b'{"type":"audio_chunk","data":"' + b"A" * 100_000)
@example(b"1" * 100_000)
@example(b'"\\ud800"')
def test_any_bytes_give_a_message_or_an_error(text: bytes) -> None:
    """Nothing else, and no other exception."""
    assert is_understood_or_refused(text)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=True))
def test_random_bytes_give_a_message_or_an_error(chance: random.Random) -> None:
    """Ten thousand strings of bytes, half of them damaged messages."""
    for _ in range(25):
        assert is_understood_or_refused(chance.randbytes(chance.randrange(80)))
        assert is_understood_or_refused(damaged(chance))


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=True), st.booleans())
def test_random_trees_give_a_message_or_an_error(chance: random.Random, escaped: bool) -> None:  # noqa: FBT001 - drawn
    """Ten thousand trees of JSON, half of them real messages with wrong fields."""
    for _ in range(25):
        assert is_understood_or_refused(json.dumps(tree(chance), ensure_ascii=escaped))
        assert is_understood_or_refused(json.dumps(altered(chance), ensure_ascii=escaped))
