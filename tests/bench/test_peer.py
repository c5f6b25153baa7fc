"""A peer against servers of all kinds: how the upgrade ends, what is counted, and that it always goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.far_end import GRANTED, REFUSED, Line, far_end, in_time, served, told
from typing_extensions import override

from earful.bench.dialer import Dialer
from earful.bench.frames import TEXT
from earful.bench.peer import Answer, Peer, RefusedError, leave_together
from earful.bench.tally import Tally
from earful.transport.frames import Opcode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.far_end import Script


class Hearing(Peer):
    """Keeps what it hears."""

    __slots__ = ("sequences",)

    def __init__(self, request: bytes) -> None:
        super().__init__(request, Tally())
        self.sequences: list[int] = []

    @override
    def heard(self, answer: Answer, now_s: float) -> None:
        """Note it."""
        assert now_s > 0
        self.sequences.append(answer.sequence)


def met(script: Script, scenario: Callable[[Hearing], Awaitable[None]]) -> Hearing:
    """Connect a peer to a server that does what `script` says, and run `scenario` with it; the peer, gone."""
    peers: list[Hearing] = []

    async def main() -> None:
        async with far_end(script) as there:
            dialer = await Dialer.find(there.url)
            peer = Hearing(dialer.request)
            peers.append(peer)
            await asyncio.get_running_loop().create_connection(lambda: peer, "127.0.0.1", there.port)
            await scenario(peer)
            await leave_together([peer], 0.2)
            await peer.gone

    in_time(main())
    return peers[0]


async def opened(peer: Hearing) -> None:
    """Nothing but the upgrade."""
    await peer.upgraded


async def until_gone(peer: Hearing) -> None:
    """Upgraded, and left."""
    await peer.upgraded
    await peer.gone


def test_the_request_asks_for_an_upgrade() -> None:
    """With everything that a server wants to see (RFC 6455, section 4.1)."""
    requests: list[bytes] = []

    async def script(line: Line) -> None:
        requests.append(line.request)
        line.send(GRANTED)
        await line.last()

    met(script, opened)
    head = requests[0].decode().lower().split("\r\n")
    assert "get /v1/transcribe/stream http/1.1" == head[0]
    assert {"upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13"} <= set(head)


def test_partials_and_finals_are_heard_in_any_cutting() -> None:
    """With their sequence, byte by byte; `started` and fields nobody knows are not minded."""

    async def script(line: Line) -> None:
        said = told("started", next_sequence=1) + told("partial", text="a", sequence=3)
        for byte in GRANTED + said + told("final", sequence=4, last=True, new=[{}]) + told("partial", text="plain"):
            line.send(bytes([byte]))
            await asyncio.sleep(0)

    peer = met(script, until_gone)
    assert [3, 4, -1] == peer.sequences
    assert 3 == peer.tally.answers


@pytest.mark.parametrize(
    ("sent", "errors", "lost"),
    [
        (told("error", message="Full.", code="overloaded"), {"overloaded": 1}, {"1006": 1}),
        (told("error", message="?", code="a") + served(Opcode.CLOSE, b"\x10\x70"), {"a": 1}, {"4208": 1}),
        (served(Opcode.CLOSE, b"\x03\xe8"), {}, {"1000": 1}),
        (served(Opcode.CLOSE, b""), {}, {"1005": 1}),
        (served(Opcode.TEXT, b"{"), {"unreadable": 1}, {"1006": 1}),
        (served(Opcode.TEXT, b"[]"), {"unreadable": 1}, {"1006": 1}),
        (served(Opcode.TEXT, b"{}", first=0), {"bad_frame": 1}, {"1006": 1}),
        (served(Opcode.BINARY, b"?"), {}, {"1006": 1}),
    ],
)
def test_what_goes_wrong_is_counted(sent: bytes, errors: dict[str, int], lost: dict[str, int]) -> None:
    """Errors by code, lost connections by close code."""

    async def script(line: Line) -> None:
        line.send(GRANTED, sent)

    peer = met(script, until_gone)
    assert (errors, lost) == (dict(peer.tally.errors), dict(peer.tally.lost))
    assert not peer.is_open


def test_pings_are_answered() -> None:
    """With their payload."""
    answers: list[tuple[int, bytes]] = []

    async def script(line: Line) -> None:
        line.send(GRANTED, served(Opcode.PING, b"here?"))
        async for message in line.messages():
            answers.append(message)
            line.send(served(Opcode.CLOSE, b"\x03\xe8"))

    met(script, until_gone)
    assert (Opcode.PONG, b"here?") == answers[0]


@pytest.mark.parametrize("answer", [GRANTED, REFUSED + b"a body"])
def test_who_no_longer_waits_for_its_upgrade_hears_nothing(answer: bytes) -> None:
    """Whatever is answered then is nobody's, and no mistake of the server's."""

    async def script(line: Line) -> None:
        line.send(answer)
        await line.last()

    async def gives_up(peer: Hearing) -> None:
        peer.upgraded.cancel()
        await asyncio.sleep(0.05)
        peer.abort()

    peer = met(script, gives_up)
    assert ({}, {}) == (peer.tally.errors, peer.tally.lost)


def test_who_leaves_is_not_lost() -> None:
    """Close frame, answer, end; whatever else comes meanwhile is still heard."""
    closes: list[bytes] = []

    async def script(line: Line) -> None:
        line.send(GRANTED)
        async for opcode, payload in line.messages():
            assert Opcode.CLOSE == opcode
            closes.append(payload)

    peer = met(script, opened)
    assert ([b"\x03\xe8"], "") == (closes, peer.tally.sentence())
    peer.write(b"into nowhere")
    peer.send(TEXT, b"into nowhere")


def test_a_server_that_does_not_let_go_is_left() -> None:
    """After a while; that is no loss either."""

    async def script(line: Line) -> None:
        line.send(GRANTED)
        await asyncio.get_running_loop().create_future()

    assert "" == met(script, opened).tally.sentence()


def test_a_server_that_does_not_read_loses_the_connection() -> None:
    """A megabyte may wait, besides what the sockets hold."""

    async def script(line: Line) -> None:
        line.send(GRANTED)
        await asyncio.get_running_loop().create_future()

    async def scenario(peer: Hearing) -> None:
        await peer.upgraded
        while peer.is_open:
            peer.send(TEXT, bytes(1 << 20))
        await peer.gone

    assert {"unsent": 1} == dict(met(script, scenario).tally.lost)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (REFUSED, RefusedError),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ConnectionError),
        (b"x" * 70_000, ConnectionError),
        (b"HTTP/1.1 what\r\n\r\n", ConnectionError),
        (b"", ConnectionResetError),
        (b"HTTP/1.1 101 Swi", ConnectionResetError),
    ],
)
def test_an_upgrade_that_fails_says_how(answer: bytes, error: type[Exception]) -> None:
    """Refused with a status, no HTTP, or nothing at all; none of it is a lost connection."""

    async def script(line: Line) -> None:
        line.send(answer)

    async def scenario(peer: Hearing) -> None:
        with pytest.raises(error):
            await peer.upgraded
        await peer.gone

    assert "" == met(script, scenario).tally.sentence()


def test_a_refusal_has_its_status() -> None:
    """503, mostly."""

    async def script(line: Line) -> None:
        line.send(REFUSED)

    async def scenario(peer: Hearing) -> None:
        with pytest.raises(RefusedError) as refused:
            await peer.upgraded
        assert 503 == refused.value.status

    met(script, scenario)
