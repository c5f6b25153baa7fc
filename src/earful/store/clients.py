"""redis-py, set up for one server, for sentinels or for a cluster: short timeouts, no retries, bounded pools.

Guarantees that each kind answers alike: replies in order, the server's refusals among them. Raises `FAILURES`,
which `link.py`, its only user, translates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from earful.store.address import StoreKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from earful.store.address import StoreAddress
    from earful.store.scripts import Argument

FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError, RuntimeError)
"""What a client raises where its servers are away or refuse: to redis-py a cluster's absence is no `RedisError`, and
a connection that was lost a moment ago is uvloop's `RuntimeError`."""
SENTINELS_SHARE = 1 / 3
"""Of the time for a turn: one sentinel that hangs must not use up the time in which the next could answer."""


class Client:
    """A redis-py client and what else must be closed with it."""

    def __init__(self, redis: Redis | RedisCluster, sentinel: Sentinel | None = None) -> None:
        """Connect when there is something to send."""
        self._redis = redis
        self._sentinel = sentinel

    async def send(self, commands: Iterable[tuple[Argument, ...]]) -> list[Any]:
        """The replies, in order; where a command was refused, the exception stands in its place."""
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    async def close(self) -> None:
        """Close every connection, whatever state they are in."""
        if isinstance(self._redis, RedisCluster):
            # Its own `aclose` does nothing while it believes it has to look for its nodes anew.
            await self._redis.nodes_manager.aclose()
            await self._redis.nodes_manager.aclose("startup_nodes")
        await self._redis.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()


def client_at(address: StoreAddress, max_connections: int, timeout_s: float, nth: int) -> Client:
    """The client for an address; the `nth` (from 0) begins with the `nth` of its hosts.

    `timeout_s` bounds every single wait for a server; `link.py` bounds them together.
    """
    first = nth % len(address.hosts)
    hosts = address.hosts[first:] + address.hosts[:first]
    options = _options(address, max_connections, timeout_s)
    if address.kind is StoreKind.CLUSTER:
        return Client(RedisCluster(startup_nodes=[ClusterNode(*host) for host in hosts], **options))
    if address.kind is StoreKind.SENTINEL:
        sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py has no types here
            hosts, sentinel_kwargs=_for_sentinels(options), **_for_server(options)
        )
        return Client(sentinel.master_for(address.service), sentinel)
    host, port = hosts[0]
    return Client(Redis(host=host, port=port, **options))


def _options(address: StoreAddress, max_connections: int, timeout_s: float) -> dict[str, Any]:
    """What redis-py is told of every connection."""
    tls = {"ssl": True} if address.tls else {}
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),  # `link.py` knows what may be tried again, and until when.
        "max_connections": max_connections,
        "protocol": 2,
        **tls,
        **address.options,
    }


def _for_server(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if not name.startswith("sentinel_")}


def _for_sentinels(options: dict[str, Any]) -> dict[str, Any]:
    """The same for the sentinels, with credentials of their own and no database."""
    own = {name.removeprefix("sentinel_"): value for name, value in options.items() if name.startswith("sentinel_")}
    shared = {name: value for name, value in _for_server(options).items() if name not in {"username", "password", "db"}}
    timeout_s = shared["socket_timeout"] * SENTINELS_SHARE
    return shared | own | {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
