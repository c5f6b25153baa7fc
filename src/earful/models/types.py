"""Values that models, the session core and the engine share. Pure: no asyncio, no clock.

msgspec structs, not dataclasses: some are made for every chunk, and a frozen dataclass takes ten times as long.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from earful.errors import ErrorCode

MODEL_RATE_HZ: Final = 16_000
"""Every model hears 16 kHz mono signed 16-bit little-endian PCM."""
MAX_TEXT_CHARS: Final = 1 << 16
"""Of an answer, of its words together, and of what is told of an utterance before its final. Nobody says as much in the
ten minutes that an utterance may have, and a final fits into the mebibyte that WebSocket clients mostly take."""
MAX_WORDS: Final = 1 << 12
"""Of an answer."""


class Word(Struct, frozen=True, gc=False):
    """One word; times in ms from the utterance's first sample; confidence from 0 to 1."""

    word: str
    start_ms: int
    end_ms: int
    confidence: float


class TranscriptResult(Struct, frozen=True):
    """What a model answers: of `transcribe_chunk` what the audio added, of `finalize` the whole utterance.

    Fragments are concatenated as they are, so a fragment that begins a new word carries the space before it.
    """

    text: str
    is_final: bool
    words: tuple[Word, ...] = ()


class SessionInfo(Struct, frozen=True, gc=False):
    """What a model may want to know about the session it works for."""

    session_id: str
    language: str | None = None
    words: bool = False


class Step(Struct):
    """One session's part of a batch: new audio (16 kHz mono s16le, may be empty), and whether the utterance ends.

    `memory` is the model's own: it may set it to anything. It is None at a session's first step (an upload:
    at the first of each utterance it has side by side), is kept from step to step and from one utterance to
    the next, and is dropped when a step failed or the session is gone.
    """

    audio: bytes
    end: bool
    session: SessionInfo
    memory: Any = None


class Work(Struct, frozen=True, gc=False):
    """One piece of speech for the model, from one utterance.

    `pcm` is new audio (may be empty when only the end is news); `end` says the utterance ends with it.
    `lane` names the model object: all work of one utterance has the same lane, a lane has one work in
    flight and one unfinished utterance at a time. The rest describes what the result will cover and is
    for the session alone; `since_s` is when the oldest news in it was known (monotonic seconds).
    """

    lane: int
    pcm: bytes
    end: bool
    index: int
    end_ms: int
    sequence: int
    since_s: float = 0.0


class Outcome(Struct, frozen=True):
    """What became of one work: a result, a failure, or both (the audio was given up, the end still answered).

    `result` is None only where `failure` is set. `model_s` is the time the model took, in seconds.
    """

    result: TranscriptResult | None
    failure: ErrorCode | None = None
    model_s: float = 0.0
