"""Sessions that spoke for five seconds and then only stay: what a server holds beside those that speak.

Guarantees that at most 500 of them speak at once, and that a `keepalive` of each comes every 30 s. Gathered by
`run` before the first step; they stay through all of them.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.bench import clock
from earful.bench.frames import TEXT, frame
from earful.bench.peer import Peer, leave_together
from earful.bench.stream import START
from earful.bench.tally import Tally
from earful.bench.voice import Voice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from earful.bench.dialer import Dialer
    from earful.bench.recording import Recording

_ROUND_STEP_S = 0.1
_KEEPALIVE = frame(TEXT, b'{"type":"keepalive"}')


@dataclass(frozen=True, slots=True)
class Manner:
    """How sessions come and stay."""

    joining_per_s: float = 100.0
    speaking_s: float = 5.0
    keepalive_every_s: float = 30.0


class Crowd:
    """So many sessions, one at least, and what went wrong with them."""

    def __init__(
        self, size: int, recording: Recording, chunk_s: float, dialer: Dialer, manner: Manner = Manner()
    ) -> None:
        """Begin with nobody there; inside a running loop."""
        self.tally = Tally()
        self._dialer = dialer
        self._recording = recording
        self._chunk_s = chunk_s
        self._manner = manner
        self._peers = [Peer(dialer.request, self.tally) for _ in range(size)]

    def __len__(self) -> int:
        """How many are there."""
        return sum(peer.is_open for peer in self._peers)

    @asynccontextmanager
    async def gathered(self) -> AsyncIterator[Crowd]:
        """Let them come and speak; entered when the last has fallen silent, and they leave with the scope."""
        keeping = asyncio.create_task(self._keep_alive())
        try:
            await self._gather()
            yield self
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            await leave_together(self._peers)

    async def _gather(self) -> None:
        began_s = clock.now()
        async with asyncio.TaskGroup() as tasks:
            for nth, peer in enumerate(self._peers):
                await clock.sleep_until(began_s + nth / self._manner.joining_per_s)
                tasks.create_task(self._join(nth, peer))

    async def _keep_alive(self) -> None:
        """Go round for ever: every session has its turn, spread evenly."""
        size = len(self._peers)
        each_s = self._manner.keepalive_every_s / size
        began_s, told = clock.now(), 0
        while True:
            await asyncio.sleep(_ROUND_STEP_S)
            due = int((clock.now() - began_s) / each_s)
            for nth in range(told, due):
                self._peers[nth % size].write(_KEEPALIVE)
            told = due

    async def _join(self, number: int, peer: Peer) -> None:
        if await self._dialer.dial(peer):
            peer.write(START)
            await self._speak(Voice(self._recording, number), peer)

    async def _speak(self, voice: Voice, peer: Peer) -> None:
        began_s = clock.now()
        for chunk in range(round(self._manner.speaking_s / self._chunk_s)):
            await clock.sleep_until(began_s + chunk * self._chunk_s)
            around = self._recording.around(chunk)
            peer.write(b"".join((around.before, voice.head(chunk), around.behind)))
