"""One connection of the client: silence, what is said on it that nobody knows, and what nobody can read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.far_end import in_time
from tests.support.scripted import LAST, PCM, QUICK, Heard, begin, heard_from, kinds, polite, scripted

from earful.client import (
    Client,
    Error,
    Partial,
    Reconnecting,
    Resumed,
    SessionOverError,
    Started,
)
from earful.errors import ErrorCode
from earful.protocol.messages import Ack, Final, error


async def mute(heard: Heard) -> None:
    """Begin, then read and say nothing more, pongs neither."""
    await begin(heard)
    heard.connection.transport.pause_reading()
    await asyncio.get_running_loop().create_future()


async def absent(heard: Heard) -> None:
    """Answer pings, and never what was promised."""
    await begin(heard)
    await heard.connection.wait_closed()


@pytest.mark.parametrize("script", [mute, absent])
def test_a_silent_server_is_given_up(script: Any) -> None:
    """Nothing after a ping, or pongs and never the last final; the next one goes on."""

    async def main() -> None:
        async with scripted(script, polite) as here:
            results = await heard_from(here, patience=QUICK)
        assert [Started, Reconnecting, Resumed, Final] == kinds(results)
        assert Reconnecting("The server has fallen silent.") == results[1]

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


@pytest.mark.parametrize("text", ["no json", "[]", '{"type":"final"}', '{"text":"a"}', b"\xff"])
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
