"""Any samples in any format: 16 kHz mono s16le that depends on the bytes alone, as long as they are, their mean."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.fuzz.cutting import cut

from earful.audio.pcm import NATIVE_RATE_HZ, Converter, Encoding, Format
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = struct.Struct("<BHB2s")
_ENCODINGS = tuple(Encoding)
_MOST_OFF_S = 0.03
SEEDS = (
    HEAD.pack(0, 16_000, 1, b"\x03\x01") + b"\1\2\3\4\5\6\7",
    HEAD.pack(0, 16_000, 2, b"\x01\x07") + struct.pack("<6h", 1, 2, -32768, -32768, 32767, 32767),
    HEAD.pack(1, 48_000, 1, b"\x05\x80") + struct.pack("<4f", float("nan"), float("-inf"), 2.0, -0.5) * 300,
    HEAD.pack(2, 8_000, 1, b"\xa0\x01") + bytes(range(256)) * 2,
    HEAD.pack(3, 44_100, 8, b"\xff\x10") + bytes(range(256)) * 3,
    HEAD.pack(1, 11_025, 3, b"\x01\x02") + bytes(900),
    HEAD.pack(0, 7_999, 9, b"\x01\x01"),
)


def check(data: bytes, made: type[Converter] = Converter) -> None:
    """Refused with the one error, or the same however it is cut, of the right length, and the channels' mean."""
    if len(data) < HEAD.size:
        return
    encoding, rate_hz, channels, steps = HEAD.unpack_from(data)
    body = data[HEAD.size :]
    try:
        audio = Format(_ENCODINGS[encoding % len(_ENCODINGS)], rate_hz, channels)
    except EarfulError as error:
        assert error.code == ErrorCode.UNSUPPORTED_FORMAT  # noqa: PT017 - the only one
        return
    heard = _heard(made(audio), [body])
    assert heard == _heard(made(audio), cut(body, steps))
    frames = len(body) // audio.frame_bytes
    assert abs(len(heard) / 2 / NATIVE_RATE_HZ - frames / rate_hz) < _MOST_OFF_S
    if audio.encoding == Encoding.PCM_S16LE and rate_hz == NATIVE_RATE_HZ:
        _check_mean(heard, body[: frames * audio.frame_bytes], channels)


def _heard(converter: Converter, pieces: Iterable[bytes]) -> bytes:
    return b"".join([*map(converter.feed, pieces), converter.drain()])


def _check_mean(heard: bytes, samples: bytes, channels: int) -> None:
    frames = struct.iter_unpack(f"<{channels}h", samples)
    means = [sum(frame) / channels for frame in frames]
    assert len(heard) == 2 * len(means)
    assert all(abs(said - mean) <= 1 for (said,), mean in zip(struct.iter_unpack("<h", heard), means, strict=True))
