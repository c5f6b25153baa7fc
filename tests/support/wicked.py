"""A model that does what the audio says, in processes of its own: crash, hang, leak, raise, answer nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earful.engine.engine import Engine
from earful.engine.pool import ProcessRules
from earful.models.loading import load_model
from earful.models.mock import MockASRModel
from earful.models.mock_batch import MockBatchModel
from earful.models.types import SessionInfo, Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from earful.engine.pool import Ended
    from earful.engine.seat import Seat
    from earful.models.types import Outcome, Step

WICKED = f"{__name__}:Wicked"
WICKED_BATCH = f"{__name__}:WickedBatch"
STUBBORN = f"{__name__}:Stubborn"
UNFIT = f"{__name__}:Unfit"
FICKLE = f"{__name__}:Fickle"
MARK_BYTES = 16
CRASH, CRASH_ONCE, HANG, LEAK, RAISE, NONSENSE, WAIT, EXIT = (bytes([number]) * MARK_BYTES for number in range(65, 73))
"""Samples that no speech has: audio with one of them makes the model do it."""
LEAKED_BYTES = 64 << 20
WITHIN_S = 30.0
LOADS_FOR_S = 3600.0


class Stubborn(MockASRModel):
    """One that goes on loading, whoever wants it to stop."""

    @classmethod
    async def load(cls) -> None:
        """For LOADS_FOR_S."""
        until = asyncio.get_running_loop().time() + LOADS_FOR_S
        while (left_s := until - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(left_s)


def misbehave(audio: bytes, flag: str) -> object:
    """Do what `audio` says; CRASH_ONCE where there is no file `flag`, which it makes."""
    if CRASH in audio:
        os.abort()
    if CRASH_ONCE in audio and not Path(flag).exists():
        Path(flag).touch()
        os.abort()
    if EXIT in audio:
        os._exit(3)
    while HANG in audio:
        pass
    if LEAK in audio:
        HOARD.append(b"\x01" * LEAKED_BYTES)
    if RAISE in audio:
        raise LookupError(SAID)
    return 42 if NONSENSE in audio else None


HOARD: list[bytes] = []
SAID = "what somebody said"


class Wicked(MockASRModel):
    """The plain mock otherwise."""

    def __init__(self, flag: str = "") -> None:
        super().__init__(latency_ms=0)
        self._flag = flag

    async def transcribe_chunk(self, audio: bytes) -> Any:
        """As the audio says."""
        answer = misbehave(audio, self._flag)
        if WAIT in audio:
            await asyncio.get_running_loop().create_future()
        return answer or await super().transcribe_chunk(audio)


class WickedBatch(MockBatchModel):
    """The batch mock otherwise; what raises may be heard again."""

    retry_safe = True

    def __init__(self, flag: str = "") -> None:
        super().__init__(latency_ms=20)
        self.concurrency = 1
        self._flag = flag

    async def step(self, batch: Sequence[Step]) -> list[Any]:
        """As any item's audio says."""
        deeds = [misbehave(item.audio, self._flag) for item in batch]
        answers = await super().step(batch)
        return [deed or answer for deed, answer in zip(deeds, answers, strict=True)]


class Unfit(Wicked):
    """Cannot be loaded."""

    @classmethod
    def load(cls) -> None:
        """Say why."""
        raise RuntimeError("no weights")


class Fickle(Wicked):
    """Cannot be loaded once there is a file `flag`."""

    @classmethod
    def load(cls, flag: str) -> None:
        """Say why."""
        if Path(flag).exists():
            raise RuntimeError("the weights are gone")


class Client:
    """A session's seat, and what was said to it."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    async def say(self, pcm: bytes, *, end: bool = False) -> tuple[str | None, str | None]:
        """The text of what became of it, and the failure's code."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        work = Work(lane=0, pcm=pcm, end=end, index=0, end_ms=0, sequence=0)
        self.seat.submit(work, lambda _, outcome: done.set_result(outcome))
        outcome = await asyncio.wait_for(done, WITHIN_S)
        text = None if outcome.result is None else outcome.result.text
        return text, outcome.failure and outcome.failure.value


class Wickedness:
    """An engine whose model has processes of its own, swept in real time."""

    def __init__(self, engine: Engine) -> None:
        assert engine.processes is not None
        self.engine = engine
        self.processes = engine.processes
        self.pool = engine.processes.pool
        self.errors: list[BaseException] = []
        self.ended: list[Ended] = []
        self.pool.on_ended = self.ended.append

    def client(self, name: str) -> Client:
        """A new session."""
        return Client(self.engine.seat(SessionInfo(name)))

    def pids(self) -> list[int]:
        """The processes that take works."""
        return [process.pid for process in self.pool.processes if process.is_ready]

    async def until(self, holds: Any) -> None:
        """Wait until it does."""
        async with asyncio.timeout(WITHIN_S):
            while not holds():  # noqa: ASYNC110 - processes tell nobody
                await asyncio.sleep(0.02)


@asynccontextmanager
async def wickedness(
    model: str = WICKED, number: int = 1, *, timeout_s: float = 5.0, max_bytes: int = 0, **options: object
) -> AsyncIterator[Wickedness]:
    """A model in so many processes, loaded, until the scope ends; none is left then."""
    errors: list[BaseException] = []
    engine = Engine(
        load_model(model, options),
        timeout_s=timeout_s,
        on_error=lambda _, error: errors.append(error),
        processes=ProcessRules(number, max_bytes),
    )
    here = Wickedness(engine)
    here.errors = errors
    sweeping = asyncio.create_task(_sweep(engine))
    try:
        await engine.load()
        yield here
    finally:
        pids = [process.pid for process in here.pool.processes]
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping
        await engine.close(5.0)
        assert [] == left(pids)


async def _sweep(engine: Engine) -> None:
    while True:
        await asyncio.sleep(0.05)
        engine.sweep(asyncio.get_running_loop().time())


def left(pids: list[int]) -> list[int]:
    """Those of them that there still are."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
