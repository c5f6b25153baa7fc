"""A server's address, completed or refused. What becomes of a connection is in test_plain.py and test_client.py."""

from __future__ import annotations

import asyncio

import pytest

from earful.client.connecting import ConnectError, connect_to, stream_url
from earful.client.losses import Advice, Loss


def test_an_address_is_completed() -> None:
    """People write what they know."""
    assert "ws://h:1/v1/transcribe/stream" == stream_url("http://h:1")
    assert "wss://h/v1/transcribe/stream" == stream_url("https://h/")
    assert "ws://h:1/other?x=1" == stream_url("ws://h:1/other?x=1")


def test_who_resumes_says_so() -> None:
    """Beside whatever else the query has."""
    assert "ws://h:1/v1/transcribe/stream?resume=1" == stream_url("http://h:1", resuming=True)
    assert "ws://h:1/other?x=1&resume=1" == stream_url("ws://h:1/other?x=1", resuming=True)


@pytest.mark.parametrize("url", ["h:1", "ftp://h", "ws://", "", "ws://:8000", "ws://h:99999", "ws://h:x", "ws://[::1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """With a sentence that shows one; trying again would not help."""
    with pytest.raises(ConnectError, match=r"ws://127\.0\.0\.1:8000") as caught:
        stream_url(url)
    assert Advice.GIVE_UP is caught.value.loss.advice


def test_who_breaks_off_is_somebody() -> None:
    """A worker that dies under a first handshake is no reason to give up; a port where nobody listens is."""

    async def loss_at(port: int) -> Loss:
        with pytest.raises(ConnectError) as caught:
            await connect_to(f"ws://127.0.0.1:{port}", within_s=2.0)
        return caught.value.loss

    async def scenario() -> tuple[Loss, Loss]:
        def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        broken = await loss_at(port)
        server.close()
        await server.wait_closed()
        return broken, await loss_at(port)

    broken, refused = asyncio.run(scenario())
    assert (Advice.RESUME, False) == (broken.advice, broken.is_unreachable)
    assert (Advice.RESUME, True) == (refused.advice, refused.is_unreachable)
