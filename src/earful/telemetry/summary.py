"""What workers served, and how fast: one worker's window, the way it travels, and several of them as one summary.

Pure. Guarantees that percentiles of several workers are those of all their durations together. `Metrics` makes a
window; the service shares it through the store; `/v1/metrics` shows the summary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, TypedDict

import msgspec

from earful.telemetry.histogram import Distribution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Curve = tuple[tuple[float, ...], tuple[int, ...], float]
"""A distribution as it travels: bounds in seconds, counts, their sum in seconds."""


class Percentiles(TypedDict):
    """Durations in ms that 50, 95 and 99 of a hundred do not exceed."""

    p50: float
    p95: float
    p99: float


class Summary(TypedDict):
    """The body of `/v1/metrics`; rates, latencies and percentiles are those of the last 60 s."""

    total_requests: int
    active_connections: int
    requests_per_second: float
    error_rate: float
    avg_latency_ms: float
    latency_ms: Percentiles
    upload_ms: Percentiles
    overload_level: int
    """The highest of any worker."""


@dataclass(frozen=True, slots=True)
class Window:
    """One worker's numbers since its start, and the others over the last 60 s; `failed` are some of the `ended`."""

    total_requests: int
    active_connections: int
    requests_per_second: float
    ended: int
    failed: int
    latency: Distribution
    upload: Distribution
    overload_level: int = 0

    def numbers(self) -> dict[str, float]:
        """All that are single numbers, by name."""
        return {name: getattr(self, name) for name in _NUMBERS}

    def histograms(self) -> bytes:
        """The distributions, for `read_window`."""
        return msgspec.json.encode([_curve(self.latency), _curve(self.upload)])


_NUMBERS = ("total_requests", "active_connections", "requests_per_second", "ended", "failed", "overload_level")


def read_window(numbers: Mapping[str, float], histograms: bytes) -> Window | None:
    """A window that has travelled; None where another release wrote what this one cannot read."""
    try:
        latency, upload = (Distribution(*curve) for curve in _CURVES.decode(histograms))
        return Window(
            total_requests=int(numbers["total_requests"]),
            active_connections=int(numbers["active_connections"]),
            requests_per_second=numbers["requests_per_second"],
            ended=int(numbers["ended"]),
            failed=int(numbers["failed"]),
            latency=latency,
            upload=upload,
            overload_level=int(numbers.get("overload_level", 0)),  # Earlier releases have none.
        )
    except (KeyError, msgspec.DecodeError):
        return None


def summary_of(windows: Sequence[Window]) -> Summary:
    """Of these workers together, at least one."""
    ended = sum(window.ended for window in windows)
    latency = reduce(Distribution.plus, (window.latency for window in windows))
    upload = reduce(Distribution.plus, (window.upload for window in windows))
    return Summary(
        total_requests=sum(window.total_requests for window in windows),
        active_connections=sum(window.active_connections for window in windows),
        requests_per_second=round(sum(window.requests_per_second for window in windows), 3),
        error_rate=round(sum(window.failed for window in windows) / ended, 4) if ended else 0.0,
        avg_latency_ms=round(latency.mean_ms(), 2),
        latency_ms=_percentiles(latency),
        upload_ms=_percentiles(upload),
        overload_level=max(window.overload_level for window in windows),
    )


_CURVES = msgspec.json.Decoder(tuple[Curve, Curve])


def _curve(distribution: Distribution) -> Curve:
    return distribution.bounds_s, distribution.counts, distribution.total_s


def _percentiles(distribution: Distribution) -> Percentiles:
    return Percentiles(
        p50=round(distribution.quantile_ms(0.50), 2),
        p95=round(distribution.quantile_ms(0.95), 2),
        p99=round(distribution.quantile_ms(0.99), 2),
    )
