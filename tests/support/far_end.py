"""The far end of a load: a scripted server on a real socket, which may misbehave as no server of ours does.

Guarantees that the listener and every connection are gone when the scope ends. `answering` answers every chunk
at once; what it heard is in `heard`.
"""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from earful.transport.frames import FrameReader, Opcode

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Script = Callable[["Line"], Awaitable[None]]

GRANTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
_TURNS = 5
"""Of the loop: more than a connection needs to be accepted, or to be closed."""
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def served(opcode: int, payload: bytes, *, first: int = 0x80) -> bytes:
    """A frame as servers send it: without a mask."""
    size = len(payload)
    if size < 126:
        return bytes([first | opcode, size]) + payload
    if size < 1 << 16:
        return bytes([first | opcode, 126]) + struct.pack("!H", size) + payload
    return bytes([first | opcode, 127]) + struct.pack("!Q", size) + payload


def told(kind: str, **fields: object) -> bytes:
    """A message of this type, in its frame."""
    return served(Opcode.TEXT, json.dumps({"type": kind, **fields}).encode())


class Line:
    """One connection, from its request on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        self.request = request
        self.peer: str = writer.get_extra_info("peername")[0]
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(1 << 22)

    def send(self, *pieces: bytes) -> None:
        """Write what the client is to read."""
        self._writer.write(b"".join(pieces))

    async def messages(self) -> AsyncIterator[tuple[int, bytes]]:
        """Opcode and payload of each frame, until the client has closed; a close frame is answered and is the last."""
        while data := await self._reader.read(1 << 16):
            for opcode, payload in self._frames.feed(data):
                yield opcode, payload
                if opcode == Opcode.CLOSE:
                    self.send(served(Opcode.CLOSE, payload))
                    return

    async def last(self) -> None:
        """Read and forget everything until the client is gone."""
        async for _ in self.messages():
            pass


@dataclass
class FarEnd:
    """A server at work: where it is, and the messages that `answering` heard, by connection."""

    port: int
    scheme: str = "ws"
    heard: list[list[dict[str, Any]]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    deafen: Callable[[], None] = lambda: None
    """Listen no longer; who is connected stays."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at every message that `answering` hears."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/transcribe/stream"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for messages until it holds; the test's own deadline bounds it."""
        while not condition():
            self.news.clear()
            await self.news.wait()


def _deafen(server: asyncio.Server, turns: int = _TURNS) -> None:
    """Accept no more, and close the listener some turns of the loop later.

    At once, asyncio would trip over whom it is just about to accept, and leave that connection open.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    if turns:
        loop.call_soon(_deafen, server, turns - 1)
    else:
        server.close()


@asynccontextmanager
async def far_end(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[FarEnd]:
    """Listen, and run `script` for each connection that says something; it is closed when the script ends."""
    talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
    here = FarEnd(0, "wss" if tls else "ws")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            line = Line(reader, writer, request)
            here.peers.append(line.peer)
            await script(line)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks[asyncio.ensure_future(talk(reader, writer))] = writer

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    here.deafen = lambda: _deafen(server)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        _deafen(server)
        for _ in range(2 * _TURNS):  # The last to be accepted begin in these.
            await asyncio.sleep(0)
        for task, writer in talks.items():
            task.cancel()
            writer.close()  # One that has not begun does not do it itself.
        await asyncio.gather(*talks, return_exceptions=True)
        for _ in range(_TURNS):
            await asyncio.sleep(0)


@asynccontextmanager
async def answering(
    refuse: Callable[[int], bool] = lambda _: False, answers: Callable[[int], bool] = lambda _: True
) -> AsyncIterator[FarEnd]:
    """Answer each chunk with a partial at once, where its sequence `answers`; `refuse` the nth connection."""

    async def script(line: Line) -> None:
        mine: list[dict[str, Any]] = []
        here.heard.append(mine)
        if refuse(len(here.heard) - 1):
            line.send(REFUSED)
            return
        line.send(GRANTED)
        async for opcode, payload in line.messages():
            if opcode == Opcode.TEXT:
                message = json.loads(payload)
                mine.append(message)
                here.news.set()
                if message["type"] == "audio_chunk" and answers(message["sequence"]):
                    line.send(told("partial", text="yes", sequence=message["sequence"]))

    async with far_end(script) as here:
        yield here


def in_time(scenario: Awaitable[None], within_s: float = 15.0) -> None:
    """Run it to its end on a loop of its own; nothing may be left of it."""

    async def main() -> None:
        before = asyncio.all_tasks()
        async with asyncio.timeout(within_s):
            await scenario
        left = asyncio.all_tasks() - before
        if left:
            await asyncio.wait(left, timeout=1)
        assert set() == asyncio.all_tasks() - before

    asyncio.run(main())
