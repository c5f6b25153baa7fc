"""What a worker and the processes of its model say to each other: frames of msgpack over a socket pair. Pure.

A frame is its length (4 bytes, big-endian) and a list of messages. Used by `model_process.py` and `child.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from msgspec import Struct, ValidationError
from msgspec.msgpack import Decoder, Encoder

from earful.errors import ErrorCode
from earful.models.types import SessionInfo, TranscriptResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_FRAME_BYTES: Final = 1 << 30
"""Longer is no frame: the audio of a thousand utterances is shorter."""
_HEAD_BYTES: Final = 4


class Begin(Struct, tag="begin", frozen=True):
    """To the process, first: the model it runs, and how long a call may take."""

    model: str
    options: dict[str, Any]
    timeout_s: float


class Ask(Struct, tag="ask", frozen=True, gc=False):
    """To the process: what an utterance's next audio is, and whether it ends. A lane has one `Ask` at a time."""

    lane: int
    pcm: bytes
    end: bool
    session: SessionInfo


class Forget(Struct, tag="forget", frozen=True, gc=False):
    """To the process: nothing more comes on this lane."""

    lane: int


class Ready(Struct, tag="ready", frozen=True, gc=False):
    """From the process: the model is loaded, and hears so many items in a step (None is no limit)."""

    max_batch: int | None


class Unfit(Struct, tag="unfit", frozen=True, gc=False):
    """From the process: the model cannot be loaded; the sentence says why."""

    text: str


class Answer(Struct, tag="answer", frozen=True):
    """From the process: what became of an `Ask`. `result` is None only where `failure` is set."""

    lane: int
    result: TranscriptResult | None
    failure: ErrorCode | None


class Raised(Struct, tag="raised", frozen=True, gc=False):
    """From the process: what its model raised over a session, without its words, and where."""

    session: SessionInfo
    error: str
    places: str


ToProcess = Begin | Ask | Forget
FromProcess = Ready | Unfit | Answer | Raised

M = TypeVar("M")
_encode = Encoder().encode


class BadFrameError(Exception):
    """Bytes that are no frame of these messages."""


def frame_of(messages: Sequence[ToProcess | FromProcess]) -> bytes:
    """These messages as one frame."""
    body = _encode(messages)
    return len(body).to_bytes(_HEAD_BYTES, "big") + body


class Frames(Generic[M]):
    """Makes messages of the bytes that come, however they are cut."""

    def __init__(self, decoder: Decoder[list[M]]) -> None:
        """Expect what `decoder` reads."""
        self._decoder = decoder
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        """The messages that `data` completes; raises BadFrameError, after which the rest cannot be read."""
        pending = self._pending
        pending += data
        while len(pending) >= _HEAD_BYTES:
            end = _HEAD_BYTES + int.from_bytes(pending[:_HEAD_BYTES], "big")
            if end > MAX_FRAME_BYTES:
                raise BadFrameError("a frame is too long")
            if len(pending) < end:
                return
            body = bytes(pending[_HEAD_BYTES:end])
            del pending[:end]
            yield from self._decoded(body)

    def _decoded(self, body: bytes) -> list[M]:
        try:
            return self._decoder.decode(body)
        except (ValidationError, ValueError) as error:
            raise BadFrameError("a frame is no list of these messages") from error


def to_process() -> Frames[ToProcess]:
    """What a process of the model is told."""
    return Frames(Decoder(list[ToProcess]))


def from_process() -> Frames[FromProcess]:
    """What it says."""
    return Frames(Decoder(list[FromProcess]))
