"""Muted for ten minutes in the middle of a sentence, then the worker is killed: no word is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.session.ear import every, listen, told
from tests.session.recordings import silence, stretch
from tests.simulation.client import Client
from tests.simulation.directory import Store
from tests.simulation.scenes import Scene
from tests.simulation.worker import SESSION, Worker
from tests.support.chance import Chance, run_seeded

from earful.protocol.messages import Keepalive

if TYPE_CHECKING:
    from collections.abc import Iterator

MUTED_S = 600
KEEPALIVE_S = SESSION.idle_timeout_s / 2
BEFORE, AFTER = stretch(4.1, 6), stretch(6, 8.4)
CHUNK_BYTES = 6_400


def chunks(pcm: bytes) -> Iterator[bytes]:
    """In pieces of 200 ms."""
    return (pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm), CHUNK_BYTES))


class Muted(Client):
    """Says a part, nothing or silence for ten minutes, and the rest at another worker."""

    said_meanwhile = b""

    async def _speak(self) -> None:
        await self.say(BEFORE)
        for _ in range(int(MUTED_S / KEEPALIVE_S)):
            await asyncio.sleep(KEEPALIVE_S)
            assert self._line is not None
            self._line.say(msgspec.json.encode(Keepalive()))
        await self.say(self.said_meanwhile)
        await asyncio.sleep(1)
        self.kept_bytes = self.speaker.kept_bytes
        for worker in self._workers:
            if worker.registry.connections:
                await worker.kill()
        await self.say(AFTER)
        self.speaker.stop()
        self._send()

    async def say(self, pcm: bytes) -> None:
        """At ten times real time."""
        for chunk in chunks(pcm):
            await asyncio.sleep(0.02)
            self.speaker.speak(chunk)
            self._send()

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()


@pytest.mark.parametrize("meanwhile_s", [0, 600], ids=["nothing is sent", "silence is sent"])
def test_ten_minutes_muted_and_a_kill_cost_no_word(meanwhile_s: int) -> None:
    """What is kept stays bounded; the finals are those of the run without either."""
    pcm = BEFORE + silence(meanwhile_s) + AFTER
    through = told(listen(pcm, every(CHUNK_BYTES, len(pcm))).finals)

    async def scenario() -> None:
        store = Store(chance)
        workers = [Worker(name, chance, store, scene.rules) for name in "ab"]
        for worker in workers:
            await worker.start()
        client = Muted(scene, chance, workers, lambda _: None)
        client.said_meanwhile = silence(meanwhile_s)
        await client.run()
        assert through == told(client.speaker.finals)[: len(through)]
        assert 2 <= len(client.lines)
        assert client.kept_bytes <= max(len(BEFORE), 12 * 32_000)
        assert asyncio.get_running_loop().time() > MUTED_S
        for worker in workers:
            await worker.kill()
            await worker.stop()

    chance = Chance(1)
    scene = Scene("muted", pcm, noise_rms=0)
    run_seeded(scenario(), chance, limit_s=2_000)
