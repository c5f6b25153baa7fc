"""The audio that is spoken, as messages made ready before the run: masked, complete but for their number.

Guarantees that to send a chunk is to join three pieces of bytes. Pure; one per measurement, shared by all voices.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from earful.audio.pcm import NATIVE_RATE_HZ, NATIVE_SAMPLE_BYTES
from earful.audio.wav import WavEncoding, parse_wav_header
from earful.bench.frames import TEXT, masked, opening
from earful.bench.spoken import spoken_chunks
from earful.errors import EarfulError, ErrorCode

MAX_WAV_BYTES = 600 * NATIVE_RATE_HZ * NATIVE_SAMPLE_BYTES + (1 << 16)
"""Ten minutes and a header: of a longer file the beginning is spoken."""


@dataclass(frozen=True, slots=True)
class Around:
    """What makes a frame of any head: the same for all streams that send their nth chunk."""

    before: bytes
    behind: bytes


class Recording:
    """Chunks of `chunk_ms`, and a silent one. `spoken` says of each whether its answer counts."""

    __slots__ = ("_head_bytes", "heads", "silence", "spoken")

    def __init__(self, pcm: bytes, chunk_ms: int) -> None:
        """Cut 16 kHz mono s16le into whole chunks; raises EarfulError(NOT_AUDIO) where it has none."""
        chunk_bytes = chunk_ms * NATIVE_RATE_HZ * NATIVE_SAMPLE_BYTES // 1000
        begins = range(0, len(pcm) - chunk_bytes + 1, chunk_bytes)
        if not begins:
            raise EarfulError(ErrorCode.NOT_AUDIO, f"The recording is shorter than a chunk of {chunk_ms} ms.")
        self.heads = tuple(_head(pcm[begin : begin + chunk_bytes]) for begin in begins)
        self.silence = _head(bytes(chunk_bytes))
        self.spoken = spoken_chunks(pcm, chunk_ms)
        self._head_bytes = len(self.silence)

    def around(self, number: int) -> Around:
        """What stands around the head of a stream's chunk `number`, counted from 0; its sequence is one more."""
        behind = masked(b"%d}" % (number + 1))
        return Around(opening(TEXT, self._head_bytes + len(behind)), behind)


def _head(pcm: bytes) -> bytes:
    return masked(b'{"type":"audio_chunk","data":"%b","sequence":' % b64encode(pcm))


def pcm_of_wav(file: bytes) -> bytes:
    """The samples of a WAV file of 16 kHz mono s16le; raises EarfulError for any other."""
    header = parse_wav_header(file)
    if header is None:
        raise EarfulError(ErrorCode.NOT_AUDIO, "The WAV file cannot be read: it ends within its header.")
    if (header.encoding, header.sample_rate, header.channels) != (WavEncoding.S16, NATIVE_RATE_HZ, 1):
        raise EarfulError(ErrorCode.UNSUPPORTED_FORMAT, "The recording must be 16 kHz mono with 16 bits a sample.")
    end = None if header.data_bytes is None else header.data_offset + header.data_bytes
    return file[header.data_offset : end]
