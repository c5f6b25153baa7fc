"""From a URL to a directory. Loads redis-py only where the URL asks for it. Called by `app.py`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from earful.store.address import StoreAddress, StoreKind
from earful.store.memory import Hub, MemoryDirectory

if TYPE_CHECKING:
    from earful.store.directory import Directory, OnTurn


def is_shared(url: str) -> bool:
    """Whether what is at `url` is known to other workers too. Raises StoreUrlError."""
    return StoreAddress.parse(url).kind is not StoreKind.MEMORY


def directory_at(
    url: str, *, worker: str | None = None, max_connections: int = 16, on_turn: OnTurn | None = None
) -> Directory:
    """The directory at `url` (`StoreAddress.parse` lists the forms), for a worker that is named at random if not given.

    `memory://` is this directory's alone; `on_turn` is told of turns with others. Nothing is connected yet. Raises
    StoreUrlError.
    """
    address = StoreAddress.parse(url)
    name = worker or secrets.token_urlsafe(8)
    if address.kind is StoreKind.MEMORY:
        return MemoryDirectory(Hub(), name)
    from earful.store.redis import RedisDirectory

    return RedisDirectory(address, name, max_connections=max_connections, on_turn=on_turn)
