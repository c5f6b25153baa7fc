"""Events of sessions and the list of workers over REST, in process; where routes are is in the conformance tests."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.house import House, MuteWire, ask, at_home, fault
from tests.support.redis_server import RedisServer, free_port, running_redis

from earful import __version__
from earful.service.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Happened:
    """An event."""

    unix_ms: int
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


ENDED = Happened(1764022991123, "session ended", {"reason": "stop"})
TOLD = {"unix_ms": 1764022991123, "name": "session ended", "fields": {"reason": "stop"}}


def remembering(**events: Happened) -> Callable[[str], Sequence[Happened]]:
    """A journal with one event of each of these sessions."""
    return lambda session_id: [events[session_id]] if session_id in events else []


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server for two workers."""
    with running_redis() as server:
        yield server


def test_events_of_a_session_are_told() -> None:
    """Without a store this worker's are all there are."""
    answer = ask("GET", "/v1/sessions/s/events", events_of=remembering(s=ENDED), identity=Identity(id="w7"))
    assert (200, {"session_id": "s", "worker": "w7", "events": [TOLD], "elsewhere": None}) == (
        answer.status_code,
        answer.json(),
    )


def test_an_unknown_session_has_no_events() -> None:
    """404, as everything that is not there."""
    assert (404, "not_found") == fault(ask("GET", "/v1/sessions/t/events", events_of=remembering(s=ENDED)))[:2]


def test_without_the_store_a_worker_tells_what_it_knows() -> None:
    """And of what it does not know, that it cannot be told."""
    away: dict[str, Any] = {"events_of": remembering(s=ENDED), "store": f"redis://127.0.0.1:{free_port()}/0"}
    known = ask("GET", "/v1/sessions/s/events", **away).json()
    assert ([TOLD], None) == (known["events"], known["elsewhere"])
    assert (503, "overloaded") == fault(ask("GET", "/v1/sessions/t/events", **away))[:2]
    crew = ask("GET", "/v1/workers", **away).json()
    assert (1, True) == (len(crew["workers"]), crew["partial"])


def test_another_workers_session_is_to_be_asked_for_there(redis: RedisServer) -> None:
    """Whoever has it is named with where to ask; both workers list each other."""

    async def main() -> None:
        async with asyncio.timeout(15), AsyncExitStack() as scope:
            one, other = [
                await scope.enter_async_context(
                    at_home(
                        identity=Identity(id=name, ops=f"http://{name}:9000", began_unix_s=1.5),
                        store=redis.url,
                        events_of=remembering(**events),
                    )
                )
                for name, events in (("one", {"a": ENDED}), ("other", {}))
            ]
            one.service.registry.connect("a", MuteWire())
            answer: dict[str, Any] = {}
            while not answer.get("elsewhere"):
                answer = (await other.client.get("/v1/sessions/a/events")).json()
                await asyncio.sleep(0.02)  # Until the store has heard of it, within a second.
            assert {"id": "one", "ops": "http://one:9000"} == answer["elsewhere"]
            assert ("other", []) == (answer["worker"], answer["events"])
            own = (await one.client.get("/v1/sessions/a/events")).json()
            assert ([TOLD], None) == (own["events"], own["elsewhere"])
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
