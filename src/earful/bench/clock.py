"""The one clock of a measurement, `time.perf_counter`, and sleeping by it."""

from __future__ import annotations

import asyncio
import math
import time


async def sleep_until(due_s: float) -> None:
    """Let others run, until `due_s` of `time.perf_counter` at least; a late caller yields once and goes on."""
    delay_s = due_s - time.perf_counter()
    if delay_s <= 0:
        await asyncio.sleep(0)
    while delay_s > 0:
        # Whole milliseconds: uvloop rounds to them, and would spin through what is left.
        await asyncio.sleep(math.ceil(delay_s * 1000) / 1000)
        delay_s = due_s - time.perf_counter()
