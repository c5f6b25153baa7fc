"""The one clock of a measurement, and sleeping by it. Tests put another in its place: ask for it as `clock.now()`."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

now: Callable[[], float] = time.perf_counter
"""Seconds since some moment."""


async def sleep_until(due_s: float) -> None:
    """Let others run, until `due_s` of `now` at least; a late caller yields once and goes on."""
    delay_s = due_s - now()
    if delay_s <= 0:
        await asyncio.sleep(0)
    while delay_s > 0:
        # Whole milliseconds: uvloop rounds to them, and would spin through what is left.
        await asyncio.sleep(math.ceil(delay_s * 1000) / 1000)
        delay_s = due_s - now()
