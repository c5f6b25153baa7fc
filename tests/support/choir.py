"""Many resuming clients in one event loop, each with audio of its own, and newcomers that never stop coming.

Guarantees that a refused upgrade raises. For tests of what stands between clients and workers.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from tests.support.speech import BYTES_PER_MS, SPEECH, pieces
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from earful.client.core import Speaker
from earful.protocol.messages import AudioChunk, ServerMessage, Start

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CONNECTIONS = 100
DURATION_MS = 10_000
"""Of a voice: two sentences, and the beginning of the third."""
BREAK_MS = 5_500
"""In the middle of the second sentence."""


def voice(number: int) -> bytes:
    """The recording from a place of its own on: no two have a frame in common."""
    begin = 14 * number
    return SPEECH[begin : begin + DURATION_MS * BYTES_PER_MS]


class Singer:
    """One session over as many connections as it takes; `connections` counts them.

    `under_way` is set once it has a final, and fragments of the next.
    """

    def __init__(self, url: str, pcm: bytes) -> None:
        self.speaker = Speaker(Start())
        self.connections = 0
        self.under_way = asyncio.Event()
        self._url = f"{url}?resume=1"
        self._socket: ClientConnection | None = None
        self._sending = asyncio.Lock()
        self._say(pcm[: BREAK_MS * BYTES_PER_MS])
        self._rest = pcm[BREAK_MS * BYTES_PER_MS :]

    async def run(self) -> None:
        """Go on until all is answered."""
        while not self.speaker.is_complete:
            self.connections += 1
            assert self.connections < MOST_CONNECTIONS
            async with connect(self._url, compression=None, ping_interval=None, proxy=None) as socket:
                self._socket = socket
                self.speaker.connected()
                with suppress(ConnectionClosed):
                    await self._hear(socket)
                self.speaker.lost()

    async def finish(self) -> None:
        """Say the rest, and stop."""
        self._say(self._rest)
        self.speaker.stop()
        with suppress(ConnectionClosed):  # What was not sent is kept for the next connection.
            await self._send()

    def _say(self, pcm: bytes) -> None:
        for piece in pieces(pcm):
            self.speaker.speak(piece)

    async def _hear(self, socket: ClientConnection) -> None:
        await self._send()
        while True:
            self.speaker.receive(msgspec.json.decode(await socket.recv(), type=ServerMessage))
            await self._send()
            if self.speaker.finals and self.speaker.fragments:
                self.under_way.set()

    async def _send(self) -> None:
        async with self._sending:  # Two at a time would mix up their order.
            for message in self.speaker.take_messages():
                assert self._socket is not None
                await self._socket.send(spelled(message), text=True)


def spelled(message: object) -> bytes:
    """A client's message as it is on the wire."""
    if isinstance(message, AudioChunk):
        data = b64encode(message.data).decode()
        return json.dumps({"type": "audio_chunk", "data": data, "sequence": message.sequence}).encode()
    return msgspec.json.encode(message)


async def newcomers(url: str, until: asyncio.Event, at_least: int) -> None:
    """Come one after another, plain, and go again, `at_least` so often. What becomes of them later is not looked at."""
    count = 0
    while count < at_least or not until.is_set():
        async with connect(url, compression=None, ping_interval=None, proxy=None) as socket:
            with suppress(ConnectionClosed):
                await socket.send('{"type":"stop"}')
                await socket.recv()
        count += 1


async def all_under_way(singers: Iterable[Singer]) -> None:
    """Wait until every singer is in the middle of a sentence."""
    for singer in singers:
        await singer.under_way.wait()
