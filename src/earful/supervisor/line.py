"""The line between a supervisor and one worker: a socket pair on which each says a few words to the other.

Guarantees that saying never waits, and that whoever is left learns that the other process is gone.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from enum import StrEnum
from typing import Self

MAX_CHARACTERS = 1000
"""Of what goes with a word: a sentence, at most."""
PRESSED = "pressed"
_READ_BYTES = 4096


class Word(StrEnum):
    """All that is ever said."""

    READY = "ready"
    """By a worker: it serves, and its model is loaded."""
    ALIVE = "alive"
    """By a worker that is ready, about once a second: its event loop moves; `PRESSED` while it takes nobody new."""
    FAILED = "failed"
    """By a worker before it ends: it cannot start, and the sentence that says why."""
    DRAIN = "drain"
    """By a worker: a client asked for the end of the whole service."""
    RETIRE = "retire"
    """To a worker: its successor takes whoever comes from now on."""
    ROOM = "room"
    """To a worker: another one takes sessions that are sent on ..."""
    NO_ROOM = "no_room"
    """... or none does any more, as at the beginning."""


class Line:
    """One end of the line. It is not for two threads."""

    def __init__(self, end: socket.socket) -> None:
        """Use `pair`."""
        end.setblocking(False)
        self._end = end
        self._unread = b""
        self.is_open = True
        """False once `take` has met the end of the other process; an end that is held open by a child of it waits."""

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Both ends."""
        ours, theirs = socket.socketpair()
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        """For a selector: readable when there is something to `take`."""
        return self._end.fileno()

    def say(self, word: Word, text: str = "") -> None:
        """Say it to whoever is there; to nobody, it is lost."""
        line = " ".join([word, *text.split()])[:MAX_CHARACTERS]
        with suppress(OSError):  # Gone, or not reading any more: taking tells the first, nothing helps the second.
            self._end.send(line.encode() + b"\n")

    def take(self) -> list[tuple[Word, str]]:
        """What was said since, each word with its text; does not wait."""
        while self.is_open and (data := self._read()) is not None:
            self.is_open = bool(data)
            self._unread += data
        *lines, self._unread = self._unread.split(b"\n")
        pairs = (line.decode().partition(" ") for line in lines)
        return [(Word(word), text) for word, _, text in pairs]

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def _read(self) -> bytes | None:
        """Some bytes, none at the end; None where there is nothing yet."""
        try:
            return self._end.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            return b""
