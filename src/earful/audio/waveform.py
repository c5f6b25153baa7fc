"""Samples as float32 numbers: decoding, mixing, resampling and rounding to 16 kHz mono s16le.

Guarantees that a block's output depends on the blocks before it alone: arithmetic is per sample, and
the resampler hears float32 (its int16 output is dithered per call) in blocks of one size. Imports numpy,
so it is imported only where a format needs it: by `pcm` and `wavfile`, inside their functions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from earful.audio.pcm import NATIVE_RATE_HZ, Encoding

Floats = NDArray[np.float32]
Resample = Callable[..., Floats]

BLOCK_MS = 20
_FULL_SCALE = 32_768.0


class Waveform:
    """One stream of samples from its first to its last, as 16 kHz mono s16le.

    Fed in whole units of `unit_bytes`: blocks of 20 ms where the rate must change (any rate from 1000 Hz
    up), else one sample of all channels.
    """

    __slots__ = ("_block_frames", "_channels", "_decode", "_frame_bytes", "_resample", "unit_bytes")

    def __init__(self, encoding: Encoding, sample_rate: int, channels: int) -> None:
        """Begin with nothing heard; costs 20 to 150 us where a resampler has to be made."""
        self._decode = _DECODE[encoding]
        self._channels = channels
        self._frame_bytes = encoding.width_bytes * channels
        self._resample = None if sample_rate == NATIVE_RATE_HZ else _resampler(sample_rate)
        self._block_frames = 1 if self._resample is None else sample_rate * BLOCK_MS // 1000
        self.unit_bytes = self._block_frames * self._frame_bytes

    def convert(self, data: bytes) -> bytes:
        """Turn one or more whole units into the PCM that became ready."""
        samples = mix(self._decode(data), self._channels)
        if self._resample is None:
            return quantise(samples)
        blocks = samples.reshape(-1, self._block_frames, 1)
        return quantise(np.concatenate([self._resample(block) for block in blocks]))

    def finish(self, data: bytes) -> bytes:
        """Take what is left, less than a unit, and give all PCM still owed. An incomplete sample is dropped."""
        if self._resample is None:
            return b""
        whole = len(data) - len(data) % self._frame_bytes
        samples = mix(self._decode(data[:whole]), self._channels)
        return quantise(self._resample(samples.reshape(-1, 1), last=True))


def mix(samples: Floats, channels: int) -> Floats:
    """Mean of interleaved channels, one number a frame.

    Column by column rather than by a matrix product, whose rounding may depend on the number of rows.
    """
    if channels == 1:
        return samples
    frames = samples.reshape(-1, channels)
    total = frames[:, 0].copy()
    for channel in range(1, channels):
        total += frames[:, channel]
    total *= np.float32(1 / channels)
    return total


def quantise(samples: Floats) -> bytes:
    """Nearest s16le of each number, -1.0 to 1.0 being full scale; louder is clipped. `samples` is used up."""
    samples *= np.float32(_FULL_SCALE)
    np.rint(samples, out=samples)
    np.minimum(samples, np.float32(32_767), out=samples)
    np.maximum(samples, np.float32(-32_768), out=samples)
    return samples.astype("<i2").tobytes()


def _resampler(sample_rate: int) -> Resample:
    # Only here: audio that comes at 16 kHz in another encoding needs no resampler.
    import soxr  # type: ignore[import-untyped]

    # The better qualities look ahead: LQ is 61 ms late at 8 kHz, where QQ is on time; above 16 kHz QQ would alias.
    quality = "QQ" if sample_rate < NATIVE_RATE_HZ else "LQ"
    resample: Resample = soxr.ResampleStream(sample_rate, NATIVE_RATE_HZ, 1, "float32", quality).resample_chunk
    return resample


def _from_s16(data: bytes) -> Floats:
    samples = np.frombuffer(data, "<i2").astype(np.float32)
    samples *= np.float32(1 / _FULL_SCALE)
    return samples


def _from_f32(data: bytes) -> Floats:
    samples = np.frombuffer(data, "<f4").astype(np.float32)
    finite = np.isfinite(samples)
    if not finite.all():
        samples[~finite] = 0
    np.minimum(samples, np.float32(1), out=samples)
    np.maximum(samples, np.float32(-1), out=samples)
    return samples


def _from_mulaw(data: bytes) -> Floats:
    return _MULAW[np.frombuffer(data, np.uint8)]


def _from_alaw(data: bytes) -> Floats:
    return _ALAW[np.frombuffer(data, np.uint8)]


def _mulaw_table() -> Floats:
    # ITU-T G.711, table 2: all bits inverted, then sign, three bits of exponent, four of mantissa; bias 33 << 2.
    code = ~np.arange(256, dtype=np.int32)
    magnitude = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return _signed(magnitude, (code & 128) == 0)


def _alaw_table() -> Floats:
    # ITU-T G.711, table 1: even bits inverted, sign, exponent, mantissa; the lowest two segments share one step.
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code >> 4) & 7
    step = ((code & 15) << 4) + 8
    magnitude = np.where(exponent == 0, step, (step + 256) << np.maximum(exponent - 1, 0))
    return _signed(magnitude, (code & 128) != 0)


def _signed(magnitude: NDArray[np.int32], positive: NDArray[np.bool_]) -> Floats:
    table: Floats = np.where(positive, magnitude, -magnitude).astype(np.float32)
    table *= np.float32(1 / _FULL_SCALE)
    return table


_MULAW = _mulaw_table()
_ALAW = _alaw_table()
_DECODE: dict[Encoding, Callable[[bytes], Floats]] = {
    Encoding.PCM_S16LE: _from_s16,
    Encoding.PCM_F32LE: _from_f32,
    Encoding.MULAW: _from_mulaw,
    Encoding.ALAW: _from_alaw,
}
