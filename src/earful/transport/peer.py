"""Who a client is behind the proxies that are trusted, by uvicorn's own rules for them.

uvicorn's middleware applies them to what it serves, with the socket's end from `end_of`; the fast transport asks here,
once a connection.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

if TYPE_CHECKING:
    from uvicorn import Config

    from earful.transport.upgrade import Header


UNIX = ("unix", 0)
"""Who is at the other end of a Unix socket; `unix` among the trusted proxies trusts them."""

_OF_PROXIES = (b"x-forwarded-", b"forwarded")
"""How the headers begin that proxies add; without one there is nothing to ask uvicorn about."""


def end_of(peername: object) -> tuple[str, int]:
    """Who is at the other end of a socket, by its `peername`: an address and port, or `UNIX`.

    An IPv4 address that a socket for IPv6 has accepted is that address, or no list of IPv4 addresses would have it.
    """
    if not isinstance(peername, tuple) or not peername:
        return UNIX
    host, port = str(peername[0]), int(peername[1])
    if host.startswith("::ffff:"):
        with suppress(ValueError):
            host = str(ipaddress.IPv6Address(host).ipv4_mapped or host)
    return host, port


def peer_of(peername: object, headers: list[Header], config: Config) -> str:
    """The client's address: the socket's, or a trusted proxy's word for it; `unix` where neither is known."""
    end = end_of(peername)
    if not config.proxy_headers or not any(name.startswith(_OF_PROXIES) for name, _ in headers):
        return end[0]
    scope: Any = {"type": "websocket", "scheme": "ws", "client": end, "headers": headers}
    trusted = config.forwarded_allow_ips or "127.0.0.1"
    follow = _followed(trusted if isinstance(trusted, str) else ",".join(trusted))
    # The middleware is asynchronous and never waits: its first step is its last.
    with suppress(StopIteration):
        follow(scope, _nothing, _nothing).send(None)
    return str(scope["client"][0])


@lru_cache(maxsize=8)
def _followed(trusted: str) -> Any:
    """One for all connections: each is a ring that only the collector frees."""
    return ProxyHeadersMiddleware(_nothing, trusted)


async def _nothing(*_: object) -> None:
    """Stand in for an app, and for its channels."""
