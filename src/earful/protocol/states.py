"""The life of a session as one table: state x input -> state.

All state changes of a session are in this file. A missing cell is a protocol error
(`unexpected_message`); a cell that names its own state is allowed and changes nothing here. The
picture in the docs is drawn from this table.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a session stands."""

    CREATE = "CREATE"
    """Connected; nothing accepted yet."""
    ACTIVE = "ACTIVE"
    """Listening."""
    CLOSING = "CLOSING"
    """Hears nothing more; answers what it owes."""
    CLOSED = "CLOSED"
    """Owes nothing; says nothing."""


class Input(Enum):
    """What can happen to a session: a client's message, a timer, a wish of the server, or the end of its answers."""

    AUDIO = "audio"
    START = "start"
    FLUSH = "flush"
    KEEPALIVE = "keepalive"
    STOP = "stop"
    IDLE = "idle_timeout_s passed"
    AGED = "max_session_s passed"
    END = "DELETE"
    DRAIN = "drain"
    HAND_OVER = "drain, resumed elsewhere"
    ANSWERED = "all answered"
    STALLED = "stall_timeout_s passed"
    UNREAD = "max_unsent exceeded"
    FATAL = "fatal error"
    GONE = "connection lost"


_ENDS = {
    Input.STOP: State.CLOSING,
    Input.IDLE: State.CLOSING,
    Input.AGED: State.CLOSING,
    Input.END: State.CLOSING,
    Input.DRAIN: State.CLOSING,
    Input.HAND_OVER: State.CLOSING,
    Input.STALLED: State.CLOSED,
    Input.UNREAD: State.CLOSED,
    Input.FATAL: State.CLOSED,
    Input.GONE: State.CLOSED,
}

TRANSITIONS: dict[State, dict[Input, State]] = {
    State.CREATE: {Input.AUDIO: State.ACTIVE, Input.START: State.ACTIVE, **_ENDS},
    State.ACTIVE: {
        Input.AUDIO: State.ACTIVE,
        Input.FLUSH: State.ACTIVE,
        Input.KEEPALIVE: State.ACTIVE,
        **_ENDS,
    },
    # What arrives after the end was decided is ignored, and the first reason to end stays the reason.
    State.CLOSING: {
        **dict.fromkeys(Input, State.CLOSING),
        Input.ANSWERED: State.CLOSED,
        Input.STALLED: State.CLOSED,
        Input.UNREAD: State.CLOSED,
        Input.FATAL: State.CLOSED,
        Input.GONE: State.CLOSED,
    },
    State.CLOSED: dict.fromkeys(Input, State.CLOSED),
}
