"""redis-py as it is set up: what each kind of address becomes, whom it speaks to first, and how it is secured."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import RedisCluster, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection
from tests.store.rig import PATIENT_S
from tests.support.certificate import make_certificate
from tests.support.redis_server import HOST, free_port, running_redis

from earful.store.address import StoreAddress
from earful.store.clients import SENTINELS_SHARE, Client, client_at
from earful.store.directory import StoreUnavailableError
from earful.store.link import Link
from earful.store.scripts import Script

if TYPE_CHECKING:
    from pathlib import Path

ECHO = Script("return ARGV[1]")


def client_of(url: str, nth: int = 0) -> Client:
    """The nth client for a URL."""
    return client_at(StoreAddress.parse(url), 5, 0.24, nth)


def told(client: Any) -> dict[str, Any]:
    """What redis-py was told of a client's connections."""
    return dict(client.connection_pool.connection_kwargs)


def test_a_server() -> None:
    """Short timeouts, no retries, so many connections, and what the URL says."""
    redis = client_of("redis://me:pw@cache:7000/3")._redis
    assert 5 == redis.connection_pool.max_connections  # type: ignore[union-attr]  # no cluster
    expected = {"host": "cache", "port": 7000, "db": 3, "username": "me", "password": "pw"}
    bounds = {"socket_timeout": 0.24, "socket_connect_timeout": 0.24, "protocol": 2}
    assert (expected | bounds).items() <= told(redis).items()
    assert 0 == told(redis)["retry"].get_retries()


def test_sentinels_have_their_own_credentials_and_less_time() -> None:
    """The server's are not shown to them; TLS is for both."""
    client = client_of("rediss+sentinel://me:pw@a:1,b:2,c:3/main?db=2&sentinel_password=watch", nth=4)
    assert client._sentinel is not None
    assert ["b", "c", "a"] == [told(sentinel)["host"] for sentinel in client._sentinel.sentinels]
    for sentinel in client._sentinel.sentinels:
        assert ("watch", None, 0) == tuple(told(sentinel)[name] for name in ("password", "username", "db"))
        assert 0.24 * SENTINELS_SHARE == told(sentinel)["socket_timeout"] == told(sentinel)["socket_connect_timeout"]
        assert SSLConnection is sentinel.connection_pool.connection_class
    pool = client._redis.connection_pool  # type: ignore[union-attr]  # no cluster
    assert isinstance(pool, SentinelConnectionPool)
    assert ("main", True, 5) == (pool.service_name, pool.is_master, pool.max_connections)
    assert SentinelManagedSSLConnection is pool.connection_class
    assert ("me", "pw", 2, 0.24) == tuple(
        told(client._redis)[name] for name in ("username", "password", "db", "socket_timeout")
    )


def test_a_cluster() -> None:
    """Its nodes, and the same bounds."""
    redis = client_of("redis+cluster://:pw@a:1,b:2")._redis
    assert isinstance(redis, RedisCluster)
    assert ["a:1", "b:2"] == [node.name for node in redis.startup_nodes]
    assert ("pw", 0.24) == tuple(redis.connection_kwargs[name] for name in ("password", "socket_timeout"))
    assert 0 == redis.retry.get_retries()


def test_tls(tmp_path: Path) -> None:
    """Over TLS, and only with a certificate that can be trusted."""
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    secured = (
        f"tls-port {port}",
        f"tls-cert-file {certificate}",
        f"tls-key-file {key}",
        f"tls-ca-cert-file {certificate}",
        "tls-auth-clients no",
    )

    async def echo(options: str) -> list[Any]:
        address = StoreAddress.parse(f"rediss://{HOST}:{port}{options}")
        link = Link(lambda nth: client_at(address, 5, PATIENT_S, nth), max_turns=5, turn_s=PATIENT_S)
        try:
            async with link.turn() as turn:
                return await turn.send(ECHO(("k",), "hidden"))
        finally:
            await link.close()

    with running_redis(*secured):
        assert [b"hidden"] == asyncio.run(echo(f"?ssl_ca_certs={certificate}"))
        with pytest.raises(StoreUnavailableError):
            asyncio.run(echo(""))
