"""A file, or standard input, as pieces of 16 kHz mono s16le for the client to send.

Guarantees pieces of 100 ms (the last may be shorter) and that reading can be given up: standard input
is never waited for without a look at whether anybody still wants it. Used by `earful transcribe`.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, cast

from earful.audio.cap import Cap
from earful.audio.container import SNIFF_BYTES, open_audio
from earful.audio.pcm import Converter
from earful.audio.wav import MAX_HEADER_BYTES, is_wav, parse_wav_header
from earful.audio.wavfile import WavDecoder
from earful.client.plain import CHUNK_BYTES, CHUNK_MS
from earful.completion import completed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from earful.audio.container import Decoder

STDIN = "-"
_LOOK_UP_S = 0.2
# The server has limits of its own; these only keep a broken file from being read for ever.
_MAX_S = 7 * 86_400.0
_MAX_BYTES = 1 << 40


class ReadError(Exception):
    """The recording cannot be opened or read; the text is the reason, in a few words."""


class Recording(Protocol):
    """Audio to be sent: `duration_ms` where it is known beforehand."""

    duration_ms: float | None

    def read(self) -> bytes:
        """Give the next audio, b"" at the end; may block. Raises EarfulError for what is not audio."""
        ...

    def give_up(self) -> None:
        """Nobody wants more: a `read` that waits for standard input ends soon."""
        ...


async def pieces(recording: Recording) -> AsyncGenerator[bytes]:
    """Give a recording's audio in pieces of 100 ms, read in a thread; raises ReadError and EarfulError.

    Whoever cancels it leaves no thread that reads on.
    """
    waiting = bytearray()
    try:
        while data := await completed(asyncio.to_thread(_read, recording), recording.give_up):
            waiting += data
            while len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting[:CHUNK_BYTES])
                del waiting[:CHUNK_BYTES]
    finally:
        recording.give_up()
    if waiting:
        yield bytes(waiting)


def _read(recording: Recording) -> bytes:
    with _failing_as_read_error():
        return recording.read()


@contextmanager
def open_recording(name: str) -> Iterator[Recording]:
    """Open a file by name, or standard input; raises ReadError, and EarfulError for what is not audio."""
    with ExitStack() as opened:
        # Not around the yield: what fails there is not the recording.
        with _failing_as_read_error():
            recording = (
                _from_pipe(opened.enter_context(standard_input())) if name == STDIN else _open_file(Path(name), opened)
            )
        yield recording


@contextmanager
def _failing_as_read_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReadError(error.strerror or str(error)) from None


def standard_input() -> Pipe:
    """What the shell connected; raises ReadError where it closed it."""
    if sys.stdin is None:
        raise ReadError("it is closed")
    return Pipe(sys.stdin.fileno())


def _open_file(path: Path, opened: ExitStack) -> Recording:
    file = opened.enter_context(path.open("rb"))
    decoder = opened.enter_context(open_audio(file, max_s=_MAX_S, max_bytes=_MAX_BYTES))
    return _Decoded(decoder, _wav_duration_ms(path))


def _wav_duration_ms(path: Path) -> float | None:
    """How long a WAV file that could be opened is, from its header and its size; None for any other."""
    with path.open("rb") as file:
        prefix = file.read(MAX_HEADER_BYTES)
    header = parse_wav_header(prefix) if is_wav(prefix) else None
    if header is None:
        return None
    there = path.stat().st_size - header.data_offset
    frames = min(there, header.data_bytes or there) // header.frame_bytes
    return frames * 1000 / header.sample_rate


class _Decoded:
    """What a decoder gives, converted."""

    def __init__(self, decoder: Decoder, duration_ms: float | None, pipe: Pipe | None = None) -> None:
        self.duration_ms = duration_ms
        self._pipe = pipe
        self._decoder = decoder
        self._converter: Converter | None = Converter(decoder.format)

    def read(self) -> bytes:
        while self._converter is not None:
            data = self._decoder.read(CHUNK_MS / 1000)
            pcm = self._converter.feed(data) if data else self._converter.drain()
            self._converter = self._converter if data else None
            if pcm:
                return pcm
        return b""

    def give_up(self) -> None:
        if self._pipe is not None:
            self._pipe.give_up()


class _Raw:
    """Audio that is already what the server takes."""

    duration_ms: float | None = None

    def __init__(self, prefix: bytes, pipe: Pipe) -> None:
        self._prefix = prefix
        self._pipe = pipe

    def read(self) -> bytes:
        data = self._prefix or self._pipe.read(CHUNK_BYTES)
        self._prefix = b""
        return data

    def give_up(self) -> None:
        self._pipe.give_up()


class Pipe:
    """A descriptor that is read as bytes come, until it is left or given up."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_wanted = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_up()

    def give_up(self) -> None:
        """Nobody wants more."""
        self._is_wanted = False

    def read(self, most_bytes: int = CHUNK_BYTES) -> bytes:
        """Some bytes, as soon as there are any; b"" at the end, or when nobody wants them any more."""
        while self._is_wanted:
            if select.select([self._descriptor], [], [], _LOOK_UP_S)[0]:
                return os.read(self._descriptor, most_bytes)
        return b""


class _Rejoined:
    """A pipe with the bytes in front that were read to see what it is."""

    def __init__(self, prefix: bytes, pipe: Pipe) -> None:
        self._prefix = prefix
        self._pipe = pipe

    def read(self, most_bytes: int) -> bytes:
        data = self._prefix[:most_bytes]
        self._prefix = self._prefix[most_bytes:]
        return data or self._pipe.read(most_bytes)


def _from_pipe(pipe: Pipe) -> Recording:
    """WAV where it begins as such, else audio as it is."""
    prefix = b""
    while len(prefix) < SNIFF_BYTES and (more := pipe.read(SNIFF_BYTES - len(prefix))):
        prefix += more
    if not is_wav(prefix):
        return _Raw(prefix, pipe)
    # All that the decoder asks of a file is to be read.
    file = cast("BinaryIO", _Rejoined(prefix, pipe))
    return _Decoded(WavDecoder(file, Cap(_MAX_S, _MAX_BYTES)), None, pipe)
