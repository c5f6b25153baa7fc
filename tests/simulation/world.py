"""Two workers, one directory, one client, and whatever may happen to them: `explore` runs one schedule and judges it.

A seed chooses the scene, the faults and the order of everything. The judge is the promise: the finals of an
undisturbed run, every connection ended, nothing left behind.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.session.ear import told
from tests.simulation.client import Client
from tests.simulation.directory import Store
from tests.simulation.scenes import SCENES
from tests.simulation.worker import Worker
from tests.support.chance import Chance, run_seeded

from earful.service.registry import CLAIM_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from tests.simulation.line import Line

MOST_FAULTS = 12
FAULT_EVERY_S = 1.0
RATES = (0.0, 0.01, 0.04, 0.15)
OUTAGE_S = 4.0
STORE_FAILS_SHARE = 0.4
"""Of the schedules; in the others it must see to it that a session has one owner, within a bound."""
LET_GO_WITHIN_S = 3.0
"""From the moment a session lives elsewhere: a report, the answer, a close."""
OVER_WITHIN_S = 30.0


class BrokenPromiseError(AssertionError):
    """A schedule whose outcome is wrong; its seed replays it."""


class World:
    """One schedule."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.scene = chance.pick(SCENES)
        self.happened: list[str] = []
        self._store = Store(chance)
        self._workers = [Worker(name, chance, self._store, self.scene.rules) for name in "ab"]
        self._client = Client(self.scene, chance, self._workers, self._strike)
        self._faults = chance.below(MOST_FAULTS + 1)
        self._rate = chance.pick(RATES)
        self._disasters: set[asyncio.Task[None]] = set()
        self._store_may_fail = chance.happens(STORE_FAILS_SHARE)
        self._store_was_well = True

    async def run(self) -> None:
        """Live through it."""
        for worker in self._workers:
            await worker.start()
        fate = asyncio.get_running_loop().create_task(self._run_fate())
        try:
            await self._client.run()
        finally:
            self._faults = 0
            fate.cancel()
            await asyncio.wait([fate])
        while self._disasters:
            await asyncio.wait(self._disasters)
        await self._all_over()
        for worker in self._workers:
            worker.check_empty()
            await worker.stop()
        self._judge()

    async def _run_fate(self) -> None:
        """Faults at any time, beside those at any message."""
        while self._faults > 0:
            await asyncio.sleep(self._chance.up_to_s(FAULT_EVERY_S))
            self._befall(None)

    def _strike(self, line: Line) -> None:
        """A message is about to arrive."""
        if self._faults > 0 and self._chance.happens(self._rate):
            self._befall(line)

    def _befall(self, line: Line | None) -> None:
        self._faults -= 1
        line = line or (self._client.lines[-1] if self._client.lines else None)
        match self._chance.below(10):
            case 0 | 1:
                self._kill(self._chance.pick(self._workers))
            case 2:
                self._note("drain")
                self._start(self._chance.pick(self._workers).drain())
            case 3 if self._store_may_fail:
                self._note("the store is away")
                self._store_was_well = False
                self._store.go_away(self._chance.up_to_s(OUTAGE_S))
            case 4 if self._store_may_fail:
                self._note("the store forgets")
                self._store_was_well = False
                self._store.forget()
            case 5 | 6:
                self._note("the client leaves")
                self._client.leave()
            case _ if line is not None:
                self._note("cut")
                line.cut()

    def _kill(self, worker: Worker) -> None:
        self._note("kill")
        self._start(worker.kill())

    def _start(self, disaster: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(disaster)
        self._disasters.add(task)
        task.add_done_callback(self._disasters.discard)

    def _note(self, what: str) -> None:
        self.happened.append(f"{asyncio.get_running_loop().time():.2f} s: {what}")

    async def _all_over(self) -> None:
        """Every connection ends, whatever its client or the network did."""
        async with asyncio.timeout(OVER_WITHIN_S):
            while any(line.over_at_s is None for line in self._client.lines):  # noqa: ASYNC110 - in virtual time
                await asyncio.sleep(0.25)

    def _judge(self) -> None:
        assert self.scene.truth() == told(self._client.speaker.finals)
        assert {} == self._client.speaker.fragments
        for worker in self._workers:
            assert [] == [line for line in worker.log.events if line["level"] == "error"]
        if self._store_was_well:
            for nth, line in enumerate(self._client.lines):
                self._judge_old(nth, line)

    def _judge_old(self, nth: int, line: Line) -> None:
        """A line lets go of its session soon after a newer one has it, and never begins long after that."""
        session = line.connection.session if line.connection is not None else None
        if session is None or not session.opted_in:
            return
        session_id = session.info.session_id
        newer = (turn.at_s for turn in self._client.turns if turn.line > nth and turn.session_id == session_id)
        overtaken_at_s = next(newer, None)
        if overtaken_at_s is not None and line.over_at_s is not None and line.began_at_s is not None:
            assert line.over_at_s <= overtaken_at_s + LET_GO_WITHIN_S, "not let go of in time"
            assert line.began_at_s <= overtaken_at_s + CLAIM_WITHIN_S, "begun though it was overtaken"


def explore(seed: int) -> bytes:
    """Run the schedule of this seed; its digest. Raises BrokenPromiseError."""
    chance = Chance(seed)
    worlds: list[World] = []

    async def main() -> None:
        worlds.append(World(chance))
        await worlds[0].run()

    try:
        run_seeded(main(), chance)
    except (AssertionError, TimeoutError, ExceptionGroup) as broken:
        world = worlds[0]
        raise BrokenPromiseError(f"explore({seed}), {world.scene.name}: {broken!r}; {world.happened}") from broken
    return chance.digest


def explore_all(seeds: Iterable[int]) -> set[bytes]:
    """Run the schedules of these seeds, up to the first whose outcome is wrong; the digests of all."""
    return {explore(seed) for seed in seeds}
