"""A scope that ends when the client has gone for whom it works: nobody would take what comes of it.

Guarantees that what is in the scope has ended, by cancellation, when the scope ends, and the watch over the client too.
Used by the uploads' route.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine


class ClientGoneError(EarfulError):
    """The client has gone before its answer. It is nobody's fault; the error is for whoever reads on all the same."""

    def __init__(self) -> None:
        """Have a row of the table: the one for a body that breaks off."""
        super().__init__(ErrorCode.BAD_REQUEST, "The connection ended before the answer.")


@asynccontextmanager
async def while_there(departure: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do what is in the scope until `departure`, which is over when the client has gone.

    Raises ClientGoneError then, or what `departure` raises.
    """
    watching = asyncio.create_task(departure, name="client's departure")
    scope = asyncio.timeout(None)
    try:
        async with scope:
            watching.add_done_callback(partial(_end, scope))
            try:
                yield
            finally:
                # Within the timeout: `_end` must not come to one that is over.
                watching.cancel()
                await asyncio.wait({watching})
    except TimeoutError:
        if not scope.expired():  # What is in the scope has timeouts of its own.
            raise
        watching.result()
        raise ClientGoneError from None


def _end(scope: asyncio.Timeout, watching: asyncio.Task[None]) -> None:
    """The watch is over: the client has gone, unless nobody wants to know any more."""
    if not watching.cancelled():
        scope.reschedule(asyncio.get_running_loop().time())
