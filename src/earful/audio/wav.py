"""The header of a WAV file, read from as many bytes as are there: what the samples are and where they begin.

Guarantees to look at 64 KiB at most and to believe no claimed size: a header is read or refused with a
sentence, never with another exception. Pure; called by `wavfile` for uploads and by live sessions, where
people stream files.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from struct import unpack_from
from typing import TYPE_CHECKING, NoReturn

from earful.audio.pcm import MAX_CHANNELS
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_HEADER_BYTES = 65_536
MIN_FILE_RATE_HZ = 1_000
MAX_FILE_RATE_HZ = 192_000

_MAGIC_BYTES = 12
_FORMAT_BYTES = 16
_EXTENSIBLE_BYTES = 40
_EXTENSIBLE_TAG = 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("0000000010008000 00aa00389b71")
# Writers that cannot go back leave all ones, zero, or the largest number they dare (0x7ffff000 upwards).
_IMPLAUSIBLE_BYTES = 0x7FFFF000


class WavEncoding(StrEnum):
    """How one sample of one channel is written in a WAV file; all little-endian, `u8` unsigned."""

    U8 = "u8"
    S16 = "s16"
    S24 = "s24"
    S32 = "s32"
    F32 = "f32"
    F64 = "f64"
    MULAW = "mulaw"
    ALAW = "alaw"


_ENCODINGS = {
    (1, 8): WavEncoding.U8,
    (1, 16): WavEncoding.S16,
    (1, 24): WavEncoding.S24,
    (1, 32): WavEncoding.S32,
    (3, 32): WavEncoding.F32,
    (3, 64): WavEncoding.F64,
    (6, 8): WavEncoding.ALAW,
    (7, 8): WavEncoding.MULAW,
}


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a header says: rate in Hz, where in the file the samples begin, and how many bytes they claim to be.

    `data_bytes` is None where the writer did not know (a stream) or claims too much to be meant.
    """

    encoding: WavEncoding
    sample_rate: int
    channels: int
    frame_bytes: int
    data_offset: int
    data_bytes: int | None


def parse_wav_header(prefix: bytes) -> WavHeader | None:
    """Read the header from a file's first bytes; None where more are needed, within its first 64 KiB.

    Raises EarfulError(NOT_AUDIO) as soon as it cannot become a WAV file that can be read.
    """
    _check_magic(prefix)
    shape: tuple[WavEncoding, int, int, int] | None = None
    end = _MAGIC_BYTES
    for name, body, size in _chunks(prefix):
        if name == b"data":
            if shape is None:
                _refuse("the samples come before the fmt chunk that describes them")
            return WavHeader(*shape, data_offset=body, data_bytes=_believable(size))
        if name == b"fmt ":
            if len(prefix) < body + min(size, _EXTENSIBLE_BYTES):
                return None
            shape = _shape(prefix[body : body + size])
        end = _after(body, size)
    if _is_out_of_bounds(end):
        _refuse(f"no samples begin within its first {MAX_HEADER_BYTES} bytes")
    return None


def skip_riff(prefix: bytes) -> int | None:
    """Say how many bytes at the very beginning of a live stream are a RIFF/WAVE header, its data chunk's included.

    0 where there is none, decided at the first byte that differs, or where its samples would begin beyond
    64 KiB: then all of it is audio. None where more bytes are needed. What the header says of the
    samples is not looked at.
    """
    if not (b"RIFF".startswith(prefix[:4]) and b"WAVE".startswith(prefix[8:12])):
        return 0
    end = _MAGIC_BYTES
    for name, body, size in _chunks(prefix):
        if name == b"data":
            return body
        end = _after(body, size)
    return 0 if _is_out_of_bounds(end) else None


def is_wav(prefix: bytes) -> bool:
    """Whether a file that begins with these bytes, twelve at least, calls itself WAV (RF64 and BW64 too)."""
    return prefix[:4] in {b"RIFF", b"RF64", b"BW64"} and prefix[8:12] == b"WAVE"


def _check_magic(prefix: bytes) -> None:
    if prefix[:4] == b"RIFX":
        _refuse("big-endian WAV (RIFX) is not supported")
    if len(prefix) >= _MAGIC_BYTES and not is_wav(prefix):
        _refuse("it does not begin with RIFF and WAVE")


def _chunks(prefix: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk whose own header is wholly in `prefix` and within bounds: name, offset of its body, claimed size."""
    at = _MAGIC_BYTES
    while at + 8 <= min(len(prefix), MAX_HEADER_BYTES):
        name, size = unpack_from("<4sI", prefix, at)
        yield name, at + 8, size
        at = _after(at + 8, size)


def _after(body: int, size: int) -> int:
    return body + size + (size & 1)


def _is_out_of_bounds(chunk: int) -> bool:
    return chunk + 8 > MAX_HEADER_BYTES


def _believable(claimed_bytes: int) -> int | None:
    return claimed_bytes if 0 < claimed_bytes < _IMPLAUSIBLE_BYTES else None


def _shape(body: bytes) -> tuple[WavEncoding, int, int, int]:
    if len(body) < _FORMAT_BYTES:
        _refuse("its fmt chunk is too short")
    tag, channels, rate_hz, _, frame_bytes, bits = unpack_from("<HHIIHH", body)
    _check_ranges(channels, rate_hz)
    codec = _codec(body, tag)
    encoding = _ENCODINGS.get((codec, bits))
    if encoding is None:
        _refuse(f"samples of codec {codec} with {bits} bits are not supported; 16-bit PCM always works")
    if frame_bytes != channels * bits // 8:
        _refuse(f"{channels} channels of {bits} bits do not make the {frame_bytes} bytes a frame it claims")
    return encoding, rate_hz, channels, frame_bytes


def _codec(body: bytes, tag: int) -> int:
    """Return the codec's number, for an extensible header the one in its GUID where that stands for one."""
    if tag != _EXTENSIBLE_TAG or body[26:_EXTENSIBLE_BYTES] != _SUBFORMAT_TAIL:
        return tag
    (codec,) = unpack_from("<H", body, 24)
    return int(codec)


def _check_ranges(channels: int, rate_hz: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        _refuse(f"it claims {channels} channels, where 1 to {MAX_CHANNELS} can be read")
    if not MIN_FILE_RATE_HZ <= rate_hz <= MAX_FILE_RATE_HZ:
        _refuse(f"it claims {rate_hz} Hz, where {MIN_FILE_RATE_HZ} to {MAX_FILE_RATE_HZ} can be read")


def _refuse(why: str) -> NoReturn:
    raise EarfulError(ErrorCode.NOT_AUDIO, f"The WAV file cannot be read: {why}.")
