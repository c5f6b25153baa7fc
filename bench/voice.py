"""Audio for load: every stream its own, made from the sample recording while it is sent.

Stream `number` hears the recording rotated by its own offset under its own noise, so that the mock's
words tell whose audio it was. Costs no memory per stream and some 10 us a chunk. Used by all scripts here.
"""

from __future__ import annotations

import io
import json
import wave
from binascii import b2a_base64
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from earful.samples import sample
from wire import TEXT, frame

RATE_HZ = 16_000
NOISE_RMS = 25.0
_LONGEST_MS = 10_000
_NOISE_S = 37
_ROTATE_BY = 7919
_NOISE_BY = 104_729
_ANSWERED_AFTER_MS = 300
"""A chunk that lies at least so far inside a sentence gets an answer of its own."""

Samples = npt.NDArray[np.int16]


class _Material(NamedTuple):
    """The recording and the noise, each followed by its own beginning; `spoken` are its sentences in ms."""

    speech: Samples
    speech_samples: int
    noise: Samples
    noise_samples: int
    spoken: list[tuple[int, int]]


@cache
def _material() -> _Material:
    with wave.open(io.BytesIO(sample().read_bytes())) as recording:
        speech = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    noise = np.random.default_rng(1).normal(0, NOISE_RMS, _NOISE_S * RATE_HZ).astype(np.int16)
    sentences = json.loads(sample("speech.json").read_text())
    return _Material(
        _wrapped(speech // 2),  # Half as loud, so that noise cannot overflow it.
        len(speech),
        _wrapped(noise),
        len(noise),
        [(sentence["start_ms"] + _ANSWERED_AFTER_MS, sentence["end_ms"]) for sentence in sentences],
    )


def _wrapped(samples: Samples) -> Samples:
    longest = _LONGEST_MS * RATE_HZ // 1000
    return np.concatenate([samples, samples[:longest]])


class Voice:
    """One stream's audio, chunk by chunk; the same in every process."""

    __slots__ = ("_chunk_samples", "_noise_from", "_speech_from", "chunk_ms")

    def __init__(self, number: int, chunk_ms: int) -> None:
        """Choose the stream's own rotation and noise."""
        material = _material()
        self.chunk_ms = chunk_ms
        self._chunk_samples = chunk_ms * RATE_HZ // 1000
        self._speech_from = number * _ROTATE_BY % material.speech_samples
        self._noise_from = number * _NOISE_BY % material.noise_samples

    def pcm(self, nth: int) -> bytes:
        """The nth chunk, from 0, as 16 kHz mono s16le."""
        material, size = _material(), self._chunk_samples
        here = (self._speech_from + nth * size) % material.speech_samples
        under = (self._noise_from + nth * size) % material.noise_samples
        mixed: Samples = material.speech[here : here + size] + material.noise[under : under + size]
        return mixed.tobytes()

    def is_spoken(self, nth: int) -> bool:
        """Whether the nth chunk lies inside a sentence."""
        material = _material()
        begin_ms = (self._speech_from + nth * self._chunk_samples) % material.speech_samples * 1000 // RATE_HZ
        return any(first <= begin_ms and begin_ms + self.chunk_ms <= last for first, last in material.spoken)

    def message(self, nth: int) -> bytes:
        """The nth chunk as a masked frame, its sequence number counting from 1."""
        return chunk_frame(self.pcm(nth), nth + 1)


def chunk_frame(pcm: bytes, sequence: int) -> bytes:
    """A chunk of audio as a masked frame."""
    encoded = b2a_base64(pcm, newline=False)
    return frame(TEXT, b'{"type":"audio_chunk","data":"%b","sequence":%d}' % (encoded, sequence))
