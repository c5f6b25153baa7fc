"""Voices and their turns: each its own, all together even."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.speech import SPEECH

from earful.bench.recording import Recording
from earful.bench.voice import Turns, Voice

RECORDING = Recording(SPEECH, 100)
SIZE = len(RECORDING.heads)
VOICES = 200


def test_a_voice_speaks_the_recording_in_a_loop() -> None:
    """From its own offset; the same for the same number."""
    voice = Voice(RECORDING, 3)
    heads = [voice.head(chunk) for chunk in range(2 * SIZE)]
    offset = RECORDING.heads.index(heads[0])
    assert 0 < offset
    assert [RECORDING.heads[(offset + chunk) % SIZE] for chunk in range(2 * SIZE)] == heads
    assert [RECORDING.spoken[(offset + chunk) % SIZE] for chunk in range(SIZE)] == [
        voice.is_spoken(chunk) for chunk in range(SIZE)
    ]
    assert heads[:9] == [Voice(RECORDING, 3).head(chunk) for chunk in range(9)]


def test_offsets_are_spread_evenly() -> None:
    """At any moment about as many voices are in a pause as at any other."""
    voices = [Voice(RECORDING, number) for number in range(VOICES)]
    shares = [sum(voice.is_spoken(chunk) for voice in voices) / VOICES for chunk in range(SIZE)]
    assert 0.05 > max(shares) - sum(shares) / SIZE
    assert 0.05 > sum(shares) / SIZE - min(shares)


@given(duty=st.floats(0.01, 0.99), chunk_ms=st.integers(20, 1000), chunk=st.integers(0, 10**6))
def test_as_many_speak_at_any_moment_as_wanted(duty: float, chunk_ms: int, chunk: int) -> None:
    """Of two hundred voices."""
    speaking = sum(Turns(number, duty, chunk_ms).is_on(chunk) for number in range(VOICES))
    assert pytest.approx(duty, abs=0.05) == speaking / VOICES


@given(number=st.integers(0, 10**5), duty=st.floats(0.01, 0.9))
def test_turns_last_four_seconds(number: int, duty: float) -> None:
    """Whatever the share, and to the chunk."""
    turns = Turns(number, duty, 100)
    states = "".join("x" if turns.is_on(chunk) else "." for chunk in range(int(130 / duty)))
    lengths = {len(turn) for turn in states.strip("x").split(".") if turn}
    assert lengths
    assert lengths <= {39, 40, 41}


def test_outside_its_turns_a_voice_is_silent() -> None:
    """And nothing counts there, nor in the first 300 ms of a turn."""
    turns = Turns(5, 0.3, 100)
    voice, always = Voice(RECORDING, 5, turns), Voice(RECORDING, 5)
    chunks = range(2000)
    assert [always.head(chunk) if turns.is_on(chunk) else RECORDING.silence for chunk in chunks] == [
        voice.head(chunk) for chunk in chunks
    ]
    begun = [chunk for chunk in chunks[1:] if turns.is_on(chunk) and not turns.is_on(chunk - 1)]
    assert begun
    for first in begun:
        assert [False] * 3 == [voice.is_spoken(chunk) for chunk in range(first, first + 3)]
        assert turns.is_settled(first + 4)
    assert not any(voice.is_spoken(chunk) for chunk in chunks if not turns.is_on(chunk))
