"""Carries one session over as many connections as it takes: connects, calls, waits, resumes.

Guarantees what docs/protocol.md, Resuming, promises within each outage's window, and an end with a ClientError where it
cannot be kept. Called by `Client`, as one task.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from earful.client.call import Call, Talk
from earful.client.connecting import ConnectError, connect_to, stream_url
from earful.client.losses import Advice
from earful.client.outage import STEADY, Outage
from earful.client.results import Reconnecting, Resumed, SessionOverError
from earful.client.silence import Patience
from earful.protocol.messages import Error, Final, Flushed, Partial, Started

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from earful.client.core import Speaker
    from earful.client.inbox import Inbox
    from earful.client.losses import Loss
    from earful.client.pace import Pace
    from earful.client.results import Note, Result
    from earful.protocol.messages import ServerMessage

_WINDOW_S = 120.0
"""Of an outage, where the server did not tell."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the servers are and how to get there; each try takes the next address."""

    urls: Sequence[str]
    headers: Mapping[str, str] | None = None
    tls: ssl.SSLContext | None = None
    patience: Patience = field(default_factory=Patience)
    random: Callable[[], float] = Random().random  # noqa: S311 - spreads tries, keeps no secret


class Carrier:
    """A session under way; `said` is to be set when its speaker has something to say, `freed` is when it has room."""

    def __init__(self, route: Route, speaker: Speaker, pace: Pace, inbox: Inbox[Result | Note]) -> None:
        self.said = asyncio.Event()
        self.freed = asyncio.Event()
        self._route = route
        self._speaker = speaker
        self._pace = pace
        self._inbox = inbox
        self._talk = Talk(speaker, pace, self.said, self._hear, lambda: inbox.is_full)
        self._clock = asyncio.get_running_loop().time
        self._outage: Outage | None = Outage(route.patience.begin_s, self._clock(), route.random)
        self._window_s = _WINDOW_S
        self._tries = 0
        self._vain_tries = 0

    async def run(self) -> None:
        """Carry the session to its last final; raises ConnectError where it never began, else SessionOverError."""
        while True:
            loss = await self._try()
            if self._speaker.is_complete:
                return
            await self._recover(loss)

    async def _try(self) -> Loss:
        """One connection, from its address to its loss."""
        route = self._route
        url = route.urls[self._tries % len(route.urls)]
        self._tries += 1
        try:
            address = stream_url(url, resuming=bool(self._speaker.cursor))
            connection = await connect_to(address, route.patience.connect_s, headers=route.headers, tls=route.tls)
        except ConnectError as error:
            return error.loss
        call = Call(connection, self._talk, route.patience, self._vain_tries)
        loss = await call.run()
        self._vain_tries += call.is_given_up
        if call.sound_s >= self._window_s * STEADY:
            self._outage = None
        return loss

    async def _recover(self, loss: Loss) -> None:
        """Wait until the next try is due; raises where there is none."""
        self._speaker.lost()
        if self._is_final(loss):
            raise self._end(loss.sentence, loss)
        if self._outage is None:
            self._outage = Outage(self._window_s, self._clock(), self._route.random)
            await self._inbox.put(Reconnecting(loss.sentence))
        wait_s = self._outage.next_wait_s(loss, self._clock())
        if wait_s == math.inf:
            raise self._end(f"{loss.sentence} It was tried for {self._window_s:g} s.", loss)
        await asyncio.sleep(wait_s)

    def _is_final(self, loss: Loss) -> bool:
        if not self._speaker.session_id and loss.is_unreachable:
            return self._tries >= len(self._route.urls)
        has_begun = bool(self._speaker.session_id)
        return loss.advice is Advice.GIVE_UP or (loss.advice is Advice.START_ANEW and has_begun)

    def _end(self, sentence: str, loss: Loss) -> ConnectError | SessionOverError:
        return SessionOverError(sentence, loss) if self._speaker.session_id else ConnectError(loss)

    # What comes over a connection.

    async def _hear(self, message: ServerMessage) -> None:
        """Take in a message, and give the application what is new in it."""
        speaker = self._speaker
        is_over = isinstance(message, Partial) and message.index < len(speaker.finals)
        has_moved_on = speaker.receive(message)
        if has_moved_on:
            self._recovered()
        self.said.set()
        self.freed.set()
        match message:
            case Started() if not speaker.is_stuck:
                await self._begin(message)
            case Final() | Flushed() if has_moved_on:
                await self._inbox.put(message)
            case Partial() if not is_over:
                await self._inbox.put(message)
            case Error() if message.fatal is not True and speaker.is_greeted:
                await self._inbox.put(message)
            case _:
                pass

    async def _begin(self, started: Started) -> None:
        speaker, limits = self._speaker, started.limits
        is_new = speaker.attempt == 0
        self._window_s = limits.resume_window_s
        self._pace.begin(limits.max_speed, speaker.done_bytes, self._clock(), is_new=is_new)
        await self._inbox.put(started if is_new else Resumed(started, speaker.attempt))

    def _recovered(self) -> None:
        """The session has moved on: what is lost from now on is another outage."""
        self._outage = None
        self._vain_tries = 0
