"""Why a session ended: for each reason a sentence for whoever reads the log, and whether anything went wrong.

The reasons are those of `Close.reason` in the session core and of the transports. The registry and `account.py` use it.
"""

from __future__ import annotations

from typing import Final

from earful.errors import ERRORS, ErrorCode

FAULTLESS: Final = {
    "stop": "The client said stop and was given everything it was owed.",
    "deleted": "Somebody ended it: DELETE /v1/sessions/{id}.",
    "draining": "This worker was shut down, and the session could not go on elsewhere; it was given its finals.",
    "handed_over": "This worker ends or is overloaded; the client was told to go on elsewhere and can resume there.",
    "superseded": "The client went on with it on another connection.",
    "peer_closed": "The client closed the connection without having said stop.",
    "connection_lost": "The connection broke without a close: the client was killed, or the network or a proxy cut it.",
    "ping_timeout": "The client answered no ping for ping_timeout_s: it hangs, or its network is gone.",
}
"""Ends that are no error of client or server."""

FAULTS: Final = {
    "idle_timeout": "The client sent nothing at all, audio or other, for idle_timeout_s.",
    "session_too_long": "The session was as old as max_session_s allows.",
    "audio_too_fast": "The client sent audio faster than max_speed allows.",
    "slow_reader": "The client did not read its results: more than max_unsent_bytes waited, or some for max_unsent_s.",
    "stalled": "Nothing could be read for stall_timeout_s: the model took no audio, or the client was above its rate.",
    "resume_failed": "The client's cursor was not ours, too old, of another format, or of a session that was ended.",
    "sequence_gap": "A chunk was missing, and after a start none may be.",
    "unexpected_message": "The client sent a message that is not allowed where the session stood.",
    "too_many_mistakes": "The client sent more bad messages than a connection may.",
    "protocol_error": "The client broke the WebSocket protocol.",
    "invalid_utf8": "The client sent text that is not UTF-8.",
    "message_too_big": "The client sent a message longer than max_message_bytes.",
    "overloaded": "The server was full: the place was one for resumed sessions, and the client resumed none.",
    "internal": "A fault of the server's; the line before says where.",
}
"""Ends by an error of client or server."""


def is_fault(reason: str) -> bool:
    """Whether an end for this reason counts as failed."""
    return reason not in FAULTLESS


def sentence_of(reason: str) -> str:
    """Why that is, in words; for a reason that is an error code and nothing else, what a client would be told."""
    known = FAULTLESS.get(reason) or FAULTS.get(reason)
    if known is not None:
        return known
    return ERRORS[ErrorCode(reason)].text if reason in set(ErrorCode) else reason
