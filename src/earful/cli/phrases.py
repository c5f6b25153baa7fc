"""What can happen to a session, as sentences for a reader who does not know the code.

Pure. Guarantees a sentence for every event, those of another release too, and that nothing in a field can disturb a
terminal. Used by `story.py`; what a session or upload came to is `amounts.py`'s.
"""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_CHARACTERS = 200
"""Of one value."""

_PHRASES: Final[dict[str, tuple[str, ...]]] = {
    "connected": ("A client connected", " from {peer}", " ({transport})", "{resuming: to go on with a session}", "."),
    "started": (
        "The session began",
        "{plain: with the plain protocol}",
        ": {encoding}",
        ", {sample_rate} Hz",
        ", {channels} channel(s)",
        ".",
    ),
    "resumed": (
        "The client went on with the session here",
        ", its try {attempt}",
        ", from chunk {from_sequence}",
        ", {audio_ms} ms into the audio",
        ".",
    ),
    "first speech": ("The first speech was heard", ", {audio_ms} ms into the audio", "."),
    "reading paused": (
        "The server stopped reading",
        " and waits for the {waits_for}",
        ": {buffered_ms} ms of audio are waiting",
        ".",
    ),
    "reading resumed": ("The server reads again", ", after {paused_ms} ms", "."),
    "error told": (
        "The client was told the error {code}",
        " about chunk {sequence}",
        ", where {expected} was expected",
        "{fatal:, which ended the connection}",
        ".",
    ),
    "slow reader": ("The client does not read its results", ": {unsent_bytes} bytes have waited too long", "."),
    "sent on": ("The client was told to go on at another worker", " ({reason})", "."),
    "asked to end": ("The client was told that this worker ends", " ({reason})", "."),
    "superseded": ("The client went on with the session on another connection", ", its try {by_attempt}", "."),
    "refused": ("The client was not let in", ": {code}", "."),
    "failed": ("A fault of the server's met the session", " ({error})", "."),
    "model failed": ("The model failed", " ({error})", "; the session went on without that audio", "."),
    "claim was not decided in time": ("The store did not answer in time; the client's cursor decided", "."),
    "upload started": ("The upload began", " from {peer}", "."),
    "upload ended": (
        "The upload ended",
        " after {duration_s} s",
        ", answered with the error {code}",
        "{left:, its client having gone}",
        ".",
    ),
    "ended": ("The session ended", " after {duration_s} s", ": {reason}", ", close code {close_code}", "."),
}


def name_of(event: str) -> str:
    """An event's name without what all of them have."""
    return event.removeprefix("session ")


def phrase(event: str, fields: Mapping[str, Any]) -> str:
    """What happened, as a sentence; of an unknown event its name and its fields."""
    pieces = _PHRASES.get(name_of(event))
    if pieces is not None:
        return _joined(pieces, fields)
    told = ", ".join(f"{name} {value}" for name, value in fields.items() if value is not None)
    return printable(f"{event}: {told}." if told else f"{event}.")


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _joined(pieces: tuple[str, ...], fields: Mapping[str, Any]) -> str:
    """The pieces whose fields are there; a piece `{name: text}` is its text, where the field is true."""
    return "".join(_piece(piece, fields) for piece in pieces)


def _piece(piece: str, fields: Mapping[str, Any]) -> str:
    ((before, name, text, _), *rest) = Formatter().parse(piece)
    if name is None:
        return before
    value = fields.get(name)
    if text:
        return text if value else ""
    if value is None:
        return ""
    after = "".join(literal for literal, *_ in rest)
    return f"{before}{printable(str(value))[:MOST_CHARACTERS]}{after}"
