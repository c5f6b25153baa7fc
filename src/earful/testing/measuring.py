"""How fast a model is, what it weighs, and how many sessions one worker should therefore hold.

It is measured through the engine, as it will be served: as many sessions as there are speak as fast as they are
answered, one utterance of the recording each. Linux: memory is read from /proc.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from earful.engine.engine import Engine
from earful.models.types import MODEL_RATE_HZ, Outcome, SessionInfo, Work

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
    """What was measured; `throughput` is seconds of audio a second, by how many sessions spoke at once."""

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
        """How many times the throughput of one session many have together."""
        return max(self.throughput.values()) / self.throughput[1]

    @property
    def max_sessions(self) -> int:
        """How many sessions that speak all the time keep up, with `HEADROOM`; 0 where not even one does."""
        return int(max(self.throughput.values()) * (1 - HEADROOM))


async def measure(
    model: LoadedModel, audio: bytes, *, timeout_s: float = 60.0, clock: Callable[[], float] = time.perf_counter
) -> Figures:
    """Load `model` and measure it with `audio`, some seconds of speech (16 kHz mono s16le), for a minute at most.

    All but CPU is in the seconds of `clock`.
    Raises ModelLoadError; what fails later is counted.
    """
    engine = Engine(model, timeout_s=timeout_s, clock=clock)
    before_bytes, began_s = resident_bytes(), clock()
    await engine.load()
    load_s, loaded_bytes = clock() - began_s, resident_bytes()
    sweeping = asyncio.create_task(_sweep(engine, clock))
    try:
        await _speak_together(engine, audio, 1, clock)  # What is only slow the first time is no session's everyday.
        blocks, cpu_s = _Blocks(clock), time.process_time()
        async with blocks:
            throughput = {1: await _speak_together(engine, audio, 1, clock)}
        cpu_factor = (time.process_time() - cpu_s) / _seconds(audio)
        alone_bytes = resident_bytes()
        await _grow(engine, audio, throughput, clock, began_s + BUDGET_S)
        held_bytes = max(0, resident_bytes() - alone_bytes) // max(1, max(throughput) - 1)
    finally:
        sweeping.cancel()
        await engine.close()
    return Figures(
        load_s=load_s,
        load_bytes=max(0, loaded_bytes - before_bytes),
        real_time_factor=1 / throughput[1],
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
        throughput[sessions] = await _speak_together(engine, audio, sessions, clock)
        if throughput[sessions] < ENOUGH_GAIN * throughput[sessions // 2]:
            return
        sessions *= 2


async def _speak_together(engine: Engine, audio: bytes, sessions: int, clock: Callable[[], float]) -> float:
    """Seconds of audio a second while so many sessions speak one utterance each."""
    began_s = clock()
    async with asyncio.TaskGroup() as speakers:
        for nth in range(sessions):
            speakers.create_task(_speak(engine.seat(SessionInfo(f"check {nth}")), audio))
    return sessions * _seconds(audio) / (clock() - began_s)


async def _speak(seat: Seat, audio: bytes) -> None:
    answered = asyncio.Event()

    def deliver(_work: Work, _outcome: Outcome) -> None:
        answered.set()

    for at in range(0, len(audio), _CHUNK_BYTES):
        answered.clear()
        pcm = audio[at : at + _CHUNK_BYTES]
        end = at + _CHUNK_BYTES >= len(audio)
        seat.submit(Work(lane=0, pcm=pcm, end=end, index=0, end_ms=0, sequence=0), deliver)
        await answered.wait()  # The engine answers each by its deadline.
    seat.close()


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
