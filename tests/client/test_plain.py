"""The plain client against a scripted server: what it sends, what it hears, and how every wait ends."""

from __future__ import annotations

import asyncio
import json
import math
from base64 import b64decode
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.server import ServerConnection, serve

from earful.client.connecting import ConnectError
from earful.client.plain import CHUNK_BYTES, Ending, NoAnswerError, Patience, allowed_speed, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from websockets.http11 import Request, Response

    Script = Callable[[ServerConnection], Awaitable[None]]

FAST = 1e6
FINAL = '{"type":"final","text":"","timestamp":1,"last":true}'


@asynccontextmanager
async def scripted(
    script: Script, refuse: Callable[[ServerConnection, Request], Response | None] | None = None
) -> AsyncIterator[str]:
    """A server that does what `script` says; its address."""
    async with serve(script, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"


async def audio(*pieces: bytes) -> AsyncIterator[bytes]:
    """These pieces."""
    for piece in pieces:
        yield piece


async def polite(connection: ServerConnection) -> None:
    """Hear everything up to `stop`, answer the last final, close."""
    async for message in connection:
        if json.loads(message)["type"] == "stop":
            await connection.send(FINAL)
            return


def test_chunks_are_numbered_and_followed_by_stop() -> None:
    """The plain protocol's two messages, and the audio unchanged."""
    heard: list[dict[str, object]] = []

    async def script(connection: ServerConnection) -> None:
        async for message in connection:
            heard.append(json.loads(message))
            if heard[-1]["type"] == "stop":
                return

    async def main() -> Ending:
        async with scripted(script) as url:
            return await stream(url, audio(b"\1" * CHUNK_BYTES, b"\2" * 5), lambda _: None, speed=FAST)

    assert Ending(1000, "") == asyncio.run(main())
    assert ["audio_chunk", "audio_chunk", "stop"] == [message["type"] for message in heard]
    assert [1, 2] == [message["sequence"] for message in heard[:2]]
    assert [b"\1" * CHUNK_BYTES, b"\2" * 5] == [b64decode(str(message["data"])) for message in heard[:2]]


def test_messages_are_given_as_they_came() -> None:
    """Text for text, with the progress beside them."""
    received: list[str] = []
    progress: list[float] = []

    async def main() -> None:
        async with scripted(polite) as url:
            pcm = audio(bytes(CHUNK_BYTES), bytes(CHUNK_BYTES // 2))
            await stream(url, pcm, received.append, speed=FAST, sent=progress.append)

    asyncio.run(main())
    assert [FINAL] == received
    assert [100.0, 150.0] == progress


def test_the_schedule_is_absolute() -> None:
    """Five chunks at ten times real time take 40 ms: a late one is not added to the next."""

    async def main() -> float:
        async with scripted(polite) as url:
            loop = asyncio.get_running_loop()
            begun: list[float] = []
            await stream(
                url,
                audio(*[bytes(CHUNK_BYTES)] * 5),
                lambda _: None,
                speed=10,
                sent=lambda _: begun.append(loop.time()),
            )
            return begun[-1] - begun[0]

    assert 0.03 < asyncio.run(main()) < 1.0


@pytest.mark.parametrize(
    ("answer", "speed"),
    [
        ('{"type":"started","limits":{"max_speed":4}}', 3.6),
        ('{"type":"started","limits":{"max_speed":0}}', math.inf),
        ('{"type":"started"}', 1.0),
        ('{"type":"error","code":"unknown_type"}', 1.0),
        ('{"type":"started","limits":{"max_speed":NaN}}', math.inf),
        ('{"type":"started","limits":{"max_speed":1%s}}' % ("0" * 400), 1.0),
        ("[]", 1.0),
        ("[" * 100_000, 1.0),
        ("", 1.0),
    ],
)
def test_the_server_says_how_fast(answer: str, speed: float) -> None:
    """A tenth is left of what it allows; one that does not tell is spoken to in real time."""
    assert speed == pytest.approx(allowed_speed(answer))


def fast_for_200_ms(max_speed: float) -> tuple[list[str], float]:
    """What a server of this speed hears of 200 ms sent with `start`, and the seconds between the two chunks."""
    heard: list[str] = []
    chunks_s: list[float] = []

    async def script(connection: ServerConnection) -> None:
        async for message in connection:
            heard.append(json.loads(message)["type"])
            if heard[-1] == "start":
                await connection.send(json.dumps({"type": "started", "limits": {"max_speed": max_speed}}))
            if heard[-1] == "stop":
                return

    async def main() -> Ending:
        async with scripted(script) as url:
            clock = asyncio.get_running_loop().time
            return await stream(
                url,
                audio(bytes(CHUNK_BYTES), bytes(CHUNK_BYTES)),
                lambda _: None,
                speed=None,
                sent=lambda _: chunks_s.append(clock()),
            )

    assert Ending(1000, "") == asyncio.run(main())
    return heard, chunks_s[1] - chunks_s[0]


@pytest.mark.parametrize(("max_speed", "least_s"), [(0.5, 0.15), (0, 0)])
def test_without_a_speed_the_server_is_asked(max_speed: float, least_s: float) -> None:
    """`start` first, no audio before its answer, and then no faster than that."""
    heard, apart_s = fast_for_200_ms(max_speed)
    assert ["start", "audio_chunk", "audio_chunk", "stop"] == heard
    assert least_s <= apart_s < least_s + 1


def test_a_close_instead_of_an_answer_to_start_is_an_ending() -> None:
    """A server that drains, for one: the client does not wait for more."""

    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(1012, "draining")

    async def main() -> Ending:
        async with scripted(script) as url:
            return await stream(url, audio(bytes(CHUNK_BYTES)), lambda _: None, speed=None)

    assert Ending(1012, "draining") == asyncio.run(main())


def test_a_servers_early_close_is_an_ending() -> None:
    """Whatever was still to be sent, the close code is what the caller learns."""

    async def script(connection: ServerConnection) -> None:
        await connection.close(1008, "policy")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(CHUNK_BYTES)

    async def main() -> Ending:
        async with scripted(script) as url:
            return await stream(url, endless(), lambda _: None, speed=100)

    assert Ending(1008, "policy") == asyncio.run(main())


def test_a_lost_connection_is_1006() -> None:
    """No close frame came."""

    async def script(connection: ServerConnection) -> None:
        connection.transport.abort()

    async def main() -> Ending:
        async with scripted(script) as url:
            return await stream(url, audio(bytes(CHUNK_BYTES)), lambda _: None, speed=FAST)

    assert 1006 == asyncio.run(main()).code


def test_silence_after_stop_has_a_deadline() -> None:
    """A server that never answers does not hold the client for ever."""

    async def script(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def main() -> None:
        async with scripted(script) as url:
            await stream(url, audio(), lambda _: None, patience=Patience(answer_s=0.05))

    with pytest.raises(NoAnswerError, match=r"for 0\.05 s"):
        asyncio.run(main())


def test_what_the_audio_raises_reaches_the_caller() -> None:
    """As itself, not in a group."""

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(2)
        raise ValueError("broken file")

    async def main() -> None:
        async with scripted(polite) as url:
            await stream(url, broken(), lambda _: None, speed=FAST)

    with pytest.raises(ValueError, match="broken file"):
        asyncio.run(main())


def test_nobody_listening_says_how_to_start_a_server() -> None:
    """The most likely mistake of all."""

    async def main() -> None:
        async with scripted(polite) as url:
            pass
        await stream(url, audio(), lambda _: None)

    with pytest.raises(ConnectError, match="earful serve"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "said"),
    [('{"error":{"code":"overloaded","message":"Full."}}', "Full."), ("no json", "HTTP 503."), ("[]", "HTTP 503.")],
)
def test_a_refusal_is_told_in_the_servers_words(body: str, said: str) -> None:
    """Or by its status, where the body says nothing."""

    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, body)

    async def main() -> None:
        async with scripted(polite, refuse) as url:
            await stream(url, audio(), lambda _: None)

    with pytest.raises(ConnectError) as caught:
        asyncio.run(main())
    assert f"The server refuses the connection: {said}" == str(caught.value)


@pytest.mark.parametrize("url", ["ws://h:1/#part", "ws://.."])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    """What only connecting finds out is the same sentence."""
    with pytest.raises(ConnectError, match="is not an address of a server"):
        asyncio.run(stream(url, audio(), lambda _: None))


def test_a_server_that_speaks_something_else_is_named() -> None:
    """An open port that is no WebSocket server."""

    async def main() -> None:
        async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0\r\n")
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await stream(f"ws://127.0.0.1:{port}", audio(), lambda _: None)

    with pytest.raises(ConnectError, match="No connection to"):
        asyncio.run(main())
