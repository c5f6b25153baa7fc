"""Taking connections: one by one, and in batches while most are refused. Real sockets, and pauses ended by hand."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.inside import Record

from earful.transport.acceptor import AT_ONCE, BATCH_S, REST_S, Acceptor
from earful.transport.lobby import Lobby

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WITHIN_S = 30.0


class Turnstile:
    """Refuses whoever says `no`."""

    def __init__(self) -> None:
        self.is_shut = False
        self.asked = 0

    def refusal_of(self, data: bytes, peername: object) -> bytes | None:
        """Say no."""
        assert isinstance(peername, tuple)
        self.asked += 1
        if data == b"fault":
            raise ValueError("a fault of ours")
        return b"refused" if data == b"no" else None


class Guest(asyncio.Protocol):
    """Whoever was let in, and with what."""

    def __init__(self, early: bytes) -> None:
        self.early = early

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say that it is there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"welcome")


class Porch:
    """An acceptor at a real socket, whose pauses end when the test says so."""

    def __init__(self, scope: ExitStack) -> None:
        self.turnstile = Turnstile()
        self.listener = scope.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.guests: list[Guest] = []
        self.scope = scope
        self.pauses: list[tuple[float, Callable[[], object]]] = []
        self.faults: list[Any] = []
        self.lobby = Lobby("public", 100, Record())
        self.acceptor = Acceptor(self.listener, self.turnstile, self.lobby, self._guest)  # type: ignore[arg-type]  # a stand-in
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(context["exception"]))
        self.loop = Hurried(loop, self.pauses)
        self.acceptor.open(100)
        self.acceptor._loop = self.loop  # type: ignore[assignment]  # a stand-in

    def _guest(self, early: bytes, _: object) -> Guest:
        self.guests.append(Guest(early))
        return self.guests[-1]

    def come(self, *words: bytes) -> list[socket.socket]:
        """Connect, and say something each, before the loop takes any of them."""
        came = []
        for word in words:
            one = self.scope.enter_context(closing(socket.create_connection(self.listener.getsockname())))
            one.setblocking(False)
            one.send(word)
            came.append(one)
        return came

    async def end_pause(self) -> float:
        """End the one that there is; how long it would have been."""
        await self.until(lambda: bool(self.pauses))
        (for_s, then), *self.pauses[:] = self.pauses
        then()
        return for_s

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the loop turn until it is so."""
        async with asyncio.timeout(WITHIN_S):
            while not holds():  # noqa: ASYNC110 - nobody tells of the loop's turns
                await asyncio.sleep(0)


class Hurried:
    """The loop, but for pauses."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pauses: list[tuple[float, Callable[[], object]]]) -> None:
        self._loop = loop
        self._pauses = pauses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, for_s: float, then: Callable[[], object]) -> Any:
        """Note it."""
        self._pauses.append((for_s, then))
        return self._loop.call_later(3600.0, then)


class Exhausted:
    """A listening socket of a process that can open no more."""

    def __init__(self, fd: int) -> None:
        self.fileno = lambda: fd

    def accept(self) -> None:
        """Say so."""
        raise OSError(errno.EMFILE, "too many open files")


async def read(sockets: list[socket.socket]) -> list[bytes]:
    """What each is told first."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(WITHIN_S):
        return [await loop.sock_recv(one, 100) for one in sockets]


def met(scenario: Callable[[Porch], Awaitable[None]]) -> None:
    """Run it; nothing is left."""

    async def main() -> None:
        with ExitStack() as scope:
            porch = Porch(scope)
            await scenario(porch)
            porch.acceptor.close()
            await porch.acceptor.wait_closed()
            for guest in porch.guests:
                guest.transport.close()
            await asyncio.sleep(0)

    asyncio.run(main())


def test_while_the_turnstile_is_open_everybody_is_taken() -> None:
    """At once, and nobody is looked at."""

    async def scenario(porch: Porch) -> None:
        came = porch.come(b"no", b"yes")
        assert [b"welcome"] * 2 == await read(came)
        assert ([], 0, [b"", b""]) == (porch.pauses, porch.turnstile.asked, [guest.early for guest in porch.guests])

    met(scenario)


def test_while_it_is_shut_a_batch_is_taken_between_two_pauses() -> None:
    """Whoever is not refused goes on with what it said; who says nothing yet waits further in, who goes is let go."""

    async def scenario(porch: Porch) -> None:
        porch.turnstile.is_shut = True
        assert [b"refused"] == await read(porch.come(b"no"))
        silent, gone, yes, no = porch.come(b"", b"", b"yes", b"no")
        gone.close()
        assert BATCH_S == await porch.end_pause()
        assert [b"welcome", b"welcome", b"refused"] == await read([silent, yes, no])
        assert sorted([b"", b"yes"]) == sorted(guest.early for guest in porch.guests)
        assert BATCH_S == await porch.end_pause()
        assert [] == porch.pauses
        assert [b"refused"] == await read(porch.come(b"no"))

    met(scenario)


def test_a_batch_has_an_end() -> None:
    """The rest comes after a pause, in which the loop does what else there is."""

    async def scenario(porch: Porch) -> None:
        porch.turnstile.is_shut = True
        await read(porch.come(b"no"))
        came = porch.come(*[b"no"] * (AT_ONCE + 1))
        await porch.end_pause()
        assert 1 + AT_ONCE == porch.turnstile.asked
        assert BATCH_S == await porch.end_pause()
        assert [b"refused"] * (AT_ONCE + 1) == await read(came)
        porch.turnstile.is_shut = False
        assert BATCH_S == await porch.end_pause()
        assert [b"welcome"] == await read(porch.come(b"yes"))

    met(scenario)


def test_who_is_gone_already_is_no_fault() -> None:
    """Nor a line in the log: whoever resets connections, as some balancers' checks do, could fill it."""

    async def scenario(porch: Porch) -> None:
        porch.turnstile.is_shut = True
        (gone,) = porch.come(b"")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        assert [b"refused"] == await read(porch.come(b"no"))
        assert ([], 1) == (porch.faults, porch.turnstile.asked)

    met(scenario)


def test_a_fault_costs_its_connection_alone() -> None:
    """It is told, and the others are taken."""

    async def scenario(porch: Porch) -> None:
        porch.turnstile.is_shut = True
        came = porch.come(b"fault", b"no")
        assert [b"", b"refused"] == await read(came)
        assert ["a fault of ours"] == [str(fault) for fault in porch.faults]

    met(scenario)


def test_where_the_system_has_nothing_left_nobody_is_taken_for_a_while() -> None:
    """Who waits is taken afterwards."""

    async def scenario(porch: Porch) -> None:
        listener = porch.listener
        porch.acceptor._listener = Exhausted(listener.fileno())  # type: ignore[assignment]  # a stand-in
        came = porch.come(b"yes")
        await porch.until(lambda: bool(porch.pauses))
        assert [errno.EMFILE] == [fault.errno for fault in porch.faults]
        porch.acceptor._listener = listener
        assert REST_S == await porch.end_pause()
        assert [b"welcome"] == await read(came)

    met(scenario)


@pytest.mark.parametrize("is_shut", [False, True])
def test_who_comes_after_the_end_is_left_in_the_queue(*, is_shut: bool) -> None:
    """For whoever has the socket then; to close twice is to close."""

    async def scenario(porch: Porch) -> None:
        porch.turnstile.is_shut = is_shut
        await read(porch.come(b"no"))
        porch.acceptor.close()
        porch.acceptor.close()
        (late,) = porch.come(b"no")
        with pytest.raises(BlockingIOError):
            late.recv(1)
        taken, _ = porch.listener.accept()
        taken.close()

    met(scenario)
