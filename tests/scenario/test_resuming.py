"""The promise: over any number of drops, a client ends with the finals of an undisturbed run."""

from __future__ import annotations

import random
from functools import lru_cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.scenario.journey import FLUSH, Journey
from tests.session.ear import RULES, chunks_of, every, told
from tests.session.recordings import NATIVE, recorded, scene, silence, speech, stretch
from tests.session.test_listener import HEADER

from earful.audio.pcm import Encoding, Format
from earful.protocol.messages import Ack, Final, Flushed, Partial, Start, Started
from earful.session.rules import ListeningRules

MULAW_8K = Format(Encoding.MULAW, 8_000)
CD = Format(Encoding.PCM_S16LE, 44_100)
STEREO_11K = Format(Encoding.PCM_F32LE, 11_025, 2)
FORMATS = [NATIVE, MULAW_8K, CD, STEREO_11K]
SHORT = ListeningRules(max_utterance_s=3)
Heard = list[tuple[int, str, int, int, str]]

by_format = pytest.mark.parametrize("audio_format", FORMATS, ids=str)


def start_of(audio_format: Format) -> Start:
    """Opts in to a format."""
    return Start(
        encoding=audio_format.encoding.value, sample_rate=audio_format.sample_rate, channels=audio_format.channels
    )


def script_of(data: bytes, cuts: list[int], flushes: tuple[int, ...] = ()) -> list[bytes | None]:
    """What the application says: chunks, and flushes between them."""
    script: list[bytes | None] = []
    for _, chunk, flush_follows in chunks_of(data, cuts, flushes):
        script += [chunk, FLUSH] if flush_follows else [chunk]
    return script


@lru_cache
def undisturbed(
    pcm: bytes,
    audio_format: Format,
    noise_rms: float,
    rules: ListeningRules,
    flushes: tuple[int, ...] = (),
    head: bytes = b"",
) -> Heard:
    """The finals of a run without a drop, all of it in one chunk from flush to flush."""
    data = head + recorded(pcm, audio_format, noise_rms)
    journey = Journey(script_of(data, every(64_000, len(data)), flushes), start_of(audio_format), rules)
    journey.run()
    assert 0 == journey.drops
    return told(journey.speaker.finals)


def place(share: float, data: bytes) -> int:
    """A byte of a recording, at this share of it."""
    return 1 + int(share * (len(data) - 1))


shares = st.floats(0, 1, exclude_max=True)


@by_format
@settings(max_examples=20, deadline=None)
@given(
    chunk_bytes=st.sampled_from([997, 3_200, 10_001, 40_000]),
    noise_rms=st.sampled_from([0, 20, 200]),
    rules=st.sampled_from([RULES, SHORT]),
    flush_shares=st.lists(shares, max_size=4, unique=True),
    drops=st.lists(st.integers(0, 120), max_size=8),
    seed=st.integers(0, 1 << 32) | st.none(),
    has_header=st.booleans(),
)
@example(997, 20, SHORT, [0.2, 0.201, 0.6], [0, 1, 2, 3, 90, 40, 1], None, True)
def test_the_finals_are_those_of_an_undisturbed_run(
    audio_format: Format,
    chunk_bytes: int,
    noise_rms: float,
    rules: ListeningRules,
    flush_shares: list[float],
    drops: list[int],
    seed: int | None,
    has_header: bool,  # noqa: FBT001 - drawn
) -> None:
    """Speech, noise and silence, any chunks, any flushes, drops anywhere: same index, text, times and reason."""
    head = HEADER if has_header else b""
    data = head + recorded(scene(), audio_format, noise_rms)
    flushes = tuple(place(share, data) for share in flush_shares)
    journey = Journey(script_of(data, every(chunk_bytes, len(data)), flushes), start_of(audio_format), rules)
    journey.run(drops, None if seed is None else random.Random(seed))  # noqa: S311 - chooses what happens
    assert undisturbed(scene(), audio_format, noise_rms, rules, flushes, head) == told(journey.speaker.finals)
    assert {} == journey.speaker.fragments


@by_format
@pytest.mark.parametrize("drops", [[], [1, 1, 1], [2] * 20], ids=["never", "at once", "again and again"])
def test_the_journeys_are_what_they_seem(audio_format: Format, drops: list[int]) -> None:
    """An undisturbed one has six sentences, cut or flushed; a disturbed one goes on in the middle."""
    data = recorded(speech(), audio_format, 20)
    journey = Journey(script_of(data, every(len(data) // 100, len(data))), start_of(audio_format), SHORT)
    journey.run([*drops, 20] if drops else [])
    assert len(drops) + bool(drops) == journey.drops
    assert {"silence", "max_length", "stop"} == {final.reason for final in journey.speaker.finals}
    assert bool(drops) == any(isinstance(one, Started) and one.next_index > 0 for one in journey.heard)
    assert undisturbed(speech(), audio_format, 20, SHORT) == told(journey.speaker.finals)


@pytest.mark.parametrize("said", [0, 1, 3, 15])
def test_a_started_that_is_lost_thrice_costs_nothing(said: int) -> None:
    """Who has no cursor begins anew with all its audio; who has one tries again with a larger attempt."""
    data = recorded(scene())
    journey = Journey(script_of(data, every(32_000, len(data))), Start())
    for rounds in range(2):
        for _ in range(3):
            journey.connect()
            for _ in range(said):
                journey.say()
                journey.send()
        assert rounds * 3 == journey.speaker.attempt
        journey.connect()
        for _ in range(12):
            journey.step()
    journey.run()
    assert undisturbed(scene(), NATIVE, 0, RULES) == told(journey.speaker.finals)


@pytest.mark.parametrize("heard", range(8))
def test_flushes_and_stop_are_asked_again_until_they_are_answered(heard: int) -> None:
    """Dropped before each message that answers them: in the middle of a sentence, in silence, at the end."""
    script: list[bytes | None] = [stretch(4, 5), FLUSH, FLUSH, silence(1), FLUSH, stretch(4, 6), FLUSH]
    through, dropped = Journey(script, Start(partials="off")), Journey(script, Start(partials="off"))
    through.run()
    dropped.connect()
    for _ in range(len(script) + 1):
        dropped.say()
    for _ in range(40):
        dropped.send()
        dropped.answer()
    for _ in range(heard):
        dropped.hear()
    dropped.run()
    assert told(through.speaker.finals) == told(dropped.speaker.finals)
    answered = [message.id for message in dropped.heard if isinstance(message, Flushed)]
    assert [f"flush {nth}" for nth in (1, 2, 3, 4)] == answered


@pytest.mark.parametrize("at_s", [0.5, 1.9, 2.0, 2.1, 2.9, 3.0, 3.9, 4.5])
def test_a_drop_inside_a_monologue_loses_and_doubles_nothing(at_s: float) -> None:
    """Cut at its greatest length, inside speech, before and after each cut."""
    rules = ListeningRules(max_utterance_s=1)
    data = recorded(stretch(8.4, 13.9))
    journey = Journey(script_of(data, every(3_200, len(data))), Start(), rules)
    journey.run([round(at_s * 10), 1, 2])
    assert 3 == journey.drops
    assert undisturbed(stretch(8.4, 13.9), NATIVE, 0, rules) == told(journey.speaker.finals)


@by_format
def test_what_a_connected_client_keeps_is_bounded(audio_format: Format) -> None:
    """By what `started` says, and a chunk at either end, in speech without a pause and in silence."""
    pcm = stretch(8.4, 13.9) * 10 + silence(30) + stretch(8.4, 13.9)
    data = recorded(pcm, audio_format, 20)
    a_second = audio_format.sample_rate * audio_format.frame_bytes
    journey = Journey(script_of(data, every(a_second, len(data))), start_of(audio_format))
    most = 0
    journey.connect()
    while not journey.speaker.is_complete:
        journey.step()
        most = max(most, journey.speaker.kept_bytes)
    (keep_audio_s,) = {message.limits.keep_audio_s for message in journey.heard if isinstance(message, Started)}
    assert 30 * a_second < most <= (keep_audio_s + 2) * a_second


def test_no_final_a_client_has_ever_changes() -> None:
    """Whatever is replayed: what it was told of an index first is what it keeps, and it gets each once."""
    data = recorded(scene(), NATIVE, 20)
    journey = Journey(script_of(data, every(3_200, len(data))), Start())
    journey.run(range(5, 300, 20), random.Random(5))  # noqa: S311 - chooses what happens
    finals = [message for message in journey.heard if isinstance(message, Final)]
    kept: dict[int, Final] = {}
    for final in finals:
        first = kept.setdefault(final.index, final)
        assert told([first]) == told([final])
    assert list(kept.values()) == journey.speaker.finals
    assert any(isinstance(message, Ack) for message in journey.heard)
    assert any(isinstance(message, Partial) for message in journey.heard)
