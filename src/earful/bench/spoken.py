"""Which of a recording's chunks count: those whose answer any listening server owes at once.

The recording is judged beforehand, by WebRTC's VAD at its strictest; pauses too short for a hangover of 200 ms
are bridged, and the first 300 ms of each stretch do not count, since an onset takes time. Pure; called by `recording`.
"""

from __future__ import annotations

from itertools import pairwise

from earful.audio.pcm import NATIVE_RATE_HZ, NATIVE_SAMPLE_BYTES
from earful.audio.vad import Vad

LEAD_IN_MS = 300
"""The first so much of a stretch, or of a turn, does not count: the detector does not believe in it yet."""

_FRAME_MS = 20
_BRIDGED_MS = 160
_BYTES_PER_MS = NATIVE_RATE_HZ * NATIVE_SAMPLE_BYTES // 1000
_STRICTEST = 3


def spoken_chunks(pcm: bytes, chunk_ms: int) -> tuple[bool, ...]:
    """Whether each whole chunk of 16 kHz mono s16le, spoken in a loop, lies in a stretch of speech."""
    stretches = _stretches(_verdicts(pcm))
    begins_ms = range(0, len(pcm) // _BYTES_PER_MS - chunk_ms + 1, chunk_ms)
    return tuple(any(begin + LEAD_IN_MS <= at and at + chunk_ms <= end for begin, end in stretches) for at in begins_ms)


def _verdicts(pcm: bytes) -> list[bool]:
    vad = Vad(_STRICTEST)
    frame_bytes = _FRAME_MS * _BYTES_PER_MS
    vad.judge(pcm, 0, frame_bytes)  # A stream has heard it before when it begins anew.
    return vad.judge(pcm, 0, frame_bytes)


def _stretches(verdicts: list[bool]) -> list[tuple[int, int]]:
    """Begin and end in ms of each run of speech, short pauses bridged."""
    speech_ms = [nth * _FRAME_MS for nth, is_speech in enumerate(verdicts) if is_speech]
    if not speech_ms:
        return []
    gaps = [(a + _FRAME_MS, b) for a, b in pairwise(speech_ms) if b - a - _FRAME_MS > _BRIDGED_MS]
    begins = [speech_ms[0], *(end for _, end in gaps)]
    ends = [*(begin for begin, _ in gaps), speech_ms[-1] + _FRAME_MS]
    return list(zip(begins, ends, strict=True))
