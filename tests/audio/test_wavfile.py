"""WAV files: every encoding piece by piece, lying and truncated ones as far as they go, nothing beyond the cap."""

from __future__ import annotations

import io
import math
import struct
from typing import BinaryIO, cast

import pytest

from earful.audio.cap import Cap
from earful.audio.pcm import Encoding, Format
from earful.audio.wavfile import WavDecoder
from earful.errors import EarfulError, ErrorCode

PCM, FLOAT, ALAW, MULAW = 1, 3, 6, 7


def wav(
    samples: bytes,
    *,
    tag: int = PCM,
    bits: int = 16,
    rate_hz: int = 16_000,
    channels: int = 1,
    claimed_bytes: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file any field of which may lie; `before` are chunks in front of the samples."""
    frame_bytes = channels * bits // 8
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, bits)
    size_bytes = len(samples) if claimed_bytes is None else claimed_bytes
    return b"RIFF\0\0\0\0WAVE" + fmt + before + struct.pack("<4sI", b"data", size_bytes) + samples


def decoder_of(data: bytes, cap: Cap | None = None) -> WavDecoder:
    """A decoder at the first sample."""
    return WavDecoder(io.BytesIO(data), cap or Cap(3_600.0, 1 << 30))


def pieces_of(data: bytes, seconds: float = 0.1) -> list[bytes]:
    """All that a file gives, as it gives it."""
    with decoder_of(data) as decoder:
        return list(iter(lambda: decoder.read(seconds), b""))


def read_all(data: bytes, cap: Cap | None = None) -> None:
    """Read a file to its end."""
    decoder = decoder_of(data, cap)
    while decoder.read(0.1):
        pass


def refusal(data: bytes, cap: Cap | None = None) -> EarfulError:
    """What a file is refused with, at the beginning or on the way."""
    with pytest.raises(EarfulError) as caught:
        read_all(data, cap)
    return caught.value


class Trickle:
    """A pipe: it can only be read, and never gives more than seven bytes at once."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        """Some of the bytes asked for."""
        return self._file.read(min(7, size))


@pytest.mark.parametrize(
    ("tag", "bits", "samples", "encoding", "expected"),
    [
        (PCM, 8, b"\x00\x80\xff", Encoding.PCM_S16LE, struct.pack("<3h", -32_768, 0, 32_512)),
        (PCM, 16, b"\x01\x00\xff\x7f", Encoding.PCM_S16LE, b"\x01\x00\xff\x7f"),
        (PCM, 24, bytes.fromhex("000080 000040"), Encoding.PCM_F32LE, struct.pack("<2f", -1.0, 0.5)),
        (PCM, 32, struct.pack("<2i", -(1 << 31), 1 << 30), Encoding.PCM_F32LE, struct.pack("<2f", -1.0, 0.5)),
        (FLOAT, 32, struct.pack("<2f", -1.0, 0.5), Encoding.PCM_F32LE, struct.pack("<2f", -1.0, 0.5)),
        (FLOAT, 64, struct.pack("<2d", 1e300, 0.5), Encoding.PCM_F32LE, struct.pack("<2f", math.inf, 0.5)),
        (MULAW, 8, b"\xff\x00", Encoding.MULAW, b"\xff\x00"),
        (ALAW, 8, b"\xd5\x2a", Encoding.ALAW, b"\xd5\x2a"),
    ],
)
def test_every_encoding_is_read_as_the_nearest_of_the_protocol(
    tag: int, bits: int, samples: bytes, encoding: Encoding, expected: bytes
) -> None:
    """Where the protocol has it, unchanged."""
    data = wav(samples, tag=tag, bits=bits)
    assert Format(encoding) == decoder_of(data).format
    assert [expected] == pieces_of(data)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 5.0])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_pieces_are_what_was_asked_for_and_make_up_the_whole(seconds: float, bits: int) -> None:
    """However long the pieces are; each is within a block of the length asked for."""
    frames = 11_025
    samples = bytes(at * 7 % 256 for at in range(frames * 2 * bits // 8))
    pieces = pieces_of(wav(samples, bits=bits, channels=2, rate_hz=11_025), seconds)
    whole = pieces_of(wav(samples, bits=bits, channels=2, rate_hz=11_025), 60.0)
    assert whole == [b"".join(pieces)]
    frame_bytes = len(whole[0]) // frames
    assert max(0.02, seconds) * 11_025 * frame_bytes >= max(len(piece) for piece in pieces)


@pytest.mark.parametrize("frames", [1, 96_000, 96_000 + 1_919, 9_600])
@pytest.mark.parametrize(("rate_hz", "bits"), [(96_000, 24), (192_000, 16), (4_000, 8), (1_000, 16)])
def test_rates_out_of_the_protocols_range_become_16_khz(frames: int, rate_hz: int, bits: int) -> None:
    """Whole to the last sample, also where the file ends with a piece, and however long the pieces are."""
    data = wav(bytes(range(200)) * (frames * 2 * bits // 8 // 200 + 1), bits=bits, channels=2, rate_hz=rate_hz)
    data = data[: 44 + frames * 2 * bits // 8]
    assert Format() == decoder_of(data).format
    whole = b"".join(pieces_of(data, 100.0))
    assert pytest.approx(frames * 16_000 / rate_hz, abs=1) == len(whole) / 2
    assert whole == b"".join(pieces_of(data, 0.1)) == b"".join(pieces_of(data, 0.02))


@pytest.mark.parametrize("claimed_bytes", [0, 4_000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_claim_beyond_the_file_is_not_believed(claimed_bytes: int) -> None:
    """The file is read as far as it goes."""
    samples = bytes(range(250)) * 8
    assert samples == b"".join(pieces_of(wav(samples, claimed_bytes=claimed_bytes)))


def test_what_follows_the_samples_is_not_heard() -> None:
    """A smaller claim is believed: notes may stand after the samples."""
    data = wav(b"\x01\x02\x03\x04" + b"LIST", claimed_bytes=4)
    assert [b"\x01\x02\x03\x04"] == pieces_of(data)


def test_a_file_cut_inside_a_frame_gives_the_whole_ones() -> None:
    """The rest of a frame is nothing to hear."""
    assert [b"abcd"] == pieces_of(wav(b"abcdefg", channels=2, claimed_bytes=4_000))


def test_a_pipe_may_give_it_in_small_pieces() -> None:
    """And can only be read."""
    samples = bytes(range(250)) * 40
    pipe = Trickle(wav(samples, before=b"LIST\x04\0\0\0note"))
    decoder = WavDecoder(cast("BinaryIO", pipe), Cap(60.0, 1 << 20))
    pieces = list(iter(lambda: decoder.read(0.1), b""))
    assert [3_200, 3_200, 3_200, 400] == [len(piece) for piece in pieces]
    assert samples == b"".join(pieces)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends within its header"),
        (wav(b"abcd")[:30], "ends within its header"),
        (wav(b""), "no samples"),
        (wav(b"abc", channels=2), "no samples"),
        (wav(b"abcd", channels=0, bits=16), "0 channels"),
        (wav(b"abcd", before=struct.pack("<4sI", b"LIST", 65_600) + bytes(65_600)), "65536 bytes"),
    ],
)
def test_what_holds_no_samples_is_refused_with_a_reason(data: bytes, why: str) -> None:
    """A header alone is no audio."""
    error = refusal(data)
    assert ErrorCode.NOT_AUDIO is error.code
    assert why in error.text


@pytest.mark.parametrize("rate_hz", [16_000, 96_000])
@pytest.mark.parametrize("max_bytes", [1 << 30, 3_999])
def test_a_file_over_the_cap_is_refused_while_it_is_read(rate_hz: int, max_bytes: int) -> None:
    """Seconds and bytes of the samples as the file has them."""
    samples = bytes(rate_hz * 2 * 2)
    assert ErrorCode.TOO_LARGE is refusal(wav(samples, rate_hz=rate_hz), Cap(1.99, max_bytes)).code
    assert b"" != decoder_of(wav(samples, rate_hz=rate_hz), Cap(2.0, len(samples))).read(2.0)


@pytest.mark.parametrize(("size_bytes", "claimed_bytes"), [(64_046, 64_002), (64_046, 0), (64_046, 1 << 30)])
def test_a_file_of_too_many_samples_is_refused_before_they_are_read(size_bytes: int, claimed_bytes: int) -> None:
    """By its own size, whatever its header claims; the header's claim counts where it is less."""
    head = wav(b"", claimed_bytes=claimed_bytes)
    with pytest.raises(EarfulError) as caught:
        WavDecoder(io.BytesIO(head), Cap(2.0, 1 << 20), size_bytes)
    assert ErrorCode.TOO_LARGE is caught.value.code
    WavDecoder(io.BytesIO(head), Cap(2.0, 1 << 20), size_bytes - 2)
    WavDecoder(io.BytesIO(wav(b"", claimed_bytes=64_000)), Cap(2.0, 1 << 20), 1 << 30)
