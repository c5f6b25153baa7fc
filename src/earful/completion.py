"""Waiting for a call to its end, cancelled or not, for what must not go on under somebody else's hands.

Guarantees that the call is over when the wait for it is. Used where uploads and models compute in threads.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def completed(call: Awaitable[T]) -> T:
    """Give what `call` gives or raises; a cancellation takes effect when it has ended."""
    future = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        if not future.cancelled():
            future.exception()  # Taken, or asyncio would report it as forgotten.
        raise
