"""Everything that FFmpeg reads: real files of each kind, broken ones, forged ones; made by FFmpeg itself."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import bombs

from earful.audio import ffmpeg
from earful.audio.cap import Cap
from earful.audio.container import Kind, sniff
from earful.audio.ffmpeg import FfmpegDecoder
from earful.audio.pcm import Format
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

# Container, codec, rate in Hz, channel layout, and what the file's first bytes say.
KINDS = [
    ("mp3", "libmp3lame", 44_100, "stereo", Kind.MP3),
    ("ipod", "aac", 44_100, "stereo", Kind.MP4),
    ("ogg", "libopus", 48_000, "mono", Kind.OGG),
    ("webm", "libopus", 48_000, "stereo", Kind.WEBM),
    ("flac", "flac", 44_100, "stereo", Kind.FLAC),
    ("flac", "flac", 192_000, "7.1", Kind.FLAC),
    ("adts", "aac", 22_050, "mono", Kind.UNKNOWN),
    ("aiff", "pcm_s16be", 8_000, "stereo", Kind.UNKNOWN),
]
STREAMED = [kind for kind in KINDS if kind[0] != "ipod"]


@cache
def encoded(
    container: str,
    codec: str,
    rate_hz: int = 16_000,
    layout: str = "mono",
    seconds: float = 2.0,
    frame_size: int = 1_024,
) -> bytes:
    """A tone of 440 Hz at half of full scale."""
    times_s = np.arange(round(rate_hz * seconds)) / rate_hz
    tone = (16_384 * np.sin(2 * np.pi * 440 * times_s)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
    frame.sample_rate = rate_hz
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast("AudioStream", output.add_stream(codec, rate=rate_hz, layout=layout))
        shaper = av.AudioResampler(stream.codec_context.format, layout, rate_hz, frame_size=frame_size)
        for piece in [*shaper.resample(frame), *shaper.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


@cache
def silent_film() -> bytes:
    """One picture and no sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=25, width=16, height=16, pix_fmt="yuv420p")
        output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        output.mux(stream.encode(None))
    return file.getvalue()


def heard(data: bytes, seconds: float = 0.5, cap: Cap | None = None) -> list[bytes]:
    """All pieces of a file, each of the length asked for."""
    with FfmpegDecoder(io.BytesIO(data), cap or Cap(3_600.0, 1 << 30)) as decoder:
        return list(iter(lambda: decoder.read(seconds), b""))


def refusal(data: bytes, cap: Cap | None = None) -> EarfulError:
    """What a file is refused with, at the beginning or on the way."""
    with pytest.raises(EarfulError) as caught:
        heard(data, cap=cap)
    return caught.value


@pytest.mark.parametrize(("container", "codec", "rate_hz", "layout", "kind"), KINDS)
def test_each_kind_is_known_and_heard_at_16_khz(
    container: str, codec: str, rate_hz: int, layout: str, kind: Kind
) -> None:
    """The tone comes out in its length and pitch, in pieces of the length asked for."""
    data = encoded(container, codec, rate_hz, layout)
    pieces = heard(data)
    samples = np.frombuffer(b"".join(pieces), "<i2").astype(np.float64)
    assert kind is sniff(data[:12])
    assert Format() == FfmpegDecoder.format
    assert [16_000] * 3 == [len(piece) for piece in pieces[:3]]
    assert pytest.approx(2.0, abs=0.1) == len(samples) / 16_000
    middle = samples[8_000:24_000]
    assert pytest.approx(440, abs=2) == int(np.argmax(np.abs(np.fft.rfft(middle))))
    assert 1_000 < np.abs(middle).max()


@pytest.mark.parametrize(("container", "codec", "rate_hz", "layout", "kind"), STREAMED)
def test_a_truncated_file_gives_what_can_be_read(
    container: str, codec: str, rate_hz: int, layout: str, kind: Kind
) -> None:
    """Cut off inside a frame, it is heard up to about there."""
    del kind
    data = encoded(container, codec, rate_hz, layout)
    assert 0.5 < len(b"".join(heard(data[: len(data) * 2 // 3]))) / 32_000 < 2.0


def test_a_hole_in_a_file_is_left_out() -> None:
    """What can be decoded after a broken packet is heard."""
    data = encoded("flac", "flac", 44_100, "stereo")
    broken = data[: len(data) // 2] + bytes(300) + data[len(data) // 2 + 300 :]
    assert 1.5 < len(b"".join(heard(broken))) / 32_000 < 2.0


def test_joined_files_of_other_shape_are_heard_through() -> None:
    """Rate and channels may change on the way."""
    joined = encoded("mp3", "libmp3lame", 44_100, "stereo") + encoded("mp3", "libmp3lame", 22_050, "mono")
    assert pytest.approx(4.0, abs=0.2) == len(b"".join(heard(joined))) / 32_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Just some words, and many of them. " * 400,
        bytes(100_000),
        np.random.default_rng(5).bytes(100_000),
        b"ID3\x04\0\0\0\0\0\0" + b"no frames here " * 100,
        b"\x1aE\xdf\xa3" + b"no clusters here " * 100,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile 'secret.wav'\n",
        encoded("ipod", "aac", 44_100, "stereo")[:10_000],
    ],
    ids=["empty", "text", "zeros", "noise", "tag-only", "magic-only", "playlist", "concatenation", "index-cut-off"],
)
def test_what_is_not_audio_is_refused(data: bytes) -> None:
    """In a sentence that says what can be read, and without opening anything it names."""
    error = refusal(data)
    assert ErrorCode.NOT_AUDIO is error.code
    assert "mp3, m4a, ogg, webm and flac" in error.text


@pytest.mark.parametrize(
    "data", [silent_film(), encoded("webm", "libopus", 48_000).replace(b"A_OPUS", b"A_XPUS")], ids=["film", "codec"]
)
def test_a_file_without_sound_that_can_be_decoded_is_refused(data: bytes) -> None:
    """Pictures only, or a codec nobody knows."""
    error = refusal(data)
    assert ErrorCode.NOT_AUDIO is error.code
    assert "no audio that can be decoded" in error.text


@pytest.mark.parametrize("cap", [Cap(1.9, 1 << 30), Cap(60.0, 63_000)], ids=["seconds", "bytes"])
def test_a_file_over_the_cap_is_refused_while_decoding(cap: Cap) -> None:
    """Counted as decoded: two seconds of 16 kHz mono are 64,000 bytes."""
    assert ErrorCode.TOO_LARGE is refusal(encoded("flac", "flac"), cap).code


def test_a_file_at_the_cap_is_heard() -> None:
    """Both limits are inclusive."""
    assert 64_000 == len(b"".join(heard(encoded("flac", "flac"), cap=Cap(2.0, 64_000))))


def test_bytes_are_counted_before_resampling() -> None:
    """Eight channels at 192 kHz are 96 times what becomes of them."""
    data = encoded("flac", "flac", 192_000, "7.1")
    assert ErrorCode.TOO_LARGE is refusal(data, Cap(60.0, 6_000_000)).code
    assert 64_000 == len(b"".join(heard(data, cap=Cap(60.0, 192_000 * 16 * 2))))


@pytest.mark.parametrize(
    ("rate_hz", "seconds", "frame_size"), [(16_000, 70.0, 1_100_000), (1_000, 101.0, 101_000)], ids=["packet", "frame"]
)
def test_a_packet_no_encoder_would_make_is_refused(rate_hz: int, seconds: float, frame_size: int) -> None:
    """Above 2 MiB it is not decoded, above 100 s not resampled."""
    data = encoded("matroska", "pcm_s16le", rate_hz, "mono", seconds, frame_size)
    assert ErrorCode.NOT_AUDIO is refusal(data).code


@pytest.mark.parametrize(("rate_hz", "layout"), [(384_000, "mono"), (500, "mono"), (16_000, "hexadecagonal")])
def test_shapes_beyond_what_is_sensible_are_refused(rate_hz: int, layout: str) -> None:
    """The sentence says what can be read."""
    error = refusal(encoded("matroska", "pcm_s16le", rate_hz, layout, 0.1))
    assert ErrorCode.NOT_AUDIO is error.code
    assert "1 to 8 channels at 1000 to 192000 Hz" in error.text


def test_a_container_that_breaks_while_it_is_read_is_not_audio() -> None:
    """Where nothing was heard before: here packets claim two gigabytes each."""
    data = bytearray(encoded("caf", "pcm_s16le"))
    data[36:40] = (0x7FFFFFFF).to_bytes(4, "big")
    assert ErrorCode.NOT_AUDIO is refusal(bytes(data)).code


def test_frames_that_cannot_be_resampled_are_not_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever FFmpeg has against them stays inside."""

    class Unwilling:
        def resample(self, _: object) -> None:
            raise av.error.InvalidDataError(1, "it has its reasons")

    monkeypatch.setattr(ffmpeg, "_resampler", Unwilling)
    error = refusal(encoded("flac", "flac"))
    assert ErrorCode.NOT_AUDIO is error.code
    assert "reasons" not in error.text


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=30), st.floats(0, 1))
def test_damaged_files_give_audio_or_a_row_of_the_catalogue(
    kind: tuple[str, str, int, str, Kind], damage: list[tuple[float, int]], kept: float
) -> None:
    """No exception of the decoder's gets out, wherever bytes are changed or the file is cut off."""
    data = bytearray(encoded(*kind[:4], 0.5))
    for where, value in damage:
        data[int(where * (len(data) - 1))] = value
    codes = []
    try:
        heard(bytes(data[: int(kept * len(data))]))
    except EarfulError as error:
        codes = [error.code]
    assert codes in ([], [ErrorCode.NOT_AUDIO], [ErrorCode.TOO_LARGE])


def test_what_says_that_it_lasts_for_hours_is_refused_unheard() -> None:
    """Where the length is written down; a second less is heard, and counted as it comes."""
    assert ErrorCode.TOO_LARGE is refusal(bombs.flac(3_601.0)).code
    assert 16_000 == sum(map(len, heard(bombs.flac(3_600.0)))) // 2
