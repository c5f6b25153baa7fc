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
    silence = vad.judge(bytes(frame_bytes * 10), 0, frame_bytes)
    speech = vad.judge(vowel(240), 0, frame_bytes)
    assert not any(silence)
    assert any(speech)


def test_whole_frames_are_judged_from_where_one_asks() -> None:
    """What lies before is not heard, what is less than a frame at the end waits."""
    sound = vowel(200)
    whole, late = Vad(2).judge(sound[100:], 0, 640), Vad(2).judge(sound, 100, 640)
    assert whole == late
    assert (len(sound) - 100) // 640 == len(late)
    assert [] == Vad(2).judge(sound[:639], 0, 640)


def test_a_new_detector_has_heard_nothing() -> None:
    """Two begun alike judge alike, whatever a third has heard."""
    sound = vowel(20) + bytes(640) + vowel(20)
    Vad(2).judge(vowel(20), 0, 640)
    assert Vad(2).judge(sound, 0, 640) == Vad(2).judge(sound, 0, 640)


@pytest.mark.parametrize("size_bytes", [2, 10, 638, 1280])
def test_other_lengths_are_refused(size_bytes: int) -> None:
    """A frame of another length is a mistake of the caller's, named by its length."""
    with pytest.raises(ValueError, match=f"not {size_bytes}"):
        Vad(2).judge(bytes(size_bytes), 0, size_bytes)


@pytest.mark.parametrize("aggressiveness", [-1, 4])
def test_other_modes_are_refused(aggressiveness: int) -> None:
    """There are four modes."""
    with pytest.raises(ValueError, match=f"not {aggressiveness}"):
        Vad(aggressiveness)
