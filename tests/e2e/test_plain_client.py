"""A client written from the protocol page's section 1 alone, against `earful serve` as anybody starts it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support.server import running
from tests.support.speech import SPEECH, expected, finals, of_type, pieces, silence
from websockets.asyncio.client import connect

from earful.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.e2e

PLAIN = {
    "partial": {"type", "text", "timestamp"},
    "final": {"type", "text", "timestamp"},
    "error": {"type", "message", "code"},
}
CHUNK_S = 0.1
TOLERANCE_MS = 400
SENTENCES = json.loads(sample("speech.json").read_text())


async def talk(url: str, chunks: Iterable[bytes], *, pace_s: float) -> tuple[list[dict[str, Any]], int | None]:
    """Send chunks at a pace, then `stop`; all messages, and the close code."""
    loop = asyncio.get_running_loop()
    heard: list[dict[str, Any]] = []
    async with connect(url) as socket:

        async def listen() -> None:
            async for text in socket:
                heard.append(json.loads(text))  # noqa: PERF401 - what was heard counts also when it breaks off

        listening = asyncio.create_task(listen())
        began = loop.time()
        for sequence, chunk in enumerate(chunks, 1):
            await asyncio.sleep(began + (sequence - 1) * pace_s - loop.time())
            message = {"type": "audio_chunk", "data": base64.b64encode(chunk).decode(), "sequence": sequence}
            await socket.send(json.dumps(message))
        await socket.send(json.dumps({"type": "stop"}))
        await asyncio.wait_for(listening, 10)
        return heard, socket.close_code


def test_speech_at_real_time_becomes_its_sentences() -> None:
    """Six finals with text and the right times, one empty last one, 1000; partials come while a sentence is spoken."""
    with running() as server:
        heard, code = asyncio.run(talk(server.address.ws, pieces(SPEECH), pace_s=CHUNK_S))
    assert 1000 == code
    assert all(PLAIN[message["type"]] <= message.keys() for message in heard)
    assert {"partial", "final"} == {message["type"] for message in heard}
    *spoken, last = of_type("final", heard)
    assert ("", True) == (last["text"], last["last"])
    assert expected(SPEECH) == finals(heard)
    assert all(final["text"] for final in spoken)
    for final, sentence in zip(spoken, SENTENCES, strict=True):
        assert abs(final["start_ms"] - sentence["start_ms"]) <= TOLERANCE_MS
        assert abs(final["end_ms"] - sentence["end_ms"]) <= TOLERANCE_MS
    for partial in of_type("partial", heard):
        assert any(
            sentence["start_ms"] - TOLERANCE_MS <= partial["end_ms"] <= sentence["end_ms"] + TOLERANCE_MS
            for sentence in SENTENCES
        )
    for index in range(6):
        fragments = [partial["text"] for partial in of_type("partial", heard) if partial["index"] == index]
        assert len(fragments) > 10
        assert spoken[index]["text"].startswith("".join(fragments))


def noise(rms: float, duration_ms: int, seed: int) -> bytes:
    """White noise; full scale is 32,768."""
    samples = np.random.default_rng(seed).normal(0, rms, duration_ms * 16)
    return samples.clip(-32_768, 32_767).astype("<i2").tobytes()


@pytest.mark.parametrize("rms", [0, 10, 32_768 * 10 ** (-60 / 20), 32_768 * 10 ** (-50 / 20)])
def test_what_is_no_speech_gets_no_partial(rms: float) -> None:
    """Digital silence, and white noise up to -50 dBFS: only the empty last final."""
    pcm = noise(rms, 20_000, seed=7) if rms else silence(20_000)
    with running(max_speed=0) as server:
        heard, code = asyncio.run(talk(server.address.ws, pieces(pcm), pace_s=0.001))
    assert (["final"], [""], 1000) == ([m["type"] for m in heard], [m["text"] for m in heard], code)
