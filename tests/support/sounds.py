"""Recordings for uploads: the sample as it is, as WAV of other kinds, and what only pretends to be a recording."""

from __future__ import annotations

import io
import struct
import wave
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np
import soxr  # type: ignore[import-untyped]

from earful.samples import sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 16_000
MULAW_TAG = 7


@cache
def speech(seconds: float | None = None) -> bytes:
    """The sample's PCM, 16 kHz mono s16le; its beginning where `seconds` are given."""
    with sample().open("rb") as file, wave.open(cast("io.BufferedReader", file)) as recording:
        frames = recording.getnframes() if seconds is None else round(seconds * RATE_HZ)
        pcm: bytes = recording.readframes(frames)
        return pcm


def silence(seconds: float) -> bytes:
    """Digital silence, 16 kHz mono s16le."""
    return bytes(2 * round(seconds * RATE_HZ))


def wav(
    pcm: bytes, *, rate_hz: int = RATE_HZ, channels: int = 1, tag: int = 1, bits: int = 16, claims: int | None = None
) -> bytes:
    """A WAV file of these samples; `claims` is the size its header tells, where that is not the true one."""
    size = len(pcm) if claims is None else claims
    frame_bytes = channels * bits // 8
    shape = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, bits)
    riff = min(size + 36, 0xFFFFFFFF)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16) + shape + struct.pack("<4sI", b"data", size) + pcm
    )


@cache
def stereo_44k() -> bytes:
    """The sample's PCM at 44.1 kHz on two channels."""
    mono = np.rint(soxr.resample(_floats(speech()), RATE_HZ, 44_100)).astype("<i2")
    return np.repeat(mono, 2).tobytes()


@cache
def mulaw_8k() -> bytes:
    """The sample's PCM at 8 kHz in mu-law."""
    samples = np.clip(soxr.resample(_floats(speech()), RATE_HZ, 8_000), -32_635, 32_635)
    size = np.abs(samples).astype(np.int32) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 15
    sign = np.where(samples < 0, 0x80, 0)
    coded: NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return coded.tobytes()


@cache
def mp3(seconds: float) -> bytes:
    """The sample's beginning as mp3; needs PyAV."""
    return encoded(speech(seconds), "mp3", "libmp3lame")


def encoded(pcm: bytes, container: str, codec: str, bit_rate: int | None = None) -> bytes:
    """PCM, 16 kHz mono s16le, in a file as FFmpeg makes it; needs PyAV."""
    import av

    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
    frame.sample_rate = RATE_HZ
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast("av.AudioStream", output.add_stream(codec, rate=RATE_HZ, layout="mono"))
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        coder = stream.codec_context
        coder.open()  # It knows its frame size only then.
        shaper = av.AudioResampler(coder.format, "mono", RATE_HZ, frame_size=coder.frame_size)
        for piece in [*shaper.resample(frame), *shaper.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def form(
    body: bytes, *, field: str = "file", name: str | None = "a.wav", end: bytes = b"--\r\n"
) -> tuple[bytes, dict[str, str]]:
    """A multipart body with one part, and the header that goes with it; without a `name` it is text."""
    shown = "" if name is None else f'; filename="{name}"'
    head = f'--edge\r\nContent-Disposition: form-data; name="{field}"{shown}\r\n\r\n'.encode()
    return head + body + b"\r\n--edge" + end, {"content-type": "multipart/form-data; boundary=edge"}


def _floats(pcm: bytes) -> NDArray[np.float32]:
    return np.frombuffer(pcm, "<i2").astype(np.float32)
