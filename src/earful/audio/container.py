"""Uploaded recordings: what kind of file it is, and a decoder that gives its PCM piece by piece.

Guarantees bounded memory, a cap on what is decoded, and no error but the catalogue's: NOT_AUDIO, NO_DECODER,
TOO_LARGE. WAV needs nothing; everything else the extra earful[audio]. Called by uploads, in a worker thread.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self

from earful.audio.cap import Cap
from earful.audio.wav import is_wav
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from typing import BinaryIO

    from earful.audio.pcm import Format

SNIFF_BYTES = 12


class Kind(StrEnum):
    """What a file's first bytes say it is; `UNKNOWN` also for text and for nothing."""

    WAV = "wav"
    MP3 = "mp3"
    MP4 = "mp4"
    OGG = "ogg"
    WEBM = "webm"
    FLAC = "flac"
    UNKNOWN = "unknown"


class Decoder(Protocol):
    """A recording being decoded. To be entered and left; calls block, so they belong in a worker thread."""

    @property
    def format(self) -> Format:
        """What `read` gives: one format for the whole recording."""
        ...

    def read(self, seconds: float) -> bytes:
        """Give about the next `seconds` of whole samples in `format`, b"" at the end.

        Raises EarfulError: TOO_LARGE for the piece that goes over a cap, NOT_AUDIO where there is nothing to hear.
        """
        ...

    def __enter__(self) -> Self:
        """Hold what decoding needs."""
        ...

    def __exit__(self, *_: object) -> None:
        """Free it; the file stays open, it is the caller's."""
        ...


def sniff(prefix: bytes) -> Kind:
    """Tell the kind of a file by its first 12 bytes; fewer are enough only where the file has no more."""
    if is_wav(prefix):
        return Kind.WAV
    if prefix[4:8] == b"ftyp":
        return Kind.MP4
    for magic, kind in _MAGICS.items():
        if prefix.startswith(magic):
            return kind
    return Kind.UNKNOWN


def open_audio(file: BinaryIO, *, max_s: float, max_bytes: int) -> Decoder:
    """Open a seekable recording, read from its beginning; it may decode to `max_s` seconds and `max_bytes` bytes.

    The bytes are those of the samples as the file has them, before resampling. Raises EarfulError: NOT_AUDIO
    for what cannot be read as audio, NO_DECODER where the extra it needs is not installed, TOO_LARGE for what says
    itself that it is longer; what says less is counted as it comes.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0, os.SEEK_SET)
    kind = sniff(file.read(SNIFF_BYTES))
    file.seek(0, os.SEEK_SET)
    cap = Cap(max_s, max_bytes)
    return _open_wav(file, cap, size_bytes) if kind is Kind.WAV else _open_other(file, cap, kind)


def _open_wav(file: BinaryIO, cap: Cap, size_bytes: int) -> Decoder:
    from earful.audio.wavfile import WavDecoder

    return WavDecoder(file, cap, size_bytes)


def _open_other(file: BinaryIO, cap: Cap, kind: Kind) -> Decoder:
    try:
        from earful.audio.ffmpeg import FfmpegDecoder
    except ImportError:
        raise _no_decoder(kind) from None
    return FfmpegDecoder(file, cap)


def _no_decoder(kind: Kind) -> EarfulError:
    if kind is Kind.UNKNOWN:
        return EarfulError(ErrorCode.NOT_AUDIO, "The file is neither WAV nor any other audio known here.")
    text = f"This server reads only WAV; to read {kind} as well: pip install 'earful[audio]'."
    return EarfulError(ErrorCode.NO_DECODER, text)


# An MPEG frame begins with eleven ones, then version (1, 2 or 2.5), layer (II or III), checksum or none. Layer I, which
# nobody sends, is left out: its header is the byte order mark of UTF-16 text.
_MPEG_SECOND_BYTES = bytes.fromhex("fb fa f3 f2 e3 e2 fd fc f5 f4 e5 e4")
_MAGICS = {
    **{bytes((0xFF, second)): Kind.MP3 for second in _MPEG_SECOND_BYTES},
    b"ID3": Kind.MP3,
    b"OggS": Kind.OGG,
    b"\x1aE\xdf\xa3": Kind.WEBM,
    b"fLaC": Kind.FLAC,
}
