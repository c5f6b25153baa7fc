"""How a worker lets its sessions go: nobody is let in, each is told, all of it in bounded time.

A session that can go on elsewhere is handed over: its open utterance is left to where its client goes next.
The others get all their finals. Called by `Registry.drain`.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from earful.errors import ErrorCode
from earful.protocol.states import Input

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.service.connection import Connection
    from earful.service.registry import Registry

SPREAD = 0.5
"""Share of a drain over which sessions are handed over, so that they do not all arrive elsewhere at once."""


async def drain(registry: Registry, within_s: float, clock: Callable[[], float]) -> None:
    """End all sessions and wait for uploads, at most `within_s`; what is left then ends at once."""
    keep(registry, within_s)
    leaving = [connection for connection in registry.connections.values() if registry.can_hand_over(connection)]
    try:
        async with asyncio.timeout(within_s):
            await _hand_over(registry, leaving, within_s, clock)
            await registry.emptied()
    except TimeoutError:
        _cut(registry)


def keep(registry: Registry, within_s: float) -> None:
    """End here, within this time, the sessions that cannot go on elsewhere; also those that were to a moment ago."""
    for connection in list(registry.connections.values()):
        if not registry.can_hand_over(connection):
            connection.end(Input.DRAIN, within_s=within_s)


def way_out(registry: Registry, connection: Connection) -> Input:
    """How a drain ends a session, as things stand now."""
    return Input.HAND_OVER if registry.can_hand_over(connection) else Input.DRAIN


async def _hand_over(
    registry: Registry, leaving: list[Connection], within_s: float, clock: Callable[[], float]
) -> None:
    """In random order, evenly over the first part of the time, each as it can by then; only while anybody is left."""
    began = clock()
    random.shuffle(leaving)
    for nth, connection in enumerate(leaving):
        with suppress(TimeoutError):
            async with asyncio.timeout(began + within_s * SPREAD * nth / len(leaving) - clock()):
                await registry.emptied()
                return
        connection.end(way_out(registry, connection), within_s=began + within_s - clock())


def _cut(registry: Registry) -> None:
    """End what is left; who can go on elsewhere loses nothing by it."""
    cut = 0
    for connection in list(registry.connections.values()):
        if registry.can_hand_over(connection):
            connection.leave()
        else:
            connection.fail(ErrorCode.DRAINING)
            cut += 1
    if cut or registry.uploads:
        registry.log.warning("drain ran out of time", sessions=cut, uploads=registry.uploads)
