"""A model that is three times slower for half a minute: the worker sheds, step by step, and no final is lost.

Real sessions and a real engine in virtual time; the model's time grows with the audio it hears, as a real one's does.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from tests.service.worker import LIMITS, registered
from tests.support.clock import virtual_now
from tests.support.speech import BYTES_PER_MS, SPEECH, expected, finals, of_type, pieces
from tests.support.wire import RecordingWire

from earful.models.mock_batch import MockBatchModel
from earful.service.ladder import LadderRules, doubling
from earful.service.overload import Overload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.models.types import Step, TranscriptResult
    from earful.service.connection import Connection
    from earful.service.registry import Registry

SESSIONS = 8
CHUNK_S = 0.1
DURATION_S = 75
SLOW_FROM_S, SLOW_TO_S = 15.0, 45.0


class Heavy(MockBatchModel):
    """Busy half of its time with all sessions; half as much again while it is three times slower."""

    def __init__(self) -> None:
        super().__init__(latency_ms=0)
        self.concurrency = 1

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """Take a while for each second of audio."""
        heard_s = sum(len(item.audio) for item in batch) / BYTES_PER_MS / 1000
        factor = 3 if SLOW_FROM_S <= virtual_now() < SLOW_TO_S else 1
        await asyncio.sleep(0.005 + heard_s * factor * 0.5 / SESSIONS)
        return await super().step(batch)


def voice(number: int) -> bytes:
    """Speech for the whole time, each session's its own."""
    begin = 3700 * number * BYTES_PER_MS
    return (SPEECH * 4)[begin : begin + DURATION_S * 1000 * BYTES_PER_MS]


async def speak(connection: Connection, pcm: bytes) -> None:
    """In real time, as far as it is read; then stop."""
    began = virtual_now()
    for nth, piece in enumerate(pieces(pcm)):
        await asyncio.sleep(max(0.0, began + nth * CHUNK_S - virtual_now()))
        while connection.session.is_held:  # noqa: ASYNC110 - time is virtual, and the wire tells no one
            await asyncio.sleep(CHUNK_S)
        connection.audio(piece)
    connection.message('{"type":"stop"}')


def test_a_model_that_is_three_times_slower_costs_no_final() -> None:
    """The ladder climbs while it is, comes down when it is over, and every client has what it would have had."""
    wires: list[RecordingWire] = []

    async def scenario(registry: Registry) -> None:
        overload = Overload(registry, LadderRules(audio_lag_s=doubling(0.5)))
        registry.sweepers.append(overload.sweep)
        sweeping = asyncio.create_task(registry.sweep_for_ever())
        async with asyncio.TaskGroup() as speakers:
            for nth in range(SESSIONS):
                wires.append(RecordingWire())
                connection = registry.connect(f"s{nth}", wires[-1])
                connection.message('{"type":"start"}')
                speakers.create_task(speak(connection, voice(nth)))
        await asyncio.sleep(10)
        assert {} == registry.connections
        assert 0 == registry.level
        sweeping.cancel()
        await asyncio.wait({sweeping})

    limits = dataclasses.replace(LIMITS, max_sessions=SESSIONS)
    log = registered(scenario, Heavy, limits=limits)
    grew, eased = log.all_of("overload grew"), log.all_of("overload eased")
    assert ([1, 2, 3], [2, 1, 0]) == (
        [line["overload_level"] for line in grew],
        [line["overload_level"] for line in eased],
    )
    for nth, wire in enumerate(wires):
        assert (expected(voice(nth)), 1000) == (finals(wire.sent), wire.closed and wire.closed[0])
        assert of_type("partial", wire.sent)
