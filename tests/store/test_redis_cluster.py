"""Over a real cluster of three nodes: each call finds its node, also when slots move or a node comes back empty."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.store.rig import LEASE_S, PATIENT_S, claim, entry, report
from tests.store.test_redis_faults import Clock, calls, on_the_servers_loop, unavailable, went_well, worker_of
from tests.support.redis_server import HOST, RedisServer, cluster_url, free_port, is_whole, running_cluster
from tests.support.server import await_true

from earful.store.address import StoreAddress
from earful.store.directory import StoreUnavailableError
from earful.store.keys import note_key
from earful.store.redis import RedisDirectory
from earful.store.values import Draw, Notice, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [f"s{nth:02}" for nth in range(60)]


@pytest.fixture
def nodes() -> Iterator[tuple[RedisServer, ...]]:
    """Three nodes."""
    with running_cluster() as nodes:
        yield nodes


def test_a_cluster(nodes: tuple[RedisServer, ...]) -> None:
    """Claims, exchanges, lists and notices over all of it; a slot moves; a third of it is forgotten."""

    async def main() -> None:
        address, clock = StoreAddress.parse(cluster_url(nodes)), Clock()
        one, other = (
            RedisDirectory(address, name, lease_s=LEASE_S, turn_s=PATIENT_S, clock=clock) for name in ("one", "other")
        )
        assert {Verdict.GRANTED} == set(await asyncio.gather(*(one.claim(claim(name)) for name in NAMES)))
        assert all(node.ask("DBSIZE") > len(NAMES) // 10 for node in nodes)
        draws = [Draw(name, 0.001, 1) for name in NAMES]
        assert [0] * 60 + [-1] * 60 == [round(left) for by in (one, other) for left in await by.draw(draws)]
        await one.exchange(report(*(entry(name) for name in NAMES[:50]), acme=50))
        news = await other.exchange(report(*(entry(name, 1) for name in NAMES[50:]), acme=10))
        assert (60, 2, {"acme": 60}) == (news.sessions, news.workers, news.tenants)
        assert NAMES == [listed.entry.session_id for listed in await one.page("", 100, "acme")]
        while other._words:
            await asyncio.wait(set(other._words))
        notices = (await one.exchange(report(acme=50))).notices
        assert {Notice(name, 0) for name in NAMES[50:]} == set(notices)
        move(nodes, note_key(NAMES[0]))
        assert [Verdict.SUPERSEDED, Verdict.GRANTED] == [await one.claim(claim(NAMES[0], n)) for n in (0, 1)]
        nodes[2].kill()
        nodes[2].start()
        await asyncio.to_thread(await_true, lambda: all(is_whole(node, len(nodes)) for node in nodes))
        mine, theirs = (report(*(entry(name, 1) for name in some), acme=30) for some in (NAMES[:50], NAMES[50:]))
        for _ in range(2):
            await went_well(clock, lambda: one.exchange(mine))
            await went_well(clock, lambda: other.exchange(theirs))
        assert NAMES == [listed.entry.session_id for listed in await went_well(clock, lambda: one.page("", 99, None))]
        assert 60 == (await one.exchange(report(acme=30))).sessions
        await one.close()
        await other.close()

    asyncio.run(main())


def test_a_cluster_that_is_not_there() -> None:
    """Opening and closing go well, and every call fails in the one way."""

    async def main() -> None:
        hosts = ",".join(f"{HOST}:{free_port()}" for _ in range(3))
        async with worker_of(f"redis+cluster://{hosts}") as (directory, clock):
            await directory.open()
            assert not directory.available
            for call in calls(directory):
                clock.now_s += 1
                await unavailable(call)

    on_the_servers_loop(main())


def test_a_cluster_that_dies(nodes: tuple[RedisServer, ...]) -> None:
    """One node after another, in the middle of everything: each call is answered, or fails in the one way."""

    async def main() -> None:
        async with worker_of(cluster_url(nodes)) as (directory, clock):
            await directory.exchange(report(*(entry(name) for name in NAMES), acme=60))
            for node in nodes:
                under_way = [asyncio.ensure_future(call()) for call in calls(directory) * 5]
                await asyncio.to_thread(node.kill)
                clock.now_s += 1
                under_way += [asyncio.ensure_future(call()) for call in calls(directory)]
                outcomes = await asyncio.gather(*under_way, return_exceptions=True)
                assert {StoreUnavailableError} >= {type(one) for one in outcomes if isinstance(one, Exception)}
            for call in calls(directory):
                clock.now_s += 1
                await unavailable(call)

    on_the_servers_loop(main())


def move(nodes: tuple[RedisServer, ...], key: str) -> None:
    """Move a key's slot from the node that has it to another."""
    slot = nodes[0].ask("CLUSTER", "KEYSLOT", key)
    old = next(node for node in nodes if node.ask("CLUSTER", "COUNTKEYSINSLOT", slot))
    new = next(node for node in nodes if node is not old)
    old_id, new_id = old.ask("CLUSTER", "MYID"), new.ask("CLUSTER", "MYID")
    new.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
    old.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
    for name in old.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
        old.ask("MIGRATE", "127.0.0.1", new.port, name, 0, 5000)
    for node in (new, old):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", new_id)
