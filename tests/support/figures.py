"""Figures of a step as a test wants them."""

from __future__ import annotations

from earful.bench.figures import Beside, Figures, Quantiles, ServerFigures, Trouble
from earful.bench.ledger import Latencies
from earful.bench.tally import Tally

FULL = ServerFigures(
    cpu_pct=50.0, cpu_us_per_chunk=40.0, resident_mb_start=50.0, resident_mb_end=80.0, kb_per_session=30.0
)


def quantiles(*ms: float) -> Quantiles:
    """Those of these durations."""
    latencies = Latencies()
    for duration in ms:
        latencies.observe(duration / 1000)
    return Quantiles.of(latencies)


def trouble(**refused: int) -> Trouble:
    """Refusals only: `http_503=2`."""
    tally = Tally()
    for name, count in refused.items():
        tally.refused[name.removeprefix("http_")] += count
    return Trouble.of(tally)


def figures(
    streams: int = 100,
    *ms: float,
    late_ms: float = 1.0,
    spoken: int | None = None,
    refused: int = 0,
    idle: Beside | None = None,
    handshakes: Beside | None = None,
    server: ServerFigures | None = None,
) -> Figures:
    """A step whose answers took these times; all spoken chunks were answered unless `spoken` says more."""
    times = ms or (50.0,)
    return Figures(
        streams=streams,
        chunk_ms=100,
        seconds=10.0,
        connect_s=0.1,
        chunks_per_s=1000.0,
        answers_per_s=900.0,
        spoken=len(times) if spoken is None else spoken,
        latency=quantiles(*times) if spoken != 0 else quantiles(),
        generator_late=quantiles(late_ms),
        most_late_ms=10.0,
        trouble=trouble(http_503=refused) if refused else trouble(),
        idle=idle,
        handshakes=handshakes,
        server=server or ServerFigures(),
    )
