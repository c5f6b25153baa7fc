"""Recordings for the session's tests: the sample in any format, with noise, and scenes put together from it."""

from __future__ import annotations

import json
import wave
from functools import lru_cache
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from earful.audio.pcm import Encoding, Format
from earful.samples import sample

RATE_HZ = 16_000
NATIVE = Format()
Samples = NDArray[np.float64]


@lru_cache
def speech() -> bytes:
    """Six sentences, 31 s, 16 kHz mono s16le."""
    with sample().open("rb") as file, wave.open(file) as recording:
        pcm: bytes = recording.readframes(recording.getnframes())
    return pcm


@lru_cache
def sentences() -> list[dict[str, Any]]:
    """Where they lie: `start_ms`, `end_ms`."""
    found: list[dict[str, Any]] = json.loads(sample("speech.json").read_text(encoding="utf-8"))
    return found


def stretch(begin_s: float, end_s: float) -> bytes:
    """A part of the sample."""
    return speech()[round(begin_s * RATE_HZ) * 2 : round(end_s * RATE_HZ) * 2]


def silence(seconds: float) -> bytes:
    """Digital silence."""
    return bytes(round(seconds * RATE_HZ) * 2)


@lru_cache
def scene() -> bytes:
    """Two sentences, 12 s of silence (a mark without a final in it), and one more sentence: 24 s."""
    return stretch(0, 8.4) + silence(12) + stretch(19.3, 22.9)


@lru_cache(maxsize=64)
def recorded(pcm: bytes, audio_format: Format = NATIVE, noise_rms: float = 0, seed: int = 1) -> bytes:
    """The native `pcm` with white noise of `noise_rms` (16-bit steps), as a client with this format sends it."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    if noise_rms:
        samples = samples + np.random.default_rng(seed).normal(0, noise_rms, len(samples))
    if audio_format.sample_rate != RATE_HZ:
        samples = soxr.resample(samples, RATE_HZ, audio_format.sample_rate)
    # Channels differ, and their mean is the recording.
    tilts = np.linspace(0.9, 1.1, audio_format.channels) if audio_format.channels > 1 else np.ones(1)
    return _encoded((samples[:, None] * tilts).reshape(-1), audio_format.encoding)


def _encoded(samples: Samples, encoding: Encoding) -> bytes:
    if encoding is Encoding.PCM_F32LE:
        return (samples / 32_768).astype("<f4").tobytes()
    whole = np.clip(np.rint(samples), -32_768, 32_767).astype(np.int64)
    if encoding is Encoding.MULAW:
        return _mulaw(whole)
    return _alaw(whole) if encoding is Encoding.ALAW else whole.astype("<i2").tobytes()


def _mulaw(samples: NDArray[np.int64]) -> bytes:
    magnitude = np.minimum(np.abs(samples), 32_635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    code = (samples < 0) * 128 | exponent << 4 | magnitude >> exponent + 3 & 15
    return bytes((~code & 255).astype(np.uint8))


def _alaw(samples: NDArray[np.int64]) -> bytes:
    magnitude = np.minimum(np.abs(samples), 32_767)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int64) - 7, 0)
    mantissa = magnitude >> np.maximum(exponent + 3, 4) & 15
    code = (samples >= 0) * 128 | exponent << 4 | mantissa
    return bytes((code ^ 0x55).astype(np.uint8))
