"""Results on their way to the application: a bounded queue that ends.

Guarantees order, a bound on both sides' waiting (nobody waits once it is closed), and that a cancelled `take` loses
nothing. Called by `Client`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """At most `bound` items; who puts one more waits."""

    def __init__(self, bound: int) -> None:
        self._items: deque[T] = deque()
        self._bound = bound
        self._is_closed = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether the application has to take something first."""
        return len(self._items) >= self._bound

    async def put(self, item: T) -> None:
        """Add one, when there is room."""
        while self.is_full and not self._is_closed:
            self._room.clear()
            await self._room.wait()
        self._items.append(item)
        self._news.set()

    def close(self) -> None:
        """Nothing follows."""
        self._is_closed = True
        self._news.set()
        self._room.set()

    async def take(self) -> T | None:
        """Take the next one, waiting for it; None where nothing follows."""
        while not self._items and not self._is_closed:
            self._news.clear()
            await self._news.wait()
        self._room.set()
        return self._items.popleft() if self._items else None
