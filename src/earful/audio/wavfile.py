"""The samples of a WAV file, piece by piece, with nothing installed beyond the base.

Guarantees that a file is read as far as it goes, whatever its header claims, and never whole. Called by
`container.open_audio`, in a worker thread: reading blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from earful.audio.pcm import MAX_RATE_HZ, MIN_RATE_HZ, Encoding, Format
from earful.audio.wav import MAX_HEADER_BYTES, WavEncoding, WavHeader, parse_wav_header
from earful.audio.waveform import BLOCK_MS, Waveform
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from numpy.typing import NDArray

    from earful.audio.cap import Cap

_HEADER_STEP_BYTES = 4_096


class WavDecoder:
    """A WAV file as PCM in `format`: its own where the protocol has it, else the nearest, else 16 kHz mono."""

    def __init__(self, file: BinaryIO, cap: Cap, file_bytes: int | None = None) -> None:
        """Read the header of a file at its beginning; `file_bytes` is its size where that can be known.

        Raises EarfulError: NOT_AUDIO with the reason; TOO_LARGE for a file whose size is too long a recording.
        """
        header, self._ahead = _header_of(file)
        self._file = file
        self._cap = cap
        self._rate_hz = header.sample_rate
        self._frame_bytes = header.frame_bytes
        self._left_bytes = header.data_bytes
        if file_bytes is not None:
            there_bytes = file_bytes - header.data_offset
            sound_bytes = there_bytes if header.data_bytes is None else min(there_bytes, header.data_bytes)
            cap.foresee(sound_bytes // header.frame_bytes / header.sample_rate)
        encoding, self._widen = _READERS[header.encoding]
        self._is_over = False
        self._waveform: Waveform | None = None
        if MIN_RATE_HZ <= header.sample_rate <= MAX_RATE_HZ:
            self.format = Format(encoding, header.sample_rate, header.channels)
        else:
            self.format = Format()
            self._waveform = Waveform(encoding, header.sample_rate, header.channels)

    def __enter__(self) -> Self:
        """Nothing is held beyond the file, which stays the caller's."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file open: it is the caller's."""

    def read(self, seconds: float) -> bytes:
        """Give about the next `seconds` of PCM, b"" at the end.

        Raises EarfulError: TOO_LARGE for the piece that goes over the cap, NOT_AUDIO where there is no sample at all.
        """
        blocks = max(1, round(seconds * 1000 / BLOCK_MS))
        wanted_bytes = blocks * (self._rate_hz * BLOCK_MS // 1000) * self._frame_bytes
        pcm = b""
        while not pcm and not self._is_over:
            data = self._take(wanted_bytes)
            self._is_over = len(data) < wanted_bytes
            pcm = self._convert(data)
        if self._cap.is_untouched:
            raise EarfulError(ErrorCode.NOT_AUDIO, "The WAV file has a header and no samples after it.")
        return pcm

    def _take(self, wanted_bytes: int) -> bytes:
        """Read whole frames, fewer than wanted only at the end of the file or of what the header claims."""
        if self._left_bytes is not None:
            wanted_bytes = min(wanted_bytes, self._left_bytes)
        data = self._ahead[:wanted_bytes]
        self._ahead = self._ahead[wanted_bytes:]
        data += _read_full(self._file, wanted_bytes - len(data))
        data = data[: len(data) - len(data) % self._frame_bytes]
        if self._left_bytes is not None:
            self._left_bytes -= wanted_bytes
        if data:
            self._cap.count(len(data) // self._frame_bytes, self._rate_hz, len(data))
        return data

    def _convert(self, data: bytes) -> bytes:
        samples = self._widen(data)
        if self._waveform is None:
            return samples
        if not self._is_over:
            return self._waveform.convert(samples)
        whole = len(samples) - len(samples) % self._waveform.unit_bytes
        converted = self._waveform.convert(samples[:whole]) if whole else b""
        return converted + self._waveform.finish(samples[whole:])


def _header_of(file: BinaryIO) -> tuple[WavHeader, bytes]:
    """Read until the header is whole: it, and the bytes read beyond it."""
    prefix = b""
    while (step := _read_full(file, _HEADER_STEP_BYTES)) and len(prefix) < MAX_HEADER_BYTES:
        prefix += step
        header = parse_wav_header(prefix)
        if header is not None:
            return header, prefix[header.data_offset :]
    raise EarfulError(ErrorCode.NOT_AUDIO, "The WAV file cannot be read: it ends within its header.")


def _read_full(file: BinaryIO, wanted_bytes: int) -> bytes:
    """Read as much as wanted, less only at the end of the file: a pipe may give it in pieces."""
    data = file.read(wanted_bytes) if wanted_bytes > 0 else b""
    while len(data) < wanted_bytes and (more := file.read(wanted_bytes - len(data))):
        data += more
    return data


def _as_is(data: bytes) -> bytes:
    return data


def _u8_as_s16(data: bytes) -> bytes:
    samples = np.frombuffer(data, np.uint8).astype("<i2")
    samples -= 128
    samples <<= 8
    return samples.tobytes()


def _s24_as_f32(data: bytes) -> bytes:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return _s32_as_f32(wide.tobytes())


def _s32_as_f32(data: bytes) -> bytes:
    samples: NDArray[np.float64] = np.frombuffer(data, "<i4") / 2.0**31
    return samples.astype("<f4").tobytes()


def _f64_as_f32(data: bytes) -> bytes:
    with np.errstate(over="ignore"):  # What no float32 can hold becomes infinite, and infinity is heard as silence.
        return np.frombuffer(data, "<f8").astype("<f4").tobytes()


_READERS: dict[WavEncoding, tuple[Encoding, Callable[[bytes], bytes]]] = {
    WavEncoding.U8: (Encoding.PCM_S16LE, _u8_as_s16),
    WavEncoding.S16: (Encoding.PCM_S16LE, _as_is),
    WavEncoding.S24: (Encoding.PCM_F32LE, _s24_as_f32),
    WavEncoding.S32: (Encoding.PCM_F32LE, _s32_as_f32),
    WavEncoding.F32: (Encoding.PCM_F32LE, _as_is),
    WavEncoding.F64: (Encoding.PCM_F32LE, _f64_as_f32),
    WavEncoding.MULAW: (Encoding.MULAW, _as_is),
    WavEncoding.ALAW: (Encoding.ALAW, _as_is),
}
