"""Blocking calls in a worker thread, for what a scope then closes.

Guarantees that the call is over when the wait for it is, also where the waiter is cancelled: nobody
closes a file or frees a decoder under a thread that still uses it. Used by uploads and their spool.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from earful.completion import completed

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")
P = ParamSpec("P")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Give what `function` returns or raises; a cancellation takes effect when the call has ended."""
    return await in_thread_of(None, function, *args, **kwargs)


async def in_thread_of(threads: Executor | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Likewise in one of these, or of the event loop's: for calls that may take so long that others would wait."""
    call = partial(copy_context().run, function, *args, **kwargs)
    return await completed(asyncio.get_running_loop().run_in_executor(threads, call))
