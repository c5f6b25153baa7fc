"""What a Redis can do to its directory: freeze, die, forget, refuse, lose answers. Nothing waits for it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import uvloop
from tests.store.rig import LEASE_S, PATIENT_S, claim, entry, report
from tests.support.redis_server import HOST, RedisServer, free_port, running_redis
from tests.support.relay import relaying

from earful.store.address import StoreAddress
from earful.store.directory import StoreUnavailableError
from earful.store.keys import ROLL, details_key, inbox_key, index_key
from earful.store.link import TURN_S
from earful.store.redis import MOST_GONE, RedisDirectory
from earful.store.values import Draw, Notice, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

T = TypeVar("T")
GONE = ("gone 1", "gone 2")
SLOWLY = Draw("acme", 0.001, 1)
"""Of a rate by which nothing is earned while a test runs."""
SOON_S = 8.0
"""Longer than any call may take, on a busy machine too, and far shorter than redis-py's own patience."""


class Clock:
    """The breaker's seconds, which pass when told."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def on_the_servers_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run on the loop that `earful serve` runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server to be hard on."""
    with running_redis() as server:
        yield server


@asynccontextmanager
async def worker_of(
    url: str, worker: str = "one", *, max_connections: int = 16, turn_s: float = PATIENT_S
) -> AsyncIterator[tuple[RedisDirectory, Clock]]:
    """A worker's access, with the clock of its breaker; no task is left of it."""
    clock = Clock()
    address = StoreAddress.parse(url)
    directory = RedisDirectory(
        address, worker, max_connections=max_connections, lease_s=LEASE_S, turn_s=turn_s, clock=clock
    )
    try:
        yield directory, clock
    finally:
        async with asyncio.timeout(SOON_S):
            await directory.close()
    assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("store")]


def calls(directory: RedisDirectory) -> list[Callable[[], Awaitable[object]]]:
    """Every call there is."""
    return [
        lambda: directory.claim(claim("other")),
        lambda: directory.end("other", None, 10),
        lambda: directory.end_own(claim("other")),
        lambda: directory.exchange(report(entry("s"), acme=1)),
        lambda: directory.draw([SLOWLY, Draw("globex", 2.0, 1)]),
        directory.overview,
        lambda: directory.page("", 10, None),
        lambda: directory.find("s", None),
        lambda: directory.owner("s", None),
    ]


async def unavailable(*asked: Callable[[], Awaitable[object]]) -> None:
    """Each of these calls fails, soon, in the one way."""
    for ask in asked:
        with pytest.raises(StoreUnavailableError):
            async with asyncio.timeout(SOON_S):
                await ask()


async def went_well(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T:
    """What a call gives; it may fail a few times, since this machine may be too busy for its bound."""
    for _ in range(10):
        try:
            return await ask()
        except StoreUnavailableError:
            clock.now_s += 1
    return await ask()


def test_frozen(server: RedisServer) -> None:
    """Every call fails in its time; then at once, without a try, until a second has passed; then all is as before."""

    async def main() -> None:
        async with worker_of(server.url, turn_s=TURN_S) as (directory, clock):
            await went_well(clock, lambda: directory.exchange(report(entry("s"), acme=1)))
            server.freeze()
            for call in calls(directory):
                clock.now_s += 1
                await unavailable(call)
                assert not directory.available
            server.thaw()
            await unavailable(*calls(directory))
            assert not directory.available
            clock.now_s += 1
            page = await went_well(clock, lambda: directory.page("", 10, None))
            assert ["s"] == [listed.entry.session_id for listed in page]
            assert directory.available

    on_the_servers_loop(main())


def test_a_crowd_at_a_frozen_store(server: RedisServer) -> None:
    """Those that wait for a connection wait no longer than the others."""

    async def main() -> None:
        async with worker_of(server.url, max_connections=2, turn_s=TURN_S) as (directory, _):
            server.freeze()
            async with asyncio.timeout(SOON_S):
                answers = await asyncio.gather(
                    *(directory.claim(claim(f"s{nth}")) for nth in range(50)), return_exceptions=True
                )
            server.thaw()
            assert {StoreUnavailableError} == {type(answer) for answer in answers}

    on_the_servers_loop(main())


def test_killed_and_started_empty(server: RedisServer) -> None:
    """The worker learns that it is forgotten, and puts everything back."""

    async def main() -> None:
        async with worker_of(server.url) as (directory, clock):
            await directory.claim(claim("s", 2))
            await directory.exchange(report(entry("s", 2), acme=1))
            server.kill()
            await unavailable(*calls(directory))
            server.start()
            clock.now_s += 1
            assert (await directory.exchange(report(acme=1))).forgot
            assert not (await directory.exchange(report(entry("s", 2), acme=1))).forgot
            assert Verdict.SUPERSEDED == await directory.claim(claim("s", 2))

    on_the_servers_loop(main())


def test_not_there_yet() -> None:
    """A worker starts without its store, and finds it when it comes."""

    async def main() -> None:
        port = free_port()
        async with worker_of(f"redis://{HOST}:{port}") as (directory, clock):
            async with asyncio.timeout(SOON_S):
                await directory.open()
            assert not directory.available
            with running_redis(port=port):
                clock.now_s += 1
                assert Verdict.GRANTED == await directory.claim(claim("s"))
                assert directory.available

    on_the_servers_loop(main())


def test_scripts_are_forgotten(server: RedisServer) -> None:
    """Nobody notices, also where the server knows some of them again: what was done is not done anew."""

    async def main() -> None:
        async with worker_of(server.url) as (one, _), worker_of(server.url, "other") as (other, _):
            for nth in range(3):
                server.ask("SCRIPT", "FLUSH")
                assert [-nth] == [round(left) for left in await one.draw([SLOWLY])]
                assert Verdict.GRANTED == await one.claim(claim(f"s{nth}"))
                await other.exchange(report(entry(f"s{nth}", 1), acme=1))
                while other._words:
                    await asyncio.wait(set(other._words))
                assert (Notice(f"s{nth}", 0),) == (await one.exchange(report())).notices

    on_the_servers_loop(main())


def test_full(server: RedisServer) -> None:
    """Where nothing may be written calls fail, and go well again when there is room."""

    async def main() -> None:
        async with worker_of(server.url) as (directory, clock):
            await directory.exchange(report(entry("s"), acme=1))
            server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
            server.ask("CONFIG", "SET", "maxmemory", 1)
            await unavailable(lambda: directory.claim(claim("t")))
            clock.now_s += 1
            await unavailable(lambda: directory.exchange(report(entry("s"), acme=1)))
            clock.now_s += 1
            assert ["s"] == [listed.entry.session_id for listed in await directory.page("", 10, None)]
            server.ask("CONFIG", "SET", "maxmemory", 0)
            assert Verdict.GRANTED == await directory.claim(claim("t"))

    on_the_servers_loop(main())


@pytest.mark.parametrize("lost", [*ROLL, index_key("one"), details_key("one"), inbox_key("one")])
def test_evicted_in_part(server: RedisServer, lost: str) -> None:
    """Whichever key is lost: after each worker's next two exchanges lists and counts are right again."""

    async def main() -> None:
        async with worker_of(server.url) as (one, _), worker_of(server.url, "other") as (other, _):
            await one.exchange(report(*(entry(name) for name in (*GONE, "s")), acme=3))
            await other.exchange(report(entry("t"), acme=1))
            server.ask("DEL", lost)
            for directory, name in ((one, "s"), (other, "t")) * 2:
                await directory.exchange(report(entry(name), ended=GONE, acme=1))
            news = await one.exchange(report(acme=1))
            assert (2, 2, {"acme": 2}) == (news.sessions, news.workers, news.tenants)
            assert ["s", "t"] == [listed.entry.session_id for listed in await one.page("", 2, "acme")]
            assert None is await other.find(GONE[0], None)
            assert {"one", "other"} == {peer.worker for peer in (await one.overview()).workers}

    on_the_servers_loop(main())


def test_of_many_that_are_gone_the_sum_stays(server: RedisServer) -> None:
    """What is kept for each run of a worker does not grow for ever."""

    async def main() -> None:
        async with worker_of(server.url) as (one, _):
            gone = (word for nth in range(MOST_GONE + 1) for word in (f"gone {nth}", 2))
            server.ask("HSET", ROLL[-1], *gone)
            for _ in range(2):
                await one.exchange(Report(served=3))
                assert {"": f"{2 * (MOST_GONE + 1)}", "one": "3"} == server.ask("HGETALL", ROLL[-1])
            assert 2 * (MOST_GONE + 1) == (await one.overview()).served_before

    on_the_servers_loop(main())


def test_a_clock_that_was_ahead(server: RedisServer) -> None:
    """Notices of a store that was emptied are heard, however late it is there now."""

    async def main() -> None:
        async with worker_of(server.url) as (one, _), worker_of(server.url, "other") as (other, _):
            server.ask("XADD", inbox_key("one"), "9999999999999-1", "notice", '[1, ["s", 0]]')
            assert (Notice("s", 0),) == (await one.exchange(report(entry("s")))).notices
            server.ask("FLUSHALL")
            assert (await one.exchange(report(entry("s")))).forgot
            await other.end("s", None, 10)
            await other.close()
            assert (Notice("s"),) == (await one.exchange(report())).notices

    on_the_servers_loop(main())


def test_a_lost_answer(server: RedisServer) -> None:
    """The claim is made again, and is not refused because of itself; a second loss in a row is the store's failure."""

    async def main() -> None:
        async with relaying(server.port) as relay, worker_of(f"redis://{HOST}:{relay.port}") as (directory, clock):
            await directory.open()
            relay.answers_to_lose = 1
            assert Verdict.GRANTED == await directory.claim(claim("s", 1))
            assert Verdict.SUPERSEDED == await directory.claim(claim("s", 1))
            relay.answers_to_lose = 2
            await unavailable(lambda: directory.claim(claim("s", 2)))
            clock.now_s += 1
            assert Verdict.SUPERSEDED == await directory.claim(claim("s", 2))
            relay.answers_to_lose = 1
            assert await directory.end("s", None, 10)

    on_the_servers_loop(main())


def test_a_lost_answer_to_a_draw(server: RedisServer) -> None:
    """What is drawn again for want of it is taken once, also where another worker draws in between."""

    async def main() -> None:
        async with (
            relaying(server.port) as relay,
            worker_of(f"redis://{HOST}:{relay.port}") as (one, clock),
            worker_of(server.url, "other") as (other, _),
        ):
            await one.open()
            relay.answers_to_lose = 1
            assert [0] == [round(left) for left in await one.draw([SLOWLY])]
            assert [[-1], [-2]] == [[round(left) for left in await worker.draw([SLOWLY])] for worker in (other, one)]
            relay.answers_to_lose = 2
            await unavailable(lambda: one.draw([SLOWLY]))
            clock.now_s += 1
            assert [-4] == [round(left) for left in await one.draw([SLOWLY])]

    on_the_servers_loop(main())


def test_a_demoted_server(server: RedisServer) -> None:
    """One that has become a replica is left for whoever is at the address by now."""

    async def main() -> None:
        with running_redis() as successor:
            async with (
                relaying(server.port) as relay,
                worker_of(f"redis://{HOST}:{relay.port}") as (directory, clock),
            ):
                await directory.claim(claim("s"))
                server.ask("REPLICAOF", HOST, successor.port)
                await unavailable(lambda: directory.claim(claim("s", 1)))
                clock.now_s += 1
                await went_well(clock, directory.overview)
                relay.target_port = successor.port
                assert Verdict.GRANTED == await directory.claim(claim("s", 1))
                assert "one" == successor.ask("HGET", "earful:{session:s}", "owner")

    on_the_servers_loop(main())


def test_credentials() -> None:
    """The right ones are used; with others the store is away."""
    with running_redis("requirepass secret") as server:

        async def main() -> None:
            async with worker_of(f"redis://:secret@{HOST}:{server.port}") as (directory, _):
                assert Verdict.GRANTED == await directory.claim(claim("s"))
            for given in ("", ":wrong@", "nobody:secret@"):
                async with worker_of(f"redis://{given}{HOST}:{server.port}") as (directory, _):
                    await unavailable(lambda: directory.claim(claim("t")))

        on_the_servers_loop(main())


def test_connections_are_bounded(server: RedisServer) -> None:
    """However many ask at once; those that must wait are answered, too."""

    async def main() -> None:
        async with worker_of(server.url, max_connections=3) as (directory, _):
            verdicts = await asyncio.gather(*(directory.claim(claim(f"s{nth}")) for nth in range(100)))
            assert {Verdict.GRANTED} == set(verdicts)
            assert 3 + 1 == len(server.ask("CLIENT", "LIST").splitlines())

    on_the_servers_loop(main())
