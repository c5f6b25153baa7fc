"""Recordings: files and pipes as 16 kHz mono s16le in pieces of 100 ms."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import select
import sys
import threading
import wave
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from earful.cli.recording import ReadError, open_recording, pieces
from earful.client.plain import CHUNK_BYTES
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def wav(frames: int, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    """A WAV file of a ramp."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(ramp(frames * channels))
    return buffer.getvalue()


def ramp(samples: int) -> bytes:
    """Samples that are all different from their neighbours."""
    return b"".join((number % 30_000).to_bytes(2, "little") for number in range(samples))


def all_pieces(name: str) -> list[bytes]:
    """Everything a recording gives."""

    async def collect() -> list[bytes]:
        with open_recording(name) as recording:
            return [piece async for piece in pieces(recording)]

    return asyncio.run(collect())


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[bytes], str]:
    """Write a file; its name."""

    def save(content: bytes) -> str:
        path = tmp_path / "recording"
        path.write_bytes(content)
        return str(path)

    return save


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard input a pipe; the end to write to, which the test closes."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", file)
        yield write_end


@pytest.fixture
def piped(stdin: int) -> Callable[[bytes], str]:
    """Put bytes on standard input, and end it there; the name to open."""

    def pipe(content: bytes) -> str:
        os.write(stdin, content)
        os.close(stdin)
        return "-"

    return pipe


def test_a_native_file_is_cut_and_otherwise_unchanged(saved: Callable[[bytes], str]) -> None:
    """250 ms are two pieces and a half."""
    found = all_pieces(saved(wav(4000)))
    assert [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES // 2] == [len(piece) for piece in found]
    assert ramp(4000) == b"".join(found)


def test_another_rate_is_converted(saved: Callable[[bytes], str]) -> None:
    """One second stays one second, also of two channels at 44.1 kHz."""
    found = b"".join(all_pieces(saved(wav(44_100, 44_100, 2))))
    assert abs(len(found) - 32_000) <= 64


@pytest.mark.parametrize(("content", "duration_ms"), [(wav(4000), 250.0), (wav(4000)[:-4000], 125.0)])
def test_a_wav_files_length_is_known(content: bytes, duration_ms: float, saved: Callable[[bytes], str]) -> None:
    """From what is there, not from what the header claims."""
    with open_recording(saved(content)) as recording:
        assert duration_ms == recording.duration_ms


def test_what_is_not_audio_is_refused(saved: Callable[[bytes], str]) -> None:
    """With the error's own sentence."""
    with pytest.raises(EarfulError) as caught:
        all_pieces(saved(b"just some text, nothing to hear"))
    assert ErrorCode.NOT_AUDIO == caught.value.code


def test_a_missing_file_is_a_read_error(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(ReadError, match=r"^No such file"):
        all_pieces(str(tmp_path / "missing"))


def test_closed_standard_input_is_a_read_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `<&-` leaves it."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ReadError, match=r"^it is closed$"):
        all_pieces("-")


def test_who_stops_leaves_no_thread_that_reads_on() -> None:
    """The decoder is freed next; a pipe that nobody writes to is given up at once."""
    begun, given_up = threading.Event(), threading.Event()
    ended: list[bool] = []

    class Silent:
        duration_ms: float | None = None

        def read(self) -> bytes:
            begun.set()
            ended.append(given_up.wait(30))
            return b""

        def give_up(self) -> None:
            given_up.set()

    async def main() -> None:
        waiting = asyncio.create_task(anext(pieces(Silent())))
        await asyncio.to_thread(begun.wait, 30)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert (True, [True]) == (waiting.cancelled(), ended)

    asyncio.run(main())


def test_trouble_while_reading_is_a_read_error() -> None:
    """A disk may fail after the file was opened."""

    class Failing:
        duration_ms: float | None = None

        def read(self) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        def give_up(self) -> None:
            pass

    async def collect() -> list[bytes]:
        return [piece async for piece in pieces(Failing())]

    with pytest.raises(ReadError, match=r"^Input/output error$"):
        asyncio.run(collect())


def test_others_trouble_is_not_the_recordings(saved: Callable[[bytes], str]) -> None:
    """What fails while the recording is open stays what it is."""
    with pytest.raises(BrokenPipeError), open_recording(saved(wav(10))):
        raise BrokenPipeError


def test_raw_audio_comes_through_a_pipe(piped: Callable[[bytes], str]) -> None:
    """As it is."""
    assert ramp(2000) == b"".join(all_pieces(piped(ramp(2000))))


def test_a_wav_stream_comes_through_a_pipe(piped: Callable[[bytes], str]) -> None:
    """Its header is read and left out, its rate converted."""
    assert ramp(2000) == b"".join(all_pieces(piped(wav(2000))))


def test_a_wav_stream_of_another_rate_is_converted(piped: Callable[[bytes], str]) -> None:
    """Half a second stays half a second."""
    assert 16_000 == len(b"".join(all_pieces(piped(wav(4000, 8_000)))))


@pytest.mark.parametrize("content", [b"", b"RIFF", ramp(3)])
def test_a_short_pipe_is_all_audio(content: bytes, piped: Callable[[bytes], str]) -> None:
    """Also what only begins like a WAV file."""
    assert content == b"".join(all_pieces(piped(content)))


def test_the_length_of_another_file_is_not_known(tmp_path: Path) -> None:
    """Only decoding would tell; the audio is all there."""
    path = tmp_path / "recording.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 3200), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with open_recording(str(path)) as recording:
        assert recording.duration_ms is None
    assert 6400 == sum(map(len, all_pieces(str(path))))


def test_a_pipe_nobody_wants_any_more_ends(stdin: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader in another thread is let go when the recording is left."""
    is_waiting = threading.Event()

    def nothing_yet(*_: object) -> tuple[list[int], list[int], list[int]]:
        is_waiting.set()
        return [], [], []

    os.write(stdin, ramp(10))

    async def leave_early() -> bytes:
        with open_recording("-") as recording:
            first = recording.read()
            rest = await asyncio.to_thread(recording.read)
            monkeypatch.setattr(select, "select", nothing_yet)
            waiting = asyncio.create_task(asyncio.to_thread(recording.read))
            await asyncio.to_thread(is_waiting.wait, 10)
        assert b"" == await waiting
        return first + rest

    assert ramp(10) == asyncio.run(leave_early())
    os.close(stdin)
