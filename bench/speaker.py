"""One speaker of `real_model.py`: the sample over and over, in real time, and what it was told."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import wave
from functools import cache
from typing import TYPE_CHECKING, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from earful.samples import sample

if TYPE_CHECKING:
    import io

CHUNK_MS = 100
BYTES_PER_MS = 32


@cache
def speech() -> tuple[bytes, list[tuple[int, int]]]:
    """The sample's PCM, and where its sentences are, in ms."""
    with sample().open("rb") as file, wave.open(cast("io.BufferedReader", file)) as recording:
        pcm = recording.readframes(recording.getnframes())
    sentences = json.loads(sample("speech.json").read_text("utf-8"))
    return pcm, [(sentence["start_ms"], sentence["end_ms"]) for sentence in sentences]


class Speaker:
    """Comes after a while; a refusal at the door, errors on the way and the lateness of finals are kept."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._url = f"ws://127.0.0.1:{port}/v1/transcribe/stream"
        self._delay_s = delay_s
        self.lags_s: list[float] = []
        self.errors: list[str] = []
        self.refusal = ""
        self.heard_s = 0.0

    async def run(self, until_s: float) -> None:
        """Speak until then, in monotonic seconds."""
        await asyncio.sleep(self._delay_s)
        try:
            async with connect(self._url, compression=None) as socket:
                await self._converse(socket, until_s)
        except* InvalidStatus as group:
            self.refusal = _code_of(group.exceptions[0])
        except* (OSError, ConnectionClosed) as group:
            self.errors += [str(error) for error in group.exceptions]

    async def _converse(self, socket: ClientConnection, until_s: float) -> None:
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(socket, began_s))
            await self._speak(socket, began_s, until_s)
            await socket.send('{"type": "stop"}')

    async def _speak(self, socket: ClientConnection, began_s: float, until_s: float) -> None:
        pcm, nth = speech()[0], 0
        step = CHUNK_MS * BYTES_PER_MS
        while time.monotonic() < until_s:
            at = nth * step % (len(pcm) // step * step)
            data = base64.b64encode(pcm[at : at + step]).decode()
            await socket.send(json.dumps({"type": "audio_chunk", "data": data}))
            nth += 1
            self.heard_s = nth * CHUNK_MS / 1000
            await asyncio.sleep(max(0.0, began_s + self.heard_s - time.monotonic()))

    async def _listen(self, socket: ClientConnection, began_s: float) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "final" and message["text"]:
                self.lags_s.append(time.monotonic() - began_s - message["end_ms"] / 1000)
            elif message["type"] == "error":
                self.errors.append(message["code"])


def _code_of(error: BaseException) -> str:
    """What a refusal calls itself."""
    body = error.response.body if isinstance(error, InvalidStatus) else None
    return str(json.loads(body or b"{}").get("error", {}).get("code", "nothing said"))
