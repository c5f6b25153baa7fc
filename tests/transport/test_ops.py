"""Events of sessions and the list of workers over REST, in process; where routes are is in the conformance tests."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.house import House, MuteWire, at_home, fault, in_house
from tests.support.redis_server import RedisServer, free_port, running_redis

from earful import __version__
from earful.service.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator


TOLD = ("session ended", {"reason": "stop"})


def remember(house: House, session_id: str) -> None:
    """Have the house's journal know of a session that has ended."""
    events = house.service.registry.events
    events.open(session_id)
    events.tell(session_id, "session ended", reason="stop")
    events.close(session_id)


def told(answer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The events of an answer."""
    return [(event["name"], event["fields"]) for event in answer["events"]]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server for two workers."""
    with running_redis() as server:
        yield server


def test_events_of_a_session_are_told() -> None:
    """Without a store this worker's are all there are; of an unknown session it is 404."""

    async def scenario(house: House) -> None:
        remember(house, "s")
        before_ms = int(time.time() * 1000)
        answer = await house.client.get("/v1/sessions/s/events")
        assert (200, "s", "w7", None) == (
            answer.status_code,
            *(answer.json()[name] for name in ("session_id", "worker", "elsewhere")),
        )
        assert [TOLD] == told(answer.json())
        assert before_ms - 10_000 <= answer.json()["events"][0]["unix_ms"] <= before_ms
        assert (404, "not_found") == fault(await house.client.get("/v1/sessions/t/events"))[:2]

    in_house(scenario, identity=Identity(id="w7"))


def test_the_id_of_a_resuming_upgrade_leads_to_its_session() -> None:
    """Which is named in the answer."""

    async def scenario(house: House) -> None:
        events = house.service.registry.events
        events.open("drawn")
        events.rename("drawn", "s")
        remember(house, "s")
        answer = (await house.client.get("/v1/sessions/drawn/events")).json()
        assert ("s", [TOLD]) == (answer["session_id"], told(answer))

    in_house(scenario)


def test_without_the_store_a_worker_tells_what_it_knows() -> None:
    """And of what it does not know, that it cannot be told."""

    async def scenario(house: House) -> None:
        remember(house, "s")
        known = (await house.client.get("/v1/sessions/s/events")).json()
        assert ([TOLD], None) == (told(known), known["elsewhere"])
        assert (503, "overloaded") == fault(await house.client.get("/v1/sessions/t/events"))[:2]
        crew = (await house.client.get("/v1/workers")).json()
        assert (1, True) == (len(crew["workers"]), crew["partial"])

    in_house(scenario, store=f"redis://127.0.0.1:{free_port()}/0")


def test_another_workers_session_is_to_be_asked_for_there(redis: RedisServer) -> None:
    """Whoever has it is named with where to ask; both workers list each other."""

    async def main() -> None:
        async with asyncio.timeout(30), AsyncExitStack() as scope:
            one, other = [
                await scope.enter_async_context(
                    at_home(
                        identity=Identity(id=name, ops=f"http://{name}:9000", began_unix_s=1.5),
                        store=redis.url,
                    )
                )
                for name in ("one", "other")
            ]
            one.service.registry.connect("a", MuteWire())
            answer: dict[str, Any] = {}
            while not answer.get("elsewhere"):
                answer = (await other.client.get("/v1/sessions/a/events")).json()
                await asyncio.sleep(0.02)  # Until the store has heard of it, within a second.
            assert {"id": "one", "ops": "http://one:9000", "lives": True} == answer["elsewhere"]
            assert ("other", []) == (answer["worker"], answer["events"])
            own = (await one.client.get("/v1/sessions/a/events")).json()
            assert (["session connected"], None) == ([name for name, _ in told(own)], own["elsewhere"])
            await check_crew(other)

    asyncio.run(main())


async def check_crew(other: House) -> None:
    """The other of the two tells of both."""
    crew = (await other.client.get("/v1/workers")).json()
    assert {"worker", "workers"} == crew.keys()
    about = {"slot": 0, "version": __version__, "began_unix_s": 1.5}
    assert [
        {"id": "one", "ops": "http://one:9000", "sessions": 1, **about},
        {"id": "other", "ops": "http://other:9000", "sessions": 0, **about},
    ] == crew["workers"]
    assert "other" == crew["worker"]
