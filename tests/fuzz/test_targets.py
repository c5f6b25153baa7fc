"""The fuzzer's targets: each holds for its seeds and for what is near them, and each notices a fault that is put in."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.fuzz import codec, frames, pcm, seal, wav

import fuzz
from earful.audio.pcm import Converter
from earful.audio.wav import parse_wav_header
from earful.errors import EarfulError
from earful.protocol.codec import decode
from earful.transport.frames import FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.audio.wav import WavHeader
    from earful.protocol.cursor import Cursor
    from earful.protocol.messages import ClientMessage
    from earful.transport.frames import Message

TURNS = 100


class Hasty(FrameReader):
    """A reader that forgets the beginning of a frame where a read ends with it."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[Message]:
        """Start anew with every read."""
        self._rest.clear()
        return super().feed(data)


class Forgetful(Converter):
    """A converter that forgets half a sample."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """Drop what is left of the last chunk."""
        self._rest.clear()
        return super().feed(data)


def lenient(text: bytes | str) -> ClientMessage:
    """A codec that overlooks what stands behind a message."""
    data = text.encode() if isinstance(text, str) else text
    return decode(data.rstrip(b"}") + b"}")


def gullible(text: str) -> Cursor:
    """A seal that believes anything it cannot read."""
    try:
        return seal.SEAL.read(text)
    except EarfulError:
        return seal.WHOLE


def early(prefix: bytes) -> WavHeader | None:
    """A parser that takes the end of what is there for the beginning of the samples."""
    return parse_wav_header(prefix if len(prefix) < 30 else prefix + b"data\4\0\0\0")


def test_every_target_has_a_share_of_the_runs() -> None:
    """None is forgotten."""
    modules = {path.stem for path in Path(__file__).parent.glob("*.py")}
    assert modules - {"cutting", "test_targets"} == set(fuzz.SHARES)


@pytest.mark.parametrize("name", fuzz.SHARES)
def test_targets_hold_near_their_seeds(name: str) -> None:
    """A little of what the fuzzer does, and without it."""
    target = importlib.import_module(f"tests.fuzz.{name}")
    chance = random.Random(name)  # noqa: S311 - it only has to be the same each time
    for turn in range(TURNS):
        data = bytearray(target.SEEDS[turn % len(target.SEEDS)])
        for _ in range(turn // len(target.SEEDS) if data else 0):
            data[chance.randrange(len(data))] = chance.randrange(256)
        target.check(bytes(data))


@pytest.mark.parametrize(
    ("check", "seeds", "faulty"),
    [
        (codec.check, (*codec.SEEDS, b'{"type":"stop"}}'), lenient),
        (frames.check, frames.SEEDS, Hasty),
        (seal.check, seal.SEEDS, gullible),
        (wav.check, wav.SEEDS, early),
        (pcm.check, pcm.SEEDS, Forgetful),
    ],
)
def test_a_fault_is_noticed(check: Callable[[bytes, Any], None], seeds: tuple[bytes, ...], faulty: object) -> None:
    """By one of the seeds at least; otherwise a target would only look for crashes."""
    with pytest.raises(AssertionError):
        _check_all(check, seeds, faulty)


def _check_all(check: Callable[[bytes, Any], None], seeds: tuple[bytes, ...], subject: object) -> None:
    for seed in seeds:
        check(seed, subject)
