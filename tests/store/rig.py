"""A store with several workers, in memory or in a real Redis: what the contract suite and the model run over.

Guarantees that time passes only when it is told to, in Redis too, and that everything there has a time to live.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from earful.store.address import StoreAddress
from earful.store.memory import Hub, MemoryDirectory
from earful.store.redis import RedisDirectory
from earful.store.values import Claim, Entry, Report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.redis_server import RedisServer

    from earful.store.directory import Directory

EXPIRES_S = 300.0
LEASE_S = 30.0
"""Long enough that what a test does takes no time."""
PATIENT_S = 5.0
"""For a turn, where the test is not about its time: this machine may be busy."""
_JUMP = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left < 0 then
    return redis.error_reply('no time to live: ' .. key)
  end
  if string.find(key, ':leases$') then
    for _, worker in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      redis.call('ZINCRBY', key, -ARGV[1], worker)
    end
  end
  if string.find(key, ':bucket$') then
    redis.call('HINCRBYFLOAT', key, 'seen_ms', -ARGV[1])
  end
  if left <= tonumber(ARGV[1]) then
    redis.call('DEL', key)
  else
    redis.call('PEXPIRE', key, left - ARGV[1])
  end
end
"""
"""Brings every end nearer, as if time had passed; and refuses what has no end."""


class Rig(Protocol):
    """A store."""

    def directory(self, worker: str) -> Directory:
        """A worker's access to it."""

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""

    def empty(self) -> None:
        """Let the store forget everything."""

    async def settle(self) -> None:
        """Let notices on their way arrive."""

    async def close(self) -> None:
        """Close all directories."""


class MemoryRig:
    """In this process."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._hub = Hub(lambda: self._now_s)
        self._directories: list[Directory] = []

    def directory(self, worker: str) -> Directory:
        """A worker's access to it."""
        self._directories.append(MemoryDirectory(self._hub, worker, lease_s=LEASE_S))
        return self._directories[-1]

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds

    def empty(self) -> None:
        """Let the hub forget, but for who is listening."""
        forgetful = Hub(lambda: self._now_s)
        forgetful.inboxes = self._hub.inboxes
        vars(self._hub).update(vars(forgetful))

    async def settle(self) -> None:
        """Nothing is on its way."""

    async def close(self) -> None:
        """Close all directories."""
        for directory in self._directories:
            await directory.close()


class RedisRig:
    """In a real Redis, emptied first."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._directories: list[RedisDirectory] = []
        self.empty()

    def directory(self, worker: str) -> Directory:
        """A worker's access to it."""
        address = StoreAddress.parse(self._server.url)
        self._directories.append(RedisDirectory(address, worker, lease_s=LEASE_S, turn_s=PATIENT_S))
        return self._directories[-1]

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""
        self._server.ask("EVAL", _JUMP, 0, round(seconds * 1000))

    def empty(self) -> None:
        """Let it forget."""
        self._server.ask("FLUSHALL")

    async def settle(self) -> None:
        """Let notices on their way arrive."""
        for directory in self._directories:
            while directory._words:
                await asyncio.wait(set(directory._words))

    async def close(self) -> None:
        """Close all directories."""
        self.let_pass(0)
        for directory in self._directories:
            await directory.close()


def play(rig: Rig, scenario: Callable[[Rig], Awaitable[None]], within_s: float = 15.0) -> None:
    """Run `scenario`, close everything, and see that no task is left."""

    async def main() -> None:
        async with asyncio.timeout(within_s):
            try:
                await scenario(rig)
            finally:
                await rig.close()
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(main())


def claim(session_id: str, attempt: int = 0, *, tenant: str = "acme", expires_s: float = EXPIRES_S) -> Claim:
    """A claim."""
    return Claim(session_id, tenant, attempt, expires_s)


def entry(session_id: str, attempt: int = 0, *, tenant: str = "acme", detail: bytes = b"") -> Entry:
    """A session to report."""
    return Entry(session_id, tenant, attempt, 1_700_000_000.5, detail)


def report(*entries: Entry, ended: tuple[str, ...] = (), passed: tuple[str, ...] = (), **tenants: int) -> Report:
    """A report of these sessions, with counts by tenant."""
    return Report(entries, ended, tenants, expires_s=EXPIRES_S, passed=passed)
