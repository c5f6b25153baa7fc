"""Half an hour in virtual time: what a session holds stays bounded, in silence and in speech."""

from __future__ import annotations

import sys
from collections import deque

import pytest
from tests.session.ear import Mock
from tests.session.recordings import recorded, silence, speech
from tests.session.talk import LIMITS, Talk, mock_model

from earful.protocol.messages import Start

HALF_AN_HOUR_S = 1_800
CHUNK_BYTES = 16_000
BOUND_BYTES = 64_000


def held_bytes(thing: object, seen: set[int] | None = None) -> int:
    """What is reachable from a session and not shared by all: the sizes of its values, through slots and containers."""
    seen = set() if seen is None else seen
    if id(thing) in seen or callable(thing) or type(thing).__module__ in {"earful.session.rules", "enum"}:
        return 0
    seen.add(id(thing))
    inner: list[object] = []
    if isinstance(thing, dict):
        inner = [*thing, *thing.values()]
    elif isinstance(thing, list | tuple | set | deque):
        inner = [*thing]
    for name in getattr(type(thing), "__slots__", ()) or getattr(thing, "__dict__", ()):
        inner.append(getattr(thing, name, None))
    return sys.getsizeof(thing) + sum(held_bytes(part, seen) for part in inner)


def greatest_hold(recording: bytes, *, chunk_bytes: int = CHUNK_BYTES) -> tuple[int, Talk]:
    """Half an hour of a recording, over and over, chunk by chunk, the model answering; the most that was ever held."""
    talk, mock, most = Talk(start=Start(words=True, partials="cumulative")), Mock(words=True), 0
    for nth, at in enumerate(range(0, HALF_AN_HOUR_S * 32_000, chunk_bytes)):
        begin = at % (len(recording) - chunk_bytes)
        talk.now = at / 32_000
        talk.audio(recording[begin : begin + chunk_bytes], chunk_bytes)
        mock_model(talk, mock)
        talk.tick(talk.now)
        if nth % 37 == 0:
            most = max(most, held_bytes(talk.session))
        assert talk.session.buffered_bytes < BOUND_BYTES
    assert talk.session.closing is None
    return most, talk


@pytest.mark.parametrize("noise_rms", [0, 60])
def test_half_an_hour_of_silence(noise_rms: float) -> None:
    """No utterance, a mark every 9.5 s, and next to nothing held."""
    most, talk = greatest_hold(recorded(silence(30), noise_rms=noise_rms))
    assert most < BOUND_BYTES
    assert [] == talk.finals()
    assert HALF_AN_HOUR_S - 11 <= talk.session.position.samples / 16_000


def test_half_an_hour_of_speech() -> None:
    """Hundreds of utterances, of which none is held once it is told."""
    most, talk = greatest_hold(speech())
    assert most < BOUND_BYTES
    assert 300 <= len(talk.finals())
    assert [*range(len(talk.finals()))] == [final.index for final in talk.finals()]


def test_a_monologue_without_a_pause() -> None:
    """Cut at 30 s again and again: one utterance is held at most."""
    most, talk = greatest_hold(speech()[8_700 * 32 : 13_900 * 32])
    assert most < BOUND_BYTES
    assert {"max_length"} == {final.reason for final in talk.finals()}
    assert HALF_AN_HOUR_S // 30 - 1 <= len(talk.finals())


def test_a_model_that_does_not_answer_is_not_outrun() -> None:
    """Whoever stops reading where `wants_input` says so holds `max_buffered_ms` of audio and one chunk."""
    talk = Talk()
    voice = speech()[8_700 * 32 : 13_900 * 32] * 10
    at = 0
    assert talk.session.take_work() is None
    while talk.session.wants_input:
        talk.audio(voice[at : at + CHUNK_BYTES])
        talk.session.take_work()
        at += CHUNK_BYTES
    assert at <= (LIMITS.max_buffered_ms + 1_500) * 32 + CHUNK_BYTES
    assert LIMITS.max_buffered_ms * 32 < held_bytes(talk.session) < at * 2 + BOUND_BYTES
