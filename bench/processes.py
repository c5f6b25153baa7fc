"""What processes of its own cost a model: CPU of worker and process for a chunk, beside the same model in the worker.

`python bench/processes.py [CHUNKS]`, on a quiet machine. The model is the plain mock without latency.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from earful.engine.engine import Engine
from earful.engine.pool import ProcessRules
from earful.models.loading import load_model
from earful.models.types import Outcome, SessionInfo, Work

if TYPE_CHECKING:
    from earful.engine.seat import Seat

SESSIONS = 20
UTTERANCE = 50
"""Chunks of 100 ms."""
PCM = bytes(range(256)) * 12 + bytes(128)
TICKS_S = 0.01


async def speak(seat: Seat, chunks: int) -> None:
    """One session's chunks, each when the one before is answered."""
    for nth in range(chunks):
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        end = nth % UTTERANCE == UTTERANCE - 1
        seat.submit(Work(0, PCM, end, 0, 0, 0), partial(_delivered, done))
        await done


def _delivered(done: asyncio.Future[None], _: Work, outcome: Outcome) -> None:
    if outcome.failure is None:
        done.set_result(None)
    else:
        done.cancel()


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICKS_S


async def measure(processes: int, chunks: int) -> None:
    """Print one line."""
    rules = ProcessRules(processes) if processes else None
    engine = Engine(load_model("earful.models.mock:MockASRModel", {"latency_ms": 0}), timeout_s=30, processes=rules)
    await engine.load()
    running = engine.processes.pool.processes if engine.processes else []
    pids = [process.pid for process in running]
    seats = [engine.seat(SessionInfo(str(nth))) for nth in range(SESSIONS)]
    began, own, theirs = time.monotonic(), time.process_time(), sum(map(cpu_of, pids))
    await asyncio.gather(*(speak(seat, chunks // SESSIONS) for seat in seats))
    took_s, own_s = time.monotonic() - began, time.process_time() - own
    theirs_s = sum(map(cpu_of, pids)) - theirs
    sizes = [process.resident_bytes() // 1_000_000 for process in running]
    print(
        f"{processes} processes: {chunks / took_s:,.0f} chunks/s; us of CPU a chunk: worker {own_s / chunks * 1e6:.0f},"
        f" processes {theirs_s / chunks * 1e6:.0f}; MB each: {sizes};"
        f" worker {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000} MB"
    )
    await engine.close(5)


if __name__ == "__main__":
    for number in (0, 1, 2):
        asyncio.run(measure(number, int(sys.argv[1]) if sys.argv[1:] else 20_000))
