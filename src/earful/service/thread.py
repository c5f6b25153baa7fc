"""Blocking calls in a worker thread, for what a scope then closes.

Guarantees that the call is over when the wait for it is, also where the waiter is cancelled: nobody
closes a file or frees a decoder under a thread that still uses it. Used by uploads and their spool.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
P = ParamSpec("P")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Give what `function` returns or raises; a cancellation takes effect when the call has ended."""
    call = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait({call})
        if not call.cancelled():
            call.exception()  # Taken, or asyncio would report it as forgotten.
        raise
