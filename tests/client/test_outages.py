"""Where one outage of a client ends and the next begins: by what moves its session on, over scripted servers."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.support.far_end import in_time
from tests.support.scripted import LAST, PCM, QUICK, STARTED, Heard, heard_from, polite, scripted

from earful.client import Client, Partial, Reconnecting, Resumed, SessionOverError, Started
from earful.protocol.messages import Ack, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.protocol.messages import ServerMessage

SHORT = msgspec.structs.replace(STARTED.limits, resume_window_s=0.2)
"""A window that a test can wait for."""


def beginning(next_sequence: int = 1) -> Started:
    """The answer to `start` of a server with a short window."""
    return msgspec.structs.replace(STARTED, limits=SHORT, next_sequence=next_sequence)


def test_an_outage_has_a_window() -> None:
    """That of the server; a connection which brings nothing new does not open another."""
    limits = type(STARTED.limits)(1 << 20, 10_000, 60, 14_400, 0, 5_000, 0.5, 50)

    async def script(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(Started("s1", 1, 0, 16_000, "pcm_s16le", limits, cursor="c0"), Partial("a", 1, 1, 0, 0, 9))
        await heard.until("audio_chunk")
        heard.connection.transport.abort()

    async def main() -> None:
        async with scripted(script) as here, Client(here.url, notes=True) as client:
            await client.send(PCM)
            results = []
            with pytest.raises(SessionOverError, match=r"It was tried for 0\.5 s") as caught:
                results.extend([result async for result in client])
        assert caught.value.can_start_anew
        assert 3 <= len(here.calls)

    in_time(main())


@pytest.mark.parametrize(
    "news",
    [
        lambda nth: [beginning(nth)],
        lambda nth: [beginning(), Ack(f"c{nth}", 1)],
        lambda nth: [beginning(), Final("a", 1, 1, nth, 0, 9, "silence", cursor=f"c{nth}", keep_from=1)],
        lambda nth: [beginning(), Partial("a", 1, nth, 0, 0, 9)],
    ],
)
def test_many_short_outages_are_not_a_long_one(news: Callable[[int], list[ServerMessage]]) -> None:
    """Each ends where the session moves on, though together they last for longer than a window."""

    async def main() -> None:
        begun = asyncio.get_running_loop().time()
        calls = itertools.count()

        async def script(heard: Heard) -> None:
            await heard.until("start")
            await heard.say(*news(next(calls)))
            if asyncio.get_running_loop().time() - begun < 3 * SHORT.resume_window_s:
                heard.connection.transport.abort()
            else:
                await heard.until("stop")
                # After all those that came before, whichever they were.
                await heard.say(*(msgspec.structs.replace(LAST, index=nth) for nth in range(next(calls) + 1)))

        async with scripted(script) as here:
            results = await heard_from(here)
        assert results.count(Reconnecting("The server closed before the last final: code 1006.")) > 2
        assert isinstance(results[-1], Final)

    in_time(main())


def test_a_server_that_only_begins_is_given_up() -> None:
    """`started` alone is no progress, also where it is that of a new session each time; it is not asked in a hurry."""

    async def script(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(msgspec.structs.replace(beginning(), cursor=msgspec.UNSET))
        await heard.connection.close(1011)

    async def main() -> None:
        async with scripted(script) as here:
            with pytest.raises(SessionOverError, match=r"It was tried for 0\.2 s"):
                await heard_from(here)
        assert 3 <= len(here.calls) <= 20

    in_time(main())


def test_an_outage_ends_where_nothing_is_left_to_be_said() -> None:
    """Who is silent makes no progress; a connection that stood so for a while was a good one."""

    async def drop(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(beginning())
        heard.connection.transport.abort()

    async def stand(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(beginning())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * SHORT.resume_window_s):
                await heard.next()
        heard.connection.transport.abort()

    async def main() -> None:
        async with scripted(drop, stand, polite) as here, Client(here.url, notes=True, patience=QUICK) as client:
            notes = [type(await anext(client)) for _ in range(5)]
            await client.stop()
            assert [Final] == [type(result) async for result in client]
        assert [Started, Reconnecting, Resumed, Reconnecting, Resumed] == notes

    in_time(main())
