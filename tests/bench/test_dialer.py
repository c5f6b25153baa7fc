"""The dialer: one address for all connections, and an end to every attempt."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.support.far_end import GRANTED, REFUSED, FarEnd, Line, answering, far_end, in_time

from earful.bench.dialer import CONNECTIONS_A_SOURCE, Dialer, make_room
from earful.bench.peer import Peer, leave_together
from earful.bench.plan import CannotMeasureError
from earful.bench.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def peers(dialer: Dialer, number: int) -> list[Peer]:
    """So many, with one tally."""
    tally = Tally()
    return [Peer(dialer.request, tally) for _ in range(number)]


def dialled(there: FarEnd, **options: float) -> Dialer:
    """A dialer to a server that is known to listen."""
    return Dialer(there.url, "127.0.0.1", **options)  # type: ignore[arg-type]  # a deadline, if any


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_that_listens_is_found(host: str) -> None:
    """By name, too, whichever of its addresses it is."""

    async def main() -> None:
        async with answering() as there:
            dialer = await Dialer.find(f"ws://{host}:{there.port}/v1/transcribe/stream")
            (peer,) = peers(dialer, 1)
            assert await dialer.dial(peer)
            await leave_together([peer])

    in_time(main())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "ws://127.0.0.1:{port}/x",
            "Nothing listens at ws://127.0.0.1:{port}/x; start the server with `earful serve`.",
        ),
        ("ws://nobody.invalid/x", "The host 'nobody.invalid' is not known."),
        ("ws://../x", "No connection to ws://../x: "),
    ],
)
def test_nobody_there_is_a_sentence(url: str, said: str) -> None:
    """The reason is in it."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]

    async def main() -> None:
        with pytest.raises(CannotMeasureError) as failed:
            await Dialer.find(url.format(port=port))
        assert str(failed.value).startswith(said.format(port=port))

    in_time(main())


def test_the_request_has_path_query_and_host() -> None:
    """Without what only the client needs to know: the password."""
    request = Dialer("ws://me:secret@host:81/a/b?refuse=close", "127.0.0.1").request.decode()
    assert request.startswith("GET /a/b?refuse=close HTTP/1.1\r\nHost: host:81\r\n")
    assert Dialer("ws://host", "127.0.0.1").request.startswith(b"GET / HTTP/1.1\r\nHost: host\r\n")


def test_refusals_are_counted_and_the_others_go_on() -> None:
    """Every third of a hundred and fifty."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth % 3 == 0) as there:
            crowd = peers(dialer := dialled(there), 150)
            await dialer.dial_all(crowd)
            assert ({"503": 50}, 100) == (dict(crowd[0].tally.refused), sum(peer.is_open for peer in crowd))
            await leave_together(crowd)

    in_time(main())


def test_where_all_are_refused_nothing_can_be_measured() -> None:
    """And the sentence says why."""

    async def main() -> None:
        async with answering(refuse=lambda _: True) as there:
            dialer = dialled(there)
            with pytest.raises(CannotMeasureError, match=r"No stream could be connected .*: 3 refused with HTTP 503\."):
                await dialer.dial_all(peers(dialer, 3))

    in_time(main())


def test_who_is_not_answered_gives_up_and_nobody_tries_after_him() -> None:
    """Or a server that hangs would be waited for a hundred times."""
    silent = asyncio.Event()

    async def script(line: Line) -> None:
        if silent.is_set():
            await asyncio.get_running_loop().create_future()
        silent.set()
        line.send(GRANTED)
        await line.last()

    async def main() -> None:
        async with far_end(script) as there:
            crowd = peers(dialer := dialled(there, within_s=1.0), 120)
            await dialer.dial_all(crowd)
            assert {"it did not answer in time": 49, "not tried": 70} == dict(crowd[0].tally.unreachable)
            await leave_together(crowd)

    in_time(main())


def test_a_server_that_hangs_up_is_counted_with_the_reason() -> None:
    """It speaks no HTTP."""

    async def script(line: Line) -> None:
        line.send(b"220 smtp.example\r\n\r\n")

    async def main() -> None:
        async with far_end(script) as there:
            (peer,) = peers(dialer := dialled(there), 1)
            assert not await dialer.dial(peer)
            assert "1 not connected (it does not speak HTTP)" == peer.tally.sentence()

    in_time(main())


def test_many_connections_come_from_many_addresses() -> None:
    """A new one after each 20,000, to a server on this machine; elsewhere the system chooses."""

    async def main() -> None:
        async with answering() as there:
            dialer = dialled(there)
            crowd = peers(dialer, 3)
            for nth, peer in enumerate(crowd):
                dialer._dialled = nth * CONNECTIONS_A_SOURCE
                assert await dialer.dial(peer)
            assert ["127.0.0.1", "127.0.0.2", "127.0.0.3"] == there.peers
            await leave_together(crowd)

    in_time(main())
    elsewhere = Dialer("ws://192.0.2.1/", "192.0.2.1")
    elsewhere._dialled = CONNECTIONS_A_SOURCE
    assert elsewhere._next_source() is None


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context, whose certificate this process trusts as it would any in the system's store."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    what = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    whom = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    openssl = ["openssl", "req", *what, *whom, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(openssl, check=True, capture_output=True, timeout=60)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_tls_is_spoken_and_checked(certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a certificate that is trusted; else the sentence says so."""

    async def script(line: Line) -> None:
        line.send(GRANTED)
        await line.last()

    async def main() -> None:
        async with far_end(script, certificate) as there:
            dialer = await Dialer.find(there.url)
            (peer,) = peers(dialer, 1)
            assert await dialer.dial(peer)
            await leave_together([peer])
            monkeypatch.delenv("SSL_CERT_FILE")
            with pytest.raises(CannotMeasureError, match="certificate verify failed"):
                await Dialer.find(there.url)

    in_time(main())


@pytest.fixture
def file_limits() -> Iterator[tuple[int, int]]:
    """Those of this process, put back afterwards."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_room_is_made_for_as_many_sockets_as_are_wanted(file_limits: tuple[int, int]) -> None:
    """The soft limit is raised, never lowered; above the hard one it is a sentence."""
    _, hard = file_limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    make_room(100)
    assert 512 == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    make_room(600)
    assert 600 < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if hard != resource.RLIM_INFINITY:
        with pytest.raises(CannotMeasureError, match="open files"):
            make_room(hard)


def test_a_refusal_that_is_cut_short_is_one() -> None:
    """The body is not waited for."""

    async def script(line: Line) -> None:
        line.send(REFUSED.replace(b"Length: 0", b"Length: 999"))
        await line.last()

    async def main() -> None:
        async with far_end(script) as there:
            (peer,) = peers(dialer := dialled(there), 1)
            assert not await dialer.dial(peer)
            assert {"503": 1} == dict(peer.tally.refused)

    in_time(main())
