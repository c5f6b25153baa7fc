"""What calls and sessions leave behind: cancelled tasks that have yet to end, objects that have yet to close.

Every such task has its parent here, and every wait its deadline. The engine's, and nobody else's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from earful.engine.call import Lane
    from earful.engine.tally import OnError
    from earful.models.types import SessionInfo

_LAST_WAIT_S = 0.1


class Leftovers:
    """Holds cancelled calls until they end, and closes model objects nobody uses any more."""

    def __init__(self, *, timeout_s: float, on_gone: Callable[[], None], on_error: OnError | None) -> None:
        """Close each object within `timeout_s`; say `on_gone` whenever a cancelled call has ended."""
        self._timeout_s = timeout_s
        self._on_gone = on_gone
        self._on_error = on_error
        self._orphans: set[asyncio.Task[None]] = set()
        self._heeding: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def orphans(self) -> int:
        """Cancelled calls that have not ended yet."""
        return len(self._orphans)

    @property
    def places(self) -> int:
        """Places of the model that cancelled calls still take."""
        return len(self._heeding)

    def cancel(self, task: asyncio.Task[None]) -> None:
        """Cancel a call and keep it until it has ended."""
        task.cancel()
        self._orphans.add(task)
        self._heeding.add(task)
        task.add_done_callback(self._gone)

    def give_up(self) -> None:
        """Take the places of the calls cancelled so far: they had a sweep's time to end."""
        self._heeding.clear()

    def retire(self, lane: Lane, after: asyncio.Task[None] | None = None) -> None:
        """Take the lane's object, if there is one, and close it in the background once `after` has ended.

        An object whose last call never ends is never closed: it is not ours while that call runs.
        """
        model, lane.model, lane.opened = lane.model, None, False
        close = getattr(model, "close", None)
        if close is None:
            return
        task = asyncio.get_running_loop().create_task(self._close(close, lane.info, after), name="model close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def wait(self, within_s: float) -> None:
        """Wait at most `within_s` for all of it to end; what has not is cancelled and left."""
        await _wait(self._orphans | self._closing, within_s)
        for task in self._closing:
            task.cancel()
        await _wait(self._orphans | self._closing, _LAST_WAIT_S)

    async def _close(
        self, close: Callable[[], Awaitable[None]], info: SessionInfo, after: asyncio.Task[None] | None
    ) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                if after is not None:
                    await asyncio.wait((after,))
                await close()
        except (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 - user code: sys.exit() and panics of extensions too
            if self._on_error is not None:
                self._on_error(info, error)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._orphans.discard(task)
        self._heeding.discard(task)
        self._on_gone()


async def _wait(tasks: set[asyncio.Task[None]], within_s: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=within_s)
