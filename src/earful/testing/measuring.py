"""How fast a model is, what it weighs, and how many sessions one worker should therefore hold.

It is measured through the engine, as it will be served: as many sessions as there are speak as fast as they are
answered, one utterance of the recording each. What fails is not heard. Linux: memory is read from /proc.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from earful.engine.engine import Engine
from earful.errors import ErrorCode
from earful.models.types import MODEL_RATE_HZ, Outcome, SessionInfo, Work
from earful.testing.hearing import CALL_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.engine.seat import Seat
    from earful.models.loading import LoadedModel

HEADROOM: Final = 0.3
"""Share of the measured throughput that is to be left: speech comes in bursts."""
MOST_SESSIONS: Final = 64
ENOUGH_GAIN: Final = 1.1
"""Twice the sessions must bring so many times the throughput to be worth measuring more."""
BUDGET_S: Final = 60.0
_CHUNK_BYTES: Final = MODEL_RATE_HZ * 2 // 5
_SWEEP_S: Final = 0.25
_BEAT_S: Final = 0.005
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Figures(Struct, frozen=True):
    """What was measured; `throughput` is seconds of audio a second, by how many sessions spoke at once.

    Where not one call went well that is 0, and the factors are infinite.
    """

    load_s: float
    load_bytes: int
    real_time_factor: float
    cpu_factor: float
    session_bytes: int
    longest_block_ms: float
    throughput: dict[int, float]
    failures: int

    @property
    def batch_gain(self) -> float:
        """How many times the throughput of one session many have together; 1 where it has none."""
        return max(self.throughput.values()) / self.throughput[1] if self.throughput[1] else 1.0

    @property
    def max_sessions(self) -> int:
        """How many sessions that speak all the time keep up, with `HEADROOM`; 0 where not even one does."""
        return int(max(self.throughput.values()) * (1 - HEADROOM))


class _Heard(NamedTuple):
    """Audio in calls that went well, and how long all took."""

    heard_s: float
    took_s: float

    @property
    def rate(self) -> float:
        """Seconds of audio a second."""
        return self.heard_s / self.took_s if self.heard_s else 0.0


async def measure(
    model: LoadedModel, audio: bytes, *, timeout_s: float = CALL_S, clock: Callable[[], float] = time.perf_counter
) -> Figures:
    """Load `model` and measure it with `audio`, some seconds of speech (16 kHz mono s16le).

    That takes a minute and the calls that are then in flight, at most; a slow model does not get to the audio's end.
    All but CPU is in the seconds of `clock`. Raises ModelLoadError; what fails later is counted.
    """
    engine = Engine(model, timeout_s=timeout_s, clock=clock)
    before_bytes, began_s = resident_bytes(), clock()
    await engine.load()
    load_s, loaded_bytes = clock() - began_s, resident_bytes()
    until_s = clock() + BUDGET_S
    sweeping = asyncio.create_task(_sweep(engine, clock))
    try:
        # What is only slow the first time is no session's everyday; what failed then is not tried again.
        alone = await _speak_together(engine, audio, 1, clock, until_s)
        blocks, cpu_s = _Blocks(clock), time.process_time()
        if alone.heard_s:
            async with blocks:
                alone = await _speak_together(engine, audio, 1, clock, until_s)
        cpu_factor = (time.process_time() - cpu_s) / alone.heard_s if alone.heard_s else math.inf
        alone_bytes, throughput = resident_bytes(), {1: alone.rate}
        if alone.heard_s:
            await _grow(engine, audio, throughput, clock, until_s)
        held_bytes = max(0, resident_bytes() - alone_bytes) // max(1, max(throughput) - 1)
    finally:
        sweeping.cancel()
        await engine.close()
    return Figures(
        load_s=load_s,
        load_bytes=max(0, loaded_bytes - before_bytes),
        real_time_factor=1 / alone.rate if alone.heard_s else math.inf,
        cpu_factor=cpu_factor,
        session_bytes=held_bytes,
        longest_block_ms=blocks.longest_s * 1000,
        throughput=throughput,
        failures=engine.failures,
    )


def resident_bytes() -> int:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES


async def _grow(
    engine: Engine, audio: bytes, throughput: dict[int, float], clock: Callable[[], float], until_s: float
) -> None:
    """Double the sessions while it pays, and is over by then."""
    sessions = 2
    while sessions <= MOST_SESSIONS:
        took_s = sessions * _seconds(audio) / max(throughput.values())
        if clock() + took_s > until_s:
            return
        throughput[sessions] = (await _speak_together(engine, audio, sessions, clock, until_s)).rate
        if throughput[sessions] < ENOUGH_GAIN * throughput[sessions // 2]:
            return
        sessions *= 2


async def _speak_together(
    engine: Engine, audio: bytes, sessions: int, clock: Callable[[], float], until_s: float
) -> _Heard:
    """What is heard while so many sessions speak one utterance each.

    It is over at `until_s`, once each has had the call that it waits for; and with a call that is late.
    """
    began_s = clock()
    async with asyncio.TaskGroup() as group:
        speakers = [
            group.create_task(_speak(engine.seat(SessionInfo(f"check {nth}")), audio, lambda: clock() >= until_s))
            for nth in range(sessions)
        ]
    return _Heard(sum(speaker.result() for speaker in speakers), clock() - began_s)


async def _speak(seat: Seat, audio: bytes, is_over: Callable[[], bool]) -> float:
    """Seconds of audio in calls that went well."""
    heard_s, answered = 0.0, asyncio.Event()
    failures: list[ErrorCode | None] = []

    def deliver(_work: Work, outcome: Outcome) -> None:
        failures.append(outcome.failure)
        answered.set()

    for at in range(0, len(audio), _CHUNK_BYTES):
        answered.clear()
        pcm = audio[at : at + _CHUNK_BYTES]
        end = at + _CHUNK_BYTES >= len(audio) or is_over()
        seat.submit(Work(lane=0, pcm=pcm, end=end, index=0, end_ms=0, sequence=0), deliver)
        await answered.wait()  # The engine answers each by its deadline.
        failure = failures.pop()
        if failure is None:
            heard_s += _seconds(pcm)
        if end or failure is ErrorCode.MODEL_TIMEOUT:
            break
    seat.close()
    return heard_s


async def _sweep(engine: Engine, clock: Callable[[], float]) -> None:
    while True:
        await asyncio.sleep(_SWEEP_S)
        engine.sweep(clock())


class _Blocks:
    """How long the event loop stood still at most, in the scope."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.longest_s = 0.0
        self._clock = clock

    async def __aenter__(self) -> None:
        self._beating = asyncio.create_task(self._beat())

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()

    async def _beat(self) -> None:
        while True:
            due_s = self._clock() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self.longest_s = max(self.longest_s, self._clock() - due_s)


def _seconds(audio: bytes) -> float:
    return len(audio) / (MODEL_RATE_HZ * 2)
