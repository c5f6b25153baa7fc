"""REST of two workers that share a Redis: what each answers for both, and while the store is away."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.house import House, MuteWire, at_home, fault
from tests.support.redis_server import RedisServer, running_redis

from earful.service.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server for all of them."""
    with running_redis() as server:
        yield server


def at_two(redis: RedisServer, scenario: Callable[[House, House], Awaitable[None]]) -> None:
    """Run a scenario with two workers at an empty store."""
    redis.ask("FLUSHALL")

    async def main() -> None:
        async with asyncio.timeout(30), AsyncExitStack() as scope:
            one, other = [
                await scope.enter_async_context(at_home(identity=Identity(id=name), store=redis.url))
                for name in ("one", "other")
            ]
            await scenario(one, other)

    asyncio.run(main())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds: for what a worker learns within a second."""
    while not await condition():  # noqa: ASYNC110 - it becomes so in another worker
        await asyncio.sleep(0.02)


def test_each_answers_for_both(redis: RedisServer) -> None:
    """Health, the list and the numbers; health and Prometheus show the worker's own beside it."""

    async def scenario(one: House, other: House) -> None:
        one.service.registry.connect("a", MuteWire())
        other.service.registry.connect("b", MuteWire())
        for house in (one, other):

            async def shows_both(house: House = house) -> bool:
                return bool(2 == (await house.client.get("/v1/health")).json()["active_sessions"])

            await until(shows_both)
            health = (await house.client.get("/v1/health")).json()
            assert ("ok", "ok", "service", 1) == (
                health["status"],
                health["store"],
                health["scope"],
                health["worker"]["active_sessions"],
            )
            page = (await house.client.get("/v1/sessions")).json()
            assert (["a", "b"], {"sessions", "next_cursor"}) == (
                [session["session_id"] for session in page["sessions"]],
                set(page),
            )
            assert 2 == (await house.client.get("/v1/metrics")).json()["active_connections"]
            families = {
                family.name: family
                for family in text_string_to_metric_families((await house.client.get("/metrics")).text)
            }
            assert (1.0, 1.0) == (
                families["earful_store_up"].samples[0].value,
                sum(sample.value for sample in families["earful_sessions"].samples),
            )

    at_two(redis, scenario)


def test_a_page_may_end_between_two_workers(redis: RedisServer) -> None:
    """Each session once, in order."""

    async def scenario(one: House, other: House) -> None:
        for nth, name in enumerate("cabed"):
            (one, other)[nth % 2].service.registry.connect(name, MuteWire())

        async def lists_all() -> bool:
            return len((await one.client.get("/v1/sessions")).json()["sessions"]) == 5

        await until(lists_all)
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await one.client.get("/v1/sessions", params={"limit": 2, "cursor": cursor})).json()
            seen += [session["session_id"] for session in page["sessions"]]
            cursor = page["next_cursor"]
        assert list("abcde") == seen

    at_two(redis, scenario)


def test_any_worker_shows_and_ends_a_session(redis: RedisServer) -> None:
    """202; its owner closes it with 1000; nobody else is known."""

    async def scenario(one: House, other: House) -> None:
        wire = MuteWire()
        one.service.registry.connect("a", wire)

        async def is_shown() -> bool:
            return (await other.client.get("/v1/sessions/a")).status_code == 200

        await until(is_shown)
        for house in (one, other):
            shown = (await house.client.get("/v1/sessions/a")).json()
            assert ("a", "one", 0, None) == tuple(shown[name] for name in ("session_id", "worker", "attempt", "tenant"))
        answer = await other.client.delete("/v1/sessions/a")
        assert (202, {"status": "ending"}) == (answer.status_code, answer.json())

        async def is_closed() -> bool:
            return wire.closed is not None

        await until(is_closed)
        assert (1000, "deleted") == wire.closed
        for method in ("GET", "DELETE"):
            unknown = await other.client.request(method, "/v1/sessions/nobody")
            assert (404, "not_found") == fault(unknown)[:2]

    at_two(redis, scenario)


def test_a_worker_starts_without_its_store() -> None:
    """`degraded`, and of itself alone; it says what it cannot know."""

    async def scenario() -> None:
        async with asyncio.timeout(30), at_home(store="redis://127.0.0.1:1/0") as house:

            async def is_degraded() -> bool:
                return bool((await house.client.get("/v1/health")).json()["status"] == "degraded")

            await until(is_degraded)
            health = await house.client.get("/v1/health")
            assert (200, "away", "worker") == (health.status_code, health.json()["store"], health.json()["scope"])
            assert (200, {"status": "ok"}) == ((ready := await house.client.get("/readyz")).status_code, ready.json())
            house.service.registry.connect("a", MuteWire())
            page = (await house.client.get("/v1/sessions")).json()
            assert (1, True) == (len(page["sessions"]), page["partial"])
            for method in ("GET", "DELETE"):
                refused = await house.client.request(method, "/v1/sessions/elsewhere")
                assert (503, "overloaded") == fault(refused)[:2]
        assert 1 == len(house.log.all_of("store is away; limits and listings are this worker's own"))

    asyncio.run(scenario())


def test_requests_of_a_worker_that_ended_still_count(redis: RedisServer) -> None:
    """It says what it served when it takes leave: not one is lost."""
    redis.ask("FLUSHALL")

    async def main() -> None:
        async with asyncio.timeout(30), at_home(identity=Identity(id="one"), store=redis.url) as one:
            one.service.registry.connect("a", MuteWire())
            async with at_home(identity=Identity(id="other"), store=redis.url) as other:

                async def is_known(other: House = other) -> bool:
                    return bool(other.service.registry.metrics.store_is_up)

                await until(is_known)
                for name in "bcd":
                    other.service.registry.connect(name, MuteWire())
            assert 4 == (await one.client.get("/v1/metrics")).json()["total_requests"]

    asyncio.run(main())
