"""Whole recordings of any kind, through FFmpeg where they are no WAV: PCM within its bounds, or a row of the table."""

from __future__ import annotations

import io

from tests.support.sounds import encoded, speech, wav

from earful.audio.container import SNIFF_BYTES, Kind, open_audio, sniff
from earful.errors import EarfulError, ErrorCode

MAX_S = 1.0
MAX_BYTES = 64_000
_LONGEST_BYTES = 200_000
"""What `MAX_S` seconds come to at most, in any format that a decoder gives, and a resampler's tail."""
_WORD = speech(0.1)
SEEDS = (
    b"",
    wav(_WORD),
    encoded(_WORD, "mp3", "libmp3lame"),
    encoded(_WORD, "flac", "flac"),
    encoded(_WORD, "ogg", "libopus"),
    encoded(_WORD, "webm", "libopus"),
    encoded(_WORD, "mov", "pcm_s16le"),
    encoded(_WORD, "mov", "aac"),
    encoded(_WORD, "adts", "aac"),
    encoded(_WORD, "aiff", "pcm_s16be"),
    encoded(_WORD, "au", "pcm_mulaw"),
)
CODES = {ErrorCode.NOT_AUDIO, ErrorCode.TOO_LARGE}


def check(data: bytes) -> None:
    """The kind is told by the first bytes; the PCM is the same for every length of piece."""
    assert sniff(data[:SNIFF_BYTES]) == sniff(data)
    assert isinstance(sniff(data), Kind)
    pcm, failure = _read(data, 1.0)
    assert failure is None or failure in CODES, failure
    assert len(pcm) <= _LONGEST_BYTES
    again, same = _read(data, 0.02)
    assert failure == same
    assert failure is not None or pcm == again


def _read(data: bytes, seconds: float) -> tuple[bytes, ErrorCode | None]:
    pcm = b""
    try:
        with open_audio(io.BytesIO(data), max_s=MAX_S, max_bytes=MAX_BYTES) as decoder:
            while piece := decoder.read(seconds):
                pcm += piece
    except EarfulError as error:
        return pcm, error.code
    return pcm, None
