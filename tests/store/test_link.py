"""The way to a Redis: a call that is cancelled anywhere leaves nothing to the next, and clients are closed.

Over a real server, alone and as one node of a cluster, since what is held to account here is redis-py's, too.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from redis.exceptions import (
    ClusterDownError,
    MaxConnectionsError,
    RedisClusterException,
    RedisError,
    SlotNotCoveredError,
)
from tests.store.rig import PATIENT_S
from tests.support.clock import run_virtual, settle, virtual_now
from tests.support.redis_server import RedisServer, cluster_url, running_cluster

from earful.store.address import StoreAddress
from earful.store.clients import Client, client_at
from earful.store.directory import StoreUnavailableError
from earful.store.link import QUIET_S, Link
from earful.store.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from earful.store.scripts import Argument

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

CALLS = 2000
AT_A_TIME = 20
CONNECTIONS = 4
ECHO = Script("return {KEYS[1], ARGV[1]}")
REFUSE = Script("return redis.error_reply('NO thanks')")


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[RedisServer, ...]]:
    """A cluster for those who leave it as it is."""
    with running_cluster() as nodes:
        yield nodes


@pytest.fixture(params=["alone", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    """Where a server is."""
    if request.param == "alone":
        return str(request.getfixturevalue("redis_server").url)
    return cluster_url(request.getfixturevalue("nodes"))


def link_to(url: str) -> Link:
    """A link with few connections."""
    dial = partial(client_at, StoreAddress.parse(url), CONNECTIONS, PATIENT_S)
    return Link(dial, max_turns=CONNECTIONS, turn_s=PATIENT_S)


async def echo(link: Link, nth: int) -> int:
    """Ask twice in one turn for what nobody else asks for; 0 where the store was away, or the answers' number."""
    async with link.turn() as turn:
        for part in range(2):
            wanted = [[f"{nth}".encode(), f"{nth}.{part}.{other}".encode()] for other in range(3)]
            calls = [ECHO((f"{nth}",), f"{nth}.{part}.{other}") for other in range(3)]
            assert wanted == await turn.send(*calls)
    return nth


async def spin(rounds: int) -> None:
    """Let the loop go round."""
    for _ in range(rounds):
        await asyncio.sleep(0)


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop], ids=["uvloop", "asyncio"])
def test_a_cancelled_call_leaves_nothing_to_the_next(url: str, new_loop: NewLoop) -> None:
    """Cancelled after any number of steps, thousands of times: every answer that comes is its own call's."""

    async def main() -> tuple[int, int]:
        link, chance = link_to(url), random.Random()  # noqa: S311 - chance, not secrets
        cancelled = answered = 0
        for first in range(0, CALLS, AT_A_TIME):
            tasks = [asyncio.create_task(echo(link, first + nth)) for nth in range(AT_A_TIME)]
            for task in chance.sample(tasks, AT_A_TIME // 2):
                await spin(chance.randrange(8))
                task.cancel()
            for task in tasks:
                try:
                    await task
                    answered += 1
                except asyncio.CancelledError:
                    cancelled += 1
        await link.close()
        assert link.available
        return cancelled, answered

    with asyncio.Runner(loop_factory=new_loop) as runner:
        cancelled, answered = runner.run(main())
    assert CALLS == cancelled + answered
    assert min(cancelled, answered) > CALLS // 10


async def refused(link: Link) -> None:
    """Ask for what is refused."""
    async with link.turn() as turn:
        await turn.send(REFUSE(("k",)))


def test_a_failure_takes_nobody_along(redis_server: RedisServer) -> None:
    """The client is given up for new turns; one under way ends well, and then it is closed."""

    async def main() -> None:
        link = link_to(redis_server.url)
        async with link.turn() as turn:
            await turn.send(ECHO(("k",), "a"))
            with pytest.raises(StoreUnavailableError):
                await refused(link)
            assert [[b"k", b"b"]] == await turn.send(ECHO(("k",), "b"))
        await link.close()
        assert 1 == len(redis_server.ask("CLIENT", "LIST").splitlines())

    asyncio.run(main())


def test_cancelling_is_no_failure(redis_server: RedisServer) -> None:
    """Who gives up says nothing about the store."""

    async def main() -> None:
        link = link_to(redis_server.url)
        redis_server.freeze()
        task = asyncio.create_task(echo(link, 1))
        await spin(20)
        task.cancel()
        await asyncio.wait({task})
        redis_server.thaw()
        assert link.available
        assert 2 == await echo(link, 2)
        await link.close()

    asyncio.run(main())


class Echoing(Client):
    """Answers with nothing, at once or never."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers

    async def send(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        """Answer, or wait for it."""
        if not self.answers:
            await asyncio.get_running_loop().create_future()
        return [None for _ in commands]

    async def close(self) -> None:
        """Nothing is open."""


def test_each_turn_is_told_to_who_wants_to_know() -> None:
    """What it took, and why it failed: at the server, by the time, or because nobody waited any longer."""
    told: list[tuple[float, str]] = []
    clients = [Echoing(answers=True), Refusing(RedisError()), Echoing(answers=False)]

    async def main() -> None:
        for client in (*clients, clients[-1]):
            link = Link(
                lambda _, client=client: client,  # type: ignore[misc]  # bound now
                max_turns=1,
                turn_s=1,
                clock=virtual_now,
                on_turn=lambda *turn: told.append(turn),
            )
            asking = asyncio.create_task(echoless(link))
            if len(told) == len(clients):
                await settle()
                asking.cancel()
            await asyncio.wait({asking})
            await link.close()

    run_virtual(main())
    assert [(0.0, ""), (0.0, "RedisError"), (1.0, "TimeoutError"), (0.0, "cancelled")] == told


async def echoless(link: Link) -> None:
    """Ask, whatever comes of it."""
    with suppress(StoreUnavailableError):
        await refused(link)


def test_connections_of_a_crowd_are_closed_when_it_has_been_quiet() -> None:
    """A minute later, with the next turn; who was never crowded keeps its one connection."""
    made: list[Leaving] = []

    class Leaving(Echoing):
        def __init__(self) -> None:
            super().__init__(answers=True)
            self.is_closed = False
            made.append(self)

        async def send(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
            await asyncio.sleep(0)
            return await super().send(commands)

        async def close(self) -> None:
            self.is_closed = True

    async def ask(link: Link) -> None:
        async with link.turn() as turn:
            await turn.send(ECHO(("a",), "b"))

    async def main() -> None:
        link = Link(lambda _: Leaving(), max_turns=3, clock=virtual_now)
        for at_once, pause_s in ((1, QUIET_S + 1), (3, QUIET_S - 1), (1, 2), (1, QUIET_S + 1), (1, 0)):
            await asyncio.gather(*(ask(link) for _ in range(at_once)))
            await asyncio.sleep(pause_s)
        await settle()
        assert [True, False] == [client.is_closed for client in made]

    run_virtual(main())


class Broken(Client):
    """Fails at everything in one way."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def send(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        """Fail."""
        del commands
        raise self.failure

    async def close(self) -> None:
        """Fail."""
        raise self.failure


class Refusing(Broken):
    """Has one answer to everything."""

    async def send(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        """Give it in the place of each reply."""
        return [self.failure for _ in commands]


@pytest.mark.parametrize("kind", [Broken, Refusing])
@pytest.mark.parametrize(
    "failure",
    [
        RedisError(),
        RedisClusterException("Redis Cluster cannot be connected"),
        SlotNotCoveredError("not covered"),
        ClusterDownError("CLUSTERDOWN"),
        MaxConnectionsError(),
        ConnectionResetError(),
        TimeoutError(),
        RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_however_a_client_fails_the_store_is_away(kind: type[Broken], failure: Exception) -> None:
    """In a turn, and at its end, which comes; the cause is told, also to those who are not let through for it."""

    async def main() -> None:
        link = Link(lambda _: kind(failure), max_turns=1)
        with pytest.raises(StoreUnavailableError) as raised:
            await refused(link)
        assert failure is raised.value.__cause__
        with pytest.raises(StoreUnavailableError, match=f"^{type(failure).__name__}$"):
            await refused(link)
        assert not link.available
        link.line()
        await link.close()

    asyncio.run(main())
