"""Who is owed what: the spoken chunks of all streams, when they were due, and how long their answers took.

Guarantees to count every spoken chunk of the window once, answered or not, and to hold no memory per
chunk: a due time follows from a number. Pure; `stream` writes it, `figures` reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.telemetry.histogram import Histogram

if TYPE_CHECKING:
    from earful.bench.voice import Voice

_FINEST_S = 0.0001
_STEP = 1.01
BOUNDS_S = tuple(_FINEST_S * _STEP**nth for nth in range(1400))
"""From 0.1 ms to 111 s, each bound a hundredth above the one before: so true is a percentile."""


class Latencies:
    """Durations as a histogram whose buckets are the same in every run, so that runs can be added; and the longest."""

    __slots__ = ("histogram", "max_s")

    def __init__(self) -> None:
        """Begin with none."""
        self.histogram = Histogram(BOUNDS_S)
        self.max_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.histogram.observe(seconds)
        self.max_s = max(self.max_s, seconds)

    def add(self, other: Latencies) -> None:
        """Count all of the other's, too."""
        self.histogram.counts = [a + b for a, b in zip(self.histogram.counts, other.histogram.counts, strict=True)]
        self.histogram.total_s += other.histogram.total_s
        self.max_s = max(self.max_s, other.max_s)

    def count(self) -> int:
        """How many."""
        return sum(self.histogram.counts)

    def quantile_ms(self, share: float) -> float | None:
        """What `share` of all do not exceed, to a hundredth; None where there are none."""
        if not self.count():
            return None
        return min(self.histogram.snapshot().quantile_ms(share), self.max_s * 1000)

    def buckets(self) -> list[tuple[float, int]]:
        """Upper bound in ms and count of each bucket that is not empty; what lies above the last bound is in it."""
        counts = self.histogram.counts
        bounds_ms = [round(bound_s * 1000, 4) for bound_s in (*BOUNDS_S, BOUNDS_S[-1])]
        return [(bound_ms, count) for bound_ms, count in zip(bounds_ms, counts, strict=True) if count]


class Ledger:
    """The streams' accounts together. Chunks outside `window` are spoken, and count for nothing."""

    __slots__ = ("chunk_s", "expected", "latencies", "window")

    def __init__(self, window: range, chunk_s: float) -> None:
        """Measure the chunks of these numbers, each `chunk_s` seconds after the one before."""
        self.window = window
        self.chunk_s = chunk_s
        self.latencies = Latencies()
        self.expected = 0
        """Spoken chunks that are answered, or will not be any more."""


class Account:
    """One stream's chunks: those sent, and up to which they are answered."""

    __slots__ = ("_answered", "_first_due_s", "_ledger", "_voice", "sent")

    def __init__(self, ledger: Ledger, voice: Voice, first_due_s: float) -> None:
        """Begin before the first chunk, which is due at `first_due_s` of the clock that `answer` is told."""
        self._ledger = ledger
        self._voice = voice
        self._first_due_s = first_due_s
        self._answered = 0
        self.sent = 0
        """How many chunks were sent: the next one's number."""

    def answer(self, sequence: int, now_s: float) -> None:
        """Take a partial or final that covers all chunks up to this sequence, the number of the last plus one."""
        ledger = self._ledger
        for chunk in range(self._answered, min(sequence, self.sent)):
            if chunk in ledger.window and self._voice.is_spoken(chunk):
                ledger.expected += 1
                ledger.latencies.observe(now_s - self._first_due_s - chunk * ledger.chunk_s)
            self._answered = chunk + 1

    def is_settled(self) -> bool:
        """Whether nothing is owed any more."""
        return not any(self._owed())

    def close(self) -> None:
        """Count what is still owed as not answered; nothing may follow."""
        self._ledger.expected += sum(self._owed())
        self._answered = self.sent

    def _owed(self) -> list[bool]:
        window = self._ledger.window
        return [self._voice.is_spoken(chunk) for chunk in range(self._answered, self.sent) if chunk in window]
