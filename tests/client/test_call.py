"""One connection of the client: silence, what is said on it that nobody knows, and what nobody can read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from tests.support.clock import run_virtual, virtual_now
from tests.support.far_end import in_time
from tests.support.scripted import LAST, PCM, QUICK, STARTED, Heard, begin, heard_from, kinds, polite, scripted

from earful.client import (
    Client,
    Error,
    Flushed,
    Partial,
    Patience,
    Reconnecting,
    Resumed,
    SessionOverError,
    Started,
)
from earful.client.call import Call, Talk
from earful.client.core import Speaker
from earful.client.pace import Pace
from earful.errors import ErrorCode
from earful.protocol.messages import Ack, Final, ServerMessage, Start, error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from websockets.asyncio.client import ClientConnection


async def mute(heard: Heard) -> None:
    """Begin, then read and say nothing more, pongs neither."""
    await begin(heard)
    heard.connection.transport.pause_reading()
    await asyncio.get_running_loop().create_future()


async def absent(heard: Heard) -> None:
    """Answer pings, and never what was promised."""
    await begin(heard)
    await heard.connection.wait_closed()


class Laggard:
    """A connection in virtual time, whose peer says `started`, then answers each ping after so long and no more."""

    close_code = close_reason = None

    def __init__(self, pong_after_s: float) -> None:
        self.pings = 0
        self.transport = self
        self._pong_after_s = pong_after_s
        self._over = asyncio.Event()

    def abort(self) -> None:
        """As a transport's."""
        self._over.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Its one message."""
        yield msgspec.json.encode(STARTED)
        await self._over.wait()

    async def send(self, message: bytes, *, text: bool) -> None:
        """Hear it, and forget it."""

    async def ping(self) -> Awaitable[None]:
        """It got out."""
        self.pings += 1
        return asyncio.ensure_future(asyncio.sleep(self._pong_after_s))


async def stood_s(pong_after_s: float, vain_tries: int) -> float:
    """How long a call stands on which a chunk is said every second, for a minute, and pongs come so late."""
    speaker, said = Speaker(Start()), asyncio.Event()

    async def hear(message: ServerMessage) -> None:
        speaker.receive(message)

    connection = cast("ClientConnection", Laggard(pong_after_s))
    talk = Talk(speaker, Pace(32_000), said, hear, lambda: False)
    call = Call(connection, talk, Patience(ping_after_s=1.0, pong_s=2.0), vain_tries)
    running = asyncio.create_task(call.run())
    for _ in range(60):
        speaker.speak(PCM)
        said.set()
        await asyncio.wait({running}, timeout=1)
        if running.done():
            break
    stood = virtual_now()
    running.cancel()
    await asyncio.wait({running})
    await asyncio.sleep(pong_after_s)
    return stood


@pytest.mark.parametrize(("vain_tries", "pong_after_s", "stands_s"), [(0, 1.9, 60), (0, 3, 3), (1, 3, 60), (1, 5, 5)])
def test_a_late_pong_is_in_time_where_there_is_more_patience(
    vain_tries: int, pong_after_s: float, stands_s: float
) -> None:
    """Who was given up in vain has twice as long for each pong, and is not given up while it comes."""
    assert stands_s == pytest.approx(run_virtual(stood_s(pong_after_s, vain_tries)), abs=0.2)


@pytest.mark.parametrize("script", [mute, absent])
def test_a_silent_server_is_given_up(script: Any) -> None:
    """Nothing after a ping, or pongs and never the last final; the next one goes on."""

    async def main() -> None:
        async with scripted(script, polite) as here:
            results = await heard_from(here, patience=QUICK)
        assert [Started, Reconnecting, Resumed, Final] == kinds(results)
        assert Reconnecting("The server has fallen silent.") == results[1]

    in_time(main())


def test_a_server_that_takes_only_shorter_chunks_is_left() -> None:
    """What was said has to be said again as it was; another server takes it, and nothing was said to this one."""
    limits = msgspec.structs.replace(STARTED.limits, max_chunk_ms=99)

    async def drop(heard: Heard) -> None:
        await begin(heard)
        heard.connection.transport.abort()

    async def stinted(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(msgspec.structs.replace(STARTED, limits=limits))
        await heard.until("anything")

    async def main() -> None:
        async with scripted(drop, stinted, polite) as here:
            assert [Started, Reconnecting, Resumed, Final] == kinds(await heard_from(here))
        assert [["start"], ["start", "audio_chunk", "stop"]] == [call.types for call in here.calls[1:]]

    in_time(main())


def test_a_server_that_does_not_read_is_given_up() -> None:
    """Not even the ping gets out."""

    async def main() -> None:
        async with scripted(mute, polite) as here:
            results = await heard_from(here, *[bytes(16_000)] * 300, patience=QUICK)
        # The next one may be too slow for so little patience, too; there is more of it each time.
        assert [Started, Reconnecting, Resumed] == kinds(results)[:3]
        assert isinstance(results[-1], Final)

    in_time(main())


def test_a_server_that_lives_is_waited_for() -> None:
    """Audio without an answer may be silence; its pongs come."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await heard.next()
        await heard.say(Ack("c1", 2))
        await heard.until("stop")
        await heard.say(LAST)

    async def main() -> None:
        async with scripted(script) as here, Client(here.url, notes=True, patience=QUICK) as client:
            await client.send(PCM)
            assert isinstance(await anext(client), Started)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.7):
                    await anext(client)
            await client.stop()
            assert [Final] == [type(result) async for result in client]

    in_time(main())


def test_what_is_not_known_is_ignored() -> None:
    """Later servers may say more, by type and by field; errors that the session survives are given."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        await heard.connection.send('{"type":"weather","text":"fine"}')
        await heard.connection.send(
            '{"type":"partial","text":"a","timestamp":1,"sequence":1,"index":0,"start_ms":0,"end_ms":9,"x":1}'
        )
        await heard.say(error(ErrorCode.MODEL_FAILED))
        await heard.until("stop")
        await heard.say(LAST)

    async def main() -> None:
        async with scripted(script) as here:
            assert [Started, Partial, Error, Final] == kinds(await heard_from(here))

    in_time(main())


def test_a_flush_is_answered_once() -> None:
    """Whatever the server repeats, and whatever nobody asked."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        await heard.until("flush")
        await heard.say(Flushed("1", 1), Flushed("1", 1), Flushed("other", 1))
        await heard.until("stop")
        await heard.say(LAST)

    async def main() -> None:
        async with scripted(script) as here, Client(here.url) as client:
            await client.send(PCM)
            assert "1" == await client.flush()
            await client.stop()
            assert [Flushed, Final] == [type(result) async for result in client]

    in_time(main())


def test_a_fatal_error_is_the_end_of_its_connection() -> None:
    """Also where the server forgets to close."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        await heard.say(error(ErrorCode.STALLED, fatal=True))
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        async with scripted(script, polite) as here:
            assert [Started, Reconnecting, Resumed, Final] == kinds(await heard_from(here))

    in_time(main(), 5)


@pytest.mark.parametrize("text", ["no json", "[]", "[" * 100_000, '{"type":"final"}', '{"text":"a"}', b"\xff"])
def test_what_cannot_be_read_is_the_end(text: str | bytes) -> None:
    """It is no server of ours."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        await heard.connection.send(text)
        await heard.connection.wait_closed()

    async def main() -> None:
        async with scripted(script) as here:
            with pytest.raises(SessionOverError, match="cannot be read"):
                await heard_from(here)

    in_time(main())
