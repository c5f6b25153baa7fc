"""Batching, measured: 500 paced streams on an engine whose model costs 20 ms a batch and 0.5 ms an item.

In one process, without sockets: it is the engine that is asked, not the wire. Claims the throughput, that
nobody is served less than another, that no audio is lost or crossed, and that a poisonous session harms no
other, whether its item fails or its audio makes every step raise. `python bench/batching.py [--streams 500]`
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from typing import TYPE_CHECKING

from earful.engine.engine import Engine
from earful.models.loading import LoadedModel
from earful.models.mock_batch import MockBatchModel
from earful.models.types import SessionInfo, Work
from earful.models.voice import BLOCK_BYTES, Voice
from report import Report, progress, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.models.types import Outcome, Step, TranscriptResult

BATCH_MS, ITEM_MS = 20.0, 0.5
CHUNK_S = 0.1
SWEEP_S = 0.25
POISON = b"\x66\x06" * (BLOCK_BYTES // 2)


class FailsItem(MockBatchModel):
    """Answers an error for the item that has poison in it."""

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """As the mock, except for that item."""
        answers = await super().step(batch)
        return [ValueError("poison") if POISON in item.audio else answers[nth] for nth, item in enumerate(batch)]


class FailsStep(MockBatchModel):
    """Raises, when its time is over, for any batch that has poison in it."""

    retry_safe = True

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """As the mock, or ValueError."""
        if any(POISON in item.audio for item in batch):
            await asyncio.sleep((BATCH_MS + ITEM_MS * len(batch)) / 1000)
            raise ValueError("poison")
        return await super().step(batch)


class Stream:
    """One session: a chunk every 100 ms, what waits goes together, and its transcript is checked at the end."""

    def __init__(self, engine: Engine, number: int, *, poisonous: bool) -> None:
        """Speak as nobody else does."""
        self.poisonous = poisonous
        self.served = 0
        self.failed = 0
        self._seat = engine.seat(SessionInfo(str(number)))
        self._noise = random.Random(number).randbytes(BLOCK_BYTES * 10)
        self._said = 0
        self._waiting: list[bytes] = []
        self._busy = False
        self._ended = False
        self._truth = Voice(2)
        self.final: str | None = None

    def speak(self) -> None:
        """The next 100 ms."""
        at = self._said % 10 * BLOCK_BYTES
        chunk = POISON if self.poisonous else self._noise[at : at + BLOCK_BYTES]
        self._said += 1
        self._truth.hear(chunk)
        self._waiting.append(chunk)
        self._submit()

    def end(self) -> None:
        """No more; the final is owed."""
        self._ended = True
        self._submit()

    @property
    def is_true(self) -> bool:
        """Whether its final says what it said, no word more or less."""
        return self.final == self._truth.finish()

    def _submit(self) -> None:
        if self._busy or not (self._waiting or (self._ended and self.final is None)):
            return
        self._busy = True
        pcm = b"".join(self._waiting)
        self._waiting.clear()
        self._seat.submit(Work(0, pcm, self._ended, 0, 0, 0), self._deliver)

    def _deliver(self, work: Work, outcome: Outcome) -> None:
        self._busy = False
        self.served += not work.end
        self.failed += outcome.failure is not None
        if work.end:
            self.final = outcome.result.text if outcome.result else ""
        self._submit()


async def measure(model: type[MockBatchModel], streams: int, seconds: float, *, poisonous: int) -> Figures:
    """Run so many streams for so long; the first `poisonous` of them poisonous."""
    loaded = LoadedModel(model.__name__, model, {"batch_ms": BATCH_MS, "item_ms": ITEM_MS})
    sizes: list[int] = []
    engine = Engine(loaded, timeout_s=30, on_batch=lambda size, *_: sizes.append(size))
    await engine.load()
    crowd = [Stream(engine, number, poisonous=number < poisonous) for number in range(streams)]
    warm_s = min(2.0, seconds / 4)
    started_s = time.monotonic()
    served_before, sizes_before, cut_s, busy_s = [0] * streams, 0, 0.0, 0.0
    for tick in range(int(seconds / CHUNK_S)):
        if not cut_s and tick * CHUNK_S >= warm_s:
            served_before, sizes_before = [stream.served for stream in crowd], len(sizes)
            cut_s, busy_s = time.monotonic(), time.process_time()
        # A tenth of the streams every 10 ms: real clients do not speak in chorus.
        for nth in range(10):
            due_s = started_s + tick * CHUNK_S + nth * CHUNK_S / 10
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            for stream in crowd[nth::10]:
                stream.speak()
        if tick % int(SWEEP_S / CHUNK_S) == 0:
            engine.sweep(time.monotonic())
    took_s = time.monotonic() - cut_s
    busy_s = time.process_time() - busy_s
    served = [stream.served - before for stream, before in zip(crowd, served_before, strict=True)]
    batches = sizes[sizes_before:]
    for stream in crowd:
        stream.end()
    while any(stream.final is None for stream in crowd):
        await asyncio.sleep(0.05)
        engine.sweep(time.monotonic())
    await engine.close()
    return Figures(crowd, served, took_s, busy_s, batches)


class Figures:
    """What a run gave."""

    def __init__(self, crowd: list[Stream], served: list[int], took_s: float, busy_s: float, sizes: list[int]) -> None:
        """Sum up; the harmless are those that have no poison in them."""
        harmless = [nth for nth, stream in enumerate(crowd) if not stream.poisonous]
        self.items_per_s = sum(served) / took_s
        self.spread = max(served[nth] for nth in harmless) / max(1, min(served[nth] for nth in harmless))
        self.untrue = sum(not crowd[nth].is_true for nth in harmless)
        self.failed = sum(crowd[nth].failed for nth in harmless)
        self.poisoned = sum(stream.failed for stream in crowd if stream.poisonous)
        self.batch_size = sum(sizes) / max(1, len(sizes))
        self.cpu_us = busy_s * 1e6 / max(1, sum(served))


async def main(streams: int, seconds: float) -> int:
    """Run the three scenes; the exit code."""
    report = Report("batching")
    floor = 0.8 * streams / (BATCH_MS + ITEM_MS * streams) * 1000
    scenes = (("all well", MockBatchModel, 0), ("an item fails", FailsItem, 1), ("a step raises", FailsStep, 1))
    for name, model, poisonous in scenes:
        progress(name)
        figures = await measure(model, streams, seconds, poisonous=poisonous)
        rate = round(figures.items_per_s)
        report.claim(f"{name}: items a second", rate, f"at least {floor:.0f}", holds=rate >= floor)
        report.most(f"{name}: longest-served over least-served", round(figures.spread, 3), 1.1)
        report.equal(f"{name}: failures of the others", figures.failed, 0)
        report.equal(f"{name}: others' finals that are not what they said", figures.untrue, 0)
        report.note(f"{name}: failures of the poisonous one", figures.poisoned)
        report.note(f"{name}: items a batch", round(figures.batch_size, 1))
        report.note(f"{name}: CPU us an item, load and model included", round(figures.cpu_us, 1))
    return report.finish()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Batching on an engine whose model costs 20 ms + 0.5 ms an item.")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    raise SystemExit(run(main(options.streams, options.seconds)))
