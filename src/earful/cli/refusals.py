"""What a batch makes of a server that refuses for now, because it is full or has a limit: it tries again.

Guarantees pauses as long as the server asks for, else ever longer ones, one recording's at a time, and an end: while
none of the batch is heard no refusal is waited out for longer than `PATIENCE_S`. Used by `batch.py`.
"""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from earful.client import ConnectError
from earful.errors import CloseCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from earful.client.losses import Loss

T = TypeVar("T")

PATIENCE_S = 60.0
SETTLED_S = 2.0
"""Who was not refused for so long is heard, or for twice as long as it took with another: an answer may take as long as
the audio, while refusals come at once, or where something behind the server is slow all of them after the same time."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
FOR_NOW = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, CloseCode.TRY_LATER, CloseCode.RESTART}
)
"""The statuses and close codes of a refusal that another try may change."""


class Refusals:
    """Those of one batch."""

    def __init__(self, random: Callable[[], float]) -> None:
        """`random` gives 0 to 1 as `random.random` does."""
        self._random = random
        self._pausing = asyncio.Lock()
        self._in_a_row = 0
        self._begun_s: list[float] = []
        self._settled_s = SETTLED_S
        self._heard_s: float | None = None
        """When one was last heard, or the first refused."""

    async def outlast(self, attempt: Callable[[], Awaitable[T]], say: Callable[[str], object]) -> T:
        """What `attempt` gives, tried again while it is refused for now, which is said once; raises what it raises."""
        is_said = False
        while True:
            try:
                return await self._tried(attempt)
            except ConnectError as error:
                if error.loss.code not in FOR_NOW:
                    raise
                refusal = error
            # One at a time: those behind it would be refused as well.
            async with self._pausing:
                pause_s = self._pause_s(refusal.loss)
                if pause_s == math.inf:
                    raise refusal
                if not is_said:
                    say(f"refused for now, trying again ... ({refusal})")
                    is_said = True
                await asyncio.sleep(pause_s)

    async def _tried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        begun_s = _now_s()
        self._begun_s.append(begun_s)
        try:
            result = await attempt()
        except ConnectError:
            self._settled_s = max(self._settled_s, 2 * (_now_s() - begun_s))
            raise
        except Exception:
            if _now_s() - begun_s > self._settled_s:
                self._note_heard()  # As far as it came, and perhaps the reason why the next one is refused.
            raise
        finally:
            self._begun_s.remove(begun_s)
        self._note_heard()
        return result

    def _note_heard(self) -> None:
        self._in_a_row = 0
        self._heard_s = _now_s()

    def _pause_s(self, loss: Loss) -> float:
        """How long to wait for the next try; without end where there is none."""
        now_s = _now_s()
        if self._heard_s is None or any(now_s - begun_s > self._settled_s for begun_s in self._begun_s):
            self._heard_s = now_s
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._in_a_row, 10))
        self._in_a_row += 1
        pause_s = loss.retry_after_s + self._random() * longest_s
        return pause_s if now_s + pause_s < self._heard_s + PATIENCE_S else math.inf


def _now_s() -> float:
    return asyncio.get_running_loop().time()
