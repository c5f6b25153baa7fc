"""Two clients with one cursor, a thousand times over two workers: of each attempt one goes on, and one alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.simulation.directory import Store
from tests.simulation.worker import Worker
from tests.simulation.world import LET_GO_WITHIN_S
from tests.support.chance import Chance, run_seeded

from earful.session.rules import ListeningRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.line import Close, Line

ATTEMPTS = 250
ANSWER_WITHIN_S = 5.0


class Rival:
    """One connection; what it is told until it is closed."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answered = asyncio.Event()
        self.closed: Close | None = None

    def hear(self, line: Line, text: bytes) -> None:
        """Note it."""
        del line
        self.heard.append(msgspec.json.decode(text))
        self.answered.set()

    def lose(self, line: Line, close: Close | None) -> None:
        """Note it."""
        del line
        self.closed = close

    async def answer(self) -> str:
        """The type of the first message, or its code."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self.answered.wait()
        return str(self.heard[0].get("code", self.heard[0]["type"]))


def come(worker: Worker, said: Mapping[str, object]) -> Rival:
    """A connection on which this is said."""
    rival = Rival()
    worker.connect(rival, lambda _: None, resuming="resume" in said).say(msgspec.json.encode(said))
    return rival


async def contend(chance: Chance) -> None:
    """Both try with the same attempt, at the same worker or at two, however long the directory takes."""
    store = Store(chance)
    workers = [Worker(name, chance, store, ListeningRules()) for name in "ab"]
    for worker in workers:
        await worker.start()
    holder = come(workers[0], {"type": "start"})
    assert "started" == await holder.answer()
    cursor = holder.heard[0]["cursor"]
    for attempt in range(1, ATTEMPTS + 1):
        start = {"type": "start", "resume": {"cursor": cursor, "attempt": attempt}}
        rivals = [come(chance.pick(workers), start) for _ in range(2)]
        answers = [await rival.answer() for rival in rivals]
        assert ["started", "superseded"] == sorted(answers)
        await asyncio.sleep(LET_GO_WITHIN_S)
        winner, loser = sorted(rivals, key=lambda rival: rival.heard[0]["type"] != "started")
        assert None is winner.closed
        assert (4010, "superseded") == loser.closed == holder.closed
        holder = winner
    for worker in workers:
        await worker.kill()
        await worker.stop()


@pytest.mark.parametrize("seed", range(4))
def test_exactly_one_of_two_goes_on(seed: int) -> None:
    """The other is told `superseded`, as is whoever had the session before; what was granted stays granted."""
    chance = Chance(seed)
    run_seeded(contend(chance), chance, limit_s=10_000)
