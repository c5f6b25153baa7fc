"""What FFmpeg reads (mp3, m4a, ogg, webm, flac and the like) as 16 kHz mono s16le, through PyAV.

Guarantees that only the file given is opened, that no frame is decoded or resampled beyond bounds, and
that no exception of PyAV's gets out. Imports PyAV, which the extra earful[audio] installs; called by
`container.open_audio`, in a worker thread: reading blocks.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Self

import av
from av import _core
from av.error import FFmpegError

from earful.audio.pcm import MAX_CHANNELS, NATIVE_RATE_HZ, NATIVE_SAMPLE_BYTES, Format
from earful.audio.wav import MAX_FILE_RATE_HZ, MIN_FILE_RATE_HZ
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from earful.audio.cap import Cap

# Playlists, concatenations and the like open further files and addresses: only formats that hold their sound are tried.
_FORMATS = "mp3,aac,ogg,matroska,flac,aiff,amr,caf,au,asf,w64,ac3"
_MAX_STREAMS = 64
# One packet or frame of sound is milliseconds long; only a forged file makes either larger than this.
_MAX_PACKET_BYTES = 2 * 1024 * 1024
_MAX_FRAME_S = 100
# A few hundred bytes of MP4 can claim a table of gigabytes, which FFmpeg would make and fill. So much holds the index
# of four hours; what needs more cannot be read. Every track has tables of its own, so there may not be many.
_MAX_BLOCK_BYTES = 18 * 1024 * 1024
_MOV = "mov"
_MOV_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_MAX_MOV_STREAMS = 6
# Where the length is written down or follows from the last page; elsewhere FFmpeg guesses it, from a bit rate.
_FORMATS_WITH_LENGTH = frozenset({"flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "ogg"})
_FAILURES = (FFmpegError, MemoryError)
_UNREADABLE = "The file cannot be read as audio; WAV, mp3, m4a, ogg, webm and flac can."


ctypes.CDLL(_core.__file__).av_max_alloc(ctypes.c_size_t(_MAX_BLOCK_BYTES))  # For all that this process has of FFmpeg.


class FfmpegDecoder:
    """The first audio stream of a file as 16 kHz mono s16le; what is broken in it is left out."""

    format = Format()

    def __init__(self, file: BinaryIO, cap: Cap) -> None:
        """Open a seekable file at its beginning.

        Raises EarfulError: NOT_AUDIO where there is no sound to decode, TOO_LARGE where it says itself that it is.
        """
        self._cap = cap
        self._pcm = bytearray()
        self._container = _open(file)
        try:
            self._pieces = self._resampled(_audio_stream(self._container))
            self._cap.foresee(_claimed_s(self._container))
        except EarfulError:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        """Hold FFmpeg's memory until the exit."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free FFmpeg's memory; the file stays open, it is the caller's."""
        self._container.close()

    def read(self, seconds: float) -> bytes:
        """Give the next `seconds` of PCM, less only at the end, b"" after it.

        Raises EarfulError: TOO_LARGE for the piece that goes over the cap, NOT_AUDIO where nothing can be decoded.
        """
        wanted_bytes = max(1, round(seconds * NATIVE_RATE_HZ)) * NATIVE_SAMPLE_BYTES
        while len(self._pcm) < wanted_bytes and (piece := next(self._pieces, None)) is not None:
            self._pcm += piece
        if self._cap.is_untouched:
            raise EarfulError(ErrorCode.NOT_AUDIO, _UNREADABLE)
        pcm = bytes(self._pcm[:wanted_bytes])
        del self._pcm[:wanted_bytes]
        return pcm

    def _resampled(self, stream: AudioStream) -> Iterator[bytes]:
        """Every piece of PCM; a new resampler wherever the stream changes its shape, as joined files do."""
        shape: tuple[str, str, int] | None = None
        resampler = _resampler()
        for frame in _frames(self._container, stream):
            self._check(frame)
            newest = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape not in {None, newest}:
                yield from _resample(resampler, None)
                resampler = _resampler()
            shape = newest
            yield from _resample(resampler, frame)
        if shape is not None:
            yield from _resample(resampler, None)

    def _check(self, frame: AudioFrame) -> None:
        """Bound one frame and the sum of all before anything is made of it."""
        channels = frame.layout.nb_channels
        _check_ranges(frame.sample_rate, channels)
        if frame.samples > frame.sample_rate * _MAX_FRAME_S:
            raise EarfulError(ErrorCode.NOT_AUDIO, _UNREADABLE)
        self._cap.count(frame.samples, frame.sample_rate, frame.samples * channels * frame.format.bytes)


class _Source:
    """The three methods PyAV needs of a file: no name, which FFmpeg would guess the format from, and no descriptor."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def _open(file: BinaryIO) -> InputContainer:
    is_mov = file.read(8)[4:] in _MOV_BOXES
    file.seek(0)
    formats, streams = (_MOV, _MAX_MOV_STREAMS) if is_mov else (_FORMATS, _MAX_STREAMS)
    options = {"format_whitelist": formats, "max_streams": str(streams)}
    try:
        return av.open(_Source(file), "r", container_options=options, metadata_errors="replace")
    except _FAILURES:
        raise EarfulError(ErrorCode.NOT_AUDIO, _UNREADABLE) from None


def _claimed_s(container: InputContainer) -> float:
    """How long the file says that it is; 0 where it does not."""
    duration = container.duration if container.format.name in _FORMATS_WITH_LENGTH else None
    return 0.0 if duration is None else duration / av.time_base


def _audio_stream(container: InputContainer) -> AudioStream:
    for stream in container.streams.audio:
        # PyAV leaves None, which its types forget, where FFmpeg knows no decoder for the stream.
        if getattr(stream, "codec_context", None) is not None:
            _check_ranges(stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels)
            return stream
    raise EarfulError(ErrorCode.NOT_AUDIO, "The file holds no audio that can be decoded.")


def _check_ranges(rate_hz: int, channels: int) -> None:
    if not (MIN_FILE_RATE_HZ <= rate_hz <= MAX_FILE_RATE_HZ and 1 <= channels <= MAX_CHANNELS):
        text = (
            f"The file claims {channels} channels at {rate_hz} Hz, where 1 to {MAX_CHANNELS} channels"
            f" at {MIN_FILE_RATE_HZ} to {MAX_FILE_RATE_HZ} Hz can be read."
        )
        raise EarfulError(ErrorCode.NOT_AUDIO, text)


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Every frame that can be decoded; a broken packet is passed over, a broken container ends it."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except _FAILURES:
            return
        if packet is None:
            return
        if packet.size > _MAX_PACKET_BYTES:
            raise EarfulError(ErrorCode.NOT_AUDIO, _UNREADABLE)
        try:
            frames = packet.decode()
        except _FAILURES:
            continue
        yield from frames


def _resampler() -> av.AudioResampler:
    return av.AudioResampler("s16", "mono", NATIVE_RATE_HZ)


def _resample(resampler: av.AudioResampler, frame: AudioFrame | None) -> Iterator[bytes]:
    """Give what became ready; without a frame, all that is left. FFmpeg pads its planes, the padding is cut off."""
    try:
        ready = resampler.resample(frame)
    except _FAILURES:
        raise EarfulError(ErrorCode.NOT_AUDIO, _UNREADABLE) from None
    for piece in ready:
        yield bytes(piece.planes[0])[: piece.samples * NATIVE_SAMPLE_BYTES]
