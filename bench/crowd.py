"""Many clients at once, each with its own voice, at real time on an absolute schedule.

Guarantees that a chunk is sent at its due time as far as this process keeps up (`late_ms` says how far).
Latency counts from when a chunk was due to the first answer that covers it. Used by the scripts here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from truth import Told, told
from voice import Voice
from wire import TEXT, Peer, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START = b'{"type":"start"}'
STOP = b'{"type":"stop"}'
CONNECT_AT_ONCE = 50
_SLOTS = 100


class Stream(Peer):
    """One client: what it was told, and how long after it spoke."""

    def __init__(self, number: int, chunk_ms: int = 500) -> None:
        """Speak as voice `number`."""
        super().__init__()
        self.number = number
        self.voice = Voice(number, chunk_ms)
        self.sent = 0
        self.received = 0
        self.finals: list[Told] = []
        self.others: list[dict[str, Any]] = []
        """All that is neither partial nor final."""
        self.latencies_s: list[float] = []
        self._due: deque[tuple[int, float]] = deque()

    @property
    def is_answered(self) -> bool:
        """Whether every spoken chunk has its answer."""
        return not self._due

    def speak(self, due: float) -> None:
        """Send the next chunk; it was due at `due` (seconds of `time.perf_counter`)."""
        if self.gone.done():
            return
        self.write(self.voice.message(self.sent))
        if self.voice.is_spoken(self.sent):
            self._due.append((self.sent + 1, due))
        self.sent += 1

    def heard(self, message: bytes, now: float) -> None:
        """Note finals and latencies."""
        self.received += 1
        tree = json.loads(message)
        kind = tree["type"]
        if kind == "final":
            self.finals.append(told(tree))
        elif kind != "partial":
            self.others.append(tree)
            return
        while self._due and self._due[0][0] <= tree["sequence"]:
            self.latencies_s.append(now - self._due.popleft()[1])


async def gather_crowd(streams: Sequence[Stream], port: int, opening: bytes = b"") -> None:
    """Connect them all, some at a time; each opens with `opening` where that is given."""
    for first in range(0, len(streams), CONNECT_AT_ONCE):
        some = streams[first : first + CONNECT_AT_ONCE]
        await asyncio.gather(*(connect(stream, port) for stream in some))
        for stream in some:
            if opening:
                stream.send(TEXT, opening)


async def speak(
    streams: Sequence[Stream],
    seconds: float,
    go_on: Callable[[], bool] = lambda: True,
    *,
    late_ms: list[float] | None = None,
) -> None:
    """Let all of them speak at real time for so long, or until `go_on` says no; their chunks are spread evenly."""
    chunk_s = streams[0].voice.chunk_ms / 1000
    slots = min(_SLOTS, max(1, len(streams)))
    groups = [streams[slot::slots] for slot in range(slots)]
    began = time.perf_counter()
    for nth in range(round(seconds / chunk_s) * slots):
        due = began + nth * chunk_s / slots
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if not go_on():
            return
        for stream in groups[nth % slots]:
            stream.speak(due)
        if late_ms is not None:
            late_ms.append((time.perf_counter() - due) * 1000)


async def wait_for(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait until it holds; False where that takes longer than `within_s`."""
    end = time.perf_counter() + within_s
    while not condition():
        if time.perf_counter() > end:
            return False
        await asyncio.sleep(0.02)
    return True


async def warm_up(port: int) -> None:
    """Hold one whole session, so that everything which is made once has been made."""
    stream = Stream(1_000_003)
    await gather_crowd([stream], port, START)
    for _ in range(8):
        stream.speak(time.perf_counter())
    stream.send(TEXT, STOP)
    async with asyncio.timeout(20):
        await stream.gone


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all do not exceed; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
