"""Uploads decoded in processes of their own: the same as here, refused as here, and whatever becomes of the process."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import bombs
from tests.support.sounds import encoded, silence, speech, wav

from earful.audio.container import open_audio
from earful.decoding.decoders import Decoders
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from earful.audio.container import Decoder

MAX_S = 3_600.0
MAX_BYTES = 1 << 30


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """Whose fork server is there for all tests."""
    decoders = Decoders()
    yield decoders
    decoders.close()


@contextmanager
def spooled(data: bytes) -> Iterator[BinaryIO]:
    """An upload's body, as a transport has it."""
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as file:
        file.write(data)
        yield file  # type: ignore[misc]  # it is one in all but its type


def all_of(decoder: Decoder) -> bytes:
    """What is heard."""
    with decoder:
        return b"".join(iter(lambda: decoder.read(1.0), b""))


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that have not ended."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def refusal(decoders: Decoders, data: bytes, max_s: float = MAX_S) -> ErrorCode:
    """What a recording is refused with."""
    with pytest.raises(EarfulError) as caught, spooled(data) as file:
        all_of(decoders.open(file, max_s=max_s, max_bytes=MAX_BYTES))
    return caught.value.code


@pytest.mark.parametrize("seconds", [1.0, 120.0], ids=["in memory", "on disk"])
def test_what_is_heard_is_what_is_heard_here(decoders: Decoders, seconds: float) -> None:
    """To the sample, whether the body has a file or not; the body stays the caller's."""
    pcm = (speech() * 5)[: round(seconds) * 32_000]
    data = encoded(pcm, "flac", "flac")
    here = all_of(open_audio(io.BytesIO(data), max_s=MAX_S, max_bytes=MAX_BYTES))
    with spooled(data) as file:
        assert here == all_of(decoders.open(file, max_s=MAX_S, max_bytes=MAX_BYTES))
        file.seek(0)
        assert data == file.read()


def test_wav_has_no_process() -> None:
    """It is read here: nothing is believed that it says."""
    decoders = Decoders()
    before = children_of(os.getpid())
    with spooled(wav(speech(1.0))) as file:
        assert speech(1.0) == all_of(decoders.open(file, max_s=MAX_S, max_bytes=MAX_BYTES))
    assert before == children_of(os.getpid())
    decoders.close()


@pytest.mark.parametrize(
    ("data", "max_s", "code"),
    [
        (b"only text", MAX_S, ErrorCode.NOT_AUDIO),
        (bombs.flac(MAX_S + 1), MAX_S, ErrorCode.TOO_LARGE),
        (encoded(silence(3.0), "mp3", "libmp3lame"), 1.5, ErrorCode.TOO_LARGE),
    ],
    ids=["before", "at once", "on the way"],
)
def test_what_is_refused_is_refused_as_here(decoders: Decoders, data: bytes, max_s: float, code: ErrorCode) -> None:
    """By its row of the table, whenever it shows."""
    assert code is refusal(decoders, data, max_s)


def test_a_fork_server_that_was_killed_is_followed() -> None:
    """Nobody sees that it was gone."""
    data = encoded(silence(1.0), "flac", "flac")
    before = set(children_of(os.getpid()))
    with closing(Decoders()) as decoders, spooled(data) as file:
        all_of(decoders.open(file, max_s=MAX_S, max_bytes=MAX_BYTES))
        (server,) = set(children_of(os.getpid())) - before
        os.kill(server, signal.SIGKILL)
        assert 32_000 == len(all_of(decoders.open(file, max_s=MAX_S, max_bytes=MAX_BYTES)))


def test_a_process_that_is_killed_ends_its_recording_alone() -> None:
    """As one that took too much: it is no audio, and others are heard on."""
    with (
        closing(Decoders()) as decoders,
        spooled(encoded(speech(20.0), "flac", "flac")) as one,
        spooled(encoded(speech(20.0), "flac", "flac")) as other,
    ):
        before = set(children_of(os.getpid()))
        doomed = decoders.open(one, max_s=MAX_S, max_bytes=MAX_BYTES)
        (server,) = set(children_of(os.getpid())) - before
        (first,) = children_of(server)
        well = decoders.open(other, max_s=MAX_S, max_bytes=MAX_BYTES)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(EarfulError) as caught:
            all_of(doomed)
        assert ErrorCode.NOT_AUDIO is caught.value.code
        assert 20.0 == len(all_of(well)) / 32_000
