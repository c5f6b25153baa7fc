"""What to do about a session's end, by its reason, in one sentence for whoever runs the service.

The reasons are those in the log's `session ended`, and the codes in its `upload ended`. Used by `story.py`.
"""

from __future__ import annotations

from typing import Final

_NOTHING = "Nothing needs doing."
_RESUMES = "A client that used start resumes by itself; one that did not has to begin anew."
_MEND = "Mend the client; the error it was told says what was wrong."

ADVICE: Final = {
    "stop": _NOTHING,
    "deleted": "Whoever has the operations routes can do that; the log of the proxy before them says who it was.",
    "draining": "Give the workers one secret (EARFUL_SECRET), so that a session can go on at another one next time.",
    "handed_over": "Nothing needs doing: the client goes on at another worker, where `earful why` tells the rest.",
    "superseded": "Nothing needs doing, where the client lost a connection; else two clients use one cursor.",
    "peer_closed": "Nothing needs doing, where people just leave; else have the client say stop, and hear its final.",
    "connection_lost": f"{_RESUMES} Where it happens often, have `earful doctor --proxy-config` look at the timeouts.",
    "ping_timeout": f"{_RESUMES} Where it happens often, look at the clients' networks, or raise ping_timeout_s.",
    "idle_timeout": "Have the client send keepalive while nobody speaks, or raise idle_timeout_s.",
    "session_too_long": "Have the client begin a new session in time, or raise max_session_s.",
    "audio_too_fast": "Have the client send no faster than real time, or raise max_speed.",
    "slow_reader": f"{_RESUMES} Look at how the client reads: its network is too slow, or its program busy elsewhere.",
    "stalled": f"{_RESUMES} The model is too slow for what it is given: see its times in /metrics, and add workers. "
    "Or the client sends more than max_messages_per_s.",
    "resume_failed": "Have all workers use one secret; else the client waited too long, and begins anew.",
    "sequence_gap": "Mend the client: it left out a chunk, or numbers them wrongly.",
    "unexpected_message": _MEND,
    "too_many_mistakes": _MEND,
    "protocol_error": "Mend the client's WebSocket library, or the proxy that stands between.",
    "invalid_utf8": "Mend the client: audio belongs into binary frames, after a start.",
    "message_too_big": "Have the client send smaller chunks, or raise max_message_bytes.",
    "overloaded": "Nothing needs doing: the client tries again later; where it happens often, add workers.",
    "unauthorized": "Give the client a valid credential.",
    "forbidden": "Give the client a credential that may do this.",
    "internal": f"{_RESUMES} Report it, with the traceback that the log has under `session failed`.",
}

UPLOADS: Final = {
    "not_audio": "Have the client send a recording, as it would be played.",
    "no_decoder": "Install earful[audio], or have the client send WAV.",
    "too_large": "Have the client cut it in pieces, or raise max_upload_mb or max_upload_s.",
    "bad_request": "Mend the client: it sent a form without the field file, or a parameter that cannot be.",
    "model_failed": "Look at the model: the log has a traceback under `model failed`.",
    "model_timeout": "The model is too slow for what it is given: see its times in /metrics, or raise model_timeout_s.",
    "internal": "Report it, with the traceback that the log has, and send it again.",
}
"""By the error that an upload was answered with."""

UNKNOWN = "See the close and error codes of docs/protocol.md."


def advice_for(reason: str) -> str:
    """The sentence; a pointer for a reason of another release's."""
    return ADVICE.get(reason, UNKNOWN)


def advice_for_upload(code: str | None) -> str:
    """The sentence for the error that an upload was answered with; None where it was answered with its text."""
    return _NOTHING if code is None else UPLOADS.get(code, UNKNOWN)
