"""Waiting for the end: of a call, cancelled or not, that must not go on under others' hands, and of cancelled tasks.

Guarantees that the call is over when the wait for it is, but for a second cancellation: only the end of the process
brings one, which no call that never returns may keep. Used where uploads and models compute in threads.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

T = TypeVar("T")

AGAIN_S = 0.25


async def completed(call: Awaitable[T], give_up: Callable[[], None] | None = None) -> T:
    """Give what `call` gives or raises; a cancellation takes effect when it has ended, as `give_up` asks it to."""
    future = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if give_up is not None:
            give_up()
        await asyncio.wait({future})
        if not future.cancelled():
            future.exception()  # Taken, or asyncio would report it as forgotten.
        raise


async def cancelled(tasks: Collection[asyncio.Task[None]], within_s: float) -> bool:
    """Cancel tasks until they have ended, `within_s` at most; whether they have.

    Once is not always enough: whoever catches too much, a library's connection say, goes on as if nothing had been.
    """
    loop, left = asyncio.get_running_loop(), set(tasks)
    until = loop.time() + within_s
    while left and loop.time() < until:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=min(AGAIN_S, until - loop.time()))
    return not left
