"""The messages of the wire, version 1: what a client may say and what the server may answer.

Adding a field is a protocol change and shows here in one place. Names and meanings are the protocol
page's, up to Resuming. Pure values: the codec turns them into text and back.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from earful.errors import ERRORS, ErrorCode

PROTOCOL_VERSION = 1
MAX_SEQUENCE = 2**53 - 1
"""The greatest sequence number: the last whole number every JSON reader keeps exact."""

Sequence = Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)]
Partials = Literal["fragment", "cumulative", "off"]
Reach = Literal["anywhere", "here"]
"""Who can go on with a session: whoever has the service's secret, or only the workers of this server."""
Reason = Literal["silence", "max_length", "flush", "stop", "idle", "ended", "drain"]
"""Why a final ends where it does ..."""
Leaving = Literal["drain", "overload"]
"""... and why a server closes the connection."""


class EncodedChunk(Struct, tag="audio_chunk", gc=False):
    """A chunk of audio as it is on the wire: base64 in JSON. The codec makes an `AudioChunk` of it."""

    data: str
    sequence: Sequence | None = None


class AudioChunk(Struct, gc=False):
    """A chunk of audio; without a number it is the next one."""

    data: bytes
    sequence: int | None = None


class Resume(Struct):
    """Asks for a session to go on at a mark; `attempt` rises with every try."""

    cursor: str
    attempt: Annotated[int, Meta(ge=1, le=MAX_SEQUENCE)]


class Start(Struct, tag="start"):
    """Opts in to the full protocol; must come first.

    Format and option fields know whether they were given: beside `resume` one that was must equal the session's.
    """

    protocol: Literal[1] = 1
    sample_rate: int | UnsetType = UNSET
    encoding: str | UnsetType = UNSET
    channels: int | UnsetType = UNSET
    language: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    partials: Partials | UnsetType = UNSET
    words: bool | UnsetType = UNSET
    token: Annotated[str, Meta(max_length=16_384)] | None = None
    resume: Resume | None = None


class Flush(Struct, tag="flush"):
    """Ends the utterance now; answered by `flushed` once everything before it is."""

    id: Annotated[str, Meta(max_length=256)]


class Stop(Struct, tag="stop"):
    """The end of the audio: everything owed is answered, then the connection is closed."""


class Keepalive(Struct, tag="keepalive"):
    """Says only that the client is still there."""


class BinaryAudio(Struct, gc=False):
    """A binary frame: one chunk in the declared encoding, which takes the next number."""

    data: bytes


ClientMessage = AudioChunk | Start | Flush | Stop | Keepalive | BinaryAudio


class WordTime(Struct):
    """A word of a final; times in ms of the session's audio."""

    word: str
    start_ms: int
    end_ms: int
    confidence: float


class Partial(Struct, tag="partial", gc=False):
    """What the newest speech added (or, where asked for, the utterance so far)."""

    text: str
    timestamp: int
    sequence: int
    index: int
    start_ms: int
    end_ms: int


class Final(Struct, tag="final", omit_defaults=True):
    """A whole utterance; replaces its fragments.

    After `start` it carries the cursor of the mark at its end, and the first chunk that may be asked for again.
    """

    text: str
    timestamp: int
    sequence: int
    index: int
    start_ms: int
    end_ms: int
    reason: Reason
    words: list[WordTime] | UnsetType = UNSET
    last: bool = False
    cursor: str | UnsetType = UNSET
    keep_from: int | UnsetType = UNSET


class Ack(Struct, tag="ack", gc=False):
    """A mark without a final: all before it is done."""

    cursor: str
    keep_from: int


class Error(Struct, tag="error", omit_defaults=True):
    """Something went wrong; where `fatal`, the connection closes next."""

    message: str
    code: str
    retryable: bool | UnsetType = UNSET
    fatal: bool | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    sequence: int | UnsetType = UNSET
    expected: int | UnsetType = UNSET


class Limits(Struct):
    """What this server allows, told in `started`."""

    max_message_bytes: int
    max_chunk_ms: int
    idle_timeout_s: float
    max_session_s: float
    max_speed: float
    max_buffered_ms: int
    resume_window_s: float
    keep_audio_s: int


class Started(Struct, tag="started"):
    """The answer to `start`; a session that cannot be resumed has neither `cursor` nor `resumable`."""

    session_id: str
    next_sequence: int
    next_index: int
    sample_rate: int
    encoding: str
    limits: Limits
    protocol: int = PROTOCOL_VERSION
    cursor: str | UnsetType = UNSET
    resumable: Reach | UnsetType = UNSET


class Flushed(Struct, tag="flushed"):
    """Everything before the flush of this id is answered; `sequence` is the newest chunk before it."""

    id: str
    sequence: int


class Closing(Struct, tag="closing", omit_defaults=True):
    """The server is about to close this connection."""

    reason: Leaving
    deadline_ms: int
    resume: bool | UnsetType = UNSET


ServerMessage = Partial | Final | Ack | Error | Started | Flushed | Closing


def error(
    code: ErrorCode,
    *,
    text: str | None = None,
    fatal: bool = False,
    sequence: int | None = None,
    expected: int | None = None,
    retry_after_ms: int | None = None,
) -> Error:
    """The error message of a row of the table, with its public text unless a better one is given."""
    row = ERRORS[code]
    return Error(
        message=text or row.text,
        code=code.value,
        retryable=row.retryable,
        fatal=fatal,
        retry_after_ms=UNSET if retry_after_ms is None else retry_after_ms,
        sequence=UNSET if sequence is None else sequence,
        expected=UNSET if expected is None else expected,
    )
