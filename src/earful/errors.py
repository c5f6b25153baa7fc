"""The one table of everything that can go wrong, and the exception that names a row of it.

Every error a client can see is a row here: HTTP status, WebSocket close code, whether trying again
can help, and a public sentence. Public text never contains an exception's words. The meanings are
those of docs/protocol.md, Close codes and Error codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class CloseCode(IntEnum):
    """WebSocket close codes, those of RFC 6455 and earful's own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    ABNORMAL = 1006
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_PAYLOAD = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    TRY_LATER = 1013
    UNAUTHENTICATED = 4001
    FORBIDDEN = 4003
    RESUME_FAILED = 4004
    IDLE = 4008
    SUPERSEDED = 4010
    TOO_FAST = 4108
    DRAINED = 4201
    SLOW_READER = 4208


class ErrorCode(StrEnum):
    """Error codes of the wire, stable for ever."""

    BAD_JSON = "bad_json"
    BAD_MESSAGE = "bad_message"
    UNKNOWN_TYPE = "unknown_type"
    BAD_AUDIO = "bad_audio"
    UNSUPPORTED_FORMAT = "unsupported_format"
    SEQUENCE_REPEATED = "sequence_repeated"
    SEQUENCE_GAP = "sequence_gap"
    MODEL_FAILED = "model_failed"
    MODEL_TIMEOUT = "model_timeout"
    UNEXPECTED_MESSAGE = "unexpected_message"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    SESSION_LIMIT = "session_limit"
    TENANT_LIMIT = "tenant_limit"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    IDLE_TIMEOUT = "idle_timeout"
    SESSION_TOO_LONG = "session_too_long"
    AUDIO_TOO_FAST = "audio_too_fast"
    SLOW_READER = "slow_reader"
    STALLED = "stalled"
    RESUME_FAILED = "resume_failed"
    SUPERSEDED = "superseded"
    INTERNAL = "internal"
    # REST only: answers to uploads and to requests for sessions.
    NOT_AUDIO = "not_audio"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    NO_DECODER = "no_decoder"
    BAD_REQUEST = "bad_request"


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What one code means: HTTP status, close code where it is fatal, retryable, public text."""

    http_status: int
    close_code: CloseCode
    retryable: bool
    text: str
    counted: bool = False
    """Counts against the ten mistakes a connection may make."""


ERRORS: dict[ErrorCode, ErrorRow] = {
    ErrorCode.BAD_JSON: ErrorRow(400, CloseCode.POLICY, False, "The message is not valid JSON.", counted=True),
    ErrorCode.BAD_MESSAGE: ErrorRow(
        400, CloseCode.POLICY, False, "The message lacks a field, or a field has the wrong type or value.", counted=True
    ),
    ErrorCode.UNKNOWN_TYPE: ErrorRow(400, CloseCode.POLICY, False, "The message's type is not known here."),
    ErrorCode.BAD_AUDIO: ErrorRow(
        400,
        CloseCode.POLICY,
        False,
        "The chunk is not padded standard base64, or is longer than a chunk may be.",
        counted=True,
    ),
    ErrorCode.UNSUPPORTED_FORMAT: ErrorRow(
        400, CloseCode.POLICY, False, "The audio format is not supported: see encoding, sample_rate and channels."
    ),
    ErrorCode.SEQUENCE_REPEATED: ErrorRow(
        409, CloseCode.POLICY, False, "A chunk with this sequence number was already heard; it is ignored."
    ),
    ErrorCode.SEQUENCE_GAP: ErrorRow(409, CloseCode.POLICY, False, "A chunk is missing before this one."),
    ErrorCode.MODEL_FAILED: ErrorRow(
        500, CloseCode.INTERNAL, True, "The speech model failed on this audio; the session goes on without it."
    ),
    ErrorCode.MODEL_TIMEOUT: ErrorRow(
        504, CloseCode.INTERNAL, True, "The speech model took too long; the session goes on without this audio."
    ),
    ErrorCode.UNEXPECTED_MESSAGE: ErrorRow(409, CloseCode.POLICY, False, "This message is not allowed at this point."),
    ErrorCode.UNAUTHORIZED: ErrorRow(
        401, CloseCode.UNAUTHENTICATED, False, "Who you are is not known here; bring a valid credential."
    ),
    ErrorCode.FORBIDDEN: ErrorRow(403, CloseCode.FORBIDDEN, False, "This is not allowed for you."),
    ErrorCode.SESSION_LIMIT: ErrorRow(503, CloseCode.TRY_LATER, True, "This server is full; try again later."),
    ErrorCode.TENANT_LIMIT: ErrorRow(
        429, CloseCode.TRY_LATER, True, "Your tenant has as many sessions as it may have; try again later."
    ),
    ErrorCode.RATE_LIMITED: ErrorRow(
        429, CloseCode.TRY_LATER, True, "Too many requests come from your address; try again shortly."
    ),
    ErrorCode.OVERLOADED: ErrorRow(503, CloseCode.TRY_LATER, True, "This server is overloaded; try again later."),
    ErrorCode.DRAINING: ErrorRow(503, CloseCode.RESTART, True, "This server is shutting down; start again elsewhere."),
    ErrorCode.IDLE_TIMEOUT: ErrorRow(
        408, CloseCode.IDLE, False, "Nothing was received for too long; the session is over."
    ),
    ErrorCode.SESSION_TOO_LONG: ErrorRow(
        408, CloseCode.IDLE, False, "The session reached its greatest length; start a new one."
    ),
    ErrorCode.AUDIO_TOO_FAST: ErrorRow(
        429, CloseCode.TOO_FAST, False, "Audio arrives faster than this server allows; slow down."
    ),
    ErrorCode.SLOW_READER: ErrorRow(
        408, CloseCode.SLOW_READER, True, "The results were not read fast enough; the connection is closed."
    ),
    ErrorCode.STALLED: ErrorRow(
        503, CloseCode.INTERNAL, True, "The server could not go on listening for too long; the connection is closed."
    ),
    ErrorCode.RESUME_FAILED: ErrorRow(
        404, CloseCode.RESUME_FAILED, False, "The session cannot be resumed with this; start a new one."
    ),
    ErrorCode.SUPERSEDED: ErrorRow(
        409, CloseCode.SUPERSEDED, False, "The session is carried on by another connection; stop this one."
    ),
    ErrorCode.INTERNAL: ErrorRow(500, CloseCode.INTERNAL, True, "The server failed; this is its fault, not yours."),
    ErrorCode.NOT_AUDIO: ErrorRow(400, CloseCode.POLICY, False, "The body is not audio that can be read."),
    ErrorCode.NOT_FOUND: ErrorRow(404, CloseCode.POLICY, False, "There is nothing here under this name."),
    ErrorCode.TOO_LARGE: ErrorRow(
        413, CloseCode.TOO_BIG, False, "The upload is larger or longer than this server accepts."
    ),
    ErrorCode.NO_DECODER: ErrorRow(
        415, CloseCode.UNSUPPORTED_DATA, False, "No decoder for this kind of audio is installed here."
    ),
    ErrorCode.BAD_REQUEST: ErrorRow(422, CloseCode.POLICY, False, "The request's parameters cannot be used."),
}

MISTAKES_ALLOWED = 10
"""Counted mistakes a connection survives; the next one ends it (docs/protocol.md, Error codes)."""


class EarfulError(Exception):
    """An error a client may see. `code` names its row; `text` replaces the row's public sentence."""

    def __init__(self, code: ErrorCode, text: str | None = None) -> None:
        """Name the row of the table; `text` must be fit for the public: never an exception's words."""
        self.code = code
        self.row = ERRORS[code]
        self.text = text or self.row.text
        super().__init__(self.text)
