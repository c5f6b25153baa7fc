"""The client against scripted servers: what it does about each way to lose a connection, and how every wait ends."""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.certificate import make_certificate
from tests.support.far_end import in_time
from tests.support.scripted import LAST, PCM, QUICK, Heard, audio, begin, heard_from, kinds, polite, scripted

from earful.client import (
    AudioBufferFullError,
    Client,
    ConnectError,
    Error,
    Partial,
    Patience,
    Reconnecting,
    Resumed,
    SessionOverError,
    Started,
    transcribe,
)
from earful.client.losses import ADVICE, Advice
from earful.errors import ErrorCode
from earful.protocol.messages import Ack, Final, error

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response


SENDABLE = sorted(code for code in ADVICE if code != 1006)


# Closes


def closing(code: int) -> Any:
    """A script that closes with this code in the middle of a session."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        await heard.connection.close(code, "told")

    return script


@pytest.mark.parametrize("code", [code for code in SENDABLE if ADVICE[code] in {Advice.RESUME, Advice.RESUME_AT_ONCE}])
def test_codes_after_which_it_resumes(code: int) -> None:
    """With its cursor, a first attempt, and what was not answered."""

    async def main() -> None:
        async with scripted(closing(code), polite) as here:
            assert [Started, Reconnecting, Resumed, Final] == kinds(await heard_from(here))
        first, second = here.calls
        assert {"cursor": "c0", "attempt": 1} == second.messages[0]["resume"]
        assert first.messages[1] == second.messages[1]
        assert [None, "resume=1"] == [call.connection.request.path.partition("?")[2] or None for call in here.calls]  # type: ignore[union-attr]  # after the upgrade there is one

    in_time(main())


@pytest.mark.parametrize("code", [code for code in SENDABLE if ADVICE[code] in {Advice.GIVE_UP, Advice.START_ANEW}])
def test_codes_after_which_the_session_is_over(code: int) -> None:
    """It says which, and whether a new one may help; nothing is tried."""

    async def main() -> None:
        async with scripted(closing(code)) as here:
            with pytest.raises(SessionOverError, match=f"code {code}") as caught:
                await heard_from(here)
        assert (code, 1) == (caught.value.code, len(here.calls))
        assert (ADVICE[code] is Advice.START_ANEW) == caught.value.can_start_anew

    in_time(main())


@pytest.mark.parametrize("code", [1012, 4004, 4008])
def test_who_has_not_begun_begins_anew(code: int) -> None:
    """There is nothing yet that could be lost."""

    async def leave(heard: Heard) -> None:
        await heard.until("start")
        await heard.connection.close(code)

    async def main() -> None:
        async with scripted(leave, polite) as here:
            assert [Started, Final] == kinds(await heard_from(here))
        assert "resume" not in here.calls[1].messages[0] or here.calls[1].messages[0]["resume"] is None

    in_time(main())


def test_a_server_that_is_overloaded_is_left_as_long_as_it_says() -> None:
    """1013 with `retry_after_ms`."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        full = error(ErrorCode.OVERLOADED, fatal=True, retry_after_ms=300)
        await heard.say(full)
        await heard.connection.close(1013)

    async def main() -> None:
        begun = asyncio.get_running_loop().time()
        async with scripted(script, polite) as here:
            assert [Started, Reconnecting, Resumed, Final] == kinds(await heard_from(here))
        assert asyncio.get_running_loop().time() - begun >= 0.3

    in_time(main())


# Refusals and addresses


def refusing(times: int, status: HTTPStatus, retry_after: str = "") -> Any:
    """Refuse the first connections with this status."""
    left = [times]

    def refuse(connection: ServerConnection, _: Request) -> Response | None:
        left[0] -= 1
        if left[0] < 0:
            return None
        answer = connection.respond(status, '{"error":{"message":"Full."}}')
        if retry_after:
            answer.headers["retry-after"] = retry_after
        return answer

    return refuse


def test_a_full_server_is_asked_again_when_it_said() -> None:
    """503 with `Retry-After`, before the session has begun."""

    async def main() -> None:
        begun = asyncio.get_running_loop().time()
        async with scripted(polite, refuse=refusing(1, HTTPStatus.SERVICE_UNAVAILABLE, "1")) as here:
            assert [Started, Final] == kinds(await heard_from(here))
        assert asyncio.get_running_loop().time() - begun >= 1

    in_time(main())


@pytest.mark.parametrize("status", [HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.FORBIDDEN])
def test_a_session_that_never_begins_is_given_up(status: HTTPStatus) -> None:
    """At once, or when there was time enough; in the server's words."""

    async def main() -> None:
        async with scripted(polite, refuse=refusing(99, status)) as here:
            with pytest.raises(ConnectError, match="refuses the connection: Full"):
                await heard_from(here, patience=QUICK)

    in_time(main())


def test_nobody_anywhere_is_told_at_once() -> None:
    """Each address is tried once."""

    async def main() -> None:
        async with scripted(polite) as gone, scripted(polite) as gone_too:
            pass
        with pytest.raises(ConnectError, match="Nothing listens"):
            async for _ in transcribe([gone.url, gone_too.url], audio(PCM)):
                pass

    in_time(main())


def test_addresses_are_tried_in_turn() -> None:
    """The one that is there serves; when it drops, the next one goes on."""

    async def main() -> None:
        async with scripted(polite) as gone:
            pass
        async with scripted(closing(1011)) as first, scripted(polite) as second:
            urls = [gone.url, first.url, second.url]
            results = [result async for result in transcribe(urls, audio(PCM), notes=True)]
        assert [Started, Reconnecting, Resumed, Final] == kinds(results)
        assert [1, 1] == [len(first.calls), len(second.calls)]

    in_time(main())


def test_no_address_is_a_sentence() -> None:
    """Also for whoever sends first."""

    async def main() -> None:
        async with Client("nowhere") as client:
            await asyncio.sleep(0)
            for _ in range(2):
                with pytest.raises(ConnectError, match="is not an address"):
                    await client.send(PCM)
            with pytest.raises(ConnectError, match="is not an address"):
                await anext(client)

    in_time(main())


def test_a_refused_start_is_the_end() -> None:
    """Another one would be no better."""

    async def script(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(Error("Not that.", "unsupported_format"))
        await heard.connection.wait_closed()

    async def main() -> None:
        async with scripted(script) as here:
            with pytest.raises(ConnectError, match=r"refuses the session: Not that\. \(unsupported_format\)"):
                await heard_from(here, sample_rate=1)

    in_time(main())


def test_tls_and_headers(tmp_path: Path) -> None:
    """A certificate that the application trusts; what it wants sent is sent, the token in `start`."""
    certificate, key = make_certificate(tmp_path)
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(certificate, key)
    at_client = ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        async with scripted(polite, tls=at_server) as here:
            await heard_from(here, tls=at_client, headers={"x-tenant": "one"}, token="t", words=True)  # noqa: S106 - no secret
            with pytest.raises(ConnectError, match="No connection to wss"):
                await heard_from(here)
        (call,) = here.calls
        assert call.connection.request is not None
        assert "one" == call.connection.request.headers["x-tenant"]
        assert ("t", True) == (call.messages[0]["token"], call.messages[0]["words"])

    in_time(main())


@pytest.mark.parametrize("when_full", ["wait", "raise"])
def test_a_full_buffer_says_so(when_full: str) -> None:
    """At once, or after a while in which no room was made; the audio is not taken, the session goes on."""

    async def main() -> None:
        options: Any = {"when_full": when_full, "keep_audio_s": 0.1, "patience": Patience(full_s=0.05)}
        async with scripted(polite) as here, Client(here.url, **options) as client:
            await client.send(PCM)
            with pytest.raises(AudioBufferFullError):
                await client.send(PCM)
            await client.stop()
            assert [Final] == [type(result) async for result in client]
        assert ["start", "audio_chunk", "stop"] == here.calls[0].types

    in_time(main())


def test_a_full_buffer_says_how_much_it_took() -> None:
    """Of audio that is longer than a chunk, so that the rest can be said later."""

    async def main() -> None:
        options: Any = {"when_full": "raise", "keep_audio_s": 1}
        async with scripted(polite) as here, Client(here.url, **options) as client:
            with pytest.raises(AudioBufferFullError) as caught:
                await client.send(bytes(50_000))
        assert 32_000 == caught.value.taken_bytes

    in_time(main())


def test_room_is_waited_for() -> None:
    """An `ack` makes it; the end of the session ends the waiting, too."""

    async def script(heard: Heard) -> None:
        await begin(heard)
        await heard.say(Ack("c1", 2))
        await heard.until("audio_chunk")
        await heard.connection.close(4010)

    async def main() -> None:
        async with scripted(script) as here, Client(here.url, keep_audio_s=0.1) as client:
            await client.send(PCM)
            await client.send(PCM)
            with pytest.raises(SessionOverError, match="4010"):
                await client.send(PCM)
            with pytest.raises(SessionOverError, match="4010"):
                await client.flush()

    in_time(main())


def test_nothing_follows_stop() -> None:
    """Whoever goes on has made a mistake."""

    async def main() -> None:
        async with scripted(polite) as here, Client(here.url) as client:
            await client.stop()
            with pytest.raises(RuntimeError, match="stop"):
                await client.send(PCM)

    in_time(main())


def test_results_nobody_takes_hold_the_connection() -> None:
    """A thousand wait; the server that does the same is not given up for it."""
    told = [Partial("a", 1, 1, 0, 0, 9)] * 1500

    async def script(heard: Heard) -> None:
        await begin(heard)
        await heard.say(*told)
        await heard.until("stop")
        await heard.say(LAST)

    async def main() -> None:
        async with scripted(script) as here, Client(here.url, patience=QUICK) as client:
            await client.send(PCM)
            assert isinstance(await anext(client), Partial)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await here.calls[0].connection.wait_closed()
            await client.stop()
            assert [Partial] * 1499 + [Final] == [type(result) async for result in client]
        assert 1 == len(here.calls)

    in_time(main())
