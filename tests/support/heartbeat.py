"""An asyncio loop that notes how much CPU time each of its callbacks takes: what blocks the loop, and for how long.

CPU time of the loop's own thread, so that a busy machine fails no test. A callback that sleeps does not
show here; that the loop goes on answering meanwhile is measured from outside.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


@dataclass(slots=True)
class Longest:
    """The callback that took longest by now, in ms of CPU time."""

    cpu_ms: float = 0.0
    callback: str = ""


def watch_callbacks(monkeypatch: pytest.MonkeyPatch, thread_name: str = "server") -> Longest:
    """Measure every callback of asyncio loops in the threads of this name from now on."""
    longest = Longest()
    run: Callable[[Any], None] = asyncio.Handle._run

    def measured(handle: Any) -> None:
        if threading.current_thread().name != thread_name:
            run(handle)
            return
        # Before it runs: afterwards the handle may have forgotten what it called.
        callback = handle._callback
        began = time.thread_time()
        run(handle)
        took_ms = (time.thread_time() - began) * 1000
        if took_ms > longest.cpu_ms:
            longest.cpu_ms, longest.callback = took_ms, repr(callback)

    monkeypatch.setattr(asyncio.Handle, "_run", measured)
    return longest
