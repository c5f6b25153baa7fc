"""What a lost or refused connection means for the client: the one table. Pure; docs/protocol.md, Close codes.

Guarantees an answer for every close code and every HTTP status. Called by `Client` for each connection that ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from earful.errors import ERRORS, CloseCode, ErrorCode

if TYPE_CHECKING:
    from earful.protocol.messages import Error


class Advice(Enum):
    """What the client does next."""

    RESUME_AT_ONCE = auto()
    RESUME = auto()
    """With back-off, or when the server said."""
    START_ANEW = auto()
    """This session cannot go on; where it has not begun yet, all of it is said again."""
    GIVE_UP = auto()


ADVICE: dict[int, Advice] = {
    CloseCode.NORMAL: Advice.GIVE_UP,
    CloseCode.GOING_AWAY: Advice.RESUME,
    CloseCode.ABNORMAL: Advice.RESUME,
    CloseCode.PROTOCOL_ERROR: Advice.GIVE_UP,
    CloseCode.UNSUPPORTED_DATA: Advice.GIVE_UP,
    CloseCode.INVALID_PAYLOAD: Advice.GIVE_UP,
    CloseCode.POLICY: Advice.GIVE_UP,
    CloseCode.TOO_BIG: Advice.GIVE_UP,
    CloseCode.INTERNAL: Advice.RESUME,
    CloseCode.RESTART: Advice.START_ANEW,
    CloseCode.TRY_LATER: Advice.RESUME,
    CloseCode.UNAUTHENTICATED: Advice.GIVE_UP,
    CloseCode.FORBIDDEN: Advice.GIVE_UP,
    CloseCode.RESUME_FAILED: Advice.START_ANEW,
    CloseCode.IDLE: Advice.START_ANEW,
    CloseCode.SUPERSEDED: Advice.GIVE_UP,
    CloseCode.TOO_FAST: Advice.RESUME,
    CloseCode.DRAINED: Advice.RESUME_AT_ONCE,
    CloseCode.SLOW_READER: Advice.RESUME,
}

REFUSALS: dict[int, Advice] = {
    HTTPStatus.REQUEST_TIMEOUT: Advice.RESUME,
    HTTPStatus.TOO_MANY_REQUESTS: Advice.RESUME,
}
"""Statuses below 500 that another try can change; from 500 on each may."""

_OWN_CODES = 4000


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a connection ended, or never was: what to do, one sentence, and how long the server wants to be left."""

    advice: Advice
    sentence: str
    code: int = CloseCode.ABNORMAL
    """The close code, or the HTTP status of a refusal."""
    retry_after_s: float = 0.0
    is_unreachable: bool = False
    """Nobody was there to refuse it."""


def loss_by_close(code: int, reason: str, error: Error | None = None) -> Loss:
    """After a close; `error` is the fatal one that came before it, says why, and stands for a close that never came."""
    if code == CloseCode.ABNORMAL and error is not None and error.code in ERRORS:
        code = ERRORS[ErrorCode(error.code)].close_code
    unknown = Advice.GIVE_UP if code >= _OWN_CODES else Advice.RESUME
    retry_after_ms = UNSET if error is None else error.retry_after_ms
    wait_s = 0.0 if retry_after_ms is UNSET else max(0.0, retry_after_ms / 1000)
    return Loss(ADVICE.get(code, unknown), _told(code, reason, error), code, wait_s)


def loss_by_refusal(status: int, retry_after: str | None, body: bytes) -> Loss:
    """After an HTTP answer that was no upgrade; its words are the server's where it has some."""
    fatal = status < HTTPStatus.INTERNAL_SERVER_ERROR
    advice = REFUSALS.get(status, Advice.GIVE_UP if fatal else Advice.RESUME)
    told = f"The server refuses the connection: {_words(body) or f'HTTP {status}.'}"
    return Loss(advice, told, status, _seconds(retry_after))


def loss_by_trouble(sentence: str, *, is_nobody: bool = False) -> Loss:
    """After a connection that could not be made, as there `is_nobody`, or that broke off, or on which nothing came."""
    return Loss(Advice.RESUME, sentence, is_unreachable=is_nobody)


def _told(code: int, reason: str, error: Error | None) -> str:
    if error is not None:
        return f"The server closed with {code} {error.code}: {error.message}"
    return f"The server closed before the last final: code {code} {reason}".rstrip() + "."


class _Fault(msgspec.Struct):
    message: str


class _Body(msgspec.Struct):
    error: _Fault


def _words(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Body).error.message
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def _seconds(retry_after: str | None) -> float:
    """The header's seconds; 0 where there are none (a date is for other servers than ours)."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() else 0.0
