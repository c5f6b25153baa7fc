"""What one step came to, as plain numbers. Pure values; `step` makes them, `run` judges and `report` shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earful.bench.ledger import Latencies
    from earful.bench.tally import Tally

LEAST_ANSWERED = 0.97
_FULL = ("429", "503")
"""How a server, or a proxy for it, says that it has no room: other refusals are faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFigures:
    """What the server's processes used: all None where nobody said which they are."""

    cpu_pct: float | None = None
    cpu_us_per_chunk: float | None = None
    resident_mb_start: float | None = None
    """Before anybody was connected."""
    resident_mb_end: float | None = None
    kb_per_session: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Durations in ms; None where there are none. `buckets`: upper bound in ms and count, alike in every run."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    buckets: list[tuple[float, int]]

    @classmethod
    def of(cls, latencies: Latencies) -> Quantiles:
        """Those of what was observed."""
        p50_ms, p95_ms, p99_ms = (latencies.quantile_ms(share) for share in (0.5, 0.95, 0.99))
        count = latencies.count()
        return cls(
            count=count,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
            p99_ms=p99_ms,
            max_ms=latencies.max_s * 1000 if count else None,
            buckets=latencies.buckets(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong: errors by code, lost connections by reason, refusals by HTTP status, and those not made."""

    errors: dict[str, int]
    lost: dict[str, int]
    refused: dict[str, int]
    unreachable: dict[str, int]
    sentence: str

    @classmethod
    def of(cls, tally: Tally) -> Trouble:
        """That of some connections until now."""
        return cls(
            errors=dict(tally.errors),
            lost=dict(tally.lost),
            refused=dict(tally.refused),
            unreachable=dict(tally.unreachable),
            sentence=tally.sentence(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What else was there: sessions that stay, or handshakes a second."""

    number: float
    trouble: Trouble
    latency: Quantiles | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One step: so many streams, measured for `seconds`."""

    streams: int
    chunk_ms: int
    seconds: float
    connect_s: float
    chunks_per_s: float
    answers_per_s: float
    spoken: int
    latency: Quantiles
    generator_late: Quantiles
    most_late_ms: float
    trouble: Trouble
    idle: Beside | None = None
    handshakes: Beside | None = None
    server: ServerFigures = field(default_factory=ServerFigures)

    @property
    def answered_share(self) -> float:
        """Of the spoken chunks, those that were answered; 0 where nobody spoke."""
        return self.latency.count / self.spoken if self.spoken else 0.0

    @property
    def is_valid(self) -> bool:
        """Whether the server was measured, and not the generator."""
        return (self.generator_late.p99_ms or 0.0) <= self.most_late_ms

    @property
    def refused(self) -> int:
        """How many the server had no room for: streams, idle sessions, or those of the handshakes."""
        all_of_it = [self.trouble, *(beside.trouble for beside in (self.idle, self.handshakes) if beside)]
        return sum(trouble.refused.get(status, 0) for trouble in all_of_it for status in _FULL)

    def is_refused(self, p99_ms: float) -> bool:
        """Whether it had no room for some, and was not late with the others: its limits were met, not its machine's."""
        return self.refused > 0 and (self.latency.p99_ms is None or self.latency.p99_ms <= p99_ms)

    @property
    def failure(self) -> str:
        """What went wrong, in a few words; empty where nothing did."""
        parts = [self.trouble.sentence]
        parts += [f"idle sessions: {self.idle.trouble.sentence}"] if self.idle and self.idle.trouble.sentence else []
        if self.handshakes and self.handshakes.trouble.sentence:
            parts.append(f"handshakes: {self.handshakes.trouble.sentence}")
        if not self.spoken:
            parts.append("nobody spoke")
        elif self.answered_share < LEAST_ANSWERED:
            parts.append(f"only {self.answered_share:.1%} of the spoken chunks answered")
        return ", ".join(filter(None, parts))

    def holds(self, p99_ms: float) -> bool:
        """Whether nothing went wrong and the answers came in time."""
        return not self.failure and self.latency.p99_ms is not None and self.latency.p99_ms <= p99_ms
