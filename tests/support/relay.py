"""A TCP relay on a port of its own whose far end can be changed, and which can lose an answer.

Guarantees that what is connected stays with the far end it had, and that all is closed when the scope ends.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"
_PIECE_BYTES = 65_536


class Relay:
    """Between a client and a server."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.answers_to_lose = 0
        """So many of the next answers are not passed on: their connection ends instead."""
        self.port = 0
        self.accepted = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        far_reader, far_writer = await asyncio.open_connection(HOST, self.target_port)
        ways = {
            asyncio.create_task(self._pass(reader, far_writer, is_answer=False)),
            asyncio.create_task(self._pass(far_reader, writer, is_answer=True)),
        }
        self._tasks |= ways
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, far_writer):
            end.close()
        await asyncio.wait(ways)
        self._tasks -= ways

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                if is_answer and self.answers_to_lose:
                    self.answers_to_lose -= 1
                    return
                writer.write(piece)
                await writer.drain()

    async def stop(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))


@asynccontextmanager
async def relaying(target_port: int) -> AsyncIterator[Relay]:
    """A relay to this port of 127.0.0.1."""
    relay = Relay(target_port)
    server = await asyncio.start_server(relay._serve, HOST, 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await relay.stop()
        await server.wait_closed()
