"""How a session can end: the final it still owes, the error it tells, the code it closes with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.errors import CloseCode, ErrorCode
from earful.protocol.states import Input

if TYPE_CHECKING:
    from earful.protocol.messages import Reason


@dataclass(frozen=True, slots=True)
class Close:
    """How the connection ends: the WebSocket close code, and the reason that log and metrics name."""

    code: CloseCode
    reason: str


ENDINGS: dict[Input, tuple[Reason | None, ErrorCode | None, Close]] = {
    Input.STOP: ("stop", None, Close(CloseCode.NORMAL, "stop")),
    Input.END: ("ended", None, Close(CloseCode.NORMAL, "deleted")),
    Input.IDLE: ("idle", ErrorCode.IDLE_TIMEOUT, Close(CloseCode.IDLE, "idle_timeout")),
    Input.AGED: ("ended", ErrorCode.SESSION_TOO_LONG, Close(CloseCode.IDLE, "session_too_long")),
    Input.DRAIN: ("drain", ErrorCode.DRAINING, Close(CloseCode.RESTART, "draining")),
    Input.HAND_OVER: (None, None, Close(CloseCode.DRAINED, "handed_over")),
}
"""How the endings that still answer what they owe end: reason of the open utterance's final, error, close.

Without a reason the open utterance has no final: it is left to whoever goes on with the session.
"""

FATALITIES = {Input.STALLED: ErrorCode.STALLED, Input.UNREAD: ErrorCode.SLOW_READER}
"""Endings that answer nothing more."""

CAUSES = {code: happening for happening, code in FATALITIES.items()}
"""Which input of the state table a fatal error is; every other one is `FATAL`."""
