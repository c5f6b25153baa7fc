"""PCM in every format a client may send: refused by name, converted the same however it is cut."""

from __future__ import annotations

import math
import random
import struct
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.audio.pcm import Converter, Encoding, Format
from earful.errors import EarfulError, ErrorCode

LAG_MS = {8_000: 0.25, 11_025: 0.25, 16_000: 0.0, 22_050: 22.0, 24_000: 20.0, 32_000: 31.0, 44_100: 22.0, 48_000: 20.0}

formats = st.builds(
    Format, st.sampled_from(Encoding), st.sampled_from([*LAG_MS]), st.integers(min_value=1, max_value=8)
)


def s16(*samples: int) -> bytes:
    """Samples as 16-bit integers."""
    return struct.pack(f"<{len(samples)}h", *samples)


def f32(*samples: float) -> bytes:
    """Samples as 32-bit floats."""
    return struct.pack(f"<{len(samples)}f", *samples)


def samples_of(pcm: bytes) -> list[int]:
    """16-bit samples as numbers."""
    return [sample for (sample,) in struct.iter_unpack("<h", pcm)]


def converted(audio_format: Format, data: bytes) -> bytes:
    """The whole of a stream, fed at once and drained."""
    converter = Converter(audio_format)
    return converter.feed(data) + converter.drain()


def tone(rate_hz: int, frames: int) -> bytes:
    """440 Hz at half of full scale, as floats."""
    return f32(*(0.5 * math.sin(2 * math.pi * 440 * frame / rate_hz) for frame in range(frames)))


@given(formats, st.integers(0, 12_000), st.lists(st.integers(1, 2_000), max_size=12), st.randoms(use_true_random=False))
def test_output_depends_on_the_bytes_alone(
    audio_format: Format, size_bytes: int, cuts: list[int], noise: random.Random
) -> None:
    """However a stream is cut, each prefix of it and the whole give the same bytes."""
    data = noise.randbytes(size_bytes)
    converter = Converter(audio_format)
    pcm, fed = b"", 0
    for cut in cuts:
        pcm += converter.feed(data[fed : fed + cut])
        fed += cut
        assert Converter(audio_format).feed(data[:fed]) == pcm
    pcm += converter.feed(data[fed:])
    assert converted(audio_format, data) == pcm + converter.drain()


@given(formats, st.integers(1, 700))
def test_single_bytes_give_the_same_as_one_chunk(audio_format: Format, size_bytes: int) -> None:
    """The smallest chunks there are change nothing."""
    data = random.Random(size_bytes).randbytes(size_bytes)  # noqa: S311 (noise, not a secret)
    converter = Converter(audio_format)
    pcm = b"".join(converter.feed(data[at : at + 1]) for at in range(size_bytes))
    assert converted(audio_format, data) == pcm + converter.drain()


@given(st.binary(max_size=50))
def test_native_audio_passes_through_in_whole_samples(data: bytes) -> None:
    """16 kHz mono s16le comes out as it came, without a trailing half of a sample."""
    assert data[: len(data) // 2 * 2] == converted(Format(), data)


def test_native_audio_loads_no_numbers_library() -> None:
    """A server that hears only native audio starts without numpy and soxr."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from earful.audio.pcm import Converter, Format; Converter(Format()).feed(bytes(3))\n"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'soxr')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert 0 == done.returncode


@pytest.mark.parametrize(("rate_hz", "lag_ms"), LAG_MS.items())
def test_lag_is_that_of_the_documented_table(rate_hz: int, lag_ms: float) -> None:
    """Output is never further behind whole blocks of input than the docstring says."""
    block = f32(*[0.1] * (rate_hz * 20 // 1000))
    converter = Converter(Format(Encoding.PCM_F32LE, rate_hz))
    behind_ms, heard_ms, given_ms = 0.0, 0.0, 0.0
    for _ in range(60):
        heard_ms += len(block) / 4 * 1000 / rate_hz
        given_ms += len(converter.feed(block)) / 32
        behind_ms = max(behind_ms, heard_ms - given_ms)
    assert lag_ms >= behind_ms


@pytest.mark.parametrize("rate_hz", LAG_MS)
def test_duration_and_pitch_are_kept(rate_hz: int) -> None:
    """A tone of 440 Hz is as long as before, within a sample, and crosses zero as often."""
    frames = rate_hz // 2
    heard = samples_of(converted(Format(Encoding.PCM_F32LE, rate_hz), tone(rate_hz, frames)))
    assert pytest.approx(8_000, abs=1) == len(heard)
    rising = sum(before < 0 <= after for before, after in pairwise(heard))
    assert pytest.approx(220, abs=1) == rising
    assert pytest.approx(16_384, abs=500) == max(heard[100:-100])


@pytest.mark.parametrize(("encoding", "width_bytes"), [(e, w) for e, w in zip(Encoding, (2, 4, 1, 1), strict=True)])
def test_frame_bytes_count_all_channels(encoding: Encoding, width_bytes: int) -> None:
    """A frame is one sample of each channel."""
    assert width_bytes == encoding.width_bytes
    assert 3 * width_bytes == Format(encoding, 8_000, 3).frame_bytes


@pytest.mark.parametrize(
    ("audio_format", "native"),
    [
        (Format(), True),
        (Format(Encoding.PCM_F32LE), False),
        (Format(sample_rate=8_000), False),
        (Format(channels=2), False),
    ],
)
def test_only_16_khz_mono_s16le_is_native(audio_format: Format, native: bool) -> None:  # noqa: FBT001 (a table's column)
    """Anything else has to be converted."""
    assert native is audio_format.is_native


@pytest.mark.parametrize(
    ("rate_hz", "channels", "named"), [(7_999, 1, "7999"), (48_001, 1, "48001"), (16_000, 0, "0"), (16_000, 9, "9")]
)
def test_formats_out_of_range_are_refused_by_value(rate_hz: int, channels: int, named: str) -> None:
    """The sentence says what was wrong."""
    with pytest.raises(EarfulError, match=named) as caught:
        Format(Encoding.PCM_S16LE, rate_hz, channels)
    assert ErrorCode.UNSUPPORTED_FORMAT is caught.value.code


def test_channels_are_mixed_by_their_mean() -> None:
    """Two channels that cancel are silence; three that agree are themselves."""
    assert s16(0, 300) == converted(Format(channels=2), s16(1000, -1000, 200, 400))
    assert s16(7, -32_768) == converted(Format(channels=3), s16(7, 7, 7, -32_768, -32_768, -32_768))


def test_floats_are_scaled_clipped_and_cleaned() -> None:
    """Full scale is 1.0, louder is clipped, and what is no number is silence."""
    data = f32(0.5, 1.0, -1.0, 7.0, -7.0, math.nan, math.inf, -math.inf)
    expected = s16(16_384, 32_767, -32_768, 32_767, -32_768, 0, 0, 0)
    assert expected == converted(Format(Encoding.PCM_F32LE), data)


def test_mulaw_is_that_of_g711() -> None:
    """Known codes: both zeros, both loudest, and a step in each half."""
    assert s16(0, 0, -32_124, 32_124, -8, 8) == converted(Format(Encoding.MULAW), bytes.fromhex("ff7f0080 7efe"))


def test_alaw_is_that_of_g711() -> None:
    """Known codes: smallest and loudest of each sign, and a step above the first segment."""
    assert s16(8, -8, 32_256, -32_256, 24, 264) == converted(Format(Encoding.ALAW), bytes.fromhex("d555aa2a d4c5"))


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_g711_rises_with_its_codes_and_is_symmetric(encoding: Encoding) -> None:
    """Of the 256 codes each positive value has its negative, and none is given twice but mu-law's zero."""
    values = samples_of(converted(Format(encoding), bytes(range(256))))
    assert sorted(-value for value in values) == sorted(values)
    assert 256 - (encoding is Encoding.MULAW) == len(set(values))


@pytest.mark.parametrize("encoding", [Encoding.PCM_F32LE, Encoding.MULAW])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_nothing_in_gives_nothing_out(encoding: Encoding, rate_hz: int) -> None:
    """A mark right after a mark owes no samples."""
    assert b"" == converted(Format(encoding, rate_hz), b"")
