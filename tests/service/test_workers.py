"""The workers that one tells of: itself as it is, the others as they last reported themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.service.company import Colleague, Store, cursor_of, resume, together
from tests.service.worker import registered
from tests.support.clock import settle

from earful import __version__
from earful.service.identity import Identity
from earful.service.workers import Workers
from earful.store.directory import StoreUnavailableError
from earful.store.values import Report

if TYPE_CHECKING:
    from earful.service.registry import Registry


def told(name: str, sessions: int = 0) -> dict[str, object]:
    """How a worker of these tests is told."""
    return {
        "id": name,
        "slot": 0,
        "ops": f"http://{name}:9000",
        "sessions": sessions,
        "version": __version__,
        "began_unix_s": 1.5,
    }


def test_each_worker_tells_of_all() -> None:
    """Of itself also what it has not reported; of another release's what that said."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        one.begin("a", None)
        assert ([told("one", 1)], False) == await one.workers.crew()
        await one.presence.exchange()
        one.begin("b", None)
        await other.presence.exchange()
        assert ([told("one", 2), told("other")], False) == await one.workers.crew()
        assert ([told("one", 1), told("other")], False) == await other.workers.crew()
        await type(one.door)(store, "older").exchange(Report())
        older = (await one.workers.crew()).workers[0]
        assert ("older", None, "") == (older["id"], older["ops"], older["version"])

    together(scenario)


def test_a_worker_without_its_store_tells_of_itself() -> None:
    """And that others may be missing; where a session is it cannot tell."""

    async def scenario(store: Store, one: Colleague, other: Colleague) -> None:
        await other.presence.exchange()
        store.is_away = True
        assert ([told("one")], True) == await one.workers.crew()
        with pytest.raises(StoreUnavailableError):
            await one.workers.elsewhere("a")

    together(scenario)


def test_who_else_had_a_session_is_told() -> None:
    """Where it is, or was last: with an address as long as that worker lives; nobody for one's own."""

    async def scenario(_store: Store, one: Colleague, other: Colleague) -> None:
        wire = one.begin("a")
        await settle()
        cursor = cursor_of(wire)
        await one.presence.exchange()
        await other.presence.exchange()
        assert [None, None] == [await one.workers.elsewhere(name) for name in ("a", "unknown")]
        assert {"id": "one", "ops": "http://one:9000", "lives": True} == await other.workers.elsewhere("a")
        other.begin("b", resume(cursor))
        await settle()
        await other.presence.exchange()
        assert {"id": "other", "ops": "http://other:9000", "lives": True} == await one.workers.elsewhere("a")
        await other.door.close()
        assert {"id": "other", "ops": None, "lives": False} == await one.workers.elsewhere("a")

    together(scenario)


def test_a_worker_alone_tells_of_itself() -> None:
    """There is nobody to ask."""

    async def scenario(registry: Registry) -> None:
        workers = Workers(registry, Identity(id="one", began_unix_s=1.5))
        assert ([told("one") | {"ops": None}], False) == await workers.crew()
        assert None is await workers.elsewhere("a")

    registered(scenario)
