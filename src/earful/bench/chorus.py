"""The streams of a step, speaking together: each when its chunk is due, and how late that was.

Guarantees that a slot's streams are never early, and that reading has its turn between two slots. Driven by
`step`, one chunk interval at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.bench import clock
from earful.bench.ledger import Account, Latencies, Ledger
from earful.bench.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.bench.recording import Recording
    from earful.bench.stream import Stream


class Chorus:
    """Connected streams in their slots; `sent` counts their chunks."""

    def __init__(self, streams: Sequence[Stream], chunk_ms: int, recording: Recording) -> None:
        """Take one stream at least; `begin` opens their accounts."""
        self.sent = 0
        self._late = Latencies()
        self._recording = recording
        self._schedule = Schedule(len(streams), chunk_ms)
        self._began_s = 0.0
        self._groups: list[list[Stream]] = [[] for _ in range(self._schedule.slots)]
        for nth, stream in enumerate(streams):
            self._groups[self._schedule.slot(nth)].append(stream)

    def is_connected(self) -> bool:
        """Whether there is still a stream."""
        return any(stream.is_open for group in self._groups for stream in group)

    def is_owed(self) -> bool:
        """Whether an answer that counts may still come."""
        return any(stream.is_owed() for group in self._groups for stream in group)

    def begin(self, at_s: float, ledger: Ledger) -> None:
        """Let the first chunk be due at `at_s` of `clock.now`."""
        self._began_s = at_s
        for slot, group in enumerate(self._groups):
            for stream in group:
                stream.account = Account(ledger, stream.voice, at_s + self._schedule.due_s(0, slot))

    def take_late(self) -> Latencies:
        """How late each slot of each interval was since it was asked last."""
        late, self._late = self._late, Latencies()
        return late

    async def speak(self, chunk: int) -> None:
        """Send every stream's chunk of this number."""
        around = self._recording.around(chunk)
        for slot, group in enumerate(self._groups):
            due_s = self._began_s + self._schedule.due_s(chunk, slot)
            await clock.sleep_until(due_s)
            for stream in group:
                self.sent += stream.speak(chunk, around)
            self._late.observe(clock.now() - due_s)
