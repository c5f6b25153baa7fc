"""Opening an upload: the kind by its first bytes, the decoder that fits, the right error without one."""

from __future__ import annotations

import io
import subprocess
import sys
import wave

import pytest

from earful.audio.container import Kind, open_audio, sniff
from earful.audio.pcm import Format
from earful.errors import EarfulError, ErrorCode


def recording(frames: int = 8_000) -> io.BytesIO:
    """A WAV file of 16 kHz mono, the position at its end."""
    file = io.BytesIO()
    with wave.open(file, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(16_000)
        output.writeframes(bytes(range(200)) * (frames // 100))
    return file


def refusal(data: bytes) -> EarfulError:
    """What a file is refused with when it is opened."""
    with pytest.raises(EarfulError) as caught:
        open_audio(io.BytesIO(data), max_s=60.0, max_bytes=1 << 20)
    return caught.value


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        (b"RIFF\0\0\0\0WAVE", Kind.WAV),
        (b"RF64\xff\xff\xff\xffWAVE", Kind.WAV),
        (b"RIFF\0\0\0\0AVI ", Kind.UNKNOWN),
        (b"ID3\x04\0\0\0\0\0\0\0\0", Kind.MP3),
        (b"\xff\xfb\x90\x64\0\0\0\0\0\0\0\0", Kind.MP3),
        (b"\xff\xf3\x40\xc4\0\0\0\0\0\0\0\0", Kind.MP3),
        (b"\xff\xfeh\0e\0l\0l\0o\0", Kind.UNKNOWN),
        (b"\0\0\0\x1cftypM4A ", Kind.MP4),
        (b"OggS\0\2\0\0\0\0\0\0", Kind.OGG),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81", Kind.WEBM),
        (b"fLaC\0\0\0\x22\x12\0\x12\0", Kind.FLAC),
        (b"Hello there.", Kind.UNKNOWN),
        (b"\xff", Kind.UNKNOWN),
        (b"", Kind.UNKNOWN),
    ],
)
def test_the_kind_is_told_by_the_first_bytes(prefix: bytes, kind: Kind) -> None:
    """Text, also in UTF-16, and nothing at all are unknown."""
    assert kind is sniff(prefix)


def test_wav_is_read_from_its_beginning_and_left_open() -> None:
    """Wherever the file stood when it was handed over."""
    file = recording()
    with open_audio(file, max_s=60.0, max_bytes=1 << 20) as decoder:
        assert Format() == decoder.format
        assert bytes(range(200)) * 80 == decoder.read(10.0)
        assert b"" == decoder.read(10.0)
    assert not file.closed


@pytest.mark.parametrize(("max_s", "max_bytes"), [(0.49, 1 << 20), (60.0, 15_999)])
def test_both_caps_reach_the_decoder(max_s: float, max_bytes: int) -> None:
    """Half a second is 16,000 bytes."""
    with (
        pytest.raises(EarfulError) as caught,
        open_audio(recording(), max_s=max_s, max_bytes=max_bytes) as decoder,
    ):
        decoder.read(10.0)
    assert ErrorCode.TOO_LARGE is caught.value.code


@pytest.mark.parametrize("data", [b"", b"Hello there, this is a letter.", bytes(5_000), b"RIFF\0\0\0\0WAVEfmt "])
def test_what_is_not_audio_is_refused(data: bytes) -> None:
    """With or without a magic in front."""
    assert ErrorCode.NOT_AUDIO is refusal(data).code


@pytest.fixture
def _without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were not installed."""
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "earful.audio.ffmpeg", raising=False)


@pytest.mark.usefixtures("_without_av")
@pytest.mark.parametrize("prefix", [b"fLaC", b"ID3", b"OggS", b"\0\0\0\x1cftypM4A ", b"\x1aE\xdf\xa3"])
def test_without_the_extra_other_kinds_say_what_to_install(prefix: bytes) -> None:
    """Named by kind, so that whoever runs the server knows it is worth it."""
    error = refusal(prefix + bytes(100))
    assert ErrorCode.NO_DECODER is error.code
    assert f"{sniff(prefix)} as well: pip install 'earful[audio]'" in error.text


@pytest.mark.usefixtures("_without_av")
@pytest.mark.parametrize("data", [b"", b"Hello there, this is a letter."])
def test_without_the_extra_text_is_still_not_audio(data: bytes) -> None:
    """No decoder would help."""
    assert ErrorCode.NOT_AUDIO is refusal(data).code


@pytest.mark.usefixtures("_without_av")
def test_without_the_extra_wav_is_read() -> None:
    """It needs nothing."""
    with open_audio(recording(), max_s=60.0, max_bytes=1 << 20) as decoder:
        assert 3_200 == len(decoder.read(0.1))


def test_decoders_are_loaded_only_where_a_file_needs_them() -> None:
    """A start pays for neither numpy nor PyAV."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import earful.audio.container; sys.exit(any(name in sys.modules for name in ('numpy', 'av')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert 0 == done.returncode
