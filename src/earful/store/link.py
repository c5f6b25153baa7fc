"""The way to a Redis, bounded in every respect: time, calls under way, tries, connections.

Guarantees that what a turn does takes 250 ms at most or raises StoreUnavailableError, and never anything of
redis-py's; and that after a failure nothing waits for the server again but one call a second. Used by `redis.py`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError

from earful.store.breaker import Breaker
from earful.store.clients import FAILURES
from earful.store.directory import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from earful.store.clients import Client
    from earful.store.directory import OnTurn
    from earful.store.scripts import Call

TURN_S = 0.25
"""Longest a turn may take, all it waits for together."""
QUIET_S = 60.0
"""Connections that a crowd of turns has made are kept for the next crowd so long."""
CLOSE_WITHIN_S = 1.0


@dataclass(slots=True, eq=False)
class Line:
    """A client, how many turns use it, when several last did, and whether new ones do."""

    client: Client
    turns: int = 0
    crowded_at: float | None = None
    is_retired: bool = False


class Turn:
    """What one caller may do in one turn: send as often as it likes."""

    def __init__(self, link: Link) -> None:
        """Belong to a link, which makes it."""
        self._link = link
        self.lines: list[Line] = []
        """Those that it has used, newest last."""

    async def send(self, *calls: Call) -> list[Any]:
        """The replies, in order. Calls must bear being made twice.

        They are, once, where the connection was lost: it may have been stale, or its server a replica by now.
        """
        try:
            return await self._ask(calls)
        except (RedisConnectionError, ReadOnlyError):
            self._link.retire(self.lines[-1])
            return await self._ask(calls)

    async def _ask(self, calls: Sequence[Call]) -> list[Any]:
        line = self._link.line()
        if line not in self.lines:
            self.lines.append(line)
            self._link.join(line)
        replies = await line.client.send([call.by_hash() for call in calls])
        unknown = [nth for nth, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:  # Only those: the others have been done, and would say less of it the second time.
            in_full = await line.client.send([calls[nth].in_full() for nth in unknown])
            known = dict(zip(unknown, in_full, strict=True))
            replies = [known.get(nth, reply) for nth, reply in enumerate(replies)]
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies


class Link:
    """A client at a time, a new one after each failure: whatever was wrong with the old one is gone with it."""

    def __init__(
        self,
        dial: Callable[[int], Client],
        *,
        max_turns: int,
        turn_s: float = TURN_S,
        clock: Callable[[], float] = time.monotonic,
        on_turn: OnTurn | None = None,
    ) -> None:
        """`dial` makes the n-th client; at most `max_turns` are under way, the others wait; `clock` is in seconds."""
        self._dial = dial
        self._dialled = 0
        self._line: Line | None = None
        self._places = asyncio.Semaphore(max_turns)
        self._turn_s = turn_s
        self._breaker = Breaker()
        self._cause = ""
        """Why the last turn failed that did."""
        self._clock = clock
        self._on_turn = on_turn
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def available(self) -> bool:
        """Whether the last turn went well."""
        return self._breaker.available

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """A turn. Raises StoreUnavailableError where the server is away, does not answer in time or refuses."""
        if not self._breaker.admits(self._clock()):
            raise StoreUnavailableError(self._cause)
        turn, began, failure = Turn(self), self._clock(), "cancelled"
        try:
            async with asyncio.timeout(self._turn_s), self._places:
                yield turn
        except FAILURES as error:
            self._breaker.failed(self._clock())
            if turn.lines:
                self.retire(turn.lines[-1])
            self._cause = failure = type(error).__name__
            raise StoreUnavailableError(self._cause) from error
        else:
            failure = ""
            self._breaker.succeeded()
        finally:
            self._release(turn)
            if self._on_turn is not None:
                self._on_turn(self._clock() - began, failure)

    def line(self) -> Line:
        """The client there is, or a new one: also in place of one that holds connections nobody has needed for long."""
        line = self._line
        if line is not None and line.crowded_at is not None and self._clock() - line.crowded_at > QUIET_S:
            self.retire(line)
        if self._line is None:
            self._line = Line(self._dial(self._dialled))
            self._dialled += 1
        return self._line

    def join(self, line: Line) -> None:
        """A turn uses this client."""
        line.turns += 1
        if line.turns > 1:
            line.crowded_at = self._clock()

    def retire(self, line: Line) -> None:
        """Use this client for no new turn; it is closed when those that use it have ended."""
        line.is_retired = True
        if line is self._line:
            self._line = None
        if not line.turns:
            self._let_go(line)

    async def close(self) -> None:
        """Close all connections, within a moment. No turn may be under way."""
        line, self._line = self._line, None
        if line is not None:
            await self._close(line.client)
        if self._closing:
            await asyncio.wait(self._closing, timeout=2 * CLOSE_WITHIN_S)

    def _release(self, turn: Turn) -> None:
        for line in turn.lines:
            line.turns -= 1
            if line.is_retired and not line.turns:
                self._let_go(line)

    def _let_go(self, line: Line) -> None:
        task = asyncio.create_task(self._close(line.client), name="store close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, client: Client) -> None:
        with suppress(*FAILURES):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await client.close()
