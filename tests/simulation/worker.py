"""One worker in memory: all of it but its transport is real, from claims to the model. It can be killed and drained."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.simulation.directory import DistantDirectory, Store
from tests.simulation.line import Caller, Line
from tests.support.inside import Record
from tests.support.models import loaded

from earful.engine.engine import Engine
from earful.models.mock import MockASRModel
from earful.protocol.seal import Seal
from earful.service.claims import LocalClaims
from earful.service.connection import ConnectionLimits
from earful.service.outbox import OutboxLimits
from earful.service.presence import Presence
from earful.service.registry import Registry, RegistryLimits
from earful.service.shared_claims import SharedClaims
from earful.session.rules import ListeningRules, SessionLimits
from earful.telemetry.events import Events
from earful.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.chance import Chance

    from earful.models.types import TranscriptResult

SECRET = b"what both workers know"
MODEL_S = 0.3
DRAIN_S = 2.0
DOWN_S = 1.0
NOTED_S = 300.0
MOST_SESSIONS = 50
"""Lines that were cut in silence hold their places for a while."""
SESSION = SessionLimits(max_speed=0, idle_timeout_s=30, stall_timeout_s=5)
CONNECTION = ConnectionLimits(OutboxLimits(), ping_interval_s=6, ping_timeout_s=2)


class Slow(MockASRModel):
    """The mock, taking its time."""

    __slots__ = ("_chance",)

    def __init__(self, chance: Chance) -> None:
        super().__init__(latency_ms=0)
        self._chance = chance

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Answer later."""
        await asyncio.sleep(self._chance.up_to_s(MODEL_S))
        return await super().transcribe_chunk(audio)

    async def finalize(self) -> TranscriptResult:
        """Answer later."""
        await asyncio.sleep(self._chance.up_to_s(MODEL_S))
        return await super().finalize()


class Worker:
    """A place in the service; whoever is killed or drained there is followed by a new one that knows nothing."""

    def __init__(self, name: str, chance: Chance, store: Store, rules: ListeningRules) -> None:
        self.log = Record()
        self.lines: list[Line] = []
        self.is_up = False
        self.generation = 0
        self._name = name
        self._chance = chance
        self._store = store
        self._rules = rules

    async def start(self) -> None:
        """Come up, empty."""
        self.generation += 1
        clock = asyncio.get_running_loop().time
        self.engine = Engine(loaded(Slow, chance=self._chance), timeout_s=30, clock=clock)
        await self.engine.load()
        metrics, seal = Metrics(clock()), Seal((SECRET,))
        directory = DistantDirectory(self._store, f"{self._name}.{self.generation}")
        claims = SharedClaims(directory, LocalClaims(clock), metrics, NOTED_S)
        limits = RegistryLimits(MOST_SESSIONS, 1, self._rules, SESSION, CONNECTION)
        self.registry = Registry(limits, self.engine, metrics, Events(self.log), clock, seal=seal, claims=claims)
        presence = Presence(self.registry, claims, clock)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.registry.sweep_for_ever()),
            loop.create_task(presence.exchange_for_ever()),
        ]
        self.is_up = True

    def connect(self, caller: Caller, strike: Callable[[Line], None], *, resuming: bool) -> Line:
        """An upgraded connection; raises EarfulError where there is no place for it."""
        place = ExitStack()
        session_id = place.enter_context(self.registry.slot(resuming=resuming))
        line = Line(self._chance, caller, strike, place.close)
        line.connection = self.registry.connect(session_id, line)
        self.lines.append(line)
        return line

    async def kill(self) -> None:
        """End in the middle of everything; something follows after a while."""
        if not self.is_up:
            return
        self.is_up = False
        for line in self.lines:
            line.kill()
        await self.stop()
        await asyncio.sleep(self._chance.up_to_s(DOWN_S))
        await self.start()

    async def drain(self) -> None:
        """Leave in good order; another takes the place at once."""
        if not self.is_up or self.registry.draining:
            return
        generation = self.generation
        await self.registry.drain(DRAIN_S)
        if self.generation == generation:  # Nobody killed it meanwhile.
            await self.kill()

    async def stop(self) -> None:
        """Let go of everything; what is left of it is an error."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self.registry.close()
        self.check_empty()
        await self.engine.close()

    def check_empty(self) -> None:
        """No session, no place, no work is left behind."""
        registry, engine = self.registry, self.engine
        left = (dict(registry.connections), registry.taken, set(engine._seats), engine.in_flight, engine.waiting)
        assert ({}, 0, set(), 0, 0) == left, left
