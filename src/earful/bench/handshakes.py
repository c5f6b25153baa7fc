"""Handshakes at a steady rate beside the streams: connect, upgrade, close; how long the answer took.

Guarantees that none waits longer than a dial does, and that all have ended when `run` returns. Started by
`step` when its window begins.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from earful.bench import clock
from earful.bench.ledger import Latencies
from earful.bench.peer import Peer, leave_together
from earful.bench.tally import Tally

if TYPE_CHECKING:
    from earful.bench.dialer import Dialer


class Handshakes:
    """Opens `rate_per_s` connections a second; `latencies` count from when each was due to its upgrade's answer."""

    def __init__(self, rate_per_s: float, dialer: Dialer) -> None:
        """Begin with none."""
        self.rate_per_s = rate_per_s
        self.latencies = Latencies()
        self.tally = Tally()
        self._dialer = dialer

    async def run(self, seconds: float) -> None:
        """Open them for so long, each in a task of its own."""
        began_s = clock.now()
        async with asyncio.TaskGroup() as tasks:
            for nth in range(round(self.rate_per_s * seconds)):
                due_s = began_s + nth / self.rate_per_s
                await clock.sleep_until(due_s)
                tasks.create_task(self._shake(due_s))

    async def _shake(self, due_s: float) -> None:
        peer = Peer(self._dialer.request, self.tally)
        if await self._dialer.dial(peer):
            self.latencies.observe(peer.upgraded.result() - due_s)
            await leave_together([peer])
