"""Servers for the resuming client, in the test's own loop: scripted ones, and one that stands between and drops.

Guarantees that a server and its connections are gone when the scope ends.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from earful.client import Patience, transcribe
from earful.protocol.messages import Final, Limits, ServerMessage, Started

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.http11 import Request, Response

    from earful.client import Note, Result

    Script = Callable[["Heard"], Awaitable[None]]
    Refuse = Callable[[ServerConnection, Request], Response | None]

STARTED = Started("s1", 1, 0, 16_000, "pcm_s16le", Limits(1 << 20, 10_000, 60, 14_400, 0, 5_000, 120, 50), cursor="c0")
"""The answer to `start` of a server that sets no pace."""
PCM = bytes(3_200)
LAST = Final("", 1, 0, 0, 0, 0, "stop", last=True)


QUICK = Patience(ping_after_s=0.05, pong_s=0.1, answer_s=0.3, full_s=0.05, begin_s=0.5)


@dataclass
class Heard:
    """One connection of a scripted server: what the client said on it so far."""

    connection: ServerConnection
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        """What kinds of messages they are."""
        return [message["type"] for message in self.messages]

    async def say(self, *messages: ServerMessage) -> None:
        """Send these."""
        for message in messages:
            await self.connection.send(msgspec.json.encode(message), text=True)

    async def next(self) -> dict[str, Any]:
        """Wait for the client's next message; a binary frame is a chunk, too."""
        frame = await self.connection.recv()
        message: dict[str, Any] = (
            json.loads(frame) if isinstance(frame, str) else {"type": "audio_chunk", "data": frame}
        )
        self.messages.append(message)
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        """Wait for the next message of this type."""
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def hang_up(self) -> None:
        """End without a close frame, and read on: were anything left unread, a reset might overtake what was said."""
        self.connection.transport.write_eof()
        await self.connection.wait_closed()


@dataclass
class Scripted:
    """A server at work: its address and its connections."""

    url: str
    calls: list[Heard] = field(default_factory=list)


@asynccontextmanager
async def scripted(
    *scripts: Script, refuse: Refuse | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """Run the nth script for the nth connection, and the last one for all that follow; closed when it ends."""
    here = Scripted("")

    async def talk(connection: ServerConnection) -> None:
        heard = Heard(connection)
        script = scripts[min(len(here.calls), len(scripts) - 1)]
        here.calls.append(heard)
        with suppress(ConnectionClosed):
            scripts_run.append(asyncio.ensure_future(script(heard)))
            await scripts_run[-1]

    scripts_run: list[asyncio.Future[None]] = []
    async with serve(talk, "127.0.0.1", 0, process_request=refuse, ssl=tls, close_timeout=0.1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        here.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}"
        try:
            yield here
        finally:
            # The server would wait for those that wait for nothing.
            for run in scripts_run:
                run.cancel()


async def audio(*pieces: bytes) -> AsyncIterator[bytes]:
    """These pieces."""
    for piece in pieces:
        yield piece


async def heard_from(here: Scripted, *pieces: bytes, **options: Any) -> list[Result | Note]:
    """All results of one chunk, or of these."""
    given = audio(*(pieces or (PCM,)))
    return [result async for result in transcribe(here.url, given, notes=True, **options)]


def kinds(results: list[Result | Note]) -> list[type]:
    """What they are."""
    return [type(result) for result in results]


async def begin(heard: Heard) -> None:
    """Say `started`, and hear the first chunk."""
    await heard.until("start")
    await heard.say(STARTED)
    await heard.until("audio_chunk")


async def polite(heard: Heard) -> None:
    """Begin or go on, hear everything, say the last final."""
    await heard.until("start")
    await heard.say(STARTED)
    await heard.until("stop")
    await heard.say(LAST)


@dataclass
class Dropper:
    """Stands before a server and drops the first connection at a message; counts all that pass."""

    url: str
    drop_at_sent: int = -1
    drop_at_received: int = -1
    calls: int = 0
    dropped: int = 0
    sent: int = 0
    received: int = 0


@asynccontextmanager
async def dropping(target: str, *, sent: int = -1, received: int = -1) -> AsyncIterator[Dropper]:
    """Pass on all messages; abort the first connection instead of passing its nth, from 0, to or from the client."""
    here = Dropper("", sent, received)

    async def talk(near: ServerConnection) -> None:
        here.calls += 1
        assert near.request is not None
        async with connect(f"{target}{near.request.path}", compression=None, proxy=None) as far:
            with suppress(ConnectionClosed, ExceptionGroup):
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(pass_on(near, far, is_answer=False))
                    ways.create_task(pass_on(far, near, is_answer=True))

    async def pass_on(source: Any, target: Any, *, is_answer: bool) -> None:
        nth = 0
        async for message in source:
            if here.calls == 1 and nth == (here.drop_at_received if is_answer else here.drop_at_sent):
                here.dropped += 1
                for end in (source, target):
                    end.transport.abort()
                return
            nth += 1
            here.sent, here.received = (here.sent, nth) if is_answer else (nth, here.received)
            await target.send(message)
        await target.close(source.close_code or 1011, source.close_reason or "")

    async with serve(talk, "127.0.0.1", 0, compression=None, close_timeout=0.1) as server:
        here.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield here
