"""What the store's tests run over: memory, and a Redis that all tests of a process share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.store.rig import MemoryRig, RedisRig, Rig
from tests.support.redis_server import RedisServer, running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A server for tests that leave it running."""
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """A store, empty."""
    return MemoryRig() if request.param == "memory" else RedisRig(request.getfixturevalue("redis_server"))
