"""Voice activity: real speech and silence, at every frame length, and nothing read beyond a frame."""

from __future__ import annotations

import math
import struct

import pytest

from earful.audio.vad import Vad


def vowel(duration_ms: int) -> bytes:
    """Something like a sung vowel: harmonics of 120 Hz under two formants."""
    harmonics = [(120 * n, math.exp(-(((120 * n - 700) / 300) ** 2)) + 0.3 / n) for n in range(1, 20)]
    samples = (
        sum(level * math.sin(2 * math.pi * hz * at / 16_000) for hz, level in harmonics)
        for at in range(16 * duration_ms)
    )
    return b"".join(struct.pack("<h", round(3_000 * sample)) for sample in samples)


@pytest.mark.parametrize("frame_bytes", [320, 640, 960])
@pytest.mark.parametrize("aggressiveness", [0, 1, 2, 3])
def test_a_vowel_is_speech_and_silence_is_not(frame_bytes: int, aggressiveness: int) -> None:
    """Every mode hears a loud vowel and stays quiet in digital silence, at each frame length."""
    vad = Vad(aggressiveness)
    silence = [vad.is_speech(bytes(frame_bytes)) for _ in range(10)]
    sound = vowel(240)
    speech = [vad.is_speech(sound[at : at + frame_bytes]) for at in range(0, len(sound), frame_bytes)]
    assert not any(silence)
    assert any(speech)


def test_views_are_heard_like_bytes() -> None:
    """Frames need not be copied out of the buffer they lie in."""
    sound = vowel(200)
    copied, viewed = Vad(2), Vad(2)
    for at in range(0, len(sound), 640):
        assert copied.is_speech(sound[at : at + 640]) == viewed.is_speech(memoryview(sound)[at : at + 640])


def test_a_new_detector_has_heard_nothing() -> None:
    """Two begun alike judge alike, whatever a third has heard."""
    frames = [vowel(20), bytes(640), vowel(20)]
    Vad(2).is_speech(vowel(20))
    first, second = Vad(2), Vad(2)
    assert [first.is_speech(frame) for frame in frames] == [second.is_speech(frame) for frame in frames]


@pytest.mark.parametrize("size_bytes", [0, 10, 638, 1280])
def test_other_lengths_are_refused(size_bytes: int) -> None:
    """A frame of another length is a mistake of the caller's, named by its length."""
    with pytest.raises(ValueError, match=f"not {size_bytes}"):
        Vad(2).is_speech(bytes(size_bytes))


@pytest.mark.parametrize("aggressiveness", [-1, 4])
def test_other_modes_are_refused(aggressiveness: int) -> None:
    """There are four modes."""
    with pytest.raises(ValueError, match=f"not {aggressiveness}"):
        Vad(aggressiveness)
