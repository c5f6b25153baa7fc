"""A hundred clients at once, each with audio of its own: every final right, nobody's words in anybody else's."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from tests.support.server import running
from tests.support.speech import CHUNK_BYTES, SPEECH, expected, finals, pieces
from websockets.asyncio.client import connect

pytestmark = pytest.mark.e2e

CLIENTS = 100
DURATION_MS = 10_000
CHUNK_S = 0.1


def voice(number: int) -> bytes:
    """Ten seconds of the recording from a place of its own, under noise of its own."""
    begin = number * 170 * 32
    samples = np.frombuffer((SPEECH * 2)[begin : begin + DURATION_MS * 32], dtype="<i2").astype(np.float64)
    noisy = samples + np.random.default_rng(number).normal(0, 30, len(samples))
    return noisy.clip(-32_768, 32_767).astype("<i2").tobytes()


async def speak(url: str, pcm: bytes, begin: asyncio.Event) -> tuple[list[dict[str, Any]], int | None]:
    """Stream at real time from `begin` on, then `stop`."""
    loop = asyncio.get_running_loop()
    async with connect(url, compression=None, ping_interval=None) as socket:
        await begin.wait()

        async def send() -> None:
            began = loop.time()
            for number, piece in enumerate(pieces(pcm, CHUNK_BYTES)):
                await asyncio.sleep(began + number * CHUNK_S - loop.time())
                await socket.send(json.dumps({"type": "audio_chunk", "data": b64encode(piece).decode()}))
            await socket.send('{"type":"stop"}')

        sending = asyncio.create_task(send())
        heard = [json.loads(text) async for text in socket]
        await sending
        return heard, socket.close_code


async def crowd(url: str, voices: list[bytes]) -> list[tuple[list[dict[str, Any]], int | None]]:
    """All at once: nobody speaks before the last one is connected."""
    begin = asyncio.Event()
    talks = [asyncio.create_task(speak(url, pcm, begin)) for pcm in voices]
    asyncio.get_running_loop().call_later(1.0, begin.set)
    async with asyncio.timeout(50):
        return list(await asyncio.gather(*talks))


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_every_final_of_every_client_is_right(transport: str) -> None:
    """What the pure core says of the same audio, by itself, is what each hears; the voices differ in every word."""
    voices = [voice(number) for number in range(CLIENTS)]
    with running(transport=transport) as server:
        answers = asyncio.run(crowd(server.address.ws, voices))
        metrics = server.address.get("/v1/metrics")
    assert {1000} == {code for _, code in answers}
    assert [expected(pcm) for pcm in voices] == [finals(heard) for heard, _ in answers]
    texts = [text for heard, _ in answers for _, text, *_ in finals(heard)]
    assert len(texts) > 2 * CLIENTS
    assert len(set(texts)) == len(texts)
    assert (CLIENTS, 0, 0.0) == (metrics["total_requests"], metrics["active_connections"], metrics["error_rate"])
    ends = [line for line in server.log.events if line["event"] == "session ended"]
    assert [("stop", DURATION_MS)] * CLIENTS == [(line["reason"], line["audio_ms"]) for line in ends]
