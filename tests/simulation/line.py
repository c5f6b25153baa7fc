"""One WebSocket in memory: what is under way on it arrives in order, in its own time, until the line is cut.

At every arrival, either way, something may go wrong instead (`strike`). A line that is cut may still carry a part
of what was under way, and each end hears of the cut later, the server perhaps never: then `is_silent`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.chance import Chance

    from earful.service.connection import Connection

DELAY_S = 0.2
LATE_S = 3.0
"""What was under way to the server when a line was cut may be so late."""
LOSS_HEARD_S = 2.0
SILENT_SHARE = 0.3
CLOSE_WITHIN_S = 1.0


class Close(NamedTuple):
    """The last that comes from a server."""

    code: int
    reason: str


class Caller(Protocol):
    """The client's end."""

    def hear(self, line: Line, text: bytes) -> None:
        """A message arrived."""

    def lose(self, line: Line, close: Close | None) -> None:
        """The line is gone, closed by the server or cut."""


class Line:
    """A `Wire` for a connection, and its client's socket."""

    unsent_bytes = 0

    def __init__(
        self, chance: Chance, caller: Caller, strike: Callable[[Line], None], free: Callable[[], None]
    ) -> None:
        """`free` is called once, when the server's socket is gone."""
        self.connection: Connection | None = None
        self.over_at_s: float | None = None
        """When the server had done with it."""
        self.began_at_s: float | None = None
        """When the server first said something on it."""
        self.is_silent = False
        self.is_cut = False
        self._loop = asyncio.get_running_loop()
        self._chance = chance
        self._caller = caller
        self._strike = strike
        self._free = free
        self._to_server: deque[bytes] = deque()
        self._to_client: deque[bytes | Close] = deque()
        self._held_until_s = 0.0
        self._is_paused = False
        self._is_dead = False

    # The client's end.

    def say(self, text: bytes) -> None:
        """Send one message."""
        if not self.is_cut:
            self._to_server.append(text)
            self._soon(self._reach_server)

    def cut(self, *, by_client: bool = False) -> None:
        """Break it; a part of what is under way may still arrive."""
        if self.is_cut:
            return
        self.is_cut = True
        self._shorten(self._to_server)
        self._shorten(self._to_client)
        late_s = self._chance.up_to_s(LATE_S)
        self._held_until_s = self._loop.time() + late_s
        for _ in self._to_server:
            self._loop.call_later(late_s, self._reach_server)
        self.is_silent = self._chance.happens(SILENT_SHARE)
        if not self.is_silent:
            self._loop.call_later(late_s, self._later, LOSS_HEARD_S, self._lose_server)
        if by_client:
            self._to_client.clear()
        else:
            self._later(LOSS_HEARD_S, self._lose_client)

    def kill(self) -> None:
        """The server's process is gone, and its kernel says so, unless the line was cut before."""
        self._is_dead = True
        self._to_server.clear()
        if not self.is_cut:
            self.is_cut = True
            self._shorten(self._to_client)
            self._later(LOSS_HEARD_S, self._lose_client)
        self._lose_server("killed")

    # The server's end, as a `Wire`.

    def send(self, text: bytes) -> None:
        """Queue a message for the client."""
        if self.began_at_s is None:
            self.began_at_s = self._loop.time()
        if not self.is_cut:
            self._to_client.append(text)
            self._soon(self._reach_client)

    def close(self, code: int, reason: str) -> None:
        """Close behind what is queued."""
        if not self.is_cut and not self._is_dead:
            self._to_client.append(Close(code, reason))
            self._soon(self._reach_client)
        self._later(CLOSE_WITHIN_S, self._end)

    def abort(self) -> None:
        """The server lets go at once."""
        self._lose_client()
        self._end()

    def ping(self) -> None:
        """Answered by whoever is still there."""
        if not self.is_cut:
            self._soon(self._pong)

    def pause_reading(self) -> None:
        """What arrives waits."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """What has arrived goes on."""
        self._is_paused = False
        for _ in self._to_server:
            self._soon(self._reach_server)

    # What happens on the way.

    def _reach_server(self) -> None:
        if self._loop.time() < self._held_until_s:
            return
        if self._to_server and not self._is_paused and self._is_open():
            self._strike(self)
            if self._to_server and self.connection is not None and self._is_open():
                self.connection.message(self._to_server.popleft())

    def _reach_client(self) -> None:
        if not self._to_client:
            return
        self._strike(self)
        if not self._to_client:
            return
        message = self._to_client.popleft()
        if isinstance(message, Close):
            self.is_cut = True
            self._caller.lose(self, message)
        else:
            self._caller.hear(self, message)

    def _lose_server(self, reason: str = "connection_lost") -> None:
        if self.connection is not None and not self._over:
            self.connection.lost(reason)
        self._end()

    def _lose_client(self) -> None:
        self.is_cut = True
        self._to_client.clear()
        self._caller.lose(self, None)

    def _pong(self) -> None:
        if self.connection is not None and self._is_open():
            self.connection.ponged()

    def _end(self) -> None:
        if self.over_at_s is None:
            self.over_at_s = self._loop.time()
            self._free()

    @property
    def _over(self) -> bool:
        return self.over_at_s is not None

    def _is_open(self) -> bool:
        return not self._is_dead and not self._over

    def _shorten(self, queue: deque[bytes] | deque[bytes | Close]) -> None:
        """Lose a part of it, the end first."""
        for _ in range(self._chance.below(len(queue) + 1)):
            queue.pop()

    def _soon(self, do: Callable[[], None]) -> None:
        """At once, in competition with everything else, or a little later."""
        self._later(DELAY_S if self._chance.below(4) == 0 else 0.0, do)

    def _later(self, within_s: float, do: Callable[[], None]) -> None:
        delay_s = self._chance.up_to_s(within_s) if within_s else 0.0
        if delay_s:
            self._loop.call_later(delay_s, do)
        else:
            self._loop.call_soon(do)
