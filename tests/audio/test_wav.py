"""WAV headers: every shape that can be read, refusals with a sentence, and live streams that begin with one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.audio.wav import MAX_HEADER_BYTES, WavEncoding, WavHeader, is_wav, parse_wav_header, skip_riff
from earful.errors import EarfulError, ErrorCode

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return struct.pack("<4sI", name, len(body)) + body + bytes(len(body) & 1)


def fmt(
    tag: int = 1, channels: int = 1, rate_hz: int = 16_000, bits: int = 16, frame_bytes: int | None = None
) -> bytes:
    """The body of a plain fmt chunk."""
    frame_bytes = channels * bits // 8 if frame_bytes is None else frame_bytes
    return struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, bits)


def extensible(tag: int, bits: int, tail: bytes = GUID_TAIL) -> bytes:
    """The body of an extensible fmt chunk."""
    return fmt(0xFFFE, bits=bits) + struct.pack("<HHIH", 22, bits, 0, tag) + tail


def wav(*chunks: bytes, magic: bytes = b"RIFF", data_bytes: int = 8) -> bytes:
    """A header up to the first sample."""
    return magic + b"\xff\xff\xff\xffWAVE" + b"".join(chunks) + struct.pack("<4sI", b"data", data_bytes)


def refusal(prefix: bytes) -> str:
    """The sentence a header is refused with."""
    with pytest.raises(EarfulError) as caught:
        parse_wav_header(prefix)
    assert ErrorCode.NOT_AUDIO is caught.value.code
    return caught.value.text


@pytest.mark.parametrize(
    ("tag", "bits", "encoding"),
    [
        (1, 8, WavEncoding.U8),
        (1, 16, WavEncoding.S16),
        (1, 24, WavEncoding.S24),
        (1, 32, WavEncoding.S32),
        (3, 32, WavEncoding.F32),
        (3, 64, WavEncoding.F64),
        (6, 8, WavEncoding.ALAW),
        (7, 8, WavEncoding.MULAW),
    ],
)
def test_every_encoding_is_read_plain_and_extensible(tag: int, bits: int, encoding: WavEncoding) -> None:
    """Both header shapes say the same."""
    assert WavHeader(encoding, 16_000, 1, bits // 8, 44, 8) == parse_wav_header(
        wav(chunk(b"fmt ", fmt(tag, bits=bits)))
    )
    long = parse_wav_header(wav(chunk(b"fmt ", extensible(tag, bits))))
    assert WavHeader(encoding, 16_000, 1, bits // 8, 68, 8) == long


def test_other_chunks_are_passed_over() -> None:
    """Notes before the samples, of odd length too, are no samples."""
    prefix = wav(chunk(b"JUNK", bytes(28)), chunk(b"fmt ", fmt(channels=2, rate_hz=44_100)), chunk(b"LIST", b"odd"))
    assert WavHeader(WavEncoding.S16, 44_100, 2, 4, len(prefix), 8) == parse_wav_header(prefix + b"samples")


@pytest.mark.parametrize("claimed_bytes", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_sizes_nobody_means_are_unknown(claimed_bytes: int) -> None:
    """Streaming writers leave such numbers where they cannot know."""
    header = parse_wav_header(wav(chunk(b"fmt ", fmt()), data_bytes=claimed_bytes))
    assert header is not None
    assert header.data_bytes is None


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_large_file_variants_are_read(magic: bytes) -> None:
    """Their true size is in a chunk of its own, and not believed either."""
    prefix = wav(chunk(b"ds64", bytes(28)), chunk(b"fmt ", fmt()), magic=magic, data_bytes=0xFFFFFFFF)
    assert WavHeader(WavEncoding.S16, 16_000, 1, 2, len(prefix), None) == parse_wav_header(prefix)


@pytest.mark.parametrize(
    "shape", [chunk(b"fmt ", fmt()), chunk(b"LIST", bytes(33)) + chunk(b"fmt ", extensible(1, 16))]
)
def test_a_header_cut_anywhere_waits_for_more(shape: bytes) -> None:
    """Only the last byte of it decides."""
    whole = wav(shape)
    assert [None] * len(whole) == [parse_wav_header(whole[:cut]) for cut in range(len(whole))]
    assert parse_wav_header(whole) is not None


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        (wav(chunk(b"fmt ", fmt(channels=0))), "0 channels"),
        (wav(chunk(b"fmt ", fmt(channels=9))), "9 channels"),
        (wav(chunk(b"fmt ", fmt(rate_hz=0))), "0 Hz"),
        (wav(chunk(b"fmt ", fmt(rate_hz=999))), "999 Hz"),
        (wav(chunk(b"fmt ", fmt(rate_hz=192_001))), "192001 Hz"),
        (wav(chunk(b"fmt ", fmt(frame_bytes=3))), "3 bytes a frame"),
        (wav(chunk(b"fmt ", fmt(tag=0x55))), "codec 85"),
        (wav(chunk(b"fmt ", fmt(bits=12, frame_bytes=2))), "12 bits"),
        (wav(chunk(b"fmt ", extensible(1, 16, tail=bytes(14)))), "codec 65534"),
        (wav(chunk(b"fmt ", fmt(0xFFFE))), "codec 65534"),
        (wav(chunk(b"fmt ", fmt()[:14])), "too short"),
        (wav(), "before the fmt chunk"),
        (wav(chunk(b"fmt ", fmt()), chunk(b"LIST", bytes(MAX_HEADER_BYTES))), "first 65536 bytes"),
        (wav(magic=b"RIFX"), "big-endian"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "RIFF and WAVE"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(prefix: bytes, why: str) -> None:
    """Each refusal names the value it is about."""
    assert why in refusal(prefix)


@given(st.binary(max_size=80), st.integers(0, 60))
def test_any_bytes_give_a_header_or_a_refusal(noise: bytes, kept: int) -> None:
    """No header, however broken, is another error than not_audio."""
    prefix = wav(chunk(b"fmt ", extensible(1, 16)))[:kept] + noise
    header, code = None, ErrorCode.NOT_AUDIO
    try:
        header = parse_wav_header(prefix)
    except EarfulError as error:
        code = error.code
    assert ErrorCode.NOT_AUDIO is code
    assert header is None or 12 <= header.data_offset <= len(prefix)
    skipped = skip_riff(prefix)
    assert skipped is None or 0 <= skipped <= len(prefix)


def test_a_streamed_header_is_skipped_whole() -> None:
    """Also one whose samples would not be readable: what a live session hears is said elsewhere."""
    header = wav(chunk(b"fmt ", fmt(channels=0)), chunk(b"LIST", b"odd"), data_bytes=0xFFFFFFFF)
    assert len(header) == skip_riff(header + b"samples")


def test_a_header_in_single_bytes_is_decided_by_its_last() -> None:
    """A live stream may be cut anywhere."""
    header = wav(chunk(b"fmt ", fmt()))
    assert [None] * len(header) == [skip_riff(header[:cut]) for cut in range(len(header))]
    assert len(header) == skip_riff(header)


@pytest.mark.parametrize("prefix", [b"\x00", b"RIFX", b"RIF\x00", b"RIFF1234AVI ", b"RIFF1234WAVX"])
def test_audio_is_decided_at_the_first_byte_that_differs(prefix: bytes) -> None:
    """Nothing of it is held back longer than it must be."""
    assert 0 == skip_riff(prefix)
    assert skip_riff(prefix[:-1]) in {None, 0}


@pytest.mark.parametrize("prefix", [b"", b"R", b"RIFF", b"RIFF1234", b"RIFF1234WAV", b"RIFF1234WAVE"])
def test_a_beginning_of_a_header_is_undecided(prefix: bytes) -> None:
    """It may still become one."""
    assert skip_riff(prefix) is None


def test_a_header_without_end_is_audio() -> None:
    """One whose samples would begin beyond 64 KiB is not waited for."""
    assert 0 == skip_riff(wav(chunk(b"LIST", bytes(MAX_HEADER_BYTES)))[:30])


@pytest.mark.parametrize(
    ("prefix", "yes"), [(b"RIFF1234WAVE", True), (b"RF641234WAVE", True), (b"RIFF1234WAV", False), (b"", False)]
)
def test_wav_is_told_by_its_first_bytes(prefix: bytes, yes: bool) -> None:  # noqa: FBT001 (a table's column)
    """Twelve bytes are enough."""
    assert yes is is_wav(prefix)
