"""The recording as ready-made messages: whole once their number is there, and only of audio that can be spoken."""

from __future__ import annotations

import pytest
from tests.support.sounds import wav
from tests.support.speech import SPEECH, silence

from earful.bench.recording import Recording, pcm_of_wav
from earful.bench.spoken import spoken_chunks
from earful.errors import EarfulError, ErrorCode
from earful.protocol.codec import decode
from earful.protocol.messages import AudioChunk
from earful.samples import sample
from earful.transport.frames import FrameReader


@pytest.mark.parametrize("chunk_ms", [20, 100, 1000])
@pytest.mark.parametrize("number", [0, 8, 9, 10**9])
def test_a_head_becomes_a_chunk(chunk_ms: int, number: int) -> None:
    """A server reads the frame as the audio at its place, under the number plus one."""
    recording = Recording(SPEECH[: 32 * 2500], chunk_ms)
    around = recording.around(number)
    for nth, pcm in [(0, SPEECH[: 32 * chunk_ms]), (1, SPEECH[32 * chunk_ms : 64 * chunk_ms])]:
        assert AudioChunk(pcm, number + 1) == said(around.before + recording.heads[nth] + around.behind)
    assert AudioChunk(silence(chunk_ms), number + 1) == said(around.before + recording.silence + around.behind)


def test_it_has_whole_chunks_only() -> None:
    """What is left at the end is not spoken; each has its word on whether it counts."""
    recording = Recording(SPEECH[: 32 * 2550], 100)
    assert 25 == len(recording.heads)
    assert spoken_chunks(SPEECH[: 32 * 2550], 100) == recording.spoken


def test_less_than_a_chunk_is_refused() -> None:
    """There is nothing to say."""
    with pytest.raises(EarfulError, match="shorter than a chunk of 100 ms") as refused:
        Recording(bytes(3198), 100)
    assert ErrorCode.NOT_AUDIO == refused.value.code


@pytest.mark.parametrize("claims", [None, 0xFFFFFFFF])
def test_a_wav_file_is_its_samples(claims: int | None) -> None:
    """Also where its writer did not know how many there would be."""
    assert SPEECH[:6400] == pcm_of_wav(wav(SPEECH[:6400], claims=claims))


def test_the_sample_can_be_spoken() -> None:
    """It is what is spoken where nothing else is named."""
    assert SPEECH == pcm_of_wav(sample().read_bytes())


def test_what_follows_the_samples_is_not_spoken() -> None:
    """Players put tags there."""
    assert SPEECH[:6400] == pcm_of_wav(wav(SPEECH[:6400]) + b"LIST")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (wav(SPEECH[:6400], rate_hz=8000), "16 kHz mono"),
        (wav(SPEECH[:6400], channels=2), "16 kHz mono"),
        (wav(SPEECH[:6400], bits=8), "16 kHz mono"),
        (wav(b"")[:20], "ends within its header"),
        (b"no recording at all", "does not begin with RIFF"),
    ],
)
def test_other_files_are_refused(file: bytes, said: str) -> None:
    """With the reason."""
    with pytest.raises(EarfulError, match=said):
        pcm_of_wav(file)


def said(frame: bytes) -> AudioChunk:
    """What a server understands of a frame."""
    ((_, text),) = FrameReader(1 << 20).feed(frame)
    message = decode(text)
    assert isinstance(message, AudioChunk)
    return message
