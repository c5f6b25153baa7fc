"""The client against a real server: whatever is dropped, the finals are those of an undisturbed run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.session.ear import told
from tests.support.far_end import in_time
from tests.support.inside import inside
from tests.support.scripted import dropping
from tests.support.speech import SPEECH, expected, pieces

from earful.client import Client, Final, Flushed, Partial, Reconnecting, Resumed, Started, speaking, transcribe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.inside import Inside

    from earful.client import Note, Result

TWO_SENTENCES = SPEECH[: 8_200 * 32]
CHUNK_BYTES = 12_800
"""400 ms: fewer messages to be dropped."""


@pytest.fixture(scope="module")
def server() -> Iterator[Inside]:
    """One server for all of them, at any speed."""
    with inside(mock_latency_ms=0, max_speed=0) as server:
        yield server


async def audio(pcm: bytes, size_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
    """The audio in pieces."""
    for piece in pieces(pcm, size_bytes):
        yield piece


async def heard_by(url: str, pcm: bytes = TWO_SENTENCES, **options: Any) -> list[Result | Note]:
    """Every result."""
    return [result async for result in transcribe(url, audio(pcm), **options)]


def finals(results: list[Result | Note]) -> list[tuple[int, str, int, int, str]]:
    """The finals among them, of which the last is the last one, and left out where it is empty."""
    found = [result for result in results if isinstance(result, Final)]
    assert [False] * (len(found) - 1) + [True] == [final.last for final in found]
    return told(found if found[-1].text else found[:-1])


def base(server: Inside) -> str:
    """The server's address."""
    return f"ws://127.0.0.1:{server.address.port}"


def test_an_undisturbed_run(server: Inside) -> None:
    """Partials that make up the finals, in order; the state only for those who ask."""

    async def main() -> None:
        results = await heard_by(server.address.http)
        assert expected(TWO_SENTENCES) == finals(results)
        assert {Partial, Final} == {type(result) for result in results}
        noted = await heard_by(server.address.http, notes=True)
        assert isinstance(noted[0], Started)

    in_time(main())


async def with_a_drop(server: Inside, **at: int) -> tuple[int, list[type]]:
    """Drop the first connection at this message; how often it came to that, and what became of the session."""
    async with dropping(base(server), **at) as dropper:
        results = await heard_by(dropper.url, notes=True)
    assert expected(TWO_SENTENCES) == finals(results), at
    assert 1 + dropper.dropped == dropper.calls
    return dropper.dropped, [type(result) for result in results if isinstance(result, Started | Reconnecting | Resumed)]


def test_a_drop_at_any_message_that_is_sent(server: Inside) -> None:
    """From `start`, where nothing is known yet, to `stop`."""

    async def main() -> None:
        chunks = len(list(pieces(TWO_SENTENCES, CHUNK_BYTES)))
        assert (1, [Started]) == await with_a_drop(server, sent=0)
        for nth in range(1, chunks + 2):
            assert (1, [Started, Reconnecting, Resumed]) == await with_a_drop(server, sent=nth), nth

    in_time(main())


def test_a_drop_at_any_message_that_is_received() -> None:
    """From `started` on: how many there are depends on how the server keeps up."""

    async def main(server: Inside) -> None:
        assert (1, [Started]) == await with_a_drop(server, received=0)
        dropped = [await with_a_drop(server, received=nth) for nth in range(1, 20)]
        resumed = [notes for times, notes in dropped if times]
        assert [[Started, Reconnecting, Resumed]] * len(resumed) == resumed
        assert 8 <= len(resumed)

    with inside(mock_latency_ms=0, max_speed=60) as server:
        in_time(main(server))


def test_audio_of_any_length_and_a_file(server: Inside, tmp_path: Any) -> None:
    """Said at once, or read: the same finals."""
    path = tmp_path / "speech.raw"
    path.write_bytes(TWO_SENTENCES)

    async def main() -> None:
        async with Client(base(server)) as client:
            await client.send(TWO_SENTENCES)
            await client.stop()
            await client.stop()
            whole = [result async for result in client]
            assert pytest.approx(8_200.0) == client.sent_ms
            assert client.session_id
        with path.open("rb") as file:
            read = [result async for result in transcribe(base(server), file)]
        assert expected(TWO_SENTENCES) == finals(whole) == finals(read)

    in_time(main())


@pytest.mark.parametrize("limits", [{"max_chunk_ms": 100}, {"max_message_bytes": 1_024}, {"max_chunk_ms": 10}])
def test_chunks_are_as_short_as_the_server_wants(limits: dict[str, Any]) -> None:
    """However much is said at once, before the session has begun and after, and also in a replay."""

    async def main(server: Inside) -> None:
        for dropped_at in (-1, 0, 60):
            async with dropping(base(server), sent=dropped_at) as dropper, Client(dropper.url) as client:
                await client.send(TWO_SENTENCES[:100_001])
                await client.send(TWO_SENTENCES[100_001:])
                await client.stop()
                results = [result async for result in client]
            assert expected(TWO_SENTENCES) == finals(results), dropped_at
            assert {Partial, Final} == {type(result) for result in results}
            assert (dropped_at >= 0) == dropper.dropped

    with inside(mock_latency_ms=0, max_speed=0, max_messages_per_s=1_000_000, **limits) as server:
        in_time(main(server))


def test_a_flush_is_answered_by_its_name(server: Inside) -> None:
    """Also when the connection is lost before it."""

    async def main() -> None:
        async with dropping(base(server), sent=3) as dropper, Client(dropper.url) as client:
            await client.send(SPEECH[: 1_500 * 32])
            names = [await client.flush(), await client.flush()]
            await client.stop()
            results = [result async for result in client]
        assert ["1", "2"] == names == [result.id for result in results if isinstance(result, Flushed)]
        assert ["flush"] == [reason for *_, reason in finals(results)]

    in_time(main())


def test_the_servers_pace_is_kept() -> None:
    """At twice real time, less a tenth, the chunk after 300 ms of audio waits for a sixth of a second."""

    async def main(server: Inside) -> None:
        async with Client(base(server)) as client:
            await client.send(SPEECH[: 32 * 300])
            await client.send(SPEECH[: 32 * 300])
            await client.stop()
            begun = asyncio.get_running_loop().time()
            assert [True] == [result.last async for result in client if isinstance(result, Final) and result.last]
            assert asyncio.get_running_loop().time() - begun > 0.15

    with inside(mock_latency_ms=0, max_speed=2) as server:
        in_time(main(server))


def test_leaving_early_leaves_nothing(server: Inside) -> None:
    """In the middle of results, or of audio that never ends."""
    ended: list[bool] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(3200)
        finally:
            ended.append(True)

    async def main() -> None:
        async with Client(base(server), notes=True) as client, speaking(client, endless()):
            async for _ in client:
                break
        async with asyncio.timeout(30):
            async with Client(base(server)) as client, speaking(client, audio(TWO_SENTENCES)):
                async for _ in client:
                    client.close()
        await asyncio.get_running_loop().shutdown_asyncgens()

    in_time(main())
    assert [True] == ended


def test_what_the_audio_raises_reaches_the_caller(server: Inside) -> None:
    """As itself, and the session ends."""

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(3200)
        raise ValueError("broken file")

    async def main() -> None:
        with pytest.raises(ValueError, match="broken file"):
            async for _ in transcribe(base(server), broken()):
                pass

    in_time(main())
