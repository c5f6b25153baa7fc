"""Connections whose client is still to say what it wants: bounded, and whoever has been silent longest makes way.

Guarantees that a flood of silent connections costs other silent ones alone, nobody whose request waits to be read:
with some `most` of them the rest of the worker's open files are for sessions, uploads and what they need. The
`Acceptor` brings each connection it takes, and the HTTP protocol says when a request has come and when it was answered.
One for each listener; `server.py` sweeps it.
"""

from __future__ import annotations

import math
import socket
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.telemetry.logs import Logger

LOOKS = 4
"""At how many it is looked for each that comes. Who is found to have spoken is read in the same turn of the loop: so
there are more than `most` by no more than are taken in one."""
TELL_EVERY_S = 10.0
"""How often the log is told of those who made way, at most."""


class Guest:
    """One connection: in its lobby from `wait` until `leave`, or until it has to make way."""

    __slots__ = ("_connection", "_lobby")

    def __init__(self, lobby: Lobby, connection: socket.socket) -> None:
        """Of `connection`, which somebody else closes."""
        self._lobby = lobby
        self._connection = connection

    def wait(self) -> None:
        """Nothing is under way, and nothing owed: from now on it is silent."""
        self._lobby.add(self)

    def leave(self) -> None:
        """A request has come, or the connection is gone."""
        self._lobby.discard(self)

    @property
    def has_spoken(self) -> bool:
        """Whether there is something of it that nobody has read yet."""
        try:
            return bool(self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:  # There is nothing, or it is gone.
            return False

    def dismiss(self) -> None:
        """Have the loop read the connection's end, as if the peer had hung up: whatever the state, TLS too, it closes.

        What was written still goes out.
        """
        with suppress(OSError):  # Gone already.
            self._connection.shutdown(socket.SHUT_RD)


class Lobby:
    """All of one listener that are silent, the longest first."""

    def __init__(self, listener: str, most: int, log: Logger) -> None:
        """Hold at most so many; `log` hears of the `listener` when they made way."""
        self.most = most
        self._listener = listener
        self._log = log
        self._guests: OrderedDict[Guest, None] = OrderedDict()
        self._untold = 0
        self._told_at = -math.inf

    def __len__(self) -> int:
        """How many are silent."""
        return len(self._guests)

    def __iter__(self) -> Iterator[Guest]:
        """Them, as they would make way."""
        return iter(self._guests)

    @property
    def is_full(self) -> bool:
        """Whether the next one who comes costs another its connection."""
        return len(self._guests) >= self.most

    def add(self, guest: Guest) -> None:
        """Have it wait behind all others; where there are too many, who was silent longest makes way."""
        self.discard(guest)
        for _ in range(LOOKS):
            if self.is_full:
                self._make_way()
        self._guests[guest] = None

    def discard(self, guest: Guest) -> None:
        """It is silent no more, if it was."""
        self._guests.pop(guest, None)

    def _make_way(self) -> None:
        """Or wait behind the others, as one that is silent from now on."""
        longest, _ = self._guests.popitem(last=False)
        if longest.has_spoken:
            self._guests[longest] = None
        else:
            self._untold += 1
            longest.dismiss()

    def sweep(self, now: float) -> None:
        """Tell the log how many made way since it was last told; `now` in monotonic seconds."""
        if self._untold and now - self._told_at >= TELL_EVERY_S:
            self._log.warning(
                "silent connections made way", listener=self._listener, made_way=self._untold, at_most=self.most
            )
            self._untold, self._told_at = 0, now
