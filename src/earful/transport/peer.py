"""Who a client is behind the proxies that are trusted, by uvicorn's own rules for them.

The portable transport gets this from uvicorn's middleware; the fast one asks here, once a connection.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

if TYPE_CHECKING:
    from uvicorn import Config

    from earful.transport.upgrade import Header


def peer_of(peername: tuple[Any, ...] | None, headers: list[Header], config: Config) -> str:
    """The client's address: the socket's, or a trusted proxy's word for it; empty where neither is known."""
    scope: Any = {"type": "websocket", "scheme": "ws", "client": peername or None, "headers": headers}
    if config.proxy_headers:
        trusted = config.forwarded_allow_ips or "127.0.0.1"
        follow = _followed(trusted if isinstance(trusted, str) else ",".join(trusted))
        # The middleware is asynchronous and never waits: its first step is its last.
        with suppress(StopIteration):
            follow(scope, _nothing, _nothing).send(None)
    return str(scope["client"][0]) if scope["client"] else ""


@lru_cache(maxsize=8)
def _followed(trusted: str) -> Any:
    """One for all connections: each is a ring that only the collector frees."""
    return ProxyHeadersMiddleware(_nothing, trusted)


async def _nothing(*_: object) -> None:
    """Stand in for an app, and for its channels."""
