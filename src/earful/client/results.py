"""What a resuming client gives its application: the server's results, and notes on the session's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.client.connecting import ClientError
from earful.client.losses import Advice
from earful.protocol.messages import Error, Final, Flushed, Partial, Started

if TYPE_CHECKING:
    from earful.client.losses import Loss


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is lost, and the client is at work on another: told once an outage."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The session goes on. Partials of utterances from `started.next_index` on come again: forget theirs."""

    started: Started
    attempt: int


Result = Partial | Final | Flushed | Error
"""What is heard: partials, finals, the answers to `flush`, and errors that the session survived."""

Note = Started | Reconnecting | Resumed
"""What becomes of the session, for those who ask for it with `notes`."""


class SessionOverError(ClientError):
    """The session ended before its last final, and cannot go on: every result there is was given.

    `code` is the close code, or the HTTP status of the last refusal; `can_start_anew` whether a new session may help.
    """

    def __init__(self, sentence: str, loss: Loss) -> None:
        super().__init__(sentence)
        self.code = loss.code
        self.can_start_anew = loss.advice is not Advice.GIVE_UP


class AudioBufferFullError(ClientError):
    """As much audio is kept as may be, since the server has answered none of it: this audio was not taken.

    Where it was long its beginning may have been: `taken_bytes` of it.
    """

    def __init__(self, taken_bytes: int) -> None:
        super().__init__("The server has answered none of the audio that is kept, and no more may be kept.")
        self.taken_bytes = taken_bytes
